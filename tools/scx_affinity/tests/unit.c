// SPDX-License-Identifier: GPL-2.0
/*
 * unit FILES EXAMPLES: tests of all that is not in the kernel, under sanitizers: the
 * matching that the BPF program does, the file, the machine, the CPUs of layers.
 */
#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../stats.h"

#define AFF_FOR(i, n)	for ((i) = 0; (i) < (int)(n); (i)++)
#include "../match.h"

static int nr, failed;

#define CHECK(cond, ...) do {						\
	if (!(cond)) {							\
		bad++;							\
		printf("# %s:%d: %s: ", __FILE__, __LINE__, #cond);	\
		printf(__VA_ARGS__);					\
		printf("\n");						\
	}								\
} while (0)

static void result(int bad, const char *name)
{
	nr++;
	failed |= bad;
	printf("%s %d - affinity: %s\n", bad ? "not ok" : "ok", nr, name);
}

/* --- the file ----------------------------------------------------------- */

static const char *parse(struct config *c, const char *text, const struct topo *t)
{
	static char err[512];

	return config_parse(c, "f", text, t, err, sizeof(err)) ? err : NULL;
}

#define REST "{\"name\":\"rest\",\"match\":[{}]}"

/* Each has one thing wrong; what is told must name the place and the key. */
static void test_errors(void)
{
	static const struct {
		const char *text;
		const char *err;
	} cases[] = {
		{ "", "f:1:1: '[' or '{' expected near end of file" },
		{ "[]", "f:1:1: an object is wanted" },
		{ "{}", "f:1:1: there is no \"layers\"" },
		{ "{\"layers\": []}", "f:1:2: layers: an array of at least one layer" },
		{ "{\"layers\": 1}", "f:1:2: layers: an array" },
		{ "{\"layers\":\n [\n" REST ",\n]}", "f:4:1: unexpected token near ']'" },
		{ "{\n  \"layer\": []\n}", "f:2:3: layer: unknown key" },
		{ "{\"max_wait_ms\": 9, \"layers\": [" REST "]}", "f:1:2: max_wait_ms: an integer from 10 to 5000" },
		{ "{\"max_wait_ms\": 100.5, \"layers\": [" REST "]}", "max_wait_ms: an integer" },
		{ "{\"queues\": \"core\", \"layers\": [" REST "]}", "f:1:2: queues: one of \"llc\", \"node\" is wanted" },
		{ "{\"queues\": \"llc\", \"queues\": \"llc\", \"layers\": [" REST "]}", "duplicate object key" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"uid\":1}]}]}", "layers[0].match: the last layer must take all" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}]}, " REST "]}", "f:1:34: layers[0].match[0]: {} matches each task" },
		{ "{\"layers\": [{\"match\":[{}]}]}", "f:1:13: layers[0]: the layer has no \"name\"" },
		{ "{\"layers\": [{\"name\":\"a\"}]}", "layers[0]: the layer has no \"match\"" },
		{ "{\"layers\": [{\"name\":\"a b\",\"match\":[{}]}]}", "layers[0].name: a name has no blanks" },
		{ "{\"layers\": [{\"name\":\"\",\"match\":[{}]}]}", "layers[0].name: the string is empty" },
		{ "{\"layers\": [{\"name\":\"rest\",\"match\":[{\"uid\":1}]}, " REST "]}", "layers[1].name: layers[0] is called so" },
		{ "{\"layers\": [\n {\"name\":\"a\",\n  \"match\":[{\"comm\":\"x\"}]}, " REST "]}", "f:3:13: layers[0].match[0].comm: unknown key" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"uid\":[1,\n\"x\"]}]}, " REST "]}", "f:2:1: layers[0].match[0].uid[1]: an integer from 0 to" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"uid\":[]}]}, " REST "]}", "match[0].uid: an empty array matches nothing" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"uid\":-1}]}, " REST "]}", "match[0].uid: an integer" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"kthread\":1}]}, " REST "]}", "match[0].kthread: true or false" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"nice_above\":20}]}, " REST "]}", "nice_above: an integer from -20 to 19" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"cgroup_prefix\":\"x\"}]}, " REST "]}", "cgroup_prefix: a cgroup's path begins with" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"comm_prefix\":\"0123456789abcdef\"}]}, " REST "]}", "comm_prefix: at most 15 bytes are possible, these are 16" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{\"comm_prefix\":\"\"}]}, " REST "]}", "comm_prefix: the string is empty" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[7]}, " REST "]}", "f:1:34: layers[0].match[0]: an object is wanted" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"policy\":\"free\"}]}", "layers[0].policy: one of \"open\", \"grouped\", \"confined\"" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"weight\":0}]}", "layers[0].weight: an integer from 1 to 10000" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"slice_us\":99}]}", "layers[0].slice_us: an integer from 100" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"cpus\":\"3-1\"}]}", "layers[0].cpus: a list of CPUs" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"cpus\":\"0,\"}]}", "layers[0].cpus: a list of CPUs" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"cpus\":\"512\"}]}", "layers[0].cpus: a list of CPUs" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"cpus_range\":[1,2]}]}", "layers[0].cpus_range: an open layer has no CPUs" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"policy\":\"grouped\",\"cpus_range\":[2,1]}]}", "layers[0].cpus_range: the range must" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"policy\":\"grouped\",\"cpus_range\":[1.5,2]}]}", "cpus_range: two integers are wanted" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"policy\":\"grouped\",\"util_range\":[0.7]}]}", "util_range: two numbers are wanted" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"policy\":\"grouped\",\"util_range\":[0.7,0.71]}]}", "util_range: a range of less than 0.05" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"policy\":\"confined\",\"overflow_distance\":20}]}", "overflow_distance: a confined layer never leaves" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"follow_preferred_node\":true}]}", "follow_preferred_node: one of \"off\", \"prefer\", \"strict\"" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"nodes\":[]}]}", "layers[0].nodes: an array of numbers" },
		{ "{\"layers\": [{\"name\":\"a\",\"match\":[{}],\"nodes\":[0,64]}]}", "layers[0].nodes[1]: an integer from 0 to 63" },
		/* strings in which brackets and quotes try to mislead whoever looks for the place */
		{ "{\"comment\":\"} ] \\\" layers\",\n\"layers\": [{\"comment\":\"{[\\\\\",\"name\":\"a\",\"match\":[{}],\n\"zzz\":1}]}", "f:3:1: layers[0].zzz: unknown key" },
	};
	static struct config c;
	char text[8192];
	int bad = 0;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *err = parse(&c, cases[i].text, NULL);

		CHECK(err && strstr(err, cases[i].err), "\n#   %s\n#   told:   %s\n#   wanted: %s", cases[i].text,
		      err ? err : "nothing", cases[i].err);
	}
	/* too many layers, too many terms */
	strcpy(text, "{\"layers\": [");
	for (i = 0; i < AFF_MAX_LAYERS; i++)
		sprintf(text + strlen(text), "{\"name\":\"l%zu\",\"match\":[{\"uid\":1}]},", i);
	strcat(text, REST "]}");
	CHECK(parse(&c, text, NULL) && strstr(parse(&c, text, NULL), "f:1:2: layers: 17 layers, at most 16"), "%s", parse(&c, text, NULL));
	strcpy(text, "{\"layers\": [{\"name\":\"a\",\"match\":[{\"pid\":[1");
	for (i = 0; i < AFF_MAX_TERMS; i++)
		strcat(text, ",1");
	strcat(text, "]}]}," REST "]}");
	CHECK(parse(&c, text, NULL) && strstr(parse(&c, text, NULL), "pid[256]: more than 256 values"), "%s", parse(&c, text, NULL));
	result(bad, "each error of a file is told with its place");
}

