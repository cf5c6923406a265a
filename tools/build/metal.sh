#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# metal.sh: builds the bare-metal tests of FEAT_SPE that our QEMU patches add
# (tests/tcg/aarch64/system), and runs them on CPUs of several kinds; then sees
# that QEMU refuses what it cannot do.  One result each.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$NN_BUILD/packages.sh" arm64 >&2
QEMU_PROGRAM=$(ARCH=arm64 "$NN_BUILD/qemu.sh" path)
SRC=$("$NN_BUILD/qemu.sh" src)/tests/tcg
CC=aarch64-linux-gnu-gcc
[ "$(uname -m)" != aarch64 ] || CC=gcc
WORK=$(mktemp -d "$(cache_dir tmp)/metal.XXXXXX")
NN_TRASH+=("$WORK")
TESTS=0
BAD=0

outcome() { # STATUS NAME
	TESTS=$((TESTS + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$TESTS" "$2"
	else
		BAD=$((BAD + 1))
		printf 'not ok %d - %s\n' "$TESTS" "$2"
	fi
}

# As QEMU's own Makefile.softmmu-target does it.
compile() { # TEST
	local flags=(-O0 -ggdb -nostdlib -ffreestanding "-I$SRC/minilib")
	"$CC" "${flags[@]}" -x assembler-with-cpp -c "$SRC/aarch64/system/boot.S" -o "$WORK/boot.o" &&
		"$CC" "${flags[@]}" -c "$SRC/minilib/printf.c" -o "$WORK/printf.o" &&
		"$CC" "${flags[@]}" "$SRC/aarch64/system/$1.c" -o "$WORK/$1" -static \
			"-Wl,-T$SRC/aarch64/system/kernel.ld" "$WORK/boot.o" "$WORK/printf.o" -lgcc ||
		die "$1 does not compile (see above)"
}

run() { # TEST CPU [ARGUMENT...]
	local test=$1 cpu=$2 rc=0
	shift 2
	rm -f -- "$WORK/out"
	timeout 120 "$QEMU_PROGRAM" -M virt,gic-version=3 -cpu "$cpu" -net none -display none -monitor none -serial none \
		-semihosting-config enable=on,target=native,chardev=output -chardev "file,path=$WORK/out,id=output" \
		"$@" -kernel "$WORK/$test" || rc=$?
	sed 's/^/# /' "$WORK/out" 2>/dev/null || true
	outcome "$rc" "$test on -cpu $cpu${*:+ $*}"
}

# QEMU must end at once, with a word that says what is wrong.
refuses() { # NAME WORD ARGUMENT...
	local name=$1 word=$2 rc=0
	shift 2
	timeout 20 "$QEMU_PROGRAM" -net none -display none -monitor none -serial none "$@" >"$WORK/err" 2>&1 || rc=$?
	[ "$rc" -eq 1 ] && grep -q -- "$word" "$WORK/err" || {
		sed 's/^/# /' "$WORK/err"
		outcome 1 "$name (exit $rc)"
		return
	}
	outcome 0 "$name"
}

# The same again must print the same.
repeats() { # TEST CPU ARGUMENT...
	run "$@"
	mv -- "$WORK/out" "$WORK/first"
	run "$@"
	cmp -s "$WORK/first" "$WORK/out" && outcome 0 "$1 repeats itself" || outcome 1 "$1 repeats itself"
}

compile spe
compile spe-fuzz
compile spe-inject
for cpu in max,spe=on max,spe=on,spe-version=1.{0,1,2,3,4,5} max,spe=on,sve=off,sme=off max,spe=on,spe-l1d-size=0,spe-llc-size=0 \
	neoverse-n1,spe=on neoverse-v1,spe=on neoverse-n2,spe=on cortex-a57,spe=on; do
	run spe "$cpu"
done
run spe max,spe=on -icount shift=0

run spe-inject max,spe=on -append none
for fault in collision external-abort data-loss lost-interrupt buffer-full; do
	run spe-inject max,spe=on,x-spe-inject=$fault -append $fault
done

# A million writes; of an old and a simple CPU, too
run spe-fuzz max,spe=on
run spe-fuzz neoverse-n1,spe=on -append "2 300000"
repeats spe-fuzz max,spe=on -append "3 100000" -icount shift=1,sleep=off

refuses "spe= that is neither on nor off" "'spe'" -M virt -cpu max,spe=perhaps
refuses "an unknown version" "spe-version.*'2.0'" -M virt -cpu max,spe=on,spe-version=2.0
refuses "a version without spe=on" "needs 'spe=on'" -M virt -cpu max,spe-version=1.0
refuses "a cache of more than 1 GiB" "cannot be more" -M virt,gic-version=3 -cpu max,spe=on,spe-llc-size=2G
refuses "a fault that there is none of" "cannot be injected" -M virt,gic-version=3 -cpu max,spe=on,x-spe-inject=fire
refuses "a GICv2" "gic-version=3" -M virt,gic-version=2 -cpu max,spe=on
refuses "no interrupt controller" "gic-version=3" -M none -cpu max,spe=on
refuses "a CPU without AArch64" "cortex-a15-arm-cpu.spe" -M virt -cpu cortex-a15,spe=on
refuses "another accelerator" "TCG only" -M virt,gic-version=3 -accel qtest -cpu max,spe=on
printf '1..%d\n' "$TESTS"
[ "$BAD" -eq 0 ]
