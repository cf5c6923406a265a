// SPDX-License-Identifier: GPL-2.0
/*
 * affload [OPTION]... SECONDS: uses a CPU and tells what became of it: one line of
 *
 *   NAME cpu MS gap MS cpus LIST moves N wrong N late_p99 US late_max US
 *
 * cpu: time that it had. gap: the longest time in which it had none although it wanted.
 * cpus: where it ran. wrong: how often that was where it may not. late: with -s, from
 * the time for which it asked to be woken to when it ran.
 *
 *   -n NAME   its comm           -c CPUS   its affinity, such as 0-3
 *   -N NICE   -u UID  -g GID     -s US     sleeps so long after each burst
 *   -b US     length of a burst, 1000
 *   -t UPTIME sleeps until then, in seconds since boot, so that several begin at once
 *   -w S:CPUS after S seconds its affinity becomes that
 *
 * affload -P [OPTION]... SECONDS: two processes wake each other through pipes, which is
 * said to be worth a wake-up on the waker's CPU. One line of "NAME rounds N".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cpulist.h"

#define MAX_LATE 100000

static double late[MAX_LATE];

static double clock_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "affload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set_cpus(const char *list)
{
	cpu_set_t set;

	if (!cpulist_parse(list, &set)) {
		fprintf(stderr, "affload: %s: CPUs are a list such as 0-3,6\n", list);
		exit(2);
	}
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int ping_pong(const char *name, double end)
{
	unsigned long rounds = 0;
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	if (pipe(there) || pipe(back))
		die("pipe");
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(there[0]);
	for (; clock_of(CLOCK_BOOTTIME) < end; rounds++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("the other end");
	close(there[1]);
	waitpid(child, NULL, 0);
	printf("%s rounds %lu\n", name, rounds);
	return 0;
}

int main(int argc, char **argv)
{
	double widen_at = 0;
	const char *wider = NULL;
	bool pairs = false;
	double end, now, last, gap = 0, burst = 0.001, pause = 0, begin, at = 0;
	unsigned long moves = 0, wrong = 0, nr_late = 0, turns = 0;
	cpu_set_t seen, may;
	struct timespec ts;
	const char *name = "affload";
	int c, cpu, prev = -1;

	while ((c = getopt(argc, argv, "n:c:N:u:g:s:b:t:w:P")) != -1) {
		switch (c) {
		case 'n':
			name = optarg;
			if (prctl(PR_SET_NAME, name))
				die("prctl");
			break;
		case 'c':
			set_cpus(optarg);
			break;
		case 'N':
			if (setpriority(PRIO_PROCESS, 0, atoi(optarg)))
				die("setpriority");
			break;
		case 'g':
			if (setresgid(atoi(optarg), atoi(optarg), atoi(optarg)))
				die("setresgid");
			break;
		case 'u':
			if (setresuid(atoi(optarg), atoi(optarg), atoi(optarg)))
				die("setresuid");
			break;
		case 's':
			pause = atof(optarg) / 1e6;
			break;
		case 't':
			at = atof(optarg);
			break;
		case 'b':
			burst = atof(optarg) / 1e6;
			break;
		case 'w':
			widen_at = atof(optarg);
			wider = strchr(optarg, ':');
			if (!wider++) {
				fprintf(stderr, "affload: -w SECONDS:CPUS\n");
				return 2;
			}
			break;
		case 'P':
			pairs = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || atof(argv[optind]) <= 0) {
		fprintf(stderr, "affload: how many seconds?\n");
		return 2;
	}

	/* The scheduler sees what we have become when we are woken; it may be slow to do that. */
	if (at < clock_of(CLOCK_BOOTTIME) + 0.02)
		at = clock_of(CLOCK_BOOTTIME) + 0.02;
	ts = (struct timespec) { at, (at - (time_t)at) * 1e9 };
	clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts, NULL);
	CPU_ZERO(&seen);
	if (sched_getaffinity(0, sizeof(may), &may))
		die("sched_getaffinity");
	last = at;
	begin = clock_of(CLOCK_BOOTTIME);
	end = at + atof(argv[optind]);
	if (pairs)
		return ping_pong(name, end);
	for (;;) {
		now = clock_of(CLOCK_BOOTTIME);
		if (now - last > gap)
			gap = now - last;
		last = now;
		cpu = sched_getcpu();
		if (cpu >= 0 && cpu < CPU_SETSIZE) {
			CPU_SET(cpu, &seen);
			wrong += !CPU_ISSET(cpu, &may);
		}
		if (wider && now >= at + widen_at) {
			set_cpus(wider);
			wider = NULL;
			if (sched_getaffinity(0, sizeof(may), &may))
				die("sched_getaffinity");
		}
		moves += prev >= 0 && prev != cpu;
		prev = cpu;
		if (now >= end)
			break;
		if (pause > 0 && now - begin >= burst) {
			ts = (struct timespec) { pause, (pause - (time_t)pause) * 1e9 };
			nanosleep(&ts, NULL);
			begin = clock_of(CLOCK_BOOTTIME);
			late[nr_late++ % MAX_LATE] = begin - now - pause;
			last = begin;
		}
		/* affinity may be changed from outside */
		if (++turns % 1024 == 0) {
			cpu_set_t before = may;

			if (sched_getaffinity(0, sizeof(may), &may))
				die("sched_getaffinity");
			CPU_OR(&may, &may, &before);
		}
	}
	if (nr_late > MAX_LATE)
		nr_late = MAX_LATE;
	qsort(late, nr_late, sizeof(late[0]), by_value);
	printf("%s cpu %.0f gap %.1f cpus ", name, clock_of(CLOCK_PROCESS_CPUTIME_ID) * 1e3, gap * 1e3);
	for (cpu = 0, c = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &seen))
			printf("%s%d", c++ ? "," : "", cpu);
	printf(" moves %lu wrong %lu late_p99 %.0f late_max %.0f\n", moves, wrong,
	       nr_late ? late[(nr_late - 1) * 99 / 100] * 1e6 : 0, nr_late ? late[nr_late - 1] * 1e6 : 0);
	return wrong != 0;
}