/* No text may crash or confuse the parser: the example with bytes taken out and put in. */
static void test_mutations(void)
{
	static struct config c;
	unsigned int seed = 1, round, refused = 0;
	char text[8192], err[64];
	int bad = 0;
	size_t len;

	for (round = 0; round < 20000; round++) {
		static const char bytes[] = "{}[]\",:0-9x \n\\";
		size_t i, n = rand_r(&seed) % 4 + 1;

		strcpy(text, config_example);
		len = strlen(text);
		while (n--) {
			i = rand_r(&seed) % len;
			if (rand_r(&seed) & 1)
				memmove(text + i, text + i + 1, len-- - i);
			else
				text[i] = bytes[rand_r(&seed) % (sizeof(bytes) - 1)];
		}
		/* messages are cut off, not written beyond the end */
		if (config_parse(&c, "f", text, NULL, err, sizeof(err))) {
			refused++;
			CHECK(!strncmp(err, "f:", 2) && memchr(err, 0, sizeof(err)), "%.60s", err);
		}
	}
	CHECK(refused > 5000, "%u refused", refused);
	result(bad, "20000 damaged files");
}

static void test_files(const char *dir, bool good)
{
	static struct config c;
	char path[512], err[512];
	struct dirent *e;
	int bad = 0, seen = 0;
	DIR *d = opendir(dir);

	CHECK(d, "%s", dir);
	while (d && (e = readdir(d))) {
		int ret;

		if (!strstr(e->d_name, ".json"))
			continue;
		seen++;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		ret = config_read(&c, path, NULL, err, sizeof(err));
		CHECK(!ret == good, "%s: %s", path, ret ? err : "accepted");
	}
	if (d)
		closedir(d);
	CHECK(seen, "nothing in %s", dir);
	CHECK(config_read(&c, "/nonexistent", NULL, err, sizeof(err)) && strstr(err, "/nonexistent: No such"), "%s", err);
	CHECK(config_read(&c, "/dev/zero", NULL, err, sizeof(err)) && strstr(err, "more than"), "%s", err);
	result(bad, good ? "the examples" : "wrong files");
}

