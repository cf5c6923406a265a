// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that gives applications their CPUs.
 *
 * Each task belongs to a layer, see match.h. A layer has CPUs of its own and may have
 * the use of others while these are idle; the loader says which and changes its mind
 * as load does. Both, and all else that is in struct aff_plan, are read through
 * plan_idx: the loader fills in the other plan, then has apply() switch.
 *
 * Queues: each layer has one for each domain (LLC or node, the loader's choice),
 * ordered by weighted vtime. A CPU has one for the tasks that may run on none of
 * their layer's CPUs (their affinity says otherwise). Each of these has a twin for tasks
 * that have waited in it for longer than max_wait_ns. A queue has its own vtime clock; a
 * task that changes queues keeps its lead or lag.
 *
 * What a CPU runs next, see affinity_dispatch():
 *
 *   1. what waited for too long in the queues of those whose CPU it is, but not for more
 *      than a fifth of the time;
 *   2. of the layers that it belongs to, those that may preempt, then the others and
 *      its own pinned tasks, by the layers' weights;
 *   3. of the layers that may use it, likewise;
 *   4. if it would go idle otherwise, the queues of these layers in other domains,
 *      nearest first.
 *
 * A timer looks each quarter of max_wait_ns for tasks that have waited for too long, and
 * each tick for a CPU that owes them time. So a task that is runnable starts to run
 * within 1.25 max_wait_ns and a tick, plus five rescue slices, which end with a tick,
 * too, for each task that was helped before it, divided by its layer's CPUs in the
 * domain that it may use.
 *
 * Nothing but the wake-up of a kernel thread of one CPU is put on the local queue of a CPU
 * that is not idle, or dispatch(), and with it the first rule, could be kept from being
 * called for ever.
 */
#include <scx/common.bpf.h>
#include "scx_affinity.h"

#define AFF_FOR(i, n)	bpf_for(i, 0, n)
#include "match.h"

char _license[] SEC("license") = "GPL";

#define NSEC_PER_MSEC		1000000ULL
#define RESCUE_SLICE		(2 * NSEC_PER_MSEC)
#define RESCUE_SHARE		5	/* one part in so many */
#define BUDGET_BURST		8	/* migrations that may be saved up, or be owed */
#define SHARE_SLACK		(20 * NSEC_PER_MSEC)	/* what a layer may be owed */
#define SCAN_TASKS		256	/* looked at in one queue at a time */
#define LEVEL_PAUSE		(2 * NSEC_PER_MSEC)	/* between two looks whether a queue is too long */
#define PF_KTHREAD		0x00200000
#define NO_NODE			(-1)

/* Queues: AFF_MAX_DOMS for each layer, then one for each CPU; then the twin of each. */
#define QUEUE(layer, dom)	((layer) * AFF_MAX_DOMS + (dom))
#define QUEUE_PIN		(AFF_MAX_LAYERS * AFF_MAX_DOMS)
#define NR_LAYER_QUEUES	QUEUE_PIN
#define NR_CLOCKS		2048
#define AGED(queue)		(NR_CLOCKS + (queue))

/* In a CPU's arbitration, pinned tasks are one more layer. */
#define PINNED			AFF_MAX_LAYERS
#define NR_SHARES		32

/* Which layers it decides between: its own that may preempt, the other own ones, guests. */
enum tier { TIER_PREEMPT, TIER_OWN, TIER_GUEST, NR_TIERS };

/* Set by the loader before it loads. */
const volatile u32 nr_cpu_ids = 1;
const volatile u32 nr_nodes = 1;	/* highest ID + 1 */
const volatile u32 nr_cpu_nodes = 1;
const volatile u32 nr_doms = 1;
const volatile bool smt;
const volatile bool split_nodes;	/* some node has several domains */
const volatile u32 nr_events;
const volatile u64 max_wait_ns = 100 * NSEC_PER_MSEC;
const volatile u8 cpu_online[AFF_MAX_CPUS];
const volatile u8 cpu_nodes[AFF_MAX_CPUS];
const volatile u8 cpu_doms[AFF_MAX_CPUS];
const volatile u16 cpu_siblings[AFF_MAX_CPUS];	/* the next thread of the core, in a ring */
const volatile u8 dom_nodes[AFF_MAX_DOMS];
const volatile u16 distances[AFF_MAX_NODES * AFF_MAX_NODES];
const volatile u16 near[AFF_MAX_NODES];		/* smallest distance to another node's CPUs */
const volatile u8 node_order[AFF_MAX_NODES * AFF_MAX_NODES];	/* with CPUs, nearest first */
const volatile u8 dom_order[AFF_MAX_NODES * AFF_MAX_DOMS];

/* The plan in force. */
u32 plan_idx;

/* Virtual time of the queues and when a migration is next free for each layer. */
static u64 clocks[NR_CLOCKS];
static u64 budgets[AFF_MAX_LAYERS];
static u64 leveled_at[NR_CLOCKS];	/* when it was last asked whether a queue is too long */
static u32 aged_in[AFF_MAX_DOMS];	/* tasks that had waited for too long at the last scan */
static u32 nr_scans;

UEI_DEFINE(uei);

struct cpu_ctx {
	u64	shares[NR_SHARES];	/* weighted time that layers had here */
	u64	share_now[NR_TIERS];	/* that of the last one that was chosen */
	u64	next_aged;
	u64	dispatched_at;
	u32	layer;			/* of the task that runs, if @busy */
	u32	busy;
	u32	exclusive;
	u32	rescued;		/* what runs had waited for too long */
	u32	claimed;		/* what runs has been told to make way */
	u32	nothing_aged;		/* nr_scans when none had waited for too long for us */
} __attribute__((aligned(64)));

static struct cpu_ctx cpu_ctxs[AFF_MAX_CPUS];

struct task_ctx {
	struct aff_key	key;
	u64	waits_since;		/* 0 while it does not wait */
	u64	started_at;
	u64	leveled_at;		/* when it last went to a shorter queue */
	u32	match_gen;
	u32	layer;
	u32	queue;			/* whose clock its vtime goes by */
	s32	node;			/* where it ran last */
	u32	aged;			/* has waited for too long */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct aff_plan);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} task_ctxs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AFF_MAX_LAYERS);
	__type(key, u32);
	__type(value, struct aff_stats);
} stats SEC(".maps");

/* Masks of a plan's layer: of its own CPUs and of all that it may use. */
struct layer_masks {
	struct bpf_cpumask __kptr *own;
	struct bpf_cpumask __kptr *use;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * AFF_MAX_LAYERS);
	__type(key, u32);
	__type(value, struct layer_masks);
} masks SEC(".maps");

struct one_mask {
	struct bpf_cpumask __kptr *mask;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, AFF_MAX_DOMS);
	__type(key, u32);
	__type(value, struct one_mask);
} dom_masks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct one_mask);
} online_mask SEC(".maps");

/* For each CPU to compute with: two, and one for scan(), which the others may interrupt. */
#define NR_SCRATCH		3
#define SCRATCH_SCAN		2
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_SCRATCH);
	__type(key, u32);
	__type(value, struct one_mask);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, AFF_EVENT(AFF_MAX_EVENTS, 0));
	__type(key, u32);
	__type(value, u32);
} events SEC(".maps");

struct path_buf {
	char	str[2 * AFF_STR_LEN];
	struct aff_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct path_buf);
} bufs SEC(".maps");

struct scan_timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scan_timer);
} scan_timers SEC(".maps");

/* For kernels with and without CONFIG_NUMA_BALANCING. */
struct task_struct___numa {
	int numa_preferred_nid;
} __attribute__((preserve_access_index));

/* --- small things ------------------------------------------------------- */

static struct aff_plan *get_plan(u32 *idx)
{
	*idx = *(volatile u32 *)&plan_idx & 1;
	return bpf_map_lookup_elem(&plans, idx);
}

static struct task_ctx *get_task(struct task_struct *p)
{
	return bpf_task_storage_get(&task_ctxs, p, NULL, 0);
}

static struct cpu_ctx *get_cpu(s32 cpu)
{
	return &cpu_ctxs[(u32)cpu & (AFF_MAX_CPUS - 1)];
}

static u32 cpu_dom(s32 cpu)
{
	return cpu_doms[(u32)cpu & (AFF_MAX_CPUS - 1)] & (AFF_MAX_DOMS - 1);
}

static s32 cpu_node(s32 cpu)
{
	return cpu_nodes[(u32)cpu & (AFF_MAX_CPUS - 1)] & (AFF_MAX_NODES - 1);
}

