/* SPDX-License-Identifier: GPL-2.0 */
/* As much JSON as results.json and QMP need. */
#ifndef NN_JSON_H
#define NN_JSON_H

#include "util.h"

/* --- writing: one value after the other; name is NULL inside an array --- */

struct json_writer {
	struct strbuf out;
	unsigned int depth;
	bool need_comma;
	bool flat;		/* everything on one line */
};

void json_open(struct json_writer *w, const char *name, char bracket);
void json_close(struct json_writer *w, char bracket);
void json_string(struct json_writer *w, const char *name, const char *value);	/* NULL: null */
void json_number(struct json_writer *w, const char *name, double value);
void json_bool(struct json_writer *w, const char *name, bool value);

/* --- reading --- */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	double number;		/* also of a bool: 0 or 1 */
	char *string;
	struct json **item;	/* of arrays and objects */
	char **name;		/* of objects */
	size_t nr;
};

/* NULL with a message when the text is not one JSON value. */
struct json *json_parse(const char *text, char *err);
void json_free(struct json *j);
/* NULL when j is no object or has no such member. */
struct json *json_get(const struct json *j, const char *name);
const char *json_get_string(const struct json *j, const char *name);	/* NULL: none */
double json_get_number(const struct json *j, const char *name, double fallback);

#endif
