// SPDX-License-Identifier: GPL-2.0
/*
 * spestat - do the samples that FEAT_SPE took of programs have the shares of what
 * the programs did execute?
 *
 *	spestat [--table|--json] [--shift|--again VERDICTS] COUNTS SAMPLES TIMES
 *
 * COUNTS is what opmix wrote, SAMPLES are perf's files as tools/guest/jobs/spe_mix.sh
 * sends them, TIMES is that job's output: when each program was where the plugin
 * counted. judge.h says what is accepted. With --again, a
 * cell that is off must have been so in VERDICTS, what was printed before. --shift has each program judged by the
 * counts of the next one: all must fail, or this cannot tell anything.
 *
 * Exit: 0 they have, 1 they do not, 2 bad usage or input.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "judge.h"
#include "op.h"
#include "samples.h"
#include "util.h"

/* so that a share that is off by a twentieth or so shows */
#define MIN_SAMPLES	5000

enum { CLASSES, SPACES, KINDS, LOADS, STORES, TABLES };

struct program {
	char *name;
	uint64_t from, to;		/* the time */
	double buffer, size;
	double period, amount;		/* asked for; how far off the number of samples is, in sigma */
	bool amount_off;
	bool kernel, user;		/* what was sampled */
	const struct json *cpu;		/* what the plugin counted */
	uint64_t executed, samples, outside;
	struct table table[TABLES];
	struct tally tally;
};

static struct program *program;
static size_t nr_programs;

