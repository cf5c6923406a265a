// SPDX-License-Identifier: GPL-2.0
/*
 * pickreport: what pickbench measured in stock and in series kernels, side by
 * side: a table, JSON, a picture, and the bars that the series has to clear.
 *
 * Reads DIR/TOPOLOGY/KERNEL.N/out, KERNEL being stock or series and N counting
 * boots.  Every figure is the median of the boots.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bars.h"
#include "report.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_TOPOLOGIES	64
#define MAX_BOOTS	64
#define MAX_PICKS	1024

enum kernel { STOCK, SERIES, NR_KERNELS };
static const char * const kernel_names[] = { "stock", "series" };
static const char * const modes[] = { "flat", "node" };
static const char * const mode_titles[] = { "flat", "per node" };
static const char * const vias[] = { "syscall", "wake" };
static const char * const selectors[] = { "select", "select_dfl" };

/* One line of an out file: a kind, then key=value. */
struct record {
	const char *kind;
	char **pair;
	int nr_pairs;
};

struct boot {
	struct record *rec;
	int nr;
};

struct topology {
	char name[64];
	int nodes, cpus;
	bool smt;
	struct boot boot[NR_KERNELS][MAX_BOOTS];
	int nr_boots[NR_KERNELS];
};

static struct topology topo[MAX_TOPOLOGIES];
static int nr_topos;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "pickreport: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		die("out of memory");
	return p;
}

/* Reading */

static const char *value(const struct record *r, const char *key)
{
	size_t len = strlen(key);

	for (int i = 0; i < r->nr_pairs; i++)
		if (!strncmp(r->pair[i], key, len) && r->pair[i][len] == '=')
			return r->pair[i] + len + 1;
	return NULL;
}

static double number(const struct record *r, const char *key)
{
	const char *v = value(r, key);
	char *end;
	double d;

	if (!v)
		die("a '%s' record has no %s: written by another version of pickbench? Measure again", r->kind, key);
	d = strtod(v, &end);
	if (end == v || *end)
		die("%s=%s is not a number", key, v);
	return d;
}

static void read_boot(struct boot *b, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!f)
		die("cannot read %s: %s", path, strerror(errno));
	while ((len = getline(&line, &size, f)) > 0) {
		struct record r = { 0 };
		char *save, *word;

		if (line[len - 1] != '\n')
			die("%s is cut short: the boot was interrupted? Remove its directory and run again", path);
		line[len - 1] = '\0';
		word = strtok_r(line, " ", &save);
		if (!word)
			continue;
		r.kind = strdup(word);
		while ((word = strtok_r(NULL, " ", &save))) {
			if (!strchr(word, '='))
				die("%s: '%s' is no key=value", path, word);
			r.pair = grow(r.pair, (r.nr_pairs + 1) * sizeof(*r.pair));
			r.pair[r.nr_pairs++] = strdup(word);
		}
		b->rec = grow(b->rec, (b->nr + 1) * sizeof(*b->rec));
		b->rec[b->nr++] = r;
	}
	free(line);
	fclose(f);
	if (!b->nr || strcmp(b->rec[0].kind, "pickbench"))
		die("%s has no pickbench records", path);
}

static void read_topology(const char *dir, const char *name)
{
	struct topology *t = &topo[nr_topos];
	const struct record *head;
	char path[4096];
	struct stat st;

	snprintf(t->name, sizeof(t->name), "%s", name);
	for (int k = 0; k < NR_KERNELS; k++) {
		for (int n = 1; n <= MAX_BOOTS; n++) {
			snprintf(path, sizeof(path), "%s/%s/%s.%d/out", dir, name, kernel_names[k], n);
			if (stat(path, &st))
				break;
			read_boot(&t->boot[k][t->nr_boots[k]++], path);
		}
	}
	if (!t->nr_boots[STOCK] && !t->nr_boots[SERIES])
		return;
	if (t->nr_boots[STOCK] != t->nr_boots[SERIES])
		die("%s/%s: %d boots of stock, %d of series: run bench.sh again", dir, name,
		    t->nr_boots[STOCK], t->nr_boots[SERIES]);
	head = &t->boot[STOCK][0].rec[0];
	t->nodes = number(head, "nodes");
	t->cpus = number(head, "cpus");
	t->smt = number(head, "smt") != 0;
	nr_topos++;
}

