/* SPDX-License-Identifier: GPL-2.0 */
/* What the plugin wrote: a line of JSON for the machine, one for each row. */
#ifndef ACC_COUNTS_H
#define ACC_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTS_ERR_MAX	512	/* NN_ERR_MAX */

enum space { USER, KERNEL, SPACES };
enum rw { LOADS, STORES, RWS };
enum level { ALL, MISSES, LEVELS };	/* misses: of the cache, if there was one */

struct cpu_counts {
	unsigned int cpu;
	uint64_t *to[LEVELS][SPACES][RWS];	/* by node of the memory; NULL: none */
	uint64_t io[SPACES][RWS], unknown[SPACES][RWS];
	uint64_t block_ops, block_ops_seen;	/* see hidden_of() */
};

struct row {
	unsigned int region, instance, nr;
	int by_cpu;		/* -1: nobody's mark */
	char *name, *cause;
	struct cpu_counts *cpu;	/* those that counted anything, in order */
	size_t nr_cpus;
};

struct counts {
	char *path, *arch, *spaces;
	unsigned int nr_nodes, nr_cpus;
	unsigned int *node_of_cpu;
	unsigned int **dist;
	uint64_t cache_size, every;
	unsigned int cache_ways, cache_line;
	struct row *row;
	size_t nr_rows;
	bool complete;		/* it has its last line */
	uint64_t stray_marks;
};

/*
 * How many of those instructions had accesses that were not seen. Those that fault
 * are executed again, so some without do not mean that QEMU hides them.
 */
static inline uint64_t hidden_of(uint64_t block_ops, uint64_t seen)
{
	return 3 * seen < block_ops ? block_ops - seen : 0;
}

/* False with a message that names the file, the line and what is wrong. */
bool counts_read(struct counts *c, const char *path, char *err);
void counts_free(struct counts *c);

#endif
