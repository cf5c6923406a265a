// SPDX-License-Identifier: GPL-2.0
/*
 * accesses - a plugin for QEMU's TCG that counts the data accesses of guests by
 * the node of the CPU and the node of the memory, between marks that the guest
 * sets (mark.h, accmark). Documentation/accesses.md says what is counted.
 *
 *	-plugin accesses.so,map=FILE,out=FILE[,cache=SIZE:WAYS:LINE][,every=N][,space=SPACE]
 *
 * nnboot --accesses writes the map and sets these.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "count.h"
#include "mark.h"
#include "qemu_plugin.h"

/*
 * QEMU reads it when the object has been loaded, and refuses an object made for
 * an interface that it does not have.
 */
QEMU_EXPORT int qemu_plugin_version;

static void __attribute__((constructor)) take_interface(void)
{
	qemu_plugin_version = qemu_plugin_api();
}

static struct node_map map;
static FILE *out;
static char *out_path;
static bool arm64;
static bool want[COUNT_SPACES] = { true, true };

/* What a callback is told of its instruction. */
#define OF_KERNEL	1u
#define BLOCK_OP	2u	/* see is_block_op() */

/*
 * QEMU 10 with one thread for all CPUs calls back with the number of
 * the CPU that translated the code, whichever executes it (tools/qemu/patches has a
 * fix). So we watch blocks of code until one has been executed by two CPUs, as a
 * kernel's are soon after it has started the second one, and do not count before.
 */
#define WATCHED		(1u << 16)
static int *first_cpu;		/* of each watched block; -1: not executed yet */
static unsigned int nr_watched;
static bool cpus_known;

static void on_watched(unsigned int cpu, void *block)
{
	int *first = block;

	if (*first < 0)
		*first = cpu;
	else if (*first != (int)cpu)
		__atomic_store_n(&cpus_known, true, __ATOMIC_RELAXED);
}

static void watch(struct qemu_plugin_tb *tb)
{
	unsigned int nr;

	if (__atomic_load_n(&cpus_known, __ATOMIC_RELAXED))
		return;
	nr = __atomic_fetch_add(&nr_watched, 1, __ATOMIC_RELAXED);
	if (nr >= WATCHED)
		return;
	first_cpu[nr] = -1;
	qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, 0), on_watched,
					       QEMU_PLUGIN_CB_NO_REGS, &first_cpu[nr]);
}

/* --- at run time ------------------------------------------------------------------ */

static inline void access_memory(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
				 uintptr_t of, enum count_rw rw)
{
	enum count_space space = of & OF_KERNEL ? COUNT_KERNEL : COUNT_USER;
	struct qemu_plugin_hwaddr *h;

	if (!__atomic_load_n(&count_open_regions, __ATOMIC_RELAXED))
		return;
	/*
	 * What an interrupt has x86 push comes as the accesses of the instruction that it
	 * interrupts in QEMU 7.2, and not at all in later ones. Bit 55 because arm64 has
	 * tags above it.
	 */
	if (space == COUNT_USER && vaddr >> 55 & 1)
		return;
	if (of & BLOCK_OP)
		count_block_seen(cpu);
	h = qemu_plugin_get_hwaddr(info, vaddr);
	if (!h)
		count_other(cpu, space, rw, COUNT_UNKNOWN);
	else if (qemu_plugin_hwaddr_is_io(h))
		count_other(cpu, space, rw, COUNT_IO);
	else
		count_access(cpu, space, rw, qemu_plugin_hwaddr_phys_addr(h));
}

/* An atomic operation reads and writes: QEMU calls both. */
static void on_load(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *of)
{
	access_memory(cpu, info, vaddr, (uintptr_t)of, COUNT_LOAD);
}

static void on_store(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *of)
{
	access_memory(cpu, info, vaddr, (uintptr_t)of, COUNT_STORE);
}

static void on_either(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *of)
{
	unsigned int rw = qemu_plugin_rw_v1(info);

	if (rw & QEMU_PLUGIN_MEM_R)
		access_memory(cpu, info, vaddr, (uintptr_t)of, COUNT_LOAD);
	if (rw & QEMU_PLUGIN_MEM_W)
		access_memory(cpu, info, vaddr, (uintptr_t)of, COUNT_STORE);
}

static void on_mark(unsigned int cpu, void *code)
{
	if (__atomic_load_n(&cpus_known, __ATOMIC_RELAXED))
		count_mark(cpu, (uintptr_t)code);
	else
		count_cannot("this QEMU gives plugins wrong numbers of CPUs when one thread runs all of them; "
			     "use --mode mt, an older QEMU, or one with the fix in tools/qemu/patches");
}

static void on_block_op(unsigned int cpu, void *unused)
{
	(void)unused;
	if (__atomic_load_n(&count_open_regions, __ATOMIC_RELAXED))
		count_block(cpu);
}

/* --- at translation ------------------------------------------------------------------ */

/*
 * Instructions that QEMU may carry out on the host's memory directly, without a
 * word to plugins; which of them it does depends on its version. It is counted how
 * many there were and of how many an access was seen, so that reports can tell.
 */
