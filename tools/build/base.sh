#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# base.sh [linux|qemu]: makes sure that the base that the patches apply to is in
# the cache's git repository, and prints the branch that holds it.
#
# Without KERNEL_SRC (QEMU_SRC) that is "base", the release that the pin file
# names, downloaded and verified.  With it (a git tree or an unpacked tree of the
# same series) it is a branch of its own, so that one never stands in for the
# other.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=fetch.sh
. "$NN_BUILD/fetch.sh"
# Messages go to stderr: stdout is the answer.
exec 3>&1 1>&2

# --- what differs -----------------------------------------------------------

# OVERRIDE, the variable that names another tree, and WHAT, what to call it;
# tree_version DIR prints its version or fails; is_stable VERSION: a release of
# the series, or one on the way to the next?; built_in DIR: how to clean a tree
# that was built in place, nothing if it was not; adapted GIT-TREE: prints the one
# to use for it, or dies.
case ${1:-linux} in
linux)
	OVERRIDE=KERNEL_SRC WHAT=kernel
	tree_version() {
		[ -d "$1/kernel/sched" ] || return 1
		awk '$1 == "VERSION" && !v { v = $3 } $1 == "PATCHLEVEL" && !p { p = $3 }
			$1 == "SUBLEVEL" && !s { s = $3 } $1 == "EXTRAVERSION" && !e { e = $3 }
			END { if (v == "" || p == "") exit 1; print v "." p "." s e }' "$1/Makefile" 2>/dev/null
	}
	is_stable() { [[ $1 != *-rc* ]]; }
	built_in() {
		[ ! -e "$1/.config" ] && [ ! -d "$1/include/generated" ] && [ ! -d "$1/include/config" ] ||
			echo "make -C $1 mrproper"
	}
	adapted() { printf '%s\n' "$1"; }
	;;
qemu)
	OVERRIDE=QEMU_SRC WHAT=QEMU
	tree_version() {
		[ -d "$1/accel/tcg" ] && head -n 1 "$1/VERSION" 2>/dev/null | grep -xE '[0-9]+\.[0-9]+\.[0-9]+'
	}
	# x.y.50 and later lead to the next release.
	is_stable() { [ "${1##*.}" -lt 50 ]; }
	# What git ignores does not matter to us.
	built_in() {
		[ -e "$1/.git" ] || { [ ! -e "$1/build/build.ninja" ] && [ ! -e "$1/build.ninja" ]; } ||
			echo "rm -r its build directory"
	}
	adapted() {
		local blob
		g --git-dir "$NN_REPO" cat-file -e "$1:subprojects/keycodemapdb/README" 2>/dev/null ||
			die "$OVERRIDE=$SRC lacks QEMU's subprojects, which its repository does not hold" \
			    "Use an unpacked release, or add them: there, meson subprojects download;" \
			    "git add -f subprojects/{keycodemapdb,berkeley-softfloat-3,berkeley-testfloat-3}; git commit"
		if g --git-dir "$NN_REPO" cat-file -e "$1:pc-bios/edk2-aarch64-code.fd.bz2" 2>/dev/null; then
			printf '%s\n' "$1"
			return
		fi
		# Debian's tarball has no firmware images; without them QEMU's build
		# must not try to unpack them, which Debian's package sees to as well.
		blob=$(g --git-dir "$NN_REPO" cat-file blob "$1:meson.build" |
			sed 's/^\( *unpack_edk2_blobs = \)bzip2.found()$/\1false/' |
			g --git-dir "$NN_REPO" hash-object -w --stdin)
		export GIT_INDEX_FILE=$NN_REPO/index-adapted
		g --git-dir "$NN_REPO" read-tree "$1" &&
			g --git-dir "$NN_REPO" update-index --cacheinfo "100644,$blob,meson.build" &&
			g --git-dir "$NN_REPO" write-tree ||
			die "the import into git failed (is the disk full?)"
		rm -f -- "$GIT_INDEX_FILE"
	}
	;;
*) die "usage: base.sh [linux|qemu]" ;;
esac
use_project "${1:-linux}"
SRC=${!OVERRIDE:-}

# --- download ---------------------------------------------------------------

