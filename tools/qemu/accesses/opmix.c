// SPDX-License-Identifier: GPL-2.0
/*
 * opmix - a plugin for QEMU's TCG that counts the instructions that arm64 guests
 * execute by the type of their operation, as FEAT_SPE has them (op.h), between
 * marks that the guest sets (mark.h): what samples of them are judged by.
 *
 *	-plugin opmix.so,out=FILE[,buffer=START:SIZE][,map=FILE]
 *
 * With a buffer, the instructions that access it in user space as well, loads and
 * stores apart, by the slice of the buffer where their first access is. Those for
 * which QEMU may hide accesses (op_may_hide()) are left out.
 *
 * Each END writes a line of JSON with what each CPU has executed since BEGIN (board.h).
 * nnboot --accesses starts it; the map is not needed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "op.h"

#define SLICES		64
#define MAX_KINDS	256

enum { NONE, LOAD, STORE, SIDES };	/* of the slices */

/* What a CPU counts. A kind is a type of operations in user space or in the kernel. */
struct board {
	uint64_t executed[MAX_KINDS];
	uint64_t pending;		/* the side that its next access is to be counted for */
	uint64_t slice[SIDES][SLICES];
};

/* Under board_lock. */
static struct kind {
	unsigned int op;
	bool kernel;
} kinds[MAX_KINDS];
static unsigned int nr_kinds;

static uint64_t buffer, buffer_size;

/* --- regions ---------------------------------------------------------------------- */

static void write_ops(FILE *out, const struct board *now, const struct board *before)
{
	char name[OP_NAME_MAX];
	const char *comma = "";
	unsigned int i;

	for (i = 0; i < nr_kinds; i++) {
		if (now->executed[i] == before->executed[i])
			continue;
		fprintf(out, "%s{\"op\": \"%s\", \"space\": \"%s\", \"n\": %" PRIu64 "}", comma,
			op_name(kinds[i].op, name), kinds[i].kernel ? "kernel" : "user",
			now->executed[i] - before->executed[i]);
		comma = ", ";
	}
}

static void write_slices(FILE *out, const char *name, const uint64_t *now, const uint64_t *before)
{
	unsigned int i;

	fprintf(out, ", \"%s\": [", name);
	for (i = 0; i < SLICES; i++)
		fprintf(out, "%s%" PRIu64, i ? ", " : "", now[i] - before[i]);
	fputc(']', out);
}

static void write_region(FILE *out, unsigned int cpu, unsigned int region, const char *name)
{
	const char *comma = "";
	unsigned int i;

	fprintf(out, "{\"region\": %u, \"name\": \"%s\", \"cpu\": %u, \"buffer\": %" PRIu64
		", \"size\": %" PRIu64 ", \"cpus\": [", region, name, cpu, buffer, buffer_size);
	for (i = 0; i < board_cpus; i++) {
		const struct board *now = board_of(i), *before = board_before(region, i);

		if (!memcmp(now->executed, before->executed, sizeof(now->executed)))
			continue;
		fprintf(out, "%s{\"cpu\": %u, \"ops\": [", comma, i);
		write_ops(out, now, before);
		fputc(']', out);
		write_slices(out, "loads", now->slice[LOAD], before->slice[LOAD]);
		write_slices(out, "stores", now->slice[STORE], before->slice[STORE]);
		fputc('}', out);
		comma = ", ";
	}
	fputs("]}\n", out);
}

/* --- instructions ------------------------------------------------------------------- */

/* The first access of an instruction: others find nothing pending. */
static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *unused)
{
	struct board *b = board_of(cpu);
	uint64_t side = b->pending;

	(void)info;
	(void)unused;
	b->pending = NONE;
	if (side != NONE && vaddr - buffer < buffer_size)
		b->slice[side][(vaddr - buffer) / (buffer_size / SLICES)]++;
}

static bool kind_of(unsigned int op, bool kernel, unsigned int *kind)
{
	unsigned int i;

	pthread_mutex_lock(&board_lock);
	for (i = 0; i < nr_kinds; i++)
		if (kinds[i].op == op && kinds[i].kernel == kernel)
			break;
	if (i == nr_kinds && i < MAX_KINDS)
		kinds[nr_kinds++] = (struct kind){ .op = op, .kernel = kernel };
	pthread_mutex_unlock(&board_lock);
	*kind = i;
	return i < MAX_KINDS;
}

static void count_insn(struct qemu_plugin_insn *insn, uint32_t word)
{
	bool kernel = qemu_plugin_insn_vaddr(insn) >> 63;
	unsigned int op = op_of_insn(word), kind;

	if (!kind_of(op, kernel, &kind)) {
		board_incomplete();
		return;
	}
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64,
		(qemu_plugin_u64){ boards, kind * sizeof(uint64_t) }, 1);
	if (!buffer_size || kernel || !(op & (OP_LOAD | OP_STORE)) || op_may_hide(op))
		return;
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_STORE_U64,
		(qemu_plugin_u64){ boards, offsetof(struct board, pending) }, op & OP_LOAD ? LOAD : STORE);
	qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
					 QEMU_PLUGIN_MEM_R | QEMU_PLUGIN_MEM_W, NULL);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t word = 0;

		qemu_plugin_insn_data(insn, &word, sizeof(word));
		count_insn(insn, word);
		board_heed_mark(insn, word);
	}
}

/* --- begin and end ---------------------------------------------------------------------- */

static const struct board_plugin plugin = {
	.name = "opmix",
	.size = sizeof(struct board),
	.write = write_region,
};

/* START:SIZE, both in bytes */
static bool parse_buffer(const char *text)
{
	char *end;

	errno = 0;
	buffer = strtoull(text, &end, 0);
	if (*end != ':' || errno)
		return false;
	buffer_size = strtoull(end + 1, &end, 0);
	return !*end && !errno && buffer_size && buffer_size % SLICES == 0;
}

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *out = NULL;
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = argv[i] + 4;
		else if (!strncmp(argv[i], "buffer=", 7)) {
			if (!parse_buffer(argv[i] + 7))
				return board_complain(&plugin, "%s: no place of a buffer", argv[i],
						      "START:SIZE, please, SIZE a multiple of 64");
		} else if (strncmp(argv[i], "map=", 4))
			return board_complain(&plugin, "unknown argument '%s'", argv[i],
					      "Known: out= buffer= map=");
	}
	if (!out)
		return board_complain(&plugin, "%s is missing", "out=", "nnboot --accesses sets it");
	if (board_start(&plugin, id, info, out))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