/* --- matching ----------------------------------------------------------- */

static void test_match(void)
{
	static const char text[] =
		"{\"layers\": ["
		"{\"name\":\"pids\",\"match\":[{\"pid\":[10,20]},{\"tgid\":30}]},"
		"{\"name\":\"both\",\"match\":[{\"comm_prefix\":[\"redis\",\"nginx\"],\"uid\":[100,101],\"gid\":7}]},"
		"{\"name\":\"cgroup\",\"match\":[{\"cgroup_prefix\":\"/sys/db\"},{\"cgroup_prefix\":\"/batch/\"}]},"
		"{\"name\":\"nice\",\"match\":[{\"nice_above\":5},{\"nice_below\":-5,\"kthread\":false}]},"
		"{\"name\":\"kernel\",\"match\":[{\"kthread\":true,\"nice_below\":1}]},"
		"{\"name\":\"child\",\"match\":[{\"pcomm_prefix\":\"make\"}]},"
		"{\"name\":\"node\",\"match\":[{\"preferred_node\":[1,3]}]},"
		REST "]}";
	enum { PIDS, BOTH, CGROUP, NICE, KERNEL, CHILD, NODE, REST_LAYER };
	static const struct {
		u32 layer;
		struct aff_key key;
		const char *path;
	} cases[] = {
		{ REST_LAYER,	{ .node = -1 }, "/" },
		{ PIDS,		{ .pid = 10, .node = -1 }, "/" },
		{ PIDS,		{ .pid = 20, .node = -1 }, "/" },
		{ REST_LAYER,	{ .pid = 30, .node = -1 }, "/" },
		{ PIDS,		{ .pid = 31, .tgid = 30, .node = -1 }, "/" },
		/* the first match wins */
		{ PIDS,		{ .pid = 10, .comm = "redis", .uid = 100, .gid = 7, .node = 1 }, "/sys/db" },
		{ BOTH,		{ .comm = "redis", .uid = 100, .gid = 7, .node = -1 }, "/sys/db" },
		{ BOTH,		{ .comm = "nginx: worker", .uid = 101, .gid = 7, .node = -1 }, "/" },
		{ REST_LAYER,	{ .comm = "nginx", .uid = 102, .gid = 7, .node = -1 }, "/" },
		{ REST_LAYER,	{ .comm = "nginx", .uid = 101, .gid = 8, .node = -1 }, "/" },
		{ REST_LAYER,	{ .comm = "ngin", .uid = 101, .gid = 7, .node = -1 }, "/" },
		{ REST_LAYER,	{ .comm = "Redis", .uid = 101, .gid = 7, .node = -1 }, "/" },
		{ BOTH,		{ .comm = "redis0123456789", .uid = 101, .gid = 7, .node = -1 }, "/" },
		/* a path is one of names */
		{ CGROUP,	{ .node = -1 }, "/sys/db" },
		{ CGROUP,	{ .node = -1 }, "/sys/db/a/b" },
		{ REST_LAYER,	{ .node = -1 }, "/sys/dbx" },
		{ REST_LAYER,	{ .node = -1 }, "/sys/d" },
		{ REST_LAYER,	{ .node = -1 }, "/sys" },
		{ REST_LAYER,	{ .node = -1 }, "/a/sys/db" },
		{ CGROUP,	{ .node = -1 }, "/batch/1" },
		{ REST_LAYER,	{ .node = -1 }, "/batch" },
		{ NICE,		{ .nice = 6, .node = -1 }, "/" },
		{ REST_LAYER,	{ .nice = 5, .node = -1 }, "/" },
		{ REST_LAYER,	{ .nice = -5, .node = -1 }, "/" },
		{ NICE,		{ .nice = -6, .node = -1 }, "/" },
		{ KERNEL,	{ .nice = -6, .kthread = 1, .node = -1 }, "/" },
		{ KERNEL,	{ .kthread = 1, .node = -1 }, "/" },
		{ REST_LAYER,	{ .nice = 1, .kthread = 1, .node = -1 }, "/" },
		{ CHILD,	{ .pcomm = "make", .node = -1 }, "/" },
		{ CHILD,	{ .pcomm = "make", .node = 3 }, "/" },
		{ REST_LAYER,	{ .comm = "make", .node = -1 }, "/" },
		{ NODE,		{ .node = 1 }, "/" },
		{ NODE,		{ .node = 3 }, "/" },
		{ REST_LAYER,	{ .node = 2 }, "/" },
		{ REST_LAYER,	{ .node = 0 }, "/" },
	};
	static struct aff_plan plan;
	static struct config c;
	char path[AFF_STR_LEN];
	const char *err;
	int bad = 0;
	size_t i;
	u32 got;

	err = parse(&c, text, NULL);
	CHECK(!err, "%s", err);
	config_terms(&c, &plan);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(path, 0, sizeof(path));
		strcpy(path, cases[i].path);
		got = aff_match(&plan, &cases[i].key, path);
		CHECK(got == cases[i].layer, "case %zu: layer %u, wanted %u", i, got, cases[i].layer);
	}
	/* the longest that there are */
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	plan.terms[0] = (struct aff_term) { .kind = AFF_CGROUP_PREFIX, .flags = AFF_TERM_GROUP | AFF_TERM_END,
					    .layer = 1, .len = AFF_STR_LEN - 2 };
	memcpy(plan.terms[0].str, path, AFF_STR_LEN - 2);
	plan.nr_terms = 1;
	path[AFF_STR_LEN - 1] = '\0';
	CHECK(aff_match(&plan, &cases[0].key, path) == REST_LAYER, "a longer name is another one");
	path[AFF_STR_LEN - 2] = '\0';
	CHECK(aff_match(&plan, &cases[0].key, path) == 1, "the longest path");
	result(bad, "layers of tasks");
}

