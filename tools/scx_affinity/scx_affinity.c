// SPDX-License-Identifier: GPL-2.0
/*
 * The loader of scx_affinity: reads the file of layers, loads the scheduler, gives
 * CPUs to layers and takes them away as load changes, tells what goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <scx/common.h>
#include "scx_affinity.h"
#include "scx_affinity.skel.h"
#include "stats.h"

#define SOCKET		"/run/scx_affinity.sock"

/* How we end. */
enum { EXIT_OK, EXIT_INPUT, EXIT_LOAD, EXIT_KICKED, LOAD_AGAIN };

static const char usage[] =
"scx_affinity - gives applications their CPUs, by layers described in a file\n"
"\n"
"Usage: scx_affinity example                   print a file to begin with\n"
"       scx_affinity check FILE                is FILE right, on this machine?\n"
"       scx_affinity run -f FILE [OPTION]...   load the scheduler, until it is stopped\n"
"       scx_affinity status                    what a running one does\n"
"\n"
"run:\n"
"  -f, --file FILE       the layers; read again on SIGHUP\n"
"  -s, --stats SEC       print statistics each SEC seconds\n"
"  -c, --counters LIST   count events of perf for each layer (cache-misses,node-load-misses),\n"
"                        and samples of memory accesses (samples)\n"
"  -e, --explain         say why CPUs are given and taken, on standard error\n"
"  -n, --dry-run         print what the layers would get and end\n"
"  -v, --verbose         what libbpf and the verifier say, too\n"
"check:\n"
"  -a, --any-machine     do not compare with this machine's nodes and CPUs\n"
"run, check, status:\n"
"  -j, --json            for programs\n"
"  -S, --socket PATH     where run listens and status asks (" SOCKET ")\n"
"  -h, --help\n"
"\n"
"Exit: 0 stopped as asked, 1 wrong usage or file, 2 the scheduler cannot be loaded,\n"
"      3 the kernel threw it out (all tasks are back in the fair class).\n";

static struct options {
	const char *file;
	const char *socket;
	unsigned int stats;
	bool	json;
	bool	explain;
	bool	dry_run;
	bool	any_machine;
	bool	verbose;
} opt = { .socket = SOCKET };

static struct counters counters;

static volatile sig_atomic_t stop, reload;

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		reload = 1;
	else
		stop = 1;
}

