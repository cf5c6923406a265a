/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Statistics of layers as text and as JSON.
 */
#ifndef SCX_AFFINITY_STATS_H
#define SCX_AFFINITY_STATS_H

#include <stdio.h>
#include <jansson.h>
#include "counters.h"
#include "plan.h"

/* A quantile of the waiting times in ns, to within a quarter of a power of 2; 0 if there are none. */
u64 stats_wait(const struct aff_stats *s, double quantile);

/* What happened between @last and @now. */
void stats_delta(struct aff_stats *delta, const struct aff_stats *now, const struct aff_stats *last);

/*
 * All about the layers over @seconds. @delta is an array of AFF_MAX_LAYERS. The
 * caller releases it.
 */
json_t *stats_json(const struct config *c, const struct plan_state *s, const struct counters *counters,
		   const struct aff_stats *delta, double seconds);

/* The "layers" of it as a table. */
void stats_table(FILE *f, json_t *layers);

#endif
