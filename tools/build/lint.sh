#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh [own|series|qemu]: static checks of our own code; of the series: what
# the kernel's tools say of the patches, and builds of the objects they touch,
# commit by commit and in configurations that the test kernels do not have; and
# what QEMU's tools say of tools/qemu/patches (qemu.sh commits builds each).
# A build passes when it succeeds and warns of nothing that stock does not.
# Prints one "ok" or "not ok" line for each check.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=kbuild.sh
. "$NN_BUILD/kbuild.sh"

# Name, architecture, what differs from the test kernel's configuration.
# (arm64 has no kernel without SMP.)
gates() {
	cat <<-EOF
	arm64		arm64
	arm64-nonuma	arm64	CONFIG_NUMA=n
	arm64-noscx	arm64	CONFIG_SCHED_CLASS_EXT=n
	arm64-64k	arm64	CONFIG_ARM64_64K_PAGES=y
	x86_64		x86_64
	x86_64-nonuma	x86_64	CONFIG_NUMA=n
	x86_64-noscx	x86_64	CONFIG_SCHED_CLASS_EXT=n
	x86_64-up	x86_64	CONFIG_SMP=n CONFIG_KUNIT=n
	x86_64-swap	x86_64	CONFIG_SWAP=y
	EOF
}

TESTS=0
BAD=0
report() { # STATUS NAME [DIAGNOSTIC]
	TESTS=$((TESTS + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$TESTS" "$2"
	else
		BAD=$((BAD + 1))
		printf 'not ok %d - %s\n' "$TESTS" "$2"
		[ -z "${3:-}" ] || head -n 25 <<<"$3" | sed 's/^/# /'
	fi
}

# --- our own code -----------------------------------------------------------

# Files of this repository that are not mirrors of the series' files.
own_files() { # PATTERN...
	local mirrors=
	[ ! -f "$NN_TOP/patches/mirrors.map" ] ||
		mirrors=$(sed 's/#.*//' "$NN_TOP/patches/mirrors.map" | awk 'NF { print $1 }')
	(cd "$NN_TOP" && git ls-files -co --exclude-standard -- "$@") | sort -u |
		while read -r f; do
			[ -f "$NN_TOP/$f" ] || continue
			awk -v f="$f" '$0 != "" && (f == $0 || index(f, $0 "/") == 1) { hit = 1 } END { exit hit }' \
				<<<"$mirrors" && printf '%s\n' "$f"
		done || true
}

shell_files() {
	own_files | while read -r f; do
		case $f in
		*.patch | *.md | *.c | *.h | *.log) continue ;;
		*.sh) printf '%s\n' "$f" ;;
		*) head -n 1 "$NN_TOP/$f" | tr -d '\0' | grep -qE '^#!.*/(env )?(ba|da|)sh\b' && printf '%s\n' "$f" ;;
		esac
	done || true
}

