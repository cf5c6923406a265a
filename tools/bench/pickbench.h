/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the BPF part and the loader of pickbench share.
 */
#ifndef PICKBENCH_H
#define PICKBENCH_H

#define PB_MAX_CPUS	512
#define PB_WORDS	(PB_MAX_CPUS / 64)
#define PB_MAX_NODES	128
#define PB_MAX_PICKS	1024	/* a power of two, more than PB_MAX_CPUS */

/* What one pick calls. */
enum pb_api {
	PB_NOTHING,	/* two marks back to back: what measuring costs */
	PB_KFUNC,	/* the cheapest kfunc that looks its scheduler up */
	PB_SELECT,	/* __scx_bpf_select_cpu_and() */
	PB_SELECT_DFL,	/* scx_bpf_select_cpu_dfl() */
	PB_PICK,	/* scx_bpf_pick_idle_cpu() or, per node, ..._node() */
	PB_NR_APIS,
};

struct pb_mask {
	unsigned long long w[PB_WORDS];
};

/* What the loader asks for. */
struct pb_request {
	struct pb_mask allowed;		/* what the picks may choose from */
	struct pb_mask claim;		/* claimed before the first pick */
	unsigned long long flags;	/* SCX_PICK_IDLE_* */
	int pid;			/* the task to pick for */
	int start_cpu;
	int start_node;
	unsigned int api;
	unsigned int max_picks;
	unsigned int use_mask;		/* pass @allowed, not the task's own mask */
	unsigned int armed;		/* for a drain from ops.select_cpu() */
};

/*
 * One pick.  @idle and @smt are the kernel's idle masks just before it; those
 * just after it are the next record's, so there is one record more than picks.
 */
struct pb_pick {
	struct pb_mask idle;
	struct pb_mask smt;
	unsigned long long insns;
	int cpu;
	int pad;
};

/* What the marks around the kernel's bookkeeping saw. */
enum pb_update {
	PB_TO_BUSY,
	PB_TO_IDLE,
	PB_MARKS,	/* next to nothing between them: what measuring costs */
	PB_NR_UPDATES,
};

#define PB_MAX_UPDATES	8192	/* a power of two; later ones replace the first */

struct pb_updates {
	unsigned int nr;
	unsigned int insns[PB_MAX_UPDATES];
};

#endif
