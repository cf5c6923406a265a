// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "mark.h"

#define LOOK_AFTER	4096	/* accesses of a CPU between looks at the sum of all */

/* Behind the accesses of each kind, those that missed the cache. */
enum level { ALL, MISSES, LEVELS };

struct cpu {
	uint64_t *n;		/* nr_counters of them: see at(), and the two at block */
	bool block_pending;
	unsigned int left;	/* accesses until the next look */
	const struct mem_range *range;	/* of the last access */
	struct cache *cache;
	unsigned int cache_epoch;
} __attribute__((aligned(128)));

/* What all counters were at a row's begin. */
struct region {
	char name[ACC_NAME_MAX + 1];
	bool open;
	unsigned int instance, row;
	uint64_t *n;
};

unsigned int count_open_regions;

static struct count_options opt;
static unsigned int nr_cpus, nr_nodes, per_kind, block, nr_counters, look_after;
static struct cpu *cpus;

/* held by who marks and who writes rows */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct region regions[ACC_REGIONS];
static uint64_t *now;	/* nr_counters of a CPU */
static uint64_t stray_marks;
static bool write_failed, finished;
/* one for each time that the first region is opened; caches are empty then */
static unsigned int epoch;
/* of all CPUs while anything is open, in steps of look_after */
static uint64_t total;

static inline unsigned int at(enum level level, enum count_space space, enum count_rw rw)
{
	return ((level * COUNT_SPACES + space) * COUNT_RWS + rw) * per_kind;
}

