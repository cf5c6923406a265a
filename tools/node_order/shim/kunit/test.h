/* SPDX-License-Identifier: GPL-2.0 */
/* KUnit as a program: runs the cases of one suite and prints KTAP. */
#ifndef NODE_ORDER_SHIM_KUNIT_H
#define NODE_ORDER_SHIM_KUNIT_H

#include <setjmp.h>

#include "../shim.h"

struct kunit {
	unsigned int failures;
	bool skipped;
	jmp_buf abort;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(f)		{ .run_case = f, .name = #f }
#define KUNIT_CASE_SLOW(f)	KUNIT_CASE(f)

#define kunit_fail_(test, fmt, ...) do { \
	(test)->failures++; \
	printf("    # %s:%d: " fmt "\n", __FILE__, __LINE__, ##__VA_ARGS__); \
} while (0)

#define kunit_skip(test, fmt, ...) do { \
	(test)->skipped = true; \
	printf("    # " fmt "\n", ##__VA_ARGS__); \
	longjmp((test)->abort, 1); \
} while (0)

#define KUNIT_EXPECT_TRUE_MSG(test, cond, fmt, ...) do { \
	if (!(cond)) \
		kunit_fail_(test, "expected %s: " fmt, #cond, ##__VA_ARGS__); \
} while (0)

#define KUNIT_EXPECT_EQ_MSG(test, a, b, fmt, ...) do { \
	long long a_ = (a), b_ = (b); \
	if (a_ != b_) \
		kunit_fail_(test, "expected %s (%lld) == %s (%lld): " fmt, \
			    #a, a_, #b, b_, ##__VA_ARGS__); \
} while (0)

#define KUNIT_EXPECT_EQ(test, a, b) \
	KUNIT_EXPECT_EQ_MSG(test, a, b, "%s", __func__)

#define KUNIT_ASSERT_NOT_NULL(test, p) do { \
	if (!(p)) { \
		kunit_fail_(test, "expected %s", #p); \
		longjmp((test)->abort, 1); \
	} \
} while (0)

static unsigned int kunit_run_case_(const struct kunit_case *c, unsigned int nr)
{
	struct kunit test = { 0 };

	if (!setjmp(test.abort))
		c->run_case(&test);
	printf("%s %u %s%s\n", test.failures ? "not ok" : "ok", nr, c->name,
	       test.skipped ? " # SKIP" : "");
	return test.failures > 0;
}

static int kunit_run_suite_(const struct kunit_suite *suite)
{
	const struct kunit_case *c;
	unsigned int nr = 0, i = 0, failed = 0;

	for (c = suite->test_cases; c->run_case; c++)
		nr++;

	printf("TAP version 13\n# %s\n1..%u\n", suite->name, nr);
	for (c = suite->test_cases; c->run_case; c++)
		failed += kunit_run_case_(c, ++i);
	return failed ? 1 : 0;
}

#define kunit_test_suite(suite) \
	int main(void) { return kunit_run_suite_(&(suite)); } \
	extern int node_order_shim_unused

#endif /* NODE_ORDER_SHIM_KUNIT_H */