/* --- the machine -------------------------------------------------------- */

/* @nodes of @cpus each in a ring, 10 more for each hop. */
static void make_ring(struct topo *t, u32 nodes, u32 cpus, u32 llcs, bool by_node)
{
	char err[128];
	u32 i, j;

	memset(t, 0, sizeof(*t));
	t->nr_nodes = nodes;
	t->nr_cpus = nodes * cpus;
	t->nr_llcs = nodes * llcs;
	for (i = 0; i < t->nr_cpus; i++) {
		cpu_add(&t->online, i);
		t->node[i] = i / cpus;
		t->llc[i] = i / (cpus / llcs);
		t->sibling[i] = i;
	}
	for (i = 0; i < nodes; i++) {
		t->node_online[i] = true;
		for (j = 0; j < nodes; j++) {
			u32 hops = (i + nodes - j) % nodes;

			t->distance[i][j] = 10 + 10 * (hops > nodes / 2 ? nodes - hops : hops);
		}
	}
	if (topo_finish(t, by_node, err, sizeof(err)))
		abort();
}

static void test_topo(void)
{
	static struct topo t;
	struct cpuset s;
	char buf[64];
	int bad = 0;

	make_ring(&t, 4, 4, 2, false);
	CHECK(t.nr_doms == 8 && t.split_nodes && t.nr_cpu_nodes == 4, "%u domains", t.nr_doms);
	CHECK(!memcmp(t.node_order[0], "\0\1\3\2", 4), "order of node 0");
	CHECK(!memcmp(t.node_order[2], "\2\3\1\0", 4), "order of node 2: the next ID first of equals");
	CHECK(!memcmp(t.dom_order[2], "\4\5\6\7\2\3\0\1", 8), "domains from node 2");
	CHECK(t.near[1] == 20, "nearest: %u", t.near[1]);
	make_ring(&t, 4, 4, 2, true);
	CHECK(t.nr_doms == 4 && !t.split_nodes && t.dom[15] == 3, "%u domains", t.nr_doms);

	CHECK(parse_cpu_list("0-3,8,10-11\n", &s) && cpu_count(&s) == 7, "%u", cpu_count(&s));
	CHECK(!strcmp(cpu_list(&s, buf, sizeof(buf)), "0-3,8,10-11"), "%s", buf);
	CHECK(parse_cpu_list("511", &s) && cpu_in(&s, 511), "the last CPU");
	CHECK(!parse_cpu_list("", &s) && !parse_cpu_list("1-", &s) && !parse_cpu_list("a", &s) &&
	      !parse_cpu_list("-1", &s) && !parse_cpu_list("1;2", &s) && !parse_cpu_list("0-512", &s), "wrong lists");
	memset(&s, 0xff, sizeof(s));
	CHECK(!strcmp(cpu_list(&s, buf, sizeof(buf)), "0-511"), "%s", buf);
	result(bad, "topology and lists of CPUs");
}

