// SPDX-License-Identifier: GPL-2.0
/*
 * Feeds the decoder with damaged records and garbage, under sanitizers: as a program
 * with a loop of its own, or with libFuzzer. Whatever comes, it must not read beyond
 * the end, must come to an end itself, and must say what the byte-by-byte decoder of
 * the KUnit test says.
 */
#include <sys/time.h>

/* What the KUnit test has is static. */
#define main kunit_main
#include "kernel/arm_spe_decoder_test.c"
#undef main

#include "records.h"

static void fail(const char *what, const u8 *buf, size_t len, unsigned int align,
		 unsigned int max_size)
{
	size_t i;

	printf("# %s: align %u, max %u, %zu bytes at %#lx:\n#", what, align, max_size, len,
	       (unsigned long)buf % 4096);
	for (i = 0; i < len; i++)
		printf(" %02x", buf[i]);
	printf("\nnot ok 1 - fuzz\n");
	fflush(stdout);
	abort();
}

/* Decodes all of a buffer, CHECK: and compares. */
static unsigned int eat(const u8 *buf, size_t len, unsigned int align, unsigned int max_size,
			bool check)
{
	struct arm_spe_record rec, simple;
	size_t at = 0, used;
	unsigned int nr = 0;

	while ((used = arm_spe_decode(buf + at, len - at, align, max_size, &rec))) {
		if (used > len - at)
			fail("takes more than there is", buf + at, len - at, align, max_size);
		if (rec.fields >> 15)
			fail("unknown fields", buf + at, len - at, align, max_size);
		if (check && (used != simple_decode(buf + at, len - at, align, max_size, &simple) ||
			      !same_record(&rec, &simple)))
			fail("the two decoders disagree", buf + at, len - at, align, max_size);
		at += used;
		nr++;
	}
	if (check && simple_decode(buf + at, len - at, align, max_size, &simple))
		fail("the two decoders disagree on the end", buf + at, len - at, align, max_size);
	return nr;
}

/* The first bytes say how the hardware aligns, and where the buffer is. */
int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	unsigned int align, max_size, skew;
	u8 *mem;

	if (len < 4)
		return 0;
	align = 1 << data[0] % 12;
	max_size = align << data[1] % 4;
	skew = (data[2] | data[3] << 8) % 2048;
	/* of the exact size, and where it should be */
	if (posix_memalign((void **)&mem, 2048, skew + len - 4))
		return 0;
	memcpy(mem + skew, data + 4, len - 4);
	eat(mem + skew, len - 4, align, max_size, true);
	free(mem);
	return 0;
}

#ifndef LIBFUZZER
#define POOL		4096
#define MAX		192

static u8 pool[POOL * 64 + MAX];
static size_t starts[POOL];

/* Valid records one after the other; half of each kind. */
static void fill_pool(struct random *r)
{
	size_t at = 0, i;

	for (i = 0; i < POOL; i++) {
		starts[i] = at;
		if (i % 2) {
			usual_record(r, pool + at, i / 2 % NR_LAYOUTS);
			at += 64;
		} else {
			at += random_record(r, pool + at, 1);
		}
		if (at + RECORD_MAX + MAX > sizeof(pool))
			at = 0;
	}
}

static unsigned int damage_it(struct random *r, u8 *buf, unsigned int len)
{
	u64 dice = random64(r);
	unsigned int i, at, n = dice & 3;

	for (i = 0; i <= n; i++) {
		dice = random64(r);
		at = (dice >> 32) % len;
		switch (dice & 7) {
		case 0 ... 2:
			buf[at] = dice >> 8;
			break;
		case 3:
			buf[at] ^= 1 << (dice >> 8 & 7);
			break;
		case 4:		/* a header where there was none */
			buf[at] = load[(dice >> 8) % sizeof(load)];
			break;
		case 5:		/* alignment, and other long headers */
			buf[at] = 0x20 | (dice >> 8 & 0xf);
			if (at + 1 < len && dice & 0x10000)
				buf[at + 1] = 0;
			break;
		case 6:		/* a byte too many */
			memmove(buf + at + 1, buf + at, len - at - 1);
			break;
		case 7:		/* cut */
			memset(buf + at, dice & 0x100 ? 0 : 0xff, len - at);
			break;
		}
	}
	return len;
}

static double now(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return tv.tv_sec + tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	unsigned long nr = argc > 1 ? strtoul(argv[1], NULL, 0) : 10000000, i, records = 0;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	struct random r = { seed ?: 1 };
	double start = now();
	u8 *mem = aligned_alloc(4096, 4096), *end;

	if (argc > 3 || !nr) {
		fprintf(stderr, "fuzz: error: usage: fuzz [BUFFERS [SEED]], numbers above 0\n");
		free(mem);
		return 2;
	}
	if (!mem) {
		fprintf(stderr, "fuzz: error: out of memory\n");
		return 2;
	}

	end = mem + 4096;
	fill_pool(&r);
	for (i = 0; i < nr; i++) {
		u64 dice = random64(&r);
		unsigned int len = 1 + (dice & 0xffff) % MAX;
		unsigned int align = 1 << (dice >> 16) % 8;
		unsigned int max_size = align << (dice >> 20 & 3);
		u8 *buf = end - len;	/* what is beyond it is poison */

		if (max_size < 64 && dice & 1ULL << 24)
			max_size = 64;
		memcpy(buf, pool + starts[(dice >> 32) % POOL], len);
		damage_it(&r, buf, len);
		records += eat(buf, len, align, max_size, i % 8 == 0);
	}
	printf("# seed %#llx: %lu damaged buffers, %lu records, %.1f s\nok 1 - fuzz\n1..1\n",
	       (unsigned long long)seed, nr, records, now() - start);
	free(mem);
	return 0;
}
#endif
