// SPDX-License-Identifier: GPL-2.0
#include "op.h"

#include <stdio.h>
#include <string.h>

/* --- instructions --------------------------------------------------------------- */

/*
 * The encodings that are something else than OP_OTHER alone, by pattern, and the
 * first one that matches counts: this is to be checked against the Arm ARM line by
 * line, and not to share its mistakes with the emulator's decoder.
 */
static const struct pattern {
	uint32_t mask, value;
	unsigned int op;
} patterns[] = {
	/* --- branches --- */
	{ 0xff000000, 0x54000000, OP_BRANCH | OP_COND },		/* B.cond, BC.cond */
	{ 0x7e000000, 0x34000000, OP_BRANCH | OP_COND },		/* CBZ, CBNZ */
	{ 0x7e000000, 0x36000000, OP_BRANCH | OP_COND },		/* TBZ, TBNZ */
	{ 0xfc000000, 0x14000000, OP_BRANCH },				/* B */
	{ 0xfc000000, 0x94000000, OP_BRANCH | OP_CALL },		/* BL */
	{ 0xfffffc1f, 0xd61f0000, OP_BRANCH | OP_INDIRECT },		/* BR */
	{ 0xfefff800, 0xd61f0800, OP_BRANCH | OP_INDIRECT },		/* BRAA, ... */
	{ 0xfffffc1f, 0xd63f0000, OP_BRANCH | OP_INDIRECT | OP_CALL },	/* BLR */
	{ 0xfefff800, 0xd63f0800, OP_BRANCH | OP_INDIRECT | OP_CALL },	/* BLRAA, ... */
	{ 0xfffffc1f, 0xd65f0000, OP_BRANCH | OP_INDIRECT | OP_RETURN },/* RET */
	{ 0xfffffbff, 0xd65f0bff, OP_BRANCH | OP_INDIRECT | OP_RETURN },/* RETAA, RETAB */
	{ 0xfffff3ff, 0xd69f03e0, OP_BRANCH | OP_INDIRECT },		/* ERET, ERETAA, ERETAB */

	/* --- stores that are system instructions --- */
	{ 0xffffffe0, 0xd50b7420, OP_STORE | OP_UNSPECIFIED },		/* DC ZVA */
	{ 0xffffffe0, 0xd50b7460, OP_STORE | OP_UNSPECIFIED },		/* DC GVA */
	{ 0xffffffe0, 0xd50b7480, OP_STORE | OP_UNSPECIFIED },		/* DC GZVA */

	/* --- exclusive, ordered, compare and swap: bits 23, 22, 21 are o2, L, o1 --- */
	{ 0x3fe08000, 0x08000000, OP_STORE | OP_EXCLUSIVE },		/* STXR */
	{ 0x3fe08000, 0x08008000, OP_STORE | OP_EXCLUSIVE | OP_ORDERED },
	{ 0x3fe08000, 0x08400000, OP_LOAD | OP_EXCLUSIVE },		/* LDXR */
	{ 0x3fe08000, 0x08408000, OP_LOAD | OP_EXCLUSIVE | OP_ORDERED },
	{ 0xbfe08000, 0x88200000, OP_STORE | OP_EXCLUSIVE },		/* STXP */
	{ 0xbfe08000, 0x88208000, OP_STORE | OP_EXCLUSIVE | OP_ORDERED },
	{ 0xbfe08000, 0x88600000, OP_LOAD | OP_EXCLUSIVE },		/* LDXP */
	{ 0xbfe08000, 0x88608000, OP_LOAD | OP_EXCLUSIVE | OP_ORDERED },
	{ 0xbfe0fc00, 0x08207c00, OP_LOAD | OP_ATOMIC },		/* CASP */
	{ 0xbfa07c00, 0x08207c00, OP_LOAD | OP_ATOMIC | OP_ORDERED },
	{ 0x3fe0fc00, 0x08a07c00, OP_LOAD | OP_ATOMIC },		/* CAS */
	{ 0x3fa07c00, 0x08a07c00, OP_LOAD | OP_ATOMIC | OP_ORDERED },
	{ 0x3fe00000, 0x08800000, OP_STORE | OP_ORDERED },		/* STLR, STLLR */
	{ 0x3fe00000, 0x08c00000, OP_LOAD | OP_ORDERED },		/* LDAR, LDLAR */
	{ 0x3fe00c00, 0x19000000, OP_STORE | OP_ORDERED },		/* STLUR */
	{ 0x3f200c00, 0x19000000, OP_LOAD | OP_ORDERED },		/* LDAPUR */

	/* --- memory copy and memory set --- */
	{ 0x3be00c00, 0x19c00400, OP_STORE | OP_SET },
	{ 0x3b200c00, 0x19000400, OP_LOAD | OP_COPY },

	/* --- SIMD, in structures --- */
	{ 0xbfff0000, 0x0c400000, OP_LOAD | OP_SIMD },			/* LD1 to LD4 */
	{ 0xbfff0000, 0x0c000000, OP_STORE | OP_SIMD },
	{ 0xbfe00000, 0x0cc00000, OP_LOAD | OP_SIMD },
	{ 0xbfe00000, 0x0c800000, OP_STORE | OP_SIMD },
	{ 0xbf400000, 0x0d400000, OP_LOAD | OP_SIMD },			/* one element */
	{ 0xbf400000, 0x0d000000, OP_STORE | OP_SIMD },

	/* --- literals --- */
	{ 0xff000000, 0x18000000, OP_LOAD },
	{ 0xff000000, 0x58000000, OP_LOAD },
	{ 0xff000000, 0x98000000, OP_LOAD },
	{ 0xff000000, 0xd8000000, OP_OTHER },				/* PRFM */
	{ 0x3f000000, 0x1c000000, OP_LOAD | OP_SIMD },

	/* --- pairs --- */
	{ 0xfe400000, 0x68000000, OP_STORE | OP_TAG },			/* STGP */
	{ 0x3e400000, 0x28400000, OP_LOAD },				/* LDP, LDNP, LDPSW */
	{ 0x3e400000, 0x28000000, OP_STORE },
	{ 0x3e400000, 0x2c400000, OP_LOAD | OP_SIMD },
	{ 0x3e400000, 0x2c000000, OP_STORE | OP_SIMD },

	/* --- tags --- */
	{ 0xffe00c00, 0xd9600000, OP_LOAD | OP_TAG },			/* LDG */
	{ 0xfffffc00, 0xd9e00000, OP_LOAD | OP_TAG },			/* LDGM */
	{ 0xff200000, 0xd9200000, OP_STORE | OP_TAG },			/* STG, STGM, ... */

	/* --- atomics: bits 23 and 22 are acquire and release --- */
	{ 0x3ffffc00, 0x38bfc000, OP_LOAD | OP_ORDERED },		/* LDAPR */
	{ 0xfffffc00, 0xf83fd000, OP_LOAD },				/* LD64B */
	{ 0xfffffc00, 0xf83f9000, OP_STORE },				/* ST64B */
	{ 0xffe0fc00, 0xf820b000, OP_STORE },				/* ST64BV */
	{ 0xffe0fc00, 0xf820a000, OP_STORE },				/* ST64BV0 */
	{ 0x3fe08c1f, 0x3820001f, OP_STORE | OP_ATOMIC },		/* STADD, ... */
	{ 0x3fe08c1f, 0x3860001f, OP_STORE | OP_ATOMIC | OP_ORDERED },	/* STADDL, ... */
	{ 0x3fe08c00, 0x38200000, OP_LOAD | OP_ATOMIC },		/* LDADD, ... */
	{ 0x3f208c00, 0x38200000, OP_LOAD | OP_ATOMIC | OP_ORDERED },
	{ 0x3fe0fc00, 0x38208000, OP_LOAD | OP_ATOMIC },		/* SWP */
	{ 0x3f20fc00, 0x38208000, OP_LOAD | OP_ATOMIC | OP_ORDERED },

	/* --- one register: scaled, unscaled, indexed, unprivileged, by register --- */
	{ 0xffc00000, 0xf9800000, OP_OTHER },				/* PRFM */
	{ 0xffe00c00, 0xf8a00800, OP_OTHER },
	{ 0xffe00c00, 0xf8800000, OP_OTHER },				/* PRFUM */
	{ 0xff200400, 0xf8200400, OP_LOAD },				/* LDRAA, LDRAB */
	{ 0x3fc00000, 0x39000000, OP_STORE },
	{ 0x3f000000, 0x39000000, OP_LOAD },
	{ 0x3fe00000, 0x38000000, OP_STORE },
	{ 0x3f200000, 0x38000000, OP_LOAD },
	{ 0x3fe00c00, 0x38200800, OP_STORE },
	{ 0x3f200c00, 0x38200800, OP_LOAD },
	{ 0x3f400000, 0x3d000000, OP_STORE | OP_SIMD },
	{ 0x3f400000, 0x3d400000, OP_LOAD | OP_SIMD },
	{ 0x3f600000, 0x3c000000, OP_STORE | OP_SIMD },
	{ 0x3f600000, 0x3c400000, OP_LOAD | OP_SIMD },
	{ 0x3f600c00, 0x3c200800, OP_STORE | OP_SIMD },
	{ 0x3f600c00, 0x3c600800, OP_LOAD | OP_SIMD },

	/* --- SVE: what compilers, string functions and kernels make of it --- */
	{ 0xffc08010, 0x85c00000, OP_OTHER | OP_SVE },			/* PRFB, PRFH, ... */
	{ 0xfe60e010, 0x8400c000, OP_OTHER | OP_SVE },
	{ 0xffc0a000, 0x85800000, OP_LOAD | OP_SVE },			/* LDR of Z or P */
	{ 0xffc0a000, 0xe5800000, OP_STORE | OP_SVE },			/* STR of Z or P */
	{ 0xfe408000, 0x84408000, OP_LOAD | OP_SVE },			/* LD1R */
	{ 0xfe000000, 0xa4000000, OP_LOAD | OP_SVE },			/* LD1, LD2, LDFF1, LDNT1, ... */
	{ 0xfe000000, 0xc4000000, OP_LOAD | OP_SVE | OP_GATHER },	/* LD1, of vectors of addresses */
	{ 0xfe000000, 0x84000000, OP_LOAD | OP_SVE | OP_GATHER },
	{ 0xfe00e000, 0xe4004000, OP_STORE | OP_SVE },			/* ST1, register offset */
	{ 0xfe00e000, 0xe4006000, OP_STORE | OP_SVE },			/* ST2, STNT1, ... */
	{ 0xfe10e000, 0xe400e000, OP_STORE | OP_SVE },			/* ST1, immediate offset */
	{ 0xfe10e000, 0xe410e000, OP_STORE | OP_SVE },			/* ST2, STNT1, ... */
	{ 0xfe000000, 0xe4000000, OP_STORE | OP_SVE | OP_GATHER },
	{ 0x9e000000, 0x04000000, OP_OTHER | OP_SVE },

	/* --- conditional select, conditional compare --- */
	{ 0x1fe00000, 0x1a800000, OP_OTHER | OP_COND },
	{ 0x1fe00000, 0x1a400000, OP_OTHER | OP_COND },

	/* --- FP, and the rest of FP and SIMD --- */
	{ 0xff200400, 0x1e200400, OP_OTHER | OP_FP | OP_COND },		/* FCCMP, FCSEL */
	{ 0x7f000000, 0x1e000000, OP_OTHER | OP_FP },
	{ 0xff000000, 0x1f000000, OP_OTHER | OP_FP },
	{ 0x0e000000, 0x0e000000, OP_OTHER | OP_SIMD },
};

