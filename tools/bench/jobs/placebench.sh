#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Guest job: memory that lies far from its user, and how it comes near: by hint faults,
# or by samples if the kernel can take them; under the fair class and under scx_simple.
# Lines of JSON to the harness, for placereport.
#
# On the kernel's command line: NN_COSTS=1 also measures what there is to pay where nothing
# can come nearer. NN_PHASES=1 does what the plugin "phases" is to count, and no more.
# NN_FROM is the node of the far memory, NN_MB how much it is, NN_ACCESSES how often it is
# accessed.

from=${NN_FROM:-3}
mb=${NN_MB:-32}
accesses=${NN_ACCESSES:-160000000}
out=${NN_OUT:?not set: run this under nnboot}
# shellcheck source=tools/guest/scheduler.sh
. /nn/lib/scheduler.sh

die() {
	echo "Bail out! $*"
	exit 1
}

set_sysctl() { # NAME=VALUE...
	sysctl -w "$@" >/dev/null || die "sysctl $*"
}

# tell KIND SOURCE CLASS PAGES PROGRAM...: a line with what the program says, in JSON
tell() {
	kind=$1 source=$2 class=$3 pages=$4
	shift 4
	said=$("$@") || die "$*"
	printf '{"kind":"%s","source":"%s","class":"%s","pages":"%s","result":%s}\n' \
		"$kind" "$source" "$class" "$pages" "$said" >"$out"
	echo "# $kind, $source, $class, $pages pages: $(cut -d' ' -f1 /proc/uptime) s"
}

# far SOURCE CLASS PAGES: memory is far at first
far() {
	tell far "$@" numa_place --json --label "far,$1,$2,$3" --memory "$mb" --pages "$3" --from "$from" \
		--accesses "$accesses" --after 500000
}

# again SOURCE CLASS PAGES: the same, of which only the kernel's instructions count
again() {
	tell again "$@" numa_place --json --memory "$mb" --pages "$3" --from "$from" --accesses "$accesses"
}

# near SOURCE ACCESSES: it is where it belongs
near() {
	tell near "$1" fair base numa_place --json --memory "$mb" --from 0 --accesses "$2" --step 2000000 --until 0
}

# shared SOURCE ACCESSES: it is, and two threads share it. perf's counters of CPUs are all
# one under icount, so that only the plugin tells two CPUs apart.
shared() {
	tell shared "$1" fair base numa_place --json --label "shared,$1,fair,base" --memory "$mb" --from 0 \
		--accesses "$2" --step 2000000 --threads 2 --until 0
}

[ -c "$out" ] || [ -f "$out" ] || die "no port for results: $out"
for scx in /nn/sched-*/scx_simple; do :; done
[ -x "$scx" ] || die "there is no scx_simple on board"

# What the kernel spends on the same work without either
set_sysctl kernel.numa_balancing=0
if [ "${NN_PHASES:-0}" = 1 ]; then
	shared off 16000000
else
	near off 8000000
fi
[ "${NN_COSTS:-0}" = 0 ] || tell switch off fair base switch_cost --json --batches 20 --rounds 100

set_sysctl kernel.numa_balancing=1
source=hint
if [ -e /proc/sys/kernel/mem_sampling_enable ]; then
	set_sysctl kernel.mem_sampling_enable=1 kernel.numa_balancing_mem_sampling=1
	source=samples
fi

if [ "${NN_PHASES:-0}" = 1 ]; then
	far "$source" fair base
	shared "$source" "$accesses"
	exit 0
fi

for pages in base huge; do
	far "$source" fair $pages
done
for _ in 2 3; do
	again "$source" fair base
done
[ "${NN_COSTS:-0}" = 0 ] || near "$source" "$accesses"

scx_start /tmp/scx.log "$scx" || die "scx_simple is not enabled: $(cat /tmp/scx.log)"
for pages in base huge; do
	far "$source" scx $pages
done
scx_is enabled || die "scx_simple did not last: $(cat /tmp/scx.log)"
scx_stop
exit 0
