// SPDX-License-Identifier: GPL-2.0
/*
 * spe_share [-p] [ROUNDS]: two threads on different CPUs, each counting in a field
 * of its own; the fields are neighbours on one cache line or, with -p, on lines of
 * their own. What perf c2c has to tell apart. Prints where the fields are.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE		64
#define DEFAULT_ROUNDS	200000

struct fields {
	volatile long left, right;
	char rest[LINE - 2 * sizeof(long)];
};

struct fields share_fields[2] __attribute__((aligned(LINE)));

static pthread_barrier_t start;
static long rounds = DEFAULT_ROUNDS;

/*
 * The hint lets the other CPU run where one host thread emulates all of them, so
 * that they take turns there too; it is a no-op where they run at the same time. A
 * round is of chance length, lest the samples of the two fall into step: one's always
 * of loads, the other's of stores.
 */
#define COUNT_IN(field, seed)					\
	do {							\
		unsigned int dice = seed;			\
		long i, n = rounds;				\
								\
		for (i = 0; i < n; i++) {			\
			(*(field))++;				\
			__asm__ volatile("yield");		\
			dice = dice * 1664525 + 1013904223;	\
			if (dice >> 31)				\
				__asm__ volatile("nop");	\
		}						\
	} while (0)

/* noipa: alike as they are, they must stay two */
static __attribute__((noipa)) void share_left(volatile long *field)
{
	COUNT_IN(field, 1);
}

static __attribute__((noipa)) void share_right(volatile long *field)
{
	COUNT_IN(field, 2);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("spe_share: sched_setaffinity");
		exit(1);
	}
}

struct side {
	void (*run)(volatile long *field);
	volatile long *field;
	int cpu;
};

static void *run_side(void *arg)
{
	const struct side *s = arg;

	pin(s->cpu);
	pthread_barrier_wait(&start);
	s->run(s->field);
	return NULL;
}

/* The first and the last CPU that we may use: on different nodes where there are two. */
static void choose_cpus(struct side *left, struct side *right)
{
	cpu_set_t set;
	int i;

	left->cpu = right->cpu = -1;
	if (sched_getaffinity(0, sizeof(set), &set)) {
		perror("spe_share: sched_getaffinity");
		exit(1);
	}
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (left->cpu < 0)
			left->cpu = i;
		right->cpu = i;
	}
	if (left->cpu == right->cpu) {
		fprintf(stderr, "spe_share: needs two CPUs, may use only CPU %d\n", left->cpu);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct side left = { .run = share_left, .field = &share_fields[0].left };
	struct side right = { .run = share_right, .field = &share_fields[0].right };
	pthread_t a, b;
	char *end = "";
	int i = 1;

	if (i < argc && !strcmp(argv[i], "-p")) {
		right.field = &share_fields[1].right;
		i++;
	}
	if (i < argc)
		rounds = strtol(argv[i++], &end, 10);
	if (i < argc || *end || rounds <= 0) {
		fprintf(stderr, "usage: spe_share [-p] [ROUNDS]\n");
		return 2;
	}
	choose_cpus(&left, &right);
	printf("share_left 0x%lx cpu %d share_right 0x%lx cpu %d\n", (unsigned long)left.field, left.cpu,
	       (unsigned long)right.field, right.cpu);
	fflush(stdout);
	pthread_barrier_init(&start, NULL, 2);
	if (pthread_create(&a, NULL, run_side, &left) || pthread_create(&b, NULL, run_side, &right)) {
		fprintf(stderr, "spe_share: cannot create a thread\n");
		return 1;
	}
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	if (*left.field != rounds || *right.field != rounds) {
		fprintf(stderr, "spe_share: counted %ld and %ld, not %ld\n", *left.field, *right.field, rounds);
		return 1;
	}
	return 0;
}
