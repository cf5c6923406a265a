/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two sides of the numa_preferred test share.
 */
#ifndef __NUMA_PREFERRED_TEST_H__
#define __NUMA_PREFERRED_TEST_H__

/* What ops.set_preferred_node() said of a task. */
struct numa_preferred_record {
	__s32	first_node;	/* when it was enabled */
	__s32	node;		/* the last time */
	__u32	nr_calls;
};

#endif	/* __NUMA_PREFERRED_TEST_H__ */