static int by_size(const void *a, const void *b)
{
	const struct topology *x = a, *y = b;

	if (x->nodes != y->nodes)
		return x->nodes - y->nodes;
	return strcmp(x->name, y->name);
}

static void read_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		die("cannot read %s: %s", dir, strerror(errno));
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (nr_topos == MAX_TOPOLOGIES)
			die("%s has more than %d topologies", dir, MAX_TOPOLOGIES);
		read_topology(dir, e->d_name);
	}
	closedir(d);
	if (!nr_topos)
		die("%s has no measurements", dir);
	qsort(topo, nr_topos, sizeof(*topo), by_size);
}

/* Looking up */

/* @want: "key=value" pairs that must all be there, NULL at the end. */
static const struct record *find(const struct boot *b, const char *kind, const char * const *want)
{
	for (int i = 0; i < b->nr; i++) {
		const struct record *r = &b->rec[i];
		const char * const *w;

		if (strcmp(r->kind, kind))
			continue;
		for (w = want; *w; w++) {
			int p;

			for (p = 0; p < r->nr_pairs && strcmp(r->pair[p], *w); p++)
				;
			if (p == r->nr_pairs)
				break;
		}
		if (!*w)
			return r;
	}
	return NULL;
}

/* Median over the boots; -1 if it was not measured (no such situation there). */
static double over_boots(const struct topology *t, enum kernel k, const char *kind, const char *field,
			 const char * const *want)
{
	double v[MAX_BOOTS];
	int n = 0;

	for (int i = 0; i < t->nr_boots[k]; i++) {
		const struct record *r = find(&t->boot[k][i], kind, want);

		if (r)
			v[n++] = number(r, field);
	}
	return n ? median(v, n) : -1;
}

static double insns(const struct topology *t, enum kernel k, const char *mode, const char *via,
		    const char *api, const char *situation)
{
	char m[32], v[32], a[32], c[32];
	const char *want[] = { m, v, a, "mask=full", "core=no", c, NULL };

	snprintf(m, sizeof(m), "mode=%s", mode);
	snprintf(v, sizeof(v), "via=%s", via);
	snprintf(a, sizeof(a), "api=%s", api);
	snprintf(c, sizeof(c), "class=%s", situation);
	return over_boots(t, k, "class", "insn_middle", want);
}

static const char * const storms[] = { "pinned", "free" };
static const char * const updates[] = { "idle", "busy" };

static double storm(const struct topology *t, enum kernel k, const char *mode, const char *tasks)
{
	char m[32], s[32];
	const char *want[] = { m, s, NULL };

	snprintf(m, sizeof(m), "mode=%s", mode);
	snprintf(s, sizeof(s), "tasks=%s", tasks);
	return over_boots(t, k, "storm", "insn_middle", want);
}

/* Only the kernel's own note that a CPU becomes idle, or busy. */
static double update(const struct topology *t, enum kernel k, const char *mode, const char *to)
{
	char m[32], s[32];
	const char *want[] = { m, s, NULL };

	snprintf(m, sizeof(m), "mode=%s", mode);
	snprintf(s, sizeof(s), "to=%s", to);
	return over_boots(t, k, "update", "insn_median", want);
}

static double of_drain(const struct topology *t, enum kernel k, const char *mode, const char *field)
{
	char m[32];
	const char *want[] = { m, "via=wake", "api=select", "mask=full", "core=no", NULL };

	snprintf(m, sizeof(m), "mode=%s", mode);
	return over_boots(t, k, "drain", field, want);
}

/* In flat mode the pick kfuncs know no start: nothing is near or far of it. */
static bool is_selector(const struct record *r)
{
	const char *api = value(r, "api");

	return api && strncmp(api, "select", 6) == 0;
}

/* Of the fullest node, whichever call and however many picks. */
static double crowding(const struct topology *t, enum kernel k, const char *mode)
{
	double worst = -1;

	for (int i = 0; i < t->nr_boots[k]; i++) {
		const struct boot *b = &t->boot[k][i];

		for (int n = 0; n < b->nr; n++) {
			const struct record *r = &b->rec[n];
			const char *m = value(r, "mode");

			if (!strcmp(r->kind, "spread") && is_selector(r) && m && !strcmp(m, mode) &&
			    number(r, "worst_ratio") > worst)
				worst = number(r, "worst_ratio");
		}
	}
	return worst;
}

