// SPDX-License-Identifier: GPL-2.0
/*
 * nnrun LOG COMMAND...: runs a command on a terminal of its own and copies what
 * it prints, in whole lines, to standard output and to LOG (a virtio port; ""
 * for none). At the end: "nearnode: job exit N".
 *
 * A terminal makes programs flush each line, so that a crash of the guest loses
 * nothing; whole lines, so that the kernel's messages cut few of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int log_fd = -1;

static void write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= n;
	}
}

static void out(const char *data, size_t len)
{
	write_all(STDOUT_FILENO, data, len);
	if (log_fd >= 0)
		write_all(log_fd, data, len);
}

static char line[4096];
static size_t line_len;

static void copy(const char *data, size_t len)
{
	while (len) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl ? (size_t)(nl - data) + 1 : len;

		if (n > sizeof(line) - line_len)
			n = sizeof(line) - line_len;
		memcpy(line + line_len, data, n);
		line_len += n;
		data += n;
		len -= n;
		if (line[line_len - 1] == '\n' || line_len == sizeof(line)) {
			out(line, line_len);
			line_len = 0;
		}
	}
}

static int open_terminal(char *name, size_t size)
{
	struct winsize ws = { .ws_row = 50, .ws_col = 120 };
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, size))
		return -1;
	ioctl(fd, TIOCSWINSZ, &ws);
	return fd;
}

static void child(const char *tty, char **argv)
{
	struct termios t;
	int fd;

	setsid();
	fd = open(tty, O_RDWR);
	if (fd < 0 || tcgetattr(fd, &t))
		_exit(127);
	t.c_oflag &= ~OPOST;	/* no CR before each LF */
	t.c_lflag &= ~ECHO;
	tcsetattr(fd, TCSANOW, &t);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

/* Copies until the terminal is closed or, once the command has ended, silent. */
static int copy_until_end(int master, pid_t pid)
{
	struct pollfd p = { .fd = master, .events = POLLIN };
	int status = 0, ended = 0, ready;
	char buf[4096];
	ssize_t n;

	for (;;) {
		if (!ended && waitpid(pid, &status, WNOHANG) == pid)
			ended = 1;
		/* What the command left running must not keep us. */
		ready = poll(&p, 1, ended ? 200 : 1000);
		if (ready == 0 && ended)
			break;
		if (ready <= 0)
			continue;
		n = read(master, buf, sizeof(buf));
		if (n > 0)
			copy(buf, n);
		else if (n == 0 || errno == EIO)
			break;
	}
	while (!ended && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int main(int argc, char **argv)
{
	char tty[64], said[64];
	int master, status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: nnrun LOG COMMAND...\n");
		return 2;
	}
	if (*argv[1]) {
		log_fd = open(argv[1], O_WRONLY | O_CLOEXEC);
		if (log_fd < 0)
			fprintf(stderr, "nnrun: %s: %s\n", argv[1], strerror(errno));
	}
	master = open_terminal(tty, sizeof(tty));
	if (master < 0) {
		perror("nnrun: no terminal");
		return 1;
	}
	pid = fork();
	if (pid < 0) {
		perror("nnrun: fork");
		return 1;
	}
	if (!pid)
		child(tty, argv + 2);
	status = copy_until_end(master, pid);
	if (line_len)
		out(line, line_len);
	/* a line that the command did not end must not swallow ours */
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	snprintf(said, sizeof(said), "%snearnode: job exit %d\n",
		 line_len && line[line_len - 1] != '\n' ? "\n" : "", status);
	out(said, strlen(said));
	return 0;
}
