// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "topology.h"

#define LOCAL_DISTANCE	10
#define MAX_DISTANCE	254	/* 255 means unreachable */
#define MIN_MEM_MIB	32

struct parser {
	struct topology *t;
	const char *path;
	char *err;
	unsigned int line;
	unsigned int rows_seen;
	unsigned int distances_line;	/* 0: not seen yet */
	bool reading_rows;
	bool failed;
	unsigned int node_line[TOPO_MAX_NODES];
	/* a generated matrix, computed when the number of nodes is known */
	enum { DIST_ROWS, DIST_UNIFORM, DIST_RING, DIST_TORUS } kind;
	unsigned int step, width, height;
};

static bool fail_at(struct parser *p, unsigned int line, const char *what, const char *remedy)
{
	if (!p->failed)
		nn_err(p->err, "%s:%u: %s\n  %s", p->path, line, what, remedy);
	p->failed = true;
	return false;
}

/* what and remedy come from xasprintf() and are freed here */
static bool fail_fmt(struct parser *p, unsigned int line, char *what, const char *remedy)
{
	fail_at(p, line, what, remedy);
	free(what);
	return false;
}

static bool parse_uint(const char *s, unsigned int max, unsigned int *out, const char **rest)
{
	unsigned long v;
	char *end;

	if (!s || !isdigit((unsigned char)*s))
		return false;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || v > max)
		return false;
	*out = v;
	if (rest)
		*rest = end;
	else if (*end)
		return false;
	return true;
}

static bool parse_mem(const char *s, unsigned int *mib)
{
	const char *unit;

	if (!parse_uint(s, 1 << 20, mib, &unit))
		return false;
	if (!strcmp(unit, "G")) {
		*mib *= 1024;
		return true;
	}
	return !strcmp(unit, "M") || (!*unit && !*mib);
}

static char *word(char **s)
{
	char *w;

	do {
		w = strsep(s, " \t");
	} while (w && !*w);
	return w;
}

static void parse_node(struct parser *p, char *args)
{
	const char *usage = "Write: node 0-3 cpus 4 mem 256M, or: node 5 empty";
	char *ids = word(&args), *key = word(&args);
	struct topo_node node = { .given = true };
	bool have_cpus = false, have_mem = false;
	unsigned int first, last, i;
	const char *rest;

	if (!ids || !key || !parse_uint(ids, TOPO_MAX_NODES - 1, &first, &rest)) {
		fail_fmt(p, p->line, xasprintf("bad node '%s' (numbers are 0 to %d)", ids ? ids : "",
					       TOPO_MAX_NODES - 1), usage);
		return;
	}
	last = first;
	if (*rest && (*rest != '-' || !parse_uint(rest + 1, TOPO_MAX_NODES - 1, &last, NULL) ||
		      last < first)) {
		fail_fmt(p, p->line, xasprintf("bad range of nodes '%s'", ids), usage);
		return;
	}
	for (; key; key = word(&args)) {
		char *value;

		if (!strcmp(key, "empty")) {
			node.empty = true;
			continue;
		}
		value = word(&args);
		if (!strcmp(key, "cpus") && parse_uint(value, TOPO_MAX_CPUS, &node.cpus, NULL)) {
			have_cpus = true;
		} else if (!strcmp(key, "mem") && parse_mem(value, &node.mem_mib)) {
			have_mem = true;
		} else {
			fail_fmt(p, p->line, xasprintf("cannot understand '%s %s'", key,
						       value ? value : ""), usage);
			return;
		}
	}
	if (node.empty ? have_cpus || have_mem : !have_cpus || !have_mem) {
		fail_at(p, p->line, node.empty ? "an empty node has neither cpus nor mem" :
			"a node needs both cpus and mem (either may be 0)", usage);
		return;
	}
	if (!node.empty && !node.cpus && !node.mem_mib) {
		fail_at(p, p->line, "a node without CPUs and without memory is no node",
			"Give it one of them, or say 'empty' for a hole in the numbering");
		return;
	}
	if (node.mem_mib && node.mem_mib < MIN_MEM_MIB) {
		fail_fmt(p, p->line, xasprintf("%u MiB is too little for a node", node.mem_mib),
			 "Give it at least 32M, or 0");
		return;
	}
	for (i = first; i <= last; i++) {
		if (p->t->node[i].given) {
			fail_fmt(p, p->line, xasprintf("node %u was described before, in line %u",
						       i, p->node_line[i]), "Remove one of the two");
			return;
		}
		p->t->node[i] = node;
		p->node_line[i] = p->line;
		if (i + 1 > p->t->nr_nodes)
			p->t->nr_nodes = i + 1;
	}
}

