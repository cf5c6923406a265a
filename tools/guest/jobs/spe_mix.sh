#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Samples of each of spe_mix's programs, for spestat on the host to judge: the files of
# perf go out whole, each after a line that names its program and says how long it is.
#
#   tools/build/spe_stat.sh test ring4
#
# On the kernel's command line, NN_PROGRAMS picks some, NN_PERIOD is the period, a
# multiple of 256, and NN_BUFFER is where their data go.

cpu=1
period=${NN_PERIOD:-768}

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }
n=0
failed=0
programs="sequential random chase stores mops strings atomics branches mixed"
# the kernel must have it, too
! grep -qw sve /proc/cpuinfo || programs="$programs sve"
# shellcheck disable=SC2086  # words
set -- ${NN_PROGRAMS:-$programs}
echo "TAP version 13"
echo "1..$#"
for p; do
	space=u
	[ "$p" != mixed ] || space=
	rm -f /tmp/spe_mix.data
	# All of the CPU, not only the program: the plugin does not know who runs either.
	# The buffer is large enough that no interrupt empties it while the program runs.
	perf record -o /tmp/spe_mix.data -C $cpu -m ,4M -c "$period" \
		-e arm_spe_0/ts_enable=1,pa_enable=1,jitter=1/$space \
		-- taskset -c $cpu spe_mix "$p" "${NN_BUFFER:-0x200000000}" >/tmp/spe_mix.out 2>/tmp/spe_mix.log
	rc=$?
	n=$((n + 1))
	cat /tmp/spe_mix.out
	if [ $rc = 0 ]; then
		echo "spe_mix $p ${space:-uk} $period $(stat -c %s /tmp/spe_mix.data)" >"$NN_OUT"
		cat /tmp/spe_mix.data >"$NN_OUT"
		echo "ok $n $p"
	else
		sed 's/^/# /' /tmp/spe_mix.log
		echo "not ok $n $p"
		failed=1
	fi
done
exit $failed
