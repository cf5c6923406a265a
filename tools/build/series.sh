#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The series: between patches/ (their stored form), git commits (their working
# form) and the mirrors (plain copies of the files they add).
#
#   series.sh tree        a git tree to edit in: the base and, on it, the series
#   series.sh export      that tree's commits -> patches/ and the mirrors
#   series.sh import      edits in the mirrors -> the commits that own the files
#   series.sh check-sync  patches/ applies, comes out again byte for byte, and
#                         agrees with the mirrors
#   series.sh commit      prints the commit that is base + patches/ (in the
#                         cache's repository)
#   series.sh files       prints the in-tree files that the series touch
#
# With --qemu first, the same for tools/qemu/patches: one series, to QEMU, that
# has neither a marker nor mirrors.
#
# In the tree each series begins with an empty marker commit.  Unlike refs,
# markers survive every rebase and amend.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

MARK='nearnode-series: '
if [ "${1:-}" = --qemu ]; then
	shift
	use_project qemu
	PATCHES=$NN_TOP/tools/qemu
	MAKE='make qemu-' STORED=tools/qemu/patches/
	TREE_NAME=$(basename "$NN_TOP")-qemu
	MARKED=0
else
	PATCHES=${NN_PATCHES:-$NN_TOP/patches}
	MAKE='make ' STORED=patches/
	TREE_NAME=$(basename "$NN_TOP")
	MARKED=1
fi
MIRROR_TOP=${NN_MIRROR_TOP:-$NN_TOP}

# --- patches/ ---------------------------------------------------------------

series_names() {
	[ "$MARKED" -eq 1 ] || { echo patches; return; }
	[ -f "$PATCHES/series.list" ] || return 0
	sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$PATCHES/series.list"
}

patches_of() { { compgen -G "$PATCHES/$1/[0-9]*.patch" || true; } | sort; }

# In order: "series<TAB>patch file"; a series without patches prints nothing.
patch_rows() {
	local s p
	while read -r s; do
		while read -r p; do
			printf '%s\t%s\n' "$s" "$p"
		done < <(patches_of "$s")
	done < <(series_names)
}

patches_hash() {
	local p
	{
		series_names
		while IFS=$'\t' read -r _ p; do
			printf '%s\n' "${p#"$PATCHES"/}"
			cat -- "$p"
		done < <(patch_rows)
	} | hash_text
}

touched_files() {
	local p
	while IFS=$'\t' read -r _ p; do
		sed -n 's|^--- a/||p; s|^+++ b/||p' "$p"
	done < <(patch_rows) | sort -u
}

# --- a scratch repository ---------------------------------------------------

# Sets NN_SCRATCH: a repository of its own that borrows the cache's objects and
# checks out only what the series touch, so that it costs a second.
open_scratch() { # BASE
	local tmp
	tmp=$(cache_dir tmp)
	NN_SCRATCH=$(mktemp -d "$tmp/series.XXXXXX")
	NN_TRASH+=("$NN_SCRATCH")
	g init -q "$NN_SCRATCH"
	printf '%s/objects\n' "$NN_GIT" >"$NN_SCRATCH/.git/objects/info/alternates"
	g -C "$NN_SCRATCH" config core.sparseCheckout true
	{ echo /.gitattributes; touched_files | sed 's|^|/|'; } >"$NN_SCRATCH/.git/info/sparse-checkout"
	g -C "$NN_SCRATCH" update-ref HEAD "$1"
	g -C "$NN_SCRATCH" read-tree -mu HEAD
}

mark_series() { # REPOSITORY NAME
	GIT_AUTHOR_NAME=nearnode GIT_AUTHOR_EMAIL=nearnode@invalid \
	GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' \
		g -C "$1" commit -q --allow-empty -m "$MARK$2"
}

# apply_patches REPOSITORY SKIP: git am takes context exactly as it stands (no
# fuzz).  The same patches give the same commit ids everywhere.  On failure sets
# NN_FAILED to the patch and leaves what applied.
apply_patches() {
	local repo=$1 skip=$2 n=0 s p marked
	marked=$(g -C "$repo" log --format=%s "$NN_BASE_COMMIT..HEAD" | grep -F "$MARK" || true)
	while read -r s; do
		[ "$MARKED" -eq 0 ] || grep -qxF "$MARK$s" <<<"$marked" || mark_series "$repo" "$s"
		while read -r p; do
			n=$((n + 1))
			[ "$n" -gt "$skip" ] || continue
			g -C "$repo" am -q --no-3way --committer-date-is-author-date "$p" >"$repo.am" 2>&1 || {
				NN_FAILED=$p
				NN_WHY=$(grep -E '^(error|fatal): |empty' "$repo.am" | head -n 4)
				rm -f "$repo.am"
				g -C "$repo" am --abort >/dev/null 2>&1 || true
				return 1
			}
		done < <(patches_of "$s")
	done < <(series_names)
	rm -f "$repo.am"
}