static void parse_row(struct parser *p, char *args)
{
	unsigned int row = p->rows_seen++, col = 0, d;
	char *w;

	if (row >= TOPO_MAX_NODES) {
		fail_at(p, p->line, "too many rows of distances", "One row for each node");
		return;
	}
	for (w = word(&args); w; w = word(&args), col++) {
		if (col >= TOPO_MAX_NODES || !parse_uint(w, 255, &d, NULL)) {
			fail_fmt(p, p->line, xasprintf("bad distance '%s'", w),
				 "Distances are numbers: 10 on the diagonal, 11 to 254 elsewhere");
			return;
		}
		p->t->dist[row][col] = d;
	}
	/* The rows are checked against each other and the nodes at the end. */
	if (row && col != p->width) {
		fail_fmt(p, p->line, xasprintf("row %u has %u distances, the rows before it have %u",
					       row, col, p->width),
			 "The matrix is square: one row and one column for each node");
		return;
	}
	p->width = col;
}

static void parse_distances(struct parser *p, char *args)
{
	const char *usage = "Write: distances (rows follow), distances uniform 20, distances ring 10 or distances torus 8x8 10";
	char *kind = word(&args), *a = word(&args), *b = word(&args);
	const char *rest;
	bool ok;

	if (p->distances_line) {
		fail_at(p, p->line, "distances are given twice", "Keep one of the two");
		return;
	}
	p->distances_line = p->line;
	if (!kind) {
		p->reading_rows = true;
		return;
	}
	if (!strcmp(kind, "uniform")) {
		p->kind = DIST_UNIFORM;
		ok = parse_uint(a, 255, &p->step, NULL) && !b;
	} else if (!strcmp(kind, "ring")) {
		p->kind = DIST_RING;
		ok = parse_uint(a, 255, &p->step, NULL) && !b;
	} else {
		p->kind = DIST_TORUS;
		ok = !strcmp(kind, "torus") && parse_uint(a, TOPO_MAX_NODES, &p->width, &rest) &&
		     *rest == 'x' && parse_uint(rest + 1, TOPO_MAX_NODES, &p->height, NULL) &&
		     parse_uint(b, 255, &p->step, NULL);
	}
	if (!ok)
		fail_fmt(p, p->line, xasprintf("cannot understand 'distances %s'", kind), usage);
}

static void parse_size(struct parser *p, const char *key, char *args, unsigned int *out)
{
	char *w = word(&args);

	if (*out)
		fail_fmt(p, p->line, xasprintf("%s is given twice", key), "Keep one of the two");
	else if (!parse_uint(w, TOPO_MAX_CPUS, out, NULL) || !*out || word(&args))
		fail_fmt(p, p->line, xasprintf("%s needs one number from 1 to %d", key, TOPO_MAX_CPUS),
			 "For example: threads 2");
}

static void parse_line(char *line, void *arg)
{
	struct parser *p = arg;
	struct topology *t = p->t;
	char *key, *hash;

	p->line++;
	if (p->failed)
		return;
	hash = strchr(line, '#');
	if (hash)
		*hash = '\0';
	while (isspace((unsigned char)*line))
		line++;
	if (!*line)
		return;
	if (isdigit((unsigned char)*line)) {
		if (!p->reading_rows)
			fail_at(p, p->line, "a row of distances where none is expected",
				"Put 'distances' on a line of its own before the first row");
		else
			parse_row(p, line);
		return;
	}
	p->reading_rows = false;
	key = word(&line);
	if (!strcmp(key, "description")) {
		if (t->description || !line || !*line)
			fail_at(p, p->line, "description needs one line of text, once",
				"For example: description 4 nodes in a ring");
		else
			t->description = xstrdup(line);
	} else if (!strcmp(key, "threads")) {
		parse_size(p, key, line, &t->threads);
	} else if (!strcmp(key, "cpus-per-llc")) {
		parse_size(p, key, line, &t->llc_cpus);
	} else if (!strcmp(key, "cpus-per-cluster")) {
		parse_size(p, key, line, &t->cluster_cpus);
	} else if (!strcmp(key, "numbering")) {
		char *how = word(&line);

		t->interleaved = how && !strcmp(how, "interleaved");
		if (!how || (!t->interleaved && strcmp(how, "contiguous")))
			fail_at(p, p->line, "unknown numbering", "Write: numbering contiguous, or: numbering interleaved");
	} else if (!strcmp(key, "node")) {
		parse_node(p, line);
	} else if (!strcmp(key, "distances")) {
		parse_distances(p, line);
	} else {
		fail_fmt(p, p->line, xasprintf("unknown word '%s'", key),
			 "Known: description threads cpus-per-cluster cpus-per-llc numbering node distances");
	}
}

