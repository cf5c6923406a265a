// SPDX-License-Identifier: GPL-2.0
/*
 * nnboot: boots a kernel on an emulated NUMA machine, runs a job there and says
 * what came of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpio.h"
#include "dump.h"
#include "qemu.h"
#include "report.h"

#define DEFAULT_TIMEOUT	600
#define PANIC_GRACE	15	/* seconds a panicked guest gets to print the rest */
#define POWEROFF_GRACE	30	/* ... and one whose job is done to power off */
#define DUMP_SECONDS	20	/* ... and one that hangs to answer a sysrq */
#define DUMP_QUIET	3	/* seconds of silence that end such an answer */

static const char usage_text[] =
"Usage: nnboot --kernel IMAGE --initrd BASE --topo NAME|FILE --out DIR [OPTION]...\n"
"       nnboot --kernel IMAGE --initrd BASE --topo NAME|FILE --interactive [OPTION]...\n"
"       nnboot --list [--json] | --print-topo NAME|FILE [--json]\n"
"       nnboot --compare A/results.json B/results.json [--allow FILE] [--json]\n"
"\n"
"  --mode MODE        mt: a host thread for each CPU (default); single: one for all;\n"
"                     icount: one, guest time counts instructions (deterministic)\n"
"  --timeout S        seconds until the guest is given up (default 600)\n"
"  --initrd FILE      may be repeated: what comes later adds to what is there\n"
"  --job SCRIPT       what the guest runs; without one it boots and powers off\n"
"  --file SRC:DST     a file for the guest; may be repeated\n"
"  --append TEXT      further kernel parameters\n"
"  --arch ARCH        arm64 (default) or x86_64\n"
"  --cpu MODEL[,P=V]... the CPU and its properties, as QEMU calls them\n"
"  --spe              CPUs with the Statistical Profiling Extension (arm64; not\n"
"                     every QEMU has it)\n"
"  --qemu BIN         the QEMU to use\n"
"  --qemu-arg ARG     one further argument for it; may be repeated\n"
"  --accesses PLUGIN[,cache=SIZE:WAYS:LINE][,every=N][,space=user|kernel]\n"
"                     count memory accesses by nodes; see Documentation/accesses.md\n"
"  --data DIR         topologies/, splat.deny and splat.allow (default: beside nnboot)\n"
"  --json             results for programs, on standard output\n"
"  --verbose          show the console while it runs\n"
"  --keep             keep the initramfs that was booted\n"
"\n"
"DIR gets console.log, job.log (what the job printed), out (what it wrote to\n"
"$NN_OUT), qemu.log, command, accesses.jsonl if they are counted, and at the end\n"
"results.json.\n"
"Exit: 0 all well, 1 a test or the job failed, 2 usage, 3 splat, panic or sudden\n"
"end, 4 time limit, 5 could not run.\n";

struct options {
	const char *kernel, *topo, *job, *append, *arch, *cpu, *qemu, *out, *allow;
	const char *compare, *print_topo, *mode, *accesses;
	char *data;
	double timeout;
	bool json, interactive, verbose, keep, list, spe;
	const char **initrds;
	size_t nr_initrds;
	struct cpio_file *files;
	size_t nr_files;
	char **qemu_args;
	size_t nr_qemu_args;
};

static void try_help(const char *fmt, const char *what)
{
	fputs("nnboot: ", stderr);
	fprintf(stderr, fmt, what);
	fputs("\n  nnboot --help lists the options.\n", stderr);
	exit(NN_USAGE);
}

/* --- options ------------------------------------------------------------------ */

static void add_file(struct options *o, char *spec)
{
	char *colon = strrchr(spec, ':');

	if (!colon || colon == spec || !colon[1])
		try_help("--file needs SOURCE:DESTINATION, not '%s'", spec);
	*colon = '\0';
	nn_grow(o->files, o->nr_files);
	o->files[o->nr_files++] = (struct cpio_file){ .source = spec, .dest = colon + 1 };
}

static char *data_dir(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		die(NN_CANNOT_RUN, "cannot find where nnboot lies: %s\n  Name its directory with --data", strerror(errno));
	path[n] = '\0';
	return xstrdup(dirname(path));
}

