// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that shows NUMA distance at work.
 *
 * Distances between nodes differ by far more than between local and remote. On
 * a server with two dies in each of two packages, node 0 may see these:
 *
 *   node       0   1   2   3
 *   distance  10  12  20  22
 *
 * When node 0 runs out of idle CPUs, node 1 is almost as good, whereas nodes 2
 * and 3 double the cost of each access to the memory that the task left behind.
 * So where the task goes next matters as much as whether it has to leave. There
 * are two places where a scheduler decides on that, and this one goes by
 * distance in both:
 *
 * - When a task wakes up or is created, an idle CPU is picked for it. That is
 *   left to the kernel's built-in selection, which searches the node where the
 *   task last ran, then the other nodes in order of increasing distance. With -n
 *   the search starts from the same node for all tasks, such as the one that has
 *   a device or a large data set; it may be a node without CPUs. With -m it
 *   starts from the node that NUMA balancing prefers for the task, where most of
 *   its memory is, and tasks that don't sleep are moved there at the end of their
 *   slice. See "NUMA and Idle CPU Selection" and "NUMA Balancing" in
 *   Documentation/scheduler/sched-ext.rst.
 *
 * - When there is no idle CPU, the task is queued. There is one DSQ for each
 *   node that has CPUs. A CPU runs the tasks of its own node's DSQ. Only if it
 *   would go idle otherwise it looks into the DSQs of the other nodes, again in
 *   order of increasing distance. The loader computes that order from the
 *   distances in sysfs.
 *
 * The picks are counted in three classes: "local" are those in the node where
 * the search started, "near" those at the smallest distance that any other node
 * with CPUs has from it (12 in the table above), "far" is all the rest. Tasks
 * that are pulled from another node's DSQ are counted likewise.
 *
 * Things to try on a machine with at least three nodes:
 *
 * - Keep more threads busy than a node has CPUs and let them sleep now and then.
 *   The overflow should be near as long as near nodes have idle CPUs. On kernels
 *   whose default idle CPU selection does not know distance, much of it is far.
 *
 * - Compare with -P, which keeps the idle CPUs in one mask per node.
 *
 * - Run something memory-bound with its memory bound to one node, then again
 *   with -n and that node.
 *
 * Within a DSQ the order is that of weighted vtime, or FIFO with -f. A node's
 * tasks compete with each other only, so each node has a vtime clock of its own
 * and a task that changes nodes is put at the same lead or lag there. CPU time
 * is thus distributed fairly within a node, not across nodes: a task on a
 * crowded node gets less than one on another node that has just enough tasks to
 * keep its CPUs busy. A production scheduler would balance the nodes' loads.
 */
#include <scx/common.bpf.h>
#include "scx_near.h"

char _license[] SEC("license") = "GPL";

const volatile bool fifo_sched;

/* where tasks belong, the node of their previous CPU by default */
const volatile s32 wanted_node = NUMA_NO_NODE;
const volatile bool follow_numa_balancing;

/* has the kernel ops.set_preferred_node()? */
const volatile bool told_of_nodes;

/* SCX_PICK_IDLE_FROM_NODE and its shift, 0 if the kernel doesn't have them */
const volatile u64 pick_from_node;
const volatile u32 pick_node_shift;
const volatile u64 pick_in_node;

/* !0 for veristat, set during init */
const volatile u32 nr_node_ids = 1;
const volatile u32 nr_cpu_nodes = 1;

/* [node ID * nr_cpu_nodes]: the nodes with CPUs by distance, nearest first */
const volatile u32 RESIZABLE_ARRAY(rodata, node_order);

/* [from * nr_node_ids + to]: distance, 0 if either node doesn't exist */
const volatile u32 RESIZABLE_ARRAY(rodata, node_distances);

/* [node ID]: smallest distance to another node that has CPUs */
const volatile u32 RESIZABLE_ARRAY(rodata, near_distances);

/* [node ID]: vtime of the node's most advanced task */
u64 RESIZABLE_ARRAY(data, vtime_now);

UEI_DEFINE(uei);

struct task_ctx {
	u32	node;		/* the node whose clock p->scx.dsq_vtime goes by */
	s32	preferred;	/* by ops.set_preferred_node(), or NUMA_NO_NODE */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_ctx);
} task_ctxs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, NEAR_NR_STATS);
} stats SEC(".maps");

/* for kernels with and without CONFIG_NUMA_BALANCING */
struct task_struct___numa {
	int numa_preferred_nid;
} __attribute__((preserve_access_index));

static void stat_add(u32 idx, u64 nr)
{
	u64 *cnt_p = bpf_map_lookup_elem(&stats, &idx);

	if (cnt_p)
		*cnt_p += nr;
}

