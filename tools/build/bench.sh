#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh bench [picks|place|apps]   the bars of all, or of one
# bench.sh demo [picks|place]         the same with less that is measured and no bars, for the eye
#
# picks: which idle CPUs are picked. BOOTS= (5) boots of stock and series each on every
# topology or those in TOPO=, then the comparison. Each guest counts instructions
# (icount) while it picks every idle CPU from each start CPU. QEMU= as for guest.sh.
#
# place: how misplaced memory comes to its user, by hint faults in stock and by samples
# in series. One boot of each on ring8: CPUs with SPE on our QEMU, icount, and the plugin
# that counts accesses. With TOPO= it must be asked for.
#
# apps: what redis, nginx and PostgreSQL get beside a batch load: remote accesses, wanderings
# between nodes, waits for a CPU, under EEVDF, scx_simple and scx_affinity. One boot of series
# on ring4large with our QEMU, icount and the plugin. With TOPO= it must be asked for. APPEND= is for
# its command line, see jobs/appbench.sh.
#
# A boot that is there already, of the same kernels and programs, is not repeated.
# Results go to OUT= or the cache.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kbuild.sh
. "$NN_BUILD/kbuild.sh"

QEMU=${QEMU:-distribution}
BENCH=$NN_TOP/tools/bench

# Prints where pickbench and appwatch are, built against the stock kernel's types: they
# have to run on both.
guest_programs() { # STOCKDIR
	local out=$NN_CACHE/guest/$ARCH/bench src key
	key=$({ cat "$BENCH"/*.[ch] "$NN_TOP/tools/qemu/accesses/mark.h" "$BENCH/Makefile" "$NN_BUILD/scx.mk" "$1/key"; clang-19 --version; "${GNU}gcc" --version; } | hash_text)
	with_lock "bench-$ARCH"
	if [ "$(cat "$out/key" 2>/dev/null)" != "$key" ]; then
		step "building the measuring programs" >&2
		src=$("$NN_BUILD/kernel.sh" src stock)
		rm -rf -- "$out"
		mkdir -p "$out"
		run_logged "$out.log" "the measuring programs" make -C "$BENCH" guest ARCH="$ARCH" CROSS_COMPILE="$GNU" \
			KSRC="$src" KOBJ="$1" OUTPUT="$out" >&2
		printf '%s\n' "$key" >"$out/key"
	fi
	printf '%s\n' "$out"
}

# A boot that is there already, by its key, is not repeated. In a subshell: the lock,
# against another run of the same, ends with it.
boot_once() ( # DIR KEY NNBOOT-ARGUMENT...
	dir=$1 key=$2
	shift 2
	with_lock "bench-$(basename "$(dirname "$dir")")-$(basename "$dir")"
	[ "$(cat "$dir/key" 2>/dev/null)" != "$key" ] || return 0
	rm -rf -- "$dir"
	mkdir -p "$dir"
	"$NNBOOT" --arch "$ARCH" --qemu "$PROGRAM" --mode icount "$@" --out "$dir" >"$dir/summary" 2>&1 || return 1
	printf '%s\n' "$key" >"$dir/key"
)

# boot_failed DIR WHAT: shows what there is to see, and ends.
boot_failed() {
	cat "$1/summary" >&2
	[ ! -s "$1/job.log" ] || tail -n 20 "$1/job.log" >&2
	die "$2 failed" "Its console and results: $1"
}

boot() { # DIR KERNELDIR INITRD PROGRAM TOPOLOGY
	local key
	key=$({
		sha256_of "$2/$IMAGE"
		cat "$4" "$BENCH/jobs/pickbench.sh" <("$NNBOOT" --print-topo "$5" --json)
		[ "$QEMU" = distribution ] || sha256_of "$PROGRAM"
	} | hash_text)
	boot_once "$1" "$key" --kernel "$2/$IMAGE" --initrd "$3" --topo "$5" --timeout "${TIMEOUT:-1800}" \
		--file "$4:/nn/bin/pickbench" --job "$BENCH/jobs/pickbench.sh"
}

# Boots stock and series in turn. Leaves DIR/TOPOLOGY/KERNEL.N/out; sets STOCK
# and SERIES, where the kernels lie.
run() { # DIR BOOTS TOPOLOGY...
	local dir=$1 boots=$2 topo n k stock series initrd program pid bad t0
	shift 2
	harness
	for topo in "$@"; do
		"$NNBOOT" --print-topo "$topo" >/dev/null || exit 1
	done
	PROGRAM=$(QEMU=$QEMU "$NN_BUILD/qemu.sh" path) || exit 1
	"$NN_BUILD/kernel.sh" build both
	stock=$("$NN_BUILD/kernel.sh" dir stock)
	series=$("$NN_BUILD/kernel.sh" dir series)
	STOCK=$stock
	SERIES=$series
	program=$(guest_programs "$stock")/pickbench
	initrd=$("$NN_TOP/tools/guest/mkinitramfs.sh")
	step "measuring: $# topologies, $boots boot(s) of each kernel; what is there already is not repeated"
	for n in $(seq "$boots"); do
		for topo in "$@"; do
			t0=$SECONDS
			k=$dir/$(basename "$topo" .topo)
			# Both at once: each guest has one thread, and what is counted
			# does not depend on what else the host does.
			boot "$k/stock.$n" "$stock" "$initrd" "$program" "$topo" &
			pid=$!
			bad=
			boot "$k/series.$n" "$series" "$initrd" "$program" "$topo" || bad=series
			wait "$pid" || bad=stock
			[ -z "$bad" ] || boot_failed "$k/$bad.$n" "the $bad kernel's boot $n on $topo"
			note "$topo, boot $n of $boots: $((SECONDS - t0)) s"
		done
	done
}

# What grows in memory, by symbols and in bytes; the series' own KUnit test is in
# nobody's kernel but ours.
sizes() { # STOCKDIR SERIESDIR
	local k
	say
	say "Size of the kernel:"
	for k in "$@"; do
		"${GNU}nm" -p -a -S -t d "$k/vmlinux" | awk '
			NF == 3 && $2 == "a" { file = $3; next }
			NF != 4 || file == "node_order_test.c" { next }
			tolower($3) ~ /^[tw]$/ { code += $2 }
			tolower($3) ~ /^[rdb]$/ { data += $2 }
			END { printf "%d %d\n", code, data }'
	done | awk '
		NR == 1 { code = $1; data = $2 }
		NR == 2 { printf "  code %+d (%.3f %%), data %+d bytes, series against stock\n",
			$1 - code, ($1 - code) * 100 / code, $2 - data }'
}

report_program() {
	make -s -C "$BENCH" report OUTPUT="$NN_CACHE/guest/host" >/dev/null || die "the report does not build (see above)"
}

compare() { # NAME BOOTS TOPOLOGY... : OPTIONS in REPORT_OPTIONS
	local name=$1 boots=$2 runs=$NN_CACHE/out/bench view out topo k n rc=0
	shift 2
	out=${OUT:-$NN_CACHE/out/$name}
	"$NN_BUILD/packages.sh" base kernel "$ARCH_PURPOSE" guest bpf qemu
	run "$runs" "$boots" "$@"
	report_program
	# What this call asked for, out of all that was ever measured.
	view=$(mktemp -d "$(cache_dir tmp)/view.XXXXXX")
	NN_TRASH+=("$view")
	for topo in "$@"; do
		topo=$(basename "$topo" .topo)
		mkdir -p "$view/$topo"
		for k in stock series; do
			for n in $(seq "$boots"); do ln -s "$runs/$topo/$k.$n" "$view/$topo/"; done
		done
	done
	mkdir -p "$out"
	say
	"$NN_CACHE/guest/host/pickreport" "${REPORT_OPTIONS[@]}" --json "$out/picks.json" --svg "$out/picks.svg" "$view" |
		tee "$out/picks.txt" || rc=$?
	[ "$rc" -le 1 ] || exit "$rc"
	sizes "$STOCK" "$SERIES" | tee -a "$out/picks.txt"
	say
	say "Table:   $out/picks.txt"
	say "JSON:    $out/picks.json"
	say "Picture: $out/picks.svg"
	exit "$rc"
}

# --- place --------------------------------------------------------------------

# The addresses of the functions in phases.list, for the plugin "phases".
phases_of() { # KERNELDIR
	sed 's/#.*//' "$BENCH/phases.list" | awk 'NR == FNR { if (NF) phase[$2] = $1; next }
		$2 ~ /^[tT]$/ { name = $3; sub(/\..*/, "", name); if (name in phase) print "0x" $1, phase[name] }' - "$1/System.map"
}

# What a guest on our QEMU with a plugin for accesses needs. Sets PROGRAM, STOCK, SERIES and
# ACCESSES.
prepare() { # TOPOLOGY
	"$NN_BUILD/packages.sh" base kernel arm64 guest bpf qemu-build
	harness
	"$NNBOOT" --print-topo "$1" >/dev/null || exit 1
	# The plugin must be told of the CPU, which under icount only ours does.
	PROGRAM=$(QEMU=built "$NN_BUILD/qemu.sh" path) || exit 1
	"$NN_BUILD/kernel.sh" build both
	STOCK=$("$NN_BUILD/kernel.sh" dir stock)
	SERIES=$("$NN_BUILD/kernel.sh" dir series)
	ACCESSES=$("$NN_BUILD/accesses.sh" build)
	report_program
}

place_boot() { # DIR KERNELDIR APPEND PLUGIN[,OPTION...]
	local key
	key=$({
		sha256_of "$2/$IMAGE"
		cat "$ACCESSES/key" "$BENCH/jobs/placebench.sh" "$BENCH/phases.list" <("$NNBOOT" --print-topo ring8 --json)
		sha256_of "$PROGRAM"
		echo "$3 $4 ${INITRD##*/}"
	} | hash_text)
	phases_of "$2" >"$1.phases"
	boot_once "$1" "$key" --kernel "$2/$IMAGE" --initrd "$INITRD" --topo ring8 --spe \
		--timeout "${TIMEOUT:-1800}" --append "NN_FROM=3 $3" --accesses "$ACCESSES/${4/LIST/$1.phases}" \
		--job "$BENCH/jobs/placebench.sh"
}

# Both kernels at once, as run() does.
place_boots() { # DIR SUFFIX APPEND PLUGIN
	local pid bad='' t0=$SECONDS
	place_boot "$1/stock$2" "$STOCK" "$3" "$4" &
	pid=$!
	place_boot "$1/series$2" "$SERIES" "$3" "$4" || bad=series
	wait "$pid" || bad=stock
	[ -z "$bad" ] || boot_failed "$1/$bad$2" "the $bad kernel's boot"
	note "two boots: $((SECONDS - t0)) s"
}

size_of() { # STRUCT KERNELDIR
	pahole -C "$1" "$2/vmlinux" | sed -n 's,.*/\* size: \([0-9]*\).*,\1,p'
}

memory() { # STOCKDIR SERIESDIR
	local s
	say
	say "Memory that sampling takes, in bytes:"
	for s in task_struct mm_struct; do
		printf '  each %-13s %d, in stock %d\n' "$s" "$(size_of "$s" "$2")" "$(size_of "$s" "$1")"
	done
	printf '  each task that is or was sampled  %d more, with its ring\n' "$(size_of mem_sampling_task "$2")"
	printf '  each CPU                          %d, and while it is enabled %d for an event and a page for its records\n' \
		$(($(size_of spe_cpu "$2") + $(size_of arm_spe_kernel_cpu "$2"))) "$(size_of perf_event "$2")"
}

place() { # bench|demo
	local runs out costs=0 options=() rc=0
	if [ "$ARCH" != arm64 ]; then
		note "no emulated hardware samples memory accesses on $ARCH: place is not measured"
		return
	fi
	if [ "$1" = bench ]; then costs=1; else options=(--course --no-bars); fi
	runs=$NN_CACHE/out/bench-place/$1
	out=${OUT:-$NN_CACHE/out/$1}
	prepare ring8
	INITRD=$("$NN_BUILD/guest.sh" initrd stock)
	step "measuring: misplaced memory on ring8; what is there already is not repeated"
	mkdir -p "$runs"
	place_boots "$runs" '' NN_COSTS=$costs accesses.so,space=user
	[ "$costs" = 0 ] || place_boots "$runs" -phases NN_PHASES=1 phases.so,list=LIST
	mkdir -p "$out"
	say
	"$NN_CACHE/guest/host/placereport" ${options[@]+"${options[@]}"} --json "$out/place.json" --svg "$out/place.svg" "$runs" |
		tee "$out/place.txt" || rc=$?
	[ "$rc" -le 1 ] || exit "$rc"
	[ "$costs" = 0 ] || memory "$STOCK" "$SERIES" | tee -a "$out/place.txt"
	say
	say "Table:   $out/place.txt"
	say "JSON:    $out/place.json"
	say "Picture: $out/place.svg"
	exit "$rc"
}

# --- apps ---------------------------------------------------------------------

apps_boot() { # DIR TOPOLOGY
	local key
	key=$({
		sha256_of "$SERIES/$IMAGE"
		cat "$ACCESSES/key" "$PROGRAMS/key" "$BENCH/jobs/appbench.sh" <("$NNBOOT" --print-topo "$2" --json)
		sha256_of "$PROGRAM"
		echo "${INITRD##*/} ${SERVERS##*/} ${APPEND:-}"
	} | hash_text)
	boot_once "$1" "$key" --kernel "$SERIES/$IMAGE" --initrd "$INITRD" --initrd "$SERVERS" --topo "$2" \
		--timeout "${TIMEOUT:-3600}" ${APPEND:+--append "$APPEND"} \
		--accesses "$ACCESSES/accesses.so,space=user" --file "$PROGRAMS/appwatch:/nn/bin/appwatch" \
		--job "$BENCH/jobs/appbench.sh"
}

apps() {
	local topo=${TOPO:-ring4large} dir out t0=$SECONDS rc=0
	if [ "$ARCH" != arm64 ]; then
		note "there are no servers for guests of $ARCH: apps is not measured"
		return
	fi
	dir=$NN_CACHE/out/bench-apps/$(basename "$topo" .topo)
	out=${OUT:-$NN_CACHE/out/bench}
	prepare "$topo"
	PROGRAMS=$(guest_programs "$STOCK")
	INITRD=$("$NN_BUILD/guest.sh" initrd series)
	SERVERS=$("$NN_BUILD/guest.sh" apps)
	step "measuring: servers beside a batch load on $topo; what is there already is not repeated"
	mkdir -p "$dir" "$out"
	apps_boot "$dir" "$topo" || boot_failed "$dir" "the boot"
	note "one boot: $((SECONDS - t0)) s"
	say
	"$NN_CACHE/guest/host/appreport" --json "$out/apps.json" "$dir" | tee "$out/apps.txt" || rc=$?
	[ "$rc" -le 1 ] || exit "$rc"
	say
	say "Table:   $out/apps.txt"
	say "JSON:    $out/apps.json"
	exit "$rc"
}

ARCH_PURPOSE=$([ "$ARCH" = arm64 ] && echo arm64 || echo x86)
REPORT_OPTIONS=()
# shellcheck disable=SC2086  # TOPO may be a list
case $*: in
'bench picks:')
	compare bench "${BOOTS:-5}" ${TOPO:-1node 2node ring4 mesh4 asym4 cpuless4 sparse6 kunpeng920 smt4 ring8 glueless8 ring16 ring64 torus64}
	;;
'demo picks:')
	REPORT_OPTIONS=(--order --no-bars)
	compare demo "${BOOTS:-1}" ${TOPO:-2node ring4 kunpeng920 glueless8 ring8}
	;;
'bench place:') place bench ;;
'demo place:') place demo ;;
'bench apps:') apps ;;
bench: | demo:)
	# A part that fails does not keep the others from being shown.
	worst=0
	for part in picks place apps; do
		[ "$1 $part" != 'demo apps' ] || continue
		# Topologies are for the picks.
		[ $part = picks ] || [ -z "${TOPO:-}" ] || continue
		rc=0
		"$0" "$1" $part || rc=$?
		[ "$rc" -le "$worst" ] || worst=$rc
		say
	done
	exit "$worst"
	;;
*) die "usage: bench.sh bench [picks|place|apps] | demo [picks|place]" ;;
esac
