// SPDX-License-Identifier: GPL-2.0
/*
 * placereport: how memory came to its user with hint faults, in the stock kernel, and
 * with samples, in the series': a table, JSON, a picture, and the bars that samples have
 * to clear.
 *
 * Reads DIR/stock and DIR/series, each with the out and accesses.jsonl of a guest that
 * ran placebench. If there are DIR/stock-phases and DIR/series-phases, of the same
 * with the plugin "phases", also what a migrated page costs, in parts, and what there is
 * to pay where threads share local memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bars.h"
#include "json.h"
#include "place.h"
#include "report.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum kernel { STOCK, SERIES, NR_KERNELS };
static const char * const kernel_names[] = { "stock", "series" };
static const char * const sources[] = { "hint", "samples" };
static const char * const source_titles[] = { "hint faults", "samples" };
static const char * const classes[] = { "fair", "scx" };
static const char * const class_titles[] = { "fair", "sched_ext" };
static const char * const sizes[] = { "base", "huge" };

static struct guest guest[NR_KERNELS];

/* The same guests with the plugin "phases", if they ran. */
static struct guest counted[NR_KERNELS];
static bool has_counted;

static const struct run *far_run(enum kernel k, int class, int size)
{
	return guest_run(&guest[k], "far", sources[k], classes[class], sizes[size]);
}

/* The same work with neither hint faults nor samples. */
static const struct run *off_run(enum kernel k)
{
	return guest_run(&guest[k], "near", "off", "fair", "base");
}

static const struct run *near_run(enum kernel k)
{
	return guest_run(&guest[k], "near", sources[k], "fair", "base");
}

static const struct run *counted_run(enum kernel k, const char *kind, const char *source)
{
	return guest_run(&counted[k], kind, source, "fair", "base");
}

static double page_cost(enum kernel k, int class, int size)
{
	return guest_page_cost(&guest[k], far_run(k, class, size), off_run(k));
}

/* Not counting the time before stock's first scan, two seconds by default. */
static double to_local_scanning(const struct run *r, double percent)
{
	return fmax(0, run_accesses_to(r, percent) - run_unscanned(r)->accesses);
}

/* Of instructions that the kernel executes more where all is local, in percent of the program's. */
static double near_extra(enum kernel k)
{
	return 100 * run_extra(near_run(k), off_run(k)) / run_end(near_run(k))->user;
}

/* Of two threads, by the plugin. */
static double shared_extra(enum kernel k)
{
	const struct counted *on = &counted_run(k, "shared", sources[k])->counted;
	const struct counted *off = &counted_run(k, "shared", "off")->counted;

	return 100 * (on->kernel / on->user - off->kernel / off->user);
}

/* --- bars ------------------------------------------------------------------- */

enum {
	BAR_TIME, BAR_SCX, BAR_FINAL, BAR_REMOTE, BAR_FAULTS, BAR_PAGE, BAR_NEAR, BAR_SHARED,
	BAR_SWITCH, BAR_TICK, NR_BARS
};

static struct bar bars[] = {
	[BAR_TIME] = { .title = "accesses until 90 % is local, fair class, x hint faults", .limit = 0.25 },
	[BAR_SCX] = { .title = "accesses until 90 % is local, sched_ext, x fair class", .limit = 1.10 },
	[BAR_FINAL] = { .title = "local pages in the end, fair class, points more than hint faults", .at_least = true },
	[BAR_REMOTE] = { .title = "remote accesses in the end, %", .limit = 2 },
	[BAR_FAULTS] = { .title = "hint faults with samples" },
	[BAR_PAGE] = { .title = "kernel instructions for a migrated base page, fair class, x hint faults", .limit = 0.6 },
	[BAR_NEAR] = { .title = "all is local, one thread: kernel instructions more, % of the program's", .limit = 0.5 },
	[BAR_SHARED] = { .title = "all is local, two threads: kernel instructions more, x hint faults", .limit = 1 },
	[BAR_SWITCH] = { .title = "switched off: instructions more for a context switch", .limit = 2 },
	[BAR_TICK] = { .title = "switched off: instructions more for a tick", .limit = 2 },
};

