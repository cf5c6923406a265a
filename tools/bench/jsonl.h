/* SPDX-License-Identifier: GPL-2.0 */
/* What a guest's job wrote: lines of JSON. */
#ifndef PB_JSONL_H
#define PB_JSONL_H

#include <stdbool.h>

#include "json.h"

struct reading {
	const char *path;
	void (*take)(struct reading *r, const struct json *j);	/* is given each line */
	void *to;		/* for take() */
	char *err;
	unsigned int line;
	bool failed;
};

/* False with a message if the file cannot be read or take() found something wrong. */
bool read_jsonl(struct reading *r);

/* The first that is wrong is what the message says. */
void reading_wrong(struct reading *r, const char *what);
double reading_number(struct reading *r, const struct json *j, const char *name);
/* To be freed; never NULL */
char *reading_string(struct reading *r, const struct json *j, const char *name);

#endif
