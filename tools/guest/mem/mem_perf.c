// SPDX-License-Identifier: GPL-2.0
/*
 * mem_perf: do perf and the kernel share the sampling hardware without harm?
 *
 * While the kernel samples memory accesses, SPE events of a task and of a CPU are opened
 * and closed again and again. Each open must succeed, each session must have records, and
 * only those that it may have: of two tasks that take turns on a CPU, each with addresses
 * of its own, the event of one must not see the other. After each close the kernel must
 * sample again, and the time that it could not must have been counted.
 *
 * Exits with 1 if that was not so once.
 */
#define _GNU_SOURCE
#define PROGRAM "mem_perf"
#include "common.h"

#include <getopt.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define PMU		"/sys/bus/event_source/devices/arm_spe_0/"
#define STATS		"/sys/kernel/debug/arm_spe_mem_sampling"
#define OURS		0x100000000000UL	/* of the task that has the event */
#define OTHERS		0x200000000000UL	/* of the one beside it */
#define BYTES		(64UL << 10)
#define DATA_PAGES	8
#define AUX_PAGES	16
#define MAX_TOLD	10
#define PATIENCE	5.0			/* seconds, for the kernel to go on */

static struct {
	unsigned long cycles;
	unsigned int period;
	bool lie, json;
} opt = { .cycles = 500, .period = 1024 };

static struct shared {
	volatile int cpu;
	volatile bool stop;
} *shared;

static struct {
	unsigned long opens, of_task, of_cpu, records, ours, others, elsewhere, wrong, bad_packets,
		      empty, not_parked, not_resumed, refused, kernel_samples, resume_ns_max;
} seen;

static size_t page;
static unsigned int pmu_type;
static pid_t other;

static __attribute__((noipa)) void touch(char *memory, unsigned int times)
{
	size_t i;

	while (times--)
		for (i = 0; i < BYTES; i += 64)
			*(volatile uint64_t *)(memory + i) += 1;
}

static void be_the_other(void)
{
	char *memory;
	int cpu = -1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memory = mmap((void *)OTHERS, BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (memory == MAP_FAILED)
		die("memory: %s", strerror(errno));
	while (!shared->stop) {
		if (cpu != shared->cpu) {
			cpu = shared->cpu;
			pin(cpu);
		}
		touch(memory, 1 + below(3));
		if (one_in(2))
			sched_yield();
		else
			usleep(10 + below(200));
	}
	_exit(0);
}

/* --- records ---------------------------------------------------------------- */

static void told(const char *what, uint64_t address, uint32_t context, bool of_task)
{
	if (++seen.wrong <= MAX_TOLD)
		fprintf(stderr, PROGRAM ": %s: address 0x%llx, context %u (ours %u, the other's %u), event of a %s\n",
			what, (unsigned long long)address, context, getpid(), other,
			of_task ? "task" : "CPU");
}

static void check_record(uint64_t address, uint32_t context, bool of_task)
{
	bool is_ours = address >= OURS && address < OURS + BYTES;
	bool is_others = address >= OTHERS && address < OTHERS + BYTES;

	seen.records++;
	seen.ours += is_ours;
	seen.others += is_others;
	seen.elsewhere += !is_ours && !is_others;
	if (of_task && is_others)
		told("an address of the other task", address, context, of_task);
	else if (context && of_task && context != (uint32_t)getpid())
		told("a record of another task", address, context, of_task);
	else if (context && is_ours && context != (uint32_t)getpid())
		told("our address, another context", address, context, of_task);
	else if (context && is_others && context != (uint32_t)other)
		told("the other's address, another context", address, context, of_task);
}

/* A packet's length is in its header; a record ends with an end or timestamp packet. */
static unsigned long check_aux(const unsigned char *aux, uint64_t from, uint64_t to, bool of_task)
{
	size_t size = AUX_PAGES * page;
	uint64_t p = from, address = 0;
	unsigned long records = 0;
	uint32_t context = 0;

	while (p < to) {
		unsigned char h = aux[p++ % size], index = 0;
		uint64_t payload = 0;
		unsigned int i, bytes;

		if (!h)
			continue;
		if (h == 0x01 || h == 0x71) {
			p += h == 0x71 ? 8 : 0;
			if (address)
				check_record(address & 0x00ffffffffffffffUL, context, of_task);
			records++;
			address = 0;
			context = 0;
			continue;
		}
		if ((h & 0xfc) == 0x20) {
			index = (h & 3) << 3;
			h = aux[p++ % size];
		}
		if (h < 0x40) {
			seen.bad_packets++;
			return records;
		}
		index |= h & 7;
		bytes = 1U << ((h >> 4) & 3);
		for (i = 0; i < bytes && i < 8; i++)
			payload |= (uint64_t)aux[(p + i) % size] << 8 * i;
		p += bytes;
		if ((h & 0xf8) == 0xb0 && index == 2)
			address = payload;
		else if ((h & 0xfc) == 0x64)
			context = payload;
	}
	seen.bad_packets += p != to;
	return records;
}

/* --- what the kernel says --------------------------------------------------- */

static uint64_t parked_ns(int cpu)
{
	unsigned long long parked, found = 0;
	FILE *f = fopen(DEBUGFS "sources", "re");
	char line[128];
	int c;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "cpu %d period %*u parked_ns %llu", &c, &parked) == 2 && c == cpu)
			found = parked;
	if (f)
		fclose(f);
	return found;
}