static void parse_options(struct options *o, int argc, char **argv)
{
	enum {
		OPT_KERNEL = 256, OPT_INITRD, OPT_TOPO, OPT_MODE, OPT_TIMEOUT, OPT_JOB, OPT_FILE,
		OPT_APPEND, OPT_OUT, OPT_JSON, OPT_INTERACTIVE, OPT_QEMU, OPT_QEMU_ARG, OPT_ARCH,
		OPT_CPU, OPT_SPE, OPT_DATA, OPT_VERBOSE, OPT_KEEP, OPT_LIST, OPT_PRINT, OPT_COMPARE,
		OPT_ALLOW, OPT_ACCESSES, OPT_HELP
	};
	static const struct option longopts[] = {
		{ "kernel", required_argument, NULL, OPT_KERNEL },
		{ "initrd", required_argument, NULL, OPT_INITRD },
		{ "topo", required_argument, NULL, OPT_TOPO },
		{ "mode", required_argument, NULL, OPT_MODE },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "job", required_argument, NULL, OPT_JOB },
		{ "file", required_argument, NULL, OPT_FILE },
		{ "append", required_argument, NULL, OPT_APPEND },
		{ "out", required_argument, NULL, OPT_OUT },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "interactive", no_argument, NULL, OPT_INTERACTIVE },
		{ "qemu", required_argument, NULL, OPT_QEMU },
		{ "qemu-arg", required_argument, NULL, OPT_QEMU_ARG },
		{ "arch", required_argument, NULL, OPT_ARCH },
		{ "accesses", required_argument, NULL, OPT_ACCESSES },
		{ "cpu", required_argument, NULL, OPT_CPU },
		{ "spe", no_argument, NULL, OPT_SPE },
		{ "data", required_argument, NULL, OPT_DATA },
		{ "verbose", no_argument, NULL, OPT_VERBOSE },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "list", no_argument, NULL, OPT_LIST },
		{ "print-topo", required_argument, NULL, OPT_PRINT },
		{ "compare", required_argument, NULL, OPT_COMPARE },
		{ "allow", required_argument, NULL, OPT_ALLOW },
		{ "help", no_argument, NULL, OPT_HELP },
		{ 0 }
	};
	char *end;
	int c;

	*o = (struct options){ .arch = "arm64", .mode = "mt", .timeout = DEFAULT_TIMEOUT };
	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (c) {
		case OPT_KERNEL: o->kernel = optarg; break;
		case OPT_INITRD:
			nn_grow(o->initrds, o->nr_initrds);
			o->initrds[o->nr_initrds++] = optarg;
			break;
		case OPT_TOPO: o->topo = optarg; break;
		case OPT_MODE: o->mode = optarg; break;
		case OPT_TIMEOUT:
			o->timeout = strtod(optarg, &end);
			if (*end || !(o->timeout > 0))
				try_help("--timeout needs a number of seconds, not '%s'", optarg);
			break;
		case OPT_JOB: o->job = optarg; break;
		case OPT_FILE: add_file(o, optarg); break;
		case OPT_APPEND: o->append = optarg; break;
		case OPT_OUT: o->out = optarg; break;
		case OPT_JSON: o->json = true; break;
		case OPT_INTERACTIVE: o->interactive = true; break;
		case OPT_QEMU: o->qemu = optarg; break;
		case OPT_QEMU_ARG:
			nn_grow(o->qemu_args, o->nr_qemu_args);
			o->qemu_args[o->nr_qemu_args++] = optarg;
			break;
		case OPT_ARCH: o->arch = optarg; break;
		case OPT_ACCESSES: o->accesses = optarg; break;
		case OPT_CPU: o->cpu = optarg; break;
		case OPT_SPE: o->spe = true; break;
		case OPT_DATA: o->data = xstrdup(optarg); break;
		case OPT_VERBOSE: o->verbose = true; break;
		case OPT_KEEP: o->keep = true; break;
		case OPT_LIST: o->list = true; break;
		case OPT_PRINT: o->print_topo = optarg; break;
		case OPT_COMPARE: o->compare = optarg; break;
		case OPT_ALLOW: o->allow = optarg; break;
		case OPT_HELP:
		case 'h':
			fputs(usage_text, stdout);
			exit(NN_OK);
		default:
			fputs("  nnboot --help lists the options.\n", stderr);
			exit(NN_USAGE);
		}
	}
	if (!o->data)
		o->data = data_dir();
}

