// SPDX-License-Identifier: GPL-2.0
/*
 * Verify that the built-in idle CPU selection picks the nearest idle CPU.
 *
 * From every CPU and node, pick idle CPUs until there are none left, and compare
 * each pick with what the distances in sysfs say. A pick is wrong if a nearer
 * CPU that was idle for the whole time was passed over; CPUs that came, left or
 * were taken by others in the meantime don't count, see numa_distance.bpf.c.
 *
 * This is done in both idle tracking modes, while interrupts wake up tasks, and
 * after a CPU and a node went offline and came back.
 */
#include <bpf/bpf.h>
#include <linux/kernel.h>
#include <scx/common.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa_util.h"
#include "scx_test.h"

#define MAX_REPORTS	5	/* for each phase */
#define NR_ANY_PICKS	4
#define NR_INTR_ROUNDS	3
#define MANY_CPUS	64

enum affinity {
	FULL,		/* the task can use all CPUs */
	TASK,		/* it can't */
	ARG,		/* it can, but is not meant to */
};

enum cpus {
	ALL,
	HALF,		/* at random */
	AWAY,		/* not in the start node */
};

struct query {
	enum numa_test_api	api;
	enum affinity		affinity;
	enum cpus		cpus;
	bool			core;		/* SCX_PICK_IDLE_CORE */
	bool			in_node;	/* SCX_PICK_IDLE_IN_NODE */
	bool			from_node;	/* SCX_PICK_IDLE_FROM_NODE */

	struct numa_test_mask	allowed;
	int			start_cpu;
	int			start_node;
};

static const struct query cpu_queries[] = {
	{ .affinity = FULL },
	{ .affinity = FULL, .core = true },
	{ .affinity = FULL, .in_node = true },
	{ .affinity = FULL, .from_node = true },
	{ .affinity = TASK, .cpus = HALF },
	{ .affinity = TASK, .cpus = HALF, .core = true },
	{ .affinity = ARG, .cpus = AWAY },
	{ .affinity = ARG, .cpus = HALF, .core = true, .in_node = true },
};

/* Nodes may have no CPUs, or not now. */
static const struct query node_queries[] = {
	{ .affinity = ARG, .cpus = HALF, .from_node = true },
	{ .api = NUMA_TEST_PICK_IDLE, .affinity = FULL },
	{ .api = NUMA_TEST_PICK_IDLE, .affinity = FULL, .core = true },
	{ .api = NUMA_TEST_PICK_IDLE, .affinity = FULL, .in_node = true },
	{ .api = NUMA_TEST_PICK_IDLE, .affinity = ARG, .cpus = HALF },
	{ .api = NUMA_TEST_PICK_IDLE, .affinity = ARG, .cpus = HALF, .core = true },
};

struct phase {
	struct numa_test	*test;
	const char		*name;
	bool			interrupts;
	bool			smt;
	u64			drain_ns;	/* the last one took */
	int			nr_drains;
	int			nr_picks;
	int			nr_remote;	/* not in the start node */
	int			nr_judged;	/* no other CPU interfered */
	int			nr_wrong;
};

/* SCX_PICK_IDLE_*, which take time to look up */
static u64 core_flag, in_node_flag, from_node_flag, node_shift;

static int distance_to(const struct phase *ph, const struct query *q, int cpu)
{
	const struct numa_topo *topo = &ph->test->topo;

	return numa_distance(topo, q->start_node, topo->cpu_node[cpu]);
}

/* The nearest one of @cpus, or -1. */
static int nearest(const struct phase *ph, const struct query *q,
		   const struct numa_test_mask *cpus)
{
	int cpu, best = -1;

	for (cpu = mask_first(cpus); cpu >= 0; cpu = mask_next(cpus, cpu))
		if (best < 0 || distance_to(ph, q, cpu) < distance_to(ph, q, best))
			best = cpu;
	return best;
}

static void print_cpu(const struct phase *ph, const struct query *q, int cpu)
{
	const struct numa_topo *topo = &ph->test->topo;

	if (cpu < 0)
		fprintf(stderr, "none");
	else if (cpu >= topo->nr_cpus || topo->cpu_node[cpu] < 0)
		fprintf(stderr, "CPU %d", cpu);
	else
		fprintf(stderr, "CPU %d of node %d (distance %d)", cpu, topo->cpu_node[cpu],
			distance_to(ph, q, cpu));
}

