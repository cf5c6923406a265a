// SPDX-License-Identifier: GPL-2.0
/*
 * The judge on a ring of four nodes with two CPUs each (two threads of a core
 * where SMT is on) and on one asymmetric row.
 */
#include <stdio.h>
#include <string.h>

#include "judge.h"

static struct topo ring(bool smt)
{
	static const int d[4] = { 10, 20, 30, 20 };
	struct topo t = { .nr_cpus = 8, .nr_nodes = 4, .nr_cpu_nodes = 4, .smt = smt };

	for (int n = 0; n < 4; n++) {
		t.cpu_nodes[n] = n;
		for (int m = 0; m < 4; m++)
			t.dist[n][m] = d[(m - n + 4) % 4];
	}
	for (int c = 0; c < 8; c++) {
		mask_set(&t.online, c);
		t.cpu_node[c] = c / 2;
		mask_set(&t.node_cpus[c / 2], c);
		mask_set(&t.siblings[c], c);
		if (smt)
			mask_set(&t.siblings[c], c ^ 1);
	}
	return t;
}

static struct pb_mask list(const char *s)
{
	struct pb_mask m;

	if (mask_parse(&m, s))
		printf("not ok - bad list %s\n", s);
	return m;
}

struct row {
	const char *what;
	bool smt, core, anywhere;
	int start;
	const char *allowed, *idle, *whole;	/* before */
	int picked;
	const char *idle_after, *whole_after;
	enum verdict verdict;
	enum situation situation;
	int best_dist;
};

static const struct row rows[] = {
	{ "the start CPU itself", .start = 2, .allowed = "0-7", .idle = "0-7", .picked = 2,
	  .idle_after = "0-1,3-7", .verdict = V_OPTIMAL, .situation = S_PREV, .best_dist = 10 },
	{ "the other CPU of the node", .start = 2, .allowed = "0-7", .idle = "0-1,3-7", .picked = 3,
	  .idle_after = "0-1,4-7", .verdict = V_OPTIMAL, .situation = S_LOCAL, .best_dist = 10 },
	{ "away though the node has an idle CPU", .start = 2, .allowed = "0-7", .idle = "0-1,3-7",
	  .picked = 4, .idle_after = "0-1,3,5-7", .verdict = V_FAR, .situation = S_LOCAL,
	  .best_dist = 10 },
	{ "either near node will do", .start = 2, .allowed = "0-7", .idle = "0,4-7", .picked = 5,
	  .idle_after = "0,4,6-7", .verdict = V_OPTIMAL, .situation = S_REMOTE, .best_dist = 20 },
	{ "the far node although a near one is idle", .start = 2, .allowed = "0-7", .idle = "0,6",
	  .picked = 6, .idle_after = "0", .verdict = V_FAR, .situation = S_REMOTE, .best_dist = 20 },
	{ "the nearer one is not allowed", .start = 2, .allowed = "6-7", .idle = "0,6", .picked = 6,
	  .idle_after = "0", .verdict = V_OPTIMAL, .situation = S_REMOTE, .best_dist = 30 },
	{ "the nearer one left meanwhile", .start = 2, .allowed = "0-7", .idle = "0,6", .picked = 6,
	  .idle_after = "", .verdict = V_RACED, .situation = S_REMOTE, .best_dist = 20 },
	{ "the nearer one came back only after", .start = 2, .allowed = "0-7", .idle = "6",
	  .picked = 6, .idle_after = "2", .verdict = V_OPTIMAL, .situation = S_REMOTE,
	  .best_dist = 30 },
	{ "all busy", .start = 0, .allowed = "0-7", .idle = "", .picked = -16, .idle_after = "",
	  .verdict = V_OPTIMAL, .situation = S_BUSY, .best_dist = -1 },
	{ "only CPUs that are not allowed idle", .start = 0, .allowed = "0-3", .idle = "4-7",
	  .picked = -16, .idle_after = "4-7", .verdict = V_OPTIMAL, .situation = S_BUSY,
	  .best_dist = -1 },
	{ "nothing picked although one was idle", .start = 0, .allowed = "0-7", .idle = "4",
	  .picked = -16, .idle_after = "4", .verdict = V_MISSED, .situation = S_REMOTE,
	  .best_dist = 30 },
	{ "nothing picked, the idle one left", .start = 0, .allowed = "0-7", .idle = "4",
	  .picked = -16, .idle_after = "", .verdict = V_RACED, .situation = S_REMOTE,
	  .best_dist = 30 },
	{ "a CPU that is not allowed", .start = 0, .allowed = "2-3", .idle = "0-7", .picked = 0,
	  .idle_after = "1-7", .verdict = V_BAD, .situation = S_REMOTE, .best_dist = 20 },
	{ "a CPU that does not exist", .start = 0, .allowed = "0-7", .idle = "0-7", .picked = 77,
	  .idle_after = "0-7", .verdict = V_BAD, .situation = S_PREV, .best_dist = 10 },
	{ "a call without a start", .anywhere = true, .start = 0, .allowed = "0-7", .idle = "0-7",
	  .picked = 4, .idle_after = "0-3,5-7", .verdict = V_OPTIMAL, .situation = S_PREV,
	  .best_dist = 10 },
	{ "a call without a start that misses", .anywhere = true, .start = 0, .allowed = "0-7",
	  .idle = "4", .picked = -16, .idle_after = "4", .verdict = V_MISSED,
	  .situation = S_REMOTE, .best_dist = 30 },
	{ "beside a busy sibling, no whole core in the node", .smt = true, .start = 0,
	  .allowed = "0-7", .idle = "1,4-5", .whole = "4-5", .picked = 1, .idle_after = "4-5",
	  .whole_after = "4-5", .verdict = V_OPTIMAL, .situation = S_LOCAL, .best_dist = 10 },
	{ "a whole core far away before a thread near by", .smt = true, .start = 0,
	  .allowed = "0-7", .idle = "1,4-5", .whole = "4-5", .picked = 4, .idle_after = "1,5",
	  .whole_after = "", .verdict = V_FAR, .situation = S_LOCAL, .best_dist = 10 },
	{ "the same when a whole core is asked for", .smt = true, .core = true, .start = 0,
	  .allowed = "0-7", .idle = "1,4-5", .whole = "4-5", .picked = 4, .idle_after = "1,5",
	  .whole_after = "", .verdict = V_OPTIMAL, .situation = S_REMOTE, .best_dist = 30 },
	{ "a thread when a whole core is asked for", .smt = true, .core = true, .start = 0,
	  .allowed = "0-7", .idle = "1,4-5", .whole = "4-5", .picked = 1, .idle_after = "4-5",
	  .whole_after = "4-5", .verdict = V_BAD, .situation = S_REMOTE, .best_dist = 30 },
};

