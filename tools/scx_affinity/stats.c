// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include "stats.h"

static const char *const names[AFF_NR_STATS] = {
	[AFF_STAT_LOCAL]	= "local",
	[AFF_STAT_NEAR]		= "near",
	[AFF_STAT_FAR]		= "far",
	[AFF_STAT_QUEUED]	= "queued",
	[AFF_STAT_OVERFLOW]	= "overflow",
	[AFF_STAT_MIGRATED]	= "migrated",
	[AFF_STAT_NO_BUDGET]	= "no_budget",
	[AFF_STAT_PREF_KNOWN]	= "preferred_known",
	[AFF_STAT_PREF_HIT]	= "preferred_hit",
	[AFF_STAT_PREEMPTED]	= "preempted",
	[AFF_STAT_PINNED]	= "pinned",
	[AFF_STAT_AGED]		= "helped",
	[AFF_STAT_STOLEN]	= "stolen",
	[AFF_STAT_LEVELED]	= "leveled",
	[AFF_STAT_SYNC]		= "sync",
	[AFF_STAT_STARTED]	= "started",
	[AFF_STAT_RUN_NS]	= "run_ns",
	[AFF_STAT_WAIT_NS]	= "wait_ns",
	[AFF_STAT_WAIT_MAX]	= "wait_max_ns",
	[AFF_STAT_MATCHED]	= "matched",
	[AFF_STAT_SAMPLED_LOCAL]	= "sampled_local",
	[AFF_STAT_SAMPLED_REMOTE]	= "sampled_remote",
};

/* The middle of a bucket, see hist_bucket() of the BPF program. */
static u64 bucket_value(u32 bucket)
{
	u32 high = bucket / AFF_HIST_STEPS, step = bucket % AFF_HIST_STEPS;
	u64 unit;

	if (high < 2)
		return bucket;
	unit = 1ULL << (high - 2);
	return (AFF_HIST_STEPS + step) * unit + unit / 2;
}

u64 stats_wait(const struct aff_stats *s, double quantile)
{
	u64 all = 0, seen = 0, rank;
	u32 i;

	for (i = 0; i < AFF_NR_HIST; i++)
		all += s->wait[i];
	if (!all)
		return 0;
	rank = quantile * (all - 1);
	for (i = 0; i < AFF_NR_HIST - 1; i++) {
		seen += s->wait[i];
		if (seen > rank)
			break;
	}
	return bucket_value(i);
}

void stats_delta(struct aff_stats *delta, const struct aff_stats *now, const struct aff_stats *last)
{
	u32 i;

	for (i = 0; i < AFF_NR_STATS; i++)
		delta->cnt[i] = now->cnt[i] - last->cnt[i];
	for (i = 0; i < AFF_MAX_EVENTS; i++)
		delta->event[i] = now->event[i] - last->event[i];
	for (i = 0; i < AFF_NR_HIST; i++)
		delta->wait[i] = now->wait[i] - last->wait[i];
	/* a maximum, and since the scheduler was loaded */
	delta->cnt[AFF_STAT_WAIT_MAX] = now->cnt[AFF_STAT_WAIT_MAX];
}

json_t *stats_json(const struct config *c, const struct plan_state *s, const struct counters *counters,
		   const struct aff_stats *delta, double seconds)
{
	static const char *const policies[] = { "open", "grouped", "confined" };
	json_t *layers = json_array();
	char buf[1024];
	u32 i, j;

	for (i = 0; i < c->nr_layers; i++) {
		json_t *l = json_object();

		json_object_set_new(l, "name", json_string(c->layers[i].name));
		json_object_set_new(l, "policy", json_string(policies[c->layers[i].run.policy]));
		json_object_set_new(l, "cpus", json_string(cpu_list(&s->own[i], buf, sizeof(buf))));
		json_object_set_new(l, "nr_cpus", json_integer(cpu_count(&s->own[i])));
		json_object_set_new(l, "may_use", json_string(cpu_list(&s->use[i], buf, sizeof(buf))));
		json_object_set_new(l, "busy", json_real(seconds > 0 ? delta[i].cnt[AFF_STAT_RUN_NS] / seconds / 1e9 : 0));
		json_object_set_new(l, "wait_p50_ns", json_integer(stats_wait(&delta[i], 0.5)));
		json_object_set_new(l, "wait_p99_ns", json_integer(stats_wait(&delta[i], 0.99)));
		for (j = 0; j < AFF_NR_STATS; j++)
			json_object_set_new(l, names[j], json_integer(delta[i].cnt[j]));
		if (counters->nr) {
			json_t *events = json_object();

			for (j = 0; j < counters->nr; j++)
				json_object_set_new(events, counters->events[j].name, json_integer(delta[i].event[j]));
			json_object_set_new(l, "events", events);
		}
		json_array_append_new(layers, l);
	}
	return layers;
}

static json_int_t get(json_t *l, const char *key)
{
	return json_integer_value(json_object_get(l, key));
}

static const char *text(json_t *l, const char *key)
{
	const char *s = json_string_value(json_object_get(l, key));

	return s ? s : "?";
}

/* "12.3", or "-" of nothing */
static const char *percent(json_int_t part, json_int_t all, char *buf, size_t size)
{
	if (all)
		snprintf(buf, size, "%.1f", 100.0 * part / all);
	else
		snprintf(buf, size, "-");
	return buf;
}

void stats_table(FILE *f, json_t *layers)
{
	bool sampled = false;
	json_t *l, *events;
	size_t i;
	void *it;

	json_array_foreach(layers, i, l)
		sampled |= get(l, "sampled_local") || get(l, "sampled_remote");
	fprintf(f, "%-16s %-8s %-16s %6s %8s %8s %8s %8s %7s %7s %9s %9s", "layer", "policy", "cpus", "busy",
		"local", "near", "far", "queued", "migr", "pref%", "wait p50", "p99 us");
	events = json_object_get(json_array_get(layers, 0), "events");
	for (it = json_object_iter(events); it; it = json_object_iter_next(events, it))
		fprintf(f, " %16s", json_object_iter_key(it));
	fprintf(f, sampled ? " %7s\n" : "\n", "remote%");
	json_array_foreach(layers, i, l) {
		json_int_t remote = get(l, "sampled_remote");
		char buf[32];

		fprintf(f, "%-16s %-8s %-16s %6.2f %8lld %8lld %8lld %8lld %7lld %7s %9.1f %9.1f",
			text(l, "name"), text(l, "policy"), text(l, "cpus"),
			json_real_value(json_object_get(l, "busy")), (long long)get(l, "local"),
			(long long)get(l, "near"), (long long)get(l, "far"), (long long)get(l, "queued"),
			(long long)get(l, "migrated"),
			percent(get(l, "preferred_hit"), get(l, "preferred_known"), buf, sizeof(buf)),
			get(l, "wait_p50_ns") / 1e3, get(l, "wait_p99_ns") / 1e3);
		events = json_object_get(l, "events");
		for (it = json_object_iter(events); it; it = json_object_iter_next(events, it))
			fprintf(f, " %16lld", (long long)json_integer_value(json_object_iter_value(it)));
		if (sampled)
			fprintf(f, " %7s", percent(remote, remote + get(l, "sampled_local"), buf, sizeof(buf)));
		fputc('\n', f);
	}
}