static void wrong(struct phase *ph, const struct query *q, int cpu, int expected,
		  const char *what)
{
	static const char * const apis[] = {
		[NUMA_TEST_SELECT]	= "select_cpu_and",
		[NUMA_TEST_PICK_IDLE]	= "pick_idle_cpu_node",
		[NUMA_TEST_PICK_ANY]	= "pick_any_cpu_node",
	};

	if (++ph->nr_wrong > MAX_REPORTS)
		return;
	fflush(stdout);

	fprintf(stderr, "ERR: %s mode, %s, %s", ph->test->per_node ? "per-node" : "default",
		ph->name, apis[q->api]);
	if (q->api == NUMA_TEST_SELECT)
		fprintf(stderr, ", start CPU %d", q->start_cpu);
	fprintf(stderr, ", start node %d%s%s%s, %s %s: picked ", q->start_node,
		q->core ? ", CORE" : "", q->in_node ? ", IN_NODE" : "",
		q->from_node ? ", FROM_NODE" : "",
		q->affinity == TASK ? "affinity" : "allowed", numa_mask_str(&q->allowed));
	print_cpu(ph, q, cpu);
	fprintf(stderr, ", expected ");
	print_cpu(ph, q, expected);
	fprintf(stderr, ": %s\n", what);
}

/*
 * The masks of idle cores are updated without atomics, so that any change
 * anywhere can affect any core. Return true if there was none but the pick.
 */
static bool is_quiet(const struct phase *ph, const struct numa_test_pick *pick)
{
	const struct numa_test_mask *online = &ph->test->topo.online;
	struct numa_test_mask before = mask_and(&pick->before.cpu, online);
	struct numa_test_mask after = mask_and(&pick->after.cpu, online);
	struct numa_test_mask unsettled = mask_andnot(&before, &pick->in_idle);

	if (pick->cpu >= 0)
		mask_clear(&before, pick->cpu);
	return !pick->overlapped && mask_empty(&pick->moved) && mask_empty(&unsettled) &&
	       !memcmp(&before, &after, sizeof(before));
}

/* Return true if the CPU that was picked can be compared with others. */
static bool judge_cpu(struct phase *ph, const struct query *q, int cpu, int best)
{
	const struct numa_topo *topo = &ph->test->topo;

	if (cpu >= topo->nr_cpus || !mask_test(&q->allowed, cpu)) {
		wrong(ph, q, cpu, best, "the CPU is not allowed");
		return false;
	}
	if (!mask_test(&topo->online, cpu)) {
		wrong(ph, q, cpu, best, "the CPU is offline");
		return false;
	}
	if (q->in_node && topo->cpu_node[cpu] != q->start_node) {
		wrong(ph, q, cpu, best, "the CPU is not in the node");
		return false;
	}
	return true;
}

/* The order of preference among CPUs at the same distance. */
static void judge_peers(struct phase *ph, const struct query *q,
			const struct numa_test_pick *pick, const struct numa_test_mask *idle,
			const struct numa_test_mask *idle_cores)
{
	const struct numa_topo *topo = &ph->test->topo;
	bool core = mask_test(&pick->before.smt, pick->cpu);
	int best;

	if (ph->smt && q->core && !core) {
		wrong(ph, q, pick->cpu, nearest(ph, q, idle_cores), "the core is not idle");
		return;
	}

	if (q->api == NUMA_TEST_SELECT && pick->cpu != q->start_cpu &&
	    q->start_node == topo->cpu_node[q->start_cpu] &&
	    mask_test(ph->smt ? idle_cores : idle, q->start_cpu)) {
		wrong(ph, q, pick->cpu, q->start_cpu, "the previous CPU is idle");
		return;
	}

	best = nearest(ph, q, idle_cores);
	if (ph->smt && !core && best >= 0 &&
	    distance_to(ph, q, best) == distance_to(ph, q, pick->cpu))
		wrong(ph, q, pick->cpu, best, "an idle core is as near");
}

