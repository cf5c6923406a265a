/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the BPF and the user space parts of numa_distance and numa_storm.
 */
#ifndef __NUMA_DISTANCE_H
#define __NUMA_DISTANCE_H

#define ND_MAX_CPUS	2048

enum nd_call {
	ND_SELECT,	/* scx_bpf_select_cpu_and() */
	ND_PICK,	/* scx_bpf_pick_idle_cpu_node() */
	ND_PICK_ANY,	/* scx_bpf_pick_any_cpu_node() */
};

/* What to search for. */
struct nd_request {
	int			pid;		/* the task that looks for a CPU */
	int			start_cpu;	/* for ND_SELECT */
	int			start_node;	/* for ND_PICK* */
	enum nd_call		call;
	unsigned long long	flags;
	unsigned long long	allowed[ND_MAX_CPUS / 64];
};

/* A CPU before or after a search. */
struct nd_cpu {
	unsigned int		nr_changes;	/* idle transitions so far */
	unsigned char		idle;		/* in the idle mask */
	unsigned char		idle_core;	/* in the idle SMT mask */
};

#ifndef __bpf__
enum scx_test_status numa_storm_run(unsigned int nr_rounds);
#endif

#endif /* __NUMA_DISTANCE_H */
