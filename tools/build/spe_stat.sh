#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   spe_stat.sh build            builds the plugin that counts instructions by their
#                                type and what judges samples by it, and prints where
#                                they lie
#   spe_stat.sh test TOPOLOGY    one boot of spe_mix's programs, each both sampled by
#                                the emulated SPE and counted, as lines of results
#   spe_stat.sh table TOPOLOGY   what the last test of it saw, as a table
#
# PROGRAMS="sve mops" runs these only; IMAGE= is a kernel to boot instead of the
# series'; QEMU= is the path of another QEMU than ours.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kbuild.sh
image=${IMAGE:-}
. "$NN_BUILD/kbuild.sh"

NNBOOT=$NN_TOP/tools/harness/nnboot
OUT=$NN_CACHE/guest/spe_stat
BUFFER=0x200000000	# where no program has anything else
BUFFER_SIZE=0x400000	# spe_mix's

[ "$ARCH" = arm64 ] || die "SPE is emulated for arm64 guests only, not for ARCH=$ARCH"

build() {
	local key
	"$NN_BUILD/packages.sh" base >&2
	key=$({
		cat "$NN_TOP"/tools/qemu/{Makefile,accesses/*.[ch]} "$NN_TOP"/tools/harness/{json,util}.[ch]
		gcc --version
	} | hash_text)
	with_lock spe_stat >&2
	if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
		step "building the plugin that counts instructions" >&2
		cache_dir guest >/dev/null
		scratch_beside "$OUT"
		run_logged "$OUT.log" "spestat" make -C "$NN_TOP/tools/qemu" spestat OUTPUT="$NN_NEW" >&2
		printf '%s\n' "$key" >"$NN_NEW/key"
		publish "$NN_NEW" "$OUT"
	fi
	printf '%s\n' "$OUT"
}

where_of() { # TOPOLOGY
	printf '%s/out/check/spe_stat-%s\n' "$NN_CACHE" "$(basename "$1" .topo)"
}


run_test() { # TOPOLOGY
	local topo=$1 dir where program base perf append rc=0 name
	name="SPE on $(basename "$topo" .topo)"
	dir=$("$0" build)
	(with_lock harness >&2 && make -s -C "$NN_TOP/tools/harness" >&2) || die "the harness does not build (see above)"
	program=$(QEMU=${QEMU:-built} "$NN_BUILD/qemu.sh" path)
	if [ -z "$image" ]; then
		"$NN_BUILD/kernel.sh" build series >&2
		image=$("$NN_BUILD/kernel.sh" dir series)/$IMAGE
	fi
	base=$("$NN_TOP/tools/guest/mkinitramfs.sh")
	perf=$("$NN_TOP/tools/guest/mkinitramfs.sh" --perf)
	append="NN_BUFFER=$BUFFER${PROGRAMS:+ NN_PROGRAMS=\"$PROGRAMS\"}"
	where=$(where_of "$topo")
	rm -rf -- "$where"
	mkdir -p "$where"
	# icount: it is the same each time
	"$NNBOOT" --arch arm64 --qemu "$program" --kernel "$image" --initrd "$base" --initrd "$perf" --topo "$topo" \
		--mode icount --spe --timeout "${TIMEOUT:-600}" --append "$append" \
		--accesses "$dir/opmix.so,buffer=$BUFFER:$BUFFER_SIZE" \
		--job "$NN_TOP/tools/guest/jobs/spe_mix.sh" --out "$where" >"$where/summary" 2>&1 || rc=$?
	if [ "$rc" -ne 0 ]; then
		printf 'not ok - %s: exit %d of the harness\n' "$name" "$rc"
		sed 's/^/# /' "$where/summary"
		exit 1
	fi
	printf 'ok - %s: the guest ran to its end\n' "$name"
	judge "$dir" "$where" "$name"
}

# spestat's verdicts; and again with the counts of another program, which all must fail.
judge() { # DIR WHERE NAME
	local dir=$1 where=$2 name=$3 rc=0 failed programs
	"$dir/spestat" "$where/accesses.jsonl" "$where/out" "$where/job.log" >"$where/verdicts" || rc=$?
	[ "$rc" -le 1 ] || printf 'not ok - %s: spestat: exit %d\n' "$name" "$rc"
	sed -E "s|^((not )?ok [0-9]+ - )|\\1$name: |" "$where/verdicts"
	programs=$(($(grep -cE '^(not )?ok ' "$where/verdicts") - 1))
	"$dir/spestat" --shift "$where/accesses.jsonl" "$where/out" "$where/job.log" >"$where/control" || true
	failed=$(head -n "$programs" "$where/control" | grep -c '^not ok ' || true)
	if [ "$programs" -ge 2 ] && [ "$failed" -eq "$programs" ]; then
		printf 'ok - %s: none has the shares of another program\n' "$name"
	else
		printf 'not ok - %s: of %d programs only %d do not have the shares of another one\n' "$name" \
			"$programs" "$failed"
		rc=1
	fi
	exit "$rc"
}

table() { # TOPOLOGY
	local dir where
	where=$(where_of "$1")
	[ -s "$where/verdicts" ] || die "there is no run on $1: $where" "tools/build/spe_stat.sh test $1"
	dir=$("$0" build)
	"$dir/spestat" --table "$where/accesses.jsonl" "$where/out" "$where/job.log"
}

case ${1:-}:$# in
build:1) build ;;
test:2) run_test "$2" ;;
table:2) table "$2" ;;
*) die "usage: spe_stat.sh build | test TOPOLOGY | table TOPOLOGY" ;;
esac
