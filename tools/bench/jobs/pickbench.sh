#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Guest job: everything pickbench measures, records to the harness.
exec pickbench -o "${NN_OUT:?not set: run this under nnboot}"
