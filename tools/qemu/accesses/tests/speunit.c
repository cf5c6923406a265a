// SPDX-License-Identifier: GPL-2.0
/* speunit: types of operations, records, and whether the judge tells right from wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "op.h"
#include "samples.h"
#include "util.h"

static unsigned int nr, failed;

static void report(bool ok, const char *what)
{
	printf("%s %u - spe: %s\n", ok ? "ok" : "not ok", ++nr, what);
	failed += !ok;
}

/* --- types of operations ---------------------------------------------------------- */

/* What the assembler makes of each, and what perf says of a sample of it. */
static const struct {
	uint32_t insn;
	const char *text, *name;
} insns[] = {
	{ 0xd503201f, "nop", "other" },
	{ 0x8b020020, "add x0, x1, x2", "other" },
	{ 0xd4000001, "svc #0", "other" },
	{ 0xd5033fdf, "isb", "other" },
	{ 0xd53be040, "mrs x0, cntvct_el0", "other" },
	{ 0x1000001f, "adr xzr, .", "other" },
	{ 0x9a820020, "csel x0, x1, x2, eq", "other cond" },
	{ 0xfa451804, "ccmp x0, #5, #4, ne", "other cond" },
	{ 0x54000001, "b.ne .", "branch cond" },
	{ 0xb4000000, "cbz x0, .", "branch cond" },
	{ 0x37180000, "tbnz w0, #3, .", "branch cond" },
	{ 0x14000000, "b .", "branch" },
	{ 0x94000000, "bl .", "branch call" },
	{ 0xd63f0020, "blr x1", "branch indirect call" },
	{ 0xd63f0bff, "blraaz xzr", "branch indirect call" },
	{ 0xd61f0200, "br x16", "branch indirect" },
	{ 0xd65f03c0, "ret", "branch indirect return" },
	{ 0xd65f0bff, "retaa", "branch indirect return" },
	{ 0xd69f03e0, "eret", "branch indirect" },
	{ 0xf9400020, "ldr x0, [x1]", "load" },
	{ 0x39000020, "strb w0, [x1]", "store" },
	{ 0xf8408420, "ldr x0, [x1], #8", "load" },
	{ 0xf81f0c20, "str x0, [x1, #-16]!", "store" },
	{ 0xf8627820, "ldr x0, [x1, x2, lsl #3]", "load" },
	{ 0x78a26820, "ldrsh x0, [x1, x2]", "load" },
	{ 0x58000000, "ldr x0, .", "load" },
	{ 0xf9800020, "prfm pldl1keep, [x1]", "other" },
	{ 0xf8a26820, "prfm pldl1keep, [x1, x2]", "other" },
	{ 0xa9400440, "ldp x0, x1, [x2]", "load" },
	{ 0xa8810440, "stp x0, x1, [x2], #16", "store" },
	{ 0x69400440, "ldpsw x0, x1, [x2]", "load" },
	{ 0x3dc00020, "ldr q0, [x1]", "load SIMD" },
	{ 0xfd000020, "str d0, [x1]", "store SIMD" },
	{ 0xad000440, "stp q0, q1, [x2]", "store SIMD" },
	{ 0x4c407820, "ld1 {v0.4s}, [x1]", "load SIMD" },
	{ 0x4c9f7820, "st1 {v0.4s}, [x1], #16", "store SIMD" },
	{ 0x0d408020, "ld1 {v0.s}[0], [x1]", "load SIMD" },
	{ 0xd50b7420, "dc zva, x0", "store unspecified" },
	{ 0xc85f7c20, "ldxr x0, [x1]", "load exclusive" },
	{ 0xc802fc20, "stlxr w2, x0, [x1]", "store exclusive ordered" },
	{ 0xc87f0440, "ldxp x0, x1, [x2]", "load exclusive" },
	{ 0xc8dffc20, "ldar x0, [x1]", "load ordered" },
	{ 0xc89ffc20, "stlr x0, [x1]", "store ordered" },
	{ 0xf8bfc020, "ldapr x0, [x1]", "load ordered" },
	{ 0xd9400020, "ldapur x0, [x1]", "load ordered" },
	{ 0xf8200041, "ldadd x0, x1, [x2]", "load atomic" },
	{ 0xf8e00041, "ldaddal x0, x1, [x2]", "load atomic ordered" },
	{ 0xf820005f, "stadd x0, [x2]", "store atomic" },
	{ 0xf860005f, "staddl x0, [x2]", "store atomic ordered" },
	{ 0xf8a0005f, "ldadda x0, xzr, [x2]", "load atomic ordered" },
	{ 0xf8208041, "swp x0, x1, [x2]", "load atomic" },
	{ 0xf820805f, "swp x0, xzr, [x2]", "load atomic" },
	{ 0xc8a07c41, "cas x0, x1, [x2]", "load atomic" },
	{ 0xc8e0fc41, "casal x0, x1, [x2]", "load atomic ordered" },
	{ 0x48207c82, "casp x0, x1, x2, x3, [x4]", "load atomic" },
	{ 0x19010440, "cpyfp [x0]!, [x1]!, x2!", "load copy" },
	{ 0x1d810440, "cpye [x0]!, [x1]!, x2!", "load copy" },
	{ 0x19c20420, "setp [x0]!, x1!, x2", "store set" },
	{ 0xd9600020, "ldg x0, [x1]", "load tag" },
	{ 0xd9200820, "stg x0, [x1]", "store tag" },
	{ 0xa400a020, "ld1b {z0.b}, p0/z, [x1]", "load SVE" },
	{ 0xe400e020, "st1b {z0.b}, p0, [x1]", "store SVE" },
	{ 0xc5c2c020, "ld1d {z0.d}, p0/z, [x1, z2.d]", "load SVE gather" },
	{ 0xe582a020, "st1d {z0.d}, p0, [x1, z2.d]", "store SVE gather" },
	{ 0x8540c020, "ld1rw {z0.s}, p0/z, [x1]", "load SVE" },
	{ 0x85804020, "ldr z0, [x1]", "load SVE" },
	{ 0x04a20020, "add z0.s, z1.s, z2.s", "other SVE" },
	{ 0x1e622820, "fadd d0, d1, d2", "other FP" },
	{ 0x1e621c20, "fcsel d0, d1, d2, ne", "other cond FP" },
	{ 0x4ea28420, "add v0.4s, v1.4s, v2.4s", "other SIMD" },
};

