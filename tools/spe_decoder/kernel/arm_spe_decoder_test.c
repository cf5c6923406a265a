// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of the decoder of Arm SPE records.
 */
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>

#include "arm_spe_decoder.h"

#define SIZE		64	/* of a record, unless a test says otherwise */

#define USER_VA		0x0000ffff8a2b3c40ULL
#define KERNEL_VA	0xffff800081234560ULL

/* A load of a user: all packets that there are, and what they say. */
static const u8 load[] = {
	0xb0, 0x10, 0x32, 0x54, 0xaa, 0xaa, 0x00, 0x00, 0x80,
	0x64, 0x78, 0x56, 0x34, 0x12,
	0x65, 0x21, 0x43, 0x65, 0x87,
	0x62, 0x36, 0x06, 0x08, 0x00,
	0x49, 0x00,
	0x98, 0x2c, 0x01,
	0x99, 0x0d, 0x00,
	0x9a, 0x05, 0x00,
	0xb2, 0x40, 0x3c, 0x2b, 0x8a, 0xff, 0xff, 0x00, 0x5a,
	0xb3, 0x40, 0xcc, 0xdb, 0x0a, 0x03, 0x00, 0x00, 0xdf,
	0x43, 0x0d,
	0x01,
};

#define LOAD_FIELDS (ARM_SPE_REC_PC | ARM_SPE_REC_CONTEXT_EL1 |			\
		     ARM_SPE_REC_CONTEXT_EL2 | ARM_SPE_REC_EVENTS |		\
		     ARM_SPE_REC_OP | ARM_SPE_REC_LDST | ARM_SPE_REC_LAT_TOTAL | \
		     ARM_SPE_REC_LAT_ISSUE | ARM_SPE_REC_LAT_XLAT | ARM_SPE_REC_VA | \
		     ARM_SPE_REC_PA | ARM_SPE_REC_SOURCE)

static void expect_load(struct kunit *test, const struct arm_spe_record *rec)
{
	KUNIT_EXPECT_EQ(test, rec->fields, LOAD_FIELDS);
	KUNIT_EXPECT_EQ(test, rec->pc, 0x0000aaaa543210ULL);
	KUNIT_EXPECT_EQ(test, rec->context_el1, 0x12345678);
	KUNIT_EXPECT_EQ(test, rec->context_el2, 0x87654321);
	KUNIT_EXPECT_EQ(test, rec->events, 0x80636);
	KUNIT_EXPECT_EQ(test, rec->op, 0);
	KUNIT_EXPECT_EQ(test, rec->lat_total, 300);
	KUNIT_EXPECT_EQ(test, rec->lat_issue, 13);
	KUNIT_EXPECT_EQ(test, rec->lat_xlat, 5);
	KUNIT_EXPECT_EQ(test, rec->va, USER_VA);
	KUNIT_EXPECT_EQ(test, rec->pa, 0x30adbcc40ULL);
	KUNIT_EXPECT_EQ(test, rec->source, 13);
}

/* The payload of a header of one byte, -1 if it is none */
static int simple_payload(u8 hdr)
{
	if (hdr == 0x00 || hdr == 0x01)				/* padding, end */
		return 0;
	if (hdr == 0x71 ||					/* timestamp */
	    (hdr & 0xcf) == 0x42 || (hdr & 0xcf) == 0x43 ||	/* events, data source */
	    (hdr & 0xfc) == 0x64 || (hdr & 0xfc) == 0x48 ||	/* context, operation */
	    (hdr & 0xf8) == 0xb0 || (hdr & 0xf8) == 0x98)	/* address, counter */
		return 1 << ((hdr >> 4) & 3);
	return -1;
}

static bool simple_has_index(u8 hdr)
{
	return (hdr & 0xf8) == 0xb0 || (hdr & 0xf8) == 0x98;
}

