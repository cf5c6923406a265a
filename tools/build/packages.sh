#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# packages.sh PURPOSE...: makes sure that what each purpose needs is installed.
# packages.sh --unpack PACKAGE DIR: unpacks a package there, installing nothing.
#
# Looks first at what is there, so that a machine that has everything is left
# alone (and need not be a Debian).  Asks once before installing, unless
# YES=1 or CI is set.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Each line: purpose, what proves that it is there, Debian package.
#   cmd:NAME  a program in PATH      file:GLOB  a file      hdr:NAME  a C header
#   lib:NAME  what links against this machine's libNAME, whose header may be there for
#             another architecture alone
arm_lib='/usr/lib/aarch64-linux-gnu'
x86_lib='/usr/lib/x86_64-linux-gnu'
table() {
	cat <<-EOF
	base	cmd:git		git
	base	cmd:make	make
	base	cmd:gcc		gcc
	base	cmd:flock	util-linux
	base	cmd:xz		xz-utils
	base	cmd:zstd	zstd
	base	cmd:cpio	cpio
	base	cmd:perl	perl
	kernel	cmd:flex	flex
	kernel	cmd:bison	bison
	kernel	cmd:bc		bc
	kernel	cmd:pahole	dwarves
	kernel	cmd:python3	python3
	kernel	cmd:ccache	ccache
	kernel	lib:ssl		libssl-dev
	kernel	lib:elf		libelf-dev
	kernel	lib:z		zlib1g-dev
	qemu	cmd:qemu-system-aarch64	qemu-system-arm
	qemu-x86	cmd:qemu-system-x86_64	qemu-system-x86
	efi	file:/usr/share/qemu-efi-aarch64/QEMU_EFI.fd	qemu-efi-aarch64
	qemu-build	cmd:ninja		ninja-build
	qemu-build	cmd:pkg-config	pkg-config
	qemu-build	cmd:ccache	ccache
	qemu-build	file:/usr/lib/python3*/ensurepip/__init__.py	python3-venv
	qemu-build	lib:gmodule-2.0	libglib2.0-dev
	qemu-build	lib:z			zlib1g-dev
	qemu-build	lib:fdt			libfdt-dev
	bpf	cmd:clang-19	clang-19
	bpf	cmd:llvm-strip-19	llvm-19
	lint	cmd:sparse	sparse
	lint	cmd:codespell	codespell
	lint	cmd:shellcheck	shellcheck
	lint	cmd:cppcheck	cppcheck
	lint	cmd:python3	python3
	affinity	lib:jansson	libjansson-dev
	EOF
	case $(uname -m) in
	aarch64)
		cat <<-EOF
		x86	cmd:x86_64-linux-gnu-gcc	gcc-x86-64-linux-gnu
		guest	hdr:libelf.h	libelf-dev
		guest	hdr:zlib.h	zlib1g-dev
		guest	hdr:zstd.h	libzstd-dev
		guest	hdr:jansson.h	libjansson-dev
		perf	hdr:elfutils/libdw.h	libdw-dev
		EOF
		;;
	*)
		cat <<-EOF
		arm64	cmd:aarch64-linux-gnu-gcc	gcc-aarch64-linux-gnu
		guest	cmd:aarch64-linux-gnu-gcc	gcc-aarch64-linux-gnu
		guest	file:/usr/aarch64-linux-gnu/include/stdio.h	libc6-dev-arm64-cross
		guest	file:$arm_lib/libelf.a	libelf-dev:arm64
		guest	file:$arm_lib/libz.a	zlib1g-dev:arm64
		guest	file:$arm_lib/libzstd.a	libzstd-dev:arm64
		guest	file:$arm_lib/libjansson.a	libjansson-dev:arm64
		perf	file:$arm_lib/libdw.so	libdw-dev:arm64
		EOF
		# a header may be there for arm64 alone
		[ "${ARCH:-arm64}" = arm64 ] || cat <<-EOF
		guest	file:$x86_lib/libelf.a	libelf-dev
		guest	file:$x86_lib/libz.a	zlib1g-dev
		guest	file:$x86_lib/libzstd.a	libzstd-dev
		guest	file:$x86_lib/libjansson.a	libjansson-dev
		EOF
		;;
	esac
}

