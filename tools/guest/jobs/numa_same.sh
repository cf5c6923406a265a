#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Memory ends up in the same place by samples as by hint faults, and each kind of memory
# that the one leaves alone the other leaves alone: see numa_same. For a machine with
# SPE and three nodes. NN_SAME is what of it: --patterns, --kinds; all of it if empty.

log=/tmp/numa_same.log
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

echo "TAP version 13"
# shellcheck disable=SC2086  # several options, or none
numa_same $NN_SAME >$log 2>&1
rc=$?
sed 's/^/# /' $log
# A line of the table: a name of 30 characters, what is expected, six numbers, a verdict
awk '
	substr($0, 31, 1) == " " && $0 ~ / [0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+  [okN]/ {
		name = substr($0, 1, 30)
		sub(/ +$/, "", name)
		verdict = $0
		sub(/.*[0-9]  /, "", verdict)
		printf "%s %d %s\n", verdict == "ok" ? "ok" : "not ok", ++n, name
		bad += verdict != "ok"
	}
	END { print "1.." n; exit !n || bad }
' $log || rc=1
exit $rc
