#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each sample of a memory access is of the task that did it, and of no other: see
# mem_attrib. For a machine with SPE. NN_SAMPLES is how many samples are checked (40000
# and the same again in other ways).

samples=${NN_SAMPLES:-40000}
log=/tmp/mem_attrib.log
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

attrib() { # OPTION...
	mem_attrib --seconds $((300 + samples / 500)) "$@" >$log 2>&1
	rc=$?
	sed -n 's/^[0-9]* processes/# &/p' $log
	return $rc
}

echo "TAP version 13"
echo "1..5"
attrib --samples "$samples"
result $? "8 processes on 2 CPUs, $samples samples"
attrib --samples $((samples / 4)) --processes 2 --cpus 1
result $? "2 processes on a CPU"
attrib --samples $((samples / 4)) --processes 4 --cpus 4
result $? "4 processes on 4 CPUs"
attrib --samples $((samples / 4)) --no-numa --period 4096
result $? "without NUMA balancing, each fourth sample"
attrib --samples 5000 --lie
[ $? = 1 ] && grep -q 'samples are credited wrongly' $log
result $? "a process in another's range is noticed"
exit $failed
