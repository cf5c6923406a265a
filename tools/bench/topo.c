// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo.h"

int mask_parse(struct pb_mask *m, const char *list)
{
	memset(m, 0, sizeof(*m));
	while (*list && *list != '\n') {
		char *end;
		long first = strtol(list, &end, 10), last = first;

		if (end == list)
			return -1;
		if (*end == '-') {
			list = end + 1;
			last = strtol(list, &end, 10);
			if (end == list)
				return -1;
		}
		if (first < 0 || last < first || last >= PB_MAX_CPUS)
			return -1;
		for (long c = first; c <= last; c++)
			mask_set(m, c);
		if (*end == ',')
			end++;
		else if (*end && *end != '\n')
			return -1;
		list = end;
	}
	return 0;
}

char *mask_format(const struct pb_mask *m, char *buf, int len)
{
	int at = 0;

	buf[0] = 0;
	for (int c = 0; c < PB_MAX_CPUS; c++) {
		int last = c;

		if (!mask_test(m, c))
			continue;
		while (last + 1 < PB_MAX_CPUS && mask_test(m, last + 1))
			last++;
		if (at < len)
			at += snprintf(buf + at, len - at, last > c ? "%s%d-%d" : "%s%d",
				       at ? "," : "", c, last);
		c = last;
	}
	return buf;
}

static int read_line(const char *sysfs, const char *path, char *buf, int len)
{
	char name[512];
	FILE *f;
	int ok;

	snprintf(name, sizeof(name), "%s/%s", sysfs, path);
	f = fopen(name, "r");
	if (!f)
		return -1;
	ok = fgets(buf, len, f) != NULL;
	fclose(f);
	return ok ? 0 : -1;
}

static int read_mask(const char *sysfs, const char *path, struct pb_mask *m)
{
	char buf[4096];

	if (read_line(sysfs, path, buf, sizeof(buf)))
		return -1;
	return mask_parse(m, buf);
}

static int read_node(struct topo *t, const char *sysfs, int node, const struct pb_mask *nodes,
		     char *err, int errlen)
{
	char path[64], buf[4096], *at = buf;

	snprintf(path, sizeof(path), "devices/system/node/node%d/cpulist", node);
	if (read_mask(sysfs, path, &t->node_cpus[node])) {
		snprintf(err, errlen, "cannot read %s/%s", sysfs, path);
		return -1;
	}
	t->node_cpus[node] = mask_and(&t->node_cpus[node], &t->online);
	if (!mask_empty(&t->node_cpus[node]))
		t->cpu_nodes[t->nr_cpu_nodes++] = node;
	for (int c = 0; c < t->nr_cpus; c++)
		if (mask_test(&t->node_cpus[node], c))
			t->cpu_node[c] = node;

	/* One number for each online node, in ascending order. */
	snprintf(path, sizeof(path), "devices/system/node/node%d/distance", node);
	if (read_line(sysfs, path, buf, sizeof(buf))) {
		snprintf(err, errlen, "cannot read %s/%s", sysfs, path);
		return -1;
	}
	for (int to = 0; to < t->nr_nodes; to++) {
		char *end;

		if (!mask_test(nodes, to))
			continue;
		t->dist[node][to] = strtol(at, &end, 10);
		if (end == at) {
			snprintf(err, errlen, "%s/%s has too few numbers", sysfs, path);
			return -1;
		}
		at = end;
	}
	return 0;
}

int topo_read(struct topo *t, const char *sysfs, char *err, int errlen)
{
	struct pb_mask nodes;
	char path[96];

	memset(t, 0, sizeof(*t));
	if (read_mask(sysfs, "devices/system/cpu/online", &t->online)) {
		snprintf(err, errlen, "cannot use %s/devices/system/cpu/online (at most %d CPUs)",
			 sysfs, PB_MAX_CPUS);
		return -1;
	}
	for (int c = 0; c < PB_MAX_CPUS; c++) {
		t->cpu_node[c] = -1;
		if (mask_test(&t->online, c))
			t->nr_cpus = c + 1;
	}

	if (read_mask(sysfs, "devices/system/node/online", &nodes)) {
		snprintf(err, errlen, "cannot use %s/devices/system/node/online: needs CONFIG_NUMA",
			 sysfs);
		return -1;
	}
	for (int n = 0; n < PB_MAX_CPUS; n++)
		if (mask_test(&nodes, n))
			t->nr_nodes = n + 1;
	if (t->nr_nodes > PB_MAX_NODES) {
		snprintf(err, errlen, "node %d is too high, at most %d nodes", t->nr_nodes - 1,
			 PB_MAX_NODES);
		return -1;
	}
	for (int n = 0; n < t->nr_nodes; n++)
		if (mask_test(&nodes, n) && read_node(t, sysfs, n, &nodes, err, errlen))
			return -1;

	for (int c = 0; c < t->nr_cpus; c++) {
		if (!mask_test(&t->online, c))
			continue;
		if (t->cpu_node[c] < 0) {
			snprintf(err, errlen, "CPU %d is online but in no node", c);
			return -1;
		}
		snprintf(path, sizeof(path), "devices/system/cpu/cpu%d/topology/thread_siblings_list", c);
		if (read_mask(sysfs, path, &t->siblings[c]))
			mask_set(&t->siblings[c], c);
		if (mask_weight(&t->siblings[c]) > 1)
			t->smt = true;
	}
	return 0;
}
