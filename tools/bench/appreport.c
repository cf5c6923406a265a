// SPDX-License-Identifier: GPL-2.0
/*
 * appreport: what servers got beside a batch load, under EEVDF, scx_simple and scx_affinity:
 * a table, JSON, and the bars that scx_affinity has to clear.
 *
 * Reads the out and accesses.jsonl of a guest that ran appbench.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps.h"
#include "bars.h"
#include "json.h"
#include "report.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum scheduler { EEVDF, SIMPLE, AFFINITY, NR_SCHEDULERS };
static const char * const schedulers[] = { "eevdf", "simple", "affinity" };
static const char * const titles[] = { "EEVDF", "scx_simple", "scx_affinity" };
static const char * const apps[] = { "redis", "nginx", "postgresql" };

static struct app_guest guest;

static const struct app_run *run_of(unsigned int app, enum scheduler s)
{
	return apps_run(&guest, apps[app], schedulers[s]);
}

/* Any of the guest's runs has what all have. */
static const struct app_run *any(void)
{
	return &guest.run[0];
}

/* The lower one of those that ours is compared with. */
static enum scheduler best_p99(unsigned int app)
{
	return run_of(app, SIMPLE)->wait_p99 < run_of(app, EEVDF)->wait_p99 ? SIMPLE : EEVDF;
}

/* --- bars ------------------------------------------------------------------- */

enum { BAR_REMOTE, BAR_P99, NR_BARS };

static struct bar bars[] = {
	[BAR_REMOTE] = { .title = "remote accesses of a confined server, %", .limit = 10 },
	[BAR_P99] = { .title = "p99 of its waits for a CPU, x the lower of EEVDF and scx_simple", .limit = 1 },
};

static void measure_bars(void)
{
	for (unsigned int a = 0; a < ARRAY_SIZE(apps); a++) {
		const struct app_run *ours = run_of(a, AFFINITY);
		const struct app_run *best;

		if (!ours) {
			for (int b = 0; b < NR_BARS; b++)
				bar_lacks(&bars[b], "%s", apps[a]);
			continue;
		}
		best = run_of(a, best_p99(a));
		bar_measure(&bars[BAR_REMOTE], remote_percent(ours), "%s; EEVDF %.2f, scx_simple %.2f", apps[a],
			    remote_percent(run_of(a, EEVDF)), remote_percent(run_of(a, SIMPLE)));
		if (best->wait_p99 > 0)
			bar_measure(&bars[BAR_P99], ours->wait_p99 / best->wait_p99, "%s: %.1f against %.1f thousand instructions (%s)",
				    apps[a], ours->wait_p99 / 1e3, best->wait_p99 / 1e3, titles[best_p99(a)]);
		else
			bar_lacks(&bars[BAR_P99], "%s: nobody waits", apps[a]);
	}
}

/* --- table ------------------------------------------------------------------ */

static void print_row(unsigned int app, enum scheduler s)
{
	const struct app_run *r = run_of(app, s);

	printf("%-11s %-13s %6.2f%c %8.2f %9.1f %8.1f %9.1f %9.1f%c %9.1f %9.0f %6.2f\n", s ? "" : apps[app], titles[s],
	       remote_percent(r), s == AFFINITY && remote_percent(r) > bars[BAR_REMOTE].limit + 1e-9 ? '!' : ' ',
	       r->distance, 1e3 * r->crossings / r->requests, 1e3 * r->moves / r->requests,
	       r->wait_p50 / 1e3, r->wait_p99 / 1e3,
	       s == AFFINITY && r->wait_p99 > bars[BAR_P99].limit * run_of(app, best_p99(app))->wait_p99 ? '!' : ' ',
	       r->wait_max / 1e3, r->requests / r->seconds, r->batch_us / 1e6 / r->seconds);
}

static void print_table(void)
{
	printf("Servers that are asked by %.0f clients for a fixed number of answers, beside %.0f batch tasks on the\n"
	       "same CPUs; scx_affinity confines the server to node %u. All in one guest, one after the other.\n\n",
	       any()->clients, any()->hogs, any()->node);
	printf("  remote     %% of the server's accesses to memory that went to another node, of user space, all counted\n"
	       "  distance   their mean distance; 10 if all are local\n"
	       "  to node    how often its tasks began to run on another node, for 1000 requests, and on another CPU\n"
	       "  waits      from runnable to running, in thousands of instructions of the whole machine: half of\n"
	       "             them are shorter, 99 %% are, and the longest\n"
	       "  requests   answered in a second of the guest, which is 1e9 instructions of the machine\n"
	       "  batch      how many CPUs' time the batch load had\n"
	       "  !          misses its bar\n\n");
	printf("%-11s %-13s %7s %8s %18s %31s %8s %6s\n", "", "", "remote", "distance", "moves, for 1000", "waits     ",
	       "requests", "batch");
	printf("%-11s %-13s %6s  %8s %9s %8s %9s %9s  %9s %9s %6s\n", "server", "scheduler", "%", "", "to node", "to CPU",
	       "p50", "p99", "longest", "a second", "CPUs");
	for (unsigned int a = 0; a < ARRAY_SIZE(apps); a++)
		for (int s = 0; run_of(a, AFFINITY) && s < NR_SCHEDULERS; s++)
			print_row(a, s);
}

