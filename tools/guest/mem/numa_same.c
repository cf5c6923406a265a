// SPDX-License-Identifier: GPL-2.0
/*
 * numa_same: does memory end up in the same place by samples as by hint faults?
 *
 * Each pattern of access and each kind of memory is run twice, by hint faults and by
 * samples of the hardware, in a process of its own that begins with all its memory on
 * a far node. Both must end alike, and as it should be: what one refuses to move the
 * other refuses.
 *
 * For a kind of memory there are ordinary pages beside it that are used just as much.
 * That they all have moved, and were used as long again, tells that what is still
 * there has been left alone.
 */
#define _GNU_SOURCE
#define PROGRAM "numa_same"
#include "common.h"

#include <fcntl.h>
#include <getopt.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define SCHED_DEBUG	"/sys/kernel/debug/sched/numa_balancing/"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KSM		"/sys/kernel/mm/ksm/"
#define CGROUP		"/sys/fs/cgroup/"
#define POLICY_PREFERRED	1
#define POLICY_LOCAL		4
#define POLICY_BALANCE		(1 << 13)	/* MPOL_F_NUMA_BALANCING */

static struct {
	const char *only;
	double seconds;
	double tolerance;
	bool patterns, kinds, json;
} opt = {
	.seconds = 60,
	.tolerance = 10,
};

static size_t page;
static int here, there, far;	/* nodes: of the user, of the other user, of the memory */
static int nr_nodes;

/* --- where memory is -------------------------------------------------------- */

struct place {
	unsigned int pages, here, there, far, nowhere;
};

static void look(struct place *place, char *memory, size_t bytes)
{
	enum { AT_ONCE = 512 };
	void *pages[AT_ONCE];
	int nodes[AT_ONCE];
	size_t done, i, nr, total = bytes / page;

	memset(place, 0, sizeof(*place));
	place->pages = total;
	for (done = 0; done < total; done += nr) {
		nr = total - done < AT_ONCE ? total - done : AT_ONCE;
		for (i = 0; i < nr; i++)
			pages[i] = memory + (done + i) * page;
		if (syscall(SYS_move_pages, 0, nr, pages, NULL, nodes, 0))
			die("move_pages: %s", strerror(errno));
		for (i = 0; i < nr; i++) {
			place->here += nodes[i] == here;
			place->there += nodes[i] == there;
			place->far += nodes[i] == far;
			place->nowhere += nodes[i] < 0;
		}
	}
}

static void *map(size_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == MAP_FAILED)
		die("%zu bytes: %s", bytes, strerror(errno));
	return p;
}

static char *map_aligned(size_t bytes, size_t align)
{
	uintptr_t p = (uintptr_t)map(bytes + align, MAP_PRIVATE | MAP_ANONYMOUS);

	return (char *)((p + align - 1) & ~(align - 1));
}

static void fill_far(char *memory, size_t bytes, bool differ)
{
	size_t i;

	set_policy(POLICY_BIND, far);
	memset(memory, 1, bytes);
	for (i = 0; differ && i < bytes; i += page)
		*(uint64_t *)(memory + i) = roll();
	set_policy(POLICY_DEFAULT, -1);
}

/* New pages can't migrate as long as they wait to be put on the LRU lists. */
static void flush_lru(void)
{
	char *p = map(256 * page, MAP_PRIVATE | MAP_ANONYMOUS);

	madvise(p, 256 * page, MADV_NOHUGEPAGE);
	memset(p, 1, 256 * page);
	munmap(p, 256 * page);
}

/* --- results ---------------------------------------------------------------- */

/* In percent of the pages; written by the process that runs a case. */
struct outcome {
	bool done;
	double local, first, seconds;
	long long migrated;
	char error[200];
};

static struct outcome *outcome;
static unsigned int nr_failed, nr_shown;

static __attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(outcome->error, sizeof(outcome->error), format, args);
	va_end(args);
	_exit(1);
}

static void must(int failed, const char *what)
{
	if (failed)
		give_up("%s: %s", what, strerror(errno));
}

/* --- patterns --------------------------------------------------------------- */

#define PATTERN_BYTES	(8UL << 20)
#define MAX_USERS	2

