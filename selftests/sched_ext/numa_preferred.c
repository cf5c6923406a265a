// SPDX-License-Identifier: GPL-2.0
/*
 * Verify that a BPF scheduler always knows the preferred nodes of its tasks.
 *
 * A worker process uses memory of one node or another, as it is told, and NUMA
 * balancing learns of it: by samples that CONFIG_MEM_SAMPLING_SOFTWARE makes up,
 * and by hint faults. What ops.set_preferred_node() says is compared with what
 * procfs shows, while the worker is created, forks, starts threads, changes its
 * class and calls exec(), and the scheduler comes and goes.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <scx/common.h>

#include "numa_preferred.bpf.skel.h"
#include "numa_preferred_test.h"
#include "scx_test.h"
#include "util.h"

#ifndef SCHED_EXT
#define SCHED_EXT	7
#endif

#define NODES		"/sys/devices/system/node/"
#define SYSCTL		"/proc/sys/kernel/"
#define INJECT		"/sys/kernel/debug/mem_sampling/inject"
#define SOURCES		"/sys/kernel/debug/mem_sampling/sources"
#define PERIODS		"/sys/kernel/debug/sched/numa_balancing/"
#define MAX_NODES	1024
#define PAGES		256
#define TRIES		400		/* of 50 ms each */
#define NOT_KNOWN	-2
#define ANY		-1		/* number of calls */

#define fail(fmt, ...) ({ SCX_ERR(fmt, ##__VA_ARGS__); -1; })

/* NUMA balancing's clock, which by default is too slow for a test. */
static struct {
	const char	*path;
	long		val;
	long		old;
} knobs[] = {
	{ PERIODS "scan_period_min_ms", 100, -1 },
	{ PERIODS "scan_period_max_ms", 200, -1 },
	{ PERIODS "scan_delay_ms", 100, -1 },
	{ SYSCTL "numa_balancing", 1, -1 },
};

enum task_do { PIN, TOUCH, SAMPLE, USE, WHERE, THREAD, FORK, EXEC };

struct request {
	enum task_do	what;
	int		arg;
};

/* One thread of the worker process, as seen from the test. */
struct worker {
	pid_t		pid;
	pid_t		tid;
	int		to, from;	/* pipes */
};

struct numa_preferred_test {
	struct numa_preferred	*skels[2];	/* full and partial switch */
	struct numa_preferred	*skel;
	struct bpf_link		*link;
	struct worker		threads[2];
	int			nodes[2];
};

static cpu_set_t all_cpus;

/* --- the worker ----------------------------------------------------------- */

static __thread char *memory;
static size_t page;
static int second[2];	/* pipes of the other thread: from, to */

static int pin(int node)
{
	cpu_set_t cpus;
	char path[64];
	int cpu;

	if (node < 0)
		return sched_setaffinity(0, sizeof(all_cpus), &all_cpus);

	CPU_ZERO(&cpus);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		snprintf(path, sizeof(path), NODES "node%d/cpu%d", node, cpu);
		if (CPU_ISSET(cpu, &all_cpus) && !access(path, F_OK))
			CPU_SET(cpu, &cpus);
	}
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* Fresh memory, on the node where the thread is. */
static int touch(void)
{
	if (memory)
		munmap(memory, PAGES * page);
	memory = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		memory = NULL;
		return -1;
	}
	madvise(memory, PAGES * page, MADV_NOHUGEPAGE);
	memset(memory, 1, PAGES * page);
	return 0;
}

