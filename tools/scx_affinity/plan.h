/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which CPUs a layer has. Pure computation: from the file, the machine and what each
 * layer uses.
 */
#ifndef SCX_AFFINITY_PLAN_H
#define SCX_AFFINITY_PLAN_H

#include <stdio.h>
#include "config.h"

/* What persists from one round to the next. All 0 to begin with. */
struct plan_state {
	struct cpuset own[AFF_MAX_LAYERS];
	struct cpuset use[AFF_MAX_LAYERS];	/* others' that it may use while idle */
};

/*
 * Decide anew. @busy: how many CPUs each layer kept busy since the last time, %NULL if
 * there is no last time. Say why to @explain if that is not %NULL. Return whether
 * anything changed.
 */
bool plan_cpus(struct plan_state *s, const struct config *c, const struct topo *t, const double *busy,
	       FILE *explain);

/* Write all that the BPF program has to know. */
void plan_write(const struct plan_state *s, const struct config *c, const struct topo *t, u32 gen,
		struct aff_plan *plan);

#endif
