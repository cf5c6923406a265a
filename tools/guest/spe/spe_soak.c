// SPDX-License-Identifier: GPL-2.0
/*
 * spe_soak [-s SEED] [--json] SECONDS: opens, maps, enables and closes SPE events at
 * random, of tasks and of CPUs, with random configurations, while CPUs go offline and
 * come back. Whatever perf refuses is fine; what it records must be whole SPE records.
 * At the end each CPU must still be able to profile, also when it goes offline meanwhile.
 * Prints what was done.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PMU		"/sys/bus/event_source/devices/arm_spe_0/"
#define WORKERS		4
#define NR_CONFIGS	5
#define MAX_FIELDS	64
#define WORK_BYTES	(256 << 10)

struct field {
	char name[256];
	unsigned int config, lo, hi;
};

static struct field fields[MAX_FIELDS];
static unsigned int nr_fields, pmu_type, nr_cpus;
static uint64_t event_bits;	/* the event filter's, as the driver found them */
static unsigned long long seed;
static long page_size;
static volatile bool stop;

static struct {
	unsigned long opens, refused, maps, maps_refused, aux_records, bytes, records, truncated,
		      partial, collisions, malformed, offline, online;
} done;

#define COUNT(what, n)	__atomic_fetch_add(&done.what, (n), __ATOMIC_RELAXED)

