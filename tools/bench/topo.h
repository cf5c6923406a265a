/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine's CPUs, nodes and distances, as sysfs tells them.
 */
#ifndef PB_TOPO_H
#define PB_TOPO_H

#include <stdbool.h>

#include "pickbench.h"

struct topo {
	int nr_cpus;				/* highest CPU number + 1 */
	int nr_nodes;				/* highest node number + 1 */
	struct pb_mask online;
	struct pb_mask node_cpus[PB_MAX_NODES];	/* online ones */
	struct pb_mask siblings[PB_MAX_CPUS];	/* threads of the core, itself included */
	int cpu_node[PB_MAX_CPUS];		/* -1: offline */
	int cpu_nodes[PB_MAX_NODES];		/* nodes that have CPUs, ascending */
	int nr_cpu_nodes;
	int dist[PB_MAX_NODES][PB_MAX_NODES];	/* [from][to]: the row is the start node's */
	bool smt;
};

/* Returns 0, or -1 with a message in @err. */
int topo_read(struct topo *t, const char *sysfs, char *err, int errlen);

static inline bool mask_test(const struct pb_mask *m, int cpu)
{
	return m->w[cpu / 64] >> (cpu % 64) & 1;
}

static inline void mask_set(struct pb_mask *m, int cpu)
{
	m->w[cpu / 64] |= 1ULL << (cpu % 64);
}

static inline void mask_clear(struct pb_mask *m, int cpu)
{
	m->w[cpu / 64] &= ~(1ULL << (cpu % 64));
}

static inline struct pb_mask mask_and(const struct pb_mask *a, const struct pb_mask *b)
{
	struct pb_mask r;

	for (int i = 0; i < PB_WORDS; i++)
		r.w[i] = a->w[i] & b->w[i];
	return r;
}

static inline struct pb_mask mask_andnot(const struct pb_mask *a, const struct pb_mask *b)
{
	struct pb_mask r;

	for (int i = 0; i < PB_WORDS; i++)
		r.w[i] = a->w[i] & ~b->w[i];
	return r;
}

static inline bool mask_equal(const struct pb_mask *a, const struct pb_mask *b)
{
	for (int i = 0; i < PB_WORDS; i++)
		if (a->w[i] != b->w[i])
			return false;
	return true;
}

static inline bool mask_empty(const struct pb_mask *m)
{
	for (int i = 0; i < PB_WORDS; i++)
		if (m->w[i])
			return false;
	return true;
}

static inline int mask_weight(const struct pb_mask *m)
{
	int n = 0;

	for (int i = 0; i < PB_WORDS; i++)
		n += __builtin_popcountll(m->w[i]);
	return n;
}

/* "0-3,8" into a mask; -1 if it is no such list or names a CPU too high. */
int mask_parse(struct pb_mask *m, const char *list);
/* The reverse; returns @buf. */
char *mask_format(const struct pb_mask *m, char *buf, int len);

#endif