static u32 distance(s32 from, s32 to)
{
	return distances[((u32)from & (AFF_MAX_NODES - 1)) * AFF_MAX_NODES +
			 ((u32)to & (AFF_MAX_NODES - 1))];
}

static void count(u32 layer, u32 stat, u64 nr)
{
	struct aff_stats *s = bpf_map_lookup_elem(&stats, &layer);

	if (s && stat < AFF_NR_STATS)
		s->cnt[stat] += nr;
}

/* Buckets: the highest bit and the two that follow. */
static u32 hist_bucket(u64 ns)
{
	u32 high = 0;
	u64 v = ns;

	if (v >> 32) { v >>= 32; high += 32; }
	if (v >> 16) { v >>= 16; high += 16; }
	if (v >> 8) { v >>= 8; high += 8; }
	if (v >> 4) { v >>= 4; high += 4; }
	if (v >> 2) { v >>= 2; high += 2; }
	if (v >> 1) high += 1;
	if (high < 2)
		return (u32)ns & 3;
	high = high * AFF_HIST_STEPS + ((ns >> (high - 2)) & 3);
	return high < AFF_NR_HIST ? high : AFF_NR_HIST - 1;
}

static struct aff_layer *get_layer(struct aff_plan *plan, u32 layer)
{
	return &plan->layers[layer & (AFF_MAX_LAYERS - 1)];
}

static bool in_mask(s32 cpu, const struct cpumask *mask)
{
	return bpf_cpumask_test_cpu(cpu, mask);
}

/* --- layers of tasks ---------------------------------------------------- */

static s32 preferred_node(struct task_struct *p)
{
	struct task_struct___numa *np = (void *)p;
	s32 node = NO_NODE;

	if (bpf_core_field_exists(np->numa_preferred_nid))
		node = np->numa_preferred_nid;
	/* also those that were not there when the loader read the topology */
	if (node < 0 || node >= (s32)nr_nodes || !distance(node, node))
		return NO_NODE;
	return node;
}

/* Write the path of @p's cgroup into @buf. */
static void cgroup_path(struct task_struct *p, struct path_buf *buf)
{
	struct cgroup *cgrp = BPF_CORE_READ(p, cgroups, dfl_cgrp), *anc;
	s32 level = BPF_CORE_READ(cgrp, level);
	const char *name;
	u32 len = 0;
	s32 i;

	buf->str[0] = '/';
	buf->str[1] = '\0';
	if (level > 32)
		level = 32;
	bpf_for(i, 1, level + 1) {
		long n;

		if (len >= AFF_STR_LEN - 1)
			break;
		if (bpf_probe_read_kernel(&anc, sizeof(anc), (void *)cgrp +
					  bpf_core_field_offset(struct cgroup, ancestors) + i * 8))
			break;
		name = BPF_CORE_READ(anc, kn, name);
		buf->str[len++ & (AFF_STR_LEN - 1)] = '/';
		n = bpf_probe_read_kernel_str(&buf->str[len & (AFF_STR_LEN - 1)], AFF_STR_LEN, name);
		if (n > 1)
			len += n - 1;
	}
	buf->str[AFF_STR_LEN - 1] = '\0';
}

static void get_key(struct task_struct *p, u32 uses, struct aff_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (uses & (1 << AFF_COMM_PREFIX))
		bpf_probe_read_kernel(key->comm, sizeof(key->comm), p->comm);
	if (uses & (1 << AFF_PCOMM_PREFIX))
		BPF_CORE_READ_INTO(&key->pcomm, p, real_parent, comm);
	if (uses & (1 << AFF_CGROUP_PREFIX))
		key->cgid = BPF_CORE_READ(p, cgroups, dfl_cgrp, kn, id);
	if (uses & (1 << AFF_UID))
		key->uid = BPF_CORE_READ(p, real_cred, euid.val);
	if (uses & (1 << AFF_GID))
		key->gid = BPF_CORE_READ(p, real_cred, egid.val);
	if (uses & (1 << AFF_NICE_ABOVE | 1 << AFF_NICE_BELOW))
		key->nice = p->static_prio - 120;
	if (uses & (1 << AFF_PREFERRED_NODE))
		key->node = preferred_node(p);
	key->pid = p->pid;
	key->tgid = p->tgid;
	key->kthread = !!(p->flags & PF_KTHREAD);
}

