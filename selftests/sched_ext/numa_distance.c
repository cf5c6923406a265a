// SPDX-License-Identifier: GPL-2.0
/*
 * Validate that the built-in idle CPU selection picks the nearest idle CPU.
 *
 * Search for idle CPUs, from all start CPUs, until there is none left. A search
 * must not pass over a nearer CPU. That CPU must have been idle all the time,
 * though: one that became busy or idle during the search, or that an earlier
 * search has claimed and that was advertised again meanwhile, may be missed. So
 * compare the idle masks from before and after the search, together with the
 * number of idle transitions of each CPU.
 *
 * What is nearer is decided by the distances in sysfs, independently of the
 * order of the nodes that the kernel keeps.
 */
#define _GNU_SOURCE

#include <bpf/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <scx/common.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../kselftest.h"
#include "scx_test.h"
#include "numa_distance.h"
#include "numa_distance.bpf.skel.h"
#include "util.h"

#define MAX_NODES	1024
#define MIN_NODES	3
#define NODE_DIR	"/sys/devices/system/node"
#define CPU_DIR		"/sys/devices/system/cpu"

/* SCX_PICK_IDLE_FROM_NODE has the node in the upper half of the flags */
#define NODE_SHIFT	32

/*
 * The kernel sets a CPU's bit in the idle mask a moment before the one that
 * leads searches to its node. A search that hits this moment misses the CPU
 * without being wrong, but not again and again.
 */
#define MAX_TRIES	3

#define IDLE_TIMEOUT_MS	10000

static int nr_cpus;		/* CPU IDs are below */
static int cpu_node[ND_MAX_CPUS];	/* -1 if not online at the start */
static bool cpu_on[ND_MAX_CPUS];
static int nr_nodes;		/* node IDs are below */
static int nr_cpu_nodes;
static bool node_has_cpu[MAX_NODES];
static int *distances;		/* nr_nodes x nr_nodes */

static struct numa_distance *skel;
static struct bpf_link *ops_link;
static bool per_node;
static bool has_smt;
static int test_cpu;
static pid_t task;
static unsigned long nr_searches, nr_repeats;

static const char *mode_str(void)
{
	return per_node ? "per-node" : "default";
}

static int distance(int from, int to)
{
	return distances[from * nr_nodes + to];
}

/*
 * Topology
 */

/* Call @fn for each number of a list such as "0-3,8". Return -1 if there is none. */
static int read_list(const char *path, void (*fn)(int nr, int arg), int arg)
{
	int first, last, nr, ret = -1;
	FILE *fp;

	fp = fopen(path, "r");
	if (!fp)
		return -1;

	while ((nr = fscanf(fp, "%d-%d", &first, &last)) > 0) {
		if (nr == 1)
			last = first;
		for (; first <= last; first++)
			fn(first, arg);
		ret = 0;
		if (fgetc(fp) != ',')
			break;
	}

	fclose(fp);
	return ret;
}

static int online_nodes[MAX_NODES], nr_online_nodes;

static void add_online_node(int node, int arg)
{
	if (node >= MAX_NODES)
		return;
	online_nodes[nr_online_nodes++] = node;
	if (nr_nodes <= node)
		nr_nodes = node + 1;
}

static void add_cpu(int cpu, int node)
{
	if (cpu >= ND_MAX_CPUS)
		return;
	cpu_node[cpu] = node;
	cpu_on[cpu] = true;
	node_has_cpu[node] = true;
}

static int read_distances(int node)
{
	char path[64];
	int i, d, ret = 0;
	FILE *fp;

	snprintf(path, sizeof(path), NODE_DIR "/node%d/distance", node);
	fp = fopen(path, "r");
	if (!fp)
		return -1;

	for (i = 0; i < nr_online_nodes; i++) {
		if (fscanf(fp, "%d", &d) != 1) {
			ret = -1;
			break;
		}
		distances[node * nr_nodes + online_nodes[i]] = d;
	}

	fclose(fp);
	return ret;
}

