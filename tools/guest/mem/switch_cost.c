// SPDX-License-Identifier: GPL-2.0
/*
 * switch_cost: the kernel's instructions for a switch between two processes, and for a
 * tick, on one CPU.
 *
 * Two processes wake each other through pipes; a round trip is two switches, two writes
 * and two reads. A tick interrupts a loop in user space. All that the kernel executes on
 * that CPU is counted, in batches, since now and then it has other work, too: the least
 * of a batch and the median are what is told. It needs a counter of instructions, which
 * QEMU has with -icount.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "switch_cost"
#include "common.h"

#define MAX_BATCHES	10000

static struct {
	int cpu;
	unsigned long batches;
	unsigned long rounds;	/* of a batch */
	bool json;
} opt = { .batches = 100, .rounds = 100 };

static int counter;

static void count_kernel(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.pinned = 1,
		.exclude_user = 1,
	};

	counter = syscall(SYS_perf_event_open, &attr, -1, opt.cpu, -1, 0);
	if (counter < 0)
		die("no counter of instructions: %s; it takes root, and QEMU with MODE=icount", strerror(errno));
}

static uint64_t counted(void)
{
	uint64_t n;

	if (read(counter, &n, sizeof(n)) != sizeof(n))
		die("the counter of instructions can't be read: %s", strerror(errno));
	return n;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell(const char *what, double *n, unsigned long nr, bool last)
{
	qsort(n, nr, sizeof(*n), by_size);
	if (opt.json)
		printf("\"%s\":{\"least\":%.2f,\"median\":%.2f}%s", what, n[0], n[nr / 2], last ? "}\n" : ",");
	else
		printf("%-8s least %10.2f  median %10.2f\n", what, n[0], n[nr / 2]);
}

static void xread(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		die("a pipe can't be read: %s", strerror(errno));
}

static void xwrite(int fd)
{
	if (write(fd, "", 1) != 1)
		die("a pipe can't be written: %s", strerror(errno));
}

static void measure_switch(double *n)
{
	int there[2], back[2];
	unsigned long b, i;
	pid_t child;

	if (pipe(there) || pipe(back))
		die("pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		die("fork: %s", strerror(errno));
	if (!child) {
		char c;

		close(there[1]);
		while (read(there[0], &c, 1) == 1)
			xwrite(back[1]);
		_exit(0);
	}
	close(there[0]);
	for (b = 0; b < opt.batches; b++) {
		uint64_t before = counted();

		for (i = 0; i < opt.rounds; i++) {
			xwrite(there[1]);
			xread(back[0]);
		}
		n[b] = (counted() - before) / 2.0 / opt.rounds;
	}
	close(there[1]);
	close(back[0]);
	waitpid(child, NULL, 0);
}

/* Interrupts of the timer on our CPU. */
static unsigned long ticks(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long n = 0;
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	if (!f)
		die("/proc/interrupts: %s", strerror(errno));
	while (!found && getline(&line, &size, f) > 0) {
		char *p = strchr(line, ':');
		int i;

		if (!p || !strstr(line, "timer"))
			continue;
		found = true;
		for (p++, i = 0; i <= opt.cpu; i++)
			n = strtoul(p, &p, 10);
	}
	free(line);
	fclose(f);
	if (!found)
		die("/proc/interrupts tells nothing of a timer");
	return n;
}

static void measure_tick(double *n)
{
	unsigned long b;

	for (b = 0; b < opt.batches; b++) {
		volatile unsigned long i;
		unsigned long t = ticks();
		uint64_t before = counted();

		/* some 20 ms at an instruction in a nanosecond */
		for (i = 0; i < 4000000; i++)
			;
		before = counted() - before;
		t = ticks() - t;
		if (!t)
			die("no tick in a batch: is this CPU one of nohz_full=?");
		n[b] = (double)before / t;
	}
}

static const char usage_text[] =
"usage: switch_cost [options]\n"
"The kernel's instructions for a switch between two processes, and for a tick.\n\n"
"  --cpu CPU      where (0)\n"
"  --batches N    how often it is measured (100)\n"
"  --rounds N     round trips each time (100)\n"
"  --json         for programs\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpu", required_argument, NULL, 'c' },
		{ "batches", required_argument, NULL, 'b' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	static double n[MAX_BATCHES];
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			opt.cpu = number(optarg, "--cpu", 0, CPU_SETSIZE - 1);
			break;
		case 'b':
			opt.batches = number(optarg, "--batches", 1, MAX_BATCHES);
			break;
		case 'r':
			opt.rounds = number(optarg, "--rounds", 1, 1UL << 30);
			break;
		case 'j':
			opt.json = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		default:
			fputs(usage_text, stderr);
			return 2;
		}
	}
	if (optind < argc)
		die("what is \"%s\"? switch_cost --help tells the options", argv[optind]);
	pin(opt.cpu);
	count_kernel();
	if (opt.json)
		putchar('{');
	measure_switch(n);
	tell("switch", n, opt.batches, false);
	measure_tick(n);
	tell("tick", n, opt.batches, true);
	return 0;
}