/* Access the memory for that much CPU time. */
static int use(int ms)
{
	struct timespec from, now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	do {
		for (int i = 0; i < PAGES; i++)
			((volatile char *)memory)[i * page]++;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
	return 0;
}

static int sample(int nr)
{
	static __thread int at;
	int fd = open(INJECT, O_WRONLY), ret = 0;
	char line[64];

	if (fd < 0)
		return -1;
	while (nr-- > 0) {
		int len = snprintf(line, sizeof(line), "%d 0x%lx load\n", (int)syscall(SYS_gettid),
				   (unsigned long)(memory + at++ % PAGES * page));

		if (write(fd, line, len) != len)
			ret = -1;
	}
	close(fd);
	return ret;
}

static void serve(int from, int to);

static void *thread_fn(void *arg)
{
	serve(second[0], second[1]);
	return NULL;
}

static int handle(const struct request *req)
{
	unsigned int node;
	pthread_t thread;
	pid_t pid;

	switch (req->what) {
	case PIN:
		return pin(req->arg);
	case TOUCH:
		return touch();
	case SAMPLE:
		return sample(req->arg);
	case USE:
		return use(req->arg);
	case WHERE:
		return syscall(SYS_getcpu, NULL, &node, NULL) ? -1 : (int)node;
	case THREAD:
		return pthread_create(&thread, NULL, thread_fn, NULL);
	case FORK:
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		return pid;
	case EXEC:
		execlp("sleep", "sleep", "60", NULL);
		return -1;
	}
	return -1;
}

static void serve(int from, int to)
{
	struct request req;
	int ret = syscall(SYS_gettid);

	if (write(to, &ret, sizeof(ret)) != sizeof(ret))
		return;
	while (read(from, &req, sizeof(req)) == sizeof(req)) {
		ret = handle(&req);
		if (write(to, &ret, sizeof(ret)) != sizeof(ret))
			return;
	}
}

static int ask(const struct worker *w, enum task_do what, int arg)
{
	struct request req = { what, arg };
	int ret;

	if (write(w->to, &req, sizeof(req)) != sizeof(req))
		return -1;
	return read(w->from, &ret, sizeof(ret)) == sizeof(ret) ? ret : -1;
}

/* --- the test ------------------------------------------------------------- */

static int start_worker(struct numa_preferred_test *t)
{
	int req[2][2], rep[2][2], i;
	pid_t pid;

	for (i = 0; i < 2; i++)
		if (pipe(req[i]) || pipe(rep[i]))
			return fail("Failed to create pipes");

	pid = fork();
	if (pid < 0)
		return fail("Failed to fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 2; i++) {
			close(req[i][1]);
			close(rep[i][0]);
		}
		second[0] = req[1][0];
		second[1] = rep[1][1];
		serve(req[0][0], rep[0][1]);
		_exit(0);
	}

	for (i = 0; i < 2; i++) {
		close(req[i][0]);
		close(rep[i][1]);
		t->threads[i] = (struct worker){ .pid = pid, .to = req[i][1], .from = rep[i][0] };
	}
	if (read(t->threads[0].from, &t->threads[0].tid, sizeof(int)) != sizeof(int))
		return fail("The worker did not start");
	return 0;
}

/* What the worker is then doesn't answer any more. */
static int start_exec(const struct worker *w)
{
	struct request req = { .what = EXEC };
	char path[64], comm[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", w->pid);
	if (write(w->to, &req, sizeof(req)) != sizeof(req))
		return fail("The worker is gone");
	for (int i = 0; i < TRIES; i++) {
		FILE *f = fopen(path, "r");

		if (f) {
			if (!fgets(comm, sizeof(comm), f))
				comm[0] = 0;
			fclose(f);
			if (!strcmp(comm, "sleep\n"))
				return 0;
		}
		usleep(50000);
	}
	return fail("The worker did not become sleep(1)");
}

static int start_thread(struct numa_preferred_test *t)
{
	if (ask(&t->threads[0], THREAD, 0) ||
	    read(t->threads[1].from, &t->threads[1].tid, sizeof(int)) != sizeof(int))
		return fail("The worker's thread did not start");
	return 0;
}

static void stop_worker(struct numa_preferred_test *t)
{
	if (!t->threads[0].pid)
		return;
	kill(t->threads[0].pid, SIGKILL);
	waitpid(t->threads[0].pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(t->threads[i].to);
		close(t->threads[i].from);
	}
	memset(t->threads, 0, sizeof(t->threads));
}

/* The preferred node by procfs. */
static int preferred(pid_t tid)
{
	char path[64], line[256];
	int node = NOT_KNOWN;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/sched", tid);
	f = fopen(path, "r");
	if (!f)
		return NOT_KNOWN;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "numa_preferred_nid : %d", &node) == 1)
			break;
	fclose(f);
	return node;
}

