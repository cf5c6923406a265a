// SPDX-License-Identifier: GPL-2.0
/*
 * Decoder of the records that Arm's Statistical Profiling Extension writes.
 *
 * A record is a sequence of packets, in no order that the architecture would
 * prescribe, the last of which is an end or a timestamp packet. A packet is a
 * header, nearly always of one byte, and a payload whose size the header tells.
 * See "Statistical Profiling Extension Sample Record Specification" in the Arm
 * Architecture Reference Manual.
 *
 * This runs in interrupts and in the context switch. What the kernel has of
 * records it has from hardware, but from memory that others could have scribbled
 * on: nothing in them is trusted.
 */
#include <linux/bitfield.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/unaligned.h>

#include "arm_spe_decoder.h"

/* What to do with a packet; 0 for headers that are reserved. */
#define PKT_SHIFT	GENMASK(5, 0)	/* to drop what is beyond the payload */
#define PKT_SLOT	GENMASK(9, 6)	/* where it belongs in the record */
#define PKT_FIELDS	GENMASK(25, 10)	/* what it makes valid */
#define PKT_SIGNED	BIT(26)		/* the payload is sign-extended */
#define PKT_MORE	BIT(27)		/* it is not the last */
#define PKT_LEN		GENMASK(31, 28)	/* header and payload */

/* The longest packet with a header of one byte */
#define PKT_MAX		9

#define SLOT(member)	(offsetof(struct arm_spe_record, member) / sizeof(u64))

/* BYTES of payload, of which BITS are kept in MEMBER */
#define PKT(bytes, bits, member, fields)				\
	(FIELD_PREP_CONST(PKT_SHIFT, (64 - (bits)) & 63) |		\
	 FIELD_PREP_CONST(PKT_SLOT, SLOT(member)) |			\
	 FIELD_PREP_CONST(PKT_FIELDS, (fields)) |			\
	 FIELD_PREP_CONST(PKT_LEN, 1 + (bytes)))

#define MORE(bytes, bits, member, fields)				\
	(PKT(bytes, bits, member, fields) | PKT_MORE)

#define SKIP(bytes)		MORE(bytes, 64, ignored, 0)

/* The top byte holds a tag or describes the address space. */
#define PHYSICAL(member, field)	MORE(8, 56, member, field)
#define VIRTUAL(member, field)	(MORE(8, 56, member, field) | PKT_SIGNED)
#define COUNTER(member, field)	MORE(2, 16, member, field)
#define CONTEXT(member, field)	MORE(4, 32, member, field)
#define OP(fields)		MORE(1, 8, op, ARM_SPE_REC_OP | (fields))
#define EVENTS(bytes, bits)	MORE(bytes, bits, events, ARM_SPE_REC_EVENTS)
#define SOURCE(bytes, bits)	MORE(bytes, bits, source, ARM_SPE_REC_SOURCE)

static const u32 arm_spe_packets[256] = {
	[0x00]		= SKIP(0),			/* padding */
	[0x01]		= PKT(0, 64, ignored, 0),	/* end */

	[0x42]		= EVENTS(1, 8),
	[0x52]		= EVENTS(2, 16),
	[0x62]		= EVENTS(4, 32),
	[0x72]		= EVENTS(8, 64),

	[0x43]		= SOURCE(1, 8),
	[0x53]		= SOURCE(2, 16),
	[0x63]		= SOURCE(4, 32),
	[0x73]		= SOURCE(8, 64),

	[0x48]		= OP(0),			/* neither of the next */
	[0x49]		= OP(ARM_SPE_REC_LDST),
	[0x4a]		= OP(ARM_SPE_REC_BRANCH),
	[0x4b]		= SKIP(1),

	[0x64]		= CONTEXT(context_el1, ARM_SPE_REC_CONTEXT_EL1),
	[0x65]		= CONTEXT(context_el2, ARM_SPE_REC_CONTEXT_EL2),
	[0x66 ... 0x67]	= SKIP(4),

	[0x71]		= PKT(8, 64, timestamp, ARM_SPE_REC_TIMESTAMP),

	[0x98]		= COUNTER(lat_total, ARM_SPE_REC_LAT_TOTAL),
	[0x99]		= COUNTER(lat_issue, ARM_SPE_REC_LAT_ISSUE),
	[0x9a]		= COUNTER(lat_xlat, ARM_SPE_REC_LAT_XLAT),
	[0x9b ... 0x9f]	= SKIP(2),

	[0xb0]		= VIRTUAL(pc, ARM_SPE_REC_PC),
	[0xb1]		= SKIP(8),			/* target of a branch */
	[0xb2]		= VIRTUAL(va, ARM_SPE_REC_VA),
	[0xb3]		= PHYSICAL(pa, ARM_SPE_REC_PA),
	[0xb4 ... 0xb7]	= SKIP(8),			/* target of the one before it, ... */
};

