/* SPDX-License-Identifier: GPL-2.0 */
/* Memory that cannot fail, growing strings, whole files. */
#ifndef NN_UTIL_H
#define NN_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* nnboot's exit statuses; also stored in results.json */
enum nn_exit {
	NN_OK = 0,
	NN_TEST_FAILED = 1,
	NN_USAGE = 2,
	NN_SPLAT = 3,
	NN_TIMEOUT = 4,
	NN_CANNOT_RUN = 5,
};

#define NN_ERR_MAX 512

void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element at the end of a growing array. */
#define nn_grow(array, nr)						\
	do {								\
		if (((nr) & ((nr) - 1)) == 0)				\
			(array) = xrealloc((array), sizeof(*(array)) *	\
					   ((nr) ? 2 * (nr) : 1));	\
	} while (0)

struct strbuf {
	char *s;		/* always NUL-terminated once used */
	size_t len, cap;
};

void sb_add(struct strbuf *sb, const void *data, size_t len);
void sb_str(struct strbuf *sb, const char *s);
void sb_printf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sb_free(struct strbuf *sb);

/* Formats an error for the caller to pass on; always returns false. */
bool nn_err(char *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Prints "nnboot: ..." and exits. */
void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* The whole file, NUL-terminated; false with errno set when it cannot be read. */
bool read_file(const char *path, struct strbuf *sb);

/* The file appears whole under its name, or not at all. */
bool write_file_atomic(const char *path, const char *data, size_t len, char *err);

/* Calls fn for each line, which it may modify; the newline and a CR before it are gone. */
void for_each_line(char *text, size_t len, void (*fn)(char *line, void *arg), void *arg);

double now_seconds(void);

#endif
