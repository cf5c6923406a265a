// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "topo.h"

u32 cpu_count(const struct cpuset *s)
{
	u32 i, n = 0;

	for (i = 0; i < AFF_MAX_CPUS / 64; i++)
		n += __builtin_popcountll(s->bits[i]);
	return n;
}

const char *cpu_list(const struct cpuset *s, char *buf, size_t size)
{
	u32 cpu, first;
	size_t len = 0;

	buf[0] = '\0';
	for (cpu = 0; cpu < AFF_MAX_CPUS; cpu++) {
		if (!cpu_in(s, cpu))
			continue;
		first = cpu;
		while (cpu + 1 < AFF_MAX_CPUS && cpu_in(s, cpu + 1))
			cpu++;
		if (len + 16 > size)
			break;
		len += snprintf(buf + len, size - len, first == cpu ? "%s%u" : "%s%u-%u", len ? "," : "",
				first, cpu);
	}
	if (!len)
		snprintf(buf, size, "-");
	return buf;
}

bool parse_cpu_list(const char *str, struct cpuset *s)
{
	memset(s, 0, sizeof(*s));
	for (;;) {
		unsigned long first, last;
		char *end;

		if (*str < '0' || *str > '9')
			return false;
		first = last = strtoul(str, &end, 10);
		if (*end == '-') {
			str = end + 1;
			if (*str < '0' || *str > '9')
				return false;
			last = strtoul(str, &end, 10);
		}
		if (first > last || last >= AFF_MAX_CPUS)
			return false;
		for (; first <= last; first++)
			cpu_add(s, first);
		if (*end == '\n')
			end++;
		if (!*end)
			return true;
		if (*end != ',')
			return false;
		str = end + 1;
	}
}

static bool read_text(char *buf, size_t size, const char *root, const char *name)
{
	char path[512];
	size_t n;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/sys/devices/system/%s", root, name) >= (int)sizeof(path))
		return false;
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fread(buf, 1, size - 1, f);
	fclose(f);
	buf[n] = '\0';
	return n > 0;
}

static bool read_set(struct cpuset *s, const char *root, const char *name)
{
	char buf[4096];

	return read_text(buf, sizeof(buf), root, name) && parse_cpu_list(buf, s);
}

static void read_siblings(struct topo *t, const char *root)
{
	u32 cpu, other;

	for (cpu = 0; cpu < t->nr_cpus; cpu++) {
		struct cpuset core;
		char name[96];

		t->sibling[cpu] = cpu;
		snprintf(name, sizeof(name), "cpu/cpu%u/topology/thread_siblings_list", cpu);
		if (!read_set(&core, root, name) || !cpu_in(&core, cpu))
			continue;
		for (other = cpu + 1; other % AFF_MAX_CPUS != cpu; other++) {
			if (!cpu_in(&core, other % AFF_MAX_CPUS))
				continue;
			t->sibling[cpu] = other % AFF_MAX_CPUS;
			t->smt = true;
			break;
		}
	}
}

/* The CPUs that share the last level of @cpu's caches; those of its node if it has none. */
static void llc_of(const struct topo *t, const char *root, u32 cpu, struct cpuset *set)
{
	int index, best = 0;
	u32 other;

	memset(set, 0, sizeof(*set));
	for (index = 0; index < 8; index++) {
		char name[96], buf[64];
		struct cpuset shared;
		int level;

		snprintf(name, sizeof(name), "cpu/cpu%u/cache/index%d/level", cpu, index);
		if (!read_text(buf, sizeof(buf), root, name))
			continue;
		level = atoi(buf);
		snprintf(name, sizeof(name), "cpu/cpu%u/cache/index%d/shared_cpu_list", cpu, index);
		if (level > best && read_set(&shared, root, name) && cpu_in(&shared, cpu)) {
			best = level;
			*set = shared;
		}
	}
	/* a private cache is no domain to queue for */
	if (best >= 3 || cpu_count(set) > 2)
		return;
	memset(set, 0, sizeof(*set));
	for (other = 0; other < t->nr_cpus; other++)
		if (t->node[other] == t->node[cpu])
			cpu_add(set, other);
}

/* Sort what is in @ids by what is in @keys, keeping the order of equals. */
static void sort_by(u8 *ids, const u32 *keys, u32 n)
{
	u32 i, j;

	for (i = 1; i < n; i++) {
		u8 id = ids[i];

		for (j = i; j && keys[ids[j - 1]] > keys[id]; j--)
			ids[j] = ids[j - 1];
		ids[j] = id;
	}
}

