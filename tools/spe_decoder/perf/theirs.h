/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The decoder of the perf tool, which has names of its own for the same things:
 * its functions and structures are not seen outside theirs.c.
 */
#ifndef SPE_DECODER_THEIRS_H
#define SPE_DECODER_THEIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct their_record {
	uint64_t va, pa, pc, events, timestamp, context;
	uint32_t latency, lat_issue, lat_xlat;
	uint16_t source;
	bool ldst, branch, load, store, atomic;
};

struct theirs;

struct theirs *theirs_new(void);
void theirs_free(struct theirs *t);

/* A new stream of records. */
void theirs_feed(struct theirs *t, const uint8_t *buf, size_t len);

/* The next record: 1, 0 if there is none, < 0 if it is damaged. */
int theirs_next(struct theirs *t, struct their_record *rec);

/* How many records are there? For the clock: it looks at each but keeps none. */
size_t theirs_count(struct theirs *t, uint64_t *sum);

#endif /* SPE_DECODER_THEIRS_H */
