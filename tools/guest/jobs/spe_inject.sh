#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What Linux makes of a fault of the profiling hardware: for a machine whose CPUs have
# x-spe-inject=$NN_SPE_FAULT, which happens once on each of them, or for one without
# (none, the default). The first session on a CPU meets the fault, and must tell of it
# what there is to tell; the second must be as if there had never been one.

fault=${NN_SPE_FAULT:-none}
dir=/tmp/spe_inject
log=$dir/log
# 23 rounds, 5 instructions an access, an interval of 4096 and up to 255 more
enough=850
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }
mkdir -p $dir

interrupts() { # CPU
	awk -v cpu="$1" '$NF == "arm_spe_pmu" { print $(2 + cpu) }' /proc/interrupts
}

complaints() {
	dmesg | grep -cE 'arm_spe_pmu.*(Unexpected|Unknown)'
}

# A buffer that is never full, but whose middle calls for an interrupt. What there is
# of it: aux (the sizes and flags of what the driver handed over), flags (all of
# them), records, bad (packets), irqs (interrupts), faults (the driver's complaints).
session() { # CPU
	: >$log
	irqs=$(interrupts "$1")
	faults=$(complaints)
	taskset -c 0 perf record -o $dir/data -m ,16 -C "$1" -e arm_spe_0/jitter=1/u -c 4096 -- \
		taskset -c "$1" spe_pattern 23 >>$log 2>&1 || return 1
	perf report -D -i $dir/data >$dir/dump 2>>$log || return 1
	irqs=$(($(interrupts "$1") - irqs))
	faults=$(($(complaints) - faults))
	aux=$(sed -n 's/.* PERF_RECORD_AUX .* size: \(0x[0-9a-f]*\|0\) flags: \(0x[0-9a-f]*\|0\) .*/\1,\2/p' $dir/dump)
	flags=0
	for a in $aux; do flags=$((flags | ${a#*,})); done
	records=$(grep -c ' PC 0x' $dir/dump)
	echo "handed over (size,flags):" "$aux" | tr "\n" " " >>$log
	bad=$(grep -c "Bad packet" $dir/dump)
	echo "; $records records, $bad bad packets, flags $flags, $irqs interrupts, $faults complaints" >>$log
}

# Exactly one of what was handed over has these flags, and none has others.
once() { # FLAGS
	[ "$(for a in $aux; do [ $((${a#*,})) = 0 ] || echo $((${a#*,})); done)" = "$1" ]
}

clean() {
	[ "$flags" = 0 ] && [ "$bad" = 0 ] && [ "$records" -ge $enough ] && [ "$irqs" -ge 1 ] && [ "$faults" = 0 ]
}

# Did the driver do what it must? PERF_AUX_FLAG_TRUNCATED 1, PARTIAL 4, COLLISION 8
noticed() { # CPU
	case $fault in
	none)
		clean
		;;
	collision)	# told when the buffer is serviced for another reason
		once 8 && [ "$bad" = 0 ] && [ "$records" -ge $enough ] && [ "$irqs" -ge 1 ] && [ "$faults" = 0 ]
		;;
	data-loss)	# stops until perf has read what there is, half a record too
		once 5 && [ $((${aux%%,*})) = 32 ] && [ "$irqs" -ge 1 ] && [ "$faults" = 0 ]
		;;
	external-abort)	# stops for good
		[ -z "$aux" ] && [ "$records" = 0 ] && [ "$irqs" = 1 ] && [ "$faults" = 1 ] &&
			dmesg | grep 'arm_spe_pmu: Unexpected buffer fault' | tail -n 1 |
			grep -q "on CPU $1 \[PMBSR=0x0000000090060010,"
		;;
	buffer-full)	# after one record, and goes on
		clean && [ $((${aux%%,*})) = 64 ] && [ "$irqs" -ge 2 ]
		;;
	lost-interrupt)	# half of the buffer is full: that much when it is over
		[ "$flags" = 0 ] && [ "$bad" = 0 ] && [ "$irqs" = 0 ] && [ "$faults" = 0 ] &&
			[ "$records" -ge 400 ] && [ "$records" -le 512 ]
		;;
	*)
		echo "NN_SPE_FAULT=$fault is none of x-spe-inject's" >>$log
		false
		;;
	esac
}

echo "TAP version 13"
echo "1..4"
for cpu in 1 2; do
	session $cpu && noticed $cpu
	result $? "CPU $cpu: $fault: noticed"
	grep "^handed over" $log | sed "s/^/# /"
	session $cpu && clean
	result $? "CPU $cpu: $fault: over with the second session"
	grep "^handed over" $log | sed "s/^/# /"
done
exit $failed
