#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What "make" alone prints.
cat <<EOF
nearnode: NUMA-aware placement for sched_ext, as a kernel patch series

  make demo         install what is needed, build stock and patched kernels, boot
                    both on several NUMA topologies, show where each places tasks and
                    how misplaced memory comes to its user
  make check        prove the whole; ends in "N passed, N failed, N skipped"
                    tools/build/check.sh NAME... runs some of its rows, like
                    "spe: statistics"; they are in tools/build/steps.list
  make soak         what takes hours: storms, the debug kernel (results are kept
                    under Documentation/results/)

  make tree         a git tree to edit the series in         (FORCE=1 CONTINUE=1)
  make export       that tree's commits -> patches/ and the mirrors
  make import       edits in the mirrors -> the commits that own the files
  make check-sync   patches/, commits and mirrors agree
  make lint         checkpatch, sparse, W=1, kernel-doc, per-commit builds, ...

  make kernel       build the kernels          (KERNEL=stock|series ARCH= VARIANT=)
  make qemu         build our QEMU        (QEMU=built|distribution|PATH, QEMU_SRC=DIR
                    QEMU_VARIANT=asan|debug|unpatched QEMU_TARGETS=)
  make qemu-tree    a git tree to edit its patches in; make qemu-export stores them
  make boot         boot a kernel and run a job       (KERNEL= TOPO= MODE= JOB=FILE)
                    ACCESSES=on counts its memory accesses by nodes
  make shell        an interactive guest with the tools on board  (KERNEL= TOPO=)
  make bench        the bars: stock and series in one run       (TOPO= BOOTS= OUT=)
                    tools/build/bench.sh bench picks|place|apps: one part
  make clean        remove what was built                  (ALL=1: downloads too)

Variables
  ARCH=arm64|x86_64        VARIANT=debug        KERNEL=stock|series
  TOPO=NAME or FILE        a machine, see tools/harness/topologies/
  MODE=single|icount|mt    how QEMU runs its CPUs; mt is no place for schedulers,
                           see Documentation/results/reload_loop.md
  MACHINE=spe[:MODEL]      CPUs with Arm SPE, perf on board; MODEL: max, neoverse-n1, ...
  PERF=1                   perf on board of any arm64 machine
  APPS=1                   redis, nginx and PostgreSQL, in /nn/apps
  KERNEL_SRC=DIR           another base: a clean git tree or unpacked tree of 7.3.y
  QEMU=distribution|built|PATH   what guests run on; if unset the distribution's,
                           with MACHINE=spe ours
  V=1  show what tools print     YES=1  install packages without asking
  JOBS=N  parallel compilers     XDG_CACHE_HOME=DIR  where everything is kept

Everything is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/nearnode
EOF