static bool same_key(const struct aff_key *a, const struct aff_key *b)
{
	const u64 *x = (const u64 *)a, *y = (const u64 *)b;
	u64 diff = 0;
	int i;

	for (i = 0; i < sizeof(*a) / sizeof(u64); i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

/*
 * Return @p's layer. All that decides about it may change at any time (exec, nice,
 * setuid, another cgroup), so it is looked at each time.
 */
static __noinline u32 task_layer(struct task_struct *p, struct task_ctx *tctx,
				 struct aff_plan *plan)
{
	struct path_buf *buf;
	u32 zero = 0;

	buf = bpf_map_lookup_elem(&bufs, &zero);
	if (!buf || !tctx || !plan)
		return 0;
	get_key(p, plan->uses, &buf->key);
	if (tctx->match_gen == plan->match_gen && same_key(&buf->key, &tctx->key))
		return tctx->layer & (AFF_MAX_LAYERS - 1);

	if (plan->uses & (1 << AFF_CGROUP_PREFIX))
		cgroup_path(p, buf);
	tctx->layer = aff_match(plan, &buf->key, buf->str);
	tctx->key = buf->key;
	tctx->match_gen = plan->match_gen;
	count(tctx->layer, AFF_STAT_MATCHED, 1);
	return tctx->layer & (AFF_MAX_LAYERS - 1);
}

/* --- where to ----------------------------------------------------------- */

/* May a task of @layer go to another node now? */
static bool has_budget(struct aff_plan *plan, u32 layer)
{
	return !get_layer(plan, layer)->budget_ns ||
	       !time_after(budgets[layer & (AFF_MAX_LAYERS - 1)], scx_bpf_now());
}

/* One did: the time at which the next one is free moves on. */
static void use_budget(struct aff_plan *plan, u32 layer)
{
	u64 cost = get_layer(plan, layer)->budget_ns, now, at, from;

	if (!cost)
		return;
	layer &= AFF_MAX_LAYERS - 1;
	now = scx_bpf_now();
	at = from = budgets[layer];
	if (time_before(from, now - (BUDGET_BURST - 1) * cost))
		from = now - (BUDGET_BURST - 1) * cost;
	/* many that had no choice must not lock up the others for long */
	if (!time_after(from, now + BUDGET_BURST * cost))
		__sync_val_compare_and_swap(&budgets[layer], at, from + cost);
}

/*
 * Does another thread of @cpu's core have it for itself? If several want that, as
 * @exclusive says of this one, the first has it.
 */
static bool core_taken(s32 cpu, bool exclusive)
{
	s32 other = cpu;
	int i;

	if (!smt)
		return false;
	bpf_for(i, 0, AFF_MAX_THREADS) {
		other = cpu_siblings[(u32)other & (AFF_MAX_CPUS - 1)];
		if (other == cpu)
			break;
		if (get_cpu(other)->exclusive && !(exclusive && cpu < other))
			return true;
	}
	return false;
}

static void kick_siblings(s32 cpu, u64 flags)
{
	s32 other = cpu;
	int i;

	if (!smt)
		return;
	bpf_for(i, 0, AFF_MAX_THREADS) {
		other = cpu_siblings[(u32)other & (AFF_MAX_CPUS - 1)];
		if (other == cpu)
			break;
		scx_bpf_kick_cpu(other, flags);
	}
}

/* The core of @cpu is one task's own, or is not any more. */
static void set_exclusive(s32 cpu, bool exclusive)
{
	struct cpu_ctx *c = get_cpu(cpu);

	if (!smt || c->exclusive == exclusive)
		return;
	c->exclusive = exclusive;
	kick_siblings(cpu, exclusive ? SCX_KICK_PREEMPT : SCX_KICK_IDLE);
}

/*
 * Claim the idle CPU of @mask that is nearest to node @home and not beyond @limit. Only
 * within @only if that is a node.
 */
static s32 claim_idle(const struct cpumask *mask, s32 home, u32 limit, s32 only,
				 u64 flags)
{
	u32 i;

	bpf_for(i, 0, nr_cpu_nodes) {
		s32 node = node_order[((u32)home & (AFF_MAX_NODES - 1)) * AFF_MAX_NODES +
				      (i & (AFF_MAX_NODES - 1))];
		s32 cpu;

		if (limit && distance(home, node) > limit)
			break;
		if (only >= 0 && node != only)
			continue;
		cpu = scx_bpf_pick_idle_cpu_node(mask, node, flags | SCX_PICK_IDLE_IN_NODE);
		if (cpu >= 0)
			return cpu;
	}
	return -EBUSY;
}

/* Of what is idle, @prev is best, then its domain. */
static s32 claim_close(const struct cpumask *mask, s32 prev, s32 home)
{
	struct one_mask *dom, *tmp;
	struct bpf_cpumask *of_dom, *both;
	u32 id = cpu_dom(prev), one = 1;

	if (cpu_node(prev) != home)
		return -EBUSY;
	if (in_mask(prev, mask) && scx_bpf_test_and_clear_cpu_idle(prev))
		return prev;
	if (!split_nodes)
		return -EBUSY;
	dom = bpf_map_lookup_elem(&dom_masks, &id);
	tmp = bpf_map_lookup_elem(&scratch, &one);
	if (!dom || !tmp)
		return -EBUSY;
	of_dom = dom->mask;
	both = tmp->mask;
	if (!of_dom || !both || !bpf_cpumask_and(both, mask, cast_mask(of_dom)))
		return -EBUSY;
	return scx_bpf_pick_idle_cpu_node(cast_mask(both), home, SCX_PICK_IDLE_IN_NODE);
}

/* Where @p should rather be, and whether it must. */
static s32 home_node(struct task_struct *p, struct aff_layer *lc, s32 prev, bool *strict)
{
	s32 node = NO_NODE;

	*strict = false;
	if (lc->follow != AFF_FOLLOW_OFF)
		node = preferred_node(p);
	if (node == NO_NODE)
		return cpu_node(prev);
	*strict = lc->follow == AFF_FOLLOW_STRICT && (lc->nodes >> node & 1);
	return node;
}

/* Where a task should go. */
struct target {
	s32	home;		/* from where on a CPU is searched */
	s32	only;		/* the only node, or %NO_NODE */
	bool	bound;		/* it may not leave the node for want of budget */
};

static __always_inline void find_target(struct task_struct *p, struct task_ctx *tctx, struct aff_plan *plan, u32 layer,
			s32 prev, struct target *t)
{
	bool strict;

	t->home = home_node(p, get_layer(plan, layer), prev, &strict);
	t->bound = tctx->node >= 0 && !has_budget(plan, layer);
	if (t->bound)
		t->home = tctx->node;
	t->only = strict || t->bound ? t->home : NO_NODE;
}

enum which_mask { MASK_OWN, MASK_USE };

/*
 * Return the CPUs of @layer that @p may run on: its own or all that it may use. %NULL
 * if there are none.
 */
static const struct cpumask *task_mask(struct task_struct *p, u32 idx, u32 layer, enum which_mask which)
{
	u32 key = (idx & 1) * AFF_MAX_LAYERS + (layer & (AFF_MAX_LAYERS - 1)), zero = 0;
	struct layer_masks *lm = bpf_map_lookup_elem(&masks, &key);
	struct one_mask *tmp = bpf_map_lookup_elem(&scratch, &zero);
	struct bpf_cpumask *mask, *both;

	if (!lm || !tmp)
		return NULL;
	mask = which == MASK_OWN ? lm->own : lm->use;
	both = tmp->mask;
	if (!mask || !both || !bpf_cpumask_and(both, cast_mask(mask), p->cpus_ptr))
		return NULL;
	return cast_mask(both);
}

/* Claim a CPU of @mask, of a core that nobody has for himself. */
static __always_inline s32 claim_free(const struct cpumask *mask, struct aff_layer *lc, s32 prev, const struct target *t,
		      u32 limit)
{
	s32 cpu = -EBUSY;
	int try;

	bpf_for(try, 0, AFF_MAX_THREADS) {
		cpu = -EBUSY;
		if (lc->exclusive && smt)
			cpu = claim_idle(mask, t->home, limit, t->only, SCX_PICK_IDLE_CORE);
		if (cpu < 0)
			cpu = claim_close(mask, prev, t->home);
		if (cpu < 0)
			cpu = claim_idle(mask, t->home, limit, t->only, 0);
		if (cpu < 0 || !core_taken(cpu, false))
			return cpu;
		/* when we are done it sees that for itself and is idle again */
		scx_bpf_kick_cpu(cpu, 0);
	}
	return -EBUSY;
}

/*
 * Claim an idle CPU for @p: one of its layer's, else one that the layer may use.
 */
static s32 pick_idle(struct task_struct *p, struct task_ctx *tctx, struct aff_plan *plan, u32 idx, s32 prev)
{
	u32 layer = tctx->layer & (AFF_MAX_LAYERS - 1);
	struct aff_layer *lc = get_layer(plan, layer);
	const struct cpumask *mask;
	s32 cpu = -EBUSY, which;
	struct target t;

	find_target(p, tctx, plan, layer, prev, &t);
	bpf_for(which, MASK_OWN, MASK_USE + 1) {
		if (which == MASK_USE && lc->policy == AFF_CONFINED)
			break;
		mask = task_mask(p, idx, layer, which);
		if (!mask)
			continue;
		cpu = claim_free(mask, lc, prev, &t, which == MASK_USE ? lc->overflow : 0);
		if (cpu >= 0)
			break;
	}
	if (cpu < 0) {
		if (t.bound)
			count(layer, AFF_STAT_NO_BUDGET, 1);
		return -EBUSY;
	}

	if (which == MASK_USE)
		count(layer, AFF_STAT_OVERFLOW, 1);
	if (cpu_node(cpu) == t.home)
		count(layer, AFF_STAT_LOCAL, 1);
	else if (distance(t.home, cpu_node(cpu)) <= near[(u32)t.home & (AFF_MAX_NODES - 1)])
		count(layer, AFF_STAT_NEAR, 1);
	else
		count(layer, AFF_STAT_FAR, 1);
	return cpu;
}

/*
 * The waker is about to sleep: is its CPU good enough? Not if it would keep that CPU from
 * asking for work for long.
 */
static bool good_for_sync(struct task_struct *p, struct aff_plan *plan, u32 idx, u32 layer, s32 cpu)
{
	struct aff_layer *lc = get_layer(plan, layer);
	const struct cpumask *mask;

	if (!lc->wake_sync)
		return false;
	mask = task_mask(p, idx, layer, MASK_OWN);
	if (!mask || !in_mask(cpu, mask) || core_taken(cpu, false))
		return false;
	return !scx_bpf_dsq_nr_queued(SCX_DSQ_LOCAL_ON | cpu) &&
	       time_before(scx_bpf_now(), get_cpu(cpu)->dispatched_at + 2 * lc->slice_ns);
}

s32 BPF_STRUCT_OPS(affinity_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	struct task_ctx *tctx = get_task(p);
	u32 idx, layer;
	struct aff_plan *plan = get_plan(&idx);
	s32 cpu, this_cpu;

	if (!plan || !tctx)
		return prev_cpu;
	layer = task_layer(p, tctx, plan);
	this_cpu = bpf_get_smp_processor_id();

	cpu = pick_idle(p, tctx, plan, idx, prev_cpu);
	if (cpu < 0) {
		if (!(wake_flags & SCX_WAKE_SYNC) || cpu_node(this_cpu) != cpu_node(prev_cpu) ||
		    !good_for_sync(p, plan, idx, layer, this_cpu))
			return prev_cpu;
		cpu = this_cpu;
		count(layer, AFF_STAT_SYNC, 1);
	}
	scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, get_layer(plan, layer)->slice_ns, 0);
	return cpu;
}

/*
 * Have @p's vtime go by the clock of @queue, at the same lead or lag. What a task that
 * sleeps, or runs where nobody else wants to, can save up is limited to a slice.
 */
static u64 change_clock(struct task_struct *p, struct task_ctx *tctx, u32 queue, u64 slice)
{
	u64 vtime = p->scx.dsq_vtime, now;

	queue &= NR_CLOCKS - 1;
	now = clocks[queue];
	if (tctx->queue != queue)
		vtime = vtime - clocks[tctx->queue & (NR_CLOCKS - 1)] + now;
	if (time_before(vtime, now - slice))
		vtime = now - slice;
	tctx->queue = queue;
	scx_bpf_task_set_dsq_vtime(p, vtime);
	return vtime;
}

/* The task that is at @vtime runs, so nobody of @queue is behind it, but for a slice. */
static void advance_clock(u32 queue, u64 vtime)
{
	u64 *clock = &clocks[queue & (NR_CLOCKS - 1)], now = *clock;

	/* who loses a race has another turn */
	if (time_before(now, vtime))
		__sync_val_compare_and_swap(clock, now, vtime);
}

/* Return the domain of @mask that is nearest to node @home. */
static s32 nearest_dom(const struct cpumask *mask, s32 home)
{
	u32 i;

	bpf_for(i, 0, nr_doms) {
		u32 id = dom_order[((u32)home & (AFF_MAX_NODES - 1)) * AFF_MAX_DOMS +
				   (i & (AFF_MAX_DOMS - 1))];
		struct one_mask *dom = bpf_map_lookup_elem(&dom_masks, &id);

		if (dom && dom->mask && bpf_cpumask_intersects(mask, cast_mask(dom->mask)))
			return id;
	}
	return -ENOENT;
}

/*
 * Return the CPU of @mask nearest to @dom whose task has to make way for one of a layer
 * that may preempt, or -1. Not one that had waited for too long. Only within @only if
 * that is a node.
 */
static s32 find_victim(const struct cpumask *mask, struct aff_plan *plan, u32 dom, s32 only)
{
	s32 from = dom_nodes[dom & (AFF_MAX_DOMS - 1)], best = -1, cpu;
	u32 least = ~0U;

	bpf_for(cpu, 0, nr_cpu_ids) {
		struct cpu_ctx *c = get_cpu(cpu);
		u32 far;

		if (!c->busy || c->rescued || c->claimed || plan->preempt >> (c->layer & 31) & 1 ||
		    !in_mask(cpu, mask))
			continue;
		if (only >= 0 && cpu_node(cpu) != only)
			continue;
		far = cpu_dom(cpu) == dom ? 0 : distance(from, cpu_node(cpu));
		if (far < least && !core_taken(cpu, false)) {
			best = cpu;
			least = far;
		}
	}
	/* each makes way for one */
	if (best >= 0 && __sync_val_compare_and_swap(&get_cpu(best)->claimed, 0, 1))
		return -1;
	return best;
}

/* How many wait in a queue, those that have waited for too long included? */
static s32 nr_waiting(u32 queue)
{
	return scx_bpf_dsq_nr_queued(queue) + scx_bpf_dsq_nr_queued(AGED(queue));
}

/*
 * Idle CPUs help themselves, but where there are none queues may differ in length for
 * ever. Return the nearest domain in which @p would be better off by a whole task,
 * else @dom.
 */
static __always_inline u32 level_queues(struct task_struct *p, struct task_ctx *tctx, struct aff_plan *plan, u32 layer,
			const struct cpumask *mask, u32 dom, const struct target *t)
{
	u32 queue = QUEUE(layer, dom) & (NR_CLOCKS - 1), cpus = plan->dom_cpus[queue & (NR_LAYER_QUEUES - 1)], i;
	struct aff_layer *lc = get_layer(plan, layer);
	s32 from = dom_nodes[dom & (AFF_MAX_DOMS - 1)], waiting = nr_waiting(queue);
	u64 now = scx_bpf_now();

	if (waiting <= 0 || !cpus || time_before(now, leveled_at[queue] + LEVEL_PAUSE) ||
	    time_before(now, tctx->leveled_at + max_wait_ns))
		return dom;
	if (lc->follow != AFF_FOLLOW_OFF && preferred_node(p) == from)
		return dom;
	leveled_at[queue] = now;
	bpf_for(i, 0, nr_doms) {
		u32 other = dom_order[((u32)from & (AFF_MAX_NODES - 1)) * AFF_MAX_DOMS +
				      (i & (AFF_MAX_DOMS - 1))] & (AFF_MAX_DOMS - 1);
		u32 there = plan->dom_cpus[QUEUE(layer, other) & (NR_LAYER_QUEUES - 1)];
		struct one_mask *slot;

		if (other == dom || !there || (t->only >= 0 && dom_nodes[other] != t->only))
			continue;
		if ((waiting + 1) * there <= (nr_waiting(QUEUE(layer, other)) + 1) * cpus)
			continue;
		slot = bpf_map_lookup_elem(&dom_masks, &other);
		if (!slot || !slot->mask || !bpf_cpumask_intersects(mask, cast_mask(slot->mask)))
			continue;
		tctx->leveled_at = now;
		count(layer, AFF_STAT_LEVELED, 1);
		return other;
	}
	return dom;
}

/* Return a CPU that @p may run on, the one where it is if possible. */
static u32 allowed_cpu(struct task_struct *p)
{
	u32 cpu = scx_bpf_task_cpu(p), zero = 0;
	struct one_mask *slot;
	struct bpf_cpumask *online;

	if (in_mask(cpu, p->cpus_ptr))
		return cpu & (AFF_MAX_CPUS - 1);
	slot = bpf_map_lookup_elem(&online_mask, &zero);
	online = slot ? slot->mask : NULL;
	if (online)
		cpu = bpf_cpumask_any_and_distribute(cast_mask(online), p->cpus_ptr);
	return cpu < nr_cpu_ids ? cpu & (AFF_MAX_CPUS - 1) : 0;
}

static void queue_pinned(struct task_struct *p, struct task_ctx *tctx, struct aff_plan *plan, u32 layer,
			 u64 enq_flags)
{
	u64 slice = get_layer(plan, layer)->slice_ns;
	s32 cpu = claim_idle(p->cpus_ptr, cpu_node(scx_bpf_task_cpu(p)), 0, NO_NODE, 0);
	u32 queue;

	if (cpu < 0)
		cpu = allowed_cpu(p);
	queue = QUEUE_PIN + ((u32)cpu & (AFF_MAX_CPUS - 1));
	count(layer, AFF_STAT_PINNED, 1);
	scx_bpf_dsq_insert_vtime(p, queue, slice, change_clock(p, tctx, queue, slice), enq_flags);
	scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
}

void BPF_STRUCT_OPS(affinity_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *tctx = get_task(p);
	s32 cpu = scx_bpf_task_cpu(p), dom, victim = -1, only;
	struct aff_plan *plan;
	struct aff_layer *lc;
	const struct cpumask *mask;
	u32 idx, layer, queue;
	struct target t;
	u64 vtime;

	plan = get_plan(&idx);
	if (!plan || !tctx) {
		scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
		return;
	}
	layer = task_layer(p, tctx, plan);
	lc = get_layer(plan, layer);
	tctx->aged = 0;

	/* The machine waits for these. They take their turn with others if they go on for long. */
	if ((p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1 && (enq_flags & SCX_ENQ_WAKEUP)) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, lc->slice_ns, enq_flags | SCX_ENQ_PREEMPT);
		return;
	}

	/* Nobody looked for an idle CPU if the task may not change CPUs or was not woken. */
	if (!(enq_flags & SCX_ENQ_CPU_SELECTED)) {
		s32 idle = pick_idle(p, tctx, plan, idx, cpu);

		if (idle >= 0) {
			scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | idle, lc->slice_ns, enq_flags);
			scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
			return;
		}
	}

	count(layer, AFF_STAT_QUEUED, 1);
	mask = task_mask(p, idx, layer, MASK_OWN);
	if (!mask) {
		queue_pinned(p, tctx, plan, layer, enq_flags);
		return;
	}

	find_target(p, tctx, plan, layer, cpu, &t);
	if (cpu_node(cpu) == t.home && in_mask(cpu, mask))
		dom = cpu_dom(cpu);
	else
		dom = nearest_dom(mask, t.home);
	if (dom < 0) {
		queue_pinned(p, tctx, plan, layer, enq_flags);
		return;
	}
	/* what it has to be near to may have none of its CPUs */
	only = t.only >= 0 ? (s32)dom_nodes[(u32)dom & (AFF_MAX_DOMS - 1)] : NO_NODE;

	if (lc->preempt && (enq_flags & SCX_ENQ_WAKEUP))
		victim = find_victim(mask, plan, dom, only);
	if (victim >= 0)
		dom = cpu_dom(victim);
	else
		dom = level_queues(p, tctx, plan, layer, mask, dom, &t);

	queue = QUEUE(layer, dom) & (NR_CLOCKS - 1);
	vtime = change_clock(p, tctx, queue, lc->slice_ns);
	scx_bpf_dsq_insert_vtime(p, queue, lc->slice_ns, vtime, enq_flags);

	if (victim >= 0) {
		count(layer, AFF_STAT_PREEMPTED, 1);
		scx_bpf_kick_cpu(victim, SCX_KICK_PREEMPT);
		return;
	}
	/* one that became idle just now has not seen the task */
	cpu = claim_idle(mask, dom_nodes[(u32)dom & (AFF_MAX_DOMS - 1)], 0, only, 0);
	if (cpu >= 0)
		scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
}

