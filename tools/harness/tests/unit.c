// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the harness. Fixtures are files: what is expected, "---", the
 * input. Prints KTAP.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpio.h"
#include "dump.h"
#include "json.h"
#include "ktap.h"
#include "qemu.h"
#include "report.h"
#include "splat.h"
#include "topology.h"

static unsigned int nr_tests, nr_failed;
static char scratch[] = "/tmp/nnboot-unit.XXXXXX";

static void report(bool ok, const char *name, const char *why)
{
	nr_tests++;
	if (!ok) {
		nr_failed++;
		printf("# %s\n", why ? why : "");
	}
	printf("%sok %u %s\n", ok ? "" : "not ", nr_tests, name);
}

static char *write_scratch(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", scratch, name), err[NN_ERR_MAX];

	if (!write_file_atomic(path, text, strlen(text), err))
		die(1, "%s", err);
	return path;
}

/* --- fixtures ------------------------------------------------------------------ */

struct fixture {
	struct strbuf expect;	/* what follows "expect ", a line each */
	struct strbuf allow;	/* rules for the splat scanner */
	bool body;
	struct splat_scan *scan;
	struct ktap *ktap;
};

static void fixture_line(char *line, void *arg)
{
	struct fixture *f = arg;

	if (f->body) {
		if (f->scan) {
			if (strstr(line, "nearnode: init"))
				f->scan->user_space = true;
			splat_line(f->scan, line);
		} else {
			ktap_line(f->ktap, line);
		}
	} else if (!strcmp(line, "---")) {
		f->body = true;
	} else if (!strncmp(line, "expect ", 7)) {
		sb_printf(&f->expect, "%s\n", line + 7);
	} else if (!strncmp(line, "allow ", 6)) {
		sb_printf(&f->allow, "%s\nreason the fixture says so\n", line);
	}
}

static void check_same(const char *name, struct strbuf *want, struct strbuf *got)
{
	char *why;

	sb_add(want, "", 0);
	sb_add(got, "", 0);
	why = xasprintf("expected:\n%s# got:\n%s", want->s, got->s);
	report(!strcmp(want->s, got->s), name, why);
	free(why);
}

static void splat_fixture(const char *name, char *text, size_t len)
{
	struct fixture f = { 0 };
	struct splat_scan scan = { 0 };
	struct splat_rules rules;
	struct strbuf got = { 0 };
	char err[NN_ERR_MAX], *copy = xstrndup(text, len), *allow;
	size_t i;

	/* the rules come first: read the head alone to get at them */
	f.scan = &scan;
	scan.rules = &rules;
	memset(&rules, 0, sizeof(rules));
	*strstr(copy, "---\n") = '\0';
	for_each_line(copy, strlen(copy), fixture_line, &f);
	free(copy);
	sb_add(&f.allow, "", 0);
	allow = write_scratch("allow", f.allow.s);
	if (!splat_rules_load(&rules, "splat.deny", allow, err))
		die(1, "%s", err);
	f.expect.len = f.allow.len = 0;
	for_each_line(text, len, fixture_line, &f);
	for (i = 0; i < scan.nr; i++)
		sb_printf(&got, "%s\n", scan.splats[i].kind);
	check_same(name, &f.expect, &got);
	splat_scan_free(&scan);
	splat_rules_free(&rules);
	sb_free(&f.expect);
	sb_free(&f.allow);
	sb_free(&got);
	free(allow);
}

static void ktap_fixture(const char *name, char *text, size_t len)
{
	struct ktap k = { 0 };
	struct fixture f = { .ktap = &k };
	struct strbuf got = { 0 };
	const char *p;
	size_t i;

	for_each_line(text, len, fixture_line, &f);
	ktap_finish(&k);
	for (i = 0; i < k.nr; i++) {
		sb_printf(&got, "%s %s", test_result_name[k.tests[i].result], k.tests[i].name);
		if (k.tests[i].detail)
			sb_str(&got, ": ");
		for (p = k.tests[i].detail; p && *p; p++)
			sb_printf(&got, *p == '\n' ? "\\n" : "%c", *p);
		sb_str(&got, "\n");
	}
	check_same(name, &f.expect, &got);
	ktap_free(&k);
	sb_free(&f.expect);
	sb_free(&f.allow);
	sb_free(&got);
}

