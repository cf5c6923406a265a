// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "jsonl.h"

void reading_wrong(struct reading *r, const char *what)
{
	if (!r->failed)
		nn_err(r->err, "%s:%u: %s\n  Written by another version, or cut short? Remove its directory and measure again",
		       r->path, r->line, what);
	r->failed = true;
}

double reading_number(struct reading *r, const struct json *j, const char *name)
{
	const struct json *n = json_get(j, name);
	char what[80];

	if (n && n->type == JSON_NUMBER && isfinite(n->number))
		return n->number;
	snprintf(what, sizeof(what), "\"%.40s\" is missing or no number", name);
	reading_wrong(r, what);
	return 0;
}

char *reading_string(struct reading *r, const struct json *j, const char *name)
{
	const char *s = json_get_string(j, name);
	char what[80];

	if (s)
		return xstrdup(s);
	snprintf(what, sizeof(what), "\"%.40s\" is missing or no string", name);
	reading_wrong(r, what);
	return xstrdup("");
}

static void read_line(char *line, void *arg)
{
	struct reading *r = arg;
	char err[NN_ERR_MAX];
	struct json *j;

	r->line++;
	if (r->failed || !*line)
		return;
	j = json_parse(line, err);
	if (j)
		r->take(r, j);
	else
		reading_wrong(r, "broken JSON");
	json_free(j);
}

bool read_jsonl(struct reading *r)
{
	struct strbuf text = { 0 };

	if (read_file(r->path, &text)) {
		for_each_line(text.s, text.len, read_line, r);
	} else {
		nn_err(r->err, "cannot read %s: %s", r->path, strerror(errno));
		r->failed = true;
	}
	sb_free(&text);
	return !r->failed;
}
