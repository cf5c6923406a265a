// SPDX-License-Identifier: GPL-2.0
/*
 * mem_privilege: can a user without privileges switch the sampling of memory accesses,
 * or learn from it what others access?
 *
 * Each thing is done by root first, who must be able to, and then by a user who must
 * not: otherwise that it fails would say nothing. A line of KTAP for each.
 */
#define _GNU_SOURCE
#define PROGRAM "mem_privilege"
#include "common.h"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define NOBODY	65534
#define TRACING	"/sys/kernel/tracing/"
#define PMU	"/sys/bus/event_source/devices/arm_spe_0/"

static unsigned int nr_tests, nr_failed;
static long long event_id, pmu_type;

static void result(bool ok, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s %u ", ok ? "ok" : "not ok", ++nr_tests);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	nr_failed += !ok;
}

/* --- who --------------------------------------------------------------------- */

static void become_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
		_exit(99);
}

/* User 0, to whom the files belong, but without capabilities. */
static void become_powerless_root(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (syscall(SYS_capset, &head, none))
		_exit(99);
}

/* What comes of it as somebody else: 0 or an error. */
static int as(void (*become)(void), int (*act)(const void *), const void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		if (become)
			become();
		_exit(-act(arg));
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 99)
		die("cannot become somebody else, or ended with status 0x%x", status);
	return -WEXITSTATUS(status);
}

/* --- what -------------------------------------------------------------------- */

struct file {
	const char *path, *write;	/* NULL: it is read */
};

static int use_file(const void *arg)
{
	const struct file *file = arg;
	char c;
	int fd;

	if (file->write)
		return write_file(file->path, file->write);
	fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return read(fd, &c, 1) < 0 && errno != EAGAIN ? -errno : 0;
}

static const struct file files[] = {
	{ SYSCTL "mem_sampling_enable", "1" },
	{ SYSCTL "mem_sampling_enable", "0" },
	{ SYSCTL "numa_balancing_mem_sampling", "0" },
	{ "/sys/module/arm_spe_mem_sampling/parameters/filter", "all" },
	{ "/sys/module/arm_spe_mem_sampling/parameters/min_latency", "160" },
	{ DEBUGFS "sources", NULL },
	{ DEBUGFS "sources", "arm_spe" },
	{ DEBUGFS "period_start", "1024" },
	{ DEBUGFS "period_min", "1024" },
	{ DEBUGFS "period_max", "65536" },
	{ DEBUGFS "period_max", NULL },
	{ "/sys/kernel/debug/arm_spe_mem_sampling", NULL },
	{ TRACING "events/mem_sampling/mem_sample/enable", "1" },
	{ TRACING "events/mem_sampling/mem_sample_migrate/enable", "1" },
	{ TRACING "events/mem_sampling/mem_sample/id", NULL },
	{ TRACING "trace", NULL },
	{ TRACING "trace_pipe", NULL },
	{ TRACING "per_cpu/cpu0/trace_pipe_raw", NULL },
};

/* User 0 is the owner of these, but it takes a capability. */
static const struct file capable_files[] = {
	{ SYSCTL "mem_sampling_enable", "1" },
	{ SYSCTL "mem_sampling_enable", "0" },
	{ SYSCTL "numa_balancing_mem_sampling", "0" },
};

struct event {
	const char *name;
	bool tracepoint, raw, kernel, physical;
	pid_t pid;			/* 0: one's own, -1: the CPU's */
};

static int open_event(const void *arg)
{
	const struct event *e = arg;
	struct perf_event_attr attr = {
		.type = e->tracepoint ? PERF_TYPE_TRACEPOINT : (unsigned int)pmu_type,
		.size = sizeof(attr),
		.config = e->tracepoint ? (unsigned long long)event_id : e->physical ? 2 : 0,
		.sample_type = e->raw ? PERF_SAMPLE_RAW | PERF_SAMPLE_ADDR : 0,
		.sample_period = e->tracepoint ? 1 : 1024,
		.exclude_kernel = !e->kernel,
		.exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, e->pid, e->pid == -1 ? 0 : -1, -1, 0) < 0 ? -errno : 0;
}