static void run_fixtures(const char *dir, const char *sub,
			 void (*run)(const char *name, char *text, size_t len))
{
	char *path = xasprintf("%s/%s", dir, sub);
	struct dirent **names;
	int i, n = scandir(path, &names, NULL, alphasort), used = 0;

	for (i = 0; i < n; i++) {
		char *file = xasprintf("%s/%s", path, names[i]->d_name);
		char *name = xasprintf("%s/%s", sub, names[i]->d_name);
		struct strbuf text = { 0 };

		if (names[i]->d_name[0] != '.') {
			if (!read_file(file, &text) || !strstr(text.s, "---\n"))
				die(1, "%s: no fixture", file);
			run(name, text.s, text.len);
			used++;
		}
		sb_free(&text);
		free(names[i]);
		free(file);
		free(name);
	}
	if (n >= 0)
		free(names);
	/* a directory that is not found must not pass for one without failures */
	report(used > 0, path, "no fixtures there");
	free(path);
}

/* --- topologies ---------------------------------------------------------------- */

static const struct {
	const char *name, *text, *error;	/* error: part of the message; NULL: valid */
} topo_cases[] = {
	{ "valid", "description x\nnode 0-1 cpus 2 mem 64M\ndistances\n10 20\n20 10\n", NULL },
	{ "empty file", "", "there are no nodes" },
	{ "no distances", "node 0 cpus 1 mem 64M\n", "distances are missing" },
	{ "not square", "node 0-1 cpus 1 mem 64M\ndistances\n10 20\n20 10 30\n", ":4: row 1 has 3 distances" },
	{ "too few rows", "node 0-1 cpus 1 mem 64M\ndistances\n10 20\n", "1 rows by 2 columns, but there are 2 nodes" },
	{ "too many rows", "node 0 cpus 1 mem 64M\ndistances\n10 20\n20 10\n", "but there are 1 nodes" },
	{ "diagonal", "node 0-1 cpus 1 mem 64M\ndistances\n10 20\n20 11\n", "node 1 to itself is 11" },
	{ "remote 10", "node 0-1 cpus 1 mem 64M\ndistances\n10 10\n20 10\n", "from node 0 to node 1 is 10" },
	{ "remote 255", "node 0-1 cpus 1 mem 64M\ndistances\n10 20\n255 10\n", "from node 1 to node 0 is 255" },
	{ "remote 300", "node 0-1 cpus 1 mem 64M\ndistances\n10 300\n20 10\n", ":3: bad distance '300'" },
	{ "not a number", "node 0-1 cpus 1 mem 64M\ndistances\n10 x\n20 10\n", "bad distance 'x'" },
	{ "row without distances", "node 0 cpus 1 mem 64M\n10\n", ":2: a row of distances where none" },
	{ "distances twice", "node 0 cpus 1 mem 64M\ndistances\n10\ndistances\n10\n", ":4: distances are given twice" },
	{ "threads", "threads 2\nnode 0 cpus 3 mem 64M\ndistances\n10\n", "3 CPUs of node 0 make no whole cores of 2" },
	{ "llc", "cpus-per-llc 4\nnode 0 cpus 6 mem 64M\ndistances\n10\n", "6 CPUs of node 0 make no whole LLCs of 4" },
	{ "nesting", "cpus-per-llc 4\ncpus-per-cluster 3\nnode 0 cpus 4 mem 64M\ndistances\n10\n", "do not nest" },
	{ "neither", "node 0 cpus 1 mem 64M\nnode 1 cpus 0 mem 0\ndistances uniform 20\n", ":2: a node without CPUs and without memory" },
	{ "empty with cpus", "node 0 cpus 1 mem 64M\nnode 1 empty cpus 2\ndistances uniform 20\n", "an empty node has neither" },
	{ "hole", "node 0 cpus 1 mem 64M\nnode 2 cpus 1 mem 64M\ndistances uniform 20\n", "node 1 is not described" },
	{ "twice", "node 0 cpus 1 mem 64M\nnode 0 cpus 1 mem 64M\ndistances\n10\n", ":2: node 0 was described before, in line 1" },
	{ "node 0 memory", "node 0 cpus 1 mem 0\nnode 1 cpus 1 mem 64M\ndistances uniform 20\n", "node 0 has no memory" },
	{ "little memory", "node 0 cpus 1 mem 8M\ndistances\n10\n", "8 MiB is too little" },
	{ "mem without unit", "node 0 cpus 1 mem 64\ndistances\n10\n", "cannot understand 'mem 64'" },
	{ "no cpus", "node 0 cpus 0 mem 64M\ndistances\n10\n", "0 CPUs in all" },
	{ "too many cpus", "node 0-1 cpus 300 mem 64M\ndistances uniform 20\n", "600 CPUs in all" },
	{ "uneven", "node 0 cpus 2 mem 64M\nnode 1 cpus 4 mem 64M\ndistances uniform 20\n", ":2: node 1 has 4 CPUs, others have 2" },
	{ "uneven with llc", "cpus-per-llc 2\nnode 0 cpus 2 mem 64M\nnode 1 cpus 4 mem 64M\ndistances uniform 20\n", NULL },
	{ "bad range", "node 3-1 cpus 1 mem 64M\n", "bad range of nodes '3-1'" },
	{ "node 128", "node 128 cpus 1 mem 64M\n", "bad node '128'" },
	{ "unknown word", "nodes 3\n", ":1: unknown word 'nodes'" },
	{ "ring too far", "node 0-63 cpus 1 mem 64M\ndistances ring 8\n", "would be 258 apart" },
	{ "ring 64", "node 0-63 cpus 1 mem 64M\ndistances ring 7\n", NULL },
	{ "torus", "node 0-5 cpus 1 mem 64M\ndistances torus 2x2 10\n", "a 2x2 torus has 4 nodes, this topology has 6" },
	{ "uniform 10", "node 0-1 cpus 1 mem 64M\ndistances uniform 10\n", "from node 0 to node 1 is 10" },
	{ "bad kind", "node 0 cpus 1 mem 64M\ndistances star 10\n", "cannot understand 'distances star'" },
	{ "threads 0", "threads 0\n", "threads needs one number" },
	{ "threads twice", "threads 2\nthreads 2\n", "threads is given twice" },
	{ "numbering", "numbering odd\n", "unknown numbering" },
};