static void measure_far(int class, int size)
{
	const struct run *stock = far_run(STOCK, class, size), *series = far_run(SERIES, class, size);
	const char *title = class_titles[class], *pages = sizes[size];
	double ours = run_accesses_to(series, 90), theirs = run_accesses_to(stock, 90);

	if (class) {
		double fair = run_accesses_to(far_run(SERIES, 0, size), 90);

		if (isfinite(fair))
			bar_measure(&bars[BAR_SCX], ours / fair, "%s pages: %.1f M against %.1f M", pages,
				    ours / 1e6, fair / 1e6);
		else
			bar_lacks(&bars[BAR_SCX], "%s pages: they never get there in the fair class", pages);
	} else {
		if (isfinite(theirs))
			bar_measure(&bars[BAR_TIME], ours / theirs, "%s pages: %.1f M against %.1f M", pages,
				    ours / 1e6, theirs / 1e6);
		else
			bar_lacks(&bars[BAR_TIME], "%s pages: hint faults never get there", pages);
		bar_measure(&bars[BAR_FINAL], run_end(series)->local_pages - run_end(stock)->local_pages,
			    "%s pages: %.2f %% against %.2f %%", pages, run_end(series)->local_pages,
			    run_end(stock)->local_pages);
	}
	bar_measure(&bars[BAR_REMOTE], 100 - series->end_local, "%s, %s pages", title, pages);
	bar_measure(&bars[BAR_FAULTS], run_end(series)->hint_faults, "%s, %s pages", title, pages);
}

static void measure_near(void)
{
	double ours, theirs;

	if (near_run(SERIES))
		bar_measure(&bars[BAR_NEAR], near_extra(SERIES), "hint faults: %.3f",
			    near_run(STOCK) ? near_extra(STOCK) : NAN);
	if (!has_counted)
		return;
	ours = shared_extra(SERIES);
	theirs = shared_extra(STOCK);
	if (theirs > 0)
		bar_measure(&bars[BAR_SHARED], ours / theirs, "%.3f %% of the program's against %.3f %%", ours, theirs);
	else
		bar_lacks(&bars[BAR_SHARED], "hint faults cost nothing here");
}

static void measure_bars(void)
{
	double page[NR_KERNELS];

	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
		for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++)
			measure_far(c, s);
	for (int k = 0; k < NR_KERNELS; k++)
		page[k] = page_cost(k, 0, 0);
	if (page[STOCK] > 0 && page[SERIES] >= 0)
		bar_measure(&bars[BAR_PAGE], page[SERIES] / page[STOCK], "%.0f against %.0f", page[SERIES],
			    page[STOCK]);
	else
		bar_lacks(&bars[BAR_PAGE], "nothing migrated");
	measure_near();
	if (guest[STOCK].has_costs && guest[SERIES].has_costs) {
		/* The least tick is one with nothing else to do; switches have something else at all times. */
		const struct guest *a = &guest[STOCK], *b = &guest[SERIES];

		bar_measure(&bars[BAR_SWITCH], b->to_switch.median - a->to_switch.median, "%.1f against %.1f",
			    b->to_switch.median, a->to_switch.median);
		bar_measure(&bars[BAR_TICK], b->to_tick.least - a->to_tick.least, "%.1f against %.1f",
			    b->to_tick.least, a->to_tick.least);
	}
}

/* --- tables ----------------------------------------------------------------- */

static void print_accesses(double n)
{
	if (isfinite(n))
		printf(" %7.1f", n / 1e6);
	else
		printf(" %7s", "never");
}

static void print_times(double ours, double theirs, double limit)
{
	if (isfinite(ours) && isfinite(theirs) && theirs > 0)
		printf(" %5.2f%c", ours / theirs, limit > 0 && ours / theirs > limit + 1e-9 ? '!' : ' ');
	else
		printf(" %5s ", "");
}

