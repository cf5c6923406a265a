/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Just enough of the kernel's interfaces to build node_order.c and its KUnit
 * test as an ordinary program, for the sanitizers to watch.
 */
#ifndef NODE_ORDER_SHIM_H
#define NODE_ORDER_SHIM_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define U16_MAX			UINT16_MAX
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define swap(a, b)		do { __typeof__(a) t_ = (a); (a) = (b); (b) = t_; } while (0)
#define hweight8(x)		((unsigned int)__builtin_popcount((u8)(x)))
#define cond_resched()		do { } while (0)
#define EXPORT_SYMBOL_IF_KUNIT(s)	extern int node_order_shim_unused
#define MODULE_DESCRIPTION(s)	extern int node_order_shim_unused
#define MODULE_IMPORT_NS(s)	extern int node_order_shim_unused
#define MODULE_LICENSE(s)	extern int node_order_shim_unused

struct rcu_head {
	void *unused;
};

/* memory: exact sizes, so that the sanitizer sees each byte out of bounds */
#define GFP_KERNEL		0
#define array_size(a, b)	((size_t)(a) * (b))
#define kvzalloc_flex(obj, fam, count) \
	calloc(1, sizeof(obj) + (count) * sizeof((obj).fam[0]))
#define kvmalloc_array(n, size, gfp)	malloc((size_t)(n) * (size))
#define kvfree(p)		free(p)

/* Insertion sort: like the kernel's, it calls back with a context. */
static inline void sort_r(void *base, size_t num, size_t size,
			  int (*cmp)(const void *a, const void *b, const void *priv),
			  void *swap_func, const void *priv)
{
	char *p = base, tmp[64];
	size_t i, j;

	(void)swap_func;
	if (size > sizeof(tmp))
		abort();
	for (i = 1; i < num; i++) {
		memcpy(tmp, p + i * size, size);
		for (j = i; j > 0 && cmp(p + (j - 1) * size, tmp, priv) > 0; j--)
			memcpy(p + j * size, p + (j - 1) * size, size);
		memcpy(p + j * size, tmp, size);
	}
}

/* nodemasks */
#define MAX_NUMNODES		128
#define BITS_PER_LONG_		(8 * sizeof(long))

typedef struct {
	unsigned long bits[MAX_NUMNODES / (8 * sizeof(long))];
} nodemask_t;

#define NODE_MASK_NONE		((nodemask_t) { { 0 } })
#define node_word_(node, m)	((m).bits[(node) / BITS_PER_LONG_])
#define node_bit_(node)		(1UL << ((node) % BITS_PER_LONG_))
#define node_isset(node, m)	(!!(node_word_(node, m) & node_bit_(node)))
#define node_set(node, m)	((void)(node_word_(node, m) |= node_bit_(node)))
#define node_clear(node, m)	((void)(node_word_(node, m) &= ~node_bit_(node)))
#define nodes_equal(a, b)	(!memcmp((a).bits, (b).bits, sizeof((a).bits)))
#define nodes_weight(m)		nodes_weight_(&(m))
#define for_each_node_mask(node, m) \
	for ((node) = 0; (node) < MAX_NUMNODES; (node)++) \
		if (node_isset(node, m))

static inline unsigned int nodes_weight_(const nodemask_t *m)
{
	unsigned int i, weight = 0;

	for (i = 0; i < ARRAY_SIZE(m->bits); i++)
		weight += __builtin_popcountl(m->bits[i]);
	return weight;
}

static inline unsigned int find_last_bit(const unsigned long *bits, unsigned int size)
{
	unsigned int i = size;

	while (i-- > 0)
		if (bits[i / BITS_PER_LONG_] & node_bit_(i))
			return i;
	return size;
}

/* "This machine": four nodes, one without CPUs, one ID not possible. */
enum node_states { N_CPU, NR_NODE_STATES_ };

static __attribute__((unused)) nodemask_t node_states[NR_NODE_STATES_] = { { { 0x13 } } };
static __attribute__((unused)) nodemask_t node_possible_map = { { 0x17 } };

#define for_each_node(node)	for_each_node_mask(node, node_possible_map)

static inline int node_distance(int from, int to)
{
	return from == to ? 10 : 10 + 3 * abs(from - to) + (from > to);
}

static inline int nearest_node_nodemask(int node, nodemask_t *mask)
{
	int n, nearest = MAX_NUMNODES;

	for_each_node_mask(n, *mask)
		if (nearest == MAX_NUMNODES ||
		    node_distance(node, n) < node_distance(node, nearest))
			nearest = n;
	return nearest;
}

#define for_each_node_numadist(node, unvisited) \
	for (int start_ = (node); \
	     ((node) = nearest_node_nodemask(start_, &(unvisited))) < MAX_NUMNODES; \
	     node_clear((node), (unvisited)))

#endif /* NODE_ORDER_SHIM_H */
