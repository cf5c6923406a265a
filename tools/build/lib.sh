# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by every script here: messages, the cache, locks, outputs that appear
# whole or not at all.  Source it first; it sets the shell's options.
# shellcheck disable=SC2034  # used by those who source it

set -euo pipefail
export LC_ALL=C

NN_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
NN_BUILD=$NN_TOP/tools/build
NN_CACHE=${XDG_CACHE_HOME:-${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache}/nearnode
NN_JOBS=${JOBS:-$(nproc)}
NN_VERBOSE=${V:-0}
export NN_TOP NN_CACHE

# A make above us must not leak its job server, V= or O= into the kernel's make,
# nor a caller's repository into our git.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES V O KBUILD_OUTPUT CROSS_COMPILE
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_DATE CDPATH GREP_OPTIONS

say()  { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
warn() { printf 'nearnode: warning: %s\n' "$*" >&2; }

# die MESSAGE [REMEDY...]: one clear error; each remedy is a line of its own.
die() {
	printf 'nearnode: error: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

# --- clean-up ---------------------------------------------------------------

NN_TRASH=()
nn_cleanup() {
	local rc=$? t
	trap - EXIT
	for t in ${NN_TRASH[@]+"${NN_TRASH[@]}"}; do
		rm -rf -- "$t"
	done
	exit "$rc"
}
trap nn_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- the cache --------------------------------------------------------------

# need_space DIR MIB WHAT: says so before a disk runs full in mid-work.
need_space() {
	local dir=$1 want=$2 what=$3 have
	while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
	have=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
	[ "${have:-0}" -ge "$want" ] ||
		die "not enough disk space for $what: $dir has ${have:-0} MiB free, $want MiB are needed" \
		    "Free some, or put the cache elsewhere: XDG_CACHE_HOME=/some/where make ..."
}

cache_dir() {
	mkdir -p "$NN_CACHE/$1" 2>/dev/null ||
		die "cannot create $NN_CACHE/$1" \
		    "The cache must be writable; put it elsewhere with XDG_CACHE_HOME=/some/where"
	printf '%s\n' "$NN_CACHE/$1"
}

# with_lock NAME: holds the lock until this process ends.  Waits, and says so, not
# on standard output, which may be what somebody reads a path from.
with_lock() {
	local dir fd
	dir=$(cache_dir lock)
	exec {fd}>"$dir/$1"
	flock -n "$fd" && return
	# not to standard output, which may be somebody's answer
	note "waiting for another nearnode run that holds the lock '$1'" >&2
	flock "$fd"
}

# scratch_beside PATH: a directory on PATH's file system, gone when we exit.
# Left-overs of killed runs go too (the caller holds the lock that guards PATH).
# Sets NN_NEW.
scratch_beside() {
	rm -rf -- "$1".new.*
	NN_NEW=$1.new.$$
	NN_TRASH+=("$NN_NEW")
	mkdir -p -- "$NN_NEW" || die "cannot create $NN_NEW"
}

# publish NEW FINAL: NEW takes FINAL's place in one rename.
publish() {
	if [ -d "$2" ] && [ ! -L "$2" ]; then
		rm -rf -- "$2.old"
		mv -T -- "$2" "$2.old"
		mv -T -- "$1" "$2"
		rm -rf -- "$2.old"
	else
		mv -T -- "$1" "$2"
	fi
}

# --- running things ---------------------------------------------------------

# report_progress LOG WHAT: runs beside the work until killed.
report_progress() {
	local start=$SECONDS last=0 now n
	while sleep 1; do
		now=$((SECONDS - start))
		n=$(grep -cE '^(  [A-Z]|\[[0-9]+/)' "$1" 2>/dev/null || true)
		if [ -t 1 ]; then
			printf '\r    %s: %d steps, %d:%02d ' "$2" "${n:-0}" $((now / 60)) $((now % 60))
		elif [ $((now - last)) -ge 60 ]; then
			last=$now
			note "$2: ${n:-0} steps, $((now / 60)) min"
		fi
	done
}

# run_logged LOG WHAT COMMAND...: V=1 shows the output, otherwise progress does;
# a failure shows what matters of it and where the rest is.  The command stays
# in the foreground so that an interrupt reaches it.
run_logged() {
	local log=$1 what=$2 rc=0 reporter
	shift 2
	mkdir -p "$(dirname "$log")"
	if [ "$NN_VERBOSE" = 1 ]; then
		"$@" 2>&1 </dev/null | tee "$log" || rc=$?
	else
		: >"$log"
		report_progress "$log" "$what" &
		reporter=$!
		"$@" >"$log" 2>&1 </dev/null || rc=$?
		kill "$reporter" 2>/dev/null || true
		wait "$reporter" 2>/dev/null || true
		[ ! -t 1 ] || printf '\r\033[K'
	fi
	[ "$rc" -eq 0 ] && return 0
	{ grep -nE '(error|Error|ERROR|fatal|undefined reference|No space left|\*\*\*)' "$log" | head -n 12; tail -n 12 "$log"; } |
		awk '!seen[$0]++ { print "    | " $0 }' >&2
	grep -q 'No space left' "$log" &&
		die "$what failed: the disk is full" "Free some space and run the same command again; it continues." "Log: $log"
	die "$what failed (exit $rc)" "Log: $log"
}

# --- git in the cache -------------------------------------------------------

# Output must not depend on whose git this is: no personal or system settings,
# no hooks, one identity.
g() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
	GIT_COMMITTER_NAME=nearnode GIT_COMMITTER_EMAIL=nearnode@invalid \
		git -c core.hooksPath=/dev/null -c gc.auto=0 -c maintenance.auto=false \
		    -c advice.detachedHead=false "$@"
}

sha256_of() { sha256sum -- "$1" | cut -d' ' -f1; }
hash_text() { sha256sum | cut -d' ' -f1; }

# use_project linux|qemu: whose base and patches NN_GIT and the pin are about.
use_project() {
	NN_PROJECT=$1
	NN_GIT=$NN_CACHE/git/$1
	case $1 in
	linux) NN_PIN=$NN_TOP/BASE ;;
	qemu) NN_PIN=$NN_TOP/tools/qemu/BASE ;;
	esac
	unset deb_tarball leave_out
	# shellcheck source=../../BASE
	. "$NN_PIN"
}
use_project linux

