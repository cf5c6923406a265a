// SPDX-License-Identifier: GPL-2.0
/*
 * accreport - what the accesses plugin counted: tables, or JSON, of one run or of
 * several side by side.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "counts.h"
#include "json.h"

static const char usage_text[] =
"Usage: accreport [OPTION]... FILE...\n"
"\n"
"FILE is the accesses.jsonl of nnboot --accesses, or the directory that has it.\n"
"Several are compared: regions with the same name stand side by side.\n"
"\n"
"  --region NAME     this region only; may be repeated\n"
"  --space SPACE     user, kernel or both (default): what executed the instruction\n"
"  --matrix          how often each node's CPUs accessed each node's memory\n"
"  --cpus            a line for each CPU\n"
"  --rows            a line for each row: the course of time\n"
"  --partial         take files without an end, too\n"
"  --json            all of it, for programs\n"
"\n"
"remote is the share of accesses that went to another node than the CPU's, distance\n"
"their mean distance (10: all local), cost their sum in local accesses (distance /\n"
"10). With a cache these are of its misses.\n"
"Exit: 0 all well, 1 a file has no end or no such region, 2 usage or a broken file.\n";

struct options {
	bool space[SPACES], matrix, cpus, rows, partial, json;
	char **region;
	size_t nr_regions;
};

/* --- sums ------------------------------------------------------------------------- */

/* Of one region, row or CPU. What is judged is what missed the cache, if there is one. */
struct sum {
	uint64_t n[LEVELS][RWS], judged, remote, distance;
	uint64_t space_judged[SPACES], space_remote[SPACES];
	uint64_t io, unknown, block_ops, block_ops_seen;
};

static void add_cpu(const struct counts *c, const struct options *o, const struct cpu_counts *cpu,
		    struct sum *s, uint64_t *matrix)
{
	unsigned int from = c->node_of_cpu[cpu->cpu], judged = c->cache_size ? MISSES : ALL;
	unsigned int l, space, rw, to;

	s->block_ops += cpu->block_ops;
	s->block_ops_seen += cpu->block_ops_seen;
	for (space = 0; space < SPACES; space++) {
		if (!o->space[space])
			continue;
		for (rw = 0; rw < RWS; rw++) {
			s->io += cpu->io[space][rw];
			s->unknown += cpu->unknown[space][rw];
			for (l = 0; l < LEVELS; l++) {
				const uint64_t *n = cpu->to[l][space][rw];

				for (to = 0; n && to < c->nr_nodes; to++) {
					s->n[l][rw] += n[to];
					if (l != judged)
						continue;
					s->judged += n[to];
					s->space_judged[space] += n[to];
					s->remote += from == to ? 0 : n[to];
					s->space_remote[space] += from == to ? 0 : n[to];
					s->distance += n[to] * c->dist[from][to];
					if (matrix)
						matrix[from * c->nr_nodes + to] += n[to];
				}
			}
		}
	}
}

static void add_row(const struct counts *c, const struct options *o, const struct row *r, struct sum *s,
		    uint64_t *matrix)
{
	size_t i;

	for (i = 0; i < r->nr_cpus; i++)
		add_cpu(c, o, &r->cpu[i], s, matrix);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static double mean_distance(const struct sum *s)
{
	return s->judged ? (double)s->distance / s->judged : 0;
}

/* --- regions ------------------------------------------------------------------------ */

static bool wanted(const struct options *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->nr_regions && strcmp(o->region[i], name); i++)
		;
	return !o->nr_regions || i < o->nr_regions;
}

struct names {
	const char **name;
	size_t nr;
};

/* The names of regions in the order of their first rows. */
static void add_names(struct names *l, const struct counts *c, const struct options *o)
{
	size_t i, k;

	for (i = 0; i < c->nr_rows; i++) {
		for (k = 0; k < l->nr && strcmp(l->name[k], c->row[i].name); k++)
			;
		if (k < l->nr || !wanted(o, c->row[i].name))
			continue;
		nn_grow(l->name, l->nr);
		l->name[l->nr++] = c->row[i].name;
	}
}

