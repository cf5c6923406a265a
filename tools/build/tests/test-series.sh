#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tree, export, import, check-sync: the way round and every refusal.

# shellcheck source=testlib.sh
. "$(dirname "$0")/testlib.sh"

tiny_kernel "$WORK/linux"
export KERNEL_SRC=$WORK/linux
export NN_PATCHES=$WORK/repo/patches NN_MIRROR_TOP=$WORK/repo
mkdir -p "$NN_PATCHES"
printf '# comment\nalpha\nbeta\n' >"$NN_PATCHES/series.list"
printf '# comment\ntools/alpha <- tools/alpha\n' >"$NN_PATCHES/mirrors.map"
S=$BUILD/series.sh
export TREE=$WORK/tree

passes 'check-sync copes with series that have no patches' "$S" check-sync
passes 'tree copes with series that have no patches' "$S" tree
commit() { git -C "$TREE" add -A && git -C "$TREE" commit -q -m "$1" -m 'Why.'; }

passes 'export copes with nothing to export' "$S" export

# Fill both series: the second's marker is HEAD, so go back for the first.
first=$(git -C "$TREE" log --format=%H --grep='^nearnode-series: alpha')
base=$(git -C "$TREE" rev-parse "$first^")
git -C "$TREE" reset -q --hard "$first"
sed -i 's/^line 10$/line ten/' "$TREE/kernel/sched/ext/idle.c" && commit 'idle: Write ten out'
mkdir -p "$TREE/tools/alpha"
printf 'int a;\nint b;\n' >"$TREE/tools/alpha/a.c"
is 'git status in the tree shows a new file' '?? tools/' "$(git -C "$TREE" status --porcelain)"
commit 'alpha: Add a tool'
git -C "$TREE" commit -q --allow-empty -m 'nearnode-series: beta'
sed -i 's/^line 50$/line fifty/' "$TREE/kernel/sched/ext/idle.c" && commit 'idle: Write fifty out'
passes 'export writes both series' "$S" export
is 'one file per commit, numbered within its series' \
	'alpha/0001-idle-Write-ten-out.patch alpha/0002-alpha-Add-a-tool.patch beta/0001-idle-Write-fifty-out.patch' \
	"$(cd "$NN_PATCHES" && printf '%s ' */*.patch | sed 's/ $//')"
is 'export refreshes the mirror' 'int a;int b;' "$(tr -d '\n' <"$NN_MIRROR_TOP/tools/alpha/a.c")"
is 'patches carry no hash and no signature' 3 \
	"$(grep -l '^From 0000000000000000000000000000000000000000 ' "$NN_PATCHES"/*/*.patch | wc -l)"
passes 'check-sync agrees' "$S" check-sync
one=$("$S" commit 2>/dev/null)
rm -rf "$XDG_CACHE_HOME"
is 'the same patches give the same commit in another cache' "$one" "$("$S" commit 2>/dev/null)"
rm -rf "$TREE"
passes 'tree applies the series' "$S" tree
is 'tree ends at that commit' "$one" "$(git -C "$TREE" rev-parse HEAD)"
cp -r "$NN_PATCHES" "$WORK/before"
passes 'export of an untouched tree' "$S" export
passes '  changes not a byte' diff -r "$WORK/before" "$NN_PATCHES"

# Import.
printf 'int a;\nint bb;\n' >"$NN_MIRROR_TOP/tools/alpha/a.c"
refuses 'check-sync sees an edited mirror and names the repair' 'out of sync' "$S" check-sync
is '  make import' 1 "$(grep -c 'repair: make import' "$WORK/out")"
echo 'x' >>"$TREE/kernel/sched/ext/idle.c"
git -C "$TREE" commit -qam 'idle: Add x'
refuses 'export does not overwrite an edited mirror' 'make import' "$S" export
passes 'import folds the edit into the owning commit' "$S" import
is '  patch 2 of alpha has it' 1 "$(grep -c '^+int bb;' "$NN_PATCHES/alpha/0002-alpha-Add-a-tool.patch")"
is '  patch 1 and beta are as before' 2 "$(cmp "$WORK/before/alpha/0001-idle-Write-ten-out.patch" "$NN_PATCHES/alpha/0001-idle-Write-ten-out.patch" && \
	cmp "$WORK/before/beta/0001-idle-Write-fifty-out.patch" "$NN_PATCHES/beta/0001-idle-Write-fifty-out.patch" && echo 2)"
