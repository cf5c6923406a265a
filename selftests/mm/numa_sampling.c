// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA balancing by sampled memory accesses: which samples make which pages move.
 *
 * The samples come from CONFIG_MEM_SAMPLING_SOFTWARE, so that any machine with two
 * nodes will do. A sample that a task writes for itself has been dealt with when
 * write() returns, because that is done on the way to user mode.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mman.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEBUGFS		"/sys/kernel/debug/mem_sampling/"
#define SYSCTL		"/proc/sys/kernel/"
#define KSM		"/sys/kernel/mm/ksm/"
#define SCAN_SIZE	"/sys/kernel/debug/sched/numa_balancing/scan_size_mb"
#define PAGES		8
/* What moves together in memory that only one thread can use: pages in such a block. */
#define AROUND		(page > 65536 ? page : (size_t)65536)
#define MAX_NODES	1024
#define MPOL_DEFAULT	0
#define MPOL_BIND	2
#define HUGE_MAX	(32UL << 20)	/* with pages of 64 KiB it is 512 MiB */
#define MPOL_F_NUMA_BALANCING	0x2000
#define HUGE		(2UL << 20)

static size_t page;

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = -errno;
	close(fd);
	return err;
}

static int read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static unsigned long long vm_count(const char *name)
{
	unsigned long long n, found = 0;
	FILE *f = fopen("/proc/vmstat", "r");
	char word[64];

	if (!f)
		return 0;
	while (fscanf(f, "%63s %llu", word, &n) == 2)
		if (!strcmp(word, name))
			found = n;
	fclose(f);
	return found;
}

static bool has_memory(int node)
{
	unsigned long kb = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Node %*d MemTotal: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb > 0;
}

static int set_policy(int mode, int node)
{
	unsigned long mask[MAX_NODES / (8 * sizeof(long))] = { 0 };

	if (node < 0)
		return syscall(SYS_set_mempolicy, mode, NULL, 0);
	mask[node / (8 * sizeof(long))] = 1UL << node % (8 * sizeof(long));
	return syscall(SYS_set_mempolicy, mode, mask, MAX_NODES);
}

static int node_of(void *addr)
{
	int node = -1;

	if (syscall(SYS_move_pages, 0, 1, &addr, NULL, &node, 0))
		return -errno;
	return node;
}

static int inject(pid_t pid, void *addr, const char *kind)
{
	char line[64];

	snprintf(line, sizeof(line), "%d 0x%lx %s\n", pid, (unsigned long)addr, kind);
	return write_file(DEBUGFS "inject", line);
}

static int sampled(void *addr)
{
	return inject(getpid(), addr, "load");
}

FIXTURE(numa_sampling)
{
	int here, far;		/* nodes */
	int scan_size;		/* to be restored if it is not 0 */
	bool on;
};

FIXTURE_SETUP(numa_sampling)
{
	unsigned int cpu, node;
	cpu_set_t cpus;

	page = getpagesize();
	if (access(DEBUGFS "inject", W_OK))
		SKIP(return, "needs root, debugfs and CONFIG_MEM_SAMPLING_SOFTWARE");
	ASSERT_EQ(0, syscall(SYS_getcpu, &cpu, &node, NULL));
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(cpus), &cpus));
	self->here = node;
	for (self->far = 0; self->far < MAX_NODES; self->far++)
		if (self->far != self->here && has_memory(self->far))
			break;
	if (self->far == MAX_NODES || !has_memory(self->here))
		SKIP(return, "needs two nodes with memory, one of them ours");

	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing", "1"));
	ASSERT_EQ(0, write_file(SYSCTL "mem_sampling_enable", "0"));
	ASSERT_EQ(0, write_file(DEBUGFS "sources", "software"));
	ASSERT_EQ(0, write_file(SYSCTL "mem_sampling_enable", "1"));
	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing_mem_sampling", "1"));
	self->on = true;
}

FIXTURE_TEARDOWN(numa_sampling)
{
	char size[16];

	if (self->scan_size) {
		snprintf(size, sizeof(size), "%d", self->scan_size);
		write_file(SCAN_SIZE, size);
	}
	if (self->on)
		write_file(SYSCTL "mem_sampling_enable", "0");
}

