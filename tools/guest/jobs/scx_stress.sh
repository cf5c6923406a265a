#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_affinity under stress-ng: tasks that fork, change their affinity, class and nice value,
# wake each other, and more of them than CPUs, beside kernel threads. For 4 nodes of 2 CPUs
# (ring4) and APPS=1. NN_STRESS_SECONDS is for how long each of the two loads runs (60).

seconds=${NN_STRESS_SECONDS:-60}
log=/tmp/stress.log
conf=/tmp/layers.json
root=/nn/apps/stress-ng
log_lines=60
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

[ -x $root/usr/bin/stress-ng ] || { echo "Bail out! there is no stress-ng on board: APPS=1"; exit 1; }
mount -t proc proc $root/proc && mount -t sysfs sys $root/sys && mount -t devtmpfs dev $root/dev

stress() { # OPTION...
	chroot $root /usr/bin/stress-ng --timeout "$seconds" --temp-path /tmp --metrics-brief --aggressive "$@" >>$log 2>&1 &&
		! grep -q skipping $log
}

cat >$conf <<-'END'
{
  "max_wait_ms": 500,
  "layers": [
    { "name": "cpu", "match": [ { "comm_prefix": "stress-ng-cpu" } ], "policy": "confined", "nodes": [ 1, 2 ],
      "util_range": [ 0.4, 0.8 ] },
    { "name": "fork", "match": [ { "comm_prefix": "stress-ng-fork" }, { "comm_prefix": "stress-ng-clone" } ],
      "policy": "grouped", "nodes": [ 0 ], "overflow_distance": 20, "migrations_per_sec": 100 },
    { "name": "switch", "match": [ { "comm_prefix": "stress-ng-switc" }, { "comm_prefix": "stress-ng-pipe" } ],
      "policy": "grouped", "nodes": [ 3 ], "preempt": true, "wake_sync": true },
    { "name": "excl", "match": [ { "comm_prefix": "stress-ng-yield" } ], "policy": "open", "exclusive": true, "weight": 20 },
    { "name": "nice", "match": [ { "nice_above": 5 } ], "policy": "open" },
    { "name": "rest", "match": [ {} ], "policy": "open" }
  ]
}
END

echo "TAP version 13"
echo "1..5"
: >$log
scx_start /tmp/affinity.log scx_affinity run -f $conf
result $? "loads"
stress --cpu 8 --fork 4 --clone 2 --affinity 4 --switch 4 --pipe 2 --yield 2
result $? "$seconds s of stress-ng: cpu, fork, clone, affinity, switch, pipe, yield"
sed 's/^/# | /' $log
: >$log
stress --schedpolicy 4 --nice 4 --affinity 8 --affinity-rand --futex 4 --sem 4 --timer 2 --nanosleep 4 --vfork 2 --cpu 4
result $? "$seconds s of stress-ng: schedpolicy, nice, affinity, futex, sem, timer, nanosleep, vfork"
sed 's/^/# | /' $log
ok=0
for l in cpu fork switch excl nice rest; do
	echo "# $l: $(layer_value matched $l) times matched, $(layer_value started $l) times run, $(($(layer_value run_ns $l) / 1000000)) ms, longest wait $(($(layer_value wait_max_ns $l) / 1000000)) ms, helped $(layer_value helped $l)"
	[ "$(layer_value run_ns $l)" -gt 0 ] || ok=1
done
scx_is enabled && kill -0 "$pid" && [ $ok = 0 ]
result $? "the scheduler is the same one, and each layer has run"
cat /tmp/affinity.log >>$log
scx_stop
result $? "unloads"
# shellcheck disable=SC2154
exit $failed
