// SPDX-License-Identifier: GPL-2.0
#include "counts.h"
#include "traffic.h"
#include "util.h"

void traffic_add(struct traffic *t, const struct counts *c, const struct row *row, unsigned int without)
{
	unsigned int rw, to;
	size_t i;

	for (i = 0; i < row->nr_cpus; i++) {
		const struct cpu_counts *cpu = &row->cpu[i];
		unsigned int from = c->node_of_cpu[cpu->cpu];

		for (rw = 0; cpu->cpu != without && rw < RWS; rw++) {
			const uint64_t *n = cpu->to[ALL][USER][rw];

			for (to = 0; n && to < c->nr_nodes; to++) {
				t->all += n[to];
				t->remote += to == from ? 0 : n[to];
				t->distance += (double)n[to] * c->dist[from][to];
			}
		}
	}
}

bool counts_read_whole(struct counts *c, const char *path, char *err)
{
	if (!counts_read(c, path, err))
		return false;
	if (c->complete)
		return true;
	counts_free(c);
	return nn_err(err, "%s has no end: the boot was interrupted? Remove its directory and measure again", path);
}
