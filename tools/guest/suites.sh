#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# suites.sh KERNELDIR: builds what the kernel's own tree has for the guest: the
# kselftest runner and the example schedulers of sched_ext. KERNELDIR is what
# "kernel.sh dir stock|series" prints. Prints where the result lies:
#
#   runner    tools/testing/selftests/sched_ext, statically linked
#   sched/    the schedulers of tools/sched_ext
#   mm/       our tests of tools/testing/selftests/mm, and spe-record of tools/mm, where
#             the tree has them
#
# Nothing is built while the sources, the kernel's types (BTF) and the compilers
# are those of the last time.

# shellcheck source=../build/lib.sh
. "$(dirname "$0")/../build/lib.sh"
# shellcheck source=../build/kbuild.sh
. "$NN_BUILD/kbuild.sh"

CLANG=${CLANG:-clang-19}
GUEST=$NN_TOP/tools/guest

[ $# -eq 1 ] || die "usage: suites.sh KERNELDIR"
KDIR=$1
[ -f "$KDIR/vmlinux" ] && [ -f "$KDIR/commit" ] ||
	die "no kernel in $KDIR (vmlinux and commit are needed)" "Build it: make kernel"
NAME=${KDIR##*/}	# arm64-stock
WHICH=${NAME#"$ARCH"-}
SRC=$NN_CACHE/src/$WHICH
NN_COMMIT=$(cat "$KDIR/commit")
OUT=$NN_CACHE/guest/$ARCH/suites/$WHICH
WORK=$NN_CACHE/guest/$ARCH/build/$WHICH

"$NN_BUILD/packages.sh" base bpf guest >&2
cache_dir "guest/$ARCH/suites" >/dev/null
cache_dir "guest/$ARCH/build" >/dev/null

# The types decide what the BPF programs are compiled against; most changes to a
# kernel leave them alone.
btf_hash() {
	local tmp
	tmp=$(mktemp "$(cache_dir tmp)/btf.XXXXXX")
	NN_TRASH+=("$tmp" "$tmp.elf")
	"${GNU}objcopy" --dump-section .BTF="$tmp" -j .BTF "$KDIR/vmlinux" "$tmp.elf" 2>/dev/null ||
		die "cannot read the types (BTF) of $KDIR/vmlinux"
	[ -s "$tmp" ] || die "$KDIR/vmlinux has no BTF" "Build the kernel with CONFIG_DEBUG_INFO_BTF"
	sha256_of "$tmp"
}

key() {
	{
		g --git-dir "$NN_GIT" rev-parse "$NN_COMMIT:tools"
		btf_hash
		"${GNU}gcc" --version | head -n 1
		"$CLANG" --version | head -n 1
		cat "$0" "$GUEST/runner_match.c"
	} | hash_text
}

# Both directories have objects named alike; each links its own.
static_link() { # OUTPUT OBJECT...
	"${GNU}gcc" -static -O2 -pthread -o "$1" "${@:2}" -lelf -lz -lzstd -lpthread
}

# Run by run_logged, hence one function for each half.
build_runner() {
	local obj=$WORK/selftests/build/obj
	mkdir -p "$WORK/selftests"
	make -C "$SRC/tools/testing/selftests/sched_ext" -j"$NN_JOBS" ARCH="$ARCH" CROSS_COMPILE="$GNU" \
		OUTPUT="$WORK/selftests" CLANG="$CLANG" VMLINUX_BTF="$KDIR/vmlinux" all || return
	# Under "-t" the runner takes every name that contains the given one.
	"${GNU}nm" "$obj/sched_ext/runner.o" | grep -q ' U strstr$' ||
		{ echo "error: the runner no longer filters by strstr(): see runner_match.c"; return 1; }
	"${GNU}objcopy" --redefine-sym strstr=nn_match "$obj/sched_ext/runner.o" "$WORK/runner.o" || return
	"${GNU}gcc" -O2 -Wall -Wextra -Werror -c -o "$WORK/match.o" "$GUEST/runner_match.c" || return
	local tests=()
	local o
	for o in "$obj"/sched_ext/*.o; do
		case ${o##*/} in
		*.bpf*.o | runner.o) ;;
		*) tests+=("$o") ;;
		esac
	done
	static_link "$NN_NEW/runner" "$WORK/runner.o" "$WORK/match.o" "${tests[@]}" "$obj/libbpf/libbpf.a" || return
	"${GNU}strip" "$NN_NEW/runner"
}

build_schedulers() {
	local obj=$WORK/sched/build/obj s
	mkdir -p "$WORK/sched" "$NN_NEW/sched"
	make -C "$SRC/tools/sched_ext" -j"$NN_JOBS" ARCH="$ARCH" CROSS_COMPILE="$GNU" O="$WORK/sched" \
		CLANG="$CLANG" BPFTOOL="$WORK/selftests/build/host/sbin/bpftool" \
		VMLINUX_BTF="$KDIR/vmlinux" all || return
	for s in "$WORK"/sched/build/bin/scx_*; do
		s=${s##*/}
		static_link "$NN_NEW/sched/$s" "$obj/sched_ext/$s.o" "$obj/libbpf/libbpf.a" || return
		"${GNU}strip" "$NN_NEW/sched/$s" || return
	done
}

build_mm() {
	local in=$SRC/tools/testing/selftests
	[ -f "$in/mm/numa_sampling.c" ] || return 0
	mkdir -p "$NN_NEW/mm" "$WORK/mm"
	"${GNU}gcc" -static -O2 -Wall -Wextra "-I$in" \
		-o "$NN_NEW/mm/numa_sampling" "$in/mm/numa_sampling.c" || return
	"${GNU}strip" "$NN_NEW/mm/numa_sampling"
	make -C "$SRC/tools/mm/spe-record" -j"$NN_JOBS" ARCH="$ARCH" CROSS_COMPILE="$GNU" O="$WORK/mm" STATIC=1 \
		CLANG="$CLANG" BPFTOOL="$WORK/selftests/build/host/sbin/bpftool" || return
	cp -- "$WORK/mm/build/spe-record" "$NN_NEW/mm/" || return
	"${GNU}strip" "$NN_NEW/mm/spe-record"
}

key=$(key)
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	with_lock "src-$WHICH"
fi
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	step "building the tests and schedulers of the $WHICH tree (about a minute)" >&2
	need_space "$NN_CACHE" 600 "the guest's programs"
	checkout
	# make does not see that the compiler or the types changed
	[ "$(cat "$WORK/key" 2>/dev/null)" = "$key" ] || rm -rf -- "$WORK"
	mkdir -p "$WORK"
	printf '%s\n' "$key" >"$WORK/key"
	scratch_beside "$OUT"
	run_logged "$WORK.selftests.log" "sched_ext selftests ($WHICH)" build_runner >&2
	run_logged "$WORK.sched.log" "sched_ext schedulers ($WHICH)" build_schedulers >&2
	run_logged "$WORK.mm.log" "mm tests and tools ($WHICH)" build_mm >&2
	printf '%s\n' "$key" >"$NN_NEW/key"
	publish "$NN_NEW" "$OUT"
fi
printf '%s\n' "$OUT"
