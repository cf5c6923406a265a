#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   kernel.sh build [stock|series|both]   builds what is not built yet
#   kernel.sh dir stock|series            prints where that kernel's artefacts lie
#   kernel.sh objdir stock|series         prints its build directory (O=)
#   kernel.sh src stock|series            checks its source out and prints where
#   kernel.sh config stock|series FILE    writes and asserts a .config only
#   kernel.sh assert stock|series FILE    asserts a .config that is there
#
# ARCH=arm64|x86_64, VARIANT=debug (any fragment in kernel-config/), KERNEL_SRC=.
#
# The artefacts carry a key made of everything that goes into them; while it
# matches, nothing is done.  An interrupted build goes on where it stopped.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=kbuild.sh
. "$NN_BUILD/kbuild.sh"

# --- names ------------------------------------------------------------------

# Sets NN_COMMIT, SRC, OBJ and OUT for stock or series.  A base of KERNEL_SRC
# has directories of its own.
locate() { # WHICH
	local base name suffix=
	case $1 in
	stock | series) ;;
	*) die "unknown KERNEL=$1" "KERNEL=stock, KERNEL=series, or unset for both" ;;
	esac
	base=$("$NN_BUILD/base.sh")
	[ "$base" = base ] || suffix=@${base#base-}
	if [ "$1" = stock ]; then
		NN_COMMIT=$(g --git-dir "$NN_GIT" rev-parse "refs/heads/$base")
	else
		NN_COMMIT=$("$NN_BUILD/series.sh" commit)
	fi
	name=$ARCH-$1${VARIANT:+-$VARIANT}$suffix
	SRC=$NN_CACHE/src/$1$suffix
	OBJ=$NN_CACHE/build/$name
	OUT=$NN_CACHE/kernels/$name
}

# --- build ------------------------------------------------------------------

key() { # WHICH
	{
		g --git-dir "$NN_GIT" rev-parse "$NN_COMMIT^{tree}"
		wanted "$1"
		"${GNU}gcc" --version | head -n 1
		"${GNU}ld" --version | head -n 1
		pahole --version
		echo "$ARCH $IMAGE format 2"
	} | hash_text
}

build() { # WHICH
	local which=$1 key log
	locate "$which"
	key=$(key "$which")
	if [ "$(cat "$OUT/key" 2>/dev/null)" = "$key" ]; then
		note "$ARCH $which${VARIANT:+ $VARIANT}: up to date, $OUT/$IMAGE"
		return
	fi
	# Whoever builds touches the source tree that both variants share.
	with_lock "src-${SRC##*/}"
	NN_LOCALVERSION=-$which
	[ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ] || return 0
	step "building $ARCH $which${VARIANT:+ $VARIANT} (about 10 minutes on two cores when nothing is cached)"
	need_space "$NN_CACHE" 3500 "a kernel build"
	checkout
	configure "$which"
	log=$OBJ/nearnode-build.log
	run_logged "$log" "kernel $ARCH $which${VARIANT:+ $VARIANT}" kmake "$IMAGE" vmlinux
	cache_dir kernels >/dev/null
	scratch_beside "$OUT"
	cp -- "$OBJ/$IMAGE_PATH" "$NN_NEW/$IMAGE" &&
		cp -- "$OBJ/vmlinux" "$OBJ/System.map" "$NN_NEW/" &&
		cp -- "$OBJ/.config" "$NN_NEW/config" ||
		die "cannot copy the kernel to $OUT (is the disk full?)"
	printf '%s\n' "$NN_COMMIT" >"$NN_NEW/commit"
	printf '%s\n' "$key" >"$NN_NEW/key"
	publish "$NN_NEW" "$OUT"
	note "$ARCH $which${VARIANT:+ $VARIANT}: $OUT/$IMAGE"
}

need_tools() {
	"$NN_BUILD/packages.sh" base kernel "$([ "$ARCH" = arm64 ] && echo arm64 || echo x86)"
}

case ${1:-} in
build)
	need_tools
	case ${2:-both} in
	both) build stock; build series ;;
	*) build "$2" ;;
	esac
	;;
dir) locate "${2:-}"; printf '%s\n' "$OUT" ;;
objdir) locate "${2:-}"; printf '%s\n' "$OBJ" ;;
src)
	locate "${2:-}"
	with_lock "src-${SRC##*/}"
	# As it is if it is right: others may be reading it.
	[ "$(g -C "$SRC" rev-parse HEAD 2>/dev/null)" = "$NN_COMMIT" ] || checkout
	printf '%s\n' "$SRC"
	;;
config)
	need_tools
	locate "$2"
	with_lock "src-${SRC##*/}"
	checkout
	OBJ=$(mktemp -d "$(cache_dir tmp)/config.XXXXXX")
	NN_TRASH+=("$OBJ")
	configure "$2"
	cp "$OBJ/.config" "$3"
	;;
assert) assert_config "$2" "$3" ;;
*) die "usage: kernel.sh build [stock|series|both] | dir WHICH | objdir WHICH | src WHICH | config WHICH FILE | assert WHICH FILE" ;;
esac
