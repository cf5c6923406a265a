#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [NAME...]: runs the steps of steps.list, all or those whose names
# begin so, prints a line for each test and, last, how many passed, failed and
# were skipped.  Whatever fails, the rest still runs.  Guests, and other steps that
# keep one processor busy, run side by side if they follow each other in the list, as
# many as there are processors.

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

# The steps that wait for their turn: NAME and COMMAND of each.
SIDE_NAMES=()
SIDE_COMMANDS=()
SIDE_PIDS=()

# Runs them and shows their results in the order of the list.
run_sides() {
	local n=${#SIDE_NAMES[@]} started=0 running=0 shown=0 log rc t0
	while [ "$shown" -lt "$n" ]; do
		while [ "$running" -lt "$NN_JOBS" ] && [ "$started" -lt "$n" ]; do
			note "started: ${SIDE_NAMES[started]}"
			log=$(log_of "${SIDE_NAMES[started]}")
			rm -f -- "$log.rc"
			set -m	# a process group each, for stop_sides
			{
				rc=0 t0=$SECONDS
				(cd "$NN_TOP" && eval "${SIDE_COMMANDS[started]}") >"$log" 2>&1 </dev/null || rc=$?
				printf '%d %d\n' "$rc" $((SECONDS - t0)) >"$log.rc"
			} &
			set +m
			SIDE_PIDS+=($!)
			started=$((started + 1))
			running=$((running + 1))
		done
		wait -n || true
		running=$((running - 1))
		while [ "$shown" -lt "$started" ]; do
			log=$(log_of "${SIDE_NAMES[shown]}")
			[ -s "$log.rc" ] || break
			read -r rc t0 <"$log.rc"
			say "==> ${SIDE_NAMES[shown]}"
			brief <"$log"
			count "${SIDE_NAMES[shown]}" "$rc" "$log"
			note "${SIDE_NAMES[shown]}: $t0 s"
			shown=$((shown + 1))
		done
	done
	SIDE_NAMES=()
	SIDE_COMMANDS=()
	SIDE_PIDS=()
}

# None outlives an interrupted run.
stop_sides() {
	local rc=$? p
	for p in ${SIDE_PIDS[@]+"${SIDE_PIDS[@]}"}; do
		kill -- "-$p" 2>/dev/null || true
	done
	set +e
	(exit "$rc")
	nn_cleanup
}
trap stop_sides EXIT

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
			run_sides
			t0=$SECONDS
			say "==> $name"
			step_run "$name" "$rest"
			note "$name: $((SECONDS - t0)) s"
			;;
		side)
			SIDE_NAMES+=("$name")
			SIDE_COMMANDS+=("$rest")
			;;
		boot | boot/?*)
			# Tabs separate, so that names may have blanks.
			local kernel topo mode seconds job cmdline machine=${kind#boot}
			IFS=$'\t' read -r kernel topo mode seconds job cmdline <<<"$rest"
			SIDE_NAMES+=("$name")
			SIDE_COMMANDS+=("OUT=$(printf %q "$(files_of "$name")") ${machine:+MACHINE=$(printf %q "${machine#/}") }tools/build/guest.sh test $kernel $topo $mode $seconds $job $(printf %q "$cmdline")")
			;;
		*) die "$LIST: unknown kind of step '$kind'" ;;
		esac
	done 9<"$LIST"
	run_sides
	say
	[ ${#FAILURES[@]} -eq 0 ] || { say "Failed:"; printf '  %s\n' "${FAILURES[@]}"; }
	say "Logs and results: $LOGS ($((SECONDS - start)) s)"
	say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	[ "$FAILED" -eq 0 ] && [ $((PASSED + FAILED)) -gt 0 ]
}

main "$@"
