/* SPDX-License-Identifier: GPL-2.0 */
/* What the programs that compare measurements have in common: the command line, the end. */
#ifndef PB_REPORT_H
#define PB_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct report {
	const char *name, *help;
	const char *detail;		/* an option of its own, like "order"; NULL: none */
	bool draws;			/* it knows --svg */
	/* what the user asked for */
	const char *dir, *json, *svg;
	bool detailed, no_bars;
};

/* Does not return after --help, and if there is no telling what the user wants. */
void report_options(struct report *r, int argc, char **argv);
/* What main() returns if so many bars are missed. Makes sure that all was written. */
int report_end(const struct report *r, int missed);
/* Of @nr numbers, one at least, which it sorts. */
double median(double *v, size_t nr);

#endif
