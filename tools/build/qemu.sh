#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   qemu.sh            makes sure of the QEMU that QEMU= names, says what it is
#   qemu.sh path       makes sure of it and prints its path, for the guests of ARCH=
#   qemu.sh dir        prints where the one that is built lies (built or not)
#   qemu.sh objdir     prints its build directory, qemu.sh src its source
#   qemu.sh test NAME...   runs tests of QEMU's own (meson's names) in there
#   qemu.sh commits    builds each commit of our series: one result each
#   qemu.sh check      looks at the one that is built: one result for each test
#
# QEMU=built (the default here), distribution, or the path of a program.
# QEMU_SRC=DIR: built from another tree of 10.0.y.  QEMU_VARIANT=asan: with the
# address and undefined-behaviour sanitizers; debug: with debugging information and
# TCG's assertions; unpatched: the release as it is, to compare with.  QEMU_TARGETS: what
# is emulated.
#
# What is built is the pinned release and tools/qemu/patches; it lies in a
# directory named after everything that goes into it, so that while nothing
# changes nothing is done.  An interrupted build goes on where it stopped.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=fetch.sh
. "$NN_BUILD/fetch.sh"
use_project qemu

QEMU=${QEMU:-built}
VARIANT=${QEMU_VARIANT:-}

# --- names ------------------------------------------------------------------

case ${ARCH:-arm64} in
arm64) CPU=aarch64 MACHINE=virt ;;
x86_64) CPU=x86_64 MACHINE=q35 ;;
*) die "unknown ARCH=$ARCH" "ARCH=arm64 (the default) or ARCH=x86_64" ;;
esac
read -r -a TARGETS <<<"${QEMU_TARGETS:-$CPU}"
case $VARIANT in
'' | asan | debug | unpatched) ;;
*) die "unknown QEMU_VARIANT=$VARIANT" "QEMU_VARIANT=asan, QEMU_VARIANT=debug, QEMU_VARIANT=unpatched, or leave it unset" ;;
esac
for t in "${TARGETS[@]}"; do
	case $t in
	aarch64 | x86_64) ;;
	*) die "unknown QEMU_TARGETS=$QEMU_TARGETS" "QEMU_TARGETS=\"aarch64 x86_64\" or one of them; the default is that of ARCH=" ;;
	esac
done

# QEMU's compilations write down what they read: no need to preprocess twice.
export CCACHE_DEPEND=1

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=$(command -v python3) || PYTHON=python3

# What the harness's guests use, and no more: the fewer libraries, the fewer
# reasons not to build.  Firmware (x86_64 boots through it) is the distribution's.
options() {
	local t list=
	for t in "${TARGETS[@]}"; do list+=${list:+,}$t-softmmu; done
	cat <<-EOF
	--target-list=$list
	--python=$PYTHON
	--cc=ccache gcc
	--host-cc=ccache gcc
	--without-default-features
	--enable-tcg
	--enable-plugins
	--enable-fdt=system
	--disable-docs
	--disable-tools
	--disable-guest-agent
	--disable-werror
	--disable-install-blobs
	--disable-download
	--firmwarepath=/usr/share/qemu:/usr/share/seabios
	--with-pkgversion=nearnode${VARIANT:+, $VARIANT}
	EOF
	case $VARIANT in
	'' | unpatched) echo --disable-debug-info ;;	# a fifth of the time, nine tenths of the size
	asan) printf '%s\n' --enable-asan --enable-ubsan ;;
	debug) echo --enable-debug-tcg ;;
	esac
}

