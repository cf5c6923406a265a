// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "splat.h"

#define REPORT_LINES	60	/* how far a report reaches at most */
#define CONTEXT_MAX	8192

struct loader {
	struct splat_rules *rules;
	const char *path;
	char *err;
	unsigned int line;
	bool allow_file, need_reason, failed;
};

static void load_error(struct loader *l, const char *what, const char *remedy)
{
	if (!l->failed)
		nn_err(l->err, "%s:%u: %s\n  %s", l->path, l->line, what, remedy);
	l->failed = true;
}

static void add_rule(struct loader *l, struct splat_rule **rules, size_t *nr, char *name,
		     bool part, const char *pattern)
{
	struct splat_rule rule = { .name = name, .part = part };
	char msg[160];
	int rc = regcomp(&rule.regex, pattern, REG_EXTENDED | REG_NOSUB);

	if (rc) {
		regerror(rc, &rule.regex, msg, sizeof(msg));
		load_error(l, msg, "Correct the regular expression (POSIX extended)");
		free(name);
		return;
	}
	nn_grow(*rules, *nr);
	(*rules)[(*nr)++] = rule;
}

static void load_line(char *line, void *arg)
{
	struct loader *l = arg;
	struct splat_rules *r = l->rules;
	char *key, *rest = line;

	l->line++;
	if (l->failed || !*line || *line == '#')
		return;
	key = strsep(&rest, " \t");
	while (rest && isspace((unsigned char)*rest))
		rest++;
	if (l->need_reason && strcmp(key, "reason")) {
		load_error(l, "an allowed line gives no reason",
			   "Follow each 'allow' with a line 'reason WHY THIS IS HARMLESS'");
	} else if (!rest || !*rest) {
		load_error(l, "nothing follows the first word", "Write: deny NAME REGEX, part NAME REGEX, allow REGEX or reason TEXT");
	} else if (l->allow_file && !strcmp(key, "allow")) {
		add_rule(l, &r->allow, &r->nr_allow, NULL, false, rest);
		l->need_reason = true;
	} else if (l->allow_file && !strcmp(key, "reason") && l->need_reason) {
		r->allow[r->nr_allow - 1].name = xstrdup(rest);
		l->need_reason = false;
	} else if (!l->allow_file && (!strcmp(key, "deny") || !strcmp(key, "part"))) {
		char *name = strsep(&rest, " \t");

		while (rest && isspace((unsigned char)*rest))
			rest++;
		if (!rest || !*rest)
			load_error(l, "a rule needs a name and a regular expression", "Write: deny lockdep possible circular locking");
		else
			add_rule(l, &r->deny, &r->nr_deny, xstrdup(name), *key == 'p', rest);
	} else {
		load_error(l, "unexpected first word", l->allow_file ?
			   "Here: allow REGEX, then reason TEXT" : "Here: deny NAME REGEX or part NAME REGEX");
	}
}

static bool load(struct splat_rules *r, const char *path, bool allow_file, char *err)
{
	struct loader l = { .rules = r, .path = path, .err = err, .allow_file = allow_file };
	struct strbuf text = { 0 };

	if (!read_file(path, &text)) {
		l.failed = true;
		nn_err(err, "cannot read %s: %s", path, strerror(errno));
	} else {
		for_each_line(text.s, text.len, load_line, &l);
		if (l.need_reason)
			load_error(&l, "an allowed line gives no reason", "Follow each 'allow' with a line 'reason WHY THIS IS HARMLESS'");
	}
	sb_free(&text);
	return !l.failed;
}

bool splat_rules_load(struct splat_rules *r, const char *deny, const char *allow, char *err)
{
	memset(r, 0, sizeof(*r));
	if (load(r, deny, false, err) && load(r, allow, true, err)) {
		if (r->nr_deny)
			return true;
		nn_err(err, "%s: no rules\n  A scan that denies nothing finds nothing.", deny);
	}
	splat_rules_free(r);
	return false;
}

void splat_rules_free(struct splat_rules *r)
{
	size_t i;

	for (i = 0; i < r->nr_deny; i++) {
		regfree(&r->deny[i].regex);
		free(r->deny[i].name);
	}
	for (i = 0; i < r->nr_allow; i++) {
		regfree(&r->allow[i].regex);
		free(r->allow[i].name);
	}
	free(r->deny);
	free(r->allow);
	memset(r, 0, sizeof(*r));
}

const char *printk_text(const char *line)
{
	const char *p = line;

	/* "[    1.234567]", then perhaps "[   T12]" or "[C3]" */
	while ((p = strchr(p, '['))) {
		const char *q = ++p;

		q += strspn(q, " ");
		if (!isdigit((unsigned char)*q))
			continue;
		q += strspn(q, "0123456789");
		if (*q++ != '.' || strspn(q, "0123456789") != 6 || q[6] != ']')
			continue;
		q += 7;
		if (*q == '[') {
			const char *r = q + 1 + strspn(q + 1, " ");

			if ((*r == 'T' || *r == 'C') && r[1 + strspn(r + 1, "0123456789")] == ']')
				q = strchr(r, ']') + 1;
		}
		return *q == ' ' ? q + 1 : q;
	}
	return NULL;
}

static const struct splat_rule *match(const struct splat_rule *rules, size_t nr, const char *text)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!regexec(&rules[i].regex, text, 0, NULL, 0))
			return &rules[i];
	return NULL;
}

void splat_line(struct splat_scan *s, const char *line)
{
	const char *text = printk_text(line);
	const struct splat_rule *hit;

	s->line++;
	/* the first lines of a boot come before the kernel knows the time */
	if (!text && !s->user_space)
		text = line;
	if (!text)
		return;
	if (strstr(text, "Kernel panic - not syncing"))
		s->panicked = true;
	hit = match(s->rules->deny, s->rules->nr_deny, text);
	if (hit && match(s->rules->allow, s->rules->nr_allow, text)) {
		if (!hit->part) {
			s->nr_allowed++;
			s->open = REPORT_LINES;
			s->open_allowed = true;
		}
		hit = NULL;
	}
	/*
	 * One report has many lines that would be splats by themselves. Those of
	 * a denied report count once; an allowed one covers its parts only, so
	 * that nothing hides behind it.
	 */
	if (hit && (!s->open || (s->open_allowed && !hit->part))) {
		nn_grow(s->splats, s->nr);
		s->splats[s->nr++] = (struct splat){
			.kind = hit->name, .line = s->line, .text = xstrdup(text),
		};
		s->open = REPORT_LINES;
		s->open_allowed = false;
	} else if (hit && !s->open_allowed) {
		s->open = REPORT_LINES;
	}
	if (s->open) {
		struct splat *last = s->nr ? &s->splats[s->nr - 1] : NULL;

		if (!s->open_allowed && last->context.len < CONTEXT_MAX)
			sb_printf(&last->context, "%s\n", line);
		s->open--;
		if (strstr(text, "---[ end trace"))
			s->open = 0;
	}
}

void splat_scan_free(struct splat_scan *s)
{
	size_t i;

	for (i = 0; i < s->nr; i++) {
		free(s->splats[i].text);
		sb_free(&s->splats[i].context);
	}
	free(s->splats);
	memset(s, 0, sizeof(*s));
}