static void simple_packet(const u8 *p, struct arm_spe_record *rec)
{
	int i, bytes = simple_payload(*p);
	u64 v = 0;

	for (i = 0; i < bytes; i++)
		v |= (u64)p[1 + i] << (8 * i);

	switch (*p) {
	case 0x42: case 0x52: case 0x62: case 0x72:
		rec->events = v;
		rec->fields |= ARM_SPE_REC_EVENTS;
		break;
	case 0x43: case 0x53: case 0x63: case 0x73:
		rec->source = v;
		rec->fields |= ARM_SPE_REC_SOURCE;
		break;
	case 0x48: case 0x49: case 0x4a:
		rec->op = v;
		rec->fields |= ARM_SPE_REC_OP;
		if (*p == 0x49)
			rec->fields |= ARM_SPE_REC_LDST;
		if (*p == 0x4a)
			rec->fields |= ARM_SPE_REC_BRANCH;
		break;
	case 0x64:
		rec->context_el1 = v;
		rec->fields |= ARM_SPE_REC_CONTEXT_EL1;
		break;
	case 0x65:
		rec->context_el2 = v;
		rec->fields |= ARM_SPE_REC_CONTEXT_EL2;
		break;
	case 0x71:
		rec->timestamp = v;
		rec->fields |= ARM_SPE_REC_TIMESTAMP;
		break;
	case 0x98:
		rec->lat_total = v;
		rec->fields |= ARM_SPE_REC_LAT_TOTAL;
		break;
	case 0x99:
		rec->lat_issue = v;
		rec->fields |= ARM_SPE_REC_LAT_ISSUE;
		break;
	case 0x9a:
		rec->lat_xlat = v;
		rec->fields |= ARM_SPE_REC_LAT_XLAT;
		break;
	case 0xb0:
	case 0xb2:
		v = v & BIT_ULL(55) ? v | 0xffULL << 56 : v & ~(0xffULL << 56);
		if (*p == 0xb0) {
			rec->pc = v;
			rec->fields |= ARM_SPE_REC_PC;
		} else {
			rec->va = v;
			rec->fields |= ARM_SPE_REC_VA;
		}
		break;
	case 0xb3:
		rec->pa = v & ~(0xffULL << 56);
		rec->fields |= ARM_SPE_REC_PA;
		break;
	}
}

static size_t simple_align(const u8 *buf, size_t at, size_t align)
{
	while (((unsigned long)buf + at) % align)
		at++;
	return at;
}

/* What arm_spe_decode() does, byte by byte. */
static size_t simple_decode(const u8 *buf, size_t len, unsigned int align,
			    unsigned int max_size, struct arm_spe_record *rec)
{
	size_t at = 0, start, limit;

	memset(rec, 0, sizeof(*rec));
	for (; at < len; at++) {
		if (len - at >= 2 && (buf[at] & 0xf0) == 0x20 && !buf[at + 1] &&
		    2U << (buf[at] & 0xf) <= align)
			at = simple_align(buf, at + 2, 2UL << (buf[at] & 0xf)) - 1;
		else if (buf[at])
			break;
	}
	if (at >= len)
		return 0;

	start = at;
	limit = min_t(size_t, len, start - (unsigned long)(buf + start) % align + max_size);
	while (at < limit) {
		u8 hdr = buf[at];
		size_t next;

		if ((hdr & 0xf0) == 0x20) {
			if (at + 1 == limit)
				break;
			if (!buf[at + 1]) {
				at = simple_align(buf, at + 2, 2UL << (hdr & 0xf));
				continue;
			}
			if ((hdr & 0xfc) != 0x20 || !simple_has_index(buf[at + 1]))
				break;
			at++;
		}
		if (simple_payload(buf[at]) < 0)
			break;
		next = at + 1 + simple_payload(buf[at]);
		if (next > limit)
			break;
		if (hdr == 0x20 || (hdr & 0xf0) != 0x20)
			simple_packet(buf + at, rec);
		at = next;
		if (hdr == 0x01 || hdr == 0x71)
			return min_t(size_t, len, simple_align(buf, at, align));
	}
	rec->fields |= ARM_SPE_REC_PARTIAL;
	return min_t(size_t, len, simple_align(buf, start + 1, align));
}