/* Mean distance of the picks in order, over all start CPUs. Returns how many. */
static int pick_order(const struct topology *t, enum kernel k, const char *mode, const char *field,
		      double *dist)
{
	int n;

	/* All CPUs but the one that works; a CPU that came back makes one more now and then. */
	for (n = 0; n < MAX_PICKS && n < t->cpus - 1; n++) {
		char m[32], s[32];
		const char *want[] = { m, "via=wake", "api=select", "mask=full", "core=no", s, NULL };

		snprintf(m, sizeof(m), "mode=%s", mode);
		snprintf(s, sizeof(s), "seq=%d", n);
		dist[n] = over_boots(t, k, "order", field, want);
		if (dist[n] < 0)
			break;
	}
	return n;
}

static double near_half(const struct topology *t, enum kernel k, const char *mode)
{
	static double dist[MAX_PICKS];
	int n = pick_order(t, k, mode, "dist", dist);
	double sum = 0;

	n = (n + 1) / 2;
	for (int i = 0; i < n; i++)
		sum += dist[i];
	return n ? sum / n : -1;
}

/* The bars */

enum { BAR_OPTIMAL, BAR_REMOTE, BAR_BUSY, BAR_LOCAL, BAR_SPREAD, BAR_STORM, NR_BARS };

static struct bar bars[] = {
	[BAR_OPTIMAL] = { .title = "optimal picks, every drain, mask and boot, %", .limit = 100, .at_least = true },
	[BAR_REMOTE] = { .title = "instructions per remote pick, x stock flat (4, 8, 16 nodes)", .limit = 1.25 },
	[BAR_BUSY] = { .title = "instructions per all-busy miss, x stock flat (4, 8, 16 nodes)", .limit = 1.10 },
	[BAR_LOCAL] = { .title = "instructions per local pick, x stock flat (4, 8, 16 nodes)", .limit = 1.02 },
	[BAR_SPREAD] = { .title = "equidistant overflow: fullest node, x its share", .limit = 1.10 },
	[BAR_STORM] = { .title = "instructions per wake-up in a storm, x stock in the same mode", .limit = 1.02 },
};

/* Where picks may cost so much and no more. SMT chooses between cores and distance. */
static bool costs_judged(const struct topology *t)
{
	return !t->smt && (t->nodes == 4 || t->nodes == 8 || t->nodes == 16);
}

/* The table */

/* A hundred columns are enough for this. */
static void print_name(const struct topology *t, int m)
{
	printf("%-10s %2d %-4s", m ? "" : t->name, t->nodes, modes[m]);
}

/* Rounded down: 99.99 % is not 100. */
static double tenths(double v)
{
	return (long)(v * 10 + 1e-6) / 10.0;
}

static char mark(bool missed)
{
	return missed ? '!' : ' ';
}

static void print_pair(double stock, double series, double base, double limit)
{
	if (stock < 0 || series < 0 || base <= 0)
		printf(" %5s %5s %5s", "-", "-", " ");
	else
		printf(" %5.0f %5.0f %4.2f%c", stock, series, series / base,
		       mark(limit > 0 && series / base > limit + 1e-9));
}

static void print_table(void)
{
	static const int bar[] = { BAR_LOCAL, BAR_REMOTE, BAR_BUSY };
	static const char * const situations[] = { "local", "remote", "busy" };

	printf("Every idle CPU is picked once, from each start CPU in turn, by the built-in selector at\n"
	       "wake-up: in the kernel as it is (stock) and with the series. %s\n\n",
	       topo[0].nr_boots[STOCK] > 1 ? "Medians of several boots." : "One boot of each.");
	printf("  mode       flat: one idle mask for the machine; node: one for each node\n"
	       "  optimal    %% of picks that passed over no nearer idle CPU\n"
	       "  distance   mean of the first half of the picks\n"
	       "  local ...  kernel instructions for a pick that finds a CPU in its own node, for one that\n"
	       "             finds it elsewhere, and for learning that all are busy\n"
	       "  x          series against the flat mode of stock; ! where that misses its bar\n\n");
	printf("%18s %12s  %12s  %-17s %-17s %s\n", "", "optimal", "distance", "   local pick",
	       "   remote pick", "   all busy");
	printf("%-18s stock series  stock series", "topology, nodes");
	for (int i = 0; i < 3; i++)
		printf("%s stock series   x", i ? " " : "");
	printf("\n");
	for (int i = 0; i < nr_topos; i++) {
		const struct topology *t = &topo[i];

		for (int m = 0; m < 2; m++) {
			double optimal = of_drain(t, SERIES, modes[m], "optimal_pct");

			print_name(t, m);
			printf(" %5.1f %5.1f%c", tenths(of_drain(t, STOCK, modes[m], "optimal_pct")),
			       tenths(optimal), mark(optimal < bars[BAR_OPTIMAL].limit));
			printf(" %6.1f %5.1f ", near_half(t, STOCK, modes[m]), near_half(t, SERIES, modes[m]));
			for (unsigned int s = 0; s < ARRAY_SIZE(situations); s++)
				print_pair(insns(t, STOCK, modes[m], "wake", "select", situations[s]),
					   insns(t, SERIES, modes[m], "wake", "select", situations[s]),
					   insns(t, STOCK, "flat", "wake", "select", situations[s]),
					   costs_judged(t) ? bars[bar[s]].limit : 0);
			printf("\n");
		}
	}
}

