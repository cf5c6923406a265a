/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Was a pick the best one possible?  Pure functions, tested on the host.
 *
 * A pick is optimal iff no allowed CPU that was idle when it began lies nearer,
 * by the start node's own row of distances.  "Idle when it began" is what the
 * kernel's idle masks said just before; a CPU that is no longer there just
 * after was taken by somebody else meanwhile and cannot be held against the
 * pick, and one that came back in between is not in the mask before.
 *
 * With SMT, distance comes first; among CPUs of one node a wholly idle core
 * beats a CPU whose sibling is busy.
 */
#ifndef PB_JUDGE_H
#define PB_JUDGE_H

#include "topo.h"

enum verdict {
	V_OPTIMAL,
	V_RACED,	/* not the nearest of those before, but that one left meanwhile */
	V_FAR,		/* a nearer idle CPU was passed over */
	V_SHARED,	/* as near as possible, but beside a busy sibling for no reason */
	V_MISSED,	/* nothing picked although something was idle */
	V_BAD,		/* a CPU that is not allowed, or no whole core though one was asked for */
	V_NR,
};

/* What the pick had to choose from, not what it chose. */
enum situation {
	S_PREV,		/* the start CPU itself is idle */
	S_LOCAL,	/* it is not, but its node has an idle CPU */
	S_REMOTE,	/* only other nodes have */
	S_BUSY,		/* nothing is idle */
	S_NR,
};

extern const char * const verdict_names[V_NR];
extern const char * const situation_names[S_NR];

struct pick_query {
	int start_cpu;
	int start_node;
	struct pb_mask allowed;
	bool whole_core;		/* SCX_PICK_IDLE_CORE */
	bool anywhere;			/* the call knows no start: any idle CPU will do */
	const struct pb_pick *before;	/* with what was picked */
	const struct pb_pick *after;
};

struct judgement {
	enum verdict verdict;
	enum situation situation;
	int node;	/* of the picked CPU, or -1 */
	int dist;	/* to it, or -1 */
	int best_node;	/* nearest node that had an idle CPU, or -1 */
	int best_dist;
	bool shares_core;
};

struct judgement judge(const struct topo *t, const struct pick_query *q);

/* A growing list of numbers. */
struct samples {
	unsigned long long *v;
	int nr, max;
};

void samples_add(struct samples *s, unsigned long long v);
void samples_free(struct samples *s);
unsigned long long samples_median(struct samples *s);	/* sorts */
double samples_mean(const struct samples *s);
/*
 * The mean without the tenth at either end. What a pick costs has two values or
 * more: the search goes on where the last one ended, and wraps around or does not.
 * Which of them is the median can depend on one single pick; the plain mean, on an
 * interrupt.
 */
double samples_middle(struct samples *s);	/* sorts */

#endif
