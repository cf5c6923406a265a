#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# cli.sh NNBOOT: the command line, with a stand-in for QEMU that does what FAKE
# says: exit codes, what is written, what is left behind.
# shellcheck disable=SC2317 # the conditions are called through check()
set -u

NNBOOT=$(realpath "$1")
HERE=$(dirname "$(realpath "$0")")
DATA=$(dirname "$HERE")
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export FAKE_PID=$WORK/pid
N=0
FAILED=0
RC=0

check() { # NAME CONDITION...
	N=$((N + 1))
	if "${@:2}"; then
		printf 'ok %d - cli: %s\n' "$N" "$1"
	else
		printf 'not ok %d - cli: %s\n' "$N" "$1"
		sed 's/^/# /' "$WORK/said"
		FAILED=1
	fi
}

nn() {
	RC=0
	"$NNBOOT" --data "$DATA" "$@" >"$WORK/said" 2>&1 </dev/null || RC=$?
}

boot() { # FAKE ARG...
	rm -rf "$WORK/out" "$FAKE_PID"
	FAKE=$1 nn --qemu "$HERE/fake-qemu" --kernel "$WORK/Image" --initrd "$WORK/base.cpio" \
		--topo ring4 --out "$WORK/out" "${@:2}"
}

said() { grep -q -- "$1" "$WORK/said"; }
exits() { [ "$RC" -eq "$1" ]; }
has() { [ -s "$WORK/out/$1" ]; }
has_not() { [ ! -e "$WORK/out/$1" ]; }
qemu_gone() { [ ! -s "$FAKE_PID" ] || ! kill -0 "$(cat "$FAKE_PID")" 2>/dev/null; }

echo kernel >"$WORK/Image"
echo initrd >"$WORK/base.cpio"
printf '#!/bin/sh\ntrue\n' >"$WORK/job.sh"

# FAKE, exit code, what it is
while read -r fake rc what; do
	boot "$fake" --job "$WORK/job.sh" --timeout 20
	check "$what: exit $rc" exits "$rc"
	check "$what: results.json is there" has results.json
	check "$what: QEMU is gone" qemu_gone
done <<'LIST'
ok 0 all well
cut-marks 0 lines cut by kernel messages
test-fails 1 a failed test
kunit-fails 1 a failed KUnit test
job-fails 1 a failed job
splat 3 a splat
panic 3 a panic
dies 3 a guest that ends without a word
no-boot 5 a kernel that does not reach user space
LIST

boot no-qemu
check "a QEMU that does not start: exit 5" exits 5
check "  its words are passed on" said "could not load kernel"

boot no-spe --spe
check "a QEMU without SPE: exit 5" exits 5
check "  its words are passed on" said "Property .max-arm-cpu.spe. not found"
check "  with the remedy" said "make qemu"
boot no-qemu --cpu z80
check "a CPU that QEMU does not take: exit 5" exits 5
check "  with the remedy" said "-cpu help"
boot ok --cpu neoverse-n1
check "one that it takes: exit 0" exits 0
check "  is in the results" grep -q '"cpu": "neoverse-n1"' "$WORK/out/results.json"
boot ok --spe --arch x86_64
check "SPE on x86_64: exit 2" exits 2

boot hang --timeout 3
check "a guest that hangs: exit 4" exits 4
check "  registers are in the dump" grep -q -r ffff800080010204 "$WORK/out"
check "  QEMU is gone" qemu_gone

rm -rf "$WORK/out" "$FAKE_PID"
FAKE="sleep" "$NNBOOT" --data "$DATA" --qemu "$HERE/fake-qemu" --kernel "$WORK/Image" \
	--initrd "$WORK/base.cpio" --topo ring4 --out "$WORK/out" >"$WORK/said" 2>&1 </dev/null &
pid=$!
for _ in $(seq 50); do [ -s "$FAKE_PID" ] && break; sleep 0.1; done
kill -TERM "$pid"
wait "$pid"
RC=$?
check "a signal ends it" test "$RC" -ne 0
check "  QEMU is gone" qemu_gone
check "  no results are left that look whole" has_not results.json

boot ok --topo no-such
check "an unknown topology: exit 2" exits 2
check "  is named" said no-such
check "  the known ones are listed" said ring16
printf 'name bad\nnode cpus 2 mem 256\nnode cpus 2 mem 256\n' >"$WORK/bad.topo"
boot ok --topo "$WORK/bad.topo"
check "a topology that contradicts itself: exit 2" exits 2
check "  the file is named" said bad.topo
boot ok --mode warp
check "an unknown mode: exit 2" exits 2
boot ok --kernel "$WORK/none"
check "no kernel: not 0" test "$RC" -ne 0
check "  the file is named" said none
boot ok --initrd "$WORK/none.cpio"
check "a second initramfs that is not there: not 0" test "$RC" -ne 0
check "  the file is named" said none.cpio
boot ok --job "$WORK/no-job"
check "no job: not 0" test "$RC" -ne 0
check "  the file is named" said no-job
boot ok --accesses "$WORK/no-plugin.so,every=5"
check "no plugin: not 0" test "$RC" -ne 0
check "  the file is named, without its options" said "no-plugin.so:"
echo plugin >"$WORK/plugin.so"
boot ok --accesses "$WORK/plugin.so"
check "--accesses writes the map of nodes" grep -q "^mem 3 0x70000000 0x10000000$" "$WORK/out/accesses.map"
nn --kernel "$WORK/Image" --initrd "$WORK/base.cpio" --topo ring4 --interactive --accesses "$WORK/plugin.so"
check "--accesses without --out: exit 2" exits 2
nn
check "no arguments: exit 2" exits 2
nn --list
check "--list: exit 0" exits 0
for topo in "$DATA"/topologies/*.topo; do
	name=$(basename "$topo" .topo)
	check "--list has $name" said "$name"
done

boot ok --job "$WORK/job.sh"
cp "$WORK/out/results.json" "$WORK/a.json"
boot test-fails --job "$WORK/job.sh"
cp "$WORK/out/results.json" "$WORK/b.json"
nn --compare "$WORK/a.json" "$WORK/a.json"
check "--compare of a run with itself: exit 0" exits 0
nn --compare "$WORK/a.json" "$WORK/b.json"
check "--compare with a regression: exit 1" exits 1

nn --help
check "--help: exit 0" exits 0
while read -r option; do
	check "the manual has $option" grep -q -- "$option" "$DATA/../../Documentation/nnboot.1"
done < <(grep -oE -- '--[a-z-]+' "$WORK/said" | sort -u)

printf '1..%d\n' "$N"
exit "$FAILED"
