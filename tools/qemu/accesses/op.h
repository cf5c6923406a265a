/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The type of an operation, in the terms of FEAT_SPE's operation type packet, so
 * that what was executed and what was sampled can be counted alike.
 */
#ifndef ACC_OP_H
#define ACC_OP_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* one of these, always */
	OP_LOAD		= 1 << 0,	/* also what loads and stores */
	OP_STORE	= 1 << 1,
	OP_BRANCH	= 1 << 2,
	OP_OTHER	= 1 << 3,
	/* loads and stores; without any of these: of general purpose registers */
	OP_SIMD		= 1 << 4,	/* of FP and SIMD registers; other operations: Advanced SIMD */
	OP_SVE		= 1 << 5,	/* or SME */
	OP_GATHER	= 1 << 6,
	OP_ATOMIC	= 1 << 7,
	OP_EXCLUSIVE	= 1 << 8,
	OP_ORDERED	= 1 << 9,	/* acquire or release */
	OP_COPY		= 1 << 10,	/* FEAT_MOPS */
	OP_SET		= 1 << 11,
	OP_TAG		= 1 << 12,
	OP_UNSPECIFIED	= 1 << 13,	/* of what registers: DC ZVA */
	/* branches; conditional selects and compares as well */
	OP_COND		= 1 << 14,
	OP_INDIRECT	= 1 << 15,
	OP_CALL		= 1 << 16,
	OP_RETURN	= 1 << 17,
	/* others */
	OP_FP		= 1 << 18,
	/* the packet had something that is none of the above */
	OP_UNKNOWN	= 1 << 19,
};

#define OP_CLASSES	(OP_LOAD | OP_STORE | OP_BRANCH | OP_OTHER)
#define OP_NAME_MAX	80

/*
 * What the A64 instruction is. Not told apart: whether SIMD and SVE operations are
 * on FP numbers and whether SVE has a predicate.
 */
unsigned int op_of_insn(uint32_t insn);
/* ... and what the packet says: its class, and its payload. */
unsigned int op_of_packet(unsigned int class, unsigned int payload);
/* Beginning with the class: "load", "load ordered atomic", "branch cond" */
const char *op_name(unsigned int op, char name[OP_NAME_MAX]);

/* QEMU may access memory for these without telling plugins, see is_block_op(). */
static inline bool op_may_hide(unsigned int op)
{
	return op & (OP_SVE | OP_COPY | OP_SET | OP_UNSPECIFIED);
}

#endif