static unsigned int ring_hops(unsigned int a, unsigned int b, unsigned int n)
{
	unsigned int d = a > b ? a - b : b - a;

	return d < n - d ? d : n - d;
}

static bool generate_distances(struct parser *p)
{
	struct topology *t = p->t;
	unsigned int i, j, d;

	if (p->kind == DIST_TORUS && p->width * p->height != t->nr_nodes)
		return fail_fmt(p, p->distances_line,
				xasprintf("a %ux%u torus has %u nodes, this topology has %u", p->width,
					  p->height, p->width * p->height, t->nr_nodes),
				"Change the torus or the nodes");
	for (i = 0; i < t->nr_nodes; i++) {
		for (j = 0; j < t->nr_nodes; j++) {
			if (i == j)
				d = LOCAL_DISTANCE;
			else if (p->kind == DIST_UNIFORM)
				d = p->step;
			else if (p->kind == DIST_RING)
				d = LOCAL_DISTANCE + p->step * ring_hops(i, j, t->nr_nodes);
			else
				d = LOCAL_DISTANCE + p->step *
				    (ring_hops(i % p->width, j % p->width, p->width) +
				     ring_hops(i / p->width, j / p->width, p->height));
			if (d > MAX_DISTANCE)
				return fail_fmt(p, p->distances_line,
						xasprintf("nodes %u and %u would be %u apart", i, j, d),
						"Distances end at 254: choose a smaller step");
			t->dist[i][j] = d;
		}
	}
	return true;
}

static bool check_distances(struct parser *p)
{
	struct topology *t = p->t;
	unsigned int i, j, d;

	if (!p->distances_line)
		return fail_at(p, p->line, "the distances are missing",
			       "Add 'distances' and a row for each node");
	if (p->kind != DIST_ROWS) {
		if (!generate_distances(p))
			return false;
	} else if (p->rows_seen != t->nr_nodes || p->width != t->nr_nodes) {
		return fail_fmt(p, p->distances_line,
				xasprintf("the matrix is %u rows by %u columns, but there are %u nodes",
					  p->rows_seen, p->width, t->nr_nodes),
				"The matrix is square: one row and one column for each node");
	}
	for (i = 0; i < t->nr_nodes; i++) {
		for (j = 0; j < t->nr_nodes; j++) {
			d = t->dist[i][j];
			if (i == j && d != LOCAL_DISTANCE)
				return fail_fmt(p, p->distances_line,
						xasprintf("distance of node %u to itself is %u", i, d),
						"It must be 10");
			if (i != j && (d <= LOCAL_DISTANCE || d > MAX_DISTANCE))
				return fail_fmt(p, p->distances_line,
						xasprintf("distance from node %u to node %u is %u", i, j, d),
						"It must be from 11 to 254");
		}
	}
	return true;
}

static void deal_llcs(struct topology *t)
{
	unsigned int left[TOPO_MAX_NODES], i, nr = 0, before;

	for (i = 0; i < t->nr_nodes; i++)
		left[i] = t->node[i].cpus / t->llc_cpus;
	do {
		before = nr;
		for (i = 0; i < t->nr_nodes; i++) {
			while (left[i]) {
				t->llc_node[nr++] = i;
				left[i]--;
				if (t->interleaved)
					break;
			}
		}
	} while (nr != before);
	t->nr_llcs = nr;
}