static void test_topologies(void)
{
	struct topology *t = xcalloc(1, sizeof(*t));
	char err[NN_ERR_MAX], *path;
	size_t i;

	for (i = 0; i < sizeof(topo_cases) / sizeof(topo_cases[0]); i++) {
		char *name = xasprintf("topology: %s", topo_cases[i].name);
		bool ok;

		path = write_scratch("t.topo", topo_cases[i].text);
		strcpy(err, "accepted");
		ok = topo_load(t, "topologies", path, err);
		if (topo_cases[i].error)
			/* file, line, what, and on a second line the remedy */
			report(!ok && strstr(err, topo_cases[i].error) && strstr(err, "t.topo:") &&
			       strstr(err, "\n  "), name, err);
		else
			report(ok, name, err);
		if (ok)
			topo_free(t);
		free(name);
		free(path);
	}

	report(topo_load(t, "topologies", "ring4", err) && t->dist[0][1] == 20 && t->dist[0][2] == 30 &&
	       t->dist[3][0] == 20 && t->dist[1][1] == 10 && t->nr_cpus == 8 && topo_symmetric(t),
	       "topology: ring4 is a ring", err);
	topo_free(t);
	report(topo_load(t, "topologies", "torus64", err) && t->dist[0][7] == 30 && t->dist[0][56] == 30 &&
	       t->dist[0][9] == 50 && t->dist[0][36] == 170, "topology: torus64 is a torus", err);
	topo_free(t);
	report(topo_load(t, "topologies", "asym4", err) && !topo_symmetric(t), "topology: asym4 is not symmetric", err);
	topo_free(t);
	report(!topo_load(t, "topologies", "nowhere", err) && strstr(err, "unknown topology 'nowhere'") &&
	       strstr(err, "ring4"), "topology: unknown, with a list", err);
	if (topo_load(t, "topologies", "sparse6", err)) {
		char *cpus = topo_cpulist(t, 2);

		report(!strcmp(cpus, "1,5"), "topology: interleaved numbering", cpus);
		free(cpus);
		topo_free(t);
	} else {
		report(false, "topology: interleaved numbering", err);
	}
	free(t);
}

/* --- QEMU's command line --------------------------------------------------------- */