/*
 * A new page can't migrate as long as it is in the batch of pages that its CPU is
 * going to put on the LRU lists. Later ones push it out.
 */
static void fill_lru_batch(void)
{
	size_t size = 64 * page;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return;
	madvise(p, size, MADV_NOHUGEPAGE);
	memset(p, 1, size);
	munmap(p, size);
}

/* Memory on the far node that begins with a block. */
static char *map_far(struct __test_metadata *_metadata, int far, size_t size, int flags)
{
	char *p = mmap(NULL, size + AROUND, PROT_READ | PROT_WRITE, flags, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	p = (char *)(((unsigned long)p + AROUND - 1) & ~(AROUND - 1));
	madvise(p, size, MADV_NOHUGEPAGE);
	ASSERT_EQ(0, set_policy(MPOL_BIND, far));
	memset(p, 1, size);
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, -1));
	ASSERT_EQ(far, node_of(p));
	fill_lru_batch();
	return p;
}

TEST_F(numa_sampling, page_moves)
{
	char *p = map_far(_metadata, self->far, 3 * AROUND, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long long before = vm_count("numa_hint_faults");
	size_t i;

	for (i = 0; i < 3 * AROUND; i += page)
		*(size_t *)(p + i) = i;
	ASSERT_EQ(0, sampled(p + AROUND + AROUND / 2 + 100));
	/* with its block, and no other one does */
	for (i = 0; i < 3 * AROUND; i += page) {
		EXPECT_EQ(i / AROUND == 1 ? self->here : self->far, node_of(p + i));
		EXPECT_EQ(i, *(size_t *)(p + i));
	}
	EXPECT_EQ(before, vm_count("numa_hint_faults"));
}

static void *wait_for_end(void *fd)
{
	char c;

	return read(*(int *)fd, &c, 1) == 0 ? NULL : fd;
}

/* What another thread may use moves when that is known. */
TEST_F(numa_sampling, page_of_threads_moves_alone)
{
	char *p = map_far(_metadata, self->far, AROUND, MAP_PRIVATE | MAP_ANONYMOUS);
	pthread_t thread;
	int pipes[2];
	size_t i;

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_end, &pipes[0]));
	ASSERT_EQ(0, sampled(p));
	EXPECT_EQ(self->here, node_of(p));
	for (i = page; i < AROUND; i += page)
		EXPECT_EQ(self->far, node_of(p + i));
	close(pipes[1]);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	close(pipes[0]);
}

TEST_F(numa_sampling, many_at_once)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	char lines[PAGES * 2 * 64], *end = lines;
	int i;

	for (i = 0; i < PAGES * 2; i++)
		end += sprintf(end, "%d 0x%lx store\n", getpid(),
			       (unsigned long)(p + i % PAGES * page));
	ASSERT_EQ(0, write_file(DEBUGFS "inject", lines));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(self->here, node_of(p + i * page));
}

TEST_F(numa_sampling, local_stays)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long long local;

	ASSERT_EQ(0, sampled(p));
	ASSERT_EQ(self->here, node_of(p));
	local = vm_count("numa_sample_local");
	ASSERT_EQ(0, sampled(p));
	EXPECT_EQ(self->here, node_of(p));
	EXPECT_EQ(local + 1, vm_count("numa_sample_local"));
}

TEST_F(numa_sampling, nothing_there)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long long stale = vm_count("numa_sample_stale");

	ASSERT_EQ(0, munmap(p + page, page));
	ASSERT_EQ(0, madvise(p + 2 * page, page, MADV_DONTNEED));
	/* a hole, whose next VMA is ours, and a page that is gone */
	ASSERT_EQ(0, sampled(p + page));
	ASSERT_EQ(0, sampled(p + 2 * page));
	EXPECT_EQ(stale + 2, vm_count("numa_sample_stale"));
	EXPECT_EQ(self->far, node_of(p));
	EXPECT_EQ(self->far, node_of(p + 3 * page));
}

