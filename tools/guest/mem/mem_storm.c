// SPDX-License-Identifier: GPL-2.0
/*
 * mem_storm: does memory keep its contents while samples make it move?
 *
 * A process for each kind of memory writes pages whose contents tell which page and
 * which version they are, moves from node to node so that they have to follow, and
 * looks again and again whether they are what they were; in between it protects, unmaps,
 * moves and discards parts of them, and forks. Meanwhile CPUs go offline and come back,
 * nodes run short of memory, SPE events of perf come and go, and sampling and NUMA
 * balancing are switched on and off.
 *
 * Exits with 1 if a byte was not as it should be, or if too little has happened.
 */
#define _GNU_SOURCE
#define PROGRAM "mem_storm"
#include "common.h"

#include <getopt.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KSM		"/sys/kernel/mm/ksm/"
#define PMU		"/sys/bus/event_source/devices/arm_spe_0/"
#define REGION		(2 * HUGE)
#define STRIDE		(1UL << 32)	/* between the places where a region can be */
#define PLACES		0x200000000000UL
#define MAX_KINDS	16

/* What can't be done with a kind of memory. */
enum {
	NO_DISCARD	= 1,	/* madvise(MADV_DONTNEED) */
	NO_UNMAP	= 2,
	NO_MREMAP	= 4,
	SHARED		= 8,	/* a child's writes are the parent's */
	ALIKE		= 16,	/* pages have the same contents */
	THREADS		= 32,	/* two, each with every other page */
	FILLED		= 64,	/* version 0 is not zeroes */
	NEEDS_NO_MOVE	= 128,	/* mostly it can't move */
};

struct worker;

struct kind {
	const char *name;
	bool (*get)(struct worker *w);
	int flags;
};

struct worker {
	const struct kind *kind;
	char *memory, *other;	/* where it is, where it can be mapped instead */
	char *alias;		/* a second mapping, or NULL */
	uint32_t *version;
	int fd, uffd;
	uint64_t seed;
	bool lie;
};

/* Of all processes. */
static struct shared {
	volatile bool stop, failed;
	struct {
		unsigned long verified, written, moved, protects, unmaps, mremaps, discards, forks, refused;
	} of[MAX_KINDS];
	unsigned long offline, online, opens, perf_bytes, flips, squeezes;
} *shared;

static struct {
	unsigned int seconds;
	uint64_t seed;
	const char *lie, *only;
	bool no_hotplug, fail, json;
} opt = { .seconds = 60 };

static size_t page, nr_pages;
static unsigned int nr_cpus;
static int nr_nodes;

#define ADD(what, n)	__atomic_fetch_add(&shared->what, (n), __ATOMIC_RELAXED)
#define OF(w)		shared->of[(w)->kind - kinds]
#define ADD_OF(w, what, n) __atomic_fetch_add(&OF(w).what, (n), __ATOMIC_RELAXED)

static const struct kind kinds[];

/* --- contents --------------------------------------------------------------- */

static uint64_t content(const struct worker *w, size_t index, uint32_t version)
{
	uint64_t x;

	if (!version && !(w->kind->flags & FILLED))
		return 0;
	if (w->kind->flags & ALIKE) {
		index = 0;
		version %= 4;
	}
	x = (w->seed ^ (uint64_t)index << 32 ^ version) + 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (x ^ x >> 31) | 1;
}

static void fill(uint64_t *words, uint64_t first)
{
	size_t i;

	for (i = 0; i < page / 8; i++)
		words[i] = first * (i + 1);
}

/* The word that differs, or -1. */
static __attribute__((noipa)) ssize_t differs(const volatile uint64_t *words, uint64_t first)
{
	uint64_t expected = first;
	size_t i;

	for (i = 0; i < page / 8; i++, expected += first)
		if (words[i] != expected)
			return i;
	return -1;
}

