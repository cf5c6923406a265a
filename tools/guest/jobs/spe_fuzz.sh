#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random values in every register of SPE on all CPUs, by a module; then Linux must
# profile as if nothing had been. NN_SPE_WRITES is how many there are (1000000) in each
# of the rounds, NN_SPE_SEED the first one's seed (1).

writes=${NN_SPE_WRITES:-1000000}
first=${NN_SPE_SEED:-1}
rounds=2
module=/nn/modules/spe_fuzz.ko
dir=/tmp/spe_fuzz
log=$dir/log
# 23 rounds of spe_pattern, 5 instructions an access, an interval of up to 4096 + 255
enough=850
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

[ -x /usr/bin/perf ] && [ -f $module ] || { echo "Bail out! there is no perf or no $module on board: MACHINE=spe"; exit 1; }
mkdir -p $dir

# Many writes, and all that can become of a buffer
fuzz() { # SEED
	insmod $module writes="$writes" seed="$1" >$log 2>&1 || { dmesg | tail -n 20 >>$log; return 1; }
	dmesg | grep "spe_fuzz: seed $1:" | tail -n 1 >>$log
	rmmod spe_fuzz >>$log 2>&1 || return 1
	sed 's/.*seed/# seed/' $log
	awk -v writes="$writes" '
		{ for (i = 1; i < NF; i++) count[$(i + 1)] = $i }
		END {
			exit !(count["writes"] >= writes && count["records,"] > writes / 100 && count["full,"] &&
				count["without"] && count["faults,"] && count["aborts,"] && count["wrong"] == 0)
		}' $log
}

# Is a session on this CPU what it always is?
session() { # CPU
	taskset -c 0 perf record -o $dir/data -m ,16 -C "$1" -e arm_spe_0/jitter=1/u -c 4096 -- \
		taskset -c "$1" spe_pattern 23 >>$log 2>&1 || return 1
	perf report -D -i $dir/data >$dir/dump 2>>$log || return 1
	records=$(grep -c ' PC 0x' $dir/dump)
	echo "CPU $1: $records records" >>$log
	grep ' PERF_RECORD_AUX ' $dir/dump >>$log
	[ "$records" -ge $enough ] && ! grep -q 'Bad packet' $dir/dump &&
		! grep ' PERF_RECORD_AUX ' $dir/dump | grep -vq 'flags: 0 '
}

echo "TAP version 13"
echo "1..$((2 * rounds + 1))"
seed=$first
while [ "$seed" -lt $((first + rounds)) ]; do
	fuzz "$seed"
	result $? "$writes random writes, seed $seed"
	session 1 && session "$(($(nproc) - 1))"
	result $? "profiling after it"
	seed=$((seed + 1))
done
dmesg | grep -E 'arm_spe_pmu.*(Unexpected|Unknown|unsupported)' >$log
[ ! -s $log ]
result $? "the driver has nothing to complain about"
exit $failed
