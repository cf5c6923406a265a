#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The QEMU that is built: downloads that are cut, altered or impossible, patches
# that do not apply or compile, interruptions, what is built again and what not,
# and what QEMU_SRC and the other variables accept.

# shellcheck source=testlib.sh
. "$(dirname "$0")/testlib.sh"

# A copy of the scripts with pins of its own, and a mirror that is a directory.
REPO=$WORK/repo
mkdir -p "$REPO/tools/qemu/patches" "$WORK/srv/pool" "$WORK/bin"
cp -r "$BUILD" "$REPO/tools/build"
cp "$TOP/BASE" "$REPO/BASE"
cp "$TOP/tools/qemu/BASE" "$REPO/tools/qemu/BASE"
export QEMU_TARGETS='aarch64 x86_64'
Q=$REPO/tools/build/qemu.sh
S=$REPO/tools/build/series.sh
pin() { # FIELD VALUE
	sed -i "s|^$1=.*|$1=$2|" "$REPO/tools/qemu/BASE"
}
pin upstream_url "file://$WORK/nowhere/qemu-10.0.13.tar.xz"
for f in deb meson pycotap; do pin "${f}_pool" pool; done
cat >"$WORK/bin/apt-get" <<'EOF'
#!/bin/sh
[ "$1" = indextargets ] || exit 1
echo "copy:$SRV|Debian|Debian"
EOF
export SRV=$WORK/srv
NINJA=$(command -v ninja)
export NINJA
chmod +x "$WORK/bin/apt-get"
# Stands for its package, of which the firmware is used.
ln -s /bin/true "$WORK/bin/qemu-system-x86_64"
PATH=$WORK/bin:$PATH
CACHE=$XDG_CACHE_HOME/nearnode
DL=$CACHE/dl

# What our scripts ask of QEMU, in two source files; configure counts its runs.
tiny_qemu() { # DIR [VERSION]
	mkdir -p "$1"/{accel/tcg,subprojects/keycodemapdb,include/qemu,roms/big}
	echo "${2:-10.0.13}" >"$1/VERSION"
	echo x >"$1/subprojects/keycodemapdb/README"
	echo 'unpack_edk2_blobs = bzip2.found()' >"$1/meson.build"
	echo '/* plugins */' >"$1/include/qemu/qemu-plugin.h"
	echo x >"$1/roms/big/firmware.c"
	printf 'int tcg(void)\n{\n\treturn 1;\n}\n' >"$1/accel/tcg/tcg.c"
	cat >"$1/main.c" <<-'EOF'
	#include <stdio.h>
	#include <string.h>
	int tcg(void);
	int main(int argc, char **argv)
	{
		if (argc > 1 && !strcmp(argv[1], "--version"))
			return printf("QEMU emulator version 10.0.13 (nearnode) %d\n", tcg()) < 0;
		puts("virt x\nq35 x\n\"virtserialport\"");
		return 0;
	}
	EOF
	cat >"$1/configure" <<-'EOF'
	#!/bin/sh
	src=$(dirname "$0")
	for o; do
		case $o in
		--target-list=*) targets=$(echo "${o#*=}" | sed 's/-softmmu//g; s/,/ /g') ;;
		esac
	done
	echo "$PYTHONPATH" >pythonpath
	echo run >>"$COUNT"
	grep -q 'edk2_blobs = false' "$src/meson.build" || { echo "error: firmware to unpack"; exit 1; }
	{
		printf 'rule cc\n  command = gcc -Wall -c -o $out $in\nrule ld\n  command = gcc -o $out $in\n'
		printf 'build %s.o: cc %s\n' main "$src/main.c" tcg "$src/accel/tcg/tcg.c"
		for t in $targets; do echo "build qemu-system-$t: ld main.o tcg.o"; done
	} >build.ninja
	EOF
	chmod +x "$1/configure"
}
export COUNT=$WORK/count
tiny_qemu "$WORK/t/qemu-10.0.13"
head -c 300000 /dev/urandom >"$WORK/t/qemu-10.0.13/blob"
tar -C "$WORK/t" -cJf "$WORK/whole" qemu-10.0.13
pin deb_sha256 "$(sha256sum <"$WORK/whole" | cut -d' ' -f1)"
FILE=qemu_10.0.13+ds.orig.tar.xz
serve_whole() { cp "$WORK/whole" "$WORK/srv/pool/$FILE"; }

