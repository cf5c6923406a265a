// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of the order in which sched_ext's built-in idle CPU selection
 * visits NUMA nodes.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "node_order.h"

#define TEST_MAX_NODES	64
#define NR_IDS_MAX	min(TEST_MAX_NODES, MAX_NUMNODES)
#define NR_RANDOM	10000
#define NR_RANDOM_LARGE	50

/* The distance callback takes no context; KUnit runs one case at a time. */
static u8 slit[TEST_MAX_NODES][TEST_MAX_NODES];

static int test_distance(int from, int to)
{
	return slit[from][to];
}

static nodemask_t first_nodes(struct kunit *test, unsigned int nr)
{
	nodemask_t mask = NODE_MASK_NONE;
	unsigned int i;

	if (nr > MAX_NUMNODES)
		kunit_skip(test, "needs %u nodes, CONFIG_NODES_SHIFT allows for %u",
			   nr, MAX_NUMNODES);

	for (i = 0; i < nr; i++)
		node_set(i, mask);
	return mask;
}

static void fill_slit(unsigned int nr, u8 (*distance)(unsigned int nr, unsigned int a,
						      unsigned int b))
{
	unsigned int a, b;

	for (a = 0; a < nr; a++)
		for (b = 0; b < nr; b++)
			slit[a][b] = a == b ? 10 : distance(nr, a, b);
}

static u8 distance_mesh(unsigned int nr, unsigned int a, unsigned int b)
{
	return 20;
}

static unsigned int ring_hops(unsigned int nr, unsigned int a, unsigned int b)
{
	unsigned int hops = a > b ? a - b : b - a;

	return min(hops, nr - hops);
}

static u8 distance_ring(unsigned int nr, unsigned int a, unsigned int b)
{
	return 10 + 5 * ring_hops(nr, a, b);
}

/* two meshes of half the nodes, each node linked to its twin in the other */
static u8 distance_glueless(unsigned int nr, unsigned int a, unsigned int b)
{
	unsigned int half = nr / 2;

	if (a / half == b / half)
		return 16;
	return a % half == b % half ? 22 : 28;
}

static u8 distance_halves(unsigned int nr, unsigned int a, unsigned int b)
{
	return a / (nr / 2) == b / (nr / 2) ? 16 : 22;
}

/* 4 columns wide */
static u8 distance_torus(unsigned int nr, unsigned int a, unsigned int b)
{
	return 10 + 10 * (ring_hops(4, a % 4, b % 4) + ring_hops(nr / 4, a / 4, b / 4));
}

static u8 distance_hypercube(unsigned int nr, unsigned int a, unsigned int b)
{
	return 10 + 10 * hweight8(a ^ b);
}

static struct scx_node_order *create(struct kunit *test, const nodemask_t *start_nodes,
				     const nodemask_t *cpu_nodes)
{
	struct scx_node_order *order;

	order = scx_node_order_create(start_nodes, cpu_nodes, test_distance);
	KUNIT_ASSERT_NOT_NULL(test, order);
	return order;
}

/*
 * Check a row against its definition: each node with CPUs once, the start node
 * first, then by distance, tiers as long as the distance is the same.
 */
static bool row_is_valid(const struct scx_node_order *order, int start,
			 const nodemask_t *cpu_nodes, int (*distance)(int from, int to))
{
	const struct scx_node_rank *row = scx_node_order_row(order, start);
	unsigned int nr = nodes_weight(*cpu_nodes), i;
	bool has_cpus = node_isset(start, *cpu_nodes);
	nodemask_t seen = NODE_MASK_NONE;

	if (order->nr_cpu_nodes != nr || !nodes_equal(order->cpu_nodes, *cpu_nodes))
		return false;

	for (i = 0; i < nr; i++) {
		bool is_start = row[i].node == start;
		unsigned int end = i + 1;

		if (!node_isset(row[i].node, *cpu_nodes) || node_isset(row[i].node, seen))
			return false;
		node_set(row[i].node, seen);

		if (has_cpus && is_start != !i)
			return false;

		if (has_cpus && i == 0) {
			if (row[i].tier_end != 1)
				return false;
			continue;
		}

		while (end < nr &&
		       distance(start, row[end].node) == distance(start, row[i].node))
			end++;
		if (row[i].tier_end != end)
			return false;
		if (end < nr && distance(start, row[end].node) < distance(start, row[i].node))
			return false;
	}

	return true;
}

/* How many start nodes with CPUs share the busiest choice at @rank. */
static unsigned int max_chosen(const struct scx_node_order *order, unsigned int rank)
{
	u8 chosen[TEST_MAX_NODES] = {};
	unsigned int max = 0;
	int start;

	for_each_node_mask(start, order->cpu_nodes) {
		int node = scx_node_order_row(order, start)[rank].node;

		chosen[node]++;
		max = max(max, chosen[node]);
	}
	return max;
}

/*
 * Try all choices that the start nodes have at @rank, given those before it,
 * and return the smallest possible max_chosen().
 */
static unsigned int best_max_chosen(const struct scx_node_order *order, unsigned int rank,
				    const int *starts, unsigned int nr, u8 *chosen,
				    unsigned int max, unsigned int limit)
{
	const struct scx_node_rank *row;
	unsigned int i;

	if (max >= limit)
		return limit;
	if (!nr)
		return max;

	row = scx_node_order_row(order, starts[0]);
	for (i = rank; i < row[rank].tier_end; i++) {
		int node = row[i].node;

		chosen[node]++;
		limit = best_max_chosen(order, rank, starts + 1, nr - 1, chosen,
					max(max, (unsigned int)chosen[node]), limit);
		chosen[node]--;
	}
	return limit;
}

static bool spread_is_best(const struct scx_node_order *order)
{
	u8 chosen[TEST_MAX_NODES] = {};
	int starts[TEST_MAX_NODES];
	unsigned int nr = 0, rank;
	int node;

	for_each_node_mask(node, order->cpu_nodes)
		starts[nr++] = node;

	for (rank = 0; rank < nr; rank++)
		if (max_chosen(order, rank) !=
		    best_max_chosen(order, rank, starts, nr, chosen, 0, nr + 1))
			return false;
	return true;
}

static void expect_row(struct kunit *test, const struct scx_node_order *order, int start,
		       const u8 *nodes, const u8 *tier_ends)
{
	const struct scx_node_rank *row = scx_node_order_row(order, start);
	unsigned int i;

	for (i = 0; i < order->nr_cpu_nodes; i++) {
		KUNIT_EXPECT_EQ_MSG(test, (int)row[i].node, (int)nodes[i],
				    "start %d rank %u", start, i);
		KUNIT_EXPECT_EQ_MSG(test, (int)row[i].tier_end, (int)tier_ends[i],
				    "start %d rank %u", start, i);
	}
}

static void test_single_node(struct kunit *test)
{
	static const u8 nodes[] = { 0 }, tier_ends[] = { 1 };
	nodemask_t mask = first_nodes(test, 1);
	struct scx_node_order *order;

	slit[0][0] = 10;
	order = create(test, &mask, &mask);
	expect_row(test, order, 0, nodes, tier_ends);
	kvfree(order);
}

/* two packages of two dies each, no ties */
static void test_two_by_two(struct kunit *test)
{
	static const u8 distances[4][4] = {
		{ 10, 12, 20, 22 },
		{ 12, 10, 22, 24 },
		{ 20, 22, 10, 12 },
		{ 22, 24, 12, 10 },
	};
	static const u8 nodes[4][4] = {
		{ 0, 1, 2, 3 },
		{ 1, 0, 2, 3 },
		{ 2, 3, 0, 1 },
		{ 3, 2, 0, 1 },
	};
	static const u8 tier_ends[] = { 1, 2, 3, 4 };
	nodemask_t mask = first_nodes(test, 4);
	struct scx_node_order *order;
	int start;

	for (start = 0; start < 4; start++)
		memcpy(slit[start], distances[start], sizeof(distances[start]));

	order = create(test, &mask, &mask);
	for (start = 0; start < 4; start++)
		expect_row(test, order, start, nodes[start], tier_ends);
	kvfree(order);
}

/* each node goes by its own row */
static void test_asymmetric(struct kunit *test)
{
	static const u8 distances[3][3] = {
		{ 10, 40, 20 },
		{ 15, 10, 30 },
		{ 50, 25, 10 },
	};
	static const u8 nodes[3][3] = { { 0, 2, 1 }, { 1, 0, 2 }, { 2, 1, 0 } };
	static const u8 tier_ends[] = { 1, 2, 3 };
	nodemask_t mask = first_nodes(test, 3);
	struct scx_node_order *order;
	int start;

	for (start = 0; start < 3; start++)
		memcpy(slit[start], distances[start], sizeof(distances[start]));

	order = create(test, &mask, &mask);
	for (start = 0; start < 3; start++)
		expect_row(test, order, start, nodes[start], tier_ends);
	kvfree(order);
}