static void test_insns(void)
{
	char name[OP_NAME_MAX], *what;
	unsigned int i;

	for (i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		op_name(op_of_insn(insns[i].insn), name);
		what = xasprintf("%s is '%s'", insns[i].text, insns[i].name);
		report(!strcmp(name, insns[i].name), what);
		if (strcmp(name, insns[i].name))
			printf("# '%s'\n", name);
		free(what);
	}
}

static void test_packets(void)
{
	static const struct {
		unsigned int class, payload;
		const char *name;
	} packets[] = {
		{ 0, 0x00, "other" }, { 0, 0x01, "other cond" }, { 0, 0x02, "other FP" },
		{ 0, 0x06, "other SIMD" }, { 0, 0x28, "other SVE" }, { 0, 0x10, "other unknown" },
		{ 1, 0x00, "load" }, { 1, 0x01, "store" }, { 1, 0x05, "store SIMD" },
		{ 1, 0x06, "load atomic" }, { 1, 0x07, "store atomic" }, { 1, 0x16, "load atomic ordered" },
		{ 1, 0x1b, "store exclusive ordered" }, { 1, 0x12, "load ordered" },
		{ 1, 0x11, "store unspecified" }, { 1, 0x14, "load tag" }, { 1, 0x20, "load copy" },
		{ 1, 0x25, "store set" }, { 1, 0x3c, "load SVE" }, { 1, 0x8d, "store SVE gather" },
		{ 2, 0x19, "branch cond" }, { 2, 0x18, "branch" }, { 2, 0x08, "branch call" },
		{ 2, 0x0a, "branch indirect call" }, { 2, 0x12, "branch indirect return" },
		{ 2, 0x00, "branch unknown" },
	};
	char name[OP_NAME_MAX], *what;
	unsigned int i;

	for (i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		op_name(op_of_packet(packets[i].class, packets[i].payload), name);
		what = xasprintf("packet %u 0x%02x is '%s'", packets[i].class, packets[i].payload, packets[i].name);
		report(!strcmp(name, packets[i].name), what);
		free(what);
	}
}

/* --- the file of perf ---------------------------------------------------------------- */

#define HEADER_SIZE	104

struct taken {
	struct sample s[4];
	unsigned int nr;
};

static void take(const struct sample *s, void *arg)
{
	struct taken *t = arg;

	if (t->nr < 4)
		t->s[t->nr] = *s;
	t->nr++;
}

static void add64(struct strbuf *sb, uint64_t v)
{
	sb_add(sb, &v, sizeof(v));
}

