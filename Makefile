# SPDX-License-Identifier: GPL-2.0
#
# nearnode's verbs.  Each is a script in tools/build/; nothing is built in this
# directory, all of it lies under $XDG_CACHE_HOME/nearnode (~/.cache/nearnode).

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
B := tools/build

# Given on the command line or in the environment; empty means the default.
export ARCH TOPO MODE KERNEL MACHINE PERF APPS KERNEL_SRC VARIANT V YES JOBS TREE FORCE CONTINUE
export QEMU QEMU_SRC QEMU_VARIANT QEMU_TARGETS
export JOB FILES APPEND TIMEOUT OUT STEPS BOOTS ACCESSES

VERBS := demo check soak tree export import check-sync lint kernel qemu qemu-tree qemu-export boot shell bench clean
.PHONY: help $(VERBS)

help:
	@$(B)/help.sh

demo bench:
	@$(B)/bench.sh $@
check:
	@$(B)/check.sh
soak:
	@STEPS=$(B)/soak.list $(B)/check.sh
tree export import:
	@$(B)/series.sh $@
qemu-tree qemu-export:
	@$(B)/series.sh --qemu $(@:qemu-%=%)
check-sync:
	@$(B)/series.sh check-sync
	@$(B)/series.sh --qemu check-sync
lint:
	@$(B)/lint.sh
kernel:
	@$(B)/kernel.sh build $(or $(KERNEL),both)
qemu:
	@$(B)/qemu.sh
boot shell:
	@$(B)/guest.sh $@
clean:
	@$(B)/clean.sh