static void judge(struct phase *ph, const struct query *q, const struct numa_test_pick *pick)
{
	const struct numa_topo *topo = &ph->test->topo;
	struct numa_test_mask allowed = mask_and(&q->allowed, &topo->online);
	struct numa_test_mask idle, idle_cores, node_cpus;
	bool quiet = is_quiet(ph, pick);
	int cpu = pick->cpu, best;

	ph->nr_picks++;

	if (q->in_node) {
		node_cpus = numa_node_cpus(ph->test, q->start_node);
		allowed = mask_and(&allowed, &node_cpus);
	}

	/* what was idle for the whole time */
	idle = mask_and(&allowed, &pick->before.cpu);
	idle = mask_and(&idle, &pick->after.cpu);
	idle = mask_and(&idle, &pick->in_idle);
	idle = mask_andnot(&idle, &pick->moved);
	idle_cores = mask_and(&idle, &pick->before.smt);
	idle_cores = mask_and(&idle_cores, &pick->after.smt);
	if (ph->smt && q->core)
		idle = idle_cores;
	best = nearest(ph, q, &idle);

	if (cpu >= 0 && !judge_cpu(ph, q, cpu, best))
		return;

	if (pick->overlapped || (ph->smt && q->core && !quiet))
		return;
	ph->nr_judged++;

	if (cpu < 0) {
		if (best >= 0)
			wrong(ph, q, cpu, best, "the CPU is idle");
		else if (q->api == NUMA_TEST_PICK_ANY && !mask_empty(&allowed))
			wrong(ph, q, cpu, nearest(ph, q, &allowed), "it need not be idle");
		return;
	}

	if (topo->cpu_node[cpu] != q->start_node)
		ph->nr_remote++;
	if (best >= 0 && distance_to(ph, q, best) < distance_to(ph, q, cpu)) {
		wrong(ph, q, cpu, best, "a nearer CPU is idle");
		return;
	}

	if (q->api == NUMA_TEST_PICK_ANY && !mask_test(&pick->before.cpu, cpu)) {
		/* if in an idle state, it was picked before: it did not just become idle */
		if (cpu != ph->test->drain_cpu &&
		    (!mask_test(&pick->in_idle, cpu) || mask_test(&pick->moved, cpu)))
			return;
		best = nearest(ph, q, &allowed);
		if (distance_to(ph, q, best) < distance_to(ph, q, cpu))
			wrong(ph, q, cpu, best, "a nearer CPU is allowed");
		return;
	}

	if (quiet || !ph->smt)
		judge_peers(ph, q, pick, &idle, &idle_cores);
}

static int prepare(struct phase *ph, const struct query *q)
{
	struct numa_test *t = ph->test;
	struct numa_test_request *req = &t->skel->bss->req;

	req->allowed = q->allowed;
	req->use_mask = q->affinity == ARG;
	req->start_cpu = q->start_cpu;
	req->start_node = q->start_node;
	req->api = q->api;
	req->flags = (q->core ? core_flag : 0) | (q->in_node ? in_node_flag : 0);
	if (q->from_node)
		req->flags |= from_node_flag | (u64)q->start_node << node_shift;

	return numa_set_affinity(t->subject_tid,
				 q->affinity == TASK ? &q->allowed : &t->topo.possible);
}

/* Pick up to @max CPUs. */
static int pick(struct phase *ph, const struct query *q, int max)
{
	struct numa_test *t = ph->test;
	int i, nr = 0;
	u64 begin;

	while (nr < max) {
		int now = max - nr < NUMA_TEST_MAX_PICKS ? max - nr : NUMA_TEST_MAX_PICKS;

		t->skel->bss->req.max_picks = now;
		begin = numa_now_ns();
		if (ph->interrupts)
			numa_set_timers(t, 2 * ph->drain_ns);
		if (numa_test_drain(t, !ph->interrupts && ph->nr_drains % 2))
			return -1;
		ph->drain_ns = numa_now_ns() - begin;

		now = t->skel->bss->nr_picks;
		if (!now)
			break;
		for (i = 0; i < now; i++)
			judge(ph, q, &t->skel->bss->picks[i]);
		if (t->skel->bss->picks[now - 1].cpu < 0)
			break;
		nr += now;
	}

	ph->nr_drains++;
	return 0;
}

