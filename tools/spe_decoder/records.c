// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "records.h"

static uint8_t *put(uint8_t *p, uint8_t header, uint64_t payload)
{
	unsigned int i, bytes = 1 << ((header >> 4) & 3);

	*p++ = header;
	for (i = 0; i < bytes; i++)
		*p++ = payload >> (8 * i);
	return p;
}

/* What a virtual address can be: 52 bits of either half; the top byte is extra. */
static uint64_t address(struct random *r)
{
	uint64_t va = random64(r) & ((1ULL << 52) - 1);

	return below(r, 4) ? va : va | 0xfffULL << 52;
}

static uint64_t with_top(uint64_t address, uint8_t top)
{
	return (address & ((1ULL << 56) - 1)) | (uint64_t)top << 56;
}

/* Of an insn: not secure, and EL0 in the lower half, EL1 or EL2 in the upper */
static uint64_t insn(struct random *r)
{
	uint64_t pc = address(r);
	uint8_t el = pc >> 55 & 1 ? 1 + below(r, 2) : 0;

	return with_top(pc, 0x80 | el << 5);
}

static uint8_t sized(struct random *r, uint8_t header)
{
	return header | below(r, 4) << 4;
}

static uint8_t *put_random(struct random *r, uint8_t *p, unsigned int what)
{
	static const uint8_t ldst[] = {
		0x00, 0x01, 0x04, 0x05, 0x10, 0x11, 0x14, 0x15, 0x20, 0x21, 0x25, 0x30, 0x31,
		0x0a, 0x0b, 0x12, 0x13, 0x1a, 0x06, 0x07, 0x16, 0x17, 0x08, 0x09, 0x0c, 0x5d,
		0x88, 0xdd, 0x40, 0x41, 0x44, 0x45,
	};

	switch (what) {
	case 0: return put(p, 0xb0, insn(r));
	case 1: return put(p, 0xb2, with_top(address(r), random64(r)));
	case 2: return put(p, 0xb3, random64(r));
	case 3: return put(p, sized(r, 0x42), random64(r));
	case 4: return put(p, 0x49, ldst[below(r, sizeof(ldst))]);
	case 5: return put(p, 0x98, random64(r));
	case 6: return put(p, 0x99, random64(r));
	case 7: return put(p, 0x9a, random64(r));
	case 8: return put(p, 0x43 | below(r, 2) << 4, random64(r));
	case 9: return put(p, 0x64 | below(r, 2), random64(r));
	case 10: return put(p, 0x48 | below(r, 2) << 1, random64(r));
	case 11: return put(p, 0xb1, insn(r));
	case 12: return put(p, 0xb4, insn(r));
	/* what has no meaning yet, and what has two bytes of header */
	case 13: return put(p, 0xb5 + below(r, 3), random64(r));
	case 14: return put(p, 0x9b + below(r, 5), random64(r));
	case 15:
		*p++ = 0x21 + below(r, 3);
		return put(p, 0xb0 + below(r, 8), random64(r));
	default:
		*p++ = 0x21 + below(r, 3);
		return put(p, 0x98 + below(r, 8), random64(r));
	}
}

size_t random_record(struct random *r, uint8_t *buf, int padded)
{
	uint32_t left = random64(r) & random64(r) & 0x1ffff;
	uint8_t *p = buf;

	/* nearly always what each record has */
	if (below(r, 16))
		left |= 1 << 0 | 1 << 3 | 1 << 5 | 1 << 6;
	/* one type of operation */
	left &= ~(1U << 10);
	left |= 1U << 4;
	if (!below(r, 4))
		left ^= 1U << 4 | 1U << 10;

	while (left) {
		unsigned int what = below(r, 17);

		if (!(left & 1U << what))
			continue;
		left &= ~(1U << what);
		p = put_random(r, p, what);
		if (padded && !below(r, 8))
			*p++ = 0;
		if (padded && !below(r, 16)) {
			unsigned int align = 2 << below(r, 4);

			/* The perf tool wants the header within what is aligned. */
			if ((uintptr_t)p % align == align - 1)
				continue;
			*p++ = 0x20 | (__builtin_ctz(align) - 1);
			*p++ = 0;
			while ((uintptr_t)p % align)
				*p++ = random64(r);
		}
	}
	if (below(r, 2))
		p = put(p, 0x71, random64(r));
	else
		*p++ = 0x01;
	return p - buf;
}

/*
 * The orders are those of the emulated SPE and of dumps that people have published of
 * two families of CPUs; without timestamps, which the kernel has no use for.
 */
void usual_record(struct random *r, uint8_t *buf, enum layout layout)
{
	uint64_t pc = with_top(0xaaaa00000000 | (uint32_t)random64(r), 0x80);
	uint64_t va = 0xffff00000000 | (uint32_t)random64(r);
	uint64_t pa = with_top(random64(r) & ((1ULL << 40) - 1), 0x80);
	uint64_t events = 0x16 | (random64(r) & 0x728);
	uint64_t context = below(r, 32768), total = 5 + below(r, 500), issue = below(r, 20);
	uint64_t xlat = below(r, 50), source = below(r, 16);
	uint8_t *p = buf, store = below(r, 3) == 0;

	memset(buf, 0, 64);
	p = put(p, 0xb0, pc);
	switch (layout) {
	case EMULATED:
		p = put(p, 0x64, context);
		p = put(p, 0x52, events);
		p = put(p, 0x49, store);
		p = put(p, 0x98, total);
		p = put(p, 0x99, issue);
		p = put(p, 0x9a, xlat);
		p = put(p, 0xb2, va);
		p = put(p, 0xb3, pa);
		if (!store)
			p = put(p, 0x43, source);
		break;
	case NEOVERSE:
		p += 5;
		p = put(p, 0x65, context);
		p = put(p, 0x49, store);
		p = put(p, 0x52, events);
		p = put(p, 0x99, issue);
		p = put(p, 0x98, total);
		p = put(p, 0xb2, va);
		p = put(p, 0x9a, xlat);
		p = put(p, 0xb3, pa);
		if (store)
			p += 2;
		else
			p = put(p, 0x43, source);
		p += 2;
		break;
	default:
		p = put(p, 0x99, issue);
		p = put(p, 0x98, total);
		p = put(p, 0x52, events);
		p = put(p, 0x49, store);
		p += 2;
		p = put(p, 0xb2, va);
		p = put(p, 0x9a, xlat);
		p = put(p, 0xb3, pa);
		p = put(p, 0x65, context);
		p += 3;
		break;
	}
	*p = 0x01;
}
