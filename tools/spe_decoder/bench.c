// SPDX-License-Identifier: GPL-2.0
/*
 * bench [--json] [--bar RATIO] [FILE]: how many records does the series' decoder do in
 * a second, and how many the perf tool's, of the same bytes? Those of FILE, or some
 * that loads and stores of a user would make. The two take turns, the best turn of
 * each counts.
 *
 * bench --only ours|perf --turns N: decodes 64 records N times, for the instructions to
 * be counted from outside.
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
#define TURNS		20
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

static void json_result(const char *name, const struct result *res)
{
	printf("\"%s\": { \"records_per_second\": %.0f, \"instructions_per_record\": ",
	       name, res->per_second);
	if (res->instructions > 0)
		printf("%.1f }", res->instructions);
	else
		printf("null }");
}

int main(int argc, char **argv)
{
	struct theirs *theirs = theirs_new();
	u8 *buf = aligned_alloc(4096, NR_RECORDS * SIZE);
	const char *file = NULL, *only = NULL;
	struct result ours = { 0 }, perf = { 0 };
	unsigned long turns = TURNS, i;
	struct random r = { 20261121 };
	bool json = false;
	double bar = 3, ratio;
	size_t len, nr;
	int counter;
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
		} else {
			fatal("unknown option ", arg);
		}
	}

	if (file) {
		len = read_records(file, buf, NR_RECORDS * SIZE);
	} else {
		len = NR_RECORDS * SIZE;
		for (i = 0; i < NR_RECORDS; i++)
			usual_record(&r, buf + i * SIZE);
	}

	if (only) {
		for (i = 0; i < turns; i++)
			count(strcmp(only, "ours") ? theirs : NULL, buf, len);
		return 0;
	}

	nr = count(NULL, buf, len);
	if (!nr || nr != count(theirs, buf, len))
		fatal("the two do not find the same number of records in ", file ?: "what was made");

	counter = counter_open();
	for (i = 0; i < turns; i++) {
		turn(NULL, buf, len, counter, &ours);
		turn(theirs, buf, len, counter, &perf);
	}
	ratio = ours.per_second / perf.per_second;
	if (json) {
		printf("{ \"records\": %zu, ", nr);
		json_result("ours", &ours);
		printf(", ");
		json_result("perf", &perf);
		printf(", \"ratio\": %.2f, \"bar\": %g, \"ok\": %s }\n", ratio, bar,
		       ratio >= bar ? "true" : "false");
	} else {
		printf("# ours %.1f, perf %.1f million records a second", ours.per_second / 1e6,
		       perf.per_second / 1e6);
		if (ours.instructions > 0)
			printf("; %.0f and %.0f instructions each", ours.instructions,
			       perf.instructions);
		printf("\n%s 1 - bench: %.1f times as fast as perf (bar: %g)\n1..1\n",
		       ratio >= bar ? "ok" : "not ok", ratio, bar);
	}
	theirs_free(theirs);
	free(buf);
	return ratio < bar;
}