/* nodes 1 and 4 of 6 are not possible, 2 and 3 have no CPUs */
static void test_sparse_and_cpuless(struct kunit *test)
{
	static const u8 row_0[] = { 0, 5 }, row_2[] = { 5, 0 }, row_3[] = { 0, 5 };
	static const u8 tiers_near_far[] = { 1, 2 }, tiers_same[] = { 2, 2 };
	nodemask_t start_nodes = first_nodes(test, 6), cpu_nodes = first_nodes(test, 1);
	struct scx_node_order *order;

	node_clear(1, start_nodes);
	node_clear(4, start_nodes);
	node_set(5, cpu_nodes);

	fill_slit(6, distance_mesh);
	slit[2][0] = 80;
	slit[2][5] = 60;
	slit[3][0] = 60;
	slit[3][5] = 80;

	order = create(test, &start_nodes, &cpu_nodes);
	expect_row(test, order, 0, row_0, tiers_near_far);
	expect_row(test, order, 2, row_2, tiers_near_far);
	expect_row(test, order, 3, row_3, tiers_near_far);

	kvfree(order);

	/* both nodes with CPUs equally far from a start node without */
	slit[2][0] = 60;
	order = create(test, &start_nodes, &cpu_nodes);
	expect_row(test, order, 2, row_2, tiers_same);
	kvfree(order);
}

/* the start node is the nearest one even if the firmware says otherwise */
static void test_start_node_first(struct kunit *test)
{
	nodemask_t mask = first_nodes(test, 4);
	struct scx_node_order *order;
	int start;

	fill_slit(4, distance_mesh);
	for (start = 0; start < 4; start++)
		slit[start][start] = start % 2 ? 20 : 255;

	order = create(test, &mask, &mask);
	for (start = 0; start < 4; start++) {
		const struct scx_node_rank *row = scx_node_order_row(order, start);

		KUNIT_EXPECT_EQ(test, (int)row[0].node, start);
		KUNIT_EXPECT_EQ(test, (int)row[0].tier_end, 1);
		KUNIT_EXPECT_EQ(test, (int)row[1].tier_end, 4);
	}
	kvfree(order);
}

static void test_mesh_is_circular(struct kunit *test)
{
	static const u8 nodes[4][4] = {
		{ 0, 1, 2, 3 },
		{ 1, 2, 3, 0 },
		{ 2, 3, 0, 1 },
		{ 3, 0, 1, 2 },
	};
	static const u8 tier_ends[] = { 1, 4, 4, 4 };
	nodemask_t mask = first_nodes(test, 4);
	struct scx_node_order *order;
	int start;

	fill_slit(4, distance_mesh);
	order = create(test, &mask, &mask);
	for (start = 0; start < 4; start++)
		expect_row(test, order, start, nodes[start], tier_ends);
	kvfree(order);
}

/* In a topology that looks the same from each node no node is chosen twice. */
static void test_spread(struct kunit *test)
{
	static const struct {
		const char *name;
		unsigned int nr;
		u8 (*distance)(unsigned int nr, unsigned int a, unsigned int b);
	} topologies[] = {
		{ "mesh", 2, distance_mesh },
		{ "mesh", 7, distance_mesh },
		{ "mesh", 64, distance_mesh },
		{ "ring", 4, distance_ring },
		{ "ring", 9, distance_ring },
		{ "ring", 16, distance_ring },
		{ "glueless", 8, distance_glueless },
		{ "halves", 8, distance_halves },
		{ "torus", 16, distance_torus },
		{ "torus", 64, distance_torus },
		{ "hypercube", 16, distance_hypercube },
		{ "hypercube", 64, distance_hypercube },
	};
	unsigned int i, rank;

	for (i = 0; i < ARRAY_SIZE(topologies); i++) {
		unsigned int nr = topologies[i].nr;
		struct scx_node_order *order;
		nodemask_t mask;

		if (nr > NR_IDS_MAX)
			continue;

		mask = first_nodes(test, nr);
		fill_slit(nr, topologies[i].distance);
		order = create(test, &mask, &mask);
		for (rank = 0; rank < nr; rank++)
			KUNIT_EXPECT_EQ_MSG(test, max_chosen(order, rank), 1U,
					    "%s of %u, rank %u", topologies[i].name, nr, rank);
		kvfree(order);
	}
}