/* --- what next ---------------------------------------------------------- */

/*
 * What a layer had of a CPU, compared with others of its tier. One that wanted nothing for
 * a while is not owed all of that time.
 */
static u64 share_of(struct cpu_ctx *c, u32 share, u32 tier)
{
	u64 had = c->shares[share & (NR_SHARES - 1)], now = c->share_now[tier < NR_TIERS ? tier : 0];

	if (time_before(had, now - SHARE_SLACK))
		had = now - SHARE_SLACK;
	return had;
}

/* Charge @p for the time that it ran on @cpu, which goes on or ends now. */
static void charge(struct task_struct *p, struct task_ctx *tctx, struct aff_plan *plan, s32 cpu, u64 now)
{
	u32 layer = tctx->layer & (AFF_MAX_LAYERS - 1), share = layer;
	u32 weight = get_layer(plan, layer)->weight;
	struct cpu_ctx *c = get_cpu(cpu);
	u64 used = now - tctx->started_at;

	tctx->started_at = now;
	if (tctx->queue >= QUEUE_PIN) {
		share = PINNED;
		weight = 100;
	}
	count(layer, AFF_STAT_RUN_NS, used);
	scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime + scale_by_task_weight_inverse(p, used));
	c->shares[share & (NR_SHARES - 1)] += used * 100 / (weight ?: 100);
	if (c->rescued)
		c->next_aged += RESCUE_SHARE * used;
}

