// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "counters.h"

#define CACHE(cache, op, result)	(PERF_COUNT_HW_CACHE_##cache | PERF_COUNT_HW_CACHE_OP_##op << 8 | \
					 PERF_COUNT_HW_CACHE_RESULT_##result << 16)

/* By the names that perf list has for them. */
static const struct counter known[] = {
	{ "cycles",		PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ "instructions",	PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ "cache-references",	PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES },
	{ "cache-misses",	PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
	{ "LLC-loads",		PERF_TYPE_HW_CACHE, CACHE(LL, READ, ACCESS) },
	{ "LLC-load-misses",	PERF_TYPE_HW_CACHE, CACHE(LL, READ, MISS) },
	{ "LLC-stores",		PERF_TYPE_HW_CACHE, CACHE(LL, WRITE, ACCESS) },
	{ "LLC-store-misses",	PERF_TYPE_HW_CACHE, CACHE(LL, WRITE, MISS) },
	{ "node-loads",		PERF_TYPE_HW_CACHE, CACHE(NODE, READ, ACCESS) },
	{ "node-load-misses",	PERF_TYPE_HW_CACHE, CACHE(NODE, READ, MISS) },
	{ "node-stores",	PERF_TYPE_HW_CACHE, CACHE(NODE, WRITE, ACCESS) },
	{ "node-store-misses",	PERF_TYPE_HW_CACHE, CACHE(NODE, WRITE, MISS) },
	{ "dTLB-load-misses",	PERF_TYPE_HW_CACHE, CACHE(DTLB, READ, MISS) },
};

#define NR_KNOWN	(sizeof(known) / sizeof(known[0]))

static int find(struct counter *c, const char *name, char *err, size_t size)
{
	char *end;
	size_t i;
	int n;

	for (i = 0; i < NR_KNOWN; i++) {
		if (!strcmp(known[i].name, name)) {
			*c = known[i];
			return 0;
		}
	}
	/* perf's "rHEX", an event by the CPU's own number */
	if (name[0] == 'r' && name[1] && strlen(name) < sizeof(c->name) && strspn(name + 1, "0123456789abcdefABCDEF") == strlen(name + 1)) {
		errno = 0;
		strcpy(c->name, name);
		c->type = PERF_TYPE_RAW;
		c->config = strtoull(name + 1, &end, 16);
		if (!errno)
			return 0;
	}
	n = snprintf(err, size, "--counters: there is no event \"%s\"; known are samples, r and a hexadecimal number, and", name);
	for (i = 0; i < NR_KNOWN && n >= 0 && (size_t)n < size; i++)
		n += snprintf(err + n, size - n, "%s %s", i ? "," : "", known[i].name);
	return -1;
}

int counters_parse(struct counters *c, const char *list, char *err, size_t size)
{
	char name[64];
	size_t len;
	u32 i;

	memset(c, 0, sizeof(*c));
	memset(c->fds, -1, sizeof(c->fds));
	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (!len || len >= sizeof(name)) {
			snprintf(err, size, "--counters: names of events with commas between them are wanted, such as "
				 "cache-misses,node-load-misses");
			return -1;
		}
		memcpy(name, list, len);
		name[len] = '\0';
		if (!strcmp(name, "samples")) {
			c->samples = true;
		} else {
			for (i = 0; i < c->nr; i++) {
				if (!strcmp(c->events[i].name, name)) {
					snprintf(err, size, "--counters: \"%s\" is there twice", name);
					return -1;
				}
			}
			if (c->nr == AFF_MAX_EVENTS) {
				snprintf(err, size, "--counters: there are more than %d events", AFF_MAX_EVENTS);
				return -1;
			}
			if (find(&c->events[c->nr], name, err, size))
				return -1;
			c->nr++;
		}
		if (!list[len])
			return 0;
	}
}

static int open_on(const struct counter *event, u32 cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = event->type,
		.config = event->config,
		/* one that has to share the counters is scaled by these */
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

void counters_open(struct counters *c, const struct topo *t, void (*missing)(const char *name, int err))
{
	u32 i = 0, j, cpu;
	int err;

	while (i < c->nr) {
		int *fds = &c->fds[AFF_EVENT(i, 0)];

		err = 0;
		for (cpu = 0; cpu < t->nr_cpus && !err; cpu++) {
			if (!cpu_in(&t->online, cpu))
				continue;
			fds[cpu] = open_on(&c->events[i], cpu);
			if (fds[cpu] < 0)
				err = errno;
		}
		if (!err) {
			i++;
			continue;
		}
		missing(c->events[i].name, err);
		for (cpu = 0; cpu < AFF_MAX_CPUS; cpu++) {
			if (fds[cpu] >= 0)
				close(fds[cpu]);
			fds[cpu] = -1;
		}
		c->nr--;
		for (j = i; j < c->nr; j++)
			c->events[j] = c->events[j + 1];
	}
}

void counters_close(struct counters *c)
{
	size_t i;

	for (i = 0; i < sizeof(c->fds) / sizeof(c->fds[0]); i++) {
		if (c->fds[i] >= 0)
			close(c->fds[i]);
		c->fds[i] = -1;
	}
}
