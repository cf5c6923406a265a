// SPDX-License-Identifier: GPL-2.0
/*
 * mem_attrib: is each sample of a memory access credited to the task that did it?
 *
 * Processes and threads take turns on the same few CPUs, fork, exec, exit and move
 * between these CPUs, with so few PIDs that each is used again and again. Each of
 * their lives, from fork or exec to exit or exec, has a range of addresses that none
 * ever had before; half of its pages are only read, half only written. Each trace
 * event mem_sample of an address in these ranges then must be of the PID that has
 * the range, between the start of that life and that of the next one with that PID,
 * and a load or store as the page has it.
 *
 * Exits with 1 if one is not, or if there were too few.
 */
#define _GNU_SOURCE
#define PROGRAM "mem_attrib"
#include "common.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MAX_LIVES	(1U << 20)
#define MAX_PIDS	(1U << 16)
#define RANGES		(1UL << 40)	/* where they begin */
#define RANGE		(1UL << 20)	/* from one to the next */
#define PAIRS		8		/* of pages in a range: one is read, one written */
#define SHARED_FD	100
#define FEW_PIDS	"420"		/* the first 300 are not used again */
#define STATS		"/sys/kernel/debug/arm_spe_mem_sampling"
#define TRACE		"/sys/kernel/tracing/instances/mem_attrib/"
#define MAX_TOLD	10		/* mistakes */

struct life {
	uint32_t pid;
	uint64_t start;
	uint64_t end;			/* the start of the next one with this PID, or 0 */
};

static struct shared {
	bool stop, lie;
	unsigned int cpus;
	uint32_t begun;			/* lives */
	uint32_t latest[MAX_PIDS];	/* life of a PID, plus one */
	unsigned long forks, execs, threads, moves, reused, namespaces;
	struct life lives[MAX_LIVES];
} *shared;

static struct {
	unsigned long samples;
	unsigned int processes, cpus, seconds;
	unsigned long period;
	bool no_numa, flip, lie, json;
} opt = {
	.samples = 50000,
	.processes = 8,
	.cpus = 2,
	.seconds = 600,
	.period = 1024,
};

static size_t page;

#define COUNT(what)	__atomic_fetch_add(&shared->what, 1, __ATOMIC_RELAXED)

/* --- lives ------------------------------------------------------------------ */

/* As tracing sees it: not what a PID namespace makes of it. */
static uint32_t my_pid(void)
{
	char link[64];
	ssize_t n = readlink("/proc/thread-self", link, sizeof(link) - 1);

	if (n <= 0)
		die("/proc/thread-self: %s", strerror(errno));
	link[n] = 0;
	return strtoul(strrchr(link, '/') + 1, NULL, 10);
}