/* What bookkeeping costs those who don't search and those who do; where overflow goes. */
static void print_storms(void)
{
	printf("\n"
	       "  storm      instructions for a wake-up while all CPUs sleep and wake all the time: of tasks\n"
	       "             bound to a CPU, which do not search, and of free ones; x: against stock\n"
	       "  to idle    of these, what only notes that a CPU becomes idle, or busy\n"
	       "  crowding   when each node overflows in turn: what the fullest got, against its share\n\n");
	printf("%18s %-20s %-20s %s\n", "", "   storm, bound", "   storm, free",
	       "    to idle      to busy     crowding");
	printf("%-18s  stock series   x    stock series   x    stock series stock series stock series\n",
	       "topology, nodes");
	for (int i = 0; i < nr_topos; i++) {
		const struct topology *t = &topo[i];

		for (int m = 0; m < 2; m++) {
			print_name(t, m);
			for (unsigned int s = 0; s < ARRAY_SIZE(storms); s++) {
				double stock = storm(t, STOCK, modes[m], storms[s]);
				double series = storm(t, SERIES, modes[m], storms[s]);

				if (stock <= 0 || series < 0)
					printf(" %6s %6s %6s", "-", "-", " ");
				else
					printf(" %6.0f %6.0f %5.3f%c", stock, series, series / stock,
					       mark(series / stock > bars[BAR_STORM].limit + 1e-9));
			}
			for (unsigned int u = 0; u < ARRAY_SIZE(updates); u++) {
				double stock = update(t, STOCK, modes[m], updates[u]);
				double series = update(t, SERIES, modes[m], updates[u]);

				if (stock < 0 || series < 0)
					printf(" %6s %5s", "-", "-");
				else
					printf(" %6.0f %5.0f", stock, series);
			}
			if (t->nodes > 1)
				printf("  %5.2f %5.2f%c", crowding(t, STOCK, modes[m]), crowding(t, SERIES, modes[m]),
				       mark(crowding(t, SERIES, modes[m]) > bars[BAR_SPREAD].limit + 1e-9));
			else
				printf("  %5s %5s", "-", "-");
			printf("\n");
		}
	}
}

/* Where each pick went, for people: at most this many columns. */
#define MAX_COLUMNS 18

static void print_order(void)
{
	static double dist[MAX_PICKS];

	printf("\nMean distance of each pick, in order:\n");
	for (int i = 0; i < nr_topos; i++) {
		const struct topology *t = &topo[i];

		if (t->nodes < 2)
			continue;
		for (int m = 0; m < 2; m++) {
			for (int k = 0; k < NR_KERNELS; k++) {
				int n = pick_order(t, k, modes[m], "dist", dist);
				int step = (n + MAX_COLUMNS - 1) / MAX_COLUMNS;

				if (!n)
					continue;
				if (!m && !k && step > 1)
					printf("(%s: a column is the mean of %d picks)\n", t->name, step);
				printf("%-10s %-4s %-6s", m || k ? "" : t->name, k ? "" : modes[m], kernel_names[k]);
				for (int p = 0; p < n; p += step) {
					double sum = 0;
					int q;

					for (q = p; q < n && q < p + step; q++)
						sum += dist[q];
					printf(" %3.0f", sum / (q - p));
				}
				printf("\n");
			}
		}
	}
}

/* How the measurements stand to the bars */

