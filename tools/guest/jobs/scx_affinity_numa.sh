#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_affinity and the node that NUMA balancing prefers for a task, which it knows by hint
# faults: what becomes of a task that was driven away from its memory, by each value of
# follow_preferred_node. For 4 nodes of 2 CPUs (ring4), QEMU=built and mode "icount".
# NN_UNAWARE=1: for a kernel that does not look for the memory of sched_ext's tasks;
# scx_affinity has to say so, and nothing else is tested.

mb=${NN_PLACE_MB:-8}
log=/tmp/affinity.log
conf=/tmp/layers.json
log_lines=80
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

start() { # FOLLOW
	cat >$conf <<-END
	{
	  "layers": [
	    { "name": "follow", "match": [ { "comm_prefix": "numa_place" } ], "policy": "open", "follow_preferred_node": "$1" },
	    { "name": "zero", "match": [ { "preferred_node": 0 } ], "policy": "open" },
	    { "name": "rest", "match": [ {} ], "policy": "open" }
	  ]
	}
	END
	scx_start $log scx_affinity run -f $conf
}

meet() { # OPTION...
	driven "$mb" --step 200000 --accesses 24000000 "$@"
}

echo "TAP version 13"
: >$log
if [ "${NN_UNAWARE:-0}" = 1 ]; then
	echo "1..1"
	start prefer && scx_stop && grep -q '^scx_affinity: warning: .* preferred nodes of tasks stay' $log
	result $? "it says that this kernel does not know preferred nodes of its tasks"
	exit $failed
fi

echo "1..6"
sysctl -w kernel.numa_balancing=0 >>$log
start prefer && scx_stop && grep -q '^scx_affinity: warning: kernel.numa_balancing is 0' $log
result $? "it says if NUMA balancing is off"
sysctl -w kernel.numa_balancing=1 >>$log
# The first scan waits for a second, each other one for another: too long to watch.
echo 50 >/sys/kernel/debug/sched/numa_balancing/scan_delay_ms
echo 50 >/sys/kernel/debug/sched/numa_balancing/scan_period_min_ms
echo 100 >/sys/kernel/debug/sched/numa_balancing/scan_period_max_ms

for follow in off prefer strict; do
	start $follow && meet && [ "$settled" -ge 95 ]
	ok=$?
	grep -q 'warning' $log && ok=1
	known=$(layer_value preferred_known follow) hit=$(layer_value preferred_hit follow)
	scx_stop || ok=1
	echo "# $follow: settled at $settled %, from node $home to 1, ended on $end with $local % local; started to run $known times with a preferred node, $hit on it"
	[ "$known" -gt 0 ] || ok=1
	if [ $follow = off ]; then
		# where it was put it stays
		[ "$end" = 1 ] || ok=1
	else
		# it goes when a scan ends; up to then memory comes after it
		[ "$home" = 0 ] && [ "$end" = 0 ] && [ "$local" -ge 50 ] || ok=1
	fi
	result $ok "$follow, driven away: the task $([ $follow = off ] && echo stays || echo goes back)"
done

# When it has settled both CPUs of its node become busy: who prefers the node goes where a
# CPU is idle, who must be there takes turns, and goes back when it is driven away.
for follow in prefer strict; do
	start $follow
	at=$(awk '{ printf "%.2f\n", $1 + 0.35 }' /proc/uptime)
	affload -n hog-a -c 0 -t "$at" 1000 >/dev/null &
	a=$!
	affload -n hog-b -c 1 -t "$at" 1000 >/dev/null &
	b=$!
	meet --until 0 && [ "$settled" -ge 95 ]
	ok=$?
	kill $a $b
	scx_stop || ok=1
	echo "# $follow, node 0 busy: settled at $settled %, from node $home to 1, ended on $end with $local % local"
	if [ $follow = prefer ]; then
		[ "$end" != 0 ] || ok=1
	else
		[ "$home" = 0 ] && [ "$end" = 0 ] || ok=1
	fi
	result $ok "$follow, the node is busy: the task $([ $follow = prefer ] && echo "runs where a CPU is idle" || echo "waits there")"
done
exit $failed
