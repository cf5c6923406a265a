# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034,SC2154  # failed is for the job, log is its own
#
# Sourced by the jobs, as /nn/lib/result.sh: one KTAP line for each test, and for one
# that failed what is in $log, its first $log_lines lines if that is set. A job ends
# with "exit $failed".

n=0
failed=0

result() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
		return
	fi
	failed=1
	echo "not ok $n $2"
	sed "s/^/# | /; ${log_lines:-\$}q" "$log"
}