static void measure_records(const struct topology *t)
{
	for (int n = 0; n < t->nr_boots[SERIES]; n++) {
		const struct boot *b = &t->boot[SERIES][n];

		for (int i = 0; i < b->nr; i++) {
			const struct record *r = &b->rec[i];

			if (!strcmp(r->kind, "drain") && number(r, "optimal_pct") > 100)
				die("%s, boot %d of series: optimal_pct=%s is no percentage", t->name, n + 1,
				    value(r, "optimal_pct"));
			if (!strcmp(r->kind, "drain"))
				bar_measure(&bars[BAR_OPTIMAL], number(r, "optimal_pct"), "%s, %s, %s, %s, %s",
					    t->name, value(r, "mode"), value(r, "via"), value(r, "api"),
					    value(r, "mask"));
			if (!strcmp(r->kind, "spread") && is_selector(r))
				bar_measure(&bars[BAR_SPREAD], number(r, "worst_ratio"), "%s, %s, %s, %s, %s picks a node",
					    t->name, value(r, "mode"), value(r, "via"), value(r, "api"),
					    value(r, "picks"));
		}
	}
}

static void measure_cost(const struct topology *t, enum kernel k, int bar, const char *situation)
{
	for (int m = 0; m < 2; m++)
		for (unsigned int v = 0; v < ARRAY_SIZE(vias); v++)
			for (unsigned int a = 0; a < ARRAY_SIZE(selectors); a++) {
				double base = insns(t, STOCK, "flat", vias[v], selectors[a], situation);
				double x = insns(t, k, modes[m], vias[v], selectors[a], situation);

				if (base > 0 && x >= 0)
					bar_measure(&bars[bar], x / base, "%s, %s, %s, %s: %.0f against %.0f",
						    t->name, mode_titles[m], vias[v], selectors[a], x, base);
				else
					bar_lacks(&bars[bar], "%s, %s, %s, %s", t->name, mode_titles[m],
						  vias[v], selectors[a]);
			}
}

static void measure_storms(const struct topology *t)
{
	for (int m = 0; m < 2; m++)
		for (unsigned int s = 0; s < ARRAY_SIZE(storms); s++) {
			double base = storm(t, STOCK, modes[m], storms[s]);
			double x = storm(t, SERIES, modes[m], storms[s]);

			if (base > 0 && x >= 0)
				bar_measure(&bars[BAR_STORM], x / base, "%s, %s, %s tasks: %.0f against %.0f",
					    t->name, mode_titles[m], storms[s], x, base);
			else
				bar_lacks(&bars[BAR_STORM], "%s, %s, %s tasks", t->name, mode_titles[m], storms[s]);
		}
}

static void measure_bars(void)
{
	for (int i = 0; i < nr_topos; i++) {
		const struct topology *t = &topo[i];

		measure_records(t);
		for (int m = 0; m < 2; m++) {
			if (of_drain(t, SERIES, modes[m], "optimal_pct") < 0)
				bar_lacks(&bars[BAR_OPTIMAL], "%s, %s", t->name, mode_titles[m]);
			if (t->nodes > 1 && crowding(t, SERIES, modes[m]) < 0)
				bar_lacks(&bars[BAR_SPREAD], "%s, %s", t->name, mode_titles[m]);
		}
		measure_storms(t);
		if (!costs_judged(t))
			continue;
		measure_cost(t, SERIES, BAR_REMOTE, "remote");
		measure_cost(t, SERIES, BAR_BUSY, "busy");
		measure_cost(t, SERIES, BAR_LOCAL, "local");
	}
}

static int print_bars(void)
{
	printf("\nBars for the series:\n");
	return bars_print(bars, NR_BARS, "applies to no topology here");
}

/* Files: written beside, then renamed. */

static FILE *begin_file(const char *path, char *tmp, size_t size)
{
	FILE *f;

	if (snprintf(tmp, size, "%s.new", path) >= (int)size)
		die("%s: name too long", path);
	f = fopen(tmp, "w");
	if (!f)
		die("cannot write %s: %s", tmp, strerror(errno));
	return f;
}

static void end_file(FILE *f, const char *tmp, const char *path)
{
	if (ferror(f) | fclose(f) || rename(tmp, path))
		die("cannot write %s: %s", path, strerror(errno));
}