struct pattern {
	const char *name;
	int users;
	enum { ALL, OWN_HALF, OWN_LINES, SEVEN_OF_EIGHT, WINDOW, FOLLOW } access;
	enum { FAR, EVERYWHERE, INTERLEAVED } initial;
	double local;		/* at the end at least, or -1: just the same */
	double tolerance;	/* of the first user's share; 0: the usual one */
};

static const struct pattern patterns[] = {
	{ "private",			2, OWN_HALF,	FAR,		95, 0 },
	{ "on all nodes, one user",	1, ALL,		EVERYWHERE,	95, 0 },
	{ "interleaved by policy",	1, ALL,		INTERLEAVED,	-1, 0 },
	{ "moving hot set",		1, WINDOW,	FAR,		95, 0 },
	{ "user moves",			1, FOLLOW,	FAR,		95, 0 },
	{ "shared by two nodes",	2, ALL,		FAR,		90, 30 },
	{ "false-shared by two nodes",	2, OWN_LINES,	FAR,		90, 30 },
	{ "shared, one uses it 7:1",	2, SEVEN_OF_EIGHT, FAR,		90, 20 },
};

static struct run {
	const struct pattern *pattern;
	char *memory;
	volatile bool stop;
	volatile int window;	/* eighth of the memory */
	volatile int cpu;
} run;

static __attribute__((noipa)) void use(volatile char *memory, size_t lines, size_t stride,
				       size_t offset, unsigned int times)
{
	while (times--) {
		volatile uint64_t *word = (volatile uint64_t *)
			(memory + ((roll() >> 13) % lines * stride + offset) * 64);

		*word = *word + 1;
	}
}

static void *user(void *arg)
{
	const struct pattern *p = run.pattern;
	int me = (intptr_t)arg, cpu = -1;
	size_t lines = PATTERN_BYTES / 64;

	start_dice(me + 1);
	if (me)
		pin(cpu_of_node(there, 0));
	while (!run.stop) {
		if (!me && cpu != run.cpu) {
			cpu = run.cpu;
			pin(cpu);
		}
		switch (p->access) {
		case OWN_HALF:
			use(run.memory + me * (PATTERN_BYTES / 2), lines / 2, 1, 0, 2000);
			break;
		case OWN_LINES:
			use(run.memory, lines / 2, 2, me, 2000);
			break;
		case SEVEN_OF_EIGHT:
			/* they take turns on the host, and the second one rests */
			use(run.memory, lines, 1, 0, 2000);
			if (me)
				usleep(3000);
			break;
		case WINDOW:
			use(run.memory + run.window * (PATTERN_BYTES / 8), lines / 8, 1, 0, 2000);
			break;
		default:
			use(run.memory, lines, 1, 0, 2000);
		}
	}
	return NULL;
}

static bool shares(const struct pattern *p)
{
	return p->users > 1 && p->access != OWN_HALF;
}

static double local_of(const struct pattern *p, double *first)
{
	struct place all, half;

	look(&all, run.memory, PATTERN_BYTES);
	*first = 100.0 * all.here / all.pages;
	if (p->access != OWN_HALF)
		return 100.0 * (all.here + (p->users > 1 || p->access == FOLLOW ? all.there : 0)) / all.pages;
	look(&half, run.memory, PATTERN_BYTES / 2);
	return 100.0 * (half.here + (all.there - half.there)) / all.pages;
}

/*
 * Until nothing has changed for two seconds, and something has been at all, or it has
 * taken too long. The last is the mean of these two seconds.
 */
