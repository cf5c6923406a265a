# SPDX-License-Identifier: GPL-2.0
#
# For makefiles of sched_ext schedulers that run in the guest: they are built with the
# libbpf, bpftool and sched_ext headers of a kernel tree. Included after OUTPUT is set.
#
#   KSRC   the kernel's source       KOBJ   its O= directory
#
# $(OUT)/NAME.bpf.o and $(OUT)/NAME.skel.h are made of NAME.bpf.c, with the options $(BPF_EXTRA);
# $(SCX_CC) compiles and links what includes them, statically, with $(SCX_LIBS).

OUT		:= $(abspath $(OUTPUT))
ARCH		?= arm64
CROSS_COMPILE	?= $(if $(filter arm64,$(ARCH)),aarch64-linux-gnu-,x86_64-linux-gnu-)
CLANG		?= clang-19
HOSTCC		?= gcc
VMLINUX_BTF	?= $(KOBJ)/vmlinux
V		?= 0
Q		:= $(if $(filter 1,$(V)),,@)

WARN		:= -Wall -Wextra -Werror
BPF_ARCH	:= $(if $(filter arm64,$(ARCH)),arm64,x86)
LIBBPF		:= $(OUT)/libbpf/libbpf.a
BPFTOOL		:= $(OUT)/bpftool/bootstrap/bpftool
INST		:= $(OUT)/include-libbpf
SCX_INCLUDES	:= -I. -isystem $(OUT) -isystem $(INST)/include -isystem $(KSRC)/tools/sched_ext/include \
		   -isystem $(KSRC)/tools/include/uapi
# The same program wherever this and the kernel's source lie: measurements are kept by it.
SCX_PATHS	:= $(foreach d,$(abspath .) $(OUT) $(KSRC),-ffile-prefix-map=$(d)=.)
SCX_CC		= $(CROSS_COMPILE)gcc -std=gnu11 -D_GNU_SOURCE -g -O2 $(WARN) -static $(SCX_PATHS) $(SCX_INCLUDES)
SCX_LIBS	:= $(LIBBPF) -lelf -lz -lzstd -lpthread
# The tree's makefiles must not see our variables.
SUBMAKE		= env -u MAKEFLAGS -u MFLAGS -u OUTPUT -u V $(MAKE) -s --no-print-directory

all: help

ifneq ($(filter guest,$(MAKECMDGOALS)),)
ifeq ($(wildcard $(KSRC)/tools/lib/bpf/Makefile),)
$(error KSRC='$(KSRC)' is no kernel source tree; say make guest KSRC=<source> KOBJ=<O= directory>)
endif
ifeq ($(wildcard $(VMLINUX_BTF)),)
$(error there is no $(VMLINUX_BTF); build the kernel first, or say KOBJ=<its O= directory>)
endif
endif

$(OUT):
	$(Q)mkdir -p $@

$(LIBBPF): | $(OUT)
	@echo '  LIBBPF   $(ARCH)'
	$(Q)mkdir -p $(OUT)/libbpf $(INST)
	$(Q)$(SUBMAKE) -C $(KSRC)/tools/lib/bpf OUTPUT=$(OUT)/libbpf/ DESTDIR=$(INST) prefix= \
		ARCH=$(ARCH) CROSS_COMPILE=$(CROSS_COMPILE) EXTRA_CFLAGS='-g -O2' \
		$(LIBBPF) install_headers

$(BPFTOOL): | $(OUT)
	@echo '  BPFTOOL'
	$(Q)mkdir -p $(OUT)/bpftool
	$(Q)$(SUBMAKE) -C $(KSRC)/tools/bpf/bpftool OUTPUT=$(OUT)/bpftool/ ARCH= CROSS_COMPILE= bootstrap

$(OUT)/vmlinux.h: $(VMLINUX_BTF) $(BPFTOOL)
	@echo '  VMLINUX_H'
	$(Q)$(BPFTOOL) btf dump file $< format c > $@.new
	$(Q)mv $@.new $@

# Warnings of the kernel's generated header are not ours.
$(OUT)/%.bpf.o: %.bpf.c $(wildcard *.h) $(OUT)/vmlinux.h $(LIBBPF)
	@echo '  BPF      $(@F)'
	$(Q)$(CLANG) -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -mlittle-endian \
		$(SCX_PATHS) $(WARN) -Wno-unused-parameter -Wno-sign-compare \
		-Wno-compare-distinct-pointer-types -Wno-microsoft-anon-tag -fms-extensions \
		$(SCX_INCLUDES) -isystem $(KSRC)/tools/sched_ext/include/bpf-compat $(BPF_EXTRA) -c $< -o $@

$(OUT)/%.skel.h: $(OUT)/%.bpf.o $(BPFTOOL)
	$(Q)$(BPFTOOL) gen skeleton $< name $* > $@.new
	$(Q)mv $@.new $@

clean:
	$(Q)rm -rf $(OUT)

.PHONY: all clean
.SECONDARY:
.DELETE_ON_ERROR:
