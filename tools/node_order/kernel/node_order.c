// SPDX-License-Identifier: GPL-2.0
/*
 * BPF extensible scheduler class: Documentation/scheduler/sched-ext.rst
 *
 * Order in which the built-in idle CPU selection visits NUMA nodes.
 *
 * The order depends only on the distance table and on which nodes have CPUs,
 * so it is computed when a scheduler is enabled and when one of the two
 * changes. Picking a CPU is left with walking an array.
 *
 * Nothing in here looks at the running system: the nodes and the distances
 * are arguments, so that any topology can be tested on any machine.
 */
#include <kunit/visibility.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "node_order.h"

struct order_ctx {
	int			start;
	int			nr_ids;
	int			(*distance)(int from, int to);
};

/* The start node comes first, whatever the firmware says of distances. */
static int order_distance(const struct order_ctx *ctx, int node)
{
	return node == ctx->start ? -1 : ctx->distance(ctx->start, node);
}

/* How far @node's ID is from the start node's, counting up and around. */
static int order_offset(const struct order_ctx *ctx, int node)
{
	return (node - ctx->start + ctx->nr_ids) % ctx->nr_ids;
}

static int cmp_ranks(const void *a, const void *b, const void *priv)
{
	const struct scx_node_rank *ra = a, *rb = b;
	int da = order_distance(priv, ra->node);
	int db = order_distance(priv, rb->node);

	if (da != db)
		return da < db ? -1 : 1;
	return order_offset(priv, ra->node) - order_offset(priv, rb->node);
}

static void sort_row(struct scx_node_rank *row, const nodemask_t *cpu_nodes,
		     const struct order_ctx *ctx)
{
	unsigned int nr = 0, i, tier_end;
	int node;

	for_each_node_mask(node, *cpu_nodes)
		row[nr++].node = node;

	sort_r(row, nr, sizeof(*row), cmp_ranks, NULL, ctx);

	for (i = tier_end = nr; i-- > 0; ) {
		if (order_distance(ctx, row[i].node) !=
		    order_distance(ctx, row[tier_end - 1].node))
			tier_end = i + 1;
		row[i].tier_end = tier_end;
	}
}

/*
 * Nodes at the same distance are equally good for the task that overflows, but
 * not for the machine: if several start nodes visited the same one first, their
 * overflow would gather there and leave its peers idle. So for each rank, let
 * the start nodes choose different nodes of their tiers as far as the topology
 * has them. That is bipartite matching: a start node takes the first node of
 * its tier, in circular ID order, that fewer than @limit others took, or has
 * others make room along an augmenting path.
 */
struct spread {
	struct scx_node_order	*order;
	unsigned int		rank;		/* position in the rows to settle */
	unsigned int		limit;		/* start nodes per chosen node */
	u16			*nr_chosen;	/* by node: start nodes that chose it */
	u16			*choice;	/* by start node */
	u16			*reached_by;	/* by node: start node, NOT_REACHED */
	u16			*queue;		/* start nodes to look at */
};

#define NOT_REACHED		U16_MAX

static struct scx_node_rank *mutable_row(struct scx_node_order *order, int start)
{
	return &order->ranks[start * order->nr_cpu_nodes];
}

/* Shift the choices along the path that ends in @node, which has room. */
static void take_path(struct spread *sp, int start, int node)
{
	sp->nr_chosen[node]++;

	for (;;) {
		int via = sp->reached_by[node];
		int given_up = sp->choice[via];

		sp->choice[via] = node;
		if (via == start)
			return;
		node = given_up;
	}
}

static bool choose(struct spread *sp, int start)
{
	unsigned int head = 0, tail = 0, i;
	int other;

	for_each_node_mask(other, sp->order->cpu_nodes)
		sp->reached_by[other] = NOT_REACHED;

	sp->queue[tail++] = start;
	while (head < tail) {
		int via = sp->queue[head++];
		const struct scx_node_rank *row = scx_node_order_row(sp->order, via);

		for (i = sp->rank; i < row[sp->rank].tier_end; i++) {
			int node = row[i].node;

			if (sp->reached_by[node] != NOT_REACHED)
				continue;
			sp->reached_by[node] = via;

			if (sp->nr_chosen[node] < sp->limit) {
				take_path(sp, start, node);
				return true;
			}

			/* each start node has one choice: queued once at most */
			for_each_node_mask(other, sp->order->cpu_nodes)
				if (other < start && sp->choice[other] == node)
					sp->queue[tail++] = other;
		}
	}

	return false;
}

/* Move each start node's choice to the rank, keep the order of the others. */
static void settle_choices(struct spread *sp)
{
	int start;

	for_each_node_mask(start, sp->order->cpu_nodes) {
		struct scx_node_rank *row = mutable_row(sp->order, start);
		unsigned int i = sp->rank;

		while (row[i].node != sp->choice[start])
			i++;
		for (; i > sp->rank; i--)
			swap(row[i].node, row[i - 1].node);
	}
}

static bool spread_tiers(struct scx_node_order *order, unsigned int nr_ids)
{
	struct spread sp = { .order = order };
	u16 *scratch;
	int start;

	scratch = kvmalloc_array(nr_ids, 4 * sizeof(*scratch), GFP_KERNEL);
	if (!scratch)
		return false;

	sp.nr_chosen = scratch;
	sp.choice = scratch + nr_ids;
	sp.reached_by = scratch + 2 * nr_ids;
	sp.queue = scratch + 3 * nr_ids;

	for (sp.rank = 0; sp.rank < order->nr_cpu_nodes; sp.rank++) {
		memset(sp.nr_chosen, 0, nr_ids * sizeof(*sp.nr_chosen));
		sp.limit = 1;

		/* CPU-less nodes run nothing that could overflow: left out */
		for_each_node_mask(start, order->cpu_nodes)
			while (!choose(&sp, start))
				sp.limit++;

		settle_choices(&sp);
		cond_resched();
	}

	kvfree(scratch);
	return true;
}

/**
 * scx_node_order_create - Order the nodes with CPUs by distance from each node
 * @start_nodes: nodes that a search may start from, a superset of @cpu_nodes
 * @cpu_nodes: nodes to rank, i.e. those that have CPUs
 * @distance: returns the distance between two nodes, as node_distance() does;
 *	      need not be symmetric, each start node goes by its own row
 *
 * In the row of a start node the node itself comes first, if it has CPUs. The
 * other nodes follow by increasing distance. Nodes at the same distance form a
 * tier and are ordered such that different start nodes visit different nodes of
 * it first, see &struct spread.
 *
 * May sleep. For N nodes with CPUs this takes O(N^2) memory and, unless the
 * topology is very irregular, O(N^3) time: about a million steps for 64 nodes.
 *
 * Return: the new order, to be freed with kvfree(), or %NULL without memory.
 */
struct scx_node_order *scx_node_order_create(const nodemask_t *start_nodes,
					     const nodemask_t *cpu_nodes,
					     int (*distance)(int from, int to))
{
	unsigned int nr_ids = find_last_bit(start_nodes->bits, MAX_NUMNODES) + 1;
	struct scx_node_order *order;
	int start;

	order = kvzalloc_flex(*order, ranks, array_size(nr_ids, nodes_weight(*cpu_nodes)));
	if (!order)
		return NULL;

	order->cpu_nodes = *cpu_nodes;
	order->nr_cpu_nodes = nodes_weight(*cpu_nodes);

	for_each_node_mask(start, *start_nodes) {
		struct order_ctx ctx = {
			.start		= start,
			.nr_ids		= nr_ids,
			.distance	= distance,
		};

		sort_row(mutable_row(order, start), cpu_nodes, &ctx);
	}

	if (!spread_tiers(order, nr_ids)) {
		kvfree(order);
		return NULL;
	}

	return order;
}
EXPORT_SYMBOL_IF_KUNIT(scx_node_order_create);
