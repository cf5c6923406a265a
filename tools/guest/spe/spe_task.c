// SPDX-License-Identifier: GPL-2.0
/*
 * spe_task INDEX SECONDS: a task that goes from CPU to CPU, each time for a moment,
 * and works in a buffer of its own: task 0's is at 16 TB, task 1's at 17 TB and so
 * on, so that an address tells whose access it was. Its stack lies in there too.
 * Prints its PID and the buffer, and at the end how often it changed CPUs.
 *
 * The others do the same in the same order of CPUs, so that they follow each other
 * on each of them: what is recorded of one after it was switched out is another's.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define TB		(1UL << 40)
#define FIRST		(16 * TB)
#define MAX_TASKS	16
#define DATA_BYTES	(1UL << 20)
#define STACK_BYTES	(256UL << 10)
#define LINE		64
#define TURN_LINES	(DATA_BYTES / LINE / 4)	/* between two changes of the CPU */

static unsigned char *buffer;
static long seconds, migrations;
static cpu_set_t cpus;
static ucontext_t main_context, own_context;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static int next_cpu(int cpu)
{
	do
		cpu = (cpu + 1) % CPU_SETSIZE;
	while (!CPU_ISSET(cpu, &cpus));
	return cpu;
}

static void go_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("spe_task: sched_setaffinity");
		exit(1);
	}
	migrations++;
}

/* Half of the accesses are loads. */
static __attribute__((noipa)) void work(size_t first, size_t lines)
{
	size_t i;

	for (i = first; i < first + lines; i++) {
		volatile unsigned long *word = (volatile unsigned long *)(buffer + i * LINE % DATA_BYTES);

		*word = *word + 1;
	}
}

static void run(void)
{
	double end = now() + seconds;
	int cpu = next_cpu(-1 + CPU_SETSIZE);
	size_t line = 0;

	while (now() < end) {
		go_to(cpu);
		work(line, TURN_LINES);
		line = (line + TURN_LINES) % (DATA_BYTES / LINE);
		cpu = next_cpu(cpu);
		sched_yield();
	}
}

int main(int argc, char **argv)
{
	char *end1 = "", *end2 = "";
	long index = -1;
	void *place;

	if (argc == 3) {
		index = strtol(argv[1], &end1, 10);
		seconds = strtol(argv[2], &end2, 10);
	}
	if (index < 0 || index >= MAX_TASKS || seconds <= 0 || *end1 || *end2) {
		fprintf(stderr, "usage: spe_task INDEX SECONDS (INDEX 0 to %d)\n", MAX_TASKS - 1);
		return 2;
	}
	place = (void *)(FIRST + index * TB);
	buffer = mmap(place, DATA_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED_NOREPLACE, -1, 0);
	if (buffer != place) {
		perror("spe_task: no memory where the buffer belongs");
		return 1;
	}
	if (sched_getaffinity(0, sizeof(cpus), &cpus)) {
		perror("spe_task: sched_getaffinity");
		return 1;
	}
	printf("task %ld pid %d buffer 0x%lx 0x%lx\n", index, getpid(), (unsigned long)buffer,
	       (unsigned long)buffer + DATA_BYTES + STACK_BYTES);
	fflush(stdout);
	getcontext(&own_context);
	own_context.uc_stack.ss_sp = buffer + DATA_BYTES;
	own_context.uc_stack.ss_size = STACK_BYTES;
	own_context.uc_link = &main_context;
	makecontext(&own_context, run, 0);
	if (swapcontext(&main_context, &own_context)) {
		perror("spe_task: swapcontext");
		return 1;
	}
	printf("task %ld migrations %ld\n", index, migrations);
	return 0;
}
