/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What placebench measured in one guest: where memory was in the course of its use, by
 * numa_place, with the accesses that the plugin counted meanwhile.
 */
#ifndef PB_PLACE_H
#define PB_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* Everything is since the first access; the first point is before it. */
struct point {
	double accesses, seconds;
	double local_pages;		/* percent */
	double local_accesses;		/* percent of those since the last point; -1: not known */
	double user, kernel;		/* instructions */
	double hint_faults, pte_updates, migrated, samples, dropped;
};

/* What the plugin "phases" counted in a run: instructions. */
struct phase {
	char *name;
	double instructions;
};

struct counted {
	double user, kernel;		/* of all CPUs */
	struct phase *phase;		/* of the kernel, on the CPU of the first thread */
	size_t nr;
};

struct run {
	char *kind;			/* far, near: where memory is; shared: near, by two threads; again: far, once more */
	char *source;			/* off, hint, samples */
	char *class;			/* fair, scx */
	char *pages;			/* base, huge */
	double memory_mb;
	struct point *point;
	size_t nr;
	double end_local;		/* percent of the accesses after all steps; -1: not known */
	struct counted counted;		/* if that plugin was there */
};

struct cost {
	double least, median;
};

struct guest {
	struct run *run;
	size_t nr;
	bool has_costs;
	struct cost to_switch, to_tick;
};

/*
 * Reads out and accesses.jsonl in @dir; false with a message if they are not there, not
 * whole or do not belong together.
 */
bool guest_read(struct guest *g, const char *dir, char *err);
/* The same of a guest that had the plugin "phases" in place of the one for accesses. */
bool guest_read_phases(struct guest *g, const char *dir, char *err);
void guest_free(struct guest *g);

/* NULL: there is none. @source: any if NULL */
const struct run *guest_run(const struct guest *g, const char *kind, const char *source,
			    const char *class, const char *pages);

static inline const struct point *run_end(const struct run *r)
{
	return &r->point[r->nr - 1];
}

/* After how many accesses, or seconds, so much is local; infinite: never. Between points it is a line. */
double run_accesses_to(const struct run *r, double percent);
double run_seconds_to(const struct run *r, double percent);
/* The last point before anything had been scanned. */
const struct point *run_unscanned(const struct run *r);

/*
 * Instructions of the kernel that it would not have spent on the same instructions of
 * user space in @off, the run with neither hint faults nor samples.
 */
double run_extra(const struct run *r, const struct run *off);
/* These for a migrated page of 4 KiB; -1: none was. */
double run_page_cost(const struct run *r, const struct run *off);
/* The median of @r and what did the same once more. */
double guest_page_cost(const struct guest *g, const struct run *r, const struct run *off);

#endif