static u32 share_queue(u32 share, u32 dom, u32 cpu)
{
	return share == PINNED ? QUEUE_PIN + cpu : QUEUE(share, dom);
}

/*
 * Of the layers in @bits, run the one that had least of this CPU, by weight. Return
 * 0 if none has anything to run, 1 if a task was moved here, 2 if that which runs, whose
 * share is in the low byte of @prev_tier, should go on. The tier is in the next one.
 */
__noinline int take_turn(u32 bits, u32 cpu, u32 dom, u32 prev_tier, u64 prev_vtime)
{
	u32 prev_share = prev_tier & 0xff, tier = prev_tier >> 8, try, i;
	struct cpu_ctx *c = get_cpu(cpu);

	if (tier >= NR_TIERS)
		return 0;
	bpf_for(try, 0, AFF_MAX_LAYERS + 1) {
		u64 least = 0, had;
		u32 best = NR_SHARES, queue;
		struct task_struct *head;
		int ret = 0;

		bpf_for(i, 0, AFF_MAX_LAYERS + 1) {
			if (!(bits >> (i & 31) & 1))
				continue;
			if (i != prev_share && scx_bpf_dsq_nr_queued(share_queue(i, dom, cpu)) <= 0)
				continue;
			had = share_of(c, i, tier);
			if (best == NR_SHARES || time_before(had, least)) {
				best = i;
				least = had;
			}
		}
		if (best == NR_SHARES)
			return 0;

		queue = share_queue(best, dom, cpu);
		if (best == prev_share) {
			head = __COMPAT_scx_bpf_dsq_peek(queue);
			if (!head || !time_before(head->scx.dsq_vtime, prev_vtime))
				ret = 2;
		}
		if (!ret && scx_bpf_dsq_move_to_local(queue, 0))
			ret = 1;
		/* what is queued there may not run here */
		if (!ret && best == prev_share)
			ret = 2;
		if (ret) {
			c->shares[best & (NR_SHARES - 1)] = least;
			if (time_before(c->share_now[tier], least))
				c->share_now[tier] = least;
			return ret;
		}
		bits &= ~(1 << (best & 31));
	}
	return 0;
}

/* When the task that has waited for longest in an aged queue began to. */
static u64 head_since(u32 queue)
{
	struct task_struct *head = __COMPAT_scx_bpf_dsq_peek(AGED(queue));
	struct task_ctx *tctx = head ? get_task(head) : NULL;

	return tctx ? tctx->waits_since : 0;
}

/* Run what has waited for too long, and for longest, in the queues of the layers in @bits. */
__noinline int rescue(u32 bits, u32 cpu, u32 dom, u64 now)
{
	struct cpu_ctx *c = get_cpu(cpu);
	u32 try, i;

	bpf_for(try, 0, AFF_MAX_LAYERS + 1) {
		u32 best = NR_SHARES;
		u64 oldest = 0;

		bpf_for(i, 0, AFF_MAX_LAYERS + 1) {
			u64 since;

			if (!(bits >> (i & 31) & 1) || scx_bpf_dsq_nr_queued(AGED(share_queue(i, dom, cpu))) <= 0)
				continue;
			since = head_since(share_queue(i, dom, cpu));
			if (best == NR_SHARES || time_before(since, oldest)) {
				best = i;
				oldest = since;
			}
		}
		if (best == NR_SHARES)
			return 0;
		if (scx_bpf_dsq_move_to_local(AGED(share_queue(best, dom, cpu)), 0)) {
			c->next_aged = now;
			return 1;
		}
		bits &= ~(1 << (best & 31));
	}
	return 0;
}

/* Rather than go idle, look into the queues of other domains. */
__noinline int steal(u32 idx, u32 bits, u32 cpu, u32 dom)
{
	struct aff_plan *plan;
	s32 node = cpu_node(cpu);
	u32 i, layer;

	idx &= 1;
	plan = bpf_map_lookup_elem(&plans, &idx);
	if (!plan)
		return 0;
	bpf_for(i, 0, nr_doms) {
		u32 other = dom_order[((u32)node & (AFF_MAX_NODES - 1)) * AFF_MAX_DOMS +
				      (i & (AFF_MAX_DOMS - 1))] & (AFF_MAX_DOMS - 1);
		s32 from = dom_nodes[other];

		if (other == dom)
			continue;
		bpf_for(layer, 0, AFF_MAX_LAYERS) {
			struct aff_layer *lc = get_layer(plan, layer);
			u32 queue = QUEUE(layer, other);

			if (!(bits >> (layer & 31) & 1) || nr_waiting(queue) <= 0)
				continue;
			if (from != node) {
				bool own = plan->own[cpu & (AFF_MAX_CPUS - 1)] >> (layer & 31) & 1;

				if (lc->follow == AFF_FOLLOW_STRICT)
					continue;
				if (!own && lc->overflow && distance(from, node) > lc->overflow)
					continue;
				if (!has_budget(plan, layer)) {
					count(layer, AFF_STAT_NO_BUDGET, 1);
					continue;
				}
			}
			if (scx_bpf_dsq_move_to_local(AGED(queue), 0) || scx_bpf_dsq_move_to_local(queue, 0)) {
				count(layer, AFF_STAT_STOLEN, 1);
				return 1;
			}
		}
	}
	return 0;
}

/*
 * @p could go on here, but should it not rather go to the node that it prefers? If it need
 * not, only to a CPU that is idle.
 */
static __always_inline bool should_leave(struct task_struct *p, struct aff_plan *plan, u32 idx, u32 layer, s32 cpu)
{
	struct aff_layer *lc = get_layer(plan, layer);
	const struct cpumask *mask, *idle;
	bool leave;
	s32 node;

	if (lc->follow == AFF_FOLLOW_OFF)
		return false;
	node = preferred_node(p);
	if (node == NO_NODE || node == cpu_node(cpu) || !(lc->nodes >> node & 1) || !has_budget(plan, layer))
		return false;
	mask = task_mask(p, idx, layer, MASK_OWN);
	if (!mask)
		return false;
	if (lc->follow == AFF_FOLLOW_STRICT) {
		s32 dom = nearest_dom(mask, node);

		return dom >= 0 && dom_nodes[(u32)dom & (AFF_MAX_DOMS - 1)] == node;
	}
	idle = scx_bpf_get_idle_cpumask_node(node);
	leave = bpf_cpumask_intersects(mask, idle);
	scx_bpf_put_idle_cpumask(idle);
	return leave;
}

/* @prev goes on as if it had been put into @queue and taken out again. */
static void keep(struct task_struct *prev, struct task_ctx *tctx, struct aff_plan *plan, s32 cpu)
{
	struct aff_layer *lc = get_layer(plan, tctx->layer);
	struct cpu_ctx *c = get_cpu(cpu);

	scx_bpf_task_set_slice(prev, lc->slice_ns);
	advance_clock(tctx->queue, prev->scx.dsq_vtime);
	c->layer = tctx->layer;
	c->rescued = 0;
	c->claimed = 0;
	set_exclusive(cpu, lc->exclusive);
}