unsigned int op_of_insn(uint32_t insn)
{
	unsigned int i;

	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if ((insn & patterns[i].mask) == patterns[i].value)
			return patterns[i].op;
	return OP_OTHER;
}

/* --- packets -------------------------------------------------------------------- */

static unsigned int load_or_store(unsigned int payload)
{
	unsigned int op = payload & 1 ? OP_STORE : OP_LOAD;

	if ((payload & 0x0a) == 0x08)
		return op | OP_SVE | (payload & 0x80 ? OP_GATHER : 0);
	if ((payload & 0xe2) == 0x02)
		return op | (payload & 0x04 ? OP_ATOMIC : 0) | (payload & 0x08 ? OP_EXCLUSIVE : 0) |
		       (payload & 0x10 ? OP_ORDERED : 0);
	switch (payload & 0xfe) {
	case 0x00: return op;
	case 0x04: return op | OP_SIMD;
	case 0x10: return op | OP_UNSPECIFIED;
	case 0x14: return op | OP_TAG;
	case 0x20: return op | OP_COPY;
	case 0x24: return op | OP_SET;
	}
	return op | OP_UNKNOWN;
}

static unsigned int branch(unsigned int payload)
{
	unsigned int op = OP_BRANCH | (payload & 1 ? OP_COND : 0) | (payload & 2 ? OP_INDIRECT : 0);

	switch (payload & 0xfc) {
	case 0x08: return op | OP_CALL;
	case 0x10: return op | OP_RETURN;
	case 0x18: return op;
	}
	return op | OP_UNKNOWN;
}

unsigned int op_of_packet(unsigned int class, unsigned int payload)
{
	switch (class) {
	case 0:
		if ((payload & 0x89) == 0x08)
			return OP_OTHER | OP_SVE;
		if (payload & 0xf8)
			return OP_OTHER | OP_UNKNOWN;
		return OP_OTHER | (payload & 1 ? OP_COND : 0) |
		       (payload & 4 ? OP_SIMD : payload & 2 ? OP_FP : 0);
	case 1:
		return load_or_store(payload);
	case 2:
		return branch(payload);
	}
	return OP_OTHER | OP_UNKNOWN;
}

const char *op_name(unsigned int op, char name[OP_NAME_MAX])
{
	static const char *const word[] = {
		"load", "store", "branch", "other", "SIMD", "SVE", "gather", "atomic", "exclusive", "ordered",
		"copy", "set", "tag", "unspecified", "cond", "indirect", "call", "return", "FP", "unknown",
	};
	size_t at = 0;
	unsigned int i;

	name[0] = '\0';
	for (i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		if (op & 1u << i)
			at += snprintf(name + at, OP_NAME_MAX - at, "%s%s", at ? " " : "", word[i]);
	return name;
}
