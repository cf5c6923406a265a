/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What appbench measured in one guest: what schedulers made of servers, each given the same
 * work beside the same batch load, and the accesses that the plugin counted meanwhile.
 */
#ifndef PB_APPS_H
#define PB_APPS_H

#include <stdbool.h>
#include <stddef.h>

struct app_run {
	char *app, *scheduler;
	unsigned int outside;		/* the CPU of the clients */
	unsigned int node;		/* of the server's layer */
	double requests, clients, hogs;
	double seconds;			/* the guest's: under icount 1e9 instructions each */
	double server_us, batch_us;	/* CPU time */
	double moves, crossings;	/* to another CPU, to another node */
	double waits;			/* for a CPU; the following are nanoseconds */
	double wait_mean, wait_p50, wait_p99, wait_max;
	/* of user space on all CPUs but that of the clients */
	double accesses, remote;
	double distance;		/* mean; 10: all are local */
};

struct app_guest {
	struct app_run *run;
	size_t nr;
};

/*
 * Reads out and accesses.jsonl in @dir; false with a message if they are not there, not
 * whole or do not belong together.
 */
bool apps_read(struct app_guest *g, const char *dir, char *err);
void apps_free(struct app_guest *g);

/* NULL: there is none */
const struct app_run *apps_run(const struct app_guest *g, const char *app, const char *scheduler);

static inline double remote_percent(const struct app_run *r)
{
	return 100 * r->remote / r->accesses;
}

#endif
