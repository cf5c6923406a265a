#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module.sh KERNELDIR: builds the modules of tools/guest/spe/module for the kernel
# that KERNELDIR holds ("kernel.sh dir stock|series" prints it), in that kernel's build
# directory. Prints where they lie: spe_fuzz.ko, nn_break.ko.
#
# Nothing is built while the kernel and the modules' sources are those of the last time.

# shellcheck source=../build/lib.sh
. "$(dirname "$0")/../build/lib.sh"
# shellcheck source=../build/kbuild.sh
. "$NN_BUILD/kbuild.sh"

SOURCES=$NN_TOP/tools/guest/spe/module

[ $# -eq 1 ] || die "usage: module.sh KERNELDIR"
KDIR=$1
[ -f "$KDIR/key" ] && [ -f "$KDIR/commit" ] && [ -f "$KDIR/config" ] ||
	die "no kernel in $KDIR (key, commit and config are needed)" "Build it: make kernel"
NAME=${KDIR##*/}	# arm64-series, arm64-series-debug, arm64-stock@0123
WHICH=${NAME#"$ARCH"-}
BASE_OF=
[[ $WHICH != *@* ]] || BASE_OF=@${WHICH#*@}
WHICH=${WHICH%%[-@]*}
SRC=$NN_CACHE/src/$WHICH$BASE_OF
OBJ=$NN_CACHE/build/$NAME
NN_COMMIT=$(cat "$KDIR/commit")
NN_LOCALVERSION=-$WHICH
OUT=$NN_CACHE/guest/$ARCH/modules/$NAME
WORK=$NN_CACHE/guest/$ARCH/build/modules-$NAME

"$NN_BUILD/packages.sh" base kernel "$([ "$ARCH" = arm64 ] && echo arm64 || echo x86)" >&2
cache_dir "guest/$ARCH/modules" >/dev/null
cache_dir "guest/$ARCH/build" >/dev/null

# Run by run_logged. Which symbols there are is not known before a kernel is linked,
# which this one may have been elsewhere: whoever loads a module is told.
build_modules() {
	mkdir -p "$OBJ"
	cmp -s "$KDIR/config" "$OBJ/.config" || cp -- "$KDIR/config" "$OBJ/.config"
	kmake modules_prepare || return
	rm -rf -- "$WORK"
	cp -r -- "$SOURCES" "$WORK"
	kmake M="$WORK" KBUILD_MODPOST_WARN=1 modules
}

key=$(cat "$KDIR/key" "$0" "$SOURCES"/* | hash_text)
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	with_lock "src-${SRC##*/}"
fi
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	step "building modules for $NAME" >&2
	checkout
	run_logged "$WORK.log" "modules for $NAME" build_modules >&2
	scratch_beside "$OUT"
	for m in "$WORK"/*.ko; do
		"${GNU}strip" --strip-debug -o "$NN_NEW/${m##*/}" "$m"
	done
	printf '%s\n' "$key" >"$NN_NEW/key"
	publish "$NN_NEW" "$OUT"
fi
printf '%s\n' "$OUT"