# Sets NN_COMMIT, SRC, OBJ, KEY and OUT.
locate() {
	local base suffix=
	base=$("$NN_BUILD/base.sh" qemu)
	[ "$base" = base ] || suffix=@${base#base-}
	BASE_COMMIT=$(g --git-dir "$NN_GIT" rev-parse "refs/heads/$base")
	if [ "$VARIANT" = unpatched ]; then
		NN_COMMIT=$BASE_COMMIT
	else
		NN_COMMIT=$("$NN_BUILD/series.sh" --qemu commit)
	fi
	SRC=$NN_CACHE/src/qemu$suffix
	OBJ=$NN_CACHE/build/qemu${VARIANT:+-$VARIANT}$suffix
	[ "${TARGETS[*]}" = aarch64 ] || OBJ+=-$(IFS=-; echo "${TARGETS[*]}")
	CONFIGURATION=$({ options; gcc --version | head -n 1; echo format 1; } | hash_text)
	KEY=$({ g --git-dir "$NN_GIT" rev-parse "$NN_COMMIT^{tree}"; echo "$CONFIGURATION"; } | hash_text)
	OUT=$NN_CACHE/qemu/${KEY:0:16}
}

# --- build ------------------------------------------------------------------

has_meson() {
	local have
	have=$("${NN_MESON:-/usr/bin/meson}" --version 2>/dev/null) || return 1
	printf '1.5.0\n%s\n' "$have" | sort -CV && compgen -G '/usr/lib/python3*/dist-packages/pycotap' >/dev/null
}

# Lets $PYTHON find what QEMU's configure wants and Debian 12 does not have.
python_tools() {
	local dir new dl p pool file sum why
	# Upstream's tarball and repository bring them along.
	if has_meson || compgen -G "$SRC/python/wheels/meson-*.whl" >/dev/null; then return; fi
	# shellcheck disable=SC2154  # the pin's
	dir=$NN_CACHE/qemu-tools/${meson_sha256:0:8}-${pycotap_sha256:0:8}
	export PYTHONPATH=$dir/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1
	[ ! -d "$dir" ] || return 0
	dl=$(cache_dir dl)
	cache_dir qemu-tools >/dev/null
	with_lock qemu-tools
	[ ! -d "$dir" ] || return 0
	scratch_beside "$dir"
	new=$NN_NEW
	for p in meson pycotap; do
		pool=${p}_pool file=${p}_file sum=${p}_sha256
		verified "$dl/${!file}" "${!sum}" || {
			step "downloading ${!file}"
			mkdir -p "$new/dl"
			why=$(fetch_from_debian "$new/dl" "${!pool}" "${!file}" "${!sum}") ||
				die "cannot download ${!file}: building QEMU takes meson 1.5 or newer and pycotap" "$why" \
				    "Is the network up?  Run again when it is, or install them for $PYTHON yourself"
			mv -- "$new/dl/${!file}" "$dl/"
		}
		dpkg-deb -x "$dl/${!file}" "$new" || die "cannot unpack $dl/${!file} (is the disk full?)"
	done
	rm -rf -- "$new/dl"
	publish "$new" "$dir"
}

# In OBJ, from scratch when what it depends on is another.
configure() {
	local opts
	python_tools
	[ "$(cat "$OBJ/nearnode-configuration" 2>/dev/null)" != "$CONFIGURATION" ] || return 0
	rm -rf -- "$OBJ"
	mkdir -p "$OBJ"
	mapfile -t opts < <(options)
	run_logged "$OBJ/nearnode-config.log" "QEMU's configuration" \
		env -C "$OBJ" "$SRC/configure" "${opts[@]}"
	printf '%s\n' "$CONFIGURATION" >"$OBJ/nearnode-configuration"
}

# compile WHAT TARGET...: SRC must hold the right commit and be locked.
compile() {
	local what=$1
	shift
	configure
	run_logged "$OBJ/nearnode-build.log" "$what" ninja -C "$OBJ" -j"$NN_JOBS" "$@"
}

programs() { printf 'qemu-system-%s\n' "${TARGETS[@]}"; }

# The source is shared by all variants, and a test may be running in OBJ.
lock_source() { with_lock "src-${SRC##*/}"; }

up_to_date() { [ "$(cat "$OUT/key" 2>/dev/null)" = "$KEY" ]; }

build() {
	local list p
	locate
	if ! up_to_date; then
		"$NN_BUILD/packages.sh" base qemu-build
		lock_source
	fi
	if ! up_to_date; then
		step "building QEMU $version${VARIANT:+ $VARIANT} (5 to 10 minutes on two cores when nothing is cached)"
		need_space "$NN_CACHE" 2000 "a build of QEMU"
		checkout
		mapfile -t list < <(programs)
		compile "QEMU${VARIANT:+ $VARIANT}" "${list[@]}"
		cache_dir qemu >/dev/null
		scratch_beside "$OUT"
		mkdir "$NN_NEW/include"
		for p in "${list[@]}"; do
			cp -- "$OBJ/$p" "$NN_NEW/"
		done && cp -- "$SRC/include/qemu/qemu-plugin.h" "$NN_NEW/include/" ||
			die "cannot copy QEMU to $OUT (is the disk full?)"
		g -C "$SRC" rev-parse HEAD >"$NN_NEW/commit"
		printf '%s\n' "$KEY" >"$NN_NEW/key"
		publish "$NN_NEW" "$OUT"
	fi
	# The age says which are no longer used.
	touch "$OUT"
	find "$NN_CACHE/qemu" -mindepth 1 -maxdepth 1 ! -newermt '14 days ago' -exec rm -rf -- {} +
}

# --- the one that QEMU= names -----------------------------------------------

# Sets PROGRAM.
find_program() {
	case $QEMU in
	built)
		[[ " ${TARGETS[*]} " == *" $CPU "* ]] || die "QEMU_TARGETS=$QEMU_TARGETS has no $CPU, which ARCH=${ARCH:-arm64} needs"
		# for its firmware
		[ "$CPU" = aarch64 ] || "$NN_BUILD/packages.sh" qemu-x86 >&2
		build >&2
		PROGRAM=$OUT/qemu-system-$CPU
		;;
	distribution)
		"$NN_BUILD/packages.sh" "$([ "$CPU" = aarch64 ] && echo qemu || echo qemu-x86)" >&2
		PROGRAM=$(command -v "qemu-system-$CPU")
		;;
	*)
		PROGRAM=$(command -v -- "$QEMU") || die "there is no $QEMU" \
			"QEMU= names a qemu-system-$CPU, or is \"built\" or \"distribution\""
		;;
	esac
}

