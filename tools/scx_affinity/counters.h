/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What --counters asks for: events of perf, counted for each layer, and samples of memory
 * accesses.
 */
#ifndef SCX_AFFINITY_COUNTERS_H
#define SCX_AFFINITY_COUNTERS_H

#include <stddef.h>
#include "scx_affinity.h"
#include "topo.h"

struct counter {
	char	name[AFF_NAME_LEN];
	u32	type;		/* as perf_event_open(2) has it */
	u64	config;
};

struct counters {
	u32	nr;
	bool	samples;	/* of mem_sampling */
	struct counter events[AFF_MAX_EVENTS];
	int	fds[AFF_MAX_EVENTS * AFF_MAX_CPUS];	/* of opened ones, at AFF_EVENT() */
};

/* Read a list of names. 0, or -1 with the reason in @err. */
int counters_parse(struct counters *c, const char *list, char *err, size_t size);

/*
 * Open each event on each CPU that is online. One that perf does not count here is dropped
 * and @missing is called with its name and the reason.
 */
void counters_open(struct counters *c, const struct topo *t, void (*missing)(const char *name, int err));
void counters_close(struct counters *c);

#endif
