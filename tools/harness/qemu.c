// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "qemu.h"

#define QMP_FD 3	/* in the child */

const struct qemu_arch qemu_arches[] = {
	{
		.name = "arm64",
		.binary = "qemu-system-aarch64",
		/* random seeds in the device tree would make runs differ */
		.machine = "virt,gic-version=3,dtb-randomness=off",
		/* the architected pointer authentication is slow to emulate */
		.cpu = "max,pauth-impdef=on",
		.console = "ttyAMA0",
		.clusters = true,
		.ram = 0x40000000,
	}, {
		.name = "x86_64",
		.binary = "qemu-system-x86_64",
		.machine = "q35",
		.cpu = "max",
		.console = "ttyS0",
		.dies = true,
		.pci_hole = true,
	}, { 0 }
};

const struct qemu_arch *qemu_arch(const char *name)
{
	const struct qemu_arch *a;

	for (a = qemu_arches; a->name; a++)
		if (!strcmp(a->name, name))
			return a;
	return NULL;
}

struct args {
	char **v;
	size_t nr;
};

/* s comes from the heap */
static void add(struct args *a, char *s)
{
	nn_grow(a->v, a->nr);
	a->v[a->nr++] = s;
}

static void opt(struct args *a, const char *name, char *value)
{
	add(a, xstrdup(name));
	add(a, value);
}

static void add_topology(struct args *a, const struct qemu_config *c)
{
	const struct topology *t = c->topo;
	bool symmetric = topo_symmetric(t);
	unsigned int i, j;
	char *middle;

	/*
	 * One socket for each LLC: without cache descriptions Linux takes the
	 * package, cut at the node, for what shares a cache.
	 */
	if (c->arch->clusters)
		middle = xasprintf("clusters=%u,cores=%u", t->llc_cpus / t->cluster_cpus,
				   t->cluster_cpus / t->threads);
	else
		middle = xasprintf("dies=1,cores=%u", t->llc_cpus / t->threads);
	opt(a, "-smp", xasprintf("%u,sockets=%u,%s,threads=%u", t->nr_cpus, t->nr_llcs, middle,
				 t->threads));
	free(middle);
	opt(a, "-m", xasprintf("%uM", t->mem_mib));
	for (i = 0; i < t->nr_nodes; i++) {
		if (!t->node[i].mem_mib) {
			opt(a, "-numa", xasprintf("node,nodeid=%u", i));
			continue;
		}
		opt(a, "-object", xasprintf("memory-backend-ram,id=mem%u,size=%uM", i, t->node[i].mem_mib));
		opt(a, "-numa", xasprintf("node,nodeid=%u,memdev=mem%u", i, i));
	}
	for (i = 0; i < t->nr_llcs; i++)
		opt(a, "-numa", xasprintf("cpu,node-id=%u,socket-id=%u", t->llc_node[i], i));
	/* QEMU wants either one direction of every pair or both of every pair. */
	for (i = 0; i < t->nr_nodes; i++)
		for (j = symmetric ? i + 1 : 0; j < t->nr_nodes; j++)
			if (i != j)
				opt(a, "-numa", xasprintf("dist,src=%u,dst=%u,val=%u", i, j, t->dist[i][j]));
}

char *qemu_cpu(const struct qemu_config *c)
{
	return xasprintf("%s%s", c->cpu ? c->cpu : c->arch->cpu, c->spe ? ",spe=on" : "");
}

