#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# base.sh [ref]: makes sure that the base kernel is in the cache's git
# repository and prints the branch that holds it.
#
# Without KERNEL_SRC that is "base", the release that BASE pins, downloaded and
# verified.  With KERNEL_SRC (a git tree or an unpacked tree of 7.3.y) it is a
# branch of its own, so that one kernel never stands in for the other.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# Messages go to stderr: stdout is the answer.
exec 3>&1 1>&2

# --- download ---------------------------------------------------------------

# verified FILE SHA256: is FILE there, and what it should be?
verified() {
	[ -f "$1" ] || return 1
	[ "$(sha256_of "$1")" = "$2" ] && return 0
	warn "$1 is not what BASE says it is (truncated or altered): fetching it again"
	rm -f -- "$1"
	return 1
}

# fetch_from_debian DIR: leaves $deb_file in DIR.  A private apt configuration,
# so that neither the machine's sources nor its lists change and root is not
# needed; the mirror is the one this machine uses anyhow.
fetch_from_debian() {
	local dir=$1 site apt key=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v apt-get >/dev/null || { echo "no apt-get here"; return 1; }
	[ -f "$key" ] || { echo "no Debian archive keyring here"; return 1; }
	site=$(apt-get indextargets --format '$(SITE)|$(ORIGIN)|$(LABEL)' 'Created-By: Packages' |
		awk -F'|' '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
	[ -n "$site" ] || { echo "apt knows no Debian mirror (apt-get update was never run?)"; return 1; }
	apt=$dir/apt
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	printf 'deb [signed-by=%s] %s %s main\n' "$key" "$site" "$deb_suite" >"$apt/sources.list"
	cat >"$apt/conf" <<-EOF
	Dir::Etc::SourceList "$apt/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::State::Lists "$apt/lists";
	Dir::Cache "$apt";
	Dir::Cache::Archives "$apt/archives";
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Acquire::Retries "2";
	EOF
	note "apt: $site $deb_suite"
	# Files in apt.conf.d are read after APT_CONFIG and may set the same
	# things, so the source list goes on the command line as well.
	local opt=(-q -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null)
	APT_CONFIG=$apt/conf apt-get "${opt[@]}" update >"$dir/apt.log" 2>&1 &&
	! grep -q '^[EW]: .*Failed to fetch' "$dir/apt.log" &&
		(cd "$dir" && APT_CONFIG=$apt/conf apt-get "${opt[@]}" download "$deb_package=$deb_version" >>apt.log 2>&1) || {
		grep '^[EW]:' "$dir/apt.log" | head -n 3
		return 1
	}
	# apt writes the version's ':' and '~' its own way on some releases.
	local got
	got=$(compgen -G "$dir/${deb_package}_*.deb") || return 1
	[ "$got" = "$dir/$deb_file" ] || mv "$got" "$dir/$deb_file"
}

fetch_url() { # URL FILE
	if command -v curl >/dev/null; then
		curl -fsSL --retry 2 --connect-timeout 20 -o "$2" "$1"
	elif command -v wget >/dev/null; then
		wget -q -t 3 -T 20 -O "$2" "$1"
	else
		echo "neither curl nor wget is installed"
		return 1
	fi
}

# upstream_hash DIR: prints the tarball's sha256, from BASE or from the signed list.
upstream_hash() {
	local sums=$1/sha256sums.asc hash
	if [ -n "$upstream_sha256" ]; then
		printf '%s\n' "$upstream_sha256"
		return
	fi
	fetch_url "$upstream_sums" "$sums" >&2 || return 1
	if command -v gpg >/dev/null && gpg --list-keys "$upstream_key" >/dev/null 2>&1; then
		gpg --verify "$sums" >/dev/null 2>&1 ||
			die "the signature of $upstream_sums is bad" "Do not trust this network; try another one"
		note "signature of the checksum list verified" >&2
	else
		warn "the signature of the checksum list is not verified (needs gpg and kernel.org's key $upstream_key)"
	fi
	hash=$(awk -v f="${upstream_url##*/}" '$2 == f { print $1 }' "$sums")
	[ ${#hash} -eq 64 ] || { echo "${upstream_url##*/} is not in $upstream_sums" >&2; return 1; }
	printf '%s\n' "$hash"
}

fetch_from_upstream() { # DIR
	local hash
	hash=$(upstream_hash "$1") || return 1
	note "$upstream_url"
	fetch_url "$upstream_url" "$1/${upstream_url##*/}" || return 1
	printf '%s\n' "$hash" >"$1/${upstream_url##*/}.sha256"
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
		need_space "$dl" 600 "the kernel source package"
		scratch_beside "$dl/fetch"
		step "downloading the base kernel, linux $version (about 165 MB, try $try)"
		if [ "${NN_BASE_FROM:-debian}" = debian ] && fetch_from_debian "$NN_NEW" >"$NN_NEW/why"; then
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
	die "cannot download linux $version: neither the Debian package nor kernel.org could be had" \
	    ${why[@]+"${why[@]}"} \
	    "Is the network up?  Run again when it is, or use a tree you have: KERNEL_SRC=/path/to/linux-$series"
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

pinned_base() {
	local src subject tree
	has_base base "linux $deb_version" "linux $version" && return
	with_lock base
	has_base base "linux $deb_version" "linux $version" && return
	fetch
	need_space "$NN_CACHE" 4096 "unpacking the base kernel"
	open_repo
	src=$(cache_dir git)/unpack
	scratch_beside "$src"
	src=$NN_NEW
	step "unpacking ${NN_SOURCE##*/}"
	case $NN_SOURCE in
	*.deb)
		subject="linux $deb_version"
		dpkg-deb --fsys-tarfile "$NN_SOURCE" | tar -xO "./$deb_tarball" | tar -xJ -C "$src" --strip-components=1
		;;
	*)
		subject="linux $version"
		tar -xJf "$NN_SOURCE" -C "$src" --strip-components=1
		;;
	esac || die "cannot unpack $NN_SOURCE (is the disk full?)" "Free some space and run the same command again"
	check_version "$src/Makefile" "${NN_SOURCE##*/}"
	step "importing it into git (about a minute)"
	tree=$(add_tree "$src" "$src.index") || die "the import into git failed (is the disk full?)" \
		"Free some space and run the same command again"
	rm -f -- "$src.index"
	commit_base "$tree" "$subject" base
	close_repo
}

# --- KERNEL_SRC -------------------------------------------------------------

check_version() { # MAKEFILE NAME
	local v p s e
	v=$(awk '$1 == "VERSION" { print $3; exit }' "$1" 2>/dev/null) || v=
	p=$(awk '$1 == "PATCHLEVEL" { print $3; exit }' "$1" 2>/dev/null) || p=
	s=$(awk '$1 == "SUBLEVEL" { print $3; exit }' "$1" 2>/dev/null) || s=
	e=$(awk '$1 == "EXTRAVERSION" { print $3; exit }' "$1" 2>/dev/null) || e=
	[ -n "$v" ] && [ -n "$p" ] ||
		die "$2 is not a kernel tree: its Makefile names no VERSION and PATCHLEVEL"
	[ "$v.$p" = "$series" ] && [[ $e != -rc* ]] ||
		die "$2 is linux $v.$p.$s$e; the patches are for $series.y" \
		    "Use a v$series or stable $series.y tree, or leave KERNEL_SRC unset"
	NN_VERSION=$v.$p.$s$e
}

foreign_base() {
	local src tree branch makefile dirty
	[ -d "$KERNEL_SRC" ] || die "KERNEL_SRC=$KERNEL_SRC is not a directory" \
		"Give a git tree or an unpacked tree of linux $series.y"
	src=$(cd "$KERNEL_SRC" && pwd -P)
	makefile=$src/Makefile
	[ -f "$makefile" ] && [ -d "$src/kernel/sched" ] || die "KERNEL_SRC=$KERNEL_SRC is not a kernel tree"
	check_version "$makefile" "KERNEL_SRC=$KERNEL_SRC"
	if [ -e "$src/.config" ] || [ -d "$src/include/generated" ] || [ -d "$src/include/config" ]; then
		die "KERNEL_SRC=$KERNEL_SRC has been built or configured in place" \
		    "Clean it (make -C $KERNEL_SRC mrproper), or give a fresh tree"
	fi
	with_lock base
	need_space "$NN_CACHE" 2048 "importing KERNEL_SRC"
	open_repo
	if [ -e "$src/.git" ]; then
		dirty=$(git -C "$src" status --porcelain --untracked-files=normal) ||
			die "git cannot read KERNEL_SRC=$KERNEL_SRC (see above)"
		[ -z "$dirty" ] || die "KERNEL_SRC=$KERNEL_SRC has uncommitted changes:" \
			"$(head -n 3 <<<"$dirty")" "Commit or stash them: what is tested must have a name"
		tree=$(git -C "$src" rev-parse 'HEAD^{tree}')
		if ! g --git-dir "$NN_REPO" rev-parse -q --verify "refs/heads/base-${tree:0:12}" >/dev/null; then
			step "importing linux $NN_VERSION from $src"
			git -C "$src" rev-list --objects "$tree" | cut -d' ' -f1 |
				git -C "$src" pack-objects -q --stdout --window=0 |
				g --git-dir "$NN_REPO" index-pack --stdin >/dev/null ||
				die "importing KERNEL_SRC into git failed (is the disk full?)"
		fi
	else
		# The index outlives us: the next time only what changed is read.
		step "reading linux $NN_VERSION from $src"
		tree=$(add_tree "$src" "$NN_REPO/index-$(hash_text <<<"$src" | cut -c1-12)") ||
			die "importing KERNEL_SRC into git failed (is the disk full?)"
	fi
	branch=base-${tree:0:12}
	g --git-dir "$NN_REPO" rev-parse -q --verify "refs/heads/$branch" >/dev/null ||
		commit_base "$tree" "linux $NN_VERSION" "$branch"
	close_repo
	printf '%s\n' "$branch" >&3
}

"$NN_BUILD/packages.sh" base
if [ -n "${KERNEL_SRC:-}" ]; then
	foreign_base
else
	pinned_base
	printf 'base\n' >&3
fi
