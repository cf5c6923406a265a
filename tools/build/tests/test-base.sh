#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Getting the base: downloads that are cut, altered or impossible, a full disk,
# a kill in mid-import, and what KERNEL_SRC accepts.

# shellcheck source=testlib.sh
. "$(dirname "$0")/testlib.sh"

# A copy of the scripts with a BASE of its own, served from a directory.
mkdir -p "$WORK/repo/tools" "$WORK/srv"
cp -r "$BUILD" "$WORK/repo/tools/build"
B=$WORK/repo/tools/build/base.sh
pin() { # FIELD VALUE
	sed -i "s|^$1=.*|$1=$2|" "$WORK/repo/BASE"
}
cp "$TOP/BASE" "$WORK/repo/BASE"
pin upstream_url "file://$WORK/srv/linux-7.3.4.tar.xz"
pin upstream_sums "file://$WORK/srv/sha256sums.asc"
export NN_BASE_FROM=upstream
GIT=$XDG_CACHE_HOME/nearnode/git/linux
DL=$XDG_CACHE_HOME/nearnode/dl

mkdir -p "$WORK/t/linux-7.3.4"
tiny_kernel "$WORK/t/linux-7.3.4"
head -c 300000 /dev/urandom >"$WORK/t/linux-7.3.4/kernel/blob"
tar -C "$WORK/t" -cJf "$WORK/whole.tar.xz" linux-7.3.4
printf '%s  linux-7.3.4.tar.xz\n' "$(sha256sum <"$WORK/whole.tar.xz" | cut -d' ' -f1)" >"$WORK/srv/sha256sums.asc"
serve_whole() { cp "$WORK/whole.tar.xz" "$WORK/srv/linux-7.3.4.tar.xz"; }

# --- downloads

refuses 'nothing to be had from the server' 'cannot download linux 7.3.4' "$B"
head -c 100000 "$WORK/whole.tar.xz" >"$WORK/srv/linux-7.3.4.tar.xz"
refuses 'a truncated download' 'cannot download linux 7.3.4' "$B"
is '  was tried again' 2 "$(grep -c '^==> downloading' "$WORK/out")"
is '  and is not kept' '' "$(ls "$DL"/*.tar.xz 2>/dev/null)"
is '  and no repository is left' '' "$(ls "$XDG_CACHE_HOME/nearnode/git" 2>/dev/null)"
serve_whole
pin upstream_sha256 0000000000000000000000000000000000000000000000000000000000000000
refuses 'a download that is not what BASE pins' 'cannot download linux 7.3.4' "$B"
pin upstream_sha256 ''

# --- cut short

mkdir "$WORK/bin"
cat >"$WORK/bin/git" <<'EOF'
#!/bin/sh
case " $* " in *" write-tree "*) kill -9 0 ;; esac
exec "$REAL_GIT" "$@"
EOF
chmod +x "$WORK/bin/git"
REAL_GIT=$(command -v git)
export REAL_GIT
# In a process group of its own, all of which the git above kills.
{ PATH=$WORK/bin:$PATH setsid -w "$B" >"$WORK/out" 2>&1; } 2>/dev/null
[ $? -gt 128 ] && [ ! -e "$GIT" ]
result $? 'killed in mid-import: no repository'
refuses 'a disk that runs full in the middle' 'disk full|cannot download' bash -c 'ulimit -f 200; exec "$1"' - "$B"
is '  and leaves no repository' '' "$(ls -d "$GIT" 2>/dev/null)"
cat >"$WORK/bin/df" <<'EOF'
#!/bin/sh
printf 'Filesystem 1M-blocks Used Available Capacity Mounted\nx 100 93 7 93%% /\n'
EOF
chmod +x "$WORK/bin/df"
rm -f "$WORK/bin/git"
PATH=$WORK/bin:$PATH refuses 'a disk that is nearly full' 'not enough disk space for .* has 7 MiB free' "$B"
rm -f "$WORK/bin/df"

# --- whole

passes 'after all that, the same command works' "$B"
is '  and says which branch' base "$("$B" 2>/dev/null)"
is '  its subject' 'linux 7.3.4' "$(git --git-dir "$GIT" log -1 --format=%s base)"
is '  every file is in it, ignored or not' "$(cd "$WORK/t/linux-7.3.4" && find . -type f | wc -l)" \
	"$(git --git-dir "$GIT" ls-tree -r base | wc -l)"