static void __attribute__((format(printf, 1, 2))) complain(const char *fmt, ...)
{
	va_list args;

	fputs("scx_affinity: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list args)
{
	if (level == LIBBPF_DEBUG && !opt.verbose)
		return 0;
	return vfprintf(stderr, fmt, args);
}

static double now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* --- the scheduler in the kernel ---------------------------------------- */

struct instance {
	struct scx_affinity *skel;
	struct bpf_link *link;
	struct bpf_link *event_link;
	struct bpf_link *sample_link;
	struct topo topo;
	struct config conf;
	struct plan_state state;
	u32	gen;
	u32	plan_idx;
	u32	reloads;
	u32	failed_reloads;
	double	started;
	int	nr_possible;
	struct aff_stats *percpu;
	struct aff_stats total[AFF_MAX_LAYERS];
	struct aff_stats balanced[AFF_MAX_LAYERS];	/* at the last decision */
	struct aff_stats shown[AFF_MAX_LAYERS];
	int	listener;
};

/* Read the file for this machine. Domains follow from the file, so the machine is read twice. */
static int read_all(struct config *c, struct topo *t, const char *file, bool machine, char *err, size_t size)
{
	if (topo_read(t, "", false, err, size))
		return -1;
	if (config_read(c, file, machine ? t : NULL, err, size))
		return -1;
	return c->by_node ? topo_finish(t, true, err, size) : 0;
}

static void set_topology(struct scx_affinity *skel, const struct topo *t)
{
	u32 i, j;

	skel->rodata->nr_cpu_ids = t->nr_cpus;
	skel->rodata->nr_nodes = t->nr_nodes;
	skel->rodata->nr_cpu_nodes = t->nr_cpu_nodes;
	skel->rodata->nr_doms = t->nr_doms;
	skel->rodata->smt = t->smt;
	skel->rodata->split_nodes = t->split_nodes;
	for (i = 0; i < t->nr_cpus; i++) {
		skel->rodata->cpu_online[i] = cpu_in(&t->online, i);
		skel->rodata->cpu_nodes[i] = t->node[i];
		skel->rodata->cpu_doms[i] = t->dom[i];
		skel->rodata->cpu_siblings[i] = t->sibling[i];
	}
	for (i = 0; i < t->nr_doms; i++)
		skel->rodata->dom_nodes[i] = t->dom_node[i];
	for (i = 0; i < t->nr_nodes; i++) {
		skel->rodata->near[i] = t->near[i];
		for (j = 0; j < AFF_MAX_NODES; j++) {
			skel->rodata->distances[i * AFF_MAX_NODES + j] = t->distance[i][j];
			skel->rodata->node_order[i * AFF_MAX_NODES + j] = t->node_order[i][j];
		}
		for (j = 0; j < AFF_MAX_DOMS; j++)
			skel->rodata->dom_order[i * AFF_MAX_DOMS + j] = t->dom_order[i][j];
	}
}

/* Put what was decided in force, in one step. */
static int apply_plan(struct instance *in)
{
	static struct aff_plan plan;
	struct aff_apply arg = { .plan = !in->plan_idx };
	struct bpf_test_run_opts run = { .sz = sizeof(run), .ctx_in = &arg, .ctx_size_in = sizeof(arg) };
	int ret;

	plan_write(&in->state, &in->conf, &in->topo, in->gen, &plan);
	ret = bpf_map_update_elem(bpf_map__fd(in->skel->maps.plans), &arg.plan, &plan, BPF_ANY);
	if (!ret)
		ret = bpf_prog_test_run_opts(bpf_program__fd(in->skel->progs.apply), &run);
	if (!ret)
		ret = arg.ret;
	if (ret) {
		complain("the kernel did not take the new orders (%s); those before stay in force", strerror(ret < 0 ? -ret : errno));
		return -1;
	}
	in->plan_idx = arg.plan;
	return 0;
}

/* 0 if the kernel does not have it. */
static int sysctl(const char *name)
{
	char path[64];
	int val = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &val) != 1)
		val = 0;
	fclose(f);
	return val;
}

static bool can_sample(void)
{
	return libbpf_find_vmlinux_btf_id("mem_sample", BPF_TRACE_RAW_TP) > 0;
}

/* Say what this kernel cannot do for us. */
static void tell_missing(const struct instance *in)
{
	bool follows = false;
	u32 i;

	for (i = 0; i < in->conf.nr_layers; i++)
		follows |= in->conf.layers[i].run.follow != AFF_FOLLOW_OFF;
	follows |= in->conf.uses >> AFF_PREFERRED_NODE & 1;
	if (follows && !__COMPAT_struct_has_field("task_struct", "numa_preferred_nid"))
		complain("warning: this kernel has no NUMA balancing, so no task has a preferred node: "
			 "follow_preferred_node and preferred_node have no effect");
	else if (follows && !__COMPAT_struct_has_field("sched_ext_ops", "set_preferred_node"))
		complain("warning: this kernel does not look where the memory of sched_ext's tasks is: preferred nodes of "
			 "tasks stay as they were when the scheduler was loaded, new processes have none");
	else if (follows && !(sysctl("numa_balancing") & 1))
		complain("warning: kernel.numa_balancing is 0, so preferred nodes of tasks stay as they are");
	if (in->topo.nr_cpu_nodes > 2 && !__COMPAT_struct_has_field("scx_event_stats", "SCX_EV_IDLE_PICK_REMOTE"))
		complain("warning: this kernel's idle CPU selection does not count picks beyond the node; ours goes by "
			 "distance all the same");
	if (counters.samples && !can_sample())
		complain("warning: --counters: this kernel does not sample memory accesses (it lacks the mem_sampling series): "
			 "there are no samples");
	else if (counters.samples && !sysctl("mem_sampling_enable"))
		complain("warning: --counters: there are no samples until kernel.mem_sampling_enable is 1");
}