char **qemu_argv(const struct qemu_config *c)
{
	struct args a = { 0 };
	size_t i;

	add(&a, xstrdup(c->binary ? c->binary : c->arch->binary));
	opt(&a, "-M", xstrdup(c->arch->machine));
	opt(&a, "-cpu", qemu_cpu(c));
	opt(&a, "-accel", xstrdup(c->mode == MODE_MT ? "tcg,thread=multi" : "tcg,thread=single"));
	if (c->mode == MODE_ICOUNT) {
		opt(&a, "-icount", xstrdup("shift=0,sleep=off"));
		opt(&a, "-rtc", xstrdup("base=2026-01-01,clock=vm"));
		opt(&a, "-seed", xstrdup("1"));
	}
	add_topology(&a, c);
	add(&a, xstrdup("-nodefaults"));
	add(&a, xstrdup("-no-user-config"));
	add(&a, xstrdup("-no-reboot"));
	opt(&a, "-display", xstrdup("none"));
	opt(&a, "-net", xstrdup("none"));
	if (c->interactive) {
		/* Ctrl-A X ends it, Ctrl-A C is the monitor */
		opt(&a, "-chardev", xstrdup("stdio,id=con,mux=on,signal=off"));
		opt(&a, "-mon", xstrdup("chardev=con,mode=readline"));
	} else {
		opt(&a, "-chardev", xstrdup("stdio,id=con,signal=off"));
		opt(&a, "-chardev", xasprintf("socket,id=qmp,fd=%d", QMP_FD));
		opt(&a, "-mon", xstrdup("chardev=qmp,mode=control"));
		opt(&a, "-device", xstrdup("virtio-serial-pci"));
		opt(&a, "-chardev", xasprintf("file,id=out,path=%s/out", c->out_dir));
		opt(&a, "-device", xstrdup("virtserialport,chardev=out,name=nearnode.out"));
		opt(&a, "-chardev", xasprintf("file,id=job,path=%s/job.log", c->out_dir));
		opt(&a, "-device", xstrdup("virtserialport,chardev=job,name=nearnode.job"));
	}
	opt(&a, "-serial", xstrdup("chardev:con"));
	opt(&a, "-kernel", xstrdup(c->kernel));
	opt(&a, "-initrd", xstrdup(c->initrd));
	opt(&a, "-append",
	    xasprintf("console=%s earlycon printk.time=1 nokaslr oops=panic panic=-1 rdinit=/init%s%s%s%s",
		      c->arch->console, c->interactive ? " nearnode.interactive" : "",
		      /* kernel page-table isolation would hide the buffer: the driver stays away */
		      c->spe ? " kpti=off" : "",
		      c->append ? " " : "", c->append ? c->append : ""));
	if (c->accesses) {
		int plugin = strcspn(c->accesses, ",");

		opt(&a, "-plugin", xasprintf("%s%.*s,map=%s/accesses.map,out=%s/accesses.jsonl%s",
					      strchr(c->accesses, '/') ? "" : "./", plugin, c->accesses, c->out_dir,
					      c->out_dir, c->accesses + plugin));
	}
	for (i = 0; i < c->nr_extra; i++)
		add(&a, xstrdup(c->extra[i]));
	add(&a, NULL);
	return a.v;
}

#define GIB (1ull << 30)

char *qemu_node_map(const struct qemu_config *c)
{
	const struct topology *t = c->topo;
	unsigned long long total = (unsigned long long)t->mem_mib << 20, hole = 0, at = c->arch->ram;
	struct strbuf sb = { 0 };
	unsigned int i, j;

	/* q35 makes the hole larger when it cannot have all memory below it */
	if (c->arch->pci_hole)
		hole = total >= 0xb0000000 ? 2 * GIB : 0xb0000000;
	sb_printf(&sb, "# %s on %s\nnodes %u\ncpus", t->name, c->arch->name, t->nr_nodes);
	for (i = 0; i < t->nr_cpus; i++)
		sb_printf(&sb, " %u", t->llc_node[i / t->llc_cpus]);
	sb_str(&sb, "\n");
	for (i = 0; i < t->nr_nodes; i++) {
		unsigned long long size = (unsigned long long)t->node[i].mem_mib << 20;

		while (size) {
			unsigned long long part = size;

			if (at == hole)
				at = 4 * GIB;
			if (at < hole && at + part > hole)
				part = hole - at;
			sb_printf(&sb, "mem %u 0x%llx 0x%llx\n", i, at, part);
			at += part;
			size -= part;
		}
	}
	for (i = 0; i < t->nr_nodes; i++) {
		sb_str(&sb, "distances");
		for (j = 0; j < t->nr_nodes; j++)
			sb_printf(&sb, " %u", t->dist[i][j]);
		sb_str(&sb, "\n");
	}
	return sb.s;
}

void qemu_argv_free(char **argv)
{
	char **p;

	for (p = argv; *p; p++)
		free(*p);
	free(argv);
}

char *qemu_command_line(char **argv)
{
	struct strbuf sb = { 0 };
	const char *p;

	for (; *argv; argv++) {
		if (sb.len)
			sb_str(&sb, " ");
		if (**argv && !(*argv)[strspn(*argv, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
					      "-_=,./:+@%")]) {
			sb_str(&sb, *argv);
			continue;
		}
		sb_str(&sb, "'");
		for (p = *argv; *p; p++)
			sb_printf(&sb, *p == '\'' ? "'\\'%c" : "%c", *p);
		sb_str(&sb, "'");
	}
	sb_str(&sb, "\n");
	return sb.s;
}

static void child(const struct qemu_config *c, char **argv, int in, int out, int qmp, int log,
		  int report, pid_t parent)
{
	sigset_t none;
	int saved;

	/* A guest must not outlive us, not even when we are killed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!c->interactive) {
		setpgid(0, 0);	/* Ctrl-C is for us to handle */
		/* fcntl first: a low number among these would be overwritten by dup2 */
		in = fcntl(in, F_DUPFD, 10);
		out = fcntl(out, F_DUPFD, 10);
		qmp = fcntl(qmp, F_DUPFD, 10);
		log = fcntl(log, F_DUPFD, 10);
		report = fcntl(report, F_DUPFD_CLOEXEC, 10);
		dup2(in, 0);
		dup2(out, 1);
		dup2(log, 2);
		dup2(qmp, QMP_FD);
		close(in);
		close(out);
		close(qmp);
		close(log);
	}
	execvp(argv[0], argv);
	saved = errno;
	if (write(report, &saved, sizeof(saved)) < 0)
		_exit(126);
	_exit(127);
}