static int read_topology(void)
{
	char path[64];
	int i;

	nr_nodes = 0;
	nr_cpu_nodes = 0;
	nr_online_nodes = 0;
	memset(node_has_cpu, 0, sizeof(node_has_cpu));
	memset(cpu_on, 0, sizeof(cpu_on));
	memset(cpu_node, 0xff, sizeof(cpu_node));

	nr_cpus = libbpf_num_possible_cpus();
	if (nr_cpus < 1 || nr_cpus > ND_MAX_CPUS)
		return -1;

	/* no such file without CONFIG_NUMA */
	if (read_list(NODE_DIR "/online", add_online_node, 0))
		return 0;

	free(distances);
	distances = calloc((size_t)nr_nodes * nr_nodes, sizeof(*distances));
	if (!distances)
		return -1;

	for (i = 0; i < nr_online_nodes; i++) {
		snprintf(path, sizeof(path), NODE_DIR "/node%d/cpulist", online_nodes[i]);
		read_list(path, add_cpu, online_nodes[i]);
		if (read_distances(online_nodes[i]))
			return -1;
		nr_cpu_nodes += node_has_cpu[online_nodes[i]];
	}

	has_smt = file_read_long(CPU_DIR "/smt/active") > 0;
	return 0;
}

/*
 * CPU hotplug
 */

static bool is_hotpluggable(int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), CPU_DIR "/cpu%d/online", cpu);
	return cpu != test_cpu && cpu_node[cpu] >= 0 && !access(path, W_OK);
}

static int set_online(int cpu, bool online)
{
	char path[64];

	if (cpu_on[cpu] == online)
		return 0;

	snprintf(path, sizeof(path), CPU_DIR "/cpu%d/online", cpu);
	if (file_write_long(path, online)) {
		SCX_ERR("Failed to bring CPU %d %s", cpu, online ? "online" : "offline");
		return -1;
	}
	cpu_on[cpu] = online;
	return 0;
}

static int set_node_online(int node, bool online)
{
	int cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu_node[cpu] == node && set_online(cpu, online))
			return -1;
	return 0;
}

static void set_all_online(void)
{
	int cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu_node[cpu] >= 0)
			set_online(cpu, true);
}

static bool is_node_hotpluggable(int node)
{
	int cpu;

	if (!node_has_cpu[node])
		return false;
	for (cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu_node[cpu] == node && !is_hotpluggable(cpu))
			return false;
	return true;
}

/*
 * Wakeups from interrupts: on each CPU a thread that sleeps and wakes up.
 */

static pthread_t wakers[ND_MAX_CPUS];
static bool has_waker[ND_MAX_CPUS];
static bool stop_wakers;

static void *wake_up(void *arg)
{
	struct timespec ts = { .tv_nsec = 300000 + 1000 * (long)(size_t)arg };

	while (!__atomic_load_n(&stop_wakers, __ATOMIC_RELAXED))
		nanosleep(&ts, NULL);
	return NULL;
}

static void start_wakers(void)
{
	pthread_attr_t attr;
	cpu_set_t *set;
	int cpu;

	stop_wakers = false;
	set = CPU_ALLOC(ND_MAX_CPUS);
	pthread_attr_init(&attr);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (!cpu_on[cpu] || cpu == test_cpu)
			continue;
		CPU_ZERO_S(CPU_ALLOC_SIZE(ND_MAX_CPUS), set);
		CPU_SET_S(cpu, CPU_ALLOC_SIZE(ND_MAX_CPUS), set);
		pthread_attr_setaffinity_np(&attr, CPU_ALLOC_SIZE(ND_MAX_CPUS), set);
		has_waker[cpu] = !pthread_create(&wakers[cpu], &attr, wake_up, (void *)(size_t)cpu);
	}
	pthread_attr_destroy(&attr);
	CPU_FREE(set);
}

static void join_wakers(void)
{
	int cpu;

	__atomic_store_n(&stop_wakers, true, __ATOMIC_RELAXED);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (has_waker[cpu])
			pthread_join(wakers[cpu], NULL);
		has_waker[cpu] = false;
	}
}

/*
 * The scheduler
 */

static int run_prog(struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err;

	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	if (!err)
		err = (int)opts.retval;
	if (err)
		SCX_ERR("%s failed (%d)", bpf_program__name(prog), err);
	return err;
}

static void unload_scheduler(void)
{
	bpf_link__destroy(ops_link);
	ops_link = NULL;
	numa_distance__destroy(skel);
	skel = NULL;
}

