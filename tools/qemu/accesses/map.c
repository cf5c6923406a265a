// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"

#define REMEDY "\n  nnboot --accesses writes it; do not edit it"

struct parser {
	struct node_map *m;
	const char *path;
	unsigned int line, rows;
	char *err;
};

static bool fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct parser *p, const char *fmt, ...)
{
	char what[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(p->err, MAP_ERR_MAX, "%.200s:%u: %s" REMEDY, p->path, p->line, what);
	return false;
}

/* The next number of the line; false at its end. */
static bool next(char **rest, uint64_t *n, bool *bad)
{
	char *word = strsep(rest, " "), *end;

	if (!word)
		return false;
	errno = 0;
	*n = strtoull(word, &end, 0);
	*bad = *word < '0' || *word > '9' || *end || errno;
	return !*bad;
}

static bool parse_nodes(struct parser *p, char *rest)
{
	bool bad = false;
	uint64_t n;

	if (p->m->nr_nodes || !next(&rest, &n, &bad) || rest || !n || n > MAP_MAX_NODES)
		return fail(p, "'nodes' needs one number from 1 to %d, once", MAP_MAX_NODES);
	p->m->nr_nodes = n;
	return true;
}

static bool parse_cpus(struct parser *p, char *rest)
{
	struct node_map *m = p->m;
	bool bad = false;
	uint64_t n;

	if (m->nr_cpus)
		return fail(p, "'cpus' is given twice");
	while (next(&rest, &n, &bad)) {
		if (n >= m->nr_nodes || m->nr_cpus == MAP_MAX_CPUS)
			return fail(p, "CPU %u: node %llu of %u", m->nr_cpus, (unsigned long long)n,
				    m->nr_nodes);
		m->node_of_cpu[m->nr_cpus++] = n;
	}
	return bad || !m->nr_cpus ? fail(p, "'cpus' needs a node for each CPU") : true;
}

static bool parse_mem(struct parser *p, char *rest)
{
	struct node_map *m = p->m;
	struct mem_range *r = &m->range[m->nr_ranges];
	uint64_t node, start, size;
	bool bad = false;

	if (!next(&rest, &node, &bad) || !next(&rest, &start, &bad) || !next(&rest, &size, &bad) || rest ||
	    node >= m->nr_nodes || !size || start + size < start)
		return fail(p, "'mem' needs a node below %u, a start and a size", m->nr_nodes);
	if (m->nr_ranges == MAP_MAX_RANGES)
		return fail(p, "more than %d ranges of memory", MAP_MAX_RANGES);
	if (m->nr_ranges && (start < r[-1].start + r[-1].size || node < r[-1].node))
		return fail(p, "the range is not behind the one before it");
	*r = (struct mem_range){ .start = start, .size = size, .shown = start, .node = node };
	m->nr_ranges++;
	return true;
}

static bool parse_distances(struct parser *p, char *rest)
{
	struct node_map *m = p->m;
	unsigned int to = 0;
	bool bad = false;
	uint64_t n;

	if (p->rows == m->nr_nodes)
		return fail(p, "more rows of distances than the %u nodes", m->nr_nodes);
	for (; next(&rest, &n, &bad); to++) {
		if (to == m->nr_nodes)
			return fail(p, "'distances' needs %u numbers", m->nr_nodes);
		if (n < 10 || n > 254)
			return fail(p, "distance %llu: it must be from 10 to 254", (unsigned long long)n);
		m->dist[p->rows][to] = n;
	}
	if (bad || to != m->nr_nodes)
		return fail(p, "'distances' needs %u numbers", m->nr_nodes);
	p->rows++;
	return true;
}

static bool parse_line(struct parser *p, char *line)
{
	static const struct {
		const char *word;
		bool (*parse)(struct parser *p, char *rest);
	} known[] = {
		{ "nodes", parse_nodes }, { "cpus", parse_cpus }, { "mem", parse_mem },
		{ "distances", parse_distances },
	};
	char *rest = line, *word = strsep(&rest, " ");
	unsigned int i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(word, known[i].word))
			continue;
		if (i && !p->m->nr_nodes)
			return fail(p, "'nodes' must come first");
		return known[i].parse(p, rest);
	}
	return fail(p, "unknown word '%.40s'", word);
}

bool map_load(struct node_map *m, const char *path, char *err)
{
	struct parser p = { .m = m, .path = path, .err = err };
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	bool ok = true;
	FILE *f = fopen(path, "re");

	memset(m, 0, sizeof(*m));
	if (!f) {
		snprintf(err, MAP_ERR_MAX, "cannot read the map of nodes %.200s: %s", path, strerror(errno));
		return false;
	}
	while (ok && (len = getline(&line, &cap, f)) >= 0) {
		p.line++;
		if (len && line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (*line && *line != '#')
			ok = parse_line(&p, line);
	}
	if (ok && ferror(f))
		ok = fail(&p, "%s", strerror(errno));
	if (ok && (!m->nr_cpus || !m->nr_ranges || !m->nr_nodes || p.rows != m->nr_nodes))
		ok = fail(&p, "it ends too early: %u nodes, %u CPUs, %u ranges of memory, %u rows of distances",
			  m->nr_nodes, m->nr_cpus, m->nr_ranges, p.rows);
	free(line);
	fclose(f);
	return ok;
}

void map_ram_blocks(struct node_map *m)
{
	uint64_t sum = 0, node_start = 0;
	unsigned int i;

	for (i = 0; i < m->nr_ranges; i++) {
		struct mem_range *r = &m->range[i];

		/* the rest of a node that a hole has cut in two belongs to the same block */
		if (!i || r->node != r[-1].node)
			node_start = sum;
		r->shown = node_start + sum;
		sum += r->size;
	}
}

const struct mem_range *map_find(const struct node_map *m, uint64_t addr)
{
	unsigned int low = 0, high = m->nr_ranges;

	while (low < high) {
		unsigned int mid = (low + high) / 2;
		const struct mem_range *r = &m->range[mid];

		if (addr < r->shown)
			high = mid;
		else if (addr - r->shown >= r->size)
			low = mid + 1;
		else
			return r;
	}
	return NULL;
}