lint_own() {
	local f files out bad
	cd "$NN_TOP"

	# All at once tells that they are well; which of them is not takes longer.
	mapfile -t files < <(shell_files)
	if printf '%s\0' "${files[@]}" | xargs -0 -n 8 -P "$NN_JOBS" shellcheck >/dev/null 2>&1; then
		report 0 "shellcheck: ${#files[@]} files"
	else
		for f in "${files[@]}"; do
			out=$(shellcheck "$f" 2>&1) || report 1 "shellcheck: $f" "$out"
		done
	fi

	mapfile -t files < <(own_files '*.c' | grep -v '\.bpf\.c$')
	if [ ${#files[@]} -gt 0 ]; then
		out=$(cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr \
			--suppress=missingIncludeSystem --error-exitcode=1 "${files[@]}" 2>&1) &&
			report 0 "cppcheck: ${#files[@]} files" || report 1 "cppcheck: ${#files[@]} files" "$out"
	fi

	mapfile -t files < <(own_files | grep -vE '\.(patch|json|svg|png)$|/fixtures/|^LICENSE$')
	bad=
	for f in "${files[@]}"; do
		head -n 5 "$f" | grep -q 'SPDX-License-Identifier: ' || bad+=$f$'\n'
	done
	[ -z "$bad" ] && report 0 "SPDX identifier in ${#files[@]} files" || report 1 "SPDX identifier" "$bad"

	mapfile -t files < <(own_files | grep -vE '\.(patch|json|svg|png)$|/fixtures/|^LICENSE$')
	out=$(codespell --ignore-words-list=extraversion,borken,nd,te,damon "${files[@]}" 2>&1) &&
		report 0 "codespell: ${#files[@]} files" || report 1 "codespell: ${#files[@]} files" "$out"
}

# --- the series -------------------------------------------------------------

# What the makefile of DIRECTORY, or the one above it, says that OBJECT depends on: a
# symbol, or "-" when it is always built. Fails when neither builds it.
symbol_of() { # DIRECTORY OBJECT
	local line object=$2 symbol
	line=$(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' "$SRC/$1/Makefile" 2>/dev/null |
		grep -E "^[a-z_]+-[^ ]*[[:space:]]*[:+]?=(.*[[:space:]])?$object([[:space:]]|\$)" | head -n 1 || true)
	if [ -z "$line" ]; then
		[[ $object != */* && $1 = */* ]] || return 1
		symbol_of "${1%/*}" "${1##*/}/$object"
		return
	fi
	symbol=$(sed -n 's/^[a-z_]*-\$(\(CONFIG_[A-Z0-9_]*\)).*/\1/p' <<<"$line")
	# part of a module of several objects
	[ -n "$symbol" ] || case $line in
	obj-* | lib-*) ;;
	*) symbol=$(symbol_of "$1" "${line%%-*}.o") || symbol= ;;
	esac
	printf '%s\n' "${symbol:--}"
}

# objects_of FILE: prints "object config-symbol" ("-" when always built).  A
# file that is #included by another (kernel/sched, KUnit tests) is looked for
# in that one.
objects_of() {
	local f=$1 dir base symbol includer includers
	dir=$(dirname "$f")
	base=$(basename "$f" .c)
	case $f in
	tools/* | Documentation/* | scripts/*) return ;;
	kernel/*/*.h | mm/*.h | drivers/*.h)
		# A private header: whoever is in reach includes it.
		;;
	include/*.h)
		# Who includes it of what the series touch; and two that all of them reach.
		includers=$(cd "$SRC" && grep '\.c$' <<<"$TOUCHED" | xargs -r grep -lF "#include <${f#include/}>" || true)
		for f in $includers kernel/sched/core.c mm/mempolicy.c; do
			objects_of "$f"
		done
		return
		;;
	*.c)
		if symbol=$(symbol_of "$dir" "$base.o"); then
			printf '%s %s\n' "$dir/$base.o" "$symbol"
			return
		fi
		;;
	*) return ;;
	esac
	# Of a header that all of mm/ includes, those will do that the series touch.
	includers=$(cd "$SRC" && grep -lE "^#include \"([^\"]*/)?$(basename "$f")\"" "$dir"/*.c "$dir"/../*.c 2>/dev/null |
		xargs -r -n1 realpath --relative-to=. || true)
	[ "$(grep -c . <<<"$includers" || true)" -le 8 ] || includers=$(grep -xF "$TOUCHED" <<<"$includers" || true)
	while read -r includer; do
		[ -z "$includer" ] || [ "$includer" = "$f" ] || objects_of "$includer"
	done <<<"$includers"
}

# The objects that hold the files that are read.
objects_of_all() {
	local f
	while read -r f; do objects_of "$f"; done | sort -u
}

# Sets OBJ for a gate, and what it is to be configured with.
open_gate() { # ARCH LINES...
	local lines
	set_arch "$1"
	shift
	OBJ=$NN_CACHE/build/${SRC##*/}-$ARCH
	mkdir -p "$OBJ"
	lines=$(printf '%s\n' "$@")
	{ wanted series; printf '%s\n' "$lines"; } >"$OBJ/nearnode-wanted"
	GATE_HASH=$(cat "$OBJ/nearnode-wanted" <("${GNU}gcc" --version) | hash_text)
	GATE_LINES=$lines
}

