#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scx_near -m on real samples (SPE) and hint faults: memory and task come together,
# and a task that was driven away from its memory goes back to it, where without -m
# the memory has to come after it. For two nodes or more with idle CPUs.
# NN_UNAWARE=1: for a kernel that can't tell the preferred node, where scx_near has to
# say so, and nothing else is tested.

mb=${NN_PLACE_MB:-32}
pages=$((mb * 256))
log=/tmp/scx_preferred.log
log_lines=80
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

for near in /nn/sched-*/scx_near; do :; done
[ -x "$near" ] || { echo "Bail out! there is no scx_near on board"; exit 1; }

start() { # OPTION...
	scx_start /tmp/near.log "$near" -i 1 "$@" && return
	cat /tmp/near.log >>$log
	return 1
}

stop() {
	sleep 2	# for the last line of its report
	scx_stop
	rc=$?
	cat /tmp/near.log >>$log
	return $rc
}

# sum KEY: what the intervals report of it, in all
sum() {
	tr ' ' '\n' </tmp/near.log | awk -F= -v key="$1" '$1 == key { s += $2 } END { print s + 0 }'
}

meet() { # OPTION...
	driven "$mb" --step 300000 --accesses 60000000 "$@"
}

echo "TAP version 13"
: >$log
if [ "${NN_UNAWARE:-0}" = 1 ]; then
	echo "1..2"
	start -m && stop && grep -q "WARNING: kernel doesn't support ops.set_preferred_node()" /tmp/near.log &&
		grep -q 'WARNING: -m goes by p->numa_preferred_nid' /tmp/near.log && grep -q ' at_preferred=' /tmp/near.log
	result $? "scx_near -m loads without ops.set_preferred_node() and says so"
	: >$log
	start && stop && ! grep -q 'numa_preferred_nid' /tmp/near.log
	result $? "scx_near without -m has nothing to say of it"
	exit $failed
fi

echo "1..12"
sysctl -w kernel.numa_balancing=1 >>$log
sysctl -w kernel.mem_sampling_enable=1 >>$log 2>&1 && sysctl -w kernel.numa_balancing_mem_sampling=1 >>$log 2>&1 &&
	grep -q arm_spe /sys/kernel/debug/mem_sampling/sources
result $? "memory accesses are sampled"

for kind in busy sleeping; do
	options=
	[ $kind = busy ] || options="--sleep 500"
	for mode in -m ""; do
		: >$log
		# shellcheck disable=SC2086  # no option is no argument
		start $mode && meet $options && [ "$settled" -ge 95 ]
		ok=$?
		stop || ok=1
		result $ok "scx_near${mode:+ $mode}, $kind: task and memory meet on one node"
		echo "# scx_near${mode:+ $mode}, $kind: from node $home to 1, ended on $end with $local % local, $moved of $pages pages moved"
		if [ "$mode" = -m ]; then
			echo "# preferred: at_preferred $(sum at_preferred) moved $(sum moved)"
			[ "$home" != - ] && [ "$home" != 1 ] && [ "$end" = "$home" ] && [ "$local" -ge 90 ]
			result $? "$kind: driven away, it goes back"
			with=$moved
		fi
	done
	echo "# $kind: $with pages moved with -m, $moved without"
	[ "$with" -lt $((moved / 2)) ]
	result $? "$kind: less memory has to move than without -m"
done

: >$log
sysctl -w kernel.mem_sampling_enable=0 >>$log 2>&1
faults=$(sed -n 's/^numa_hint_faults //p' /proc/vmstat)
start -m && meet && [ "$settled" -ge 90 ]
ok=$?
stop || ok=1
faults=$(($(sed -n 's/^numa_hint_faults //p' /proc/vmstat) - faults))
echo "# hint faults: $faults, from node $home to 1, ended on $end with $local % local, $moved of $pages pages moved"
[ $faults -gt 0 ] || ok=1
result $ok "scx_near -m has hint faults where there are no samples"

# Of memory that stays where it is
cat >/tmp/layers.json <<-'END'
{ "layers": [
  { "name": "place", "match": [ { "comm_prefix": "numa_place" } ] },
  { "name": "rest", "match": [ {} ] }
] }
END
sysctl -w kernel.mem_sampling_enable=1 >>$log 2>&1
sysctl -w kernel.numa_balancing=0 >>$log 2>&1
for from in 1 0; do
	: >$log
	scx_start /tmp/affinity.log scx_affinity run -f /tmp/layers.json --counters samples &&
		numa_place --memory 8 --cpu 0 --from $from --accesses 1000000 --after 20000000 >>$log 2>&1
	ok=$?
	here=$(layer_value sampled_local place) far=$(layer_value sampled_remote place)
	scx_affinity status >>$log && grep -q ' remote%$' $log || ok=1
	scx_stop || ok=1
	cat /tmp/affinity.log >>$log
	echo "# memory of node $from used from node 0: samples of $here local accesses, $far remote ones"
	[ $((here + far)) -ge 1000 ] || ok=1
	if [ $from = 1 ]; then
		[ "$far" -gt $((here * 9)) ] || ok=1
	else
		[ "$here" -gt $((far * 9)) ] || ok=1
	fi
	result $ok "scx_affinity --counters samples: accesses to memory $([ $from = 0 ] && echo here || echo elsewhere)"
done
exit $failed
