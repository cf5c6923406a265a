// SPDX-License-Identifier: GPL-2.0
/*
 * spe_mix MODE [BUFFER [ROUNDS]]: a program of each kind, to be sampled while a
 * plugin of the emulator counts all that it executes (tools/qemu/accesses/opmix.c).
 * What both look at is between two marks; prints the time at each of these, as
 * samples have it:
 *
 *	spe_mix MODE FROM TO
 *
 * BUFFER is where its data go. Runs on the CPU that it is started on; pin it.
 *
 * What a loop does must not keep step with the samples: loops are either much
 * shorter than the 256 operations by which their distance varies at random, or
 * depend on random numbers themselves.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mark.h"

#define DEFAULT_BUFFER	0x200000000
#define SIZE		(4UL << 20)
#define LINE		64
#define LINES		(SIZE / LINE)
#define REGION		1

#ifndef HWCAP_SVE
#define HWCAP_SVE	(1UL << 22)
#endif
#ifndef HWCAP2_MOPS
#define HWCAP2_MOPS	(1UL << 43)
#endif

static char *buffer;
static uint64_t seed = 0x9e3779b97f4a7c15;
static volatile uint64_t sink;

static inline uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "spe_mix: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- the programs ----------------------------------------------------------------- */

/* Each array once for each ROUND: three parts are read, the last one is written. */
static void sequential(unsigned long rounds)
{
	volatile uint64_t *p = (volatile uint64_t *)buffer;
	unsigned long i, n = SIZE / sizeof(*p);

	while (rounds--) {
		for (i = 0; i < n * 3 / 4; i++)
			sink += p[i];
		for (; i < n; i++)
			p[i] = i;
	}
}

/* Low addresses are more likely; one in four is written. */
static void random_access(unsigned long rounds)
{
	volatile uint64_t *p = (volatile uint64_t *)buffer;

	while (rounds--) {
		uint64_t x = rnd(), at = (x & (x >> 20 | 0x1ffff)) % (SIZE / sizeof(*p));

		if (x >> 62)
			sink = p[at];
		else
			p[at] = x;
	}
}

