// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define MAX_DEPTH 32

/* --- writing ---------------------------------------------------------------- */

static void quote(struct strbuf *sb, const char *s)
{
	const unsigned char *p;

	sb_str(sb, "\"");
	for (p = (const unsigned char *)s; *p; p++) {
		if (*p == '"' || *p == '\\')
			sb_printf(sb, "\\%c", *p);
		else if (*p == '\n')
			sb_str(sb, "\\n");
		else if (*p == '\t')
			sb_str(sb, "\\t");
		else if (*p < 0x20 || *p >= 0x7f)
			/* consoles print garbage: bytes, not characters, are kept */
			sb_printf(sb, "\\u%04x", *p);
		else
			sb_add(sb, p, 1);
	}
	sb_str(sb, "\"");
}

static void begin(struct json_writer *w, const char *name)
{
	if (w->need_comma)
		sb_str(&w->out, ",");
	if (w->depth && !w->flat) {
		/* members on lines of their own, elements too unless they are numbers */
		sb_printf(&w->out, "\n%*s", (int)(2 * w->depth), "");
	}
	if (name) {
		quote(&w->out, name);
		sb_str(&w->out, w->flat ? ":" : ": ");
	}
	w->need_comma = true;
}

void json_open(struct json_writer *w, const char *name, char bracket)
{
	begin(w, name);
	sb_add(&w->out, &bracket, 1);
	w->depth++;
	w->need_comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
	w->depth--;
	if (w->need_comma && !w->flat) {
		char last = w->out.s[w->out.len - 1];

		/* an array of numbers stays on its line */
		if (bracket == '}' || !isdigit((unsigned char)last))
			sb_printf(&w->out, "\n%*s", (int)(2 * w->depth), "");
	}
	sb_add(&w->out, &bracket, 1);
	w->need_comma = true;
}

void json_string(struct json_writer *w, const char *name, const char *value)
{
	begin(w, name);
	if (value)
		quote(&w->out, value);
	else
		sb_str(&w->out, "null");
}

void json_number(struct json_writer *w, const char *name, double value)
{
	if (name) {
		begin(w, name);
	} else {
		if (w->need_comma)
			sb_str(&w->out, ", ");
		w->need_comma = true;
	}
	if (value == floor(value) && fabs(value) < 1e15)
		sb_printf(&w->out, "%.0f", value);
	else
		sb_printf(&w->out, "%.3f", value);
}

void json_bool(struct json_writer *w, const char *name, bool value)
{
	begin(w, name);
	sb_str(&w->out, value ? "true" : "false");
}

/* --- reading ---------------------------------------------------------------- */

struct reader {
	const char *start, *p;
	char *err;
	unsigned int depth;
};

static struct json *parse_value(struct reader *r);

static void *bad(struct reader *r, const char *what)
{
	unsigned int line = 1;
	const char *p;

	for (p = r->start; p < r->p; p++)
		line += *p == '\n';
	nn_err(r->err, "line %u: %s", line, what);
	return NULL;
}

static void skip_space(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')
		r->p++;
}

static void add_utf8(struct strbuf *sb, unsigned int c)
{
	char buf[3];

	if (c < 0x100) {
		/* what quote() made of a byte becomes that byte again */
		buf[0] = c;
		sb_add(sb, buf, 1);
	} else if (c < 0x800) {
		buf[0] = 0xc0 | c >> 6;
		buf[1] = 0x80 | (c & 0x3f);
		sb_add(sb, buf, 2);
	} else {
		buf[0] = 0xe0 | c >> 12;
		buf[1] = 0x80 | (c >> 6 & 0x3f);
		buf[2] = 0x80 | (c & 0x3f);
		sb_add(sb, buf, 3);
	}
}

