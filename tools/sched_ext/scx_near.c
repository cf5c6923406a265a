// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <bpf/bpf.h>
#include <scx/common.h>
#include "scx_near.h"
#include "scx_near.bpf.skel.h"

#define NODE_DIR	"/sys/devices/system/node"
#define MAX_NODES	1024	/* the most that CONFIG_NODES_SHIFT allows */

const char help_fmt[] =
"A sched_ext scheduler that shows NUMA distance at work.\n"
"\n"
"See the top-level comment in .bpf.c for more details.\n"
"\n"
"Usage: %s [-n NODE | -m] [-P] [-f] [-i SEC] [-v]\n"
"\n"
"  -n NODE       Search for idle CPUs from NODE on, not from the previous CPU's\n"
"  -m            Search from the node that NUMA balancing prefers for each task\n"
"                (needs ops.set_preferred_node() to be up to date, see README.md)\n"
"  -P            Track idle CPUs per node (SCX_OPS_BUILTIN_IDLE_PER_NODE)\n"
"  -f            Use FIFO scheduling instead of weighted vtime scheduling\n"
"  -i SEC        Report interval in seconds (default 1)\n"
"  -v            Print libbpf debug messages\n"
"  -h            Display this help and exit\n";

struct topology {
	u32	nr_ids;			/* highest possible node ID plus one */
	u32	nr_cpu_nodes;
	bool	possible[MAX_NODES];
	bool	online[MAX_NODES];
	bool	has_cpu[MAX_NODES];
};

static bool verbose;
static volatile int exit_req;

static int libbpf_print_fn(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_DEBUG && !verbose)
		return 0;
	return vfprintf(stderr, format, args);
}

static void sigint_handler(int dummy)
{
	exit_req = 1;
}

static FILE *open_node_file(const char *name)
{
	char path[64];
	FILE *fp;

	snprintf(path, sizeof(path), NODE_DIR "/%s", name);
	fp = fopen(path, "r");
	SCX_BUG_ON(!fp, "Failed to open %s", path);
	return fp;
}

/*
 * Read a list of nodes such as "0-3,8" into @nodes. Return the highest one plus
 * one, 0 if there is none.
 */
static u32 read_node_list(const char *name, bool *nodes)
{
	FILE *fp = open_node_file(name);
	u32 first, last, end = 0;
	int nr;

	while ((nr = fscanf(fp, "%u-%u", &first, &last)) > 0) {
		if (nr == 1)
			last = first;
		SCX_BUG_ON(first > last || last >= MAX_NODES,
			   "Unexpected nodes %u-%u in " NODE_DIR "/%s", first, last, name);

		end = last + 1;
		while (first < end)
			nodes[first++] = true;

		if (fgetc(fp) != ',')
			break;
	}

	fclose(fp);
	return end;
}

static void read_topology(struct topology *topo)
{
	u32 node;

	memset(topo, 0, sizeof(*topo));

	if (access(NODE_DIR, F_OK)) {
		/* no CONFIG_NUMA */
		topo->nr_ids = 1;
		topo->possible[0] = true;
		topo->online[0] = true;
		topo->has_cpu[0] = true;
	} else {
		topo->nr_ids = read_node_list("possible", topo->possible);
		read_node_list("online", topo->online);
		read_node_list("has_cpu", topo->has_cpu);
	}

	for (node = 0; node < topo->nr_ids; node++)
		topo->nr_cpu_nodes += topo->has_cpu[node];
	SCX_BUG_ON(!topo->nr_cpu_nodes, "No node in " NODE_DIR " has CPUs");
}

/*
 * Read the distances from @from to all nodes into @row, which is all 0. There is
 * one value for each online node.
 */
static void read_distances(const struct topology *topo, u32 from, u32 *row)
{
	char name[32];
	FILE *fp;
	u32 to;

	if (access(NODE_DIR, F_OK)) {
		row[from] = 10;
		return;
	}

	snprintf(name, sizeof(name), "node%u/distance", from);
	fp = open_node_file(name);

	for (to = 0; to < topo->nr_ids; to++)
		if (topo->online[to])
			SCX_BUG_ON(fscanf(fp, "%u", &row[to]) != 1,
				   "Failed to read the distance to node %u from " NODE_DIR "/%s",
				   to, name);

	fclose(fp);
}

