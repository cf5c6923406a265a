# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For tests of programs that report: what they say of input that is made up, and how
# they end. REPORT is the program, WHAT the name that the tests go by.
# shellcheck disable=SC2154  # both are set by those who source it

# shellcheck source=testlib.sh
. "$(dirname "${BASH_SOURCE[0]}")/testlib.sh"
RC=0

# check NAME COMMAND...: it must succeed; what was said last is told if not.
check() {
	local name=$1
	shift
	"$@" >/dev/null 2>&1
	result $? "$WHAT: $name"
}

ask() { # ARG...
	RC=0
	"$REPORT" "$@" >"$WORK/out" 2>&1 || RC=$?
}

exits() { [ "$RC" -eq "$1" ]; }
says() { grep -qE -- "$1" "$WORK/out"; }
says_not() { ! says "$1"; }
