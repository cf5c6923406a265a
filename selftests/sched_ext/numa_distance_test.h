/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF side and the user space side of the numa_distance and numa_storm
 * tests share.
 */
#ifndef __NUMA_DISTANCE_TEST_H__
#define __NUMA_DISTANCE_TEST_H__

enum numa_test_consts {
	NUMA_TEST_MAX_CPUS	= 8192,
	NUMA_TEST_MAX_NODES	= 1024,
	NUMA_TEST_WORDS		= NUMA_TEST_MAX_CPUS / 64,
	NUMA_TEST_MAX_PICKS	= 128,		/* in one go, a power of two */
};

/* How to pick a CPU. */
enum numa_test_api {
	NUMA_TEST_SELECT,	/* __scx_bpf_select_cpu_and() */
	NUMA_TEST_PICK_IDLE,	/* scx_bpf_pick_idle_cpu_node() */
	NUMA_TEST_PICK_ANY,	/* scx_bpf_pick_any_cpu_node() */
};

struct numa_test_mask {
	u64	w[NUMA_TEST_WORDS];
};

struct numa_test_request {
	struct numa_test_mask	allowed;
	u64			flags;		/* SCX_PICK_IDLE_* */
	s32			tid;		/* the task to pick for */
	s32			start_cpu;
	s32			start_node;
	s32			drain_cpu;	/* where the picks are made */
	u32			api;
	u32			max_picks;
	u32			use_mask;	/* @allowed instead of the task's mask */
	u32			armed;		/* pick when the task is woken up */
};

/* The idle CPUs as the kernel tells, before and after a pick. */
struct numa_test_view {
	struct numa_test_mask	cpu;
	struct numa_test_mask	smt;
};

/*
 * A pick and all it takes to judge it. A CPU was idle for the whole time of it
 * iff it is in @before.cpu, in @after.cpu, in @in_idle and not in @moved.
 */
struct numa_test_pick {
	struct numa_test_view	before;
	struct numa_test_view	after;
	struct numa_test_mask	in_idle;	/* CPUs in an idle state before */
	struct numa_test_mask	moved;		/* came, went or were taken meanwhile */
	s32			cpu;
	u32			overlapped;	/* another CPU made a pick meanwhile */
};

#endif	/* __NUMA_DISTANCE_TEST_H__ */
