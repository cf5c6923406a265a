/* SPDX-License-Identifier: GPL-2.0 */
/* A list of CPUs such as 0-3,6, as an option of a program for the guest. */
#ifndef NN_CPULIST_H
#define NN_CPULIST_H

#include <ctype.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

static inline bool cpulist_number(const char **at, unsigned long *n)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*n = strtoul(*at, &end, 10);
	*at = end;
	return *n < CPU_SETSIZE;
}

static inline bool cpulist_parse(const char *list, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (;; list++) {
		unsigned long first, last;

		if (!cpulist_number(&list, &first))
			return false;
		last = first;
		if (*list == '-') {
			list++;
			if (!cpulist_number(&list, &last) || last < first)
				return false;
		}
		for (; first <= last; first++)
			CPU_SET(first, set);
		if (*list != ',')
			return !*list;
	}
}

#endif
