#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Four tasks follow each other from CPU to CPU, each in a buffer of its own, and one
# of them is profiled: every address that is recorded must be that task's, every PID
# its PID. Once the whole machine is profiled, to see that the others would be noticed.
# NN_TASK_SECONDS is how long each recording takes (2).

seconds=${NN_TASK_SECONDS:-2}
dir=/tmp/spe_tasks
log=$dir/log
mine=2
log_lines=40
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }
mkdir -p $dir

start_others() {
	for i in 0 1 3; do
		spe_task $i 600 >$dir/task$i &
	done
}

stop_others() {
	for i in 0 1 3; do
		kill "$(sed -n 's/.* pid \([0-9]*\) .*/\1/p' $dir/task$i)"
	done
	wait
}

# Waits until ours is there and keeps what it has mapped.
take_maps() {
	tries=0
	until grep -q ' pid ' $dir/task$mine 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { echo "no task" >>$log; return 1; }
		usleep 50000
	done
	pid=$(sed -n 's/.* pid \([0-9]*\) .*/\1/p' $dir/task$mine)
	usleep 300000	# it has its stack and its libraries by now
	cat "/proc/$pid/maps" >$dir/maps
}

# judge: whose addresses did perf record? Prints the counts.
judge() {
	rm -f $dir/strays
	perf script -i $dir/data --itrace=M -F pid,tid,cpu,addr,ip,sym >$dir/script 2>>$log || return 2
	sed 's/-/ /' $dir/maps | awk -v pid="$pid" -v strays=$dir/strays '
		# numbers of 48 bits, as text of one length
		function norm(s) {
			sub(/^0x/, "", s)
			return substr("0000000000000000", 1, 16 - length(s)) s
		}
		FILENAME == "-" { nr++; from[nr] = norm($1); to[nr] = norm($2); next }
		FILENAME ~ /task[0-9]$/ {
			if ($3 != "pid") next
			tasks++
			first[tasks] = norm($6); last[tasks] = norm($7); owner[tasks] = $4
			next
		}
		{
			split($1, who, "/")
			cpus[$2] = 1
			a = norm($3)
			total++
			foreign += who[1] != pid
			for (i = 1; i <= tasks; i++)
				if (a >= first[i] && a < last[i])
					break
			if (i <= tasks) {
				if (owner[i] == pid) {
					own++
				} else {
					stray++
					print "of others:", $0 >strays
				}
				next
			}
			# an operation that found nothing left to copy or set accesses nothing
			if (a ~ /^0+$/) { none++; next }
			if (a >= "ffff000000000000") { kernel++; next }
			for (i = 1; i <= nr; i++)
				if (a >= from[i] && a < to[i])
					break
			if (i <= nr) {
				mapped++
			} else {
				unknown++
				print "unmapped:", $0 >strays
			}
		}
		END {
			for (c in cpus) nr_cpus++
			printf "total %d own %d mapped %d kernel %d of-others %d unmapped %d foreign-pids %d cpus %d no-address %d\n",
				total, own, mapped, kernel, stray, unknown, foreign, nr_cpus, none
		}' - $dir/task[0-9] $dir/script
}

# Judges what was recorded of one task.
check_one() { # NAME
	counts=$(judge)
	echo "# $1: $counts"
	echo "$counts" >>$log
	head -n 20 $dir/strays >>$log 2>/dev/null
	# shellcheck disable=SC2086  # a list of words
	set -- "$1" $counts
	[ "${3:-0}" -ge 500 ] && [ "$5" -ge $(($3 / 4)) ] && [ "${11}" = 0 ] && [ "${13}" = 0 ] &&
		[ "${15}" = 0 ] && [ "${17}" -ge 2 ] && [ "${19}" -le $(($3 / 20)) ]
	result $? "$1: all is the task's own"
	# each context packet has its PID
	perf report -D -i $dir/data 2>>$log | sed -n 's/.* CONTEXT \(0x[0-9a-f]*\).*/\1/p' | sort | uniq -c >$dir/contexts
	cat $dir/contexts >>$log
	[ "$(awk '{ print $2 }' $dir/contexts)" = "$(printf '0x%x' "$pid")" ]
	result $? "$1: no context but the task's"
}

echo "TAP version 13"
echo "1..9"
for kind in u ""; do
	where=${kind:+user space}
	where=${where:-user space and kernel}

	: >$log
	rm -f $dir/task$mine $dir/data
	start_others
	perf record -o $dir/data -e arm_spe_0/jitter=1,load_filter=1,store_filter=1/$kind -c 2048 -- spe_task $mine "$seconds" >$dir/task$mine 2>>$log &
	recorder=$!
	take_maps
	wait $recorder
	rc=$?
	stop_others
	[ $rc = 0 ] || echo "perf record: exit $rc" >>$log
	check_one "perf record -- CMD, $where"

	: >$log
	rm -f $dir/task$mine $dir/data
	start_others
	spe_task $mine $((seconds + 60)) >$dir/task$mine &
	take_maps
	perf record -o $dir/data -e arm_spe_0/jitter=1,load_filter=1,store_filter=1/$kind -c 2048 -p "$pid" -- sleep "$seconds" >>$log 2>&1
	kill "$pid"
	stop_others
	check_one "perf record -p PID, $where"
done

: >$log
rm -f $dir/task$mine $dir/data
start_others
perf record -o $dir/data -e arm_spe_0/jitter=1,load_filter=1,store_filter=1/u -c 2048 -a -- spe_task $mine "$seconds" >$dir/task$mine 2>>$log &
recorder=$!
take_maps
wait $recorder
stop_others
counts=$(judge)
echo "# the whole machine: $counts"
# shellcheck disable=SC2086  # a list of words
set -- $counts
[ "${4:-0}" -ge 100 ] && [ "${10:-0}" -ge 100 ] && [ "${14:-0}" -ge 100 ]
result $? "perf record -a: the others are noticed"
exit $failed
