/* SPDX-License-Identifier: GPL-2.0 */
/* What a run gave: results.json, a summary to read, and two runs compared. */
#ifndef NN_REPORT_H
#define NN_REPORT_H

#include <stdio.h>

#include "ktap.h"
#include "splat.h"
#include "topology.h"

/* In the order of precedence: what is found first decides. */
enum outcome {
	RUN_OK,
	RUN_TEST_FAILED,	/* a test or the job */
	RUN_SPLAT,
	RUN_PANIC,
	RUN_DIED,		/* the guest ended without a panic and before its job */
	RUN_TIMEOUT,
	RUN_NO_BOOT,		/* the guest never reached /init */
	RUN_NO_QEMU,		/* QEMU did not start or gave up */
};

extern const char *const outcome_name[];
enum nn_exit outcome_exit(enum outcome o);

struct run {
	const struct topology *topo;
	const char *arch, *mode, *kernel, *append, *out_dir;
	char *cpu;		/* model and properties, as given to QEMU */
	const char *remedy;	/* when QEMU refuses the machine; NULL: none known */
	char *release;		/* as the guest says; NULL: never said */
	char *qemu_says;	/* QEMU's own last words */
	double boot_seconds;	/* to /init; negative: not reached */
	double wall_seconds;
	double timeout;
	int job_exit;		/* negative: the job did not end */
	enum outcome outcome;
	struct splat_scan scan;
	struct ktap tests;	/* the job's, then the kernel's own (KUnit) */
};

size_t run_count(const struct run *r, enum test_result result);
/* Decides from the rest; @timed_out and @qemu_failed are what only the caller knows. */
void run_judge(struct run *r, bool timed_out, bool qemu_failed);
char *run_json(const struct run *r);
void run_print(const struct run *r, FILE *out);

/*
 * Compares two results.json. Prints what differs, and whatever is not a pass in
 * @b unless @allow (may be NULL) names it with a reason. Returns the exit status.
 */
int compare_results(const char *a, const char *b, const char *allow, bool json, FILE *out, char *err);

#endif
