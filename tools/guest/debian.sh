# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Trees for the guest that are put together from Debian's arm64 packages and the shared
# libraries that their programs name. Sourced after lib.sh and kbuild.sh.
# shellcheck disable=SC2034  # DEB is for those who source it

MULTIARCH=aarch64-linux-gnu

# from_debian PACKAGE: unpacks it, once; sets DEB.
from_debian() {
	DEB=$NN_CACHE/guest/$ARCH/deb/$1
	[ -d "$DEB" ] || "$NN_BUILD/packages.sh" --unpack "$1:arm64" "$DEB" >&2
}

# wanted_by FILE...: the shared libraries that these name.
wanted_by() {
	readelf -d "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u
}

# Copies the libraries that the tree's programs need, those that these need, and so on:
# the host's for arm64, if it has them, or those of packages that were unpacked.
add_libraries() { # TREE PROGRAM...
	local tree=$1 lib from found=1 debs=$NN_CACHE/guest/$ARCH/deb
	shift
	mkdir -p "$tree/lib/$MULTIARCH"
	while [ "$found" = 1 ]; do
		found=0
		while read -r lib; do
			[ ! -e "$tree/lib/$MULTIARCH/$lib" ] || continue
			for from in {/usr,}/lib/$MULTIARCH "$debs"/*/{usr/,}lib/"$MULTIARCH" ''; do
				[ ! -f "$from/$lib" ] || break
			done
			[ -n "$from" ] || die "a tree for the guest needs the library $lib, which is not here" \
				"Remove $debs and run again, or tell which package has it"
			cp -L -- "$from/$lib" "$tree/lib/$MULTIARCH/$lib"
			found=1
		done < <(wanted_by "$@" "$tree/lib/$MULTIARCH/"*)
	done
	ln -s "$MULTIARCH/ld-linux-aarch64.so.1" "$tree/lib/ld-linux-aarch64.so.1"
}