void BPF_STRUCT_OPS(affinity_dispatch, s32 cpu, struct task_struct *prev)
{
	struct cpu_ctx *c = get_cpu(cpu);
	u32 dom = cpu_dom(cpu), idx, own, use, mine, share = NR_SHARES;
	struct task_ctx *tctx = NULL;
	u64 now = scx_bpf_now(), vtime = 0;
	struct aff_plan *plan;
	bool alone = false;
	int ret;

	plan = get_plan(&idx);
	if (!plan)
		return;
	c->dispatched_at = now;
	own = plan->own[(u32)cpu & (AFF_MAX_CPUS - 1)];
	use = plan->use[(u32)cpu & (AFF_MAX_CPUS - 1)] & ~own;
	mine = own | 1 << PINNED;

	if (prev && (prev->scx.flags & SCX_TASK_QUEUED))
		tctx = get_task(prev);
	if (prev && tctx) {
		u32 layer;

		charge(prev, tctx, plan, cpu, now);
		layer = task_layer(prev, tctx, plan);
		alone = c->exclusive;
		if (tctx->queue >= QUEUE_PIN && !(own >> layer & 1))
			share = task_mask(prev, idx, layer, MASK_OWN) ? NR_SHARES : PINNED;
		else if ((own | use) >> layer & 1)
			share = should_leave(prev, plan, idx, layer, cpu) ? NR_SHARES : layer;
		if (share != NR_SHARES)
			vtime = change_clock(prev, tctx, share_queue(share, dom, cpu), get_layer(plan, layer)->slice_ns);
	}

	if (!time_before(now, c->next_aged)) {
		u32 scans = *(volatile u32 *)&nr_scans;

		if (rescue(mine, cpu, dom, now))
			return;
		c->nothing_aged = scans;
	}

	if (core_taken(cpu, alone))
		return;

	ret = take_turn(own & plan->preempt, cpu, dom, share | TIER_PREEMPT << 8, vtime);
	if (!ret)
		ret = take_turn((own & ~plan->preempt) | 1 << PINNED, cpu, dom, share | TIER_OWN << 8, vtime);
	if (!ret)
		ret = take_turn(use, cpu, dom, share | TIER_GUEST << 8, vtime);
	if (ret == 1)
		return;
	if (ret == 2) {
		if (prev && tctx)
			keep(prev, tctx, plan, cpu);
		return;
	}
	/* Nobody else is waiting, or only those whose turn is not yet. */
	if (rescue(mine | use, cpu, dom, now))
		return;
	steal(idx, own | use, cpu, dom);
}

/* A CPU may owe time to those that have waited for too long, or be wanted back by its layer. */
void BPF_STRUCT_OPS(affinity_tick, struct task_struct *p)
{
	s32 cpu = scx_bpf_task_cpu(p);
	u32 dom = cpu_dom(cpu), idx, own, i;
	struct cpu_ctx *c = get_cpu(cpu);
	struct aff_plan *plan;

	if (c->rescued || !p->scx.slice)
		return;
	if (aged_in[dom] && c->nothing_aged != nr_scans && !time_before(scx_bpf_now(), c->next_aged)) {
		scx_bpf_task_set_slice(p, 0);
		return;
	}
	plan = get_plan(&idx);
	if (!plan)
		return;
	own = plan->own[(u32)cpu & (AFF_MAX_CPUS - 1)];
	if (own >> (c->layer & 31) & 1)
		return;
	bpf_for(i, 0, AFF_MAX_LAYERS) {
		if (own >> i & 1 && scx_bpf_dsq_nr_queued(QUEUE(i, dom)) > 0) {
			scx_bpf_task_set_slice(p, 0);
			return;
		}
	}
}

/* --- now and then ------------------------------------------------------- */

/* How many have waited for too long, now that a queue has been looked at? */
static u32 nr_aged(u32 queue)
{
	s32 nr = scx_bpf_dsq_nr_queued(AGED(queue));

	return nr > 0 ? nr : 0;
}

/*
 * Move tasks of @from, which is @queue or its twin, that have waited for too long to the
 * twin, or to that of a CPU's queue if they may not run on any of @cpus, as when the plan
 * has changed. %NULL: they may.
 */
static void scan_queue(u32 queue, u32 from, const struct cpumask *cpus, u64 now)
{
	struct task_struct *p;
	u32 seen = 0;

	if (scx_bpf_dsq_nr_queued(from) <= 0)
		return;
	/* they may be at either end: nobody comes to the queue, or others always come first */
	bpf_for_each(scx_dsq, p, from, nr_scans & 1 ? SCX_DSQ_ITER_REV : 0) {
		struct task_ctx *tctx;
		u32 to = queue;

		if (++seen > SCAN_TASKS)
			break;
		tctx = get_task(p);
		if (!tctx || !tctx->waits_since || time_before(now, tctx->waits_since + max_wait_ns))
			continue;
		if (cpus && !bpf_cpumask_intersects(cpus, p->cpus_ptr))
			to = QUEUE_PIN + allowed_cpu(p);
		else if (from != queue)
			continue;
		tctx->aged = 1;
		scx_bpf_dsq_move_set_slice(BPF_FOR_EACH_ITER, RESCUE_SLICE);
		if (scx_bpf_dsq_move(BPF_FOR_EACH_ITER, p, AGED(to), 0))
			count(tctx->layer & (AFF_MAX_LAYERS - 1), AFF_STAT_AGED, 1);
	}
}

/*
 * The same of a layer's tasks in a domain. Return how many have waited for too long. This
 * one and the next two are global, or the verifier would look at them in each state that
 * scan() can be in; and it would have them sleep, as affinity_init(), which they belong
 * to, may.
 */
__noinline int scan_layer(u32 idx, u32 layer, u32 dom, u64 now)
{
	u32 key = (idx & 1) * AFF_MAX_LAYERS + (layer & (AFF_MAX_LAYERS - 1)), scan_key = SCRATCH_SCAN;
	u32 queue = QUEUE(layer, dom) & (NR_CLOCKS - 1);
	struct layer_masks *lm = bpf_map_lookup_elem(&masks, &key);
	struct one_mask *slot = bpf_map_lookup_elem(&dom_masks, &dom);
	struct one_mask *tmp = bpf_map_lookup_elem(&scratch, &scan_key);
	struct bpf_cpumask *own, *of_dom, *both;

	if (!lm || !slot || !tmp)
		return 0;
	bpf_rcu_read_lock();
	own = lm->own;
	of_dom = slot->mask;
	both = tmp->mask;
	if (own && of_dom && both) {
		u32 twin;

		bpf_cpumask_and(both, cast_mask(own), cast_mask(of_dom));
		bpf_for(twin, 0, 2)
			scan_queue(queue, twin ? AGED(queue) : queue, cast_mask(both), now);
	}
	bpf_rcu_read_unlock();
	return nr_aged(queue);
}

__noinline int scan_pinned(u32 cpu, u64 now)
{
	u32 queue = (QUEUE_PIN + cpu) & (NR_CLOCKS - 1);

	bpf_rcu_read_lock();
	scan_queue(queue, queue, NULL, now);
	bpf_rcu_read_unlock();
	return nr_aged(queue);
}

/*
 * Tasks of a layer wait in a domain: if it has an idle CPU anywhere, one that did not see
 * them or could not have them for want of budget, let it look again.
 */
__noinline int wake_idle(u32 idx, u32 layer, u32 dom)
{
	u32 key = (idx & 1) * AFF_MAX_LAYERS + (layer & (AFF_MAX_LAYERS - 1)), plan_key = idx & 1;
	struct layer_masks *lm = bpf_map_lookup_elem(&masks, &key);
	struct aff_plan *plan = bpf_map_lookup_elem(&plans, &plan_key);
	s32 node = dom_nodes[dom & (AFF_MAX_DOMS - 1)], only = NO_NODE, cpu = -EBUSY;
	struct bpf_cpumask *mask;

	if (!lm || !plan)
		return 0;
	if (get_layer(plan, layer)->follow == AFF_FOLLOW_STRICT || !has_budget(plan, layer))
		only = node;
	bpf_rcu_read_lock();
	mask = lm->own;
	if (mask)
		cpu = claim_idle(cast_mask(mask), node, 0, only, 0);
	if (cpu < 0) {
		mask = lm->use;
		if (mask)
			cpu = claim_idle(cast_mask(mask), node, get_layer(plan, layer)->overflow, only, 0);
	}
	bpf_rcu_read_unlock();
	if (cpu >= 0)
		scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
	return 0;
}