present() { # KIND:WHAT
	local what=${1#*:}
	case $1 in
	cmd:*) command -v "$what" >/dev/null ;;
	file:*) compgen -G "$what" >/dev/null ;;
	hdr:*) compgen -G "/usr/include/$what" >/dev/null ||
	       compgen -G "/usr/include/$(uname -m)-linux-gnu/$what" >/dev/null ;;
	lib:*) compgen -G "/usr/lib/$(uname -m)-linux-gnu/lib$what.so" >/dev/null ||
	       compgen -G "/usr/lib*/lib$what.so" >/dev/null ;;
	esac
}

missing_of() { # PURPOSE...: lines "proof package" of what is not there
	local purpose row proof package
	for purpose in "$@"; do
		table | awk -v p="$purpose" '$1 == p { f = 1 } END { exit !f }' ||
			[ "$purpose" = arm64 ] || [ "$purpose" = x86 ] || die "packages.sh: unknown purpose '$purpose'"
		while read -r row proof package; do
			[ "$row" = "$purpose" ] || continue
			present "$proof" || printf '%s %s\n' "$proof" "$package"
		done < <(table)
	done | sort -u
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt_log() { printf '%s/apt.log\n' "$(cache_dir log)"; }

# Lists may be old or, for an architecture just added, absent.
apt_update() { # PACKAGE...
	local log
	log=$(apt_log)
	if [[ " $* " == *:arm64\ * ]] && ! dpkg --print-foreign-architectures | grep -qx arm64; then
		as_root dpkg --add-architecture arm64
	fi
	as_root apt-get -q update >"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		die "apt-get update failed: is the network up?" "Log: $log"
	}
}

apt_install() { # PACKAGE...
	local log
	log=$(apt_log)
	apt_update "$@"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --no-remove \
		install "$@" >>"$log" 2>&1 || {
		tail -n 8 "$log" >&2
		die "apt-get could not install: $*" "Log: $log"
	}
}

ensure() {
	local missing packages answer
	missing=$(missing_of "$@")
	[ -n "$missing" ] || return 0
	mapfile -t packages < <(awk '{ print $2 }' <<<"$missing" | sort -u)
	if ! command -v apt-get >/dev/null; then
		die "missing: $(awk '{ sub(/^[a-z]*:/, "", $1); printf "%s ", $1 }' <<<"$missing")" \
		    "This is no Debian, so install them yourself (Debian calls the packages: ${packages[*]})"
	fi
	say "These packages are needed and not installed: ${packages[*]}"
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		die "installing packages needs root, and there is no sudo" \
		    "As root: apt-get install ${packages[*]}"
	fi
	if [ -z "${CI:-}" ] && [ "${YES:-0}" != 1 ]; then
		[ -t 0 ] || die "cannot ask whether to install them: no terminal" \
			"Run again with YES=1, or install them yourself"
		read -r -p "Install them now with apt-get$([ "$(id -u)" -eq 0 ] || printf ' (through sudo)')? [y/N] " answer
		[[ $answer == [yY]* ]] || die "not installed" "Install them yourself, or answer y"
	fi
	step "installing ${packages[*]}"
	with_lock apt
	apt_install "${packages[@]}"
	missing=$(missing_of "$@")
	[ -z "$missing" ] || die "still missing after the installation: $(tr '\n' ' ' <<<"$missing")"
}

# For packages that must not be installed on the host: an arm64 busybox in /bin
# would break the host's own initramfs.
unpack() { # PACKAGE DIR
	local package=$1 dir=$2 deb
	with_lock unpack
	scratch_beside "$dir"
	mkdir "$NN_NEW.deb"
	NN_TRASH+=("$NN_NEW.deb")
	command -v apt-get >/dev/null ||
		die "cannot get $package: this is no Debian" "Put its files under $dir yourself"
	apt-cache show "$package" >/dev/null 2>&1 || apt_update "$package"
	(cd "$NN_NEW.deb" && apt-get -q download "$package" >log 2>&1) || {
		tail -n 3 "$NN_NEW.deb/log" >&2
		die "cannot download the package $package: is the network up?"
	}
	deb=$(compgen -G "$NN_NEW.deb/*.deb")
	dpkg-deb -x "$deb" "$NN_NEW" || die "cannot unpack $package into $dir"
	publish "$NN_NEW" "$dir"
}

case ${1:-} in
--unpack) unpack "$2" "$3" ;;
--missing) shift; missing_of "$@" ;;
'' | -*) die "usage: packages.sh PURPOSE... | --missing PURPOSE... | --unpack PACKAGE DIR" ;;
*) ensure "$@" ;;
esac