# Can it run our guests?
examine() {
	local have
	have=$("$PROGRAM" --version 2>/dev/null | sed -n '1s/.*version \([0-9.]*\).*/\1/p') || have=
	[ -n "$have" ] || die "$PROGRAM does not say its version" "QEMU= is to be a qemu-system-$CPU"
	# -smp clusters, SLIT in the device tree and directed -numa dist
	[ "${have%%.*}" -ge 7 ] || die "$PROGRAM is $have; 7.0 is the oldest that will do" "QEMU=/path/to/a/newer/one"
	grep -q "^$MACHINE " <<<"$("$PROGRAM" -M help)" || die "$PROGRAM has no machine '$MACHINE'" \
		"QEMU= is to be a qemu-system-$CPU (ARCH=${ARCH:-arm64})"
	grep -q '"virtserialport"' <<<"$("$PROGRAM" -device help 2>&1)" || die "$PROGRAM has no virtserialport device" \
		"It was built without virtio-serial; QEMU=built or QEMU=distribution has it"
	say "$PROGRAM: QEMU $have"
	note "TCG, multi-threaded and -icount; virtio-serial"
}

# --- tests ------------------------------------------------------------------

TESTS=0
BAD=0
# outcome NAME COMMAND...
outcome() {
	local name=$1
	shift
	TESTS=$((TESTS + 1))
	if "$@"; then
		printf 'ok %d - %s\n' "$TESTS" "$name"
	else
		BAD=$((BAD + 1))
		printf 'not ok %d - %s\n' "$TESTS" "$name"
	fi
}

