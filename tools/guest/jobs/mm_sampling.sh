#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The series' mm selftest, which makes samples up itself: on any machine that has
# two nodes with memory.

[ -x /nn/mm-series/numa_sampling ] || { echo "Bail out! numa_sampling is not on board"; exit 1; }
exec /nn/mm-series/numa_sampling
