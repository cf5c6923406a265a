#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_affinity where cores have two threads, for smt4: a layer that has its cores for
# itself, placements by distance and the budget for migrations. QEMU=built and mode "icount",
# see scx_affinity.sh.

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

cpus_of() { # NAME
	awk -v name="$1" '$1 == name { for (i = 2; i < NF; i++) if ($i == "cpus") print $(i + 1) }' $out | tr , '\n' | sort -un | tr '\n' ' '
}

echo "TAP version 13"
echo "1..6"

first=2
sibling=$(tr , '\n' </sys/devices/system/cpu/cpu$first/topology/thread_siblings_list | sed 's/-/\n/' | grep -vx $first)
echo "# CPU $first shares its core with CPU $sibling"
[ -n "$sibling" ]
result $? "the machine has cores of two threads"

# Whose core is it if two tasks want it for themselves? One's at a time, and both get on.
cat >$conf <<-END
{
  "layers": [
    { "name": "alone", "match": [ { "comm_prefix": "alone" } ], "policy": "confined", "cpus": "$first,$sibling",
      "exclusive": true },
    { "name": "rest", "match": [ {} ], "policy": "open" }
  ]
}
END
start
(
	affload -n alone-a 2 &
	affload -n alone-b 2 &
	wait
) >$out 2>&1
cat $out >>$log
scx_stop
both=$(awk '{ for (i = 1; i < NF; i++) if ($i == "cpu") s += $(i + 1) } END { print s }' $out)
least=$(awk '{ for (i = 1; i < NF; i++) if ($i == "cpu" && (!m || $(i + 1) < m)) m = $(i + 1) } END { print m }' $out)
echo "# two tasks of an exclusive layer on one core: $both ms of 2000, none less than $least"
[ "$both" -le 2200 ] && [ "$both" -ge 1500 ] && [ "$least" -ge 400 ]
result $? "a core is one exclusive task's at a time, and neither starves"

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
		affload -n alone 2.5 &
		usleep 500000
		affload -n both 1.5 &
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

# The four CPUs of node 0 for seven tasks that come and go: some have to go to the nearest
# nodes. Once each of them comes from afar, where the shell is.
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
	for _ in 1 2 3 4 5 6 7; do affload -n near -s 300 1 & done
	wait
) >$out 2>&1
cat $out >>$log
echo "# seven tasks of a layer with 4 CPUs: $(cpus_of near), local $(layer_value local near) near $(layer_value near near) far $(layer_value far near) overflow $(layer_value overflow near)"
[ "$(layer_value overflow near)" -gt 0 ] && [ "$(layer_value far near)" -le 7 ] && ! cpus_of near | tr ' ' '\n' | grep -qE '^1[2-5]$'
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
		free=$(layer_value migrated roam)
	else
		few=$(layer_value migrated roam)
		refused=$(layer_value no_budget roam)
	fi
	scx_stop
done
echo "# migrations between nodes in 4 s: $free, with a budget of 2 each second and 8 saved up: $few, $refused refused"
[ "$free" -gt 60 ] && [ "$few" -le 30 ] && [ "$refused" -gt 0 ]
result $? "the budget for migrations is kept"
exit $failed