/*
 * Put the nodes with CPUs into @order by the @distances from @from. That node
 * comes first. Nodes at the same distance are in ascending order from the next
 * ID on and around, so that not all start nodes begin with the same one.
 */
static void order_nodes(const struct topology *topo, u32 from, const u32 *distances, u32 *order)
{
	u32 nr = 0, first, i, pos;

	if (topo->has_cpu[from])
		order[nr++] = from;
	first = nr;

	for (i = 1; i < topo->nr_ids; i++) {
		u32 node = (from + i) % topo->nr_ids;

		if (!topo->has_cpu[node])
			continue;

		for (pos = nr++; pos > first; pos--) {
			if (distances[order[pos - 1]] <= distances[node])
				break;
			order[pos] = order[pos - 1];
		}
		order[pos] = node;
	}
}

/* e.g. "node 0: 0 | 1 3 | 2", with bars where the distance changes */
static void print_order(u32 from, const u32 *distances, const u32 *order, u32 nr)
{
	u32 i;

	printf("node %u:", from);
	for (i = 0; i < nr; i++) {
		if (i && distances[order[i]] != distances[order[i - 1]])
			printf(" |");
		printf(" %u", order[i]);
	}
	printf("\n");
}

static void set_up_nodes(struct scx_near *skel, const struct topology *topo)
{
	u32 nr_ids = topo->nr_ids, nr_cpu_nodes = topo->nr_cpu_nodes, from;

	skel->rodata->nr_node_ids = nr_ids;
	skel->rodata->nr_cpu_nodes = nr_cpu_nodes;

	RESIZE_ARRAY(skel, rodata, node_order, nr_ids * nr_cpu_nodes);
	RESIZE_ARRAY(skel, rodata, node_distances, nr_ids * nr_ids);
	RESIZE_ARRAY(skel, rodata, near_distances, nr_ids);
	RESIZE_ARRAY(skel, data, vtime_now, nr_ids);

	for (from = 0; from < nr_ids; from++) {
		u32 *distances = &skel->rodata_node_distances->node_distances[from * nr_ids];
		u32 *order = &skel->rodata_node_order->node_order[from * nr_cpu_nodes];
		u32 nearest = topo->has_cpu[from];	/* index, skips @from */

		if (topo->online[from])
			read_distances(topo, from, distances);
		order_nodes(topo, from, distances, order);

		if (nearest < nr_cpu_nodes)
			skel->rodata_near_distances->near_distances[from] =
				distances[order[nearest]];

		if (topo->online[from])
			print_order(from, distances, order, nr_cpu_nodes);
	}
	fflush(stdout);
}

static bool parse_nr(const char *str, u32 max, u32 *nr)
{
	unsigned long val;
	char *end;

	errno = 0;
	val = strtoul(str, &end, 10);
	if (errno || end == str || *end || *str == '-' || val > max)
		return false;

	*nr = val;
	return true;
}

static void read_stats(struct scx_near *skel, __u64 *stats)
{
	int nr_cpus = libbpf_num_possible_cpus();
	__u64 *cnts;
	__u32 idx;

	assert(nr_cpus > 0);
	cnts = calloc(nr_cpus, sizeof(*cnts));
	SCX_BUG_ON(!cnts, "Failed to allocate memory for %d CPUs", nr_cpus);

	memset(stats, 0, sizeof(stats[0]) * NEAR_NR_STATS);

	for (idx = 0; idx < NEAR_NR_STATS; idx++) {
		int ret, cpu;

		ret = bpf_map_lookup_elem(bpf_map__fd(skel->maps.stats), &idx, cnts);
		if (ret < 0)
			continue;
		for (cpu = 0; cpu < nr_cpus; cpu++)
			stats[idx] += cnts[cpu];
	}

	free(cnts);
}

