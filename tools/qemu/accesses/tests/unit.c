// SPDX-License-Identifier: GPL-2.0
/* unit DIR: the cache, the map, the marks and the counters; DIR is for files. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "count.h"
#include "map.h"
#include "mark.h"
#include "util.h"

#include "tests/rows.h"

static unsigned int nr, failed;
static const char *dir;

static void report(bool ok, const char *what)
{
	printf("%s %u - accesses: %s\n", ok ? "ok" : "not ok", ++nr, what);
	failed += !ok;
}

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void write_text(const char *path, const char *text)
{
	char err[NN_ERR_MAX];

	if (!write_file_atomic(path, text, strlen(text), err))
		die(1, "%s", err);
}

/* --- the cache ----------------------------------------------------------------- */

static struct cache *cache_of(const char *text)
{
	struct cache_shape shape;
	char err[CACHE_ERR_MAX];

	if (!cache_parse(text, &shape, err))
		die(1, "%s", err);
	return cache_new(&shape);
}

static unsigned int misses(struct cache *c, uint64_t start, unsigned int n, uint64_t step)
{
	unsigned int i, m = 0;

	for (i = 0; i < n; i++)
		m += !cache_access(c, start + i * step);
	return m;
}

static void test_cache(void)
{
	static const char *const bad[] = {
		"", "32K", "32K:8", "32K:8:64:1", "32K:8:64x", "32K:8:60", "32K:8:8", "32K:0:64", "32K:33:64",
		"33K:8:64", "0:8:64", "128M:8:64", "-1:8:64", " 32K:8:64", "99999999999999999999:1:64", "on",
	};
	struct cache_shape shape;
	char err[CACHE_ERR_MAX];
	struct cache *c;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *what = xasprintf("cache=%s is refused", bad[i]);

		err[0] = '\0';
		report(!cache_parse(bad[i], &shape, err) && strstr(err, "cache="), what);
		free(what);
	}
	report(cache_parse("off", &shape, err) && !shape.size, "cache=off");
	report(cache_parse("48K:12:64", &shape, err) && shape.size == 48 << 10 && shape.ways == 12 &&
	       shape.line == 64, "a cache whose ways are no power of two");

	c = cache_of("4K:4:64");	/* 16 sets */
	report(misses(c, 0, 512, 8) == 64, "each line misses once");
	report(misses(c, 0, 512, 8) == 0, "what fits stays");
	report(misses(c, 0x10000, 4, 1024) == 4, "4 lines of one set go in");
	report(misses(c, 0x10000, 4, 1024) == 0, "... and stay");
	report(misses(c, 0, 64, 64) == 4, "... and cost that set its 4 lines");
	cache_empty(c);
	report(misses(c, 0, 1, 1) == 1, "emptied");
	cache_empty(c);
	misses(c, 0, 4, 1024);		/* A B C D */
	misses(c, 0, 1, 1024);		/* A again: B is the oldest */
	misses(c, 4096, 1, 1024);	/* E drives B out */
	report(misses(c, 0, 1, 1) == 0 && misses(c, 2048, 2, 1024) == 0 && misses(c, 4096, 1, 1) == 0,
	       "the latest used stay");
	report(misses(c, 1024, 1, 1) == 1, "... and the oldest has gone");
	cache_empty(c);
	report(misses(c, 0, 20, 1024) == 20 && misses(c, 0, 20, 1024) == 20, "a set that is too small never hits");
	report(misses(c, UINT64_MAX, 1, 1) == 1 && misses(c, UINT64_MAX, 1, 1) == 0, "the last byte of all");
	cache_free(c);

	c = cache_of("128:2:64");	/* one set */
	report(misses(c, 0, 2, 4096) == 2 && misses(c, 0, 2, 4096) == 0, "a cache of one set");
	cache_free(c);
}

/* --- the map -------------------------------------------------------------------- */

#define TWO_NODES "nodes 2\ncpus 0 0 1 1\nmem 0 0x0 0x1000\nmem 0 0x2000 0x1000\nmem 1 0x3000 0x2000\n"	\
		  "distances 10 20\ndistances 25 10\n"

