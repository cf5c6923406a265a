#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# report.sh ACCREPORT: what it says of counts made up here.
REPORT=$(realpath "$1")
WHAT=accreport
# shellcheck source=tools/build/tests/reportlib.sh
. "$(dirname "$0")/../../../build/tests/reportlib.sh"

header() { # CACHE
	printf '{"type":"header","format":1,"arch":"arm64","spaces":"both","every":0,"cache":%s,"nodes":2,' "$1"
	printf '"node_of_cpu":[0,0,1,1],"distances":[[10,20],[40,10]]}\n'
}
row() { # NAME INSTANCE ROW CAUSE CPUS
	printf '{"type":"row","region":1,"name":"%s","instance":%s,"row":%s,"cause":"%s","by_cpu":0,"cpus":[%s]}\n' "$@"
}
end() { printf '{"type":"end","stray_marks":%s}\n' "$1"; }

mkdir "$WORK/a"
{
	header null
	row copy 1 0 every '{"cpu":0,"user":{"loads":[50,20],"stores":[10,0]},"kernel":{"loads":[20,0]}}'
	row copy 1 1 end '{"cpu":1,"user":{},"kernel":{"stores":[0,60]}},{"cpu":3,"user":{"loads":[20,20]},"kernel":{"io_loads":3,"unknown_stores":1},"block_ops":5,"block_ops_seen":1}'
	row idle 1 0 end ''
	end 0
} >"$WORK/a/accesses.jsonl"
{
	header '{"size":32768,"ways":8,"line":64}'
	row copy 1 0 end '{"cpu":0,"user":{"loads":[900,100],"load_misses":[30,10]},"kernel":{}}'
	end 2
} >"$WORK/b.jsonl"

ask "$WORK/a"
check "a directory: exit 0" exits 0
# node 0 to 0 and 1: 80 and 80, node 1 to 0 and 1: 20 and 20
check "sums, remote shares, distance and cost" \
	says '^copy +1 +200 +35\.0 +50\.000 +33\.333 +75\.000 +17\.00 +340\.0$'
check "a region without accesses" says '^idle +1 +0 +0\.0 +- +- +- +- +-$'
check "devices are told" says 'copy: and 3 accesses to devices'
check "unknown memory is told" says 'copy: and 1 accesses to memory of no node'
check "hidden accesses are told" says 'copy: 4 instructions .* hides'
ask --matrix --region copy "$WORK/a"
check "the matrix, first node" says '^ +0 +80 +80$'
check "the matrix, second node" says '^ +1 +20 +20$'
check "only the region asked for" test "$(grep -c '^idle' "$WORK/out")" -eq 0
ask --cpus "$WORK/a"
check "a CPU's line" says '^ +1 +0 +60 +100\.0 +100\.000 +- +100\.000 +20\.00 +120\.0$'
ask --rows "$WORK/a"
check "a row's line" says '^ +1 +0 every +100 +10\.0 +20\.000 +25\.000 +0\.000 +12\.00 +120\.0$'
ask --space kernel "$WORK/a"
check "the kernel's alone" says '^copy +1 +80 +75\.0 +75\.000 +- +75\.000 +17\.50 +140\.0$'
ask --json "$WORK/a"
check "JSON: the sums" says '"remote_pct": 50'
check "JSON: the matrix" says '\[80, 80\]'
check "JSON: CPUs" says '"cpu": 3,'
check "JSON: rows" says '"cause": "every"'
check "JSON is JSON" perl -MJSON::PP -0777 -ne 'decode_json($_)' "$WORK/out"

ask "$WORK/b.jsonl"
check "with a cache the misses are judged" says '^copy +1 +1000 +40 +0\.0 +25\.000 +25\.000 +- +12\.50 +50\.0$'
check "marks that did not fit are told" says '2 marks did not fit'
ask "$WORK/a" "$WORK/b.jsonl"
check "two side by side" \
	says '^copy +\| +200 +50\.000 +17\.00 \| +40 +25\.000 +12\.50 \| +-25\.000 +-85\.29$'
check "... a region that one of them lacks" says '^idle +\| +- +- +- \| +- +- +- \| +- +-$'
ask --json "$WORK/a" "$WORK/b.jsonl"
check "... as JSON" test "$(grep -c '"file":' "$WORK/out")" -eq 2

head -n -1 "$WORK/a/accesses.jsonl" >"$WORK/cut.jsonl"
ask "$WORK/cut.jsonl"
check "a file without an end: exit 1" exits 1
check "... it is named" says 'cut\.jsonl has no end'
ask --partial "$WORK/cut.jsonl"
check "... --partial: exit 0" exits 0
ask --region nothing "$WORK/a"
check "a region that there is not: exit 1" exits 1
check "... it is named" says "'nothing'"

# what it is, what its second line is
while IFS='|' read -r what line; do
	{ header null; printf '%s\n' "$line"; end 0; } >"$WORK/bad.jsonl"
	ask "$WORK/bad.jsonl"
	check "$what: exit 2" exits 2
	check "... file and line are named" says 'bad\.jsonl:2: '
done <<'LIST'
broken JSON|{"type":"row",
an unknown line|{"type":"foo"}
no type|{}
a row without a name|{"type":"row","region":1,"instance":1,"row":0,"cause":"end","cpus":[]}
a CPU that there is not|{"type":"row","region":1,"name":"x","instance":1,"row":0,"cause":"end","cpus":[{"cpu":4}]}
counts of too many nodes|{"type":"row","region":1,"name":"x","instance":1,"row":0,"cause":"end","cpus":[{"cpu":0,"user":{"loads":[1,2,3]}}]}
a count that is none|{"type":"row","region":1,"name":"x","instance":1,"row":0,"cause":"end","cpus":[{"cpu":0,"user":{"loads":[1,-2]}}]}
a second header|{"type":"header","format":1}
LIST
row x 1 0 end '' >"$WORK/bad.jsonl"
ask "$WORK/bad.jsonl"
check "no header: exit 2" exits 2
printf '{"type":"header","format":2}\n' >"$WORK/bad.jsonl"
ask "$WORK/bad.jsonl"
check "another format: exit 2" exits 2
ask "$WORK/none.jsonl"
check "no file: exit 2" exits 2
check "... it is named" says 'none\.jsonl'
ask
check "no argument: exit 2" exits 2
ask --space moon "$WORK/a"
check "an unknown space: exit 2" exits 2
ask --help
check "--help: exit 0" exits 0

finish