passes 'check-sync agrees after import' "$S" check-sync
refuses 'export does not undo an import' 'patches/ has changed' "$S" export
refuses 'tree does not throw away commits' 'commits that were not exported' "$S" tree
FORCE=1 passes 'tree FORCE=1 does' "$S" tree
echo y >>"$TREE/kernel/sched/ext/idle.c"
refuses 'tree does not throw away edits' 'uncommitted edits' "$S" tree
refuses 'export wants edits committed' 'uncommitted edits' "$S" export
git -C "$TREE" commit -qa --fixup=HEAD
refuses 'export wants fixups folded' 'still to be folded' "$S" export
GIT_SEQUENCE_EDITOR=: git -C "$TREE" rebase -q -i --autosquash "$(git -C "$TREE" merge-base HEAD "$base")" 2>/dev/null
is 'markers survive a rebase' 2 "$(git -C "$TREE" log --format=%s | grep -c '^nearnode-series: ')"
passes 'export after the rebase' "$S" export
passes 'check-sync after it' "$S" check-sync

# More than nine, each on the one before: the order is that of the numbers.
for i in $(seq 12); do
	sed -i "s/^line 20.*/line 20 $i/" "$TREE/kernel/sched/ext/idle.c" && commit "idle: Step $i"
done
passes 'export of a longer series' "$S" export
passes 'check-sync of it' "$S" check-sync
git -C "$TREE" reset -q --hard HEAD~12
passes 'export removes the patches of commits that are gone' "$S" export
is '  two series with three patches' 3 "$(cd "$NN_PATCHES" && printf '%s\n' */*.patch | wc -l)"

# Mirrors that do not belong, or are gone.
touch "$NN_MIRROR_TOP/tools/alpha/stray.c"
refuses 'check-sync sees a stray file' 'out of sync' "$S" check-sync
refuses 'import says what to do with a new file' 'needs a commit that owns it' "$S" import
rm "$NN_MIRROR_TOP/tools/alpha/stray.c"
mv "$NN_MIRROR_TOP/tools/alpha/a.c" "$WORK/a.c"
refuses 'check-sync sees a missing mirror' 'out of sync' "$S" check-sync
refuses 'import says what to do about a missing mirror' 'Restore it' "$S" import
mv "$WORK/a.c" "$NN_MIRROR_TOP/tools/alpha/a.c"
cp "$NN_PATCHES/beta/0001-idle-Write-fifty-out.patch" "$WORK/p"
sed -i 's/1 file changed/1 files changed/' "$NN_PATCHES/beta/0001-idle-Write-fifty-out.patch"
refuses 'check-sync sees a patch edited by hand' 'out of sync' "$S" check-sync
cp "$WORK/p" "$NN_PATCHES/beta/0001-idle-Write-fifty-out.patch"
mkdir "$NN_PATCHES/gamma"
refuses 'check-sync sees a series that is not listed' 'out of sync' "$S" check-sync
rmdir "$NN_PATCHES/gamma"
echo 'tools/alpha tools/alpha' >>"$NN_PATCHES/mirrors.map"
refuses 'a malformed map is refused' 'mirrors.map is malformed' "$S" check-sync
sed -i '$d' "$NN_PATCHES/mirrors.map"

# A base on which a patch no longer applies.
tiny_kernel "$WORK/newer" 7.3.9
sed -i 's/^line 49$/line 49 moved on/' "$WORK/newer/kernel/sched/ext/idle.c"
export KERNEL_SRC=$WORK/newer
refuses 'check-sync names the patch that no longer applies' \
	'beta/0001-idle-Write-fifty-out.patch does not apply to linux 7.3.9' "$S" check-sync
refuses 'so does commit' 'beta/0001-idle-Write-fifty-out.patch does not apply' "$S" commit
export TREE=$WORK/tree2
refuses 'tree leaves what applied and says how to go on' 'git am -3 ' "$S" tree
is '  two patches are in it' 2 "$(git -C "$TREE" log --format=%s | grep -cE '^(idle|alpha): ')"
git -C "$TREE" am -q -3 "$NN_PATCHES/beta/0001-idle-Write-fifty-out.patch" >/dev/null 2>&1
sed -i '/^<<<<<<</,/^>>>>>>>/c line 49 moved on\nline fifty' "$TREE/kernel/sched/ext/idle.c"
git -C "$TREE" add -A
passes '  resolved by hand' git -C "$TREE" am -q --continue
CONTINUE=1 passes 'tree CONTINUE=1 takes the rest' "$S" tree
passes 'export for the new base' "$S" export
passes 'check-sync on the new base' "$S" check-sync

finish