set_base() {
	map_rows >/dev/null || die "patches/mirrors.map is malformed" "Each line: MIRROR <- IN-TREE PATH"
	NN_BASE=$("$NN_BUILD/base.sh" "$NN_PROJECT")
	NN_BASE_COMMIT=$(g --git-dir "$NN_GIT" rev-parse "refs/heads/$NN_BASE")
	NN_BASE_NAME=$(g --git-dir "$NN_GIT" log -1 --format=%s "$NN_BASE_COMMIT")
}

patch_failed() { # REMEDY...
	die "${NN_FAILED#"$NN_TOP"/} does not apply to $NN_BASE_NAME" "$NN_WHY" "$@"
}

result_ref() { printf 'refs/nearnode/series/%s\n' "$(printf '%s %s\n' "$NN_BASE_COMMIT" "$(patches_hash)" | hash_text)"; }

keep_result() { g -C "$NN_SCRATCH" push -q -f "$NN_GIT" "HEAD:$(result_ref)"; }

# Sets NN_COMMIT: base + patches/, computed once for each content.
series_commit() {
	NN_COMMIT=$(g --git-dir "$NN_GIT" rev-parse -q --verify "$(result_ref)" || true)
	[ -z "$NN_COMMIT" ] || return 0
	open_scratch "$NN_BASE_COMMIT"
	apply_patches "$NN_SCRATCH" 0 || return 1
	keep_result
	NN_COMMIT=$(g -C "$NN_SCRATCH" rev-parse HEAD)
}

# --- mirrors ----------------------------------------------------------------

# In patches/mirrors.map: "mirror <- in-tree", files or directories.
map_rows() {
	[ -f "$PATCHES/mirrors.map" ] || return 0
	sed 's/#.*//' "$PATCHES/mirrors.map" | awk 'NF == 0 { next }
		NF != 3 || $2 != "<-" { print "bad line in patches/mirrors.map: " $0 > "/dev/stderr"; exit 1 }
		{ print $1 "\t" $3 }'
}

