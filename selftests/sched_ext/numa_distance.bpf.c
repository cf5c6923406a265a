// SPDX-License-Identifier: GPL-2.0
/*
 * Search for idle CPUs on behalf of user space, one search at a time, and record
 * the idle masks on both sides of it.
 *
 * Only tasks that ask for SCHED_EXT are scheduled here, i.e. none: the scheduler
 * is there to have the built-in idle tracking enabled.
 */
#include <scx/common.bpf.h>
#include "numa_distance.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

const volatile bool per_node;
const volatile u32 nr_cpus;

struct nd_request request;
struct nd_cpu before[ND_MAX_CPUS];
struct nd_cpu after[ND_MAX_CPUS];
u32 nr_changes[ND_MAX_CPUS];
s32 picked;

static void look(struct nd_cpu *cpus)
{
	const struct cpumask *idle, *smt;
	u32 cpu;

	bpf_for(cpu, 0, nr_cpus) {
		if (cpu >= ND_MAX_CPUS)
			break;

		cpus[cpu].nr_changes = nr_changes[cpu];
		if (per_node) {
			s32 node = scx_bpf_cpu_node(cpu);

			idle = scx_bpf_get_idle_cpumask_node(node);
			smt = scx_bpf_get_idle_smtmask_node(node);
		} else {
			idle = scx_bpf_get_idle_cpumask();
			smt = scx_bpf_get_idle_smtmask();
		}
		cpus[cpu].idle = bpf_cpumask_test_cpu(cpu, idle);
		cpus[cpu].idle_core = bpf_cpumask_test_cpu(cpu, smt);
		scx_bpf_put_idle_cpumask(smt);
		scx_bpf_put_idle_cpumask(idle);
	}
}

static s32 search(struct task_struct *p, const struct cpumask *allowed)
{
	switch (request.call) {
	case ND_SELECT:
		return scx_bpf_select_cpu_and(p, request.start_cpu, 0, allowed, request.flags);
	case ND_PICK:
		return scx_bpf_pick_idle_cpu_node(allowed, request.start_node, request.flags);
	case ND_PICK_ANY:
		return scx_bpf_pick_any_cpu_node(allowed, request.start_node, request.flags);
	}
	return -EINVAL;
}

SEC("syscall")
int numa_distance_search(void *ctx)
{
	struct bpf_cpumask *allowed;
	struct task_struct *p;
	int ret;

	allowed = bpf_cpumask_create();
	if (!allowed)
		return -ENOMEM;

	ret = bpf_cpumask_populate(allowed, request.allowed, sizeof(request.allowed));
	if (ret)
		goto out;

	p = bpf_task_from_pid(request.pid);
	if (!p) {
		ret = -ESRCH;
		goto out;
	}

	look(before);
	picked = search(p, (const struct cpumask *)allowed);
	look(after);
	bpf_task_release(p);
out:
	bpf_cpumask_release(allowed);
	return ret;
}

/*
 * Claimed CPUs that are idle all the same are advertised again when they go
 * through the idle task once more.
 */
SEC("syscall")
int numa_distance_release(void *ctx)
{
	u32 cpu;

	look(after);
	bpf_for(cpu, 0, nr_cpus) {
		if (cpu < ND_MAX_CPUS && !after[cpu].idle)
			scx_bpf_kick_cpu(cpu, 0);
	}
	return 0;
}

SEC("syscall")
int numa_distance_look(void *ctx)
{
	look(after);
	return 0;
}

void BPF_STRUCT_OPS(numa_distance_update_idle, s32 cpu, bool idle)
{
	if (cpu >= 0 && cpu < ND_MAX_CPUS)
		__sync_fetch_and_add(&nr_changes[cpu], 1);
}

/* With these two the scheduler stays when CPUs come and go. */
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
	.update_idle		= (void *)numa_distance_update_idle,
	.cpu_online		= (void *)numa_distance_cpu_online,
	.cpu_offline		= (void *)numa_distance_cpu_offline,
	.exit			= (void *)numa_distance_exit,
	.name			= "numa_distance",
};