static char *parse_string(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	struct strbuf sb = { 0 };
	const char *hit;
	unsigned int c;

	sb_str(&sb, "");
	for (r->p++; *r->p != '"'; r->p++) {
		if ((unsigned char)*r->p < 0x20)
			goto broken;
		if (*r->p != '\\') {
			sb_add(&sb, r->p, 1);
			continue;
		}
		r->p++;
		if (*r->p == 'u') {
			char hex[5] = "";

			strncpy(hex, r->p + 1, 4);
			if (strspn(hex, "0123456789abcdefABCDEF") != 4)
				goto broken;
			c = strtoul(hex, NULL, 16);
			if (!c)
				goto broken;	/* would end the string */
			add_utf8(&sb, c);
			r->p += 4;
		} else {
			hit = *r->p ? strchr(from, *r->p) : NULL;
			if (!hit)
				goto broken;
			sb_add(&sb, &to[hit - from], 1);
		}
	}
	r->p++;
	return sb.s;
broken:
	sb_free(&sb);
	return bad(r, "broken string");
}

static struct json *parse_members(struct reader *r, struct json *j, char close)
{
	r->p++;
	skip_space(r);
	if (*r->p == close) {
		r->p++;
		return j;
	}
	for (;;) {
		char *name = NULL;
		struct json *value;

		skip_space(r);
		if (j->type == JSON_OBJECT) {
			if (*r->p != '"')
				goto broken;
			name = parse_string(r);
			if (!name)
				goto out;
			skip_space(r);
			if (*r->p != ':') {
				free(name);
				goto broken;
			}
			r->p++;
		}
		value = parse_value(r);
		if (!value) {
			free(name);
			goto out;
		}
		nn_grow(j->item, j->nr);
		nn_grow(j->name, j->nr);
		j->item[j->nr] = value;
		j->name[j->nr] = name;
		j->nr++;
		skip_space(r);
		if (*r->p == close) {
			r->p++;
			return j;
		}
		if (*r->p != ',')
			goto broken;
		r->p++;
	}
broken:
	bad(r, "broken array or object");
out:
	json_free(j);
	return NULL;
}

static struct json *parse_value(struct reader *r)
{
	static const struct { const char *word; enum json_type type; double number; } words[] = {
		{ "null", JSON_NULL, 0 }, { "true", JSON_BOOL, 1 }, { "false", JSON_BOOL, 0 },
	};
	struct json *j;
	size_t i;
	char *end;

	skip_space(r);
	if (r->depth >= MAX_DEPTH)
		return bad(r, "nested too deeply");
	j = xcalloc(1, sizeof(*j));
	if (*r->p == '{' || *r->p == '[') {
		j->type = *r->p == '{' ? JSON_OBJECT : JSON_ARRAY;
		r->depth++;
		j = parse_members(r, j, *r->p == '{' ? '}' : ']');
		r->depth--;
		return j;
	}
	if (*r->p == '"') {
		j->type = JSON_STRING;
		j->string = parse_string(r);
		if (j->string)
			return j;
		free(j);
		return NULL;
	}
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strncmp(r->p, words[i].word, strlen(words[i].word))) {
			r->p += strlen(words[i].word);
			j->type = words[i].type;
			j->number = words[i].number;
			return j;
		}
	}
	if (*r->p == '-' || isdigit((unsigned char)*r->p)) {
		j->type = JSON_NUMBER;
		j->number = strtod(r->p, &end);
		r->p = end;
		return j;
	}
	free(j);
	return bad(r, "no JSON value");
}

struct json *json_parse(const char *text, char *err)
{
	struct reader r = { .start = text, .p = text, .err = err };
	struct json *j = parse_value(&r);

	if (!j)
		return NULL;
	skip_space(&r);
	if (*r.p) {
		json_free(j);
		return bad(&r, "something follows the value");
	}
	return j;
}

void json_free(struct json *j)
{
	size_t i;

	if (!j)
		return;
	for (i = 0; i < j->nr; i++) {
		json_free(j->item[i]);
		free(j->name[i]);
	}
	free(j->item);
	free(j->name);
	free(j->string);
	free(j);
}

struct json *json_get(const struct json *j, const char *name)
{
	size_t i;

	if (!j || j->type != JSON_OBJECT)
		return NULL;
	for (i = 0; i < j->nr; i++)
		if (!strcmp(j->name[i], name))
			return j->item[i];
	return NULL;
}

const char *json_get_string(const struct json *j, const char *name)
{
	struct json *v = json_get(j, name);

	return v && v->type == JSON_STRING ? v->string : NULL;
}

double json_get_number(const struct json *j, const char *name, double fallback)
{
	struct json *v = json_get(j, name);

	return v && v->type == JSON_NUMBER ? v->number : fallback;
}