/* Return the kernel's count of picks that left the node, -1 if it has none. */
static long long read_remote_picks(void)
{
	FILE *fp = fopen("/sys/kernel/sched_ext/root/events", "r");
	long long val = -1;
	char line[128];

	if (!fp)
		return -1;

	while (fgets(line, sizeof(line), fp))
		if (sscanf(line, "SCX_EV_IDLE_PICK_REMOTE %lld", &val) == 1)
			break;

	fclose(fp);
	return val;
}

static double percent(__u64 part, __u64 whole)
{
	return whole ? 100.0 * part / whole : 0.0;
}

static void print_stats(const __u64 *stats, bool print_wanted, long long remote_picks)
{
	__u64 picks = stats[NEAR_STAT_LOCAL] + stats[NEAR_STAT_NEAR] + stats[NEAR_STAT_FAR];

	printf("local=%llu (%.1f%%) near=%llu (%.1f%%) far=%llu (%.1f%%)",
	       stats[NEAR_STAT_LOCAL], percent(stats[NEAR_STAT_LOCAL], picks),
	       stats[NEAR_STAT_NEAR], percent(stats[NEAR_STAT_NEAR], picks),
	       stats[NEAR_STAT_FAR], percent(stats[NEAR_STAT_FAR], picks));
	printf(" distance=%.2f", picks ? (double)stats[NEAR_STAT_DISTANCE] / picks : 0.0);
	printf(" queued=%llu pulled_near=%llu pulled_far=%llu",
	       stats[NEAR_STAT_QUEUED],
	       stats[NEAR_STAT_PULLED_NEAR], stats[NEAR_STAT_PULLED_FAR]);
	if (print_wanted)
		printf(" preferred=%.1f%% at_preferred=%llu (%.1f%%) moved=%llu",
		       percent(stats[NEAR_STAT_WANTED], picks), stats[NEAR_STAT_WANTED_LOCAL],
		       percent(stats[NEAR_STAT_WANTED_LOCAL], stats[NEAR_STAT_WANTED]),
		       stats[NEAR_STAT_MOVED]);
	if (remote_picks >= 0)
		printf(" kernel_remote=%lld", remote_picks);
	printf("\n");
	fflush(stdout);
}

/* Say what this kernel can't show. */
static void warn_missing(struct scx_near *skel)
{
	bool any_node = skel->rodata->wanted_node >= 0 || skel->rodata->follow_numa_balancing;
	bool per_node = skel->struct_ops.near_ops->flags & SCX_OPS_BUILTIN_IDLE_PER_NODE;

	if (skel->rodata->follow_numa_balancing &&
	    !__COMPAT_struct_has_field("task_struct", "numa_preferred_nid"))
		fprintf(stderr, "WARNING: kernel has no NUMA balancing, -m has no effect\n");
	else if (skel->rodata->follow_numa_balancing && !skel->rodata->told_of_nodes)
		fprintf(stderr,
			"WARNING: -m goes by p->numa_preferred_nid instead, which this kernel keeps up\n"
			"WARNING: to date in the fair class only, and doesn't move tasks that don't\n"
			"WARNING: sleep.\n");

	if (!skel->rodata->pick_from_node && any_node)
		fprintf(stderr,
			"WARNING: kernel doesn't support SCX_PICK_IDLE_FROM_NODE. With -n and -m\n"
			"WARNING: distances are counted from the given node, but idle CPUs are still\n"
			"WARNING: searched from the previous CPU's node on.\n");

	if (!skel->rodata->pick_from_node && !per_node && skel->rodata->nr_cpu_nodes > 2)
		fprintf(stderr,
			"WARNING: kernel's default idle CPU selection doesn't know distances. It\n"
			"WARNING: picks any idle CPU beyond the node. Try -P.\n");

	if (!__COMPAT_struct_has_field("scx_event_stats", "SCX_EV_IDLE_PICK_REMOTE"))
		fprintf(stderr,
			"WARNING: kernel doesn't support SCX_EV_IDLE_PICK_REMOTE, kernel_remote=\n"
			"WARNING: is not printed.\n");
}