static const char *own(const struct plan_state *s, u32 layer)
{
	static char buf[4][256];
	static int i;

	i = (i + 1) % 4;
	return cpu_list(&s->own[layer], buf[i], sizeof(buf[i]));
}

static const char *use(const struct plan_state *s, u32 layer)
{
	static char buf[4][256];
	static int i;

	i = (i + 1) % 4;
	return cpu_list(&s->use[layer], buf[i], sizeof(buf[i]));
}

#define IS(got, want) CHECK(!strcmp(got, want), "%s, wanted %s", got, want)

static void test_machine_errors(void)
{
	static const struct {
		const char *layer;
		const char *err;
	} cases[] = {
		{ "\"nodes\":[4]", "layers[0].nodes: this machine has no node 4" },
		{ "\"llcs\":[8]", "layers[0].llcs: this machine has no LLC 8, its last is 7" },
		{ "\"cpus\":\"15-16\"", "layers[0].cpus: this machine has no CPU 16" },
		{ "\"nodes\":[1],\"cpus\":\"0-3\"", "layers[0]: no online CPU (0-15) is in all of" },
		{ "\"policy\":\"grouped\",\"nodes\":[1],\"cpus_range\":[5,6]", "cpus_range: at least 5 CPUs are asked for, nodes, llcs and cpus leave 4" },
	};
	static struct config c;
	static struct topo t;
	char text[512];
	int bad = 0;
	size_t i;

	make_ring(&t, 4, 4, 2, false);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *err;

		snprintf(text, sizeof(text), "{\"layers\":[{\"name\":\"a\",\"match\":[{}],%s}]}", cases[i].layer);
		err = parse(&c, text, NULL);
		CHECK(!err, "%s", err);
		err = parse(&c, text, &t);
		CHECK(err && strstr(err, cases[i].err), "%s, wanted %s", err ? err : "nothing", cases[i].err);
	}
	result(bad, "what the machine does not have");
}

