// SPDX-License-Identifier: GPL-2.0
/*
 * pickbench: what the built-in idle CPU selector of sched_ext picks, how far
 * away, and at what cost in instructions.  Runs on any kernel that has it; two
 * kernels are compared with pickreport from what this writes.
 *
 * The calling thread is pinned to one CPU, the runner; all others are left
 * idle.  A drain picks again and again for one start CPU until nothing is idle;
 * then the claimed CPUs are sent through an idle re-pick and waited for.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <scx/common.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"
#include "pickbench.skel.h"
#include "record.h"

#ifndef SCHED_EXT
#define SCHED_EXT 7
#endif

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define IDLE_TIMEOUT_S	20
#define MAX_RACES	10	/* in a row, then it counts */
#define MAX_FAIL_LINES	16	/* per case */
#define BIG		32	/* CPUs; where there are more, a sample must do */
#define MAX_DISTS	32	/* distinct distances from one node */

enum { FLAT, NODE };
static const char * const mode_names[] = { "flat", "node" };
enum { SYSCALL, WAKE };
static const char * const via_names[] = { "syscall", "wake" };
static const char * const api_names[PB_NR_APIS] = {
	"nothing", "kfunc", "select", "select_dfl", "pick",
};

struct options {
	bool mode[2], via[2], api[PB_NR_APIS];
	bool drain, affinity, spread, storm;
	int rounds;
	int runner;
	unsigned long long seed;
	const char *out;
	bool json, verbose, picks;
};

static struct options opt = {
	.mode = { true, true },
	.via = { true, true },
	.api = { [PB_SELECT] = true, [PB_SELECT_DFL] = true, [PB_PICK] = true },
	.drain = true, .affinity = true, .spread = true, .storm = true,
	.runner = -1,
	.seed = 1,
};

static struct topo topo;
static struct recorder rec;
static struct pickbench *skel;
static struct bpf_link *link_ops;
static int mode;
static int runner = -1;
static int counter_fd[PB_MAX_CPUS];
static bool counting;
static unsigned long long mark_cost[2];	/* by via */
static pid_t helper;
static int helper_pipe;
static int failures;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "pickbench: error: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* --- the helper task, whom CPUs are picked for ----------------------------- */

static void start_helper(void)
{
	struct sched_param param = {};
	int fds[2];
	char c;

	if (pipe(fds))
		die("pipe: %s", strerror(errno));
	helper = fork();
	if (helper < 0)
		die("fork: %s", strerror(errno));
	if (!helper) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		while (read(fds[0], &c, 1) == 1)
			;
		_exit(0);
	}
	close(fds[0]);
	helper_pipe = fds[1];
	if (sched_setscheduler(helper, SCHED_EXT, &param))
		die("cannot make a task SCHED_EXT: %s; the kernel needs CONFIG_SCHED_CLASS_EXT",
		    strerror(errno));
}

static void set_affinity(pid_t pid, const struct pb_mask *m)
{
	if (syscall(SYS_sched_setaffinity, pid, sizeof(*m), m))
		die("cannot set the affinity of %d: %s", pid, strerror(errno));
}

/* --- running the kernel side ----------------------------------------------- */

static void check_scheduler(void)
{
	if (UEI_EXITED(skel, uei)) {
		UEI_REPORT(skel, uei);
		die("the kernel threw the scheduler out");
	}
}

static void run_prog(const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, o);
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &o);

	check_scheduler();
	if (err || (int)o.retval)
		die("%s failed: %s", bpf_program__name(prog), strerror(err ? -err : -(int)o.retval));
}

