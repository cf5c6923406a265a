// SPDX-License-Identifier: GPL-2.0
/*
 * See numa_util.h.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "numa_util.h"
#include "scx_test.h"
#include "util.h"

#define SYSFS		"/sys/devices/system"
#define MIN_NODES	3

#ifndef SCHED_EXT
#define SCHED_EXT	7
#endif

#define fail(fmt, ...) ({ SCX_ERR(fmt, ##__VA_ARGS__); -1; })

u64 numa_random(struct numa_test *t)
{
	/* xorshift64, the same on each run */
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 7;
	t->seed ^= t->seed << 17;
	return t->seed;
}

u64 numa_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LLU + ts.tv_nsec;
}

/* It changes when CPUs go offline. */
bool numa_smt_active(void)
{
	return file_read_long(SYSFS "/cpu/smt/active") == 1;
}

/* Valid for the next three calls. */
const char *numa_mask_str(const struct numa_test_mask *m)
{
	static char bufs[4][256];
	static unsigned int nr;
	char *buf = bufs[nr++ % 4];
	int first, at = 0;

	buf[0] = '\0';
	for (first = mask_first(m); first >= 0; first = mask_next(m, first)) {
		int last = first;

		while (last + 1 < NUMA_TEST_MAX_CPUS && mask_test(m, last + 1))
			last++;
		if (at > (int)sizeof(bufs[0]) - 32) {
			strcpy(buf + at, "...");
			break;
		}
		at += sprintf(buf + at, last > first ? "%s%d-%d" : "%s%d", at ? "," : "",
			      first, last);
		first = last;
	}
	return buf;
}

static int read_file(const char *path, char *buf, int len)
{
	FILE *f = fopen(path, "r");
	bool ok;

	if (!f)
		return -1;
	ok = fgets(buf, len, f);
	fclose(f);
	return ok ? 0 : -1;
}

/* Reads a list as in "0-3,5". */
static int read_mask(const char *path, struct numa_test_mask *m, int max)
{
	static char buf[65536];
	char *at = buf, *end;

	memset(m, 0, sizeof(*m));
	if (read_file(path, buf, sizeof(buf)))
		return fail("Failed to read %s", path);

	while (*at && *at != '\n') {
		long bit = strtol(at, &end, 10), last = bit;

		if (end != at && *end == '-')
			last = strtol(end + 1, &end, 10);
		if (end == at || bit < 0 || last >= max)
			return fail("Failed to use %s: %s", path, buf);
		for (; bit <= last; bit++)
			mask_set(m, bit);
		at = *end == ',' ? end + 1 : end;
	}
	return 0;
}

int numa_set_affinity(int tid, const struct numa_test_mask *cpus)
{
	if (syscall(SYS_sched_setaffinity, tid, sizeof(*cpus), cpus))
		return fail("Failed to set the affinity to %s (%s)", numa_mask_str(cpus),
			    strerror(errno));
	return 0;
}

static int get_affinity(int tid, struct numa_test_mask *cpus)
{
	memset(cpus, 0, sizeof(*cpus));
	if (syscall(SYS_sched_getaffinity, tid, sizeof(*cpus), cpus) < 0)
		return fail("Failed to get the affinity (%s)", strerror(errno));
	return 0;
}

static int read_node(struct numa_topo *topo, int node)
{
	struct numa_test_mask cpus;
	char path[128], buf[8192], *at = buf, *end;
	int cpu, to;

	sprintf(path, SYSFS "/node/node%d/cpulist", node);
	if (read_mask(path, &cpus, topo->nr_cpus))
		return -1;
	cpus = mask_and(&cpus, &topo->cpus);
	if (!mask_empty(&cpus))
		topo->cpu_nodes[topo->nr_cpu_nodes++] = node;
	for (cpu = mask_first(&cpus); cpu >= 0; cpu = mask_next(&cpus, cpu))
		topo->cpu_node[cpu] = node;

	/* a number for each online node */
	sprintf(path, SYSFS "/node/node%d/distance", node);
	if (read_file(path, buf, sizeof(buf)))
		return fail("Failed to read %s", path);
	for (to = mask_first(&topo->nodes); to >= 0; to = mask_next(&topo->nodes, to)) {
		topo->distances[node * topo->nr_nodes + to] = strtol(at, &end, 10);
		if (end == at)
			return fail("Too few distances in %s", path);
		at = end;
	}
	return 0;
}

