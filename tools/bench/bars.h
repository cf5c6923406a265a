/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bars that measurements have to clear: of each only the worst measurement counts, and
 * one that lacks a measurement is missed.
 */
#ifndef PB_BARS_H
#define PB_BARS_H

#include <stdbool.h>

struct bar {
	const char *title;
	double limit, worst;
	bool at_least;		/* or at most */
	int measured, unmeasured;
	char where[160], missing[160];
};

void bar_measure(struct bar *b, double v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void bar_lacks(struct bar *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool bar_cleared(const struct bar *b);
/* Prints all; @nowhere says of one with nothing to measure that it applies to none. */
int bars_print(const struct bar *b, unsigned int nr, const char *nowhere);

#endif
