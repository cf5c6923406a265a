// SPDX-License-Identifier: GPL-2.0
/*
 * numa_place: how fast, and at what cost, NUMA balancing brings misplaced memory to
 * its user.
 *
 * Puts memory on a node far from a CPU, uses it from there and looks again and again
 * how much of it is local by then. What the kernel spends meanwhile is counted in
 * instructions, where the machine has a counter for them; looking is not counted. With
 * a label the accesses themselves are marked, too, for the plugin that counts them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "numa_place"
#include "common.h"
#include "mark.h"

#define LOOK_PAGES	4096	/* asked of at once */
#define MAX_THREADS	64
#define REGION		1	/* of the access accounting plugin: what is done after all steps, */
#define STEPS		2	/* and each step */

enum pattern { RANDOM, SEQUENTIAL };

static struct {
	size_t bytes;
	int from;		/* -1: the farthest node that has memory */
	int cpu;
	bool huge;
	enum pattern pattern;
	unsigned long accesses;
	unsigned long step;
	double until;		/* percent, more than 100: never */
	unsigned long after;	/* accesses after that, marked for the plugin */
	unsigned int threads;
	const char *label;
	bool roam;
	int drive;		/* -1: nowhere */
	unsigned int sleep;	/* microseconds */
	bool fifo;
	bool json;
} opt = {
	.bytes = 64UL << 20,
	.from = -1,
	.accesses = 200000000,
	.step = 1000000,
	.until = 100,
	.threads = 1,
	.drive = -1,
};

static const char * const vmstat_names[] = {
	"numa_hint_faults", "numa_pte_updates", "numa_pages_migrated",
	"mem_samples", "mem_samples_dropped", "numa_sample_stale",
};
enum { HINT_FAULTS, PTE_UPDATES, MIGRATED, SAMPLES, DROPPED, STALE, NR_VMSTAT };

struct state {
	unsigned long accesses;
	unsigned int node;		/* where it is used */
	double seconds;
	double local;			/* percent */
	long long user, kernel;		/* instructions, -1: not known */
	unsigned long long vm[NR_VMSTAT];
};

/* --- nodes ------------------------------------------------------------------ */

static unsigned int this_node(void)
{
	unsigned int node;

	if (syscall(SYS_getcpu, NULL, &node, NULL))
		die("getcpu: %s", strerror(errno));
	return node;
}

static unsigned int farthest_from(unsigned int node)
{
	unsigned int d, n = 0, best = node, best_distance = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/distance", node);
	f = fopen(path, "r");
	if (!f)
		die("%s: %s; the kernel needs CONFIG_NUMA", path, strerror(errno));
	/* In the order of the nodes that are online, which here have no gaps. */
	for (n = 0; fscanf(f, "%u", &d) == 1; n++) {
		if (d > best_distance && has_memory(n)) {
			best = n;
			best_distance = d;
		}
	}
	fclose(f);
	return best;
}

static double local_percent(char *memory, int node)
{
	static void *pages[LOOK_PAGES];
	static int nodes[LOOK_PAGES];
	size_t page = getpagesize(), total = opt.bytes / page, done, local = 0;

	for (done = 0; done < total; done += LOOK_PAGES) {
		size_t i, nr = total - done < LOOK_PAGES ? total - done : LOOK_PAGES;

		for (i = 0; i < nr; i++)
			pages[i] = memory + (done + i) * page;
		if (syscall(SYS_move_pages, 0, nr, pages, NULL, nodes, 0))
			die("move_pages: %s", strerror(errno));
		for (i = 0; i < nr; i++)
			local += nodes[i] == node;
	}
	return 100.0 * local / total;
}

/* --- counters --------------------------------------------------------------- */

static int user_fd = -1, kernel_fd = -1;

static int count_instructions(bool kernel)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.inherit = 1,
		.exclude_user = kernel,
		.exclude_kernel = !kernel,
		.exclude_hv = !kernel,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void counting(bool on)
{
	unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;

	if (user_fd >= 0)
		ioctl(user_fd, request, 0);
	if (kernel_fd >= 0)
		ioctl(kernel_fd, request, 0);
}

static long long counted(int fd)
{
	long long n;

	return fd >= 0 && read(fd, &n, sizeof(n)) == sizeof(n) ? n : -1;
}

