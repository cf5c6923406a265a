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
 * BEGIN, and what all have, in the kernel and in user space. The counts of other CPUs are
 * exact only if one host thread emulates them all. nnboot --accesses starts it; the map is not needed.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "mark.h"
#include "qemu_plugin.h"

/* Storing in translated code came with interface 3. */
QEMU_EXPORT int qemu_plugin_version = 3;

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

static struct qemu_plugin_scoreboard *boards;
static unsigned int nr_cpus;
static struct block *blocks[BUCKETS];
static char phases[MAX_PHASES][NAME_LEN] = { "other" };
static unsigned int nr_phases = 1;
static struct {
	uint64_t address;
	int phase;
} functions[MAX_FUNCTIONS];
static unsigned int nr_functions;

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

static void end_region(unsigned int cpu, unsigned int nr)
{
	struct region *r = &region[nr];
	const struct board *b = board_of(cpu);
	uint64_t kernel = 0, user = 0;
	unsigned int i;

	for (i = 0; i < nr_cpus; i++) {
		kernel += board_of(i)->kernel_insns - r->before[i].kernel_insns;
		user += board_of(i)->user_insns - r->before[i].user_insns;
	}
	fprintf(out, "{\"region\": %u, \"name\": \"%s\", \"cpu\": %u, \"user\": %" PRIu64 ", \"kernel\": %" PRIu64
		", \"phases\": {", nr, r->name, cpu, user, kernel);
	for (i = 0; i < nr_phases; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", phases[i],
			b->executed[i] - r->before[cpu].executed[i]);
	fputs("}}\n", out);
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
		fputs("phases: no memory\n", stderr);
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

	pthread_mutex_lock(&lock);
	for (b = *bucket; b && (b->start != start || b->end != end || b->nr != nr); b = b->next)
		;
	if (!b) {
		b = malloc(sizeof(*b));
		if (b) {
			*b = (struct block){ start, end, nr, phase_of(start), *bucket };
			*bucket = b;
		} else {
			broken = true;
		}
	}
	pthread_mutex_unlock(&lock);
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
		uint32_t word = 0, code;

		qemu_plugin_insn_data(insn, &word, sizeof(word));
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
		fprintf(stderr, "phases: cannot write all of %s (is the disk full?)\n", out_path);
}

static int complain(const char *fmt, const char *what, const char *remedy)
{
	fputs("phases: ", stderr);
	fprintf(stderr, fmt, what);
	fprintf(stderr, "\n  %s\n", remedy);
	return -1;
}

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
		return complain("cannot read %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 " %31[a-z-] %c", &address, phase, &rest) != 2 || !(address >> 63) ||
		    !add_function(address, phase)) {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return complain("'%s': no function", line,
					"A line is an address in the kernel, and a phase in small letters; at most 256, and 31 phases");
		}
	}
	fclose(f);
	return nr_functions ? 0 : complain("%s is empty", path, "Nothing would be counted");
}

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

QEMU_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *list = NULL;
	int i;

	if (!info->system_emulation || strcmp(info->target_name, "aarch64"))
		return complain("cannot count on %s", info->target_name, "It is for qemu-system-aarch64");
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out_path = argv[i] + 4;
		else if (!strncmp(argv[i], "list=", 5))
			list = argv[i] + 5;
		else if (strncmp(argv[i], "map=", 4))
			return complain("unknown argument '%s'", argv[i], "Known: out= list= map=");
	}
	if (!out_path || !list)
		return complain("%s is missing", out_path ? "list=" : "out=", "nnboot --accesses sets out=");
	if (read_list(list))
		return -1;
	nr_cpus = info->system.max_vcpus;
	boards = qemu_plugin_scoreboard_new(sizeof(struct board));
	out = fopen(out_path, "we");
	if (!out)
		return complain("cannot write %s", out_path, strerror(errno));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_qemu, NULL);
	return 0;
}
