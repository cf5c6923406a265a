#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_affinity where cores have two threads, for smt4: a layer that has its cores for
# itself, placements by distance, preferred nodes and the budget for migrations.

log=/tmp/affinity.log
out=/tmp/load.out
conf=/tmp/layers.json
log_lines=60
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

start() {
	scx_start $log scx_affinity run -f $conf
}

# value KEY LAYER: a number that status has for a layer
value() {
	scx_affinity status --json | awk -v key="\"$1\":" -v layer="\"$2\"," '
		$1 == "\"name\":" { here = $2 == layer }
		here && $1 == key { sub(/,$/, "", $2); gsub(/"/, "", $2); print $2; exit }'
}

cpus_of() { # NAME
	awk -v name="$1" '$1 == name { for (i = 2; i < NF; i++) if ($i == "cpus") print $(i + 1) }' $out | tr , '\n' | sort -un | tr '\n' ' '
}

echo "TAP version 13"
echo "1..5"

first=2
sibling=$(tr , '\n' </sys/devices/system/cpu/cpu$first/topology/thread_siblings_list | sed 's/-/\n/' | grep -vx $first)
echo "# CPU $first shares its core with CPU $sibling"
[ -n "$sibling" ]
result $? "the machine has cores of two threads"

for exclusive in false true; do
	cat >$conf <<-END
	{
	  "layers": [
	    { "name": "alone", "match": [ { "comm_prefix": "alone" } ], "policy": "confined", "cpus": "$first",
	      "exclusive": $exclusive },
	    { "name": "both", "match": [ { "comm_prefix": "both" } ], "policy": "confined", "cpus": "$sibling,8" },
	    { "name": "rest", "match": [ {} ], "policy": "open" }
	  ]
	}
	END
	start
	(
		affload -n alone 4 &
		usleep 500000
		affload -n both 2 &
		wait
	) >$out 2>&1
	cat $out >>$log
	echo "# exclusive $exclusive: the other layer, on CPUs $sibling and 8, ran on: $(cpus_of both)"
	scx_stop
	if [ $exclusive = true ]; then
		[ "$(cpus_of both)" = "8 " ]
		result $? "the core's other thread runs nothing while a task of an exclusive layer runs"
	else
		[ -n "$(cpus_of both)" ]
		result $? "without that it may"
	fi
done

# Two CPUs of node 0 for four tasks that come and go: the others find the nearest node.
cat >$conf <<-'END'
{
  "layers": [
    { "name": "near", "match": [ { "comm_prefix": "near" } ], "policy": "grouped", "nodes": [ 0 ], "overflow_distance": 20 },
    { "name": "rest", "match": [ {} ], "policy": "open", "nodes": [ 3 ] }
  ]
}
END
start
(
	for _ in 1 2 3 4 5 6 7; do affload -n near -s 300 3 & done
	wait
) >$out 2>&1
cat $out >>$log
echo "# seven tasks of a layer with 4 CPUs: $(cpus_of near), local $(value local near) near $(value near near) far $(value far near) overflow $(value overflow near)"
[ "$(value overflow near)" -gt 0 ] && [ "$(value far near)" = 0 ] && ! cpus_of near | tr ' ' '\n' | grep -qE '^1[2-5]$'
result $? "overflow goes to near nodes, not beyond the distance"
scx_stop

for budget in '' ', "migrations_per_sec": 2'; do
	cat >$conf <<-END
	{
	  "layers": [
	    { "name": "roam", "match": [ { "comm_prefix": "roam" } ], "policy": "confined", "cpus": "0,4,8,12"$budget },
	    { "name": "rest", "match": [ {} ], "policy": "open" }
	  ]
	}
	END
	start
	(
		for _ in 1 2 3 4 5 6; do affload -n roam -s 2000 -b 3000 4 & done
		wait
	) >$out 2>&1
	cat $out >>$log
	if [ -z "$budget" ]; then
		free=$(value migrated roam)
	else
		few=$(value migrated roam)
		refused=$(value no_budget roam)
	fi
	scx_stop
done
echo "# migrations between nodes in 4 s: $free, with a budget of 2 each second and 8 saved up: $few, $refused refused"
[ "$free" -gt 60 ] && [ "$few" -le 30 ] && [ "$refused" -gt 0 ]
result $? "the budget for migrations is kept"
exit $failed
