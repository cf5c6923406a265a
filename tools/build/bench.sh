#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh run DIR BOOTS TOPOLOGY...: boots stock and series in turn, BOOTS times
# each on each topology, instruction-counting, and measures in each what is
# picked and what a pick costs.  DIR/TOPOLOGY/KERNEL.N/out has the records.
#
# A boot that is there already, of the same kernels and programs, is not repeated.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kbuild.sh
. "$NN_BUILD/kbuild.sh"

NNBOOT=$NN_TOP/tools/harness/nnboot
BENCH=$NN_TOP/tools/bench

# Prints the guest program, built against the stock kernel's types: it has to
# run on both.
pickbench() { # STOCKDIR
	local out=$NN_CACHE/guest/$ARCH/bench src key
	"$NN_BUILD/packages.sh" base bpf guest >&2
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

boot() { # DIR KERNELDIR INITRD PROGRAM TOPOLOGY
	local dir=$1 key
	key=$(cat "$2/key" "$4" "$BENCH/jobs/pickbench.sh" <("$NNBOOT" --print-topo "$5" --json) | hash_text)
	[ "$(cat "$dir/key" 2>/dev/null)" != "$key" ] || return 0
	rm -rf -- "$dir"
	mkdir -p "$dir"
	"$NNBOOT" --arch "$ARCH" --kernel "$2/$IMAGE" --initrd "$3" --topo "$5" --mode icount \
		--timeout "${TIMEOUT:-1800}" --file "$4:/nn/bin/pickbench" --job "$BENCH/jobs/pickbench.sh" \
		--out "$dir" >"$dir/summary" 2>&1 || return 1
	printf '%s\n' "$key" >"$dir/key"
}

run() { # DIR BOOTS TOPOLOGY...
	local dir=$1 boots=$2 topo n k stock series initrd program pid bad t0
	shift 2
	"$NN_BUILD/packages.sh" base qemu
	make -s -C "$NN_TOP/tools/harness" || die "the harness does not build (see above)"
	for topo in "$@"; do
		"$NNBOOT" --print-topo "$topo" >/dev/null || exit 1
	done
	"$NN_BUILD/kernel.sh" build both
	stock=$("$NN_BUILD/kernel.sh" dir stock)
	series=$("$NN_BUILD/kernel.sh" dir series)
	program=$(pickbench "$stock")
	initrd=$("$NN_TOP/tools/guest/mkinitramfs.sh")
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

case ${1:-} in
run) shift; [ $# -ge 3 ] || die "usage: bench.sh run DIR BOOTS TOPOLOGY..."; run "$@" ;;
*) die "usage: bench.sh run DIR BOOTS TOPOLOGY..." ;;
esac
