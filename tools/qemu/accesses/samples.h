/* SPDX-License-Identifier: GPL-2.0 */
/* The records of FEAT_SPE in a file of perf record. */
#ifndef ACC_SAMPLES_H
#define ACC_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLES_ERR_MAX	512	/* NN_ERR_MAX */

struct sample {
	unsigned int op;	/* op.h */
	bool kernel, has_va, has_time;
	uint64_t va, time;
};

/*
 * Calls fn for each record. False with a message when the file is not whole, has
 * something in it that no record has, or says itself that samples were lost.
 */
bool samples_read(const uint8_t *file, size_t len, void (*fn)(const struct sample *s, void *arg), void *arg,
		  char *err);

#endif
