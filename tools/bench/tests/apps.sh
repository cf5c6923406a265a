#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# apps.sh APPREPORT: what it says of measurements made up here.
REPORT=$(realpath "$1")
WHAT=apps
# shellcheck source=tools/build/tests/reportlib.sh
. "$(dirname "$0")/../../build/tests/reportlib.sh"

# run APP SCHEDULER REMOTE P99: of a thousand accesses so many are remote, half of them loads
run() {
	{
		printf '{"app":"%s","scheduler":"%s","node":1,"outside":3,"hogs":3,"clients":4,"requests":%s,"result":' \
			"$1" "$2" "$requests"
		printf '{"seconds":2,"server_us":1000000,"batch_us":3000000,"moves":40,"crossings":%s,' "$crossings"
		printf '"waits":5000,"wait_mean":3000,"wait_p50":2000,"wait_p99":%s,"wait_max":9000000}}\n' "$4"
	} >>"$WORK/run/out"
	# CPU 1 is of node 0, CPU 2 of node 1; CPU 3 the clients'. The kernel's are none of ours.
	printf '{"type":"row","region":3,"name":"%s,%s","instance":1,"row":0,"cause":"end","by_cpu":3,"cpus":[' "$1" "$2"
	printf '{"cpu":1,"user":{"loads":[100,%s],"stores":[%s,0]},"kernel":{"loads":[5,700]}},' $(($3 / 2)) $((400 - $3 / 2))
	printf '{"cpu":2,"user":{"loads":[%s,%s]}},' $(($3 - $3 / 2)) $((500 - $3 + $3 / 2))
	printf '{"cpu":3,"user":{"loads":[12345,0],"stores":[12345,0]}}]}\n'
}

measure() { # VARIABLE=VALUE...
	local redis=100 redis_p99=30000 pg=50 pg_p99=29000 simple_p99=30000 requests=4000 crossings=8 app
	[ $# -eq 0 ] || local "$@"
	rm -rf "$WORK/run"
	mkdir -p "$WORK/run"
	{
		printf '{"type":"header","format":1,"arch":"arm64","spaces":"user","every":0,"cache":null,"nodes":2,"node_of_cpu":[0,0,1,1],"distances":[[10,20],[20,10]]}\n'
		for app in redis nginx postgresql; do
			run $app eevdf 600 40000
			run $app simple 700 "$simple_p99"
		done
		run redis affinity "$redis" "$redis_p99"
		run nginx affinity 0 3000
		run postgresql affinity "$pg" "$pg_p99"
		printf '{"type":"end","stray_marks":0}\n'
	} >"$WORK/run/accesses.jsonl"
}

report() {
	ask "$@" "$WORK/run"
}

measure
report --json "$WORK/j"
check 'both bars just cleared' exits 0
check '  none is said to be missed' says_not MISSED
check '  nothing in the table is marked' says_not '[0-9]!'
check '  remote accesses, without those of the clients and the kernel' says '^redis +EEVDF +60\.00 '
check '  and their distance' says '^redis +EEVDF +60\.00 +16\.00 '
check '  moves for a thousand requests' says ' 2\.0 +10\.0 +2\.0 +40\.0 '
check '  requests a second, CPUs of the batch' says ' 2000 +1\.50$'
check '  all three' says '^ +scx_affinity +5\.00 '
check '  fits a hundred and ten columns' test "$(sed '/^Bars/,$d' "$WORK/out" | wc -L)" -le 110
check '  JSON is there' grep -q '"remote_percent": *60' "$WORK/j"
check '  with the bars' grep -q '"cleared": *true' "$WORK/j"
check '  nothing half-written is left' test -z "$(find "$WORK" -name '*.new' -o -name 'j.?*')"

measure redis=101
report
check 'too many remote accesses' exits 1
check '  says where' says 'MISSED +10\.10 .*remote accesses'
check '  marks it in the table' says '10\.10!'
measure redis_p99=30100
report
check 'waits longer than with scx_simple' exits 1
check '  says where' says 'MISSED +1\.00 .*p99|redis: 30\.1 against 30\.0 thousand instructions \(scx_simple\)'
check '  marks it in the table' says '30\.1!'
measure simple_p99=50000 pg_p99=41000
report
check 'waits longer than with EEVDF' exits 1
check '  says where' says 'postgresql: 41\.0 against 40\.0 thousand instructions \(EEVDF\)'
report --no-bars
check 'not judged when not asked' exits 0
check '  and not said' says_not 'Bars'

without() { # APP[,SCHEDULER]
	local app=${1%,*} scheduler=${1#*,}
	[ "$scheduler" != "$1" ] || scheduler='[a-z]*'
	sed -i "/\"app\":\"$app\",\"scheduler\":\"$scheduler\"/d" "$WORK/run/out"
}
measure
without nginx
report
check 'a server that was not measured' exits 1
check '  is said' says 'not measured: nginx'
measure
without redis,simple
report
check 'a scheduler is missing' exits 2
check '  says which' says 'redis under scx_simple'
measure
sed -i '/"app":"nginx","scheduler":"affinity"/s/"requests":4000/"requests":3000/' "$WORK/run/out"
report
check 'not the same work' exits 2
measure
sed -i 1p "$WORK/run/out"
report
check 'a run that is there twice' exits 2
measure
sed -i '/"name":"nginx,simple"/d' "$WORK/run/accesses.jsonl"
report
check 'a run that was not counted' exits 2
check '  says which' says '0 rows of nginx,simple'
measure
sed -i '/"name":"nginx,simple"/p' "$WORK/run/accesses.jsonl"
report
check 'one that was counted twice' exits 2
measure
sed -i '/"name":"redis,eevdf"/s/"cpu":\([12]\),"user"/"cpu":\1,"kernel"/g' "$WORK/run/accesses.jsonl"
report
check 'a server that accesses nothing' exits 2
measure
sed -i '$d' "$WORK/run/accesses.jsonl"
report
check 'counts without an end' exits 2
check '  says so' says 'has no end'
measure
sed -i '$s/}}$//' "$WORK/run/out"
report
check 'results cut short' exits 2
check '  says where' says 'out:9: broken JSON'
measure
sed -i '2s/"wait_p99":[0-9]*/"wait_p99":1/' "$WORK/run/out"
report
check 'a p99 below the half' exits 2
measure
: >"$WORK/run/out"
report
check 'nothing at all' exits 2
measure
rm "$WORK/run/out"
report
check 'no results' exits 2
check '  says what cannot be read' says 'cannot read .*run/out'
measure
report --json /proc/nearnode.json
check 'JSON that cannot be written' exits 2

finish