/* A file with one AUX record that has these flags, and a piece of the buffer. */
static void make_file(struct strbuf *sb, uint64_t flags, const void *records, size_t len)
{
	static const char zero[64];

	sb_add(sb, "PERFILE2", 8);
	sb_add(sb, zero, 32);
	add64(sb, HEADER_SIZE);
	add64(sb, 32 + 48 + len);
	sb_add(sb, zero, HEADER_SIZE - sb->len);
	add64(sb, 11 | 32ULL << 48);
	add64(sb, 0);
	add64(sb, len);
	add64(sb, flags);
	add64(sb, 71 | 48ULL << 48);
	add64(sb, len);
	sb_add(sb, zero, 32);
	sb_add(sb, records, len);
}

static const uint8_t two_records[] = {
	0xb0, 0x10, 0x00, 0x40, 0, 0, 0, 0, 0x80,		/* PC, EL0 */
	0x65, 1, 0, 0, 0,					/* context */
	0x52, 0x16, 0x00,					/* events */
	0x49, 0x01,						/* a store */
	0x98, 3, 0, 0x99, 2, 0, 0x9a, 1, 0,			/* counters */
	0xb2, 0x08, 0, 0, 0, 2, 0, 0, 0x55,			/* address, tagged */
	0xb3, 0x00, 0, 0, 0x40, 0, 0, 0, 0x80,
	0x43, 0x00,						/* source */
	0x71, 0x39, 0x30, 0, 0, 0, 0, 0, 0,			/* time */
	0, 0, 0, 0, 0,
	0xb0, 0x10, 0x00, 0x00, 0x80, 0, 0, 0xff, 0xa0,		/* PC, EL1 */
	0x62, 0x02, 0, 2, 0,
	0x4a, 0x19,						/* a branch */
	0xb1, 0x10, 0x00, 0x00, 0x80, 0, 0, 0xff, 0xa0,
	0x01,							/* end */
};

static bool reads(uint64_t flags, const void *records, size_t len, size_t cut, struct taken *t, char *err)
{
	struct strbuf sb = { 0 };
	bool ok;

	*t = (struct taken){ .nr = 0 };
	err[0] = '\0';
	make_file(&sb, flags, records, len);
	ok = samples_read((uint8_t *)sb.s, sb.len - cut, take, t, err);
	sb_free(&sb);
	return ok;
}

static void test_samples(void)
{
	uint8_t broken[sizeof(two_records)];
	char err[SAMPLES_ERR_MAX];
	struct taken t;
	size_t i;

	report(reads(0, two_records, sizeof(two_records), 0, &t, err) && t.nr == 2, "two records are read");
	report(t.s[0].op == OP_STORE && !t.s[0].kernel && t.s[0].has_va && t.s[0].va == 0x200000008 &&
	       t.s[0].has_time && t.s[0].time == 12345, "... a store of user space, its address and time");
	report(t.s[1].op == (OP_BRANCH | OP_COND) && t.s[1].kernel && !t.s[1].has_va && !t.s[1].has_time,
	       "... and a branch of the kernel");
	report(!reads(1, two_records, sizeof(two_records), 0, &t, err) && strstr(err, "lost"),
	       "a buffer that overran is refused");
	report(!reads(8, two_records, sizeof(two_records), 0, &t, err) && strstr(err, "lost"),
	       "... and one with collisions");
	for (i = 1; i < sizeof(two_records); i++)
		if (reads(0, two_records, sizeof(two_records), i, &t, err))
			break;
	report(i == sizeof(two_records), "a file that is cut anywhere is refused");
	memcpy(broken, two_records, sizeof(broken));
	broken[14] = 0xe0;
	report(!reads(0, broken, sizeof(broken), 0, &t, err) && strstr(err, "0xe0"), "an unknown packet is refused");
	report(!reads(0, two_records, 19, 0, &t, err), "a record without an end is refused");
	report(!samples_read((const uint8_t *)"x", 1, take, &t, err) && strstr(err, "PERFILE2"),
	       "another file is refused");
}

/* --- the judge ------------------------------------------------------------------------- */

static uint64_t seed = 88172645463325252;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / (double)(1ULL << 53);
}

/* n samples with the shares @drawn of what is executed with the shares @executed. */
static bool judged(bool strict, const double *executed, const double *drawn, unsigned int cells, unsigned int n)
{
	struct table t = { .strict = strict };
	struct tally tally = { 0 };
	unsigned int i, k;
	char name[16];

	for (k = 0; k < cells; k++) {
		snprintf(name, sizeof(name), "%u", k);
		table_cell(&t, name)->executed = (uint64_t)(executed[k] * 1e9);
	}
	for (i = 0; i < n; i++) {
		double x = uniform();

		for (k = 0; k < cells - 1 && x >= drawn[k]; k++)
			x -= drawn[k];
		t.cell[k].sampled++;
	}
	judge(&t, &tally, NULL, NULL);
	table_free(&t);
	return tally_good(&tally);
}

