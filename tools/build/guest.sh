#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   guest.sh boot      boots KERNEL= on TOPO=, MODE=, runs JOB= in it
#   guest.sh shell     the same with a shell on this terminal
#   guest.sh test KERNEL TOPOLOGY MODE SECONDS JOB [CMDLINE]
#                      one boot as lines of results, for check.sh
#   guest.sh initrd KERNEL...   prints the initramfs that holds their tools
#   guest.sh perf               prints the one with perf, to be unpacked over it
#   guest.sh apps               the same with servers
#
# KERNEL is stock or series, with "-VARIANT" if it is one, and "/stock" or
# "/series" if the tests on board are to be the other's.  Whatever is missing,
# kernel, QEMU, harness or initramfs, is built first.
#
# MACHINE=spe: CPUs with Arm's Statistical Profiling Extension, on our QEMU, with
# perf and our modules on board; MACHINE=spe:MODEL[,PROPERTY=VALUE...] another CPU
# than "max".
# A kernel of the variant "acpi" boots through UEFI firmware, which has ACPI tables for it.
# PERF=1 puts perf on board of any arm64 machine, APPS=1 redis, nginx and PostgreSQL.
# QEMU=distribution (the default, but with MACHINE=spe), built, or the path of one.
# KEEP=1: "test" does not repeat what passed with the same kernel, programs and QEMU.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

USUAL_QEMU=$([ -n "${MACHINE:-}" ] && echo built || echo distribution)
QEMU=${QEMU:-$USUAL_QEMU}

