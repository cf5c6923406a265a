/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results, one record a line: a kind and key=value pairs, or a JSON object.
 */
#ifndef PB_RECORD_H
#define PB_RECORD_H

#include <stdbool.h>
#include <stdio.h>

struct recorder {
	FILE *text;	/* either may be NULL */
	FILE *json;
	bool json_begun;
};

void rec_begin(struct recorder *r, const char *kind);
void rec_str(struct recorder *r, const char *key, const char *val);	/* no blanks in @val */
void rec_num(struct recorder *r, const char *key, long long val);
void rec_real(struct recorder *r, const char *key, double val);
void rec_end(struct recorder *r);
/* Closes the JSON array.  Returns -1 if anything could not be written. */
int rec_finish(struct recorder *r);

#endif