struct region {
	struct sum sum;
	unsigned int rows, runs;
	uint64_t *matrix;
};

static struct region region_of(const struct counts *c, const struct options *o, const char *name)
{
	struct region r = { .matrix = xcalloc((size_t)c->nr_nodes * c->nr_nodes, sizeof(*r.matrix)) };
	size_t i;

	for (i = 0; i < c->nr_rows; i++) {
		const struct row *row = &c->row[i];

		if (strcmp(row->name, name))
			continue;
		r.rows++;
		r.runs += !strcmp(row->cause, "end") || !strcmp(row->cause, "exit");
		add_row(c, o, row, &r.sum, r.matrix);
	}
	return r;
}

/* An array with an element for each CPU. */
static struct sum *sums_of_cpus(const struct counts *c, const struct options *o, const char *name)
{
	struct sum *s = xcalloc(c->nr_cpus, sizeof(*s));
	size_t i, k;

	for (i = 0; i < c->nr_rows; i++)
		for (k = 0; !strcmp(c->row[i].name, name) && k < c->row[i].nr_cpus; k++)
			add_cpu(c, o, &c->row[i].cpu[k], &s[c->row[i].cpu[k].cpu], NULL);
	return s;
}

/* --- tables -------------------------------------------------------------------------- */

static void print_numbers_head(const struct counts *c)
{
	printf(" %14s", "accesses");
	if (c->cache_size)
		printf(" %14s", "misses");
	printf(" %8s %9s %9s %9s %8s %16s\n", "stores %", "remote %", "user %", "kernel %", "distance", "cost");
}

static void print_share(uint64_t part, uint64_t whole)
{
	if (whole)
		printf(" %9.3f", percent(part, whole));
	else
		printf(" %9s", "-");
}

static void print_numbers(const struct counts *c, const struct sum *s)
{
	uint64_t all = s->n[ALL][LOADS] + s->n[ALL][STORES];

	printf(" %14" PRIu64, all);
	if (c->cache_size)
		printf(" %14" PRIu64, s->judged);
	printf(" %8.1f", percent(s->n[ALL][STORES], all));
	print_share(s->remote, s->judged);
	print_share(s->space_remote[USER], s->space_judged[USER]);
	print_share(s->space_remote[KERNEL], s->space_judged[KERNEL]);
	if (s->judged)
		printf(" %8.2f %16.1f\n", mean_distance(s), s->distance / 10.0);
	else
		printf(" %8s %16s\n", "-", "-");
}

static void print_machine(const struct counts *c)
{
	printf("%s: %s, %u nodes, %u CPUs, ", c->path, c->arch, c->nr_nodes, c->nr_cpus);
	if (c->cache_size)
		printf("behind a cache of %" PRIu64 " KiB, %u ways, lines of %u for each CPU", c->cache_size >> 10,
		       c->cache_ways, c->cache_line);
	else
		printf("no cache");
	if (strcmp(c->spaces, "both"))
		printf(", only %s space was counted", c->spaces);
	putchar('\n');
}

static void print_remarks(const char *name, const struct sum *s)
{
	uint64_t hidden = hidden_of(s->block_ops, s->block_ops_seen);

	if (s->io)
		printf("  %s: and %" PRIu64 " accesses to devices\n", name, s->io);
	if (s->unknown)
		printf("  %s: and %" PRIu64 " accesses to memory of no node\n", name, s->unknown);
	if (hidden)
		printf("  %s: %" PRIu64 " instructions (DC ZVA, CPY, SET, SVE) have accesses that this QEMU hides\n",
		       name, hidden);
}

static void print_matrix(const struct counts *c, const char *name, const struct region *r)
{
	unsigned int from, to;

	printf("\n%s, %s from each node's CPUs to each node's memory:\n  from\\to", name,
	       c->cache_size ? "misses" : "accesses");
	for (to = 0; to < c->nr_nodes; to++)
		printf(" %12u", to);
	putchar('\n');
	for (from = 0; from < c->nr_nodes; from++) {
		printf("  %7u", from);
		for (to = 0; to < c->nr_nodes; to++)
			printf(" %12" PRIu64, r->matrix[from * c->nr_nodes + to]);
		putchar('\n');
	}
}