static bool same_record(const struct arm_spe_record *a, const struct arm_spe_record *b)
{
	const struct {
		u32	field;
		bool	same;
	} cmp[] = {
		{ ARM_SPE_REC_VA,		a->va == b->va },
		{ ARM_SPE_REC_PA,		a->pa == b->pa },
		{ ARM_SPE_REC_PC,		a->pc == b->pc },
		{ ARM_SPE_REC_EVENTS,		a->events == b->events },
		{ ARM_SPE_REC_OP,		a->op == b->op },
		{ ARM_SPE_REC_SOURCE,		a->source == b->source },
		{ ARM_SPE_REC_LAT_TOTAL,	a->lat_total == b->lat_total },
		{ ARM_SPE_REC_LAT_ISSUE,	a->lat_issue == b->lat_issue },
		{ ARM_SPE_REC_LAT_XLAT,		a->lat_xlat == b->lat_xlat },
		{ ARM_SPE_REC_CONTEXT_EL1,	a->context_el1 == b->context_el1 },
		{ ARM_SPE_REC_CONTEXT_EL2,	a->context_el2 == b->context_el2 },
		{ ARM_SPE_REC_TIMESTAMP,	a->timestamp == b->timestamp },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmp); i++)
		if (a->fields & cmp[i].field && !cmp[i].same)
			return false;
	return a->fields == b->fields;
}

/*
 * Both decode one record. The copies are of the exact size, for KASAN to see what
 * is read beyond it.
 */
static size_t decode_both(struct kunit *test, const u8 *buf, size_t len,
			  unsigned int align, unsigned int max_size,
			  struct arm_spe_record *rec)
{
	struct arm_spe_record simple;
	size_t used, want;

	used = arm_spe_decode(buf, len, align, max_size, rec);
	want = simple_decode(buf, len, align, max_size, &simple);
	KUNIT_EXPECT_EQ_MSG(test, used, want, "%zu bytes, align %u, max %u, first %#x",
			    len, align, max_size, len ? buf[0] : 0);
	KUNIT_EXPECT_TRUE_MSG(test, used <= len, "%zu of %zu bytes", used, len);
	if (want)
		KUNIT_EXPECT_TRUE_MSG(test, same_record(rec, &simple),
				      "fields %#x, should be %#x",
				      rec->fields, simple.fields);
	return used;
}

/* Memory that is aligned to SIZE, filled with padding */
static u8 *alloc_records(struct kunit *test, unsigned int nr)
{
	u8 *buf = kzalloc(nr * SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_EXPECT_EQ(test, (unsigned long)buf % SIZE, 0);
	return buf;
}

static void all_packets(struct kunit *test)
{
	u8 *buf = alloc_records(test, 2);
	struct arm_spe_record rec;

	memcpy(buf, load, sizeof(load));
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, 2 * SIZE, SIZE, SIZE, &rec), SIZE);
	expect_load(test, &rec);
	KUNIT_EXPECT_TRUE_MSG(test, arm_spe_loads(&rec), "a load");
	KUNIT_EXPECT_TRUE_MSG(test, !arm_spe_stores(&rec), "a load");
	KUNIT_EXPECT_EQ(test, decode_both(test, buf + SIZE, SIZE, SIZE, SIZE, &rec), 0);

	/* nothing after it, and no room for it to be read at one go */
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, sizeof(load), SIZE, SIZE, &rec),
			sizeof(load));
	expect_load(test, &rec);
	kfree(buf);
}

static void timestamp_ends(struct kunit *test)
{
	static const u8 store[] = {
		0x49, 0x01,
		0x52, 0x02, 0x00,
		0x71, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x81,
		0x43, 0x09,
	};
	u8 *buf = alloc_records(test, 1);
	struct arm_spe_record rec;

	memcpy(buf, store, sizeof(store));
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, SIZE, SIZE, SIZE, &rec), SIZE);
	KUNIT_EXPECT_EQ(test, rec.fields, ARM_SPE_REC_OP | ARM_SPE_REC_LDST |
			ARM_SPE_REC_EVENTS | ARM_SPE_REC_TIMESTAMP);
	KUNIT_EXPECT_EQ(test, rec.timestamp, 0x8102030405060708ULL);
	KUNIT_EXPECT_TRUE_MSG(test, arm_spe_stores(&rec), "a store");
	KUNIT_EXPECT_TRUE_MSG(test, !arm_spe_loads(&rec), "a store");

	/* What follows it is the next one, where records are not padded. */
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, SIZE, 1, SIZE, &rec), 14);
	KUNIT_EXPECT_EQ(test, decode_both(test, buf + 14, SIZE - 14, 1, SIZE, &rec), 1);
	KUNIT_EXPECT_EQ(test, rec.fields, ARM_SPE_REC_SOURCE | ARM_SPE_REC_PARTIAL);
	KUNIT_EXPECT_EQ(test, rec.source, 9);
	kfree(buf);
}