bool qemu_start(struct qemu *q, const struct qemu_config *c, char **argv, char *err)
{
	int in[2], out[2], qmp[2] = { -1, -1 }, report[2], log = -1, failed = 0;
	pid_t parent = getpid();

	memset(q, 0, sizeof(*q));
	q->console = q->keyboard = q->qmp = -1;
	if (c->out_dir) {
		char *path = xasprintf("%s/qemu.log", c->out_dir);

		log = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (log < 0)
			nn_err(err, "cannot write %s: %s", path, strerror(errno));
		free(path);
		if (log < 0)
			return false;
	}
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(report, O_CLOEXEC) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp))
		return nn_err(err, "cannot make a pipe: %s", strerror(errno));
	q->pid = fork();
	if (q->pid < 0)
		return nn_err(err, "cannot fork: %s", strerror(errno));
	if (!q->pid)
		child(c, argv, in[0], out[1], qmp[1], log, report[1], parent);
	close(in[0]);
	close(out[1]);
	close(qmp[1]);
	close(report[1]);
	if (log >= 0)
		close(log);
	q->keyboard = in[1];
	q->console = out[0];
	q->qmp = qmp[0];
	fcntl(q->console, F_SETFL, O_NONBLOCK);
	fcntl(q->keyboard, F_SETFL, O_NONBLOCK);
	if (read(report[0], &failed, sizeof(failed)) == sizeof(failed)) {
		close(report[0]);
		qemu_stop(q);
		return nn_err(err, "cannot run %s: %s\n  Install QEMU (Debian: qemu-system-arm) or name it with --qemu",
			      argv[0], strerror(failed));
	}
	close(report[0]);
	return true;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int qemu_stop(struct qemu *q)
{
	int status = 0;

	if (q->pid > 0) {
		if (waitpid(q->pid, &status, WNOHANG) == 0) {
			kill(q->pid, SIGKILL);
			while (waitpid(q->pid, &status, 0) < 0 && errno == EINTR)
				;
		}
		q->pid = 0;
	}
	close_fd(&q->console);
	close_fd(&q->keyboard);
	close_fd(&q->qmp);
	sb_free(&q->qmp_in);
	return status;
}

/* --- QMP -------------------------------------------------------------------- */

/* The next message as JSON, or NULL at the deadline. */
static struct json *qmp_message(struct qemu *q, double deadline)
{
	char buf[16384], err[NN_ERR_MAX];

	for (;;) {
		char *nl = q->qmp_in.len ? memchr(q->qmp_in.s, '\n', q->qmp_in.len) : NULL;
		double left = deadline - now_seconds();
		struct pollfd p = { .fd = q->qmp, .events = POLLIN };
		ssize_t n;

		if (nl) {
			char *line = xstrndup(q->qmp_in.s, nl - q->qmp_in.s);
			struct json *j = json_parse(line, err);

			free(line);
			q->qmp_in.len -= nl + 1 - q->qmp_in.s;
			memmove(q->qmp_in.s, nl + 1, q->qmp_in.len + 1);
			if (j)
				return j;
			continue;
		}
		if (left <= 0 || poll(&p, 1, left * 1000 + 1) <= 0)
			return NULL;
		n = read(q->qmp, buf, sizeof(buf));
		if (n <= 0)
			return NULL;
		sb_add(&q->qmp_in, buf, n);
	}
}

static bool qmp_do(struct qemu *q, const char *command, struct strbuf *answer, double deadline)
{
	size_t len = strlen(command);

	if (send(q->qmp, command, len, MSG_NOSIGNAL) != (ssize_t)len)
		return false;
	for (;;) {
		struct json *j = qmp_message(q, deadline), *ret;
		bool done, ok;

		if (!j)
			return false;
		ret = json_get(j, "return");
		ok = ret;
		done = ret || json_get(j, "error");
		if (ret && ret->type == JSON_STRING && answer)
			sb_str(answer, ret->string);
		json_free(j);
		if (done)
			return ok;
		/* a greeting or an event: not for us */
	}
}

bool qemu_qmp(struct qemu *q, const char *command, struct strbuf *answer, double seconds)
{
	double deadline = now_seconds() + seconds;

	if (q->qmp < 0)
		return false;
	if (!q->qmp_ready)
		q->qmp_ready = qmp_do(q, "{\"execute\":\"qmp_capabilities\"}\n", NULL, deadline);
	if (q->qmp_ready)
		return qmp_do(q, command, answer, deadline);
	close_fd(&q->qmp);	/* it did not answer: do not wait for it again */
	return false;
}
