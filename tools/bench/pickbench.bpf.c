/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pickbench, kernel side: a sched_ext scheduler that schedules next to nothing
 * (SCX_OPS_SWITCH_PARTIAL: only tasks that ask for SCHED_EXT), so that the
 * built-in idle tracking is on, and programs that drive the built-in idle
 * selector and note what it does.
 *
 * A drain can be run two ways, by the same code: from a syscall program, where
 * the select kfuncs take the task's pi_lock themselves, and from
 * ops.select_cpu() of a real wake-up, where the lock is held and interrupts are
 * off already.
 *
 * Instructions are counted by the CPU's own counter.  Syscall programs are
 * sleepable and may not read it, therefore a mark is a call of a trivial kfunc
 * on whose entry a tracing program sits that may.
 */
#include <scx/common.bpf.h>
#include "pickbench.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

const volatile bool per_node;
const volatile u32 mask_bytes = sizeof(struct pb_mask);
const volatile u32 nr_cpu_nodes;
const volatile s32 cpu_nodes[PB_MAX_NODES];

struct pb_request req;
struct pb_pick picks[PB_MAX_PICKS];
struct pb_pick snap;
u32 nr_picks;
s32 drain_error;

/* --- counting ------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
	__uint(max_entries, PB_MAX_CPUS);
} counters SEC(".maps");

u64 marks[2];
u32 nr_marks;

SEC("fentry/scx_bpf_nr_cpu_ids")
int BPF_PROG(on_mark)
{
	struct bpf_perf_event_value v;

	bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, &v, sizeof(v));
	marks[nr_marks++ & 1] = v.counter;
	return 0;
}

/*
 * The kernel's note that a CPU becomes idle or busy, from its beginning to its
 * end. Attached only while that is measured.
 */
struct pb_updates updates[PB_NR_UPDATES];
u64 update_began[PB_MAX_CPUS];

static __always_inline void update_begins(void)
{
	struct bpf_perf_event_value v;

	bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, &v, sizeof(v));
	update_began[bpf_get_smp_processor_id() & (PB_MAX_CPUS - 1)] = v.counter;
}

static __always_inline void update_ends(u32 what)
{
	struct bpf_perf_event_value v;
	u32 i;

	bpf_perf_event_read_value(&counters, BPF_F_CURRENT_CPU, &v, sizeof(v));
	i = __sync_fetch_and_add(&updates[what].nr, 1);
	updates[what].insns[i & (PB_MAX_UPDATES - 1)] =
		v.counter - update_began[bpf_get_smp_processor_id() & (PB_MAX_CPUS - 1)];
}

SEC("fentry/__scx_update_idle")
int BPF_PROG(on_update, struct rq *rq, bool idle, bool do_notify)
{
	update_begins();
	return 0;
}

SEC("fexit/__scx_update_idle")
int BPF_PROG(on_updated, struct rq *rq, bool idle, bool do_notify)
{
	/* Without it is a CPU that was idle and stays so. */
	if (do_notify)
		update_ends(idle ? PB_TO_IDLE : PB_TO_BUSY);
	return 0;
}

SEC("fentry/scx_bpf_nr_node_ids")
int BPF_PROG(on_empty)
{
	update_begins();
	return 0;
}

SEC("fexit/scx_bpf_nr_node_ids")
int BPF_PROG(on_emptied)
{
	update_ends(PB_MARKS);
	return 0;
}

#define COUNTED(call) ({			\
	s32 __cpu;				\
						\
	nr_marks = 0;				\
	scx_bpf_nr_cpu_ids();			\
	__cpu = (call);				\
	scx_bpf_nr_cpu_ids();			\
	__cpu;					\
})

/* --- idle masks ----------------------------------------------------------- */

static __always_inline void read_mask(struct pb_mask *to, const struct cpumask *from)
{
	bpf_probe_read_kernel(to, mask_bytes, from);
}

static __always_inline void add_mask(struct pb_mask *to, const struct cpumask *from)
{
	struct pb_mask m = {};
	u32 w;

	read_mask(&m, from);
	for (w = 0; w < PB_WORDS; w++)
		to->w[w] |= m.w[w];
}

static __always_inline void take_snapshot(struct pb_pick *to)
{
	const struct cpumask *mask;
	u32 i;

	if (!per_node) {
		mask = scx_bpf_get_idle_cpumask();
		read_mask(&to->idle, mask);
		scx_bpf_put_idle_cpumask(mask);
		mask = scx_bpf_get_idle_smtmask();
		read_mask(&to->smt, mask);
		scx_bpf_put_idle_cpumask(mask);
		return;
	}

	__builtin_memset(&to->idle, 0, sizeof(to->idle));
	__builtin_memset(&to->smt, 0, sizeof(to->smt));
	bpf_for(i, 0, nr_cpu_nodes) {
		s32 node;

		if (i >= PB_MAX_NODES)
			break;
		node = cpu_nodes[i];
		mask = scx_bpf_get_idle_cpumask_node(node);
		add_mask(&to->idle, mask);
		scx_bpf_put_idle_cpumask(mask);
		mask = scx_bpf_get_idle_smtmask_node(node);
		add_mask(&to->smt, mask);
		scx_bpf_put_idle_cpumask(mask);
	}
}