# The packages for machines without a new enough meson.
export NN_MESON=/nonexistent
for p in meson pycotap; do
	mkdir -p "$WORK/deb/$p/DEBIAN" "$WORK/deb/$p/usr/lib/python3/dist-packages/$p"
	printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: x <x@invalid>\nDescription: x\n' "$p" \
		>"$WORK/deb/$p/DEBIAN/control"
	dpkg-deb -b "$WORK/deb/$p" "$WORK/$p.deb" >/dev/null
	pin "${p}_sha256" "$(sha256sum <"$WORK/$p.deb" | cut -d' ' -f1)"
	pin "${p}_file" "$p.deb"
done

# --- downloads

refuses 'nothing to be had' 'cannot download qemu 10.0.13' "$Q"
is '  the remedy names QEMU_SRC' 1 "$(grep -c 'QEMU_SRC=' "$WORK/out")"
head -c 100000 "$WORK/whole" >"$WORK/srv/pool/$FILE"
refuses 'a truncated download' 'cannot download qemu 10.0.13' "$Q"
is '  was tried again' 2 "$(grep -c '^==> downloading' "$WORK/out")"
is '  and is not kept' '' "$(ls "$DL"/*.tar.xz 2>/dev/null)"
is '  and no repository is left' '' "$(ls "$CACHE/git" 2>/dev/null)"
{ cat "$WORK/whole"; echo x; } >"$WORK/srv/pool/$FILE"
refuses 'an altered download' 'cannot download qemu 10.0.13' "$Q"
serve_whole
refuses 'no package with meson' 'cannot download meson.deb: building QEMU takes meson' "$Q"
cp "$WORK/meson.deb" "$WORK/srv/pool/"
head -c 100 "$WORK/pycotap.deb" >"$WORK/srv/pool/pycotap.deb"
refuses 'a truncated package' 'cannot download pycotap.deb' "$Q"
is '  nothing was built or configured' '' "$(ls "$CACHE/qemu" "$COUNT" 2>/dev/null)"
cp "$WORK/pycotap.deb" "$WORK/srv/pool/"

# --- built

passes 'after all that, the same command works' "$Q"
one=$("$Q" path 2>/dev/null)
is '  and names the program' 1 "$(grep -c "^$one: QEMU 10.0.13$" "$WORK/out")"
is '  which lies beside its header and its fellow' 'commit include key qemu-system-aarch64 qemu-system-x86_64 qemu-plugin.h' \
	"$(cd "$(dirname "$one")" && echo * "$(ls include)")"