static int load_scheduler(bool node_masks)
{
	per_node = node_masks;
	skel = numa_distance__open();
	if (!skel) {
		SCX_ERR("Failed to open");
		return -1;
	}
	SCX_ENUM_INIT(skel);
	skel->rodata->per_node = per_node;
	skel->rodata->nr_cpus = nr_cpus;
	skel->struct_ops.numa_distance_ops->flags = SCX_OPS_SWITCH_PARTIAL |
		SCX_OPS_KEEP_BUILTIN_IDLE | (per_node ? SCX_OPS_BUILTIN_IDLE_PER_NODE : 0);
	if (numa_distance__load(skel)) {
		SCX_ERR("Failed to load skel");
		unload_scheduler();
		return -1;
	}
	ops_link = bpf_map__attach_struct_ops(skel->maps.numa_distance_ops);
	if (!ops_link) {
		SCX_ERR("Failed to attach scheduler");
		unload_scheduler();
		return -1;
	}
	return 0;
}

/*
 * Have all CPUs advertised that are idle: all but @test_cpu if nothing else
 * runs. Unless that is expected, be content with those that are idle at the
 * moment.
 */
static int release_cpus(bool expect_all)
{
	int cpu, busy = -1, ms;

	for (ms = 0; ms < (expect_all ? IDLE_TIMEOUT_MS : 2); ms++) {
		if (ms % 20 == 0 && run_prog(skel->progs.numa_distance_release))
			return -1;
		usleep(1000);
		if (run_prog(skel->progs.numa_distance_look))
			return -1;
		busy = -1;
		for (cpu = 0; cpu < nr_cpus; cpu++)
			if (cpu_on[cpu] && cpu != test_cpu && !skel->bss->after[cpu].idle)
				busy = cpu;
		if (busy < 0)
			return 0;
	}

	if (!expect_all)
		return 0;
	SCX_ERR("CPU %d isn't advertised as idle, %s mode", busy, mode_str());
	return -1;
}

/*
 * Searches
 */

struct variant {
	const char *name;
	enum nd_call call;
	u64 flags;
	bool from_node;		/* start from the node after the one of the start CPU */
	bool (*allow)(int cpu, int start_cpu);
	bool restrict_task;	/* by the task's own affinity */
};

static bool allow_all(int cpu, int start)
{
	return true;
}

static bool allow_every_other(int cpu, int start)
{
	return cpu % 2 == start % 2;
}

static bool allow_other_nodes(int cpu, int start)
{
	return cpu_node[cpu] != cpu_node[start];
}

static bool allow_some(int cpu, int start)
{
	return (cpu * 2654435761u + start) % 7 < 3;
}

static int next_cpu_node(int node)
{
	do {
		node = (node + 1) % nr_nodes;
	} while (!node_has_cpu[node]);

	return node;
}

static bool is_allowed(int cpu)
{
	return skel->bss->request.allowed[cpu / 64] >> (cpu % 64) & 1;
}

/* Return true if the last search could not miss that @cpu was idle. */
static bool was_idle(int cpu)
{
	const struct nd_cpu *before = &skel->bss->before[cpu], *after = &skel->bss->after[cpu];

	return before->idle && (after->idle || cpu == skel->bss->picked) &&
	       before->nr_changes == after->nr_changes;
}

/* The same for the whole core of @cpu. */
static bool was_idle_core(int cpu)
{
	return !has_smt || (was_idle(cpu) && skel->bss->before[cpu].idle_core &&
			    (skel->bss->after[cpu].idle_core || cpu == skel->bss->picked));
}

/*
 * Return what was picked if it is right, otherwise a CPU that should have been, or
 * -1 if there should be none.
 */