static int read_stats(struct instance *in)
{
	u32 layer, i;
	int cpu;

	memset(in->total, 0, sizeof(in->total));
	for (layer = 0; layer < AFF_MAX_LAYERS; layer++) {
		struct aff_stats *sum = &in->total[layer];

		if (bpf_map_lookup_elem(bpf_map__fd(in->skel->maps.stats), &layer, in->percpu))
			return -1;
		for (cpu = 0; cpu < in->nr_possible; cpu++) {
			const struct aff_stats *s = &in->percpu[cpu];

			for (i = 0; i < AFF_NR_STATS; i++)
				if (i != AFF_STAT_WAIT_MAX)
					sum->cnt[i] += s->cnt[i];
				else if (s->cnt[i] > sum->cnt[i])
					sum->cnt[i] = s->cnt[i];
			for (i = 0; i < AFF_MAX_EVENTS; i++)
				sum->event[i] += s->event[i];
			for (i = 0; i < AFF_NR_HIST; i++)
				sum->wait[i] += s->wait[i];
		}
	}
	return 0;
}

/* One round of the loop that gives and takes CPUs. */
static void balance(struct instance *in, double seconds)
{
	double busy[AFF_MAX_LAYERS] = { 0 };
	struct plan_state before = in->state;
	u32 i;

	if (read_stats(in) || seconds <= 0)
		return;
	for (i = 0; i < in->conf.nr_layers; i++)
		busy[i] = (in->total[i].cnt[AFF_STAT_RUN_NS] - in->balanced[i].cnt[AFF_STAT_RUN_NS]) / seconds / 1e9;
	memcpy(in->balanced, in->total, sizeof(in->total));
	if (plan_cpus(&in->state, &in->conf, &in->topo, busy, opt.explain ? stderr : NULL) && apply_plan(in))
		in->state = before;
}

/*
 * The layers have changed. One that is there still, by its name, keeps the CPUs that it
 * has grown to; counts of others begin anew.
 */
static void carry_over(struct instance *in, const struct config *old, const struct plan_state *before)
{
	u32 i, j;

	memset(&in->state, 0, sizeof(in->state));
	for (i = 0; i < in->conf.nr_layers; i++)
		for (j = 0; j < old->nr_layers; j++)
			if (old->layers[j].util_high > 0 && !strcmp(in->conf.layers[i].name, old->layers[j].name))
				in->state.own[i] = before->own[j];
}

static void reset_stats(struct instance *in, const struct config *old)
{
	u32 i;

	memset(in->percpu, 0, in->nr_possible * sizeof(*in->percpu));
	for (i = 0; i < AFF_MAX_LAYERS; i++) {
		if (i < old->nr_layers && i < in->conf.nr_layers && !strcmp(in->conf.layers[i].name, old->layers[i].name))
			continue;
		/* what is counted in this moment is lost; counts are no more than that */
		if (bpf_map_update_elem(bpf_map__fd(in->skel->maps.stats), &i, in->percpu, BPF_ANY))
			continue;
		memset(&in->shown[i], 0, sizeof(in->shown[i]));
	}
	if (!read_stats(in))
		memcpy(in->balanced, in->total, sizeof(in->total));
}

static void do_reload(struct instance *in)
{
	static struct config conf;
	struct plan_state before = in->state;
	static struct config old;
	char err[512];

	in->failed_reloads++;
	if (config_read(&conf, opt.file, &in->topo, err, sizeof(err))) {
		complain("%s", err);
		complain("the layers stay as they were");
		return;
	}
	if (conf.by_node != in->conf.by_node || conf.max_wait_ms != in->conf.max_wait_ms) {
		complain("%s: \"queues\" and \"max_wait_ms\" cannot change while it runs: restart it; the layers stay as they were",
			 opt.file);
		return;
	}
	old = in->conf;
	in->conf = conf;
	carry_over(in, &old, &before);
	plan_cpus(&in->state, &in->conf, &in->topo, NULL, opt.explain ? stderr : NULL);
	in->gen++;
	if (apply_plan(in)) {
		in->conf = old;
		in->state = before;
		in->gen--;
		return;
	}
	reset_stats(in, &old);
	in->failed_reloads--;
	in->reloads++;
	complain("%s read again: %u layers, generation %u", opt.file, conf.nr_layers, in->gen);
}

