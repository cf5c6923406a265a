/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds what a kernel must not print. Rules are data:
 *
 *   deny NAME REGEX       begins a splat
 *   part NAME REGEX       belongs to the splat above it, or is one by itself
 *
 *   allow REGEX           a line that may be printed although it is denied
 *   reason TEXT           required after each allow
 */
#ifndef NN_SPLAT_H
#define NN_SPLAT_H

#include <regex.h>

#include "util.h"

struct splat {
	const char *kind;	/* the rule's name */
	unsigned int line;	/* in the console log, from 1 */
	char *text;		/* that line without its time stamp */
	struct strbuf context;	/* it and what follows, as printed */
};

struct splat_rule {
	char *name;		/* of an allow rule: its reason */
	regex_t regex;
	bool part;
};

struct splat_rules {
	struct splat_rule *deny, *allow;
	size_t nr_deny, nr_allow;
};

struct splat_scan {
	const struct splat_rules *rules;
	struct splat *splats;
	size_t nr;
	size_t nr_allowed;
	bool panicked;
	bool user_space;	/* set when programs may print too; until then every line counts */
	/* the scanner's */
	unsigned int line;
	unsigned int open;	/* lines that still belong to the last splat */
	bool open_allowed;
};

bool splat_rules_load(struct splat_rules *r, const char *deny, const char *allow, char *err);
void splat_rules_free(struct splat_rules *r);

/*
 * The text after the kernel's time stamp, which may follow what a program had
 * written to the console; NULL when the kernel did not print this line.
 */
const char *printk_text(const char *line);

/* Every line of the console, the kernel's or not. */
void splat_line(struct splat_scan *s, const char *line);
void splat_scan_free(struct splat_scan *s);

#endif
