#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# apps.sh: puts together, from Debian's arm64 packages, the servers that the guest measures
# schedulers with, what asks them, and a load that breaks schedulers. Prints where they lie,
# each a root of its own:
#
#   redis         redis-server redis-benchmark
#   nginx         nginx
#   postgresql    postgres initdb pgbench, without the compiler of queries (JIT) and psql
#   stress-ng     stress-ng
#
# Nothing is done while this script and the packages are those of the last time.

# shellcheck source=../build/lib.sh
. "$(dirname "$0")/../build/lib.sh"
# shellcheck source=../build/kbuild.sh
. "$NN_BUILD/kbuild.sh"
# shellcheck source=debian.sh
. "$NN_TOP/tools/guest/debian.sh"

[ "$ARCH" = arm64 ] || die "the servers are put together for arm64 guests only, not for ARCH=$ARCH"
OUT=$NN_CACHE/guest/$ARCH/apps
PG=15

# Of libraries only those are taken that programs name; what the host has of arm64 comes from
# there (packages.sh, purpose "guest").
PACKAGES=(
	redis-tools nginx "postgresql-$PG"
	libssl3 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblz4-1 liblzma5 libgcc-s1 libstdc++6
	libatomic1 libjemalloc2 liblzf1
	libcrypt1 libpcre2-8-0
	libpq5 libicu72 libldap-2.5-0 libsasl2-2 libpam0g libaudit1 libcap-ng0 libselinux1 libuuid1 libxml2
	libgnutls30 libnettle8 libhogweed6 libgmp10 libp11-kit0 libtasn1-6 libidn2-0 libunistring2 libffi8
	libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
	stress-ng libegl1 libgles2 libglvnd0 libjudydebian1 libapparmor1 libbsd0 libmd0 libjpeg62-turbo libkmod2
	libsctp1 libxxhash0 libgbm1 libdrm2 libexpat1 libwayland-server0
)

"$NN_BUILD/packages.sh" base guest >&2
cache_dir "guest/$ARCH/deb" >/dev/null

# begin TREE: with what a C library wants to find
begin() {
	mkdir -p "$1"/{dev,etc,proc,tmp,usr/bin}
	chmod 1777 "$1/tmp"
	printf 'root:x:0:0::/:/bin/sh\npostgres:x:26:26::/:/bin/sh\n' >"$1/etc/passwd"
	printf 'root:x:0:\npostgres:x:26:\n' >"$1/etc/group"
}

make_redis() { # TREE
	begin "$1"
	from_debian redis-tools
	cp -- "$DEB/usr/bin/redis-benchmark" "$1/usr/bin/"
	# Debian has the server there under this name, and redis-server is a link to it.
	cp -- "$DEB/usr/bin/redis-check-rdb" "$1/usr/bin/redis-server"
	add_libraries "$1" "$1"/usr/bin/*
}

make_nginx() { # TREE
	begin "$1"
	from_debian nginx
	cp -- "$DEB/usr/sbin/nginx" "$1/usr/bin/"
	mkdir -p "$1"/var/{lib,log}/nginx
	add_libraries "$1" "$1"/usr/bin/*
}

make_postgresql() { # TREE
	local bin=usr/lib/postgresql/$PG/bin lib=usr/lib/postgresql/$PG/lib share=usr/share/postgresql/$PG p
	begin "$1"
	mkdir -p "$1/$bin" "$1/$lib" "$1/$share/extension"
	from_debian "postgresql-$PG"
	cp -- "$DEB/$bin"/{initdb,pgbench,postgres} "$1/$bin/"
	# What initdb makes functions of
	cp -- "$DEB/$lib"/{dict_snowball,plpgsql}.so "$1/$lib/"
	for p in postgres.bki '*.sql' '*.txt' '*.sample' timezonesets tsearch_data; do
		# shellcheck disable=SC2086  # a pattern
		(cd "$DEB/$share" && cp -r -- $p "$1/$share/")
	done
	cp -- "$DEB/$share"/extension/plpgsql* "$1/$share/extension/"
	for p in "$1/$bin"/*; do ln -s "../lib/postgresql/$PG/bin/${p##*/}" "$1/usr/bin/${p##*/}"; done
	add_libraries "$1" "$1/$bin"/* "$1/$lib"/*
}

make_stress_ng() { # TREE
	begin "$1"
	mkdir -p "$1/sys"
	from_debian stress-ng
	cp -- "$DEB/usr/bin/stress-ng" "$1/usr/bin/"
	add_libraries "$1" "$1"/usr/bin/*
}

with_lock "apps-$ARCH"
for package in "${PACKAGES[@]}"; do from_debian "$package"; done
key=$({ cat "$0" "$NN_TOP/tools/guest/debian.sh"; sha256sum /usr/lib/$MULTIARCH/libc.so.6; } | hash_text)
if [ "$(cat "$OUT/key" 2>/dev/null)" != "$key" ]; then
	scratch_beside "$OUT"
	for app in redis nginx postgresql stress-ng; do "make_${app//-/_}" "$NN_NEW/root/$app"; done
	printf '%s\n' "$key" >"$NN_NEW/key"
	publish "$NN_NEW" "$OUT"
fi
printf '%s\n' "$OUT/root"