static const struct event events[] = {
	{ "mem_sample of a CPU, with its data", true, true, true, false, -1 },
	{ "mem_sample of a CPU, with its data, in user mode", true, true, false, false, -1 },
	{ "mem_sample of a CPU", true, false, false, false, -1 },
	{ "mem_sample of process 1, with its data", true, true, true, false, 1 },
	{ "mem_sample of process 1", true, false, false, false, 1 },
	{ "mem_sample of oneself, with its data", true, true, true, false, 0 },
	/* tells nothing, but while somebody listens all tasks are sampled */
	{ "mem_sample of oneself", true, false, false, false, 0 },
	{ "arm_spe of a CPU", false, false, false, false, -1 },
	{ "arm_spe of process 1", false, false, false, false, 1 },
	{ "arm_spe of oneself in the kernel", false, false, true, false, 0 },
};

static int load_program(const void *arg)
{
	/* r0 = 0; exit */
	static const uint64_t insns[] = { 0xb7, 0x95 };
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACEPOINT,
		.insn_cnt = 2,
		.insns = (uintptr_t)insns,
		.license = (uintptr_t)"GPL",
	};

	(void)arg;
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static bool denied(int err)
{
	return err == -EACCES || err == -EPERM;
}

/* The state after a test must be the one before. */
static void expect_state(int on)
{
	result(read_number(SYSCTL "mem_sampling_enable", NULL) == on &&
	       read_number(SYSCTL "numa_balancing_mem_sampling", NULL) == on,
	       "sampling is %s as before", on ? "on" : "off");
}

static void try_files(const char *who, void (*become)(void), const struct file *list, size_t nr)
{
	size_t i;
	int root, user;

	for (i = 0; i < nr; i++) {
		const struct file *f = &list[i];

		user = as(become, use_file, f);
		root = as(NULL, use_file, f);
		result(!root && denied(user), "%s: %s%s %s: %s (root: %s)", who, f->write ? "write " : "read",
		       f->write ?: "", f->path, strerror(-user), root ? strerror(-root) : "can");
		/* as it was */
		if (f->write && strstr(f->path, "/events/"))
			write_file(f->path, "0");
		balance_by_samples(NULL);
	}
}

int main(int argc, char **argv)
{
	size_t i;
	int on, root, user;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		printf("usage: mem_privilege\n"
		       "Tries as an unprivileged user what only root may do with the sampling of memory\n"
		       "accesses. For root on a machine with SPE.\n");
		return 0;
	}
	if (argc > 1)
		die("what is \"%s\"? mem_privilege has no options but --help", argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	event_id = read_number(TRACING "events/mem_sampling/mem_sample/id", NULL);
	pmu_type = read_number(PMU "type", NULL);
	if (event_id < 0 || pmu_type < 0)
		die("this takes root, tracefs, SPE and a kernel with the series");

	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(files) + ARRAY_SIZE(capable_files) + ARRAY_SIZE(events) + 3);
	balance_by_samples(NULL);
	try_files("nobody", become_nobody, files, ARRAY_SIZE(files));
	try_files("root without capabilities", become_powerless_root, capable_files, ARRAY_SIZE(capable_files));

	for (on = 0; on < 2; on++) {
		static const struct file writes[] = {
			{ SYSCTL "mem_sampling_enable", "0" }, { SYSCTL "mem_sampling_enable", "1" },
			{ SYSCTL "numa_balancing_mem_sampling", "0" }, { SYSCTL "numa_balancing_mem_sampling", "1" },
		};

		if (on)
			balance_by_samples(NULL);
		else
			must_write(SYSCTL "mem_sampling_enable", "0");
		for (i = 0; i < ARRAY_SIZE(writes); i++)
			as(become_nobody, use_file, &writes[i]);
		for (i = 0; i < ARRAY_SIZE(writes); i++)
			as(become_powerless_root, use_file, &writes[i]);
		expect_state(on);
	}

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		user = as(become_nobody, open_event, &events[i]);
		root = as(NULL, open_event, &events[i]);
		result(!root && denied(user), "nobody: perf event %s: %s (root: %s)", events[i].name,
		       strerror(-user), root ? strerror(-root) : "can");
	}
	user = as(become_nobody, load_program, NULL);
	root = as(NULL, load_program, NULL);
	result(!root && denied(user), "nobody: BPF program on a trace event: %s (root: %s)", strerror(-user),
	       root ? strerror(-root) : "can");
	must_write(SYSCTL "mem_sampling_enable", "0");
	return nr_failed != 0;
}