static bool verify(struct worker *w, char *memory, size_t index)
{
	uint64_t first = content(w, index, w->version[index]), found;
	uint64_t *words = (uint64_t *)(memory + index * page);
	ssize_t i = differs(words, first);

	ADD_OF(w, verified, 1);
	if (i < 0)
		return true;
	found = words[i];
	fprintf(stderr, PROGRAM ": CORRUPT: %s: page %zu version %u at %p, node %d: word %zd is 0x%llx, not 0x%llx; now %s\n",
		w->kind->name, index, w->version[index], (void *)words, node_of(words), i,
		(unsigned long long)found, (unsigned long long)(first * (i + 1)),
		differs(words, first) < 0 ? "it is right" : "still");
	shared->failed = true;
	shared->stop = true;
	return false;
}

static void rewrite(struct worker *w, size_t index)
{
	w->version[index]++;
	fill((uint64_t *)(w->memory + index * page), content(w, index, w->version[index]));
	ADD_OF(w, written, 1);
}

static bool verify_some(struct worker *w, size_t start, size_t nr, size_t step)
{
	for (; nr && start < nr_pages; nr--, start += step)
		if (!verify(w, w->alias && one_in(2) ? w->alias : w->memory, start))
			return false;
	return true;
}

/* --- getting memory --------------------------------------------------------- */

static bool enough(bool done)
{
	return done || (errno != ENOMEM && errno != EAGAIN && errno != EINTR && errno != EBUSY);
}

/* What may be short of memory for once is tried again. */
#define INSIST(call, what) do {								\
	unsigned int _tries;								\
	for (_tries = 0; !(call); _tries++) {						\
		if (enough(false) || _tries > 10000)					\
			die("%s: %s: %s", w->kind->name, what, strerror(errno));	\
		usleep(1000);								\
	}										\
} while (0)

static bool map_at(char *at, size_t bytes, int flags, int fd, off_t offset)
{
	return mmap(at, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, offset) != MAP_FAILED;
}