/*
 * Alignment tells where the next packet is. Returns that, or NULL if this is
 * something else.
 */
static inline const u8 *arm_spe_alignment(const u8 *p, const u8 *end)
{
	unsigned long pad;

	if (end - p < 2 || (p[0] & 0xf0) != 0x20 || p[1])
		return NULL;

	pad = -(unsigned long)(p + 2) & ((2UL << (p[0] & 0xf)) - 1);
	return p + 2 + min_t(size_t, pad, end - p - 2);
}

/*
 * Counters and addresses with numbers that leave no room in a header of one byte.
 * Returns where to go on, NULL if this is something else.
 */
static const u8 *arm_spe_extended(const u8 *p, const u8 *end)
{
	u32 len;

	if (end - p < 2 || (p[0] & 0xfc) != 0x20 ||
	    ((p[1] & 0xf8) != 0x98 && (p[1] & 0xf8) != 0xb0))
		return NULL;

	/* A number for which there would be room: like the short header. */
	if (p[0] == 0x20)
		return p + 1;

	len = 1 + FIELD_GET(PKT_LEN, arm_spe_packets[p[1]]);
	return len <= end - p ? p + len : NULL;
}

/* What of the eight bytes after the header is to be kept? */
static __always_inline u64 arm_spe_payload(u64 bytes, u32 info)
{
	unsigned int shift = FIELD_GET(PKT_SHIFT, info);

	bytes <<= shift;
	return info & PKT_SIGNED ? (s64)bytes >> shift : bytes >> shift;
}

/* The same where eight bytes cannot be read. */
static u64 arm_spe_last_bytes(const u8 *p, const u8 *end)
{
	u64 bytes = 0;

	while (end > p)
		bytes = bytes << 8 | *--end;
	return bytes;
}

/*
 * All packets from @p on, in any order. Returns where the record ends, or NULL if it
 * is damaged.
 */
static const u8 *arm_spe_any(const u8 *p, const u8 *limit, struct arm_spe_record *rec,
			     u32 *fields)
{
	const u8 *next;
	u64 bytes;
	u32 info;

	while (p < limit) {
		info = arm_spe_packets[*p];
		if (likely(limit - p >= PKT_MAX))
			bytes = get_unaligned_le64(p + 1);
		else if (FIELD_GET(PKT_LEN, info) <= limit - p)
			bytes = arm_spe_last_bytes(p + 1, limit);
		else
			return NULL;

		rec->slots[FIELD_GET(PKT_SLOT, info)] = arm_spe_payload(bytes, info);
		*fields |= info & PKT_FIELDS;
		p += FIELD_GET(PKT_LEN, info);

		if (likely(info & PKT_MORE))
			continue;
		if (info)
			return p;

		next = arm_spe_alignment(p, limit);
		if (!next)
			next = arm_spe_extended(p, limit);
		if (!next)
			return NULL;
		p = next;
	}
	return NULL;
}

/*
 * If the packet is one with this header: what the table says, but with nothing to
 * look up, as the header is constant.
 */
static __always_inline const u8 *arm_spe_if(const u8 *p, u8 hdr, struct arm_spe_record *rec,
					    u32 *fields)
{
	const u32 info = arm_spe_packets[hdr];

	if (*p != hdr)
		return p;

	rec->slots[FIELD_GET(PKT_SLOT, info)] = arm_spe_payload(get_unaligned_le64(p + 1), info);
	*fields |= info & PKT_FIELDS;
	return p + FIELD_GET(PKT_LEN, info);
}

/* Up to eight bytes of padding */
static __always_inline const u8 *arm_spe_zeros(const u8 *p)
{
	u64 bytes;

	if (likely(*p))
		return p;
	bytes = get_unaligned_le64(p);
	return p + (bytes ? __ffs64(bytes) / 8 : 8);
}

/*
 * The packets of loads and stores in the order in which CPUs write them; some swap
 * neighbours or leave room for what they have not recorded. Any may be missing, and
 * what comes in another order is left. A processor that predicts which are there need
 * not wait for a header to know where the next one is, which makes this several times
 * as fast as to look each up.
 */