/* Records of an emulated SPE, at EL1, with the timestamp that ends them. */
static void recorded(struct kunit *test)
{
	static const struct {
		u8	bytes[SIZE];
		bool	loads;
		bool	stores;
		u32	fields;		/* but for those that each has */
		struct arm_spe_record rec;
	} cases[] = {
		{	/* a load whose data came from afar */
			.bytes = {
				0xb0, 0x1c, 0x3d, 0x00, 0x40, 0x00, 0x00, 0x00, 0xa0,
				0x52, 0x3e, 0x03, 0x49, 0x00, 0x98, 0x7f, 0x00, 0x99,
				0x02, 0x00, 0x9a, 0x18, 0x00, 0xb2, 0x08, 0x80, 0x21,
				0x40, 0x00, 0x00, 0x00, 0x00, 0xb3, 0x08, 0x80, 0x21,
				0x40, 0x00, 0x00, 0x00, 0x80, 0x43, 0x0e, 0x71, 0xde,
				0x98, 0xd2,
			},
			.loads = true,
			.fields = ARM_SPE_REC_LDST | ARM_SPE_REC_VA | ARM_SPE_REC_PA |
				  ARM_SPE_REC_LAT_XLAT | ARM_SPE_REC_SOURCE,
			.rec = {
				.pc = 0x40003d1c, .events = 0x33e, .lat_total = 127,
				.lat_issue = 2, .lat_xlat = 24, .va = 0x40218008,
				.pa = 0x40218008, .source = 14, .timestamp = 0xd298de,
			},
		}, {	/* an atomic operation with acquire and release */
			.bytes = {
				0xb0, 0x8c, 0x36, 0x00, 0x40, 0x00, 0x00, 0x00, 0xa0,
				0x52, 0x16, 0x00, 0x49, 0x16, 0x98, 0x08, 0x00, 0x99,
				0x02, 0x00, 0x9a, 0x01, 0x00, 0xb2, 0x00, 0x80, 0x21,
				0x40, 0x00, 0x00, 0x00, 0x00, 0xb3, 0x00, 0x80, 0x21,
				0x40, 0x00, 0x00, 0x00, 0x80, 0x43, 0x00, 0x71, 0xc8,
				0xc0, 0xfa, 0x03,
			},
			.loads = true,
			.stores = true,
			.fields = ARM_SPE_REC_LDST | ARM_SPE_REC_VA | ARM_SPE_REC_PA |
				  ARM_SPE_REC_LAT_XLAT | ARM_SPE_REC_SOURCE,
			.rec = {
				.pc = 0x4000368c, .events = 0x16, .op = 0x16, .lat_total = 8,
				.lat_issue = 2, .lat_xlat = 1, .va = 0x40218000,
				.pa = 0x40218000, .timestamp = 0x3fac0c8,
			},
		}, {	/* a scatter of SVE */
			.bytes = {
				0xb0, 0x8c, 0x5b, 0x00, 0x40, 0x00, 0x00, 0x00, 0xa0,
				0x52, 0x16, 0x00, 0x49, 0xed, 0x98, 0x08, 0x00, 0x99,
				0x02, 0x00, 0x9a, 0x01, 0x00, 0xb2, 0x00, 0x80, 0x21,
				0x40, 0x00, 0x00, 0x00, 0x00, 0xb3, 0x00, 0x80, 0x21,
				0x40, 0x00, 0x00, 0x00, 0x80, 0x71, 0xc6, 0x1a, 0x2a,
				0x0f,
			},
			.stores = true,
			.fields = ARM_SPE_REC_LDST | ARM_SPE_REC_VA | ARM_SPE_REC_PA |
				  ARM_SPE_REC_LAT_XLAT,
			.rec = {
				.pc = 0x40005b8c, .events = 0x16, .op = 0xed, .lat_total = 8,
				.lat_issue = 2, .lat_xlat = 1, .va = 0x40218000,
				.pa = 0x40218000, .timestamp = 0xf2a1ac6,
			},
		}, {	/* a load of SVE with nothing to load, so no address */
			.bytes = {
				0xb0, 0xe8, 0x5d, 0x00, 0x40, 0x00, 0x00, 0x00, 0xa0,
				0x62, 0x02, 0x00, 0x06, 0x00, 0x49, 0x6c, 0x98, 0x03,
				0x00, 0x99, 0x02, 0x00, 0x71, 0x66, 0x26, 0x26, 0x11,
			},
			.loads = true,
			.fields = ARM_SPE_REC_LDST,
			.rec = {
				.pc = 0x40005de8, .events = 0x60002, .op = 0x6c,
				.lat_total = 3, .lat_issue = 2, .timestamp = 0x11262666,
			},
		}, {	/* a branch */
			.bytes = {
				0xb0, 0xf4, 0x29, 0x00, 0x40, 0x00, 0x00, 0x00, 0xa0,
				0x52, 0x02, 0x00, 0x4a, 0x19, 0x98, 0x03, 0x00, 0x99,
				0x02, 0x00, 0xb1, 0x00, 0x29, 0x00, 0x40, 0x00, 0x00,
				0x00, 0xa0, 0x71, 0x76, 0x1c, 0x51,
			},
			.fields = ARM_SPE_REC_BRANCH,
			.rec = {
				.pc = 0x400029f4, .events = 0x2, .op = 0x19, .lat_total = 3,
				.lat_issue = 2, .timestamp = 0x511c76,
			},
		},
	};
	u8 *buf = alloc_records(test, 8);
	struct arm_spe_record rec, want;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		memcpy(buf + i * SIZE, cases[i].bytes, SIZE);

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		want = cases[i].rec;
		want.fields = cases[i].fields | ARM_SPE_REC_PC | ARM_SPE_REC_EVENTS |
			      ARM_SPE_REC_OP | ARM_SPE_REC_LAT_TOTAL |
			      ARM_SPE_REC_LAT_ISSUE | ARM_SPE_REC_TIMESTAMP;
		KUNIT_EXPECT_EQ(test, decode_both(test, buf + i * SIZE,
						  (ARRAY_SIZE(cases) - i) * SIZE,
						  SIZE, SIZE, &rec), SIZE);
		KUNIT_EXPECT_TRUE_MSG(test, same_record(&rec, &want), "record %u", i);
		KUNIT_EXPECT_EQ_MSG(test, arm_spe_loads(&rec), cases[i].loads, "record %u", i);
		KUNIT_EXPECT_EQ_MSG(test, arm_spe_stores(&rec), cases[i].stores, "record %u", i);
	}
	kfree(buf);
}

