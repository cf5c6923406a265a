// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static void __attribute__((noreturn)) usage(const struct report *r)
{
	fputs(r->help, stderr);
	exit(2);
}

void report_options(struct report *r, int argc, char **argv)
{
	struct option longopts[6] = {
		{ "json", 1, NULL, 'j' }, { "no-bars", 0, NULL, 'n' }, { "help", 0, NULL, 'h' }
	};
	unsigned int nr = 3;
	int c;

	if (r->draws)
		longopts[nr++] = (struct option){ "svg", 1, NULL, 's' };
	if (r->detail)
		longopts[nr++] = (struct option){ r->detail, 0, NULL, 'd' };
	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (c) {
		case 'j':
			r->json = optarg;
			break;
		case 's':
			r->svg = optarg;
			break;
		case 'd':
			r->detailed = true;
			break;
		case 'n':
			r->no_bars = true;
			break;
		case 'h':
			fputs(r->help, stdout);
			exit(0);
		default:
			usage(r);
		}
	}
	if (optind + 1 != argc)
		usage(r);
	r->dir = argv[optind];
}

int report_end(const struct report *r, int missed)
{
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "%s: cannot write the table: %s\n", r->name, strerror(errno));
		return 2;
	}
	return missed ? 1 : 0;
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *v, size_t nr)
{
	qsort(v, nr, sizeof(*v), by_number);
	return (v[(nr - 1) / 2] + v[nr / 2]) / 2;
}
