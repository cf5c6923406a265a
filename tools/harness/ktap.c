// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ktap.h"

const char *const test_result_name[TEST_NR_RESULTS] = { "pass", "fail", "skip", "xfail", "error" };

#define DIAG_MAX 4096

static bool prefix(const char *s, const char *what)
{
	return !strncmp(s, what, strlen(what));
}

static char *trimmed(const char *s, size_t len)
{
	while (len && isspace((unsigned char)*s)) {
		s++;
		len--;
	}
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	return xstrndup(s, len);
}

/* name and detail become the test's */
static void add_test(struct ktap *k, char *name, enum test_result result, char *detail)
{
	nn_grow(k->tests, k->nr);
	k->tests[k->nr++] = (struct test){ .name = name, .result = result, .detail = detail };
}

static void prefix_names(struct ktap *k, size_t from, size_t to, const char *parent)
{
	size_t i;

	for (i = from; i < to; i++) {
		char *name = xasprintf("%s/%s", parent, k->tests[i].name);

		free(k->tests[i].name);
		k->tests[i].name = name;
	}
}

static struct ktap_level *top(struct ktap *k)
{
	return &k->level[k->depth];
}

static void check_plan(struct ktap *k, struct ktap_level *l)
{
	if (l->planned >= 0 && l->seen < l->planned && !k->bailed)
		add_test(k, xstrdup("(plan)"), TEST_ERROR,
			 xasprintf("%d tests were planned, %d reported", l->planned, l->seen));
}

static void reset_level(struct ktap *k, int indent)
{
	struct ktap_level *l = top(k);

	free(l->name);
	*l = (struct ktap_level){ .indent = indent, .planned = -1, .first = k->nr };
}

/* The level's tests belong to @parent, or to nothing when its result never came. */
static void pop_level(struct ktap *k, const char *parent)
{
	struct ktap_level *l = top(k);
	char *name = parent ? xstrdup(parent) : l->name ? xstrdup(l->name) : NULL;

	check_plan(k, l);
	if (!parent)
		add_test(k, xstrdup("(end)"), TEST_ERROR,
			 xstrdup("the subtests' own result never came"));
	if (name)
		prefix_names(k, l->first, k->nr, name);
	free(name);
	free(l->name);
	l->name = NULL;
	k->depth--;
}

static void end_running(struct ktap *k)
{
	if (k->running)
		add_test(k, k->running, TEST_ERROR, xstrdup("began and never ended"));
	k->running = NULL;
}

/* Moves to the level of this indentation, opening it when it is deeper. */
static void go_to(struct ktap *k, int indent)
{
	if (!k->any) {
		k->any = true;
		reset_level(k, indent);
		return;
	}
	while (k->depth && indent < top(k)->indent)
		pop_level(k, NULL);
	if (indent > top(k)->indent && k->depth + 1 < KTAP_MAX_DEPTH) {
		k->depth++;
		top(k)->name = NULL;
		reset_level(k, indent);
	}
}

/* A new stream of results at this indentation: what was open there ends. */
static void new_stream(struct ktap *k, int indent)
{
	struct ktap_level *l;

	if (k->any && indent <= k->level[0].indent) {
		end_running(k);
		while (k->depth)
			pop_level(k, NULL);
		check_plan(k, top(k));
		reset_level(k, indent);
		k->bailed = false;
		return;
	}
	go_to(k, indent);
	l = top(k);
	/* "# Subtest:" may come before or after the version line */
	if (l->seen || l->planned >= 0) {
		check_plan(k, l);
		reset_level(k, indent);
	}
}

static bool all_pass(const struct ktap *k, size_t from)
{
	size_t i;

	for (i = from; i < k->nr; i++)
		if (k->tests[i].result == TEST_FAIL || k->tests[i].result == TEST_ERROR)
			return false;
	return true;
}

static char *take_diag(struct ktap *k)
{
	char *s = k->diag.len ? trimmed(k->diag.s, k->diag.len) : NULL;

	sb_free(&k->diag);
	return s;
}

/* line is what follows "ok " or "not ok " */
static void result_line(struct ktap *k, int indent, bool ok, const char *line)
{
	enum test_result result = ok ? TEST_PASS : TEST_FAIL;
	size_t first_child = k->nr, before;
	const char *hash, *p = line;
	char *name, *detail = NULL, *why = take_diag(k);
	bool had_children = false;
	int number = 0;

	while (isdigit((unsigned char)*p))
		number = number * 10 + *p++ - '0';
	while (*p == ' ')
		p++;
	if (prefix(p, "- "))
		p += 2;
	/* a name may contain #; a directive follows " # " */
	hash = prefix(p, "# ") ? p : strstr(p, " # ");
	name = trimmed(p, hash ? (size_t)(hash - p) : strlen(p));
	if (!*name) {
		free(name);
		name = xasprintf("%d", number);
	}
	if (hash) {
		hash += *hash == ' ' ? 3 : 2;
		while (*hash == ' ')
			hash++;
		detail = trimmed(hash, strlen(hash));
		if (!strncasecmp(detail, "skip", 4))
			result = TEST_SKIP;
		else if (!strncasecmp(detail, "xfail", 5) || !strncasecmp(detail, "todo", 4))
			result = TEST_XFAIL;
		else if (!strncasecmp(detail, "timeout", 7) || !strncasecmp(detail, "error", 5))
			result = ok ? TEST_PASS : TEST_ERROR;
		if (!*detail) {
			free(detail);
			detail = NULL;
		}
	}
	if (k->running && (!strcmp(k->running, name) || !k->depth)) {
		free(k->running);
		k->running = NULL;
	}
	while (k->depth && indent < top(k)->indent) {
		had_children = true;
		first_child = top(k)->first;
		/* a whole level may be missing between the two indentations */
		pop_level(k, indent < k->level[k->depth - 1].indent ? NULL : name);
	}
	go_to(k, indent);
	top(k)->seen++;
	before = k->nr;
	/* Leaves are tests; a parent is one only when it adds something to them. */
	if (!had_children || first_child == before ||
	    (result != TEST_PASS && all_pass(k, first_child))) {
		if ((result == TEST_FAIL || result == TEST_ERROR) && why) {
			char *both = xasprintf("%s%s%s", detail ? detail : "", detail ? "\n" : "", why);

			free(detail);
			detail = both;
		}
		add_test(k, name, result, detail);
	} else {
		free(name);
		free(detail);
	}
	free(why);
}

