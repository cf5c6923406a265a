// SPDX-License-Identifier: GPL-2.0
/*
 * Verify that the built-in idle tracking loses no CPU when CPU hotplug and
 * reloads of the scheduler, in alternating idle tracking modes, come together.
 *
 * SCX_NUMA_STORM_ROUNDS in the environment sets the number of rounds.
 */
#include <bpf/bpf.h>
#include <pthread.h>
#include <scx/common.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa_util.h"
#include "scx_test.h"

#define NR_ROUNDS	8
#define NODE_EVERY	4	/* rounds in which a whole node goes offline */
#define MAX_TRIES	100

struct storm {
	struct numa_test	test;
	struct numa_test_mask	victims;
	bool			online;
	int			err;
	int			max_tries;
};

/* Remove from @cpus those that get picked. */
static int drain(struct numa_test *t, struct numa_test_mask *cpus)
{
	int i, nr, total = 0;

	do {
		t->skel->bss->req.max_picks = NUMA_TEST_MAX_PICKS;
		if (numa_test_drain(t, false))
			return -1;
		nr = t->skel->bss->nr_picks;
		for (i = 0; i < nr; i++) {
			int cpu = t->skel->bss->picks[i].cpu;

			if (cpu >= 0)
				mask_clear(cpus, cpu);
		}
		total += nr;
	} while (nr && t->skel->bss->picks[nr - 1].cpu >= 0 && total < 4 * t->topo.nr_cpus);
	return 0;
}

/* Every CPU that is idle must get picked, and again after that. */
static int find_all(struct storm *s, int round, enum numa_test_api api)
{
	struct numa_test *t = &s->test;
	struct numa_test_request *req = &t->skel->bss->req;
	struct numa_test_mask cpus = t->topo.online;
	struct numa_test_mask lost;
	int try;

	mask_clear(&cpus, t->drain_cpu);
	req->api = api;
	req->flags = 0;
	req->use_mask = 0;

	for (try = 0; try < MAX_TRIES && !mask_empty(&cpus); try++) {
		int node = t->topo.cpu_nodes[numa_random(t) % t->topo.nr_cpu_nodes];
		struct numa_test_mask starts = numa_node_cpus(t, node);

		req->start_node = node;
		req->start_cpu = mask_first(&starts);
		if (numa_test_settle(t, 20) || drain(t, &cpus))
			return -1;
	}
	if (try > s->max_tries)
		s->max_tries = try;
	if (mask_empty(&cpus))
		return 0;

	/* a CPU that is busy all the time cannot be found */
	lost = mask_and(&cpus, &t->skel->bss->in_idle);
	if (mask_empty(&lost)) {
		printf("round %d: CPUs %s are busy\n", round, numa_mask_str(&cpus));
		return 0;
	}
	SCX_ERR("Round %d, %s mode, online %s: idle CPUs %s did not get picked in %d tries",
		round, t->per_node ? "per-node" : "default", numa_mask_str(&t->topo.online),
		numa_mask_str(&lost), try);
	return -1;
}

static int verify(struct storm *s, int round)
{
	if (find_all(s, round, NUMA_TEST_SELECT))
		return -1;
	return s->test.per_node ? find_all(s, round, NUMA_TEST_PICK_IDLE) : 0;
}

static int reload(struct numa_test *t, bool per_node)
{
	if (numa_test_detach(t))
		return -1;
	return numa_test_attach(t, per_node);
}

/* A CPU at random or, now and then, all CPUs of its node. */
static void choose_victims(struct storm *s, int round)
{
	struct numa_test *t = &s->test;
	int cpu, tries;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		cpu = numa_random(t) % t->topo.nr_cpus;
		if (!mask_test(&t->topo.cpus, cpu))
			continue;

		if (round % NODE_EVERY == NODE_EVERY - 1) {
			s->victims = numa_node_cpus(t, t->topo.cpu_node[cpu]);
		} else {
			memset(&s->victims, 0, sizeof(s->victims));
			mask_set(&s->victims, cpu);
		}
		if (numa_can_offline(t, &s->victims))
			return;
	}

	printf("round %d: no CPU can be taken offline\n", round);
	memset(&s->victims, 0, sizeof(s->victims));
}

static void *do_hotplug(void *arg)
{
	struct storm *s = arg;

	/* not where the scheduler is reloaded */
	s->err = numa_set_affinity(0, &s->test.topo.online) ||
		 numa_set_online(&s->test, &s->victims, s->online);
	return NULL;
}

/* Reload the scheduler while the victims go offline or come back online. */
static int collide(struct storm *s, bool online, bool per_node)
{
	pthread_t thread;
	int err;

	s->online = online;
	if (pthread_create(&thread, NULL, do_hotplug, s)) {
		SCX_ERR("Failed to create a task");
		return -1;
	}
	numa_set_timers(&s->test, 100000000);
	err = reload(&s->test, per_node);
	pthread_join(thread, NULL);
	return err || s->err ? -1 : 0;
}

static int run_round(struct storm *s, int round)
{
	struct numa_test *t = &s->test;

	choose_victims(s, round);

	/* the mode changes when CPUs go offline, when they come back, or between */
	if (collide(s, false, !t->per_node) || verify(s, round))
		return -1;
	if (round % 3 == 0 && reload(t, !t->per_node))
		return -1;
	if (collide(s, true, round % 2 ? t->per_node : !t->per_node) || verify(s, round))
		return -1;

	/* and now without a reload */
	if (numa_set_online(t, &s->victims, false) || verify(s, round) ||
	    numa_set_online(t, &s->victims, true) || verify(s, round))
		return -1;
	return 0;
}

static enum scx_test_status setup(void **ctx)
{
	struct storm *s = calloc(1, sizeof(*s));
	enum scx_test_status status;

	SCX_FAIL_IF(!s, "Out of memory");
	status = numa_test_open(&s->test);
	if (status == SCX_TEST_PASS)
		*ctx = s;
	else
		free(s);
	return status;
}

static enum scx_test_status run(void *ctx)
{
	const char *env = getenv("SCX_NUMA_STORM_ROUNDS");
	int round, nr_rounds = env ? atoi(env) : NR_ROUNDS;
	struct storm *s = ctx;

	SCX_FAIL_IF(nr_rounds < 1, "Bad SCX_NUMA_STORM_ROUNDS '%s'", env);
	SCX_FAIL_IF(numa_test_attach(&s->test, false), "Failed to begin");

	for (round = 0; round < nr_rounds; round++)
		SCX_FAIL_IF(run_round(s, round), "Failed in round %d of %d", round, nr_rounds);

	printf("%d rounds, all idle CPUs were found in at most %d tries\n", nr_rounds,
	       s->max_tries);
	return numa_test_detach(&s->test) ? SCX_TEST_FAIL : SCX_TEST_PASS;
}

static void cleanup(void *ctx)
{
	struct storm *s = ctx;

	numa_test_close(&s->test);
	free(s);
}

struct scx_test numa_storm_test = {
	.name = "numa_storm",
	.description = "Verify that CPU hotplug and reloads lose no idle CPU",
	.setup = setup,
	.run = run,
	.cleanup = cleanup,
};

REGISTER_SCX_TEST(&numa_storm_test)