static void fail(const char *what)
{
	fprintf(stderr, "spe_soak: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* --- chance ------------------------------------------------------------------- */

static __thread uint64_t dice;

static uint64_t roll(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

static unsigned int below(unsigned int n)
{
	return (roll() >> 16) % n;
}

static bool one_in(unsigned int n)
{
	return below(n) == 0;
}

static void start_dice(unsigned int thread)
{
	int i;

	dice = (seed + 1) * 0x9e3779b97f4a7c15ULL ^ (thread + 1) * 0xd1b54a32d192ed03ULL;
	for (i = 0; i < 20; i++)
		roll();
}

/* --- the PMU ------------------------------------------------------------------- */

static bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(line, size, f);
	fclose(f);
	return ok;
}

/* "config1:0-63" or "config:16" */
static bool parse_field(struct field *f, const char *text)
{
	const char *colon = strchr(text, ':');
	int n;

	if (strncmp(text, "config", 6) || !colon)
		return false;
	f->config = colon == text + 6 ? 0 : text[6] - '0';
	n = sscanf(colon + 1, "%u-%u", &f->lo, &f->hi);
	if (n == 1)
		f->hi = f->lo;
	return n >= 1 && f->config < NR_CONFIGS && f->lo <= f->hi && f->hi < 64;
}

static void read_pmu(void)
{
	char path[sizeof(PMU) + 300], line[256];
	struct dirent *d;
	DIR *dir;

	if (!read_line(PMU "type", line, sizeof(line))) {
		fprintf(stderr, "spe_soak: no " PMU ": this machine has no SPE, or its driver did not take it\n");
		exit(1);
	}
	pmu_type = strtoul(line, NULL, 10);
	if (read_line(PMU "caps/event_filter", line, sizeof(line)))
		event_bits = strtoull(line, NULL, 16);
	dir = opendir(PMU "format");
	if (!dir)
		fail(PMU "format");
	while ((d = readdir(dir))) {
		struct field *f = &fields[nr_fields];

		snprintf(path, sizeof(path), PMU "format/%s", d->d_name);
		if (d->d_name[0] == '.' || nr_fields == MAX_FIELDS || !read_line(path, line, sizeof(line)))
			continue;
		if (!parse_field(f, line)) {
			fprintf(stderr, "spe_soak: cannot read %s: %s", path, line);
			exit(1);
		}
		snprintf(f->name, sizeof(f->name), "%s", d->d_name);
		nr_fields++;
	}
	closedir(dir);
}

static uint64_t *config_of(struct perf_event_attr *attr, uint64_t *beyond, unsigned int config)
{
	switch (config) {
	case 0: return (uint64_t *)&attr->config;
	case 1: return (uint64_t *)&attr->config1;
	case 2: return (uint64_t *)&attr->config2;
	default: return &beyond[config - 3];
	}
}

/* The headers that we are built with may end at config2. */
struct attr {
	struct perf_event_attr a;
	uint64_t room[16];
};

#define CONFIG3_OFFSET	128

static uint64_t random_value(const struct field *f)
{
	uint64_t mask = f->hi - f->lo == 63 ? ~0ULL : (1ULL << (f->hi - f->lo + 1)) - 1;

	if (mask == 1)
		return below(2);
	/* Filters that leave something, now and then any value at all. */
	if (!strcmp(f->name, "min_latency"))
		return one_in(3) ? below(64) : 0;
	if (one_in(20))
		return roll() & mask;
	if (!strcmp(f->name, "event_filter"))
		return one_in(4) ? event_bits & (1ULL << below(64)) : 0;
	if (!strcmp(f->name, "inv_event_filter"))
		return one_in(4) ? event_bits & roll() & roll() : 0;
	return one_in(4) ? roll() & roll() & mask : 0;
}

static void random_attr(struct attr *attr)
{
	uint64_t beyond[NR_CONFIGS - 3] = { 0 };
	unsigned int i;

	memset(attr, 0, sizeof(*attr));
	attr->a.type = pmu_type;
	attr->a.size = CONFIG3_OFFSET;
	for (i = 0; i < nr_fields; i++) {
		/* operation filters exclude each other's operations: mostly none */
		if (strstr(fields[i].name, "_filter") && fields[i].lo == fields[i].hi && !one_in(4))
			continue;
		*config_of(&attr->a, beyond, fields[i].config) |= random_value(&fields[i]) << fields[i].lo;
	}
	for (i = 0; i < NR_CONFIGS - 3; i++) {
		if (!beyond[i])
			continue;
		memcpy((char *)attr + CONFIG3_OFFSET + i * 8, &beyond[i], 8);
		attr->a.size = CONFIG3_OFFSET + (i + 1) * 8;
	}
	attr->a.sample_period = one_in(10) ? below(256) : 1ULL << (8 + below(10));
	attr->a.exclude_user = one_in(6);
	attr->a.exclude_kernel = one_in(3);
	attr->a.disabled = !one_in(3);
	attr->a.inherit = one_in(4);
	attr->a.enable_on_exec = one_in(10);
	attr->a.aux_watermark = one_in(3) ? below(64 << 10) : 0;
}

static int perf_open(struct attr *attr, pid_t pid, int cpu)
{
	int fd = syscall(SYS_perf_event_open, &attr->a, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0) {
		COUNT(refused, 1);
		if (errno == ENOSYS || errno == EMFILE || errno == EFAULT)
			fail("perf_event_open");
	} else {
		COUNT(opens, 1);
	}
	return fd;
}

/* --- work to profile -------------------------------------------------------------- */

static __attribute__((noipa)) void work(unsigned char *mem, double seconds)
{
	double end = now() + seconds;
	size_t i;

	do {
		for (i = 0; i < WORK_BYTES; i += 64)
			((volatile unsigned char *)mem)[i]++;
	} while (now() < end);
}

/* --- what was recorded ------------------------------------------------------------- */

struct mapping {
	struct perf_event_mmap_page *page;
	size_t page_bytes;
	unsigned char *aux;
	size_t aux_bytes;
	bool overwrite;
};

/*
 * Counts the records in a stretch of the AUX buffer: packets that end in an end or a
 * timestamp packet. A packet's length is in its header. False at what is no packet.
 */
static bool count_records(const struct mapping *m, uint64_t from, uint64_t bytes, unsigned long *records)
{
	uint64_t p = from, end = from + bytes;
	bool inside = false;

	while (p < end) {
		unsigned char h = m->aux[p % m->aux_bytes];

		p++;
		if (!h)
			continue;
		if (h == 0x01) {
			(*records)++;
			inside = false;
			continue;
		}
		inside = true;
		if ((h & 0xfc) == 0x20 && p < end)
			h = m->aux[p++ % m->aux_bytes];
		if (h < 0x40)
			return false;
		p += 1U << ((h >> 4) & 3);
		if (h == 0x71) {
			(*records)++;
			inside = false;
		}
	}
	return p == end && !inside;
}

static void take_aux(struct mapping *m, const struct perf_event_header *h)
{
	struct { struct perf_event_header h; uint64_t offset, size, flags; } r;
	unsigned long records = 0;

	memcpy(&r, h, sizeof(r));
	COUNT(aux_records, 1);
	COUNT(truncated, !!(r.flags & PERF_AUX_FLAG_TRUNCATED));
	COUNT(partial, !!(r.flags & PERF_AUX_FLAG_PARTIAL));
	COUNT(collisions, !!(r.flags & PERF_AUX_FLAG_COLLISION));
	/* In overwrite mode what was there may be gone by now. */
	if (m->overwrite || r.flags & PERF_AUX_FLAG_OVERWRITE)
		return;
	if (r.size > m->aux_bytes) {
		/* Nobody wrote that much. Do not walk it, it could take forever. */
		COUNT(malformed, 1);
		fprintf(stderr, "spe_soak: impossible size: %llu bytes at %llu of a buffer of %zu, flags 0x%llx\n",
			(unsigned long long)r.size, (unsigned long long)r.offset, m->aux_bytes,
			(unsigned long long)r.flags);
		return;
	}
	COUNT(bytes, r.size);
	if (!count_records(m, r.offset, r.size, &records) && !(r.flags & PERF_AUX_FLAG_PARTIAL)) {
		COUNT(malformed, 1);
		fprintf(stderr, "spe_soak: malformed data: %llu bytes at %llu, flags 0x%llx\n",
			(unsigned long long)r.size, (unsigned long long)r.offset, (unsigned long long)r.flags);
	}
	COUNT(records, records);
	__atomic_store_n(&m->page->aux_tail, r.offset + r.size, __ATOMIC_RELEASE);
}

static void drain(struct mapping *m)
{
	const unsigned char *data = (unsigned char *)m->page + page_size;
	size_t size = m->page_bytes - page_size;
	uint64_t head, tail;

	if (!m->aux || m->overwrite)
		return;
	head = __atomic_load_n(&m->page->data_head, __ATOMIC_ACQUIRE);
	tail = m->page->data_tail;
	while (tail < head) {
		unsigned char record[64] = { 0 };
		struct perf_event_header h;
		size_t i;

		for (i = 0; i < sizeof(h); i++)
			record[i] = data[(tail + i) % size];
		memcpy(&h, record, sizeof(h));
		if (!h.size) {
			COUNT(malformed, 1);
			break;
		}
		for (i = 0; i < h.size && i < sizeof(record); i++)
			record[i] = data[(tail + i) % size];
		if (h.type == PERF_RECORD_AUX)
			take_aux(m, (struct perf_event_header *)record);
		tail += h.size;
	}
	__atomic_store_n(&m->page->data_tail, tail, __ATOMIC_RELEASE);
}

static bool map(struct mapping *m, int fd, unsigned int data_pages, unsigned int aux_pages, bool overwrite)
{
	memset(m, 0, sizeof(*m));
	m->page_bytes = (1 + data_pages) * page_size;
	m->page = mmap(NULL, m->page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (m->page == MAP_FAILED) {
		m->page = NULL;
		COUNT(maps_refused, 1);
		return false;
	}
	m->overwrite = overwrite;
	m->aux_bytes = aux_pages * page_size;
	m->page->aux_offset = m->page_bytes;
	m->page->aux_size = m->aux_bytes;
	m->aux = mmap(NULL, m->aux_bytes, PROT_READ | (overwrite ? 0 : PROT_WRITE), MAP_SHARED, fd, m->page_bytes);
	if (m->aux == MAP_FAILED) {
		m->aux = NULL;
		COUNT(maps_refused, 1);
		return false;
	}
	COUNT(maps, 1);
	return true;
}

static void unmap_aux(struct mapping *m)
{
	if (m->aux)
		munmap(m->aux, m->aux_bytes);
	m->aux = NULL;
}

static void unmap(struct mapping *m)
{
	unmap_aux(m);
	if (m->page)
		munmap(m->page, m->page_bytes);
	m->page = NULL;
}

/* --- a worker ----------------------------------------------------------------------- */

static pid_t busy_child(unsigned char *mem)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	work(mem, 0.001 * (1 + roll() % 20));
	_exit(0);
}

static void act(int fd, struct mapping *m, unsigned char *mem)
{
	uint64_t period = 256 << below(8);

	switch (below(8)) {
	case 0:
		ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
		break;
	case 1:
		ioctl(fd, PERF_EVENT_IOC_RESET, 0);
		break;
	case 2:
		ioctl(fd, PERF_EVENT_IOC_PERIOD, &period);
		break;
	case 3:
		ioctl(fd, PERF_EVENT_IOC_REFRESH, 1 + below(3));
		break;
	case 4:
		drain(m);
		break;
	default:
		ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
		work(mem, 0.0005 * below(8));
	}
}

static void episode(unsigned char *mem)
{
	struct mapping m = { 0 };
	struct attr attr;
	pid_t pid = 0, child = -1;
	int cpu = -1, fd, n;

	random_attr(&attr);
	switch (below(4)) {
	case 0:
		pid = -1;
		cpu = below(nr_cpus);
		break;
	case 1:
		pid = child = busy_child(mem);
		break;
	case 2:
		cpu = below(nr_cpus);
		break;
	}
	fd = perf_open(&attr, pid, cpu);
	if (fd >= 0) {
		map(&m, fd, 1U << below(5), 1U << below(7), one_in(5));
		if (!one_in(4))
			ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
		for (n = below(8); n >= 0; n--)
			act(fd, &m, mem);
		if (!one_in(3))
			drain(&m);
		/* what is still enabled loses its buffer in whatever order */
		if (one_in(3))
			unmap_aux(&m);
		if (one_in(2)) {
			close(fd);
			fd = -1;
		} else {
			ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
		}
		drain(&m);
		unmap(&m);
		if (fd >= 0)
			close(fd);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void *worker(void *arg)
{
	unsigned char *mem = aligned_alloc(4096, WORK_BYTES);

	if (!mem)
		fail("no memory");
	memset(mem, 1, WORK_BYTES);
	start_dice((uintptr_t)arg);
	while (!stop)
		episode(mem);
	free(mem);
	return NULL;
}

/* --- CPUs that come and go ------------------------------------------------------------ */

static bool set_online(unsigned int cpu, bool online)
{
	char path[80];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	f = fopen(path, "we");
	if (!f)
		return false;
	ok = fputs(online ? "1" : "0", f) >= 0;
	return !fclose(f) && ok;
}

static void *hotplug(void *unused)
{
	bool *gone = calloc(nr_cpus, sizeof(*gone));
	unsigned int cpu, nr_gone = 0;

	(void)unused;
	if (!gone)
		fail("no memory");
	start_dice(1000);
	while (!stop) {
		cpu = 1 + below(nr_cpus - 1);
		if (gone[cpu] && set_online(cpu, true)) {
			COUNT(online, 1);
			gone[cpu] = false;
			nr_gone--;
		} else if (!gone[cpu] && nr_gone < nr_cpus / 2 && set_online(cpu, false)) {
			COUNT(offline, 1);
			gone[cpu] = true;
			nr_gone++;
		}
		usleep(1000 * (10 + below(150)));
	}
	for (cpu = 1; cpu < nr_cpus; cpu++) {
		if (!gone[cpu])
			continue;
		if (!set_online(cpu, true)) {
			fprintf(stderr, "spe_soak: CPU %u does not come back\n", cpu);
			exit(1);
		}
		COUNT(online, 1);
	}
	free(gone);
	return NULL;
}

/* --- the end -------------------------------------------------------------------------- */

static void run_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

/*
 * After all that, does this CPU still profile? If it @leaves, it goes offline under the
 * event, which must report what was recorded until then.
 */
static bool still_works(unsigned int cpu, unsigned char *mem, bool leaves)
{
	unsigned long before = done.records, malformed = done.malformed;
	struct mapping m;
	struct attr attr;
	int fd;

	run_on(cpu);
	memset(&attr, 0, sizeof(attr));
	attr.a.type = pmu_type;
	attr.a.size = CONFIG3_OFFSET;
	/* An event whose buffer is full is not on the CPU when that goes. */
	attr.a.sample_period = leaves ? 4096 : 1024;
	attr.a.disabled = 1;
	fd = perf_open(&attr, -1, cpu);
	if (fd < 0) {
		fprintf(stderr, "spe_soak: CPU %u cannot be profiled any more: %s\n", cpu, strerror(errno));
		return false;
	}
	if (!map(&m, fd, 8, leaves ? 256 : 16, false)) {
		fprintf(stderr, "spe_soak: CPU %u: no buffer: %s\n", cpu, strerror(errno));
		return false;
	}
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	work(mem, 0.01);
	if (leaves) {
		run_on(0);
		if (!set_online(cpu, false))
			fail("cannot take a CPU offline");
	} else {
		ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	}
	drain(&m);
	unmap(&m);
	close(fd);
	if (leaves && !set_online(cpu, true))
		fail("a CPU does not come back");
	if (done.records == before)
		fprintf(stderr, "spe_soak: CPU %u%s records nothing\n", cpu, leaves ? ", which goes offline," : "");
	return done.records > before && done.malformed == malformed;
}

static void report(bool json, bool ok)
{
	const struct { const char *name; unsigned long n; } rows[] = {
		{ "opens", done.opens }, { "refused", done.refused }, { "maps", done.maps },
		{ "maps_refused", done.maps_refused }, { "aux_records", done.aux_records },
		{ "bytes", done.bytes }, { "records", done.records }, { "truncated", done.truncated },
		{ "partial", done.partial }, { "collisions", done.collisions },
		{ "malformed", done.malformed }, { "offline", done.offline }, { "online", done.online },
	};
	size_t i;

	if (json)
		printf("{\"seed\": %llu, ", seed);
	else
		printf("seed %llu", seed);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf(json ? "\"%s\": %lu, " : " %s %lu", rows[i].name, rows[i].n);
	printf(json ? "\"ok\": %s}\n" : " %s\n", json ? (ok ? "true" : "false") : (ok ? "ok" : "NOT ok"));
}

int main(int argc, char **argv)
{
	pthread_t threads[WORKERS], hotplugger;
	bool json = false, ok = true;
	char *end = "", *end2 = "";
	unsigned char *mem;
	double seconds = 0, until;
	uintptr_t i;
	int a;

	/* not the time: the guest has no clock */
	if (getrandom(&seed, 4, 0) != 4)
		fail("getrandom");
	for (a = 1; a < argc; a++) {
		if (!strcmp(argv[a], "--json"))
			json = true;
		else if (!strcmp(argv[a], "-s") && a + 1 < argc)
			seed = strtoull(argv[++a], &end, 10);
		else
			seconds = strtod(argv[a], &end2);
	}
	if (!(seconds > 0) || *end || *end2) {
		fprintf(stderr, "usage: spe_soak [-s SEED] [--json] SECONDS\n");
		return 2;
	}
	page_size = sysconf(_SC_PAGESIZE);
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_cpus < 2) {
		fprintf(stderr, "spe_soak: needs two CPUs, one of which can go offline\n");
		return 1;
	}
	read_pmu();
	mem = aligned_alloc(4096, WORK_BYTES);
	if (!mem)
		fail("no memory");
	memset(mem, 1, WORK_BYTES);
	fprintf(stderr, "spe_soak: seed %llu, %u configuration fields, %u CPUs\n", seed, nr_fields, nr_cpus);
	for (i = 0; i < WORKERS; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)i))
			fail("cannot create a thread");
	if (pthread_create(&hotplugger, NULL, hotplug, NULL))
		fail("cannot create a thread");
	until = now() + seconds;
	while (now() < until)
		usleep(100000);
	stop = true;
	for (i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(hotplugger, NULL);
	if (!done.opens || !done.records || !done.offline || done.malformed) {
		fprintf(stderr, "spe_soak: opens, records and offline must be more than 0, malformed must be 0\n");
		ok = false;
	}
	for (i = 0; i < nr_cpus; i++)
		ok &= still_works(i, mem, false);
	for (i = 1; i < nr_cpus; i++)
		ok &= still_works(i, mem, true);
	report(json, ok);
	free(mem);
	return !ok;
}