static u32 node_distance(u32 from, u32 to)
{
	u32 *distance = NULL;

	if (from < nr_node_ids && to < nr_node_ids)
		distance = (u32 *)ARRAY_ELEM_PTR(node_distances, from * nr_node_ids + to,
						 nr_node_ids * nr_node_ids);

	return distance ? *distance : 0;
}

static bool is_near(u32 from, u32 distance)
{
	u32 *near = (u32 *)ARRAY_ELEM_PTR(near_distances, from, nr_node_ids);

	return near && distance <= *near;
}

static void count_pick(u32 from, u32 to)
{
	u32 distance = node_distance(from, to);

	if (from == to)
		stat_add(NEAR_STAT_LOCAL, 1);
	else if (is_near(from, distance))
		stat_add(NEAR_STAT_NEAR, 1);
	else
		stat_add(NEAR_STAT_FAR, 1);

	stat_add(NEAR_STAT_DISTANCE, distance);
}

/*
 * Return the node where @p should rather run than in any other one, or
 * %NUMA_NO_NODE.
 */
static s32 task_wanted_node(struct task_struct *p)
{
	struct task_struct___numa *np = (void *)p;
	s32 node = wanted_node;

	if (follow_numa_balancing && told_of_nodes) {
		struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);

		node = tctx ? tctx->preferred : NUMA_NO_NODE;
	} else if (follow_numa_balancing && bpf_core_field_exists(np->numa_preferred_nid)) {
		node = np->numa_preferred_nid;
	}

	/* ignore nodes that were not there when the scheduler was loaded */
	return node_distance(node, node) ? node : NUMA_NO_NODE;
}

s32 BPF_STRUCT_OPS(near_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	s32 node = task_wanted_node(p);
	u64 flags = 0;
	s32 cpu;

	if (node != NUMA_NO_NODE && pick_from_node)
		flags = pick_from_node | (u64)node << pick_node_shift;

	cpu = scx_bpf_select_cpu_and(p, prev_cpu, wake_flags, p->cpus_ptr, flags);
	if (cpu < 0)
		return prev_cpu;

	if (node != NUMA_NO_NODE) {
		stat_add(NEAR_STAT_WANTED, 1);
		if (__COMPAT_scx_bpf_cpu_node(cpu) == node)
			stat_add(NEAR_STAT_WANTED_LOCAL, 1);
	} else {
		node = __COMPAT_scx_bpf_cpu_node(prev_cpu);
	}
	count_pick(node, __COMPAT_scx_bpf_cpu_node(cpu));

	scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, 0);
	return cpu;
}

/*
 * Have @p's vtime go by the clock of @node, at the same lead or lag.
 */
static void change_clock(struct task_struct *p, u32 node)
{
	struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);
	u64 *from, *to;

	if (!tctx || tctx->node == node)
		return;

	from = ARRAY_ELEM_PTR(vtime_now, tctx->node, nr_node_ids);
	to = ARRAY_ELEM_PTR(vtime_now, node, nr_node_ids);
	if (from && to)
		scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime - *from + *to);

	tctx->node = node;
}

/*
 * Move @p, which has run or wants to, to an idle CPU of the node that NUMA balancing
 * prefers for it. Tasks that hardly ever sleep don't get there otherwise.
 */
static bool move_to_preferred(struct task_struct *p, u64 enq_flags)
{
	s32 node, cpu = scx_bpf_task_cpu(p);

	if (!follow_numa_balancing || !told_of_nodes || !pick_from_node)
		return false;

	node = task_wanted_node(p);
	if (node == NUMA_NO_NODE || node == __COMPAT_scx_bpf_cpu_node(cpu))
		return false;

	cpu = scx_bpf_select_cpu_and(p, cpu, 0, p->cpus_ptr, pick_in_node | pick_from_node |
				     (u64)node << pick_node_shift);
	if (cpu < 0)
		return false;

	stat_add(NEAR_STAT_MOVED, 1);
	scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL_ON | cpu, SCX_SLICE_DFL, enq_flags);
	scx_bpf_kick_cpu(cpu, SCX_KICK_IDLE);
	return true;
}

void BPF_STRUCT_OPS(near_enqueue, struct task_struct *p, u64 enq_flags)
{
	u32 node = __COMPAT_scx_bpf_cpu_node(scx_bpf_task_cpu(p));
	u64 vtime, *now;

	if (move_to_preferred(p, enq_flags))
		return;

	/* nobody else wants the CPU */
	if (enq_flags & SCX_ENQ_LAST) {
		scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, enq_flags);
		return;
	}

	stat_add(NEAR_STAT_QUEUED, 1);

	if (fifo_sched) {
		scx_bpf_dsq_insert(p, node, SCX_SLICE_DFL, enq_flags);
		return;
	}

	change_clock(p, node);
	vtime = p->scx.dsq_vtime;

	/*
	 * Limit the amount of budget that an idling task can accumulate
	 * to one slice.
	 */
	now = ARRAY_ELEM_PTR(vtime_now, node, nr_node_ids);
	if (now && time_before(vtime, *now - SCX_SLICE_DFL))
		vtime = *now - SCX_SLICE_DFL;

	scx_bpf_dsq_insert_vtime(p, node, SCX_SLICE_DFL, vtime, enq_flags);
}

