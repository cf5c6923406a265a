/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine as sysfs describes it, and sets of CPUs.
 */
#ifndef SCX_AFFINITY_TOPO_H
#define SCX_AFFINITY_TOPO_H

#include <stddef.h>
#include "scx_affinity.h"

struct cpuset {
	u64 bits[AFF_MAX_CPUS / 64];
};

static inline bool cpu_in(const struct cpuset *s, u32 cpu)
{
	return s->bits[cpu / 64] >> (cpu % 64) & 1;
}

static inline void cpu_add(struct cpuset *s, u32 cpu)
{
	s->bits[cpu / 64] |= 1ULL << (cpu % 64);
}

static inline void cpu_del(struct cpuset *s, u32 cpu)
{
	s->bits[cpu / 64] &= ~(1ULL << (cpu % 64));
}

u32 cpu_count(const struct cpuset *s);

/* Write the set as "0-3,8"; return @buf. */
const char *cpu_list(const struct cpuset *s, char *buf, size_t size);

/* Parse such a list. Return false if it is none or has a CPU beyond the limit. */
bool parse_cpu_list(const char *str, struct cpuset *s);

struct topo {
	u32	nr_cpus;		/* possible: highest number + 1 */
	u32	nr_nodes;		/* likewise */
	u32	nr_cpu_nodes;
	u32	nr_doms;
	u32	nr_llcs;
	bool	smt;
	bool	split_nodes;
	struct cpuset online;
	u8	node[AFF_MAX_CPUS];
	u8	llc[AFF_MAX_CPUS];	/* numbered as they come by CPU */
	u8	dom[AFF_MAX_CPUS];	/* the LLC or the node */
	u8	dom_node[AFF_MAX_DOMS];
	u16	sibling[AFF_MAX_CPUS];
	bool	node_online[AFF_MAX_NODES];
	bool	node_cpus[AFF_MAX_NODES];
	u16	distance[AFF_MAX_NODES][AFF_MAX_NODES];	/* 0: no such node */
	u16	near[AFF_MAX_NODES];
	u8	node_order[AFF_MAX_NODES][AFF_MAX_NODES];
	u8	dom_order[AFF_MAX_NODES][AFF_MAX_DOMS];
};

/*
 * Read the machine under @root ("" for this one's /sys). Domains are nodes if
 * @by_node, otherwise LLCs. Return 0, or -1 with a message in @err.
 */
int topo_read(struct topo *t, const char *root, bool by_node, char *err, size_t size);

/* Fill in what follows from CPUs, nodes, LLCs and distances. */
int topo_finish(struct topo *t, bool by_node, char *err, size_t size);

#endif
