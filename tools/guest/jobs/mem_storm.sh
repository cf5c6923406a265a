#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Memory keeps its contents while samples make it move and much else happens: see
# mem_storm. For a machine with SPE and two nodes. NN_STORM_SECONDS is how long (60),
# NN_STORM_SEED repeats a run's dice, if not its timing; NN_STORM_FAIL=1 lets allocations
# fail, on a kernel that can do that; NN_SPE_FAULT is what the hardware does wrong, if it
# does.

seconds=${NN_STORM_SECONDS:-60}
log=/tmp/mem_storm.log
stats=/sys/kernel/debug/arm_spe_mem_sampling
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

echo "TAP version 13"
echo "1..5"
mem_storm --seconds "$seconds" ${NN_STORM_SEED:+--seed "$NN_STORM_SEED"} ${NN_STORM_FAIL:+--fail} >$log 2>&1
rc=$?
sed 's/^/# /' $log
result $rc "$seconds s of storm"

for kind in huge shmem; do
	mem_storm --seconds 30 --no-hotplug --only $kind --corrupt $kind >$log 2>&1
	[ $? = 1 ] && grep -q "CORRUPT: $kind" $log
	result $? "changed contents of $kind are noticed"
done

# Sampling still works, everywhere.
echo 0 >/proc/sys/kernel/mem_sampling_enable
echo 1 >/proc/sys/kernel/mem_sampling_enable && echo 1 >/proc/sys/kernel/numa_balancing_mem_sampling
online=$(grep -c '^processor' /proc/cpuinfo)
: >$log
for cpu in $(seq 0 $((online - 1))); do
	numa_place --cpu "$cpu" --memory 4 --until 90 --accesses 100000000 >>$log 2>&1 &&
		tail -n 1 $log | grep -q '^90 % local after' || echo "CPU $cpu: none" >>$log
done
[ "$(sed -n 's/^cpus //p' $stats)" = "$online" ] && ! grep -q none $log
result $? "afterwards memory still comes to each of $online CPUs"

sed 's/^/# /' $stats
cp $stats $log
case ${NN_SPE_FAULT:-none} in
external-abort | data-loss)	# records, or all of a CPU's, are lost
	true
	;;
*)
	grep -q '^damaged 0$' $log && grep -q '^errors 0$' $log
	;;
esac
result $? "no record was damaged"
exit $failed