# upstream_hash DIR: prints the tarball's sha256, from the pin file or from the
# signed list; nothing if there is neither.
upstream_hash() {
	local sums=$1/sha256sums.asc hash
	if [ -n "$upstream_sha256$upstream_sums" ]; then
		if [ -n "$upstream_sha256" ]; then
			printf '%s\n' "$upstream_sha256"
			return
		fi
		fetch_url "$upstream_sums" "$sums" >&2 || return 1
		signed "the checksum list" "$upstream_sums" "$sums"
		hash=$(awk -v f="${upstream_url##*/}" '$2 == f { print $1 }' "$sums")
		[ ${#hash} -eq 64 ] || { echo "${upstream_url##*/} is not in $upstream_sums" >&2; return 1; }
		printf '%s\n' "$hash"
	fi
}

# signed WHAT URL [SIGNATURE] FILE: dies if its signature is bad, says so if that
# cannot be known.
signed() {
	local what=$1 url=$2
	shift 2
	if ! command -v gpg >/dev/null || ! gpg --list-keys "$upstream_key" >/dev/null 2>&1; then
		warn "the signature of $what is not verified (needs gpg and the key $upstream_key)"
		return
	fi
	[ $# -eq 1 ] || fetch_url "$url.sig" "$1" >&2 || die "the signature $url.sig cannot be had"
	gpg --verify "$@" >/dev/null 2>&1 ||
		die "the signature of $url is bad" "Do not trust this network; try another one"
	note "signature of $what verified" >&2
}

fetch_from_upstream() { # DIR
	local hash file=$1/${upstream_url##*/}
	hash=$(upstream_hash "$1") || return 1
	note "$upstream_url" >&2
	fetch_url "$upstream_url" "$file" || return 1
	if [ -z "$hash" ]; then
		xz -t -- "$file" 2>/dev/null || { echo "$upstream_url came truncated"; return 1; }
		signed "${file##*/}" "$upstream_url" "$file.sig" "$file"
		hash=$(sha256_of "$file")
	fi
	printf '%s\n' "$hash" >"$file.sha256"
}

# Sets NN_SOURCE to a verified package or tarball, downloading it if need be.
fetch() {
	local dl deb tar try why=()
	dl=$(cache_dir dl)
	deb=$dl/$deb_file
	tar=$dl/${upstream_url##*/}
	for try in 1 2; do
		if verified "$deb" "$deb_sha256"; then NN_SOURCE=$deb; return; fi
		if [ -f "$tar.sha256" ] && verified "$tar" "$(cat "$tar.sha256")"; then NN_SOURCE=$tar; return; fi
		need_space "$dl" $((megabytes * 4)) "the source of $NN_PROJECT"
		scratch_beside "$dl/fetch-$NN_PROJECT"
		step "downloading $NN_PROJECT $version (about $megabytes MB, try $try)"
		if [ "${NN_BASE_FROM:-debian}" = debian ] &&
				fetch_from_debian "$NN_NEW" "$deb_pool" "$deb_file" "$deb_sha256" >"$NN_NEW/why"; then
			mv "$NN_NEW/$deb_file" "$deb"
		elif fetch_from_upstream "$NN_NEW" >>"$NN_NEW/why"; then
			mv "$NN_NEW/${tar##*/}.sha256" "$tar.sha256"
			mv "$NN_NEW/${tar##*/}" "$tar"
		else
			mapfile -t why <"$NN_NEW/why"
		fi
		rm -rf -- "$NN_NEW"
	done
	verified "$deb" "$deb_sha256" && NN_SOURCE=$deb && return
	[ -f "$tar.sha256" ] && verified "$tar" "$(cat "$tar.sha256")" && NN_SOURCE=$tar && return
	die "cannot download $NN_PROJECT $version: neither the Debian package nor upstream's tarball could be had" \
	    ${why[@]+"${why[@]}"} \
	    "Is the network up?  Run again when it is, or use a tree you have: $OVERRIDE=/path/to/$NN_PROJECT-$series"
}

# --- into git ---------------------------------------------------------------

# One parentless commit with a fixed identity: its id depends on the tree alone.
commit_base() { # TREE SUBJECT BRANCH
	local commit when='2026-01-01T00:00:00Z'
	commit=$(printf '%s\n' "$2" | GIT_AUTHOR_NAME=nearnode GIT_AUTHOR_EMAIL=nearnode@invalid \
		GIT_AUTHOR_DATE=$when GIT_COMMITTER_DATE=$when g --git-dir "$NN_REPO" commit-tree "$1")
	g --git-dir "$NN_REPO" update-ref "refs/heads/$3" "$commit"
}

# The repository appears with its first base in it or not at all; a base that
# comes later appears with its branch.
open_repo() {
	if [ -d "$NN_GIT" ]; then
		NN_REPO=$NN_GIT
		return
	fi
	cache_dir git >/dev/null
	scratch_beside "$NN_GIT"
	NN_REPO=$NN_NEW
	g init -q --bare "$NN_REPO"
	g --git-dir "$NN_REPO" config core.compression 1
	g --git-dir "$NN_REPO" config core.bigFileThreshold 1m
	g --git-dir "$NN_REPO" config gc.auto 0
	g --git-dir "$NN_REPO" symbolic-ref HEAD refs/heads/base
}

close_repo() {
	# A power cut must not leave a branch that points at unwritten objects.
	sync -f "$NN_REPO"
	[ "$NN_REPO" = "$NN_GIT" ] || publish "$NN_REPO" "$NN_GIT"
}

# add_tree DIR INDEX: prints the git tree of DIR.  -f because the tree's own
# .gitignore (Debian's ends in "/*") would drop files silently.
add_tree() {
	GIT_INDEX_FILE=$2 g --git-dir "$NN_REPO" --work-tree "$1" add -A -f . >&2 &&
		GIT_INDEX_FILE=$2 g --git-dir "$NN_REPO" write-tree
}

has_base() { # BRANCH SUBJECT...
	local branch=$1 subject have
	shift
	[ -d "$NN_GIT" ] || return 1
	have=$(g --git-dir "$NN_GIT" log -1 --format=%s "refs/heads/$branch" 2>/dev/null) || return 1
	for subject in "$@"; do
		[ "$have" = "$subject" ] && return 0
	done
	return 1
}

have_pinned() { has_base base "$NN_PROJECT $deb_version" "$NN_PROJECT $version"; }

# unpack FILE DIR
unpack() {
	local tar=(tar -xJ -C "$2" --strip-components=1)
	[ -z "${leave_out:-}" ] || tar+=(--anchored --no-wildcards-match-slash --exclude="*/$leave_out")
	case $1 in
	*.deb) dpkg-deb --fsys-tarfile "$1" | tar -xO "./$deb_tarball" | "${tar[@]}" ;;
	*) "${tar[@]}" -f "$1" ;;
	esac
}

pinned_base() {
	local src subject tree
	have_pinned && return
	with_lock "base-$NN_PROJECT"
	have_pinned && return
	fetch
	need_space "$NN_CACHE" $((megabytes * 25)) "unpacking $NN_PROJECT"
	open_repo
	src=$(cache_dir git)/unpack-$NN_PROJECT
	scratch_beside "$src"
	src=$NN_NEW
	step "unpacking ${NN_SOURCE##*/}"
	subject="$NN_PROJECT $version"
	[ "${NN_SOURCE##*/}" != "$deb_file" ] || subject="$NN_PROJECT $deb_version"
	unpack "$NN_SOURCE" "$src" ||
		die "cannot unpack $NN_SOURCE (is the disk full?)" "Free some space and run the same command again"
	check_version "$src" "${NN_SOURCE##*/}"
	step "importing it into git (a minute at most)"
	tree=$(add_tree "$src" "$src.index") || die "the import into git failed (is the disk full?)" \
		"Free some space and run the same command again"
	rm -f -- "$src.index"
	tree=$(adapted "$tree") || exit 1
	commit_base "$tree" "$subject" base
	close_repo
}

# --- KERNEL_SRC, QEMU_SRC ---------------------------------------------------

check_version() { # DIR NAME
	NN_VERSION=$(tree_version "$1") || die "$2 is not a $WHAT tree, or does not say its version"
	[[ $NN_VERSION == "$series".* ]] && is_stable "$NN_VERSION" ||
		die "$2 is $NN_PROJECT $NN_VERSION; the patches are for $series.y" \
		    "Use a v$series or stable $series.y tree, or leave $OVERRIDE unset"
}

foreign_base() {
	local src tree branch dirty name=$OVERRIDE=$SRC clean
	[ -d "$SRC" ] || die "$name is not a directory" \
		"Give a git tree or an unpacked tree of $NN_PROJECT $series.y"
	src=$(cd "$SRC" && pwd -P)
	check_version "$src" "$name"
	clean=$(built_in "$src")
	[ -z "$clean" ] || die "$name has been built or configured in place" \
		"Clean it ($clean), or give a fresh tree"
	with_lock "base-$NN_PROJECT"
	need_space "$NN_CACHE" 2048 "importing $OVERRIDE"
	open_repo
	if [ -e "$src/.git" ]; then
		dirty=$(git -C "$src" status --porcelain --untracked-files=normal) ||
			die "git cannot read $name (see above)"
		[ -z "$dirty" ] || die "$name has uncommitted changes:" \
			"$(head -n 3 <<<"$dirty")" "Commit or stash them: what is tested must have a name"
		tree=$(git -C "$src" rev-parse 'HEAD^{tree}')
		if ! g --git-dir "$NN_REPO" cat-file -e "$tree" 2>/dev/null; then
			step "importing $NN_PROJECT $NN_VERSION from $src"
			git -C "$src" rev-list --objects "$tree" | cut -d' ' -f1 |
				git -C "$src" pack-objects -q --stdout --window=0 |
				g --git-dir "$NN_REPO" index-pack --stdin >/dev/null ||
				die "importing $OVERRIDE into git failed (is the disk full?)"
		fi
	else
		# The index outlives us: the next time only what changed is read.
		step "reading $NN_PROJECT $NN_VERSION from $src"
		tree=$(add_tree "$src" "$NN_REPO/index-$(hash_text <<<"$src" | cut -c1-12)") ||
			die "importing $OVERRIDE into git failed (is the disk full?)"
	fi
	tree=$(adapted "$tree") || exit 1
	branch=base-${tree:0:12}
	g --git-dir "$NN_REPO" rev-parse -q --verify "refs/heads/$branch" >/dev/null ||
		commit_base "$tree" "$NN_PROJECT $NN_VERSION" "$branch"
	close_repo
	printf '%s\n' "$branch" >&3
}

"$NN_BUILD/packages.sh" base
if [ -n "$SRC" ]; then
	foreign_base
else
	pinned_base
	printf 'base\n' >&3
fi