/* What the scheduler was told. */
static struct numa_preferred_record told(struct numa_preferred_test *t, pid_t tid)
{
	struct numa_preferred_record rec;
	u32 key = tid;

	if (bpf_map_lookup_elem(bpf_map__fd(t->skel->maps.records), &key, &rec))
		rec = (struct numa_preferred_record){ NOT_KNOWN, NOT_KNOWN, 0 };
	return rec;
}

/*
 * The scheduler is told of @node in the @nr-th call, or of nothing in none. It may
 * be told a little after procfs shows it.
 */
static int expect(struct numa_preferred_test *t, const char *when, pid_t tid, int node, int nr)
{
	struct numa_preferred_record rec;

	for (int i = 0; i < 20; i++) {
		rec = told(t, tid);
		if (rec.node == node && (int)rec.nr_calls >= nr)
			break;
		usleep(50000);
	}
	if (rec.node != node || (nr != ANY && rec.nr_calls != nr))
		return fail("%s: expected node %d in call %d, was node %d in call %u; procfs: %d",
			    when, node, nr, rec.node, rec.nr_calls, preferred(tid));
	return 0;
}

/* Have NUMA balancing prefer @node for a task. */
static int prefer(struct numa_preferred_test *t, const struct worker *w, int node)
{
	if (ask(w, PIN, node) || ask(w, TOUCH, 0))
		return fail("Task %d can't use node %d", w->tid, node);

	for (int i = 0; i < TRIES; i++) {
		if (ask(w, SAMPLE, 32))
			return fail("Failed to write samples to " INJECT);
		if (preferred(w->tid) == node)
			return 0;
		usleep(50000);
	}
	return fail("Samples of task %d on node %d don't make it the preferred one, which is %d",
		    w->tid, node, preferred(w->tid));
}

static int set_class(pid_t tid, int policy)
{
	struct sched_param param = {};

	if (sched_setscheduler(tid, policy, &param))
		return fail("Failed to set the policy of task %d to %d", tid, policy);
	return 0;
}

static int attach(struct numa_preferred_test *t, bool partial)
{
	u32 key;

	t->skel = t->skels[partial];
	while (!bpf_map_get_next_key(bpf_map__fd(t->skel->maps.records), NULL, &key))
		bpf_map_delete_elem(bpf_map__fd(t->skel->maps.records), &key);
	t->skel->bss->watched = getpid();
	t->skel->data->uei.kind = EXIT_KIND(SCX_EXIT_NONE);
	t->link = bpf_map__attach_struct_ops(t->skel->maps.numa_preferred_ops);
	return t->link ? 0 : fail("Failed to load the scheduler");
}

static int detach(struct numa_preferred_test *t)
{
	if (!t->link)
		return 0;
	bpf_link__destroy(t->link);
	t->link = NULL;
	if (t->skel->data->uei.kind != EXIT_KIND(SCX_EXIT_UNREG))
		return fail("The scheduler ended by itself: %s", t->skel->data->uei.msg);
	return 0;
}