static void test_qemu(void)
{
	struct topology *t = xcalloc(1, sizeof(*t));
	struct qemu_config c = { .arch = qemu_arch("arm64"), .kernel = "K", .initrd = "I",
				 .topo = t, .mode = MODE_ICOUNT, .append = "it's", .out_dir = "/o" };
	static const char *const want[] = {
		"-smp 32,sockets=8,clusters=1,cores=4,threads=1", "-m 1536M", "-net none",
		"memory-backend-ram,id=mem3,size=384M", "node,nodeid=3,memdev=mem3",
		"cpu,node-id=0,socket-id=1", "cpu,node-id=3,socket-id=7", "dist,src=1,dst=3,val=24",
		"-icount shift=0,sleep=off", "'console=ttyAMA0 ", " it'\\''s'", "name=nearnode.out",
	};
	char err[NN_ERR_MAX], **argv, *line;
	size_t i;

	if (!topo_load(t, "topologies", "kunpeng920", err))
		die(1, "%s", err);
	argv = qemu_argv(&c);
	line = qemu_command_line(argv);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		char *name = xasprintf("qemu: %s", want[i]);

		report(strstr(line, want[i]), name, line);
		free(name);
	}
	report(!strstr(line, "src=3,dst=1"), "qemu: one direction when symmetric", line);
	free(line);
	qemu_argv_free(argv);
	topo_free(t);
	if (!topo_load(t, "topologies", "asym4", err))
		die(1, "%s", err);
	c.mode = MODE_MT;
	c.arch = qemu_arch("x86_64");
	argv = qemu_argv(&c);
	line = qemu_command_line(argv);
	report(strstr(line, "dist,src=3,dst=1,val=20") && strstr(line, "dist,src=1,dst=3,val=20") &&
	       strstr(line, "src=0,dst=1,val=15") && strstr(line, "src=1,dst=0,val=25"),
	       "qemu: both directions when asymmetric", line);
	report(strstr(line, "thread=multi") && !strstr(line, "icount") && strstr(line, "dies=1") &&
	       strstr(line, "ttyS0"), "qemu: x86_64, multi-threaded", line);
	report(!strstr(line, "-plugin"), "qemu: no plugin unless accesses are counted", line);
	free(line);
	qemu_argv_free(argv);

	c.accesses = "a/b.so,cache=off";
	c.out_dir = "o";
	argv = qemu_argv(&c);
	line = qemu_command_line(argv);
	report(strstr(line, " -plugin a/b.so,map=o/accesses.map,out=o/accesses.jsonl,cache=off\n"),
	       "qemu: the plugin that counts accesses", line);
	free(line);
	qemu_argv_free(argv);
	line = qemu_node_map(&c);
	report(strstr(line, "\nmem 0 0x0 0x") && strstr(line, "\ndistances 10 15 "), "qemu: x86_64's map of nodes",
	       line);
	free(line);
	for (i = 0; i < t->nr_nodes; i++)
		t->node[i].mem_mib = i == 2 ? 0 : 1536;
	t->mem_mib = 3 * 1536;
	line = qemu_node_map(&c);
	report(strstr(line, "\nmem 0 0x0 0x60000000\nmem 1 0x60000000 0x20000000\nmem 1 0x100000000 0x40000000\n"
			    "mem 3 0x140000000 0x60000000\ndistances "),
	       "qemu: a node around x86_64's hole, one without memory", line);
	free(line);
	t->node[0].mem_mib = 2048;
	line = qemu_node_map(&c);
	report(strstr(line, "\nmem 0 0x0 0x80000000\nmem 1 0x100000000 0x60000000\n"),
	       "qemu: a node that ends at the hole", line);
	free(line);
	c.arch = qemu_arch("arm64");
	line = qemu_node_map(&c);
	report(strstr(line, "\nmem 0 0x40000000 0x80000000\nmem 1 0xc0000000 0x60000000\nmem 3 0x120000000 "),
	       "qemu: arm64 has no hole", line);
	free(line);
	c.accesses = NULL;
	c.spe = true;
	argv = qemu_argv(&c);
	line = qemu_command_line(argv);
	report(strstr(line, "-cpu max,pauth-impdef=on,spe=on ") && strstr(line, " kpti=off it"),
	       "qemu: SPE on the usual CPU", line);
	free(line);
	qemu_argv_free(argv);
	c.cpu = "neoverse-n1,pmu=on";
	argv = qemu_argv(&c);
	line = qemu_command_line(argv);
	report(strstr(line, "-cpu neoverse-n1,pmu=on,spe=on ") && !strstr(line, "-cpu max"),
	       "qemu: SPE on another CPU", line);
	free(line);
	qemu_argv_free(argv);
	c.spe = false;
	argv = qemu_argv(&c);
	line = qemu_command_line(argv);
	report(strstr(line, "-cpu neoverse-n1,pmu=on ") && !strstr(line, "kpti"), "qemu: another CPU", line);
	free(line);
	qemu_argv_free(argv);
	topo_free(t);
	free(t);
}