TEST_F(numa_sampling, policy_is_respected)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long mask[MAX_NODES / (8 * sizeof(long))] = { 0 };

	mask[self->far / (8 * sizeof(long))] = 1UL << self->far % (8 * sizeof(long));
	ASSERT_EQ(0, syscall(SYS_mbind, p, PAGES * page, MPOL_BIND, mask, MAX_NODES, 0));
	ASSERT_EQ(0, sampled(p));
	EXPECT_EQ(self->far, node_of(p));
}

TEST_F(numa_sampling, inaccessible_is_left_alone)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);

	ASSERT_EQ(0, mprotect(p, page, PROT_NONE));
	ASSERT_EQ(0, sampled(p));
	EXPECT_EQ(self->far, node_of(p));
	/* and does not go with its neighbour either */
	ASSERT_EQ(0, sampled(p + page));
	EXPECT_EQ(self->here, node_of(p + page));
	EXPECT_EQ(self->far, node_of(p));
}

/* Pages that a fork shares copy-on-write are nobody's. */
TEST_F(numa_sampling, shared_cow_is_left_alone)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	int pipes[2];
	char c;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(pipes[1]);
		_exit(read(pipes[0], &c, 1) != 0);
	}
	ASSERT_EQ(0, sampled(p));
	EXPECT_EQ(self->far, node_of(p));

	/* A copy of our own moves, and those around it that are shared do not. */
	ASSERT_EQ(0, set_policy(MPOL_BIND, self->far));
	p[page] = 2;
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, -1));
	fill_lru_batch();
	ASSERT_EQ(0, sampled(p + page));
	EXPECT_EQ(self->here, node_of(p + page));
	EXPECT_EQ(self->far, node_of(p));
	EXPECT_EQ(self->far, node_of(p + 2 * page));
	close(pipes[1]);
	close(pipes[0]);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

TEST_F(numa_sampling, read_only_file_is_left_alone)
{
	char name[] = "/tmp/numa_sampling.XXXXXX";
	int fd = mkstemp(name);
	char *p;

	ASSERT_GE(fd, 0);
	unlink(name);
	ASSERT_EQ(0, ftruncate(fd, page));
	ASSERT_EQ(0, set_policy(MPOL_BIND, self->far));
	p = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, p[0]);
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, -1));
	if (node_of(p) == self->far) {
		ASSERT_EQ(0, sampled(p));
		EXPECT_EQ(self->far, node_of(p));
	}
	close(fd);
}

TEST_F(numa_sampling, huge_page_needs_two)
{
	long huge = read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
	char *map, *p;

	if (huge <= 0 || huge > (long)HUGE_MAX)
		SKIP(return, "no huge pages of up to 32 MiB");
	map = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	p = (char *)(((unsigned long)map + huge - 1) & ~(huge - 1));
	if (madvise(p, huge, MADV_HUGEPAGE))
		SKIP(return, "no huge pages for us");
	ASSERT_EQ(0, set_policy(MPOL_BIND, self->far));
	memset(p, 1, huge);
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, -1));
	ASSERT_EQ(self->far, node_of(p));

	ASSERT_EQ(0, sampled(p + 5 * page));
	EXPECT_EQ(self->far, node_of(p));
	ASSERT_EQ(0, sampled(p + 300 * page));
	EXPECT_EQ(self->here, node_of(p));
	EXPECT_EQ(self->here, node_of(p + huge - page));
	EXPECT_EQ(1, p[huge - 1]);
}

/* Samples of what is at @p, and where it is afterwards. A move may take two. */
static void expect_node(struct __test_metadata *_metadata, int far, int then, char *p)
{
	EXPECT_EQ(far, node_of(p));
	fill_lru_batch();
	EXPECT_EQ(0, sampled(p + 8));
	EXPECT_EQ(0, sampled(p + 16));
	EXPECT_EQ(then, node_of(p));
}

static char *map_huge(struct __test_metadata *_metadata, int far, size_t align)
{
	char *map = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0), *p;

	ASSERT_NE(MAP_FAILED, map);
	p = (char *)(((unsigned long)map + HUGE - 1) & ~(HUGE - 1));
	if (madvise(p, align, MADV_HUGEPAGE))
		return NULL;
	ASSERT_EQ(0, set_policy(MPOL_BIND, far));
	memset(p, 1, align);
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, -1));
	return p;
}

