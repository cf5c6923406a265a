// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that leaves every task where it is and notes what
 * ops.set_preferred_node() says of them.
 *
 * Whatever can be verified at each call is: a task doesn't run before its
 * scheduler has been told of its node, nor with another one than it was told of,
 * and it is told of one only while it is enabled and not runnable.
 */
#include <scx/common.bpf.h>
#include "numa_preferred_test.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

/* for kernels with and without CONFIG_NUMA_BALANCING */
struct task_struct___numa {
	int numa_preferred_nid;
} __attribute__((preserve_access_index));

struct task_ctx {
	s32	node;
	bool	enabled;
	bool	runnable;
	bool	told;		/* of a node since it was enabled */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} task_ctxs SEC(".maps");

/* the children and grandchildren of this process are taken notes of */
pid_t watched;

/* [thread ID] */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct numa_preferred_record);
} records SEC(".maps");

/* Taken notes of from its first call on. */
static struct numa_preferred_record *record_of(struct task_struct *p, bool create)
{
	const struct numa_preferred_record init = {};
	u32 tid = p->pid;

	if (p->real_parent->tgid != watched && p->real_parent->real_parent->tgid != watched)
		return NULL;
	if (create)
		bpf_map_update_elem(&records, &tid, &init, BPF_NOEXIST);
	return bpf_map_lookup_elem(&records, &tid);
}

static struct task_ctx *ctx_of(struct task_struct *p)
{
	struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);

	if (!tctx)
		scx_bpf_error("%s[%d] was not initialized", p->comm, p->pid);
	return tctx;
}

static s32 actual_node(struct task_struct *p)
{
	struct task_struct___numa *np = (void *)p;

	if (!bpf_core_field_exists(np->numa_preferred_nid))
		return NUMA_NO_NODE;
	return np->numa_preferred_nid;
}

s32 BPF_STRUCT_OPS(numa_preferred_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(numa_preferred_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, enq_flags);
}

void BPF_STRUCT_OPS(numa_preferred_set_preferred_node, struct task_struct *p, s32 node)
{
	struct task_ctx *tctx = ctx_of(p);
	struct numa_preferred_record *rec;
	s32 actual = actual_node(p);

	if (!tctx)
		return;

	if (node != NUMA_NO_NODE && (node < 0 || node >= scx_bpf_nr_node_ids()))
		scx_bpf_error("%s[%d]: there is no node %d", p->comm, p->pid, node);
	if (node != actual)
		scx_bpf_error("%s[%d]: told of node %d, has %d", p->comm, p->pid, node, actual);
	if (!tctx->enabled)
		scx_bpf_error("%s[%d]: told of a node while not enabled", p->comm, p->pid);
	if (tctx->runnable)
		scx_bpf_error("%s[%d]: told of a node while runnable", p->comm, p->pid);

	rec = record_of(p, !tctx->told);
	rec = record_of(p, !tctx->told);
	if (rec) {
		if (!tctx->told)
			rec->first_node = node;
		rec->node = node;
		rec->nr_calls++;
	}
	tctx->node = node;
	tctx->told = true;
}

void BPF_STRUCT_OPS(numa_preferred_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_ctx *tctx = ctx_of(p);

	if (tctx)
		tctx->runnable = true;
}

void BPF_STRUCT_OPS(numa_preferred_running, struct task_struct *p)
{
	struct task_ctx *tctx = ctx_of(p);
	s32 actual = actual_node(p);

	if (!tctx)
		return;

	if (!tctx->told)
		scx_bpf_error("%s[%d] runs, but its node was not told", p->comm, p->pid);
	else if (tctx->node != actual)
		scx_bpf_error("%s[%d] runs with node %d, told was %d", p->comm, p->pid,
			      actual, tctx->node);
}

void BPF_STRUCT_OPS(numa_preferred_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct task_ctx *tctx = ctx_of(p);

	if (tctx)
		tctx->runnable = false;
}

s32 BPF_STRUCT_OPS(numa_preferred_init_task, struct task_struct *p,
		   struct scx_init_task_args *args)
{
	if (!bpf_task_storage_get(&task_ctxs, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return -ENOMEM;
	return 0;
}

void BPF_STRUCT_OPS(numa_preferred_enable, struct task_struct *p)
{
	struct task_ctx *tctx = ctx_of(p);

	if (!tctx)
		return;

	tctx->enabled = true;
	tctx->runnable = false;
	tctx->told = false;
}

void BPF_STRUCT_OPS(numa_preferred_disable, struct task_struct *p)
{
	struct task_ctx *tctx = ctx_of(p);

	if (tctx)
		tctx->enabled = false;
}

void BPF_STRUCT_OPS(numa_preferred_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops numa_preferred_ops = {
	.select_cpu		= (void *)numa_preferred_select_cpu,
	.enqueue		= (void *)numa_preferred_enqueue,
	.runnable		= (void *)numa_preferred_runnable,
	.running		= (void *)numa_preferred_running,
	.quiescent		= (void *)numa_preferred_quiescent,
	.set_preferred_node	= (void *)numa_preferred_set_preferred_node,
	.init_task		= (void *)numa_preferred_init_task,
	.enable			= (void *)numa_preferred_enable,
	.disable		= (void *)numa_preferred_disable,
	.exit			= (void *)numa_preferred_exit,
	.name			= "numa_preferred",
};