static bool check_nodes(struct parser *p)
{
	struct topology *t = p->t;
	unsigned int i, cpus = 0, line;

	if (!t->nr_nodes)
		return fail_at(p, p->line, "there are no nodes", "Add: node 0 cpus 4 mem 512M");
	if (!t->threads)
		t->threads = 1;
	for (i = 0; i < t->nr_nodes; i++) {
		struct topo_node *n = &t->node[i];

		if (!n->given)
			return fail_fmt(p, p->line, xasprintf("node %u is not described", i),
					"Add a line for it; for a hole on purpose: node N empty");
		t->nr_cpus += n->cpus;
		t->mem_mib += n->mem_mib;
		if (n->cpus && cpus && n->cpus != cpus && !t->llc_cpus)
			return fail_fmt(p, p->node_line[i],
					xasprintf("node %u has %u CPUs, others have %u", i, n->cpus, cpus),
					"Every LLC has the same number of CPUs: say cpus-per-llc so that it divides both");
		if (n->cpus && !cpus)
			cpus = n->cpus;
	}
	if (!t->node[0].mem_mib)
		return fail_at(p, p->node_line[0], "node 0 has no memory",
			       "The kernel is loaded there: give it some, and take it from another node");
	if (!t->nr_cpus || t->nr_cpus > TOPO_MAX_CPUS)
		return fail_fmt(p, p->line, xasprintf("%u CPUs in all", t->nr_cpus),
				"It must be from 1 to 512");
	if (!t->llc_cpus)
		t->llc_cpus = cpus;
	if (!t->cluster_cpus)
		t->cluster_cpus = t->llc_cpus;
	for (i = 0; i < t->nr_nodes; i++) {
		unsigned int n = t->node[i].cpus;

		line = p->node_line[i];
		if (n % t->threads)
			return fail_fmt(p, line, xasprintf("%u CPUs of node %u make no whole cores of %u threads",
							   n, i, t->threads), "Change cpus or threads");
		if (n % t->llc_cpus)
			return fail_fmt(p, line, xasprintf("%u CPUs of node %u make no whole LLCs of %u CPUs",
							   n, i, t->llc_cpus), "Change cpus or cpus-per-llc");
	}
	if (t->llc_cpus % t->cluster_cpus || t->cluster_cpus % t->threads)
		return fail_fmt(p, p->line, xasprintf("LLCs of %u CPUs, clusters of %u and cores of %u do not nest",
						      t->llc_cpus, t->cluster_cpus, t->threads),
				"Each must be a multiple of the next");
	deal_llcs(t);
	return true;
}

static char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	if (len > 5 && !strcmp(name + len - 5, ".topo"))
		len -= 5;
	return xstrndup(name, len);
}

static bool is_path(const char *what)
{
	size_t len = strlen(what);

	return strchr(what, '/') || (len > 5 && !strcmp(what + len - 5, ".topo"));
}

static int topo_files(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 5 && !strcmp(d->d_name + len - 5, ".topo");
}