[ -d "$(cat "$CACHE/build/qemu-aarch64-x86_64/pythonpath")/pycotap" ]
result $? '  configure found the packages'
is '  firmware sources were left out' '' "$(git --git-dir "$CACHE/git/qemu" ls-tree -r --name-only base | grep roms)"
is '  ARCH=x86_64 names the other' "$(dirname "$one")/qemu-system-x86_64" "$(ARCH=x86_64 "$Q" path 2>/dev/null)"
rm "$WORK/srv/pool"/*
passes 'the second time' "$Q"
is '  nothing is fetched or built' 0 "$(grep -c '^==>' "$WORK/out")"
is '  or configured' 1 "$(wc -l <"$COUNT")"
rm -rf "$CACHE"/{git,src}
passes 'nothing is fetched when only the repository is gone' "$Q"
is '  and what is built is the same' "$one" "$("$Q" path 2>/dev/null)"
printf x >>"$DL/$FILE"
rm -rf "$CACHE/git"
serve_whole
passes 'a download altered in the cache is fetched again' "$Q"
is '  and that is said' 1 "$(grep -c 'truncated or altered' "$WORK/out")"

# --- patches

export TREE=$WORK/tree
passes 'a tree to edit in' "$S" --qemu tree
commit() { git -C "$TREE" commit -qam "$1" -m 'Why.'; }
sed -i 's/return 1/return 2/' "$TREE/accel/tcg/tcg.c" && commit 'tcg: Return two'
passes 'export writes patches' "$S" --qemu export
is '  one' 0001-tcg-Return-two.patch "$(ls "$REPO/tools/qemu/patches")"
passes 'check-sync agrees' "$S" --qemu check-sync
passes 'another patch, another build' "$Q"
two=$("$Q" path 2>/dev/null)
is '  which is that of the patch' 'QEMU emulator version 10.0.13 (nearnode) 2' "$("$two" --version)"
is '  the former one is still there' 'QEMU emulator version 10.0.13 (nearnode) 1' "$("$one" --version)"
is '  nothing was configured' 1 "$(wc -l <"$COUNT")"

cp "$REPO/tools/qemu/patches/0001-tcg-Return-two.patch" "$WORK/p"
sed -i 's/^+\treturn 2;/+\treturn 3;/' "$REPO/tools/qemu/patches/0001-tcg-Return-two.patch"
refuses 'check-sync sees a patch edited by hand' 'out of sync' "$S" --qemu check-sync
is '  and names the repair' 1 "$(grep -c 'repair: make qemu-tree && make qemu-export' "$WORK/out")"
refuses 'export does not undo it' 'tools/qemu/patches/ has changed' "$S" --qemu export
sed -i 's/^-\treturn 1;/-\treturn 9;/' "$REPO/tools/qemu/patches/0001-tcg-Return-two.patch"
refuses 'a patch that does not apply' 'patches/0001-tcg-Return-two.patch does not apply to qemu 10.0.13' "$Q"
cp "$WORK/p" "$REPO/tools/qemu/patches/0001-tcg-Return-two.patch"
refuses 'there is nothing to import' 'no mirrors' "$S" --qemu import

for i in $(seq 12); do
	sed -i "s/return .*;/return 2$i;/" "$TREE/accel/tcg/tcg.c" && commit "tcg: Return 2$i"
done
passes 'a longer series' "$S" --qemu export
is '  in its order' 'QEMU emulator version 10.0.13 (nearnode) 212' "$("$("$Q" path 2>/dev/null)" --version)"
is '  only what differs was compiled' 3 "$(grep -c '^\[' "$CACHE/build/qemu-aarch64-x86_64/nearnode-build.log")"
passes '  each commit builds' "$Q" commits
is '  which is said of each' 13 "$(grep -c '^ok ' "$WORK/out")"
git -C "$TREE" reset -q --hard HEAD~12
sed -i 's/int tcg(void)$/int tcg(void) { int unused; return 3; }\nint other(void)/' "$TREE/accel/tcg/tcg.c" && commit 'tcg: Warn'
sed -i 's/return 3; }/re_turn 3; }/' "$TREE/accel/tcg/tcg.c" && commit 'tcg: Misspell'
git -C "$TREE" revert --no-edit HEAD >/dev/null
passes 'export of a series with bad commits' "$S" --qemu export
"$Q" commits >"$WORK/out" 2>/dev/null
is 'those are told from the good ones' 'ok not ok not ok not ok ' \
	"$(sed -n 's/^\(not \)\{0,1\}ok .*/\1ok/p' "$WORK/out" | tr '\n' ' ')"
git -C "$TREE" reset -q --hard HEAD~1
"$S" --qemu export >/dev/null 2>&1
refuses 'a patch that does not compile' 'QEMU failed' "$Q"
is '  shows the error' 1 "$(grep -c "| .*error: .*re_turn" "$WORK/out")"
is '  and nothing is published' 1 "$([ -e "$("$Q" dir 2>/dev/null)" ] || echo 1)"
git -C "$TREE" reset -q --hard HEAD~2
"$S" --qemu export >/dev/null 2>&1
is 'without it: the one from before' "$two" "$("$Q" path 2>/dev/null)"

# --- cut short

rm -rf "$CACHE"/{qemu,build} "$COUNT"
cat >"$WORK/bin/ninja" <<'EOF'
#!/bin/sh
dir=$(echo "$@" | sed 's/^-C \([^ ]*\).*/\1/')
"$NINJA" -C "$dir" main.o
kill -9 0
EOF
chmod +x "$WORK/bin/ninja"
{ setsid -w "$Q" >"$WORK/out" 2>&1; } 2>/dev/null
[ $? -gt 128 ] && [ ! -e "$two" ]
result $? 'killed in the middle: nothing published'
rm "$WORK/bin/ninja"
passes 'the same command goes on' "$Q"
is '  where it stopped' 3 "$(grep -c '^\[' "$CACHE/build/qemu-aarch64-x86_64/nearnode-build.log")"
is '  without configuring again' 1 "$(wc -l <"$COUNT")"
is '  no left-overs' "$(basename "$(dirname "$two")")" "$(ls "$CACHE/qemu")"

# --- variables