static void read_vmstat(unsigned long long *vm)
{
	char line[128], name[64];
	unsigned long long n;
	FILE *f = fopen("/proc/vmstat", "r");
	size_t i;

	if (!f)
		die("/proc/vmstat: %s", strerror(errno));
	memset(vm, 0, NR_VMSTAT * sizeof(*vm));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %llu", name, &n) != 2)
			continue;
		for (i = 0; i < NR_VMSTAT; i++)
			if (!strcmp(name, vmstat_names[i]))
				vm[i] = n;
	}
	fclose(f);
}

/* --- the work --------------------------------------------------------------- */

/* Where a thread has got to. */
struct walk {
	uint64_t x, line;
};

/* A load and a store of one word, each time in another cache line. */
static __attribute__((noipa)) void work(struct walk *w, char *memory, unsigned long accesses)
{
	uint64_t x = w->x, line = w->line, lines = opt.bytes / 64;
	unsigned long i;

	for (i = 0; i < accesses; i++) {
		volatile uint64_t *word;

		if (opt.pattern == RANDOM) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			line = x % lines;
		} else {
			line = line + 1 < lines ? line + 1 : 0;
		}
		word = (volatile uint64_t *)(memory + line * 64);
		*word = *word + 1;
	}
	w->x = x;
	w->line = line;
}

/* Threads share the memory and the work, each on a CPU of its own. */
struct helper {
	pthread_t thread;
	char *memory;
	unsigned int nr;
};

static pthread_barrier_t barrier;

static void run_anywhere(void)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("all CPUs: %s", strerror(errno));
}

static struct walk begin_walk(unsigned int nr)
{
	return (struct walk){
		.x = 88172645463325252 + 2654435761 * nr,
		.line = opt.bytes / 64 / opt.threads * nr,
	};
}

