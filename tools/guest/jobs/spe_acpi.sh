#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# SPE as the ACPI tables tell of it: for a guest that came up through UEFI firmware and
# has no device tree.

dir=/tmp/spe_acpi
log=$dir/log
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }
mkdir -p $dir

echo "TAP version 13"
echo "1..3"

{ ls -l /sys/firmware/acpi/tables /sys/firmware/devicetree/base; } >$log 2>&1
[ -s /sys/firmware/acpi/tables/APIC ] && [ ! -e /sys/firmware/devicetree/base/cpus ]
result $? "the firmware's tables are ACPI"

dmesg | grep arm_spe_pmu >$log
grep -q 'arm_spe_pmu.*: probed SPEv1.* for CPUs 0-' $log
result $? "the driver has found SPE on all CPUs"
sed 's/^/# /' $log

perf record -o $dir/data -e arm_spe_0/jitter=1/u -c 4096 -- spe_pattern >$log 2>&1 &&
	perf report -i $dir/data --stdio -s sym >>$log 2>&1 &&
	grep -q ' walk_reads$' $log && grep -q arm_spe_pmu /proc/interrupts
result $? "perf record profiles by its interrupt"
exit $failed
