# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Downloads of pinned files.  Sourced after lib.sh.

# verified FILE SHA256: is FILE there, and what it should be?
verified() {
	[ -f "$1" ] || return 1
	[ "$(sha256_of "$1")" = "$2" ] && return 0
	warn "$1 is not what ${NN_PIN#"$NN_TOP"/} says it is (truncated or altered): fetching it again"
	rm -f -- "$1"
	return 1
}

# fetch_from_debian DIR POOL FILE SHA256: leaves FILE in DIR.  What the archive
# holds lies at the same place in every mirror, so neither the machine's sources
# nor its lists matter and root is not needed; the mirror, and how it is reached,
# are those that this machine's apt uses anyhow.  Why it failed is printed.
fetch_from_debian() {
	local helper=/usr/lib/apt/apt-helper site
	[ -x "$helper" ] && command -v apt-get >/dev/null || { echo "no apt here"; return 1; }
	site=$(apt-get indextargets --format '$(SITE)|$(ORIGIN)|$(LABEL)' 'Created-By: Packages' |
		awk -F'|' '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
	[ -n "$site" ] || { echo "apt knows no Debian mirror (apt-get update was never run?)"; return 1; }
	note "${site%/}/$2/$3" >&2
	"$helper" -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
		download-file "${site%/}/$2/$3" "$1/$3" "SHA256:$4" >"$1/apt.log" 2>&1 || {
		rm -f -- "$1/$3"
		grep '^[EW]:' "$1/apt.log" | head -n 3
		return 1
	}
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
