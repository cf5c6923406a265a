// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"
#include "json.h"

struct reading {
	struct counts *c;
	unsigned int line;
	bool failed;
	char *err;
};

static bool wrong(struct reading *r, const char *what)
{
	if (!r->failed)
		nn_err(r->err, "%s:%u: %s\n  Is it what the accesses plugin wrote?", r->c->path, r->line, what);
	r->failed = true;
	return false;
}

static bool is_count(const struct json *j)
{
	return j && j->type == JSON_NUMBER && j->number >= 0 && j->number < 1e15 &&
	       j->number == floor(j->number);
}

static uint64_t count_of(struct reading *r, const struct json *j, const char *name, bool needed)
{
	const struct json *n = json_get(j, name);
	char what[80];

	if (!n && !needed)
		return 0;
	if (is_count(n))
		return n->number;
	snprintf(what, sizeof(what), "\"%.40s\" is missing or no count", name);
	wrong(r, what);
	return 0;
}

/* An array of @nr counts; NULL when it is not there, or wrong. */
static uint64_t *counts_of(struct reading *r, const struct json *j, const char *name, size_t nr)
{
	const struct json *a = json_get(j, name);
	uint64_t *n;
	char what[80];
	size_t i;

	if (!a)
		return NULL;
	for (i = 0; a->type == JSON_ARRAY && i < a->nr && is_count(a->item[i]); i++)
		;
	if (a->type != JSON_ARRAY || a->nr != nr || i != nr) {
		snprintf(what, sizeof(what), "\"%.40s\" is not %zu counts", name, nr);
		wrong(r, what);
		return NULL;
	}
	n = xcalloc(nr, sizeof(*n));
	for (i = 0; i < nr; i++)
		n[i] = a->item[i]->number;
	return n;
}

static bool read_header(struct reading *r, const struct json *j)
{
	struct counts *c = r->c;
	const struct json *of_cpu = json_get(j, "node_of_cpu"), *dist = json_get(j, "distances");
	const struct json *cache = json_get(j, "cache");
	uint64_t *n;
	size_t i, k;

	if (c->nr_nodes)
		return wrong(r, "a second header");
	if (json_get_number(j, "format", 0) != 1)
		return wrong(r, "not format 1");
	if (!json_get_string(j, "arch") || !json_get_string(j, "spaces"))
		return wrong(r, "no architecture");
	c->arch = xstrdup(json_get_string(j, "arch"));
	c->spaces = xstrdup(json_get_string(j, "spaces"));
	c->every = count_of(r, j, "every", true);
	c->nr_nodes = count_of(r, j, "nodes", true);
	if (r->failed)
		return false;
	if (!c->nr_nodes || c->nr_nodes > 1024 || !of_cpu || of_cpu->type != JSON_ARRAY || !of_cpu->nr ||
	    !dist || dist->type != JSON_ARRAY || dist->nr != c->nr_nodes)
		return wrong(r, "nodes, CPUs or distances are missing");
	c->nr_cpus = of_cpu->nr;
	n = counts_of(r, j, "node_of_cpu", c->nr_cpus);
	if (!n)
		return false;
	c->node_of_cpu = xcalloc(c->nr_cpus, sizeof(*c->node_of_cpu));
	for (i = 0; i < c->nr_cpus; i++) {
		c->node_of_cpu[i] = n[i];
		if (n[i] >= c->nr_nodes)
			wrong(r, "a CPU on a node that there is not");
	}
	free(n);
	c->dist = xcalloc(c->nr_nodes, sizeof(*c->dist));
	for (i = 0; i < c->nr_nodes; i++) {
		c->dist[i] = xcalloc(c->nr_nodes, sizeof(*c->dist[i]));
		for (k = 0; k < c->nr_nodes; k++) {
			const struct json *row = dist->item[i];

			if (row->type != JSON_ARRAY || row->nr != c->nr_nodes || !is_count(row->item[k]))
				return wrong(r, "the distances are no square");
			c->dist[i][k] = row->item[k]->number;
		}
	}
	if (cache && cache->type == JSON_OBJECT) {
		c->cache_size = count_of(r, cache, "size", true);
		c->cache_ways = count_of(r, cache, "ways", true);
		c->cache_line = count_of(r, cache, "line", true);
	}
	return !r->failed;
}