# Brings SRC, a work tree of NN_GIT, to NN_COMMIT.  Only files that differ are
# touched, so that make rebuilds only what they need.
checkout() {
	if [ ! -e "$SRC/.git" ] || ! g -C "$SRC" rev-parse -q --verify HEAD >/dev/null 2>&1; then
		need_space "$NN_CACHE" 2600 "a source tree"
		cache_dir src >/dev/null
		rm -rf -- "$SRC"
		g --git-dir "$NN_GIT" worktree prune
		g --git-dir "$NN_GIT" worktree add -q -f --detach "$SRC" "$NN_COMMIT" ||
			die "cannot check out $SRC" "Free some space and run the same command again"
	fi
	rm -f "$(g -C "$SRC" rev-parse --absolute-git-dir)/index.lock"
	g -C "$SRC" checkout -q -f --detach "$NN_COMMIT" || die "cannot check out $SRC (is the disk full?)"
	g -C "$SRC" clean -fdxq
}

# --- the harness ------------------------------------------------------------

NNBOOT=$NN_TOP/tools/harness/nnboot

# Makes sure of nnboot. The lock is for building only: guests run side by side.
harness() {
	(with_lock harness >&2 && make -s -C "$NN_TOP/tools/harness" >&2) ||
		die "the harness does not build (see above)"
}

# --- compilers --------------------------------------------------------------

export CCACHE_DIR=$NN_CACHE/ccache CCACHE_BASEDIR=$NN_CACHE CCACHE_NOHASHDIR=1
# Dependencies tell what an object depends on; without them ccache would preprocess
# each file that it does not have, which is a third of the time.
export CCACHE_DEPEND=1
export CCACHE_SLOPPINESS=time_macros CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}
