#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loops whose memory accesses are known, for the plugin that counts them; acccheck
# compares on the host. NN_ROUNDS on the kernel's command line is how many rounds.
# NN_HIDDEN=1 is for our QEMU, which tells plugins of DC ZVA, CPY and SET, too.
#
#   tools/build/accesses.sh test ring4 single

command -v acctest >/dev/null || {
	echo "Bail out! there is no acctest on board: tools/build/accesses.sh test TOPOLOGY MODE"
	exit 1
}
# what accmark measures is not known, but that it does is
accmark run ls -- ls / >/dev/null || {
	echo "Bail out! accmark run: exit $?"
	exit 1
}
# nnrun looks at us once a second; nobody but acctest is to run in user space
kill -STOP "$PPID"
# shellcheck disable=SC2086  # no option is no argument
acctest ${NN_HIDDEN:+--hidden} "${NN_ROUNDS:-100000}" >/tmp/acctest.log 2>&1
rc=$?
kill -CONT "$PPID"
cat /tmp/acctest.log
exit $rc
