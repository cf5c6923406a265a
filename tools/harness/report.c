// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "report.h"

#define RESULTS_FORMAT 1

const char *const outcome_name[] = {
	[RUN_OK] = "ok",
	[RUN_TEST_FAILED] = "test-failed",
	[RUN_SPLAT] = "splat",
	[RUN_PANIC] = "panic",
	[RUN_DIED] = "died",
	[RUN_TIMEOUT] = "timeout",
	[RUN_NO_BOOT] = "no-boot",
	[RUN_NO_QEMU] = "no-qemu",
};

enum nn_exit outcome_exit(enum outcome o)
{
	switch (o) {
	case RUN_OK:
		return NN_OK;
	case RUN_TEST_FAILED:
		return NN_TEST_FAILED;
	case RUN_SPLAT:
	case RUN_PANIC:
	case RUN_DIED:
		return NN_SPLAT;
	case RUN_TIMEOUT:
		return NN_TIMEOUT;
	default:
		return NN_CANNOT_RUN;
	}
}

size_t run_count(const struct run *r, enum test_result result)
{
	size_t i, n = 0;

	for (i = 0; i < r->tests.nr; i++)
		n += r->tests.tests[i].result == result;
	return n;
}

void run_judge(struct run *r, bool timed_out, bool qemu_failed)
{
	if (r->scan.panicked)
		r->outcome = RUN_PANIC;
	else if (qemu_failed)
		r->outcome = RUN_NO_QEMU;
	else if (timed_out)
		r->outcome = RUN_TIMEOUT;
	else if (r->boot_seconds < 0)
		r->outcome = RUN_NO_BOOT;
	else if (r->job_exit < 0)
		r->outcome = RUN_DIED;
	else if (r->scan.nr)
		r->outcome = RUN_SPLAT;
	else if (r->job_exit || run_count(r, TEST_FAIL) || run_count(r, TEST_ERROR))
		r->outcome = RUN_TEST_FAILED;
	else
		r->outcome = RUN_OK;
}

