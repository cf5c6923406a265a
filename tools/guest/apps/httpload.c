// SPDX-License-Identifier: GPL-2.0
/*
 * httpload [-c CONNECTIONS] [-n REQUESTS] PORT PATH: asks a web server on this machine for a
 * file, again and again, over connections that stay, one request at a time on each; says how
 * many answers of how many bytes came. An answer that is not "200" ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS	64
#define MAX_HEAD	2048

struct connection {
	char head[MAX_HEAD + 1];	/* of the answer */
	size_t len;
	long body;			/* what is still to come of it; -1: the head does */
};

static struct connection connection[MAX_CONNECTIONS];
static struct pollfd poll_fd[MAX_CONNECTIONS];
static char request[512];
static long to_send, to_come, bytes;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "httpload: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void dial(unsigned int i, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("cannot connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	poll_fd[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void ask(unsigned int i)
{
	size_t len = strlen(request);

	connection[i].len = 0;
	connection[i].body = -1;
	/* so short that it always fits */
	if (write(poll_fd[i].fd, request, len) != (ssize_t)len)
		die("cannot send: %s", strerror(errno));
	to_send--;
}

/* The head has come if it has its end: what is behind that is of the body. */
static void read_head(struct connection *c)
{
	char *end, *length;

	c->head[c->len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		if (c->len == MAX_HEAD)
			die("the answer has no end of its head");
		return;
	}
	length = strcasestr(c->head, "\r\nContent-Length:");
	if (strncmp(c->head, "HTTP/1.1 200", 12) || !length || length > end)
		die("the answer is %.40s", c->head);
	c->body = atol(length + 17) - (long)(c->len - (end + 4 - c->head));
	bytes += atol(length + 17);
	if (c->body < 0)
		die("the answer is longer than it says");
}

static void take(unsigned int i)
{
	static char body[65536];
	struct connection *c = &connection[i];
	ssize_t n;

	if (c->body < 0)
		n = read(poll_fd[i].fd, c->head + c->len, MAX_HEAD - c->len);
	else
		n = read(poll_fd[i].fd, body, (size_t)c->body < sizeof(body) ? (size_t)c->body : sizeof(body));
	if (n <= 0)
		die("the connection broke: %s", n ? strerror(errno) : "the server closed it");
	if (c->body >= 0) {
		c->body -= n;
	} else {
		c->len += n;
		read_head(c);
	}
	if (c->body)
		return;
	to_come--;
	if (to_send > 0)
		ask(i);
}

int main(int argc, char **argv)
{
	unsigned int i, nr = 1;
	int c;

	to_send = 1;
	while ((c = getopt(argc, argv, "c:n:")) != -1) {
		if (c == 'c')
			nr = atoi(optarg);
		else if (c == 'n')
			to_send = atol(optarg);
		else
			return 2;
	}
	if (optind + 2 != argc || !nr || nr > MAX_CONNECTIONS || to_send < (long)nr)
		die("usage: httpload [-c CONNECTIONS] [-n REQUESTS] PORT PATH, at most %d connections", MAX_CONNECTIONS);
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: httpload\r\n\r\n",
		 argv[optind + 1]);
	to_come = to_send;
	for (i = 0; i < nr; i++)
		dial(i, atoi(argv[optind]));
	for (i = 0; i < nr; i++)
		ask(i);
	while (to_come > 0) {
		if (poll(poll_fd, nr, -1) < 0)
			die("poll: %s", strerror(errno));
		for (i = 0; i < nr; i++)
			if (poll_fd[i].revents)
				take(i);
	}
	printf("%ld bytes\n", bytes);
	return 0;
}