/* --- small things ------------------------------------------------------------------ */

static void test_json(void)
{
	struct json_writer w = { 0 };
	char err[NN_ERR_MAX];
	struct json *j;
	static const char *const bad[] = {
		"", "{", "[1,]", "{\"a\"}", "{\"a\":}", "\"x", "\"\\q\"", "nul", "[1] 2", "\"\\u00g0\"",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1",
	};
	size_t i;

	json_open(&w, NULL, '{');
	json_string(&w, "s", "a\"b\\c\nd\te\x1b\xc3");
	json_string(&w, "none", NULL);
	json_number(&w, "n", -1.5);
	json_open(&w, "v", '[');
	json_number(&w, NULL, 1);
	json_number(&w, NULL, 2);
	json_close(&w, ']');
	json_open(&w, "e", '[');
	json_close(&w, ']');
	json_bool(&w, "t", true);
	json_close(&w, '}');
	strcpy(err, "differs");
	j = json_parse(w.out.s, err);
	report(j && !strcmp(json_get_string(j, "s"), "a\"b\\c\nd\te\x1b\xc3") &&
	       json_get_number(j, "n", 0) == -1.5 && json_get(j, "v")->nr == 2 &&
	       json_get(j, "v")->item[1]->number == 2 && !json_get(j, "e")->nr &&
	       json_get(j, "t")->number == 1 && json_get(j, "none")->type == JSON_NULL,
	       "json: what is written is read", err);
	json_free(j);
	sb_free(&w.out);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *name = xasprintf("json: refuses %.12s", bad[i]);

		j = json_parse(bad[i], err);
		report(!j, name, bad[i]);
		json_free(j);
		free(name);
	}
}

static void test_splat_rules(void)
{
	static const struct { const char *name, *deny, *allow, *error; } cases[] = {
		{ "no reason", "deny a b\n", "allow x\nallow y\nreason z\n", ":2: an allowed line gives no reason" },
		{ "no reason at the end", "deny a b\n", "allow x\n", "an allowed line gives no reason" },
		{ "empty reason", "deny a b\n", "allow x\nreason \n", ":2: nothing follows" },
		{ "bad regex", "deny a (\n", "", ":1: " },
		{ "deny in allow", "deny a b\n", "deny a b\n", ":1: unexpected first word" },
		{ "no rules", "# nothing\n", "", "no rules" },
		{ "no regex", "deny a\n", "", "needs a name and a regular expression" },
	};
	struct splat_rules r;
	char err[NN_ERR_MAX], *deny, *allow;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *name = xasprintf("splat rules: %s", cases[i].name);
		bool ok;

		deny = write_scratch("deny", cases[i].deny);
		allow = write_scratch("allow", cases[i].allow);
		strcpy(err, "accepted");
		ok = splat_rules_load(&r, deny, allow, err);
		report(!ok && strstr(err, cases[i].error), name, err);
		if (ok)
			splat_rules_free(&r);
		free(name);
		free(deny);
		free(allow);
	}
	report(splat_rules_load(&r, "splat.deny", "splat.allow", err), "splat rules: ours", err);
	splat_rules_free(&r);
}

static void test_cpio(void)
{
	char *base = write_scratch("base", "12345"), *file = write_scratch("file", "hello");
	char *out = xasprintf("%s/out", scratch), err[NN_ERR_MAX] = "wrong bytes", *missing;
	struct cpio_file files[] = { { file, "/a/b/c" }, { file, "a/d" } };
	struct cpio_file bad[] = { { file, "a/" } };
	const char *bases[] = { base, NULL }, *both[] = { base, file };
	struct strbuf one = { 0 }, two = { 0 };
	bool ok;

	ok = cpio_append(out, bases, 1, files, 2, err) && read_file(out, &one);
	report(ok && !memcmp(one.s, "12345\0\0\0" "070701", 14) && one.len % 4 == 0, "cpio: follows the base, aligned", err);
	ok = cpio_append(out, bases, 1, files, 2, err) && read_file(out, &two);
	report(ok && one.len == two.len && !memcmp(one.s, two.s, one.len), "cpio: same input, same bytes", err);
	report(!cpio_append(out, bases, 1, bad, 1, err) && strstr(err, "names no file"), "cpio: refuses a directory", err);
	sb_free(&two);
	ok = cpio_append(out, both, 2, files, 2, err) && read_file(out, &two);
	report(ok && !memcmp(two.s, "12345\0\0\0hello\0\0\0" "070701", 22), "cpio: two bases, each aligned", err);
	missing = xasprintf("%s/missing", scratch);
	bases[1] = missing;
	report(!cpio_append(out, bases + 1, 1, NULL, 0, err) && strstr(err, "cannot read"), "cpio: refuses a missing base", err);
	sb_free(&one);
	sb_free(&two);
	free(missing);
	free(base);
	free(file);
	free(out);
}