static void settle(const struct pattern *p)
{
	enum { LOOKS = 8 };
	double local[LOOKS] = { 0 }, first[LOOKS] = { 0 }, low, high, start = now(), sum[2] = { 0 };
	unsigned int n, i;

	for (n = 0; now() < start + opt.seconds; n++) {
		usleep(250000);
		local[n % LOOKS] = local_of(p, &first[n % LOOKS]);
		low = high = local[0];
		for (i = 1; i < LOOKS; i++) {
			low = local[i] < low ? local[i] : low;
			high = local[i] > high ? local[i] : high;
		}
		if (p->local >= 0 && p->access != WINDOW && n >= LOOKS && high > 50 &&
		    high - low < 2 && now() > start + (shares(p) ? 8 : 3))
			break;
		if (p->local < 0 && now() > start + 5)
			break;
		/* the hot set moves on when it is local, or ought to be */
		if (p->access == WINDOW) {
			struct place w;

			look(&w, run.memory + run.window * (PATTERN_BYTES / 8), PATTERN_BYTES / 8);
			if (w.here >= w.pages * 98 / 100 || now() > start + opt.seconds * (run.window + 1) / 8) {
				if (run.window == 7)
					break;
				run.window++;
			}
		}
	}
	for (i = 0; i < LOOKS; i++) {
		sum[0] += local[i] / LOOKS;
		sum[1] += first[i] / LOOKS;
	}
	/* where it moves on there is no mean */
	outcome->local = p->access == WINDOW ? local_of(p, &outcome->first) : sum[0];
	outcome->first = p->access == WINDOW ? outcome->first : sum[1];
}

static void run_pattern(const void *what)
{
	const struct pattern *p = what;
	pthread_t threads[MAX_USERS];
	struct nodes nodes = { { 0 } };
	double start;
	size_t i;
	int n;

	run.pattern = p;
	run.cpu = cpu_of_node(here, 0);
	run.memory = map(PATTERN_BYTES, MAP_PRIVATE | MAP_ANONYMOUS);
	madvise(run.memory, PATTERN_BYTES, MADV_NOHUGEPAGE);
	for (n = 0; n < nr_nodes; n++)
		add_node(&nodes, n);
	if (p->initial == INTERLEAVED)
		must(syscall(SYS_mbind, run.memory, PATTERN_BYTES, POLICY_INTERLEAVE, nodes.bits,
			     MAX_NODES, 0), "mbind");
	for (i = 0; i < PATTERN_BYTES; i += page) {
		if (p->initial == FAR)
			set_policy(POLICY_BIND, far);
		else if (p->initial == EVERYWHERE)
			set_policy(POLICY_BIND, i / page % nr_nodes);
		memset(run.memory + i, 1, page);
	}
	set_policy(POLICY_DEFAULT, -1);
	flush_lru();
	start = now();
	for (n = 0; n < p->users; n++)
		must(pthread_create(&threads[n], NULL, user, (void *)(intptr_t)n), "thread");
	settle(p);
	if (p->access == FOLLOW) {
		run.cpu = cpu_of_node(there, 0);
		sleep(1);
		settle(p);
		outcome->local -= outcome->first;	/* there only */
	}
	run.stop = true;
	for (n = 0; n < p->users; n++)
		pthread_join(threads[n], NULL);
	outcome->seconds = now() - start;
	outcome->done = true;
}

/* --- kinds of memory -------------------------------------------------------- */

#define KIND_BYTES	(64 * page)

struct region {
	char *memory;
	size_t bytes;
	bool read_only;
};

struct kind {
	const char *name;
	enum { MOVES, STAYS } expect;
	void (*get)(struct region *r);
	int arg;
	bool unseen;		/* by move_pages() */
};

static int kind_arg;

static void get_anon(struct region *r)
{
	r->memory = map(KIND_BYTES, MAP_ANONYMOUS | kind_arg);
	madvise(r->memory, KIND_BYTES, MADV_NOHUGEPAGE);
	fill_far(r->memory, KIND_BYTES, true);
}

static void get_locked(struct region *r)
{
	kind_arg = MAP_PRIVATE;
	get_anon(r);
	must(mlock(r->memory, r->bytes), "mlock");
}