static int judge(const struct variant *v, int start_cpu, int node)
{
	bool core_only = v->flags & SCX_PICK_IDLE_CORE;
	int picked = skel->bss->picked, best = -1, best_core = -1, cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (!cpu_on[cpu] || !is_allowed(cpu) || !was_idle(cpu))
			continue;
		if ((v->flags & SCX_PICK_IDLE_IN_NODE) && cpu_node[cpu] != node)
			continue;
		if (best < 0 || distance(node, cpu_node[cpu]) < distance(node, cpu_node[best]))
			best = cpu;
		if (was_idle_core(cpu) && (best_core < 0 || distance(node, cpu_node[cpu]) <
					   distance(node, cpu_node[best_core])))
			best_core = cpu;
	}
	if (core_only)
		best = best_core;

	if (picked < 0)
		return best < 0 ? picked : best;

	/* CPUs that must not be picked at all */
	if (picked >= nr_cpus || cpu_node[picked] < 0 || !cpu_on[picked] || !is_allowed(picked) ||
	    ((v->flags & SCX_PICK_IDLE_IN_NODE) && cpu_node[picked] != node))
		return best;

	if (best >= 0 && distance(node, cpu_node[best]) < distance(node, cpu_node[picked]))
		return best;

	/* of CPUs at the same distance one with an idle core */
	if (has_smt && best_core >= 0 && !skel->bss->before[picked].idle_core &&
	    distance(node, cpu_node[best_core]) <= distance(node, cpu_node[picked]))
		return best_core;

	/* and the previous CPU before all others */
	if (v->call == ND_SELECT && !v->from_node && cpu_on[start_cpu] && is_allowed(start_cpu) &&
	    was_idle(start_cpu) && was_idle_core(start_cpu))
		return start_cpu;

	return picked;
}

/*
 * There is no idle CPU. Return a CPU that scx_bpf_pick_any_cpu_node() should have
 * picked, or the one that it did.
 */
static int judge_any(int node)
{
	int picked = skel->bss->picked, best = -1, cpu;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (!cpu_on[cpu] || !is_allowed(cpu))
			continue;
		/* not so any more */
		if (skel->bss->before[cpu].idle || skel->bss->after[cpu].idle ||
		    skel->bss->before[cpu].nr_changes != skel->bss->after[cpu].nr_changes)
			return picked;
		if (best < 0 || distance(node, cpu_node[cpu]) < distance(node, cpu_node[best]))
			best = cpu;
	}

	if (best >= 0 && (picked < 0 || picked >= nr_cpus || !is_allowed(picked) ||
			  distance(node, cpu_node[best]) < distance(node, cpu_node[picked])))
		return best;
	return picked;
}

static const char *cpu_str(int cpu, int from_node, char *buf, size_t len)
{
	if (cpu < 0)
		snprintf(buf, len, "none");
	else if (cpu >= nr_cpus || cpu_node[cpu] < 0)
		snprintf(buf, len, "CPU %d which isn't there", cpu);
	else
		snprintf(buf, len, "CPU %d in node %d (distance %d)", cpu, cpu_node[cpu],
			 distance(from_node, cpu_node[cpu]));
	return buf;
}

static void report(const struct variant *v, const char *when, int start_cpu, int node, int nr,
		   int expected)
{
	char a[64], b[64];

	SCX_ERR("%s, %s mode, %s: start from CPU %d, node %d: pick %d was %s, expected %s",
		when, mode_str(), v->name, start_cpu, node, nr,
		cpu_str(skel->bss->picked, node, a, sizeof(a)),
		cpu_str(expected, node, b, sizeof(b)));
}

static void set_task_affinity(bool restricted)
{
	cpu_set_t *set = CPU_ALLOC(ND_MAX_CPUS);
	int cpu;

	CPU_ZERO_S(CPU_ALLOC_SIZE(ND_MAX_CPUS), set);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		if (!restricted || is_allowed(cpu))
			CPU_SET_S(cpu, CPU_ALLOC_SIZE(ND_MAX_CPUS), set);
	sched_setaffinity(task, CPU_ALLOC_SIZE(ND_MAX_CPUS), set);
	CPU_FREE(set);
}

/*
 * Search until there is no idle CPU left. Return 1 if a pick was wrong, -1 on
 * errors.
 */
