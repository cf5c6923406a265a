// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that drains the built-in idle CPU selection and notes what it had
 * to choose from. User space tells whether it chose well.
 *
 * Picks are made one after the other until there is no idle CPU left, either
 * from a syscall program, where they can be interrupted, or from
 * ops.select_cpu(), where they can't.
 *
 * CPUs come and go while a pick is made. The idle masks before and after it
 * don't tell about a CPU that left and came back, nor about one that is on its
 * way and has set one of several things that are to be set. Therefore, keep
 * track of the CPUs in an idle state: from there a CPU doesn't touch the idle
 * masks and can only be taken by a pick, of which this scheduler makes all.
 */
#include <scx/common.bpf.h>

#include "numa_distance_test.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

#define PWR_EVENT_EXIT		((u32)-1)

/* set before the scheduler is attached */
bool per_node;
u32 nr_words;
u32 nr_cpu_nodes;
s32 cpu_nodes[NUMA_TEST_MAX_NODES];

/* for run_drain() and for a wakeup of the task that is armed */
struct numa_test_request req;
struct numa_test_pick picks[NUMA_TEST_MAX_PICKS];
u32 nr_picks;
s32 drain_err;
u64 nr_nested;		/* picks made by interrupts of the drain */

/* for run_look() and run_kick() */
struct numa_test_view view;
struct numa_test_mask view_in_idle;
struct numa_test_mask kick;

struct numa_test_mask in_idle;
static struct numa_test_mask moved;
static u64 nr_begun, nr_done;
static u64 fence_word;
static bool draining;

/* BPF has no barriers, but atomics that return a value are fully ordered. */
static __always_inline void fence(void)
{
	__sync_lock_test_and_set(&fence_word, 1);
}

static __always_inline void mask_set(struct numa_test_mask *mask, u32 cpu)
{
	__sync_fetch_and_or(&mask->w[(cpu / 64) & (NUMA_TEST_WORDS - 1)], 1LLU << (cpu & 63));
}

static __always_inline void mask_clear(struct numa_test_mask *mask, u32 cpu)
{
	__sync_fetch_and_and(&mask->w[(cpu / 64) & (NUMA_TEST_WORDS - 1)], ~(1LLU << (cpu & 63)));
}

static __always_inline bool mask_test(const struct numa_test_mask *mask, u32 cpu)
{
	return mask->w[(cpu / 64) & (NUMA_TEST_WORDS - 1)] & (1LLU << (cpu & 63));
}

static void mask_zero(struct numa_test_mask *mask)
{
	u32 i;

	bpf_for(i, 0, nr_words)
		mask->w[i & (NUMA_TEST_WORDS - 1)] = 0;
}

static void mask_copy(struct numa_test_mask *to, const struct numa_test_mask *from)
{
	u32 i;

	bpf_for(i, 0, nr_words)
		to->w[i & (NUMA_TEST_WORDS - 1)] = from->w[i & (NUMA_TEST_WORDS - 1)];
}

/* CPU masks of the kernel have no more words than there are CPUs. */
static __always_inline void mask_add(struct numa_test_mask *to, const struct cpumask *from)
{
	u32 i;

	bpf_for(i, 0, nr_words) {
		u64 word = 0;

		bpf_probe_read_kernel(&word, sizeof(word), (const u64 *)from + i);
		to->w[i & (NUMA_TEST_WORDS - 1)] |= word;
	}
}

static __always_inline void look(struct numa_test_view *v)
{
	const struct cpumask *mask;
	u32 i;

	mask_zero(&v->cpu);
	mask_zero(&v->smt);

	if (!per_node) {
		mask = scx_bpf_get_idle_cpumask();
		mask_add(&v->cpu, mask);
		scx_bpf_put_idle_cpumask(mask);

		mask = scx_bpf_get_idle_smtmask();
		mask_add(&v->smt, mask);
		scx_bpf_put_idle_cpumask(mask);
		return;
	}

	bpf_for(i, 0, nr_cpu_nodes) {
		s32 node = cpu_nodes[i & (NUMA_TEST_MAX_NODES - 1)];

		mask = scx_bpf_get_idle_cpumask_node(node);
		mask_add(&v->cpu, mask);
		scx_bpf_put_idle_cpumask(mask);

		mask = scx_bpf_get_idle_smtmask_node(node);
		mask_add(&v->smt, mask);
		scx_bpf_put_idle_cpumask(mask);
	}
}

