// SPDX-License-Identifier: GPL-2.0
/*
 * within [OPTION]... COMMAND...: runs a command in the place that it is given.
 *
 *   -c CPUS    its affinity, such as 0-3,6
 *   -e         this becomes the affinity of all that runs already, too
 *   -g CGROUP  a cgroup, as a directory
 *   -r ROOT    its root directory
 *   -u UID     user and group, both of this number
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cpulist.h"

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "within: %s: %s\n", what, strerror(errno));
	exit(126);
}

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: within [-c CPUS [-e]] [-g CGROUP] [-r ROOT] [-u UID] COMMAND...\n");
	exit(126);
}

/* Kernel threads of one CPU refuse, and whoever has just ended. */
static void move_all(const cpu_set_t *set)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	if (!proc)
		die("/proc");
	while ((d = readdir(proc)))
		if (atoi(d->d_name) > 0)
			sched_setaffinity(atoi(d->d_name), sizeof(*set), set);
	closedir(proc);
}

static void enter_cgroup(const char *dir)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *root = NULL;
	int c, uid = -1, all = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	while ((c = getopt(argc, argv, "+c:eg:r:u:")) != -1) {
		switch (c) {
		case 'c':
			if (!cpulist_parse(optarg, &set))
				usage();
			break;
		case 'e':
			all = 1;
			break;
		case 'g':
			enter_cgroup(optarg);
			break;
		case 'r':
			root = optarg;
			break;
		case 'u':
			uid = atoi(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind == argc || (all && !CPU_COUNT(&set)))
		usage();
	if (all)
		move_all(&set);
	if (CPU_COUNT(&set) && sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	if (root && (chroot(root) || chdir("/")))
		die(root);
	if (uid >= 0 && (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
		die("setuid");
	execvp(argv[optind], argv + optind);
	die(argv[optind]);
}