static void print_far(enum kernel k, int class, int size)
{
	const struct run *r = far_run(k, class, size), *stock = far_run(STOCK, class, size);
	const struct point *end = run_end(r);
	double cost = page_cost(k, class, size);

	printf("%-9s %-5s %-12s", k ? "" : class_titles[class], k ? "" : sizes[size], source_titles[k]);
	print_accesses(run_accesses_to(r, 90));
	if (k)
		print_times(run_accesses_to(r, 90), run_accesses_to(stock, 90), class ? 0 : bars[BAR_TIME].limit);
	else
		printf(" %5s ", "");
	if (isfinite(run_seconds_to(r, 90)))
		printf("%5.0f", run_seconds_to(r, 90) * 1e3);
	else
		printf("%5s", "-");
	printf("   %6.2f %8.2f %8.0f %8.1f", end->local_pages, r->end_local, end->hint_faults, end->kernel / 1e6);
	if (cost >= 0)
		printf(" %7.0f", cost);
	else
		printf(" %7s", "-");
	if (k && cost >= 0)
		print_times(cost, page_cost(STOCK, class, size), class || size ? 0 : bars[BAR_PAGE].limit);
	printf("\n");
}

static void print_table(void)
{
	const struct run *any = far_run(STOCK, 0, 0);

	printf("%.0f MB that lie three hops away from the CPU that uses them, at random, and how they come\n"
	       "near: by hint faults in the kernel as it is (stock), by samples of accesses with the series.\n\n",
	       any->memory_mb);
	printf("  90 %% local  after so many million accesses, and milliseconds\n"
	       "  x           against hint faults; ! where that misses its bar\n"
	       "  in the end  %% of the pages that are local, and of the program's accesses that go there\n"
	       "  faults      hint faults\n"
	       "  kernel      its million instructions meanwhile, and those for a migrated page of 4 KiB\n"
	       "              without what it spends on the same work with neither; of base pages under fair the\n"
	       "              median of three runs, as by chance the last few pages come soon or late\n\n");
	printf("%28s%-19s%-18s%-9s%s\n", "", "   90 % local", "   in the end", "   faults", "        kernel");
	printf("%-9s %-5s %-12s %7s %5s %5s   %6s %8s %8s %8s %7s %5s\n", "class", "pages", "by", "M acc.", "x", "ms",
	       "pages", "accesses", "", "M insns", "a page", "x");
	for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++)
		for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
			for (int k = 0; k < NR_KERNELS; k++)
				print_far(k, c, s);
	printf("\nHint faults begin with the first scan, two seconds after a process does. Without these\n"
	       "they take ");
	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		const struct run *r = far_run(STOCK, 0, s);

		printf("%s%.1f M accesses to 90 %% in %s pages", s ? ", " : "",
		       isfinite(run_accesses_to(r, 90)) ? to_local_scanning(r, 90) / 1e6 : INFINITY, sizes[s]);
	}
	printf(".\n");
}

/* The last point not after so many accesses; nr of them: the run had ended before. */
static size_t at(const struct run *r, double accesses)
{
	size_t i;

	for (i = 0; i + 1 < r->nr && r->point[i + 1].accesses <= accesses; i++)
		;
	return i + 1 == r->nr && r->point[i].accesses < accesses ? r->nr : i;
}

/* At a point; nr of them: after the end. */
typedef double (*value_fn)(const struct run *r, size_t i);

static const struct point *point_at(const struct run *r, size_t i)
{
	return &r->point[i < r->nr ? i : r->nr - 1];
}

static double local_pages(const struct run *r, size_t i)
{
	return point_at(r, i)->local_pages;
}

static double local_accesses(const struct run *r, size_t i)
{
	double percent = i < r->nr ? r->point[i].local_accesses : r->end_local;

	return percent < 0 ? 0 : percent;
}

static double kernel_millions(const struct run *r, size_t i)
{
	return point_at(r, i)->kernel / 1e6;
}