TEST_F(numa_sampling, large_folio_moves_as_a_whole)
{
	const char *enabled = "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled";
	size_t size = 16 * 4096;
	char *p;

	if (page != 4096 || write_file(enabled, "madvise"))
		SKIP(return, "no folios of 64 KB");
	p = map_huge(_metadata, self->far, size);
	write_file(enabled, "never");
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, sampled(p + 2 * page));
	EXPECT_EQ(self->far, node_of(p));
	ASSERT_EQ(0, sampled(p + 9 * page));
	EXPECT_EQ(self->here, node_of(p));
	EXPECT_EQ(self->here, node_of(p + 15 * page));
	EXPECT_EQ(1, p[size - 1]);
}

TEST_F(numa_sampling, huge_page_mapped_by_ptes)
{
	char *p;

	if (read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") != (int)HUGE)
		SKIP(return, "no huge pages of 2 MB");
	p = map_huge(_metadata, self->far, HUGE);
	if (!p)
		SKIP(return, "no huge pages for us");
	ASSERT_EQ(0, mprotect(p + page, page, PROT_READ));
	ASSERT_EQ(0, mprotect(p + page, page, PROT_READ | PROT_WRITE));
	expect_node(_metadata, self->far, self->here, p);
	EXPECT_EQ(self->here, node_of(p + HUGE - page));
	EXPECT_EQ(1, p[HUGE - 1]);
}

TEST_F(numa_sampling, shared_memory_moves)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_SHARED | MAP_ANONYMOUS);

	expect_node(_metadata, self->far, self->here, p);
}

TEST_F(numa_sampling, locked_moves)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);

	ASSERT_EQ(0, mlock(p, PAGES * page));
	expect_node(_metadata, self->far, self->here, p);
}

/* A private file's page that has been written is the process's own. */
TEST_F(numa_sampling, private_file_moves)
{
	char name[] = "/tmp/numa_sampling.XXXXXX";
	int fd = mkstemp(name);
	char *p;

	ASSERT_GE(fd, 0);
	unlink(name);
	ASSERT_EQ(0, ftruncate(fd, page));
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, set_policy(MPOL_BIND, self->far));
	p[0] = 1;
	ASSERT_EQ(0, set_policy(MPOL_DEFAULT, -1));
	expect_node(_metadata, self->far, self->here, p);
	close(fd);
}

TEST_F(numa_sampling, userfaultfd_moves)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	struct uffdio_register reg = {
		.range = { (unsigned long)p, PAGES * page },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &reg));
	expect_node(_metadata, self->far, self->here, p);
	close(fd);
}

TEST_F(numa_sampling, merged_by_ksm_is_left_alone)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	struct timespec pause = { .tv_nsec = 10000000 };
	int i;

	memset(p, 0x55, PAGES * page);
	if (madvise(p, PAGES * page, MADV_MERGEABLE) || write_file(KSM "run", "1"))
		SKIP(return, "no KSM");
	for (i = 0; i < 1000 && read_number(KSM "pages_sharing") < PAGES - 1; i++)
		nanosleep(&pause, NULL);
	ASSERT_LE(PAGES - 1, read_number(KSM "pages_sharing"));
	ASSERT_EQ(0, write_file(KSM "run", "0"));
	expect_node(_metadata, self->far, self->far, p);
	/* and are no more what they were */
	ASSERT_EQ(0, write_file(KSM "run", "2"));
	ASSERT_EQ(0, write_file(KSM "run", "0"));
}

TEST_F(numa_sampling, pinned_is_left_alone)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	struct iovec iov = { p, PAGES * page };
	struct io_uring_params params = { 0 };
	int fd = syscall(__NR_io_uring_setup, 4, &params);

	if (fd < 0)
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1));
	expect_node(_metadata, self->far, self->far, p);
	ASSERT_EQ(0, syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0));
	expect_node(_metadata, self->far, self->here, p);
	close(fd);
}

