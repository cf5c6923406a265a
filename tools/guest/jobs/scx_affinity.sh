#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_affinity under loads whose CPUs, times and waits are known: for 4 nodes of 2 CPUs
# (ring4). NN_RELOADS, NN_CGROUPS, NN_HOTPLUGS on the kernel's command line: how many of each,
# 200, 500 and 10 if not given.

log=/tmp/affinity.log
out=/tmp/load.out
conf=/tmp/layers.json
log_lines=60
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh
NN_RELOADS=${NN_RELOADS:-200}
NN_CGROUPS=${NN_CGROUPS:-500}
NN_HOTPLUGS=${NN_HOTPLUGS:-10}

start() { # OPTION...: with $conf
	scx_start $log scx_affinity run -f $conf "$@"
}

# value KEY LAYER: a number that status has for a layer
value() {
	scx_affinity status --json >/tmp/status.json || return
	awk -v key="\"$1\":" -v layer="\"$2\"," '
		$1 == "\"name\":" { here = $2 == layer }
		here && $1 == key { sub(/,$/, "", $2); gsub(/"/, "", $2); print $2; exit }' /tmp/status.json
}

# field NAME WORD: what a load said after WORD
field() {
	awk -v name="$1" -v word="$2" '$1 == name { for (i = 2; i < NF; i++) if ($i == word) { print $(i + 1); exit } }' $out
}

# within A B PERCENT
within() {
	awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(b > 0 && d * 100 <= b * p) }'
}

# only_on LIST CPU...: is each CPU of the comma-separated list one of those?
only_on() {
	list=$1
	shift
	[ -n "$list" ] || return 1
	for c in $(echo "$list" | tr , ' '); do
		case " $* " in
		*" $c "*) ;;
		*) return 1 ;;
		esac
	done
}

echo "TAP version 13"
echo "1..20"

# --- the file