# Most commits leave the questions alone, so the answers stand.
configure_gate() { # COMMIT
	local line questions
	questions=$({ echo "$GATE_HASH"; g -C "$SRC" ls-tree -r "$1" | grep -E '[/[:space:]](Kconfig|scripts/)'; } | hash_text)
	[ "$(cat "$OBJ/nearnode-configured" 2>/dev/null)" != "$questions" ] || return 0
	rm -f -- "$OBJ/nearnode-configured"
	KCONFIG_ALLCONFIG=$OBJ/nearnode-wanted kmake allnoconfig >"$OBJ/config.log" 2>&1 || return 1
	for line in $GATE_LINES; do
		case $line in
		*=n) ! grep -q "^${line%=n}=" "$OBJ/.config" ;;
		*) grep -qx "$line" "$OBJ/.config" ;;
		esac || { echo "$line did not hold" >>"$OBJ/config.log"; return 1; }
	done
	printf '%s\n' "$questions" >"$OBJ/nearnode-configured"
}

# Where the warnings of a build are kept.
kept_warnings() { # COMMIT MODE OBJECTS
	printf '%s/lint/%s\n' "$NN_CACHE" \
		"$(printf '%s\n' "$(g -C "$SRC" rev-parse "$1^{tree}")" "$GATE_HASH" "$2" "$3" format-2 | hash_text)"
}

