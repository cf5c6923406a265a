#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   spe_stat.sh build            builds the plugin that counts instructions by their
#                                type and what judges samples by it, and prints where
#                                they lie
#   spe_stat.sh test TOPOLOGY    one boot of spe_mix's programs, each both sampled by
#                                the emulated SPE and counted, as lines of results
#   spe_stat.sh table TOPOLOGY   what the last test of it saw, as tables
#
# PROGRAMS="sve mops" runs these only; IMAGE= is a kernel to boot instead of the
# series'; QEMU= is the path of another QEMU than ours.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kbuild.sh
image=${IMAGE:-}
. "$NN_BUILD/kbuild.sh"

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


# Sets what boot() needs, building what is missing.
prepare() {
	DIR=$("$0" build)
	harness
	PROGRAM=$(QEMU=${QEMU:-built} "$NN_BUILD/qemu.sh" path)
	if [ -z "$image" ]; then
		"$NN_BUILD/kernel.sh" build series >&2
		image=$("$NN_BUILD/kernel.sh" dir series)/$IMAGE
	fi
	INITRD=$("$NN_TOP/tools/guest/mkinitramfs.sh")
	PERF=$("$NN_TOP/tools/guest/mkinitramfs.sh" --perf)
}

boot() { # TOPOLOGY PERIOD WHERE
	local rc=0
	rm -rf -- "$3"
	mkdir -p "$3"
	# icount: runs are more alike, and the other CPUs' counts exact, too
	"$NNBOOT" --arch arm64 --qemu "$PROGRAM" --kernel "$image" --initrd "$INITRD" --initrd "$PERF" --topo "$1" \
		--mode icount --spe --timeout "${TIMEOUT:-600}" \
		--append "NN_BUFFER=$BUFFER NN_PERIOD=$2${PROGRAMS:+ NN_PROGRAMS=\"$PROGRAMS\"}" \
		--accesses "$DIR/opmix.so,buffer=$BUFFER:$BUFFER_SIZE" \
		--job "$NN_TOP/tools/guest/jobs/spe_mix.sh" --out "$3" >"$3/summary" 2>&1 || rc=$?
	[ "$rc" -ne 0 ] || return 0
	printf 'not ok - %s: exit %d of the harness\n' "$NAME" "$rc"
	sed 's/^/# /' "$3/summary"
	exit 1
}

judge() { # WHERE VERDICTS [OPTION]...
	local rc=0
	"$DIR/spestat" "${@:3}" "$1/accesses.jsonl" "$1/out" "$1/job.log" >"$2" || rc=$?
	[ "$rc" -gt 1 ] || return "$rc"
	printf 'not ok - %s: spestat: exit %d\n' "$NAME" "$rc"
	exit 1
}

run_test() { # TOPOLOGY
	local where rc=0 programs failed
	NAME="SPE on $(basename "$1" .topo)"
	where=$(where_of "$1")
	prepare
	rm -rf -- "$where-again"
	boot "$1" 768 "$where"
	judge "$where" "$where/verdicts" || rc=1
	if [ "$rc" -ne 0 ]; then
		# By chance, or is something wrong? Other samples will tell: judge.h.
		grep '^# off' "$where/verdicts" | sed 's/$/; once more/' || true
		boot "$1" 1280 "$where-again"
		cp -- "$where/verdicts" "$where-again/verdicts-before"
		rc=0
		where=$where-again
		judge "$where" "$where/verdicts" --again "$where/verdicts-before" || rc=1
	fi
	sed -E "s|^((not )?ok [0-9]+ - )|\\1$NAME: |" "$where/verdicts"
	# With the counts of another program they must all fail.
	programs=$(($(grep -cE '^(not )?ok ' "$where/verdicts") - 1))
	judge "$where" "$where/control" --shift || true
	failed=$(grep -E '^(not )?ok ' "$where/control" | head -n "$programs" | grep -c '^not ok ' || true)
	if [ "$programs" -ge 2 ] && [ "$failed" -eq "$programs" ]; then
		printf 'ok - %s: none has the shares of another program\n' "$NAME"
	else
		printf 'not ok - %s: %d of %d programs have the shares of another one\n' "$NAME" \
			$((programs - failed)) "$programs"
		rc=1
	fi
	exit "$rc"
}

table() { # TOPOLOGY
	local dir where
	where=$(where_of "$1")
	[ -s "$where/verdicts" ] || die "there is no run on $1: $where" "tools/build/spe_stat.sh test $1"
	dir=$("$0" build)
	for where in "$where" "$where-again"; do
		[ ! -s "$where/verdicts" ] ||
			"$dir/spestat" --table "$where/accesses.jsonl" "$where/out" "$where/job.log" || true
	done
}

case ${1:-}:$# in
build:1) build ;;
test:2) run_test "$2" ;;
table:2) table "$2" ;;
*) die "usage: spe_stat.sh build | test TOPOLOGY | table TOPOLOGY" ;;
esac
