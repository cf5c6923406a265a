#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the other scripts do with bad input: one clear error each.

# shellcheck source=testlib.sh
. "$(dirname "$0")/testlib.sh"

K=$BUILD/kernel.sh
P=$BUILD/packages.sh
tiny_kernel "$WORK/linux"
export KERNEL_SRC=$WORK/linux

ARCH=sparc refuses 'unknown ARCH' 'unknown ARCH=sparc' "$K" build
VARIANT=fast refuses 'unknown VARIANT' 'unknown VARIANT=fast' "$K" build
refuses 'unknown KERNEL' 'unknown KERNEL=mine' "$K" build mine
refuses 'through make too' 'unknown KERNEL=mine' make -s -C "$TOP" kernel KERNEL=mine
MACHINE=moon refuses 'unknown MACHINE' 'unknown MACHINE=moon' "$BUILD/guest.sh" boot
MACHINE=spe ARCH=x86_64 refuses 'SPE on x86_64' 'is for ARCH=arm64' "$BUILD/guest.sh" boot
ARCH=x86_64 refuses 'perf for x86_64' 'perf is built for arm64 guests only' "$TOP/tools/guest/perf.sh"
refuses 'kernel.sh without a verb' 'usage: kernel.sh' "$K"
refuses 'series.sh with an unknown verb' 'usage: series.sh' "$BUILD/series.sh" frobnicate

# Each requested symbol is looked up in the result.
sed -n '/^CONFIG_/p' "$TOP/kernel-config/common.config" "$TOP/kernel-config/arm64.config" >"$WORK/config"
passes 'a configuration that has everything' "$K" assert stock "$WORK/config"
sed -i '/^CONFIG_SCHED_CLASS_EXT=/d; s/^CONFIG_NUMA=y/# CONFIG_NUMA is not set/; s/^CONFIG_NR_CPUS=.*/CONFIG_NR_CPUS=64/' "$WORK/config"
refuses 'one that lost symbols' 'lacks 3 requested symbols' "$K" assert stock "$WORK/config"
is '  names each of them' 3 "$(grep -cE '^  CONFIG_(SCHED_CLASS_EXT=y|NUMA=y|NR_CPUS=512) \(is: ' "$WORK/out")"

# A machine on which one tool is missing: everything else is linked into PATH.
mkdir "$WORK/bin"
for dir in /usr/bin /bin /usr/sbin /sbin; do
	ln -s "$dir"/* "$WORK/bin/" 2>/dev/null
done
rm -f "$WORK/bin/pahole" "$WORK/bin/flex"
unset CI
PATH=$WORK/bin YES=0 refuses 'missing tools, nobody to ask' 'cannot ask' "$P" kernel
is '  the packages are named' 1 "$(grep -c 'not installed: dwarves flex$' "$WORK/out")"
rm -f "$WORK/bin/apt-get"
PATH=$WORK/bin refuses 'missing tools, not a Debian' 'missing: .*flex' "$P" kernel
printf '#!/bin/sh\necho "E: could not resolve the mirror"; exit 100\n' >"$WORK/bin/apt-get"
chmod +x "$WORK/bin/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$WORK/bin/sudo.new"
chmod +x "$WORK/bin/sudo.new" && mv -f "$WORK/bin/sudo.new" "$WORK/bin/sudo"
PATH=$WORK/bin YES=1 refuses 'missing tools, no network' 'apt-get update failed: is the network up' "$P" kernel
PATH=$WORK/bin CI=1 refuses '  CI does not ask' 'apt-get update failed' "$P" kernel
refuses 'an unknown purpose' "unknown purpose 'gardening'" "$P" gardening
ln -sf /bin/true "$WORK/bin/pahole"
ln -sf /bin/true "$WORK/bin/flex"
PATH=$WORK/bin passes 'nothing missing: nothing done' "$P" base kernel

XDG_CACHE_HOME=/proc/nearnode refuses 'a cache that cannot be written' 'cannot create /proc/nearnode' "$BUILD/base.sh"

finish
