#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh bench   the bars: BOOTS= (5) boots of stock and series each on every
#                  topology or those in TOPO=, then the comparison
# bench.sh demo    the same with one boot on a few topologies, for the eye
#
# Each guest counts instructions (icount) while it picks every idle CPU from each
# start CPU.  A boot that is there already, of the same kernels and programs, is
# not repeated.  Results go to OUT= or the cache.  QEMU= as for guest.sh.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kbuild.sh
. "$NN_BUILD/kbuild.sh"

NNBOOT=$NN_TOP/tools/harness/nnboot
QEMU=${QEMU:-distribution}
BENCH=$NN_TOP/tools/bench

# Prints the guest program, built against the stock kernel's types: it has to
# run on both.
pickbench() { # STOCKDIR
	local out=$NN_CACHE/guest/$ARCH/bench src key
	key=$({ cat "$BENCH"/*.[ch] "$BENCH/Makefile" "$1/key"; clang-19 --version; "${GNU}gcc" --version; } | hash_text)
	with_lock "bench-$ARCH"
	if [ "$(cat "$out/key" 2>/dev/null)" != "$key" ]; then
		step "building the measuring program" >&2
		src=$("$NN_BUILD/kernel.sh" src stock)
		rm -rf -- "$out"
		mkdir -p "$out"
		run_logged "$out.log" "pickbench" make -C "$BENCH" guest ARCH="$ARCH" CROSS_COMPILE="$GNU" \
			KSRC="$src" KOBJ="$1" OUTPUT="$out" >&2
		printf '%s\n' "$key" >"$out/key"
	fi
	printf '%s\n' "$out/pickbench"
}

# In a subshell: the lock, against another run of the same, ends with it.
boot() ( # DIR KERNELDIR INITRD PROGRAM TOPOLOGY
	dir=$1
	with_lock "bench-$(basename "$(dirname "$dir")")-$(basename "$dir")"
	key=$({
		cat "$2/key" "$4" "$BENCH/jobs/pickbench.sh" <("$NNBOOT" --print-topo "$5" --json)
		[ "$QEMU" = distribution ] || sha256_of "$PROGRAM"
	} | hash_text)
	[ "$(cat "$dir/key" 2>/dev/null)" != "$key" ] || return 0
	rm -rf -- "$dir"
	mkdir -p "$dir"
	"$NNBOOT" --arch "$ARCH" --qemu "$PROGRAM" --kernel "$2/$IMAGE" --initrd "$3" --topo "$5" --mode icount \
		--timeout "${TIMEOUT:-1800}" --file "$4:/nn/bin/pickbench" --job "$BENCH/jobs/pickbench.sh" \
		--out "$dir" >"$dir/summary" 2>&1 || return 1
	printf '%s\n' "$key" >"$dir/key"
)

# Boots stock and series in turn. Leaves DIR/TOPOLOGY/KERNEL.N/out; sets STOCK
# and SERIES, where the kernels lie.
run() { # DIR BOOTS TOPOLOGY...
	local dir=$1 boots=$2 topo n k stock series initrd program pid bad t0
	shift 2
	make -s -C "$NN_TOP/tools/harness" || die "the harness does not build (see above)"
	for topo in "$@"; do
		"$NNBOOT" --print-topo "$topo" >/dev/null || exit 1
	done
	PROGRAM=$(QEMU=$QEMU "$NN_BUILD/qemu.sh" path) || exit 1
	"$NN_BUILD/kernel.sh" build both
	stock=$("$NN_BUILD/kernel.sh" dir stock)
	series=$("$NN_BUILD/kernel.sh" dir series)
	STOCK=$stock
	SERIES=$series
	program=$(pickbench "$stock")
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
			if [ -n "$bad" ]; then
				cat "$k/$bad.$n/summary" >&2
				die "the $bad kernel's boot $n on $topo failed" "Its console and results: $k/$bad.$n"
			fi
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

compare() { # NAME BOOTS TOPOLOGY... : OPTIONS in REPORT_OPTIONS
	local name=$1 boots=$2 runs=$NN_CACHE/out/bench view out topo k n rc=0
	shift 2
	out=${OUT:-$NN_CACHE/out/$name}
	"$NN_BUILD/packages.sh" base kernel "$ARCH_PURPOSE" guest bpf qemu
	run "$runs" "$boots" "$@"
	make -s -C "$BENCH" report OUTPUT="$NN_CACHE/guest/host" >/dev/null || die "the report does not build (see above)"
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

ARCH_PURPOSE=$([ "$ARCH" = arm64 ] && echo arm64 || echo x86)
REPORT_OPTIONS=()
# shellcheck disable=SC2086  # TOPO may be a list
case ${1:-} in
bench) compare bench "${BOOTS:-5}" ${TOPO:-1node 2node ring4 mesh4 asym4 cpuless4 sparse6 kunpeng920 smt4 ring8 glueless8 ring16 ring64 torus64} ;;
demo)
	REPORT_OPTIONS=(--order --no-bars)
	compare demo "${BOOTS:-1}" ${TOPO:-2node ring4 kunpeng920 glueless8 ring8}
	;;
*) die "usage: bench.sh bench|demo" ;;
esac