QEMU_VARIANT=fast refuses 'unknown QEMU_VARIANT' 'unknown QEMU_VARIANT=fast' "$Q"
QEMU_TARGETS='aarch64 sparc' refuses 'unknown QEMU_TARGETS' 'unknown QEMU_TARGETS=aarch64 sparc' "$Q"
QEMU_TARGETS=aarch64 ARCH=x86_64 refuses 'a target that is not built' 'has no x86_64' "$Q" path
ARCH=sparc refuses 'unknown ARCH' 'unknown ARCH=sparc' "$Q"
refuses 'an unknown verb' 'usage: qemu.sh' "$Q" frobnicate
QEMU=$WORK/nowhere refuses 'QEMU that is not there' 'there is no .*/nowhere' "$Q"
QEMU=/bin/true refuses 'QEMU that is something else' 'does not say its version' "$Q"
QEMU=$WORK/nowhere refuses 'through make and a guest too' 'there is no .*/nowhere' make -s -C "$TOP" boot
QEMU=$two passes 'QEMU that is one' "$Q"
QEMU_VARIANT=asan passes 'QEMU_VARIANT=asan' "$Q"
is '  is another one' 2 "$(printf '%s\n' "$CACHE"/qemu/* | wc -l)"
(unset QEMU_TARGETS; exec "$Q" dir) >"$WORK/usual"
is 'usually the guests of ARCH= only' "$(QEMU_TARGETS=aarch64 "$Q" dir)" "$(cat "$WORK/usual")"
QEMU_TARGETS=aarch64 passes 'QEMU_TARGETS=aarch64' "$Q"

# --- QEMU_SRC

QEMU_SRC=$WORK/nowhere refuses 'QEMU_SRC that is not there' 'is not a directory' "$Q"
QEMU_SRC=$WORK/bin refuses 'QEMU_SRC that is no QEMU' 'is not a QEMU tree' "$Q"
tiny_qemu "$WORK/old" 9.2.4
QEMU_SRC=$WORK/old refuses 'QEMU_SRC of another series' 'is qemu 9.2.4; the patches are for 10.0.y' "$Q"
tiny_qemu "$WORK/devel" 10.0.50
QEMU_SRC=$WORK/devel refuses 'QEMU_SRC of the development towards the next' 'is qemu 10.0.50; the patches' "$Q"
tiny_qemu "$WORK/built"
mkdir "$WORK/built/build"
touch "$WORK/built/build/build.ninja"
QEMU_SRC=$WORK/built refuses 'QEMU_SRC built in place' 'built or configured in place' "$Q"
tiny_qemu "$WORK/src" 10.0.7
QEMU_SRC=$WORK/src passes 'QEMU_SRC: an unpacked tree' "$Q"
three=$(QEMU_SRC=$WORK/src "$Q" path 2>/dev/null)
is '  which is another one, with our patch' '1 QEMU emulator version 10.0.13 (nearnode) 2' \
	"$([ "$three" != "$two" ] && echo 1) $("$three" --version)"
cp -r "$WORK/src" "$WORK/gsrc"
git -C "$WORK/gsrc" init -q
git -C "$WORK/gsrc" add -A -f
git -C "$WORK/gsrc" commit -qm x
is 'QEMU_SRC: a git tree with the same files is the same' "$three" "$(QEMU_SRC=$WORK/gsrc "$Q" path 2>/dev/null)"
echo x >>"$WORK/gsrc/main.c"
QEMU_SRC=$WORK/gsrc refuses 'QEMU_SRC: a dirty git tree' 'has uncommitted changes' "$Q"
git -C "$WORK/gsrc" checkout -q main.c
git -C "$WORK/gsrc" rm -qr subprojects && git -C "$WORK/gsrc" commit -qm y
QEMU_SRC=$WORK/gsrc refuses 'QEMU_SRC: a repository without the subprojects' "lacks QEMU's subprojects" "$Q"
sed -i 's/return 1/return 8/' "$WORK/src/accel/tcg/tcg.c"
QEMU_SRC=$WORK/src refuses 'QEMU_SRC on which a patch does not apply' '0001-tcg-Return-two.patch does not apply to qemu 10.0.7' "$Q"

# --- no network: really none where a namespace can be had

cp "$TOP/tools/qemu/BASE" "$REPO/tools/qemu/BASE"
rm "$WORK/bin/apt-get"
offline=(env http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9)
if unshare -rn true 2>/dev/null; then offline=(unshare -rn); fi
XDG_CACHE_HOME=$WORK/cache3 refuses 'no network' 'cannot download qemu 10.0.13' "${offline[@]}" "$Q"
is '  nothing half-fetched is left' '' "$(find "$WORK/cache3" -type f ! -path '*/lock/*' 2>/dev/null)"

finish