static __always_inline const u8 *arm_spe_usual(const u8 *p, const u8 *end,
					       struct arm_spe_record *rec, u32 *fields)
{
	/* As much as these can take, so that nothing is read beyond the end */
	if (end - p < 9 + 8 + 5 + 5 + 3 + 5 + 2 + 3 + 3 + 3 + 3 + 3 + 2 + PKT_MAX)
		return p;
	p = arm_spe_if(p, 0xb0, rec, fields);
	p = arm_spe_zeros(p);
	p = arm_spe_if(p, 0x64, rec, fields);
	p = arm_spe_if(p, 0x65, rec, fields);
	p = arm_spe_if(p, 0x52, rec, fields);
	p = arm_spe_if(p, 0x62, rec, fields);
	p = arm_spe_if(p, 0x49, rec, fields);
	p = arm_spe_if(p, 0x52, rec, fields);
	p = arm_spe_if(p, 0x98, rec, fields);
	p = arm_spe_if(p, 0x99, rec, fields);
	p = arm_spe_if(p, 0x98, rec, fields);
	if (*p == 0x52) {
		p = arm_spe_if(p, 0x52, rec, fields);
		p = arm_spe_if(p, 0x49, rec, fields);
	}

	if (end - p < 3 + 8 + 9 + 3 + 9 + PKT_MAX)
		return p;
	p = arm_spe_if(p, 0x9a, rec, fields);
	p = arm_spe_zeros(p);
	p = arm_spe_if(p, 0xb2, rec, fields);
	p = arm_spe_if(p, 0x9a, rec, fields);
	p = arm_spe_if(p, 0xb3, rec, fields);

	if (end - p < 8 + 2 + 5 + 8 + PKT_MAX)
		return p;
	p = arm_spe_zeros(p);
	p = arm_spe_if(p, 0x43, rec, fields);
	p = arm_spe_if(p, 0x65, rec, fields);
	return arm_spe_zeros(p);
}

/* Padding is zeros, or alignment as far as records are aligned. */
static inline const u8 *arm_spe_skip_padding(const u8 *p, const u8 *end, unsigned int align)
{
	const u8 *next;

	while (p < end && *p < 0x40) {
		if (!*p) {
			p++;
			continue;
		}
		next = arm_spe_alignment(p, end);
		if (!next || 2U << (*p & 0xf) > align)
			break;
		p = next;
	}
	return p;
}

/* Where the next record begins if this one took until @p */
static inline size_t arm_spe_used(const u8 *buf, size_t len, const u8 *p, unsigned int align)
{
	p += -(unsigned long)p & (align - 1);
	return min_t(size_t, p - buf, len);
}

/* What is left of a record that goes on with packets that are not usual. */
static noinline size_t arm_spe_decode_rest(const u8 *buf, size_t len, unsigned int align,
					   const u8 *start, const u8 *p, const u8 *limit,
					   struct arm_spe_record *rec, u32 fields)
{
	p = arm_spe_any(p, limit, rec, &fields);
	if (!p) {
		fields |= FIELD_PREP(PKT_FIELDS, ARM_SPE_REC_PARTIAL);
		p = start + 1;
	}
	rec->fields = FIELD_GET(PKT_FIELDS, fields);
	return arm_spe_used(buf, len, p, align);
}

/**
 * arm_spe_decode() - decode one record
 * @buf: Where a record begins, or padding. In memory that is aligned as that to
 *	which the record was written.
 * @len: Bytes that may be read. That is also where records end that are cut off.
 * @align: What each record is padded to, a power of two (PMBIDR_EL1.Align)
 * @max_size: What the longest record takes (PMSIDR_EL1.MaxSize), at least @align
 * @rec: Is filled in
 *
 * If a packet is not understood, or there is none that ends the record within
 * @max_size, the record is ARM_SPE_REC_PARTIAL. The next one is looked for at the
 * next multiple of @align. On CPUs whose records are all of one size, which is to
 * say if @align is @max_size, it is there, so damage never reaches beyond one
 * record. On others records of this kind may follow, or ones that begin in the
 * middle and lack what was before it: whoever needs a field has to look at
 * ARM_SPE_REC_* anyway.
 *
 * Context: Any.
 * Return: How many bytes the record took, with the padding before and after it;
 * 0 if there is nothing but padding.
 */
size_t arm_spe_decode(const u8 *buf, size_t len, unsigned int align,
		      unsigned int max_size, struct arm_spe_record *rec)
{
	const u8 *end = buf + len, *start, *p, *limit;
	u32 fields = 0;

	start = arm_spe_skip_padding(buf, end, align);
	if (start == end)
		return 0;

	limit = start + min_t(size_t, end - start,
			      max_size - ((unsigned long)start & (align - 1)));
	p = arm_spe_usual(start, end, rec, &fields);
	if (unlikely(p >= limit)) {
		p = start;
		fields = 0;
	}
	if (unlikely(*p != 0x01))
		return arm_spe_decode_rest(buf, len, align, start, p, limit, rec, fields);

	rec->fields = FIELD_GET(PKT_FIELDS, fields);
	return arm_spe_used(buf, len, p + 1, align);
}
EXPORT_SYMBOL_GPL(arm_spe_decode);

MODULE_DESCRIPTION("Decoder of Arm SPE records");
MODULE_LICENSE("GPL");