static __always_inline s32 pick_once(struct task_struct *p, const struct cpumask *allowed)
{
	switch (req.api) {
	case NUMA_TEST_SELECT: {
		struct scx_bpf_select_cpu_and_args args = {
			.prev_cpu	= req.start_cpu,
			.flags		= req.flags,
		};

		return __scx_bpf_select_cpu_and(p, allowed, &args);
	}
	case NUMA_TEST_PICK_IDLE:
		return scx_bpf_pick_idle_cpu_node(allowed, req.start_node, req.flags);
	case NUMA_TEST_PICK_ANY:
		return scx_bpf_pick_any_cpu_node(allowed, req.start_node, req.flags);
	default:
		return -EINVAL;
	}
}

static __always_inline void drain(struct task_struct *p, const struct cpumask *allowed)
{
	u32 i, max = req.max_picks;

	draining = true;
	bpf_for(i, 0, NUMA_TEST_MAX_PICKS) {
		struct numa_test_pick *pick = &picks[i & (NUMA_TEST_MAX_PICKS - 1)];
		u64 done;

		if (i >= max)
			break;

		mask_zero(&moved);
		fence();
		done = nr_done;
		mask_copy(&pick->in_idle, &in_idle);
		fence();
		look(&pick->before);
		fence();

		pick->cpu = pick_once(p, allowed);

		fence();
		look(&pick->after);
		fence();
		mask_copy(&pick->moved, &moved);
		pick->overlapped = nr_begun != done;

		nr_picks = i + 1;
		if (pick->cpu < 0)
			break;
	}
	draining = false;
}

static __always_inline void drain_masked(struct task_struct *p)
{
	struct bpf_cpumask *mask;

	nr_picks = 0;
	drain_err = 0;

	if (!req.use_mask) {
		drain(p, p->cpus_ptr);
		return;
	}

	mask = bpf_cpumask_create();
	if (!mask) {
		drain_err = -ENOMEM;
		return;
	}
	drain_err = bpf_cpumask_populate(mask, &req.allowed,
					 sizeof(req.allowed));
	if (!drain_err)
		drain(p, (const struct cpumask *)mask);
	bpf_cpumask_release(mask);
}

SEC("syscall")
int run_drain(void *ctx)
{
	struct task_struct *p;

	p = bpf_task_from_pid(req.tid);
	if (!p)
		return -ESRCH;

	bpf_rcu_read_lock();
	drain_masked(p);
	bpf_rcu_read_unlock();
	bpf_task_release(p);
	return drain_err;
}

SEC("syscall")
int run_look(void *ctx)
{
	mask_copy(&view_in_idle, &in_idle);
	fence();
	look(&view);
	return 0;
}

/* A CPU that was picked and not used is marked idle again when it is kicked. */
SEC("syscall")
int run_kick(void *ctx)
{
	u32 cpu;

	bpf_for(cpu, 0, nr_words * 64) {
		if (mask_test(&kick, cpu))
			scx_bpf_kick_cpu(cpu, 0);
	}
	return 0;
}

SEC("tp_btf/cpu_idle")
int BPF_PROG(on_cpu_idle, u32 state, u32 cpu)
{
	if (state == PWR_EVENT_EXIT) {
		mask_clear(&in_idle, cpu);
		fence();
		mask_set(&moved, cpu);
		fence();
	} else {
		mask_set(&moved, cpu);
		fence();
		mask_set(&in_idle, cpu);
	}
	return 0;
}

s32 BPF_STRUCT_OPS(numa_distance_select_cpu, struct task_struct *p, s32 prev_cpu,
		   u64 wake_flags)
{
	s32 cpu, this_cpu = bpf_get_smp_processor_id();
	bool nested = this_cpu == req.drain_cpu;
	bool is_idle = false;

	if (p->pid == req.tid) {
		if (req.armed) {
			req.armed = 0;
			drain_masked(p);
		}
		/* it should not run on a CPU that is being watched */
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, 0);
		return this_cpu;
	}

	/* an interrupt of the drain is over before the drain goes on */
	if (nested)
		nr_nested += draining;
	else
		__sync_fetch_and_add(&nr_begun, 1);
	fence();

	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (is_idle) {
		mask_set(&moved, cpu);
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, 0);
	}

	fence();
	if (!nested)
		__sync_fetch_and_add(&nr_done, 1);
	return cpu;
}

/* Without these CPU hotplug would unload the scheduler. */
void BPF_STRUCT_OPS(numa_distance_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(numa_distance_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(numa_distance_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops numa_distance_ops = {
	.select_cpu		= (void *)numa_distance_select_cpu,
	.cpu_online		= (void *)numa_distance_cpu_online,
	.cpu_offline		= (void *)numa_distance_cpu_offline,
	.exit			= (void *)numa_distance_exit,
	.name			= "numa_distance",
};