static enum qemu_mode parse_mode(const char *mode)
{
	if (!strcmp(mode, "mt"))
		return MODE_MT;
	if (!strcmp(mode, "single"))
		return MODE_SINGLE;
	if (!strcmp(mode, "icount"))
		return MODE_ICOUNT;
	try_help("unknown mode '%s': mt, single or icount", mode);
	return MODE_MT;
}

/* --- a run -------------------------------------------------------------------- */

struct session {
	const struct options *o;
	struct run run;
	struct splat_rules rules;
	struct qemu qemu;
	struct topology topo;
	FILE *log;
	int signals;
	double start;
	struct strbuf line;	/* of the console, not yet ended */
	struct ktap kunit;
	bool scanning, any_output;
	double last_output;
	double job_done_at, panic_at;	/* 0: not yet */
	int interrupted;	/* the signal that told us to stop */
	bool qemu_gone;
};

static char *in_dir(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static const char *after(const char *line, const char *mark)
{
	const char *p = strstr(line, mark);

	return p ? p + strlen(mark) : NULL;
}

/* What /init and its helper say, on the console and in the job's log alike. */
static void guest_says(struct session *s, const char *line)
{
	struct run *r = &s->run;
	const char *p;

	p = after(line, "nearnode: kernel ");
	if (p && !r->release)
		r->release = xstrndup(p, strcspn(p, " \r\n"));
	if (r->boot_seconds < 0 && strstr(line, "nearnode: init")) {
		r->boot_seconds = now_seconds() - s->start;
		r->scan.user_space = true;
	}
	p = after(line, "nearnode: job exit ");
	if (p && r->job_exit < 0) {
		r->job_exit = atoi(p);
		s->job_done_at = now_seconds();
	}
}

static void console_line(struct session *s, const char *line)
{
	const char *text = printk_text(line);

	if (!s->scanning)
		return;
	splat_line(&s->run.scan, line);
	if (s->run.scan.panicked && !s->panic_at)
		s->panic_at = now_seconds();
	if (text)
		ktap_line(&s->kunit, text);
	guest_says(s, line);
}

static void console_data(struct session *s, const char *data, size_t len)
{
	size_t i;

	s->any_output = true;
	s->last_output = now_seconds();
	fwrite(data, 1, len, s->log);
	fflush(s->log);
	if (s->o->verbose)
		fwrite(data, 1, len, stderr);
	for (i = 0; i < len; i++) {
		if (data[i] == '\n') {
			sb_add(&s->line, "", 0);
			console_line(s, s->line.s);
			s->line.len = 0;
		} else if (data[i] != '\r' && data[i]) {
			sb_add(&s->line, &data[i], 1);
		}
	}
}

/* Reads what there is; notes when the other end is closed. */
static void console_read(struct session *s)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(s->qemu.console, buf, sizeof(buf))) > 0)
		console_data(s, buf, n);
	if (n == 0)
		s->qemu_gone = true;
}

/* Waits for the guest until something ends it; true when that was @deadline. */
static bool serve_console(struct session *s, double deadline)
{
	while (!s->qemu_gone && !s->interrupted) {
		struct pollfd p[] = {
			{ .fd = s->qemu.console, .events = POLLIN },
			{ .fd = s->signals, .events = POLLIN },
		};
		double until = deadline, left;
		struct signalfd_siginfo info;

		if (s->panic_at && s->panic_at + PANIC_GRACE < until)
			until = s->panic_at + PANIC_GRACE;
		if (s->job_done_at && s->job_done_at + POWEROFF_GRACE < until)
			until = s->job_done_at + POWEROFF_GRACE;
		left = until - now_seconds();
		if (left <= 0)
			return until == deadline;
		if (poll(p, 2, left * 1000 + 1) < 0 && errno != EINTR)
			die(NN_CANNOT_RUN, "poll: %s", strerror(errno));
		if (p[0].revents)
			console_read(s);
		if (p[1].revents && read(s->signals, &info, sizeof(info)) == sizeof(info))
			s->interrupted = info.ssi_signo;
	}
	return false;
}