# mirrored REPOSITORY COMMIT: "mirror file<TAB>in-tree file" for each file that
# the series add and the map names.
mirrored() {
	local repo=$1 commit=$2 map mirror intree f
	map=$(map_rows)
	while read -r f; do
		while IFS=$'\t' read -r mirror intree; do
			[ -n "$mirror" ] || continue
			case $f in
			"$intree") printf '%s\t%s\n' "$mirror" "$f"; break ;;
			"$intree"/*) printf '%s\t%s\n' "$mirror${f#"$intree"}" "$f"; break ;;
			esac
		done <<<"$map"
	done < <(g -C "$repo" diff --no-renames --diff-filter=A --name-only "$NN_BASE_COMMIT" "$commit")
}

file_mode() { g -C "$1" ls-tree "$2" -- "$3" | cut -c1-6; }

same_as_mirror() { # REPOSITORY COMMIT IN-TREE MIRROR
	local x=100644
	[ ! -x "$MIRROR_TOP/$4" ] || x=100755
	[ "$(file_mode "$1" "$2" "$3")" = "$x" ] &&
		g -C "$1" cat-file blob "$2:$3" | cmp -s - "$MIRROR_TOP/$4"
}

# Lines "edited|missing|stray<TAB>mirror<TAB>in-tree".
mirror_drift() { # REPOSITORY COMMIT
	local rows mirror intree f
	rows=$(mirrored "$1" "$2")
	while IFS=$'\t' read -r mirror intree; do
		[ -n "$mirror" ] || continue
		if [ ! -f "$MIRROR_TOP/$mirror" ]; then
			printf 'missing\t%s\t%s\n' "$mirror" "$intree"
		elif ! same_as_mirror "$1" "$2" "$intree" "$mirror"; then
			printf 'edited\t%s\t%s\n' "$mirror" "$intree"
		fi
	done <<<"$rows"
	while IFS=$'\t' read -r mirror intree; do
		[ -d "$MIRROR_TOP/$mirror" ] || continue
		while read -r f; do
			f=${f#"$MIRROR_TOP"/}
			cut -f1 <<<"$rows" | grep -qxF -- "$f" || printf 'stray\t%s\t%s\n' "$f" "$intree${f#"$mirror"}"
		done < <(find "$MIRROR_TOP/$mirror" -type f ! -name '*.o' ! -name '*~' ! -name '.*.swp')
	done < <(map_rows)
}

# --- commits -> patches/ ----------------------------------------------------

# format_series REPOSITORY OUT: OUT/<series>/NNNN-*.patch for HEAD's commits.
format_series() {
	local repo=$1 out=$2 from=$NN_BASE_COMMIT name='' commit subject s
	local order=() names
	names=$(series_names)
	# "commit subject" of each marker, then HEAD, which ends the last series.
	while read -r commit subject; do
		case $subject in
		"$MARK"*) ;;
		*) continue ;;
		esac
		format_range "$repo" "$out" "$name" "$from" "$commit^"
		name=${subject#"$MARK"}
		from=$commit
		order+=("$name")
	done < <(g -C "$repo" log --reverse --format='%H %s' "$NN_BASE_COMMIT..HEAD")
	if [ ${#order[@]} -eq 0 ] && [ "$(grep -c . <<<"$names")" -eq 1 ]; then
		name=$names # a tree made by hand, and only one series it can be
	elif [ "$(printf '%s\n' ${order[@]+"${order[@]}"})" != "$names" ]; then
		die "the tree's series are: ${order[*]:-(none)}; patches/series.list says: $(tr '\n' ' ' <<<"$names")" \
		    "Write a new series' name into patches/series.list; in the tree begin it with" \
		    "git commit --allow-empty -m '${MARK}NAME'"
	fi
	format_range "$repo" "$out" "$name" "$from" "$(g -C "$repo" rev-parse HEAD)"
	for s in $names; do mkdir -p "$out/$s"; done
}

format_range() { # REPOSITORY OUT SERIES FROM TO
	[ -n "$(g -C "$1" rev-list --max-count=1 "$4..$5")" ] || return 0
	if [ -z "$3" ]; then
		die "the tree has commits before its first series marker" "Move them behind it with git rebase -i"
	fi
	g -C "$1" -c core.abbrev=12 -c diff.algorithm=histogram format-patch -q \
		--zero-commit --no-signature --no-numbered -o "$2/$3" "$4..$5" ||
		die "git format-patch failed for the series $3"
}

# Puts OUT's patches into patches/ and refreshes the mirrors from HEAD.
write_out() { # REPOSITORY OUT
	local repo=$1 out=$2 s p changed=0 mirror intree
	while read -r s; do
		mkdir -p "$PATCHES/$s"
		while read -r p; do
			[ -e "$out/$s/${p##*/}" ] || { rm -- "$p"; note "gone     ${p#"$NN_TOP"/}"; changed=1; }
		done < <(patches_of "$s")
		for p in "$out/$s"/*.patch; do
			[ -e "$p" ] || continue
			cmp -s "$p" "$PATCHES/$s/${p##*/}" && continue
			cp -- "$p" "$PATCHES/$s/.new" && mv -- "$PATCHES/$s/.new" "$PATCHES/$s/${p##*/}"
			note "written  ${PATCHES#"$NN_TOP"/}/$s/${p##*/}"
			changed=1
		done
	done < <(series_names)
	while IFS=$'\t' read -r mirror intree; do
		same_as_mirror "$repo" HEAD "$intree" "$mirror" 2>/dev/null && continue
		mkdir -p "$(dirname "$MIRROR_TOP/$mirror")"
		g -C "$repo" cat-file blob "HEAD:$intree" >"$MIRROR_TOP/$mirror.new"
		[ "$(file_mode "$repo" HEAD "$intree")" != 100755 ] || chmod +x "$MIRROR_TOP/$mirror.new"
		mv -- "$MIRROR_TOP/$mirror.new" "$MIRROR_TOP/$mirror"
		note "written  $mirror"
		changed=1
	done < <(mirrored "$repo" HEAD)
	# A mirror of a file that the series no longer add.
	while IFS=$'\t' read -r s mirror _; do
		[ "$s" != stray ] || warn "$mirror is not in the series (new there? add it in the tree; obsolete? delete it)"
	done < <(mirror_drift "$repo" HEAD)
	[ "$changed" -eq 1 ] || note "nothing to write: the patches and mirrors are up to date"
}