/* Others read it while its owner goes on. */
static inline void bump(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

static inline uint64_t look(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

/* --- rows ---------------------------------------------------------------------- */

/* Prints "NAME":[...] unless all are zero; the counts are those since the row's begin. */
static void print_by_node(const char **comma, const char *name, const uint64_t *n, const uint64_t *then)
{
	unsigned int i;

	for (i = 0; i < nr_nodes && n[i] == then[i]; i++)
		;
	if (i == nr_nodes)
		return;
	fprintf(opt.out, "%s\"%s\":[", *comma, name);
	*comma = ",";
	for (i = 0; i < nr_nodes; i++)
		fprintf(opt.out, "%s%" PRIu64, i ? "," : "", n[i] - then[i]);
	fputc(']', opt.out);
}

static void print_count(const char **comma, const char *name, uint64_t n)
{
	if (n)
		fprintf(opt.out, "%s\"%s\":%" PRIu64, *comma, name, n);
	if (n)
		*comma = ",";
}

static void print_space(const char *name, enum count_space space, const uint64_t *then)
{
	static const char *const names[LEVELS][COUNT_RWS] = {
		{ "loads", "stores" }, { "load_misses", "store_misses" }
	};
	static const char *const others[COUNT_RWS][COUNT_OTHERS] = {
		{ "io_loads", "unknown_loads" }, { "io_stores", "unknown_stores" }
	};
	const char *comma = "";
	unsigned int level, rw, other, i;

	fprintf(opt.out, ",\"%s\":{", name);
	for (level = ALL; level < LEVELS; level++) {
		for (rw = 0; rw < COUNT_RWS; rw++) {
			i = at(level, space, rw);
			print_by_node(&comma, names[level][rw], now + i, then + i);
			for (other = 0; level == ALL && other < COUNT_OTHERS; other++)
				print_count(&comma, others[rw][other],
					    now[i + nr_nodes + other] - then[i + nr_nodes + other]);
		}
	}
	fputc('}', opt.out);
}

/* Writes what was counted since the region's last row and begins the next one. */
static void write_row(unsigned int nr, const char *cause, int by_cpu)
{
	struct region *r = &regions[nr];
	unsigned int c, i;
	bool first = true;

	fprintf(opt.out, "{\"type\":\"row\",\"region\":%u,\"name\":\"%s\",\"instance\":%u,\"row\":%u,\"cause\":\"%s\"",
		nr, r->name, r->instance, r->row++, cause);
	if (by_cpu >= 0)
		fprintf(opt.out, ",\"by_cpu\":%d", by_cpu);
	fputs(",\"cpus\":[", opt.out);
	for (c = 0; c < nr_cpus; c++) {
		uint64_t *then = &r->n[c * nr_counters];
		const char *comma = ",";

		for (i = 0; i < nr_counters; i++)
			now[i] = look(&cpus[c].n[i]);
		if (memcmp(now, then, sizeof(*now) * nr_counters)) {
			fprintf(opt.out, "%s{\"cpu\":%u", first ? "" : ",", c);
			first = false;
			print_space("user", COUNT_USER, then);
			print_space("kernel", COUNT_KERNEL, then);
			print_count(&comma, "block_ops", now[block] - then[block]);
			print_count(&comma, "block_ops_seen", now[block + 1] - then[block + 1]);
			fputc('}', opt.out);
		}
		memcpy(then, now, sizeof(*now) * nr_counters);
	}
	fputs("]}\n", opt.out);
	if (fflush(opt.out) || ferror(opt.out))
		write_failed = true;
}

static void write_header(void)
{
	const struct node_map *m = opt.map;
	unsigned int i, j;

	fprintf(opt.out, "{\"type\":\"header\",\"format\":1,\"arch\":\"%s\",\"spaces\":\"%s\",\"every\":%" PRIu64,
		opt.arch, opt.spaces, opt.every);
	if (opt.cache.size)
		fprintf(opt.out, ",\"cache\":{\"size\":%" PRIu64 ",\"ways\":%u,\"line\":%u}", opt.cache.size,
			opt.cache.ways, opt.cache.line);
	else
		fputs(",\"cache\":null", opt.out);
	fprintf(opt.out, ",\"nodes\":%u,\"node_of_cpu\":[", nr_nodes);
	for (i = 0; i < nr_cpus; i++)
		fprintf(opt.out, "%s%u", i ? "," : "", m->node_of_cpu[i]);
	fputs("],\"distances\":[", opt.out);
	for (i = 0; i < nr_nodes; i++) {
		fputs(i ? ",[" : "[", opt.out);
		for (j = 0; j < nr_nodes; j++)
			fprintf(opt.out, "%s%u", j ? "," : "", m->dist[i][j]);
		fputc(']', opt.out);
	}
	fputs("]}\n", opt.out);
	if (fflush(opt.out) || ferror(opt.out))
		write_failed = true;
}

/* --- marks ----------------------------------------------------------------------- */

static void open_region(unsigned int nr)
{
	struct region *r = &regions[nr];
	unsigned int c, i;

	if (!r->n)
		r->n = malloc(sizeof(*r->n) * nr_cpus * nr_counters);
	if (!r->n) {
		write_failed = true;
		return;
	}
	for (c = 0; c < nr_cpus; c++)
		for (i = 0; i < nr_counters; i++)
			r->n[c * nr_counters + i] = look(&cpus[c].n[i]);
	r->open = true;
	r->instance++;
	r->row = 0;
	if (!count_open_regions)
		__atomic_store_n(&epoch, epoch + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&count_open_regions, count_open_regions + 1, __ATOMIC_RELEASE);
}

static void close_region(unsigned int nr, const char *cause, int by_cpu)
{
	write_row(nr, cause, by_cpu);
	regions[nr].open = false;
	__atomic_store_n(&count_open_regions, count_open_regions - 1, __ATOMIC_RELEASE);
}

static void mark_name(struct region *r, unsigned int pos, unsigned int c)
{
	/* so that it needs no quoting anywhere */
	if (c && (c < ' ' || c > '~' || c == '"' || c == '\\'))
		c = '_';
	r->name[pos] = c;
}

void count_mark(unsigned int cpu, uint32_t code)
{
	unsigned int nr = code & 0xff;

	if (code & ACC_KIND_NAME)
		nr = code >> 8 & 0xff;
	pthread_mutex_lock(&lock);
	if (finished)
		stray_marks++;
	else if (code & ACC_KIND_NAME)
		mark_name(&regions[nr], code >> 16 & 0x1f, code & 0xff);
	else if ((code >> 8 & 7) == ACC_BEGIN && !regions[nr].open)
		open_region(nr);
	else if ((code >> 8 & 7) == ACC_END && regions[nr].open)
		close_region(nr, "end", cpu);
	else if ((code >> 8 & 7) == ACC_ROW && regions[nr].open)
		write_row(nr, "mark", cpu);
	else
		stray_marks++;
	pthread_mutex_unlock(&lock);
}

void count_cannot(const char *why)
{
	pthread_mutex_lock(&lock);
	if (!finished) {
		fprintf(opt.out, "{\"type\":\"error\",\"what\":\"%s\"}\n", why);
		fflush(opt.out);
		fprintf(stderr, "accesses: %s\n", why);
		finished = true;
	}
	pthread_mutex_unlock(&lock);
}

/* --- accesses ---------------------------------------------------------------------- */

static void look_around(struct cpu *c)
{
	uint64_t before;
	unsigned int i;

	c->left = look_after;
	if (!opt.every)
		return;
	before = __atomic_fetch_add(&total, look_after, __ATOMIC_RELAXED);
	if (before / opt.every == (before + look_after) / opt.every)
		return;
	pthread_mutex_lock(&lock);
	for (i = 0; i < ACC_REGIONS; i++)
		if (regions[i].open)
			write_row(i, "every", c - cpus);
	pthread_mutex_unlock(&lock);
}

void count_access(unsigned int cpu, enum count_space space, enum count_rw rw, uint64_t addr)
{
	struct cpu *c = &cpus[cpu];
	const struct mem_range *r = c->range;

	if (addr - r->shown >= r->size) {
		r = map_find(opt.map, addr);
		if (!r) {
			count_other(cpu, space, rw, COUNT_UNKNOWN);
			return;
		}
		c->range = r;
	}
	bump(&c->n[at(ALL, space, rw) + r->node]);
	if (c->cache) {
		unsigned int latest = __atomic_load_n(&epoch, __ATOMIC_RELAXED);

		if (c->cache_epoch != latest) {
			c->cache_epoch = latest;
			cache_empty(c->cache);
		}
		if (!cache_access(c->cache, r->start + (addr - r->shown)))
			bump(&c->n[at(MISSES, space, rw) + r->node]);
	}
	if (!--c->left)
		look_around(c);
}

void count_other(unsigned int cpu, enum count_space space, enum count_rw rw, enum count_other what)
{
	bump(&cpus[cpu].n[at(ALL, space, rw) + nr_nodes + what]);
}

void count_block(unsigned int cpu)
{
	bump(&cpus[cpu].n[block]);
	cpus[cpu].block_pending = true;
}

void count_block_seen(unsigned int cpu)
{
	if (!cpus[cpu].block_pending)
		return;
	cpus[cpu].block_pending = false;
	bump(&cpus[cpu].n[block + 1]);
}

/* --- begin and end -------------------------------------------------------------------- */

static void free_all(void)
{
	unsigned int i;

	for (i = 0; cpus && i < nr_cpus; i++) {
		free(cpus[i].n);
		cache_free(cpus[i].cache);
	}
	free(cpus);
	free(now);
	cpus = NULL;
	now = NULL;
	for (i = 0; i < ACC_REGIONS; i++)
		free(regions[i].n);
	memset(regions, 0, sizeof(regions));
}

bool count_start(const struct count_options *o, char *err)
{
	unsigned int i;

	free_all();	/* of an earlier start */
	opt = *o;
	nr_cpus = o->map->nr_cpus;
	nr_nodes = o->map->nr_nodes;
	per_kind = nr_nodes + COUNT_OTHERS;
	block = LEVELS * COUNT_SPACES * COUNT_RWS * per_kind;
	nr_counters = block + 2;
	look_after = o->every && o->every < LOOK_AFTER ? o->every : LOOK_AFTER;
	stray_marks = total = 0;
	count_open_regions = epoch = 0;
	write_failed = finished = false;
	now = calloc(nr_counters, sizeof(*now));
	cpus = aligned_alloc(128, sizeof(*cpus) * nr_cpus);
	if (!now || !cpus)
		goto no_memory;
	memset(cpus, 0, sizeof(*cpus) * nr_cpus);
	for (i = 0; i < nr_cpus; i++) {
		/* no two CPUs' counters in one line of the host's cache */
		size_t size = (sizeof(*cpus[i].n) * nr_counters + 127) & ~127ul;

		cpus[i].range = &o->map->range[0];
		cpus[i].left = look_after;
		cpus[i].n = aligned_alloc(128, size);
		if (!cpus[i].n)
			goto no_memory;
		memset(cpus[i].n, 0, size);
		if (o->cache.size) {
			cpus[i].cache = cache_new(&o->cache);
			if (!cpus[i].cache)
				goto no_memory;
		}
	}
	for (i = 0; i < ACC_REGIONS; i++)
		snprintf(regions[i].name, sizeof(regions[i].name), "%u", i);
	write_header();
	if (!write_failed)
		return true;
	free_all();
	snprintf(err, COUNT_ERR_MAX, "cannot write the output (is the disk full?)");
	return false;

no_memory:
	free_all();
	snprintf(err, COUNT_ERR_MAX, "not enough memory for the counters of %u CPUs", nr_cpus);
	return false;
}

bool count_finish(void)
{
	unsigned int i;
	bool ok;

	pthread_mutex_lock(&lock);
	for (i = 0; i < ACC_REGIONS; i++)
		if (regions[i].open)
			close_region(i, "exit", -1);
	/* whoever reads it can tell by this line that nothing is missing */
	if (!write_failed && !finished)
		fprintf(opt.out, "{\"type\":\"end\",\"stray_marks\":%" PRIu64 "}\n", stray_marks);
	ok = !fflush(opt.out) && !ferror(opt.out) && !write_failed;
	/* the memory stays: a CPU may still be in here */
	finished = true;
	pthread_mutex_unlock(&lock);
	return ok;
}
