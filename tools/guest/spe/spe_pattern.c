// SPDX-License-Identifier: GPL-2.0
/*
 * spe_pattern [ROUNDS]: READS * ROUNDS loads from one array in one function, WRITES *
 * ROUNDS stores to another in another: what a memory profile of it must show is
 * known. Prints the two counts and the arrays' places.
 */
#include <stdio.h>
#include <stdlib.h>

#define WORDS		8192	/* 64 KB */
#define READS		3
#define WRITES		1
#define DEFAULT_ROUNDS	200

/* not zero, and thus from the file: perf knows no symbols for what is only memory */
volatile long pattern_reads[WORDS] __attribute__((aligned(4096))) = { 1 };
volatile long pattern_writes[WORDS] __attribute__((aligned(4096))) = { 1 };

/*
 * noipa: each must stay a function. One access for each turn of a loop of five
 * instructions: of four, a sample that comes every 256 would always be the same one.
 */
static __attribute__((noipa)) long walk_reads(void)
{
	long i, sum = 0;

	for (i = 0; i < WORDS; i++)
		sum += pattern_reads[i];
	return sum;
}

static __attribute__((noipa)) void walk_writes(long value)
{
	long i;

	for (i = 0; i < WORDS; i++)
		pattern_writes[i] = value ^ i;
}

int main(int argc, char **argv)
{
	long rounds = DEFAULT_ROUNDS, r, i, sum = 0;
	char *end = "";

	if (argc > 1)
		rounds = strtol(argv[1], &end, 10);
	if (argc > 2 || *end || rounds <= 0) {
		fprintf(stderr, "usage: spe_pattern [ROUNDS]\n");
		return 2;
	}
	printf("loads %ld stores %ld pattern_reads 0x%lx pattern_writes 0x%lx bytes %zu\n",
	       rounds * READS * WORDS, rounds * WRITES * WORDS, (unsigned long)pattern_reads,
	       (unsigned long)pattern_writes, sizeof(pattern_reads));
	fflush(stdout);
	for (r = 0; r < rounds; r++) {
		for (i = 0; i < READS; i++)
			sum += walk_reads();
		for (i = 0; i < WRITES; i++)
			walk_writes(r);
	}
	return sum != rounds * READS;
}