cat >$conf <<-'END'
{
  "layers": [
    { "name": "a", "match": [ { "comm_prefix": "x" } ],
      "heaviness": 3 },
    { "name": "rest", "match": [ {} ] }
  ]
}
END
scx_affinity run -f $conf >$log 2>&1
[ $? = 1 ] && grep -q "^scx_affinity: $conf:4:7: layers\[0\].heaviness: unknown key" $log && scx_is disabled
result $? "a wrong file is refused with line, column and key"
sed -i 's/"heaviness": 3/"nodes": [ 9 ]/' $conf
scx_affinity check $conf >$log 2>&1
[ $? = 1 ] && grep -q "layers\[0\].nodes: this machine has no node 9" $log
result $? "so is a node that is not there"
bad=0
for f in /nn/affinity/*.json; do
	scx_affinity check --any-machine "$f" >$log 2>&1 || bad=1
done
scx_affinity example | scx_affinity check --any-machine - >>$log 2>&1 || bad=1
scx_affinity status >>$log 2>&1 && bad=1
grep -q 'nobody answers' $log || bad=1
result $bad "examples are right; there is no status when nothing runs"

# --- layers of real tasks

mkdir -p /sys/fs/cgroup/aff/db/a /sys/fs/cgroup/aff/dbx
cat >$conf <<-'END'
{
  "max_wait_ms": 100, "interval_ms": 200,
  "layers": [
    { "name": "crit", "match": [ { "comm_prefix": "crit-", "uid": 1000 } ], "policy": "confined", "nodes": [ 1 ],
      "preempt": true, "slice_us": 3000 },
    { "name": "db", "match": [ { "cgroup_prefix": "/aff/db" } ], "policy": "confined", "cpus": "4" },
    { "name": "nice", "match": [ { "nice_above": 5 } ], "policy": "grouped", "cpus": "6", "overflow_distance": 10 },
    { "name": "group", "match": [ { "gid": [ 7, 8 ] } ], "policy": "confined", "cpus": "5" },
    { "name": "child", "match": [ { "pcomm_prefix": "affparent" } ], "policy": "confined", "cpus": "6" },
    { "name": "kernel", "match": [ { "kthread": true } ], "policy": "open" },
    { "name": "rest", "match": [ {} ], "policy": "open" }
  ]
}
END
start
result $? "loads"
in_cgroup() { # CGROUP COMMAND...
	(
		echo 0 >"/sys/fs/cgroup/$1/cgroup.procs"
		shift
		exec "$@"
	)
}
printf '#!/bin/busybox sh\naffload -n child 2\ntrue\n' >/tmp/affparent
chmod 755 /tmp/affparent
(
	affload -n crit-a -u 1000 2 &
	affload -n crit-b -s 500 -u 1000 2 &
	affload -n crit-c 2 &
	in_cgroup aff/db affload -n db 2 &
	in_cgroup aff/db/a affload -n dba 2 &
	in_cgroup aff/dbx affload -n dbx 2 &
	affload -n nice -N 10 2 &
	affload -n group -g 8 2 &
	/tmp/affparent &
	wait
) >$out 2>&1
cat $out >>$log
only_on "$(field crit-a cpus)" 2 3 && only_on "$(field crit-b cpus)" 2 3 && only_on "$(field crit-c cpus)" 0 1 7
result $? "comm and uid: who matches both runs on the layer's node only, who matches one does not"
only_on "$(field db cpus)" 4 && only_on "$(field dba cpus)" 4 && only_on "$(field dbx cpus)" 0 1 7
result $? "cgroups: a path and what is below it, but no other that begins alike"
only_on "$(field nice cpus)" 6 7 && only_on "$(field group cpus)" 5 && only_on "$(field child cpus)" 6
result $? "nice, gid, parent's comm"
ok=0
for l in crit db nice group child kernel rest; do
	[ "$(value matched $l)" -gt 0 ] && [ "$(value run_ns $l)" -gt 0 ] || { ok=1; echo "# nothing in layer $l"; }
done
scx_affinity status >>$log && [ "$ok" = 0 ]
result $? "status: each layer has had tasks and time"
scx_stop
result $? "unloads"

# --- fairness

cat >$conf <<-'END'
{
  "layers": [
    { "name": "one", "match": [ { "comm_prefix": "one-" } ], "policy": "confined", "cpus": "2" },
    { "name": "heavy", "match": [ { "comm_prefix": "heavy" } ], "policy": "confined", "cpus": "4", "weight": 300 },
    { "name": "light", "match": [ { "comm_prefix": "light" } ], "policy": "confined", "cpus": "4", "weight": 100 },
    { "name": "rest", "match": [ {} ], "policy": "open" }
  ]
}
END
start
at=$(awk '{ print int($1) + 3 }' /proc/uptime)
(
	affload -n one-a -t "$at" 6 &
	affload -n one-b -t "$at" 6 &
	affload -n one-c -t "$at" -N 5 6 &
	affload -n heavy-a -t "$at" 6 &
	affload -n heavy-b -t "$at" 6 &
	affload -n light -t "$at" 6 &
	wait
) >$out 2>&1
cat $out >>$log
a=$(field one-a cpu) b=$(field one-b cpu) c=$(field one-c cpu)
echo "# one layer, one CPU: nice 0: $a and $b ms, nice 5: $c ms (weights 100, 100 and 33)"
within "$a" "$b" 5 && within $((c * 200)) $(((a + b) * 33)) 5
result $? "tasks of a layer share by weight within 5 %"
a=$(field heavy-a cpu) b=$(field heavy-b cpu) c=$(field light cpu)
echo "# two layers, one CPU: weight 300: $a and $b ms, weight 100: $c ms"
within $((a + b)) $((3 * c)) 5
result $? "layers share a CPU by weight within 5 %"
scx_stop

# --- affinity, starvation

cat >$conf <<-'END'
{
  "max_wait_ms": 100,
  "layers": [
    { "name": "critical", "match": [ { "comm_prefix": "crit" } ], "policy": "grouped", "preempt": true, "weight": 1000 },
    { "name": "batch", "match": [ { "comm_prefix": "batch" } ], "policy": "grouped", "nodes": [ 1, 2 ] },
    { "name": "away", "match": [ { "comm_prefix": "away" } ], "policy": "confined", "nodes": [ 3 ] },
    { "name": "rest", "match": [ {} ], "policy": "open" }
  ]
}
END
start
at=$(awk '{ print int($1) + 4 }' /proc/uptime)
(
	i=0
	while [ $i -lt 12 ]; do
		affload -n "crit-$i" -t "$at" 6 &
		i=$((i + 1))
	done
	affload -n batch-a -t "$at" 6 &
	affload -n batch-b -t "$at" 6 &
	affload -n batch-pin -c 3 -t "$at" 6 &
	affload -n batch-two -c 1,6 -t "$at" 6 &
	affload -n away-pin -c 0 -t "$at" 6 &
	affload -n away-two -c 0-2 -s 2000 -t "$at" 6 &
	affload -n rest-slp -s 5000 -t "$at" 6 &
	wait
) >$out 2>&1
cat $out >>$log
[ "$(grep -c ' wrong 0 ' $out)" = 19 ] && only_on "$(field batch-pin cpus)" 3 && only_on "$(field away-pin cpus)" 0 &&
	only_on "$(field batch-two cpus)" 1 6
result $? "no task runs where its affinity forbids, whatever its layer has"
# 100 ms, a scan of 25, then 5 slices of 2 ms for each of the 7 that may be before it,
# and as much again for a host that is not always there
worst=$(awk '{ for (i = 1; i < NF; i++) if ($i == "gap" && $(i + 1) > m) m = $(i + 1) } END { print m }' $out)
saw=0
for l in critical batch away rest; do
	ms=$(($(value wait_max_ns $l) / 1000000))
	[ "$ms" -le "$saw" ] || saw=$ms
done
helped=$(($(value helped batch) + $(value helped away) + $(value helped rest)))
echo "# 12 critical hogs that may preempt on 8 CPUs, 7 others: longest wait $worst ms as they saw it, $saw as the scheduler did; helped $helped times"
awk -v w="$worst" -v s="$saw" 'BEGIN { exit !(w > 0 && w < 400 && s < 400) }' && [ "$helped" -gt 0 ]
result $? "under a saturating critical layer all run, within the bound"
scx_stop

# --- growing and shrinking

cat >$conf <<-'END'
{
  "interval_ms": 200,
  "layers": [
    { "name": "grow", "match": [ { "comm_prefix": "grow" } ], "policy": "confined", "nodes": [ 1, 2 ],
      "util_range": [ 0.5, 0.8 ] },
    { "name": "rest", "match": [ {} ], "policy": "open" }
  ]
}
END
start --explain
before=$(value nr_cpus grow)
for i in 1 2 3; do affload -n "grow-$i" 5 & done >$out 2>&1
sleep 4
during=$(value nr_cpus grow) cpus=$(value cpus grow)
sleep 4
after=$(value nr_cpus grow)
echo "# CPUs of the layer: $before at rest, $during ($cpus) under three hogs, $after after"
[ "$before" = 1 ] && [ "$during" -ge 3 ] && [ "$during" -le 4 ] && [ "$after" = 1 ] && grep -q '^explain: layer grow: .* grows ' $log &&
	grep -q '^explain: layer grow: .* shrinks ' $log
result $? "a layer grows and shrinks with its load, and says why"

# --- reloads, with a file that is wrong now and then

cp $conf /tmp/layers.first
sed 's/"nodes": \[ 1, 2 \]/"nodes": [ 3 ]/' $conf >/tmp/layers.second
affload -n grow-r 3000 >/dev/null &
load=$!
i=0
while [ $i -lt "$NN_RELOADS" ]; do
	i=$((i + 1))
	case $((i % 10)) in
	9) echo '{' >$conf ;;
	[02468]) cp /tmp/layers.first $conf ;;
	*) cp /tmp/layers.second $conf ;;
	esac
	kill -HUP $pid
	usleep 30000
done
cp /tmp/layers.second $conf
sleep 1
kill -HUP $pid
sleep 2
gen=$(scx_affinity status --json | awk '$1 == "\"generation\":" { print $2 + 0 }')
failed_ones=$(scx_affinity status --json | awk '$1 == "\"failed_reloads\":" { print $2 + 0 }')
echo "# $NN_RELOADS signals: generation $gen, $failed_ones wrong files refused; now on CPUs $(value cpus grow)"
scx_is enabled && [ "$gen" -gt $((NN_RELOADS / 2)) ] && [ "$failed_ones" -gt 0 ] &&
	grep -q "$conf:.*the layers stay\|the layers stay as they were" $log && [ "$(value cpus grow | cut -c1)" -ge 6 ]
result $? "reloads change layers without dropping the scheduler"

# --- cgroups that come and go

i=0
while [ $i -lt "$NN_CGROUPS" ]; do
	i=$((i + 1))
	mkdir "/sys/fs/cgroup/aff/c$i" && (echo 0 >"/sys/fs/cgroup/aff/c$i/cgroup.procs"; :) && rmdir "/sys/fs/cgroup/aff/c$i"
done >>$log 2>&1
scx_is enabled && [ ! -d /sys/fs/cgroup/aff/c1 ] && kill -0 $load
result $? "$NN_CGROUPS cgroups made, entered and removed"

# --- CPUs that come and go

i=0
ok=0
while [ $i -lt "$NN_HOTPLUGS" ]; do
	i=$((i + 1))
	cpu=$((1 + i % 7))
	echo 0 >/sys/devices/system/cpu/cpu$cpu/online || ok=1
	usleep 200000
	echo 1 >/sys/devices/system/cpu/cpu$cpu/online || ok=1
	usleep 200000
done
for _ in 1 2 3; do
	kill -0 $pid && scx_wait enabled && sleep 1
done
scx_is enabled || ok=1
[ $ok = 0 ] && kill -0 $pid && kill -0 $load && grep -q 'CPUs came or went' $log
result $? "hotplug restarts it, $NN_HOTPLUGS times off and on"

# --- killed

kill -9 $pid
wait $pid 2>/dev/null
scx_wait disabled
ok=$?
before=$(awk '{ print $14 }' /proc/$load/stat)
sleep 2
after=$(awk '{ print $14 }' /proc/$load/stat)
[ $ok = 0 ] && [ "$after" -gt "$before" ]
result $? "killed: all tasks go on in the fair class"
start
ok=$?
scx_affinity run -f $conf -S /tmp/second.sock >/tmp/second.log 2>&1
rc=$?
cat /tmp/second.log >>$log
[ $ok = 0 ] && [ $rc = 2 ] && grep -q 'another sched_ext scheduler' /tmp/second.log && scx_stop
result $? "loads again after that; a second one is refused with exit 2"

# --- thrown out

start
echo S >/proc/sysrq-trigger
wait $pid
rc=$?
scx_wait disabled && [ $rc = 3 ] && kill -0 $load && grep -q "the scheduler was ended" $log && grep -q "^EXIT: " $log
result $? "thrown out by the kernel: it says so and ends with 3"
kill -9 $load
rmdir /sys/fs/cgroup/aff/db/a /sys/fs/cgroup/aff/db /sys/fs/cgroup/aff/dbx /sys/fs/cgroup/aff 2>/dev/null
# shellcheck disable=SC2154
exit $failed
