// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>

#include "bars.h"

void bar_measure(struct bar *b, double v, const char *fmt, ...)
{
	va_list ap;

	if (!b->measured++ || (b->at_least ? v < b->worst : v > b->worst)) {
		b->worst = v;
		va_start(ap, fmt);
		vsnprintf(b->where, sizeof(b->where), fmt, ap);
		va_end(ap);
	}
}

void bar_lacks(struct bar *b, const char *fmt, ...)
{
	va_list ap;

	if (b->unmeasured++)
		return;
	va_start(ap, fmt);
	vsnprintf(b->missing, sizeof(b->missing), fmt, ap);
	va_end(ap);
}

bool bar_cleared(const struct bar *b)
{
	return b->measured && !b->unmeasured &&
	       (b->at_least ? b->worst >= b->limit - 1e-9 : b->worst <= b->limit + 1e-9);
}

int bars_print(const struct bar *b, unsigned int nr, const char *nowhere)
{
	int bad = 0;

	for (; nr; nr--, b++) {
		/* Nothing here that it applies to: no bar. Something without a figure: missed. */
		if (!b->measured && !b->unmeasured) {
			printf("  -               %s: %s\n", b->title, nowhere);
			continue;
		}
		if (!bar_cleared(b))
			bad++;
		printf("  %-6s", bar_cleared(b) ? "ok" : "MISSED");
		if (b->measured)
			printf(" %7.2f  %s (bar: %s %.2f)\n                  %s: %s\n", b->worst, b->title,
			       b->at_least ? "at least" : "at most", b->limit,
			       b->at_least ? "least" : "most", b->where);
		else
			printf("          %s\n", b->title);
		if (b->unmeasured)
			printf("                  not measured: %s%s\n", b->missing,
			       b->unmeasured > 1 ? " and more" : "");
	}
	return bad;
}