TEST_F(numa_sampling, hugetlb_is_left_alone)
{
	char path[128], *p;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 self->far);
	if (read_number(path) != 0 || write_file(path, "1"))
		SKIP(return, "no hugetlb pages of 2 MB, or somebody has some");
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	if (p != MAP_FAILED) {
		memset(p, 1, HUGE);
		expect_node(_metadata, self->far, self->far, p);
		munmap(p, HUGE);
	}
	write_file(path, "0");
	EXPECT_NE(MAP_FAILED, p);
}

/* A binding is respected, unless it asks for balancing among its nodes. */
TEST_F(numa_sampling, bound_to_be_balanced_moves)
{
	char *p = map_far(_metadata, self->far, PAGES * page, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long mask[MAX_NODES / (8 * sizeof(long))] = { 0 };

	mask[self->far / (8 * sizeof(long))] |= 1UL << self->far % (8 * sizeof(long));
	mask[self->here / (8 * sizeof(long))] |= 1UL << self->here % (8 * sizeof(long));
	ASSERT_EQ(0, syscall(SYS_mbind, p, PAGES * page, MPOL_BIND, mask, MAX_NODES, 0));
	expect_node(_metadata, self->far, self->far, p);
	ASSERT_EQ(0, syscall(SYS_mbind, p, PAGES * page, MPOL_BIND | MPOL_F_NUMA_BALANCING,
			     mask, MAX_NODES, 0));
	expect_node(_metadata, self->far, self->here, p);
}

/* Memory of the kernel's that is mapped into the process. */
TEST_F(numa_sampling, kernel_memory_is_left_alone)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	unsigned long long migrated = vm_count("numa_sample_migrated");
	unsigned long long skipped = vm_count("numa_sample_skipped");
	char *p;

	if (fd < 0)
		SKIP(return, "no perf events");
	p = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, sampled(p));
	EXPECT_LT(skipped, vm_count("numa_sample_skipped"));
	EXPECT_EQ(migrated, vm_count("numa_sample_migrated"));
	close(fd);
}

