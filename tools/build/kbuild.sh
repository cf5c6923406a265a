# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernel builds: architecture and configuration.  Shared by kernel.sh
# and lint.sh, which source it after lib.sh.
# shellcheck disable=SC2034  # used by those who source it

CONFIGS=$NN_TOP/kernel-config

# Sets what depends on the architecture.
set_arch() { # ARCH
	ARCH=$1
	case $ARCH in
	arm64) IMAGE=Image IMAGE_PATH=arch/arm64/boot/Image GNU=aarch64-linux-gnu- HOST=aarch64 ;;
	x86_64) IMAGE=bzImage IMAGE_PATH=arch/x86/boot/bzImage GNU=x86_64-linux-gnu- HOST=x86_64 ;;
	*) die "unknown ARCH=$ARCH" "ARCH=arm64 (the default) or ARCH=x86_64" ;;
	esac
	[ "$(uname -m)" != "$HOST" ] || GNU=''
}

set_arch "${ARCH:-arm64}"
VARIANT=${VARIANT:-}
[ -z "$VARIANT" ] || [ -f "$CONFIGS/$VARIANT.config" ] ||
	die "unknown VARIANT=$VARIANT: there is no kernel-config/$VARIANT.config" \
	    "VARIANT=debug, or leave it unset"

# The same source gives the same bytes.
export KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP=2026-01-01 KBUILD_BUILD_USER=nearnode KBUILD_BUILD_HOST=nearnode

# --- configuration ----------------------------------------------------------

fragments() { # WHICH
	printf '%s\n' "$CONFIGS/common.config" "$CONFIGS/$ARCH.config"
	[ -z "$VARIANT" ] || printf '%s\n' "$CONFIGS/$VARIANT.config"
	# Symbols that only the series know.
	if [ "$1" = series ]; then
		compgen -G "$CONFIGS/series.config" || true
		compgen -G "$CONFIGS/series-$ARCH.config" || true
	fi
}

# Later fragments win, so what counts is the last line for each symbol.
wanted() { # WHICH
	local files
	mapfile -t files < <(fragments "$1")
	awk '
		/^CONFIG_[A-Za-z0-9_]+=/ { s = $0; sub(/=.*/, "", s) }
		/^# CONFIG_[A-Za-z0-9_]+ is not set$/ { s = $2 }
		!/^(CONFIG_|# CONFIG_.* is not set$)/ { next }
		{ if (!(s in line)) order[++n] = s; line[s] = $0 }
		END { for (i = 1; i <= n; i++) print line[order[i]] }
	' "${files[@]}"
}

# A symbol whose dependency is missing vanishes without a word (SCHED_CLASS_EXT
# does when BTF cannot be built), so every line is looked up in the result.
assert_config() { # WHICH CONFIG
	local line symbol missing=()
	while read -r line; do
		case $line in
		'# '*)
			symbol=${line#\# }
			symbol=${symbol%% *}
			! grep -q "^$symbol=" "$2" || missing+=("$line (is: $(grep "^$symbol=" "$2"))")
			;;
		*=n)
			symbol=${line%%=*}
			! grep -q "^$symbol=" "$2" || missing+=("$line (is: $(grep "^$symbol=" "$2"))")
			;;
		*)
			grep -qxF -- "$line" "$2" ||
				missing+=("$line (is: $(grep -E "^(# )?${line%%=*}[ =]" "$2" || echo 'unknown or dependencies unmet'))")
			;;
		esac
	done < <(wanted "$1")
	[ ${#missing[@]} -eq 0 ] ||
		die "the kernel's configuration lacks ${#missing[@]} requested symbols ($ARCH $1${VARIANT:+ $VARIANT}):" "${missing[@]}" \
		    "Add what they depend on to kernel-config/ (menuconfig's search names it)"
}

kmake() {
	# An empty LOCALVERSION keeps git's "+" out of the release.
	make -C "$SRC" O="$OBJ" LOCALVERSION="${NN_LOCALVERSION:-}" ARCH="$ARCH" CROSS_COMPILE="ccache $GNU" -j"$NN_JOBS" "$@"
}

# From scratch each time, so that the result does not depend on what was
# configured here before; kconfig leaves .config alone when nothing changes.
configure() { # WHICH
	mkdir -p "$OBJ"
	wanted "$1" >"$OBJ/nearnode-wanted"
	KCONFIG_ALLCONFIG=$OBJ/nearnode-wanted \
		run_logged "$OBJ/nearnode-config.log" "configuration" kmake allnoconfig
	assert_config "$1" "$OBJ/.config"
}