int main(int argc, char **argv)
{
	static struct topology topo;
	struct scx_near *skel;
	struct bpf_link *link;
	__u64 last_stats[NEAR_NR_STATS], stats[NEAR_NR_STATS];
	long long last_remote_picks, remote_picks;
	__u32 intv, node;
	bool print_wanted;
	__s32 opt;
	__u64 ecode;
	int i;

	libbpf_set_print(libbpf_print_fn);
	signal(SIGINT, sigint_handler);
	signal(SIGTERM, sigint_handler);
restart:
	optind = 1;
	intv = 1;
	skel = SCX_OPS_OPEN(near_ops, scx_near);

	/* CPU hotplug between here and loading restarts the scheduler */
	read_topology(&topo);

	while ((opt = getopt(argc, argv, "n:mPfi:vh")) != -1) {
		switch (opt) {
		case 'n':
			if (!parse_nr(optarg, topo.nr_ids - 1, &node) || !topo.online[node]) {
				fprintf(stderr, "invalid node \"%s\", must be one of those in %s\n",
					optarg, NODE_DIR "/online");
				scx_near__destroy(skel);
				return 1;
			}
			skel->rodata->wanted_node = node;
			break;
		case 'm':
			skel->rodata->follow_numa_balancing = true;
			break;
		case 'P':
			skel->struct_ops.near_ops->flags |= SCX_OPS_BUILTIN_IDLE_PER_NODE;
			break;
		case 'f':
			skel->rodata->fifo_sched = true;
			break;
		case 'i':
			if (!parse_nr(optarg, INT_MAX, &intv) || !intv) {
				fprintf(stderr, "invalid interval \"%s\", in seconds\n", optarg);
				scx_near__destroy(skel);
				return 1;
			}
			break;
		case 'v':
			verbose = true;
			break;
		default:
			fprintf(stderr, help_fmt, basename(argv[0]));
			scx_near__destroy(skel);
			return opt != 'h';
		}
	}

	if (optind < argc) {
		fprintf(stderr, "unexpected argument \"%s\", see -h\n", argv[optind]);
		scx_near__destroy(skel);
		return 1;
	}

	print_wanted = skel->rodata->follow_numa_balancing;
	if (print_wanted && skel->rodata->wanted_node >= 0) {
		fprintf(stderr, "-n and -m exclude each other\n");
		scx_near__destroy(skel);
		return 1;
	}

	/* having the operation makes NUMA balancing look at the memory of all tasks */
	if (!skel->rodata->follow_numa_balancing)
		skel->struct_ops.near_ops->set_preferred_node = NULL;
	skel->rodata->told_of_nodes = skel->struct_ops.near_ops->set_preferred_node;

	skel->rodata->pick_from_node = SCX_PICK_IDLE_FROM_NODE;
	skel->rodata->pick_in_node = SCX_PICK_IDLE_IN_NODE;
	skel->rodata->pick_node_shift = __COMPAT_ENUM_OR_ZERO("scx_pick_idle_cpu_consts",
							      "SCX_PICK_IDLE_NODE_SHIFT");
	if (skel->rodata->told_of_nodes && skel->rodata->pick_from_node)
		skel->struct_ops.near_ops->flags |= SCX_OPS_ENQ_LAST;
	set_up_nodes(skel, &topo);
	warn_missing(skel);

	SCX_OPS_LOAD(skel, near_ops, scx_near, uei);
	link = SCX_OPS_ATTACH(skel, near_ops, scx_near);

	memset(last_stats, 0, sizeof(last_stats));
	last_remote_picks = 0;

	while (!exit_req && !UEI_EXITED(skel, uei)) {
		__u64 delta[NEAR_NR_STATS];

		sleep(intv);

		read_stats(skel, stats);
		remote_picks = read_remote_picks();
		for (i = 0; i < NEAR_NR_STATS; i++)
			delta[i] = stats[i] - last_stats[i];
		print_stats(delta, print_wanted,
			    remote_picks < 0 ? -1 : remote_picks - last_remote_picks);

		memcpy(last_stats, stats, sizeof(stats));
		last_remote_picks = remote_picks;
	}

	bpf_link__destroy(link);
	ecode = UEI_REPORT(skel, uei);
	scx_near__destroy(skel);

	if (!exit_req && UEI_ECODE_RESTART(ecode))
		goto restart;
	return 0;
}