static void print_cpus(const struct counts *c, const struct options *o, const char *name)
{
	struct sum *s = sums_of_cpus(c, o, name);
	unsigned int cpu;

	printf("\n%s:\n  %4s %4s", name, "CPU", "node");
	print_numbers_head(c);
	for (cpu = 0; cpu < c->nr_cpus; cpu++) {
		if (!(s[cpu].n[ALL][LOADS] + s[cpu].n[ALL][STORES]))
			continue;
		printf("  %4u %4u", cpu, c->node_of_cpu[cpu]);
		print_numbers(c, &s[cpu]);
	}
	free(s);
}

static void print_rows(const struct counts *c, const struct options *o, const char *name)
{
	size_t i;

	printf("\n%s:\n  %4s %6s %-6s", name, "run", "row", "cause");
	print_numbers_head(c);
	for (i = 0; i < c->nr_rows; i++) {
		const struct row *row = &c->row[i];
		struct sum s = { 0 };

		if (strcmp(row->name, name))
			continue;
		add_row(c, o, row, &s, NULL);
		printf("  %4u %6u %-6s", row->instance, row->nr, row->cause);
		print_numbers(c, &s);
	}
}

static void print_one(const struct counts *c, const struct options *o, const struct names *l)
{
	struct region *r = xcalloc(l->nr, sizeof(*r));
	size_t i;

	print_machine(c);
	printf("%-32s %5s", "region", "runs");
	print_numbers_head(c);
	for (i = 0; i < l->nr; i++) {
		r[i] = region_of(c, o, l->name[i]);
		printf("%-32s %5u", l->name[i], r[i].runs);
		print_numbers(c, &r[i].sum);
	}
	for (i = 0; i < l->nr; i++)
		print_remarks(l->name[i], &r[i].sum);
	for (i = 0; i < l->nr; i++) {
		if (o->matrix)
			print_matrix(c, l->name[i], &r[i]);
		if (o->cpus)
			print_cpus(c, o, l->name[i]);
		if (o->rows)
			print_rows(c, o, l->name[i]);
		free(r[i].matrix);
	}
	free(r);
}

/* The first file is what the others are compared with. */
static void print_side_by_side(const struct counts *c, size_t nr, const struct options *o,
			       const struct names *l)
{
	size_t i, f;

	printf("\n%-32s", "region");
	for (f = 0; f < nr; f++)
		printf(" | %c %12s %9s %8s", (char)('A' + f % 26), "accesses", "remote %", "distance");
	for (f = 1; f < nr; f++)
		printf(" | %c-A %6s %8s", (char)('A' + f % 26), "remote", "cost %");
	putchar('\n');
	for (i = 0; i < l->nr; i++) {
		struct region *r = xcalloc(nr, sizeof(*r));

		printf("%-32s", l->name[i]);
		for (f = 0; f < nr; f++) {
			const struct sum *s = &r[f].sum;

			r[f] = region_of(&c[f], o, l->name[i]);
			if (s->judged)
				printf(" | %14" PRIu64 " %9.3f %8.2f", s->judged, percent(s->remote, s->judged),
				       mean_distance(s));
			else
				printf(" | %14s %9s %8s", "-", "-", "-");
		}
		for (f = 1; f < nr; f++) {
			const struct sum *a = &r[0].sum, *b = &r[f].sum;

			if (a->judged && b->judged)
				printf(" | %+10.3f %+8.2f", percent(b->remote, b->judged) - percent(a->remote, a->judged),
				       percent(b->distance, a->distance) - 100);
			else
				printf(" | %10s %8s", "-", "-");
		}
		putchar('\n');
		for (f = 0; f < nr; f++)
			free(r[f].matrix);
		free(r);
	}
}

/* --- JSON ------------------------------------------------------------------------------ */