static void print_course(const char *title, value_fn of)
{
	static const int columns[] = { 1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 96, 128 };

	printf("\n%s after so many million accesses:\n%28s", title, "");
	for (unsigned int i = 0; i < ARRAY_SIZE(columns); i++)
		printf(" %5d", columns[i]);
	printf("\n");
	for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++)
		for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
			for (int k = 0; k < NR_KERNELS; k++) {
				printf("%-9s %-5s %-12s", k ? "" : class_titles[c], k ? "" : sizes[s], source_titles[k]);
				for (unsigned int i = 0; i < ARRAY_SIZE(columns); i++)
					printf(" %5.1f", of(far_run(k, c, s), at(far_run(k, c, s), columns[i] * 1e6)));
				printf("\n");
			}
}

static const struct {
	const char *name, *title;
} phase_titles[] = {
	{ "scan", "scans of page tables" },
	{ "fault", "faults, of whatever kind" },
	{ "sample", "samples: interrupts, switches" },
	{ "decode", "samples: decoding" },
	{ "use", "samples: what pages they are of" },
	{ "policy", "policy, statistics of faults" },
	{ "isolate", "migration: isolate" },
	{ "allocate", "           allocate" },
	{ "unmap", "           unmap" },
	{ "flush", "           flush TLBs" },
	{ "copy", "           copy" },
	{ "state", "           flags and counters" },
	{ "remap", "           map again" },
	{ "lru", "           put back" },
	{ "free", "           free" },
	{ "migrate", "           the rest of it" },
	{ "tick", "ticks" },
	{ "other", "anything else" },
};

/* Instructions for a migrated page. */
static double phase_cost(enum kernel k, const char *name)
{
	const struct run *r = counted_run(k, "far", sources[k]);
	double migrated = run_end(r)->migrated, n = 0;

	for (size_t i = 0; i < r->counted.nr; i++)
		if (!name || !strcmp(r->counted.phase[i].name, name))
			n += r->counted.phase[i].instructions;
	return migrated > 0 ? n / migrated : 0;
}

/* By perf's counter of the same run. */
static double perf_cost(enum kernel k)
{
	const struct point *end = run_end(counted_run(k, "far", sources[k]));

	return end->migrated > 0 ? end->kernel / end->migrated : 0;
}

static void print_breakdown(void)
{
	if (!has_counted)
		return;
	printf("\nWhat the kernel's instructions for a migrated page are (fair, base pages, counted one by one):\n"
	       "%31s %18s %18s\n", "", "stock, hint faults", "series, samples");
	for (unsigned int i = 0; i < ARRAY_SIZE(phase_titles); i++)
		printf("%-31s %18.0f %18.0f\n", phase_titles[i].title, phase_cost(STOCK, phase_titles[i].name),
		       phase_cost(SERIES, phase_titles[i].name));
	printf("%-31s %18.0f %18.0f\n", "all", phase_cost(STOCK, NULL), phase_cost(SERIES, NULL));
	printf("%-31s %18.0f %18.0f\n", "by perf's counter", perf_cost(STOCK), perf_cost(SERIES));
}

static void print_near_row(const char *title, double of(enum kernel k), double bar)
{
	printf("%-28s", title);
	for (int k = 0; k < NR_KERNELS; k++)
		printf(" %17.3f%c", of(k), k && bar > 0 && of(k) > bar + 1e-9 ? '!' : ' ');
	printf("\n");
}

static void print_costs(void)
{
	if (near_run(STOCK) && near_run(SERIES)) {
		double samples = run_end(near_run(SERIES))->samples;

		printf("\nWhere all is local already: instructions that the kernel executes more, in %% of the program's:\n"
		       "%28s %18s %18s\n", "", "stock, hint faults", "series, samples");
		print_near_row("one thread", near_extra, bars[BAR_NEAR].limit);
		if (has_counted)
			print_near_row("two threads share it", shared_extra, shared_extra(STOCK));
		if (samples > 0)
			printf("For each of the %.0f samples of one thread %.0f.\n", samples,
			       run_extra(near_run(SERIES), off_run(SERIES)) / samples);
	}
	if (guest[STOCK].has_costs && guest[SERIES].has_costs) {
		printf("\nWhere samples are switched off: kernel instructions, least and median of the batches:\n"
		       "%28s %-21s %-21s %s\n", "", "       stock", "       series", "  more");
		for (int tick = 0; tick < 2; tick++) {
			const struct cost *a = tick ? &guest[STOCK].to_tick : &guest[STOCK].to_switch;
			const struct cost *b = tick ? &guest[SERIES].to_tick : &guest[SERIES].to_switch;

			printf("%-28s %10.1f %10.1f %10.1f %10.1f %+7.1f\n",
			       tick ? "a tick" : "a switch, pipe and all", a->least, a->median, b->least, b->median,
			       tick ? b->least - a->least : b->median - a->median);
		}
	}
}