static void plan_line(struct ktap *k, int indent, const char *after)
{
	const char *hash = strchr(after, '#');
	struct ktap_level *l;

	go_to(k, indent);
	l = top(k);
	if (l->planned >= 0 && l->seen) {
		check_plan(k, l);
		l->seen = 0;
	}
	l->planned = atoi(after);
	if (!l->planned && hash) {
		l->planned = -1;
		hash++;
		add_test(k, xstrdup(l->name ? l->name : "(all)"), TEST_SKIP, trimmed(hash, strlen(hash)));
	}
}

static bool interesting(const char *p)
{
	return prefix(p, "ok ") || prefix(p, "not ok ") || prefix(p, "TAP version") ||
	       prefix(p, "KTAP version") || prefix(p, "1..") || prefix(p, "# Subtest:");
}

static void diagnostic(struct ktap *k, int indent, const char *p)
{
	const char *name;

	if (prefix(p, "Subtest:")) {
		go_to(k, indent);
		free(top(k)->name);
		top(k)->name = trimmed(p + 8, strlen(p + 8));
		return;
	}
	/* kselftest_harness: "#  RUN           name ..." */
	name = p + strspn(p, " ");
	if (prefix(name, "RUN  ")) {
		const char *dots = strstr(name, " ...");

		name += 4;
		end_running(k);
		k->running = trimmed(name, dots ? (size_t)(dots - name) : strlen(name));
		sb_free(&k->diag);
		return;
	}
	if (k->diag.len < DIAG_MAX)
		sb_printf(&k->diag, "%s\n", name);
}

void ktap_line(struct ktap *k, const char *line)
{
	const char *p = line;
	int indent = 0;

	for (;;) {
		int spaces = strspn(p, " ");

		if (p[spaces] == '#' && p[spaces + 1] == ' ' &&
		    interesting(p + spaces + 2 + strspn(p + spaces + 2, " #")) &&
		    !prefix(p + spaces, "# Subtest:")) {
			/* nested by kselftest's runner */
			indent += spaces + 2;
			p += spaces + 2;
			continue;
		}
		indent += spaces;
		p += spaces;
		break;
	}
	if (prefix(p, "TAP version") || prefix(p, "KTAP version"))
		new_stream(k, indent);
	else if (prefix(p, "1..") && isdigit((unsigned char)p[3]))
		plan_line(k, indent, p + 3);
	else if (prefix(p, "ok ") && (isdigit((unsigned char)p[3]) || p[3] == '-'))
		result_line(k, indent, true, p + 3);
	else if (prefix(p, "not ok ") && (isdigit((unsigned char)p[7]) || p[7] == '-'))
		result_line(k, indent, false, p + 7);
	else if (prefix(p, "Bail out!")) {
		end_running(k);
		add_test(k, xstrdup("(bail out)"), TEST_ERROR, trimmed(p + 9, strlen(p + 9)));
		k->bailed = true;
	} else if (prefix(p, "# ")) {
		diagnostic(k, indent, p + 2);
	} else if (!indent && prefix(p, "TEST: ")) {
		/* the sched_ext runner */
		end_running(k);
		k->running = trimmed(p + 6, strlen(p + 6));
		sb_free(&k->diag);
	} else if (!indent && (prefix(p, "ERR: ") || (k->running && k->diag.len)) &&
		   k->diag.len < DIAG_MAX) {
		/* its failed assertion, and what follows it */
		sb_printf(&k->diag, "%s\n", p);
	}
}

void ktap_finish(struct ktap *k)
{
	end_running(k);
	while (k->any && k->depth)
		pop_level(k, NULL);
	if (k->any)
		check_plan(k, top(k));
	free(k->level[0].name);
	k->level[0].name = NULL;
	sb_free(&k->diag);
}

void ktap_free(struct ktap *k)
{
	size_t i;

	for (i = 0; i < k->nr; i++) {
		free(k->tests[i].name);
		free(k->tests[i].detail);
	}
	free(k->tests);
	free(k->running);
	sb_free(&k->diag);
	for (i = 0; i < KTAP_MAX_DEPTH; i++)
		free(k->level[i].name);
	memset(k, 0, sizeof(*k));
}
