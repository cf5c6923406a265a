// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"
#include "json.h"
#include "jsonl.h"
#include "place.h"
#include "report.h"
#include "traffic.h"

static void read_point(struct reading *r, const struct json *j, struct point *p)
{
	*p = (struct point){
		.accesses = reading_number(r, j, "accesses"),
		.seconds = reading_number(r, j, "seconds"),
		.local_pages = reading_number(r, j, "local"),
		.local_accesses = -1,
		.user = reading_number(r, j, "user"),
		.kernel = reading_number(r, j, "kernel"),
		.hint_faults = reading_number(r, j, "numa_hint_faults"),
		.pte_updates = reading_number(r, j, "numa_pte_updates"),
		.migrated = reading_number(r, j, "numa_pages_migrated"),
		.samples = reading_number(r, j, "mem_samples"),
		.dropped = reading_number(r, j, "mem_samples_dropped"),
	};
	if (p->local_pages < 0 || p->local_pages > 100)
		reading_wrong(r, "\"local\" is no percentage");
	if (p->user < 0 || p->kernel < 0)
		reading_wrong(r, "instructions were not counted: that takes MODE=icount");
}

static void read_run(struct reading *r, const struct json *j, const struct json *result)
{
	const struct json *rows = json_get(result, "rows");
	struct guest *g = r->to;
	struct run *run;
	size_t i;

	if (!rows || rows->type != JSON_ARRAY || rows->nr < 2) {
		reading_wrong(r, "there are no rows");
		return;
	}
	nn_grow(g->run, g->nr);
	run = &g->run[g->nr++];
	*run = (struct run){
		.kind = reading_string(r, j, "kind"), .source = reading_string(r, j, "source"),
		.class = reading_string(r, j, "class"), .pages = reading_string(r, j, "pages"),
		.memory_mb = reading_number(r, result, "memory_mb"),
		.point = xcalloc(rows->nr, sizeof(*run->point)),
		.nr = rows->nr, .end_local = -1,
	};
	for (i = 0; i < rows->nr && !r->failed; i++)
		read_point(r, rows->item[i], &run->point[i]);
}

static struct cost read_cost(struct reading *r, const struct json *j, const char *name)
{
	const struct json *of = json_get(j, name);

	return (struct cost){ reading_number(r, of, "least"), reading_number(r, of, "median") };
}

static void read_result(struct reading *r, const struct json *j)
{
	const struct json *result = json_get(j, "result");
	const char *kind = json_get_string(j, "kind");
	struct guest *g = r->to;

	if (!kind || !result) {
		reading_wrong(r, "no result");
	} else if (!strcmp(kind, "switch")) {
		g->has_costs = true;
		g->to_switch = read_cost(r, result, "switch");
		g->to_tick = read_cost(r, result, "tick");
	} else {
		read_run(r, j, result);
	}
}

/* What the plugins know a run as. */
static char *label_of(const struct run *run)
{
	return xasprintf("%s,%s,%s,%s", run->kind, run->source, run->class, run->pages);
}

/* Percent of the accesses by programs that went to the node of their CPU. */
static double local_of(const struct counts *c, const struct row *row)
{
	struct traffic t = { 0 };

	traffic_add(&t, c, row, NO_CPU);
	return t.all ? 100 * (t.all - t.remote) / t.all : -1;
}

/* A region's rows are a run's steps; what --after did bears its name with a "+". */
static bool add_accesses(const struct counts *c, struct run *run, char *err)
{
	char *name = label_of(run), *end = xasprintf("%s+", name);
	size_t i, nr = 0;
	bool ok;

	for (i = 0; i < c->nr_rows; i++) {
		const struct row *row = &c->row[i];

		if (!strcmp(row->name, end))
			run->end_local = local_of(c, row);
		if (!strcmp(row->name, name) && ++nr < run->nr)
			run->point[nr].local_accesses = local_of(c, row);
	}
	ok = nr == run->nr - 1 && run->end_local >= 0;
	if (!ok)
		nn_err(err, "%s: of the %zu steps of %s it has %zu%s\n  Is it of another boot? Remove its directory and measure again",
		       c->path, run->nr - 1, name, nr, run->end_local < 0 ? ", and not what came after" : "");
	free(name);
	free(end);
	return ok;
}