static int print_bars(void)
{
	printf("\nBars for samples:\n");
	return bars_print(bars, NR_BARS, "not measured in this run");
}

/* --- JSON ------------------------------------------------------------------- */

/* JSON has no word for infinite: left out. */
static void json_finite(struct json_writer *w, const char *name, double v)
{
	if (isfinite(v))
		json_number(w, name, v);
	else
		json_string(w, name, NULL);
}

static void json_run(struct json_writer *w, enum kernel k, const struct run *r)
{
	const struct run *base = off_run(k);

	json_open(w, NULL, '{');
	json_string(w, "kernel", kernel_names[k]);
	json_string(w, "kind", r->kind);
	json_string(w, "source", r->source);
	json_string(w, "class", r->class);
	json_string(w, "pages", r->pages);
	json_number(w, "memory_mb", r->memory_mb);
	json_finite(w, "accesses_to_90", run_accesses_to(r, 90));
	json_finite(w, "seconds_to_90", run_seconds_to(r, 90));
	json_finite(w, "accesses_to_90_since_scan", to_local_scanning(r, 90));
	json_number(w, "local_pages", run_end(r)->local_pages);
	json_finite(w, "local_accesses", r->end_local < 0 ? INFINITY : r->end_local);
	json_number(w, "hint_faults", run_end(r)->hint_faults);
	json_number(w, "kernel", run_end(r)->kernel);
	json_finite(w, "kernel_extra", base ? run_extra(r, base) : INFINITY);
	json_finite(w, "kernel_a_page", base && run_end(r)->migrated > 0 ? run_page_cost(r, base) : INFINITY);
	json_open(w, "points", '[');
	for (size_t i = 0; i < r->nr; i++) {
		const struct point *p = &r->point[i];

		json_open(w, NULL, '{');
		json_number(w, "accesses", p->accesses);
		json_number(w, "seconds", p->seconds);
		json_number(w, "local_pages", p->local_pages);
		json_finite(w, "local_accesses", p->local_accesses < 0 ? INFINITY : p->local_accesses);
		json_number(w, "user", p->user);
		json_number(w, "kernel", p->kernel);
		json_number(w, "hint_faults", p->hint_faults);
		json_number(w, "pte_updates", p->pte_updates);
		json_number(w, "migrated", p->migrated);
		json_number(w, "samples", p->samples);
		json_number(w, "dropped", p->dropped);
		json_close(w, '}');
	}
	json_close(w, ']');
	json_close(w, '}');
}

static void json_cost(struct json_writer *w, const char *name, const struct cost *c)
{
	json_open(w, name, '{');
	json_number(w, "least", c->least);
	json_number(w, "median", c->median);
	json_close(w, '}');
}

static void write_file(const char *path, struct strbuf *text)
{
	char err[NN_ERR_MAX];

	if (!write_file_atomic(path, text->s, text->len, err)) {
		fprintf(stderr, "placereport: %s\n", err);
		exit(2);
	}
	sb_free(text);
}