void BPF_STRUCT_OPS(near_dispatch, s32 cpu, struct task_struct *prev)
{
	u32 node = __COMPAT_scx_bpf_cpu_node(cpu);
	u32 i;

	if (scx_bpf_dsq_move_to_local(node, 0))
		return;

	/* staying in the node is worth more to @prev than a turn to others */
	if (prev && (prev->scx.flags & SCX_TASK_QUEUED))
		return;

	/* the first one in the order is @node itself */
	bpf_for(i, 1, nr_cpu_nodes) {
		u32 *other = (u32 *)ARRAY_ELEM_PTR(node_order, node * nr_cpu_nodes + i,
						   nr_node_ids * nr_cpu_nodes);

		if (!other)
			return;

		if (scx_bpf_dsq_move_to_local(*other, 0)) {
			if (is_near(*other, node_distance(*other, node)))
				stat_add(NEAR_STAT_PULLED_NEAR, 1);
			else
				stat_add(NEAR_STAT_PULLED_FAR, 1);
			return;
		}
	}
}

void BPF_STRUCT_OPS(near_running, struct task_struct *p)
{
	u32 node = __COMPAT_scx_bpf_cpu_node(scx_bpf_task_cpu(p));
	u64 *now;

	if (fifo_sched)
		return;

	change_clock(p, node);

	/*
	 * A node's vtime always progresses forward as tasks start executing. The
	 * test and update can be performed concurrently from multiple CPUs and
	 * thus racy. Any error should be contained and temporary. Let's just
	 * live with it.
	 */
	now = ARRAY_ELEM_PTR(vtime_now, node, nr_node_ids);
	if (now && time_before(*now, p->scx.dsq_vtime))
		*now = p->scx.dsq_vtime;
}

void BPF_STRUCT_OPS(near_stopping, struct task_struct *p, bool runnable)
{
	u64 delta;

	if (fifo_sched)
		return;

	/*
	 * Scale the execution time by the inverse of the weight and charge. See
	 * scx_simple for a caveat about yielding tasks.
	 */
	delta = scale_by_task_weight_inverse(p, SCX_SLICE_DFL - p->scx.slice);
	scx_bpf_task_set_dsq_vtime(p, p->scx.dsq_vtime + delta);
}

s32 BPF_STRUCT_OPS(near_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!tctx)
		return -ENOMEM;

	tctx->preferred = NUMA_NO_NODE;
	return 0;
}

void BPF_STRUCT_OPS(near_enable, struct task_struct *p)
{
	struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);
	u32 node = __COMPAT_scx_bpf_cpu_node(scx_bpf_task_cpu(p));
	u64 *now = ARRAY_ELEM_PTR(vtime_now, node, nr_node_ids);

	if (!tctx || !now)
		return;

	tctx->node = node;
	scx_bpf_task_set_dsq_vtime(p, *now);
}

/* Right after near_enable() and whenever it changes. */
void BPF_STRUCT_OPS(near_set_preferred_node, struct task_struct *p, s32 node)
{
	struct task_ctx *tctx = bpf_task_storage_get(&task_ctxs, p, NULL, 0);

	if (tctx)
		tctx->preferred = node;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(near_init)
{
	u32 i;

	/* the row of any node will do, all have the same nodes */
	bpf_for(i, 0, nr_cpu_nodes) {
		u32 *node = (u32 *)ARRAY_ELEM_PTR(node_order, i, nr_node_ids * nr_cpu_nodes);
		int ret;

		if (!node)
			return -EINVAL;

		ret = scx_bpf_create_dsq(*node, *node);
		if (ret) {
			scx_bpf_error("failed to create DSQ %d (%d)", *node, ret);
			return ret;
		}
	}

	return 0;
}

void BPF_STRUCT_OPS(near_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SCX_OPS_DEFINE(near_ops,
	       .select_cpu		= (void *)near_select_cpu,
	       .enqueue			= (void *)near_enqueue,
	       .dispatch		= (void *)near_dispatch,
	       .running			= (void *)near_running,
	       .stopping		= (void *)near_stopping,
	       .init_task		= (void *)near_init_task,
	       .enable			= (void *)near_enable,
	       .set_preferred_node	= (void *)near_set_preferred_node,
	       .init			= (void *)near_init,
	       .exit			= (void *)near_exit,
	       .name			= "near");