static bool read_accesses(struct guest *g, const char *path, char *err)
{
	struct counts c;
	bool ok = true;
	size_t i;

	if (!counts_read_whole(&c, path, err))
		return false;
	for (i = 0; ok && i < g->nr; i++)
		if (!strcmp(g->run[i].kind, "far"))
			ok = add_accesses(&c, &g->run[i], err);
	counts_free(&c);
	return ok;
}

static bool read_out(struct guest *g, const char *dir, char *err)
{
	char *out = xasprintf("%s/out", dir);
	struct reading r = { .path = out, .take = read_result, .to = g, .err = err };

	memset(g, 0, sizeof(*g));
	if (read_jsonl(&r) && !g->nr)
		reading_wrong(&r, "there are no measurements");
	free(out);
	if (r.failed)
		guest_free(g);
	return !r.failed;
}

bool guest_read(struct guest *g, const char *dir, char *err)
{
	char *accesses = xasprintf("%s/accesses.jsonl", dir);
	bool ok = read_out(g, dir, err);

	if (ok && !read_accesses(g, accesses, err)) {
		guest_free(g);
		ok = false;
	}
	free(accesses);
	return ok;
}

/* --- phases ----------------------------------------------------------------- */

struct phases {
	struct guest *g;
	size_t *lines;		/* of each run */
	bool complete, broken;
};

static void add_phase(struct counted *c, const char *name, double instructions)
{
	size_t i;

	for (i = 0; i < c->nr && strcmp(c->phase[i].name, name); i++)
		;
	if (i == c->nr) {
		nn_grow(c->phase, c->nr);
		c->phase[c->nr++] = (struct phase){ .name = xstrdup(name) };
	}
	c->phase[i].instructions += instructions;
}

/* A line is a step of the run that bears its name; what came after has none. */
static void add_step(struct phases *p, const struct json *j, const char *name, const struct json *of)
{
	size_t i, k;

	for (i = 0; i < p->g->nr; i++) {
		struct run *run = &p->g->run[i];
		char *label = label_of(run);

		if (!strcmp(label, name)) {
			p->lines[i]++;
			run->counted.user += json_get_number(j, "user", NAN);
			run->counted.kernel += json_get_number(j, "kernel", NAN);
			for (k = 0; k < of->nr; k++)
				add_phase(&run->counted, of->name[k], of->item[k]->number);
		}
		free(label);
	}
}

static void read_step(char *line, void *arg)
{
	struct phases *p = arg;
	char err[NN_ERR_MAX];
	const struct json *of;
	const char *name;
	struct json *j;

	if (!*line)
		return;
	j = json_parse(line, err);
	name = json_get_string(j, "name");
	of = json_get(j, "phases");
	if (!j || p->complete)
		p->broken = true;
	else if (json_get(j, "complete"))
		p->complete = true;
	else if (!name || !of || of->type != JSON_OBJECT)
		p->broken = true;
	else
		add_step(p, j, name, of);
	json_free(j);
}

static bool read_phases(struct guest *g, const char *path, char *err)
{
	struct phases p = { .g = g, .lines = xcalloc(g->nr, sizeof(*p.lines)) };
	struct strbuf text = { 0 };
	bool ok = read_file(path, &text);
	size_t i;

	if (ok)
		for_each_line(text.s, text.len, read_step, &p);
	else
		nn_err(err, "cannot read %s: %s", path, strerror(errno));
	if (ok && (p.broken || !p.complete))
		ok = nn_err(err, "%s: %s\n  Remove its directory and measure again", path,
			    p.broken ? "broken lines" : "it has no end");
	for (i = 0; ok && i < g->nr; i++)
		if (p.lines[i] != g->run[i].nr - 1 || !isfinite(g->run[i].counted.user + g->run[i].counted.kernel))
			ok = nn_err(err, "%s: of the %zu steps of %s, %s it has %zu\n  Remove its directory and measure again",
				    path, g->run[i].nr - 1, g->run[i].kind, g->run[i].source, p.lines[i]);
	sb_free(&text);
	free(p.lines);
	return ok;
}

