# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For tests of programs that report: what they say of input that is made up, and how
# they end. REPORT is the program, WHAT the name that the tests go by.
# shellcheck disable=SC2154  # both are set by those who source it

set -u
WORK=$(mktemp -d)
trap 'rm -rf -- "$WORK"' EXIT
N=0
BAD=0
RC=0

# check NAME COMMAND...: it must succeed.
check() {
	local name=$1
	shift
	N=$((N + 1))
	if "$@" >/dev/null 2>&1; then
		echo "ok $N - $WHAT: $name"
	else
		BAD=$((BAD + 1))
		echo "not ok $N - $WHAT: $name"
		sed 's/^/# /' "$WORK/said"
	fi
}

ask() { # ARG...
	RC=0
	"$REPORT" "$@" >"$WORK/said" 2>&1 || RC=$?
}

exits() { [ "$RC" -eq "$1" ]; }
says() { grep -qE -- "$1" "$WORK/said"; }
says_not() { ! says "$1"; }

finish() {
	echo "1..$N"
	[ "$BAD" -eq 0 ]
}
