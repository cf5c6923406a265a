# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For the tests of the glue: a tiny kernel-shaped tree stands in for the base
# and a private cache for the real one, so that a test takes a second.
# shellcheck disable=SC2034  # used by those who source it

set -uo pipefail
export LC_ALL=C
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
BUILD=$TOP/tools/build
WORK=$(mktemp -d "${TMPDIR:-/tmp}/nearnode-test.XXXXXX")
trap 'rm -rf -- "$WORK"' EXIT
export XDG_CACHE_HOME=$WORK/cache
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Test GIT_AUTHOR_EMAIL=test@invalid
export GIT_COMMITTER_NAME=Test GIT_COMMITTER_EMAIL=test@invalid
unset QEMU QEMU_SRC QEMU_VARIANT QEMU_TARGETS ARCH VARIANT
unset KERNEL_SRC TREE FORCE CONTINUE V JOBS NN_BASE_FROM

TESTS=0
FAILED=0
result() { # STATUS NAME
	TESTS=$((TESTS + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$TESTS" "$2"
	else
		FAILED=$((FAILED + 1))
		printf 'not ok %d - %s\n' "$TESTS" "$2"
		sed 's/^/# /' "$WORK/out" 2>/dev/null
	fi
}

# passes NAME COMMAND...: it must succeed.
passes() {
	local name=$1
	shift
	"$@" >"$WORK/out" 2>&1 </dev/null
	result $? "$name"
}

# refuses NAME REGEX COMMAND...: it must fail, with one error that matches.
refuses() {
	local name=$1 want=$2 rc=0
	shift 2
	"$@" >"$WORK/out" 2>&1 </dev/null || rc=$?
	[ "$rc" -ne 0 ] && [ "$(grep -c '^nearnode: error: ' "$WORK/out")" -eq 1 ] &&
		grep -qE -- "$want" "$WORK/out"
	result $? "$name"
}

# is NAME EXPECTED ACTUAL
is() {
	printf 'expected: %s\nactual:   %s\n' "$2" "$3" >"$WORK/out"
	[ "$2" = "$3" ]
	result $? "$1"
}

finish() {
	printf '1..%d\n' "$TESTS"
	[ "$FAILED" -eq 0 ]
}

# tiny_kernel DIR [VERSION]
tiny_kernel() {
	local v=${2:-7.3.4} i
	mkdir -p "$1/kernel/sched/ext" "$1/tools"
	printf 'VERSION = %s\nPATCHLEVEL = %s\nSUBLEVEL = %s\nEXTRAVERSION =\n' \
		"$(cut -d. -f1 <<<"$v")" "$(cut -d. -f2 <<<"$v")" "$(cut -d. -f3 <<<"$v")" >"$1/Makefile"
	for i in $(seq 60); do echo "line $i"; done >"$1/kernel/sched/ext/idle.c"
	echo '*.[ch] diff=cpp' >"$1/.gitattributes"
	printf '*.o\n/*\n!/debian/\n' >"$1/.gitignore"
}
