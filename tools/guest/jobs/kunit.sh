#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# KUnit ran while the kernel booted (kunit.enable=1 kunit.autorun=1), its results
# are on the console. This only sees to it that each suite on board has run.

bad=0
for suite in /sys/kernel/debug/kunit/*/; do
	if ! grep -q '^    ok ' "$suite/results"; then
		echo "nothing of $suite was run"
		bad=1
	fi
done
exit $bad