kernel_dir() { # KERNEL build|dir
	local kernel=${1%%/*} variant=
	[[ $kernel != *-* ]] || variant=${kernel#*-}
	VARIANT=${variant:-${VARIANT:-}} "$NN_BUILD/kernel.sh" "$2" "${kernel%%-*}"
}

# The programs on board are built for the plain kernel; its debug variants run
# the same ones.
initrd() { # KERNEL...
	local k dirs=()
	for k in "$@"; do
		VARIANT='' "$NN_BUILD/kernel.sh" build "${k%%-*}" >&2
		dirs+=("$(VARIANT='' "$NN_BUILD/kernel.sh" dir "${k%%-*}")")
	done
	"$NN_TOP/tools/guest/mkinitramfs.sh" "${dirs[@]}"
}

# Sets SPE and CPU (empty: the usual one) from MACHINE=.
parse_machine() {
	SPE=0 CPU=
	case ${MACHINE:-} in
	'') return ;;
	spe) ;;
	spe:?*) CPU=${MACHINE#spe:} ;;
	*) die "unknown MACHINE=$MACHINE" "MACHINE=spe, MACHINE=spe:MODEL (neoverse-n1, neoverse-v1, ...), or leave it unset" ;;
	esac
	[ "${ARCH:-arm64}" = arm64 ] || die "MACHINE=$MACHINE is for ARCH=arm64, not for $ARCH"
	SPE=1
}

# Sets BOOT, the harness's command line for a kernel and a topology.
boot_command() { # KERNEL TOPOLOGY
	local dir image=Image perf apps modules kernel
	parse_machine
	[ "${ARCH:-arm64}" = arm64 ] || image=bzImage
	"$NN_BUILD/packages.sh" base >&2
	harness
	# An unknown or contradictory topology is told before anything is built.
	"$NNBOOT" --print-topo "$2" >/dev/null || exit 1
	PROGRAM=$(QEMU=$QEMU "$NN_BUILD/qemu.sh" path) || exit 1
	kernel_dir "$1" build >&2
	dir=$(kernel_dir "$1" dir)
	BOOT=("$NNBOOT" --arch "${ARCH:-arm64}" --qemu "$PROGRAM" --kernel "$dir/$image" --initrd "$(initrd "${1#*/}")" --topo "$2")
	if [ "$SPE" = 1 ] || [ "${PERF:-0}" = 1 ]; then
		perf=$("$NN_TOP/tools/guest/mkinitramfs.sh" --perf) || exit 1
		BOOT+=(--initrd "$perf")
	fi
	if [ "${APPS:-0}" = 1 ]; then
		apps=$("$NN_TOP/tools/guest/mkinitramfs.sh" --apps) || exit 1
		BOOT+=(--initrd "$apps")
	fi
	if [ "$SPE" = 1 ]; then
		modules=$("$NN_TOP/tools/guest/mkinitramfs.sh" --modules "$dir") || exit 1
		BOOT+=(--spe --initrd "$modules")
	fi
	[ -z "$CPU" ] || BOOT+=(--cpu "$CPU")
	kernel=${1%%/*}
	case $kernel,${ARCH:-arm64} in
	*-acpi,arm64)
		"$NN_BUILD/packages.sh" efi >&2
		BOOT+=(--qemu-arg -bios --qemu-arg /usr/share/qemu-efi-aarch64/QEMU_EFI.fd)
		;;
	esac
}

add_options() {
	local f
	# not mt: whoever loads a scheduler there may panic, see
	# Documentation/results/reload_loop.md
	BOOT+=(--mode "${MODE:-single}")
	[ -z "${TIMEOUT:-}" ] || BOOT+=(--timeout "$TIMEOUT")
	[ -z "${APPEND:-}" ] || BOOT+=(--append "$APPEND")
	[ -z "${ACCESSES:-}" ] || add_accesses
	for f in ${FILES:-}; do BOOT+=(--file "$f"); done
}

# ACCESSES=on, or the plugin's options: memory accesses are counted.  Sets
# ACCREPORT, what shows them.
add_accesses() {
	local dir
	dir=$("$NN_BUILD/accesses.sh" build)
	ACCREPORT=$dir/accreport
	[ "$ACCESSES" != on ] && ACCESSES=,$ACCESSES || ACCESSES=
	BOOT+=(--accesses "$dir/accesses.so$ACCESSES" --file "$dir/accmark:/nn/bin/accmark")
}

verb_boot() {
	local kernel=${KERNEL:-series} topo=${TOPO:-ring4} out rc=0
	out=${OUT:-$NN_CACHE/out/boot/$kernel-$(basename "$topo" .topo)${MACHINE:+-${MACHINE//[^A-Za-z0-9]/-}}}
	if [ -n "${JOB:-}" ] && [ ! -f "$JOB" ]; then
		[ -f "$NN_TOP/tools/guest/jobs/$JOB.sh" ] || die "JOB=$JOB is not a file" \
			"A script of yours, or one of: $(cd "$NN_TOP/tools/guest/jobs" && echo *.sh | sed 's/\.sh//g')"
		JOB=$NN_TOP/tools/guest/jobs/$JOB.sh
	fi
	boot_command "$kernel" "$topo"
	add_options
	[ -z "${JOB:-}" ] || BOOT+=(--job "$JOB")
	mkdir -p "$out"
	step "booting $kernel on $topo"
	"${BOOT[@]}" --out "$out" || rc=$?
	[ ! -s "$out/job.log" ] || cat "$out/job.log"
	[ -z "${ACCREPORT:-}" ] || [ ! -s "$out/accesses.jsonl" ] || "$ACCREPORT" "$out" || rc=1
	note "console.log, job.log, results.json: $out"
	exit "$rc"
}

verb_shell() {
	[ "${ARCH:-arm64}" != arm64 ] || PERF=1
	boot_command "${KERNEL:-series}" "${TOPO:-ring4}"
	add_options
	exec "${BOOT[@]}" --interactive
}

# The result of each test, then of the guest as a whole. OUT is where its files go; guests
# that run side by side need one each.
verb_test() { # KERNEL TOPOLOGY MODE SECONDS JOB [CMDLINE]
	local out key='' rc=0 name="$1 on $2${MACHINE:+ $MACHINE}" bad
	out=$NN_CACHE/out/check/${1/\//+}-$2-$3-$(basename "$5" .sh)${MACHINE:+-${MACHINE//[^A-Za-z0-9]/-}}
	if [ "$QEMU" != "$USUAL_QEMU" ] || [ -n "${QEMU_VARIANT:-}" ]; then # another test
		name+=" (QEMU $QEMU${QEMU_VARIANT:+, $QEMU_VARIANT})"
		out+=@$(hash_text <<<"$name" | cut -c1-8)
	fi
	out=${OUT:-$out}
	boot_command "$1" "$2"
	BOOT+=(--mode "$3" --timeout "$4")
	[ "$5" = - ] || BOOT+=(--job "$NN_TOP/$5")
	[ -z "${6:-}" ] || BOOT+=(--append "$6")
	if [ "${KEEP:-0}" = 1 ]; then
		key=$({
			printf '%s\n' "${BOOT[@]#"$NN_TOP"}" # the initramfs is named by its content
			sha256_of "$(kernel_dir "$1" dir)"/*Image
			cat "$NN_TOP/$5" "$NN_TOP"/tools/harness/*.[ch]
			"$NNBOOT" --print-topo "$2" --json
			sha256_of "$(command -v "$PROGRAM")"
		} | hash_text)
		if [ "$(cat "$out/kept" 2>/dev/null)" = "$key" ]; then
			sed 's/$/ (kept)/' "$out/lines"
			printf 'ok - %s: %s ran to its end, no splat (kept)\n' "$name" "$(basename "$5" .sh)"
			exit 0
		fi
	fi
	rm -rf -- "$out"
	mkdir -p "$out"
	"${BOOT[@]}" --out "$out" >"$out/summary" 2>&1 || rc=$?
	if [ -f "$out/results.json" ]; then
		awk -v where="$name" '
			/^  "tests": \[/ { tests = 1 }
			!tests { next }
			/^ *"name": / { sub(/^ *"name": "/, ""); sub(/",?$/, ""); name = $0 }
			/^ *"result": / { sub(/^ *"result": "/, ""); sub(/",?$/, ""); result[++n] = $0; test[n] = name }
			END {
				for (i = 1; i <= n; i++) {
					good = result[i] == "pass" || result[i] == "xfail"
					printf "%s %d - %s: %s%s\n", good ? "ok" : "not ok", i, where, test[i],
						result[i] == "skip" ? " (skipped: what is in the list must run)" : ""
					bad += !good
				}
				exit bad > 0
			}' "$out/results.json" >"$out/lines" || [ "$rc" -ne 0 ] || rc=1
		cat "$out/lines"
	fi
	bad=$(grep -c '^not ok' "$out/lines" 2>/dev/null || true)
	[ "$rc" -ne 0 ] || [ -z "$key" ] || printf '%s\n' "$key" >"$out/kept"
	# 1 is a failed test: said above, unless it was the job itself.
	if [ "$rc" -eq 0 ] || { [ "$rc" -eq 1 ] && [ "${bad:-0}" -gt 0 ]; }; then
		printf 'ok - %s: %s ran to its end, no splat\n' "$name" "$(basename "$5" .sh)"
	else
		printf 'not ok - %s: %s: exit %d of the harness\n' "$name" "$(basename "$5" .sh)" "$rc"
		sed 's/^/# /' "$out/summary"
		printf '# %s\n' "$out"
	fi
	exit "$rc"
}

case ${1:-} in
boot) verb_boot ;;
shell) verb_shell ;;
test) shift; [ $# -ge 5 ] || die "usage: guest.sh test KERNEL TOPOLOGY MODE SECONDS JOB [CMDLINE]"; verb_test "$@" ;;
initrd) shift; initrd "$@" ;;
perf | apps) "$NN_TOP/tools/guest/mkinitramfs.sh" "--$1" ;;
*) die "usage: guest.sh boot|shell|test|initrd|perf|apps" ;;
esac
