#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# report.sh PICKREPORT: what it says of measurements made up here.
REPORT=$(realpath "$1")
WHAT=report
export ASAN_OPTIONS=detect_leaks=0	# it keeps what it reads until it ends
# shellcheck source=tools/build/tests/reportlib.sh
. "$(dirname "$0")/../../build/tests/reportlib.sh"

# boot DIR REMOTE OPTIMAL LOCAL RATIO STORM
boot() {
	local mode via api
	mkdir -p "$1"
	{
		echo "pickbench format=1 kernel=k cpus=4 nodes=4 smt=0 counting=1 runner=3"
		for mode in flat node; do
			for tasks in pinned free; do
				echo "storm mode=$mode tasks=$tasks insn_middle=$6"
			done
			echo "update mode=$mode to=idle insn_median=91"
			echo "update mode=$mode to=busy insn_median=92"
			for via in syscall wake; do
				for api in select select_dfl; do
					echo "drain mode=$mode via=$via api=$api mask=full core=no optimal_pct=$3"
					echo "class mode=$mode via=$via api=$api mask=full core=no class=local insn_middle=$4"
					echo "class mode=$mode via=$via api=$api mask=full core=no class=remote insn_middle=$2"
					echo "class mode=$mode via=$via api=$api mask=full core=no class=busy insn_middle=500"
					echo "order mode=$mode via=$via api=$api mask=full core=no seq=0 n=4 dist=10.0 best=10.0"
					echo "order mode=$mode via=$via api=$api mask=full core=no seq=1 n=4 dist=20.0 best=20.0"
					echo "spread mode=$mode via=$via api=$api picks=1 worst_ratio=$5"
				done
			done
		done
	} >"$1/out"
}

measure() { # series' REMOTE OPTIMAL LOCAL RATIO [STORM], three boots of each
	rm -rf "$WORK/runs"
	for n in 1 2 3; do
		boot "$WORK/runs/ring4/stock.$n" 600 50.0 400 1.0 5000
		# an outlier among three boots must not matter
		boot "$WORK/runs/ring4/series.$n" "$([ $n = 2 ] && echo 9999 || echo "$1")" "$2" "$3" "$4" "${5:-5000}"
	done
}

report() { ask "$@" "$WORK/runs"; }

measure 750 100.0 408 1.10 5100
report --json "$WORK/j" --svg "$WORK/s"
check 'every bar just cleared' exits 0
check '  none is said to be missed' says_not MISSED
check '  medians, not means' says '600 +750 1.25'
check '  nothing in the table is marked' says_not '[0-9]!'
check '  fits a hundred columns' test "$(sed '/^Bars/,$d' "$WORK/out" | wc -L)" -le 100
check '  what noting costs is shown' says ' 91 +91 +92 +92 '
check '  JSON is there' grep -q '"optimal_pct": 100.000' "$WORK/j"
check '  and a picture with both lines' test "$(grep -c '<path' "$WORK/s")" -eq 4
# 10 and 20 on a scale that ends at 21, each half of the panel wide
check '  whose steps are where they belong' grep -q 'd="M50 168.6 H250.0 V97.1 H450.0"' "$WORK/s"
check '  the order only when asked for' says_not 'Mean distance of each pick'
report --order
check '  and then it is there' says 'ring4 +flat stock +10 +20$'
check '  nothing half-written is left' test ! -e "$WORK/j.new" -a ! -e "$WORK/s.new"

measure 751 100.0 400 1.0
report
check 'a remote pick too dear' exits 1
check '  says which' says 'MISSED .*remote pick'
check '  and marks it in the table' says '600 +751 1.25!'
measure 600 99.99 400 1.0
report
check 'a pick not optimal' exits 1
check '  says which' says 'MISSED .*optimal picks'
check '  is not rounded up' says '50.0 +99.9!'
report --no-bars
check '  not judged when not asked' exits 0
measure 600 100.0 409 1.0
report
check 'a local pick too dear' exits 1
measure 600 100.0 400 1.11
report
check 'a crowded node' exits 1
check '  is marked in the table' says '1.00 +1.11!'

measure 600 100.0 400 1.0 5101
report
check 'a storm too dear' exits 1
check '  says which' says 'MISSED .*storm'
measure 600 100.0 400 1.0
sed -i '/^storm mode=node/d' "$WORK"/runs/ring4/series.?/out
report
check 'a bar without a measurement is missed' exits 1
check '  says what is lacking' says 'not measured: ring4, per node, pinned tasks and more'
measure 9999 100.0 9999 1.0
sed -i 's/nodes=4/nodes=6/' "$WORK"/runs/ring4/*/out
report
check 'costs are judged at 4, 8 and 16 nodes only' exits 0
check '  said so' says 'remote pick.*: applies to no topology here'

measure 600 100.0 400 1.0
rm -r "$WORK/runs/ring4/series.3"
report
check 'a boot missing on one side' exits 2
measure 600 100.0 400 1.0
printf 'drain mode=flat' >>"$WORK/runs/ring4/stock.1/out"
report
check 'a record cut short' exits 2
check '  says where' says 'stock.1/out is cut short'
measure 600 100.0 400 1.0
echo 'drain mode=flat via=wake api=select optimal_pct=many' >>"$WORK/runs/ring4/series.1/out"
report
check 'a number that is none' exits 2
measure 600 100.5 400 1.0
report
check 'more than all picks optimal' exits 2
rm -rf "$WORK/runs"
mkdir "$WORK/runs"
report
check 'nothing measured' exits 2
measure 600 100.0 400 1.0
report --svg /proc/nearnode.svg
check 'a picture that cannot be written' exits 2
check '  says so' says 'cannot write /proc/nearnode.svg'

finish