check_history() { # REPOSITORY
	local odd
	g -C "$1" merge-base --is-ancestor "$NN_BASE_COMMIT" HEAD ||
		die "$1 is not based on $NN_BASE_NAME" "Rebase it: git -C $1 rebase --onto $NN_BASE OLD-BASE"
	odd=$(g -C "$1" log --merges --format='%h %s' "$NN_BASE_COMMIT..HEAD")
	[ -z "$odd" ] || die "the tree has a merge, and a series is a line: $odd"
	odd=$(g -C "$1" log --format='%h %s' "$NN_BASE_COMMIT..HEAD" | grep -E '^[0-9a-f]+ (fixup|squash|amend)! ' | head -n 1 || true)
	[ -z "$odd" ] || die "the tree has a commit still to be folded: $odd" \
		"Fold it: git -C $1 rebase -i --autosquash $NN_BASE"
}

# --- the editing tree -------------------------------------------------------

# Keyed by where this checkout is: clones that share the cache do not meet.
TREE_ID=$(hash_text <<<"${TREE:-$NN_TOP}" | cut -c1-8)
tree_dir() { printf '%s\n' "${TREE:-$NN_CACHE/trees/$TREE_NAME-$TREE_ID}"; }

# What the tree's HEAD and patches/ were when they last agreed.
state_file() { printf '%s/nearnode-state\n' "$(g -C "$1" rev-parse --absolute-git-dir)"; }
state() { sed -n "s/^$2=//p" "$(state_file "$1")" 2>/dev/null || true; }
save_state() {
	printf 'head=%s\npatches=%s\n' "$(g -C "$1" rev-parse HEAD)" "$(patches_hash)" >"$(state_file "$1")"
}

in_progress() { # TREE
	local d
	d=$(g -C "$1" rev-parse --absolute-git-dir)
	[ -e "$d/rebase-merge" ] || [ -e "$d/rebase-apply" ] || [ -e "$d/CHERRY_PICK_HEAD" ]
}

# Refuses to lose work.
may_reset() { # TREE
	local tree=$1 what=''
	if in_progress "$tree"; then
		what="a rebase or git am in progress"
	elif [ -n "$(g -C "$tree" status --porcelain)" ]; then
		what="uncommitted edits"
	elif [ "$(g -C "$tree" rev-parse HEAD)" != "$(state "$tree" head)" ]; then
		what="commits that were not exported"
	else
		return 0
	fi
	[ "${FORCE:-0}" = 1 ] || die "$tree has $what" \
		"Keep them: finish, commit and run ${MAKE}export" \
		"Throw them away: ${MAKE}tree FORCE=1"
	g -C "$tree" am --abort >/dev/null 2>&1 || g -C "$tree" rebase --abort >/dev/null 2>&1 || true
	note "the tree had $what; its old HEAD was $(g -C "$tree" rev-parse --short=12 HEAD)"
}

# Debian's .gitignore ends in "/*", which hides every new file from git status
# and git add.  The tree's own copy does without, and git is told not to look.
show_new_files() { # TREE
	grep -qx '/\*' "$1/.gitignore" 2>/dev/null || return 0
	g -C "$1" update-index --skip-worktree .gitignore
	sed -i '/^\/\*$/d; /^!\/debian\/$/d' "$1/.gitignore"
}

hide_ignore_edit() { # TREE: before a reset, which would trip over it
	g -C "$1" update-index --no-skip-worktree .gitignore 2>/dev/null || return 0
	g -C "$1" checkout -q -- .gitignore
}

verb_tree() {
	local tree applied=0
	set_base
	with_lock "tree-$NN_PROJECT-$TREE_ID"
	tree=$(tree_dir)
	if [ "${CONTINUE:-0}" = 1 ]; then
		continue_tree "$tree"
		return
	fi
	[ ! -e "$tree/.git" ] || may_reset "$tree"
	if series_commit; then
		applied=1
	else
		NN_COMMIT=$(g -C "$NN_SCRATCH" rev-parse HEAD)
		g -C "$NN_SCRATCH" push -q -f "$NN_GIT" "HEAD:refs/nearnode/partial/$TREE_ID"
	fi
	if [ -e "$tree/.git" ]; then
		hide_ignore_edit "$tree"
		g -C "$tree" checkout -q -f -B "nn/$TREE_ID" "$NN_COMMIT"
	else
		step "checking out the tree"
		need_space "$NN_CACHE" 2600 "the editing tree"
		cache_dir trees >/dev/null
		rm -rf -- "$tree"
		g --git-dir "$NN_GIT" worktree prune
		g --git-dir "$NN_GIT" worktree add -q -f -B "nn/$TREE_ID" "$tree" "$NN_COMMIT" ||
			die "cannot check out $tree" "Free some space and run ${MAKE}tree again"
	fi
	show_new_files "$tree"
	if [ "$applied" -eq 0 ]; then
		note "the tree holds the patches before it: $tree"
		patch_failed "To go on, in that tree: git am -3 $NN_FAILED" \
			"resolve, git add, git am --continue; then: ${MAKE}tree CONTINUE=1 and ${MAKE}export"
	fi
	save_state "$tree"
	say "tree: $tree (branch nn/$TREE_ID, $(g -C "$tree" rev-list --count "$NN_BASE_COMMIT..HEAD") commits on $NN_BASE_NAME)"
	note "edit and commit there, then: ${MAKE}export"
}

