/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs share that test or measure the sampling of memory accesses:
 * errors, files of the kernel, nodes and CPUs, sampling on and off. Each says what
 * it is called in PROGRAM first.
 */
#ifndef NN_GUEST_COMMON_H
#define NN_GUEST_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAYBE_UNUSED	__attribute__((unused))
#define HUGE		(2UL << 20)
#define MAX_NODES	1024
#define MAX_CPUS	512
#define DEBUGFS		"/sys/kernel/debug/mem_sampling/"
#define SYSCTL		"/proc/sys/kernel/"

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, PROGRAM ": ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static MAYBE_UNUSED uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static MAYBE_UNUSED double now(void)
{
	return now_ns() * 1e-9;
}

static MAYBE_UNUSED unsigned long number(const char *text, const char *option, unsigned long min,
					 unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || n < min || n > max)
		die("%s %s: not a number from %lu to %lu", option, text, min, max);
	return n;
}

/* --- chance ----------------------------------------------------------------- */

static __thread uint64_t dice = 88172645463325252;

static MAYBE_UNUSED uint64_t roll(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

static MAYBE_UNUSED unsigned int below(unsigned int n)
{
	return (roll() >> 16) % n;
}

static MAYBE_UNUSED bool one_in(unsigned int n)
{
	return below(n) == 0;
}

static MAYBE_UNUSED void start_dice(uint64_t seed)
{
	int i;

	dice = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	for (i = 0; i < 20; i++)
		roll();
}

/* --- files of the kernel ---------------------------------------------------- */

/* 0 or what speaks against it, negative. */
static MAYBE_UNUSED int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = -errno;
	close(fd);
	return err;
}

static MAYBE_UNUSED void must_write(const char *path, const char *text)
{
	int err = write_file(path, text);

	if (err)
		die("cannot write %s to %s: %s; this takes root and a kernel with the series", text,
		    path, strerror(-err));
}

/* The number in a file, or after NAME there; -1 if there is none. */
static MAYBE_UNUSED long long read_number(const char *path, const char *name)
{
	char word[128], line[256];
	long long n = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	if (!name) {
		if (fscanf(f, "%lld", &n) != 1)
			n = -1;
	} else {
		while (fgets(line, sizeof(line), f)) {
			long long value;

			if (sscanf(line, "%127s %lld", word, &value) == 2 && !strcmp(word, name))
				n = value;
		}
	}
	fclose(f);
	return n;
}

static MAYBE_UNUSED long long vm_count(const char *name)
{
	long long n = read_number("/proc/vmstat", name);

	return n < 0 ? 0 : n;
}

/* --- nodes and CPUs --------------------------------------------------------- */

static MAYBE_UNUSED bool has_memory(int node)
{
	unsigned long kb = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Node %*d MemTotal: %lu", &kb) == 1)
			break;
	fclose(f);
	return kb > 0;
}

static MAYBE_UNUSED bool try_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

static MAYBE_UNUSED void pin(int cpu)
{
	if (!try_pin(cpu))
		die("CPU %d: %s", cpu, strerror(errno));
}

static MAYBE_UNUSED int node_of_cpu(int cpu)
{
	char path[80];
	int node;

	for (node = 0; node < MAX_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpu%d", node, cpu);
		if (!access(path, F_OK))
			return node;
	}
	return -1;
}

/* The nth CPU of a node, or -1. */
static MAYBE_UNUSED int cpu_of_node(int node, int nth)
{
	int cpu;

	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		if (node_of_cpu(cpu) == node && nth-- == 0)
			return cpu;
	return -1;
}

enum { POLICY_DEFAULT = 0, POLICY_BIND = 2, POLICY_INTERLEAVE = 3 };

struct nodes {
	unsigned long bits[MAX_NODES / (8 * sizeof(long))];
};

static MAYBE_UNUSED void add_node(struct nodes *nodes, int node)
{
	nodes->bits[node / (8 * sizeof(long))] |= 1UL << node % (8 * sizeof(long));
}

/* Of this task; node -1: none. */
static MAYBE_UNUSED void set_policy(int mode, int node)
{
	struct nodes nodes = { { 0 } };

	if (node >= 0)
		add_node(&nodes, node);
	if (syscall(SYS_set_mempolicy, mode, node >= 0 ? nodes.bits : NULL, node >= 0 ? MAX_NODES : 0))
		die("memory policy %d for node %d: %s", mode, node, strerror(errno));
}

/* Where a page is, negative if nowhere. */
static MAYBE_UNUSED int node_of(void *addr)
{
	int node = -1;

	if (syscall(SYS_move_pages, 0, 1UL, &addr, NULL, &node, 0))
		return -errno;
	return node;
}

/* --- sampling --------------------------------------------------------------- */

/* By samples of a source, which also may be "software", or by hint faults. */
static MAYBE_UNUSED void balance_by_samples(const char *source)
{
	must_write(SYSCTL "numa_balancing", "1");
	must_write(SYSCTL "mem_sampling_enable", "0");
	if (source)
		must_write(DEBUGFS "sources", source);
	must_write(SYSCTL "mem_sampling_enable", "1");
	must_write(SYSCTL "numa_balancing_mem_sampling", "1");
}

static MAYBE_UNUSED void balance_by_hints(void)
{
	must_write(SYSCTL "mem_sampling_enable", "0");
	must_write(SYSCTL "numa_balancing", "1");
}

#endif