/* All tasks are on sched_ext, and one scheduler follows the other. */
static int test_full(struct numa_preferred_test *t)
{
	struct worker *w = &t->threads[0];
	int a = t->nodes[0], b = t->nodes[1], i;
	pid_t child;

	if (start_worker(t) || attach(t, false))
		return -1;
	if (expect(t, "no node yet", w->tid, -1, 1))
		return -1;
	if (prefer(t, w, a) || expect(t, "first node", w->tid, a, 2))
		return -1;
	if (prefer(t, w, b) || expect(t, "another node", w->tid, b, 3))
		return -1;

	/* on the other node, a few samples are reason enough to move a fair task */
	if (ask(w, PIN, a) || ask(w, PIN, -1))
		return fail("Can't change the affinity");
	for (i = 0; i < 12; i++) {
		if (ask(w, SAMPLE, 1))
			return fail("Failed to write a sample");
		if (preferred(w->tid) != b)
			return fail("12 samples of node %d outweigh those of node %d", a, b);
		if (ask(w, WHERE, 0) != a)
			return fail("The kernel moved the task to its preferred node");
		usleep(100000);
	}

	child = ask(w, FORK, 0);
	if (child <= 0)
		return fail("The worker can't fork");
	i = expect(t, "forked", child, -1, 1);
	kill(child, SIGKILL);
	if (i)
		return -1;

	if (start_thread(t) || expect(t, "another thread", t->threads[1].tid, b, 1))
		return -1;
	if (prefer(t, &t->threads[1], a) || expect(t, "its own node", t->threads[1].tid, a, 2) ||
	    expect(t, "first thread", w->tid, b, 3))
		return -1;

	/* what changes without a scheduler is told to the next one */
	if (detach(t) || prefer(t, w, a) || attach(t, false) ||
	    expect(t, "next scheduler", w->tid, a, 1))
		return -1;

	if (start_exec(w))
		return -1;
	if (expect(t, "exec", w->tid, preferred(w->tid), 1))
		return -1;

	stop_worker(t);
	return detach(t);
}

/* A process of which only some threads are on sched_ext, and not all the time. */
static int test_partial(struct numa_preferred_test *t)
{
	struct worker *w = &t->threads[0];
	int a = t->nodes[0], b = t->nodes[1];

	if (attach(t, true) || start_worker(t))
		return -1;
	if (prefer(t, w, a) || expect(t, "in the fair class", w->tid, NOT_KNOWN, 0))
		return -1;
	if (set_class(w->tid, SCHED_EXT) || expect(t, "changed class", w->tid, a, 1))
		return -1;
	if (prefer(t, w, b) || expect(t, "on sched_ext", w->tid, b, 2))
		return -1;

	if (start_thread(t) || expect(t, "a thread", t->threads[1].tid, b, 1))
		return -1;
	if (set_class(w->tid, SCHED_OTHER) || prefer(t, w, a) ||
	    expect(t, "back in the fair class", w->tid, b, 2) ||
	    expect(t, "the thread isn't", t->threads[1].tid, b, 1))
		return -1;
	if (prefer(t, &t->threads[1], a) || expect(t, "thread alone", t->threads[1].tid, a, 2))
		return -1;
	if (set_class(w->tid, SCHED_EXT) || expect(t, "on sched_ext again", w->tid, a, 3))
		return -1;

	stop_worker(t);
	return detach(t);
}

/* Without samples, on behalf of a scheduler that wants to know. */
static int test_hint_faults(struct numa_preferred_test *t)
{
	struct worker *w = &t->threads[0];
	int a = t->nodes[0], b = t->nodes[1], i;

	if (file_write_long(SYSCTL "mem_sampling_enable", 0))
		return fail("Failed to end sampling");
	if (attach(t, false) || start_worker(t))
		return -1;

	if (ask(w, PIN, a) || ask(w, TOUCH, 0))
		return fail("The worker can't use node %d", a);
	for (i = 0; i < TRIES && preferred(w->tid) == -1; i++) {
		/* Memory that is local isn't looked at, and it follows its user: keep moving. */
		if (i % 10 == 0 && ask(w, PIN, i / 10 % 2 ? a : b))
			return fail("The worker can't change nodes");
		if (ask(w, USE, 50))
			return fail("The worker is gone");
	}
	if (i == TRIES)
		return fail("Hint faults don't make any node the preferred one");
	if (expect(t, "hint faults", w->tid, preferred(w->tid), ANY))
		return -1;

	stop_worker(t);
	return detach(t);
}