static int failed, number;

static void check(const char *what, bool ok, const char *detail)
{
	printf("%s %d - %s%s%s\n", ok ? "ok" : "not ok", ++number, what, ok ? "" : ": ",
	       ok ? "" : detail);
	failed += !ok;
}

static void check_row(const struct row *r)
{
	struct topo t = ring(r->smt);
	struct pb_pick before = { .cpu = r->picked, .idle = list(r->idle) };
	struct pb_pick after = { .idle = list(r->idle_after) };
	struct pick_query q = {
		.start_cpu = r->start, .start_node = r->start / 2, .allowed = list(r->allowed),
		.whole_core = r->core, .anywhere = r->anywhere, .before = &before, .after = &after,
	};
	struct judgement j;
	char detail[128];

	before.smt = r->smt ? list(r->whole) : before.idle;
	after.smt = r->smt ? list(r->whole_after) : after.idle;
	j = judge(&t, &q);
	snprintf(detail, sizeof(detail), "verdict %s, class %s, best %d", verdict_names[j.verdict],
		 situation_names[j.situation], j.best_dist);
	check(r->what, j.verdict == r->verdict && j.situation == r->situation &&
	      (r->anywhere || j.best_dist == r->best_dist), detail);
}

/* Two cores of two threads on one node. */
static void check_shared_core(void)
{
	struct topo t = ring(true);
	struct pb_pick before = { .cpu = 1, .idle = list("1-3"), .smt = list("2-3") };
	struct pb_pick after = { .idle = list("2-3"), .smt = list("2-3") };
	struct pick_query q = {
		.start_cpu = 0, .allowed = list("0-7"), .before = &before, .after = &after,
	};
	struct judgement j;

	t.node_cpus[0] = list("0-3");
	t.node_cpus[1] = list("");
	t.cpu_node[2] = t.cpu_node[3] = 0;
	j = judge(&t, &q);
	check("beside a busy sibling although the node has a whole core",
	      j.verdict == V_SHARED && j.shares_core, verdict_names[j.verdict]);
	before.cpu = 2;
	after.idle = list("1,3");
	after.smt = list("");
	j = judge(&t, &q);
	check("the whole core of the node", j.verdict == V_OPTIMAL && !j.shares_core,
	      verdict_names[j.verdict]);
}

/* Rows differ: what counts is the way from the start node. */
static void check_asymmetry(void)
{
	struct topo t = ring(false);
	struct pb_pick before = { .cpu = 4, .idle = list("2,4") };
	struct pb_pick after = { .idle = list("2") };
	struct pick_query q = {
		.start_cpu = 0, .allowed = list("0-7"), .before = &before, .after = &after,
	};
	struct judgement j;

	t.dist[0][1] = 40;
	t.dist[1][0] = 11;
	before.smt = before.idle;
	after.smt = after.idle;
	j = judge(&t, &q);
	check("asymmetric distances: the start node's row", j.verdict == V_OPTIMAL && j.dist == 30,
	      verdict_names[j.verdict]);
}

static void check_helpers(void)
{
	struct samples s = {};
	struct pb_mask m;
	char buf[64];

	samples_add(&s, 9);
	samples_add(&s, 1);
	samples_add(&s, 5);
	check("odd median", samples_median(&s) == 5, "");
	samples_add(&s, 6);
	check("even median rounds up", samples_median(&s) == 6, "");
	check("mean", samples_mean(&s) == 5.25, "");
	check("middle cuts both ends", samples_middle(&s) == 5.5, "");
	samples_free(&s);
	m = list("0-2,5,64-65\n");
	check("lists", mask_weight(&m) == 6 &&
	      !strcmp(mask_format(&m, buf, sizeof(buf)), "0-2,5,64-65"), buf);
	check("bad lists are refused", mask_parse(&m, "3-1") && mask_parse(&m, "x") &&
	      mask_parse(&m, "1;2") && mask_parse(&m, "512") && mask_parse(&m, "-1"), "");
}

int main(void)
{
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	check_shared_core();
	check_asymmetry();
	check_helpers();
	printf("1..%d\n", number);
	return failed ? 1 : 0;
}
