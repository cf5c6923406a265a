/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What we use of QEMU's interface for TCG plugins, declared here because no
 * package has QEMU's own header. One shared object serves QEMU 7.0 to 8.2
 * (interface 1) and 9.1 or later (3): all that differs in what we use is how the
 * bytes of an instruction are had, and which number the object must show.
 */
#ifndef ACC_QEMU_PLUGIN_H
#define ACC_QEMU_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QEMU_EXPORT	__attribute__((visibility("default")))
#define QEMU_IMPORT	__attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;

typedef struct qemu_info_t {
	const char *target_name;
	struct {
		int min, cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus, max_vcpus;
	} system;
} qemu_info_t;

enum { QEMU_PLUGIN_CB_NO_REGS = 0 };
enum { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W = 2 };

typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void *udata);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu, void *udata);
typedef void (*qemu_plugin_vcpu_mem_cb_t)(unsigned int vcpu, qemu_plugin_meminfo_t info,
					  uint64_t vaddr, void *udata);

QEMU_IMPORT void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
						       qemu_plugin_vcpu_tb_trans_cb_t cb);
QEMU_IMPORT void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
							qemu_plugin_vcpu_udata_cb_t cb,
							int regs, void *udata);
QEMU_IMPORT void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
						  qemu_plugin_vcpu_mem_cb_t cb, int regs, int rw,
						  void *udata);
QEMU_IMPORT void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb,
						void *udata);

QEMU_IMPORT size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
QEMU_IMPORT struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
							     size_t i);
QEMU_IMPORT size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
QEMU_IMPORT uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
QEMU_IMPORT struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info,
							      uint64_t vaddr);
QEMU_IMPORT bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *h);
QEMU_IMPORT uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *h);

/* since interface 3 */
QEMU_IMPORT size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);
/* ... and before */
QEMU_IMPORT const void *qemu_plugin_insn_data_v1(const struct qemu_plugin_insn *insn)
	__asm__("qemu_plugin_insn_data");
/* only asked for: it came with interface 2 */
QEMU_IMPORT void *qemu_plugin_scoreboard_new(size_t size) __attribute__((weak));

/*
 * The direction of an access, as interface 1 has it since QEMU 6.2: its own call
 * for that takes atomic operations for mere stores, and in 7.2 it calls back for
 * loads who asked for stores, and for stores whoever asked for anything.
 */
static inline unsigned int qemu_plugin_rw_v1(qemu_plugin_meminfo_t info)
{
	return info >> 16 & (QEMU_PLUGIN_MEM_R | QEMU_PLUGIN_MEM_W);
}

static inline int qemu_plugin_api(void)
{
	return qemu_plugin_scoreboard_new ? 3 : 1;
}

static inline size_t insn_bytes(const struct qemu_plugin_insn *insn, void *to, size_t len)
{
	size_t size;

	if (qemu_plugin_api() > 1)
		return qemu_plugin_insn_data(insn, to, len);
	size = qemu_plugin_insn_size(insn);
	if (size > len)
		size = len;
	memcpy(to, qemu_plugin_insn_data_v1(insn), size);
	return size;
}

#endif
