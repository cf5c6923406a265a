// SPDX-License-Identifier: GPL-2.0
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct cell *table_cell(struct table *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->nr; i++)
		if (!strcmp(t->cell[i].name, name))
			return &t->cell[i];
	nn_grow(t->cell, t->nr);
	t->cell[t->nr] = (struct cell){ .name = xstrdup(name) };
	return &t->cell[t->nr++];
}

void table_free(struct table *t)
{
	size_t i;

	for (i = 0; i < t->nr; i++)
		free(t->cell[i].name);
	free(t->cell);
	*t = (struct table){ 0 };
}

/* What of the normal distribution is beyond so many sigma has the probability p. */
static double sigma_of(double p)
{
	double low = 0, high = 40;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		double mid = (low + high) / 2;

		if (erfc(mid / sqrt(2)) / 2 > p)
			low = mid;
		else
			high = mid;
	}
	return low;
}

double poisson_sigma(uint64_t n, double mean)
{
	double below = 0, at;
	uint64_t i;

	if (mean <= 0)
		return n ? INFINITY : 0;
	at = exp(-mean);
	for (i = 0; i < n; i++) {
		below += at;
		at *= mean / (double)(i + 1);
	}
	/* n or more, n or less: whichever is less likely */
	if ((double)n > mean)
		return sigma_of(below < 1 ? 1 - below : 0);
	return -sigma_of(below + at < 1 ? below + at : 1);
}

static bool all_of(const struct table *t, uint64_t *executed, uint64_t *sampled)
{
	size_t i;

	*executed = *sampled = 0;
	for (i = 0; i < t->nr; i++) {
		*executed += t->cell[i].executed;
		*sampled += t->cell[i].sampled;
	}
	return *executed && *sampled;
}

static double cell_sigma(const struct cell *c, double n, double q)
{
	double mean = n * q;

	if (q <= 0)
		return c->sampled ? INFINITY : 0;
	if (q >= 1)
		return (double)c->sampled == n ? 0 : INFINITY;
	/* rare ones, and those that nearly all belong to */
	if (mean < JUDGE_MIN)
		return poisson_sigma(c->sampled, mean);
	if (n - mean < JUDGE_MIN)
		return -poisson_sigma((uint64_t)n - c->sampled, n - mean);
	return ((double)c->sampled - mean) / sqrt(mean * (1 - q));
}

void judge(struct table *t, struct tally *tally,
	   bool (*excused)(const struct table *t, const struct cell *c, void *arg), void *arg)
{
	uint64_t executed, sampled;
	struct cell rest = { 0 };
	size_t i;

	if (!all_of(t, &executed, &sampled)) {
		/* nothing to compare is no agreement */
		tally->failed++;
		return;
	}
	for (i = 0; i < t->nr; i++) {
		struct cell *c = &t->cell[i];

		c->alone = t->strict || !c->executed ||
			   (double)sampled * (double)c->executed / (double)executed >= JUDGE_MIN;
		if (!c->alone) {
			rest.executed += c->executed;
			rest.sampled += c->sampled;
		}
	}
	if (rest.executed) {
		struct cell *c = table_cell(t, "rest");

		c->executed = rest.executed;
		c->sampled = rest.sampled;
		c->alone = true;
	}
	for (i = 0; i < t->nr; i++) {
		struct cell *c = &t->cell[i];

		if (!c->alone)
			continue;
		c->sigma = cell_sigma(c, (double)sampled, (double)c->executed / (double)executed);
		c->off = fabs(c->sigma) > (t->strict ? JUDGE_NEAR : JUDGE_FAR);
		if (c->off && !(isfinite(c->sigma) && excused && excused(t, c, arg)))
			tally->failed++;
		if (t->strict)
			continue;
		tally->cells++;
		tally->beyond_near += fabs(c->sigma) > JUDGE_NEAR;
	}
}

bool tally_good(const struct tally *tally)
{
	return !tally->failed && tally->beyond_near * 100 <= tally->cells;
}
