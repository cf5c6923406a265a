#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# perf.sh: builds the base kernel's own perf, unmodified, for the arm64 guest, and
# puts beside it what it and its shell tests need there. Prints where that tree
# lies:
#
#   usr/bin/perf                    with its symbols: some tests look them up
#   usr/libexec/perf-core/tests     its shell tests, as the kernel's tree has them
#   bin/bash usr/bin/python         what they are written in, from Debian
#   usr/bin/{mktemp,dd,taskset,chroot}     where busybox's own will not do for them
#   lib                             the shared libraries of all these
#   etc/perfconfig                  source lines by libdw
#
# Nothing is built while the tree's tools/ and the compiler are those of the last
# time. Neither SPE nor the tests that are run use tracepoints, so libtraceevent is
# left out; libdw is what finds source lines.

# shellcheck source=../build/lib.sh
. "$(dirname "$0")/../build/lib.sh"
# shellcheck source=../build/kbuild.sh
. "$NN_BUILD/kbuild.sh"
# shellcheck source=debian.sh
. "$NN_TOP/tools/guest/debian.sh"

[ "$ARCH" = arm64 ] || die "perf is built for arm64 guests only, not for ARCH=$ARCH"
DIR=$NN_CACHE/guest/$ARCH
OUT=$DIR/perf
WORK=$DIR/build/perf

"$NN_BUILD/packages.sh" base guest perf >&2
cache_dir "guest/$ARCH/build" >/dev/null
SRC=$("$NN_BUILD/kernel.sh" src stock)
NN_COMMIT=$(g -C "$SRC" rev-parse HEAD)

key() {
	{
		g --git-dir "$NN_GIT" rev-parse "$NN_COMMIT:tools"
		"${GNU}gcc" --version | head -n 1
		sha256_of "/usr/lib/$MULTIARCH/libdw.so.1"
		cat "$0" "$NN_TOP/tools/guest/debian.sh"
	} | hash_text
}

# Run by run_logged.
build_perf() {
	PKG_CONFIG_LIBDIR=/usr/lib/$MULTIARCH/pkgconfig \
	make -C "$SRC/tools/perf" -j"$NN_JOBS" O="$WORK" ARCH="$ARCH" CROSS_COMPILE="$GNU" prefix=/usr \
		NO_JEVENTS=1 BUILD_BPF_SKEL=0 NO_LIBTRACEEVENT=1 NO_LIBPYTHON=1 NO_SLANG=1 \
		NO_LIBLLVM=1 NO_CAPSTONE=1 NO_LIBNUMA=1 NO_LIBPFM4=1 NO_LIBDEBUGINFOD=1 NO_BABELTRACE2=1 \
		NO_JVMTI=1 NO_SDT=1 NO_DEMANGLE=1 NO_RUST=1 "$WORK/perf"
}

add_debian() { # TREE
	local tree=$1 python
	mkdir -p "$tree"/{bin,usr/bin,usr/lib}
	from_debian bash-static
	cp -- "$DEB/bin/bash-static" "$tree/bin/bash"
	from_debian coreutils
	cp -- "$DEB"/bin/{mktemp,dd} "$DEB/usr/sbin/chroot" "$tree/usr/bin/"
	from_debian util-linux
	cp -- "$DEB/usr/bin/taskset" "$tree/usr/bin/"
	from_debian python3-minimal
	python=$(readlink "$DEB/usr/bin/python3")
	from_debian "$python-minimal"
	cp -- "$DEB/usr/bin/$python" "$tree/usr/bin/"
	ln -s "$python" "$tree/usr/bin/python"
	ln -s "$python" "$tree/usr/bin/python3"
	from_debian libexpat1
	from_debian "lib$python-minimal"
	cp -r -- "$DEB/usr/lib/$python" "$tree/usr/lib/"
	from_debian "lib$python-stdlib"
	cp -r -- "$DEB/usr/lib/$python" "$tree/usr/lib/"
	# what no test imports
	rm -rf -- "${tree:?}/usr/lib/$python"/{asyncio,ctypes,curses,dbm,distutils,email,ensurepip,html,http} \
		"$tree/usr/lib/$python"/{lib-dynload,lib2to3,multiprocessing,pydoc_data,sqlite3,tkinter} \
		"$tree/usr/lib/$python"/{unittest,urllib,wsgiref,xml,xmlrpc,zoneinfo,config-*}
}

make_tree() { # TREE
	local tree=$1 tests=$1/usr/libexec/perf-core/tests lib
	add_debian "$tree"
	mkdir -p "$tests" "$tree/etc"
	# There is no addr2line on board to fall back on; asking it would end perf.
	printf '[addr2line]\n\tstyle = libdw\n' >"$tree/etc/perfconfig"
	cp -r -- "$SRC/tools/perf/tests/shell" "$tests/"
	chmod 755 "$tests"/shell/*.sh
	for lib in libelf libdw libz libzstd; do
		wanted_by "$WORK/perf" | grep -q "^$lib\.so" ||
			die "perf was built without $lib" "See which feature is missing and why: $WORK.log"
	done
	# Debug information of perf itself would be 60 MB.
	"${GNU}strip" --strip-debug -o "$tree/usr/bin/perf" "$WORK/perf"
	add_libraries "$tree" "$tree"/usr/bin/*
}

key=$(key)
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	with_lock "src-${SRC##*/}"
fi
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	step "building perf for the guest (about two minutes)" >&2
	need_space "$NN_CACHE" 600 "perf for the guest"
	checkout
	# make does not see that the compiler or the libraries changed
	[ "$(cat "$WORK/key" 2>/dev/null)" = "$key" ] || rm -rf -- "$WORK"
	mkdir -p "$WORK"
	printf '%s\n' "$key" >"$WORK/key"
	run_logged "$WORK.log" "perf" build_perf >&2
	scratch_beside "$OUT"
	make_tree "$NN_NEW/root"
	printf '%s\n' "$key" >"$NN_NEW/key"
	publish "$NN_NEW" "$OUT"
fi
printf '%s\n' "$OUT/root"