/* Does the kernel sample on this CPU? */
static bool resumed(char *memory)
{
	long long before = vm_count("mem_samples");
	double start = now(), took;

	while (vm_count("mem_samples") < before + 4) {
		if (now() > start + PATIENCE)
			return false;
		touch(memory, 8);
	}
	took = (now() - start) * 1e9;
	seen.resume_ns_max = took > seen.resume_ns_max ? took : seen.resume_ns_max;
	return true;
}

/* --- a cycle ---------------------------------------------------------------- */

static void cycle(unsigned long n, char *memory)
{
	struct perf_event_attr attr = {
		.type = pmu_type,
		.size = sizeof(attr),
		.sample_period = opt.period,
		.disabled = 1,	/* until it has a buffer */
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	bool of_task = n % 2;
	int fd, cpu = shared->cpu;
	struct perf_event_mmap_page *ring;
	uint64_t parked = parked_ns(cpu);
	long long before, records;
	unsigned char *aux;

	fd = syscall(SYS_perf_event_open, &attr, of_task ? 0 : -1, of_task ? -1 : cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0) {
		if (!seen.refused++)
			fprintf(stderr, PROGRAM ": cycle %lu: perf_event_open: %s\n", n, strerror(errno));
		return;
	}
	seen.opens++;
	*(of_task ? &seen.of_task : &seen.of_cpu) += 1;
	ring = mmap(NULL, (1 + DATA_PAGES) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		die("cycle %lu: mmap of the data: %s", n, strerror(errno));
	ring->aux_offset = (1 + DATA_PAGES) * page;
	ring->aux_size = AUX_PAGES * page;
	aux = mmap(NULL, AUX_PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, ring->aux_offset);
	if (aux == MAP_FAILED)
		die("cycle %lu: mmap of the AUX buffer: %s", n, strerror(errno));
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		die("cycle %lu: enable: %s", n, strerror(errno));
	before = vm_count("mem_samples");
	touch(memory, 8);
	sched_yield();
	touch(memory, 8);
	/* nobody else is on this CPU, and little is elsewhere */
	if (!of_task)
		seen.kernel_samples += vm_count("mem_samples") - before;
	if (ioctl(fd, PERF_EVENT_IOC_DISABLE, 0))
		die("cycle %lu: disable: %s", n, strerror(errno));
	records = check_aux(aux, ring->aux_tail, __atomic_load_n(&ring->aux_head, __ATOMIC_ACQUIRE), of_task);
	if (!records && ++seen.empty <= MAX_TOLD)
		fprintf(stderr, PROGRAM ": cycle %lu: no record for the event of a %s\n", n,
			of_task ? "task" : "CPU");
	/* the buffer may go before the event, or after it */
	if (one_in(2)) {
		munmap(aux, AUX_PAGES * page);
		munmap(ring, (1 + DATA_PAGES) * page);
		close(fd);
	} else {
		close(fd);
		munmap(aux, AUX_PAGES * page);
		munmap(ring, (1 + DATA_PAGES) * page);
	}
	if (parked_ns(cpu) <= parked && ++seen.not_parked <= MAX_TOLD)
		fprintf(stderr, PROGRAM ": cycle %lu: CPU %d was parked for %llu ns all in all, and still is said to\n",
			n, cpu, (unsigned long long)parked);
	parked = parked_ns(cpu);
	if (!resumed(memory) && ++seen.not_resumed <= MAX_TOLD)
		fprintf(stderr, PROGRAM ": cycle %lu: no samples on CPU %d for %.0f s\n", n, cpu, PATIENCE);
	if (parked_ns(cpu) != parked && ++seen.not_resumed <= MAX_TOLD)
		fprintf(stderr, PROGRAM ": cycle %lu: CPU %d is still parked\n", n, cpu);
}

/* --- the whole -------------------------------------------------------------- */

static long long damaged, errors;
static pid_t master;

static void restore(void)
{
	if (getpid() != master)
		return;
	shared->stop = true;
	write_file(SYSCTL "mem_sampling_enable", "0");
}

static void set_up(void)
{
	long long type = read_number(PMU "type", NULL);

	if (type < 0)
		die(PMU ": this machine has no SPE");
	pmu_type = type;
	shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory");
	master = getpid();
	atexit(restore);
	must_write(SYSCTL "mem_sampling_enable", "0");
	must_write("/sys/module/arm_spe_mem_sampling/parameters/filter", "all");
	must_write(DEBUGFS "period_start", "1024");
	must_write(DEBUGFS "period_max", "4096");
	balance_by_samples(NULL);
	damaged = read_number(STATS, "damaged");
	errors = read_number(STATS, "errors");
	if (damaged < 0 || errors < 0)
		die(STATS ": cannot be read");
}

static bool report(double seconds)
{
	long long now_damaged = read_number(STATS, "damaged") - damaged;
	long long now_errors = read_number(STATS, "errors") - errors;
	const struct { const char *name; unsigned long n; } rows[] = {
		{ "opens", seen.opens }, { "of_task", seen.of_task }, { "of_cpu", seen.of_cpu },
		{ "refused", seen.refused }, { "empty", seen.empty }, { "not_parked", seen.not_parked },
		{ "not_resumed", seen.not_resumed }, { "records", seen.records }, { "ours", seen.ours },
		{ "others", seen.others }, { "elsewhere", seen.elsewhere }, { "wrong", seen.wrong },
		{ "bad_packets", seen.bad_packets }, { "kernel_samples_while_parked", seen.kernel_samples },
		{ "resume_us_max", seen.resume_ns_max / 1000 }, { "kernel_damaged", now_damaged },
		{ "kernel_errors", now_errors },
	};
	bool ok = seen.opens == opt.cycles && !seen.refused && !seen.empty && !seen.not_parked &&
		  !seen.not_resumed && !seen.wrong && !seen.bad_packets && !now_damaged && !now_errors &&
		  seen.ours && seen.others && seen.kernel_samples * 20 <= seen.records;
	size_t i;

	printf(opt.json ? "{" : "%lu cycles, %.0f s:", opt.cycles, seconds);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		printf(opt.json ? "\"%s\":%lu," : " %s %lu", rows[i].name, rows[i].n);
	printf(opt.json ? "\"ok\":%s}\n" : " %s\n", opt.json ? (ok ? "true" : "false") : (ok ? "ok" : "NOT ok"));
	return ok;
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: mem_perf [options]\n"
		"Do perf and the kernel share the sampling hardware without harm?\n\n"
		"  --cycles N   events to open and close, of the task and of its CPU in turn (500)\n"
		"  --period N   of these events (1024)\n"
		"  --lie        uses the other task's addresses: must be noticed\n"
		"  --json       for programs\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cycles", required_argument, NULL, 'c' },
		{ "period", required_argument, NULL, 'p' },
		{ "lie", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c, status, nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned long n;
	double start;
	char *memory;

	page = getpagesize();
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'c': opt.cycles = number(optarg, "--cycles", 2, 1UL << 40); break;
		case 'p': opt.period = number(optarg, "--period", 256, 1U << 24); break;
		case 'l': opt.lie = true; break;
		case 'j': opt.json = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (optind < argc)
		die("what is \"%s\"? mem_perf --help tells the options", argv[optind]);
	set_up();
	other = fork();
	if (other < 0)
		die("fork: %s", strerror(errno));
	if (!other)
		be_the_other();
	memory = mmap((void *)(opt.lie ? OTHERS : OURS), BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (memory == MAP_FAILED)
		die("memory: %s", strerror(errno));
	pin(0);
	/* until it has run for long enough to be sampled */
	touch(memory, 1000);
	if (!resumed(memory))
		die("nothing is sampled even before the first cycle");
	start = now();
	for (n = 0; n < opt.cycles && seen.not_resumed < 3; n++) {
		if (n % 16 == 0) {
			shared->cpu = n / 16 % nr_cpus;
			pin(shared->cpu);
			usleep(1000);
		}
		cycle(n, memory);
	}
	shared->stop = true;
	waitpid(other, &status, 0);
	return !report(now() - start);
}