/*
 * It has the drain CPU, which is busy, as the subject runs there. Tasks that can
 * only run on one CPU are not subject to the selection.
 */
static struct numa_test_mask random_half(struct numa_test *t)
{
	const struct numa_test_mask *cpus = &t->topo.cpus;
	struct numa_test_mask half;
	int cpu, nr;

	do {
		memset(&half, 0, sizeof(half));
		mask_set(&half, t->drain_cpu);
		nr = 0;
		for (cpu = mask_first(cpus); cpu >= 0; cpu = mask_next(cpus, cpu)) {
			if (cpu != t->drain_cpu && numa_random(t) & 1) {
				mask_set(&half, cpu);
				nr++;
			}
		}
	} while (!nr);
	return half;
}

static int drain(struct phase *ph, const struct query *query, int cpu, int node)
{
	struct numa_test *t = ph->test;
	struct numa_test_mask own;
	struct query q = *query;
	int i;

	if ((q.from_node && !from_node_flag) ||
	    (q.api != NUMA_TEST_SELECT && !t->per_node))
		return 0;

	q.start_cpu = cpu;
	q.start_node = node;
	q.allowed = t->topo.cpus;
	if (q.cpus == HALF) {
		q.allowed = random_half(t);
	} else if (q.cpus == AWAY) {
		own = numa_node_cpus(t, node);
		q.allowed = mask_andnot(&q.allowed, &own);
	}

	if (prepare(ph, &q) || numa_test_settle(t, 20))
		return -1;

	/* CPUs can become idle again in the meantime, but don't go on forever */
	if (pick(ph, &q, 2 * t->topo.nr_cpus + 16))
		return -1;

	/* with no CPU idle, or few that have just become so */
	if (q.api != NUMA_TEST_PICK_IDLE || q.core)
		return 0;
	q.api = NUMA_TEST_PICK_ANY;
	if (prepare(ph, &q))
		return -1;
	for (i = 0; i < NR_ANY_PICKS; i++)
		if (pick(ph, &q, 1))
			return -1;
	return 0;
}

static int drain_from_cpu(struct phase *ph, int cpu)
{
	const struct numa_topo *topo = &ph->test->topo;
	int i, node, other;

	node = topo->cpu_node[cpu];
	do {
		other = topo->cpu_nodes[numa_random(ph->test) % topo->nr_cpu_nodes];
	} while (other == node);

	for (i = 0; i < ARRAY_SIZE(cpu_queries); i++)
		if (drain(ph, &cpu_queries[i], cpu, cpu_queries[i].from_node ? other : node))
			return -1;
	return 0;
}

static int drain_from_node(struct phase *ph, int node)
{
	struct numa_test *t = ph->test;
	int i;

	for (i = 0; i < ARRAY_SIZE(node_queries); i++)
		if (drain(ph, &node_queries[i], t->drain_cpu, node))
			return -1;
	return 0;
}

/*
 * Begin at every @step-th CPU and at every node. Return the number of wrong
 * picks, or -1.
 */
static int run_phase(struct numa_test *t, const char *name, int step, bool interrupts)
{
	struct phase ph = {
		.test		= t,
		.name		= name,
		.interrupts	= interrupts,
		.smt		= numa_smt_active(),
		.drain_ns	= 1000000,
	};
	const struct numa_test_mask *starts = &t->topo.online, *nodes = &t->topo.nodes;
	int cpu, node, round, nr = 0;

	t->skel->bss->nr_nested = 0;
	for (round = 0; round < (interrupts ? NR_INTR_ROUNDS : 1); round++) {
		for (cpu = mask_first(starts); cpu >= 0; cpu = mask_next(starts, cpu))
			if (nr++ % step == 0 && drain_from_cpu(&ph, cpu))
				return -1;
		for (node = mask_first(nodes); node >= 0; node = mask_next(nodes, node))
			if (drain_from_node(&ph, node))
				return -1;
	}

	printf("%s mode, %s: %d drains, %d picks, %d judged, %d of them in other nodes",
	       t->per_node ? "per-node" : "default", name, ph.nr_drains, ph.nr_picks,
	       ph.nr_judged, ph.nr_remote);
	if (interrupts)
		printf(", %lu interrupts", (unsigned long)t->skel->bss->nr_nested);
	printf(", %d wrong\n", ph.nr_wrong);
	fflush(stdout);

	if (!ph.nr_remote) {
		SCX_ERR("Nothing to judge, all CPUs are busy");
		return -1;
	}
	if (interrupts && !t->skel->bss->nr_nested) {
		SCX_ERR("No interrupt woke up a task");
		return -1;
	}
	return ph.nr_wrong;
}

