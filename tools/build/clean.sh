#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Removes what was built; keeps the editing trees (they may hold work), the
# imported base and the downloads, which ALL=1 removes as well.

# shellcheck source=lib.sh
ALL=${ALL:-0}
. "$(dirname "$0")/lib.sh"

for lock in "$NN_CACHE"/lock/src-* "$NN_CACHE"/lock/base*; do
	[ ! -e "$lock" ] || with_lock "${lock##*/}"
done
before=$(du -sm "$NN_CACHE" 2>/dev/null | cut -f1)
rm -rf -- "$NN_CACHE"/{build,kernels,guest,tmp,log,out,lint,qemu,qemu-tools}
for src in "$NN_CACHE"/src/*; do
	[ -e "$src" ] || continue
	rm -rf -- "$src"
done
for repo in "$NN_CACHE"/git/*; do
	[ ! -d "$repo" ] || g --git-dir "$repo" worktree prune
done
if [ "$ALL" = 1 ]; then
	if compgen -G "$NN_CACHE/trees/*" >/dev/null; then
		warn "$NN_CACHE/trees holds editing trees, which live on the base: kept, and git/ with them"
	else
		rm -rf -- "$NN_CACHE/git"
	fi
	rm -rf -- "$NN_CACHE/dl" "$NN_CACHE/ccache"
fi
make -s -C "$NN_TOP/tools/harness" clean
say "removed $((${before:-0} - $(du -sm "$NN_CACHE" 2>/dev/null | cut -f1 || echo 0))) MiB from $NN_CACHE"