static char *begin_life(void)
{
	uint32_t l, pid = my_pid(), before;
	struct life *life;
	char *memory;

	l = __atomic_fetch_add(&shared->begun, 1, __ATOMIC_SEQ_CST);
	if (l >= MAX_LIVES || pid >= MAX_PIDS)
		die("life %u, PID %u: there is no room for so many", l, pid);
	life = &shared->lives[l];
	life->start = now_ns();
	start_dice(life->start * 64 + pid);
	__atomic_store_n(&life->pid, pid, __ATOMIC_RELEASE);
	before = __atomic_exchange_n(&shared->latest[pid], l + 1, __ATOMIC_SEQ_CST);
	if (before) {
		COUNT(reused);
		__atomic_store_n(&shared->lives[before - 1].end, life->start, __ATOMIC_RELEASE);
	}
	if (shared->lie && l % 4 == 3)
		l--;
	memory = mmap((void *)(RANGES + l * RANGE), PAIRS * 2 * page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (memory == MAP_FAILED)
		die("memory: %s", strerror(errno));
	return memory;
}

/* Loads of even pages, stores to odd ones. */
static __attribute__((noipa)) void touch(char *memory, size_t odd, unsigned int times)
{
	unsigned int line;

	while (times--) {
		char *read = memory, *written = memory + odd;

		for (line = 0; line < 64; line += 4) {
			(void)*(volatile uint64_t *)(read + line * 64);
			*(volatile uint64_t *)(written + line * 64) = line;
			(void)*(volatile uint32_t *)(read + line * 64 + 64);
			*(volatile uint32_t *)(written + line * 64 + 64) = line;
			(void)*(volatile uint16_t *)(read + line * 64 + 128);
			*(volatile uint16_t *)(written + line * 64 + 128) = line;
		}
	}
}

static void rest(void)
{
	switch (below(20)) {
	case 0 ... 9:
		sched_yield();
		break;
	case 10 ... 13:
		usleep(20 + below(300));
		break;
	case 14:
		if (try_pin(below(shared->cpus)))
			COUNT(moves);
		break;
	}
}

static void live(char *memory)
{
	unsigned int bursts;

	/* Some are over before they have run long enough to be of interest. */
	bursts = one_in(4) ? below(5) : 10 + below(60);
	while (bursts-- && !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		touch(memory + 2 * page * below(PAIRS), page, 4 + below(60));
		rest();
	}
}

static void exec_again(void)
{
	execl("/proc/self/exe", PROGRAM, "--live", NULL);
	die("exec: %s", strerror(errno));
}

static void *thread(void *arg)
{
	COUNT(threads);
	live(begin_life());
	/* of the whole process, whose other threads go down in mid-work */
	if (arg && one_in(3)) {
		COUNT(execs);
		exec_again();
	}
	return NULL;
}

static __attribute__((noreturn)) void process(unsigned int depth)
{
	char *memory = begin_life();
	pthread_t threads[2];
	unsigned int i;
	pid_t pid;

	for (;;) {
		live(memory);
		if (__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
			_exit(0);
		switch (below(4)) {
		case 0:
			_exit(0);
		case 1:
			COUNT(execs);
			exec_again();
			break;
		case 2:
			/* It has this one's memory at the same addresses, and leaves it alone. */
			pid = depth < 2 ? fork() : -1;
			if (!pid) {
				COUNT(forks);
				process(depth + 1);
			}
			live(memory);
			if (pid > 0)
				waitpid(pid, NULL, 0);
			break;
		case 3:
			for (i = 0; i < ARRAY_SIZE(threads); i++)
				if (pthread_create(&threads[i], NULL, thread, i ? shared : NULL))
					break;
			live(memory);
			while (i--)
				pthread_join(threads[i], NULL);
			break;
		}
	}
}

static pid_t start_process(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;	/* no PID for it: next time */
	COUNT(forks);
	start_dice(now_ns() * 64 + getpid());
	try_pin(below(shared->cpus));
	if (one_in(4) && !unshare(CLONE_NEWPID)) {
		COUNT(namespaces);
		pid = fork();
		if (pid > 0) {
			waitpid(pid, NULL, 0);
			_exit(0);
		}
		if (pid < 0)
			_exit(0);
	}
	process(0);
}

/* --- trace events ----------------------------------------------------------- */

static struct {
	unsigned int id, addr, flags;	/* of mem_sample: where in the event */
} format;

static struct {
	unsigned long checked, others, missed, wrong_task, wrong_time, wrong_kind, nobodys;
} seen;

static unsigned long wrong(void)
{
	return seen.wrong_task + seen.wrong_time + seen.wrong_kind + seen.nobodys;
}

static void read_format(void)
{
	const char *path = "/sys/kernel/tracing/events/mem_sampling/mem_sample/format";
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f)
		die("%s: %s; this takes root, tracefs and a kernel with CONFIG_MEM_SAMPLING", path,
		    strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "ID: %u", &format.id);
		sscanf(line, " field:u64 addr; offset:%u", &format.addr);
		sscanf(line, " field:u16 flags; offset:%u", &format.flags);
	}
	fclose(f);
	if (!format.id || !format.addr || !format.flags)
		die("%s is not what it was when this was written", path);
}