/* --- JSON ------------------------------------------------------------------- */

static void json_run(struct json_writer *w, const struct app_run *r)
{
	json_open(w, NULL, '{');
	json_string(w, "app", r->app);
	json_string(w, "scheduler", r->scheduler);
	json_number(w, "node", r->node);
	json_number(w, "clients", r->clients);
	json_number(w, "hogs", r->hogs);
	json_number(w, "requests", r->requests);
	json_number(w, "seconds", r->seconds);
	json_number(w, "accesses", r->accesses);
	json_number(w, "remote", r->remote);
	json_number(w, "remote_percent", remote_percent(r));
	json_number(w, "distance", r->distance);
	json_number(w, "node_moves", r->crossings);
	json_number(w, "cpu_moves", r->moves);
	json_number(w, "waits", r->waits);
	json_number(w, "wait_mean", r->wait_mean);
	json_number(w, "wait_p50", r->wait_p50);
	json_number(w, "wait_p99", r->wait_p99);
	json_number(w, "wait_max", r->wait_max);
	json_number(w, "server_us", r->server_us);
	json_number(w, "batch_us", r->batch_us);
	json_close(w, '}');
}

static bool write_json(const char *path)
{
	struct json_writer w = { 0 };
	char err[NN_ERR_MAX];
	bool ok;

	json_open(&w, NULL, '{');
	json_number(&w, "format", 1);
	json_open(&w, "bars", '[');
	for (int i = 0; i < NR_BARS; i++) {
		json_open(&w, NULL, '{');
		json_string(&w, "title", bars[i].title);
		json_number(&w, "at_most", bars[i].limit);
		if (bars[i].measured)
			json_number(&w, "worst", bars[i].worst);
		else
			json_string(&w, "worst", NULL);
		json_bool(&w, "cleared", bar_cleared(&bars[i]));
		json_string(&w, "where", bars[i].where);
		json_close(&w, '}');
	}
	json_close(&w, ']');
	json_open(&w, "runs", '[');
	for (size_t i = 0; i < guest.nr; i++)
		json_run(&w, &guest.run[i]);
	json_close(&w, ']');
	json_close(&w, '}');
	sb_str(&w.out, "\n");
	ok = write_file_atomic(path, w.out.s, w.out.len, err);
	if (!ok)
		fprintf(stderr, "appreport: %s\n", err);
	sb_free(&w.out);
	return ok;
}

/* --- command line ----------------------------------------------------------- */

static const char help[] =
	"usage: appreport [--json FILE] [--no-bars] DIR\n"
	"\n"
	"Compares what appbench measured of servers under three schedulers, in DIR.\n"
	"\n"
	"Exit status: 0, 1 if a bar is missed (never with --no-bars), 2 if it could not\n"
	"tell.\n";

/* A server is measured under all schedulers or not at all, with the same work. */
static void check_guest(const char *dir)
{
	unsigned int nr = 0;

	for (unsigned int a = 0; a < ARRAY_SIZE(apps); a++) {
		for (int s = 0; s < NR_SCHEDULERS; s++) {
			const struct app_run *r = run_of(a, s), *first = run_of(a, EEVDF);

			nr += !!r;
			if (!r != !first || (r && (r->requests != first->requests || r->hogs != first->hogs ||
						   r->clients != first->clients || r->outside != first->outside))) {
				fprintf(stderr, "appreport: %s has nothing to compare with: %s under %s, or not of the same work\n",
					dir, apps[a], titles[s]);
				exit(2);
			}
		}
	}
	if (nr != guest.nr) {
		fprintf(stderr, "appreport: %s has measurements twice, or of what is not known here\n", dir);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct report r = { .name = "appreport", .help = help };
	char err[NN_ERR_MAX];
	int missed = 0;

	report_options(&r, argc, argv);
	if (!apps_read(&guest, r.dir, err)) {
		fprintf(stderr, "appreport: %s\n", err);
		return 2;
	}
	check_guest(r.dir);
	measure_bars();
	print_table();
	if (!r.no_bars) {
		printf("\nBars for scx_affinity:\n");
		missed = bars_print(bars, NR_BARS, "not measured in this run");
	}
	if (r.json && !write_json(r.json))
		return 2;
	apps_free(&guest);
	return report_end(&r, missed);
}