/* Has each line of the buffer point to another one, all in one cycle (Sattolo). */
static void link_lines(void)
{
	uint32_t *order = malloc(LINES * sizeof(*order));
	unsigned long i;

	if (!order)
		fail("memory");
	for (i = 0; i < LINES; i++)
		order[i] = i;
	for (i = LINES - 1; i > 0; i--) {
		unsigned long k = rnd() % i;
		uint32_t t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	for (i = 0; i < LINES; i++)
		*(void **)(buffer + order[i] * LINE) = buffer + order[(i + 1) % LINES] * LINE;
	free(order);
}

static void chase(unsigned long rounds)
{
	void **p = (void **)buffer;

	while (rounds--) {
		p = *p;
		__asm__ volatile("" : "+r"(p));
	}
	sink = (uintptr_t)p;
}

/* Stores of all sizes and kinds, and a block that is zeroed. */
static void stores(unsigned long rounds)
{
	while (rounds--) {
		char *p = buffer + rnd() % (LINES - 2) * LINE;

		__asm__ volatile(
			"str %0, [%1]\n"
			"strb %w0, [%1, #9]\n"
			"strh %w0, [%1, #12]\n"
			"stp %0, %0, [%1, #16]\n"
			"str w0, [%1, #32]\n"
			"movi v0.16b, #1\n"
			"str q0, [%1, #48]\n"
			"stp d0, d0, [%1, #64]\n"
			"st1 {v0.4s}, [%1]\n"
			"stlr %0, [%1]\n"
			"prfm pstl1keep, [%1, #64]\n"
			: : "r"(rounds), "r"(p) : "v0", "memory");
		if (!(rounds & 7))
			__asm__ volatile("dc zva, %0" : : "r"(p) : "memory");
	}
}

/* Strings by SVE: add and copy arrays, look things up, count. */
static void sve(unsigned long rounds)
{
	while (rounds--) {
		char *from = buffer + rnd() % (SIZE / 2), *to = buffer + SIZE / 2;
		uint64_t n = rnd() % 512, i = 0;

		__asm__ volatile(
			".arch armv8.2-a+sve\n"
			"whilelo p0.b, %0, %3\n"
			"b.none 2f\n"
			"1:\n"
			"ld1b { z0.b }, p0/z, [%1, %0]\n"
			"mov z1.d, z0.d\n"
			"add z1.b, z1.b, #1\n"
			"mul z1.b, p0/m, z1.b, z0.b\n"
			"st1b { z1.b }, p0, [%2, %0]\n"
			"incb %0\n"
			"whilelo p0.b, %0, %3\n"
			"b.any 1b\n"
			"2:\n"
			"ptrue p1.d\n"
			"index z2.d, #0, #8\n"
			"ld1d { z3.d }, p1/z, [%1, z2.d]\n"
			"st1d { z3.d }, p1, [%2, z2.d]\n"
			"ld1rw { z4.s }, p1/z, [%1]\n"
			"ucvtf z4.s, p1/m, z4.s\n"
			"fadd z4.s, z4.s, z4.s\n"
			"str z4, [%2]\n"
			"ldr z5, [%2]\n"
			: "+r"(i) : "r"(from), "r"(to), "r"(n)
			: "cc", "memory", "p0", "p1", "v0", "v1", "v2", "v3", "v4", "v5");
	}
}

/* memcpy() and memset() of the CPU: each is three instructions. */
static void mops(unsigned long rounds)
{
	while (rounds--) {
		register char *to __asm__("x0") = buffer + SIZE / 2 + rnd() % (SIZE / 4);
		register uint64_t from __asm__("x1") = (uintptr_t)buffer + rnd() % (SIZE / 2);
		register uint64_t n __asm__("x2") = rnd() % 512;

		if (from & 1) {
			__asm__ volatile(
				".arch armv8.8-a+mops\n"
				"cpyfp [%0]!, [%1]!, %2!\n"
				"cpyfm [%0]!, [%1]!, %2!\n"
				"cpyfe [%0]!, [%1]!, %2!\n"
				: "+r"(to), "+r"(from), "+r"(n) : : "cc", "memory");
		} else if (from & 2) {
			__asm__ volatile(
				".arch armv8.8-a+mops\n"
				"cpyp [%0]!, [%1]!, %2!\n"
				"cpym [%0]!, [%1]!, %2!\n"
				"cpye [%0]!, [%1]!, %2!\n"
				: "+r"(to), "+r"(from), "+r"(n) : : "cc", "memory");
		} else {
			__asm__ volatile(
				".arch armv8.8-a+mops\n"
				"setp [%0]!, %1!, %2\n"
				"setm [%0]!, %1!, %2\n"
				"sete [%0]!, %1!, %2\n"
				: "+r"(to), "+r"(n) : "r"(from) : "cc", "memory");
		}
	}
}

/* What the C library makes of these, of strings of all lengths. */
static void strings(unsigned long rounds)
{
	while (rounds--) {
		char *from = buffer + rnd() % (SIZE / 2), *to = buffer + SIZE / 2 + rnd() % (SIZE / 4);
		size_t n = rnd() % 256;

		memset(from, 'x', n);
		from[n] = '\0';
		memcpy(to, from, n + 1);
		sink += strlen(to) + (strchr(from, 'y') != NULL) + strcmp(from, to);
		sink += memchr(to, '\0', n + 1) == to + n;
	}
}

static void atomics(unsigned long rounds)
{
	while (rounds--) {
		char *p = buffer + rnd() % LINES * LINE;
		uint64_t a = rounds, b, c;

		__asm__ volatile(
			".arch armv8.5-a+lse\n"
			"ldadd %0, %1, [%3]\n"
			"stadd %w0, [%3, #0]\n"
			"ldeoral %0, %1, [%3]\n"
			"stsetl %0, [%3]\n"
			"swp %0, %1, [%3]\n"
			"mov %2, %0\n"
			"cas %2, %0, [%3]\n"
			"casal %2, %1, [%3]\n"
			"ldxr %1, [%3]\n"
			"stxr %w2, %1, [%3]\n"
			"ldaxr %1, [%3]\n"
			"stlxr %w2, %1, [%3]\n"
			"ldapr %1, [%3]\n"
			"ldar %1, [%3]\n"
			"stlr %1, [%3]\n"
			: "+&r"(a), "=&r"(b), "=&r"(c) : "r"(p) : "memory");
		if (b & 1)
			__asm__ volatile("stclr %0, [%1]" : : "r"(b), "r"(p) : "memory");
	}
}

static __attribute__((noipa)) uint64_t leaf(uint64_t x)
{
	return x * 3;
}

static __attribute__((noipa)) uint64_t inner(uint64_t x)
{
	return leaf(x) + 1;
}

static uint64_t (*volatile const functions[])(uint64_t x) = { leaf, inner };

/* Branches of all kinds, conditional selects, and FP for what is no memory access. */
static void branches(unsigned long rounds)
{
	double f = 1;

	while (rounds--) {
		uint64_t x = rnd();

		switch (x >> 60) {
		case 0: sink = leaf(x); break;
		case 1: sink = inner(x); break;
		case 2: sink = functions[x & 1](x); break;
		case 3: f = f * 1.5 + 1; break;
		case 4: f = f > 1e9 ? 1 : f * f; break;
		case 5: __asm__ volatile("cmp %0, #5\nccmp %0, #7, #0, ne\ncsel %0, %0, xzr, eq" : "+r"(x) : : "cc"); break;
		case 6: __asm__ volatile("tbz %0, #3, 1f\nfmov d0, #1.0\nfcsel d0, d0, d0, eq\n1:" : : "r"(x) : "v0", "cc"); break;
		case 7: __asm__ volatile("adr x16, 1f\nbr x16\nnop\n1:" : : : "x16"); break;
		case 8: sink = x / 7; break;
		case 9: __asm__ volatile("cbnz %0, 1f\nnop\n1: add v0.4s, v1.4s, v2.4s" : : "r"(x) : "v0"); break;
		default: sink = x >> 3;
		}
	}
	sink += (uint64_t)f;
}

/* System calls and page faults between stretches of work of random length. */
static void mixed(unsigned long rounds)
{
	char page[4096];
	int fd[2];

	if (pipe(fd))
		fail("pipe");
	memset(page, 0, sizeof(page));
	while (rounds--) {
		uint64_t x = rnd(), work = x >> 32 & 1023;
		size_t n = x & 4095;
		char *p;

		while (work--)
			sink += rnd();
		switch (x >> 61) {
		case 0:
		case 1:
			if (write(fd[1], page, n + 1) != (ssize_t)n + 1 || read(fd[0], page, n + 1) != (ssize_t)n + 1)
				fail("pipe");
			break;
		case 2:
			p = mmap(NULL, 16 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED)
				fail("mmap");
			for (work = x >> 44 & 15; work--; )
				p[work << 12] = 1;
			munmap(p, 16 << 12);
			break;
		default:
			sink += getppid();
		}
	}
	close(fd[0]);
	close(fd[1]);
}

/* --- how they are run ---------------------------------------------------------------- */

static const struct program {
	const char *name;
	void (*run)(unsigned long rounds);
	unsigned long rounds;		/* about ten million instructions */
	void (*prepare)(void);
	unsigned long hwcap, hwcap2;
} programs[] = {
	{ "sequential", sequential, 3, NULL, 0, 0 },
	{ "random", random_access, 600000, NULL, 0, 0 },
	{ "chase", chase, 3300000, link_lines, 0, 0 },
	{ "stores", stores, 400000, NULL, 0, 0 },
	{ "sve", sve, 150000, NULL, HWCAP_SVE, 0 },
	{ "mops", mops, 500000, NULL, 0, HWCAP2_MOPS },
	{ "strings", strings, 40000, NULL, 0, 0 },
	{ "atomics", atomics, 350000, NULL, HWCAP_ATOMICS | HWCAP_LRCPC, 0 },
	{ "branches", branches, 500000, NULL, 0, 0 },
	{ "mixed", mixed, 1000, NULL, 0, 0 },
};

static const struct program *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (!strcmp(programs[i].name, name))
			return &programs[i];
	fprintf(stderr, "spe_mix: no mode '%s'; there are:", name);
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		fprintf(stderr, " %s", programs[i].name);
	fputc('\n', stderr);
	exit(2);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || !n) {
		fprintf(stderr, "spe_mix: '%s' is no number\nusage: spe_mix MODE [BUFFER [ROUNDS]]\n", text);
		exit(2);
	}
	return n;
}

