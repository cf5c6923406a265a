/* SPDX-License-Identifier: GPL-2.0 */
/* Records as an SPE may write them, from random numbers. */
#ifndef SPE_DECODER_RECORDS_H
#define SPE_DECODER_RECORDS_H

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random64(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state * 0x2545f4914f6cdd1dULL;
}

static inline unsigned int below(struct random *r, unsigned int n)
{
	return (random64(r) >> 32) % n;
}

/* Enough for any record, without what pads it */
#define RECORD_MAX	160

/*
 * Writes a record of any packets in any order to BUF and returns its size. With
 * padding and alignment between them only if PADDED.
 */
size_t random_record(struct random *r, uint8_t *buf, int padded);

/* In which order a CPU writes packets, and where it leaves room for some */
enum layout { EMULATED, NEOVERSE, KUNPENG, NR_LAYOUTS };

/* Writes a record that a load or store of a user makes, of 64 bytes. */
void usual_record(struct random *r, uint8_t *buf, enum layout layout);

#endif /* SPE_DECODER_RECORDS_H */