static void write_json(const char *path)
{
	struct json_writer w = { 0 };

	json_open(&w, NULL, '{');
	json_number(&w, "format", 1);
	json_open(&w, "bars", '[');
	for (int i = 0; i < NR_BARS; i++) {
		json_open(&w, NULL, '{');
		json_string(&w, "title", bars[i].title);
		json_number(&w, bars[i].at_least ? "at_least" : "at_most", bars[i].limit);
		json_finite(&w, "worst", bars[i].measured ? bars[i].worst : INFINITY);
		json_bool(&w, "cleared", bar_cleared(&bars[i]));
		json_bool(&w, "measured", bars[i].measured > 0);
		json_string(&w, "where", bars[i].where);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_open(&w, "switched_off", '[');
	for (int k = 0; k < NR_KERNELS; k++) {
		if (!guest[k].has_costs)
			continue;
		json_open(&w, NULL, '{');
		json_string(&w, "kernel", kernel_names[k]);
		json_cost(&w, "switch", &guest[k].to_switch);
		json_cost(&w, "tick", &guest[k].to_tick);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_finite(&w, "shared_extra_percent_stock", has_counted ? shared_extra(STOCK) : INFINITY);
	json_finite(&w, "shared_extra_percent_series", has_counted ? shared_extra(SERIES) : INFINITY);
	json_open(&w, "page_cost", '[');
	for (int k = 0; has_counted && k < NR_KERNELS; k++) {
		json_open(&w, NULL, '{');
		json_string(&w, "kernel", kernel_names[k]);
		for (unsigned int i = 0; i < ARRAY_SIZE(phase_titles); i++)
			json_number(&w, phase_titles[i].name, phase_cost(k, phase_titles[i].name));
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_open(&w, "runs", '[');
	for (int k = 0; k < NR_KERNELS; k++)
		for (size_t i = 0; i < guest[k].nr; i++)
			json_run(&w, k, &guest[k].run[i]);
	json_close(&w, ']');
	json_close(&w, '}');
	sb_str(&w.out, "\n");
	write_file(path, &w.out);
}

/* --- the picture ------------------------------------------------------------ */

#define PANEL_W	360
#define PANEL_H	220
#define MARGIN	64
#define HEAD	118

/*
 * A curve for each kernel and class: told by its dashes, its marks and its letter; colour
 * only helps.
 */
static const struct style {
	char letter;
	const char *stroke, *dash;
	int width;
} styles[NR_KERNELS][ARRAY_SIZE(classes)] = {
	{ { 'A', "#c05a00", "none", 4 }, { 'B', "#c05a00", "10 6", 4 } },
	{ { 'C', "#1f5fb2", "none", 2 }, { 'D', "#1f5fb2", "2 4", 3 } },
};

static double most_accesses, most_kernel;

/* What happens at first is what matters most. */
static double x_of(double accesses)
{
	return PANEL_W * log2(1 + accesses / 1e6) / log2(1 + most_accesses / 1e6);
}

static double y_of(double v, double max)
{
	return PANEL_H - (max > 0 ? v / max : 0) * PANEL_H;
}

static void draw_mark(struct strbuf *s, const struct style *st, double x, double y)
{
	if (st->letter == 'A' || st->letter == 'C')
		sb_printf(s, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x, y,
			  st->letter == 'A' ? "white\" stroke=\"#c05a00" : st->stroke);
	else
		sb_printf(s, "<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\" fill=\"%s\"/>\n", x - 4, y - 4,
			  st->letter == 'B' ? "white\" stroke=\"#c05a00" : st->stroke);
}

/* Above the curve, or below where that is outside. */
static void draw_letter(struct strbuf *s, const struct style *st, double x, double y, int y0)
{
	y += y - y0 < 24 ? 20 : -7;
	sb_printf(s, "<text x=\"%.1f\" y=\"%.1f\" font-weight=\"bold\" font-size=\"14\" fill=\"%s\" stroke=\"white\" "
		  "stroke-width=\"3\" paint-order=\"stroke\">%c</text>\n", x, y, st->stroke, st->letter);
}

/* A run that ended because all was local goes on as it was. */
static void draw_curve(struct strbuf *s, const struct run *r, const struct style *st, int nr,
		       value_fn of, double max, int x0, int y0)
{
	double every = PANEL_W / 7.0, next = every * (0.4 + 0.25 * nr), letter = PANEL_W * (0.16 + 0.2 * nr);
	size_t first = of == local_accesses ? 1 : 0, i;
	double x, y, last_x = x_of(r->point[first].accesses), last_y = y_of(of(r, first), max);

	while (next <= last_x)
		next += every;
	letter = fmax(letter, last_x + 4);

	sb_printf(s, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%d\" stroke-dasharray=\"%s\" d=\"M",
		  st->stroke, st->width, st->dash);
	for (i = first; i < r->nr; i++) {
		x = x0 + x_of(r->point[i].accesses);
		y = y0 + y_of(of(r, i), max);
		sb_printf(s, "%s%.1f %.1f", i > first ? " L" : "", x, y);
	}
	sb_printf(s, " V%.1f H%.1f\"/>\n", y0 + y_of(of(r, r->nr), max), (double)x0 + PANEL_W);
	for (i = first; i <= r->nr; i++) {
		x = i < r->nr ? x_of(r->point[i].accesses) : PANEL_W;
		y = y_of(of(r, i), max);
		if (i == r->nr)
			last_y = y;
		for (; next <= x && next > last_x; next += every)
			draw_mark(s, st, x0 + next, y0 + last_y + (y - last_y) * (next - last_x) / (x - last_x));
		if (letter <= x && letter > last_x)
			draw_letter(s, st, x0 + letter,
				    y0 + last_y + (y - last_y) * (letter - last_x) / (x - last_x), y0);
		last_x = x;
		last_y = y;
	}
}

static void draw_panel(struct strbuf *s, int size, const char *title, value_fn of, double max,
		       int x0, int y0)
{
	sb_printf(s, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#fafafa\" stroke=\"#aaa\"/>\n",
		  x0, y0, PANEL_W, PANEL_H);
	sb_printf(s, "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s, %s pages</text>\n", x0, y0 - 8, title, sizes[size]);
	for (int i = 0; i <= 4; i++) {
		double y = y0 + PANEL_H - PANEL_H * i / 4.0;

		sb_printf(s, "<path stroke=\"#ddd\" d=\"M%d %.1f h%d\"/>", x0, y, PANEL_W);
		sb_printf(s, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" fill=\"#444\">%.*f</text>\n", x0 - 6, y + 4,
			  max < 8 ? 1 : 0, max * i / 4);
	}
	for (double m = 0; m * 1e6 <= most_accesses; m = m ? m * 2 : 1)
		sb_printf(s, "<path stroke=\"#ddd\" d=\"M%.1f %d v%d\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" "
			  "fill=\"#444\">%.0f</text>\n", x0 + x_of(m * 1e6), y0, PANEL_H, x0 + x_of(m * 1e6),
			  y0 + PANEL_H + 15, m);
	for (int k = 0; k < NR_KERNELS; k++)
		for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++)
			draw_curve(s, far_run(k, c, size), &styles[k][c], 2 * k + c, of, max, x0, y0);
}

static void draw_legend(struct strbuf *s)
{
	for (int k = 0; k < NR_KERNELS; k++)
		for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++) {
			const struct style *st = &styles[k][c];
			int x = MARGIN + (2 * k + c) * 300;

			sb_printf(s, "<path stroke=\"%s\" stroke-width=\"%d\" stroke-dasharray=\"%s\" d=\"M%d 62 h56\"/>\n",
				  st->stroke, st->width, st->dash, x);
			draw_mark(s, st, x + 28, 62);
			sb_printf(s, "<text x=\"%d\" y=\"66\"><tspan font-weight=\"bold\">%c</tspan> %s, %s, %s</text>\n",
				  x + 64, st->letter, kernel_names[k], source_titles[k], class_titles[c]);
		}
}

static void write_svg(const char *path)
{
	int width = 3 * (PANEL_W + MARGIN) + 40, height = HEAD + 2 * (PANEL_H + MARGIN);
	struct strbuf s = { 0 };

	for (int k = 0; k < NR_KERNELS; k++)
		for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++)
			for (unsigned int z = 0; z < ARRAY_SIZE(sizes); z++) {
				const struct point *end = run_end(far_run(k, c, z));

				most_accesses = fmax(most_accesses, end->accesses);
				most_kernel = fmax(most_kernel, end->kernel / 1e6);
			}
	sb_printf(&s, "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		  "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		  width, height);
	sb_printf(&s, "<text x=\"%d\" y=\"30\" font-size=\"17\">Memory that lies three hops from its user comes near</text>\n",
		  MARGIN);
	draw_legend(&s);
	sb_printf(&s, "<text x=\"%d\" y=\"88\" fill=\"#444\">over million accesses of the program</text>\n", MARGIN);
	for (unsigned int z = 0; z < ARRAY_SIZE(sizes); z++) {
		int y = HEAD + z * (PANEL_H + MARGIN), x = MARGIN;

		draw_panel(&s, z, "Local pages, %", local_pages, 100, x, y);
		draw_panel(&s, z, "Local accesses, %", local_accesses, 100, x + PANEL_W + MARGIN, y);
		draw_panel(&s, z, "Instructions of the kernel, millions", kernel_millions, most_kernel,
			   x + 2 * (PANEL_W + MARGIN), y);
	}
	sb_str(&s, "</svg>\n");
	write_file(path, &s);
}