/* Lets the guest print its answer to a sysrq: until it is quiet or slow. */
static void collect_answer(struct session *s)
{
	double end = now_seconds() + DUMP_SECONDS, asked = now_seconds();

	s->last_output = asked;
	while (now_seconds() < end && now_seconds() < s->last_output + DUMP_QUIET &&
	       !s->qemu_gone && !s->interrupted)
		serve_console(s, now_seconds() + 0.5);
}

static void dump_state(struct session *s)
{
	struct strbuf out = { 0 }, log = { 0 };
	char *path = in_dir(s->o->out, "dump.txt"), *console = in_dir(s->o->out, "console.log");
	char err[NN_ERR_MAX], *p;
	unsigned int lines = 0;
	size_t before = 0;

	s->scanning = false;	/* the traces that follow are asked for */
	s->panic_at = s->job_done_at = 0;
	fflush(s->log);
	if (read_file(console, &log))
		before = log.len;
	sb_printf(&out, "No end after %.0f s.\n\n--- last lines of the console ---\n", s->run.timeout);
	for (p = log.s + before; p > log.s && lines < 40; p--)
		lines += p[-1] == '\n';
	sb_str(&out, p ? p : "");
	if (!s->any_output)
		sb_str(&out, "(the guest printed nothing at all: is the kernel built for this machine?)\n");
	sb_str(&out, "\n--- CPUs ---\n");
	dump_registers(&s->qemu, s->o->kernel, &out);
	sb_str(&out, "\n--- what the kernel says (sysrq l, w, t) ---\n");
	dump_sysrq(&s->qemu, 'l');
	collect_answer(s);
	dump_sysrq(&s->qemu, 'w');
	collect_answer(s);
	dump_sysrq(&s->qemu, 't');
	collect_answer(s);
	fflush(s->log);
	sb_free(&log);
	if (read_file(console, &log) && log.len > before)
		sb_str(&out, log.s + before);
	else
		sb_str(&out, "(nothing: interrupts are off, or the kernel has no serial sysrq)\n");
	if (!write_file_atomic(path, out.s, out.len, err))
		fprintf(stderr, "nnboot: %s\n", err);
	sb_free(&out);
	sb_free(&log);
	free(path);
	free(console);
}

struct log_reader {
	struct session *s;
	struct ktap *k;
};

static void job_line(char *line, void *arg)
{
	struct log_reader *l = arg;

	ktap_line(l->k, line);
	guest_says(l->s, line);
}

/*
 * The job's output arrives by a port of its own, where the kernel's messages
 * cannot cut a line in two.
 */
static void collect_tests(struct session *s)
{
	struct ktap *k = &s->run.tests;
	struct log_reader l = { s, k };
	struct strbuf text = { 0 };
	char *path = in_dir(s->o->out, "job.log");
	size_t i;

	if (read_file(path, &text))
		for_each_line(text.s, text.len, job_line, &l);
	ktap_finish(k);
	ktap_finish(&s->kunit);
	for (i = 0; i < s->kunit.nr; i++) {
		nn_grow(k->tests, k->nr);
		k->tests[k->nr++] = s->kunit.tests[i];
	}
	s->kunit.nr = 0;	/* moved */
	ktap_free(&s->kunit);
	sb_free(&text);
	free(path);
}

static void collect_qemu_log(struct session *s)
{
	struct strbuf text = { 0 };
	char *path = in_dir(s->o->out, "qemu.log");

	if (read_file(path, &text) && text.len)
		s->run.qemu_says = xstrdup(text.s);
	sb_free(&text);
	free(path);
}

