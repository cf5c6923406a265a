// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"

#define MAX_SIZE	(64ull << 20)
#define MAX_WAYS	32
#define NO_LINE		UINT64_MAX	/* no address has this many lines before it */

struct cache {
	unsigned int ways, line_shift;
	uint64_t set_mask;
	size_t lines;
	uint64_t line[];	/* set by set, the latest used first */
};

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* Digits only: strtoull() would take a sign and blanks. */
static bool number(const char **p, uint64_t *n)
{
	*n = 0;
	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		if (*n > MAX_SIZE)
			return false;
		*n = *n * 10 + (**p - '0');
	}
	return true;
}

bool cache_parse(const char *text, struct cache_shape *shape, char *err)
{
	const char *p = text;
	uint64_t size, ways, line;

	memset(shape, 0, sizeof(*shape));
	if (!strcmp(text, "off"))
		return true;
	if (!number(&p, &size))
		goto bad;
	if (*p == 'K' || *p == 'M')
		size <<= *p++ == 'K' ? 10 : 20;
	if (*p++ != ':' || !number(&p, &ways) || *p++ != ':' || !number(&p, &line) || *p)
		goto bad;
	if (line < 16 || line > 4096 || !power_of_two(line)) {
		snprintf(err, CACHE_ERR_MAX,
			 "cache=%.40s: lines of %llu bytes; a power of two from 16 to 4096, please",
			 text, (unsigned long long)line);
		return false;
	}
	if (!ways || ways > MAX_WAYS) {
		snprintf(err, CACHE_ERR_MAX, "cache=%.40s: %llu ways; from 1 to %d, please", text,
			 (unsigned long long)ways, MAX_WAYS);
		return false;
	}
	if (size > MAX_SIZE || size % (ways * line) || !power_of_two(size / (ways * line))) {
		snprintf(err, CACHE_ERR_MAX,
			 "cache=%.40s: the size must be WAYS * LINE times a power of two, at most 64M, like 32K:8:64",
			 text);
		return false;
	}
	*shape = (struct cache_shape){ .size = size, .ways = ways, .line = line };
	return true;
bad:
	snprintf(err, CACHE_ERR_MAX, "cache=%.40s: give SIZE:WAYS:LINE, like 32K:8:64, or off", text);
	return false;
}

struct cache *cache_new(const struct cache_shape *shape)
{
	size_t lines = shape->size / shape->line;
	struct cache *c = malloc(sizeof(*c) + lines * sizeof(c->line[0]));

	if (!c)
		return NULL;
	c->ways = shape->ways;
	c->line_shift = __builtin_ctz(shape->line);
	c->lines = lines;
	c->set_mask = lines / shape->ways - 1;
	cache_empty(c);
	return c;
}

void cache_free(struct cache *c)
{
	free(c);
}

void cache_empty(struct cache *c)
{
	size_t i;

	for (i = 0; i < c->lines; i++)
		c->line[i] = NO_LINE;
}

bool cache_access(struct cache *c, uint64_t addr)
{
	uint64_t line = addr >> c->line_shift;
	uint64_t *set = &c->line[(line & c->set_mask) * c->ways];
	unsigned int i;

	if (set[0] == line)
		return true;
	for (i = 1; i < c->ways && set[i] != line; i++)
		;
	if (i < c->ways) {
		memmove(&set[1], &set[0], i * sizeof(*set));
		set[0] = line;
		return true;
	}
	memmove(&set[1], &set[0], (c->ways - 1) * sizeof(*set));
	set[0] = line;
	return false;
}
