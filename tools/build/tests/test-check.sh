#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What check.sh counts: nothing that went wrong may be lost.

# shellcheck source=testlib.sh
. "$(dirname "$0")/testlib.sh"

export STEPS=$WORK/steps WORK JOBS=2
check() { # EXPECTED-LAST-LINE EXPECTED-STATUS, steps on stdin
	local rc=0
	cat >"$STEPS"
	"$BUILD/check.sh" >"$WORK/out" 2>&1 </dev/null || rc=$?
	[ "$(tail -n 1 "$WORK/out")" = "$1" ] && [ "$rc" -eq "$2" ]
}

check '3 passed, 0 failed, 0 skipped' 0 <<'EOF'
# a comment
run	one	echo ok 1 - a; echo ok 2 - b
run	two		true
EOF
result $? 'lines are counted, and a silent success is one'

check '1 passed, 1 failed, 0 skipped' 1 <<'EOF'
run	one	echo ok 1 - a; echo not ok 2 - b; exit 1
EOF
result $? 'a failed line fails'

check '1 passed, 1 failed, 0 skipped' 1 <<'EOF'
run	one	echo not ok 1 - a
run	two	true
EOF
result $? 'even when the command says it succeeded, and the rest still runs'

check '1 passed, 1 failed, 0 skipped' 1 <<'EOF'
run	one	echo ok 1 - a; exit 9
EOF
result $? 'a command that dies after a passed line fails'

check '0 passed, 1 failed, 0 skipped' 1 <<'EOF'
run	one	no-such-command
EOF
result $? 'a command that is not there fails'

check '4 passed, 1 failed, 0 skipped' 1 <<'EOF'
side	one	for i in $(seq 100); do [ ! -e "$WORK/two" ] || break; sleep 0.1; done; [ -e "$WORK/two" ] && echo ok 1 - a
side	two	touch "$WORK/two"
side	three	echo ok 1 - b; exit 3
run	four	true
EOF
result $? 'steps that run side by side are counted, too'

check '0 passed, 0 failed, 1 skipped' 1 <<'EOF'
run	one	echo 'ok 1 - a # SKIP why'
EOF
result $? 'a run in which nothing was tested has not passed'

check '0 passed, 1 failed, 0 skipped' 1 <<'EOF'
boot/moon	one	stock	1node	single	9	-
EOF
result $? 'the machine of a boot line reaches the guest'
grep -q 'unknown MACHINE=moon' "$WORK/out"
result $? '  and what is wrong with it is told'

finish
