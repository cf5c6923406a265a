// SPDX-License-Identifier: GPL-2.0
/*
 * acccheck FILE - was everything counted that acctest said it would do, and no
 * more? Prints a line for each region.
 *
 * Exit: 0 yes, 1 no, 2 the file is none or not whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"
#include "util.h"

struct expected {
	char what, kind[16];
	unsigned int cpu, node;
	uint64_t n[RWS];
};

static bool parse(const char *name, struct expected *e)
{
	return sscanf(name, "%c %15s c%u n%u l%" SCNu64 " s%" SCNu64, &e->what, e->kind, &e->cpu, &e->node,
		      &e->n[LOADS], &e->n[STORES]) == 6 && strchr("xpk", e->what);
}

/* What a CPU did in one run of a region, which may have several rows. */
struct done {
	uint64_t *user[RWS];	/* by node */
	uint64_t kernel[RWS], elsewhere;
};

static struct done *sum_rows(const struct counts *c, const struct row *end)
{
	struct done *done = xcalloc(c->nr_cpus, sizeof(*done));
	unsigned int cpu, rw, node, space;
	size_t i, k;

	for (cpu = 0; cpu < c->nr_cpus; cpu++)
		for (rw = 0; rw < RWS; rw++)
			done[cpu].user[rw] = xcalloc(c->nr_nodes, sizeof(uint64_t));
	for (i = 0; i < c->nr_rows; i++) {
		const struct row *row = &c->row[i];

		if (row->region != end->region || row->instance != end->instance)
			continue;
		for (k = 0; k < row->nr_cpus; k++) {
			const struct cpu_counts *from = &row->cpu[k];
			struct done *to = &done[from->cpu];

			for (rw = 0; rw < RWS; rw++) {
				for (space = 0; space < SPACES; space++) {
					const uint64_t *n = from->to[ALL][space][rw];

					for (node = 0; n && node < c->nr_nodes; node++)
						*(space == USER ? &to->user[rw][node] : &to->kernel[rw]) += n[node];
				}
				to->elsewhere += from->io[USER][rw] + from->unknown[USER][rw];
			}
		}
	}
	return done;
}

static void free_sum(const struct counts *c, struct done *done)
{
	unsigned int cpu, rw;

	for (cpu = 0; cpu < c->nr_cpus; cpu++)
		for (rw = 0; rw < RWS; rw++)
			free(done[cpu].user[rw]);
	free(done);
}

/* Prints what is not as expected. */
static unsigned int check_user(const struct counts *c, const struct done *done, const struct expected *e)
{
	unsigned int cpu, rw, node, bad = 0;

	for (cpu = 0; cpu < c->nr_cpus; cpu++) {
		bool mine = cpu == e->cpu;

		if (!mine && e->what == 'p')
			continue;
		if (done[cpu].elsewhere)
			printf("# CPU %u: %" PRIu64 " accesses to no node\n", cpu, done[cpu].elsewhere);
		bad += !!done[cpu].elsewhere;
		for (rw = 0; rw < RWS; rw++) {
			for (node = 0; node < c->nr_nodes; node++) {
				uint64_t want = mine && node == e->node && e->what != 'k' ? e->n[rw] : 0;
				uint64_t got = done[cpu].user[rw][node];

				if (got == want)
					continue;
				printf("# CPU %u, node %u: %" PRIu64 " user %s, not %" PRIu64 "\n", cpu, node,
				       got, rw == LOADS ? "loads" : "stores", want);
				bad++;
			}
		}
	}
	return bad;
}

static uint64_t kernel_sum(const struct counts *c, const struct done *done, enum rw rw)
{
	unsigned int cpu;
	uint64_t sum = 0;

	for (cpu = 0; cpu < c->nr_cpus; cpu++)
		sum += done[cpu].kernel[rw];
	return sum;
}

int main(int argc, char **argv)
{
	unsigned int rw, bad, failed = 0, tests = 0;
	char err[COUNTS_ERR_MAX];
	struct counts c;
	size_t i;

	if (argc != 2) {
		fputs("usage: acccheck FILE\n", stderr);
		return 2;
	}
	if (!counts_read(&c, argv[1], err)) {
		fprintf(stderr, "acccheck: %s\n", err);
		return 2;
	}
	for (i = 0; i < c.nr_rows; i++) {
		const struct row *row = &c.row[i];
		struct expected e;
		struct done *done;

		bad = !strcmp(row->cause, "exit");
		if (!parse(row->name, &e) || (strcmp(row->cause, "end") && !bad))
			continue;
		done = sum_rows(&c, row);
		if (bad)
			printf("# it did not end\n");
		if (strcmp(c.spaces, "kernel"))
			bad += check_user(&c, done, &e);
		for (rw = 0; e.what == 'k' && strcmp(c.spaces, "user") && rw < RWS; rw++) {
			if (kernel_sum(&c, done, rw) >= e.n[rw])
				continue;
			printf("# %" PRIu64 " of the kernel's %s, at least %" PRIu64 " were made\n",
			       kernel_sum(&c, done, rw), rw == LOADS ? "loads" : "stores", e.n[rw]);
			bad++;
		}
		printf("%s %u - %s, kernel %" PRIu64 " and %" PRIu64 "\n", bad ? "not ok" : "ok", ++tests,
		       row->name, kernel_sum(&c, done, LOADS), kernel_sum(&c, done, STORES));
		failed += !!bad;
		free_sum(&c, done);
	}
	printf("%s %u - the counts are whole, no mark went astray\n",
	       c.complete && !c.stray_marks ? "ok" : "not ok", ++tests);
	failed += !c.complete || c.stray_marks;
	/* the loops, each node from one CPU, each node's CPU to one */
	if (tests < 1 + 6 + 2) {
		printf("not ok %u - acctest ran (%u regions are too few)\n", tests + 1, tests - 1);
		failed++;
	}
	counts_free(&c);
	return failed != 0;
}