static bool usable(int node)
{
	unsigned long kb = 0;
	char path[64], line[128];
	bool cpu = false;
	FILE *f;

	for (int i = 0; i < CPU_SETSIZE && !cpu; i++) {
		snprintf(path, sizeof(path), NODES "node%d/cpu%d", node, i);
		cpu = CPU_ISSET(i, &all_cpus) && !access(path, F_OK);
	}

	snprintf(path, sizeof(path), NODES "node%d/meminfo", node);
	f = cpu ? fopen(path, "r") : NULL;
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Node %*d MemTotal: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb > 0;
}

static int use_software(void)
{
	FILE *f = fopen(SOURCES, "w");
	int ret;

	if (!f)
		return -1;
	ret = fputs("software", f) < 0;
	return fclose(f) || ret;
}

static void restore(void)
{
	file_write_long(SYSCTL "mem_sampling_enable", 0);
	for (int i = 0; i < ARRAY_SIZE(knobs); i++)
		if (knobs[i].old >= 0)
			file_write_long(knobs[i].path, knobs[i].old);
}

static void cleanup(void *ctx)
{
	struct numa_preferred_test *t = ctx;

	stop_worker(t);
	bpf_link__destroy(t->link);
	for (int i = 0; i < 2; i++)
		numa_preferred__destroy(t->skels[i]);
	free(t);
}

static enum scx_test_status setup(void **ctx)
{
	struct numa_preferred_test *t;
	int nr = 0, node, i;

	page = getpagesize();
	if (!__COMPAT_struct_has_field("task_struct", "numa_preferred_nid")) {
		fprintf(stderr, "SKIP: needs CONFIG_NUMA_BALANCING\n");
		return SCX_TEST_SKIP;
	}
	if (access(INJECT, W_OK)) {
		fprintf(stderr, "SKIP: needs debugfs and CONFIG_MEM_SAMPLING_SOFTWARE\n");
		return SCX_TEST_SKIP;
	}

	t = calloc(1, sizeof(*t));
	SCX_FAIL_IF(!t, "Out of memory");
	SCX_FAIL_IF(sched_getaffinity(0, sizeof(all_cpus), &all_cpus),
		    "Failed to get the affinity");
	for (node = 0; node < MAX_NODES && nr < 2; node++)
		if (usable(node))
			t->nodes[nr++] = node;
	if (nr < 2) {
		fprintf(stderr, "SKIP: needs two nodes with CPUs and memory\n");
		free(t);
		return SCX_TEST_SKIP;
	}

	for (i = 0; i < 2; i++) {
		t->skels[i] = numa_preferred__open();
		SCX_FAIL_IF(!t->skels[i], "Failed to open");
		SCX_ENUM_INIT(t->skels[i]);
		if (i)
			t->skels[i]->struct_ops.numa_preferred_ops->flags |= SCX_OPS_SWITCH_PARTIAL;
		SCX_FAIL_IF(numa_preferred__load(t->skels[i]), "Failed to load skel");
	}

	*ctx = t;
	return SCX_TEST_PASS;
}

static enum scx_test_status run(void *ctx)
{
	struct numa_preferred_test *t = ctx;
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		knobs[i].old = file_read_long(knobs[i].path);
		SCX_FAIL_IF(knobs[i].old < 0 || file_write_long(knobs[i].path, knobs[i].val),
			    "Failed to change %s", knobs[i].path);
	}
	SCX_FAIL_IF(file_write_long(SYSCTL "mem_sampling_enable", 0) || use_software() ||
		    file_write_long(SYSCTL "mem_sampling_enable", 1) ||
		    file_write_long(SYSCTL "numa_balancing_mem_sampling", 1),
		    "Failed to switch to samples");

	ret = test_full(t) || test_partial(t) || test_hint_faults(t);
	restore();
	return ret ? SCX_TEST_FAIL : SCX_TEST_PASS;
}

struct scx_test numa_preferred = {
	.name = "numa_preferred",
	.description = "Verify that ops.set_preferred_node() tells the preferred nodes of tasks",
	.setup = setup,
	.run = run,
	.cleanup = cleanup,
};

REGISTER_SCX_TEST(&numa_preferred)
