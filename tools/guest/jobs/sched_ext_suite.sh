#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs every suite on board (or those named in $NN_SUITES: "stock series"), each
# test in a process of its own so that one that crashes hides no other, and
# prints KTAP. NN_TESTS picks tests, NN_EXCEPT leaves some out, NN_TEST_SECONDS
# limits each; all may be given on the kernel's command line.

state=/sys/kernel/sched_ext/state
log=/tmp/suite.log

# What a program that has no pipe of its own prints must not look like results.
quote() {
	awk '{ print "    | " $0; fflush() }'
}

run_one() { # SUITE TEST: sets result and why
	result='not ok' why=
	rm -f "$log" "$log.rc"
	{
		timeout -s KILL "${NN_TEST_SECONDS:-300}" "/nn/selftests-$1/runner" -t "=$2" 2>&1
		echo $? >"$log.rc"
	} | tee "$log" | quote
	read -r rc <"$log.rc"
	if [ "$rc" = 137 ]; then
		why="killed after ${NN_TEST_SECONDS:-300} s"
	elif ! grep -Eq "^(ok|not ok) [0-9]+ $2 #" "$log"; then
		why="no result, exit $rc"
	elif [ "$rc" != 0 ] || grep -Eq "^not ok [0-9]+ $2 #" "$log"; then
		why=$(grep -m 1 '^ERR: ' "$log")
		why=${why:-exit $rc}
	elif grep -Eq "^ok [0-9]+ $2 # SKIP" "$log"; then
		# its own words, which it prints before the result
		result=ok
		why="SKIP $(sed -n '/^OUTPUT:/,/^ok /p' "$log" | sed '1d;$d' | head -n 1 | sed 's/^SKIP: //')"
	else
		result=ok
	fi
	# A scheduler that stays would be under every test that follows.
	if ! wait_disabled; then
		result='not ok' why="left a scheduler behind (state $(cat $state)); $why"
	fi
}

wait_disabled() {
	tries=0
	while [ "$(cat $state)" != disabled ]; do
		[ $tries -lt 50 ] || return 1
		tries=$((tries + 1))
		usleep 100000
	done
}

wanted() { # TEST
	case " ${NN_EXCEPT:-} " in *" $1 "*) return 1 ;; esac
	[ -z "${NN_TESTS:-}" ] && return 0
	case " $NN_TESTS " in *" $1 "*) return 0 ;; esac
	return 1
}

suites=${NN_SUITES:-}
if [ -z "$suites" ]; then
	for s in /nn/selftests-*; do
		suites="$suites ${s#/nn/selftests-}"
	done
fi
nr=0
for suite in $suites; do nr=$((nr + 1)); done
[ -r $state ] || { echo "Bail out! this kernel has no sched_ext"; exit 1; }

echo "KTAP version 1"
echo "1..$nr"
n=0
failed=0
for suite in $suites; do
	n=$((n + 1))
	tests=
	count=0
	for t in $("/nn/selftests-$suite/runner" -l); do
		wanted "$t" || continue
		tests="$tests $t"
		count=$((count + 1))
	done
	[ $count -gt 0 ] || { echo "Bail out! no tests to run in suite $suite"; exit 1; }
	echo "    KTAP version 1"
	# one suite alone has the same name on each kernel, for the comparison
	name=sched_ext
	[ $nr = 1 ] || name=sched_ext-$suite
	echo "    # Subtest: $name"
	echo "    1..$count"
	i=0
	bad=0
	for t in $tests; do
		i=$((i + 1))
		read -r begin _ </proc/uptime
		echo "    #  RUN           $t ..."
		run_one "$suite" "$t"
		read -r end _ </proc/uptime
		[ -z "$why" ] || [ "$result" = ok ] || echo "    # $why"
		case $why in SKIP*) directive=" # $why" ;; *) directive= ;; esac
		[ "$result" = ok ] || bad=$((bad + 1))
		echo "    $result $i $t$directive"
		echo "    # $t took $(awk "BEGIN { print $end - $begin }") s"
	done
	if [ $bad = 0 ]; then
		echo "ok $n $name"
	else
		echo "not ok $n $name"
		failed=1
	fi
done
exit $failed