static void test_map(void)
{
	static const struct { const char *what, *text, *says; } bad[] = {
		{ "an empty map", "", "ends too early" },
		{ "a map without nodes first", "cpus 0\n", "must come first" },
		{ "no nodes", "nodes 0\n", "from 1 to" },
		{ "nodes twice", "nodes 1\nnodes 1\n", "once" },
		{ "a CPU of no node", "nodes 2\ncpus 0 2\n", "CPU 1" },
		{ "a CPU that is no number", "nodes 2\ncpus 0 x\n", "needs a node for each" },
		{ "memory of no node", "nodes 1\nmem 1 0 1\n", "below 1" },
		{ "memory that wraps around", "nodes 1\nmem 0 0xffffffffffffffff 2\n", "needs a node" },
		{ "memory over another's", "nodes 1\nmem 0 0 0x1000\nmem 0 0xfff 1\n", "not behind" },
		{ "a number with a sign", "nodes 1\nmem 0 -1 1\n", "needs a node" },
		{ "a distance too small", "nodes 1\ndistances 9\n", "from 10" },
		{ "a row too short", "nodes 2\ndistances 10\n", "needs 2" },
		{ "a row too long", "nodes 1\ndistances 10 11\n", "needs 1" },
		{ "an unknown word", "nodes 1\nfoo\n", "unknown word 'foo'" },
		{ "a row missing", "nodes 2\ncpus 0 1\nmem 0 0 1\ndistances 10 20\n", "ends too early" },
	};
	struct node_map *m = xcalloc(1, sizeof(*m));
	char err[MAP_ERR_MAX], *path = in_dir("unit.map");
	const struct mem_range *r;
	unsigned int i;

	report(!map_load(m, "/nonexistent/map", err) && strstr(err, "/nonexistent/map"), "no map");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_text(path, bad[i].text);
		err[0] = '\0';
		report(!map_load(m, path, err) && strstr(err, bad[i].says) && strstr(err, "unit.map:"),
		       bad[i].what);
	}
	write_text(path, "# two nodes\n" TWO_NODES);
	report(map_load(m, path, err) && m->nr_nodes == 2 && m->nr_cpus == 4 && m->nr_ranges == 3 &&
	       m->node_of_cpu[2] == 1 && m->dist[0][1] == 20 && m->dist[1][0] == 25, "a map");
	r = map_find(m, 0);
	report(r && r->node == 0 && map_find(m, 0xfff) == r, "the first range");
	report(!map_find(m, 0x1000) && !map_find(m, 0x1fff), "a hole");
	r = map_find(m, 0x2fff);
	report(r && r->start == 0x2000 && map_find(m, 0x3000)->node == 1 && map_find(m, 0x4fff)->node == 1,
	       "the others");
	report(!map_find(m, 0x5000) && !map_find(m, UINT64_MAX), "behind the end");
	map_ram_blocks(m);
	/* node 0 is one block of 0x2000 bytes at 0, node 1 begins behind it, twice */
	report(map_find(m, 0x1000)->start == 0x2000 && !map_find(m, 0x2000) && !map_find(m, 0x3fff) &&
	       map_find(m, 0x4000)->node == 1 && map_find(m, 0x5fff)->node == 1 && !map_find(m, 0x6000),
	       "the same by RAM blocks");
	free(path);
	free(m);
}

/* --- marks ------------------------------------------------------------------------ */

static void test_marks(void)
{
	static const uint32_t others_arm64[] = {
		0, 0xd503201f /* nop */, 0x10000000 /* adr x0, . */, 0x1000001f /* adr xzr, . */,
		0x9000001e /* adrp x30 */, 0xd65f03c0 /* ret */, 0x5000001f,
	};
	static const uint8_t nop8[] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };
	static const uint8_t nop9[] = { 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };
	uint32_t x86[2] = { ACC_X86_NOP };
	unsigned int op, region, i;
	bool same = true;

	for (op = ACC_BEGIN; op <= ACC_ROW; op++)
		for (region = 0; region < ACC_REGIONS; region++) {
			uint32_t code = ACC_OP(op, region);

			x86[1] = ACC_X86_DISP(code);
			same &= acc_decode_arm64(ACC_ARM64_INSN(code)) == code;
			same &= acc_decode_x86((uint8_t *)x86, 8) == code;
		}
	report(same, "each mark is read as it was written");
	for (i = 0, same = true; i < ACC_NAME_MAX; i++)
		for (op = 0; op < 256; op++) {
			uint32_t code = ACC_CHAR(255u - op, i, op);

			x86[1] = ACC_X86_DISP(code);
			same &= acc_decode_arm64(ACC_ARM64_INSN(code)) == code;
			same &= acc_decode_x86((uint8_t *)x86, 8) == code;
		}
	report(same, "... and each character of a name");
	for (i = 0, same = true; i < sizeof(others_arm64) / sizeof(others_arm64[0]); i++)
		same &= !acc_decode_arm64(others_arm64[i]);
	report(same, "what compilers make is no mark (arm64)");
	report(!acc_decode_x86(nop8, 8) && !acc_decode_x86(nop9, 9) && !acc_decode_x86(nop8, 1),
	       "what compilers make is no mark (x86)");
	report(ACC_ARM64_INSN(ACC_OP(ACC_BEGIN, 1)) >> 24 == 0x30 && (ACC_ARM64_INSN(0u) & 31) == 31,
	       "a mark is an ADR to the zero register");
}