/* Each header, and a payload that must not be taken for packets. */
static void every_header(struct kunit *test)
{
	struct arm_spe_record rec;
	unsigned int hdr, ext;
	u8 *buf;
	int len;

	for (hdr = 2; hdr < 256; hdr++) {
		if ((hdr & 0xf0) == 0x20)
			continue;
		buf = alloc_records(test, 1);
		len = simple_payload(hdr);
		buf[0] = hdr;
		memset(buf + 1, 0xff, max(len, 0));
		buf[1 + max(len, 0)] = 0x01;
		KUNIT_EXPECT_EQ_MSG(test, decode_both(test, buf, SIZE, 1, SIZE, &rec),
				    len < 0 ? 1 : 1 + len + (hdr != 0x71),
				    "header %#x", hdr);
		KUNIT_EXPECT_EQ_MSG(test, rec.fields == ARM_SPE_REC_PARTIAL, len < 0,
				    "header %#x", hdr);
		kfree(buf);
	}

	for (hdr = 0x20; hdr < 0x30; hdr++) {
		for (ext = 1; ext < 256; ext++) {
			buf = alloc_records(test, 1);
			len = hdr < 0x24 && simple_has_index(ext) ? simple_payload(ext) : -1;
			buf[0] = hdr;
			buf[1] = ext;
			memset(buf + 2, 0xff, max(len, 0));
			buf[2 + max(len, 0)] = 0x01;
			KUNIT_EXPECT_EQ_MSG(test, decode_both(test, buf, SIZE, 1, SIZE, &rec),
					    len < 0 ? 1 : 2 + len + 1,
					    "header %#x %#x", hdr, ext);
			KUNIT_EXPECT_EQ_MSG(test, rec.fields == ARM_SPE_REC_PARTIAL, len < 0,
					    "header %#x %#x", hdr, ext);
			if (hdr > 0x20 && len >= 0)
				KUNIT_EXPECT_EQ_MSG(test, rec.fields, 0,
						    "header %#x %#x", hdr, ext);
			kfree(buf);
		}
	}
}

