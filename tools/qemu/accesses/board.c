// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "board.h"
#include "mark.h"

/* Counters in translated code and storing there came with interface 3. */
QEMU_EXPORT int qemu_plugin_version = 3;

struct qemu_plugin_scoreboard *boards;
unsigned int board_cpus;
pthread_mutex_t board_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct board_plugin *plugin;
static FILE *out;
static const char *out_path;
static bool incomplete;

static struct region {
	char name[ACC_NAME_MAX + 1];
	char *before;			/* the boards of all CPUs; NULL: not open */
} regions[ACC_REGIONS];

void *board_of(unsigned int cpu)
{
	return qemu_plugin_scoreboard_find(boards, cpu);
}

const void *board_before(unsigned int region, unsigned int cpu)
{
	return regions[region].before + cpu * plugin->size;
}

void board_incomplete(void)
{
	__atomic_store_n(&incomplete, true, __ATOMIC_RELAXED);
}

int board_complain(const struct board_plugin *p, const char *fmt, const char *what,
		   const char *remedy)
{
	fprintf(stderr, "%s: ", p->name);
	fprintf(stderr, fmt, what);
	fprintf(stderr, "\n  %s\n", remedy);
	return -1;
}

static void begin_region(struct region *r)
{
	unsigned int i;

	if (!r->before)
		r->before = calloc(board_cpus, plugin->size);
	if (!r->before) {
		fprintf(stderr, "%s: no memory\n", plugin->name);
		board_incomplete();
		return;
	}
	for (i = 0; i < board_cpus; i++)
		memcpy(r->before + i * plugin->size, board_of(i), plugin->size);
}

static void end_region(struct region *r, unsigned int cpu)
{
	if (!r->before)
		return;
	plugin->write(out, cpu, r - regions, r->name);
	free(r->before);
	r->before = NULL;
}

static void on_mark(unsigned int cpu, void *arg)
{
	unsigned int code = (uintptr_t)arg;
	struct region *r = &regions[code & (ACC_REGIONS - 1)];

	pthread_mutex_lock(&board_lock);
	if (code & ACC_KIND_NAME) {
		/* see ACC_CHAR() */
		char c = code & 0x7f;

		if (c && (c < ' ' || c > '~' || c == '"' || c == '\\'))
			c = '?';	/* JSON */
		regions[code >> 8 & (ACC_REGIONS - 1)].name[code >> 16 & 0x1f] = c;
	} else if ((code >> 8 & 7) == ACC_BEGIN) {
		begin_region(r);
	} else if ((code >> 8 & 7) == ACC_END) {
		end_region(r, cpu);
	}
	pthread_mutex_unlock(&board_lock);
}

void board_heed_mark(struct qemu_plugin_insn *insn, uint32_t word)
{
	uint32_t code = acc_decode_arm64(word);

	if (code)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
						       (void *)(uintptr_t)code);
}

static void on_exit_qemu(qemu_plugin_id_t id, void *unused)
{
	(void)id;
	(void)unused;
	/* whoever reads it looks for this line */
	if (!incomplete)
		fputs("{\"complete\": true}\n", out);
	if (fclose(out))
		fprintf(stderr, "%s: cannot write all of %s (is the disk full?)\n", plugin->name, out_path);
}

int board_start(const struct board_plugin *p, qemu_plugin_id_t id, const qemu_info_t *info,
		const char *path)
{
	plugin = p;
	out_path = path;
	if (!info->system_emulation || strcmp(info->target_name, "aarch64"))
		return board_complain(p, "cannot count on %s", info->target_name,
				      "It is for qemu-system-aarch64");
	board_cpus = info->system.max_vcpus;
	boards = qemu_plugin_scoreboard_new(p->size);
	out = fopen(path, "we");
	if (!out)
		return board_complain(p, "cannot write %s", path, strerror(errno));
	qemu_plugin_register_atexit_cb(id, on_exit_qemu, NULL);
	return 0;
}