/* --- command line ----------------------------------------------------------- */

static const char help[] =
	"usage: placereport [--json FILE] [--svg FILE] [--course] [--no-bars] DIR\n"
	"\n"
	"Compares what placebench measured in DIR/stock and DIR/series. --course also prints\n"
	"how much was local in the course of time, which the picture shows.\n"
	"\n"
	"Exit status: 0, 1 if a bar is missed (never with --no-bars), 2 if it could not\n"
	"tell.\n";

static void fail(const char *path, const char *what)
{
	fprintf(stderr, "placereport: %s%s%s\n", path, *path ? " " : "", what);
	exit(2);
}

static void read_counted(const char *dir)
{
	char err[NN_ERR_MAX];

	for (int k = 0; k < NR_KERNELS; k++) {
		char *path = xasprintf("%s/%s-phases", dir, kernel_names[k]);
		struct stat st;

		if (!k)
			has_counted = !stat(path, &st);
		if (has_counted && !guest_read_phases(&counted[k], path, err))
			fail("", err);
		if (has_counted && (!counted_run(k, "far", sources[k]) || !counted_run(k, "shared", sources[k]) ||
				    !counted_run(k, "shared", "off")))
			fail(path, "lacks far or shared memory");
		/* Two that count the same thing in different ways. */
		if (has_counted && fabs(phase_cost(k, NULL) / perf_cost(k) - 1) > 0.1)
			fail(path, "has counts of the plugin that are not those of perf, by more than a tenth");
		free(path);
	}
}

