/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Definitions shared by the BPF and the user space part of scx_near.
 */
#ifndef __SCX_EXAMPLE_NEAR_H
#define __SCX_EXAMPLE_NEAR_H

enum near_stat_idx {
	/* idle CPUs picked, by distance from the node where the task belongs */
	NEAR_STAT_LOCAL,
	NEAR_STAT_NEAR,
	NEAR_STAT_FAR,
	NEAR_STAT_DISTANCE,	/* sum over the three */
	NEAR_STAT_WANTED,	/* picks for which -n or -m named the node */
	NEAR_STAT_WANTED_LOCAL,	/* those of them that got a CPU there */

	/* tasks moved to the node that -m named when they would have run on elsewhere */
	NEAR_STAT_MOVED,

	/* tasks queued, and those of them that another node's CPU took */
	NEAR_STAT_QUEUED,
	NEAR_STAT_PULLED_NEAR,
	NEAR_STAT_PULLED_FAR,

	NEAR_NR_STATS,
};

#endif /* __SCX_EXAMPLE_NEAR_H */