static void read_cpu(struct reading *r, const struct json *j, struct cpu_counts *cpu)
{
	static const char *const spaces[SPACES] = { "user", "kernel" };
	static const char *const names[LEVELS][RWS] = {
		{ "loads", "stores" }, { "load_misses", "store_misses" }
	};
	static const char *const io[RWS] = { "io_loads", "io_stores" };
	static const char *const unknown[RWS] = { "unknown_loads", "unknown_stores" };
	unsigned int s, rw, l;

	cpu->cpu = count_of(r, j, "cpu", true);
	cpu->block_ops = count_of(r, j, "block_ops", false);
	cpu->block_ops_seen = count_of(r, j, "block_ops_seen", false);
	if (cpu->cpu >= r->c->nr_cpus)
		wrong(r, "a CPU that there is not");
	for (s = 0; s < SPACES; s++) {
		const struct json *of = json_get(j, spaces[s]);

		for (rw = 0; of && rw < RWS; rw++) {
			for (l = 0; l < LEVELS; l++)
				cpu->to[l][s][rw] = counts_of(r, of, names[l][rw], r->c->nr_nodes);
			cpu->io[s][rw] = count_of(r, of, io[rw], false);
			cpu->unknown[s][rw] = count_of(r, of, unknown[rw], false);
		}
	}
}

static bool read_row(struct reading *r, const struct json *j)
{
	const struct json *cpus = json_get(j, "cpus");
	struct counts *c = r->c;
	struct row *row;
	size_t i;

	if (!c->nr_nodes)
		return wrong(r, "a row before the header");
	if (!json_get_string(j, "name") || !json_get_string(j, "cause") || !cpus || cpus->type != JSON_ARRAY)
		return wrong(r, "a row without name, cause or CPUs");
	nn_grow(c->row, c->nr_rows);
	row = &c->row[c->nr_rows++];
	*row = (struct row){
		.region = count_of(r, j, "region", true), .instance = count_of(r, j, "instance", true),
		.nr = count_of(r, j, "row", true), .by_cpu = json_get_number(j, "by_cpu", -1),
		.name = xstrdup(json_get_string(j, "name")), .cause = xstrdup(json_get_string(j, "cause")),
	};
	row->cpu = xcalloc(cpus->nr, sizeof(*row->cpu));
	row->nr_cpus = cpus->nr;
	for (i = 0; i < cpus->nr; i++)
		read_cpu(r, cpus->item[i], &row->cpu[i]);
	return !r->failed;
}

static void read_line(char *line, void *arg)
{
	struct reading *r = arg;
	char err[NN_ERR_MAX];
	const char *type;
	struct json *j;

	r->line++;
	if (r->failed || !*line)
		return;
	j = json_parse(line, err);
	if (!j) {
		/* no telling whether it is the last one: the end is missing in any case */
		r->failed = true;
		nn_err(r->err, "%s:%u: broken JSON (%s)\n  Was QEMU killed while it wrote?", r->c->path, r->line,
		       strchr(err, ':') ? strchr(err, ':') + 2 : err);
		return;
	}
	type = json_get_string(j, "type");
	if (!type || r->c->complete)
		wrong(r, type ? "something behind the end" : "a line without a type");
	else if (!strcmp(type, "header"))
		read_header(r, j);
	else if (!strcmp(type, "row"))
		read_row(r, j);
	else if (!strcmp(type, "error"))
		r->failed = true, nn_err(r->err, "%s: nothing was counted: %s", r->c->path,
					 json_get_string(j, "what") ? json_get_string(j, "what") : "?");
	else if (!strcmp(type, "end"))
		r->c->complete = true, r->c->stray_marks = count_of(r, j, "stray_marks", true);
	else
		wrong(r, "a line of unknown type");
	json_free(j);
}

bool counts_read(struct counts *c, const char *path, char *err)
{
	struct reading r = { .c = c, .err = err };
	struct strbuf text = { 0 };

	memset(c, 0, sizeof(*c));
	c->path = xstrdup(path);
	if (!read_file(path, &text)) {
		nn_err(err, "cannot read %s: %s", path, strerror(errno));
		r.failed = true;
	} else {
		for_each_line(text.s, text.len, read_line, &r);
		if (!r.failed && !c->nr_nodes)
			wrong(&r, "no header");
	}
	sb_free(&text);
	if (r.failed)
		counts_free(c);
	return !r.failed;
}

void counts_free(struct counts *c)
{
	unsigned int l, s, rw;
	size_t i, k;

	for (i = 0; i < c->nr_rows; i++) {
		for (k = 0; k < c->row[i].nr_cpus; k++)
			for (l = 0; l < LEVELS; l++)
				for (s = 0; s < SPACES; s++)
					for (rw = 0; rw < RWS; rw++)
						free(c->row[i].cpu[k].to[l][s][rw]);
		free(c->row[i].cpu);
		free(c->row[i].name);
		free(c->row[i].cause);
	}
	for (i = 0; c->dist && i < c->nr_nodes; i++)
		free(c->dist[i]);
	free(c->dist);
	free(c->row);
	free(c->node_of_cpu);
	free(c->path);
	free(c->arch);
	free(c->spaces);
	memset(c, 0, sizeof(*c));
}