static void tell(const char *what, uint64_t time, uint32_t pid, uint64_t addr, unsigned int flags,
		 const struct life *life)
{
	if (wrong() > MAX_TOLD)
		return;
	fprintf(stderr, PROGRAM ": %s: %llu PID %u address 0x%llx flags 0x%x", what,
		(unsigned long long)time, pid, (unsigned long long)addr, flags);
	if (life)
		fprintf(stderr, ", which is of PID %u from %llu to %llu", life->pid,
			(unsigned long long)life->start, (unsigned long long)life->end);
	fputc('\n', stderr);
}

static void check_sample(uint64_t time, uint32_t pid, uint64_t addr, unsigned int flags)
{
	uint64_t l = (addr - RANGES) / RANGE;
	const struct life *life;
	uint64_t end;

	if (addr < RANGES || l >= MAX_LIVES) {
		seen.others++;	/* code, data, stacks, other programs */
		return;
	}
	seen.checked++;
	life = &shared->lives[l];
	end = __atomic_load_n(&life->end, __ATOMIC_ACQUIRE);
	if (!life->pid || addr % RANGE >= PAIRS * 2 * page) {
		seen.nobodys++;
		tell("nobody's address", time, pid, addr, flags, NULL);
	} else if (pid != life->pid) {
		seen.wrong_task++;
		tell("wrong task", time, pid, addr, flags, life);
	} else if (time < life->start || (end && time >= end)) {
		seen.wrong_time++;
		tell("not in its life", time, pid, addr, flags, life);
	} else if ((flags & 3) != (addr / page % 2 ? 2 : 1)) {
		seen.wrong_kind++;
		tell("loads are of even pages, stores of odd ones", time, pid, addr, flags, life);
	}
}

static uint64_t field(const unsigned char *data, unsigned int offset, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, data + offset, size);
	return value;
}

/* A page of the ring buffer: Documentation/trace/ring-buffer-map.rst and <linux/ring_buffer.h> */
static void check_page(const unsigned char *data, size_t bytes)
{
	uint64_t time = field(data, 0, 8), commit = field(data, 8, 8);
	size_t at = 16, end = at + (commit & 0xfffff);

	seen.missed += commit >> 31 & 1;
	if (end > bytes)
		end = bytes;
	while (at + 4 <= end) {
		uint32_t head = field(data, at, 4), kind = head & 31, delta = head >> 5;
		uint32_t first = at + 8 <= end ? field(data, at + 4, 4) : 0, size;
		const unsigned char *event = data + at + 4;

		switch (kind) {
		case 29:	/* padding */
			if (!delta)
				return;
			at += 4 + first;
			time += delta;
			continue;
		case 30:	/* more of the time */
			time += delta + ((uint64_t)first << 27);
			at += 8;
			continue;
		case 31:	/* all of it */
			time = (time & ~((1ULL << 59) - 1)) | (delta + ((uint64_t)first << 27));
			at += 8;
			continue;
		case 0:
			size = first;
			event += 4;
			at += 4 + size;
			break;
		default:
			size = kind * 4;
			at += 4 + size;
		}
		time += delta;
		if (at <= end && field(event, 0, 2) == format.id)
			check_sample(time, field(event, 4, 4), field(event, format.addr, 8),
				     field(event, format.flags, 2));
	}
}

static int buffers[MAX_CPUS], nr_buffers;

static void open_buffers(void)
{
	char path[128];

	for (nr_buffers = 0; nr_buffers < MAX_CPUS; nr_buffers++) {
		snprintf(path, sizeof(path), TRACE "per_cpu/cpu%d/trace_pipe_raw", nr_buffers);
		buffers[nr_buffers] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (buffers[nr_buffers] < 0)
			break;
	}
	if (!nr_buffers)
		die("%s: %s", path, strerror(errno));
}

