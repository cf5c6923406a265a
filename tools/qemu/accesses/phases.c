// SPDX-License-Identifier: GPL-2.0
/*
 * phases - a plugin for QEMU's TCG that counts what the kernel executes between marks
 * that the guest sets (mark.h), by what it does it for: a phase is a function and all
 * that it calls, but for what is of another phase therein.
 *
 *	-plugin phases.so,out=FILE,list=FILE[,map=FILE]
 *
 * Each line of the list is the address of a function and the name of its phase. What is
 * of none is "other". A phase ends where the code that its call returns to is executed,
 * and in any case with the return to user space. Blocks count as a whole when they begin,
 * so that the few which an exception cuts short count too much.
 *
 * Each END writes a line of JSON with what the CPU that sets it has executed since
 * BEGIN, and what all have, in the kernel and in user space (board.h). nnboot --accesses
 * starts it; the map is not needed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"

#define MAX_PHASES	32
#define MAX_FUNCTIONS	256
#define MAX_DEPTH	32
#define NAME_LEN	32

/* What a CPU is at. */
struct board {
	uint64_t user;			/* it has been in user space since it last was in the kernel */
	uint64_t end;			/* of its last block there */
	uint64_t depth;
	struct {
		uint64_t back;		/* where the call returns to */
		uint64_t phase;
	} frame[MAX_DEPTH];
	uint64_t executed[MAX_PHASES];
	uint64_t kernel_insns, user_insns;
};

/* A block of instructions of the kernel. */
struct block {
	uint64_t start, end;
	unsigned int nr;
	int phase;			/* that begins with it, -1: none */
	struct block *next;
};

#define BUCKETS		(1u << 16)

static struct block *blocks[BUCKETS];	/* under board_lock */
static char phases[MAX_PHASES][NAME_LEN] = { "other" };
static unsigned int nr_phases = 1;
static struct {
	uint64_t address;
	int phase;
} functions[MAX_FUNCTIONS];
static unsigned int nr_functions;

static void write_region(FILE *out, unsigned int cpu, unsigned int region, const char *name)
{
	const struct board *now = board_of(cpu), *before = board_before(region, cpu);
	uint64_t kernel = 0, user = 0;
	unsigned int i;

	for (i = 0; i < board_cpus; i++) {
		const struct board *b = board_of(i), *old = board_before(region, i);

		kernel += b->kernel_insns - old->kernel_insns;
		user += b->user_insns - old->user_insns;
	}
	fprintf(out, "{\"region\": %u, \"name\": \"%s\", \"cpu\": %u, \"user\": %" PRIu64 ", \"kernel\": %" PRIu64
		", \"phases\": {", region, name, cpu, user, kernel);
	for (i = 0; i < nr_phases; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", phases[i],
			now->executed[i] - before->executed[i]);
	fputs("}}\n", out);
}

static const struct board_plugin plugin = {
	.name = "phases",
	.size = sizeof(struct board),
	.write = write_region,
};

/* --- blocks ------------------------------------------------------------------------- */

static void on_block(unsigned int cpu, void *arg)
{
	const struct block *block = arg;
	struct board *b = board_of(cpu);
	uint64_t i;

	if (b->user)
		b->user = b->depth = 0;
	for (i = b->depth; i; i--) {
		if (b->frame[i - 1].back == block->start) {
			b->depth = i - 1;
			break;
		}
	}
	if (block->phase >= 0 && b->depth < MAX_DEPTH) {
		b->frame[b->depth].back = b->end;
		b->frame[b->depth++].phase = block->phase;
	}
	b->executed[b->depth ? b->frame[b->depth - 1].phase : 0] += block->nr;
	b->kernel_insns += block->nr;
	b->end = block->end;
}

static int phase_of(uint64_t address)
{
	unsigned int i;

	for (i = 0; i < nr_functions; i++)
		if (functions[i].address == address)
			return functions[i].phase;
	return -1;
}

/* Blocks are translated again and again; there is no telling when the last is gone. */
static struct block *block_of(uint64_t start, uint64_t end, unsigned int nr)
{
	struct block **bucket = &blocks[(start >> 2 ^ start >> 18) % BUCKETS], *b;

	pthread_mutex_lock(&board_lock);
	for (b = *bucket; b && (b->start != start || b->end != end || b->nr != nr); b = b->next)
		;
	if (!b) {
		b = malloc(sizeof(*b));
		if (b) {
			*b = (struct block){ start, end, nr, phase_of(start), *bucket };
			*bucket = b;
		} else {
			board_incomplete();
		}
	}
	pthread_mutex_unlock(&board_lock);
	return b;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0), *last = qemu_plugin_tb_get_insn(tb, n - 1);
	uint64_t start = qemu_plugin_insn_vaddr(first);
	struct block *block;

	(void)id;
	if (start >> 63) {
		block = block_of(start, qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last), n);
		if (block)
			qemu_plugin_register_vcpu_insn_exec_cb(first, on_block, QEMU_PLUGIN_CB_NO_REGS, block);
		return;
	}
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(first, QEMU_PLUGIN_INLINE_STORE_U64,
		(qemu_plugin_u64){ boards, offsetof(struct board, user) }, 1);
	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(first, QEMU_PLUGIN_INLINE_ADD_U64,
		(qemu_plugin_u64){ boards, offsetof(struct board, user_insns) }, n);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t word = 0;

		qemu_plugin_insn_data(insn, &word, sizeof(word));
		board_heed_mark(insn, word);
	}
}

/* --- begin and end ---------------------------------------------------------------------- */

static bool add_function(uint64_t address, const char *phase)
{
	unsigned int i;

	for (i = 0; i < nr_phases && strcmp(phases[i], phase); i++)
		;
	if (i == MAX_PHASES || nr_functions == MAX_FUNCTIONS)
		return false;
	if (i == nr_phases)
		strcpy(phases[nr_phases++], phase);
	functions[nr_functions].address = address;
	functions[nr_functions++].phase = i;
	return true;
}

static int read_list(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[128], phase[NAME_LEN], rest;
	uint64_t address;

	if (!f)
		return board_complain(&plugin, "cannot read %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %31[a-z-] %c", &address, phase, &rest) != 2 || !(address >> 63) ||
		    !add_function(address, phase)) {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return board_complain(&plugin, "'%s': no function", line,
					"A line is an address in the kernel, and a phase in small letters; at most 256, and 31 phases");
		}
	}
	fclose(f);
	return nr_functions ? 0 : board_complain(&plugin, "%s is empty", path, "Nothing would be counted");
}

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *out = NULL, *list = NULL;
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = argv[i] + 4;
		else if (!strncmp(argv[i], "list=", 5))
			list = argv[i] + 5;
		else if (strncmp(argv[i], "map=", 4))
			return board_complain(&plugin, "unknown argument '%s'", argv[i],
					      "Known: out= list= map=");
	}
	if (!out || !list)
		return board_complain(&plugin, "%s is missing", out ? "list=" : "out=",
				      "nnboot --accesses sets out=");
	if (read_list(list) || board_start(&plugin, id, info, out))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
