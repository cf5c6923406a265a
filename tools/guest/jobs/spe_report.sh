#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What perf makes of programs whose accesses are known: spe_pattern through report,
# script, report -D and mem report, spe_share through c2c.
#
# perf looks for loads that a peer's cache answered, by data sources that it knows of
# the Neoverse cores only; of others it may see modified lines: NN_C2C_DISPLAY=tot.

dir=/tmp/spe_report
log=$dir/log
export PERF_PAGER=cat
log_lines=150
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }
mkdir -p $dir

# value KEY FILE: the word after KEY
value() {
	awk -v key="$1" '{ for (i = 1; i < NF; i++) if ($i == key) { print $(i + 1); exit } }' "$2"
}

echo "TAP version 13"
echo "1..11"

# --- spe_pattern ---------------------------------------------------------------

rm -f $dir/data
perf record -o $dir/data -e arm_spe_0/ts_enable=1,pa_enable=1,jitter=1/u -c 4096 -- spe_pattern >$dir/pattern 2>$log
result $? "perf record"

perf report -i $dir/data --stdio -s sym >$log 2>&1 && grep -q ' walk_reads$' $log && grep -q ' walk_writes$' $log
result $? "perf report names the functions"

perf report -i $dir/data --stdio -s srcline >$log 2>&1 && grep -q 'spe_pattern\.c:[1-9]' $log
result $? "perf report finds source lines"

# Every kind of packet that was asked for, and none that perf does not know.
perf report -D -i $dir/data >$dir/dump 2>$log
{
	for packet in "PC 0x" "EV " "LD GP-REG" "ST GP-REG" ISSUE TOT \
		"VA 0x" "PA 0x" "TS " "CONTEXT 0x" "B COND"; do
		printf '%s: ' "$packet"
		grep -cF " $packet" $dir/dump
	done
	printf 'bad packets: '
	grep -cF "Bad packet" $dir/dump
} >>$log
grep -qx "bad packets: 0" $log && ! grep -v "^bad" $log | grep -q ": 0$"
result $? "perf report -D knows each packet"

# Whoever loads in walk_reads loads from the array of that name, and so on.
reads=$(value pattern_reads $dir/pattern)
writes=$(value pattern_writes $dir/pattern)
perf script -i $dir/data --itrace=M -F ip,sym,addr >$dir/script 2>$log
awk -v reads="$reads" -v writes="$writes" -v bytes="$(value bytes $dir/pattern)" '
	function hex(s,   i, v) {
		sub(/^0x/, "", s)
		for (i = 1; i <= length(s); i++)
			v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
		return v
	}
	/ walk_reads/ { n["reads"]++; a = hex($1) - hex(reads); bad += a < 0 || a >= bytes }
	/ walk_writes/ { n["writes"]++; a = hex($1) - hex(writes); bad += a < 0 || a >= bytes }
	END {
		# 3 to 1; five standard deviations of what chance gives
		total = n["reads"] + n["writes"]
		off = n["reads"] - total * 3 / 4
		print "reads", n["reads"] + 0, "writes", n["writes"] + 0, "astray", bad + 0, "off by", off
		exit !(total >= 1000 && !bad && off * off < 25 * total * 3 / 16)
	}' $dir/script >>$log
rc=$?
head -n 5 $dir/script >>$log
sed 's/^/# /' $log
result $rc "perf script: every access is to the function's own array, three loads for a store"

rm -f $dir/mem
# all of them, not only those of 30 cycles and more
perf mem record -o $dir/mem --ldlat 1 --all-user -- spe_pattern >$dir/pattern 2>$log
result $? "perf mem record"

perf mem report -i $dir/mem --stdio -s sym,symbol_daddr,mem >$dir/out 2>$log && awk '
	/walk_reads/ && /pattern_reads/ && /hit|miss|N\/A/ { reads++ }
	/walk_writes/ && /pattern_writes/ { writes++ }
	/walk_reads/ && /pattern_writes/ || /walk_writes/ && /pattern_reads/ { bad++ }
	END { exit !(reads && writes && !bad) }' $dir/out
rc=$?
head -n 40 $dir/out >>$log
result $rc "perf mem report names data, function and memory"

# --- spe_share -------------------------------------------------------------------

# first_line FILE: the most contended line
first_line() {
	awk '/Shared Data Cache Line Table/ { table = 1 } table && $1 == "0" && $2 ~ /^0x/ { print $2; exit }' "$1"
}

# contenders FILE LINE: the functions that c2c's second table has under that line. It
# puts each line of the cache between two rules.
contenders() {
	awk -v line="$2" '
		/Shared Cache Line Distribution Pareto/ { table = 1 }
		!table { next }
		/^ *-----+ *$/ { rule = 1; next }
		rule && $NF ~ /^0x/ { inside = $NF == line }
		{ rule = 0 }
		inside { for (i = 1; i < NF; i++) if ($i == "[.]") print $(i + 1) }
	' "$1" | sort -u | tr '\n' ' '
}

for how in "" -p; do
	name="spe_share${how:+ $how}"
	rm -f $dir/c2c
	# shellcheck disable=SC2086  # no option is no argument
	perf c2c record -o $dir/c2c -- spe_share $how >$dir/share 2>$log
	result $? "perf c2c record: $name"
	perf c2c report -i $dir/c2c --stdio -d "${NN_C2C_DISPLAY:-peer}" >$dir/out 2>$log
	rc=$?
	# the line is where its first field is
	line=$(value share_left $dir/share)
	who=$(contenders $dir/out "$line")
	first=$(first_line $dir/out)
	echo "# $name: line $line, contenders: ${who:-none}; most contended: ${first:-none}"
	cat $dir/share $dir/out >>$log
	if [ -z "$how" ]; then
		[ $rc = 0 ] && [ "$first" = "$line" ] && [ "$who" = "share_left share_right " ]
		result $? "perf c2c report names the line and its two contenders"
	else
		[ $rc = 0 ] && [ "$who" != "share_left share_right " ]
		result $? "perf c2c report: apart, they do not contend"
	fi
done
exit $failed