static bool get_anon(struct worker *w)
{
	INSIST(map_at(w->memory, REGION, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
	madvise(w->memory, REGION, MADV_NOHUGEPAGE);
	return true;
}

static bool get_huge(struct worker *w)
{
	INSIST(map_at(w->memory, REGION, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
	return !madvise(w->memory, REGION, MADV_HUGEPAGE);
}

/* Not aligned to what a huge page would need. */
static bool get_large(struct worker *w)
{
	w->memory += HUGE - REGION / 2 + 16 * page;
	w->other += HUGE - REGION / 2 + 16 * page;
	if (!get_huge(w))
		return false;
	return !write_file(THP "hugepages-64kB/enabled", "madvise");
}

static bool get_shmem(struct worker *w)
{
	INSIST((w->fd = memfd_create(PROGRAM, 0)) >= 0, "memfd");
	INSIST(!ftruncate(w->fd, REGION), "ftruncate");
	w->alias = w->memory + STRIDE / 2;
	INSIST(map_at(w->memory, REGION, MAP_SHARED, w->fd, 0), "mmap");
	INSIST(map_at(w->alias, REGION, MAP_SHARED, w->fd, 0), "mmap");
	return true;
}

static bool open_file(struct worker *w, const char *dir)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/mem_storm.XXXXXX", dir);
	w->fd = mkstemp(name);
	if (w->fd < 0)
		return false;
	unlink(name);
	INSIST(!ftruncate(w->fd, REGION), "ftruncate");
	return true;
}

static bool get_file(struct worker *w)
{
	if (!open_file(w, "/tmp/mem_storm"))
		return false;
	w->alias = w->memory + STRIDE / 2;
	INSIST(map_at(w->memory, REGION, MAP_SHARED, w->fd, 0), "mmap");
	INSIST(map_at(w->alias, REGION, MAP_SHARED, w->fd, 0), "mmap");
	return true;
}

static bool get_private_file(struct worker *w)
{
	size_t i;

	if (!open_file(w, "/tmp/mem_storm"))
		return false;
	INSIST(map_at(w->memory, REGION, MAP_SHARED, w->fd, 0), "mmap");
	for (i = 0; i < nr_pages; i++)
		fill((uint64_t *)(w->memory + i * page), content(w, i, 0));
	INSIST(map_at(w->memory, REGION, MAP_PRIVATE, w->fd, 0), "mmap");
	return true;
}

static bool get_ksm(struct worker *w)
{
	return get_anon(w) && !madvise(w->memory, REGION, MADV_MERGEABLE);
}

/* Gives pages that are missing their first contents. */
static void *uffd_handler(void *arg)
{
	struct worker *w = arg;
	uint64_t *contents = aligned_alloc(page, page);
	struct uffd_msg msg;

	while (contents && read(w->uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_copy copy = { .len = page, .src = (uintptr_t)contents };

		if (msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		copy.dst = msg.arg.pagefault.address & ~(page - 1);
		fill(contents, content(w, (copy.dst - (uintptr_t)w->memory) / page, 0));
		INSIST(!ioctl(w->uffd, UFFDIO_COPY, &copy) || errno == EEXIST, "UFFDIO_COPY");
		/* it may be there by now, with somebody still asleep */
		ioctl(w->uffd, UFFDIO_WAKE, &(struct uffdio_range){ copy.dst, page });
	}
	return NULL;
}

static bool get_uffd(struct worker *w)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t thread;

	get_anon(w);
	INSIST((w->uffd = syscall(SYS_userfaultfd, O_CLOEXEC)) >= 0, "userfaultfd");
	reg.range.start = (uintptr_t)w->memory;
	reg.range.len = REGION;
	INSIST(!ioctl(w->uffd, UFFDIO_API, &api), "UFFDIO_API");
	INSIST(!ioctl(w->uffd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER");
	INSIST(!(errno = pthread_create(&thread, NULL, uffd_handler, w)), "thread");
	return true;
}

static const struct kind kinds[] = {
	{ "anonymous",		get_anon,	0 },
	{ "huge",		get_huge,	0 },
	{ "64k",		get_large,	0 },
	{ "shmem",		get_shmem,	SHARED | NO_DISCARD | NO_UNMAP },
	{ "file",		get_file,	SHARED | NO_DISCARD | NO_UNMAP | NEEDS_NO_MOVE },
	{ "private-file",	get_private_file, FILLED | NO_UNMAP },
	{ "ksm",		get_ksm,	ALIKE | NO_UNMAP | NEEDS_NO_MOVE },
	{ "uffd",		get_uffd,	FILLED | NO_UNMAP | NO_MREMAP },
	{ "threads",		get_anon,	THREADS },
	{ "huge-threads",	get_huge,	THREADS },
};

/* --- a worker --------------------------------------------------------------- */

static void move_on(void)
{
	cpu_set_t all;
	unsigned int cpu;

	if (try_pin(below(nr_cpus)))
		return;
	/* It has just gone offline. */
	CPU_ZERO(&all);
	for (cpu = 0; cpu < nr_cpus; cpu++)
		CPU_SET(cpu, &all);
	sched_setaffinity(0, sizeof(all), &all);
}

/* Counts the pages that are on another node than the last time. */
static void look(struct worker *w, int *last)
{
	enum { AT_ONCE = 128 };
	void *pages[AT_ONCE];
	int nodes[AT_ONCE];
	size_t done, i;

	for (done = 0; done < nr_pages; done += AT_ONCE) {
		for (i = 0; i < AT_ONCE; i++)
			pages[i] = w->memory + (done + i) * page;
		if (syscall(SYS_move_pages, 0, (unsigned long)AT_ONCE, pages, NULL, nodes, 0))
			return;
		for (i = 0; i < AT_ONCE; i++) {
			if (nodes[i] >= 0 && last[done + i] >= 0 && nodes[i] != last[done + i])
				ADD_OF(w, moved, 1);
			last[done + i] = nodes[i];
		}
	}
}

static bool refused(struct worker *w)
{
	if (enough(false))
		die("%s: %s", w->kind->name, strerror(errno));
	ADD_OF(w, refused, 1);
	return true;
}

static bool protect(struct worker *w)
{
	size_t start = below(nr_pages), nr = 1 + below(nr_pages - start);
	char *from = w->memory + start * page;
	bool ok = true;

	if (mprotect(from, nr * page, one_in(2) ? PROT_READ : PROT_NONE)) {
		refused(w);
	} else {
		ADD_OF(w, protects, 1);
		if (one_in(2))
			sched_yield();
	}
	INSIST(!mprotect(from, nr * page, PROT_READ), "mprotect");
	ok = verify_some(w, start, nr < 32 ? nr : 32, 1);
	INSIST(!mprotect(from, nr * page, PROT_READ | PROT_WRITE), "mprotect");
	return ok;
}

static void discard(struct worker *w)
{
	size_t start = below(nr_pages), nr = 1 + below(64);

	nr = nr < nr_pages - start ? nr : nr_pages - start;
	if (w->kind->flags & NO_DISCARD)
		return;
	INSIST(!madvise(w->memory + start * page, nr * page, MADV_DONTNEED), "MADV_DONTNEED");
	ADD_OF(w, discards, 1);
	memset(w->version + start, 0, nr * sizeof(*w->version));
}

static void unmap(struct worker *w)
{
	size_t start = below(nr_pages), nr = 1 + below(128);
	char *from = w->memory + start * page;

	nr = nr < nr_pages - start ? nr : nr_pages - start;
	if (w->kind->flags & NO_UNMAP)
		return;
	if (munmap(from, nr * page)) {
		refused(w);
		return;
	}
	ADD_OF(w, unmaps, 1);
	memset(w->version + start, 0, nr * sizeof(*w->version));
	INSIST(map_at(from, nr * page, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
	/* one VMA again */
	madvise(from, nr * page, w->kind->get == get_anon ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
}

static void relocate(struct worker *w)
{
	char *was = w->memory;

	/* Of several VMAs some may have moved when memory for the next one fails. */
	if (w->kind->flags & NO_MREMAP || opt.fail)
		return;
	if (mremap(was, REGION, REGION, MREMAP_MAYMOVE | MREMAP_FIXED, w->other) == MAP_FAILED) {
		refused(w);
		return;
	}
	ADD_OF(w, mremaps, 1);
	w->memory = w->other;
	w->other = was;
}

static bool fork_child(struct worker *w)
{
	size_t i;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return refused(w);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (w->uffd >= 0)	/* what was missing is only with the parent */
			_exit(0);
		for (i = 0; i < nr_pages; i += 1 + below(16))
			if (!verify(w, w->memory, i))
				_exit(1);
		for (i = below(32); i < nr_pages; i += 1 + below(64))
			rewrite(w, i);
		_exit(!verify_some(w, below(32), nr_pages, 32));
	}
	ADD_OF(w, forks, 1);
	/* Copy-on-write from both sides, unless it is the same memory. */
	if (!(w->kind->flags & SHARED)) {
		for (i = below(32); i < nr_pages; i += 1 + below(64))
			rewrite(w, i);
		if (!verify_some(w, below(16), nr_pages, 16))
			return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status && !shared->failed && !shared->stop)
		die("%s: a child ended with status 0x%x", w->kind->name, status);
	return !shared->failed;
}

static void lie(struct worker *w)
{
	size_t i = below(nr_pages);
	volatile uint64_t *word = (volatile uint64_t *)(w->memory + i * page + 8 * below(page / 8));

	*word ^= 1ULL << below(64);
}

static bool act(struct worker *w)
{
	if (w->lie && one_in(8))
		lie(w);
	switch (below(12)) {
	case 0 ... 2:
		return protect(w);
	case 3 ... 4:
		discard(w);
		break;
	case 5 ... 6:
		unmap(w);
		break;
	case 7 ... 8:
		relocate(w);
		break;
	case 9:
		return fork_child(w);
	}
	return true;
}

struct part {
	struct worker *w;
	size_t first, step;
};

static void *storm(void *arg)
{
	struct part *part = arg;
	struct worker *w = part->w;
	int *last = malloc(nr_pages * sizeof(*last));
	unsigned int round;
	size_t i;

	if (!last)
		die("%s: no memory", w->kind->name);
	start_dice(w->seed + part->first);
	memset(last, 0xff, nr_pages * sizeof(*last));
	for (i = part->first; i < nr_pages; i += part->step)
		rewrite(w, i);
	for (round = 1; !shared->stop; round++) {
		size_t start = below(nr_pages / part->step) * part->step + part->first;

		if (!verify_some(w, start, 8 + below(64), part->step))
			break;
		for (i = below(8); i; i--)
			rewrite(w, below(nr_pages / part->step) * part->step + part->first);
		if (part->step == 1 && one_in(4) && !act(w))
			break;
		if (part->step > 1 && w->lie && one_in(32))
			lie(w);
		if (round % 32 == 0) {
			look(w, last);
			move_on();
		}
	}
	/* However slow the machine is: this one is to be noticed. */
	if (w->lie)
		lie(w);
	/* Nothing may be lost of what nobody has looked at for long. */
	if (!shared->failed)
		verify_some(w, part->first, nr_pages, part->step);
	free(last);
	return NULL;
}

static void work(const struct kind *kind)
{
	struct worker *w = calloc(1, sizeof(*w));
	size_t number = kind - kinds;
	struct part parts[2];
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!w)
		die("no memory");
	*w = (struct worker){ .kind = kind, .fd = -1, .uffd = -1 };
	w->seed = opt.seed * 64 + number;
	w->lie = opt.lie && !strcmp(opt.lie, kind->name);
	w->memory = (char *)(PLACES + number * 2 * STRIDE);
	w->other = w->memory + STRIDE;
	w->version = mmap(NULL, nr_pages * sizeof(*w->version), PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | (kind->flags & SHARED ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	if (w->version == MAP_FAILED)
		die("no memory");
	if (!kind->get(w))
		die("%s: %s", kind->name, strerror(errno));
	if (opt.fail)
		write_file("/proc/self/make-it-fail", "1");
	if (!(kind->flags & THREADS)) {
		parts[0] = (struct part){ w, 0, 1 };
		storm(&parts[0]);
	} else {
		parts[0] = (struct part){ w, 0, 2 };
		parts[1] = (struct part){ w, 1, 2 };
		INSIST(!(errno = pthread_create(&thread, NULL, storm, &parts[1])), "thread");
		storm(&parts[0]);
		pthread_join(thread, NULL);
	}
	_exit(shared->failed);
}

/* --- what disturbs them ----------------------------------------------------- */

static bool set_online(unsigned int cpu, bool online)
{
	char path[80];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return !write_file(path, online ? "1" : "0");
}

static void *hotplug(void *unused)
{
	unsigned int cpu, gone = 0;

	(void)unused;
	start_dice(opt.seed + 1000);
	while (!shared->stop) {
		usleep(1000 * (50 + below(300)));
		if (gone) {
			if (set_online(gone, true))
				ADD(online, 1);
			else
				die("CPU %u does not come back: %s", gone, strerror(errno));
			gone = 0;
			continue;
		}
		cpu = 1 + below(nr_cpus - 1);
		if (set_online(cpu, false)) {
			ADD(offline, 1);
			gone = cpu;
		}
	}
	if (gone && !set_online(gone, true))
		die("CPU %u does not come back: %s", gone, strerror(errno));
	return NULL;
}

static unsigned int pmu_type;

/* What is wrong with records is for others to find; here it is in the way. */
static void *perf(void *unused)
{
	(void)unused;
	start_dice(opt.seed + 2000);
	while (!shared->stop) {
		struct perf_event_attr attr = {
			.type = pmu_type,
			.size = sizeof(attr),
			.sample_period = 1024 << below(6),
			.exclude_kernel = 1,
			.exclude_hv = 1,
			.inherit = one_in(2),
		};
		bool task = one_in(2);
		struct perf_event_mmap_page *ring;
		void *aux = MAP_FAILED;
		int fd;

		fd = syscall(SYS_perf_event_open, &attr, task ? 0 : -1, task ? -1 : (int)below(nr_cpus), -1, 0);
		if (fd < 0) {
			if (errno != ENODEV && errno != ENOMEM && errno != EINVAL)	/* CPU offline */
				die("perf event: %s", strerror(errno));
			continue;
		}
		ADD(opens, 1);
		ring = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (ring != MAP_FAILED) {
			ring->aux_offset = 2 * page;
			ring->aux_size = 16 * page;
			aux = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 * page);
		}
		usleep(1000 * below(80));
		ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
		if (aux != MAP_FAILED) {
			ADD(perf_bytes, ring->aux_head);
			munmap(aux, 16 * page);
		}
		if (ring != MAP_FAILED)
			munmap(ring, 2 * page);
		close(fd);
		usleep(1000 * below(200));
	}
	return NULL;
}

/* It is on most of the time. Which of these are refused depends on those before. */
static void *flip(void *unused)
{
	(void)unused;
	start_dice(opt.seed + 3000);
	while (!shared->stop) {
		usleep(1000 * (100 + below(500)));
		switch (below(6)) {
		case 0:
			write_file(SYSCTL "mem_sampling_enable", "0");
			break;
		case 1:
			write_file(SYSCTL "numa_balancing_mem_sampling", "0");
			break;
		case 2:
			write_file(SYSCTL "numa_balancing", "2");
			break;
		case 3:
			write_file(SYSCTL "numa_balancing", "0");
			break;
		case 4:
			write_file(SYSCTL "numa_balancing", "3");
			break;
		}
		ADD(flips, 1);
		usleep(1000 * below(100));
		write_file(SYSCTL "numa_balancing", "1");
		write_file(SYSCTL "mem_sampling_enable", "1");
		if (write_file(SYSCTL "numa_balancing_mem_sampling", "1") && !opt.fail)
			die("sampling does not come back");
	}
	return NULL;
}

static unsigned long free_kb(int node)
{
	char path[64], line[128];
	unsigned long kb = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Node %*d MemFree: %lu", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* Leaves a node next to nothing, so that what should move there can't, for a while. */
static void *squeeze(void *unused)
{
	(void)unused;
	start_dice(opt.seed + 4000);
	while (!shared->stop) {
		struct nodes nodes = { { 0 } };
		int node = below(nr_nodes);
		unsigned long kb = free_kb(node);
		size_t bytes, i;
		char *p;

		usleep(1000 * (200 + below(800)));
		write_file("/proc/sys/vm/compact_memory", "1");
		write_file("/proc/sys/vm/drop_caches", one_in(2) ? "1" : "3");
		if (kb < 24 << 10)
			continue;
		bytes = (kb - (below(12) << 10)) << 10 & ~(HUGE - 1);
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			continue;
		madvise(p, bytes, MADV_HUGEPAGE);
		/* preferred: what does not fit goes elsewhere */
		add_node(&nodes, node);
		syscall(SYS_mbind, p, bytes, 1, nodes.bits, MAX_NODES, 0);
		for (i = 0; i < bytes && !shared->stop; i += page)
			p[i] = 1;
		ADD(squeezes, 1);
		usleep(1000 * below(200));
		munmap(p, bytes);
	}
	return NULL;
}

/* --- the whole -------------------------------------------------------------- */

static const char * const fault_attrs[][2] = {
	{ "task-filter", "Y" }, { "verbose", "0" }, { "times", "-1" }, { "interval", "1" },
};

/* Allocations of the workers fail now and then. */
static void make_fail(bool on)
{
	static const char * const where[] = { "failslab", "fail_page_alloc" };
	char path[96];
	size_t i, a;

	for (i = 0; i < ARRAY_SIZE(where); i++) {
		for (a = 0; on && a < ARRAY_SIZE(fault_attrs); a++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", where[i], fault_attrs[a][0]);
			must_write(path, fault_attrs[a][1]);
		}
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", where[i]);
		write_file(path, "N");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/min-order", where[i]);
		write_file(path, "0");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/probability", where[i]);
		if (on)
			must_write(path, "1");
		else
			write_file(path, "0");
	}
}

static long long migrated_before;
static pid_t master;

static void restore(void)
{
	if (getpid() != master)
		return;
	if (opt.fail)
		make_fail(false);
	write_file(SYSCTL "mem_sampling_enable", "0");
	write_file(SYSCTL "numa_balancing", "1");
	write_file(KSM "run", "0");
	write_file(THP "hugepages-64kB/enabled", "never");
	umount2("/tmp/mem_storm", MNT_DETACH);
}

static void set_up(void)
{
	long long type = read_number(PMU "type", NULL);

	if (type < 0)
		die(PMU ": this machine has no SPE");
	pmu_type = type;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory");
	while (has_memory(nr_nodes))
		nr_nodes++;
	if (nr_nodes < 2)
		die("this takes two nodes with memory");
	master = getpid();
	atexit(restore);
	mkdir("/tmp/mem_storm", 0700);
	if (mount("none", "/tmp/mem_storm", "ramfs", 0, NULL))
		die("ramfs: %s", strerror(errno));
	must_write(KSM "sleep_millisecs", "20");
	must_write(KSM "pages_to_scan", "500");
	must_write(KSM "run", "1");
	must_write(DEBUGFS "period_start", "4096");
	must_write(DEBUGFS "period_max", "16384");
	must_write(SYSCTL "mem_sampling_enable", "0");
	must_write("/sys/module/arm_spe_mem_sampling/parameters/filter", "all");
	balance_by_samples(NULL);
	migrated_before = vm_count("numa_sample_migrated");
	if (opt.fail)
		make_fail(true);
}

static bool report(double seconds)
{
	long long migrated = vm_count("numa_sample_migrated") - migrated_before;
	bool ok = !shared->failed;
	size_t i;

	printf(opt.json ? "{\"seed\":%llu,\"seconds\":%.0f,\"kinds\":{" : "seed %llu, %.0f s\n",
	       (unsigned long long)opt.seed, seconds);
	if (!opt.json)
		printf("%-14s %9s %9s %8s %8s %7s %7s %8s %6s %7s\n", "", "verified", "written",
		       "moved", "protects", "unmaps", "mremaps", "discards", "forks", "refused");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (opt.only && strcmp(opt.only, kinds[i].name))
			continue;
		printf(opt.json ? "%s\"%s\":{\"verified\":%lu,\"written\":%lu,\"moved\":%lu,\"protects\":%lu,\"unmaps\":%lu,\"mremaps\":%lu,\"discards\":%lu,\"forks\":%lu,\"refused\":%lu}" :
		       "%s%-14s %9lu %9lu %8lu %8lu %7lu %7lu %8lu %6lu %7lu\n",
		       opt.json && i ? "," : "", kinds[i].name, shared->of[i].verified,
		       shared->of[i].written, shared->of[i].moved, shared->of[i].protects,
		       shared->of[i].unmaps, shared->of[i].mremaps, shared->of[i].discards,
		       shared->of[i].forks, shared->of[i].refused);
		if (!shared->of[i].verified || (!shared->of[i].moved && !(kinds[i].flags & NEEDS_NO_MOVE))) {
			fprintf(stderr, PROGRAM ": %s: too little happened\n", kinds[i].name);
			ok = false;
		}
	}
	if (migrated <= 0 || !shared->opens || !shared->flips || !shared->squeezes ||
	    (!opt.no_hotplug && !shared->offline)) {
		fprintf(stderr, PROGRAM ": too little disturbed them\n");
		ok = false;
	}
	printf(opt.json ? "},\"migrated\":%lld,\"offline\":%lu,\"perf_opens\":%lu,\"perf_bytes\":%lu,\"flips\":%lu,\"squeezes\":%lu,\"ok\":%s}\n" :
	       "%lld pages migrated by samples; CPUs went offline %lu times, %lu perf events gave %lu bytes, %lu flips of sysctls, %lu squeezes: %s\n",
	       migrated, shared->offline, shared->opens, shared->perf_bytes, shared->flips,
	       shared->squeezes, opt.json ? (ok ? "true" : "false") : (ok ? "ok" : "NOT ok"));
	return ok;
}

/* On a slow machine that may take longer than it was to last. */
static bool enough_happened(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((!opt.only || !strcmp(opt.only, kinds[i].name)) && !shared->of[i].moved &&
		    !(kinds[i].flags & NEEDS_NO_MOVE))
			return false;
	return shared->opens && shared->flips && shared->squeezes && (opt.no_hotplug || shared->offline);
}

static void usage(FILE *f)
{
	size_t i;

	fprintf(f,
		"usage: mem_storm [options]\n"
		"Does memory keep its contents while samples make it move?\n\n"
		"  --seconds N     how long (60), up to 8 times that if it is slow\n"
		"  --seed N        of all that is left to chance (at random)\n"
		"  --only KIND     one kind of memory only\n"
		"  --no-hotplug    CPUs stay online\n"
		"  --fail          allocations fail, if the kernel can do that (failslab, fail_page_alloc)\n"
		"  --corrupt KIND  contents are changed: must be noticed\n"
		"  --json          for programs\n"
		"kinds of memory:");
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		fprintf(f, " %s", kinds[i].name);
	fputc('\n', f);
}

static const char *kind_named(const char *name, const char *option)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return name;
	die("%s %s: no such kind of memory; mem_storm --help tells them", option, name);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "only", required_argument, NULL, 'o' },
		{ "no-hotplug", no_argument, NULL, 'H' },
		{ "fail", no_argument, NULL, 'f' },
		{ "corrupt", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	if (getrandom(&opt.seed, 4, 0) != 4)
		opt.seed = 1;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's': opt.seconds = number(optarg, "--seconds", 1, 1000000); break;
		case 'S': opt.seed = number(optarg, "--seed", 0, 1UL << 32); break;
		case 'o': opt.only = kind_named(optarg, "--only"); break;
		case 'H': opt.no_hotplug = true; break;
		case 'f': opt.fail = true; break;
		case 'c': opt.lie = kind_named(optarg, "--corrupt"); break;
		case 'j': opt.json = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (optind < argc)
		die("what is \"%s\"? mem_storm --help tells the options", argv[optind]);
}

int main(int argc, char **argv)
{
	static void *(* const disturbers[])(void *) = { hotplug, perf, flip, squeeze };
	pthread_t threads[ARRAY_SIZE(disturbers)];
	unsigned int alive = 0;
	double start;
	int status;
	pid_t pid;
	size_t i;

	page = getpagesize();
	nr_pages = REGION / page;
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	parse(argc, argv);
	if (nr_cpus < 2)
		die("this takes two CPUs");
	set_up();
	fprintf(stderr, PROGRAM ": seed %llu\n", (unsigned long long)opt.seed);
	start = now();
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (opt.only && strcmp(opt.only, kinds[i].name))
			continue;
		pid = fork();
		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (!pid)
			work(&kinds[i]);
		alive++;
	}
	for (i = opt.no_hotplug; i < ARRAY_SIZE(disturbers); i++)
		if (pthread_create(&threads[i], NULL, disturbers[i], NULL))
			die("no thread");
	while (alive) {
		if (now() > start + (enough_happened() ? 1 : 8) * opt.seconds)
			shared->stop = true;
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			alive--;
			if (status && !shared->failed) {
				fprintf(stderr, PROGRAM ": a process ended with status 0x%x\n", status);
				shared->failed = true;
			}
			if (!shared->stop && !shared->failed) {
				fprintf(stderr, PROGRAM ": a process ended early\n");
				shared->failed = true;
			}
			shared->stop |= shared->failed;
			continue;
		}
		usleep(50000);
	}
	shared->stop = true;
	for (i = opt.no_hotplug; i < ARRAY_SIZE(disturbers); i++)
		pthread_join(threads[i], NULL);
	return !report(now() - start);
}
