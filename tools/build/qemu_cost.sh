#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   qemu_cost.sh [PAIRS]
#
# What our patches to QEMU cost: the processor time (user and system) of whole runs of
# tools/qemu/metal/spe-cost.c, on the release as it is and on ours, built with the same
# options, and on ours while the program is sampled. They take turns, PAIRS times (10),
# so that a machine that drifts does not matter; what counts is the median of the ratios
# of the pairs. Judges: 1 % at most when off, twice the time at an interval of 1024.
# To be run when nothing else runs.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

PAIRS=${1:-10}
case $PAIRS in
'' | *[!0-9]* | 0) die "'$PAIRS' is no number of pairs" "tools/build/qemu_cost.sh 10" ;;
esac
export ARCH=arm64
"$NN_BUILD/packages.sh" arm64 >&2
unset QEMU
PLAIN=$(QEMU_VARIANT=unpatched "$NN_BUILD/qemu.sh" path)
OURS=$(QEMU_VARIANT='' "$NN_BUILD/qemu.sh" path)
WORK=$(mktemp -d "$(cache_dir tmp)/cost.XXXXXX")
NN_TRASH+=("$WORK")
"$NN_BUILD/metal.sh" --compile spe-cost "$WORK"

# seconds QEMU CPU ARGUMENT: of one run; sets T.
seconds() {
	local TIMEFORMAT='%U %S'
	rm -f -- "$WORK/out"
	{ time timeout 300 "$1" -M virt,gic-version=3 -cpu "$2" -net none -display none -monitor none -serial none \
		-semihosting-config enable=on,target=native,chardev=output -chardev "file,path=$WORK/out,id=output" \
		-kernel "$WORK/spe-cost" -append "$3" 2>"$WORK/err" || echo failed >>"$WORK/err"; } 2>"$WORK/time"
	[ ! -s "$WORK/err" ] || { cat "$WORK/err" "$WORK/out" >&2; die "$1 -cpu $2: spe-cost $3 failed (see above)"; }
	T=$(awk '{ print $1 + $2 }' "$WORK/time")
}

# median FILE COLUMN
median() {
	sort -n -k "$2,$2" "$1" | awk -v c="$2" '{ v[NR] = $c } END { m = int((NR + 1) / 2); printf "%.4f", NR % 2 ? v[m] : (v[m] + v[m + 1]) / 2 }'
}

# judge NAME RATIO BAR
judge() {
	local good
	good=$(awk -v r="$2" -v b="$3" 'BEGIN { print r <= b ? "ok" : "not ok" }')
	printf '%s - %s: %s times, %s at most\n' "$good" "$1" "$2" "$3"
	[ "$good" = ok ]
}

seconds "$PLAIN" max off	# warm
: >"$WORK/table"
for ((i = 0; i < PAIRS; i++)); do
	seconds "$PLAIN" max off; a=$T
	seconds "$OURS" max off; b=$T
	seconds "$OURS" max,spe=on off; c=$T
	seconds "$OURS" max,spe=on 1024; d=$T
	awk -v a="$a" -v b="$b" -v c="$c" -v d="$d" 'BEGIN { print a, b, c, d, b / a, c / a, d / c }' | tee -a "$WORK/table" |
		awk '{ printf "# unpatched %.2f s, ours %.2f s (%.4f), spe=on %.2f s (%.4f), sampled %.2f s (%.2f)\n", $1, $2, $5, $3, $6, $4, $7 }'
done
rc=0
judge "without SPE, of the release's time" "$(median "$WORK/table" 5)" 1.01 || rc=1
judge "with SPE that is off, of the release's time" "$(median "$WORK/table" 6)" 1.01 || rc=1
judge "sampled at an interval of 1024, of the time when off" "$(median "$WORK/table" 7)" 2 || rc=1
exit $rc
