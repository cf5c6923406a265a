/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the loader and the BPF program of scx_affinity share.
 */
#ifndef SCX_AFFINITY_H
#define SCX_AFFINITY_H

#ifndef __VMLINUX_H__
#include <stdint.h>
#include <stdbool.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;
#endif

enum aff_limits {
	AFF_MAX_LAYERS	= 16,
	AFF_MAX_TERMS	= 256,
	AFF_MAX_CPUS	= 512,
	AFF_MAX_NODES	= 64,
	AFF_MAX_DOMS	= 64,
	AFF_MAX_THREADS	= 8,	/* hardware threads of a core */
	AFF_NAME_LEN	= 32,
	AFF_STR_LEN	= 128,	/* of a cgroup's path that is compared */
	AFF_COMM_LEN	= 16,
	AFF_MAX_EVENTS	= 4,	/* of perf */
};

/* --- matching ----------------------------------------------------------- */

enum aff_term_kind {
	AFF_ANY,		/* matches each task */
	AFF_CGROUP_PREFIX,
	AFF_COMM_PREFIX,
	AFF_PCOMM_PREFIX,	/* the parent's */
	AFF_NICE_ABOVE,
	AFF_NICE_BELOW,
	AFF_UID,
	AFF_GID,
	AFF_PID,
	AFF_TGID,
	AFF_KTHREAD,
	AFF_PREFERRED_NODE,
	AFF_NR_KINDS,
};

enum aff_term_flags {
	AFF_TERM_GROUP	= 1,	/* the first of an AND group */
	AFF_TERM_ALT	= 2,	/* an alternative to the term before it */
	AFF_TERM_END	= 4,	/* the last of its group */
};

/*
 * All layers' matches in one row: the groups of the first layer, then those of the
 * second and so on. A group matches if each of its terms does or, of terms with
 * alternatives, one of them.
 */
struct aff_term {
	u8	kind;
	u8	flags;
	u8	layer;
	u8	len;		/* of str */
	s32	value;
	char	str[AFF_STR_LEN];
};

/* What of a task decides about its layer. */
struct aff_key {
	char	comm[AFF_COMM_LEN];
	char	pcomm[AFF_COMM_LEN];
	u64	cgid;
	u32	uid;
	u32	gid;
	s32	pid;
	s32	tgid;
	s32	nice;
	s32	node;		/* preferred, -1 if there is none */
	u32	kthread;
	u32	pad;
};

/* --- layers ------------------------------------------------------------- */

enum aff_policy {
	AFF_OPEN,		/* all CPUs that no other layer protects */
	AFF_GROUPED,		/* its own CPUs, idle ones of others near them */
	AFF_CONFINED,		/* its own CPUs only */
};

enum aff_follow {
	AFF_FOLLOW_OFF,
	AFF_FOLLOW_PREFER,	/* search from the preferred node on */
	AFF_FOLLOW_STRICT,	/* only there, if the layer has CPUs there */
};

struct aff_layer {
	u32	policy;
	u32	follow;
	u32	preempt;
	u32	exclusive;
	u32	wake_sync;
	u32	weight;
	u32	overflow;	/* largest distance from home, 0: no limit */
	u32	pad;
	u64	nodes;		/* bits: those of its CPUs */
	u64	slice_ns;
	u64	budget_ns;	/* for each migration across nodes, 0: no limit */
};

/*
 * A state of the scheduler's orders. There are two: one in force and one that the
 * loader prepares.
 */
struct aff_plan {
	u32	nr_layers;
	u32	nr_terms;
	u32	uses;		/* bits: the kinds of terms in use */
	u32	match_gen;	/* tasks whose layer is of another one are matched anew */
	u32	preempt;	/* bits: layers */
	u32	catch_all;	/* the layer that takes all that is left */
	u16	dom_cpus[AFF_MAX_LAYERS * AFF_MAX_DOMS];	/* of each layer in each domain */
	struct aff_layer layers[AFF_MAX_LAYERS];
	u32	own[AFF_MAX_CPUS];	/* bits: layers that the CPU belongs to */
	u32	use[AFF_MAX_CPUS];	/* bits: layers that may use it when it is idle */
	struct aff_term terms[AFF_MAX_TERMS];
};

struct aff_apply {
	u32	plan;
	s32	ret;
};

/* --- statistics --------------------------------------------------------- */

enum aff_stat {
	AFF_STAT_LOCAL,		/* placed on an idle CPU in the home node */
	AFF_STAT_NEAR,		/* in one of the nearest other nodes */
	AFF_STAT_FAR,
	AFF_STAT_QUEUED,
	AFF_STAT_OVERFLOW,	/* placed on a CPU that is not the layer's */
	AFF_STAT_MIGRATED,	/* ran on another node than the last time */
	AFF_STAT_NO_BUDGET,	/* did not, for want of budget */
	AFF_STAT_PREF_KNOWN,	/* started to run with a preferred node */
	AFF_STAT_PREF_HIT,	/* ... on it */
	AFF_STAT_PREEMPTED,	/* running tasks of others, to make way */
	AFF_STAT_PINNED,	/* queued for one CPU as affinity and layer disagree */
	AFF_STAT_AGED,		/* waited too long and were helped */
	AFF_STAT_STOLEN,	/* taken from another domain's queue */
	AFF_STAT_LEVELED,	/* put into another domain's, as that is shorter */
	AFF_STAT_SYNC,		/* put on the waker's CPU */
	AFF_STAT_STARTED,	/* times that a task started to run */
	AFF_STAT_RUN_NS,
	AFF_STAT_WAIT_NS,
	AFF_STAT_WAIT_MAX,
	AFF_STAT_MATCHED,	/* times that a task was found to belong here */
	AFF_STAT_SAMPLED_LOCAL,	/* samples of accesses to memory of the CPU's node */
	AFF_STAT_SAMPLED_REMOTE,
	AFF_NR_STATS,
};

/* Times in 4 steps to each power of 2. */
enum aff_hist { AFF_HIST_STEPS = 4, AFF_NR_HIST = 40 * AFF_HIST_STEPS };

struct aff_stats {
	u64	cnt[AFF_NR_STATS];
	u64	event[AFF_MAX_EVENTS];
	u64	wait[AFF_NR_HIST];
};

/* Where an event's counter of a CPU is. */
#define AFF_EVENT(event, cpu)	((event) * AFF_MAX_CPUS + (cpu))

#endif
