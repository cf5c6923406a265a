/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the numa_distance and numa_storm tests share: the topology, CPU hotplug
 * and the scheduler of numa_distance.bpf.c.
 */
#ifndef __NUMA_UTIL_H__
#define __NUMA_UTIL_H__

#include <pthread.h>
#include <scx/common.h>
#include "numa_distance_test.h"
#include "numa_distance.bpf.skel.h"
#include "scx_test.h"

#define NUMA_NR_WAKERS	8

struct numa_topo {
	int			nr_cpus;	/* highest number + 1 */
	int			nr_nodes;	/* highest number + 1 */
	int			nr_cpu_nodes;
	struct numa_test_mask	nodes;
	struct numa_test_mask	possible;	/* all CPUs that there can be */
	struct numa_test_mask	cpus;		/* those that can be used */
	struct numa_test_mask	online;		/* and are online at present */
	int			*cpu_node;	/* -1: not in cpus */
	int			*cpu_nodes;	/* the nodes with CPUs */
	int			*distances;	/* see numa_distance() */
};

struct numa_waker {
	struct numa_test	*test;
	pthread_t		thread;
	int			timer_fd;
};

struct numa_test {
	struct numa_topo	topo;
	struct numa_distance	*skels[2];	/* by mode: default, per node */
	struct numa_distance	*skel;		/* the one in use */
	struct bpf_link		*sched_link;
	struct bpf_link		*idle_link;
	bool			per_node;
	int			drain_cpu;	/* where this task is */
	struct numa_test_mask	affinity;	/* of this task, to begin with */
	pthread_t		subject;	/* the task to pick CPUs for */
	int			subject_tid;
	int			subject_fd;
	struct numa_waker	wakers[NUMA_NR_WAKERS];
	int			nr_wakers;
	bool			stop;
	u64			seed;
};

static inline bool mask_test(const struct numa_test_mask *m, int bit)
{
	return m->w[bit / 64] >> (bit % 64) & 1;
}

static inline void mask_set(struct numa_test_mask *m, int bit)
{
	m->w[bit / 64] |= 1LLU << (bit % 64);
}

static inline void mask_clear(struct numa_test_mask *m, int bit)
{
	m->w[bit / 64] &= ~(1LLU << (bit % 64));
}

static inline struct numa_test_mask mask_and(const struct numa_test_mask *a,
					     const struct numa_test_mask *b)
{
	struct numa_test_mask m;

	for (int i = 0; i < NUMA_TEST_WORDS; i++)
		m.w[i] = a->w[i] & b->w[i];
	return m;
}

static inline struct numa_test_mask mask_andnot(const struct numa_test_mask *a,
						const struct numa_test_mask *b)
{
	struct numa_test_mask m;

	for (int i = 0; i < NUMA_TEST_WORDS; i++)
		m.w[i] = a->w[i] & ~b->w[i];
	return m;
}

static inline bool mask_empty(const struct numa_test_mask *m)
{
	for (int i = 0; i < NUMA_TEST_WORDS; i++)
		if (m->w[i])
			return false;
	return true;
}

/* The next bit after @bit that is set, or -1. */
static inline int mask_next(const struct numa_test_mask *m, int bit)
{
	for (bit++; bit < NUMA_TEST_MAX_CPUS; bit = (bit / 64 + 1) * 64) {
		u64 word = m->w[bit / 64] >> (bit % 64);

		if (word)
			return bit + __builtin_ctzll(word);
	}
	return -1;
}

static inline int mask_first(const struct numa_test_mask *m)
{
	return mask_next(m, -1);
}

/* Distance by the row of @from. */
static inline int numa_distance(const struct numa_topo *topo, int from, int to)
{
	return topo->distances[from * topo->nr_nodes + to];
}

u64 numa_random(struct numa_test *t);
u64 numa_now_ns(void);
bool numa_smt_active(void);
const char *numa_mask_str(const struct numa_test_mask *m);

/*
 * Those that return an int return 0 or, after an error message, -1.
 *
 * numa_test_close() is to be called after a numa_test_open() that passed. CPUs
 * that are offline by then are brought back online.
 */
enum scx_test_status numa_test_open(struct numa_test *t);
void numa_test_close(struct numa_test *t);
int numa_test_attach(struct numa_test *t, bool per_node);
int numa_test_detach(struct numa_test *t);
int numa_test_settle(struct numa_test *t, int tries);
int numa_test_drain(struct numa_test *t, bool wakeup);

void numa_set_timers(struct numa_test *t, u64 ns);
int numa_set_affinity(int tid, const struct numa_test_mask *cpus);
struct numa_test_mask numa_node_cpus(struct numa_test *t, int node);
bool numa_can_offline(struct numa_test *t, const struct numa_test_mask *cpus);
int numa_set_online(struct numa_test *t, const struct numa_test_mask *cpus, bool online);

#endif	/* __NUMA_UTIL_H__ */