/* --- telling ------------------------------------------------------------ */

static json_t *status_json(struct instance *in, const struct aff_stats *since, double seconds)
{
	static struct aff_stats delta[AFF_MAX_LAYERS];
	json_t *root = json_object();
	u32 i;

	for (i = 0; i < AFF_MAX_LAYERS; i++)
		stats_delta(&delta[i], &in->total[i], &since[i]);
	json_object_set_new(root, "file", json_string(opt.file));
	json_object_set_new(root, "pid", json_integer(getpid()));
	json_object_set_new(root, "generation", json_integer(in->gen));
	json_object_set_new(root, "reloads", json_integer(in->reloads));
	json_object_set_new(root, "failed_reloads", json_integer(in->failed_reloads));
	json_object_set_new(root, "seconds", json_real(seconds));
	json_object_set_new(root, "max_wait_ms", json_integer(in->conf.max_wait_ms));
	json_object_set_new(root, "layers", stats_json(&in->conf, &in->state, &counters, delta, seconds));
	return root;
}

static void show_stats(struct instance *in, double seconds)
{
	json_t *root;

	if (read_stats(in))
		return;
	root = status_json(in, in->shown, seconds);
	memcpy(in->shown, in->total, sizeof(in->total));
	if (opt.json) {
		json_dumpf(root, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		stats_table(stdout, json_object_get(root, "layers"));
	}
	fflush(stdout);
	json_decref(root);
}

static int address(struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(opt.socket) >= sizeof(addr->sun_path)) {
		complain("--socket %s: the path is too long", opt.socket);
		return -1;
	}
	strcpy(addr->sun_path, opt.socket);
	return 0;
}

static void open_listener(struct instance *in)
{
	struct sockaddr_un addr;
	int fd;

	in->listener = -1;
	if (address(&addr))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* what a killed one left; there is only one scheduler at a time */
	unlink(opt.socket);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || chmod(opt.socket, 0600) || listen(fd, 4)) {
		complain("warning: cannot listen at %s (%s): there is no status to ask for", opt.socket, strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	in->listener = fd;
}

/* Answer one who asks; whoever does not read gets nothing. */
static void answer(struct instance *in)
{
	static const struct aff_stats never[AFF_MAX_LAYERS];
	struct timeval patience = { .tv_sec = 1 };
	int fd = accept4(in->listener, NULL, NULL, SOCK_CLOEXEC);
	json_t *root;
	char *text;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!read_stats(in)) {
		root = status_json(in, never, now_seconds() - in->started);
		text = json_dumps(root, JSON_COMPACT);
		if (text) {
			size_t len = strlen(text), done = 0;

			while (done < len) {
				ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

				if (n <= 0)
					break;
				done += n;
			}
		}
		free(text);
		json_decref(root);
	}
	close(fd);
}

/* --- verbs -------------------------------------------------------------- */

static int verb_status(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	json_error_t error;
	json_t *root;
	FILE *f;

	if (fd < 0 || address(&addr))
		return EXIT_INPUT;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		complain("nobody answers at %s (%s): is \"scx_affinity run\" running?", opt.socket, strerror(errno));
		close(fd);
		return EXIT_INPUT;
	}
	f = fdopen(fd, "r");
	root = f ? json_loadf(f, 0, &error) : NULL;
	if (f)
		fclose(f);
	if (!root) {
		complain("no sensible answer at %s", opt.socket);
		return EXIT_INPUT;
	}
	if (opt.json) {
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		printf("pid %lld, file %s, generation %lld, up for %.0f s\n",
		       (long long)json_integer_value(json_object_get(root, "pid")),
		       json_string_value(json_object_get(root, "file")),
		       (long long)json_integer_value(json_object_get(root, "generation")),
		       json_real_value(json_object_get(root, "seconds")));
		stats_table(stdout, json_object_get(root, "layers"));
	}
	json_decref(root);
	return EXIT_OK;
}

