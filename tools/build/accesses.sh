#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   accesses.sh build                   builds the plugin that counts memory
#                                       accesses, its reports and the guest's
#                                       programs, and prints where they lie
#   accesses.sh test TOPOLOGY MODE [OPTION]
#                                       one boot of acctest, as lines of results;
#                                       OPTION is for the plugin, like cache=32K:8:64
#
# ARCH=arm64|x86_64; IMAGE= is a kernel to boot instead of the series'; QEMU= is
# another QEMU, "built" ours; TIMEOUT= and APPEND= are as for make boot.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
image=${IMAGE:-}	# kbuild.sh has another use for the name
# shellcheck source=kbuild.sh
. "$NN_BUILD/kbuild.sh"

OUT=$NN_CACHE/guest/$ARCH/accesses
PURPOSE=$([ "$ARCH" = arm64 ] && echo arm64 || echo x86)

build() {
	local key
	"$NN_BUILD/packages.sh" base "$PURPOSE" guest >&2
	key=$({
		cat "$NN_TOP"/tools/qemu/{Makefile,*.c,accesses/*.[ch]} "$NN_TOP"/tools/harness/{json,util}.[ch]
		gcc --version
		"${GNU}gcc" --version
	} | hash_text)
	with_lock "accesses-$ARCH" >&2
	if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
		step "building the plugin that counts memory accesses" >&2
		cache_dir "guest/$ARCH" >/dev/null
		scratch_beside "$OUT"
		run_logged "$OUT.log" "accesses" make -C "$NN_TOP/tools/qemu" accesses guest \
			ARCH="$ARCH" CROSS_COMPILE="$GNU" OUTPUT="$NN_NEW" >&2
		printf '%s\n' "$key" >"$NN_NEW/key"
		publish "$NN_NEW" "$OUT"
	fi
	printf '%s\n' "$OUT"
}

run_test() { # TOPOLOGY MODE [OPTION]
	local topo=$1 mode=$2 option=${3:-} dir where initrd rc=0 name
	name="accesses on $ARCH $topo, $mode${option:+, $option}"
	if [ "${QEMU:-}" = built ]; then
		QEMU=$("$NN_BUILD/qemu.sh" path)
		name+=" (QEMU built)"
		[ "$ARCH" != arm64 ] || APPEND="NN_HIDDEN=1${APPEND:+ $APPEND}"
	fi
	dir=$("$0" build)
	"$NN_BUILD/packages.sh" "$([ "$ARCH" = arm64 ] && echo qemu || echo qemu-x86)" >&2
	harness
	if [ -z "$image" ]; then
		"$NN_BUILD/kernel.sh" build series >&2
		image=$("$NN_BUILD/kernel.sh" dir series)/$IMAGE
	fi
	initrd=$("$NN_TOP/tools/guest/mkinitramfs.sh")
	where=$NN_CACHE/out/check/accesses-$ARCH-$(basename "$topo" .topo)-$mode${option:+-${option//[^a-z0-9]/-}}${QEMU:+-$(hash_text <<<"$QEMU" | cut -c1-8)}
	rm -rf -- "$where"
	mkdir -p "$where"
	"$NNBOOT" --arch "$ARCH" ${QEMU:+--qemu "$QEMU"} --kernel "$image" --initrd "$initrd" --topo "$topo" \
		--mode "$mode" --timeout "${TIMEOUT:-600}" ${APPEND:+--append "$APPEND"} --accesses "$dir/accesses.so${option:+,$option}" \
		--file "$dir/acctest:/nn/bin/acctest" --file "$dir/accmark:/nn/bin/accmark" \
		--job "$NN_TOP/tools/guest/jobs/accesses.sh" --out "$where" >"$where/summary" 2>&1 || rc=$?
	if [ "$rc" -eq 0 ]; then
		printf 'ok - %s: the guest ran to its end\n' "$name"
		"$dir/acccheck" "$where/accesses.jsonl" >"$where/checked" || rc=$?
		[ "$rc" -le 1 ] && [ -s "$where/checked" ] || printf 'not ok - %s: acccheck: exit %d\n' "$name" "$rc"
		sed -E "s|^((not )?ok [0-9]+ - )|\\1$name: |" "$where/checked"
	else
		printf 'not ok - %s: exit %d of the harness\n' "$name" "$rc"
		sed 's/^/# /' "$where/summary"
	fi
	exit "$rc"
}

case ${1:-} in
build) build ;;
test) shift; [ $# -ge 2 ] || die "usage: accesses.sh test TOPOLOGY MODE [OPTION]"; run_test "$@" ;;
*) die "usage: accesses.sh build | test TOPOLOGY MODE [OPTION]" ;;
esac