static bool is_block_op(uint32_t insn)
{
	return (insn & 0xffffffe0) == 0xd50b7420 ||	/* DC ZVA */
	       (insn & 0xffffffe0) == 0xd50b7480 ||	/* DC GZVA */
	       (insn & 0xfb200c00) == 0x19000400 ||	/* CPY*, SET* of FEAT_MOPS */
	       (insn & 0x9e000000) == 0x84000000;	/* SVE loads and stores */
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	watch(tb);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		/* kernels live in the upper half of the addresses */
		bool kernel = qemu_plugin_insn_vaddr(insn) >> 63;
		uintptr_t of = kernel ? OF_KERNEL : 0;
		uint8_t bytes[16] = { 0 };
		size_t len = insn_bytes(insn, bytes, sizeof(bytes));
		uint32_t word, code;

		memcpy(&word, bytes, sizeof(word));
		code = arm64 ? acc_decode_arm64(word) : acc_decode_x86(bytes, len);
		if (code)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)code);
		if (!want[kernel ? COUNT_KERNEL : COUNT_USER])
			continue;
		if (arm64 && is_block_op(word)) {
			of |= BLOCK_OP;
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_block_op,
							       QEMU_PLUGIN_CB_NO_REGS, NULL);
		}
		if (qemu_plugin_api() == 1) {
			qemu_plugin_register_vcpu_mem_cb(insn, on_either, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_R | QEMU_PLUGIN_MEM_W,
							 (void *)of);
		} else {
			qemu_plugin_register_vcpu_mem_cb(insn, on_load, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_R, (void *)of);
			qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_W, (void *)of);
		}
	}
}

/* --- begin and end ---------------------------------------------------------------------- */

static void on_exit_qemu(qemu_plugin_id_t id, void *unused)
{
	(void)id;
	(void)unused;
	if (!count_finish() || fclose(out))
		fprintf(stderr, "accesses: cannot write all of %s (is the disk full?)\n", out_path);
}

static int complain(const char *fmt, const char *what, const char *remedy)
{
	fputs("accesses: ", stderr);
	fprintf(stderr, fmt, what);
	fprintf(stderr, "\n  %s\n", remedy);
	return -1;
}

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
				    char **argv);

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
				    char **argv)
{
	struct count_options o = { .map = &map, .spaces = "both" };
	char err[MAP_ERR_MAX], *map_path = NULL, *end;
	int i;

	arm64 = !strcmp(info->target_name, "aarch64");
	if (!info->system_emulation || (!arm64 && strcmp(info->target_name, "x86_64")))
		return complain("cannot count on %s", info->target_name,
				"It is for qemu-system-aarch64 and qemu-system-x86_64");
	for (i = 0; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		size_t len = value ? (size_t)(value - argv[i]) : 0;

		value = value ? value + 1 : argv[i];
		if (len == 3 && !strncmp(argv[i], "map", len)) {
			map_path = value;
		} else if (len == 3 && !strncmp(argv[i], "out", len)) {
			out_path = value;
		} else if (len == 5 && !strncmp(argv[i], "cache", len)) {
			if (!cache_parse(value, &o.cache, err))
				return complain("%s", err, "cache=off is without one");
		} else if (len == 5 && !strncmp(argv[i], "every", len)) {
			errno = 0;
			o.every = strtoull(value, &end, 10);
			if (*value < '0' || *value > '9' || *end || errno || o.every < 1000)
				return complain("every=%s: not a number of accesses", value,
						"Give one of 1000 or more");
		} else if (len == 5 && !strncmp(argv[i], "space", len)) {
			o.spaces = value;
			want[COUNT_USER] = strcmp(value, "kernel");
			want[COUNT_KERNEL] = strcmp(value, "user");
			if (want[COUNT_USER] && want[COUNT_KERNEL] && strcmp(value, "both"))
				return complain("space=%s is unknown", value, "user, kernel or both");
		} else {
			return complain("unknown argument '%s'", argv[i],
					"Known: map= out= cache= every= space=");
		}
	}
	if (!map_path || !out_path)
		return complain("%s= is missing", map_path ? "out" : "map", "nnboot --accesses sets it");
	if (!map_load(&map, map_path, err)) {
		fprintf(stderr, "accesses: %s\n", err);
		return -1;
	}
	if (map.nr_cpus != (unsigned int)info->system.max_vcpus) {
		fprintf(stderr, "accesses: %s has %u CPUs, the machine %d\n  Both must come from one topology\n",
			map_path, map.nr_cpus, info->system.max_vcpus);
		return -1;
	}
	if (qemu_plugin_api() == 1)
		map_ram_blocks(&map);
	cpus_known = qemu_plugin_api() == 1 || map.nr_cpus == 1;
	first_cpu = cpus_known ? NULL : malloc(WATCHED * sizeof(*first_cpu));
	if (!cpus_known && !first_cpu)
		return complain("%s", "no memory", "");
	out = fopen(out_path, "we");
	if (!out)
		return complain("cannot write %s", out_path, strerror(errno));
	o.out = out;
	o.arch = arm64 ? "arm64" : "x86_64";
	if (!count_start(&o, err)) {
		fclose(out);
		unlink(out_path);
		return complain("%s", err, out_path);
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_qemu, NULL);
	return 0;
}
