/* SPDX-License-Identifier: GPL-2.0 */
/* What the plugin "accesses" counted, as far as the reports use it. */
#ifndef PB_TRAFFIC_H
#define PB_TRAFFIC_H

#include <stdbool.h>

struct counts;
struct row;

/* Accesses of user space, loads and stores alike. */
struct traffic {
	double all, remote;
	double distance;	/* the sum of all; 10 each if all are local */
};

#define NO_CPU	(~0u)

/* Those of @row on all CPUs but @without. */
void traffic_add(struct traffic *t, const struct counts *c, const struct row *row, unsigned int without);

/* counts_read(), which also takes a file that a boot was interrupted in: not so this one. */
bool counts_read_whole(struct counts *c, const char *path, char *err);

#endif
