#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Samples of SPE in place of hint faults: memory that lies far from its user comes
# near, in base and huge pages, whatever the scheduling class of the user; without
# them it does not under a sched_ext scheduler. Together with perf. For a machine
# with SPE and two nodes or more.
# NN_PLACE_MB is how much memory (32).

mb=${NN_PLACE_MB:-32}
dir=/tmp/mem_sampling
log=$dir/log
log_lines=60
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh
mkdir -p $dir

for scx in /nn/sched-*/scx_simple; do :; done
[ -x "$scx" ] || { echo "Bail out! there is no scx_simple on board"; exit 1; }

vmstat() { # NAME
	sed -n "s/^$1 //p" /proc/vmstat
}

# place NAME OPTION...: one run of numa_place with its results in $dir/out
place() {
	name=$1
	shift
	faults=$(vmstat numa_hint_faults)
	"$@" >$dir/out 2>&1
	rc=$?
	faults=$(($(vmstat numa_hint_faults) - faults))
	cat $dir/out >>$log
	echo "# $name: $(tail -n 2 $dir/out | tr -s ' ' | tr '\n' ';') $faults hint faults"
	return $rc
}

# at_least PERCENT: was as much local in the end?
at_least() {
	awk -v min="$1" '$1 ~ /^[0-9]+$/ && NF == 9 { last = $3 } END { exit !(last >= min) }' $dir/out
}

echo "TAP version 13"
echo "1..15"

: >$log
dmesg -c >/dev/null
sysctl -w kernel.numa_balancing=1 >>$log
[ "$(cat /proc/sys/kernel/mem_sampling_enable)" = 0 ] && ! sysctl -w kernel.numa_balancing_mem_sampling=1 >>$log 2>&1 &&
	dmesg | grep -q 'write 1 to kernel.mem_sampling_enable first'
result $? "samples can't be used while nothing is sampled, and it says so"

sysctl -w kernel.mem_sampling_enable=1 >>$log 2>&1 && sysctl -w kernel.numa_balancing_mem_sampling=1 >>$log 2>&1 &&
	dmesg | grep -q 'enabled, source arm_spe'
result $? "sampling is switched on"

for pages in base huge; do
	: >$log
	place "$pages pages" numa_place --memory "$mb" --pages $pages --until 95 --accesses 40000000 &&
		at_least 95 && [ "$faults" = 0 ]
	result $? "$pages pages come near, without a hint fault"
done

: >$log
place "in sequence" numa_place --memory "$mb" --pattern sequential --until 95 --accesses 40000000 && at_least 95
result $? "memory that is used in sequence comes near"

: >$log
place "real time" numa_place --fifo --memory "$mb" --until 95 --accesses 40000000 && at_least 95
result $? "a real-time task's memory comes near"

: >$log
scx_start $dir/scx.log "$scx" &&
	place "sched_ext, samples" numa_place --memory "$mb" --until 95 --accesses 40000000 &&
	at_least 95 && [ "$faults" = 0 ]
result $? "under a sched_ext scheduler memory comes near"
: >$log
sysctl -w kernel.numa_balancing_mem_sampling=0 >>$log 2>&1
place "sched_ext, hint faults" numa_place --memory "$mb" --accesses 20000000 && ! at_least 1
result $? "which hint faults can't do"
scx_stop

: >$log
place "fair, hint faults" numa_place --memory "$mb" --until 90 --accesses 200000000 && at_least 90 && [ "$faults" -gt 0 ]
result $? "hint faults are back in the fair class"
: >$log
sysctl -w kernel.numa_balancing_mem_sampling=1 >>$log 2>&1
place "samples again" numa_place --memory "$mb" --until 95 --accesses 40000000 && at_least 95 && [ "$faults" = 0 ]
result $? "and samples again"

# perf has the hardware when it wants it
: >$log
perf record -o $dir/data -e arm_spe_0/load_filter=1,store_filter=1/u -- numa_place --memory "$mb" --accesses 3000000 >>$log 2>&1 &&
	[ "$(perf report -D -i $dir/data 2>>$log | grep -c ' VA ')" -gt 100 ]
result $? "perf record of a task succeeds while memory accesses are sampled"
: >$log
perf record -a -o $dir/data -e arm_spe_0/load_filter=1,store_filter=1/u -- numa_place --memory "$mb" --accesses 3000000 >>$log 2>&1 &&
	[ "$(perf report -D -i $dir/data 2>>$log | grep -c ' VA ')" -gt 100 ]
result $? "and of the whole machine"
: >$log
cat /sys/kernel/debug/mem_sampling/sources >>$log
awk '/ parked_ns / && $NF > 0 { n++ } END { exit !n }' /sys/kernel/debug/mem_sampling/sources
result $? "the time that perf took is told"
: >$log
place "after perf" numa_place --memory "$mb" --until 95 --accesses 40000000 && at_least 95 && [ "$faults" = 0 ]
result $? "sampling goes on after it"

: >$log
sysctl -w kernel.mem_sampling_enable=0 >>$log 2>&1 && [ "$(cat /proc/sys/kernel/numa_balancing_mem_sampling)" = 0 ]
samples=$(vmstat mem_samples)
numa_place --memory "$mb" --accesses 2000000 >>$log 2>&1
[ "$(vmstat mem_samples)" = "$samples" ]
result $? "switched off it is off"
grep -h . /sys/kernel/debug/arm_spe_mem_sampling /proc/vmstat | grep -E '^(cpus|errors|records|damaged|no_|kernel_|other_|coll|loss|mem_s|numa_s)' | sed 's/^/# /'
exit $failed