bool guest_read_phases(struct guest *g, const char *dir, char *err)
{
	char *path = xasprintf("%s/accesses.jsonl", dir);
	bool ok = read_out(g, dir, err);

	if (ok && !read_phases(g, path, err)) {
		guest_free(g);
		ok = false;
	}
	free(path);
	return ok;
}

void guest_free(struct guest *g)
{
	size_t i, k;

	for (i = 0; i < g->nr; i++) {
		for (k = 0; k < g->run[i].counted.nr; k++)
			free(g->run[i].counted.phase[k].name);
		free(g->run[i].counted.phase);
		free(g->run[i].kind);
		free(g->run[i].source);
		free(g->run[i].class);
		free(g->run[i].pages);
		free(g->run[i].point);
	}
	free(g->run);
	memset(g, 0, sizeof(*g));
}

const struct run *guest_run(const struct guest *g, const char *kind, const char *source,
			    const char *class, const char *pages)
{
	size_t i;

	for (i = 0; i < g->nr; i++) {
		const struct run *r = &g->run[i];

		if (!strcmp(r->kind, kind) && (!source || !strcmp(r->source, source)) &&
		    !strcmp(r->class, class) && !strcmp(r->pages, pages))
			return r;
	}
	return NULL;
}

/* The point where so much is local, by its number, and a part of the way to the next. */
static double reached(const struct run *r, double percent)
{
	size_t i;

	for (i = 0; i < r->nr && r->point[i].local_pages < percent; i++)
		;
	if (i == r->nr)
		return INFINITY;
	if (!i)
		return 0;
	return i - 1 + (percent - r->point[i - 1].local_pages) / (r->point[i].local_pages - r->point[i - 1].local_pages);
}

static double between(double a, double b, double part)
{
	return a + (b - a) * part;
}

double run_accesses_to(const struct run *r, double percent)
{
	double at = reached(r, percent);
	size_t i = isfinite(at) ? at : 0;

	if (!isfinite(at) || i == r->nr - 1)
		return isfinite(at) ? r->point[i].accesses : INFINITY;
	return between(r->point[i].accesses, r->point[i + 1].accesses, at - i);
}

double run_seconds_to(const struct run *r, double percent)
{
	double at = reached(r, percent);
	size_t i = isfinite(at) ? at : 0;

	if (!isfinite(at) || i == r->nr - 1)
		return isfinite(at) ? r->point[i].seconds : INFINITY;
	return between(r->point[i].seconds, r->point[i + 1].seconds, at - i);
}

const struct point *run_unscanned(const struct run *r)
{
	size_t i;

	for (i = 0; i + 1 < r->nr && !r->point[i + 1].pte_updates; i++)
		;
	return &r->point[i];
}

double run_extra(const struct run *r, const struct run *off)
{
	return run_end(r)->kernel - run_end(off)->kernel / run_end(off)->user * run_end(r)->user;
}

double run_page_cost(const struct run *r, const struct run *off)
{
	double migrated = run_end(r)->migrated;

	return migrated > 0 ? run_extra(r, off) / migrated : -1;
}

double guest_page_cost(const struct guest *g, const struct run *r, const struct run *off)
{
	double *cost = xcalloc(g->nr + 1, sizeof(*cost)), middle;
	size_t i, nr = 0;

	cost[nr++] = run_page_cost(r, off);
	for (i = 0; i < g->nr; i++) {
		const struct run *s = &g->run[i];

		if (!strcmp(s->kind, "again") && !strcmp(s->source, r->source) &&
		    !strcmp(s->class, r->class) && !strcmp(s->pages, r->pages))
			cost[nr++] = run_page_cost(s, off);
	}
	middle = median(cost, nr);
	free(cost);
	return middle;
}
