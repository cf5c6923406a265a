#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# perf opens and closes SPE events while memory accesses are sampled: see mem_perf. For a
# machine with SPE. NN_CYCLES is how often (500).

cycles=${NN_CYCLES:-500}
log=/tmp/mem_perf.log
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

echo "TAP version 13"
echo "1..2"
mem_perf --cycles "$cycles" >$log 2>&1
rc=$?
sed 's/^/# /' $log
result $rc "$cycles events come and go, of the task and of the CPU in turn"
mem_perf --cycles 32 --lie >$log 2>&1
[ $? = 1 ] && grep -q "address of the other task\|the other's address" $log
result $? "a record of another task is noticed"
exit $failed