static void test_plan_static(void)
{
	static struct config c;
	static struct topo t;
	static struct plan_state s;
	const char *err;
	static struct aff_plan plan;
	u32 i, j;
	int bad = 0;

	make_ring(&t, 4, 4, 2, false);
	err = parse(&c, "{\"layers\":["
		    "{\"name\":\"crit\",\"match\":[{\"uid\":1}],\"policy\":\"confined\",\"nodes\":[1]},"
		    "{\"name\":\"grp\",\"match\":[{\"uid\":2}],\"policy\":\"grouped\",\"llcs\":[4],\"overflow_distance\":20},"
		    "{\"name\":\"few\",\"match\":[{\"uid\":3}],\"policy\":\"grouped\",\"nodes\":[3],\"cpus_range\":[1,3]},"
		    REST "]}", &t);
	CHECK(!err, "%s", err);
	memset(&s, 0, sizeof(s));
	CHECK(plan_cpus(&s, &c, &t, NULL, NULL), "nothing changed");
	IS(own(&s, 0), "4-7");
	IS(use(&s, 0), "-");
	IS(own(&s, 1), "8-9");
	/* the nodes 1 and 3 are in reach, but 1 is protected */
	IS(use(&s, 1), "10-15");
	IS(own(&s, 2), "12-14");
	/* the rest has what nobody has, and may use what is not protected */
	IS(own(&s, 3), "0-3,10-11,15");
	IS(use(&s, 3), "8-9,12-14");
	CHECK(!plan_cpus(&s, &c, &t, NULL, NULL), "changed for no reason");

	/* what the BPF program reads of it; domains are LLCs of two CPUs */
	plan_write(&s, &c, &t, 5, &plan);
	CHECK(plan.match_gen == 5 && plan.nr_layers == 4 && plan.catch_all == 3, "%u %u %u", plan.match_gen,
	      plan.nr_layers, plan.catch_all);
	for (i = 0; i < t.nr_cpus; i++)
		for (j = 0; j < AFF_MAX_LAYERS; j++)
			CHECK((plan.own[i] >> j & 1) == cpu_in(&s.own[j], i) && (plan.use[i] >> j & 1) == cpu_in(&s.use[j], i),
			      "CPU %u, layer %u", i, j);
	CHECK(plan.dom_cpus[0 * AFF_MAX_DOMS + 2] == 2 && plan.dom_cpus[2 * AFF_MAX_DOMS + 7] == 1 &&
	      !plan.dom_cpus[2 * AFF_MAX_DOMS + 5] && plan.dom_cpus[3 * AFF_MAX_DOMS + 7] == 1, "CPUs in domains");
	/* nodes where a layer's own CPUs are, not those where it may be a guest */
	CHECK(plan.layers[1].nodes == 4 && plan.layers[3].nodes == 0xd, "%lx %lx", plan.layers[1].nodes,
	      plan.layers[3].nodes);

	/* all is protected: sharing is better than nothing */
	err = parse(&c, "{\"layers\":[{\"name\":\"crit\",\"match\":[{\"uid\":1}],\"policy\":\"confined\"}," REST "]}", &t);
	CHECK(!err, "%s", err);
	memset(&s, 0, sizeof(s));
	plan_cpus(&s, &c, &t, NULL, NULL);
	IS(own(&s, 0), "0-15");
	IS(own(&s, 1), "0-15");
	result(bad, "CPUs of layers that do not change");
}

