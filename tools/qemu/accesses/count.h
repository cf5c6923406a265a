/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The counters and the regions that guests mark. There is one of it all.
 *
 * Each CPU has counters of its own that only its thread writes and that never go
 * back; a region's counts are differences of two looks at them, so nothing is
 * lost or counted twice however regions overlap.
 */
#ifndef ACC_COUNT_H
#define ACC_COUNT_H

#include <stdio.h>

#include "cache.h"
#include "map.h"

#define COUNT_ERR_MAX 256

enum count_space { COUNT_USER, COUNT_KERNEL, COUNT_SPACES };
enum count_rw { COUNT_LOAD, COUNT_STORE, COUNT_RWS };
/* accesses that are not to a node's memory */
enum count_other { COUNT_IO, COUNT_UNKNOWN, COUNT_OTHERS };

struct count_options {
	const struct node_map *map;
	struct cache_shape cache;
	uint64_t every;		/* a row after so many accesses; 0: only where marked */
	const char *arch;
	const char *spaces;	/* "user", "kernel" or "both": what the caller will report */
	FILE *out;		/* a line of JSON for each row */
};

/* How many regions are open: while it is 0, nothing need be reported. */
extern unsigned int count_open_regions;

bool count_start(const struct count_options *o, char *err);
/* Closes what is open and ends the output; false when it could not be written. */
bool count_finish(void);

/* Says why nothing can be counted, for whoever reads the output. */
void count_cannot(const char *why);

/* These are called by the CPU's own thread. */
void count_access(unsigned int cpu, enum count_space space, enum count_rw rw, uint64_t addr);
void count_other(unsigned int cpu, enum count_space space, enum count_rw rw, enum count_other what);
/* An instruction has been executed that QEMU may carry out without showing its accesses ... */
void count_block(unsigned int cpu);
/* ... and here is one of them after all. */
void count_block_seen(unsigned int cpu);
void count_mark(unsigned int cpu, uint32_t code);

#endif