static void get_huge(struct region *r)
{
	r->bytes = 2 * HUGE;
	r->memory = map_aligned(r->bytes, HUGE);
	must(madvise(r->memory, r->bytes, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	fill_far(r->memory, r->bytes, true);
}

/* A huge page that page table entries map. */
static void get_split_huge(struct region *r)
{
	get_huge(r);
	must(mprotect(r->memory + 3 * page, page, PROT_READ) ||
	     mprotect(r->memory + HUGE + 3 * page, page, PROT_READ) ||
	     mprotect(r->memory, r->bytes, PROT_READ | PROT_WRITE), "mprotect");
}

/* Folios of 64 KB. */
static void get_large(struct region *r)
{
	must(write_file(THP "hugepages-64kB/enabled", "madvise"), "folios of 64 KB");
	r->memory = map_aligned(KIND_BYTES, 16 * page);
	must(madvise(r->memory, KIND_BYTES, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	fill_far(r->memory, KIND_BYTES, true);
}

static void map_file(struct region *r, const char *dir, int prot, int flags)
{
	char name[64];
	int fd;

	if (dir) {
		snprintf(name, sizeof(name), "%s/numa_same.XXXXXX", dir);
		fd = mkstemp(name);
		unlink(name);
	} else {
		fd = memfd_create(PROGRAM, 0);
	}
	must(fd < 0, dir ? dir : "memfd");
	must(ftruncate(fd, KIND_BYTES), "ftruncate");
	/* in the page cache, on the far node */
	r->memory = mmap(NULL, KIND_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(r->memory == MAP_FAILED, "mmap");
	fill_far(r->memory, KIND_BYTES, true);
	if (prot != (PROT_READ | PROT_WRITE) || flags != MAP_SHARED) {
		must(munmap(r->memory, KIND_BYTES), "munmap");
		r->memory = mmap(NULL, KIND_BYTES, prot, flags, fd, 0);
		must(r->memory == MAP_FAILED, "mmap");
	}
	r->read_only = !(prot & PROT_WRITE);
	close(fd);
}

static void get_shmem(struct region *r)
{
	map_file(r, NULL, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void get_shmem_bound(struct region *r)
{
	struct nodes nodes = { { 0 } };

	get_shmem(r);
	add_node(&nodes, far);
	must(syscall(SYS_mbind, r->memory, r->bytes, POLICY_BIND, nodes.bits, MAX_NODES, 0), "mbind");
}

static void get_read_only_shared(struct region *r)
{
	map_file(r, "/tmp", PROT_READ, MAP_SHARED);
}

static void get_read_only_private(struct region *r)
{
	map_file(r, "/tmp", PROT_READ, MAP_PRIVATE);
}

static void get_text(struct region *r)
{
	map_file(r, "/tmp", PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

/* What is only read of it is the file's, what is written the process's. */
static void get_private_file(struct region *r)
{
	map_file(r, "/tmp", PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill_far(r->memory, r->bytes, true);
}

static void get_private_file_unwritten(struct region *r)
{
	map_file(r, "/tmp", PROT_READ | PROT_WRITE, MAP_PRIVATE);
	r->read_only = true;
}

/* A file system on no device, whose pages are the page cache's and always dirty. */
static void get_ramfs(struct region *r)
{
	mkdir("/tmp/ramfs", 0700);
	must(mount("none", "/tmp/ramfs", "ramfs", 0, NULL), "ramfs");
	map_file(r, "/tmp/ramfs", PROT_READ | PROT_WRITE, MAP_SHARED);
	umount2("/tmp/ramfs", MNT_DETACH);
}

static void get_hugetlb(struct region *r)
{
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", far);
	must(write_file(path, "2"), path);
	r->bytes = 2 * HUGE;
	set_policy(POLICY_BIND, far);
	r->memory = map(r->bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
	fill_far(r->memory, r->bytes, true);
}

static void get_ksm(struct region *r)
{
	double start = now();

	/* A hint that a page has before it is merged stays, and then it is not left alone. */
	must(write_file(SYSCTL "numa_balancing", "0"), "numa_balancing");
	r->memory = map(KIND_BYTES, MAP_PRIVATE | MAP_ANONYMOUS);
	madvise(r->memory, KIND_BYTES, MADV_NOHUGEPAGE);
	fill_far(r->memory, KIND_BYTES, false);
	r->read_only = true;
	must(madvise(r->memory, KIND_BYTES, MADV_MERGEABLE), "MADV_MERGEABLE");
	must(write_file(KSM "sleep_millisecs", "5") || write_file(KSM "pages_to_scan", "2000") ||
	     write_file(KSM "run", "1"), KSM);
	while (read_number(KSM "pages_sharing", NULL) < (long long)(KIND_BYTES / page - 1)) {
		if (now() > start + opt.seconds)
			give_up("KSM has merged %lld pages of %zu", read_number(KSM "pages_sharing", NULL),
				KIND_BYTES / page);
		usleep(20000);
	}
	must(write_file(KSM "run", "0"), KSM);
	must(write_file(SYSCTL "numa_balancing", "1"), "numa_balancing");
}

static void get_policy(struct region *r)
{
	struct nodes nodes = { { 0 } };
	int n;

	r->memory = map(KIND_BYTES, MAP_PRIVATE | MAP_ANONYMOUS);
	madvise(r->memory, KIND_BYTES, MADV_NOHUGEPAGE);
	fill_far(r->memory, KIND_BYTES, true);
	switch (kind_arg & 0xff) {
	case POLICY_BIND:
		for (n = 0; n < nr_nodes; n++)
			add_node(&nodes, n);
		break;
	case POLICY_PREFERRED:
		add_node(&nodes, far);
		break;
	}
	must(syscall(SYS_mbind, r->memory, KIND_BYTES, kind_arg,
		     kind_arg == POLICY_LOCAL ? NULL : nodes.bits,
		     kind_arg == POLICY_LOCAL ? 0 : MAX_NODES, 0), "mbind");
}

/* Of the node that it may not leave, and one more, so that it may gain at all. */
static void get_cpuset(struct region *r)
{
	char text[64];

	kind_arg = MAP_PRIVATE;
	get_anon(r);
	must(write_file(CGROUP "cgroup.subtree_control", "+cpuset"), "cpuset");
	mkdir(CGROUP "numa_same", 0700);
	snprintf(text, sizeof(text), "%d,%d", far, there);
	must(write_file(CGROUP "numa_same/cpuset.mems", text) ||
	     write_file(CGROUP "numa_same/cgroup.procs", "0"), "cpuset");
}

static void get_uffd(struct region *r)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = kind_arg };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	must(fd < 0, "userfaultfd");
	must(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	kind_arg = MAP_PRIVATE;
	get_anon(r);
	reg.range.start = (uintptr_t)r->memory;
	reg.range.len = r->bytes;
	must(ioctl(fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER");
}

/* For DMA, as long as the ring lives. */
static void get_pinned(struct region *r)
{
	struct io_uring_params params = { 0 };
	struct iovec iov;
	int fd = syscall(SYS_io_uring_setup, 4, &params);

	must(fd < 0, "io_uring");
	kind_arg = MAP_PRIVATE;
	get_anon(r);
	iov.iov_base = r->memory;
	iov.iov_len = r->bytes;
	must(syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1), "fixed buffers");
}

/* A pipe has references to the pages. */
static void get_spliced(struct region *r)
{
	struct iovec iov;
	int fds[2];

	kind_arg = MAP_PRIVATE;
	get_anon(r);
	iov.iov_base = r->memory;
	iov.iov_len = r->bytes;
	must(pipe(fds) || fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) < 0, "pipe");
	must(vmsplice(fds[1], &iov, 1, 0) != (ssize_t)r->bytes, "vmsplice");
}

/* The kernel's own memory: the buffer of a perf event. */
static void get_kernels(struct region *r)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	must(fd < 0, "perf_event_open");
	r->bytes = 65 * page;
	r->memory = mmap(NULL, r->bytes, PROT_READ, MAP_SHARED, fd, 0);
	must(r->memory == MAP_FAILED, "mmap of a perf event");
	r->read_only = true;
}

/* Another process has it copy-on-write as well. */
static void get_forked(struct region *r)
{
	pid_t pid;

	kind_arg = MAP_PRIVATE;
	get_anon(r);
	r->read_only = true;
	pid = fork();
	must(pid < 0, "fork");
	if (!pid) {
		while (getppid() != 1)
			usleep(50000);
		_exit(0);
	}
}

static const struct kind kinds[] = {
	{ "anonymous",				MOVES, get_anon, MAP_PRIVATE, false },
	{ "anonymous, shared",			MOVES, get_anon, MAP_SHARED, false },
	{ "anonymous, locked",			MOVES, get_locked, 0, false },
	{ "huge page",				MOVES, get_huge, 0, false },
	{ "huge page, mapped by PTEs",		MOVES, get_split_huge, 0, false },
	{ "folios of 64 KB",			MOVES, get_large, 0, false },
	{ "shmem",				MOVES, get_shmem, 0, false },
	{ "shmem bound to its node",		STAYS, get_shmem_bound, 0, false },
	{ "file, shared and written",		STAYS, get_ramfs, 0, false },
	{ "file, shared, only readable",	STAYS, get_read_only_shared, 0, false },
	{ "file, private, written",		MOVES, get_private_file, 0, false },
	{ "file, private, not written",		MOVES, get_private_file_unwritten, 0, false },
	{ "file, private, only readable",	STAYS, get_read_only_private, 0, false },
	{ "executable's text",			STAYS, get_text, 0, false },
	{ "hugetlb",				STAYS, get_hugetlb, 0, false },
	{ "merged by KSM",			STAYS, get_ksm, 0, false },
	{ "userfaultfd, missing pages",		MOVES, get_uffd, UFFDIO_REGISTER_MODE_MISSING, false },
	{ "userfaultfd, write protection",	MOVES, get_uffd, UFFDIO_REGISTER_MODE_WP, false },
	{ "pinned for DMA",			STAYS, get_pinned, 0, false },
	{ "in a pipe",				STAYS, get_spliced, 0, false },
	{ "the kernel's",			STAYS, get_kernels, 0, true },
	{ "shared with a forked process",	STAYS, get_forked, 0, false },
	{ "bound to all nodes",			STAYS, get_policy, POLICY_BIND, false },
	{ "bound, to be balanced",		MOVES, get_policy, POLICY_BIND | POLICY_BALANCE, false },
	{ "preferred to be far",		STAYS, get_policy, POLICY_PREFERRED, false },
	{ "local by policy",			STAYS, get_policy, POLICY_LOCAL, false },
	{ "not in the cpuset's nodes",		STAYS, get_cpuset, 0, false },
};

static __attribute__((noipa)) void use_both(const struct region *r, char *ordinary)
{
	size_t i, line;

	for (i = 0; i < KIND_BYTES / page; i++) {
		volatile uint64_t *a = (volatile uint64_t *)(ordinary + i * page);
		volatile uint64_t *b = (volatile uint64_t *)(r->memory + roll() % (r->bytes / page) * page);

		for (line = 8; line < 512; line += 24) {
			a[line] = a[line] + 1;
			if (r->read_only)
				(void)b[line];
			else
				b[line] = b[line] + 1;
		}
	}
}

/* How often it came up whether a page should move. */
static long long asked(void)
{
	return vm_count("numa_hint_faults") + vm_count("numa_sample_remote");
}

static void run_kind(const void *what)
{
	const struct kind *k = what;
	struct region r = { .bytes = KIND_BYTES };
	struct place place, ordinary_place;
	double start, moved = 0, percent = 0;
	long long migrated = 0, before;
	bool cpuset = k->get == get_cpuset;
	char *ordinary;

	pin(cpu_of_node(here, 0));
	kind_arg = k->arg;
	k->get(&r);
	ordinary = map(KIND_BYTES, MAP_PRIVATE | MAP_ANONYMOUS);
	madvise(ordinary, KIND_BYTES, MADV_NOHUGEPAGE);
	fill_far(ordinary, KIND_BYTES, true);
	flush_lru();
	/* Mapped, but not accessed, or it could begin to move. Not all kinds allow it. */
	madvise(r.memory, r.bytes, MADV_POPULATE_READ);
	look(&place, r.memory, r.bytes);
	if (!k->unseen && place.far < place.pages * 9 / 10)
		give_up("%u of %u pages are on the far node to begin with, %u nowhere", place.far,
			place.pages, place.nowhere);

	start = now();
	before = asked();
	for (;;) {
		double until = now() + 0.05;

		while (now() < until)
			use_both(&r, ordinary);
		look(&ordinary_place, ordinary, KIND_BYTES);
		look(&place, r.memory, r.bytes);
		percent = 100.0 * place.here / place.pages;
		/* in a cpuset without the node nothing moves at all, often as it may be asked */
		if (!moved && (cpuset ? asked() > before + 512 :
			       ordinary_place.here >= ordinary_place.pages * 95 / 100)) {
			moved = now() - start;
			migrated = vm_count("numa_pages_migrated");
		}
		if (moved && now() > start + 2 * moved + 0.3 &&
		    (k->expect == STAYS || percent >= 95 || now() > start + opt.seconds))
			break;
		if (now() > start + opt.seconds) {
			if (!moved)
				give_up("only %u of %u ordinary pages beside it have moved in %.0f s",
					ordinary_place.here, ordinary_place.pages, opt.seconds);
			break;
		}
	}
	outcome->migrated = vm_count("numa_pages_migrated") - migrated;
	outcome->local = k->unseen ? 100.0 * (outcome->migrated > 8) : percent;
	outcome->first = outcome->local;
	outcome->seconds = now() - start;
	outcome->done = true;
	/* the next one has the cpuset and the huge pages as they were */
	if (cpuset)
		write_file(CGROUP "cgroup.procs", "0");
}

static void clean_up_kind(void)
{
	char path[128];

	rmdir(CGROUP "numa_same");
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", far);
	write_file(path, "0");
	write_file(KSM "run", "2");
	write_file(KSM "run", "0");
	write_file(THP "hugepages-64kB/enabled", "never");
}

/* --- the whole -------------------------------------------------------------- */

/* One case in a process of its own. */
static struct outcome run_case(void (*fn)(const void *what), const void *what)
{
	struct outcome result;
	int status;
	pid_t pid;

	memset(outcome, 0, sizeof(*outcome));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		fn(what);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (status && !outcome->error[0])
		snprintf(outcome->error, sizeof(outcome->error), "ended with status 0x%x", status);
	result = *outcome;
	clean_up_kind();
	return result;
}

static void show(const char *name, const char *expect, const struct outcome *hints,
		 const struct outcome *samples, const char *wrong)
{
	if (opt.json)
		printf("%s{\"name\":\"%s\",\"expect\":\"%s\",\"hints\":%.1f,\"samples\":%.1f,"
		       "\"hints_first\":%.1f,\"samples_first\":%.1f,\"hints_s\":%.1f,\"samples_s\":%.1f,\"ok\":%s}",
		       nr_shown ? "," : "", name, expect, hints->local, samples->local, hints->first,
		       samples->first, hints->seconds, samples->seconds, wrong ? "false" : "true");
	else
		printf("%-30s %-9s %7.1f %7.1f %7.1f %7.1f %7.1f %7.1f  %s\n", name, expect,
		       hints->local, hints->first, hints->seconds, samples->local, samples->first,
		       samples->seconds, wrong ? wrong : "ok");
	if (hints->error[0])
		fprintf(stderr, PROGRAM ": %s, hint faults: %s\n", name, hints->error);
	if (samples->error[0])
		fprintf(stderr, PROGRAM ": %s, samples: %s\n", name, samples->error);
	fflush(stdout);
	nr_shown++;
	nr_failed += wrong != NULL;
}

static double apart(double a, double b)
{
	return a > b ? a - b : b - a;
}

static void do_pattern(const struct pattern *p)
{
	struct outcome hints, samples;
	const char *wrong = NULL;
	char expect[32] = "as stock";

	balance_by_hints();
	hints = run_case(run_pattern, p);
	balance_by_samples(NULL);
	samples = run_case(run_pattern, p);
	if (p->local >= 0)
		snprintf(expect, sizeof(expect), ">= %.0f", p->local);
	if (!hints.done || !samples.done)
		wrong = "NOT done";
	else if (samples.local < p->local)
		wrong = "NOT local";
	else if (apart(hints.local, samples.local) > opt.tolerance)
		wrong = "NOT the same";
	else if (apart(hints.first, samples.first) > (p->tolerance ?: opt.tolerance))
		wrong = "NOT shared the same";
	show(p->name, expect, &hints, &samples, wrong);
}

static bool as_expected(const struct kind *k, const struct outcome *o)
{
	return k->expect == MOVES ? o->local >= 90 : o->local <= 5;
}

static void do_kind(const struct kind *k)
{
	struct outcome hints, samples;
	const char *wrong = NULL;

	balance_by_hints();
	hints = run_case(run_kind, k);
	balance_by_samples(NULL);
	samples = run_case(run_kind, k);
	if (!hints.done || !samples.done)
		wrong = "NOT done";
	else if (!as_expected(k, &samples))
		wrong = k->expect == MOVES ? "samples do NOT move it" : "samples MOVE it";
	else if (!as_expected(k, &hints))
		wrong = "NOT what hint faults do";
	show(k->name, k->expect == MOVES ? "moves" : "stays", &hints, &samples, wrong);
}

static const struct { const char *path, *value; } settings[] = {
	/* hint faults come as soon as they can: less to wait for */
	{ SCHED_DEBUG "scan_delay_ms", "10" },
	{ SCHED_DEBUG "scan_period_min_ms", "40" },
	{ SCHED_DEBUG "scan_period_max_ms", "200" },
	{ DEBUGFS "period_start", "2048" },
	{ DEBUGFS "period_max", "16384" },
};

static char saved[ARRAY_SIZE(settings)][32];
static pid_t master;

static void restore(void)
{
	size_t i;

	if (getpid() != master)
		return;
	write_file(SYSCTL "mem_sampling_enable", "0");
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		write_file(settings[i].path, saved[i]);
}

static void set_up(void)
{
	int node, memory[3], nr = 0;
	size_t i;

	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcome == MAP_FAILED)
		die("no memory");
	for (node = 0; node < MAX_NODES; node++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
		if (access(path, F_OK))
			continue;
		nr_nodes = node + 1;
		if (nr < 3 && has_memory(node) && (nr == 2 || cpu_of_node(node, 0) >= 0))
			memory[nr++] = node;
	}
	if (nr < 3)
		die("this takes three nodes with memory, two of them with CPUs");
	here = memory[0];
	there = memory[1];
	far = memory[2];
	master = getpid();
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		snprintf(saved[i], sizeof(saved[i]), "%lld", read_number(settings[i].path, NULL));
	atexit(restore);
	for (i = 0; i < ARRAY_SIZE(settings); i++)
		must_write(settings[i].path, settings[i].value);
	/* For memory that is used so little caches are large. */
	write_file(SYSCTL "mem_sampling_enable", "0");
	write_file("/sys/module/arm_spe_mem_sampling/parameters/filter", "all");
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: numa_same [options]\n"
		"Does memory end up in the same place by samples as by hint faults?\n\n"
		"  --patterns           patterns of access (without --kinds these only)\n"
		"  --kinds              kinds of memory\n"
		"  --only TEXT          only those with TEXT in their names\n"
		"  --seconds S          a case takes at most so long (60)\n"
		"  --tolerance PERCENT  that placements may differ by (10; those of memory that\n"
		"                       two nodes share differ by chance, 20 to 30)\n"
		"  --json               for programs\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "patterns", no_argument, NULL, 'p' },
		{ "kinds", no_argument, NULL, 'k' },
		{ "only", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 's' },
		{ "tolerance", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	size_t i;
	int c;

	page = getpagesize();
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'p': opt.patterns = true; break;
		case 'k': opt.kinds = true; break;
		case 'o': opt.only = optarg; break;
		case 's': opt.seconds = number(optarg, "--seconds", 1, 100000); break;
		case 't': opt.tolerance = number(optarg, "--tolerance", 0, 100); break;
		case 'j': opt.json = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (optind < argc)
		die("what is \"%s\"? numa_same --help tells the options", argv[optind]);
	if (!opt.patterns && !opt.kinds)
		opt.patterns = opt.kinds = true;
	set_up();
	if (opt.json)
		printf("{\"tolerance\":%.0f,\"cases\":[", opt.tolerance);
	else
		printf("pages where they are used, and where the first user is, in %%; memory of node %d, users on %d and %d\n"
		       "%-30s %-9s %7s %7s %7s %7s %7s %7s\n", far, here, there, "", "", "hints",
		       "first", "s", "samples", "first", "s");
	for (i = 0; opt.patterns && i < ARRAY_SIZE(patterns); i++)
		if (!opt.only || strstr(patterns[i].name, opt.only))
			do_pattern(&patterns[i]);
	for (i = 0; opt.kinds && i < ARRAY_SIZE(kinds); i++)
		if (!opt.only || strstr(kinds[i].name, opt.only))
			do_kind(&kinds[i]);
	if (!nr_shown)
		die("--only %s: there is no such case", opt.only);
	if (opt.json)
		printf("],\"failed\":%u}\n", nr_failed);
	else if (nr_failed)
		printf("%u of %u NOT as they should be\n", nr_failed, nr_shown);
	return nr_failed != 0;
}
