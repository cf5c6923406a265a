/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which node each CPU and each physical address belongs to, as nnboot writes it:
 *
 *	nodes 4
 *	cpus 0 0 1 1 2 2 3 3		the node of each CPU, in order
 *	mem 0 0x40000000 0x20000000	node, start and size; in the order of addresses
 *	...
 *	distances 10 20 30 20		a line for each node
 *	...
 */
#ifndef ACC_MAP_H
#define ACC_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define MAP_ERR_MAX	512
#define MAP_MAX_NODES	128
#define MAP_MAX_CPUS	512
#define MAP_MAX_RANGES	(MAP_MAX_NODES + 1)

struct mem_range {
	uint64_t start, size;
	uint64_t shown;		/* what QEMU calls its start, see map_ram_blocks() */
	unsigned int node;
};

struct node_map {
	unsigned int nr_nodes, nr_cpus, nr_ranges;
	unsigned char node_of_cpu[MAP_MAX_CPUS];
	unsigned char dist[MAP_MAX_NODES][MAP_MAX_NODES];
	struct mem_range range[MAP_MAX_RANGES];
};

/* False with a message that names the file, the line and what is wrong. */
bool map_load(struct node_map *m, const char *path, char *err);

/*
 * Plugin interface 1 has no physical addresses: for RAM, QEMU adds the offset of
 * the block among all blocks, that of the block in the machine's memory, and that
 * of the byte in the block. With a block for each node the first two are both the
 * sum of the sizes of the nodes before it. Has the ranges looked up by that.
 */
void map_ram_blocks(struct node_map *m);

/* The range that holds what QEMU calls @addr; NULL: no node's memory. */
const struct mem_range *map_find(const struct node_map *m, uint64_t addr);

#endif