static int read_topo(struct numa_topo *topo)
{
	int i;

	if (read_mask(SYSFS "/cpu/possible", &topo->possible, NUMA_TEST_MAX_CPUS) ||
	    read_mask(SYSFS "/cpu/online", &topo->online, NUMA_TEST_MAX_CPUS))
		return -1;

	/* there may be a cpuset */
	if (numa_set_affinity(0, &topo->possible) || get_affinity(0, &topo->cpus))
		return -1;
	topo->cpus = mask_and(&topo->cpus, &topo->online);
	topo->online = topo->cpus;
	for (i = mask_first(&topo->possible); i >= 0; i = mask_next(&topo->possible, i))
		topo->nr_cpus = i + 1;

	/* without CONFIG_NUMA all is one node */
	if (access(SYSFS "/node/online", R_OK))
		return 0;
	if (read_mask(SYSFS "/node/online", &topo->nodes, NUMA_TEST_MAX_NODES))
		return -1;
	for (i = mask_first(&topo->nodes); i >= 0; i = mask_next(&topo->nodes, i))
		topo->nr_nodes = i + 1;

	topo->cpu_node = malloc(topo->nr_cpus * sizeof(int));
	topo->cpu_nodes = malloc(topo->nr_nodes * sizeof(int));
	topo->distances = calloc(topo->nr_nodes * topo->nr_nodes, sizeof(int));
	if (!topo->cpu_node || !topo->cpu_nodes || !topo->distances)
		return fail("Out of memory");
	memset(topo->cpu_node, -1, topo->nr_cpus * sizeof(int));

	for (i = mask_first(&topo->nodes); i >= 0; i = mask_next(&topo->nodes, i))
		if (read_node(topo, i))
			return -1;
	return 0;
}

static int set_scx(void)
{
	struct sched_param param = {};

	if (sched_setscheduler(0, SCHED_EXT, &param))
		return fail("Failed to set SCHED_EXT (%s)", strerror(errno));
	return 0;
}

/* The task to pick CPUs for. It only ever sleeps. */
static void *be_subject(void *arg)
{
	struct numa_test *t = arg;
	u64 count;

	__atomic_store_n(&t->subject_tid, set_scx() ? -1 : gettid(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE))
		if (read(t->subject_fd, &count, sizeof(count)) < 0)
			break;
	return NULL;
}

/* A task that is woken up by an interrupt wherever its timer was set. */
static void *be_waker(void *arg)
{
	struct numa_waker *waker = arg;
	u64 count;

	if (set_scx())
		return NULL;
	while (!__atomic_load_n(&waker->test->stop, __ATOMIC_ACQUIRE))
		if (read(waker->timer_fd, &count, sizeof(count)) < 0)
			break;
	return NULL;
}

static int start_threads(struct numa_test *t)
{
	int i;

	t->subject_fd = eventfd(0, 0);
	if (t->subject_fd < 0 || pthread_create(&t->subject, NULL, be_subject, t))
		return fail("Failed to create a task");
	while (!__atomic_load_n(&t->subject_tid, __ATOMIC_ACQUIRE))
		usleep(100);
	if (t->subject_tid < 0)
		return -1;

	for (i = 0; i < NUMA_NR_WAKERS; i++) {
		struct numa_waker *waker = &t->wakers[i];

		waker->test = t;
		waker->timer_fd = timerfd_create(CLOCK_MONOTONIC, 0);
		if (waker->timer_fd < 0 ||
		    pthread_create(&waker->thread, NULL, be_waker, waker))
			return fail("Failed to create a task");
		t->nr_wakers++;
	}
	return 0;
}

static void stop_threads(struct numa_test *t)
{
	u64 one = 1;
	int i;

	__atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
	numa_set_timers(t, 1);
	for (i = 0; i < t->nr_wakers; i++) {
		pthread_join(t->wakers[i].thread, NULL);
		close(t->wakers[i].timer_fd);
	}
	if (t->subject_tid) {
		if (write(t->subject_fd, &one, sizeof(one)) < 0)
			SCX_ERR("Failed to stop a task");
		pthread_join(t->subject, NULL);
		close(t->subject_fd);
	}
}

