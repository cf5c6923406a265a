#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# spe_soak for NN_SPE_SECONDS (20): SPE events come and go at random while CPUs go
# offline and come back. NN_SPE_SEED repeats a run's dice, if not its timing.

seconds=${NN_SPE_SECONDS:-20}
log=/tmp/spe_soak.log

command -v spe_soak >/dev/null || { echo "Bail out! there is no spe_soak on board: MACHINE=spe or PERF=1"; exit 1; }

echo "TAP version 13"
echo "1..2"
failed=0
# shellcheck disable=SC2086  # no option is no argument
spe_soak ${NN_SPE_SEED:+-s $NN_SPE_SEED} "$seconds" >$log 2>&1
rc=$?
sed 's/^/# /' $log
if [ $rc = 0 ]; then
	echo "ok 1 $seconds s of events and CPUs that come and go"
else
	failed=1
	echo "not ok 1 $seconds s of events and CPUs that come and go"
fi
# no splat, but nothing that the driver should have to say
if dmesg | grep -E 'arm_spe_pmu.*(Unexpected|Unknown|unsupported)' | sed 's/^/# | /' | grep .; then
	failed=1
	echo "not ok 2 the driver has nothing to complain about"
else
	echo "ok 2 the driver has nothing to complain about"
fi
exit $failed