/* --- counters ------------------------------------------------------------------------ */

static struct node_map *two_nodes;

static void start(FILE **out, const char *cache, uint64_t every)
{
	char err[NN_ERR_MAX], *path = in_dir("unit.map");
	struct count_options o = { .map = two_nodes, .arch = "none", .spaces = "both", .every = every };

	write_text(path, TWO_NODES);
	if (!map_load(two_nodes, path, err) || !cache_parse(cache, &o.cache, err))
		die(1, "%s", err);
	free(path);
	path = in_dir("unit.jsonl");
	*out = o.out = fopen(path, "we");
	free(path);
	if (!*out || !count_start(&o, err))
		die(1, "cannot start");
}

static void finish(FILE *out)
{
	char *path = in_dir("unit.jsonl");

	report(count_finish() && !fclose(out) && rows_read(path), "what was written can be read");
	free(path);
}

static void name(unsigned int region, const char *text)
{
	unsigned int i;

	for (i = 0; i <= strlen(text); i++)
		count_mark(0, ACC_CHAR(region, i, (uint32_t)(unsigned char)text[i]));
}

static void test_counters(void)
{
	char *path = in_dir("unit.jsonl");
	FILE *out;

	start(&out, "off", 0);
	report(!count_open_regions, "nothing is open at first");
	name(7, "a\"b\\\n");
	count_mark(1, ACC_OP(ACC_BEGIN, 7));
	report(count_open_regions == 1, "a region is open");
	count_access(0, COUNT_USER, COUNT_LOAD, 0x10);
	count_access(0, COUNT_USER, COUNT_LOAD, 0x2010);
	count_access(0, COUNT_USER, COUNT_STORE, 0x3010);
	count_access(3, COUNT_KERNEL, COUNT_STORE, 0x4fff);
	count_other(3, COUNT_KERNEL, COUNT_LOAD, COUNT_IO);
	count_access(3, COUNT_KERNEL, COUNT_STORE, 0x1800);	/* in no range */
	count_mark(1, ACC_OP(ACC_BEGIN, 8));
	count_access(2, COUNT_USER, COUNT_LOAD, 0x10);
	count_block(2);
	count_block(2);
	count_block_seen(2);
	count_block_seen(2);
	count_mark(1, ACC_OP(ACC_BEGIN, 8));			/* open already */
	count_mark(1, ACC_OP(ACC_END, 7));
	count_mark(1, ACC_OP(ACC_END, 7));			/* closed already */
	count_mark(1, ACC_OP(ACC_ROW, 7));
	count_mark(1, ACC_OP(0, 7));				/* no such operation */
	report(count_open_regions == 1, "one of two is open");
	count_access(2, COUNT_USER, COUNT_LOAD, 0x3000);
	count_mark(2, ACC_OP(ACC_ROW, 8));
	count_access(2, COUNT_USER, COUNT_STORE, 0x3000);
	finish(out);
	report(!count_open_regions, "all is closed at the end");
	report(rows_nr() == 3, "three rows");
	report(rows_is(0, "a_b__", "end", 1), "a name that needs no quotes");
	report(rows_to(0, 0, 0, 0, 0, 0) == 2 && rows_to(0, 0, 0, 0, 0, 1) == 0 && rows_to(0, 0, 0, 0, 1, 1) == 1,
	       "loads and stores of user space by node");
	report(rows_to(0, 3, 0, 1, 1, 1) == 1 && rows_to(0, 3, 0, 1, 0, 1) == 0, "those of the kernel apart");
	report(rows_io(0, 3, 1, 0) == 1 && rows_unknown(0, 3, 1, 1) == 1, "devices and unknown memory apart");
	report(rows_to(0, 2, 0, 0, 0, 0) == 1, "an overlapping region's count, too");
	report(rows_block(0, 2, false) == 2 && rows_block(0, 2, true) == 1, "block operations, and those seen");
	report(rows_is(1, "8", "mark", 2) && rows_to(1, 2, 0, 0, 0, 0) == 1 && rows_to(1, 2, 0, 0, 0, 1) == 1 &&
	       rows_to(1, 0, 0, 0, 0, 0) == 0, "a region without a name, from its begin to a row");
	report(rows_is(2, "8", "exit", -1) && rows_to(2, 2, 0, 0, 1, 1) == 1 && rows_to(2, 2, 0, 0, 0, 1) == 0,
	       "from the row to the exit");
	report(rows_stray() == 4, "marks that do not fit are counted");
	rows_free();
	count_mark(0, ACC_OP(ACC_BEGIN, 1));
	report(!count_open_regions, "nothing opens after the end");

	start(&out, "off", 0);
	count_cannot("because");
	count_mark(0, ACC_OP(ACC_BEGIN, 1));
	report(!count_open_regions, "nothing opens when nothing can be counted");
	report(count_finish() && !fclose(out) && !rows_read(path), "... and what was written is refused");
	free(path);
}