static int drain(const struct variant *v, const char *when, int start_cpu, bool quiet, bool last)
{
	struct nd_request *req = &skel->bss->request;
	int cpu, node, nr, nr_allowed = 0, expected, ret = 0;

	node = cpu_node[start_cpu];
	if (v->from_node)
		node = next_cpu_node(node);

	memset(req->allowed, 0, sizeof(req->allowed));
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (!v->allow(cpu, start_cpu))
			continue;
		req->allowed[cpu / 64] |= 1ULL << (cpu % 64);
		nr_allowed++;
	}
	/* such tasks don't search */
	if (nr_allowed < 2)
		return 0;
	if (v->restrict_task)
		set_task_affinity(true);

	req->pid = task;
	req->start_cpu = start_cpu;
	req->start_node = node;
	req->call = v->call;
	req->flags = v->flags;
	if (v->from_node)
		req->flags |= SCX_PICK_IDLE_FROM_NODE | (u64)node << NODE_SHIFT;

	if (release_cpus(quiet)) {
		ret = -1;
		goto out;
	}

	/* claimed CPUs may come back if something wakes up on them */
	for (nr = 1; nr <= 4 * nr_cpus; nr++) {
		if (run_prog(skel->progs.numa_distance_search)) {
			ret = -1;
			goto out;
		}
		nr_searches++;
		expected = judge(v, start_cpu, node);
		if (expected != skel->bss->picked) {
			if (last)
				report(v, when, start_cpu, node, nr, expected);
			ret = 1;
			goto out;
		}
		if (skel->bss->picked < 0)
			break;
	}

	if (per_node && v->call == ND_PICK && !v->flags) {
		req->call = ND_PICK_ANY;
		if (run_prog(skel->progs.numa_distance_search)) {
			ret = -1;
			goto out;
		}
		expected = judge_any(node);
		if (expected != skel->bss->picked) {
			if (last)
				report(v, "any CPU", start_cpu, node, nr, expected);
			ret = 1;
		}
	}
out:
	if (v->restrict_task)
		set_task_affinity(false);
	return ret;
}

/*
 * Drain from each start CPU, or from one CPU of each node if @brief. @quiet if
 * nothing else runs.
 */
static int drain_all(const char *when, bool brief, bool quiet)
{
	const struct variant variants[] = {
		{ "full affinity", ND_SELECT, 0, false, allow_all },
		{ "every other CPU", ND_SELECT, 0, false, allow_every_other },
		{ "pick", ND_PICK, 0, false, allow_all },
		{ "pick every other CPU", ND_PICK, 0, false, allow_every_other },
		/* not if @brief */
		{ "other nodes", ND_SELECT, 0, false, allow_other_nodes },
		{ "some CPUs", ND_SELECT, 0, false, allow_some },
		{ "task with every other CPU", ND_SELECT, 0, false, allow_every_other, true },
		{ "idle core", ND_SELECT, SCX_PICK_IDLE_CORE, false, allow_all },
		{ "in node", ND_SELECT, SCX_PICK_IDLE_IN_NODE, false, allow_all },
		{ "from node", ND_SELECT, 0, true, allow_all },
		{ "idle core from node", ND_SELECT, SCX_PICK_IDLE_CORE, true, allow_all },
		{ "pick other nodes", ND_PICK, 0, false, allow_other_nodes },
		{ "pick idle core", ND_PICK, SCX_PICK_IDLE_CORE, false, allow_all },
		{ "pick in node", ND_PICK, SCX_PICK_IDLE_IN_NODE, false, allow_all },
	};
	int nr_variants = brief ? 4 : ARRAY_SIZE(variants);
	int i, cpu, node = -1, try, ret;

	for (cpu = 0; cpu < nr_cpus; cpu++) {
		if (cpu_node[cpu] < 0 || (brief && cpu_node[cpu] == node))
			continue;
		node = cpu_node[cpu];
		for (i = 0; i < nr_variants; i++) {
			const struct variant *v = &variants[i];

			if (v->call == ND_PICK && !per_node)
				continue;
			if (v->from_node && !SCX_PICK_IDLE_FROM_NODE)
				continue;
			for (try = 1, ret = 1; try <= MAX_TRIES && ret; try++) {
				nr_repeats += try > 1;
				ret = drain(v, when, cpu, quiet, try == MAX_TRIES);
				if (ret < 0)
					return -1;
			}
			if (ret)
				return -1;
		}
	}

	if (skel->data->uei.kind != EXIT_KIND(SCX_EXIT_NONE)) {
		SCX_ERR("The scheduler is gone: %s", skel->data->uei.reason);
		return -1;
	}
	return 0;
}

