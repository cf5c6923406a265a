// SPDX-License-Identifier: GPL-2.0
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counter.h"

int counter_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

uint64_t counter_read(int counter)
{
	uint64_t v;

	return counter >= 0 && read(counter, &v, sizeof(v)) == sizeof(v) ? v : 0;
}
