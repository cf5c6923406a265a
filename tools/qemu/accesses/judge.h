/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Do samples have the shares that they should have?
 *
 * Of n independent samples, the number that falls into a cell with the share q has
 * the mean n q and the variance n q (1 - q). Samples at regular distances that vary
 * a little at random have that variance or less, unless the program keeps step.
 *
 * Of many cells some are far off by chance. The rule: a class, of which there are
 * few, must be within 3 sigma, without exception; of all other cells none may be
 * farther off than 4 sigma, and at most one in a hundred farther than 3. Cells that
 * expect less than JUDGE_MIN samples are judged together, by the Poisson
 * distribution's tail. What was not executed must not be sampled at all.
 *
 * With that, one in ten runs over ten programs fails by chance. Whoever runs it again
 * may take as an excuse that the same cell was not off in the same direction before:
 * that happens by chance once in a thousand runs or less, and what is really biased has
 * no excuse twice.
 */
#ifndef ACC_JUDGE_H
#define ACC_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JUDGE_MIN	10
#define JUDGE_NEAR	3.0
#define JUDGE_FAR	4.0

struct cell {
	char *name;
	uint64_t executed, sampled;
	double sigma;		/* how far off; not finite: impossible */
	bool alone;		/* or too rare to be judged alone */
	bool off;		/* farther than it may be, excused or not */
};

/* Cells that exclude each other and of which one is the case for each sample. */
struct table {
	const char *name;
	bool strict;		/* classes */
	struct cell *cell;	/* the last one may be "rest", added by judge() */
	size_t nr;
};

struct tally {
	size_t cells, beyond_near;	/* of those that are not strict */
	size_t failed;			/* off, and not excused */
};

/* The cell of that name; it is added if it is not there. */
struct cell *table_cell(struct table *t, const char *name);
void table_free(struct table *t);

/*
 * Fills in sigma, adds to the tally; once for each table. excused() is asked about
 * cells that are off, if there is one; not about what is impossible.
 */
void judge(struct table *t, struct tally *tally,
	   bool (*excused)(const struct table *t, const struct cell *c, void *arg), void *arg);
bool tally_good(const struct tally *tally);

/* How far off is n of which @mean are expected, if it is distributed as Poisson says? */
double poisson_sigma(uint64_t n, double mean);

#endif