static void addresses(struct kunit *test)
{
	static const struct {
		u8	hdr;
		u64	payload;
		u64	address;
	} cases[] = {
		{ 0xb2, 0x0000ffff8a2b3c40, USER_VA },
		{ 0xb2, 0xff00ffff8a2b3c40, USER_VA },
		{ 0xb2, 0x5a0fffffffffffff, 0x000fffffffffffff },
		{ 0xb2, 0x00ff800081234560, KERNEL_VA },
		{ 0xb2, 0xf0ff800081234560, KERNEL_VA },
		{ 0xb0, 0x8000ffff8a2b3c40, USER_VA },
		{ 0xb0, 0xa0ff800081234560, KERNEL_VA },
		{ 0xb0, 0xc0ff800081234560, KERNEL_VA },
		{ 0xb3, 0x8000000123456780, 0x123456780 },
		{ 0xb3, 0xdf0fffffffffffff, 0x000fffffffffffff },
		{ 0xb3, 0x7fffffffffffffff, 0x00ffffffffffffff },
	};
	u8 *buf = alloc_records(test, 1);
	struct arm_spe_record rec;
	unsigned int i, b;
	u64 got;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		buf[0] = cases[i].hdr;
		for (b = 0; b < 8; b++)
			buf[1 + b] = cases[i].payload >> (8 * b);
		buf[9] = 0x01;
		KUNIT_EXPECT_EQ(test, decode_both(test, buf, SIZE, SIZE, SIZE, &rec), SIZE);
		got = buf[0] == 0xb0 ? rec.pc : buf[0] == 0xb2 ? rec.va : rec.pa;
		KUNIT_EXPECT_TRUE_MSG(test, got == cases[i].address, "case %u", i);
	}
	kfree(buf);
}

/* Which of the operations read, which write? */
static void accesses(struct kunit *test)
{
	static const struct {
		u8	hdr;
		u8	op;
		bool	loads;
		bool	stores;
	} cases[] = {
		{ 0x48, 0x00 }, { 0x48, 0x01 }, { 0x48, 0x88 }, { 0x48, 0xff },
		{ 0x4a, 0x00 }, { 0x4a, 0x01 }, { 0x4a, 0x02 }, { 0x4a, 0x1f },
		{ 0x4b, 0x06 },
		/* general purpose, SIMD & FP, unspecified registers */
		{ 0x49, 0x00, true, false }, { 0x49, 0x01, false, true },
		{ 0x49, 0x04, true, false }, { 0x49, 0x05, false, true },
		{ 0x49, 0x10, true, false }, { 0x49, 0x11, false, true },
		/* tags, FEAT_NV2 */
		{ 0x49, 0x14, true, false }, { 0x49, 0x15, false, true },
		{ 0x49, 0x30, true, false }, { 0x49, 0x31, false, true },
		/* copy, set */
		{ 0x49, 0x20, true, false }, { 0x49, 0x21, false, true },
		{ 0x49, 0x25, false, true },
		/* exclusive, acquire and release, both */
		{ 0x49, 0x0a, true, false }, { 0x49, 0x0b, false, true },
		{ 0x49, 0x12, true, false }, { 0x49, 0x13, false, true },
		{ 0x49, 0x1a, true, false }, { 0x49, 0x1b, false, true },
		/* atomic, and with acquire or release */
		{ 0x49, 0x06, true, true }, { 0x49, 0x07, true, true },
		{ 0x49, 0x16, true, true }, { 0x49, 0x17, true, true },
		/* SVE, predicated, gather and scatter */
		{ 0x49, 0x08, true, false }, { 0x49, 0x09, false, true },
		{ 0x49, 0x0c, true, false }, { 0x49, 0x0d, false, true },
		{ 0x49, 0xdc, true, false }, { 0x49, 0xdd, false, true },
		/* GCS, common */
		{ 0x49, 0x40, true, false }, { 0x49, 0x41, false, true },
		{ 0x49, 0x44, true, false }, { 0x49, 0x45, false, true },
	};
	u8 *buf = alloc_records(test, 1);
	struct arm_spe_record rec;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		buf[0] = cases[i].hdr;
		buf[1] = cases[i].op;
		buf[2] = 0x01;
		KUNIT_EXPECT_EQ(test, decode_both(test, buf, SIZE, SIZE, SIZE, &rec), SIZE);
		KUNIT_EXPECT_EQ_MSG(test, arm_spe_loads(&rec), cases[i].loads,
				    "%#x %#x", buf[0], buf[1]);
		KUNIT_EXPECT_EQ_MSG(test, arm_spe_stores(&rec), cases[i].stores,
				    "%#x %#x", buf[0], buf[1]);
	}
	kfree(buf);
}