static void json_number(FILE *f, const char *key, double v, bool last)
{
	if (v < 0)
		fprintf(f, "\"%s\": null%s", key, last ? "" : ", ");
	else
		fprintf(f, "\"%s\": %.3f%s", key, v, last ? "" : ", ");
}

/* Names are of files and of ours: nothing in them needs escaping but these. */
static void json_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
}

static void write_json(const char *path)
{
	static const char * const situations[] = { "prev", "local", "remote", "busy" };
	static const char * const apis[] = { "select", "select_dfl", "pick" };
	static double dist[MAX_PICKS];
	char tmp[4096];
	FILE *f = begin_file(path, tmp, sizeof(tmp));

	fprintf(f, "{\n\"format\": 1,\n\"boots\": %d,\n\"bars\": [", topo[0].nr_boots[STOCK]);
	for (unsigned int i = 0; i < NR_BARS; i++) {
		fprintf(f, "%s\n  { \"title\": \"", i ? "," : "");
		json_text(f, bars[i].title);
		fprintf(f, "\", \"%s\": %.2f, \"worst\": ", bars[i].at_least ? "at_least" : "at_most", bars[i].limit);
		if (bars[i].measured)
			fprintf(f, "%.4f", bars[i].worst);
		else
			fprintf(f, "null");
		fprintf(f, ", \"cleared\": %s, \"where\": \"", bar_cleared(&bars[i]) ? "true" : "false");
		json_text(f, bars[i].where);
		fprintf(f, "\" }");
	}
	fprintf(f, "\n],\n\"topologies\": [");
	for (int i = 0; i < nr_topos; i++) {
		const struct topology *t = &topo[i];
		bool first = true;

		fprintf(f, "%s\n{ \"name\": \"", i ? "," : "");
		json_text(f, t->name);
		fprintf(f, "\", \"nodes\": %d, \"cpus\": %d, \"smt\": %s, \"results\": [", t->nodes, t->cpus,
			t->smt ? "true" : "false");
		for (int k = 0; k < NR_KERNELS; k++) {
			for (int m = 0; m < 2; m++) {
				int n;

				fprintf(f, "%s\n  { \"kernel\": \"%s\", \"mode\": \"%s\", ", first ? "" : ",",
					kernel_names[k], modes[m]);
				first = false;
				json_number(f, "optimal_pct", of_drain(t, k, modes[m], "optimal_pct"), false);
				json_number(f, "first_half_distance", near_half(t, k, modes[m]), false);
				json_number(f, "storm_pinned", storm(t, k, modes[m], "pinned"), false);
				json_number(f, "storm_free", storm(t, k, modes[m], "free"), false);
				json_number(f, "to_idle", update(t, k, modes[m], "idle"), false);
				json_number(f, "to_busy", update(t, k, modes[m], "busy"), false);
				json_number(f, "crowding", crowding(t, k, modes[m]), false);
				fprintf(f, "\"pick_distance\": [");
				n = pick_order(t, k, modes[m], "dist", dist);
				for (int p = 0; p < n; p++)
					fprintf(f, "%s%.3f", p ? ", " : "", dist[p]);
				fprintf(f, "], \"instructions\": [");
				for (unsigned int v = 0; v < ARRAY_SIZE(vias); v++)
					for (unsigned int a = 0; a < ARRAY_SIZE(apis); a++) {
						fprintf(f, "%s\n    { \"via\": \"%s\", \"api\": \"%s\", ", v || a ? "," : "",
							vias[v], apis[a]);
						for (unsigned int s = 0; s < ARRAY_SIZE(situations); s++)
							json_number(f, situations[s],
								    insns(t, k, modes[m], vias[v], apis[a], situations[s]),
								    s + 1 == ARRAY_SIZE(situations));
						fprintf(f, " }");
					}
				fprintf(f, " ] }");
			}
		}
		fprintf(f, "\n] }");
	}
	fprintf(f, "\n]\n}\n");
	end_file(f, tmp, path);
}

/* The picture: distance of each pick in order, a row for each topology. */

#define PANEL_W	400
#define PANEL_H	150
#define MARGIN	50
#define HEAD	70

/* Steps: each pick is as wide as any other. */
static void draw_line(FILE *f, const double *dist, int n, int most, double max, int x0, int y0, const char *style)
{
	fprintf(f, "<path fill=\"none\" %s d=\"M%d", style, x0);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%.1f H%.1f", i ? " V" : " ", y0 + PANEL_H - dist[i] / max * PANEL_H,
			x0 + (double)PANEL_W * (i + 1) / most);
	fprintf(f, "\"/>\n");
}