static void *help(void *arg)
{
	struct helper *h = arg;
	struct walk w = begin_walk(h->nr);

	pin(opt.cpu + h->nr);
	for (;;) {
		pthread_barrier_wait(&barrier);
		work(&w, h->memory, opt.step / opt.threads);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void start_helpers(char *memory)
{
	static struct helper helpers[MAX_THREADS];
	unsigned int i;
	int err;

	pthread_barrier_init(&barrier, NULL, opt.threads);
	for (i = 1; i < opt.threads; i++) {
		helpers[i] = (struct helper){ .memory = memory, .nr = i };
		err = pthread_create(&helpers[i].thread, NULL, help, &helpers[i]);
		if (err)
			die("thread %u: %s", i, strerror(err));
	}
}

/* With a hundred pauses, if it is to sleep. */
static void work_step(struct walk *w, char *memory)
{
	int i;

	if (!opt.sleep) {
		work(w, memory, opt.step / opt.threads);
		return;
	}
	for (i = 0; i < 100; i++) {
		work(w, memory, opt.step / 100);
		usleep(opt.sleep);
	}
}

static void step(struct walk *w, char *memory)
{
	if (opt.label)
		acc_begin(STEPS);
	if (opt.threads > 1)
		pthread_barrier_wait(&barrier);
	work_step(w, memory);
	if (opt.threads > 1)
		pthread_barrier_wait(&barrier);
	if (opt.label)
		acc_end(STEPS);
}

/* What is done in the end bears the label with a "+". */
static void name_regions(void)
{
	char end[ACC_NAME_MAX];

	if (!opt.label)
		return;
	snprintf(end, sizeof(end), "%s+", opt.label);
	if (!acc_name(STEPS, opt.label) || !acc_name(REGION, end))
		die("the label: %s", strerror(errno));
}

static void print_head(unsigned int node, int from)
{
	if (opt.json) {
		printf("{\"memory_mb\":%zu,\"from\":%d,\"to\":%u,\"threads\":%u,\"pages\":\"%s\",\"pattern\":\"%s\",\"rows\":[",
		       opt.bytes >> 20, from, node, opt.threads, opt.huge ? "huge" : "base",
		       opt.pattern == RANDOM ? "random" : "sequential");
		return;
	}
	printf("%zu MB in %s pages on node %d, used %s from node %u\n", opt.bytes >> 20,
	       opt.huge ? "huge" : "base", from,
	       opt.pattern == RANDOM ? "at random" : "in sequence", node);
	printf("%10s %9s %7s %12s %12s %10s %10s %10s %8s%s\n", "accesses", "seconds", "local %",
	       "user insns", "kernel insns", "faults", "samples", "migrated", "dropped",
	       opt.roam ? " node" : "");
}

static void print_row(const struct state *s, bool first)
{
	if (opt.json) {
		printf("%s{\"accesses\":%lu,\"seconds\":%.4f,\"node\":%u,\"local\":%.2f,\"user\":%lld,\"kernel\":%lld",
		       first ? "" : ",", s->accesses, s->seconds, s->node, s->local, s->user, s->kernel);
		for (size_t i = 0; i < NR_VMSTAT; i++)
			printf(",\"%s\":%llu", vmstat_names[i], s->vm[i]);
		printf("}");
	} else {
		printf("%10lu %9.3f %7.2f %12lld %12lld %10llu %10llu %10llu %8llu", s->accesses,
		       s->seconds, s->local, s->user, s->kernel, s->vm[HINT_FAULTS],
		       s->vm[SAMPLES], s->vm[MIGRATED], s->vm[DROPPED]);
		if (opt.roam)
			printf(" %4u", s->node);
		printf("\n");
	}
	fflush(stdout);
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: numa_place [options]\n"
		"Puts memory on a far node, uses it and shows how it comes near.\n\n"
		"  --memory MB        how much (64)\n"
		"  --from NODE        where it is at first (the farthest)\n"
		"  --cpu CPU          where it is used (0)\n"
		"  --pages base|huge  in pages of which size (base)\n"
		"  --pattern random|sequential  in which order it is used (random)\n"
		"  --accesses N       stop after so many accesses (200000000)\n"
		"  --step N           accesses between two looks (1000000)\n"
		"  --until PERCENT    stop when so much is local (100); 0: never\n"
		"  --after N          then access N times more, counted by the plugin\n"
		"                     \"accesses\" as region %d\n"
		"  --threads N        so many threads, on CPUs that follow each other, do it\n"
		"                     together (1)\n"
		"  --label NAME       the plugin counts each step as a region of that name, and\n"
		"                     what --after says as NAME+\n"
		"  --roam             may go to other CPUs once the memory is there; shows the node\n"
		"  --sleep US         sleep so long a hundred times in each step\n"
		"  --drive NODE       with --roam: when --until is reached, use the memory from NODE\n"
		"                     for a tenth of a step, then go where the scheduler likes for 30 more\n"
		"  --fifo             as a real-time task\n"
		"  --json             for programs\n", REGION);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "from", required_argument, NULL, 'f' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "pages", required_argument, NULL, 'p' },
		{ "pattern", required_argument, NULL, 'o' },
		{ "accesses", required_argument, NULL, 'a' },
		{ "step", required_argument, NULL, 's' },
		{ "until", required_argument, NULL, 'u' },
		{ "after", required_argument, NULL, 'A' },
		{ "threads", required_argument, NULL, 't' },
		{ "label", required_argument, NULL, 'l' },
		{ "roam", no_argument, NULL, 'r' },
		{ "sleep", required_argument, NULL, 'S' },
		{ "drive", required_argument, NULL, 'd' },
		{ "fifo", no_argument, NULL, 'F' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			opt.bytes = number(optarg, "--memory", 2, 1UL << 20) << 20;
			opt.bytes &= ~(HUGE - 1);
			break;
		case 'f':
			opt.from = number(optarg, "--from", 0, MAX_NODES - 1);
			break;
		case 'c':
			opt.cpu = number(optarg, "--cpu", 0, CPU_SETSIZE - 1);
			break;
		case 'p':
			if (strcmp(optarg, "base") && strcmp(optarg, "huge"))
				die("--pages %s: base or huge", optarg);
			opt.huge = !strcmp(optarg, "huge");
			break;
		case 'o':
			if (strcmp(optarg, "random") && strcmp(optarg, "sequential"))
				die("--pattern %s: random or sequential", optarg);
			opt.pattern = strcmp(optarg, "random") ? SEQUENTIAL : RANDOM;
			break;
		case 'a':
			opt.accesses = number(optarg, "--accesses", 1, 1UL << 40);
			break;
		case 's':
			opt.step = number(optarg, "--step", 1, 1UL << 40);
			break;
		case 'u':
			opt.until = number(optarg, "--until", 0, 100);
			if (!opt.until)
				opt.until = 101;
			break;
		case 'A':
			opt.after = number(optarg, "--after", 1, 1UL << 40);
			break;
		case 't':
			opt.threads = number(optarg, "--threads", 1, MAX_THREADS);
			break;
		case 'l':
			if (strlen(optarg) >= ACC_NAME_MAX - 1 || strpbrk(optarg, "\"\\"))
				die("--label %s: at most %d characters, no quotes", optarg, ACC_NAME_MAX - 2);
			opt.label = optarg;
			break;
		case 'r':
			opt.roam = true;
			break;
		case 'S':
			opt.sleep = number(optarg, "--sleep", 1, 1000000);
			break;
		case 'd':
			opt.drive = number(optarg, "--drive", 0, MAX_NODES - 1);
			break;
		case 'F':
			opt.fifo = true;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc)
		die("what is \"%s\"? numa_place --help tells the options", argv[optind]);
	if (opt.drive >= 0 && !opt.roam)
		die("--drive: without --roam it stays where it is");
	if (opt.threads > 1 && (opt.roam || opt.sleep))
		die("--threads: not together with --roam or --sleep");
	if (opt.step < opt.threads)
		die("--step %lu: less than an access for each of %u threads", opt.step, opt.threads);
}

