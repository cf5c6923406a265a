// SPDX-License-Identifier: GPL-2.0
/*
 * Do we and the perf tool say the same of the same records? Random ones, and those in
 * the files that are given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arm_spe_decoder.h"
#include "perf/theirs.h"
#include "records.h"
#include "shim.h"

#define SIZE	64

static unsigned long nr_records, nr_fields[12], nr_bad;

static void differ(const char *what, u64 ours, u64 theirs, const u8 *buf, size_t len)
{
	size_t i;

	if (nr_bad++ >= 10)
		return;
	printf("# %s: %#llx, perf says %#llx:", what, (unsigned long long)ours,
	       (unsigned long long)theirs);
	for (i = 0; i < len; i++)
		printf(" %02x", buf[i]);
	printf("\n");
}

/* What is missing is 0 in theirs, but for the context, which is all ones. */
static void compare(const struct arm_spe_record *o, const struct their_record *t,
		    const u8 *buf, size_t len)
{
	/* The half is in bit 55 for us, for perf it comes with the exception level. */
	u64 pc = o->pc >> 55 & 1 ? t->pc : t->pc & ((1ULL << 56) - 1);
	const struct {
		const char *name;
		u32 field;
		u64 ours;
		u64 theirs;
		u64 missing;
	} fields[] = {
		{ "va", ARM_SPE_REC_VA, o->va, t->va, 0 },
		{ "pa", ARM_SPE_REC_PA, o->pa, t->pa, 0 },
		{ "pc", ARM_SPE_REC_PC, o->pc, pc, 0 },
		{ "events", ARM_SPE_REC_EVENTS, o->events, t->events, 0 },
		{ "source", ARM_SPE_REC_SOURCE, o->source, t->source, 0 },
		{ "total latency", ARM_SPE_REC_LAT_TOTAL, o->lat_total, t->latency, 0 },
		{ "issue latency", ARM_SPE_REC_LAT_ISSUE, o->lat_issue, t->lat_issue, 0 },
		{ "translation latency", ARM_SPE_REC_LAT_XLAT, o->lat_xlat, t->lat_xlat, 0 },
		{ "timestamp", ARM_SPE_REC_TIMESTAMP, o->timestamp, t->timestamp, 0 },
	};
	bool ldst = o->fields & ARM_SPE_REC_LDST, branch = o->fields & ARM_SPE_REC_BRANCH;
	u32 el1 = o->fields & ARM_SPE_REC_CONTEXT_EL1, el2 = o->fields & ARM_SPE_REC_CONTEXT_EL2;
	unsigned int i;
	u64 context;

	nr_records++;
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		bool there = o->fields & fields[i].field;
		u64 ours = there ? fields[i].ours : fields[i].missing;

		nr_fields[i] += there;
		if (ours != fields[i].theirs)
			differ(fields[i].name, ours, fields[i].theirs, buf, len);
	}
	/* They keep the last one. */
	context = el1 ? o->context_el1 : el2 ? o->context_el2 : ~0ULL;
	nr_fields[9] += el1 || el2;
	if (context != t->context && !(el1 && el2 && o->context_el2 == t->context))
		differ("context", context, t->context, buf, len);

	nr_fields[10] += ldst;
	nr_fields[11] += branch;
	if (ldst != t->ldst || branch != t->branch)
		differ("class", o->fields, t->ldst | t->branch << 1, buf, len);
	if (arm_spe_loads(o) != (t->load || t->atomic))
		differ("loads", o->op, t->load, buf, len);
	if (arm_spe_stores(o) != (t->store || t->atomic))
		differ("stores", o->op, t->store, buf, len);
	if (o->fields & ARM_SPE_REC_PARTIAL)
		differ("damaged", o->fields, 0, buf, len);
}

static void compare_stream(struct theirs *theirs, const u8 *buf, size_t len, unsigned int align,
			   unsigned int max_size)
{
	struct arm_spe_record ours;
	struct their_record t;
	size_t at = 0, used;
	int ret;

	theirs_feed(theirs, buf, len);
	while ((used = arm_spe_decode(buf + at, len - at, align, max_size, &ours))) {
		ret = theirs_next(theirs, &t);
		if (ret <= 0) {
			differ("record", ours.fields, ret, buf + at, used);
			return;
		}
		compare(&ours, &t, buf + at, used);
		at += used;
	}
	ret = theirs_next(theirs, &t);
	if (ret)
		differ("end", 0, ret, buf + at, len - at);
}

static u8 *read_file(const char *name, size_t *len)
{
	FILE *f = fopen(name, "rb");
	u8 *buf = NULL;
	long size;

	if (f && !fseek(f, 0, SEEK_END) && (size = ftell(f)) > 0) {
		rewind(f);
		*len = size;
		buf = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
		if (buf && fread(buf, 1, size, f) != *len) {
			free(buf);
			buf = NULL;
		}
	}
	if (f)
		fclose(f);
	return buf;
}

int main(int argc, char **argv)
{
	static const unsigned int aligns[] = { 1, 4, 8, 16, 64 };
	struct theirs *theirs = theirs_new();
	struct random r = { 88172645463325252ULL };
	unsigned int round, i, a, nr, nr_tests = 0;
	size_t at, len;
	u8 *buf;

	buf = aligned_alloc(4096, 65536);
	if (!theirs || !buf) {
		fprintf(stderr, "compare: error: out of memory\n");
		return 2;
	}

	/* Those that bench decodes */
	for (i = 0; i < 64 * NR_LAYOUTS; i++)
		usual_record(&r, buf + i * SIZE, i % NR_LAYOUTS);
	compare_stream(theirs, buf, i * SIZE, SIZE, SIZE);

	/* All that is valid, as each way to align has it */
	for (a = 0; a < ARRAY_SIZE(aligns); a++) {
		for (round = 0; round < 200; round++) {
			memset(buf, 0, 65536);
			for (at = 0, nr = 0; nr < 100; nr++) {
				at += random_record(&r, buf + at, round % 2);
				at = (at + aligns[a] - 1) / aligns[a] * aligns[a];
			}
			/* perf wants as many bytes after alignment as it is to align */
			compare_stream(theirs, buf, at + 64, aligns[a], 2048);
		}
	}
	for (i = 0; i < ARRAY_SIZE(nr_fields); i++)
		if (!nr_fields[i])
			differ("field never seen", i, 0, buf, 0);
	printf("# %lu random records, %lu differences\n", nr_records, nr_bad);
	printf("%s %u - random records: the same as perf\n", nr_bad ? "not ok" : "ok", ++nr_tests);
	free(buf);

	for (i = 1; i < (unsigned int)argc; i++) {
		unsigned long bad = nr_bad, before = nr_records;

		buf = read_file(argv[i], &len);
		if (!buf) {
			fprintf(stderr, "compare: error: cannot read records from %s\n", argv[i]);
			return 2;
		}
		compare_stream(theirs, buf, len, SIZE, SIZE);
		if (nr_records == before)
			differ("no records", 0, 0, buf, 0);
		printf("# %s: %lu records, %lu differences\n", argv[i], nr_records - before,
		       nr_bad - bad);
		printf("%s %u - %s: the same as perf\n", nr_bad > bad ? "not ok" : "ok", ++nr_tests,
		       argv[i]);
		free(buf);
	}
	printf("1..%u\n", nr_tests);
	theirs_free(theirs);
	return nr_bad != 0;
}