/* --- picks ---------------------------------------------------------------- */

static __always_inline s32 pick_once(struct task_struct *p, const struct cpumask *allowed)
{
	s32 start = req.start_cpu, node = req.start_node;
	u64 flags = req.flags;
	bool is_idle = false;
	s32 cpu;

	switch (req.api) {
	case PB_NOTHING:
		return COUNTED(-1);
	case PB_KFUNC:
		return COUNTED(scx_bpf_cpu_node(start));
	case PB_SELECT: {
		struct scx_bpf_select_cpu_and_args args = {
			.prev_cpu = start,
			.flags = flags,
		};

		return COUNTED(__scx_bpf_select_cpu_and(p, allowed, &args));
	}
	case PB_SELECT_DFL:
		cpu = COUNTED(scx_bpf_select_cpu_dfl(p, start, 0, &is_idle));
		return is_idle ? cpu : -EBUSY;
	case PB_PICK:
		if (per_node)
			return COUNTED(scx_bpf_pick_idle_cpu_node(allowed, node, flags));
		return COUNTED(scx_bpf_pick_idle_cpu(allowed, flags));
	default:
		return -EINVAL;
	}
}

/* The caller holds the RCU read lock. */
static __always_inline void drain(struct task_struct *p, const struct cpumask *allowed)
{
	bool endless = req.api == PB_NOTHING || req.api == PB_KFUNC;
	u32 max = req.max_picks, i;
	s32 cpu;

	nr_picks = 0;
	bpf_for(i, 0, PB_MAX_CPUS) {
		if ((req.claim.w[(i / 64) & (PB_WORDS - 1)] >> (i & 63)) & 1)
			scx_bpf_test_and_clear_cpu_idle(i);
	}

	bpf_for(i, 0, PB_MAX_PICKS - 1) {
		struct pb_pick *now = &picks[i & (PB_MAX_PICKS - 1)];

		if (i >= max)
			break;
		take_snapshot(now);
		cpu = pick_once(p, allowed);
		now->cpu = cpu;
		now->insns = marks[1] - marks[0];
		nr_picks = i + 1;
		if (cpu < 0 && !endless)
			break;
	}
	i = nr_picks;
	take_snapshot(&picks[i & (PB_MAX_PICKS - 1)]);
}

static __always_inline void drain_masked(struct task_struct *p)
{
	struct bpf_cpumask *mask;

	if (!req.use_mask) {
		drain(p, p->cpus_ptr);
		return;
	}

	mask = bpf_cpumask_create();
	if (!mask) {
		drain_error = -ENOMEM;
		return;
	}
	drain_error = bpf_cpumask_populate(mask, &req.allowed,
					   sizeof(req.allowed));
	if (!drain_error)
		drain(p, (const struct cpumask *)mask);
	bpf_cpumask_release(mask);
}

SEC("syscall")
int run_drain(void *ctx)
{
	struct task_struct *p;

	drain_error = 0;
	p = bpf_task_from_pid(req.pid);
	if (!p)
		return -ESRCH;
	bpf_rcu_read_lock();
	drain_masked(p);
	bpf_rcu_read_unlock();
	bpf_task_release(p);
	return drain_error;
}

SEC("syscall")
int run_snapshot(void *ctx)
{
	take_snapshot(&snap);
	return 0;
}

SEC("syscall")
int run_empty(void *ctx)
{
	u32 i;

	bpf_for(i, 0, 64)
		scx_bpf_nr_node_ids();
	return 0;
}

/* Sends every CPU in req.claim through an idle re-pick: it is advertised again. */
SEC("syscall")
int run_release(void *ctx)
{
	u32 i;

	bpf_for(i, 0, PB_MAX_CPUS) {
		if ((req.claim.w[(i / 64) & (PB_WORDS - 1)] >> (i & 63)) & 1)
			scx_bpf_kick_cpu(i, 0);
	}
	return 0;
}

/* --- the scheduler -------------------------------------------------------- */

s32 BPF_STRUCT_OPS(pickbench_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool is_idle = false;
	s32 cpu;

	if (p->pid == req.pid && req.armed) {
		req.armed = 0;
		drain_error = 0;
		drain_masked(p);
		/* Where it wakes must not disturb a CPU that is watched. */
		return bpf_get_smp_processor_id();
	}

	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (is_idle)
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, 0);
	return cpu;
}

void BPF_STRUCT_OPS(pickbench_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SCX_OPS_DEFINE(pickbench_ops,
	       .select_cpu	= (void *)pickbench_select_cpu,
	       .exit		= (void *)pickbench_exit,
	       .flags		= SCX_OPS_SWITCH_PARTIAL,
	       .name		= "pickbench");
