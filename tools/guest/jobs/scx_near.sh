#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs scx_near of the kernel on board under a load that fits into a node and its
# nearest neighbours, and looks at what it reports. For four nodes or more of two
# CPUs, of which each has two nearest ones (ring4, ring8, ring16).

for near in /nn/sched-*/scx_near; do :; done
[ -x "$near" ] || { echo "Bail out! there is no scx_near on board"; exit 1; }
log=/tmp/scx_near.log
# shellcheck source=tools/guest/result.sh
. /nn/lib/result.sh
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

# One task that forks four at a time and waits for them.
load() {
	i=0
	while [ $i -lt 60 ]; do
		i=$((i + 1))
		for _ in 1 2 3 4; do
			{ k=0; while [ $k -lt 40 ]; do k=$((k + 1)); done; } &
		done
		wait
	done
}

run() { # OPTION...: leaves its report in $log
	scx_start $log "$near" -i 1 "$@" || return
	load &
	wait $!
	sleep 2	# for the last line of its report
	scx_stop
}

# sum KEY: what the intervals report of it, in all
sum() {
	tr ' ' '\n' <"$log" | awk -F= -v key="$1" '$1 == key { s += $2 } END { print s + 0 }'
}

echo "TAP version 13"
echo "1..7"
nodes=$(find /sys/devices/system/node -name "node[0-9]*" | wc -l)
for mode in "" -P; do
	name="scx_near${mode:+ $mode}"
	# shellcheck disable=SC2086  # no option is no argument
	run $mode
	result $? "$name loads, reports and unloads"
	[ "$(grep -c '^node [0-9]*: ' "$log")" = "$nodes" ]
	result $? "$name prints the order of each node"
	local=$(sum local) close=$(sum near) far=$(sum far)
	echo "# $name: local $local near $close far $far, the kernel's count of remote picks $(sum kernel_remote)"
	# A few kernel threads are bound to far CPUs.
	[ "$local" -gt "$close" ] && [ "$close" -ge 10 ] && [ $((far * 5)) -lt "$close" ]
	result $? "$name: the rest goes to the nearest nodes"
done
"$near" -n 9999 >"$log" 2>&1
[ $? = 1 ] && grep -q 'invalid node "9999"' "$log"
result $? "scx_near refuses a node that is not there"
exit $failed
