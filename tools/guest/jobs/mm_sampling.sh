#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The series' mm selftest, which makes samples up itself: on any machine that has
# two nodes with memory. NN_WITHOUT is what cannot run there: huge pages, where they
# are larger than a node.

[ -x /nn/mm-series/numa_sampling ] || { echo "Bail out! numa_sampling is not on board"; exit 1; }
for t in $NN_WITHOUT; do
	set -- "$@" -T "$t"
done
exec /nn/mm-series/numa_sampling "$@"
