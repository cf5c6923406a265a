/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decoder of the records that Arm's Statistical Profiling Extension writes.
 */
#ifndef _ARM_SPE_DECODER_H
#define _ARM_SPE_DECODER_H

#include <linux/bits.h>
#include <linux/types.h>

/* What of struct arm_spe_record is valid. */
#define ARM_SPE_REC_VA			BIT(0)
#define ARM_SPE_REC_PA			BIT(1)
#define ARM_SPE_REC_PC			BIT(2)
#define ARM_SPE_REC_EVENTS		BIT(3)
#define ARM_SPE_REC_SOURCE		BIT(4)
#define ARM_SPE_REC_LAT_TOTAL		BIT(5)
#define ARM_SPE_REC_LAT_ISSUE		BIT(6)
#define ARM_SPE_REC_LAT_XLAT		BIT(7)
#define ARM_SPE_REC_CONTEXT_EL1		BIT(8)
#define ARM_SPE_REC_CONTEXT_EL2		BIT(9)
#define ARM_SPE_REC_TIMESTAMP		BIT(10)
#define ARM_SPE_REC_OP			BIT(11)

/* The class of the operation; neither, with ARM_SPE_REC_OP, is any other. */
#define ARM_SPE_REC_LDST		BIT(12)
#define ARM_SPE_REC_BRANCH		BIT(13)

/* Cut off or damaged: what is valid is what could be made of it. */
#define ARM_SPE_REC_PARTIAL		BIT(14)

/* Events of loads and stores */
#define ARM_SPE_EV_RETIRED		BIT_ULL(1)
#define ARM_SPE_EV_L1D_REFILL		BIT_ULL(3)
#define ARM_SPE_EV_TLB_WALK		BIT_ULL(5)
#define ARM_SPE_EV_LLC_MISS		BIT_ULL(9)
#define ARM_SPE_EV_REMOTE_ACCESS	BIT_ULL(10)

/* Bits of the type of a load or store */
#define ARM_SPE_OP_ST			BIT(0)
#define ARM_SPE_OP_ATOMIC		BIT(2)

/* In bits 7:5 and 1: atomic, exclusive, acquire or release */
#define ARM_SPE_OP_EXTENDED_MASK	(GENMASK(7, 5) | BIT(1))
#define ARM_SPE_OP_EXTENDED		BIT(1)

/**
 * struct arm_spe_record - what is known of one sampled operation
 * @va: Virtual address of the data, without tag; sign-extended
 * @pa: Physical address of the data, without attributes
 * @pc: Virtual address of the instruction; sign-extended
 * @events: What happened, a bit each, ARM_SPE_EV_* for example
 * @op: Type of the operation, depends on its class
 * @source: Where the data came from; each CPU has numbers of its own
 * @lat_total: Cycles from dispatch to completion
 * @lat_issue: Cycles from dispatch to issue
 * @lat_xlat: Cycles that the translation of @va took
 * @context_el1: CONTEXTIDR_EL1
 * @context_el2: CONTEXTIDR_EL2
 * @timestamp: When, in ticks of the clock that was chosen for it
 * @fields: Which of these are valid (ARM_SPE_REC_*); the others are undefined
 *
 * All are as wide as the widest payload: one table says which packet fills which.
 */
struct arm_spe_record {
	union {
		struct {
			/* private: of packets that nobody wants */
			u64	ignored;
			/* public: */
			u64	va;
			u64	pa;
			u64	pc;
			u64	events;
			u64	op;
			u64	source;
			u64	lat_total;
			u64	lat_issue;
			u64	lat_xlat;
			u64	context_el1;
			u64	context_el2;
			u64	timestamp;
		};
		/* private: */
		u64	slots[13];
	};
	/* public: */
	u32	fields;
};

/**
 * arm_spe_loads() - does the sampled operation read memory?
 * @rec: Decoded record
 *
 * Return: Whether it does. An atomic operation reads and writes.
 */
static inline bool arm_spe_loads(const struct arm_spe_record *rec)
{
	if (!(rec->fields & ARM_SPE_REC_LDST))
		return false;
	return !(rec->op & ARM_SPE_OP_ST) ||
	       ((rec->op & ARM_SPE_OP_EXTENDED_MASK) == ARM_SPE_OP_EXTENDED &&
		(rec->op & ARM_SPE_OP_ATOMIC));
}

/**
 * arm_spe_stores() - does the sampled operation write memory?
 * @rec: Decoded record
 *
 * Return: Whether it does. An atomic operation reads and writes.
 */
static inline bool arm_spe_stores(const struct arm_spe_record *rec)
{
	if (!(rec->fields & ARM_SPE_REC_LDST))
		return false;
	return (rec->op & ARM_SPE_OP_ST) ||
	       ((rec->op & ARM_SPE_OP_EXTENDED_MASK) == ARM_SPE_OP_EXTENDED &&
		(rec->op & ARM_SPE_OP_ATOMIC));
}

size_t arm_spe_decode(const u8 *buf, size_t len, unsigned int align,
		      unsigned int max_size, struct arm_spe_record *rec);

#endif /* _ARM_SPE_DECODER_H */