static void padding(struct kunit *test)
{
	u8 *buf = alloc_records(test, 4);
	struct arm_spe_record rec;
	unsigned int at, i;

	/* nothing else */
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, 4 * SIZE, SIZE, SIZE, &rec), 0);
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, 0, SIZE, SIZE, &rec), 0);

	/* before the record, as the driver fills a buffer up */
	memcpy(buf + 2 * SIZE, load, sizeof(load));
	KUNIT_EXPECT_EQ(test, decode_both(test, buf, 4 * SIZE, SIZE, SIZE, &rec), 3 * SIZE);
	expect_load(test, &rec);

	/* alignment instead */
	for (i = 0; 2 << i <= SIZE; i++) {
		buf[2 * SIZE - (2 << i)] = 0x20 | i;
		KUNIT_EXPECT_EQ(test, decode_both(test, buf, 4 * SIZE, SIZE, SIZE, &rec), 3 * SIZE);
		expect_load(test, &rec);
		/* of what may be anything, then */
		memset(buf + 2 * SIZE - (2 << i) + 2, 0xff, (2 << i) - 2);
		KUNIT_EXPECT_EQ(test, decode_both(test, buf, 4 * SIZE, SIZE, SIZE, &rec), 3 * SIZE);
		expect_load(test, &rec);
		memset(buf, 0, 2 * SIZE);
	}

	/* between any two packets */
	for (at = 0; at < sizeof(load); at += 1 + simple_payload(load[at])) {
		for (i = 0; i <= SIZE - sizeof(load); i++) {
			memset(buf, 0, SIZE);
			memcpy(buf, load, at);
			memcpy(buf + at + i, load + at, sizeof(load) - at);
			KUNIT_EXPECT_EQ(test, decode_both(test, buf, SIZE, SIZE, SIZE, &rec), SIZE);
			expect_load(test, &rec);
		}
	}
	kfree(buf);
}

/* Of a record that is cut off what is there counts. */
static void cut_at_each_length(struct kunit *test)
{
	struct arm_spe_record rec, whole;
	size_t len;
	u8 *buf;

	simple_decode(load, sizeof(load), 1, SIZE, &whole);
	for (len = 1; len < sizeof(load); len++) {
		buf = kmalloc(len, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, buf);
		memcpy(buf, load, len);
		KUNIT_EXPECT_EQ_MSG(test, decode_both(test, buf, len, 1, SIZE, &rec), 1,
				    "%zu bytes", len);
		KUNIT_EXPECT_TRUE_MSG(test, rec.fields & ARM_SPE_REC_PARTIAL, "%zu bytes", len);
		KUNIT_EXPECT_EQ_MSG(test, rec.fields & ~ARM_SPE_REC_PARTIAL & ~LOAD_FIELDS, 0,
				    "%zu bytes", len);
		whole.fields = rec.fields;
		KUNIT_EXPECT_TRUE_MSG(test, same_record(&rec, &whole), "%zu bytes", len);
		kfree(buf);
	}
}

