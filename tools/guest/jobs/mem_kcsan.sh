#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The storm of mem_storm on a kernel that looks for data races (VARIANT=kcsan), in mode mt so
# that CPUs do run at once. Of KCSAN's reports only those count here in which a function of
# sampling made an access or called what did; the rest of the kernel has races of
# its own, and sampling calls it. Wants log_buf_len=16M.
# NN_STORM_SECONDS is how long (120).

seconds=${NN_STORM_SECONDS:-120}
log=/tmp/mem_kcsan.log
ours='mem_sampl|numa_sampl|arm_spe'
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

echo "TAP version 13"
echo "1..3"
echo on >/sys/kernel/debug/kcsan 2>$log && sed 's/^/# /' /sys/kernel/debug/kcsan | head -n 4
result $? "the kernel looks for data races"

# The console would be all that the guest does.
dmesg -n 1
mem_storm --seconds "$seconds" >$log 2>&1
rc=$?
echo off >/sys/kernel/debug/kcsan
dmesg -n 7
sed 's/^/# /' $log
result $rc "$seconds s of storm"

# What is not a report of KCSAN is for the harness to judge.
dmesg | awk -v ours="$ours" -v counts=/tmp/counts '
	function ends() {
		if (report) {
			all++
			if (named) { mine++; printf "%s", block }
		} else {
			printf "%s", block
		}
		block = ""
		inside = report = named = frames = 0
	}
	/\] =+$/ { if (inside) { block = block $0 "\n"; ends(); next } inside = 1 }
	inside {
		block = block $0 "\n"
		if (/BUG: KCSAN/)
			report = 1
		if (/ by (task|interrupt)/)
			frames = 2
		else if (frames > 0 && frames-- && $0 ~ ours)
			named = 1
		next
	}
	/\] (mem_sampling|arm_spe|WARNING|BUG|INFO)/ { print }
	END { ends(); print mine + 0, all + 0 >counts }'
read -r mine all </tmp/counts
echo "# data races: $all reported, $mine of them of functions of sampling"
cp /sys/kernel/debug/kcsan $log
grep '^[a-z_]*:' $log | head -n 12 | sed 's/^/# /'
[ "$mine" = 0 ]
result $? "no data race in what samples"
exit $failed