static void test_filtered(void)
{
	unsigned int i;
	FILE *out;

	start(&out, "128:2:64", 0);
	for (i = 0; i < 3; i++) {
		count_mark(0, ACC_OP(ACC_BEGIN, 1));
		count_access(0, COUNT_USER, COUNT_LOAD, 0x100);
		count_access(0, COUNT_USER, COUNT_STORE, 0x120);
		count_access(0, COUNT_USER, COUNT_LOAD, 0x3000);
		count_access(1, COUNT_USER, COUNT_LOAD, 0x100);
		count_mark(0, ACC_OP(ACC_END, 1));
	}
	finish(out);
	report(rows_nr() == 3 && rows_to(0, 0, 0, 0, 0, 0) == 1 && rows_to(0, 0, 0, 0, 1, 0) == 1,
	       "with a cache all accesses are counted");
	report(rows_to(0, 0, 1, 0, 0, 0) == 1 && rows_to(0, 0, 1, 0, 1, 0) == 0 && rows_to(0, 0, 1, 0, 0, 1) == 1,
	       "... and its misses");
	report(rows_to(0, 1, 1, 0, 0, 0) == 1, "each CPU has its own");
	report(rows_to(2, 0, 1, 0, 0, 0) == 1 && rows_to(2, 1, 1, 0, 0, 0) == 1, "each region begins with empty ones");
	rows_free();
}

static void test_every(void)
{
	unsigned int i, n = 0;
	uint64_t sum = 0;
	FILE *out;

	start(&out, "off", 1000);
	count_mark(0, ACC_OP(ACC_BEGIN, 1));
	for (i = 0; i < 10500; i++)
		count_access(i % 4, COUNT_USER, COUNT_LOAD, 0x100);
	count_mark(0, ACC_OP(ACC_END, 1));
	finish(out);
	for (i = 0; i < rows_nr(); i++) {
		unsigned int cpu;

		n += rows_is(i, "1", "every", -2);
		for (cpu = 0; cpu < 4; cpu++)
			sum += rows_to(i, cpu, 0, 0, 0, 0);
	}
	/* each CPU looks after 1000 of its own: 4 have done 2000 each and 625 more */
	report(n == 8 && rows_nr() == 9 && rows_is(8, "1", "end", 0), "a row for each 1000 accesses");
	report(sum == 10500, "... and all of them in one row or another");
	rows_free();
}

#define THREADS	4
#define ROUNDS	200000

static void *hammer(void *arg)
{
	unsigned int cpu = (uintptr_t)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		if (i % 1000 == 0)
			count_mark(cpu, ACC_OP(ACC_BEGIN, cpu));
		count_access(cpu, COUNT_USER, COUNT_STORE, 0x3000);
		if (i % 1000 == 499)
			count_mark(cpu, ACC_OP(ACC_ROW, cpu));
		if (i % 1000 == 999)
			count_mark(cpu, ACC_OP(ACC_END, cpu));
	}
	return NULL;
}

static void test_threads(void)
{
	uint64_t own[THREADS] = { 0 }, all = 0;
	pthread_t thread[THREADS];
	bool whole = true;
	unsigned int i, cpu;
	FILE *out;

	start(&out, "off", 5000);
	count_mark(0, ACC_OP(ACC_BEGIN, 9));
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, hammer, (void *)(uintptr_t)i))
			die(1, "no thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	count_mark(0, ACC_OP(ACC_END, 9));
	finish(out);
	for (i = 0; i < rows_nr(); i++)
		for (cpu = 0; cpu < THREADS; cpu++) {
			if (rows_region(i) == 9)
				all += rows_to(i, cpu, 0, 0, 1, 1);
			if (rows_region(i) == cpu)
				own[cpu] += rows_to(i, cpu, 0, 0, 1, 1);
		}
	for (cpu = 0; cpu < THREADS; cpu++)
		whole &= own[cpu] == ROUNDS;
	report(whole, "CPUs that count beside each other lose nothing of their own");
	report(all == (uint64_t)THREADS * ROUNDS, "... nor the region over all of them");
	report(!rows_stray(), "... nor a mark");
	rows_free();
}

int main(int argc, char **argv)
{
	dir = argc == 2 ? argv[1] : ".";
	two_nodes = xcalloc(1, sizeof(*two_nodes));
	test_cache();
	test_map();
	test_marks();
	test_counters();
	test_filtered();
	test_every();
	test_threads();
	free(two_nodes);
	printf("1..%u\n", nr);
	return failed != 0;
}