/* Two processes with the same addresses: a sample is of one of them. */
TEST_F(numa_sampling, belongs_to_one_process)
{
	char *p = map_far(_metadata, self->far, 2 * AROUND,
			  MAP_PRIVATE | MAP_ANONYMOUS);
	int pipes[2], status;
	struct timespec pause = { .tv_nsec = 1000000 };
	char c = 0;
	pid_t pid;
	size_t i;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/* pages of its own, on the far node, too */
		set_policy(MPOL_BIND, self->far);
		for (i = 0; i < 2 * AROUND; i += page)
			p[i] = 2;
		set_policy(MPOL_DEFAULT, -1);
		fill_lru_batch();
		c = node_of(p) == self->far;
		if (write(pipes[1], &c, 1) != 1)
			_exit(1);
		for (i = 0; i < 5000 && node_of(p) != self->here; i++)
			nanosleep(&pause, NULL);
		_exit(node_of(p) != self->here || node_of(p + AROUND) != self->far);
	}
	ASSERT_EQ(1, read(pipes[0], &c, 1));
	ASSERT_EQ(1, c);
	ASSERT_EQ(0, inject(pid, p, "load"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(self->far, node_of(p));
}

TEST_F(numa_sampling, counted)
{
	char *p = map_far(_metadata, self->far, AROUND, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long long migrated = vm_count("numa_sample_migrated");
	unsigned long long samples = vm_count("mem_samples");

	ASSERT_EQ(0, sampled(p));
	EXPECT_EQ(samples + 1, vm_count("mem_samples"));
	EXPECT_EQ(migrated + AROUND / page, vm_count("numa_sample_migrated"));
}

/* A task does not move more in a second than the scanner would have let it. */
TEST_F(numa_sampling, limited_as_the_scanner)
{
	size_t size = 4UL << 20, limit = (1UL << 20) / page, i;
	char *p = map_far(_metadata, self->far, size, MAP_PRIVATE | MAP_ANONYMOUS);
	unsigned long long migrated = vm_count("numa_sample_migrated");
	unsigned long long limited = vm_count("numa_sample_limited");
	struct timespec start, end, pause = { .tv_sec = 1, .tv_nsec = 100000000 };

	self->scan_size = read_number(SCAN_SIZE);
	ASSERT_LT(0, self->scan_size);
	ASSERT_EQ(0, write_file(SCAN_SIZE, "1"));
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < size; i += AROUND)
		ASSERT_EQ(0, sampled(p + i));
	clock_gettime(CLOCK_MONOTONIC, &end);
	migrated = vm_count("numa_sample_migrated") - migrated;
	EXPECT_LE(limit, migrated);
	/* The last block may be over it. */
	EXPECT_GE((limit + AROUND / page) * (end.tv_sec - start.tv_sec + 2), migrated);
	EXPECT_LT(limited, vm_count("numa_sample_limited"));
	nanosleep(&pause, NULL);
	ASSERT_EQ(0, sampled(p + size - page));
	EXPECT_EQ(self->here, node_of(p + size - page));
}

/* What the scanner has marked is accessible again. */
TEST_F(numa_sampling, takes_hints_back)
{
	size_t size = 4UL << 20, i;
	char *p = map_far(_metadata, self->far, size, MAP_PRIVATE | MAP_ANONYMOUS);
	struct timespec start, now;
	unsigned long long marked;

	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing_mem_sampling", "0"));
	marked = vm_count("numa_pte_updates");
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {	/* the scanner goes by the time that a task runs */
		p[0]++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (vm_count("numa_pte_updates") < marked + size / page / 2 &&
		 now.tv_sec < start.tv_sec + 30);
	if (vm_count("numa_pte_updates") < marked + size / page / 2)
		SKIP(return, "the scanner did not come by; is there a sched_ext scheduler?");

	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing_mem_sampling", "1"));
	marked = vm_count("numa_hint_faults");
	for (i = 0; i < size; i += page)
		p[i]++;
	EXPECT_EQ(marked, vm_count("numa_hint_faults"));
}

TEST_F(numa_sampling, switches)
{
	/* no samples without sampling */
	ASSERT_EQ(0, write_file(SYSCTL "mem_sampling_enable", "0"));
	EXPECT_EQ(0, read_number(SYSCTL "numa_balancing_mem_sampling"));
	EXPECT_EQ(-EINVAL, write_file(SYSCTL "numa_balancing_mem_sampling", "1"));
	EXPECT_EQ(0, read_number(SYSCTL "numa_balancing_mem_sampling"));
	EXPECT_EQ(-ENXIO, sampled(&page));
	EXPECT_EQ(-EINVAL, write_file(SYSCTL "mem_sampling_enable", "2"));
	EXPECT_EQ(-EINVAL, write_file(SYSCTL "mem_sampling_enable", "-1"));
	EXPECT_EQ(-ENODEV, write_file(DEBUGFS "sources", "no such source"));

	ASSERT_EQ(0, write_file(SYSCTL "mem_sampling_enable", "1"));
	/* not together with memory tiering or without NUMA balancing */
	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing", "0"));
	EXPECT_EQ(-EINVAL, write_file(SYSCTL "numa_balancing_mem_sampling", "1"));
	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing", "2"));
	EXPECT_EQ(-EINVAL, write_file(SYSCTL "numa_balancing_mem_sampling", "1"));
	ASSERT_EQ(0, write_file(SYSCTL "numa_balancing", "1"));
	EXPECT_EQ(0, write_file(SYSCTL "numa_balancing_mem_sampling", "1"));
}

TEST_F(numa_sampling, bad_samples_are_refused)
{
	EXPECT_EQ(-EINVAL, write_file(DEBUGFS "inject", "gibberish\n"));
	EXPECT_EQ(-EINVAL, inject(getpid(), &page, "sniff"));
	EXPECT_EQ(-EINVAL, inject(getpid(), (void *)-1UL, "load"));
	EXPECT_EQ(-ESRCH, inject(0x3fffffff, &page, "load"));
}

TEST_F(numa_sampling, needs_privilege)
{
	pid_t pid = fork();
	int status;

	ASSERT_GE(pid, 0);
	if (!pid) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(write_file(SYSCTL "mem_sampling_enable", "0") != -EACCES ||
		      write_file(SYSCTL "numa_balancing_mem_sampling", "0") != -EACCES ||
		      inject(getpid(), &page, "load") != -EACCES ||
		      open(DEBUGFS "sources", O_RDONLY) >= 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
