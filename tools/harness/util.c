// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

static void *checked(void *p)
{
	if (!p)
		die(NN_CANNOT_RUN, "out of memory");
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t size)
{
	return checked(realloc(p, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : s);
}

void sb_add(struct strbuf *sb, const void *data, size_t len)
{
	if (sb->len + len + 1 > sb->cap) {
		sb->cap = 2 * (sb->len + len + 1);
		sb->s = xrealloc(sb->s, sb->cap);
	}
	if (len)
		memcpy(sb->s + sb->len, data, len);
	sb->len += len;
	sb->s[sb->len] = '\0';
}

void sb_str(struct strbuf *sb, const char *s)
{
	sb_add(sb, s, strlen(s));
}

void sb_printf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	checked(n < 0 ? NULL : s);
	sb_add(sb, s, n);
	free(s);
}

void sb_free(struct strbuf *sb)
{
	free(sb->s);
	memset(sb, 0, sizeof(*sb));
}

bool nn_err(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, NN_ERR_MAX, fmt, ap);
	va_end(ap);
	return false;
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("nnboot: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

bool read_file(const char *path, struct strbuf *sb)
{
	char buf[65536];
	ssize_t n;
	int fd, saved;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	sb_add(sb, "", 0);
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sb_add(sb, buf, n);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return n == 0;
}

bool write_file_atomic(const char *path, const char *data, size_t len, char *err)
{
	char *tmp = xasprintf("%s.tmp", path);
	FILE *f = fopen(tmp, "we");
	bool ok = f;

	if (f) {
		ok = fwrite(data, 1, len, f) == len;
		ok = !fflush(f) && ok;
		ok = !fsync(fileno(f)) && ok;
		ok = !fclose(f) && ok;
	}
	if (ok)
		ok = !rename(tmp, path);
	if (!ok) {
		nn_err(err, "cannot write %s: %s", path, strerror(errno));
		unlink(tmp);
	}
	free(tmp);
	return ok;
}

void for_each_line(char *text, size_t len, void (*fn)(char *line, void *arg), void *arg)
{
	char *p = text, *end = text + len;

	while (p < end) {
		char *nl = memchr(p, '\n', end - p);
		char *stop = nl ? nl : end;
		char *next = nl ? nl + 1 : end;

		while (stop > p && stop[-1] == '\r')
			stop--;
		*stop = '\0';
		fn(p, arg);
		p = next;
	}
}

double now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}
