// SPDX-License-Identifier: GPL-2.0
/*
 * accmark - has the access counting plugin count, from the guest's command line.
 *
 * The marks have numbers; which label has which is in a file that all accmarks
 * of a guest share.
 *
 * Build: make -C tools/qemu guest
 * Exit:  0 all well, that of CMD, 2 bad usage, 3 could not, 126 and 127 as in a
 *	  shell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mark.h"

#define LABELS	"/tmp/accmark.labels"

static const char usage_text[] =
"Usage: accmark begin LABEL      count on all CPUs from here\n"
"       accmark row LABEL        what was counted since the last row, as a row of its own\n"
"       accmark end LABEL        ... to here\n"
"       accmark run LABEL -- CMD [ARG]...\n"
"                                begin, CMD, end; CMD's exit status\n"
"\n"
"A label has up to 32 printable characters. Without the plugin (nnboot --accesses)\n"
"nothing is counted and nothing happens.\n";

static void __attribute__((noreturn, format(printf, 2, 3))) die(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("accmark: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(code);
}

static void check_label(const char *label)
{
	const char *p;

	if (!*label || strlen(label) > ACC_NAME_MAX)
		die(2, "the label '%.40s' has %zu characters; from 1 to %d, please", label, strlen(label),
		    ACC_NAME_MAX);
	for (p = label; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
			die(2, "the label '%s' has a character that it cannot have\n"
			    "  Printable ASCII but '\"' and '\\', please", label);
}

/* The label's number: that of its line in the file, to which it is added. */
static unsigned int number_of(const char *label)
{
	unsigned int nr = ACC_FIRST_FOR_ACCMARK;
	char line[ACC_NAME_MAX + 2];
	FILE *f;
	int fd;

	fd = open(LABELS, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	f = fd < 0 ? NULL : fdopen(fd, "r+");
	if (!f || flock(fd, LOCK_EX))
		die(3, "cannot use %s: %s", LABELS, strerror(errno));
	for (; fgets(line, sizeof(line), f); nr++) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, label))
			break;
	}
	if (nr == ACC_REGIONS)
		die(3, "%d labels are in use; there can be no more\n  Remove %s to begin anew",
		    ACC_REGIONS - ACC_FIRST_FOR_ACCMARK, LABELS);
	if (feof(f) && (fseek(f, 0, SEEK_END) || fprintf(f, "%s\n", label) < 0))
		die(3, "cannot write %s: %s", LABELS, strerror(errno));
	if (fclose(f))
		die(3, "cannot write %s: %s", LABELS, strerror(errno));
	return nr;
}

static void mark(enum acc_op op, unsigned int nr)
{
	uint32_t code = ACC_OP(op, nr);

	if (!acc_mark_all(&code, 1))
		die(3, "no memory for the mark: %s", strerror(errno));
}

static int run(unsigned int nr, char **argv)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die(3, "cannot fork: %s", strerror(errno));
	if (!pid) {
		mark(ACC_BEGIN, nr);
		execvp(argv[0], argv);
		fprintf(stderr, "accmark: cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die(3, "waitpid: %s", strerror(errno));
	mark(ACC_END, nr);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		enum acc_op op;
	} ops[] = { { "begin", ACC_BEGIN }, { "end", ACC_END }, { "row", ACC_ROW } };
	unsigned int i, nr;
	bool to_run;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage_text, stdout);
		return 0;
	}
	to_run = argc > 1 && !strcmp(argv[1], "run");
	for (i = 0; argc > 1 && i < 3 && strcmp(argv[1], ops[i].word); i++)
		;
	if (argc < 3 || (!to_run && (i == 3 || argc > 3)) ||
	    (to_run && (argc < 5 || strcmp(argv[3], "--")))) {
		fputs(usage_text, stderr);
		return 2;
	}
	check_label(argv[2]);
	nr = number_of(argv[2]);
	if (!acc_name(nr, argv[2]))
		die(3, "no memory for the mark: %s", strerror(errno));
	if (to_run)
		return run(nr, argv + 4);
	mark(ops[i].op, nr);
	return 0;
}