static int scan(void *map, int *key, struct bpf_timer *timer)
{
	u64 now = scx_bpf_now();
	u32 idx, i, dom;

	idx = *(volatile u32 *)&plan_idx & 1;
	bpf_for(dom, 0, nr_doms) {
		u32 aged = 0;

		bpf_for(i, 0, AFF_MAX_LAYERS) {
			u32 queue = QUEUE(i, dom);

			if (nr_waiting(queue) <= 0)
				continue;
			aged += scan_layer(idx, i, dom, now);
			wake_idle(idx, i, dom);
		}
		bpf_for(i, 0, nr_cpu_ids) {
			if (cpu_dom(i) != dom || nr_waiting(QUEUE_PIN + i) <= 0)
				continue;
			aged += scan_pinned(i, now);
			scx_bpf_kick_cpu(i, SCX_KICK_IDLE);
		}
		aged_in[dom & (AFF_MAX_DOMS - 1)] = aged;
	}
	nr_scans++;
	bpf_timer_start(timer, max_wait_ns / 4, 0);
	return 0;
}

/* --- accounts ----------------------------------------------------------- */

void BPF_STRUCT_OPS(affinity_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *tctx = get_task(p);

	/* one that changes while it waits has not waited for less */
	if (tctx && !tctx->waits_since)
		tctx->waits_since = scx_bpf_now();
}

void BPF_STRUCT_OPS(affinity_running, struct task_struct *p)
{
	s32 cpu = scx_bpf_task_cpu(p), node = cpu_node(cpu), nid;
	struct task_ctx *tctx = get_task(p);
	struct cpu_ctx *c = get_cpu(cpu);
	u64 now = scx_bpf_now();
	struct aff_plan *plan;
	struct aff_layer *lc;
	struct aff_stats *s;
	u32 idx, layer, queue;

	plan = get_plan(&idx);
	if (!tctx || !plan)
		return;
	layer = tctx->layer & (AFF_MAX_LAYERS - 1);
	lc = get_layer(plan, layer);
	s = bpf_map_lookup_elem(&stats, &layer);
	if (!s)
		return;

	if (tctx->waits_since) {
		u64 wait = now - tctx->waits_since;
		u32 bucket = hist_bucket(wait);

		if (bucket < AFF_NR_HIST)
			s->wait[bucket]++;
		s->cnt[AFF_STAT_WAIT_NS] += wait;
		if (wait > s->cnt[AFF_STAT_WAIT_MAX])
			s->cnt[AFF_STAT_WAIT_MAX] = wait;
		tctx->waits_since = 0;
	}
	s->cnt[AFF_STAT_STARTED]++;
	if (tctx->node >= 0 && tctx->node != node) {
		s->cnt[AFF_STAT_MIGRATED]++;
		use_budget(plan, layer);
	}
	nid = preferred_node(p);
	if (nid != NO_NODE) {
		s->cnt[AFF_STAT_PREF_KNOWN]++;
		s->cnt[AFF_STAT_PREF_HIT] += nid == node;
	}

	tctx->node = node;
	tctx->started_at = now;
	c->layer = layer;
	c->busy = 1;
	c->claimed = 0;
	c->rescued = tctx->aged;
	tctx->aged = 0;

	/* it may have come from another domain's queue, or from none */
	if (tctx->queue >= QUEUE_PIN && !(plan->own[(u32)cpu & (AFF_MAX_CPUS - 1)] >> layer & 1))
		queue = share_queue(PINNED, 0, (u32)cpu & (AFF_MAX_CPUS - 1));
	else
		queue = QUEUE(layer, cpu_dom(cpu));
	advance_clock(queue, change_clock(p, tctx, queue, lc->slice_ns));

	set_exclusive(cpu, lc->exclusive);
	/* it was on its way here when another thread of the core became exclusive */
	if (core_taken(cpu, lc->exclusive) && !c->rescued && !((p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1))
		scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
}

void BPF_STRUCT_OPS(affinity_stopping, struct task_struct *p, bool runnable)
{
	s32 cpu = scx_bpf_task_cpu(p);
	struct task_ctx *tctx = get_task(p);
	struct cpu_ctx *c = get_cpu(cpu);
	u64 now = scx_bpf_now();
	struct aff_plan *plan;
	u32 idx;

	plan = get_plan(&idx);
	if (!tctx || !plan)
		return;
	charge(p, tctx, plan, cpu, now);
	if (runnable)
		tctx->waits_since = now;
	c->busy = 0;
	c->rescued = 0;
	c->claimed = 0;
	set_exclusive(cpu, false);
}

#ifdef HAVE_SET_PREFERRED_NODE
/*
 * preferred_node() reads it where it is needed; one that waits is queued anew after this.
 * But the kernel looks for hint faults only on behalf of schedulers that want to be told.
 */
void BPF_STRUCT_OPS(affinity_set_preferred_node, struct task_struct *p, s32 node)
{
}
#endif

/* --- events, if they are asked for --------------------------------------- */

static struct bpf_perf_event_value last_events[AFF_EVENT(AFF_MAX_EVENTS, 0)];

/* What of an event is new since the last look; if it shares its counter, by the time it had it. */
static u64 new_events(u32 event, u32 cpu)
{
	u32 idx = AFF_EVENT(event & (AFF_MAX_EVENTS - 1), cpu & (AFF_MAX_CPUS - 1));
	struct bpf_perf_event_value now, *last;
	u64 nr, enabled, running;
	bool first;

	if (bpf_perf_event_read_value(&events, idx, &now, sizeof(now)))
		return 0;
	last = &last_events[idx & (AFF_EVENT(AFF_MAX_EVENTS, 0) - 1)];
	first = !last->enabled;
	nr = now.counter - last->counter;
	enabled = now.enabled - last->enabled;
	running = now.running - last->running;
	*last = now;
	if (first || !running)
		return 0;
	return running >= enabled ? nr : nr * (enabled * 64 / running) / 64;
}

/* The functions of sched_ext_ops may not read events. */
SEC("?tp_btf/sched_switch")
int BPF_PROG(count_events, bool preempt, struct task_struct *prev)
{
	u32 cpu = bpf_get_smp_processor_id(), layer = AFF_MAX_LAYERS, i;
	struct task_ctx *tctx = get_task(prev);

	/* not what it does as a real-time task */
	if (tctx && tctx->match_gen && prev->prio >= 100)
		layer = tctx->layer & (AFF_MAX_LAYERS - 1);
	bpf_for(i, 0, nr_events) {
		u64 nr = new_events(i, cpu);
		struct aff_stats *s = bpf_map_lookup_elem(&stats, &layer);

		if (s && i < AFF_MAX_EVENTS)
			s->event[i] += nr;
	}
	return 0;
}

struct mem_sample___any {
	s16 nid;
} __attribute__((preserve_access_index));

/* In the task that accessed memory, which interrupts may use the counts of meanwhile. */
SEC("?tp_btf/mem_sample")
int BPF_PROG(count_sample, struct mem_sample___any *sample, int mem_nid)
{
	struct task_ctx *tctx = get_task(bpf_get_current_task_btf());
	struct aff_stats *s;
	u32 layer;
	s16 nid;

	if (!tctx || !tctx->match_gen || mem_nid < 0)
		return 0;
	nid = BPF_CORE_READ(sample, nid);
	layer = tctx->layer & (AFF_MAX_LAYERS - 1);
	s = bpf_map_lookup_elem(&stats, &layer);
	if (s)
		__sync_fetch_and_add(&s->cnt[nid == mem_nid ? AFF_STAT_SAMPLED_LOCAL : AFF_STAT_SAMPLED_REMOTE], 1);
	return 0;
}

/* --- life --------------------------------------------------------------- */

s32 BPF_STRUCT_OPS(affinity_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!tctx)
		return -ENOMEM;
	tctx->node = NO_NODE;
	return 0;
}