static void test_symbols(void)
{
	static const char map[] = "ffff800080010000 T first\nffff800080010100 d data\nffff800080010200 t second\n";
	char *a = symbolize(map, 0xffff800080010010), *b = symbolize(map, 0xffff800080010200);
	char *c = symbolize(map, 0x1000), *d = symbolize(map, 0xffff900000000000);

	report(a && !strcmp(a, "first+0x10"), "symbols: inside", a);
	report(b && !strcmp(b, "second+0x0"), "symbols: at the start", b);
	report(!c, "symbols: below", c);
	report(!d, "symbols: far above", d);
	free(a);
	free(b);
	free(c);
	free(d);
}

static void test_judge(void)
{
	struct splat splat = { .kind = "warn" };
	struct test failing = { .name = (char *)"x", .result = TEST_FAIL };
	struct test crashed = { .name = (char *)"x", .result = TEST_ERROR };
	struct run r = { .boot_seconds = 1, .job_exit = 0 };

	run_judge(&r, false, false);
	report(r.outcome == RUN_OK && outcome_exit(r.outcome) == 0, "judge: ok", NULL);
	r.job_exit = 7;
	run_judge(&r, false, false);
	report(r.outcome == RUN_TEST_FAILED && outcome_exit(r.outcome) == 1, "judge: job failed", NULL);
	r.job_exit = 0;
	r.tests.tests = &failing;
	r.tests.nr = 1;
	run_judge(&r, false, false);
	report(r.outcome == RUN_TEST_FAILED, "judge: test failed", NULL);
	r.tests.tests = &crashed;
	run_judge(&r, false, false);
	report(r.outcome == RUN_TEST_FAILED, "judge: test never ended", NULL);
	r.scan.splats = &splat;
	r.scan.nr = 1;
	run_judge(&r, false, false);
	report(r.outcome == RUN_SPLAT && outcome_exit(r.outcome) == 3, "judge: splat", NULL);
	r.job_exit = -1;
	run_judge(&r, false, false);
	report(r.outcome == RUN_DIED && outcome_exit(r.outcome) == 3, "judge: died", NULL);
	run_judge(&r, true, false);
	report(r.outcome == RUN_TIMEOUT && outcome_exit(r.outcome) == 4, "judge: timeout", NULL);
	run_judge(&r, false, true);
	report(r.outcome == RUN_NO_QEMU && outcome_exit(r.outcome) == 5, "judge: QEMU failed", NULL);
	r.boot_seconds = -1;
	run_judge(&r, false, false);
	report(r.outcome == RUN_NO_BOOT && outcome_exit(r.outcome) == 5, "judge: no boot", NULL);
	r.scan.panicked = true;
	run_judge(&r, true, true);
	report(r.outcome == RUN_PANIC && outcome_exit(r.outcome) == 3, "judge: panic", NULL);
}

/* --- comparison -------------------------------------------------------------------- */

static char *results(const char *file, const char *outcome, const char *tests)
{
	char *text = xasprintf("{\"format\":1,\"outcome\":\"%s\",\"release\":\"7.3.4\",\"tests\":[%s]}",
			       outcome, tests);
	char *path = write_scratch(file, text);

	free(text);
	return path;
}

#define T(name, result) "{\"name\":\"" name "\",\"result\":\"" result "\"}"

