#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prints what Linux made of the machine: nodes, distances, caches, threads. The
# lines "topo ..." are compared with the topology by the harness's boot test.

sys=/sys/devices/system
echo Y >/sys/kernel/debug/sched/verbose
echo "topo online $(cat $sys/node/online) possible $(cat $sys/node/possible) cpus $(cat $sys/node/has_cpu) memory $(cat $sys/node/has_memory)"
for n in "$sys"/node/node[0-9]*; do
	[ -d "$n" ] || continue
	# not "read": these files cannot be read byte by byte
	cpus=$(cat "$n/cpulist")
	dist=$(cat "$n/distance")
	mem=$(awk '/MemTotal/ { print int($4 / 1024) }' "$n/meminfo")
	echo "topo node ${n##*/node} cpus ${cpus:-none} mem $mem distances $dist"
done
smt=$(cat "$sys/cpu/smt/active")
echo "topo smt $smt"
for c in "$sys"/cpu/cpu[0-9]*; do
	core=$(cat "$c/topology/core_cpus_list")
	package=$(cat "$c/topology/package_cpus_list")
	domains=
	for d in /sys/kernel/debug/sched/domains/"${c##*/}"/domain*; do
		[ -r "$d/name" ] || continue
		flags=$(grep -o SD_SHARE_LLC "$d/flags")
		domains="$domains $(cat "$d/name")${flags:+(llc)}"
	done
	echo "topo ${c##*/} core $core package $package domains$domains"
done