/* Have each waker woken up on this CPU at some time in the next @ns. */
void numa_set_timers(struct numa_test *t, u64 ns)
{
	int i;

	for (i = 0; i < t->nr_wakers; i++) {
		u64 in = numa_random(t) % ns + 1;
		struct itimerspec when = {
			.it_value.tv_sec	= in / 1000000000,
			.it_value.tv_nsec	= in % 1000000000,
		};

		timerfd_settime(t->wakers[i].timer_fd, 0, &when, NULL);
	}
}

static int open_skel(struct numa_test *t, bool per_node)
{
	struct numa_topo *topo = &t->topo;
	struct numa_distance *skel;
	int i;

	skel = numa_distance__open();
	if (!skel)
		return fail("Failed to open");
	t->skels[per_node] = skel;
	SCX_ENUM_INIT(skel);

	/* other tasks need not know */
	skel->struct_ops.numa_distance_ops->flags = SCX_OPS_SWITCH_PARTIAL;
	if (per_node)
		skel->struct_ops.numa_distance_ops->flags |= SCX_OPS_BUILTIN_IDLE_PER_NODE;

	if (numa_distance__load(skel))
		return fail("Failed to load skel");

	skel->bss->per_node = per_node;
	skel->bss->nr_words = (topo->nr_cpus + 63) / 64;
	skel->bss->nr_cpu_nodes = topo->nr_cpu_nodes;
	for (i = 0; i < topo->nr_cpu_nodes; i++)
		skel->bss->cpu_nodes[i] = topo->cpu_nodes[i];
	skel->bss->req.tid = t->subject_tid;
	return 0;
}

static int open_test(struct numa_test *t)
{
	struct numa_test_mask here;

	if (start_threads(t) || open_skel(t, false) || open_skel(t, true))
		return -1;

	t->drain_cpu = mask_first(&t->topo.cpus);
	memset(&here, 0, sizeof(here));
	mask_set(&here, t->drain_cpu);
	return numa_set_affinity(0, &here);
}

enum scx_test_status numa_test_open(struct numa_test *t)
{
	enum scx_test_status status;

	memset(t, 0, sizeof(*t));
	t->seed = 0x9e3779b97f4a7c15;

	if (get_affinity(0, &t->affinity) || read_topo(&t->topo)) {
		status = SCX_TEST_FAIL;
	} else if (t->topo.nr_cpu_nodes < MIN_NODES) {
		printf("SKIP: needs %d NUMA nodes with CPUs, has %d\n", MIN_NODES,
		       t->topo.nr_cpu_nodes);
		status = SCX_TEST_SKIP;
	} else {
		status = open_test(t) ? SCX_TEST_FAIL : SCX_TEST_PASS;
	}

	if (status != SCX_TEST_PASS)
		numa_test_close(t);
	return status;
}

void numa_test_close(struct numa_test *t)
{
	struct numa_test_mask offline = mask_andnot(&t->topo.cpus, &t->topo.online);
	int i;

	numa_set_online(t, &offline, true);
	numa_test_detach(t);
	stop_threads(t);
	for (i = 0; i < 2; i++)
		if (t->skels[i])
			numa_distance__destroy(t->skels[i]);
	numa_set_affinity(0, &t->affinity);
	free(t->topo.cpu_node);
	free(t->topo.cpu_nodes);
	free(t->topo.distances);
}

int numa_test_attach(struct numa_test *t, bool per_node)
{
	struct numa_distance *skel = t->skels[per_node];

	t->skel = skel;
	t->per_node = per_node;
	memset(&skel->bss->in_idle, 0, sizeof(skel->bss->in_idle));
	memset(&skel->data->uei, 0, sizeof(skel->data->uei));
	skel->bss->req.drain_cpu = t->drain_cpu;

	t->idle_link = bpf_program__attach(skel->progs.on_cpu_idle);
	if (!t->idle_link)
		return fail("Failed to attach to the cpu_idle tracepoint");
	t->sched_link = bpf_map__attach_struct_ops(skel->maps.numa_distance_ops);
	if (!t->sched_link)
		return fail("Failed to attach scheduler");
	return 0;
}

