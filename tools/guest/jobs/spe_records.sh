#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints records of the emulated SPE as they are in memory, in hexadecimal: what
# tools/spe_decoder/fixtures is made of. MACHINE=spe JOB=spe_records, and then
# tools/spe_decoder/fixtures/from_log.sh.

[ -x /usr/bin/perf ] || { echo "Bail out! there is no perf on board: MACHINE=spe or PERF=1"; exit 1; }
mkdir -p /tmp/spe_records
cd /tmp/spe_records || exit 1

# show NAME RECORDS EVENT
show() {
	perf record -o data -e "arm_spe_0/$3" -c 1024 -- spe_task 0 1 >log 2>&1 || { cat log; exit 1; }
	perf report -D -i data 2>>log | awk -v name="$1" -v bytes=$(($2 * 64)) '
		/^\. +[0-9a-f]+: / {
			for (i = 3; i <= NF && $i ~ /^[0-9a-f][0-9a-f]$/ && n < bytes; i++) {
				if (n % 64 == 0)
					printf "%srecord %s ", n ? "\n" : "", name
				printf "%s", $i
				n++
			}
		}
		END { print ""; exit n < bytes }' || { echo "Bail out! $1: too few records"; exit 1; }
}

show everything 256 ts_enable=1,pa_enable=1,pct_enable=1,jitter=1/
show user 64 load_filter=1,store_filter=1,pa_enable=1,jitter=1/u
show plain 64 load_filter=1,store_filter=1/u