is '  no left-overs' linux "$(ls "$XDG_CACHE_HOME/nearnode/git")"
rm -rf "$WORK/srv/linux-7.3.4.tar.xz"
passes 'the second time nothing is fetched' "$B"
rm -rf "$GIT"
passes 'nor when only the repository is gone' "$B"
printf x >>"$DL/linux-7.3.4.tar.xz"
rm -rf "$GIT"
serve_whole
passes 'a download altered in the cache is fetched again' "$B"
is '  and that is said' 1 "$(grep -c 'truncated or altered' "$WORK/out")"

# --- no network: really none where a namespace can be had

cp "$TOP/BASE" "$WORK/repo/BASE"
unset NN_BASE_FROM
offline=(env http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9)
if unshare -rn true 2>/dev/null; then offline=(unshare -rn); fi
XDG_CACHE_HOME=$WORK/cache3 refuses 'no network' 'cannot download linux 7.3.4.*' "${offline[@]}" "$B"
is '  the remedy names KERNEL_SRC' 1 "$(grep -c 'KERNEL_SRC=' "$WORK/out")"
is '  nothing half-fetched is left' '' "$(find "$WORK/cache3" -type f ! -path '*/lock/*' 2>/dev/null)"

# --- KERNEL_SRC

export KERNEL_SRC=$WORK/nowhere
refuses 'KERNEL_SRC that is not there' 'is not a directory' "$B"
mkdir "$WORK/empty"
KERNEL_SRC=$WORK/empty refuses 'KERNEL_SRC that is no kernel' 'is not a kernel tree' "$B"
tiny_kernel "$WORK/old" 7.2.9
KERNEL_SRC=$WORK/old refuses 'KERNEL_SRC of another series' 'is linux 7.2.9; the patches are for 7.3.y' "$B"
tiny_kernel "$WORK/rc" 7.3.0
sed -i 's/^EXTRAVERSION =.*/EXTRAVERSION = -rc3/' "$WORK/rc/Makefile"
KERNEL_SRC=$WORK/rc refuses 'KERNEL_SRC that is a release candidate' '7.3.0-rc3; the patches are for' "$B"
tiny_kernel "$WORK/built"
touch "$WORK/built/.config"
KERNEL_SRC=$WORK/built refuses 'KERNEL_SRC built in place' 'built or configured in place' "$B"
tiny_kernel "$WORK/src" 7.3.7
passes 'KERNEL_SRC: an unpacked tree' env KERNEL_SRC="$WORK/src" "$B"
one=$(KERNEL_SRC=$WORK/src "$B" 2>/dev/null)
cp -r "$WORK/src" "$WORK/gsrc"
git -C "$WORK/gsrc" init -q
git -C "$WORK/gsrc" add -A -f
git -C "$WORK/gsrc" commit -qm x
is 'KERNEL_SRC: a git tree with the same files is the same base' "$one" "$(KERNEL_SRC=$WORK/gsrc "$B" 2>/dev/null)"
is '  which is not the default one' 1 "$(grep -c '^base-[0-9a-f]*$' <<<"$one")"
rm -rf "$WORK/cache2"
is '  a git tree alone will do' "$one" "$(XDG_CACHE_HOME=$WORK/cache2 KERNEL_SRC=$WORK/gsrc "$B" 2>/dev/null)"
is '  and is whole' "$(git -C "$WORK/gsrc" rev-parse 'HEAD^{tree}')" \
	"$(git --git-dir "$WORK/cache2/nearnode/git/linux" rev-parse "$one^{tree}")"
passes '  all objects are there' git --git-dir "$WORK/cache2/nearnode/git/linux" fsck --connectivity-only "$one"
echo x >>"$WORK/gsrc/Makefile"
KERNEL_SRC=$WORK/gsrc refuses 'KERNEL_SRC: a dirty git tree' 'has uncommitted changes' "$B"
git -C "$WORK/gsrc" checkout -q Makefile
echo x >>"$WORK/src/kernel/sched/ext/idle.c"
two=$(KERNEL_SRC=$WORK/src "$B" 2>/dev/null)
[ -n "$two" ] && [ "$one" != "$two" ]
result $? 'an unpacked tree that changed is another base'

finish