static u32 random_state;

static u32 random_below(u32 limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (u64)random_state * limit >> 32;
}

static void random_topology(unsigned int nr_ids, nodemask_t *start_nodes, nodemask_t *cpu_nodes)
{
	u32 nr_distances = 1 + random_below(random_below(2) ? 4 : 245);
	bool symmetric = random_below(2);
	u32 hole_percent = random_below(2) * 30, cpuless_percent = random_below(2) * 40;
	unsigned int a, b;

	for (a = 0; a < nr_ids; a++) {
		slit[a][a] = 10;
		for (b = 0; b < nr_ids; b++)
			if (a != b)
				slit[a][b] = symmetric && b < a ? slit[b][a] :
					     11 + random_below(nr_distances);
	}

	*start_nodes = NODE_MASK_NONE;
	*cpu_nodes = NODE_MASK_NONE;
	for (a = 0; a < nr_ids; a++) {
		if (random_below(100) < hole_percent)
			continue;
		node_set(a, *start_nodes);
		if (random_below(100) >= cpuless_percent)
			node_set(a, *cpu_nodes);
	}

	/* the machine that runs this has a CPU */
	a = random_below(nr_ids);
	node_set(a, *start_nodes);
	node_set(a, *cpu_nodes);
}

static void test_random(struct kunit *test)
{
	unsigned int i;

	random_state = 1;
	for (i = 0; i < NR_RANDOM + NR_RANDOM_LARGE; i++) {
		unsigned int nr_ids = 1 + random_below(i < NR_RANDOM ? 10 : TEST_MAX_NODES);
		nodemask_t start_nodes, cpu_nodes;
		struct scx_node_order *order;
		int start;

		nr_ids = min(nr_ids, NR_IDS_MAX);
		random_topology(nr_ids, &start_nodes, &cpu_nodes);
		order = create(test, &start_nodes, &cpu_nodes);

		for_each_node_mask(start, start_nodes) {
			bool valid = row_is_valid(order, start, &cpu_nodes, test_distance);

			KUNIT_EXPECT_TRUE_MSG(test, valid, "topology %u of %u nodes, start %d",
					      i, nr_ids, start);
		}

		/* trying all choices takes too long for many nodes */
		if (order->nr_cpu_nodes <= 5)
			KUNIT_EXPECT_TRUE_MSG(test, spread_is_best(order),
					      "topology %u of %u nodes", i, nr_ids);
		kvfree(order);
	}
}

static int system_distance(int from, int to)
{
	return node_distance(from, to);
}

/* The order of this machine's nodes, against the kernel's own iterator. */
static void test_this_machine(struct kunit *test)
{
	nodemask_t cpu_nodes = node_states[N_CPU];
	struct scx_node_order *order;
	int start;

	order = scx_node_order_create(&node_possible_map, &cpu_nodes, system_distance);
	KUNIT_ASSERT_NOT_NULL(test, order);

	for_each_node(start) {
		const struct scx_node_rank *row = scx_node_order_row(order, start);
		nodemask_t unvisited = cpu_nodes;
		unsigned int i = 0;
		int node = start;

		KUNIT_EXPECT_TRUE_MSG(test, row_is_valid(order, start, &cpu_nodes, system_distance),
				      "start %d", start);

		for_each_node_numadist(node, unvisited) {
			KUNIT_EXPECT_EQ_MSG(test, node_distance(start, node),
					    node_distance(start, row[i].node),
					    "start %d rank %u", start, i);
			i++;
		}
		KUNIT_EXPECT_EQ(test, node, MAX_NUMNODES);
		KUNIT_EXPECT_EQ(test, i, order->nr_cpu_nodes);
	}
	kvfree(order);
}

static struct kunit_case node_order_cases[] = {
	KUNIT_CASE(test_single_node),
	KUNIT_CASE(test_two_by_two),
	KUNIT_CASE(test_asymmetric),
	KUNIT_CASE(test_sparse_and_cpuless),
	KUNIT_CASE(test_start_node_first),
	KUNIT_CASE(test_mesh_is_circular),
	KUNIT_CASE(test_spread),
	KUNIT_CASE_SLOW(test_random),
	KUNIT_CASE(test_this_machine),
	{}
};

static struct kunit_suite node_order_suite = {
	.name = "scx_node_order",
	.test_cases = node_order_cases,
};

kunit_test_suite(node_order_suite);

MODULE_DESCRIPTION("KUnit test of sched_ext's NUMA node order");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