static void prepare_out(const char *dir)
{
	static const char *const ours[] = { "results.json", "console.log", "job.log", "out",
					    "qemu.log", "dump.txt", "command", "initrd",
					    "accesses.map", "accesses.jsonl" };
	char *p, *copy = xstrdup(dir), *path;
	size_t i;
	int fd;

	for (p = copy + 1; ; p++) {
		bool end = !*p;

		if (end || *p == '/') {
			*p = '\0';
			if (mkdir(copy, 0777) && errno != EEXIST)
				die(NN_CANNOT_RUN, "cannot create %s: %s", copy, strerror(errno));
			if (end)
				break;
			*p = '/';
		}
	}
	free(copy);
	path = in_dir(dir, "lock");
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		die(NN_CANNOT_RUN, "cannot write to %s: %s", dir, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB))
		die(NN_USAGE, "%s is in use by another nnboot\n  Choose another --out", dir);
	free(path);
	/* What an earlier run left must not be taken for this one's. */
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		path = in_dir(dir, ours[i]);
		if (unlink(path) && errno != ENOENT)
			die(NN_CANNOT_RUN, "cannot remove the old %s: %s", path, strerror(errno));
		free(path);
	}
}

static void check_readable(const char *what, const char *path)
{
	struct stat st;

	if (access(path, R_OK) || stat(path, &st))
		die(NN_USAGE, "cannot read the %s %s: %s", what, path, strerror(errno));
	if (!S_ISREG(st.st_mode) || !st.st_size)
		die(NN_USAGE, "the %s %s is %s", what, path, S_ISREG(st.st_mode) ? "empty" : "no file");
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static char *make_initrd(const struct options *o, const char *dir)
{
	struct cpio_file *files = xcalloc(o->nr_files + 1, sizeof(*files));
	char *path = in_dir(dir, "initrd"), err[NN_ERR_MAX];
	size_t nr = o->nr_files;
	bool ok;

	if (nr)
		memcpy(files, o->files, nr * sizeof(*files));
	if (o->job)
		files[nr++] = (struct cpio_file){ .source = o->job, .dest = "nn/job" };
	ok = cpio_append(path, o->initrds, o->nr_initrds, files, nr, err);
	free(files);
	if (!ok)
		die(NN_CANNOT_RUN, "%s", err);
	return path;
}

static void finish(struct session *s, bool timed_out, int status)
{
	struct run *r = &s->run;
	char *json, *path, err[NN_ERR_MAX];
	bool qemu_failed = !timed_out && WIFEXITED(status) && WEXITSTATUS(status) && r->job_exit < 0;

	r->wall_seconds = now_seconds() - s->start;
	if (s->line.len) {
		sb_add(&s->line, "", 0);
		console_line(s, s->line.s);
	}
	collect_tests(s);
	collect_qemu_log(s);
	/* Killed by something else than us, or with an error of its own. */
	if (!timed_out && !s->panic_at && !s->job_done_at && WIFSIGNALED(status))
		qemu_failed = true;
	run_judge(r, timed_out, qemu_failed);
	json = run_json(r);
	path = in_dir(s->o->out, "results.json");
	if (!write_file_atomic(path, json, strlen(json), err))
		die(NN_CANNOT_RUN, "%s", err);
	if (s->o->json)
		fputs(json, stdout);
	else
		run_print(r, stdout);
	free(path);
	free(json);
}

static void write_node_map(const struct qemu_config *c)
{
	char err[NN_ERR_MAX], *path = in_dir(c->out_dir, "accesses.map"), *text = qemu_node_map(c);

	if (!write_file_atomic(path, text, strlen(text), err))
		die(NN_CANNOT_RUN, "%s", err);
	free(path);
	free(text);
}

/* What helps when QEMU does not take the CPU. */
static const char *remedy(const struct options *o)
{
	if (o->spe)
		return "--spe needs a QEMU that emulates it: 'make qemu' builds one, --qemu names it";
	if (o->cpu)
		return "--cpu takes what QEMU's own -cpu takes: '-cpu help' lists the models";
	return NULL;
}

static int run_guest(struct session *s)
{
	const struct options *o = s->o;
	struct qemu_config c = {
		.arch = qemu_arch(o->arch), .binary = o->qemu, .kernel = o->kernel,
		.cpu = o->cpu, .spe = o->spe, .topo = &s->topo, .mode = parse_mode(o->mode),
		.append = o->append, .out_dir = o->out, .extra = o->qemu_args, .nr_extra = o->nr_qemu_args,
		.accesses = o->accesses,
	};
	char err[NN_ERR_MAX], *initrd, *path, *command, **argv;
	bool timed_out;
	int status;

	prepare_out(o->out);
	initrd = make_initrd(o, o->out);
	c.initrd = initrd;
	argv = qemu_argv(&c);
	command = qemu_command_line(argv);
	path = in_dir(o->out, "command");
	if (!write_file_atomic(path, command, strlen(command), err))
		die(NN_CANNOT_RUN, "%s", err);
	free(path);
	if (o->accesses)
		write_node_map(&c);
	path = in_dir(o->out, "console.log");
	s->log = fopen(path, "we");
	if (!s->log)
		die(NN_CANNOT_RUN, "cannot write %s: %s", path, strerror(errno));
	free(path);

	s->signals = open_signals();
	s->scanning = true;
	s->start = now_seconds();
	s->run = (struct run){
		.topo = &s->topo, .arch = o->arch, .mode = o->mode, .kernel = o->kernel,
		.cpu = qemu_cpu(&c), .remedy = remedy(o), .append = o->append, .out_dir = o->out,
		.boot_seconds = -1, .job_exit = -1, .timeout = o->timeout, .scan.rules = &s->rules,
	};
	if (!qemu_start(&s->qemu, &c, argv, err))
		die(NN_CANNOT_RUN, "%s", err);
	timed_out = serve_console(s, s->start + o->timeout);
	if (timed_out)
		dump_state(s);
	if (s->qemu_gone && !s->interrupted) {
		/* it closed the console: it is on its way out */
		double end = now_seconds() + 5;

		while (now_seconds() < end && waitpid(s->qemu.pid, &status, WNOHANG) == 0)
			usleep(10000);
		if (now_seconds() < end)
			s->qemu.pid = 0;
	}
	if (s->qemu.pid)
		status = qemu_stop(&s->qemu);
	else
		qemu_stop(&s->qemu);
	if (ferror(s->log) | fclose(s->log) && !s->interrupted)
		die(NN_CANNOT_RUN, "cannot write the console's log in %s (is the disk full?)", o->out);
	if (!o->keep)
		unlink(initrd);
	free(initrd);
	free(command);
	qemu_argv_free(argv);
	if (s->interrupted) {
		fprintf(stderr, "nnboot: interrupted; the guest is gone, %s has no results\n", o->out);
		return 128 + s->interrupted;
	}
	finish(s, timed_out, status);
	return outcome_exit(s->run.outcome);
}

static int run_interactive(struct session *s)
{
	const struct options *o = s->o;
	char dir[] = "/tmp/nnboot.XXXXXX", err[NN_ERR_MAX], *initrd, **argv;
	struct qemu_config c = {
		.arch = qemu_arch(o->arch), .binary = o->qemu, .kernel = o->kernel,
		.cpu = o->cpu, .spe = o->spe, .topo = &s->topo, .mode = parse_mode(o->mode),
		.append = o->append, .interactive = true, .extra = o->qemu_args, .nr_extra = o->nr_qemu_args,
	};
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	int status = 0;

	if (!mkdtemp(dir))
		die(NN_CANNOT_RUN, "cannot make a directory in /tmp: %s", strerror(errno));
	initrd = make_initrd(o, dir);
	c.initrd = initrd;
	argv = qemu_argv(&c);
	fprintf(stderr, "%s, %s. Ctrl-A X ends the guest, Ctrl-A C is QEMU's monitor.\n", s->topo.name, o->mode);
	/* the terminal's signals are the guest's; QEMU puts the terminal into raw mode */
	sigaction(SIGINT, &ignore, &old);
	if (!qemu_start(&s->qemu, &c, argv, err)) {
		unlink(initrd);
		rmdir(dir);
		die(NN_CANNOT_RUN, "%s", err);
	}
	while (waitpid(s->qemu.pid, &status, 0) < 0 && errno == EINTR)
		;
	s->qemu.pid = 0;
	qemu_stop(&s->qemu);
	unlink(initrd);
	rmdir(dir);
	free(initrd);
	qemu_argv_free(argv);
	if (WIFEXITED(status) && WEXITSTATUS(status) && remedy(o))
		fprintf(stderr, "nnboot: %s\n", remedy(o));
	return WIFEXITED(status) && !WEXITSTATUS(status) ? NN_OK : NN_CANNOT_RUN;
}

static int boot(const struct options *o)
{
	struct session *s = xcalloc(1, sizeof(*s));
	char err[NN_ERR_MAX], *topologies = in_dir(o->data, "topologies");
	char *deny = in_dir(o->data, "splat.deny"), *allow = in_dir(o->data, "splat.allow");
	size_t i;
	int rc;

	s->o = o;
	if (!o->kernel || !o->nr_initrds || !o->topo || (!o->out && !o->interactive))
		try_help("a boot needs --kernel, --initrd, --topo and --out%s", " (or --interactive)");
	if (!qemu_arch(o->arch))
		try_help("unknown architecture '%s': arm64 or x86_64", o->arch);
	if (o->spe && strcmp(o->arch, "arm64"))
		try_help("--spe is for arm64, not for %s", o->arch);
	parse_mode(o->mode);
	check_readable("kernel", o->kernel);
	for (i = 0; i < o->nr_initrds; i++)
		check_readable("initramfs", o->initrds[i]);
	if (o->job)
		check_readable("job", o->job);
	if (o->accesses) {
		char *plugin = xstrndup(o->accesses, strcspn(o->accesses, ","));

		if (o->interactive)
			try_help("--accesses needs --out%s", ", so not --interactive");
		check_readable("plugin", plugin);
		free(plugin);
	}
	if (!topo_load(&s->topo, topologies, o->topo, err) ||
	    !splat_rules_load(&s->rules, deny, allow, err))
		die(NN_USAGE, "%s", err);
	rc = o->interactive ? run_interactive(s) : run_guest(s);
	free(s->run.cpu);
	free(s->run.release);
	free(s->run.qemu_says);
	splat_scan_free(&s->run.scan);
	ktap_free(&s->run.tests);
	splat_rules_free(&s->rules);
	topo_free(&s->topo);
	sb_free(&s->line);
	free(topologies);
	free(deny);
	free(allow);
	free(s);
	return rc;
}

static int print_topology(const struct options *o)
{
	struct topology *t = xcalloc(1, sizeof(*t));
	char err[NN_ERR_MAX], *json, *topologies = in_dir(o->data, "topologies");

	if (!topo_load(t, topologies, o->print_topo, err))
		die(NN_USAGE, "%s", err);
	if (o->json) {
		json = topo_json(t);
		puts(json);
		free(json);
	} else {
		topo_print(t, stdout);
	}
	topo_free(t);
	free(t);
	free(topologies);
	return NN_OK;
}

int main(int argc, char **argv)
{
	struct options o;
	char err[NN_ERR_MAX], *topologies;
	int rc;

	parse_options(&o, argc, argv);
	if (o.compare) {
		if (optind != argc - 1)
			try_help("--compare needs two %s", "results.json");
		rc = compare_results(o.compare, argv[optind], o.allow, o.json, stdout, err);
		if (rc == NN_USAGE)
			die(NN_USAGE, "%s", err);
	} else if (optind < argc) {
		try_help("'%s' belongs to no option", argv[optind]);
		rc = NN_USAGE;
	} else if (o.list) {
		topologies = in_dir(o.data, "topologies");
		if (!topo_list(topologies, o.json, stdout, err))
			die(NN_USAGE, "%s", err);
		free(topologies);
		rc = NN_OK;
	} else if (o.print_topo) {
		rc = print_topology(&o);
	} else {
		rc = boot(&o);
	}
	free(o.data);
	free(o.files);
	free(o.qemu_args);
	free(o.initrds);
	return rc;
}