static void test_plan_dynamic(void)
{
	static struct config c;
	static struct topo t;
	static struct plan_state s;
	double busy[AFF_MAX_LAYERS] = { 0 };
	u32 i, before;
	const char *err;
	int bad = 0;

	make_ring(&t, 4, 4, 1, false);
	err = parse(&c, "{\"layers\":["
		    "{\"name\":\"a\",\"match\":[{\"uid\":1}],\"policy\":\"confined\",\"util_range\":[0.5,0.8],\"cpus_range\":[2,9]},"
		    "{\"name\":\"b\",\"match\":[{\"uid\":2}],\"policy\":\"grouped\",\"util_range\":[0.7,0.8]},"
		    REST "]}", &t);
	CHECK(!err, "%s", err);
	memset(&s, 0, sizeof(s));
	plan_cpus(&s, &c, &t, NULL, NULL);
	IS(own(&s, 0), "0-1");
	/* the second begins where most is free */
	IS(own(&s, 1), "4");
	IS(own(&s, 2), "2-3,5-15");

	/* within the range nothing happens */
	busy[0] = 1.3;
	busy[1] = 0.75;
	CHECK(!plan_cpus(&s, &c, &t, busy, NULL), "%s %s", own(&s, 0), own(&s, 1));
	/* above it the layer grows, in its node first, then in the nearest that has CPUs */
	busy[0] = 2;
	plan_cpus(&s, &c, &t, busy, NULL);
	IS(own(&s, 0), "0-3");
	busy[0] = 4;
	plan_cpus(&s, &c, &t, busy, NULL);
	IS(own(&s, 0), "0-3,5-7");
	busy[0] = 7;
	for (i = 0; i < 3; i++)
		plan_cpus(&s, &c, &t, busy, NULL);
	CHECK(cpu_count(&s.own[0]) == 9, "no more than 9: %s", own(&s, 0));
	IS(own(&s, 0), "0-3,5-7,12-13");

	/* the other takes what is left but one */
	for (i = 0; i < 20; i++) {
		busy[1] = cpu_count(&s.own[1]);
		plan_cpus(&s, &c, &t, busy, NULL);
	}
	CHECK(cpu_count(&s.own[1]) == 6 && cpu_count(&s.own[2]) == 1, "b %s, rest %s", own(&s, 1), own(&s, 2));

	/* below the range they shrink, the farthest first, one at a time, and stop */
	busy[0] = 1.2;
	busy[1] = 0;
	before = cpu_count(&s.own[0]);
	plan_cpus(&s, &c, &t, busy, NULL);
	CHECK(cpu_count(&s.own[0]) == before - 1, "%s", own(&s, 0));
	IS(own(&s, 0), "0-3,5-7,12");
	for (i = 0; i < 20; i++)
		plan_cpus(&s, &c, &t, busy, NULL);
	IS(own(&s, 0), "0-1");
	CHECK(cpu_count(&s.own[1]) == 1, "%s", own(&s, 1));
	CHECK(!plan_cpus(&s, &c, &t, busy, NULL), "does not come to rest");
	result(bad, "CPUs of layers that grow and shrink");
}

/* Whatever the load: own CPUs of dynamic layers are not shared, all layers have some. */
static void test_plan_random(void)
{
	static struct config c;
	static struct topo t;
	static struct plan_state s;
	double busy[AFF_MAX_LAYERS];
	unsigned int seed = 7, round;
	const char *err;
	int bad = 0;
	u32 i, j, w;

	make_ring(&t, 8, 4, 2, false);
	err = parse(&c, "{\"layers\":["
		    "{\"name\":\"a\",\"match\":[{\"uid\":1}],\"policy\":\"confined\",\"util_range\":[0.4,0.8],\"nodes\":[0,1,2]},"
		    "{\"name\":\"b\",\"match\":[{\"uid\":2}],\"policy\":\"grouped\",\"util_range\":[0.7,0.8],\"cpus_range\":[3,20]},"
		    "{\"name\":\"c\",\"match\":[{\"uid\":3}],\"policy\":\"confined\",\"util_range\":[0.3,0.9]},"
		    REST "]}", &t);
	CHECK(!err, "%s", err);
	memset(&s, 0, sizeof(s));
	plan_cpus(&s, &c, &t, NULL, NULL);
	for (round = 0; round < 2000 && !bad; round++) {
		for (i = 0; i < 4; i++)
			busy[i] = (rand_r(&seed) % 1000) / 1000.0 * (cpu_count(&s.own[i]) + rand_r(&seed) % 2);
		plan_cpus(&s, &c, &t, busy, NULL);
		for (i = 0; i < 4; i++) {
			CHECK(cpu_count(&s.own[i]), "round %u: layer %u has no CPU", round, i);
			for (j = i + 1; j < 4; j++)
				for (w = 0; w < AFF_MAX_CPUS / 64; w++)
					CHECK(!(s.own[i].bits[w] & s.own[j].bits[w]), "round %u: %u %s and %u %s", round, i, own(&s, i), j, own(&s, j));
		}
		for (w = 12; w < 32; w++)
			CHECK(!cpu_in(&s.own[0], w), "round %u: a beyond its nodes: %s", round, own(&s, 0));
		CHECK(cpu_count(&s.own[1]) >= 3 && cpu_count(&s.own[1]) <= 20, "round %u: b %s", round, own(&s, 1));
	}
	result(bad, "2000 random loads");
}