static bool check_buffers(void)
{
	static unsigned char data[65536];
	bool any = false;
	ssize_t n;
	int i;

	for (i = 0; i < nr_buffers; i++) {
		while ((n = read(buffers[i], data, page)) > 16) {
			check_page(data, n);
			any = true;
		}
	}
	return any;
}

/* --- the whole -------------------------------------------------------------- */

static pid_t master;
static long long foreign_before;	/* records that had another task's context */
static char pid_max[32], period_start[32], period_min[32];

static void save(const char *path, char *text, size_t size)
{
	snprintf(text, size, "%lld", read_number(path, NULL));
}

static void restore(void)
{
	if (getpid() != master)
		return;
	write_file(SYSCTL "pid_max", pid_max);
	write_file(SYSCTL "mem_sampling_enable", "0");
	write_file(DEBUGFS "period_min", period_min);
	write_file(DEBUGFS "period_start", period_start);
	rmdir(TRACE);
}

static void set_up(void)
{
	char text[32];
	int fd;

	fd = memfd_create(PROGRAM, 0);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)) || dup2(fd, SHARED_FD) < 0)
		die("shared memory: %s", strerror(errno));
	close(fd);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	if (shared == MAP_FAILED)
		die("shared memory: %s", strerror(errno));
	shared->cpus = opt.cpus;
	shared->lie = opt.lie;

	read_format();
	master = getpid();
	save(SYSCTL "pid_max", pid_max, sizeof(pid_max));
	save(DEBUGFS "period_start", period_start, sizeof(period_start));
	save(DEBUGFS "period_min", period_min, sizeof(period_min));
	atexit(restore);

	if (mkdir(TRACE, 0700) && errno != EEXIST)
		die(TRACE ": %s", strerror(errno));
	must_write(TRACE "trace_clock", "mono");
	must_write(TRACE "buffer_size_kb", "2048");
	open_buffers();
	must_write(TRACE "events/mem_sampling/mem_sample/enable", "1");

	snprintf(text, sizeof(text), "%lu", opt.period);
	must_write(DEBUGFS "period_min", text);
	must_write(DEBUGFS "period_start", text);
	must_write(SYSCTL "mem_sampling_enable", "0");
	/* Not only what misses a cache; of the next to be enabled. */
	write_file("/sys/module/arm_spe_mem_sampling/parameters/filter", "all");
	must_write(SYSCTL "numa_balancing", "1");
	must_write(SYSCTL "mem_sampling_enable", "1");
	if (!opt.no_numa)
		must_write(SYSCTL "numa_balancing_mem_sampling", "1");
	foreign_before = read_number(STATS, "other_task");
	must_write(SYSCTL "pid_max", FEW_PIDS);
}