static void test_compare(void)
{
	static const struct {
		const char *name, *a, *b, *outcome_b, *allow;
		int rc;
		const char *says;
	} cases[] = {
		{ "same", T("x", "pass"), T("x", "pass"), "ok", "", 0, "0 regressions" },
		{ "regression", T("x", "pass"), T("x", "fail"), "test-failed", "", 1, "regression  x: pass -> fail" },
		{ "never ended", T("x", "pass"), T("x", "error"), "test-failed", "", 1, "1 regressions" },
		{ "vanished", T("x", "pass") "," T("y", "pass"), T("x", "pass"), "ok", "", 1, "y: pass -> absent" },
		{ "skipped", T("x", "skip"), T("x", "skip"), "ok", "", 1, "1 skipped" },
		{ "skipped now", T("x", "pass"), T("x", "skip"), "ok", "", 1, "regression  x: pass -> skip" },
		{ "skip allowed", T("x", "skip"), T("x", "skip"), "ok", "skip x\nreason one node\n", 0, "allowed: one node" },
		{ "skip allowed by pattern", T("s/x", "skip"), T("s/x", "skip"), "ok", "skip s/*\nreason r\n", 0, "1 allowed" },
		{ "no reason", T("x", "skip"), T("x", "skip"), "ok", "skip x\n", 2, "reason" },
		{ "both fail", T("x", "fail"), T("x", "fail"), "test-failed", "", 1, "1 failing" },
		{ "known failure", T("x", "fail"), T("x", "fail"), "test-failed", "fail x\nreason r\n", 0, "1 allowed" },
		{ "a known failure is no regression", T("x", "pass"), T("x", "fail"), "test-failed", "fail x\nreason r\n", 1, "1 regressions" },
		{ "fixed", T("x", "fail"), T("x", "pass"), "ok", "", 0, "1 fixed" },
		{ "new and good", T("x", "pass"), T("x", "pass") "," T("y", "pass"), "ok", "", 0, "1 only in the second" },
		{ "new and bad", T("x", "pass"), T("x", "pass") "," T("y", "fail"), "test-failed", "", 1, "y: absent -> fail" },
		{ "panicked", T("x", "pass"), T("x", "pass"), "panic", "", 1, "did not end well" },
		{ "no tests", "", "", "ok", "", 1, "no tests at all" },
		{ "twice, once bad", T("x", "pass"), T("x", "pass") "," T("x", "fail"), "test-failed", "", 1, "1 regressions" },
	};
	char err[NN_ERR_MAX], *a, *b, *allow, *missing;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *name = xasprintf("compare: %s", cases[i].name), *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		int rc;

		a = results("a.json", "ok", cases[i].a);
		b = results("b.json", cases[i].outcome_b, cases[i].b);
		allow = write_scratch("allow", cases[i].allow);
		*err = '\0';
		rc = compare_results(a, b, allow, false, out, err);
		fprintf(out, "%s", err);
		fclose(out);
		report(rc == cases[i].rc && strstr(text, cases[i].says), name, text);
		free(text);
		text = NULL;
		out = open_memstream(&text, &len);
		rc = compare_results(a, b, allow, true, out, err);
		fclose(out);
		if (rc != NN_USAGE) {
			struct json *j = json_parse(text, err);

			report(j && json_get(j, "ok") && (json_get(j, "ok")->number == !rc), name, text);
			json_free(j);
		}
		free(text);
		free(name);
		free(a);
		free(b);
		free(allow);
	}
	a = results("a.json", "ok", T("x", "pass"));
	missing = xasprintf("%s/nothing.json", scratch);
	report(compare_results(a, missing, NULL, false, stdout, err) == NN_USAGE && strstr(err, "interrupted"),
	       "compare: no results", err);
	b = write_scratch("b.json", "{}");
	report(compare_results(a, b, NULL, false, stdout, err) == NN_USAGE && strstr(err, "no results of nnboot"),
	       "compare: other JSON", err);
	free(a);
	free(b);
	free(missing);
}

int main(int argc, char **argv)
{
	char *rm;

	if (argc != 2)
		die(2, "usage: unit FIXTURES");
	if (!mkdtemp(scratch))
		die(1, "cannot make %s", scratch);
	puts("TAP version 13");
	test_topologies();
	test_qemu();
	test_json();
	test_splat_rules();
	run_fixtures(argv[1], "splat", splat_fixture);
	run_fixtures(argv[1], "ktap", ktap_fixture);
	test_cpio();
	test_symbols();
	test_judge();
	test_compare();
	printf("1..%u\n# %u failed\n", nr_tests, nr_failed);
	rm = xasprintf("rm -rf %s", scratch);
	if (system(rm))
		nr_failed++;
	free(rm);
	return nr_failed ? 1 : 0;
}
