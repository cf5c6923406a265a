#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkinitramfs.sh KERNELDIR...: makes the guest's initramfs and prints its path.
#
#   /init /bin/busybox     the system
#   /nn/bin                our programs; PATH begins with it
#   /nn/selftests-NAME     the sched_ext runner of each KERNELDIR's tree (NAME:
#   /nn/sched-NAME         stock, series) and its schedulers
#   everything under $NN_CACHE/guest/ARCH/root, where components install theirs
#
# The name is made of the content, so that it changes when anything in it does.

# shellcheck source=../build/lib.sh
. "$(dirname "$0")/../build/lib.sh"
# shellcheck source=../build/kbuild.sh
. "$NN_BUILD/kbuild.sh"

GUEST=$NN_TOP/tools/guest
DIR=$(cache_dir "guest/$ARCH")

case $ARCH in
arm64) deb_arch=arm64 elf_machine=b7 ;;
x86_64) deb_arch=amd64 elf_machine=3e ;;
esac

is_ours() { # FILE: a program for the guest's architecture
	[ -f "$1" ] && [ "$(od -An -tx1 -j18 -N1 "$1" | tr -d ' ')" = "$elf_machine" ]
}

"$NN_BUILD/packages.sh" base guest >&2

busybox=$DIR/busybox/bin/busybox
if ! is_ours "$busybox"; then
	step "getting busybox for the guest" >&2
	"$NN_BUILD/packages.sh" --unpack "busybox-static:$deb_arch" "$DIR/busybox" >&2
	is_ours "$busybox" || die "$busybox is no program for $ARCH" "rm -r $DIR/busybox and run again"
fi

suites=()
for kdir in "$@"; do
	suites+=("$("$GUEST/suites.sh" "${kdir%/}")")
done

with_lock "initramfs-$ARCH"
cache_dir "guest/$ARCH/root" >/dev/null
scratch_beside "$DIR/tree"
tree=$NN_NEW
mkdir -p "$tree"/{bin,nn/bin,nn/jobs,proc,sys,dev,tmp}
cp -- "$busybox" "$tree/bin/busybox"
cp -- "$GUEST/init" "$tree/init"
cp -- "$GUEST"/jobs/* "$tree/nn/jobs/"
chmod 755 "$tree/init" "$tree"/nn/jobs/*
"${GNU}gcc" -static -O2 -Wall -Wextra -Werror -o "$tree/nn/bin/nnrun" "$GUEST/nnrun.c"
"${GNU}strip" "$tree/nn/bin/nnrun"
for s in ${suites[@]+"${suites[@]}"}; do
	name=${s##*/}
	mkdir -p "$tree/nn/selftests-$name"
	cp -- "$s/runner" "$tree/nn/selftests-$name/"
	cp -r -- "$s/sched" "$tree/nn/sched-$name"
done
cp -r -- "$DIR/root/." "$tree/"

# Same content, same bytes: names sorted, no times, no owners.
find "$tree" -exec touch -h -d @0 {} +
new=$tree.cpio
NN_TRASH+=("$new")
(cd "$tree" && find . -mindepth 1 | LC_ALL=C sort |
	cpio --quiet -o -H newc -R 0:0 --reproducible) >"$new" ||
	die "cannot write the initramfs (is the disk full?)"
out=$DIR/base-$(sha256_of "$new" | cut -c1-16).cpio
[ -f "$out" ] || publish "$new" "$out"
touch "$out"
# Older ones are of no use, unless a guest is being started from one right now.
find "$DIR" -maxdepth 1 -name 'base-*.cpio' ! -newermt '1 day ago' -delete
printf '%s\n' "$out"