continue_tree() { # TREE
	local tree=$1 n
	[ -e "$tree/.git" ] || die "there is no tree to continue in" "${MAKE}tree"
	in_progress "$tree" && die "git am is still in progress in $tree" "Finish it: git am --continue"
	n=$(g -C "$tree" log --format=%s "$NN_BASE_COMMIT..HEAD" | grep -cvF "$MARK" || true)
	apply_patches "$tree" "$n" || patch_failed \
		"In $tree: git am -3 $NN_FAILED, resolve, git am --continue; then again: ${MAKE}tree CONTINUE=1"
	# HEAD differs from patches/ now, and patches/ is what is to be replaced.
	printf 'head=\npatches=%s\n' "$(patches_hash)" >"$(state_file "$tree")"
	say "tree: $tree has all patches; now: ${MAKE}export"
}

verb_export() {
	local tree drift out
	set_base
	with_lock "tree-$NN_PROJECT-$TREE_ID"
	tree=$(tree_dir)
	[ -e "$tree/.git" ] || die "there is no tree to export from ($tree)" "${MAKE}tree"
	! in_progress "$tree" || die "$tree has a rebase or git am in progress" "Finish it first"
	[ -z "$(g -C "$tree" status --porcelain --untracked-files=no)" ] ||
		die "$tree has uncommitted edits" "Commit (or stash) them, then ${MAKE}export"
	check_history "$tree"
	if [ -n "$(state "$tree" patches)" ] && [ "${FORCE:-0}" != 1 ]; then
		[ "$(state "$tree" patches)" = "$(patches_hash)" ] ||
			die "$STORED has changed since the tree was made (make import, or git)" \
			    "Keep the tree's work: git -C $tree format-patch its commits aside, ${MAKE}tree FORCE=1, git am them" \
			    "Or overwrite the patches: ${MAKE}export FORCE=1"
	fi
	if [ -n "$(state "$tree" head)" ] && [ "${FORCE:-0}" != 1 ]; then
		drift=$(mirror_drift "$tree" "$(state "$tree" head)" | awk -F'\t' '$1 == "edited" { print $2 }')
		[ -z "$drift" ] || die "mirrors have edits that an export would lose: $(tr '\n' ' ' <<<"$drift")" \
			"Take them in first: make import; or overwrite them: make export FORCE=1"
	fi
	out=$(mktemp -d "$(cache_dir tmp)/export.XXXXXX")
	NN_TRASH+=("$out")
	step "exporting $(g -C "$tree" rev-list --count "$NN_BASE_COMMIT..HEAD") commits of $tree"
	format_series "$tree" "$out"
	write_out "$tree" "$out"
	save_state "$tree"
	say "exported to $STORED"
}