static void add_known(struct strbuf *sb, const char *dir)
{
	struct dirent **names;
	int i, n = scandir(dir, &names, topo_files, versionsort);

	for (i = 0; i < n; i++) {
		sb_printf(sb, " %.*s", (int)strlen(names[i]->d_name) - 5, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (n <= 0)
		sb_printf(sb, " none in %s", dir);
}

bool topo_load(struct topology *t, const char *dir, const char *what, char *err)
{
	struct parser p = { .t = t, .err = err };
	struct strbuf text = { 0 }, known = { 0 };
	char *path;

	memset(t, 0, sizeof(*t));
	path = is_path(what) ? xstrdup(what) : xasprintf("%s/%s.topo", dir, what);
	p.path = path;
	if (!read_file(path, &text)) {
		if (is_path(what)) {
			nn_err(err, "cannot read the topology %s: %s", path, strerror(errno));
		} else {
			add_known(&known, dir);
			nn_err(err, "unknown topology '%s'\n  Known:%s\n  Or give the path of a .topo file.",
			       what, known.s);
			sb_free(&known);
		}
		p.failed = true;
	} else {
		t->name = base_name(path);
		for_each_line(text.s, text.len, parse_line, &p);
		if (!p.failed && check_nodes(&p))
			check_distances(&p);
		if (!p.failed && !t->description)
			t->description = xstrdup("");
	}
	sb_free(&text);
	free(path);
	if (p.failed)
		topo_free(t);
	return !p.failed;
}

void topo_free(struct topology *t)
{
	free(t->name);
	free(t->description);
	t->name = NULL;
	t->description = NULL;
}

bool topo_symmetric(const struct topology *t)
{
	unsigned int i, j;

	for (i = 0; i < t->nr_nodes; i++)
		for (j = 0; j < i; j++)
			if (t->dist[i][j] != t->dist[j][i])
				return false;
	return true;
}

char *topo_cpulist(const struct topology *t, unsigned int node)
{
	struct strbuf sb = { 0 };
	unsigned int llc, end;

	sb_str(&sb, "");
	for (llc = 0; llc < t->nr_llcs; llc = end) {
		end = llc + 1;
		if (t->llc_node[llc] != node)
			continue;
		while (end < t->nr_llcs && t->llc_node[end] == node)
			end++;
		sb_printf(&sb, "%s%u", sb.len ? "," : "", llc * t->llc_cpus);
		if (end * t->llc_cpus - 1 > llc * t->llc_cpus)
			sb_printf(&sb, "-%u", end * t->llc_cpus - 1);
	}
	return sb.s;
}

void topo_print(const struct topology *t, FILE *out)
{
	unsigned int i, j;

	fprintf(out, "%s: %s\n", t->name, t->description);
	fprintf(out, "%u nodes, %u CPUs, %u MiB; LLCs of %u CPUs, clusters of %u, %u thread%s a core; distances %s\n",
		t->nr_nodes, t->nr_cpus, t->mem_mib, t->llc_cpus, t->cluster_cpus, t->threads,
		t->threads == 1 ? "" : "s", topo_symmetric(t) ? "symmetric" : "asymmetric");
	for (i = 0; i < t->nr_nodes; i++) {
		char *cpus = topo_cpulist(t, i);

		if (t->node[i].empty)
			fprintf(out, "  node %2u  empty\n", i);
		else
			fprintf(out, "  node %2u  cpus %-12s mem %u MiB\n", i, *cpus ? cpus : "none",
				t->node[i].mem_mib);
		free(cpus);
	}
	fputs("  from\\to", out);
	for (j = 0; j < t->nr_nodes; j++)
		fprintf(out, " %3u", j);
	fputc('\n', out);
	for (i = 0; i < t->nr_nodes; i++) {
		fprintf(out, "  %7u", i);
		for (j = 0; j < t->nr_nodes; j++)
			fprintf(out, " %3u", t->dist[i][j]);
		fputc('\n', out);
	}
}

char *topo_json(const struct topology *t)
{
	struct json_writer w = { 0 };
	unsigned int i, j;

	json_open(&w, NULL, '{');
	json_string(&w, "name", t->name);
	json_string(&w, "description", t->description);
	json_number(&w, "cpus", t->nr_cpus);
	json_number(&w, "mem_mib", t->mem_mib);
	json_number(&w, "threads", t->threads);
	json_number(&w, "cpus_per_cluster", t->cluster_cpus);
	json_number(&w, "cpus_per_llc", t->llc_cpus);
	json_bool(&w, "symmetric", topo_symmetric(t));
	json_open(&w, "nodes", '[');
	for (i = 0; i < t->nr_nodes; i++) {
		char *cpus = topo_cpulist(t, i);

		json_open(&w, NULL, '{');
		json_number(&w, "node", i);
		json_bool(&w, "empty", t->node[i].empty);
		json_string(&w, "cpulist", cpus);
		json_number(&w, "cpus", t->node[i].cpus);
		json_number(&w, "mem_mib", t->node[i].mem_mib);
		json_close(&w, '}');
		free(cpus);
	}
	json_close(&w, ']');
	json_open(&w, "distances", '[');
	for (i = 0; i < t->nr_nodes; i++) {
		json_open(&w, NULL, '[');
		for (j = 0; j < t->nr_nodes; j++)
			json_number(&w, NULL, t->dist[i][j]);
		json_close(&w, ']');
	}
	json_close(&w, ']');
	json_close(&w, '}');
	return w.out.s;
}

bool topo_list(const char *dir, bool json, FILE *out, char *err)
{
	struct json_writer w = { 0 };
	struct dirent **names;
	struct topology *t = xcalloc(1, sizeof(*t));
	bool ok = true;
	int i, n = scandir(dir, &names, topo_files, versionsort);

	if (n < 0) {
		free(t);
		return nn_err(err, "cannot read the directory of topologies %s: %s", dir, strerror(errno));
	}
	json_open(&w, NULL, '[');
	for (i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", dir, names[i]->d_name);

		if (ok && topo_load(t, dir, path, err)) {
			if (json) {
				json_open(&w, NULL, '{');
				json_string(&w, "name", t->name);
				json_string(&w, "description", t->description);
				json_number(&w, "nodes", t->nr_nodes);
				json_number(&w, "cpus", t->nr_cpus);
				json_close(&w, '}');
			} else {
				fprintf(out, "%-12s %3u nodes %4u CPUs  %s\n", t->name, t->nr_nodes,
					t->nr_cpus, t->description);
			}
			topo_free(t);
		} else {
			ok = false;
		}
		free(path);
		free(names[i]);
	}
	free(names);
	json_close(&w, ']');
	if (ok && json)
		fprintf(out, "%s\n", w.out.s);
	sb_free(&w.out);
	free(t);
	return ok;
}
