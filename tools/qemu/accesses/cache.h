/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cache of one CPU: set-associative, least recently used line out, physical
 * addresses, stores allocate. It sees only its own CPU: a line that another one
 * writes stays. The same accesses always give the same hits.
 */
#ifndef ACC_CACHE_H
#define ACC_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#define CACHE_ERR_MAX 256

struct cache_shape {
	uint64_t size;		/* 0: no cache */
	unsigned int ways, line;
};

struct cache;

/* "SIZE:WAYS:LINE" (SIZE may end in K or M) or "off"; false with a message. */
bool cache_parse(const char *text, struct cache_shape *shape, char *err);

struct cache *cache_new(const struct cache_shape *shape);	/* NULL: no memory */
void cache_free(struct cache *c);
void cache_empty(struct cache *c);

/* Was it there? It is now. */
bool cache_access(struct cache *c, uint64_t addr);

#endif