/*
 * Each byte of the second of three records is replaced with each other. Neither of
 * the others may be lost, if all are of one size. If not there are a few bytes for
 * which the second goes on in the third and nothing is wrong with that.
 */
static unsigned int damage(struct kunit *test, unsigned int align)
{
	unsigned int stride = (sizeof(load) + align - 1) / align * align;
	unsigned int i, at, value, used, calls, swallowed = 0;
	struct arm_spe_record rec, want;
	u8 *buf = alloc_records(test, 4);

	simple_decode(load, sizeof(load), 1, SIZE, &want);
	for (i = 0; i < 3; i++)
		memcpy(buf + i * stride, load, sizeof(load));

	for (i = 0; i < stride * 256; i++) {
		bool first = false, third = false, beyond = false;
		u8 *p = buf + stride + i / 256, was = *p;

		value = i % 256;
		*p = value;
		calls = 0;
		for (at = 0; at < 3 * stride; at += used) {
			used = decode_both(test, buf + at, 3 * stride - at, align, SIZE, &rec);
			if (!used)
				break;
			calls++;
			if (at == 0)
				first = same_record(&rec, &want);
			else if (at == 2 * stride)
				third = same_record(&rec, &want);
			else if (at + used > 2 * stride && !(rec.fields & ARM_SPE_REC_PARTIAL))
				beyond = true;
		}
		*p = was;
		swallowed += beyond;
		KUNIT_EXPECT_TRUE_MSG(test, first && (third || beyond) &&
				      calls <= 2 + stride / align,
				      "align %u: %#x instead of %#x at %u: %u calls",
				      align, value, was, i / 256, calls);
	}
	kfree(buf);
	return swallowed;
}

static void damage_with_one_size(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, damage(test, SIZE), 0);
}

static void damage_with_small_alignment(struct kunit *test)
{
	unsigned int align, swallowed;

	for (align = 1; align < SIZE; align *= 2) {
		swallowed = damage(test, align);
		KUNIT_EXPECT_TRUE_MSG(test, swallowed < 32, "align %u: %u", align, swallowed);
	}
}

/* Random bytes, with a preference for those that are headers. */
static void random_bytes(struct kunit *test)
{
	u8 *buf = alloc_records(test, 4);
	struct arm_spe_record rec;
	unsigned int round, i;
	u32 x = 88172645;

	for (round = 0; round < 20000; round++) {
		size_t len = 0, at = 0, used;
		unsigned int align;

		for (i = 0; i < 4 * SIZE; i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			buf[i] = x >> 8;
			if (x & 3)
				buf[i] = load[(x >> 16) % sizeof(load)];
		}
		len = x % (4 * SIZE + 1);
		align = 1 << (x >> 16) % 8;
		while ((used = decode_both(test, buf + at, len - at, align,
					   max(align, x >> 20 & 0xff), &rec)))
			at += used;
	}
	kfree(buf);
}

static struct kunit_case arm_spe_decoder_test_cases[] = {
	KUNIT_CASE(all_packets),
	KUNIT_CASE(timestamp_ends),
	KUNIT_CASE(recorded),
	KUNIT_CASE(every_header),
	KUNIT_CASE(addresses),
	KUNIT_CASE(accesses),
	KUNIT_CASE(padding),
	KUNIT_CASE(cut_at_each_length),
	KUNIT_CASE(damage_with_one_size),
	KUNIT_CASE_SLOW(damage_with_small_alignment),
	KUNIT_CASE(random_bytes),
	{}
};

static struct kunit_suite arm_spe_decoder_test_suite = {
	.name = "arm_spe_decoder",
	.test_cases = arm_spe_decoder_test_cases,
};

kunit_test_suite(arm_spe_decoder_test_suite);

MODULE_DESCRIPTION("KUnit test of the decoder of Arm SPE records");
MODULE_LICENSE("GPL");
