#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Does this machine go on executing instructions that have been overwritten? For
# that, smc_race patches code that other CPUs are running: first with one of them,
# which gives the most patches, then with all. Its program comes along:
#
#   make -C tools/qemu guest
#   make boot JOB=smc_race MODE=single FILES=tools/qemu/build/smc_race:/nn/bin/smc_race
#
# NN_SMC_SECONDS on the kernel's command line (APPEND=) is how long each of the two
# takes. It is the guest's time, so one second is plenty with MODE=icount.

seconds=${NN_SMC_SECONDS:-10}
log=/tmp/smc_race.log
n=0
failed=0

race() { # NAME OPTION...
	name=$1
	shift
	n=$((n + 1))
	smc_race -t "$seconds" "$@" >"$log" 2>&1
	rc=$?
	sed 's/^/# /' "$log"
	case $rc in
	0) echo "ok $n $name" ;;
	1) echo "not ok $n $name"; failed=1 ;;
	*) echo "Bail out! smc_race exit $rc: $(tail -n 1 "$log")"; exit 1 ;;
	esac
}

command -v smc_race >/dev/null || {
	echo "Bail out! there is no smc_race on board: make -C tools/qemu guest," \
		"then boot with FILES=tools/qemu/build/smc_race:/nn/bin/smc_race"
	exit 1
}
echo "TAP version 13"
echo "1..2"
race "no old instruction on one CPU" -n 1 -e 5
race "no old instruction on any CPU"
exit $failed