static int verb_check(void)
{
	static struct config conf;
	static struct topo topo;
	char err[512];
	int ret;

	if (opt.any_machine)
		ret = config_read(&conf, opt.file, NULL, err, sizeof(err));
	else
		ret = read_all(&conf, &topo, opt.file, true, err, sizeof(err));
	if (opt.json) {
		json_t *root = json_object();

		json_object_set_new(root, "file", json_string(opt.file));
		json_object_set_new(root, "ok", json_boolean(!ret));
		if (ret)
			json_object_set_new(root, "error", json_string(err));
		else
			json_object_set_new(root, "layers", json_integer(conf.nr_layers));
		json_dumpf(root, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(root);
	} else if (ret) {
		complain("%s", err);
	} else {
		printf("%s: %u layers, %u values to match\n", opt.file, conf.nr_layers, conf.nr_terms);
	}
	return ret ? EXIT_INPUT : EXIT_OK;
}

static void print_plan(const struct config *c, const struct plan_state *s)
{
	static const struct aff_stats nothing[AFF_MAX_LAYERS];
	static const struct counters none;
	json_t *layers = stats_json(c, s, &none, nothing, 0), *l;
	size_t i;

	if (opt.json) {
		json_dumpf(layers, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		json_array_foreach(layers, i, l) {
			printf("%-16s %-8s cpus %s, may use %s\n", json_string_value(json_object_get(l, "name")),
			       json_string_value(json_object_get(l, "policy")),
			       json_string_value(json_object_get(l, "cpus")),
			       json_string_value(json_object_get(l, "may_use")));
		}
	}
	json_decref(layers);
}

/* What the verifier made of each program. */
static void show_programs(const struct scx_affinity *skel)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		if (!bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			complain("%s: %u instructions verified, %u bytes of machine code", bpf_program__name(prog),
				 info.verified_insns, info.jited_prog_len);
	}
}

static void no_event(const char *name, int err)
{
	complain("warning: --counters: perf does not count %s here (%s)", name, strerror(err));
}

/* Counting is not worth to go without a scheduler for. */
static void start_counting(struct instance *in)
{
	u32 i;

	for (i = 0; i < counters.nr * AFF_MAX_CPUS; i++) {
		if (counters.fds[i] < 0)
			continue;
		if (bpf_map_update_elem(bpf_map__fd(in->skel->maps.events), &i, &counters.fds[i], BPF_ANY)) {
			complain("warning: --counters: the kernel does not let us read the events (%s)", strerror(errno));
			counters.nr = 0;
		}
	}
	if (counters.nr)
		in->event_link = bpf_program__attach(in->skel->progs.count_events);
	if (bpf_program__autoload(in->skel->progs.count_sample))
		in->sample_link = bpf_program__attach(in->skel->progs.count_sample);
}

static void stop_counting(struct instance *in)
{
	bpf_link__destroy(in->event_link);
	bpf_link__destroy(in->sample_link);
	counters_close(&counters);
}

/* Return with the scheduler loaded, or how we end. */
static int load(struct instance *in)
{
	static struct topo now;
	struct scx_affinity *skel;
	char err[512];
	int ret;

	if (!__COMPAT_struct_has_field("sched_ext_ops", "dump")) {
		complain("this kernel's sched_ext is too old; 7.3 or later is needed");
		return EXIT_LOAD;
	}
	skel = SCX_OPS_OPEN(affinity_ops, scx_affinity);
	in->skel = skel;
	/* what comes or goes from here on the kernel tells; before that nobody does */
	if (topo_read(&now, "", in->conf.by_node, err, sizeof(err)) ||
	    memcmp(&now.online, &in->topo.online, sizeof(now.online)))
		return LOAD_AGAIN;
	set_topology(skel, &in->topo);
	skel->rodata->max_wait_ns = in->conf.max_wait_ms * 1000000ULL;
	skel->rodata->nr_events = counters.nr;
	bpf_program__set_autoload(skel->progs.count_events, counters.nr);
	bpf_program__set_autoload(skel->progs.count_sample, counters.samples && can_sample());
	UEI_SET_SIZE(skel, affinity_ops, uei);
	ret = scx_affinity__load(skel);
	if (ret) {
		complain("the kernel refuses the BPF program (%s); a kernel of 7.3 or later with CONFIG_SCHED_CLASS_EXT "
			 "and the right to load BPF programs are needed", strerror(-ret));
		return EXIT_LOAD;
	}
	if (opt.verbose)
		show_programs(skel);
	/* the first one goes where plan_idx points to already */
	in->plan_idx = 1;
	in->gen = 1;
	memset(&in->state, 0, sizeof(in->state));
	plan_cpus(&in->state, &in->conf, &in->topo, NULL, opt.explain ? stderr : NULL);
	if (apply_plan(in))
		return EXIT_LOAD;
	in->link = bpf_map__attach_struct_ops(skel->maps.affinity_ops);
	if (!in->link) {
		complain("cannot become the scheduler (%s)%s", strerror(errno),
			 errno == EBUSY ? ": another sched_ext scheduler is loaded; stop it first" : "");
		return EXIT_LOAD;
	}
	start_counting(in);
	return EXIT_OK;
}

static void loop(struct instance *in)
{
	double last = now_seconds(), shown = last;

	in->started = last;
	while (!stop && !UEI_EXITED(in->skel, uei)) {
		struct pollfd fd = { .fd = in->listener, .events = POLLIN };
		double now = now_seconds(), due = last + in->conf.interval_ms / 1e3;
		int left = due > now ? (due - now) * 1000 + 1 : 0;

		if (poll(&fd, 1, left > 200 ? 200 : left) > 0)
			answer(in);
		if (reload) {
			reload = 0;
			do_reload(in);
			/* the layers' time is counted from here */
			last = now_seconds();
			continue;
		}
		now = now_seconds();
		if (now >= due) {
			balance(in, now - last);
			last = now;
		}
		if (opt.stats && now >= shown + opt.stats) {
			show_stats(in, now - shown);
			shown = now;
		}
	}
}

static int verb_run(void)
{
	static struct instance in;
	struct sigaction act = { .sa_handler = on_signal };
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	bool again = false;
	char err[512];
	u64 ecode;
	int kind, ret;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	libbpf_set_print(print_libbpf);
restart:
	memset(&in, 0, sizeof(in));
	in.listener = -1;
	if (read_all(&in.conf, &in.topo, opt.file, true, err, sizeof(err))) {
		complain("%s", err);
		/* a layer may have lost all its CPUs for now: its tasks run where they can */
		if (!again || read_all(&in.conf, &in.topo, opt.file, false, err, sizeof(err)))
			return EXIT_INPUT;
	}
	again = true;
	if (opt.dry_run) {
		plan_cpus(&in.state, &in.conf, &in.topo, NULL, opt.explain ? stderr : NULL);
		print_plan(&in.conf, &in.state);
		return EXIT_OK;
	}
	if (access("/sys/kernel/sched_ext", F_OK)) {
		complain("this kernel has no sched_ext (CONFIG_SCHED_CLASS_EXT)");
		return EXIT_LOAD;
	}
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	in.nr_possible = libbpf_num_possible_cpus();
	in.percpu = calloc(in.nr_possible > 0 ? in.nr_possible : 1, sizeof(*in.percpu));
	if (in.nr_possible <= 0 || !in.percpu) {
		complain("out of memory");
		return EXIT_LOAD;
	}
	tell_missing(&in);
	counters_open(&counters, &in.topo, no_event);
	ret = load(&in);
	if (ret) {
		stop_counting(&in);
		bpf_link__destroy(in.link);
		scx_affinity__destroy(in.skel);
		free(in.percpu);
		if (ret == LOAD_AGAIN && !stop)
			goto restart;
		return stop ? EXIT_OK : ret;
	}
	open_listener(&in);
	complain("loaded: %u layers on %u CPUs, %u nodes, %u domains", in.conf.nr_layers, cpu_count(&in.topo.online),
		 in.topo.nr_cpu_nodes, in.topo.nr_doms);

	loop(&in);

	if (in.listener >= 0) {
		close(in.listener);
		unlink(opt.socket);
	}
	stop_counting(&in);
	bpf_link__destroy(in.link);
	kind = in.skel->data->uei.kind;
	ecode = UEI_REPORT(in.skel, uei);
	scx_affinity__destroy(in.skel);
	free(in.percpu);
	if (stop)
		return EXIT_OK;
	if (UEI_ECODE_RESTART(ecode)) {
		complain("CPUs came or went: starting anew");
		goto restart;
	}
	complain("the scheduler was ended (kind %d); tasks are back in the fair class", kind);
	return EXIT_KICKED;
}

/* --- command line ------------------------------------------------------- */

static int parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "file",	 required_argument, NULL, 'f' },
		{ "stats",	 required_argument, NULL, 's' },
		{ "json",	 no_argument,	    NULL, 'j' },
		{ "counters",	 required_argument, NULL, 'c' },
		{ "explain",	 no_argument,	    NULL, 'e' },
		{ "dry-run",	 no_argument,	    NULL, 'n' },
		{ "any-machine", no_argument,	    NULL, 'a' },
		{ "socket",	 required_argument, NULL, 'S' },
		{ "verbose",	 no_argument,	    NULL, 'v' },
		{ "help",	 no_argument,	    NULL, 'h' },
		{ 0 }
	};
	char err[512];
	char *end;
	long val;
	int c;

	while ((c = getopt_long(argc, argv, "f:s:c:jenaS:vh", longs, NULL)) != -1) {
		switch (c) {
		case 'f': opt.file = optarg; break;
		case 'j': opt.json = true; break;
		case 'e': opt.explain = true; break;
		case 'n': opt.dry_run = true; break;
		case 'a': opt.any_machine = true; break;
		case 'S': opt.socket = optarg; break;
		case 'v': opt.verbose = true; break;
		case 's':
			errno = 0;
			val = strtol(optarg, &end, 10);
			if (errno || *end || end == optarg || val < 1 || val > 86400) {
				complain("--stats %s: seconds from 1 to 86400 are wanted", optarg);
				return -1;
			}
			opt.stats = val;
			break;
		case 'c':
			if (counters_parse(&counters, optarg, err, sizeof(err))) {
				complain("%s", err);
				return -1;
			}
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_OK);
		default:
			complain("see scx_affinity --help");
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb;

	setvbuf(stderr, NULL, _IOLBF, 0);
	if (parse_options(argc, argv))
		return EXIT_INPUT;
	if (optind >= argc) {
		fputs(usage, stderr);
		return EXIT_INPUT;
	}
	verb = argv[optind++];
	if (!strcmp(verb, "check") && optind < argc && !opt.file)
		opt.file = argv[optind++];
	if (optind < argc) {
		complain("unexpected argument \"%s\", see --help", argv[optind]);
		return EXIT_INPUT;
	}
	if (!strcmp(verb, "example")) {
		fputs(config_example, stdout);
		return EXIT_OK;
	}
	if (!strcmp(verb, "status"))
		return verb_status();
	if (strcmp(verb, "check") && strcmp(verb, "run")) {
		complain("unknown verb \"%s\": example, check, run and status are known", verb);
		return EXIT_INPUT;
	}
	if (!opt.file) {
		complain("%s: which file? %s", verb, !strcmp(verb, "run") ? "scx_affinity run -f FILE" : "scx_affinity check FILE");
		return EXIT_INPUT;
	}
	return !strcmp(verb, "run") ? verb_run() : verb_check();
}