static void json_sum(struct json_writer *w, const struct counts *c, const struct sum *s)
{
	json_number(w, "loads", s->n[ALL][LOADS]);
	json_number(w, "stores", s->n[ALL][STORES]);
	if (c->cache_size) {
		json_number(w, "load_misses", s->n[MISSES][LOADS]);
		json_number(w, "store_misses", s->n[MISSES][STORES]);
	}
	json_number(w, "judged", s->judged);
	json_number(w, "remote", s->remote);
	json_number(w, "remote_pct", percent(s->remote, s->judged));
	json_number(w, "user_remote_pct", percent(s->space_remote[USER], s->space_judged[USER]));
	json_number(w, "kernel_remote_pct", percent(s->space_remote[KERNEL], s->space_judged[KERNEL]));
	json_number(w, "mean_distance", mean_distance(s));
	json_number(w, "cost", s->distance / 10.0);
	json_number(w, "io", s->io);
	json_number(w, "unknown", s->unknown);
	json_number(w, "hidden", hidden_of(s->block_ops, s->block_ops_seen));
}

static void json_region(struct json_writer *w, const struct counts *c, const struct options *o,
			const char *name)
{
	struct region r = region_of(c, o, name);
	struct sum *cpus = sums_of_cpus(c, o, name);
	unsigned int from, to, cpu;
	size_t i;

	json_open(w, NULL, '{');
	json_string(w, "name", name);
	json_number(w, "runs", r.runs);
	json_sum(w, c, &r.sum);
	json_open(w, "matrix", '[');
	for (from = 0; from < c->nr_nodes; from++) {
		json_open(w, NULL, '[');
		for (to = 0; to < c->nr_nodes; to++)
			json_number(w, NULL, r.matrix[from * c->nr_nodes + to]);
		json_close(w, ']');
	}
	json_close(w, ']');
	json_open(w, "cpus", '[');
	for (cpu = 0; cpu < c->nr_cpus; cpu++) {
		if (!(cpus[cpu].n[ALL][LOADS] + cpus[cpu].n[ALL][STORES]))
			continue;
		json_open(w, NULL, '{');
		json_number(w, "cpu", cpu);
		json_number(w, "node", c->node_of_cpu[cpu]);
		json_sum(w, c, &cpus[cpu]);
		json_close(w, '}');
	}
	json_close(w, ']');
	json_open(w, "rows", '[');
	for (i = 0; i < c->nr_rows; i++) {
		struct sum s = { 0 };

		if (strcmp(c->row[i].name, name))
			continue;
		add_row(c, o, &c->row[i], &s, NULL);
		json_open(w, NULL, '{');
		json_number(w, "run", c->row[i].instance);
		json_number(w, "row", c->row[i].nr);
		json_string(w, "cause", c->row[i].cause);
		json_sum(w, c, &s);
		json_close(w, '}');
	}
	json_close(w, ']');
	json_close(w, '}');
	free(r.matrix);
	free(cpus);
}

static void print_json(const struct counts *c, size_t nr, const struct options *o)
{
	struct json_writer w = { 0 };
	size_t f, i;

	json_open(&w, NULL, '{');
	json_open(&w, "files", '[');
	for (f = 0; f < nr; f++) {
		struct names l = { 0 };

		json_open(&w, NULL, '{');
		json_string(&w, "file", c[f].path);
		json_string(&w, "arch", c[f].arch);
		json_string(&w, "spaces", c[f].spaces);
		json_number(&w, "nodes", c[f].nr_nodes);
		json_number(&w, "cpus", c[f].nr_cpus);
		json_number(&w, "cache_size", c[f].cache_size);
		json_number(&w, "cache_ways", c[f].cache_ways);
		json_number(&w, "cache_line", c[f].cache_line);
		json_bool(&w, "complete", c[f].complete);
		json_number(&w, "stray_marks", c[f].stray_marks);
		json_open(&w, "regions", '[');
		add_names(&l, &c[f], o);
		for (i = 0; i < l.nr; i++)
			json_region(&w, &c[f], o, l.name[i]);
		json_close(&w, ']');
		json_close(&w, '}');
		free(l.name);
	}
	json_close(&w, ']');
	json_close(&w, '}');
	puts(w.out.s);
	sb_free(&w.out);
}