/* On large machines, begin at all CPUs only once. */
static int many_cpus(const struct numa_test *t)
{
	return 1 + t->topo.nr_cpus / MANY_CPUS;
}

static int run_offline(struct numa_test *t, const struct numa_test_mask *cpus, const char *what)
{
	int offline, online;
	char name[64];

	if (numa_set_online(t, cpus, false))
		return -1;
	sprintf(name, "%.32s offline", what);
	offline = run_phase(t, name, many_cpus(t), false);

	if (numa_set_online(t, cpus, true))
		return -1;
	sprintf(name, "%.32s online again", what);
	online = run_phase(t, name, many_cpus(t), false);

	return offline < 0 || online < 0 ? -1 : offline + online;
}

static int run_cpu_offline(struct numa_test *t)
{
	struct numa_test_mask victims;
	char what[32];
	int cpu;

	for (cpu = t->topo.nr_cpus - 1; cpu >= 0; cpu--) {
		if (!mask_test(&t->topo.cpus, cpu))
			continue;
		memset(&victims, 0, sizeof(victims));
		mask_set(&victims, cpu);
		if (!numa_can_offline(t, &victims))
			continue;
		sprintf(what, "CPU %d", cpu);
		return run_offline(t, &victims, what);
	}

	printf("no CPU can be taken offline, leaving that out\n");
	return 0;
}

static int run_node_offline(struct numa_test *t)
{
	struct numa_test_mask victims;
	char what[32];
	int i, node;

	for (i = t->topo.nr_cpu_nodes - 1; i >= 0; i--) {
		node = t->topo.cpu_nodes[i];
		victims = numa_node_cpus(t, node);
		if (!numa_can_offline(t, &victims))
			continue;
		sprintf(what, "node %d", node);
		return run_offline(t, &victims, what);
	}

	printf("no node can be taken offline, leaving that out\n");
	return 0;
}

static enum scx_test_status setup(void **ctx)
{
	struct numa_test *t = malloc(sizeof(*t));
	enum scx_test_status status;

	SCX_FAIL_IF(!t, "Out of memory");
	status = numa_test_open(t);
	if (status == SCX_TEST_PASS)
		*ctx = t;
	else
		free(t);
	return status;
}

static enum scx_test_status run(void *ctx)
{
	struct numa_test *t = ctx;
	bool failed = false;
	int per_node;

	core_flag = SCX_PICK_IDLE_CORE;
	in_node_flag = SCX_PICK_IDLE_IN_NODE;
	from_node_flag = SCX_PICK_IDLE_FROM_NODE;
	node_shift = __COMPAT_ENUM_OR_ZERO("scx_pick_idle_cpu_consts", "SCX_PICK_IDLE_NODE_SHIFT");
	if (!from_node_flag)
		printf("no SCX_PICK_IDLE_FROM_NODE, leaving that out\n");

	for (per_node = 0; per_node < 2; per_node++) {
		if (numa_test_attach(t, per_node))
			return SCX_TEST_FAIL;
		failed |= run_phase(t, "undisturbed", 1, false);
		failed |= run_phase(t, "interrupted", many_cpus(t), true);
		failed |= run_cpu_offline(t);
		failed |= run_node_offline(t);
		if (numa_test_detach(t))
			return SCX_TEST_FAIL;
	}

	SCX_FAIL_IF(failed, "Not the nearest idle CPU was picked, or none");
	return SCX_TEST_PASS;
}

static void cleanup(void *ctx)
{
	numa_test_close(ctx);
	free(ctx);
}

struct scx_test numa_distance_test = {
	.name = "numa_distance",
	.description = "Verify that the nearest idle CPU is picked",
	.setup = setup,
	.run = run,
	.cleanup = cleanup,
};

REGISTER_SCX_TEST(&numa_distance_test)