void BPF_STRUCT_OPS(affinity_enable, struct task_struct *p)
{
	struct task_ctx *tctx = get_task(p);
	struct aff_plan *plan;
	u32 idx, layer;

	plan = get_plan(&idx);
	if (!tctx || !plan)
		return;
	layer = task_layer(p, tctx, plan);
	tctx->queue = QUEUE(layer, cpu_dom(scx_bpf_task_cpu(p)));
	tctx->node = NO_NODE;
	tctx->waits_since = 0;
	tctx->aged = 0;
	tctx->started_at = scx_bpf_now();
	scx_bpf_task_set_dsq_vtime(p, clocks[tctx->queue & (NR_CLOCKS - 1)]);
}

static int new_queue(u64 id, s32 node)
{
	int ret = scx_bpf_create_dsq(id, node);

	if (ret)
		scx_bpf_error("failed to create DSQ %llu (%d)", id, ret);
	return ret;
}

/* Inline: the verifier has to see whose the pointer is. */
static __always_inline int keep_mask(struct one_mask *slot, struct bpf_cpumask *mask)
{
	if (!slot) {
		bpf_cpumask_release(mask);
		return -EINVAL;
	}
	mask = bpf_kptr_xchg(&slot->mask, mask);
	if (mask)
		bpf_cpumask_release(mask);
	return 0;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(affinity_init)
{
	struct bpf_cpumask *mask;
	struct scan_timer *timer;
	u32 i, j, zero = 0;
	int ret;

	bpf_for(i, 0, nr_doms) {
		s32 node = dom_nodes[i & (AFF_MAX_DOMS - 1)];

		bpf_for(j, 0, AFF_MAX_LAYERS) {
			ret = new_queue(QUEUE(j, i), node);
			if (ret)
				return ret;
			ret = new_queue(AGED(QUEUE(j, i)), node);
			if (ret)
				return ret;
		}

		mask = bpf_cpumask_create();
		if (!mask)
			return -ENOMEM;
		bpf_for(j, 0, nr_cpu_ids)
			if (cpu_dom(j) == i)
				bpf_cpumask_set_cpu(j, mask);
		ret = keep_mask(bpf_map_lookup_elem(&dom_masks, &i), mask);
		if (ret)
			return ret;
	}

	mask = bpf_cpumask_create();
	if (!mask)
		return -ENOMEM;
	bpf_for(i, 0, nr_cpu_ids)
		if (cpu_online[i & (AFF_MAX_CPUS - 1)])
			bpf_cpumask_set_cpu(i, mask);
	ret = keep_mask(bpf_map_lookup_elem(&online_mask, &zero), mask);
	if (ret)
		return ret;

	bpf_for(i, 0, nr_cpu_ids) {
		ret = new_queue(QUEUE_PIN + i, cpu_node(i));
		if (ret)
			return ret;
		ret = new_queue(AGED(QUEUE_PIN + i), cpu_node(i));
		if (ret)
			return ret;
		bpf_for(j, 0, NR_SCRATCH) {
			mask = bpf_cpumask_create();
			if (!mask)
				return -ENOMEM;
			ret = keep_mask(bpf_map_lookup_percpu_elem(&scratch, &j, i), mask);
			if (ret)
				return ret;
		}
	}

	timer = bpf_map_lookup_elem(&scan_timers, &zero);
	if (!timer)
		return -ENOENT;
	ret = bpf_timer_init(&timer->timer, &scan_timers, CLOCK_MONOTONIC);
	if (!ret)
		ret = bpf_timer_set_callback(&timer->timer, scan);
	if (!ret)
		ret = bpf_timer_start(&timer->timer, max_wait_ns / 4, 0);
	if (ret)
		scx_bpf_error("failed to start the timer (%d)", ret);
	return ret;
}

void BPF_STRUCT_OPS(affinity_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

/* --- in the dump of an error -------------------------------------------- */

void BPF_STRUCT_OPS(affinity_dump, struct scx_dump_ctx *dctx)
{
	struct aff_plan *plan;
	u32 idx, i, j;

	plan = get_plan(&idx);
	if (!plan)
		return;
	scx_bpf_dump("affinity: plan %u, generation %u, %u layers, %u domains\n", idx, plan->match_gen,
		     plan->nr_layers, nr_doms);
	bpf_for(i, 0, AFF_MAX_LAYERS)
		bpf_for(j, 0, nr_doms) {
			s32 nr = scx_bpf_dsq_nr_queued(QUEUE(i, j));
			s32 aged = scx_bpf_dsq_nr_queued(AGED(QUEUE(i, j)));

			if (nr > 0 || aged > 0)
				scx_bpf_dump("affinity: layer %u, domain %u: %d queued, %d waited for too long\n",
					     i, j, nr, aged);
		}
}

void BPF_STRUCT_OPS(affinity_dump_cpu, struct scx_dump_ctx *dctx, s32 cpu, bool idle)
{
	struct cpu_ctx *c = get_cpu(cpu);
	s32 nr = nr_waiting(QUEUE_PIN + (cpu & (AFF_MAX_CPUS - 1)));

	if (idle && nr <= 0)
		return;
	scx_bpf_dump("affinity: layer %d, %d pinned queued, last asked for work %llu us ago%s\n",
		     c->busy ? (s32)c->layer : -1, nr, (scx_bpf_now() - c->dispatched_at) / 1000,
		     c->exclusive ? ", exclusive" : "");
}

void BPF_STRUCT_OPS(affinity_dump_task, struct scx_dump_ctx *dctx, struct task_struct *p)
{
	struct task_ctx *tctx = get_task(p);

	if (tctx)
		scx_bpf_dump("affinity: layer %u, queue %u, node %d, waits %llu us\n", tctx->layer,
			     tctx->queue, tctx->node,
			     tctx->waits_since ? (scx_bpf_now() - tctx->waits_since) / 1000 : 0);
}

/* --- the loader's call -------------------------------------------------- */

static int fill_mask(struct aff_plan *plan, u32 layer, bool use, struct bpf_cpumask *mask)
{
	u32 cpu;

	bpf_for(cpu, 0, nr_cpu_ids) {
		u32 bits = plan->own[cpu & (AFF_MAX_CPUS - 1)];

		if (use)
			bits |= plan->use[cpu & (AFF_MAX_CPUS - 1)];
		if (bits >> (layer & 31) & 1)
			bpf_cpumask_set_cpu(cpu, mask);
	}
	return 0;
}

/* Make masks of what the plan says and put it in force. */
SEC("syscall")
int apply(struct aff_apply *arg)
{
	u32 idx = arg->plan & 1, layer;
	struct aff_plan *plan = bpf_map_lookup_elem(&plans, &idx);

	arg->ret = -EINVAL;
	if (!plan)
		return 0;
	bpf_for(layer, 0, AFF_MAX_LAYERS) {
		u32 key = idx * AFF_MAX_LAYERS + layer;
		struct layer_masks *lm = bpf_map_lookup_elem(&masks, &key);
		struct bpf_cpumask *own, *use;

		if (!lm)
			return 0;
		own = bpf_cpumask_create();
		if (!own) {
			arg->ret = -ENOMEM;
			return 0;
		}
		use = bpf_cpumask_create();
		if (!use) {
			bpf_cpumask_release(own);
			arg->ret = -ENOMEM;
			return 0;
		}
		fill_mask(plan, layer, false, own);
		fill_mask(plan, layer, true, use);
		own = bpf_kptr_xchg(&lm->own, own);
		if (own)
			bpf_cpumask_release(own);
		use = bpf_kptr_xchg(&lm->use, use);
		if (use)
			bpf_cpumask_release(use);
	}
	__sync_lock_test_and_set(&plan_idx, idx);
	arg->ret = 0;
	return 0;
}

SCX_OPS_DEFINE(affinity_ops,
	       .select_cpu		= (void *)affinity_select_cpu,
	       .enqueue			= (void *)affinity_enqueue,
	       .dispatch		= (void *)affinity_dispatch,
	       .tick			= (void *)affinity_tick,
	       .runnable		= (void *)affinity_runnable,
	       .running			= (void *)affinity_running,
	       .stopping		= (void *)affinity_stopping,
	       .init_task		= (void *)affinity_init_task,
	       .enable			= (void *)affinity_enable,
#ifdef HAVE_SET_PREFERRED_NODE
	       .set_preferred_node	= (void *)affinity_set_preferred_node,
#endif
	       .dump			= (void *)affinity_dump,
	       .dump_cpu		= (void *)affinity_dump_cpu,
	       .dump_task		= (void *)affinity_dump_task,
	       .init			= (void *)affinity_init,
	       .exit			= (void *)affinity_exit,
	       .flags			= SCX_OPS_ENQ_LAST | SCX_OPS_BUILTIN_IDLE_PER_NODE,
	       .name			= "affinity");
