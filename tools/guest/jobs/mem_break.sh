#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Would they notice? The tests of sampling and of preferred nodes on a kernel in which one
# function does not do its work, for each of which one of them must fail. For a machine with
# SPE and three nodes. (That lost contents are noticed is part of mem_storm.sh: a kernel that
# loses any takes init with it.)

log=/tmp/mem_break.log
log_lines=30
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

# With FUNCTION broken COMMAND fails, and says what TEXT is
notices() { # TEXT "FUNCTION and parameters of nn_break" COMMAND...
	text=$1 what=$2
	shift 2
	: >$log
	# shellcheck disable=SC2086  # parameters
	insmod /nn/modules/nn_break.ko func=$what >>$log 2>&1 || { result 1 "$what can be broken"; return; }
	"$@" >>$log 2>&1
	rc=$?
	rmmod nn_break
	dmesg | grep nn_break | tail -n 1 | sed 's/^/# /'
	grep -m 1 -E "$text" $log | sed 's/^/# /'
	[ $rc != 0 ] && grep -qE "$text" $log
	result $? "without ${what%% *}: ${1} fails"
}

echo "TAP version 13"
echo "1..7"
notices "had another task's context" "arm_spe_kernel_drain" mem_attrib --samples 5000 --seconds 60 --period 4096
notices 'samples MOVE it' "folio_can_map_prot_numa ret=1" numa_same --kinds --only forked
notices 'samples MOVE it' "vma_numa_skip_reason ret=0xffffffff" numa_same --kinds --only "private, only readable"
notices 'only 0 of 64 ordinary pages' "migrate_misplaced_folio_prepare ret=0xfffffff5" numa_same --kinds --only "userfaultfd, missing" --seconds 8
notices 'no samples on CPU' "arm_spe_kernel_start every=7" mem_perf --cycles 100
for runner in /nn/selftests-*/runner; do :; done
notices 'expected node [0-9]+ in call 2, was node -1' "set_preferred_node_scx" "$runner" -t =numa_preferred
notices "Hint faults don't make" "task_tick_numa" "$runner" -t =numa_preferred
exit $failed
