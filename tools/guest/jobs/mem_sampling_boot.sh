#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the boot parameter mem_sampling= comes to. For the command line that it is
# given NN_EXPECT says what the two sysctls have to be, and NN_SAYS a text that the
# kernel's log must have, with "." for each blank.

log=/tmp/mem_sampling_boot.log
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

echo "TAP version 13"
echo "1..3"
# The driver of the hardware may take a moment.
tries=0
while :; do
	state=$(cat /proc/sys/kernel/mem_sampling_enable)$(cat /proc/sys/kernel/numa_balancing_mem_sampling)
	[ "$state" != "$NN_EXPECT" ] && [ $tries -lt 30 ] || break
	tries=$((tries + 1))
	usleep 100000
done
{ cat /proc/cmdline; dmesg | grep -E 'mem_sampling|arm_spe|page table isolation'; } >$log
[ "$state" = "$NN_EXPECT" ]
result $? "the sysctls are $NN_EXPECT (they are $state)"
dmesg | grep -q "$NN_SAYS"
result $? "and the log says why"
# Whatever was asked for at boot: what is asked for now counts.
if [ "$NN_EXPECT" = 11 ]; then
	sysctl -w kernel.mem_sampling_enable=0 >>$log 2>&1
	[ "$(cat /proc/sys/kernel/mem_sampling_enable)$(cat /proc/sys/kernel/numa_balancing_mem_sampling)" = 00 ]
	result $? "it can be switched off"
else
	sysctl -w kernel.mem_sampling_enable=2 >>$log 2>&1
	sysctl -w kernel.numa_balancing_mem_sampling=1 >>$log 2>&1
	[ "$(cat /proc/sys/kernel/mem_sampling_enable)$(cat /proc/sys/kernel/numa_balancing_mem_sampling)" = "$NN_EXPECT" ]
	result $? "what can't be does not change anything"
fi
exit $failed