static bool report(double seconds, bool crashed)
{
	long long foreign = read_number(STATS, "other_task") - foreign_before;
	const struct { const char *name; unsigned long n; } rows[] = {
		{ "checked", seen.checked }, { "wrong_task", seen.wrong_task },
		{ "wrong_time", seen.wrong_time }, { "wrong_kind", seen.wrong_kind },
		{ "nobodys", seen.nobodys }, { "others", seen.others },
		{ "foreign", foreign }, { "gaps_in_trace", seen.missed }, { "lives", shared->begun },
		{ "pids_used_again", shared->reused }, { "forks", shared->forks },
		{ "execs", shared->execs }, { "threads", shared->threads },
		{ "moves", shared->moves }, { "pid_namespaces", shared->namespaces },
	};
	bool ok = !wrong() && !crashed;
	size_t i;

	if (wrong())
		fprintf(stderr, PROGRAM ": %lu samples are credited wrongly\n", wrong());
	/*
	 * The buffer is emptied before each switch, so that there is nothing of the task
	 * before. A thread that execs gets its leader's PID, but the CPU has it only after
	 * the next switch.
	 */
	if (foreign * 100 > (long long)seen.checked) {
		fprintf(stderr, PROGRAM ": %lld records had another task's context\n", foreign);
		ok = false;
	}
	if (seen.checked < opt.samples) {
		fprintf(stderr, PROGRAM ": %lu samples of %lu after %.0f s\n", seen.checked,
			opt.samples, seconds);
		ok = false;
	}
	if (!shared->reused || !shared->forks || !shared->execs || !shared->threads ||
	    (opt.cpus > 1 && !shared->moves)) {
		fprintf(stderr, PROGRAM ": too little happened\n");
		ok = false;
	}
	printf(opt.json ? "{" : "%u processes on %u CPUs, %.0f s:", opt.processes, opt.cpus, seconds);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		printf(opt.json ? "\"%s\":%lu," : " %s %lu", rows[i].name, rows[i].n);
	printf(opt.json ? "\"ok\":%s}\n" : " %s\n", opt.json ? (ok ? "true" : "false") :
							       (ok ? "ok" : "NOT ok"));
	return ok;
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: mem_attrib [options]\n"
		"Checks that each sampled memory access is credited to the task that did it.\n\n"
		"  --samples N     so many are checked (50000)\n"
		"  --processes N   that live at the same time (8)\n"
		"  --cpus N        on which they take turns (2)\n"
		"  --seconds N     give up after that (600)\n"
		"  --period N      operations from one sample to the next (1024)\n"
		"  --no-numa       trace only, without NUMA balancing by samples\n"
		"  --flip          sampling is switched off and on all the time\n"
		"  --lie           processes use each other's ranges: must be noticed\n"
		"  --json          for programs\n");
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "samples", required_argument, NULL, 's' },
		{ "processes", required_argument, NULL, 'p' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "period", required_argument, NULL, 'P' },
		{ "no-numa", no_argument, NULL, 'n' },
		{ "flip", no_argument, NULL, 'f' },
		{ "lie", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's': opt.samples = number(optarg, "--samples", 1, 1UL << 40); break;
		case 'p': opt.processes = number(optarg, "--processes", 2, 64); break;
		case 'c': opt.cpus = number(optarg, "--cpus", 1, sysconf(_SC_NPROCESSORS_ONLN)); break;
		case 't': opt.seconds = number(optarg, "--seconds", 1, 1000000); break;
		case 'P': opt.period = number(optarg, "--period", 16, 1U << 30); break;
		case 'n': opt.no_numa = true; break;
		case 'f': opt.flip = true; break;
		case 'l': opt.lie = true; break;
		case 'j': opt.json = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (optind < argc)
		die("what is \"%s\"? mem_attrib --help tells the options", argv[optind]);
}

int main(int argc, char **argv)
{
	unsigned int alive = 0;
	bool crashed = false;
	double start, flipped = 0;
	int status;
	pid_t pid;

	page = getpagesize();
	if (argc == 2 && !strcmp(argv[1], "--live")) {
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
		if (shared == MAP_FAILED)
			die("--live is for itself only");
		process(1);
	}
	parse(argc, argv);
	set_up();
	if (opt.cpus < sysconf(_SC_NPROCESSORS_ONLN))
		try_pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
	start = now();
	while (seen.checked < opt.samples && now() < start + opt.seconds && !crashed &&
	       shared->begun < MAX_LIVES - 1000) {
		if (alive < opt.processes && start_process() > 0)
			alive++;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			alive--;
			if (status) {
				fprintf(stderr, PROGRAM ": a process ended with status 0x%x\n", status);
				crashed = true;
			}
		}
		if (!check_buffers())
			usleep(2000);
		if (opt.flip && now() > flipped + 0.1) {
			must_write(SYSCTL "mem_sampling_enable", "0");
			must_write(SYSCTL "mem_sampling_enable", "1");
			flipped = now();
		}
	}
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	while (alive && waitpid(-1, &status, 0) > 0) {
		alive--;
		crashed |= status != 0;
	}
	must_write(TRACE "events/mem_sampling/mem_sample/enable", "0");
	check_buffers();
	while (nr_buffers)
		close(buffers[--nr_buffers]);
	return !report(now() - start, crashed);
}
