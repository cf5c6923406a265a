/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BPF extensible scheduler class: Documentation/scheduler/sched-ext.rst
 *
 * Order in which the built-in idle CPU selection visits NUMA nodes.
 */
#ifndef _KERNEL_SCHED_EXT_NODE_ORDER_H
#define _KERNEL_SCHED_EXT_NODE_ORDER_H

#include <linux/nodemask.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

/**
 * struct scx_node_rank - one node in another node's order
 * @node: NUMA node ID
 * @tier_end: index in the row one past the last node at the same distance
 */
struct scx_node_rank {
	u16			node;
	u16			tier_end;
};

/**
 * struct scx_node_order - the nodes with CPUs, ordered by distance, per node
 * @rcu: for deferred freeing
 * @cpu_nodes: nodes that are ranked in every row
 * @nr_cpu_nodes: number of nodes in @cpu_nodes, length of a row
 * @ranks: one row for each node ID, see scx_node_order_row()
 */
struct scx_node_order {
	struct rcu_head		rcu;
	nodemask_t		cpu_nodes;
	unsigned int		nr_cpu_nodes;
	struct scx_node_rank	ranks[];
};

struct scx_node_order *scx_node_order_create(const nodemask_t *start_nodes,
					     const nodemask_t *cpu_nodes,
					     int (*distance)(int from, int to));

/*
 * Return the order in which to visit the nodes when starting from @node,
 * @order->nr_cpu_nodes entries long.
 */
static inline const struct scx_node_rank *
scx_node_order_row(const struct scx_node_order *order, int node)
{
	return &order->ranks[node * order->nr_cpu_nodes];
}

#endif /* _KERNEL_SCHED_EXT_NODE_ORDER_H */