/* Offline and online again one CPU, then a whole node. */
static int test_hotplug(void)
{
	int cpu, node;

	for (cpu = nr_cpus - 1; cpu >= 0 && !is_hotpluggable(cpu); cpu--)
		;
	if (cpu < 0) {
		printf("No CPU can be brought offline, not tested\n");
		return 0;
	}
	if (set_online(cpu, false) || drain_all("a CPU is offline", true, true))
		return -1;
	if (set_online(cpu, true) || drain_all("a CPU was offline", true, true))
		return -1;

	for (node = nr_nodes - 1; node >= 0 && !is_node_hotpluggable(node); node--)
		;
	if (node < 0) {
		printf("No node can be brought offline, not tested\n");
		return 0;
	}
	if (set_node_online(node, false) || drain_all("a node is offline", true, true))
		return -1;
	if (set_node_online(node, true) || drain_all("a node was offline", true, true))
		return -1;
	return 0;
}

static int test_mode(bool node_masks)
{
	int ret;

	if (load_scheduler(node_masks))
		return -1;

	ret = drain_all("quiet", false, true);
	if (!ret) {
		start_wakers();
		ret = drain_all("wakeups on all CPUs", true, false);
		join_wakers();
	}
	if (!ret)
		ret = test_hotplug();
	unload_scheduler();
	return ret;
}

/* CPUs, this one and others, that come and go between reloads of the scheduler. */
static int test_storm(unsigned int nr_rounds)
{
	unsigned int round, seed = 1;
	int cpu, node, i;

	for (round = 0; round < nr_rounds; round++) {
		if (load_scheduler(round & 1))
			return -1;
		for (i = 0; i < 3; i++) {
			cpu = rand_r(&seed) % nr_cpus;
			if (is_hotpluggable(cpu) && set_online(cpu, !cpu_on[cpu]))
				return -1;
		}
		node = rand_r(&seed) % nr_nodes;
		if (round % 4 == 0 && is_node_hotpluggable(node) &&
		    set_node_online(node, false))
			return -1;
		if (round % 4 == 3)
			set_all_online();
		/* fails if an idle CPU isn't advertised or can't be found */
		if (drain_all("storm", true, true))
			return -1;
		unload_scheduler();
	}
	return 0;
}

static void sleep_forever(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static enum scx_test_status begin(cpu_set_t *affinity)
{
	cpu_set_t set;

	SCX_FAIL_IF(read_topology(), "Failed to read the topology");
	if (nr_cpu_nodes < MIN_NODES) {
		printf("SKIP: %d NUMA nodes with CPUs, %d are needed\n", nr_cpu_nodes, MIN_NODES);
		return SCX_TEST_SKIP;
	}

	SCX_FAIL_IF(sched_getaffinity(0, sizeof(*affinity), affinity), "Failed to get affinity");
	task = fork();
	SCX_FAIL_IF(task < 0, "Failed to fork");
	if (!task)
		sleep_forever();

	/* one CPU is busy with this */
	for (test_cpu = 0; !CPU_ISSET(test_cpu, affinity); test_cpu++)
		;
	CPU_ZERO(&set);
	CPU_SET(test_cpu, &set);
	SCX_FAIL_IF(sched_setaffinity(0, sizeof(set), &set), "Failed to set affinity");

	nr_searches = 0;
	nr_repeats = 0;
	return SCX_TEST_PASS;
}

static enum scx_test_status end(int ret, const cpu_set_t *affinity)
{
	unload_scheduler();
	set_all_online();
	kill(task, SIGKILL);
	waitpid(task, NULL, 0);
	sched_setaffinity(0, sizeof(*affinity), affinity);
	printf("%lu searches on %d nodes with CPUs, %lu drains repeated\n",
	       nr_searches, nr_cpu_nodes, nr_repeats);
	return ret ? SCX_TEST_FAIL : SCX_TEST_PASS;
}

enum scx_test_status numa_storm_run(unsigned int nr_rounds)
{
	enum scx_test_status status;
	cpu_set_t affinity;

	status = begin(&affinity);
	if (status != SCX_TEST_PASS)
		return status;
	return end(test_storm(nr_rounds), &affinity);
}

static enum scx_test_status run(void *ctx)
{
	enum scx_test_status status;
	cpu_set_t affinity;
	int ret;

	status = begin(&affinity);
	if (status != SCX_TEST_PASS)
		return status;
	ret = test_mode(false);
	if (!ret)
		ret = test_mode(true);
	return end(ret, &affinity);
}

struct scx_test numa_distance = {
	.name = "numa_distance",
	.description = "Verify that the nearest idle CPU is picked",
	.run = run,
};

REGISTER_SCX_TEST(&numa_distance)
