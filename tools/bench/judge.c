// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include "judge.h"

const char * const verdict_names[V_NR] = {
	[V_OPTIMAL]	= "optimal",
	[V_RACED]	= "raced",
	[V_FAR]		= "far",
	[V_SHARED]	= "shared",
	[V_MISSED]	= "missed",
	[V_BAD]		= "bad",
};

const char * const situation_names[S_NR] = {
	[S_PREV]	= "prev",
	[S_LOCAL]	= "local",
	[S_REMOTE]	= "remote",
	[S_BUSY]	= "busy",
};

static int nearest(const struct topo *t, int node, const struct pb_mask *cpus, int *where)
{
	int best = -1;

	*where = -1;
	for (int i = 0; i < t->nr_cpu_nodes; i++) {
		int n = t->cpu_nodes[i], d = t->dist[node][n];
		struct pb_mask m = mask_and(cpus, &t->node_cpus[n]);

		if ((best < 0 || d < best) && !mask_empty(&m)) {
			best = d;
			*where = n;
		}
	}
	return best;
}

struct judgement judge(const struct topo *t, const struct pick_query *q)
{
	const struct pb_pick *b = q->before, *a = q->after;
	struct pb_mask idle = mask_and(q->whole_core ? &b->smt : &b->idle, &q->allowed);
	struct pb_mask stayed = mask_and(&idle, q->whole_core ? &a->smt : &a->idle);
	struct judgement j = { .node = -1, .dist = -1 };
	struct pb_mask own, whole;
	int near, where, cpu = b->cpu;

	j.best_dist = nearest(t, q->start_node, &idle, &j.best_node);
	own = mask_and(&idle, &t->node_cpus[q->start_node]);
	if (mask_empty(&idle))
		j.situation = S_BUSY;
	else if (mask_test(&idle, q->start_cpu))
		j.situation = S_PREV;
	else
		j.situation = mask_empty(&own) ? S_REMOTE : S_LOCAL;

	near = nearest(t, q->start_node, &stayed, &where);
	if (cpu < 0) {
		if (mask_empty(&idle))
			j.verdict = V_OPTIMAL;
		else
			j.verdict = near < 0 ? V_RACED : V_MISSED;
		return j;
	}

	if (cpu >= t->nr_cpus || !mask_test(&t->online, cpu) || !mask_test(&q->allowed, cpu)) {
		j.verdict = V_BAD;
		return j;
	}
	j.node = t->cpu_node[cpu];
	j.dist = t->dist[q->start_node][j.node];
	if (q->anywhere)
		near = j.best_dist = j.dist;
	if (!mask_test(&idle, cpu)) {
		/* It came back idle just now, which nothing can be said against. */
		if (q->whole_core && mask_test(&b->idle, cpu))
			j.verdict = V_BAD;
		else
			j.verdict = near >= 0 && near < j.dist ? V_FAR : V_RACED;
		return j;
	}

	j.shares_core = t->smt && !mask_test(&b->smt, cpu);
	if (near >= 0 && near < j.dist) {
		j.verdict = V_FAR;
	} else if (j.best_dist < j.dist) {
		j.verdict = V_RACED;
	} else if (j.shares_core) {
		whole = mask_and(&stayed, &b->smt);
		whole = mask_and(&whole, &a->smt);
		whole = mask_and(&whole, &t->node_cpus[j.node]);
		j.verdict = mask_empty(&whole) ? V_OPTIMAL : V_SHARED;
	} else {
		j.verdict = V_OPTIMAL;
	}
	return j;
}

void samples_add(struct samples *s, unsigned long long v)
{
	if (s->nr == s->max) {
		s->max = s->max ? 2 * s->max : 64;
		s->v = realloc(s->v, s->max * sizeof(*s->v));
		if (!s->v) {
			fprintf(stderr, "out of memory\n");
			exit(1);
		}
	}
	s->v[s->nr++] = v;
}

void samples_free(struct samples *s)
{
	free(s->v);
	*s = (struct samples){};
}

static int compare(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

unsigned long long samples_median(struct samples *s)
{
	if (!s->nr)
		return 0;
	qsort(s->v, s->nr, sizeof(*s->v), compare);
	return s->nr & 1 ? s->v[s->nr / 2] : (s->v[s->nr / 2 - 1] + s->v[s->nr / 2] + 1) / 2;
}

double samples_middle(struct samples *s)
{
	int cut = s->nr > 2 ? (s->nr + 9) / 10 : 0;
	double sum = 0;

	if (!s->nr)
		return 0;
	qsort(s->v, s->nr, sizeof(*s->v), compare);
	for (int i = cut; i < s->nr - cut; i++)
		sum += s->v[i];
	return sum / (s->nr - 2 * cut);
}

double samples_mean(const struct samples *s)
{
	double sum = 0;

	for (int i = 0; i < s->nr; i++)
		sum += s->v[i];
	return s->nr ? sum / s->nr : 0;
}
