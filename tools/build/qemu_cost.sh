#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   qemu_cost.sh [PAIRS]
#
# What our patches to QEMU cost: the processor time (user and system) of whole runs of
# tools/qemu/metal/spe-cost.c, on the release as it is and on ours, built with the same
# options, and on ours while the program is sampled. They take turns, PAIRS times (10),
# so that a machine that drifts does not matter. What counts is the least time of each:
# the work is the same each time, and whatever else the machine does only adds to it. The
# median of the pairs' ratios is shown, too. Judges: 1 % at most when off, twice the time at
# an interval of 1024.

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

# ratio COLUMN OTHER: of the least times, and the median of the pairs' ratios
ratio() {
	awk -v a="$1" -v b="$2" '
		{ r[NR] = $a / $b; if (NR == 1 || $a < x) x = $a; if (NR == 1 || $b < y) y = $b }
		END {
			for (i = 1; i <= NR; i++)
				for (k = i; k > 1 && r[k] < r[k - 1]; k--) { t = r[k]; r[k] = r[k - 1]; r[k - 1] = t }
			printf "%.4f %.4f", x / y, (r[int((NR + 1) / 2)] + r[int(NR / 2) + 1]) / 2
		}' "$WORK/table"
}

# judge NAME BAR COLUMN OTHER
judge() {
	local good least median
	read -r least median < <(ratio "$3" "$4")
	good=$(awk -v r="$least" -v b="$2" 'BEGIN { print r <= b ? "ok" : "not ok" }')
	printf '%s - %s: %s times, %s at most (median of the pairs %s)\n' "$good" "$1" "$least" "$2" "$median"
	[ "$good" = ok ]
}

seconds "$PLAIN" max off	# warm
: >"$WORK/table"
for ((i = 0; i < PAIRS; i++)); do
	seconds "$PLAIN" max off; a=$T
	seconds "$OURS" max off; b=$T
	seconds "$OURS" max,spe=on off; c=$T
	seconds "$OURS" max,spe=on 1024; d=$T
	printf '%s %s %s %s\n' "$a" "$b" "$c" "$d" | tee -a "$WORK/table" |
		awk '{ printf "# unpatched %.2f s, ours %.2f s, spe=on %.2f s, sampled %.2f s\n", $1, $2, $3, $4 }'
done
rc=0
judge "without SPE, of the release's time" 1.01 2 1 || rc=1
judge "with SPE that is off, of the release's time" 1.01 3 1 || rc=1
judge "sampled at an interval of 1024, of the time when off" 2 4 3 || rc=1
exit $rc
