// SPDX-License-Identifier: GPL-2.0
/*
 * bench [--json] [--bar RATIO] [FILE]: how many records does the series' decoder do in
 * a second, and how many the perf tool's, of the same bytes? Those of FILE, or some
 * that loads and stores of a user would make, as three kinds of CPUs write them. The two
 * take turns, the best turn of each counts.
 *
 * bench --only ours|perf --layout NAME --turns N: decodes 64 records N times, for the
 * instructions to be counted from outside.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arm_spe_decoder.h"
#include "counter.h"
#include "perf/theirs.h"
#include "records.h"
#include "shim.h"

#define SIZE		64
#define NR_RECORDS	64	/* a page of them: what the kernel decodes at a time */
#define TURNS		30
#define TURN_NS		20000000ULL

static u64 sum;

static size_t ours_count(const u8 *buf, size_t len)
{
	struct arm_spe_record rec;
	size_t used, nr = 0;

	while ((used = arm_spe_decode(buf, len, SIZE, SIZE, &rec))) {
		sum += rec.va + rec.pa + rec.events + rec.lat_total + rec.source;
		buf += used;
		len -= used;
		nr++;
	}
	return nr;
}

static size_t count(struct theirs *theirs, const u8 *buf, size_t len)
{
	if (!theirs)
		return ours_count(buf, len);
	theirs_feed(theirs, buf, len);
	return theirs_count(theirs, &sum);
}

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

struct result {
	double per_second;
	double instructions;	/* per record; 0: not counted */
};

static void turn(struct theirs *theirs, const u8 *buf, size_t len, int counter,
		 struct result *res)
{
	u64 instructions = counter_read(counter), start = now(), end;
	size_t nr = 0;
	double rate;

	do {
		nr += count(theirs, buf, len);
		end = now();
	} while (end - start < TURN_NS);
	res->instructions = (double)(counter_read(counter) - instructions) / nr;
	rate = nr * 1e9 / (end - start);
	if (rate > res->per_second)
		res->per_second = rate;
}

static void fatal(const char *what, const char *which)
{
	fprintf(stderr, "bench: error: %s%s\n", what, which);
	exit(2);
}

static size_t read_records(const char *name, u8 *buf, size_t max)
{
	FILE *f = fopen(name, "rb");
	size_t len = f ? fread(buf, 1, max, f) : 0;

	if (!len)
		fatal("cannot read records from ", name);
	fclose(f);
	return len;
}

static const char * const layouts[NR_LAYOUTS] = { "emulated", "neoverse", "kunpeng" };

static void make_records(u8 *buf, enum layout layout)
{
	struct random r = { 20261121 };
	unsigned int i;

	for (i = 0; i < NR_RECORDS; i++)
		usual_record(&r, buf + i * SIZE, layout);
}

static void json_result(const char *name, const struct result *res)
{
	printf("\"%s\": { \"records_per_second\": %.0f, \"instructions_per_record\": ",
	       name, res->per_second);
	if (res->instructions > 0)
		printf("%.1f }", res->instructions);
	else
		printf("null }");
}

/* Measures both and says so; false if we miss the bar. */
static bool measure(struct theirs *theirs, const u8 *buf, size_t len, const char *name,
		    unsigned int test, unsigned long turns, double bar, bool json)
{
	struct result ours = { 0 }, perf = { 0 };
	static int counter = -2;
	size_t nr = count(NULL, buf, len);
	unsigned long i;
	double ratio;

	if (!nr || nr != count(theirs, buf, len))
		fatal("the two do not find the same number of records in ", name);

	if (counter == -2)
		counter = counter_open();
	for (i = 0; i < turns; i++) {
		turn(NULL, buf, len, counter, &ours);
		turn(theirs, buf, len, counter, &perf);
	}
	ratio = ours.per_second / perf.per_second;
	if (json) {
		printf("%s{ \"name\": \"%s\", \"records\": %zu, ", test > 1 ? ", " : "", name, nr);
		json_result("ours", &ours);
		printf(", ");
		json_result("perf", &perf);
		printf(", \"ratio\": %.2f, \"bar\": %g, \"ok\": %s }", ratio, bar,
		       ratio >= bar ? "true" : "false");
	} else {
		printf("# ours %.1f, perf %.1f million records a second", ours.per_second / 1e6,
		       perf.per_second / 1e6);
		if (ours.instructions > 0)
			printf("; %.0f and %.0f instructions each", ours.instructions,
			       perf.instructions);
		printf("\n%s %u - bench, %s: %.1f times as fast as perf (bar: %g)\n",
		       ratio >= bar ? "ok" : "not ok", test, name, ratio, bar);
	}
	return ratio >= bar;
}

int main(int argc, char **argv)
{
	struct theirs *theirs = theirs_new();
	u8 *buf = aligned_alloc(4096, NR_RECORDS * SIZE);
	const char *file = NULL, *only = NULL;
	size_t len = NR_RECORDS * SIZE;
	unsigned long turns = TURNS, i;
	enum layout layout = EMULATED;
	bool json = false, ok = true;
	double bar = 3;
	char *end;

	if (!theirs || !buf)
		fatal("out of memory", "");
	for (i = 1; i < (unsigned long)argc; i++) {
		const char *arg = argv[i], *value = argv[i + 1];

		if (!strcmp(arg, "--json")) {
			json = true;
			continue;
		}
		if (arg[0] != '-') {
			file = arg;
			continue;
		}
		if (!value)
			fatal("no value after ", arg);
		i++;
		if (!strcmp(arg, "--bar")) {
			bar = strtod(value, &end);
			if (*end || bar <= 0)
				fatal("--bar wants a number above 0, not ", value);
		} else if (!strcmp(arg, "--turns")) {
			turns = strtoul(value, &end, 10);
			if (*end || !turns)
				fatal("--turns wants a number above 0, not ", value);
		} else if (!strcmp(arg, "--only")) {
			only = value;
			if (strcmp(only, "ours") && strcmp(only, "perf"))
				fatal("--only wants ours or perf, not ", value);
		} else if (!strcmp(arg, "--layout")) {
			for (layout = 0; layout < NR_LAYOUTS && strcmp(layouts[layout], value); layout++)
				;
			if (layout == NR_LAYOUTS)
				fatal("--layout wants emulated, neoverse or kunpeng, not ", value);
		} else {
			fatal("unknown option ", arg);
		}
	}

	if (file)
		len = read_records(file, buf, len);
	else
		make_records(buf, layout);

	if (only) {
		for (i = 0; i < turns; i++)
			count(strcmp(only, "ours") ? theirs : NULL, buf, len);
	} else {
		if (json)
			printf("[ ");
		if (file) {
			ok = measure(theirs, buf, len, file, 1, turns, bar, json);
		} else {
			for (i = 0; i < NR_LAYOUTS; i++) {
				make_records(buf, i);
				ok &= measure(theirs, buf, len, layouts[i], i + 1, turns, bar, json);
			}
		}
		if (json)
			printf(" ]\n");
		else
			printf("1..%d\n", file ? 1 : NR_LAYOUTS);
	}
	theirs_free(theirs);
	free(buf);
	return !ok;
}