verb_import() {
	local rows kind mirror intree owner edited=0 out
	set_base
	with_lock "tree-$NN_PROJECT-$TREE_ID"
	open_scratch "$NN_BASE_COMMIT"
	apply_patches "$NN_SCRATCH" 0 || patch_failed "${MAKE}tree shows how to go on"
	rows=$(mirror_drift "$NN_SCRATCH" HEAD)
	while IFS=$'\t' read -r kind mirror intree; do
		case $kind in
		missing) die "$mirror is gone, and the series add it" \
			"Restore it: git checkout -- $mirror; or remove the file in the tree (make tree)" ;;
		stray) die "$mirror is not a file that the series add" \
			"A new file needs a commit that owns it: make tree, add $intree there, commit, make export" ;;
		esac
	done <<<"$rows"
	while IFS=$'\t' read -r kind mirror intree; do
		[ -n "$kind" ] || continue
		owner=$(g -C "$NN_SCRATCH" log -1 --format=%H "$NN_BASE_COMMIT..HEAD" -- "$intree")
		cp -- "$MIRROR_TOP/$mirror" "$NN_SCRATCH/$intree"
		g -C "$NN_SCRATCH" add -f -- "$intree"
		GIT_AUTHOR_NAME=nearnode GIT_AUTHOR_EMAIL=nearnode@invalid \
			g -C "$NN_SCRATCH" commit -q --fixup="$owner"
		note "$mirror -> $(g -C "$NN_SCRATCH" log -1 --format='"%s"' "$owner")"
		edited=1
	done <<<"$rows"
	if [ "$edited" -eq 0 ]; then
		say "nothing to import: the mirrors are as the series have them"
		return
	fi
	GIT_SEQUENCE_EDITOR=: GIT_EDITOR=: g -C "$NN_SCRATCH" rebase -q -i --autosquash \
		--committer-date-is-author-date "$NN_BASE_COMMIT" >"$NN_SCRATCH.log" 2>&1 || {
		cat "$NN_SCRATCH.log" >&2
		rm -f "$NN_SCRATCH.log"
		die "the edits do not fold into the commits that own the files" "Make them in the tree: make tree"
	}
	rm -f "$NN_SCRATCH.log"
	out=$(mktemp -d "$(cache_dir tmp)/export.XXXXXX")
	NN_TRASH+=("$out")
	format_series "$NN_SCRATCH" "$out"
	write_out "$NN_SCRATCH" "$out"
	keep_result
	[ ! -e "$(tree_dir)/.git" ] || note "the tree is older now: make tree brings it up to date"
	say "imported: $PATCHES"
}

verb_check_sync() {
	local out s bad=0 n=0 kind mirror
	set_base
	for s in "$PATCHES"/*/; do
		[ "$MARKED" -eq 1 ] || break
		[ -d "$s" ] || continue
		s=$(basename "$s")
		if ! series_names | grep -qxF "$s"; then
			warn "patches/$s is not in patches/series.list"
			bad=1
		fi
	done
	open_scratch "$NN_BASE_COMMIT"
	apply_patches "$NN_SCRATCH" 0 || patch_failed "${MAKE}tree shows how to go on"
	out=$(mktemp -d "$(cache_dir tmp)/export.XXXXXX")
	NN_TRASH+=("$out")
	format_series "$NN_SCRATCH" "$out"
	while read -r s; do
		n=$((n + $(patches_of "$s" | grep -c . || true)))
		mkdir -p "$out/$s" "$out/.have/$s"
		for p in "$PATCHES/$s"/*.patch; do
			[ ! -e "$p" ] || cp -- "$p" "$out/.have/$s/"
		done
		diff -r -u "$out/.have/$s" "$out/$s" >"$out/.diff" && continue
		warn "${PATCHES#"$NN_TOP"/}/$s does not come out of its own commits byte for byte:"
		head -n 15 "$out/.diff" >&2
		warn "repair: ${MAKE}tree && ${MAKE}export"
		bad=1
	done < <(series_names)
	while IFS=$'\t' read -r kind mirror _; do
		case $kind in
		edited) warn "$mirror differs from the series; repair: make import (keep the edit) or git checkout -- $mirror" ;;
		missing) warn "$mirror is missing; repair: make tree && make export" ;;
		stray) warn "$mirror is not in the series; repair: add it in the tree (make tree, make export) or delete it" ;;
		esac
		bad=1
	done < <(mirror_drift "$NN_SCRATCH" HEAD)
	[ "$bad" -eq 0 ] || die "patches, commits and mirrors are out of sync (see above)"
	keep_result
	n="$n patches on $NN_BASE_NAME"
	[ "$MARKED" -eq 0 ] || n+=", $(mirrored "$NN_SCRATCH" HEAD | grep -c . || true) mirrored files"
	say "in sync: $n"
}

case ${1:-} in
tree) verb_tree ;;
export) verb_export ;;
import)
	[ "$MARKED" -eq 1 ] || die "QEMU's patches have no mirrors to import from" "${MAKE}tree, edit there, ${MAKE}export"
	verb_import
	;;
check-sync) verb_check_sync ;;
commit)
	set_base
	series_commit || patch_failed "${MAKE}tree shows how to go on"
	printf '%s\n' "$NN_COMMIT"
	;;
files) touched_files ;;
*) die "usage: series.sh tree|export|import|check-sync|commit|files" ;;
esac
