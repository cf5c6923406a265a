#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The tests that perf itself has for SPE, as the kernel's tree has them, and those of
# its tools that live on memory samples. On a machine that has what they need a
# skipped test is a failed one. NN_TESTS picks some of them.

tests=/usr/libexec/perf-core/tests/shell
log=/tmp/perf_spe.log
shell_tests="test_arm_spe.sh test_arm_spe_fork.sh c2c.sh test_data_symbol.sh"
attr_tests="test-record-spe-period test-record-spe-period-term test-record-spe-physical-address"
n=0
failed=0

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }

wanted() { # TEST
	case " ${NN_TESTS:-$1} " in *" $1 "*) return 0 ;; esac
	return 1
}

result() { # STATUS NAME WHY
	n=$((n + 1))
	sed 's/^/    | /' $log
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		failed=1
		echo "# $3"
		echo "not ok $n $2"
	fi
}

# test_arm_spe_fork.sh expects that perf wakes up within a second, which is when half of
# a buffer is full. With 64 bytes for 65536 instructions a CPU of 400 million
# instructions a second fills half of root's 4 MB in 5 s, but half of the 128 kB that
# perf gives to anyone else in 0.2 s.
user_of() { # TEST
	case $1 in
	test_arm_spe_fork.sh) echo 1000 ;;
	*) echo 0 ;;
	esac
}

# Some of them pass although they left out a part.
run_shell() { # TEST
	user=$(user_of "$1")
	start=$(cut -d. -f1 /proc/uptime)
	(cd $tests && exec chroot --skip-chdir --userspec="$user:$user" --groups= / \
		timeout -s KILL 600 bash "./$1") >$log 2>&1 </dev/null
	rc=$?
	echo "$(($(cut -d. -f1 /proc/uptime) - start)) s" >>$log
	case $rc in
	0)
		why=$(grep -m 1 -iE 'skip' $log)
		[ -z "$why" ]
		result $? "$1" "$why"
		;;
	2) result 2 "$1" "skipped: what it needs is not there" ;;
	137) result 137 "$1" "killed after 600 s" ;;
	*) result $rc "$1" "exit $rc" ;;
	esac
}

# attr.py says "unsupp" or "skipped", or runs nothing at all, and passes.
run_attr() { # TEST
	(cd $tests && exec timeout -s KILL 300 python lib/attr.py -d attr -p /usr/bin/perf -v -t "$1") >$log 2>&1 </dev/null
	rc=$?
	grep -qE "^running .*/$1'" $log || rc="nothing was run, $rc"
	! grep -qE '^(unsupp|skipped) ' $log || rc="left out, $rc"
	result "$rc" "attr/$1" "exit $rc"
}

# A test of SPE that this list does not know must not go unrun.
for t in $(cd $tests && grep -rl arm_spe . | grep -v /README); do
	t=${t##*/}
	case " $shell_tests $attr_tests " in
	*" $t "*) ;;
	*) echo "Bail out! $t of the kernel's tree is about SPE too: add it to perf_spe.sh"; exit 1 ;;
	esac
done

count=0
for t in $shell_tests $attr_tests; do wanted "$t" && count=$((count + 1)); done
[ $count -gt 0 ] || { echo "Bail out! no such tests: $NN_TESTS"; exit 1; }
echo "TAP version 13"
echo "1..$count"
for t in $shell_tests; do ! wanted "$t" || run_shell "$t"; done
for t in $attr_tests; do ! wanted "$t" || run_attr "$t"; done
exit $failed