/* How many of 1000 experiments are accepted */
static unsigned int accepted(bool strict, const double *executed, const double *drawn, unsigned int cells,
			     unsigned int n)
{
	unsigned int i, good = 0;

	for (i = 0; i < 1000; i++)
		good += judged(strict, executed, drawn, cells, n);
	return good;
}

static void test_judge(void)
{
	static const double mix[] = { 0.25, 0.15, 0.1, 0.5 }, off[] = { 0.28, 0.12, 0.1, 0.5 };
	static const double none[] = { 0.25, 0, 0.1, 0.65 }, rare[] = { 0.2499, 0.0001, 0.1, 0.65 };
	static const double rarely[] = { 0.245, 0.005, 0.1, 0.65 };
	double even[64], uneven[64];
	struct table t = { 0 };
	struct tally tally = { 0 };
	unsigned int i, n;

	n = accepted(true, mix, mix, 4, 8000);
	printf("# classes as executed: %u of 1000\n", n);
	report(n > 970, "samples with the right shares are accepted, classes");
	n = accepted(true, mix, off, 4, 8000);
	printf("# classes off by 0.03: %u of 1000\n", n);
	report(n < 10, "a share that is wrong by 0.03 is not");
	for (i = 0; i < 64; i++) {
		even[i] = 1.0 / 64;
		uneven[i] = (i < 32 ? 0.75 : 1.25) / 64;
	}
	n = accepted(false, even, even, 64, 8000);
	printf("# slices as executed: %u of 1000\n", n);
	report(n > 800, "samples with the right shares are accepted, slices");
	n = accepted(false, even, uneven, 64, 8000);
	printf("# slices off by a quarter: %u of 1000\n", n);
	report(n < 10, "a buffer whose halves are sampled unevenly is not");
	report(accepted(false, none, rare, 4, 100000) == 0, "what was not executed cannot be sampled");
	report(accepted(false, rare, rare, 4, 8000) > 950, "rare ones are judged together");
	report(accepted(false, rare, rarely, 4, 8000) < 10, "... and noticed if they are not so rare");
	table_cell(&t, "a")->executed = 1000;
	judge(&t, &tally, NULL, NULL);
	report(!tally_good(&tally), "no samples are no agreement");
	table_free(&t);
}

static bool excuse_a(const struct table *t, const struct cell *c, void *arg)
{
	(void)t;
	(void)arg;
	return *c->name == 'a';
}

static bool excused(uint64_t a, uint64_t b, uint64_t never)
{
	struct table t = { .strict = true };
	struct tally tally = { 0 };

	table_cell(&t, "a")->executed = 1000;
	table_cell(&t, "b")->executed = 1000;
	table_cell(&t, "c")->executed = 8000;
	table_cell(&t, "a never");
	t.cell[0].sampled = a;
	t.cell[1].sampled = b;
	t.cell[2].sampled = 8000;
	t.cell[3].sampled = never;
	judge(&t, &tally, excuse_a, NULL);
	table_free(&t);
	return tally_good(&tally);
}

static void test_excuses(void)
{
	report(excused(1000, 1000, 0) && excused(1150, 1000, 0), "a cell that is excused may be off");
	report(!excused(1000, 1150, 0), "... another one not");
	report(!excused(1000, 1000, 1), "what is impossible has no excuse");
}

static void test_poisson(void)
{
	/* tails: 1 - e^-1 (1 + 1 + 1/2 + 1/6 + 1/24) = 0.0037; e^-10 = 0.0000454 */
	report(fabs(poisson_sigma(5, 1) - 2.682) < 0.01, "5 where 1 is expected");
	report(fabs(poisson_sigma(0, 10) + 3.914) < 0.01, "0 where 10 are expected");
	report(fabs(poisson_sigma(1, 1)) < 1, "1 where 1 is expected");
	report(isinf(poisson_sigma(1, 0)) && poisson_sigma(0, 0) == 0, "1 where none is expected");
}

int main(void)
{
	test_insns();
	test_packets();
	test_samples();
	test_judge();
	test_excuses();
	test_poisson();
	printf("1..%u\n", nr);
	return failed != 0;
}
