#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [NAME...]: runs the steps of steps.list, all or those whose names
# begin so, prints a line for each test and, last, how many passed, failed and
# were skipped.  Whatever fails, the rest still runs.  Guests that follow each
# other in the list run side by side, as many as there are processors: each but
# the multi-threaded ones keeps one busy.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

LIST=${STEPS:-$NN_BUILD/steps.list}
PASSED=0
FAILED=0
SKIPPED=0
LOGS=$(cache_dir out/check)
FAILURES=()

# count NAME STATUS LOG: takes the results out of what a step printed.
count() {
	local name=$1 rc=$2 log=$3 line seen=0 bad=0
	while IFS= read -r line; do
		case $line in
		'not ok '*)
			FAILED=$((FAILED + 1)); bad=1
			FAILURES+=("$name: ${line#not ok * - }")
			;;
		'ok '*'# SKIP'* | 'ok '*'# skip'*)
			SKIPPED=$((SKIPPED + 1))
			;;
		'ok '*) PASSED=$((PASSED + 1)) ;;
		*) continue ;;
		esac
		seen=1
	done <"$log"
	# A step that died has failed, whatever it printed before.
	if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then
		FAILED=$((FAILED + 1))
		FAILURES+=("$name: exit $rc")
		printf 'not ok - %s: exit %d\n' "$name" "$rc"
		tail -n 20 "$log" | sed 's/^/# /'
	elif [ "$rc" -eq 0 ] && [ "$seen" -eq 0 ]; then
		PASSED=$((PASSED + 1))
		printf 'ok - %s\n' "$name"
	fi
}

# A step has a log, and a guest a directory beside it.
files_of() { # NAME
	printf '%s/%s\n' "$LOGS" "$(tr -c 'A-Za-z0-9\n' - <<<"$1")"
}

log_of() { # NAME
	printf '%s.log\n' "$(files_of "$1")"
}

# What of a step's output is worth a line here.
brief() {
	if [ "$NN_VERBOSE" = 1 ]; then cat; else grep --line-buffered -E '^(not )?ok |^# |^==> ' || true; fi
}

# step_run NAME COMMAND: shows results as they come.
step_run() {
	local name=$1 command=$2 log rc=0
	log=$(log_of "$name")
	(cd "$NN_TOP" && eval "$command") 2>&1 </dev/null | tee "$log" | brief || rc=$?
	count "$name" "$rc" "$log"
}

# The guests that wait for their turn: NAME and COMMAND of each.
BOOT_NAMES=()
BOOT_COMMANDS=()
BOOT_PIDS=()

# Runs them and shows their results in the order of the list.
run_boots() {
	local n=${#BOOT_NAMES[@]} started=0 running=0 shown=0 log rc t0
	while [ "$shown" -lt "$n" ]; do
		while [ "$running" -lt "$NN_JOBS" ] && [ "$started" -lt "$n" ]; do
			note "started: ${BOOT_NAMES[started]}"
			log=$(log_of "${BOOT_NAMES[started]}")
			rm -f -- "$log.rc"
			set -m	# a process group each, for stop_boots
			{
				rc=0 t0=$SECONDS
				(cd "$NN_TOP" && eval "${BOOT_COMMANDS[started]}") >"$log" 2>&1 </dev/null || rc=$?
				printf '%d %d\n' "$rc" $((SECONDS - t0)) >"$log.rc"
			} &
			set +m
			BOOT_PIDS+=($!)
			started=$((started + 1))
			running=$((running + 1))
		done
		wait -n || true
		running=$((running - 1))
		while [ "$shown" -lt "$started" ]; do
			log=$(log_of "${BOOT_NAMES[shown]}")
			[ -s "$log.rc" ] || break
			read -r rc t0 <"$log.rc"
			say "==> ${BOOT_NAMES[shown]}"
			brief <"$log"
			count "${BOOT_NAMES[shown]}" "$rc" "$log"
			note "${BOOT_NAMES[shown]}: $t0 s"
			shown=$((shown + 1))
		done
	done
	BOOT_NAMES=()
	BOOT_COMMANDS=()
	BOOT_PIDS=()
}

# No guest outlives an interrupted run.
stop_boots() {
	local rc=$? p
	for p in ${BOOT_PIDS[@]+"${BOOT_PIDS[@]}"}; do
		kill -- "-$p" 2>/dev/null || true
	done
	set +e
	(exit "$rc")
	nn_cleanup
}
trap stop_boots EXIT

main() {
	local kind name rest row start=$SECONDS wanted=0 w t0
	[ -f "$LIST" ] || die "there is no list of steps: $LIST"
	# All at once, so that there is one question.
	[ "$LIST" != "$NN_BUILD/steps.list" ] ||
		"$NN_BUILD/packages.sh" base kernel arm64 x86 guest perf bpf qemu qemu-build lint affinity
	while IFS= read -r row <&9; do
		row=$(sed -E 's/^#.*//; s/\t+/\t/g' <<<"$row")
		[ -n "$row" ] || continue
		IFS=$'\t' read -r kind name rest <<<"$row"
		if [ $# -gt 0 ]; then
			wanted=0
			for w in "$@"; do [[ $name == "$w"* ]] && wanted=1; done
			[ "$wanted" -eq 1 ] || continue
		fi
		case $kind in
		run)
			run_boots
			t0=$SECONDS
			say "==> $name"
			step_run "$name" "$rest"
			note "$name: $((SECONDS - t0)) s"
			;;
		boot | boot/?*)
			# Tabs separate, so that names may have blanks.
			local kernel topo mode seconds job cmdline machine=${kind#boot}
			IFS=$'\t' read -r kernel topo mode seconds job cmdline <<<"$rest"
			BOOT_NAMES+=("$name")
			BOOT_COMMANDS+=("OUT=$(printf %q "$(files_of "$name")") ${machine:+MACHINE=$(printf %q "${machine#/}") }tools/build/guest.sh test $kernel $topo $mode $seconds $job $(printf %q "$cmdline")")
			;;
		*) die "$LIST: unknown kind of step '$kind'" ;;
		esac
	done 9<"$LIST"
	run_boots
	say
	[ ${#FAILURES[@]} -eq 0 ] || { say "Failed:"; printf '  %s\n' "${FAILURES[@]}"; }
	say "Logs and results: $LOGS ($((SECONDS - start)) s)"
	say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	[ "$FAILED" -eq 0 ] && [ $((PASSED + FAILED)) -gt 0 ]
}

main "$@"