static int open_counter(int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.pinned = 1,
		.exclude_user = 1,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static void register_counter(int cpu)
{
	if (counting && bpf_map_update_elem(bpf_map__fd(skel->maps.counters), &cpu,
					    &counter_fd[cpu], BPF_ANY))
		die("cannot hand the counter of CPU %d to BPF: %s", cpu, strerror(errno));
}

/* Moves this thread, which runs the programs, to @cpu. */
static void run_on(int cpu)
{
	struct pb_mask m = {};

	mask_set(&m, cpu);
	set_affinity(0, &m);
	runner = cpu;
	if (counting && counter_fd[cpu] < 0) {
		counter_fd[cpu] = open_counter(cpu);
		if (counter_fd[cpu] < 0)
			die("cannot count instructions on CPU %d: %s", cpu, strerror(errno));
	}
	register_counter(cpu);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* All CPUs but the runner, and with SMT all cores but the runner's. */
static void expected_idle(struct pb_pick *want)
{
	want->idle = topo.online;
	mask_clear(&want->idle, runner);
	want->smt = topo.smt ? mask_andnot(&topo.online, &topo.siblings[runner]) : want->idle;
}

/* Makes every CPU but ours advertised as idle again. */
static void release_all(void)
{
	double deadline = now() + IDLE_TIMEOUT_S, kick = 0;
	struct pb_pick want;
	struct pb_mask missing, cores;
	char buf[256];

	expected_idle(&want);
	for (;;) {
		run_prog(skel->progs.run_snapshot);
		missing = mask_andnot(&want.idle, &skel->bss->snap.idle);
		cores = mask_andnot(&want.smt, &skel->bss->snap.smt);
		for (int i = 0; i < PB_WORDS; i++)
			missing.w[i] |= cores.w[i];
		if (mask_empty(&missing))
			return;
		if (now() > deadline)
			die("CPUs %s did not become idle again within %d s",
			    mask_format(&missing, buf, sizeof(buf)), IDLE_TIMEOUT_S);
		if (now() > kick) {
			skel->bss->req.claim = missing;
			run_prog(skel->progs.run_release);
			kick = now() + 0.02;
		}
		usleep(500);
	}
}

static bool helper_sleeps(void)
{
	char path[64], buf[256] = "", *state;
	int unread;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", helper);
	f = fopen(path, "r");
	if (!f || !fgets(buf, sizeof(buf), f))
		die("cannot read %s: %s", path, strerror(errno));
	fclose(f);
	state = strrchr(buf, ')');
	return !ioctl(helper_pipe, FIONREAD, &unread) && !unread && state && state[2] == 'S';
}

static void drain_by_wakeup(void)
{
	double deadline = now() + IDLE_TIMEOUT_S;
	volatile unsigned int *armed = &skel->bss->req.armed;

	*armed = 1;
	if (write(helper_pipe, "", 1) != 1)
		die("cannot wake the helper task: %s", strerror(errno));
	while (*armed) {
		check_scheduler();
		if (now() > deadline)
			die("the helper task's wake-up did not reach ops.select_cpu()");
		usleep(500);
	}
	/* It must sleep before it can be woken again, or the wake-up is lost. */
	while (!helper_sleeps()) {
		if (now() > deadline)
			die("the helper task does not go to sleep again");
		usleep(500);
	}
	if (skel->bss->drain_error)
		die("drain from a wake-up: %s", strerror(-skel->bss->drain_error));
}

static void drain(int via)
{
	skel->bss->req.pid = helper;
	if (via == WAKE)
		drain_by_wakeup();
	else
		run_prog(skel->progs.run_drain);
}

static void attach(int m)
{
	struct bpf_program *progs[4];

	mode = m;
	skel = SCX_OPS_OPEN(pickbench_ops, pickbench);
	progs[0] = skel->progs.on_update;
	progs[1] = skel->progs.on_updated;
	progs[2] = skel->progs.on_empty;
	progs[3] = skel->progs.on_emptied;
	if (m == NODE)
		skel->struct_ops.pickbench_ops->flags |= SCX_OPS_BUILTIN_IDLE_PER_NODE;
	skel->rodata->per_node = m == NODE;
	/* Never more than the kernel's masks hold. */
	skel->rodata->mask_bytes = (topo.nr_cpus + 63) / 64 * 8;
	skel->rodata->nr_cpu_nodes = topo.nr_cpu_nodes;
	for (int i = 0; i < topo.nr_cpu_nodes; i++)
		skel->rodata->cpu_nodes[i] = topo.cpu_nodes[i];
	bpf_program__set_autoload(skel->progs.on_mark, counting);
	for (unsigned int i = 0; i < ARRAY_SIZE(progs); i++) {
		bpf_program__set_autoload(progs[i], counting && opt.storm);
		bpf_program__set_autoattach(progs[i], false);
	}
	SCX_OPS_LOAD(skel, pickbench_ops, pickbench, uei);
	link_ops = SCX_OPS_ATTACH(skel, pickbench_ops, pickbench);
	for (int c = 0; c < topo.nr_cpus; c++)
		if (counter_fd[c] >= 0)
			register_counter(c);
}

static void detach(void)
{
	check_scheduler();
	bpf_link__destroy(link_ops);
	pickbench__destroy(skel);
	skel = NULL;
}

/* --- measuring cost -------------------------------------------------------- */

static void measure_marks(int via)
{
	for (int api = PB_NOTHING; api <= PB_KFUNC; api++) {
		struct samples s = {};
		struct pb_request req = { .api = api, .max_picks = 64 };

		req.start_cpu = topo.cpu_nodes[0];
		skel->bss->req = req;
		drain(via);
		for (unsigned int i = 0; i < skel->bss->nr_picks; i++)
			samples_add(&s, skel->bss->picks[i].insns);
		if (api == PB_NOTHING) {
			mark_cost[via] = samples_median(&s);
			if (!mark_cost[via])
				die("the instruction counter does not move; is it emulated?");
		}
		rec_begin(&rec, "cost");
		rec_str(&rec, "mode", mode_names[mode]);
		rec_str(&rec, "via", via_names[via]);
		rec_str(&rec, "api", api_names[api]);
		rec_num(&rec, "n", s.nr);
		rec_num(&rec, "insn_median", samples_median(&s) -
			(api == PB_NOTHING ? 0 : mark_cost[via]));
		rec_num(&rec, "insn_min", s.v[0]);
		rec_num(&rec, "insn_max", s.v[s.nr - 1]);
		rec_end(&rec);
		if (!opt.json && opt.verbose)
			printf("%s %s: %s costs %llu instructions (%llu-%llu with marks)\n",
			       mode_names[mode], via_names[via], api_names[api],
			       samples_median(&s) - (api == PB_NOTHING ? 0 : mark_cost[via]),
			       s.v[0], s.v[s.nr - 1]);
		samples_free(&s);
	}
}

/* --- what a case has shown so far ------------------------------------------ */

struct bench_case {
	int via, api;
	const char *mask;		/* what the picks are restricted to */
	bool by_task;			/* the mask is the task's own, not an argument */
	unsigned long long flags;

	struct samples insns[S_NR];
	struct samples remote[MAX_DISTS];	/* the same by distance */
	int remote_dist[MAX_DISTS], nr_remote;
	long verdicts[S_NR][V_NR];
	long off_node, shares;
	double dist_sum, dist_n;
	struct {
		long n;
		double dist, best;
		int min, max;
	} seq[PB_MAX_PICKS];
	int fail_lines;
};

static void note_distance_cost(struct bench_case *c, int dist, unsigned long long insns)
{
	int i;

	for (i = 0; i < c->nr_remote && c->remote_dist[i] != dist; i++)
		;
	if (i == MAX_DISTS)
		return;
	if (i == c->nr_remote)
		c->remote_dist[c->nr_remote++] = dist;
	samples_add(&c->remote[i], insns);
}

static void case_id(const struct bench_case *c)
{
	rec_str(&rec, "mode", mode_names[mode]);
	rec_str(&rec, "via", via_names[c->via]);
	rec_str(&rec, "api", api_names[c->api]);
	rec_str(&rec, "mask", c->mask);
	rec_str(&rec, "core", c->flags & SCX_PICK_IDLE_CORE ? "yes" : "no");
}

static void note_failure(struct bench_case *c, const struct pick_query *q,
			 const struct judgement *j, int seq)
{
	failures++;
	if (c->fail_lines++ >= MAX_FAIL_LINES)
		return;
	rec_begin(&rec, "fail");
	case_id(c);
	rec_str(&rec, "verdict", verdict_names[j->verdict]);
	rec_num(&rec, "start", q->start_cpu);
	rec_num(&rec, "start_node", q->start_node);
	rec_num(&rec, "seq", seq);
	rec_num(&rec, "picked", q->before->cpu);
	rec_num(&rec, "node", j->node);
	rec_num(&rec, "dist", j->dist);
	rec_num(&rec, "best_node", j->best_node);
	rec_num(&rec, "best_dist", j->best_dist);
	rec_end(&rec);
}

static void note_pick(struct bench_case *c, const struct pick_query *q, int seq)
{
	unsigned long long insns = q->before->insns - mark_cost[c->via];
	struct judgement j = judge(&topo, q);

	c->verdicts[j.situation][j.verdict]++;
	if (j.verdict != V_OPTIMAL && j.verdict != V_RACED)
		note_failure(c, q, &j, seq);
	/* A race measures something else than its class. */
	if (counting && j.verdict != V_RACED) {
		samples_add(&c->insns[j.situation], insns);
		if (j.situation == S_REMOTE && j.dist >= 0)
			note_distance_cost(c, j.dist, insns);
	}
	if (j.dist < 0)
		return;
	c->off_node += j.node != q->start_node;
	c->shares += j.shares_core;
	c->dist_sum += j.dist;
	c->dist_n++;
	c->seq[seq].dist += j.dist;
	c->seq[seq].best += j.best_dist;
	if (!c->seq[seq].n || j.dist < c->seq[seq].min)
		c->seq[seq].min = j.dist;
	if (!c->seq[seq].n || j.dist > c->seq[seq].max)
		c->seq[seq].max = j.dist;
	c->seq[seq].n++;
	if (opt.picks) {
		rec_begin(&rec, "pick");
		case_id(c);
		rec_num(&rec, "start", q->start_cpu);
		rec_num(&rec, "seq", seq);
		rec_num(&rec, "cpu", q->before->cpu);
		rec_num(&rec, "node", j.node);
		rec_num(&rec, "dist", j.dist);
		rec_num(&rec, "best_dist", j.best_dist);
		rec_str(&rec, "verdict", verdict_names[j.verdict]);
		rec_str(&rec, "class", situation_names[j.situation]);
		if (counting)
			rec_num(&rec, "insn", insns);
		rec_end(&rec);
	}
}

static void report_insns(struct samples *s)
{
	if (!s->nr)
		return;
	rec_real(&rec, "insn_middle", samples_middle(s));
	rec_num(&rec, "insn_median", samples_median(s));
	rec_real(&rec, "insn_mean", samples_mean(s));
	rec_num(&rec, "insn_min", s->v[0]);
	rec_num(&rec, "insn_max", s->v[s->nr - 1]);
}

static void report_case(struct bench_case *c)
{
	long total[V_NR] = {}, picks = 0, all = 0;

	for (int s = 0; s < S_NR; s++) {
		long n = 0;

		for (int v = 0; v < V_NR; v++) {
			n += c->verdicts[s][v];
			total[v] += c->verdicts[s][v];
			all += v == V_RACED ? 0 : c->verdicts[s][v];
		}
		picks += s == S_BUSY ? 0 : n;
		if (!n)
			continue;
		rec_begin(&rec, "class");
		case_id(c);
		rec_str(&rec, "class", situation_names[s]);
		rec_num(&rec, "n", n);
		for (int v = 0; v < V_NR; v++)
			rec_num(&rec, verdict_names[v], c->verdicts[s][v]);
		report_insns(&c->insns[s]);
		rec_end(&rec);
	}
	for (int i = 0; i < c->nr_remote; i++) {
		rec_begin(&rec, "remote");
		case_id(c);
		rec_num(&rec, "dist", c->remote_dist[i]);
		rec_num(&rec, "n", c->remote[i].nr);
		report_insns(&c->remote[i]);
		rec_end(&rec);
	}
	for (int i = 0; i < PB_MAX_PICKS && c->seq[i].n; i++) {
		rec_begin(&rec, "order");
		case_id(c);
		rec_num(&rec, "seq", i);
		rec_num(&rec, "n", c->seq[i].n);
		rec_real(&rec, "dist", c->seq[i].dist / c->seq[i].n);
		rec_real(&rec, "best", c->seq[i].best / c->seq[i].n);
		rec_num(&rec, "min", c->seq[i].min);
		rec_num(&rec, "max", c->seq[i].max);
		rec_end(&rec);
	}
	/* All-busy misses are no picks: they cannot be wrong, only dear. */
	total[V_OPTIMAL] -= c->verdicts[S_BUSY][V_OPTIMAL];
	all -= c->verdicts[S_BUSY][V_OPTIMAL];
	rec_begin(&rec, "drain");
	case_id(c);
	rec_num(&rec, "picks", picks);
	for (int v = 0; v < V_NR; v++)
		rec_num(&rec, verdict_names[v], total[v]);
	rec_real(&rec, "optimal_pct", all ? 100.0 * total[V_OPTIMAL] / all : 0);
	rec_real(&rec, "remote_pct", c->dist_n ? 100.0 * c->off_node / c->dist_n : 0);
	rec_real(&rec, "shared_pct", c->dist_n ? 100.0 * c->shares / c->dist_n : 0);
	rec_real(&rec, "mean_dist", c->dist_n ? c->dist_sum / c->dist_n : 0);
	rec_end(&rec);

	if (opt.json)
		return;
	printf("%-4s %-7s %-10s %-14s%s %6ld picks %7.2f%% optimal", mode_names[mode],
	       via_names[c->via], api_names[c->api], c->mask,
	       c->flags & SCX_PICK_IDLE_CORE ? " core" : "", picks,
	       all ? 100.0 * total[V_OPTIMAL] / all : 0);
	for (int v = V_RACED; v < V_NR; v++)
		if (total[v])
			printf(" %s %ld", verdict_names[v], total[v]);
	if (counting) {
		printf(" | insn");
		for (int s = 0; s < S_NR; s++)
			if (c->insns[s].nr)
				printf(" %s %.0f", situation_names[s], samples_middle(&c->insns[s]));
	}
	printf("\n");
	fflush(stdout);
}

static void free_case(struct bench_case *c)
{
	for (int s = 0; s < S_NR; s++)
		samples_free(&c->insns[s]);
	for (int i = 0; i < MAX_DISTS; i++)
		samples_free(&c->remote[i]);
	free(c);
}

static struct bench_case *new_case(int via, int api, const char *mask)
{
	struct bench_case *c = calloc(1, sizeof(*c));

	if (!c)
		die("out of memory");
	c->via = via;
	c->api = api;
	c->mask = mask;
	return c;
}

/* One drain from @start; the picks are judged and added to the case. */
static void drain_from(struct bench_case *c, int start, const struct pb_mask *allowed)
{
	struct pick_query q = {
		.start_cpu = start,
		.start_node = topo.cpu_node[start],
		.allowed = *allowed,
		.whole_core = c->flags & SCX_PICK_IDLE_CORE,
		.anywhere = mode == FLAT && c->api == PB_PICK,
	};
	struct pb_request req = {
		.allowed = *allowed,
		.flags = c->flags,
		.start_cpu = start,
		.start_node = q.start_node,
		.api = c->api,
		.max_picks = PB_MAX_CPUS + 1,
		.use_mask = !c->by_task && !mask_equal(allowed, &topo.online),
	};

	release_all();
	skel->bss->req = req;
	drain(c->via);
	for (unsigned int i = 0; i < skel->bss->nr_picks; i++) {
		q.before = &skel->bss->picks[i];
		q.after = &skel->bss->picks[i + 1];
		note_pick(c, &q, i);
	}
}

/* --- full affinity ---------------------------------------------------------- */

/*
 * From every CPU in turn, or on a big machine from about @want, as a drain takes
 * as long as the square of the CPUs. Odd: not always a node's first CPU.
 */
static int start_step(int want)
{
	return topo.nr_cpus > BIG ? (topo.nr_cpus / want) | 1 : 1;
}

static void drain_all_starts(int via, int api, unsigned long long flags)
{
	struct bench_case *c = new_case(via, api, "full");

	c->flags = flags;
	for (int r = 0; r < opt.rounds; r++)
		for (int s = 0; s < topo.nr_cpus; s += start_step(BIG))
			if (mask_test(&topo.online, s))
				drain_from(c, s, &topo.online);
	report_case(c);
	free_case(c);
}

static void phase_drain(int via)
{
	for (int api = PB_SELECT; api < PB_NR_APIS; api++) {
		if (!opt.api[api])
			continue;
		drain_all_starts(via, api, 0);
		if (topo.smt && api != PB_SELECT_DFL)
			drain_all_starts(via, api, SCX_PICK_IDLE_CORE);
	}
}

/* --- restricted affinity ----------------------------------------------------- */

static unsigned long long next_random(unsigned long long *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* The CPUs of the nearest and of the farthest other node, as @node sees them. */
static struct pb_mask near_and_far(int node)
{
	struct pb_mask m = {};
	int near = -1, far = -1;

	for (int i = 0; i < topo.nr_cpu_nodes; i++) {
		int n = topo.cpu_nodes[i];

		if (n == node)
			continue;
		if (near < 0 || topo.dist[node][n] < topo.dist[node][near])
			near = n;
		if (far < 0 || topo.dist[node][n] >= topo.dist[node][far])
			far = n;
	}
	if (near < 0)
		return topo.online;
	for (int i = 0; i < PB_WORDS; i++)
		m.w[i] = topo.node_cpus[near].w[i] | topo.node_cpus[far].w[i];
	return m;
}

static const char * const mask_kinds[] = { "near+far", "even", "upper-half", "random" };

static struct pb_mask make_mask(int kind, int start, unsigned long long *state)
{
	struct pb_mask m = {};

	if (kind == 0)
		return near_and_far(topo.cpu_node[start]);
	do {
		for (int c = 0; c < topo.nr_cpus; c++)
			if (mask_test(&topo.online, c) &&
			    (kind == 1 ? !(c & 1) : kind == 2 ? c >= topo.nr_cpus / 2 :
			     next_random(state) & 1))
				mask_set(&m, c);
		/* A task with a single CPU never asks the selector. */
	} while (kind == 3 && mask_weight(&m) < 2);
	return m;
}

static void phase_affinity(int via)
{
	for (int api = PB_SELECT; api < PB_NR_APIS; api++) {
		for (int k = 0; k < 2 * (int)ARRAY_SIZE(mask_kinds); k++) {
			bool by_task = k & 1;
			int kind = k / 2;
			unsigned long long state = opt.seed;
			struct bench_case *c;
			char name[32];

			/* select_dfl has no mask, pick has no task. */
			if (!opt.api[api] || (api == PB_SELECT_DFL && !by_task) ||
			    (api == PB_PICK && by_task))
				continue;
			snprintf(name, sizeof(name), "%s:%s", by_task ? "task" : "arg", mask_kinds[kind]);
			c = new_case(via, api, name);
			c->by_task = by_task;
			for (int s = 0; s < topo.nr_cpus; s += start_step(BIG / 4)) {
				struct pb_mask m;

				if (!mask_test(&topo.online, s))
					continue;
				m = make_mask(kind, s, &state);
				if (mask_weight(&m) < 2)
					continue;
				if (by_task)
					set_affinity(helper, &m);
				drain_from(c, s, &m);
			}
			set_affinity(helper, &topo.online);
			report_case(c);
			free_case(c);
		}
	}
}

/* --- where overflow goes ------------------------------------------------------ */

/*
 * What each node may expect of @picks picks from @start when its own CPUs are
 * busy: the nearest tier is filled evenly, then the next.
 */
static void add_fair_share(double *share, int start, int picks)
{
	bool used[PB_MAX_NODES] = {};
	double left = picks;

	used[start] = true;

	while (left > 0) {
		int d = -1, cpus = 0, n = 0;

		for (int i = 0; i < topo.nr_cpu_nodes; i++) {
			int node = topo.cpu_nodes[i];

			if (!used[node] && (d < 0 || topo.dist[start][node] < d))
				d = topo.dist[start][node];
		}
		if (d < 0)
			return;
		for (int i = 0; i < topo.nr_cpu_nodes; i++) {
			int node = topo.cpu_nodes[i];

			if (!used[node] && topo.dist[start][node] == d) {
				cpus += mask_weight(&topo.node_cpus[node]);
				n++;
			}
		}
		for (int i = 0; i < topo.nr_cpu_nodes; i++) {
			int node = topo.cpu_nodes[i];

			if (used[node] || topo.dist[start][node] != d)
				continue;
			used[node] = true;
			share[node] += left < cpus ? left / n : mask_weight(&topo.node_cpus[node]);
		}
		left = left < cpus ? 0 : left - cpus;
	}
}

/*
 * Did a CPU that had been taken become idle again in mid-drain? Picking it is right
 * then, but no overflow.
 */
static bool overflow_raced(int node)
{
	struct pb_mask seen = topo.node_cpus[node];

	for (unsigned int k = 0; k < skel->bss->nr_picks; k++) {
		int cpu = skel->bss->picks[k].cpu;

		if (cpu < 0)
			continue;
		if (mask_test(&seen, cpu))
			return true;
		mask_set(&seen, cpu);
	}
	return false;
}

/* From each node, all its own CPUs taken and all others idle, @picks picks. */
static void spread(int via, int api, int picks)
{
	double share[PB_MAX_NODES] = {}, worst = 0;
	int count[PB_MAX_NODES] = {}, home = runner, worst_node = -1;

	for (int i = 0; i < topo.nr_cpu_nodes; i++) {
		int node = topo.cpu_nodes[i], cpu = 0;
		struct pb_request req = {
			.claim = topo.node_cpus[node],
			.start_node = node,
			.api = api,
			.max_picks = picks,
		};

		while (!mask_test(&topo.node_cpus[node], cpu))
			cpu++;
		/* Overflow comes from a busy CPU of the full node itself. */
		run_on(cpu);
		req.start_cpu = cpu;
		for (int try = 0; try < MAX_RACES; try++) {
			release_all();
			skel->bss->req = req;
			drain(via);
			if (!overflow_raced(node))
				break;
		}
		for (unsigned int k = 0; k < skel->bss->nr_picks; k++)
			if (skel->bss->picks[k].cpu >= 0)
				count[topo.cpu_node[skel->bss->picks[k].cpu]]++;
		add_fair_share(share, node, picks);
	}
	run_on(home);
	release_all();

	rec_begin(&rec, "spread");
	rec_str(&rec, "mode", mode_names[mode]);
	rec_str(&rec, "via", via_names[via]);
	rec_str(&rec, "api", api_names[api]);
	rec_num(&rec, "picks", picks);
	for (int i = 0; i < topo.nr_cpu_nodes; i++) {
		int n = topo.cpu_nodes[i];
		double ratio = share[n] > 0 ? count[n] / share[n] : count[n] ? 1e6 : 0;
		char key[16];

		snprintf(key, sizeof(key), "node%d", n);
		rec_num(&rec, key, count[n]);
		if (ratio > worst) {
			worst = ratio;
			worst_node = n;
		}
	}
	rec_num(&rec, "worst_node", worst_node);
	rec_num(&rec, "worst_count", worst_node < 0 ? 0 : count[worst_node]);
	rec_real(&rec, "worst_share", worst_node < 0 ? 0 : share[worst_node]);
	rec_real(&rec, "worst_ratio", worst);
	rec_end(&rec);
	if (!opt.json)
		printf("%-4s %-7s %-10s overflow, %d pick%s from each node: worst node %d got %d, share %.2f (%.2f x)\n",
		       mode_names[mode], via_names[via], api_names[api], picks, picks > 1 ? "s" : "",
		       worst_node, worst_node < 0 ? 0 : count[worst_node],
		       worst_node < 0 ? 0 : share[worst_node], worst);
}

static void phase_spread(int via)
{
	for (int api = PB_SELECT; api < PB_NR_APIS; api++)
		for (int picks = 1; picks <= 3 && opt.api[api]; picks++)
			if (topo.nr_cpu_nodes > 1)
				spread(via, api, picks);
}

/* --- a storm of wake-ups --------------------------------------------------------- */

#define STORM_WAKEUPS	100	/* of each task */
#define STORMS		3	/* in a round: one differs from the next by some percent */

static const char * const storm_kinds[] = { "pinned", "free" };

struct storm_task {
	pthread_t thread;
	bool free;
	int cpu, nr;
};

static int storm_nr;

/*
 * Sleeps and wakes again and again. Nobody sleeps for as long as another does,
 * so that wake-ups coincide now and then and CPUs are busy when tasks come. Nor is
 * one storm like the next: what meets by chance, with the tick say, is to average
 * out.
 */
static void *storm_task(void *arg)
{
	struct storm_task *t = arg;
	struct timespec ts = { .tv_nsec = 150000 + storm_nr * 11000 + t->nr % 16 * 9000 };
	struct pb_mask m = t->free ? topo.online : (struct pb_mask){};
	struct sched_param param = {};

	mask_set(&m, t->cpu);
	set_affinity(0, &m);
	if (t->free && sched_setscheduler(0, SCHED_EXT, &param))
		die("cannot make a task SCHED_EXT: %s", strerror(errno));
	for (int i = 0; i < STORM_WAKEUPS; i++)
		nanosleep(&ts, NULL);
	return NULL;
}

/*
 * What all CPUs have executed: QEMU has one count for all of them, and a CPU's
 * counter shows it whenever that CPU is in the kernel, which the runner is while
 * it waits for the tasks to end.
 */
static unsigned long long executed(void)
{
	unsigned long long v;

	if (read(counter_fd[runner], &v, sizeof(v)) != sizeof(v))
		die("cannot read the counter of CPU %d: %s", runner, strerror(errno));
	return v;
}

/*
 * Instructions, of all CPUs, for a wake-up and what follows until the CPU is idle
 * again. One task a CPU, either bound to it and in the fair class, which
 * only notes that CPUs become idle and busy, or free and in this scheduler,
 * which also looks for an idle CPU each time.
 */
static double storm_once(bool is_free)
{
	static struct storm_task tasks[PB_MAX_CPUS];
	unsigned long long before;
	int nr = 0;

	before = executed();
	for (int c = 0; c < topo.nr_cpus; c++) {
		struct storm_task *t = &tasks[nr];

		if (!mask_test(&topo.online, c))
			continue;
		t->free = is_free;
		t->cpu = c;
		t->nr = nr++;
		if (pthread_create(&t->thread, NULL, storm_task, t))
			die("cannot start a task for CPU %d", c);
	}
	for (int i = 0; i < nr; i++)
		pthread_join(tasks[i].thread, NULL);
	return (double)(executed() - before) / nr / STORM_WAKEUPS;
}

/* Runs @what, either a storm or nothing at all, between marks. */
static void marked(struct bpf_program *begin, struct bpf_program *end, void (*what)(void))
{
	struct bpf_link *links[] = { bpf_program__attach(begin), bpf_program__attach(end) };

	if (!links[0] || !links[1])
		die("cannot trace %s: %s", bpf_program__name(begin), strerror(errno));
	what();
	bpf_link__destroy(links[0]);
	bpf_link__destroy(links[1]);
}

static void empty_marks(void)
{
	run_prog(skel->progs.run_empty);
}

static void marked_storm(void)
{
	storm_once(false);
}

/* What it costs the kernel to note that a CPU becomes idle, or busy: exactly. */
static void measure_updates(void)
{
	static const char * const names[] = { [PB_TO_BUSY] = "busy", [PB_TO_IDLE] = "idle" };
	unsigned long long cost = 0;
	int home = runner;

	for (int c = 0; c < topo.nr_cpus; c++)
		if (mask_test(&topo.online, c))
			run_on(c);
	run_on(home);
	memset(skel->bss->updates, 0, sizeof(skel->bss->updates));
	marked(skel->progs.on_empty, skel->progs.on_emptied, empty_marks);
	marked(skel->progs.on_update, skel->progs.on_updated, marked_storm);
	for (int what = PB_NR_UPDATES - 1; what >= 0; what--) {
		const struct pb_updates *u = &skel->bss->updates[what];
		struct samples s = {};

		for (unsigned int i = 0; i < u->nr && i < PB_MAX_UPDATES; i++)
			samples_add(&s, u->insns[i]);
		if (!s.nr)
			die("no CPU became %s in a storm?", what == PB_MARKS ? "anything" : names[what]);
		if (what == PB_MARKS) {
			cost = samples_median(&s);
		} else {
			rec_begin(&rec, "update");
			rec_str(&rec, "mode", mode_names[mode]);
			rec_str(&rec, "to", names[what]);
			rec_num(&rec, "n", u->nr);
			rec_num(&rec, "insn_median", samples_median(&s) - cost);
			rec_num(&rec, "insn_min", s.v[0] - cost);
			rec_num(&rec, "insn_max", s.v[s.nr - 1] - cost);
			rec_end(&rec);
			if (!opt.json)
				printf("%-4s noting that a CPU becomes %s: %llu instructions\n",
				       mode_names[mode], names[what], samples_median(&s) - cost);
		}
		samples_free(&s);
	}
}

static void phase_storm(void)
{
	measure_updates();
	for (int kind = 0; kind < 2; kind++) {
		struct samples s = {};

		for (int i = 0; i < opt.rounds * STORMS; i++) {
			storm_nr = i;
			release_all();
			samples_add(&s, storm_once(kind));
			check_scheduler();
		}
		rec_begin(&rec, "storm");
		rec_str(&rec, "mode", mode_names[mode]);
		rec_str(&rec, "tasks", storm_kinds[kind]);
		rec_num(&rec, "wakeups", (long)mask_weight(&topo.online) * STORM_WAKEUPS);
		rec_num(&rec, "n", s.nr);
		rec_real(&rec, "insn_middle", samples_middle(&s));
		rec_num(&rec, "insn_min", s.v[0]);
		rec_num(&rec, "insn_max", s.v[s.nr - 1]);
		rec_end(&rec);
		if (!opt.json)
			printf("%-4s storm of wake-ups, %-6s tasks: %.0f instructions each\n",
			       mode_names[mode], storm_kinds[kind], samples_middle(&s));
		samples_free(&s);
	}
}

/* --- all together -------------------------------------------------------------- */

static void describe_machine(void)
{
	struct utsname u;
	char buf[4096];

	if (uname(&u))
		die("uname: %s", strerror(errno));
	rec_begin(&rec, "pickbench");
	rec_num(&rec, "format", 1);
	rec_str(&rec, "kernel", u.release);
	rec_num(&rec, "cpus", mask_weight(&topo.online));
	rec_num(&rec, "nodes", topo.nr_cpu_nodes);
	rec_num(&rec, "smt", topo.smt);
	rec_num(&rec, "counting", counting);
	rec_num(&rec, "runner", runner);
	rec_end(&rec);
	for (int i = 0; i < topo.nr_cpu_nodes; i++) {
		int n = topo.cpu_nodes[i], at = 0;

		rec_begin(&rec, "node");
		rec_num(&rec, "id", n);
		rec_str(&rec, "cpus", mask_format(&topo.node_cpus[n], buf, sizeof(buf)));
		for (int k = 0; k < topo.nr_cpu_nodes; k++)
			at += snprintf(buf + at, sizeof(buf) - at, "%s%d", k ? "," : "",
				       topo.dist[n][topo.cpu_nodes[k]]);
		rec_str(&rec, "dist", buf);
		rec_end(&rec);
	}
	if (!opt.json)
		printf("pickbench on %s: %d CPUs, %d nodes with CPUs%s, runner CPU %d, %s\n", u.release,
		       mask_weight(&topo.online), topo.nr_cpu_nodes, topo.smt ? ", SMT" : "", runner,
		       counting ? "instructions counted" :
		       "no instruction counts (QEMU's PMU has them only under -icount)");
}

static int find_name(const char *what, const char *name, int len, const char * const *names, int n)
{
	for (int i = 0; i < n; i++)
		if ((int)strlen(names[i]) == len && !strncmp(names[i], name, len))
			return i;
	fprintf(stderr, "pickbench: unknown %s '%.*s'; one of:", what, len, name);
	for (int i = 0; i < n; i++)
		fprintf(stderr, " %s", names[i]);
	fputc('\n', stderr);
	exit(2);
}

static void parse_list(const char *what, const char *list, const char * const *names, int n, bool *set)
{
	memset(set, 0, n * sizeof(*set));
	for (;;) {
		int len = strcspn(list, ",");

		set[find_name(what, list, len, names, n)] = true;
		if (!list[len])
			return;
		list += len + 1;
	}
}

static long parse_number(const char *what, const char *s, long min, long max)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (end == s || *end || v < min || v > max)
		die("%s '%s' is not a number from %ld to %ld", what, s, min, max);
	return v;
}

static const char help[] =
	"usage: pickbench [option]...\n"
	"Shows what sched_ext's built-in idle selector picks and what a pick costs.\n"
	"\n"
	"  -m, --mode LIST    flat,node: global idle masks, per-node ones (both)\n"
	"  -t, --test LIST    drain,affinity,spread,storm (all)\n"
	"  -a, --api LIST     select,select_dfl,pick (all)\n"
	"  -V, --via LIST     syscall,wake: from a syscall program, from a wake-up (both)\n"
	"  -r, --rounds N     drains from each start CPU, triples of storms (3; 1 above\n"
	"                     32 CPUs)\n"
	"  -R, --runner CPU   the CPU the programs run on (the last one)\n"
	"  -s, --seed N       of the random affinity masks (1)\n"
	"  -o, --output FILE  write the records there, as text\n"
	"  -p, --picks        a record for every single pick, too\n"
	"  -j, --json         records as JSON on standard output, no summary\n"
	"  -v, --verbose      also what marks cost\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0, or 2 if it could not measure.  Bad picks are results.\n";

static void parse_options(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "mode", 1, NULL, 'm' }, { "test", 1, NULL, 't' }, { "api", 1, NULL, 'a' },
		{ "via", 1, NULL, 'V' }, { "rounds", 1, NULL, 'r' }, { "runner", 1, NULL, 'R' },
		{ "seed", 1, NULL, 's' }, { "output", 1, NULL, 'o' }, { "picks", 0, NULL, 'p' },
		{ "json", 0, NULL, 'j' }, { "verbose", 0, NULL, 'v' }, { "help", 0, NULL, 'h' },
		{}
	};
	static const char * const tests[] = { "drain", "affinity", "spread", "storm" };
	bool test[ARRAY_SIZE(tests)];
	int c;

	while ((c = getopt_long(argc, argv, "m:t:a:V:r:R:s:o:pjvh", longopts, NULL)) != -1) {
		switch (c) {
		case 'm':
			parse_list("mode", optarg, mode_names, 2, opt.mode);
			break;
		case 't':
			parse_list("test", optarg, tests, ARRAY_SIZE(tests), test);
			opt.drain = test[0];
			opt.affinity = test[1];
			opt.spread = test[2];
			opt.storm = test[3];
			break;
		case 'a':
			parse_list("API", optarg, api_names, PB_NR_APIS, opt.api);
			break;
		case 'V':
			parse_list("way", optarg, via_names, 2, opt.via);
			break;
		case 'r':
			opt.rounds = parse_number("--rounds", optarg, 1, 10000);
			break;
		case 'R':
			opt.runner = parse_number("--runner", optarg, 0, PB_MAX_CPUS - 1);
			break;
		case 's':
			opt.seed = parse_number("--seed", optarg, 0, 1L << 62);
			break;
		case 'o':
			opt.out = optarg;
			break;
		case 'p':
			opt.picks = true;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs(help, stderr);
			exit(2);
		}
	}
	if (optind < argc)
		die("unexpected argument '%s'; see --help", argv[optind]);
}

