#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# spe-record of tools/mm: what it shows of a program whose memory is known, for whom,
# and what it says to those who ask for what can't be. For a machine with SPE.

dir=/tmp/spe_record
log=$dir/log
log_lines=60
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
mkdir -p $dir

for tool in /nn/mm-*/spe-record; do :; done
[ -x "$tool" ] || { echo "Bail out! there is no spe-record on board"; exit 1; }

# number NAME: that of the last line of $dir/out, which is the summary
number() {
	tail -n 1 $dir/out | sed -n "s/.*\"$1\":\\([0-9.]*\\).*/\\1/p"
}

# refused STATUS TEXT ARGUMENT...: does it end so, and say that?
refused() {
	status=$1 text=$2
	shift 2
	"$tool" "$@" >$dir/out 2>$log
	rc=$?
	[ $rc = "$status" ] && grep -q -- "$text" $log && [ "$(wc -l <$log)" -le 2 ]
}

echo "TAP version 13"
echo "1..9"

: >$log
refused 1 'kernel.mem_sampling_enable' -a -d 1
result $? "while nothing is sampled it says which switch is missing"

sysctl -w kernel.numa_balancing=1 >$log
sysctl -w kernel.mem_sampling_enable=1 >>$log 2>&1
result $? "sampling is switched on"

# Without NUMA balancing by samples the memory stays where it is.
sysctl -w kernel.numa_balancing=0 >$log
"$tool" --json -i 0 -- numa_place --memory 16 --accesses 3000000 >$dir/out 2>>$log
rc=$?
cat $dir/out >>$log
tail -n 1 $dir/out | grep -q '"type":"summary"' && [ $rc = 0 ] && [ "$(number samples)" -gt 500 ] &&
	[ $(($(number remote) * 100)) -gt $(($(number samples) * 50)) ] && grep -q '"numa_place"' $dir/out
result $? "a command with remote memory: most of its samples are remote"

"$tool" --json -i 0 -- numa_place --from 0 --cpu 0 \
	--memory 16 --after 3000000 >$dir/out 2>$log
cat $dir/out >>$log
[ "$(number samples)" -gt 500 ] && [ $(($(number remote) * 100)) -lt $(($(number samples) * 5)) ]
result $? "and with local memory hardly any"

numa_place --memory 16 --accesses 2000000000 --step 100000000 >$dir/place 2>&1 &
place=$!
sleep 1
"$tool" --raw -p $place -d 2 >$dir/out 2>$log
lines=$(grep -c "numa_place" $dir/out)
head -n 5 $dir/out >>$log
[ "$lines" -gt 100 ] && ! grep -v numa_place $dir/out | grep -q 0x
result $? "of a process: its samples, and of no other one ($lines)"
kill $place 2>/dev/null
wait $place 2>/dev/null

: >$log
mkdir -p /etc
grep -qs ^nobody: /etc/passwd || echo nobody:x:65534:65534::/:/bin/false >>/etc/passwd
start-stop-daemon -S -c nobody -x "$tool" -- -a -d 1 -i 0 >$dir/out 2>$log
cat $dir/out >>$log
grep -q 'mem_samples' $dir/out && grep -q 'CAP_PERFMON' $log && ! grep -q 0x $dir/out
result $? "an unprivileged user gets the counters and hears what is missing"

: >$log
refused 2 'whom to record'
result $? "whom to record has to be said"
refused 2 'no-such-option' --no-such-option && refused 2 'x' -a -d x && refused 2 '-1' -p -1
result $? "bad arguments are named"
refused 2 "3999999" -p 3999999
result $? "and so is a process that there is not"
exit $failed