int topo_finish(struct topo *t, bool by_node, char *err, size_t size)
{
	u32 cpu, node, other, i, nr;
	u32 keys[AFF_MAX_DOMS > AFF_MAX_NODES ? AFF_MAX_DOMS : AFF_MAX_NODES];
	u32 doms_of[AFF_MAX_NODES] = { 0 };

	t->nr_doms = 0;
	memset(t->node_cpus, 0, sizeof(t->node_cpus));
	for (cpu = 0; cpu < t->nr_cpus; cpu++) {
		u32 dom = by_node ? t->node[cpu] : t->llc[cpu];

		if (dom >= AFF_MAX_DOMS) {
			snprintf(err, size, "more than %d LLCs; try \"queues\": \"node\"", AFF_MAX_DOMS);
			return -1;
		}
		t->dom[cpu] = dom;
		t->dom_node[dom] = t->node[cpu];
		if (dom >= t->nr_doms)
			t->nr_doms = dom + 1;
		if (cpu_in(&t->online, cpu))
			t->node_cpus[t->node[cpu]] = true;
	}
	if (by_node)
		for (i = 0; i < t->nr_doms; i++)
			t->dom_node[i] = i;
	t->nr_cpu_nodes = 0;
	for (node = 0; node < t->nr_nodes; node++)
		t->nr_cpu_nodes += t->node_cpus[node];
	t->split_nodes = false;
	for (i = 0; i < t->nr_doms; i++)
		if (++doms_of[t->dom_node[i]] > 1)
			t->split_nodes = true;

	for (node = 0; node < t->nr_nodes; node++) {
		t->near[node] = 0xffff;
		nr = 0;
		for (i = 0; i < t->nr_nodes; i++) {
			/* equals begin with the next ID, so that not all go to node 0 */
			other = (node + i) % t->nr_nodes;
			keys[other] = other == node ? 0 : t->distance[node][other];
			if (!t->node_cpus[other])
				continue;
			t->node_order[node][nr++] = other;
			if (other != node && t->distance[node][other] < t->near[node])
				t->near[node] = t->distance[node][other];
		}
		sort_by(t->node_order[node], keys, nr);

		for (i = 0; i < t->nr_doms; i++) {
			other = t->dom_node[i];
			keys[i] = other == node ? 0 : t->distance[node][other] * t->nr_nodes +
				(other + t->nr_nodes - node) % t->nr_nodes;
			t->dom_order[node][i] = i;
		}
		sort_by(t->dom_order[node], keys, t->nr_doms);
	}
	return 0;
}

int topo_read(struct topo *t, const char *root, bool by_node, char *err, size_t size)
{
	struct cpuset possible, nodes, set;
	u32 cpu, node, other, first;
	char name[64], buf[4096];

	memset(t, 0, sizeof(*t));
	if (!read_set(&possible, root, "cpu/possible") || !read_set(&t->online, root, "cpu/online")) {
		snprintf(err, size, "cannot read the CPUs from %s/sys/devices/system/cpu (at most %d are supported)",
			 root, AFF_MAX_CPUS);
		return -1;
	}
	for (cpu = 0; cpu < AFF_MAX_CPUS; cpu++)
		if (cpu_in(&possible, cpu))
			t->nr_cpus = cpu + 1;

	/* without CONFIG_NUMA all is node 0 */
	t->nr_nodes = 1;
	t->node_online[0] = true;
	t->distance[0][0] = 10;
	if (read_set(&nodes, root, "node/online")) {
		memset(t->node_online, 0, sizeof(t->node_online));
		for (node = 0; node < AFF_MAX_CPUS; node++) {
			if (!cpu_in(&nodes, node))
				continue;
			if (node >= AFF_MAX_NODES) {
				snprintf(err, size, "node %u: at most %d nodes are supported", node, AFF_MAX_NODES);
				return -1;
			}
			t->node_online[node] = true;
			t->nr_nodes = node + 1;
			snprintf(name, sizeof(name), "node/node%u/cpulist", node);
			if (!read_set(&set, root, name))
				continue;	/* memory only */
			for (cpu = 0; cpu < t->nr_cpus; cpu++)
				if (cpu_in(&set, cpu))
					t->node[cpu] = node;
		}
		for (node = 0; node < t->nr_nodes; node++) {
			char *at = buf;

			if (!t->node_online[node])
				continue;
			snprintf(name, sizeof(name), "node/node%u/distance", node);
			if (!read_text(buf, sizeof(buf), root, name)) {
				snprintf(err, size, "cannot read %s/sys/devices/system/%s", root, name);
				return -1;
			}
			for (other = 0; other < t->nr_nodes; other++)
				if (t->node_online[other])
					t->distance[node][other] = strtoul(at, &at, 10);
		}
	}

	read_siblings(t, root);
	/* nothing is said of those that are offline, and nothing runs there */
	for (first = 0; first + 1 < t->nr_cpus && !cpu_in(&t->online, first);)
		first++;
	for (cpu = 0; cpu < t->nr_cpus; cpu++)
		if (!cpu_in(&t->online, cpu))
			t->node[cpu] = t->node[first];
	memset(t->llc, 0xff, sizeof(t->llc));
	for (cpu = 0; cpu < t->nr_cpus; cpu++) {
		if (t->llc[cpu] != 0xff || !cpu_in(&t->online, cpu))
			continue;
		if (t->nr_llcs == 0xff) {
			snprintf(err, size, "more than %d LLCs", 0xff);
			return -1;
		}
		llc_of(t, root, cpu, &set);
		cpu_add(&set, cpu);
		for (other = cpu; other < t->nr_cpus; other++)
			/* one that spans nodes is cut, or it would hide distance */
			if (cpu_in(&set, other) && t->node[other] == t->node[cpu])
				t->llc[other] = t->nr_llcs;
		t->nr_llcs++;
	}
	for (cpu = 0; cpu < t->nr_cpus; cpu++)
		if (!cpu_in(&t->online, cpu))
			t->llc[cpu] = t->llc[first];
	return topo_finish(t, by_node, err, size);
}
