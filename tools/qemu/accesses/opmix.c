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
 * Each END writes a line of JSON with what each CPU has executed since BEGIN. The
 * counts of other CPUs than the one that sets the marks are exact only if one host
 * thread emulates them all. nnboot --accesses starts it; the map is not needed.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "mark.h"
#include "op.h"
#include "qemu_plugin.h"

/* Counters in translated code and storing there came with interface 3. */
QEMU_EXPORT int qemu_plugin_version = 3;

#define SLICES		64
#define MAX_KINDS	256

enum { NONE, LOAD, STORE, SIDES };	/* of the slices */

/* What a CPU counts. A kind is a type of operations in user space or in the kernel. */
struct board {
	uint64_t executed[MAX_KINDS];
	uint64_t pending;		/* the side that its next access is to be counted for */
	uint64_t slice[SIDES][SLICES];
};

static struct qemu_plugin_scoreboard *boards;
static unsigned int nr_cpus;
static struct kind {
	unsigned int op;
	bool kernel;
} kinds[MAX_KINDS];
static unsigned int nr_kinds;

static uint64_t buffer, buffer_size;
static FILE *out;
static char *out_path;
static bool broken;

static struct region {
	char name[ACC_NAME_MAX + 1];
	struct board *before;		/* of each CPU; NULL: not open */
} region[ACC_REGIONS];

/* Guards all of the above but the boards. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct board *board_of(unsigned int cpu)
{
	return qemu_plugin_scoreboard_find(boards, cpu);
}

/* --- marks ------------------------------------------------------------------------ */

static void write_ops(const struct board *now, const struct board *before)
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

static void write_slices(const char *name, const uint64_t *now, const uint64_t *before)
{
	unsigned int i;

	fprintf(out, ", \"%s\": [", name);
	for (i = 0; i < SLICES; i++)
		fprintf(out, "%s%" PRIu64, i ? ", " : "", now[i] - before[i]);
	fputc(']', out);
}

static void end_region(unsigned int cpu, unsigned int nr)
{
	struct region *r = &region[nr];
	const char *comma = "";
	unsigned int i;

	fprintf(out, "{\"region\": %u, \"name\": \"%s\", \"cpu\": %u, \"buffer\": %" PRIu64
		", \"size\": %" PRIu64 ", \"cpus\": [", nr, r->name, cpu, buffer, buffer_size);
	for (i = 0; i < nr_cpus; i++) {
		const struct board *now = board_of(i), *before = &r->before[i];

		if (!memcmp(now->executed, before->executed, sizeof(now->executed)))
			continue;
		fprintf(out, "%s{\"cpu\": %u, \"ops\": [", comma, i);
		write_ops(now, before);
		fputc(']', out);
		write_slices("loads", now->slice[LOAD], before->slice[LOAD]);
		write_slices("stores", now->slice[STORE], before->slice[STORE]);
		fputc('}', out);
		comma = ", ";
	}
	fputs("]}\n", out);
	free(r->before);
	r->before = NULL;
}

static void begin_region(unsigned int nr)
{
	struct region *r = &region[nr];
	unsigned int i;

	if (!r->before)
		r->before = calloc(nr_cpus, sizeof(*r->before));
	if (!r->before) {
		fputs("opmix: no memory\n", stderr);
		broken = true;
		return;
	}
	for (i = 0; i < nr_cpus; i++)
		memcpy(&r->before[i], board_of(i), sizeof(r->before[i]));
}

static void on_mark(unsigned int cpu, void *arg)
{
	unsigned int code = (uintptr_t)arg, nr = code & (ACC_REGIONS - 1);

	pthread_mutex_lock(&lock);
	if (code & ACC_KIND_NAME) {
		/* see ACC_CHAR() */
		char c = code & 0x7f;

		if (c && (c < ' ' || c > '~' || c == '"' || c == '\\'))
			c = '?';	/* JSON */
		region[code >> 8 & (ACC_REGIONS - 1)].name[code >> 16 & 0x1f] = c;
	} else if ((code >> 8 & 7) == ACC_BEGIN) {
		begin_region(nr);
	} else if ((code >> 8 & 7) == ACC_END && region[nr].before) {
		end_region(cpu, nr);
	}
	pthread_mutex_unlock(&lock);
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

	pthread_mutex_lock(&lock);
	for (i = 0; i < nr_kinds; i++)
		if (kinds[i].op == op && kinds[i].kernel == kernel)
			break;
	if (i == nr_kinds && i < MAX_KINDS)
		kinds[nr_kinds++] = (struct kind){ .op = op, .kernel = kernel };
	pthread_mutex_unlock(&lock);
	*kind = i;
	return i < MAX_KINDS;
}

static void count_insn(struct qemu_plugin_insn *insn, uint32_t word)
{
	bool kernel = qemu_plugin_insn_vaddr(insn) >> 63;
	unsigned int op = op_of_insn(word), kind;

	if (!kind_of(op, kernel, &kind)) {
		broken = true;
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
		uint32_t word = 0, code;

		qemu_plugin_insn_data(insn, &word, sizeof(word));
		count_insn(insn, word);
		code = acc_decode_arm64(word);
		if (code)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)code);
	}
}

/* --- begin and end ---------------------------------------------------------------------- */

static void on_exit_qemu(qemu_plugin_id_t id, void *unused)
{
	(void)id;
	(void)unused;
	/* whoever reads it looks for this line */
	if (!broken)
		fputs("{\"complete\": true}\n", out);
	if (fclose(out))
		fprintf(stderr, "opmix: cannot write all of %s (is the disk full?)\n", out_path);
}

static int complain(const char *fmt, const char *what, const char *remedy)
{
	fputs("opmix: ", stderr);
	fprintf(stderr, fmt, what);
	fprintf(stderr, "\n  %s\n", remedy);
	return -1;
}

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
	int i;

	if (!info->system_emulation || strcmp(info->target_name, "aarch64"))
		return complain("cannot count on %s", info->target_name, "It is for qemu-system-aarch64");
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out_path = argv[i] + 4;
		else if (!strncmp(argv[i], "buffer=", 7)) {
			if (!parse_buffer(argv[i] + 7))
				return complain("%s: no place of a buffer", argv[i],
						"START:SIZE, please, SIZE a multiple of 64");
		} else if (strncmp(argv[i], "map=", 4))
			return complain("unknown argument '%s'", argv[i], "Known: out= buffer= map=");
	}
	if (!out_path)
		return complain("%s is missing", "out=", "nnboot --accesses sets it");
	nr_cpus = info->system.max_vcpus;
	boards = qemu_plugin_scoreboard_new(sizeof(struct board));
	out = fopen(out_path, "we");
	if (!out)
		return complain("cannot write %s", out_path, strerror(errno));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_qemu, NULL);
	return 0;
}
