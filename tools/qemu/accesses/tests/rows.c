// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "counts.h"
#include "rows.h"

static struct counts c;
static const struct cpu_counts none;

bool rows_read(const char *path)
{
	char err[COUNTS_ERR_MAX];

	if (counts_read(&c, path, err))
		return c.complete;
	printf("# %s\n", err);
	return false;
}

void rows_free(void)
{
	counts_free(&c);
}

unsigned int rows_nr(void)
{
	return c.nr_rows;
}

uint64_t rows_stray(void)
{
	return c.stray_marks;
}

unsigned int rows_region(unsigned int row)
{
	return c.row[row].region;
}

bool rows_is(unsigned int row, const char *name, const char *cause, int by_cpu)
{
	return row < c.nr_rows && !strcmp(c.row[row].name, name) && !strcmp(c.row[row].cause, cause) &&
	       (by_cpu == -2 || c.row[row].by_cpu == by_cpu);
}

static const struct cpu_counts *at(unsigned int row, unsigned int cpu)
{
	size_t i;

	for (i = 0; row < c.nr_rows && i < c.row[row].nr_cpus; i++)
		if (c.row[row].cpu[i].cpu == cpu)
			return &c.row[row].cpu[i];
	return &none;
}

uint64_t rows_to(unsigned int row, unsigned int cpu, int miss, int kernel, int store, unsigned int node)
{
	const uint64_t *to = at(row, cpu)->to[miss][kernel][store];

	return to ? to[node] : 0;
}

uint64_t rows_io(unsigned int row, unsigned int cpu, int kernel, int store)
{
	return at(row, cpu)->io[kernel][store];
}

uint64_t rows_unknown(unsigned int row, unsigned int cpu, int kernel, int store)
{
	return at(row, cpu)->unknown[kernel][store];
}

uint64_t rows_block(unsigned int row, unsigned int cpu, bool seen)
{
	return seen ? at(row, cpu)->block_ops_seen : at(row, cpu)->block_ops;
}