char *run_json(const struct run *r)
{
	struct json_writer w = { 0 };
	size_t i;

	json_open(&w, NULL, '{');
	json_number(&w, "format", RESULTS_FORMAT);
	json_string(&w, "outcome", outcome_name[r->outcome]);
	json_number(&w, "exit", outcome_exit(r->outcome));
	json_string(&w, "topology", r->topo->name);
	json_number(&w, "nodes", r->topo->nr_nodes);
	json_number(&w, "cpus", r->topo->nr_cpus);
	json_string(&w, "arch", r->arch);
	json_string(&w, "cpu", r->cpu);
	json_string(&w, "mode", r->mode);
	json_string(&w, "kernel", r->kernel);
	json_string(&w, "release", r->release);
	json_string(&w, "append", r->append);
	json_number(&w, "boot_seconds", r->boot_seconds);
	json_number(&w, "wall_seconds", r->wall_seconds);
	json_number(&w, "timeout_seconds", r->timeout);
	json_number(&w, "job_exit", r->job_exit);
	json_string(&w, "qemu_says", r->qemu_says);
	json_open(&w, "totals", '{');
	json_number(&w, "tests", r->tests.nr);
	for (i = 0; i < TEST_NR_RESULTS; i++)
		json_number(&w, test_result_name[i], run_count(r, i));
	json_number(&w, "splats", r->scan.nr);
	json_number(&w, "splats_allowed", r->scan.nr_allowed);
	json_close(&w, '}');
	json_open(&w, "splats", '[');
	for (i = 0; i < r->scan.nr; i++) {
		const struct splat *s = &r->scan.splats[i];

		json_open(&w, NULL, '{');
		json_string(&w, "kind", s->kind);
		json_number(&w, "line", s->line);
		json_string(&w, "text", s->text);
		json_string(&w, "context", s->context.s ? s->context.s : "");
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_open(&w, "tests", '[');
	for (i = 0; i < r->tests.nr; i++) {
		const struct test *t = &r->tests.tests[i];

		json_open(&w, NULL, '{');
		json_string(&w, "name", t->name);
		json_string(&w, "result", test_result_name[t->result]);
		if (t->detail)
			json_string(&w, "detail", t->detail);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_close(&w, '}');
	sb_str(&w.out, "\n");
	return w.out.s;
}

static void print_indented(FILE *out, const char *text, unsigned int max_lines)
{
	const char *p = text;

	while (p && *p && max_lines--) {
		size_t len = strcspn(p, "\n");

		fprintf(out, "      | %.*s\n", (int)len, p);
		p += len + (p[len] == '\n');
	}
	if (p && *p)
		fprintf(out, "      | ...\n");
}

static void print_why(const struct run *r, FILE *out)
{
	switch (r->outcome) {
	case RUN_NO_QEMU:
		fprintf(out, "  QEMU could not run the guest; it says:\n");
		print_indented(out, r->qemu_says ? r->qemu_says : "(nothing)", 8);
		if (r->remedy && r->boot_seconds < 0)
			fprintf(out, "  %s\n", r->remedy);
		break;
	case RUN_NO_BOOT:
		fprintf(out, "  The guest ended before /init: is the kernel for %s and the initramfs one of ours?\n",
			r->arch);
		break;
	case RUN_DIED:
		fprintf(out, "  The guest ended before its job did, without a panic: did the job power off or reboot?\n");
		break;
	case RUN_TIMEOUT:
		fprintf(out, "  Not done after %.0f s%s. What the CPUs and tasks were doing: %s/dump.txt\n",
			r->timeout, r->boot_seconds < 0 ? ", not even /init was reached" : "", r->out_dir);
		break;
	default:
		break;
	}
}

void run_print(const struct run *r, FILE *out)
{
	size_t i;

	fprintf(out, "%s: %s %s, %s, kernel %s: ", outcome_name[r->outcome], r->arch, r->topo->name,
		r->mode, r->release ? r->release : "unknown");
	if (r->boot_seconds >= 0)
		fprintf(out, "booted in %.1f s, ", r->boot_seconds);
	fprintf(out, "%.1f s in all", r->wall_seconds);
	if (r->tests.nr) {
		fprintf(out, "; %zu tests:", r->tests.nr);
		for (i = 0; i < TEST_NR_RESULTS; i++)
			if (run_count(r, i))
				fprintf(out, " %zu %s", run_count(r, i), test_result_name[i]);
	}
	if (r->job_exit > 0)
		fprintf(out, "; job exit %d", r->job_exit);
	fputc('\n', out);
	print_why(r, out);
	for (i = 0; i < r->tests.nr; i++) {
		const struct test *t = &r->tests.tests[i];

		if (t->result == TEST_PASS)
			continue;
		fprintf(out, "  %-5s %s\n", test_result_name[t->result], t->name);
		print_indented(out, t->detail, 6);
	}
	for (i = 0; i < r->scan.nr; i++) {
		fprintf(out, "  splat (%s) at %s/console.log:%u\n", r->scan.splats[i].kind, r->out_dir,
			r->scan.splats[i].line);
		print_indented(out, r->scan.splats[i].context.s, 12);
	}
}

/* --- comparison -------------------------------------------------------------- */

struct allowed {
	char *pattern, *reason;
	bool skip;		/* else a failure that is known */
};

struct allow_list {
	struct allowed *v;
	size_t nr;
	const char *path;
	char *err;
	unsigned int line;
	bool need_reason, failed;
};

static void allow_line(char *line, void *arg)
{
	struct allow_list *l = arg;
	char *key, *rest = line;

	l->line++;
	if (l->failed || !*line || *line == '#')
		return;
	key = strsep(&rest, " \t");
	while (rest && (*rest == ' ' || *rest == '\t'))
		rest++;
	if (rest && *rest && !l->need_reason && (!strcmp(key, "skip") || !strcmp(key, "fail"))) {
		nn_grow(l->v, l->nr);
		l->v[l->nr++] = (struct allowed){ .pattern = xstrdup(rest), .skip = *key == 's' };
		l->need_reason = true;
	} else if (rest && *rest && l->need_reason && !strcmp(key, "reason")) {
		l->v[l->nr - 1].reason = xstrdup(rest);
		l->need_reason = false;
	} else {
		l->failed = true;
		nn_err(l->err, "%s:%u: expected %s", l->path, l->line,
		       l->need_reason ? "'reason WHY' after each skip or fail" : "'skip TEST' or 'fail TEST', then 'reason WHY'");
	}
}

static bool allow_load(struct allow_list *l, const char *path, char *err)
{
	struct strbuf text = { 0 };

	*l = (struct allow_list){ .path = path, .err = err };
	if (!path)
		return true;
	if (!read_file(path, &text))
		return nn_err(err, "cannot read %s: %s", path, strerror(errno));
	for_each_line(text.s, text.len, allow_line, l);
	sb_free(&text);
	if (!l->failed && l->need_reason) {
		l->failed = true;
		nn_err(err, "%s:%u: expected 'reason WHY' after each skip or fail", path, l->line);
	}
	return !l->failed;
}

static const char *allowed_because(const struct allow_list *l, const char *name, bool skip)
{
	size_t i;

	for (i = 0; i < l->nr; i++)
		if (l->v[i].skip == skip && !fnmatch(l->v[i].pattern, name, 0))
			return l->v[i].reason;
	return NULL;
}

static struct json *load_results(const char *path, char *err)
{
	struct strbuf text = { 0 };
	struct json *j, *tests;
	char why[NN_ERR_MAX];
	size_t i;

	if (!read_file(path, &text)) {
		nn_err(err, "cannot read %s: %s\n  A run that was interrupted leaves no results.json.",
		       path, strerror(errno));
		return NULL;
	}
	j = json_parse(text.s, why);
	sb_free(&text);
	if (!j) {
		nn_err(err, "%s: %s", path, why);
		return NULL;
	}
	tests = json_get(j, "tests");
	if (json_get_number(j, "format", 0) != RESULTS_FORMAT || !tests || tests->type != JSON_ARRAY) {
		nn_err(err, "%s: no results of nnboot, or of another version of it", path);
		goto bad;
	}
	for (i = 0; i < tests->nr; i++) {
		if (!json_get_string(tests->item[i], "name") || !json_get_string(tests->item[i], "result")) {
			nn_err(err, "%s: test %zu has no name or no result", path, i + 1);
			goto bad;
		}
	}
	return j;
bad:
	json_free(j);
	return NULL;
}

static const char *result_of(const struct json *results, const char *name)
{
	struct json *tests = json_get(results, "tests");
	size_t i;

	/* a name that occurs twice counts as what the worse of them is */
	const char *found = NULL;

	for (i = 0; i < tests->nr; i++) {
		const char *r = json_get_string(tests->item[i], "result");

		if (!strcmp(json_get_string(tests->item[i], "name"), name) &&
		    (!found || strcmp(r, "pass")))
			found = r;
	}
	return found;
}

static bool good(const char *result)
{
	return result && (!strcmp(result, "pass") || !strcmp(result, "xfail"));
}

struct comparison {
	size_t both, regressions, failing, skipped, allowed, fixed, added;
	struct json_writer w;
	bool json;
	FILE *out;
};

static void note(struct comparison *c, const char *verdict, const char *name, const char *a,
		 const char *b, const char *reason)
{
	if (c->json) {
		json_open(&c->w, NULL, '{');
		json_string(&c->w, "verdict", verdict);
		json_string(&c->w, "test", name);
		json_string(&c->w, "a", a);
		json_string(&c->w, "b", b);
		if (reason)
			json_string(&c->w, "reason", reason);
		json_close(&c->w, '}');
	} else {
		fprintf(c->out, "  %-11s %s: %s -> %s%s%s\n", verdict, name, a ? a : "absent",
			b ? b : "absent", reason ? "; allowed: " : "", reason ? reason : "");
	}
}

static void compare_test(struct comparison *c, const struct allow_list *l, const char *name,
			 const char *a, const char *b)
{
	const char *reason;

	c->both += a && b;
	if (good(b)) {
		if (a && !good(a)) {
			c->fixed++;
			note(c, "fixed", name, a, b, NULL);
		}
		c->added += !a;
		return;
	}
	if (b && !strcmp(b, "skip")) {
		reason = allowed_because(l, name, true);
		if (reason) {
			c->allowed++;
			note(c, "skipped", name, a, b, reason);
			return;
		}
		c->skipped++;
		note(c, good(a) ? "regression" : "skipped", name, a, b, NULL);
		return;
	}
	if (good(a) || (a && !strcmp(a, "skip")) || !b) {
		/* also a test that vanished */
		c->regressions++;
		note(c, "regression", name, a, b, NULL);
		return;
	}
	reason = allowed_because(l, name, false);
	if (reason) {
		c->allowed++;
		note(c, "failing", name, a, b, reason);
		return;
	}
	c->failing++;
	note(c, "failing", name, a, b, NULL);
}

int compare_results(const char *path_a, const char *path_b, const char *allow, bool json,
		    FILE *out, char *err)
{
	struct comparison c = { .json = json, .out = out };
	struct allow_list l = { 0 };
	struct json *a = NULL, *b = NULL, *ta, *tb;
	const char *outcome_b;
	bool run_bad, failed;
	size_t i;
	int rc = NN_USAGE;

	if (!allow_load(&l, allow, err))
		goto out;
	a = load_results(path_a, err);
	b = a ? load_results(path_b, err) : NULL;
	if (!b)
		goto out;
	outcome_b = json_get_string(b, "outcome");
	ta = json_get(a, "tests");
	tb = json_get(b, "tests");
	if (json) {
		json_open(&c.w, NULL, '{');
		json_string(&c.w, "a", path_a);
		json_string(&c.w, "b", path_b);
		json_string(&c.w, "outcome_a", json_get_string(a, "outcome"));
		json_string(&c.w, "outcome_b", outcome_b);
		json_open(&c.w, "differences", '[');
	} else {
		fprintf(out, "%s: %s, %s\n%s: %s, %s\n", path_a, json_get_string(a, "release"),
			json_get_string(a, "outcome"), path_b, json_get_string(b, "release"), outcome_b);
	}
	for (i = 0; i < ta->nr; i++) {
		const char *name = json_get_string(ta->item[i], "name");

		compare_test(&c, &l, name, result_of(a, name), result_of(b, name));
	}
	for (i = 0; i < tb->nr; i++) {
		const char *name = json_get_string(tb->item[i], "name");

		if (!result_of(a, name))
			compare_test(&c, &l, name, NULL, result_of(b, name));
	}
	/* A run that panicked or hung proves nothing, whatever its tests said before. */
	run_bad = !outcome_b || (strcmp(outcome_b, "ok") && strcmp(outcome_b, "test-failed"));
	failed = run_bad || c.regressions || c.failing || c.skipped || !tb->nr;
	if (json) {
		json_close(&c.w, ']');
		json_number(&c.w, "in_both", c.both);
		json_number(&c.w, "only_in_b", c.added);
		json_number(&c.w, "regressions", c.regressions);
		json_number(&c.w, "failing", c.failing);
		json_number(&c.w, "skipped", c.skipped);
		json_number(&c.w, "allowed", c.allowed);
		json_number(&c.w, "fixed", c.fixed);
		json_bool(&c.w, "ok", !failed);
		json_close(&c.w, '}');
		fprintf(out, "%s\n", c.w.out.s);
	} else {
		fprintf(out, "%s: %zu tests in both, %zu only in the second; %zu regressions, %zu failing, %zu skipped, %zu allowed, %zu fixed%s%s\n",
			failed ? "FAILED" : "ok", c.both, c.added, c.regressions, c.failing, c.skipped,
			c.allowed, c.fixed, tb->nr ? "" : "; the second run has no tests at all",
			run_bad ? "; the second run did not end well" : "");
	}
	rc = failed ? NN_TEST_FAILED : NN_OK;
out:
	sb_free(&c.w.out);
	json_free(a);
	json_free(b);
	for (i = 0; i < l.nr; i++) {
		free(l.v[i].pattern);
		free(l.v[i].reason);
	}
	free(l.v);
	return rc;
}
