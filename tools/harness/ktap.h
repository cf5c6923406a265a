/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test results out of text: TAP and KTAP with subtests (indented, or behind
 * "# " as kselftest's runner does), KUnit's dialect, kselftest_harness, and the
 * sched_ext runner. Lines of no such format are ignored. A test that began and
 * never ended, or a plan that was not kept, is an error of its own.
 */
#ifndef NN_KTAP_H
#define NN_KTAP_H

#include "util.h"

enum test_result { TEST_PASS, TEST_FAIL, TEST_SKIP, TEST_XFAIL, TEST_ERROR, TEST_NR_RESULTS };

extern const char *const test_result_name[TEST_NR_RESULTS];

struct test {
	char *name;		/* subtests: parent/child */
	enum test_result result;
	char *detail;		/* why: directive, or the diagnostics before a failure */
};

#define KTAP_MAX_DEPTH 8

struct ktap_level {
	int indent;
	int planned;		/* -1: no plan seen */
	int seen;
	size_t first;		/* first test of this level or below it */
	char *name;		/* "# Subtest:", when given */
};

struct ktap {
	struct test *tests;
	size_t nr;
	/* the parser's */
	struct ktap_level level[KTAP_MAX_DEPTH];
	int depth;
	bool any, bailed;
	char *running;		/* begun and not yet ended */
	struct strbuf diag;
};

void ktap_line(struct ktap *k, const char *line);
/* After the last line: what is still open becomes an error. */
void ktap_finish(struct ktap *k);
void ktap_free(struct ktap *k);

#endif