static void test_hist(void)
{
	static struct aff_stats s, z, d;
	int bad = 0;

	CHECK(stats_wait(&s, 0.99) == 0, "%llu", (unsigned long long)stats_wait(&s, 0.99));
	/* 99 of about a microsecond, one of about a millisecond */
	s.wait[10 * AFF_HIST_STEPS] = 99;
	s.wait[20 * AFF_HIST_STEPS] = 1;
	CHECK(stats_wait(&s, 0.5) == 1024 + 128, "%llu", (unsigned long long)stats_wait(&s, 0.5));
	CHECK(stats_wait(&s, 0.99) == 1024 + 128, "%llu", (unsigned long long)stats_wait(&s, 0.99));
	CHECK(stats_wait(&s, 1) == (1 << 20) + (1 << 17), "%llu", (unsigned long long)stats_wait(&s, 1));
	s.cnt[AFF_STAT_LOCAL] = 5;
	z.cnt[AFF_STAT_LOCAL] = 3;
	z.wait[10 * AFF_HIST_STEPS] = 99;
	stats_delta(&d, &s, &z);
	CHECK(d.cnt[AFF_STAT_LOCAL] == 2 && stats_wait(&d, 0.5) == (1 << 20) + (1 << 17), "delta");
	result(bad, "quantiles of waiting times");
}

static void test_counters(void)
{
	static const struct {
		const char *list, *err;
	} wrong[] = {
		{ "", "names of events" },
		{ "cycles,,instructions", "names of events" },
		{ "cycles,", "names of events" },
		{ "cycle", "no event \"cycle\"; known are samples" },
		{ "r", "no event \"r\"" },
		{ "r12g", "no event" },
		{ "r12345678123456781", "no event" },
		{ "cycles,samples,cycles", "\"cycles\" is there twice" },
		{ "cycles,instructions,r1,r2,r3", "more than 4" },
	};
	static struct counters c;
	static struct aff_stats none;
	struct plan_state state = { 0 };
	static struct config conf;
	char err[512];
	json_t *layers;
	int bad = 0;
	u32 i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err[0] = '\0';
		CHECK(counters_parse(&c, wrong[i].list, err, sizeof(err)) == -1 && strstr(err, wrong[i].err), "%s: %s", wrong[i].list, err);
	}
	CHECK(!counters_parse(&c, "samples", err, sizeof(err)) && !c.nr && c.samples, "samples");
	CHECK(!counters_parse(&c, "node-load-misses,r1B,cycles", err, sizeof(err)), "%s", err);
	CHECK(c.nr == 3 && !c.samples && c.events[0].type == PERF_TYPE_HW_CACHE && c.events[0].config == 0x10006 &&
	      c.events[1].type == PERF_TYPE_RAW && c.events[1].config == 0x1b && !strcmp(c.events[1].name, "r1B"),
	      "%llx %llx", (unsigned long long)c.events[0].config, (unsigned long long)c.events[1].config);
	conf.nr_layers = 1;
	none.event[1] = 77;
	layers = stats_json(&conf, &state, &c, &none, 1);
	CHECK(json_integer_value(json_object_get(json_object_get(json_array_get(layers, 0), "events"), "r1B")) == 77, "JSON");
	json_decref(layers);
	counters_close(&c);
	result(bad, "names of events");
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: unit WRONG-FILES EXAMPLES\n");
		return 2;
	}
	printf("TAP version 13\n1..13\n");
	test_errors();
	test_mutations();
	test_files(argv[1], false);
	test_files(argv[2], true);
	test_match();
	test_topo();
	test_machine_errors();
	test_plan_static();
	test_plan_dynamic();
	test_plan_random();
	test_hist();
	test_counters();
	{
		static struct config c;
		const char *err = parse(&c, config_example, NULL);
		int bad = 0;

		CHECK(!err, "%s", err);
		result(bad, "what \"example\" prints");
	}
	return failed;
}