# warnings COMMIT MODE OBJECTS: prints what building them says, without line
# numbers so that it can be compared; fails when the build does.  Kept by content.
warnings() {
	local commit=$1 mode=$2 objects=$3 kept log here=() o symbol flags=(W=1)
	kept=$(kept_warnings "$commit" "$mode" "$objects")
	if [ ! -f "$kept" ]; then
		log=$OBJ/nearnode-lint.log
		[ "$mode" != sparse ] || flags+=(C=2)
		[ "${IN_PLACE:-}" = "$commit" ] || NN_COMMIT=$commit checkout
		configure_gate "$commit" || { tail -n 5 "$OBJ/config.log"; return 1; }
		while read -r o symbol; do
			[ "$symbol" = - ] || grep -q "^$symbol=y" "$OBJ/.config" || continue
			[[ $o != arch/* || $o = arch/${ARCH%_64}/* ]] || continue
			[ -e "$SRC/${o%.o}.c" ] || continue # not there yet at this commit
			here+=("$o")
			rm -f -- "$OBJ/$o"
		done <<<"$objects"
		[ ${#here[@]} -eq 0 ] || kmake "${flags[@]}" "${here[@]}" >"$log" 2>&1 || {
			grep -E 'error|Error|\*\*\*' "$log" | head -n 15
			return 1
		}
		{ [ ${#here[@]} -eq 0 ] || grep -E ': (warning|error): ' "$log" || true; } |
			sed -E "s|(\\.\\./)*$SRC/||; s|^(\\.\\./)+src/lint[^/]*/||; s|:[0-9]+:([0-9]+:)?|:|" | sort >"$kept.new"
		mv -- "$kept.new" "$kept"
	fi
	cat "$kept"
}

gate_mode() { # LINES...
	[ $# -eq 0 ] && echo sparse || echo build
}

# Those of an architecture follow each other in one directory, so that the kernel's own
# tools are built once for each, and the architectures are built side by side. Stock is
# built where ours warns, to tell what is new. Whatever fails here is told when it is
# looked at.
build_gates() { # OBJECTS
	local commit each name arch lines IN_PLACE
	for commit in "$TIP" "$BASE_COMMIT"; do
		NN_COMMIT=$commit checkout
		IN_PLACE=$commit
		for each in arm64 x86_64; do
			while read -r name arch lines; do
				[ "$arch" = "$each" ] || continue
				# shellcheck disable=SC2086  # a list of lines
				open_gate "$arch" $lines
				# shellcheck disable=SC2086
				mode=$(gate_mode $lines)
				[ "$commit" = "$TIP" ] || [ -s "$(kept_warnings "$TIP" "$mode" "$1")" ] || continue
				warnings "$commit" "$mode" "$1" || true
			done < <(gates) >/dev/null 2>&1 &
		done
		wait
	done
}

# The objects that hold what a commit touches; SRC stands at the tip.
objects_of_commit() { # COMMIT
	g -C "$SRC" diff-tree -r --no-commit-id --no-renames --diff-filter=d --name-only "$1" | objects_of_all
}

build_chain() { # WORKTREE COMMITS
	local SRC=$1 commit
	open_gate arm64
	while read -r commit; do
		[ -z "$commit" ] || warnings "$commit" build "${OBJECTS[$commit]}"
	done <<<"$2"
}

# The older half and the newer half side by side, each in a work tree of its own: what a
# header of many users changes is compiled again once. The newer half ends where the
# gates have been.
build_commits() { # COMMITS
	local nr half
	nr=$(wc -l <<<"$1")
	half=$((NN_JOBS < 2 ? 0 : nr / 2))
	build_chain "$SRC-1" "$(head -n "$half" <<<"$1")" >/dev/null 2>&1 &
	build_chain "$SRC" "$(tail -n "+$((half + 1))" <<<"$1" | tac)" >/dev/null 2>&1 &
	wait
}

compare_build() { # NAME COMMIT MODE OBJECTS
	local stock mine new
	mine=$(warnings "$2" "$3" "$4") || { report 1 "$1" "$mine"; return; }
	[ -n "$mine" ] || { report 0 "$1"; return; }
	stock=$(warnings "$BASE_COMMIT" "$3" "$4") || { report 1 "$1" "stock does not build: $stock"; return; }
	new=$(comm -13 <(sort <<<"$stock") <(sort <<<"$mine"))
	[ -z "$new" ] && report 0 "$1" || report 1 "$1" "$new"
}

# checkpatch's FILE_PATH_CHANGES asks of every new file whether MAINTAINERS needs
# a line, and cannot tell when it does not.  get_maintainer can.
lint_maintainers() {
	local f who bad=
	while read -r f; do
		who=$(cd "$SRC" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --no-l --no-rolestats \
			--no-n -f "$f" 2>/dev/null | grep -v '^torvalds@' || true)
		[ -n "$who" ] || bad+="$f belongs to no section of MAINTAINERS"$'\n'
	done < <(g -C "$SRC" diff --no-renames --diff-filter=A --name-only "$BASE_COMMIT" "$TIP")
	[ -z "$bad" ] && report 0 "MAINTAINERS covers every new file" || report 1 "MAINTAINERS" "$bad"
}

# The message and what is added; what is removed was not ours.
lint_spelling() { # PATCH NAME
	local out
	out=$(grep -vE '^([- ]|diff |index |@@)' "$1" | codespell --ignore-words-list=nd,te,damon - 2>&1) &&
		report 0 "codespell: $2" || report 1 "codespell: $2" "$out"
}

# Signing off is the human sender's; the base is one commit, which knows none of those that
# a Fixes: tag names.  What is only under tools/, and described in
# Documentation/, is user space and BPF: there "const volatile" is how a loader hands over constants, RESIZABLE_ARRAY()
# looks like a function and SCX_BUG_ON() ends a program, not a kernel.
lint_patches() {
	local p ignore options=()
	while read -r p; do
		ignore=MISSING_SIGN_OFF,FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID
		grep '^diff --git ' "$p" | grep -qvE '^diff --git a/(tools|Documentation)/' ||
			ignore+=,VOLATILE,AVOID_EXTERNS,FUNCTION_ARGUMENTS,AVOID_BUG
		options+=("--strict --ignore $ignore")
	done < <(patches patches/\*)
	checkpatch "$SRC" 'checkpatch --strict' patches/\* "${options[@]}"
}

lint_qemu() {
	local src options=()
	src=$("$NN_BUILD/qemu.sh" src)
	while read -r _; do options+=(--no-signoff); done < <(patches tools/qemu/patches)
	checkpatch "$src" checkpatch tools/qemu/patches "${options[@]}"
}

patches() { # DIRECTORY
	compgen -G "$NN_TOP/$1/[0-9]*.patch" | sort
}

# What the checkpatch of SRC says of each patch, side by side; then the spelling.
checkpatch() { # SRC NAME DIRECTORY OPTIONS-OF-EACH...
	local src=$1 name=$2 dir=$3 said p i=0 running=0 short
	shift 3
	said=$(mktemp -d "$(cache_dir tmp)/lint.XXXXXX")
	NN_TRASH+=("$said")
	while read -r p; do
		[ "$running" -lt "$NN_JOBS" ] || { wait -n || true; running=$((running - 1)); }
		i=$((i + 1))
		# Without GIT_DIR checkpatch would look commit ids up in a repository
		# that has no history.
		# shellcheck disable=SC2086  # a list of options
		(cd "$src" && GIT_DIR=/nonexistent perl scripts/checkpatch.pl --no-color ${!i} "$p") \
			>"$said/$i" 2>&1 &
		running=$((running + 1))
	done < <(patches "$dir")
	wait
	i=0
	while read -r p; do
		i=$((i + 1))
		short=${p#"$NN_TOP/"}
		short=${short#patches/}
		grep -qE '^total: 0 errors, 0 warnings, (0 checks, )?[0-9]+ lines' "$said/$i" &&
			report 0 "$name: $short" || report 1 "$name: $short" "$(cat "$said/$i")"
		lint_spelling "$p" "$short"
	done < <(patches "$dir")
}

kernel_doc() { # COMMIT FILES
	NN_COMMIT=$1 checkout
	(cd "$SRC" && for f in $2; do
		[ ! -f "$f" ] || python3 scripts/kernel-doc -Wall -none "$f" 2>&1
	done) | sed -E 's/:[0-9]+/:/' | sort
}

lint_kernel_doc() {
	local files stock mine new
	files=$(grep -E '\.[ch]$' <<<"$TOUCHED" | tr '\n' ' ')
	[ -n "$files" ] || return 0
	stock=$(kernel_doc "$BASE_COMMIT" "$files")
	mine=$(kernel_doc "$TIP" "$files")
	new=$(comm -13 <(echo "$stock") <(echo "$mine"))
	[ -z "$new" ] && report 0 "kernel-doc: nothing new" || report 1 "kernel-doc" "$new"
}

lint_series() {
	local base commit commits objects name arch lines
	base=$("$NN_BUILD/base.sh")
	BASE_COMMIT=$(g --git-dir "$NN_GIT" rev-parse "refs/heads/$base")
	TIP=$("$NN_BUILD/series.sh" commit)
	SRC=$NN_CACHE/src/lint
	[ "$base" = base ] || SRC+=@${base#base-}
	with_lock "src-${SRC##*/}"
	cache_dir lint >/dev/null
	NN_COMMIT=$TIP checkout
	# kernel sources
	TOUCHED=$(g -C "$SRC" diff --no-renames --diff-filter=d --name-only "$BASE_COMMIT" "$TIP")
	if [ -z "$TOUCHED" ]; then
		say "# the series have no patches yet"
		return
	fi

	lint_patches
	lint_maintainers
	lint_kernel_doc

	NN_COMMIT=$TIP checkout
	objects=$(objects_of_all <<<"$TOUCHED")
	[ -n "$objects" ] || return 0
	say "# objects: $(awk '{ print $1 }' <<<"$objects" | tr '\n' ' ')"

	build_gates "$objects"
	while read -r name arch lines; do
		# shellcheck disable=SC2086  # a list of lines
		open_gate "$arch" $lines
		if [ -z "$lines" ]; then
			compare_build "sparse and W=1: $name" "$TIP" sparse "$objects"
		else
			compare_build "W=1 with $lines: ${name%%-*}" "$TIP" build "$objects"
		fi
	done < <(gates)

	commits=$(g -C "$SRC" log --reverse --format='%H %s' "$BASE_COMMIT..$TIP" | grep -v ' nearnode-series: ' | cut -d' ' -f1)
	NN_COMMIT=$TIP checkout
	declare -A OBJECTS
	while read -r commit; do OBJECTS[$commit]=$(objects_of_commit "$commit"); done <<<"$commits"
	build_commits "$commits"
	open_gate arm64
	while read -r commit; do
		compare_build "builds: $(g -C "$SRC" log -1 --format=%s "$commit")" "$commit" build "${OBJECTS[$commit]}"
	done <<<"$commits"
}

"$NN_BUILD/packages.sh" base kernel lint arm64 x86
case ${1:-all} in
own) lint_own ;;
series) lint_series ;;
qemu) lint_qemu ;;
all) lint_own; lint_series; lint_qemu ;;
*) die "usage: lint.sh [own|series|qemu]" ;;
esac
printf '1..%d\n' "$TESTS"
[ "$BAD" -eq 0 ]