static void read_guests(const char *dir)
{
	char err[NN_ERR_MAX];

	for (int k = 0; k < NR_KERNELS; k++) {
		char *path = xasprintf("%s/%s", dir, kernel_names[k]);

		if (!guest_read(&guest[k], path, err))
			fail("", err);
		for (unsigned int c = 0; c < ARRAY_SIZE(classes); c++)
			for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++)
				if (!far_run(k, c, s)) {
					fprintf(stderr, "placereport: %s has no far memory in %s pages, %s class, by %s\n",
						path, sizes[s], class_titles[c], source_titles[k]);
					exit(2);
				}
		if (!off_run(k))
			fail(path, "has nothing to compare with, a run with neither");
		free(path);
	}
}

int main(int argc, char **argv)
{
	struct report r = { .name = "placereport", .help = help, .detail = "course", .draws = true };
	int missed = 0;

	report_options(&r, argc, argv);
	read_guests(r.dir);
	read_counted(r.dir);
	measure_bars();
	print_table();
	if (r.detailed) {
		print_course("Local pages in percent", local_pages);
		print_course("Local accesses in percent", local_accesses);
	}
	print_breakdown();
	print_costs();
	if (!r.no_bars)
		missed = print_bars();
	if (r.json)
		write_json(r.json);
	if (r.svg)
		write_svg(r.svg);
	for (int k = 0; k < NR_KERNELS; k++) {
		guest_free(&guest[k]);
		guest_free(&counted[k]);
	}
	return report_end(&r, missed);
}