static char *get_memory(int from)
{
	char *memory = mmap(NULL, opt.bytes + HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("%zu MB of memory: %s", opt.bytes >> 20, strerror(errno));
	memory = (char *)(((uintptr_t)memory + HUGE - 1) & ~(HUGE - 1));
	if (madvise(memory, opt.bytes, opt.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && opt.huge)
		die("huge pages: %s", strerror(errno));
	set_policy(POLICY_BIND, from);
	memset(memory, 1, opt.bytes);
	set_policy(POLICY_DEFAULT, -1);
	return memory;
}

static unsigned long long vm_before[NR_VMSTAT];
static double start, looking;

static void take_step(struct walk *w, char *memory, struct state *s)
{
	double t;
	size_t i;

	counting(true);
	step(w, memory);
	counting(false);
	t = now();
	s->accesses += opt.step;
	s->seconds = t - start - looking;
	s->node = this_node();
	s->local = local_percent(memory, s->node);
	s->user = counted(user_fd);
	s->kernel = counted(kernel_fd);
	read_vmstat(s->vm);
	for (i = 0; i < NR_VMSTAT; i++)
		s->vm[i] -= vm_before[i];
	print_row(s, false);
	looking += now() - t;
}

/* From elsewhere for a moment: does the task go back or does its memory come? */
static void drive_away(struct walk *w, char *memory, struct state *s)
{
	unsigned long whole = opt.step;
	int cpu = cpu_of_node(opt.drive, 0);
	int i;

	if (cpu < 0)
		die("--drive %d: that node has no CPU", opt.drive);
	pin(cpu);
	opt.step = whole > 10 ? whole / 10 : 1;
	take_step(w, memory, s);
	opt.step = whole;
	run_anywhere();
	for (i = 0; i < 30; i++)
		take_step(w, memory, s);
}

int main(int argc, char **argv)
{
	struct state s = { 0 }, at90 = { 0 }, settled;
	struct walk w;
	char *memory;
	int from;

	parse(argc, argv);
	pin(opt.cpu);
	if (opt.fifo && sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }))
		die("--fifo: %s", strerror(errno));
	s.node = this_node();
	from = opt.from >= 0 ? opt.from : (int)farthest_from(s.node);
	memory = get_memory(from);
	user_fd = count_instructions(false);
	kernel_fd = count_instructions(true);
	name_regions();
	w = begin_walk(0);
	start_helpers(memory);

	print_head(s.node, from);
	s.local = local_percent(memory, s.node);
	read_vmstat(vm_before);
	print_row(&s, true);
	if (opt.roam)
		run_anywhere();
	start = now();
	while (s.accesses < opt.accesses && s.local < opt.until) {
		take_step(&w, memory, &s);
		if (!at90.accesses && s.local >= 90)
			at90 = s;
	}
	settled = s;
	if (opt.drive >= 0)
		drive_away(&w, memory, &s);
	if (opt.after) {
		acc_begin(REGION);
		work(&w, memory, opt.after);
		acc_end(REGION);
	}
	if (opt.json)
		printf("],\"accesses_to_90\":%lu,\"seconds_to_90\":%.4f}\n", at90.accesses, at90.seconds);
	else if (at90.accesses)
		printf("90 %% local after %lu accesses, %.3f s\n", at90.accesses, at90.seconds);
	else
		printf("90 %% local: not reached\n");
	if (opt.drive >= 0 && !opt.json)
		printf("driven from node %u to node %d: ended on node %u, %.2f %% local, %llu pages migrated\n",
		       settled.node, opt.drive, s.node, s.local, s.vm[MIGRATED] - settled.vm[MIGRATED]);
	return 0;
}
