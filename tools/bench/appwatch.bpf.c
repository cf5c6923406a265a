/* SPDX-License-Identifier: GPL-2.0 */
/*
 * appwatch, kernel side: of the tasks of one cgroup, how long they wait for a CPU each time
 * that they can run, and how often they begin to run on another node than that where they
 * ran last. Whatever the scheduler: it looks at the tracepoints that all share.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "appwatch.h"

char _license[] SEC("license") = "GPL";

const volatile u64 cgroup_id;
const volatile u8 node_of_cpu[AW_MAX_CPUS];

struct task {
	u64 since;		/* it waits; 0: it does not */
	bool preempted;		/* it waits since then, whatever wakes it meanwhile */
	s32 cpu;		/* where it ran last; -1: nowhere yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, AW_MAX_TASKS);
	__type(key, u32);
	__type(value, struct task);
} tasks SEC(".maps");

/* In nanoseconds, in the order in which they ended. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, AW_MAX_WAITS);
	__type(key, u32);
	__type(value, u64);
} waits SEC(".maps");

bool counting;
u64 nr_waits, nr_moves, nr_crossings, nr_lost;

static bool is_watched(struct task_struct *p)
{
	return BPF_CORE_READ(p, cgroups, dfl_cgrp, kn, id) == cgroup_id;
}

static struct task *task_of(struct task_struct *p)
{
	static const struct task none = { .cpu = -1 };
	u32 pid = p->pid;
	struct task *t;

	t = bpf_map_lookup_elem(&tasks, &pid);
	if (t)
		return t;
	bpf_map_update_elem(&tasks, &pid, &none, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&tasks, &pid);
	if (!t)
		__sync_fetch_and_add(&nr_lost, 1);
	return t;
}

static void begins_to_wait(struct task_struct *p, bool preempted)
{
	struct task *t = task_of(p);

	/* One that is about to sleep may be preempted, and woken before it sleeps. */
	if (!t || (t->preempted && !preempted))
		return;
	t->since = bpf_ktime_get_ns();
	t->preempted = preempted;
}

static void begins_to_run(struct task_struct *p, u32 cpu)
{
	struct task *t = task_of(p);
	u64 waited, i;
	u32 key;
	u64 *to;

	if (!t)
		return;
	if (counting && t->cpu >= 0 && t->cpu != (s32)cpu) {
		__sync_fetch_and_add(&nr_moves, 1);
		if (node_of_cpu[t->cpu & (AW_MAX_CPUS - 1)] != node_of_cpu[cpu & (AW_MAX_CPUS - 1)])
			__sync_fetch_and_add(&nr_crossings, 1);
	}
	t->cpu = cpu;
	t->preempted = false;
	if (!t->since)
		return;
	waited = bpf_ktime_get_ns() - t->since;
	t->since = 0;
	if (!counting)
		return;
	i = __sync_fetch_and_add(&nr_waits, 1);
	key = i;
	to = i < AW_MAX_WAITS ? bpf_map_lookup_elem(&waits, &key) : NULL;
	if (to)
		*to = waited;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *p)
{
	if (is_watched(p))
		begins_to_wait(p, false);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_new, struct task_struct *p)
{
	if (is_watched(p))
		begins_to_wait(p, false);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	if ((preempt || !prev_state) && prev->pid && is_watched(prev))
		begins_to_wait(prev, true);
	if (next->pid && is_watched(next))
		begins_to_run(next, bpf_get_smp_processor_id());
	return 0;
}
