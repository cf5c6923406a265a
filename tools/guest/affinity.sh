#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# affinity.sh KERNELDIR: builds tools/scx_affinity for the guest, against the types of
# the kernel that KERNELDIR holds ("kernel.sh dir stock|series" prints it) and with the
# libbpf of its tree; it runs on others, too. Prints the program's path.
#
# Nothing is built while the kernel, the sources and the compilers are those of the last
# time.

# shellcheck source=../build/lib.sh
. "$(dirname "$0")/../build/lib.sh"
# shellcheck source=../build/kbuild.sh
. "$NN_BUILD/kbuild.sh"

[ $# -eq 1 ] || die "usage: affinity.sh KERNELDIR"
KDIR=$1
[ -f "$KDIR/vmlinux" ] && [ -f "$KDIR/key" ] ||
	die "no kernel in $KDIR (vmlinux and key are needed)" "Build it: make kernel"
NAME=${KDIR##*/}	# arm64-stock
WHICH=${NAME#"$ARCH"-}
WHICH=${WHICH%%[-@]*}
SOURCES=$NN_TOP/tools/scx_affinity
OUT=$NN_CACHE/guest/$ARCH/affinity-$WHICH

"$NN_BUILD/packages.sh" base bpf guest affinity >&2
cache_dir "guest/$ARCH" >/dev/null

kernel=$({ cat "$KDIR/key" "$0"; clang-19 --version; "${GNU}gcc" --version; } | hash_text)
key=$({ echo "$kernel"; cat "$SOURCES"/*.[ch] "$SOURCES/Makefile" "$NN_BUILD/scx.mk"; } | hash_text)
with_lock "affinity-$ARCH-$WHICH"
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	step "building scx_affinity" >&2
	# make does not see that these changed
	[ "$(cat "$OUT/kernel" 2>/dev/null)" = "$kernel" ] || rm -rf -- "$OUT"
	mkdir -p "$OUT"
	printf '%s\n' "$kernel" >"$OUT/kernel"
	src=$("$NN_BUILD/kernel.sh" src "$WHICH")
	run_logged "$OUT.log" "scx_affinity" make -C "$SOURCES" guest ARCH="$ARCH" CROSS_COMPILE="$GNU" \
		KSRC="$src" KOBJ="$KDIR" OUTPUT="$OUT" >&2
	printf '%s\n' "$key" >"$OUT/key"
fi
printf '%s\n' "$OUT/scx_affinity"
