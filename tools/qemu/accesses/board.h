/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the plugins share that count the instructions of arm64 guests: a board of
 * counters for each CPU, which translated code writes to; regions that the guest's
 * marks (mark.h) open and close; the file of results.
 *
 * The counts of other CPUs than the one that sets the marks are exact only if one host
 * thread emulates them all.
 */
#ifndef ACC_BOARD_H
#define ACC_BOARD_H

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "qemu_plugin.h"

struct board_plugin {
	const char *name;		/* in messages */
	size_t size;			/* of a board */
	/* Writes a line with what has been counted since the region began. */
	void (*write)(FILE *out, unsigned int cpu, unsigned int region, const char *name);
};

extern struct qemu_plugin_scoreboard *boards;
extern unsigned int board_cpus;

/* Guards whatever callbacks at translation change; held when write() is called. */
extern pthread_mutex_t board_lock;

/*
 * Begins to count. -1, with a message, when @info is not for it or the file can't be
 * written.
 */
int board_start(const struct board_plugin *plugin, qemu_plugin_id_t id, const qemu_info_t *info,
		const char *out_path);

void *board_of(unsigned int cpu);

/* The board as it was when the region began. */
const void *board_before(unsigned int region, unsigned int cpu);

/* If @insn, whose code is @word, is a mark of the guest's, it is going to be heeded. */
void board_heed_mark(struct qemu_plugin_insn *insn, uint32_t word);

/* What has been counted is not all: the file will not be said to be complete. */
void board_incomplete(void);

/* Prints the message, in which %s is @what, and a remedy. Returns -1. */
int board_complain(const struct board_plugin *plugin, const char *fmt, const char *what,
		   const char *remedy);

#endif
