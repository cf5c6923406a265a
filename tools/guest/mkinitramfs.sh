#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# mkinitramfs.sh KERNELDIR...: makes the guest's initramfs and prints its path.
# mkinitramfs.sh --perf: makes one to be unpacked over it, with perf and what is
# profiled with it, so that other boots stay quick.
# mkinitramfs.sh --apps: makes one with the servers that apps.sh puts together, and what
# measures schedulers with them.
# mkinitramfs.sh --modules KERNELDIR: makes one with the modules for that kernel.
#
#   /init /bin/busybox     the system
#   /nn/bin                our programs; PATH begins with it
#   /nn/affinity           example files of scx_affinity
#   /nn/selftests-NAME     the sched_ext runner of each KERNELDIR's tree (NAME:
#   /nn/sched-NAME         stock, series) and its schedulers
#   everything under $NN_CACHE/guest/ARCH/root, where components install theirs
#
#   --perf: /usr/bin/perf, its tests, what perf.sh says they need; /nn/bin/spe_*
#   --apps: /nn/apps/{redis,nginx,postgresql}, /nn/bin/{within,spin,httpload}
#   --modules: /nn/modules/*.ko
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

# pack NAME: makes an archive of the directory $NN_NEW and prints its path.
pack() {
	local new=$NN_NEW.cpio out
	# Same content, same bytes: names sorted, no times, no owners.
	find "$NN_NEW" -exec touch -h -d @0 {} +
	NN_TRASH+=("$new")
	(cd "$NN_NEW" && find . -mindepth 1 | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0 --reproducible) >"$new" ||
		die "cannot write the initramfs (is the disk full?)"
	out=$DIR/$1-$(sha256_of "$new" | cut -c1-16).cpio
	[ -f "$out" ] || publish "$new" "$out"
	touch "$out"
	# Older ones are of no use, unless a guest is being started from one right now.
	find "$DIR" -maxdepth 1 -name "$1-*.cpio" ! -newermt '1 day ago' -delete
	printf '%s\n' "$out"
}

# build DIR PROGRAM OPTION...: compiles one of ours, statically.
build() {
	mkdir -p "$NN_NEW/$1"
	"${GNU}gcc" -static -O2 -Wall -Wextra -Werror -o "$NN_NEW/$1/${2##*/}" "$GUEST/$2.c" \
		-pthread "-I$NN_TOP/tools/qemu/accesses" "${@:3}" || die "$GUEST/$2.c does not compile (see above)"
}

# programs: compiles what is not compiled yet and prints where it lies, base/ for every
# guest and, of arm64, perf/ for those with perf and apps/ for those with servers.
programs() {
	local out=$DIR/programs key p
	key=$({
		cat "$0" "$GUEST"/*.[ch] "$GUEST"/{mem,spe,apps}/*.[ch] "$NN_TOP"/tools/qemu/accesses/*.h
		"${GNU}gcc" --version
	} | hash_text)
	if [ "$(cat "$out/key" 2>/dev/null)" != "$key" ]; then
		scratch_beside "$out"
		for p in nnrun affload mem/{switch_cost,numa_place,numa_same,mem_attrib,mem_perf,mem_privilege,mem_storm}; do
			build base "$p"
		done
		"${GNU}strip" "$NN_NEW/base"/*
		if [ "$ARCH" = arm64 ]; then
			# With symbols and line numbers, for perf to show.
			for p in spe_share spe_pattern spe_task spe_soak spe_mix; do
				build perf "spe/$p" -g "-ffile-prefix-map=$GUEST/="
			done
			for p in within spin httpload; do
				build apps "apps/$p"
			done
			"${GNU}strip" "$NN_NEW/apps"/*
		fi
		printf '%s\n' "$key" >"$NN_NEW/key"
		publish "$NN_NEW" "$out"
	fi
	printf '%s\n' "$out"
}

pack_perf() {
	local root programs
	root=$("$GUEST/perf.sh")
	with_lock "initramfs-$ARCH"
	programs=$(programs)
	scratch_beside "$DIR/perf-tree"
	cp -r -- "$root/." "$NN_NEW/"
	mkdir -p "$NN_NEW/nn"
	cp -r -- "$programs/perf" "$NN_NEW/nn/bin"
	pack perf
}

pack_apps() {
	local root programs
	root=$("$GUEST/apps.sh")
	with_lock "initramfs-$ARCH"
	programs=$(programs)
	scratch_beside "$DIR/apps-tree"
	mkdir -p "$NN_NEW/nn"
	cp -r -- "$root" "$NN_NEW/nn/apps"
	cp -r -- "$programs/apps" "$NN_NEW/nn/bin"
	pack apps
}

pack_modules() { # KERNELDIR
	local dir
	dir=$("$GUEST/module.sh" "$1")
	with_lock "initramfs-$ARCH"
	scratch_beside "$DIR/modules-tree"
	mkdir -p "$NN_NEW/nn/modules"
	cp -- "$dir"/*.ko "$NN_NEW/nn/modules/"
	pack modules
}

"$NN_BUILD/packages.sh" base guest >&2

case ${1:-} in
--perf) pack_perf; exit ;;
--apps) pack_apps; exit ;;
--modules)
	[ $# -eq 2 ] || die "usage: mkinitramfs.sh --modules KERNELDIR"
	pack_modules "${2%/}"
	exit
	;;
esac

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
# One will do: it adapts itself to the kernel that it is loaded into.
affinity=
[ $# -eq 0 ] || affinity=$("$GUEST/affinity.sh" "${1%/}")

with_lock "initramfs-$ARCH"
cache_dir "guest/$ARCH/root" >/dev/null
programs=$(programs)
scratch_beside "$DIR/tree"
tree=$NN_NEW
mkdir -p "$tree"/{bin,nn/bin,nn/jobs,nn/lib,proc,sys,dev,tmp}
cp -- "$busybox" "$tree/bin/busybox"
cp -- "$GUEST/init" "$tree/init"
cp -- "$GUEST"/jobs/* "$tree/nn/jobs/"
cp -- "$GUEST"/{result,scheduler}.sh "$tree/nn/lib/"
chmod 755 "$tree/init" "$tree"/nn/jobs/*
cp -- "$programs"/base/* "$tree/nn/bin/"
for s in ${suites[@]+"${suites[@]}"}; do
	name=${s##*/}
	mkdir -p "$tree/nn/selftests-$name"
	cp -- "$s/runner" "$tree/nn/selftests-$name/"
	cp -r -- "$s/sched" "$tree/nn/sched-$name"
	[ ! -d "$s/mm" ] || cp -r -- "$s/mm" "$tree/nn/mm-$name"
done
if [ -n "$affinity" ]; then
	cp -- "$affinity" "$tree/nn/bin/"
	mkdir -p "$tree/nn/affinity"
	cp -- "$NN_TOP"/tools/scx_affinity/examples/*.json "$tree/nn/affinity/"
fi
cp -r -- "$DIR/root/." "$tree/"

pack base