static inline uint64_t now(void)
{
	uint64_t t;

	__asm__ volatile("isb\nmrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
}

int main(int argc, char **argv)
{
	const struct program *p;
	unsigned long rounds, at;
	uint64_t from, to;

	if (argc < 2 || argc > 4) {
		fputs("usage: spe_mix MODE [BUFFER [ROUNDS]]\n", stderr);
		return 2;
	}
	p = find(argv[1]);
	at = argc > 2 ? number(argv[2]) : DEFAULT_BUFFER;
	rounds = argc > 3 ? number(argv[3]) : p->rounds;
	if ((getauxval(AT_HWCAP) & p->hwcap) != p->hwcap || (getauxval(AT_HWCAP2) & p->hwcap2) != p->hwcap2) {
		fprintf(stderr, "spe_mix: this CPU cannot run '%s'; QEMU's -cpu max can\n", p->name);
		return 1;
	}
	buffer = mmap((void *)at, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
	if (buffer != (char *)at)
		fail("the buffer's place");
	if (p->prepare)
		p->prepare();
	if (!acc_name(REGION, p->name))
		fail("a page for marks");
	/* once before, so that it finds its pages */
	p->run(1);
	from = now();
	acc_begin(REGION);
	p->run(rounds);
	acc_end(REGION);
	to = now();
	printf("spe_mix %s %llu %llu\n", p->name, (unsigned long long)from, (unsigned long long)to);
	return 0;
}
