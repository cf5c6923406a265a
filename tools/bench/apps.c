// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "apps.h"
#include "counts.h"
#include "jsonl.h"
#include "traffic.h"

static void read_run(struct reading *r, const struct json *j)
{
	const struct json *of = json_get(j, "result");
	struct app_guest *g = r->to;
	struct app_run *run;

	nn_grow(g->run, g->nr);
	run = &g->run[g->nr++];
	*run = (struct app_run){
		.app = reading_string(r, j, "app"), .scheduler = reading_string(r, j, "scheduler"),
		.outside = reading_number(r, j, "outside"), .node = reading_number(r, j, "node"),
		.requests = reading_number(r, j, "requests"), .clients = reading_number(r, j, "clients"),
		.hogs = reading_number(r, j, "hogs"),
		.seconds = reading_number(r, of, "seconds"),
		.server_us = reading_number(r, of, "server_us"), .batch_us = reading_number(r, of, "batch_us"),
		.moves = reading_number(r, of, "moves"), .crossings = reading_number(r, of, "crossings"),
		.waits = reading_number(r, of, "waits"), .wait_mean = reading_number(r, of, "wait_mean"),
		.wait_p50 = reading_number(r, of, "wait_p50"), .wait_p99 = reading_number(r, of, "wait_p99"),
		.wait_max = reading_number(r, of, "wait_max"),
	};
	if (run->requests <= 0 || run->seconds <= 0 || run->waits <= 0)
		reading_wrong(r, "no requests, no time or no waits");
	if (run->wait_p50 > run->wait_p99 || run->wait_p99 > run->wait_max)
		reading_wrong(r, "the waits are in no order");
}

/* A run is a region of that name, which it has for itself. */
static bool add_accesses(struct app_run *run, const struct counts *c, char *err)
{
	char *name = xasprintf("%s,%s", run->app, run->scheduler);
	struct traffic t = { 0 };
	unsigned int nr = 0;
	bool ok;
	size_t i;

	for (i = 0; i < c->nr_rows; i++) {
		if (strcmp(c->row[i].name, name))
			continue;
		nr++;
		traffic_add(&t, c, &c->row[i], run->outside);
	}
	run->accesses = t.all;
	run->remote = t.remote;
	ok = nr == 1 && run->accesses > 0 && run->outside < c->nr_cpus && run->node < c->nr_nodes;
	if (ok)
		run->distance = t.distance / t.all;
	else
		nn_err(err, "%s: it has %u rows of %s, %.0f accesses; one row with some is what is to be there\n"
		       "  Is it of another boot? Remove its directory and measure again", c->path, nr, name, run->accesses);
	free(name);
	return ok;
}

static bool read_accesses(struct app_guest *g, const char *path, char *err)
{
	struct counts c;
	bool ok = true;
	size_t i;

	if (!counts_read_whole(&c, path, err))
		return false;
	for (i = 0; ok && i < g->nr; i++)
		ok = add_accesses(&g->run[i], &c, err);
	counts_free(&c);
	return ok;
}

bool apps_read(struct app_guest *g, const char *dir, char *err)
{
	char *out = xasprintf("%s/out", dir), *accesses = xasprintf("%s/accesses.jsonl", dir);
	struct reading r = { .path = out, .take = read_run, .to = g, .err = err };
	bool ok;

	memset(g, 0, sizeof(*g));
	ok = read_jsonl(&r);
	if (ok && !g->nr)
		ok = nn_err(err, "%s: there are no measurements", out);
	ok = ok && read_accesses(g, accesses, err);
	if (!ok)
		apps_free(g);
	free(accesses);
	free(out);
	return ok;
}

void apps_free(struct app_guest *g)
{
	size_t i;

	for (i = 0; i < g->nr; i++) {
		free(g->run[i].app);
		free(g->run[i].scheduler);
	}
	free(g->run);
	memset(g, 0, sizeof(*g));
}

const struct app_run *apps_run(const struct app_guest *g, const char *app, const char *scheduler)
{
	size_t i;

	for (i = 0; i < g->nr; i++)
		if (!strcmp(g->run[i].app, app) && !strcmp(g->run[i].scheduler, scheduler))
			return &g->run[i];
	return NULL;
}
