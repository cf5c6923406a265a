#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# perf_decoder.sh DIR: puts the sources of the perf tool's decoder of SPE records
# there, from the kernel that the patches apply to, with the headers they need.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ $# -eq 1 ] || die "usage: perf_decoder.sh DIR"
dir=$1
base=$("$NN_BUILD/base.sh")
scratch_beside "$dir"
g --git-dir "$NN_GIT" archive "$base" tools/perf/util/arm-spe-decoder tools/include tools/arch tools/lib/zalloc.c |
	tar -x -C "$NN_NEW" --strip-components=1 ||
	die "cannot get the perf tool's decoder of SPE records from $base" \
	    "Does the kernel have tools/perf/util/arm-spe-decoder, and is there room on the disk?"
publish "$NN_NEW" "$dir"