# What a commit changes is compiled anew (the compiler's cache keeps warnings, too);
# one warning fails it, as it would with QEMU's maintainers.  Kept by content.
verb_commits() {
	local commit tree subject kept list log
	locate
	"$NN_BUILD/packages.sh" base qemu-build
	lock_source
	cache_dir lint >/dev/null
	mapfile -t list < <(programs)
	while read -r commit tree subject; do
		kept=$NN_CACHE/lint/qemu-$(printf '%s\n' "$tree" "$CONFIGURATION" | hash_text)
		if [ ! -f "$kept" ]; then
			NN_COMMIT=$commit checkout
			(cd "$SRC" && g diff-tree --no-commit-id -r --name-only --diff-filter=d "$commit" | xargs -r touch --)
			log=$OBJ/nearnode-build.log
			(compile "QEMU at $subject" "${list[@]}") || { outcome "builds: $subject" false; continue; }
			grep ': warning: ' "$log" >"$kept.new" || true
			mv -- "$kept.new" "$kept"
		fi
		outcome "builds: $subject" [ ! -s "$kept" ]
		sed 's/^/# /' "$kept"
	done < <(g --git-dir "$NN_GIT" log --reverse --format='%H %T %s' "$BASE_COMMIT..$NN_COMMIT")
	printf '1..%d\n' "$TESTS"
	[ "$BAD" -eq 0 ]
}

# Everything that makes a QEMU good for our guests and for the plugin, seen once.
verb_check() {
	local t first
	QEMU=built
	build
	first=$(stat -c %i "$OUT")
	for t in "${TARGETS[@]}"; do
		PROGRAM=$OUT/qemu-system-$t
		case $t in
		aarch64) CPU=aarch64 MACHINE=virt ;;
		x86_64) CPU=x86_64 MACHINE=q35 ;;
		esac
		outcome "$t: built, has what our guests need" can_be_examined
		outcome "$t: says which QEMU it is" says_version "$PROGRAM"
		outcome "$t: loads a plugin built with the header beside it" loads_plugin "$t"
	done
	build
	outcome "a second time nothing is built" [ "$(stat -c %i "$OUT")" = "$first" ]
	printf '1..%d\n' "$TESTS"
	[ "$BAD" -eq 0 ]
}

can_be_examined() { (examine) >&2; }

says_version() { "$1" --version | grep -qF "version $(g -C "$SRC" cat-file blob "$NN_COMMIT:VERSION") (nearnode"; }

loads_plugin() { # TARGET
	local dir flags
	read -r -a flags < <(pkg-config --cflags glib-2.0)
	dir=$(mktemp -d "$(cache_dir tmp)/plugin.XXXXXX")
	NN_TRASH+=("$dir")
	cat >"$dir/p.c" <<-'EOF'
	#include <stdio.h>
	#include <qemu-plugin.h>
	QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
	QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
	{
		printf("plugin in %s\n", info->target_name);
		return fflush(stdout);
	}
	EOF
	gcc -shared -fPIC -Wall -I"$OUT/include" "${flags[@]}" -o "$dir/p.so" "$dir/p.c" >&2 &&
		echo quit | timeout 60 "$OUT/qemu-system-$1" -M none -accel tcg -nodefaults -display none \
			-monitor stdio -plugin "$dir/p.so" >"$dir/out" 2>&1 &&
		grep -qx "plugin in $1" "$dir/out"
}

verb_test() { # NAME...
	build
	lock_source
	checkout
	configure
	"$OBJ/pyvenv/bin/meson" test -C "$OBJ" --print-errorlogs "$@"
}

case ${1:-} in
'') find_program; examine ;;
path) find_program; printf '%s\n' "$PROGRAM" ;;
dir) locate; printf '%s\n' "$OUT" ;;
objdir) locate; printf '%s\n' "$OBJ" ;;
src)
	locate
	lock_source
	[ "$(g -C "$SRC" rev-parse HEAD 2>/dev/null)" = "$NN_COMMIT" ] || checkout
	printf '%s\n' "$SRC"
	;;
test) shift; verb_test "$@" ;;
commits) verb_commits ;;
check) verb_check ;;
*) die "usage: qemu.sh [path|dir|objdir|src|test NAME...|commits|check]" ;;
esac
