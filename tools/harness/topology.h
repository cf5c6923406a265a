/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine to boot: nodes, their CPUs and memory, and the distances between
 * them, as read from a .topo file.
 *
 *   description TEXT          one line
 *   threads N                 hardware threads of a core (1)
 *   cpus-per-cluster N        CPUs of a cluster (those of an LLC)
 *   cpus-per-llc N            CPUs that share a last-level cache (those of a node)
 *   numbering contiguous|interleaved
 *                             interleaved: LLCs are dealt to the nodes in turn
 *   node 0-3 cpus 4 mem 256M  cpus 0 or mem 0 for a node without
 *   node 4 empty              a number with nothing behind it, on purpose
 *   distances                 followed by one row of numbers for each node, or
 *   distances uniform D | ring STEP | torus WxH STEP
 *                             generated: D, or 10 + STEP for each hop
 */
#ifndef NN_TOPOLOGY_H
#define NN_TOPOLOGY_H

#include <stdio.h>

#include "util.h"

#define TOPO_MAX_NODES	128	/* QEMU's limit */
#define TOPO_MAX_CPUS	512	/* what the virt machine's GICv3 can address */

struct topo_node {
	bool given, empty;
	unsigned int cpus, mem_mib;
};

struct topology {
	char *name, *description;
	unsigned int nr_nodes, nr_cpus, nr_llcs, mem_mib;
	unsigned int threads, cluster_cpus, llc_cpus;
	bool interleaved;
	struct topo_node node[TOPO_MAX_NODES];
	unsigned char dist[TOPO_MAX_NODES][TOPO_MAX_NODES];
	unsigned short llc_node[TOPO_MAX_CPUS];	/* the node that each LLC belongs to */
};

/*
 * @what: the name of a known topology in @dir, or the path of a .topo file.
 * False with a message that names file, line and remedy.
 */
bool topo_load(struct topology *t, const char *dir, const char *what, char *err);
void topo_free(struct topology *t);

bool topo_symmetric(const struct topology *t);
/* The CPUs of a node as Linux writes lists: 0-3,8 */
char *topo_cpulist(const struct topology *t, unsigned int node);

void topo_print(const struct topology *t, FILE *out);
char *topo_json(const struct topology *t);
bool topo_list(const char *dir, bool json, FILE *out, char *err);

#endif
