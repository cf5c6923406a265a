// SPDX-License-Identifier: GPL-2.0
/*
 * Validate that no idle CPU gets lost to the built-in idle CPU selection when
 * CPUs go offline and online while schedulers are loaded and unloaded.
 */
#include <scx/common.h>
#include <stdlib.h>

#include "scx_test.h"
#include "numa_distance.h"

/* more if wanted: SCX_NUMA_STORM_ROUNDS in the environment */
#define NR_ROUNDS	8

static enum scx_test_status run(void *ctx)
{
	const char *rounds = getenv("SCX_NUMA_STORM_ROUNDS");

	return numa_storm_run(rounds ? atoi(rounds) : NR_ROUNDS);
}

struct scx_test numa_storm = {
	.name = "numa_storm",
	.description = "Verify that CPU hotplug and scheduler reloads lose no idle CPU",
	.run = run,
};

REGISTER_SCX_TEST(&numa_storm)
