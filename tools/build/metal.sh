#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# metal.sh: builds the bare-metal tests of FEAT_SPE that our QEMU patches add
# (tests/tcg/aarch64/system) and one of ours (tools/qemu/metal), and runs them on CPUs
# of several kinds; saves and restores a machine that samples; then sees that QEMU
# refuses what it cannot do.  One result each.
#
# metal.sh --compile TEST DIRECTORY: puts one of tools/qemu/metal there.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$NN_BUILD/packages.sh" arm64 >&2
QEMU_PROGRAM=$(ARCH=arm64 "$NN_BUILD/qemu.sh" path)
SRC=$("$NN_BUILD/qemu.sh" src)/tests/tcg
CC=aarch64-linux-gnu-gcc
[ "$(uname -m)" != aarch64 ] || CC=gcc
WORK=$(mktemp -d "$(cache_dir tmp)/metal.XXXXXX")
NN_TRASH+=("$WORK")
VCPU='/machine/unattached/device[0]'
trap '' PIPE	# a QEMU that has ended reads no commands
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
compile() { # TEST [DIRECTORY]
	local flags=(-O0 -ggdb -nostdlib -ffreestanding "-I$SRC/minilib" "-I$SRC/aarch64/system")
	"$CC" "${flags[@]}" -x assembler-with-cpp -c "$SRC/aarch64/system/boot.S" -o "$WORK/boot.o" &&
		"$CC" "${flags[@]}" -c "$SRC/minilib/printf.c" -o "$WORK/printf.o" &&
		"$CC" "${flags[@]}" "${2:-$SRC/aarch64/system}/$1.c" -o "$WORK/$1" -static \
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

# start TEST CPU [ARGUMENT...]: in the background, its monitor at MON. Sets PID.
start() {
	local test=$1 cpu=$2
	shift 2
	rm -f -- "$WORK"/{monitor,uart.in,uart.out}
	mkfifo "$WORK"/{monitor,uart.in,uart.out}
	timeout 600 "$QEMU_PROGRAM" -M virt,gic-version=3 -cpu "$cpu" -net none -display none -monitor stdio \
		-chardev "pipe,path=$WORK/uart,id=uart" -serial chardev:uart \
		-semihosting-config enable=on,target=native,chardev=output -chardev "file,path=$WORK/out,append=on,id=output" \
		"$@" -kernel "$WORK/$test" <"$WORK/monitor" >"$WORK/monitor.log" 2>&1 &
	PID=$!
	exec {MON}>"$WORK/monitor"
}

# Waits until it has ended, and takes its status.
finish() {
	local rc=0
	exec {MON}>&-
	wait "$PID" || rc=$?
	return $rc
}

tell() { printf '%s\n' "$*" >&"$MON" || true; }

send_byte() { timeout 5 sh -c 'printf x >"$1"' send "$WORK/uart.in"; }

# Waits until the guest says so; a guest that has ended never will.
said() { # LINE
	local i
	for ((i = 0; i < 1800; i++)); do
		! grep -qx "$1" "$WORK/out" 2>/dev/null || return 0
		kill -0 "$PID" 2>/dev/null || break
		sleep 0.1
	done
	printf '# the guest has not said: %s\n' "$1"
	return 1
}

# recorded N: waits until spe-live has so many records.
recorded() {
	local i at
	at=$("${CC%gcc}nm" "$WORK/spe-live" | awk '$3 == "buffer" { print "0x" $1 }')
	for ((i = 0; i < 1800; i++)); do
		tell "$(printf 'xp /1bx 0x%x' $((at + ($1 - 1) * 64)))"
		sleep 0.1
		[ "$(sed -n '$!h; $x; $s/.*: 0x/0x/p' "$WORK/monitor.log" | tr -d '\r')" != 0xb0 ] || return 0
	done
	printf '# the guest has not recorded %d samples\n' "$1"
	return 1
}

# save_restore CPU: moves the running machine into another QEMU, and waits until it runs.
save_restore() {
	local i
	rm -f -- "$WORK/state"
	tell "migrate file:$WORK/state"
	tell quit
	finish && [ -s "$WORK/state" ] || return 1
	start spe-live "$1" -incoming "file:$WORK/state"
	for ((i = 0; i < 1800; i++)); do
		tell info status
		sleep 0.1
		! grep -q '^VM status: running' "$WORK/monitor.log" || return 0
	done
	return 1
}

# Sampling, and an interrupt that nobody has taken yet, survive that; and a fault can
# be had while the guest runs.
live() { # CPU
	local rc=0
	rm -f -- "$WORK/out"
	start spe-live "$1"
	{
		said sampling && recorded 4 && save_restore "$1" && recorded 8 && send_byte &&
			said interrupt && save_restore "$1" && send_byte &&
			said collision && recorded 4 && tell "qom-set $VCPU x-spe-inject collision"
	} || rc=1
	[ $rc = 0 ] || kill "$PID" 2>/dev/null || true
	finish || rc=$?
	sed 's/^/# /' "$WORK/out" 2>/dev/null || true
	outcome "$rc" "saved and restored twice while sampling, -cpu $1"
}

# The fault is not on the command line, but set afterwards.
set_later() { # CPU FAULT
	local rc=0
	rm -f -- "$WORK/out"
	start spe-inject "$1" -S -append "$2"
	tell "qom-set $VCPU x-spe-inject fire"
	tell "qom-set $VCPU x-spe-inject $2"
	tell "qom-get $VCPU x-spe-inject"
	tell cont
	finish || rc=$?
	grep -q "'fire' cannot be injected" "$WORK/monitor.log" && grep -q "^\"$2\"" "$WORK/monitor.log" || rc=1
	[ $rc = 0 ] || sed 's/^/# /' "$WORK/out" "$WORK/monitor.log"
	outcome "$rc" "$2, set while there is a machine"
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

if [ "${1:-}" = --compile ]; then
	compile "$2" "$NN_TOP/tools/qemu/metal"
	cp -- "$WORK/$2" "$3/"
	exit
fi

compile spe
compile spe-fuzz
compile spe-inject
compile spe-live "$NN_TOP/tools/qemu/metal"
for cpu in max,spe=on max,spe=on,spe-version=1.{0,1,2,3,4,5} max,spe=on,sve=off,sme=off max,spe=on,spe-l1d-size=0,spe-llc-size=0 \
	neoverse-n1,spe=on neoverse-v1,spe=on neoverse-n2,spe=on cortex-a57,spe=on; do
	run spe "$cpu"
done
run spe max,spe=on,spe-min-interval=4096 -append 8
run spe max,spe=on -icount shift=0

run spe-inject max,spe=on -append none
for fault in collision external-abort data-loss lost-interrupt buffer-full; do
	run spe-inject max,spe=on,x-spe-inject=$fault -append $fault
done

for fault in collision external-abort data-loss lost-interrupt buffer-full; do
	set_later max,spe=on $fault
done
live max,spe=on
live neoverse-n1,spe=on

# A million writes; of an old and a simple CPU, too
run spe-fuzz max,spe=on
run spe-fuzz neoverse-n1,spe=on -append "2 300000"
repeats spe-fuzz max,spe=on -append "3 100000" -icount shift=1,sleep=off

refuses "spe= that is neither on nor off" "'spe'" -M virt -cpu max,spe=perhaps
refuses "an unknown version" "spe-version.*'2.0'" -M virt -cpu max,spe=on,spe-version=2.0
refuses "an interval that there is none of" "spe-min-interval.* 1000" -M virt,gic-version=3 -cpu max,spe=on,spe-min-interval=1000
refuses "a version without spe=on" "needs 'spe=on'" -M virt -cpu max,spe-version=1.0
refuses "a cache of more than 1 GiB" "cannot be more" -M virt,gic-version=3 -cpu max,spe=on,spe-llc-size=2G
refuses "a fault that there is none of" "cannot be injected" -M virt,gic-version=3 -cpu max,spe=on,x-spe-inject=fire
refuses "a GICv2" "gic-version=3" -M virt,gic-version=2 -cpu max,spe=on
refuses "no interrupt controller" "gic-version=3" -M none -cpu max,spe=on
refuses "a CPU without AArch64" "cortex-a15-arm-cpu.spe" -M virt -cpu cortex-a15,spe=on
refuses "another accelerator" "TCG only" -M virt,gic-version=3 -accel qtest -cpu max,spe=on
printf '1..%d\n' "$TESTS"
[ "$BAD" -eq 0 ]
