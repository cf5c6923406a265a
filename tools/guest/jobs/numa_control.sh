#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The series' tests on a kernel without it: numa_distance has to tell what is
# wrong there, or it proves nothing elsewhere.

log=/tmp/control.log
runner=/nn/selftests-series/runner
[ -x $runner ] || { echo "Bail out! the series' tests are not on board"; exit 1; }

echo "TAP version 13"
echo "1..1"
$runner -t =numa_distance >$log 2>&1
sed 's/^/    | /' $log
if grep -q '^not ok 1 numa_distance ' $log &&
   grep -Eq '^ERR: default mode, .*, start node [0-9]+, .*: picked CPU .*\(distance [0-9]+\), expected CPU .*\(distance [0-9]+\)' $log; then
	echo "ok 1 - numa_distance fails and says which CPU was passed over"
else
	echo "not ok 1 - numa_distance fails and says which CPU was passed over"
	exit 1
fi