/* --- command line ------------------------------------------------------------------------ */

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("accreport: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void read_or_fail(struct counts *c, const char *path)
{
	char err[NN_ERR_MAX], *inside = xasprintf("%s/accesses.jsonl", path);
	struct stat st;

	if (!counts_read(c, !stat(path, &st) && S_ISDIR(st.st_mode) ? inside : path, err))
		fail("%s", err);
	free(inside);
}

static void parse(struct options *o, int argc, char **argv)
{
	enum { OPT_REGION = 256, OPT_SPACE, OPT_MATRIX, OPT_CPUS, OPT_ROWS, OPT_PARTIAL, OPT_JSON, OPT_HELP };
	static const struct option longopts[] = {
		{ "region", required_argument, NULL, OPT_REGION },
		{ "space", required_argument, NULL, OPT_SPACE },
		{ "matrix", no_argument, NULL, OPT_MATRIX },
		{ "cpus", no_argument, NULL, OPT_CPUS },
		{ "rows", no_argument, NULL, OPT_ROWS },
		{ "partial", no_argument, NULL, OPT_PARTIAL },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 }
	};
	int opt;

	*o = (struct options){ .space = { true, true } };
	while ((opt = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (opt) {
		case OPT_REGION:
			nn_grow(o->region, o->nr_regions);
			o->region[o->nr_regions++] = optarg;
			break;
		case OPT_SPACE:
			o->space[USER] = strcmp(optarg, "kernel");
			o->space[KERNEL] = strcmp(optarg, "user");
			if (o->space[USER] && o->space[KERNEL] && strcmp(optarg, "both"))
				fail("--space %s is unknown: user, kernel or both", optarg);
			break;
		case OPT_MATRIX: o->matrix = true; break;
		case OPT_CPUS: o->cpus = true; break;
		case OPT_ROWS: o->rows = true; break;
		case OPT_PARTIAL: o->partial = true; break;
		case OPT_JSON: o->json = true; break;
		case OPT_HELP:
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fail("see accreport --help");
		}
	}
	if (optind == argc)
		fail("which file? See accreport --help");
}

int main(int argc, char **argv)
{
	struct names all = { 0 };
	struct options o;
	struct counts *c;
	size_t nr, f, k;
	int rc = 0;

	parse(&o, argc, argv);
	nr = argc - optind;
	c = xcalloc(nr, sizeof(*c));
	for (f = 0; f < nr; f++) {
		read_or_fail(&c[f], argv[optind + f]);
		add_names(&all, &c[f], &o);
	}
	if (o.json) {
		print_json(c, nr, &o);
	} else {
		for (f = 0; f < nr; f++) {
			struct names l = { 0 };

			if (f)
				putchar('\n');
			if (nr > 1)
				printf("%c: ", (char)('A' + f % 26));
			add_names(&l, &c[f], &o);
			print_one(&c[f], &o, &l);
			free(l.name);
		}
		if (nr > 1)
			print_side_by_side(c, nr, &o, &all);
	}
	fflush(stdout);
	for (f = 0; f < nr; f++) {
		if (c[f].stray_marks)
			fprintf(stderr, "accreport: %s: %" PRIu64 " marks did not fit: a begin without an end, or the other way round\n",
				c[f].path, c[f].stray_marks);
		if (!c[f].complete && !o.partial) {
			fprintf(stderr, "accreport: %s has no end: QEMU was killed or the disk was full\n"
				"  --partial if what there is will do\n", c[f].path);
			rc = 1;
		}
	}
	for (f = 0; f < o.nr_regions; f++) {
		for (k = 0; k < all.nr && strcmp(all.name[k], o.region[f]); k++)
			;
		if (k == all.nr) {
			fprintf(stderr, "accreport: no file has a region '%s'\n", o.region[f]);
			rc = 1;
		}
	}
	free(all.name);
	for (f = 0; f < nr; f++)
		counts_free(&c[f]);
	free(c);
	free(o.region);
	if (ferror(stdout))
		fail("cannot write the report");
	return rc;
}
