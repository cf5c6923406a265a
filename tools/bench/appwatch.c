// SPDX-License-Identifier: GPL-2.0
/*
 * appwatch: runs a command, the client of a server, and says in JSON what the scheduler made
 * of the server meanwhile: how long its tasks waited for a CPU, how often they changed CPUs
 * and nodes, how much time they had, and the batch load beside them. The time of the command
 * is a region for the plugin that counts memory accesses.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <scx/common.h>		/* the types that the skeleton uses */
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "appwatch.h"
#include "appwatch.skel.h"
#include "mark.h"
#include "topo.h"

#define REGION	3

static const char help[] =
"usage: appwatch --cgroup DIR [--batch DIR] [--label LABEL] [--pace US] -- COMMAND...\n"
"\n"
"  --cgroup DIR  the cgroup of the tasks that are watched\n"
"  --batch DIR   one whose time is told, too\n"
"  --label LABEL what the plugin for accesses knows the region as\n"
"  --pace US     wakes up so often, which under icount keeps short what a CPU executes before\n"
"                it is another's turn\n"
"\n"
"The command's output goes to standard error. Exit status: 0, 1 if the command failed, 2 if\n"
"it could not watch.\n";

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "appwatch: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

/* On 64 bits a cgroup's ID is the number of its directory. */
static uint64_t cgroup_id(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) || !S_ISDIR(st.st_mode))
		die("%s is no cgroup", dir);
	return st.st_ino;
}

/* Microseconds of CPU time. */
static long long time_of(const char *dir)
{
	char path[512];
	long long us;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cpu.stat", dir);
	f = fopen(path, "r");
	if (!f || fscanf(f, "usage_usec %lld", &us) != 1)
		die("%s does not tell", path);
	fclose(f);
	return us;
}

static pid_t start_pace(int us)
{
	struct timespec ts = { .tv_nsec = us * 1000L };
	pid_t pid = us ? fork() : 0;

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!us || pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		nanosleep(&ts, NULL);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int run(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		fprintf(stderr, "appwatch: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	return status;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_waits(struct appwatch *skel)
{
	size_t nr = skel->bss->nr_waits, i;
	uint64_t *all, *w;
	double sum = 0;

	if (!nr || nr > AW_MAX_WAITS || skel->bss->nr_lost)
		die("%zu waits, %llu tasks too many: it has room for %d and %d", nr,
		    (unsigned long long)skel->bss->nr_lost, AW_MAX_WAITS, AW_MAX_TASKS);
	all = mmap(NULL, AW_MAX_WAITS * sizeof(*all), PROT_READ, MAP_SHARED, bpf_map__fd(skel->maps.waits), 0);
	w = malloc(nr * sizeof(*w));
	if (all == MAP_FAILED || !w)
		die("no memory for %zu waits: %s", nr, strerror(errno));
	for (i = 0; i < nr; i++) {
		w[i] = all[i];
		sum += w[i];
	}
	qsort(w, nr, sizeof(*w), by_value);
	printf(",\"waits\":%zu,\"wait_mean\":%.0f,\"wait_p50\":%" PRIu64 ",\"wait_p99\":%" PRIu64
	       ",\"wait_max\":%" PRIu64, nr, sum / nr, w[(nr - 1) / 2], w[(nr - 1) * 99 / 100], w[nr - 1]);
	free(w);
}

static struct appwatch *load(const char *cgroup)
{
	struct appwatch *skel = appwatch__open();
	static struct topo topo;
	char err[256];

	if (!skel)
		die("cannot open the BPF program");
	if (topo_read(&topo, "/sys", err, sizeof(err)))
		die("%s", err);
	for (int c = 0; c < topo.nr_cpus; c++)
		skel->rodata->node_of_cpu[c] = topo.cpu_node[c] < 0 ? 0 : topo.cpu_node[c];
	skel->rodata->cgroup_id = cgroup_id(cgroup);
	if (appwatch__load(skel) || appwatch__attach(skel))
		die("cannot load the BPF program: the kernel needs CONFIG_BPF_EVENTS and BTF");
	return skel;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "cgroup", 1, NULL, 'g' }, { "batch", 1, NULL, 'b' }, { "label", 1, NULL, 'l' },
		{ "pace", 1, NULL, 'p' }, { "help", 0, NULL, 'h' }, {}
	};
	const char *cgroup = NULL, *batch = NULL, *label = "client";
	long long server_us, batch_us = 0;
	struct appwatch *skel;
	int c, us = 0, status;
	double seconds;
	pid_t pace;

	while ((c = getopt_long(argc, argv, "+h", longopts, NULL)) != -1) {
		switch (c) {
		case 'g':
			cgroup = optarg;
			break;
		case 'b':
			batch = optarg;
			break;
		case 'l':
			label = optarg;
			break;
		case 'p':
			us = atoi(optarg);
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (optind == argc || !cgroup || us < 0 || us >= 1000000 || strlen(label) > ACC_NAME_MAX) {
		fputs(help, stderr);
		return 2;
	}
	skel = load(cgroup);
	if (!acc_name(REGION, label))
		die("no memory for the name of the region");
	pace = start_pace(us);

	server_us = time_of(cgroup);
	if (batch)
		batch_us = time_of(batch);
	seconds = now();
	skel->bss->counting = true;
	acc_begin(REGION);
	status = run(argv + optind);
	acc_end(REGION);
	skel->bss->counting = false;
	seconds = now() - seconds;
	server_us = time_of(cgroup) - server_us;
	if (batch)
		batch_us = time_of(batch) - batch_us;

	if (pace)
		kill(pace, SIGKILL);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "appwatch: %s failed: %d\n", argv[optind], status);
		return 1;
	}
	printf("{\"seconds\":%.6f,\"server_us\":%lld,\"batch_us\":%lld,\"moves\":%llu,\"crossings\":%llu", seconds,
	       server_us, batch_us, (unsigned long long)skel->bss->nr_moves,
	       (unsigned long long)skel->bss->nr_crossings);
	print_waits(skel);
	printf("}\n");
	appwatch__destroy(skel);
	return 0;
}