static void run_mode(int m)
{
	attach(m);
	run_on(runner);
	release_all();
	for (int via = SYSCALL; via <= WAKE; via++) {
		if (!opt.via[via])
			continue;
		/* Every count is less these. */
		if (counting)
			measure_marks(via);
		if (opt.drain)
			phase_drain(via);
		if (opt.affinity)
			phase_affinity(via);
		if (opt.spread)
			phase_spread(via);
	}
	if (opt.storm && counting)
		phase_storm();
	detach();
}

int main(int argc, char **argv)
{
	char err[256];

	parse_options(argc, argv);
	if (topo_read(&topo, "/sys", err, sizeof(err)))
		die("%s", err);
	runner = opt.runner >= 0 ? opt.runner : topo.nr_cpus - 1;
	if (!mask_test(&topo.online, runner))
		die("CPU %d, asked for with --runner, is not online", runner);
	if (!opt.rounds)
		opt.rounds = topo.nr_cpus > BIG ? 1 : 3;
	if (mask_weight(&topo.online) < 2)
		die("a single CPU: there is nothing to pick from");

	if (opt.out) {
		rec.text = fopen(opt.out, "w");
		if (!rec.text)
			die("cannot write %s: %s", opt.out, strerror(errno));
	}
	if (opt.json)
		rec.json = stdout;

	memset(counter_fd, -1, sizeof(counter_fd));
	counter_fd[runner] = open_counter(runner);
	counting = counter_fd[runner] >= 0;

	describe_machine();
	start_helper();
	while (!helper_sleeps())
		usleep(500);
	for (int m = FLAT; m <= NODE; m++)
		if (opt.mode[m])
			run_mode(m);

	if (rec_finish(&rec))
		die("cannot write the results: %s", strerror(errno));
	kill(helper, SIGKILL);
	waitpid(helper, NULL, 0);
	return 0;
}