static void draw_panel(FILE *f, const struct topology *t, int m, int x0, int y0)
{
	static const char * const style[] = {
		"stroke=\"#f0a860\" stroke-width=\"6\"", "stroke=\"#1f6fb2\" stroke-width=\"2\""
	};
	static double dist[NR_KERNELS][MAX_PICKS];
	double max = 1;
	int n[NR_KERNELS], most = 1;

	for (int k = 0; k < NR_KERNELS; k++) {
		n[k] = pick_order(t, k, modes[m], "dist", dist[k]);
		if (n[k] > most)
			most = n[k];
		for (int i = 0; i < n[k]; i++)
			if (dist[k][i] > max)
				max = dist[k][i];
	}
	max *= 1.05;
	fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#fafafa\" stroke=\"#ccc\"/>\n",
		x0, y0, PANEL_W, PANEL_H);
	fprintf(f, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s, %s</text>\n", x0, y0 - 8, t->name, mode_titles[m]);
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">optimal: stock %.1f %%, series %.1f %%</text>\n",
		x0 + PANEL_W, y0 - 8, tenths(of_drain(t, STOCK, modes[m], "optimal_pct")),
		tenths(of_drain(t, SERIES, modes[m], "optimal_pct")));
	for (int i = 0; i <= 2; i++)
		fprintf(f, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\" fill=\"#666\">%.0f</text>\n", x0 - 6,
			y0 + PANEL_H - PANEL_H * i / 2.1 + 4, max / 1.05 * i / 2);
	fprintf(f, "<text x=\"%d\" y=\"%d\" fill=\"#666\">pick 1</text>\n", x0, y0 + PANEL_H + 14);
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#666\">%d</text>\n", x0 + PANEL_W,
		y0 + PANEL_H + 14, most);
	for (int k = 0; k < NR_KERNELS; k++)
		if (n[k])
			draw_line(f, dist[k], n[k], most, max, x0, y0, style[k]);
}

static void write_svg(const char *path)
{
	int width = 2 * (PANEL_W + MARGIN) + MARGIN, y = HEAD + 20, rows = 0;
	char tmp[4096];
	FILE *f;

	for (int i = 0; i < nr_topos; i++)
		rows += topo[i].nodes > 1;
	f = begin_file(path, tmp, sizeof(tmp));
	fprintf(f, "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		width, HEAD + rows * (PANEL_H + MARGIN) + 20);
	fprintf(f, "<text x=\"%d\" y=\"28\" font-size=\"17\">Distance of each idle CPU picked, in order, until none is left"
		"</text>\n", MARGIN);
	fprintf(f, "<text x=\"%d\" y=\"48\"><tspan fill=\"#f0a860\">&#9632; stock</tspan>  <tspan fill=\"#1f6fb2\">"
		"&#9632; series</tspan>  mean over all start CPUs; a line that never falls is the best there is</text>\n", MARGIN);
	for (int i = 0; i < nr_topos; i++) {
		if (topo[i].nodes < 2)
			continue;
		for (int m = 0; m < 2; m++)
			draw_panel(f, &topo[i], m, MARGIN + m * (PANEL_W + MARGIN), y);
		y += PANEL_H + MARGIN;
	}
	fprintf(f, "</svg>\n");
	end_file(f, tmp, path);
}

static const char help[] =
	"usage: pickreport [--json FILE] [--svg FILE] [--order] [--no-bars] DIR\n"
	"\n"
	"Compares what pickbench measured in DIR/TOPOLOGY/{stock,series}.N/out. --order\n"
	"also prints the distance of each pick in order, which the picture shows.\n"
	"\n"
	"Exit status: 0, 1 if a bar is missed (never with --no-bars), 2 if it could not\n"
	"tell.\n";

int main(int argc, char **argv)
{
	struct report r = { .name = "pickreport", .help = help, .detail = "order", .draws = true };
	int missed = 0;

	report_options(&r, argc, argv);
	read_all(r.dir);
	measure_bars();
	print_table();
	print_storms();
	if (r.detailed)
		print_order();
	if (!r.no_bars)
		missed = print_bars();
	if (r.json)
		write_json(r.json);
	if (r.svg)
		write_svg(r.svg);
	return report_end(&r, missed);
}