static int check_scheduler(struct numa_test *t)
{
	if (!UEI_EXITED(t->skel, uei))
		return 0;
	UEI_REPORT(t->skel, uei);
	return fail("The scheduler was thrown out");
}

int numa_test_detach(struct numa_test *t)
{
	int ret = 0;

	if (t->sched_link) {
		ret = check_scheduler(t);
		bpf_link__destroy(t->sched_link);
		t->sched_link = NULL;
	}
	if (t->idle_link) {
		bpf_link__destroy(t->idle_link);
		t->idle_link = NULL;
	}
	return ret;
}

static int run_prog(struct numa_test *t, struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);

	if (check_scheduler(t))
		return -1;
	if (err || opts.retval)
		return fail("Failed to run %s (%d, %d)", bpf_program__name(prog), err,
			    (int)opts.retval);
	return 0;
}

/* Make the picks of skel->bss->req, in the context of a wakeup or not. */
int numa_test_drain(struct numa_test *t, bool wakeup)
{
	u32 *armed = &t->skel->bss->req.armed;
	u64 one = 1;
	int tries;

	if (!wakeup)
		return run_prog(t, t->skel->progs.run_drain);

	/* It may still be on its way to sleep, and is not woken up then. */
	__atomic_store_n(armed, 1, __ATOMIC_RELEASE);
	for (tries = 0; tries < 1000; tries++) {
		if (write(t->subject_fd, &one, sizeof(one)) < 0)
			return fail("Failed to wake up a task");
		if (!__atomic_load_n(armed, __ATOMIC_ACQUIRE))
			return t->skel->bss->drain_err ? fail("Failed to drain") : 0;
		if (check_scheduler(t))
			return -1;
		usleep(100);
	}
	__atomic_store_n(armed, 0, __ATOMIC_RELEASE);
	return fail("A task that was woken up did not get to ops.select_cpu()");
}

/*
 * Have all CPUs marked idle, except those that are busy. Limited by @tries, as
 * CPUs can always be busy.
 */
int numa_test_settle(struct numa_test *t, int tries)
{
	struct numa_test_mask want = t->topo.online, missing, idle;
	int i;

	mask_clear(&want, t->drain_cpu);
	for (i = 0; i < tries; i++) {
		if (run_prog(t, t->skel->progs.run_look))
			return -1;
		idle = mask_and(&t->skel->bss->view.cpu, &t->skel->bss->view_in_idle);
		/* not all cores can be idle, but give them a chance */
		if (i < 2)
			idle = mask_and(&idle, &t->skel->bss->view.smt);
		missing = mask_andnot(&want, &idle);
		if (mask_empty(&missing))
			break;
		t->skel->bss->kick = missing;
		if (run_prog(t, t->skel->progs.run_kick))
			return -1;
		usleep(i < 5 ? 100 : 1000);
	}
	return 0;
}

static void online_path(char *path, int cpu)
{
	sprintf(path, SYSFS "/cpu/cpu%d/online", cpu);
}

bool numa_can_offline(struct numa_test *t, const struct numa_test_mask *cpus)
{
	char path[128];
	int cpu;

	for (cpu = mask_first(cpus); cpu >= 0; cpu = mask_next(cpus, cpu)) {
		online_path(path, cpu);
		if (cpu == t->drain_cpu || access(path, W_OK))
			return false;
	}
	return true;
}

struct numa_test_mask numa_node_cpus(struct numa_test *t, int node)
{
	struct numa_test_mask cpus;
	int cpu;

	memset(&cpus, 0, sizeof(cpus));
	for (cpu = 0; cpu < t->topo.nr_cpus; cpu++)
		if (t->topo.cpu_node[cpu] == node)
			mask_set(&cpus, cpu);
	return cpus;
}

int numa_set_online(struct numa_test *t, const struct numa_test_mask *cpus, bool online)
{
	char path[128];
	int cpu, ret = 0;

	for (cpu = mask_first(cpus); cpu >= 0; cpu = mask_next(cpus, cpu)) {
		online_path(path, cpu);
		if (file_write_long(path, online))
			ret = fail("Failed to bring CPU %d %s (%s)", cpu,
				   online ? "online" : "offline", strerror(errno));
		else if (online)
			mask_set(&t->topo.online, cpu);
		else
			mask_clear(&t->topo.online, cpu);
	}
	return ret;
}