static void __attribute__((format(printf, 1, 2), noreturn)) give_up(const char *fmt, ...)
{
	va_list ap;

	fputs("spestat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static struct program *find(const char *name)
{
	size_t i;

	for (i = 0; i < nr_programs; i++)
		if (!strcmp(program[i].name, name))
			return &program[i];
	return NULL;
}

static void read_whole(const char *path, struct strbuf *text)
{
	if (!read_file(path, text))
		give_up("cannot read %s: %m", path);
}

/* --- when ------------------------------------------------------------------------- */

static void times_line(char *line, void *arg)
{
	char name[33];
	uint64_t from, to;

	(void)arg;
	if (sscanf(line, "spe_mix %32s %" SCNu64 " %" SCNu64, name, &from, &to) != 3)
		return;
	nn_grow(program, nr_programs);
	program[nr_programs++] = (struct program){ .name = xstrdup(name), .from = from, .to = to };
}

static void read_times(const char *path)
{
	struct strbuf text = { 0 };

	read_whole(path, &text);
	for_each_line(text.s, text.len, times_line, NULL);
	sb_free(&text);
	if (!nr_programs)
		give_up("%s has no program's times\n  It is the output of tools/guest/jobs/spe_mix.sh", path);
}

/* --- what was executed -------------------------------------------------------------- */

static bool complete;

static void counts_line(char *line, void *arg)
{
	char err[NN_ERR_MAX];
	struct json *j = json_parse(line, err);
	const struct json *cpus, *size = NULL;
	struct program *p;
	size_t i;

	if (!j)
		give_up("%s: %s", (const char *)arg, err);
	complete |= json_get(j, "complete") != NULL;
	p = json_get_string(j, "name") ? find(json_get_string(j, "name")) : NULL;
	cpus = json_get(j, "cpus");
	if (!p || !cpus)
		return;
	size = json_get(j, "size");
	p->buffer = json_get_number(j, "buffer", 0);
	p->size = size ? size->number : 0;
	for (i = 0; i < cpus->nr; i++)
		if (json_get_number(cpus->item[i], "cpu", -1) == json_get_number(j, "cpu", -2))
			p->cpu = cpus->item[i];
	/* j lives on: p->cpu is in it */
}

static void read_counts(const char *path)
{
	struct strbuf text = { 0 };
	size_t i;

	read_whole(path, &text);
	for_each_line(text.s, text.len, counts_line, (void *)path);
	sb_free(&text);
	if (!complete)
		give_up("%s is not whole: its last line is missing\n  Did QEMU end as it should?", path);
	for (i = 0; i < nr_programs; i++)
		if (!program[i].cpu)
			give_up("%s has no counts of '%s'", path, program[i].name);
}

static void slice_name(char *name, size_t len, unsigned int slice)
{
	snprintf(name, len, "%u", slice);
}

static void expect_slices(struct table *t, const struct json *slices)
{
	char name[16];
	size_t i;

	for (i = 0; slices && i < slices->nr; i++) {
		slice_name(name, sizeof(name), i);
		table_cell(t, name)->executed += (uint64_t)slices->item[i]->number;
	}
}

/* Enters what the plugin counted of @from as what is expected of @p. */
static void expect(struct program *p, const struct program *from)
{
	const struct json *ops = json_get(from->cpu, "ops");
	bool strict[TABLES] = { [CLASSES] = true, [SPACES] = true };
	static const char *const names[] = { "class", "space", "operation", "loads by slice", "stores by slice" };
	size_t i;

	for (i = 0; i < TABLES; i++) {
		p->table[i].name = names[i];
		p->table[i].strict = strict[i];
	}
	for (i = 0; ops && i < ops->nr; i++) {
		const char *op = json_get_string(ops->item[i], "op");
		const char *space = json_get_string(ops->item[i], "space");
		uint64_t n = (uint64_t)json_get_number(ops->item[i], "n", 0);
		bool kernel;
		char *name;

		if (!op || !space)
			give_up("damaged counts of '%s'", from->name);
		kernel = !strcmp(space, "kernel");
		if (kernel ? !p->kernel : !p->user)
			continue;
		p->executed += n;
		name = xstrndup(op, strcspn(op, " "));
		table_cell(&p->table[CLASSES], name)->executed += n;
		free(name);
		name = xasprintf("%s, %s", space, op);
		table_cell(&p->table[KINDS], name)->executed += n;
		free(name);
		if (p->kernel && p->user)
			table_cell(&p->table[SPACES], space)->executed += n;
	}
	expect_slices(&p->table[LOADS], json_get(from->cpu, "loads"));
	expect_slices(&p->table[STORES], json_get(from->cpu, "stores"));
}

/* --- what was sampled ----------------------------------------------------------------- */

#define SLICES	64

static void add_sample(const struct sample *s, void *arg)
{
	const char *space = s->kernel ? "kernel" : "user";
	char op[OP_NAME_MAX], *name;
	struct program *p = arg;

	if (!s->has_time)
		give_up("'%s' has samples without time\n  perf record -e arm_spe_0/ts_enable=1/", p->name);
	if (s->time < p->from || s->time > p->to) {
		p->outside++;
		return;
	}
	p->samples++;
	op_name(s->op & OP_CLASSES, op);
	table_cell(&p->table[CLASSES], op)->sampled++;
	name = xasprintf("%s, %s", space, op_name(s->op, op));
	table_cell(&p->table[KINDS], name)->sampled++;
	free(name);
	if (p->kernel && p->user)
		table_cell(&p->table[SPACES], space)->sampled++;
	/* the buffer is the program's; what QEMU may hide was not counted either */
	if (!s->kernel && s->has_va && !op_may_hide(s->op) && p->size > 0 &&
	    (double)s->va >= p->buffer && (double)s->va < p->buffer + p->size) {
		char slice[16];

		slice_name(slice, sizeof(slice), (unsigned int)(((double)s->va - p->buffer) / (p->size / SLICES)));
		table_cell(&p->table[s->op & OP_LOAD ? LOADS : STORES], slice)->sampled++;
	}
}

/* "spe_mix NAME SPACES PERIOD SIZE" and the file; SPACES is how the event was modified. */
static void read_samples(const char *path, bool shift)
{
	struct strbuf text = { 0 };
	size_t at = 0, seen = 0;
	char err[SAMPLES_ERR_MAX];

	read_whole(path, &text);
	while (at < text.len) {
		char *line = text.s + at, *end = memchr(line, '\n', text.len - at), name[33], spaces[8];
		struct program *p;
		size_t size;
		double period;

		if (!end || end - line > 120)
			give_up("%s: damaged at byte %zu", path, at);
		*end = '\0';
		if (sscanf(line, "spe_mix %32s %7s %lf %zu", name, spaces, &period, &size) != 4)
			give_up("%s: damaged at byte %zu", path, at);
		at += end - line + 1;
		p = find(name);
		if (!p)
			give_up("%s has samples of '%s', whose times are not known", path, name);
		if (size > text.len - at)
			give_up("%s: '%s' is cut", path, name);
		p->user = strchr(spaces, 'u');
		p->kernel = strchr(spaces, 'k');
		p->period = period;
		expect(p, shift ? &program[(p - program + 1) % nr_programs] : p);
		if (!samples_read((uint8_t *)text.s + at, size, add_sample, p, err))
			give_up("%s: %s: %s", path, name, err);
		at += size;
		seen++;
	}
	sb_free(&text);
	if (seen != nr_programs)
		give_up("%s has the samples of %zu programs, %zu did run", path, seen, nr_programs);
}

/*
 * With jitter, the distances are the period and 0 to 255 more, all equally likely; of
 * the distances that the marks cut, what is on this side is anything.
 */
static double amount_sigma(const struct program *p)
{
	const double deviation = sqrt((256.0 * 256 - 1) / 12);
	double mean = p->period + 127.5, n = (double)p->samples;

	return (n - (double)p->executed / mean) / sqrt(n * pow(deviation / mean, 2) + 1.0 / 6);
}

/* --- reports ------------------------------------------------------------------------- */

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void sums(const struct table *t, uint64_t *executed, uint64_t *sampled)
{
	size_t i;

	*executed = *sampled = 0;
	for (i = 0; i < t->nr; i++) {
		if (t->cell[i].alone) {
			*executed += t->cell[i].executed;
			*sampled += t->cell[i].sampled;
		}
	}
}

/* The farthest one off of a table. */
static const struct cell *worst(const struct table *t)
{
	const struct cell *c = NULL;
	size_t i;

	for (i = 0; i < t->nr; i++)
		if (t->cell[i].alone && (!c || fabs(t->cell[i].sigma) > fabs(c->sigma)))
			c = &t->cell[i];
	return c;
}

static void print_table(void)
{
	size_t i, k, m;

	puts("| program | cell | executed | share | sampled | share | sigma |");
	puts("|---|---|--:|--:|--:|--:|--:|");
	for (i = 0; i < nr_programs; i++) {
		const struct program *p = &program[i];

		printf("| **%s** | all | %" PRIu64 " | | %" PRIu64 " | | %+.2f |\n", p->name, p->executed,
		       p->samples, p->amount);
		for (k = 0; k < TABLES; k++) {
			const struct table *t = &p->table[k];
			uint64_t executed, sampled;

			sums(t, &executed, &sampled);
			for (m = 0; m < t->nr && k < LOADS; m++) {
				const struct cell *c = &t->cell[m];

				if (c->alone)
					printf("| | %s | %" PRIu64 " | %.4f %% | %" PRIu64 " | %.4f %% | %+.2f |\n",
					       c->name, c->executed, 100 * share(c->executed, executed),
					       c->sampled, 100 * share(c->sampled, sampled), c->sigma);
			}
			if (k >= LOADS && sampled) {
				const struct cell *c = worst(t);

				printf("| | %s, worst: %s | %" PRIu64 " | %.4f %% | %" PRIu64 " | %.4f %% | %+.2f |\n",
				       t->name, c->name, c->executed, 100 * share(c->executed, executed),
				       c->sampled, 100 * share(c->sampled, sampled), c->sigma);
			}
		}
	}
}

static void print_json(void)
{
	struct json_writer w = { 0 };
	size_t i, k, m;

	json_open(&w, NULL, '[');
	for (i = 0; i < nr_programs; i++) {
		const struct program *p = &program[i];

		json_open(&w, NULL, '{');
		json_string(&w, "program", p->name);
		json_number(&w, "executed", (double)p->executed);
		json_number(&w, "samples", (double)p->samples);
		json_number(&w, "sigma", p->amount);
		json_number(&w, "outside", (double)p->outside);
		json_open(&w, "tables", '[');
		for (k = 0; k < TABLES; k++) {
			const struct table *t = &p->table[k];

			json_open(&w, NULL, '{');
			json_string(&w, "name", t->name);
			json_open(&w, "cells", '[');
			for (m = 0; m < t->nr; m++) {
				const struct cell *c = &t->cell[m];

				json_open(&w, NULL, '{');
				json_string(&w, "name", c->name);
				json_number(&w, "executed", (double)c->executed);
				json_number(&w, "sampled", (double)c->sampled);
				json_bool(&w, "alone", c->alone);
				if (c->alone && isfinite(c->sigma))
					json_number(&w, "sigma", c->sigma);
				json_close(&w, '}');
			}
			json_close(&w, ']');
			json_close(&w, '}');
		}
		json_close(&w, ']');
		json_close(&w, '}');
	}
	json_close(&w, ']');
	puts(w.out.s);
	sb_free(&w.out);
}

/* --- what was off before -------------------------------------------------------------- */

static char **before;
static size_t nr_before;
static bool again;

static char *off_line(const struct program *p, const char *table, const char *cell, double sigma)
{
	return xasprintf("# off: %s, %s '%s', too %s", p->name, table, cell, sigma > 0 ? "many" : "few");
}

static void before_line(char *line, void *arg)
{
	(void)arg;
	if (strncmp(line, "# off: ", 7))
		return;
	nn_grow(before, nr_before);
	before[nr_before++] = xstrdup(line);
}

static void read_before(const char *path)
{
	struct strbuf text = { 0 };

	read_whole(path, &text);
	for_each_line(text.s, text.len, before_line, NULL);
	sb_free(&text);
	again = true;
}

static bool not_before(const struct program *p, const char *table, const char *cell, double sigma)
{
	char *line = off_line(p, table, cell, sigma);
	bool known = false;
	size_t i;

	for (i = 0; again && i < nr_before; i++)
		known |= !strcmp(before[i], line);
	free(line);
	return again && !known;
}

static bool excused(const struct table *t, const struct cell *c, void *p)
{
	return not_before(p, t->name, c->name, c->sigma);
}

/* --- verdicts ------------------------------------------------------------------------- */

/* Is there enough in it for a verdict? That there is nothing is none, either. */
static bool worth_judging(const struct program *p, unsigned int which)
{
	uint64_t executed = 0, sampled = 0;
	size_t i;

	for (i = 0; i < p->table[which].nr; i++) {
		executed += p->table[which].cell[i].executed;
		sampled += p->table[which].cell[i].sampled;
	}
	if (which == CLASSES || which == KINDS || sampled)
		return true;
	return share(executed, p->executed) * (double)p->samples >= JUDGE_MIN;
}

static void judge_program(struct program *p, bool shift)
{
	size_t i;

	p->amount = amount_sigma(p);
	p->tally.failed += p->samples < MIN_SAMPLES;
	p->amount_off = !shift && fabs(p->amount) > JUDGE_NEAR;
	p->tally.failed += p->amount_off && !not_before(p, "amount", "all", p->amount);
	for (i = 0; i < TABLES; i++)
		if (worth_judging(p, i))
			judge(&p->table[i], &p->tally, excused, p);
}

static void print_off(const struct program *p)
{
	size_t i, k;
	char *line;

	if (p->amount_off) {
		line = off_line(p, "amount", "all", p->amount);
		puts(line);
		free(line);
	}
	for (i = 0; i < TABLES; i++)
		for (k = 0; k < p->table[i].nr; k++) {
			const struct cell *c = &p->table[i].cell[k];

			if (!c->off)
				continue;
			line = off_line(p, p->table[i].name, c->name, c->sigma);
			puts(line);
			free(line);
		}
}

/* A line for each program, and one for all of them. */
static void print_verdicts(const struct tally *all)
{
	size_t i, k;

	for (i = 0; i < nr_programs; i++) {
		const struct program *p = &program[i];

		printf("%s %zu - %s: %" PRIu64 " samples of %" PRIu64 " (%+.2f)", p->tally.failed ? "not ok" : "ok",
		       i + 1, p->name, p->samples, p->executed, p->amount);
		for (k = 0; k < TABLES; k++) {
			const struct cell *c = worst(&p->table[k]);

			if (c)
				printf("; %s '%s' %+.2f", p->table[k].name, c->name, c->sigma);
		}
		putchar('\n');
		print_off(p);
	}
	printf("%s %zu - %zu of %zu cells beyond %g sigma\n",
	       all->beyond_near * 100 <= all->cells ? "ok" : "not ok", i + 1, all->beyond_near, all->cells,
	       JUDGE_NEAR);
}

int main(int argc, char **argv)
{
	bool shift = false, table = false, json = false;
	struct tally all = { 0 };
	size_t i;
	int a;

	for (a = 1; a < argc && !strncmp(argv[a], "--", 2); a++) {
		shift |= !strcmp(argv[a], "--shift");
		table |= !strcmp(argv[a], "--table");
		json |= !strcmp(argv[a], "--json");
		if (!strcmp(argv[a], "--again") && a + 1 < argc)
			read_before(argv[++a]);
		else if (strcmp(argv[a], "--shift") && strcmp(argv[a], "--table") && strcmp(argv[a], "--json"))
			give_up("unknown option '%s'", argv[a]);
	}
	if (argc - a != 3)
		give_up("usage: spestat [--table|--json] [--shift|--again VERDICTS] COUNTS SAMPLES TIMES");
	read_times(argv[a + 2]);
	read_counts(argv[a]);
	read_samples(argv[a + 1], shift);
	for (i = 0; i < nr_programs; i++) {
		judge_program(&program[i], shift);
		all.cells += program[i].tally.cells;
		all.beyond_near += program[i].tally.beyond_near;
		all.failed += program[i].tally.failed;
	}
	if (json)
		print_json();
	else if (table)
		print_table();
	else
		print_verdicts(&all);
	return !tally_good(&all);
}
