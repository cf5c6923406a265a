/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What arm_spe_decoder.c and its KUnit test need of the kernel beyond what the
 * node order does, to be built as ordinary programs.
 */
#ifndef SPE_DECODER_SHIM_H
#define SPE_DECODER_SHIM_H

#include <endian.h>
#include <stddef.h>

#include "../../node_order/shim/shim.h"

typedef int64_t s64;

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(h, l)		((~0UL << (l)) & (~0UL >> (63 - (h))))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define shift_of_(mask)		__builtin_ctzll(mask)
#define FIELD_GET(mask, v)	((__typeof__(mask))(((v) & (mask)) >> shift_of_(mask)))
#define FIELD_PREP(mask, v)	(((__typeof__(mask))(v) << shift_of_(mask)) & (mask))
#define FIELD_PREP_CONST(mask, v) \
	(FIELD_PREP(mask, v) + \
	 0 * sizeof(struct { int fits:1 - 2 * !!((v) & ~((mask) >> shift_of_(mask))); }))
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif
#define noinline		__attribute__((noinline))
#define __ffs64(v)		((unsigned int)__builtin_ctzll(v))
#define EXPORT_SYMBOL_GPL(s)	extern int node_order_shim_unused

/* As the kernel, sizes of a power of two are aligned to it. */
static inline void *kmalloc(size_t size, int flags)
{
	(void)flags;
	return size & (size - 1) ? malloc(size) : aligned_alloc(size, size);
}

static inline void *kzalloc(size_t size, int flags)
{
	void *p = kmalloc(size, flags);

	if (p)
		memset(p, 0, size);
	return p;
}

#define kfree(p)		free(p)

static inline u64 get_unaligned_le64(const void *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

#endif /* SPE_DECODER_SHIM_H */
