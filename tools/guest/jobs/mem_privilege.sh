#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What takes privilege in the sampling of memory accesses: see mem_privilege. For a
# machine with SPE.

exec mem_privilege
