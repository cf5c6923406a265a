#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [NAME...]: runs the steps of steps.list, all or those whose names
# begin so, prints a line for each test and, last, how many passed, failed and
# were skipped.  Whatever fails, the rest still runs.

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

# step_run NAME COMMAND: shows results as they come.
step_run() {
	local name=$1 command=$2 log rc=0
	log=$LOGS/$(tr -c 'A-Za-z0-9\n' - <<<"$name").log
	(cd "$NN_TOP" && eval "$command") 2>&1 </dev/null | tee "$log" |
		{ if [ "$NN_VERBOSE" = 1 ]; then cat; else grep --line-buffered -E '^(not )?ok |^# |^==> ' || true; fi; } || rc=$?
	count "$name" "$rc" "$log"
}

main() {
	local kind name rest row start=$SECONDS wanted=0 w t0
	[ -f "$LIST" ] || die "there is no list of steps: $LIST"
	while IFS= read -r row <&9; do
		row=$(sed -E 's/^#.*//; s/\t+/\t/g' <<<"$row")
		[ -n "$row" ] || continue
		IFS=$'\t' read -r kind name rest <<<"$row"
		if [ $# -gt 0 ]; then
			wanted=0
			for w in "$@"; do [[ $name == "$w"* ]] && wanted=1; done
			[ "$wanted" -eq 1 ] || continue
		fi
		t0=$SECONDS
		say "==> $name"
		case $kind in
		run) step_run "$name" "$rest" ;;
		boot)
			# Tabs separate, so that names may have blanks.
			local kernel topo mode seconds job cmdline
			IFS=$'\t' read -r kernel topo mode seconds job cmdline <<<"$rest"
			step_run "$name" "tools/build/guest.sh test $kernel $topo $mode $seconds $job $(printf %q "$cmdline")"
			;;
		*) die "$LIST: unknown kind of step '$kind'" ;;
		esac
		note "$name: $((SECONDS - t0)) s"
	done 9<"$LIST"
	say
	[ ${#FAILURES[@]} -eq 0 ] || { say "Failed:"; printf '  %s\n' "${FAILURES[@]}"; }
	say "Logs and results: $LOGS ($((SECONDS - start)) s)"
	say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	[ "$FAILED" -eq 0 ] && [ $((PASSED + FAILED)) -gt 0 ]
}

main "$@"
