#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# qemu.sh: finds or installs the QEMU that guests run on, and says what it can
# do.  QEMU=PATH names another one.  "qemu.sh path" prints where it is.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

"$NN_BUILD/packages.sh" qemu >&2
qemu=${QEMU:-qemu-system-aarch64}
command -v "$qemu" >/dev/null || die "there is no $qemu" "QEMU= names a qemu-system-aarch64; unset it to use the distribution's"
[ "${1:-}" != path ] || { command -v "$qemu"; exit; }
version=$("$qemu" --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p') || version=
[ -n "$version" ] || die "$qemu does not say its version"
# -smp clusters, SLIT in the device tree and directed -numa dist
[ "${version%%.*}" -ge 7 ] || die "$qemu is $version; 7.0 is the oldest that will do" "QEMU=/path/to/a/newer/one"
say "$(command -v "$qemu"): QEMU $version"
"$qemu" -M help | grep -q '^virt ' || die "$qemu has no machine 'virt'"
"$qemu" -device help 2>&1 | grep -q '"virtserialport"' || die "$qemu has no virtserialport device" \
	"It was built without virtio-serial; install the distribution's"
note "TCG, multi-threaded and -icount; virtio-serial"
