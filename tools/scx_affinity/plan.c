// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <string.h>
#include "plan.h"

static bool allowed(const struct layer_conf *l, const struct topo *t, u32 cpu)
{
	return cpu_in(&t->online, cpu) && (!l->nodes || l->nodes >> t->node[cpu] & 1) &&
	       (!l->llcs || l->llcs >> t->llc[cpu] & 1) && (!l->has_cpus || cpu_in(&l->cpus, cpu));
}

static bool is_dynamic(const struct layer_conf *l)
{
	return l->run.policy != AFF_OPEN && l->util_high > 0;
}

/*
 * How far @cpu is from what the layer has: by distance first, then in a domain that it
 * already uses, then by number.
 */
static u64 farness(const struct cpuset *own, const struct topo *t, u32 home, u32 cpu)
{
	bool known_dom = false, known_core = false;
	u32 i;

	for (i = 0; i < t->nr_cpus; i++) {
		if (i == cpu || !cpu_in(own, i))
			continue;
		known_dom |= t->dom[i] == t->dom[cpu];
		known_core |= t->sibling[i] == cpu || t->sibling[cpu] == i;
	}
	return (u64)t->distance[home][t->node[cpu]] << 32 |
	       (u64)((t->node[cpu] + t->nr_nodes - home) % t->nr_nodes) << 20 | (!known_dom) << 17 |
	       (!known_core) << 16 | cpu;
}


/* Where the layer is at home: where most of its CPUs are, else where most are free. */
static u32 home_of(const struct cpuset *own, const struct cpuset *free, const struct topo *t)
{
	const struct cpuset *of = cpu_count(own) ? own : free;
	u32 nr[AFF_MAX_NODES] = { 0 }, cpu, node, best = 0;

	for (cpu = 0; cpu < t->nr_cpus; cpu++)
		if (cpu_in(of, cpu))
			nr[t->node[cpu]]++;
	for (node = 1; node < t->nr_nodes; node++)
		if (nr[node] > nr[best])
			best = node;
	return best;
}

static bool nearest(const struct cpuset *from, const struct cpuset *own, const struct topo *t, u32 home,
		    bool farthest, u32 *out)
{
	u64 best = 0, f;
	bool any = false;
	u32 cpu;

	for (cpu = 0; cpu < t->nr_cpus; cpu++) {
		if (!cpu_in(from, cpu))
			continue;
		f = farness(own, t, home, cpu);
		if (!any || (farthest ? f > best : f < best)) {
			best = f;
			*out = cpu;
		}
		any = true;
	}
	return any;
}

static u32 wanted_cpus(const struct layer_conf *l, u32 has, const double *busy, u32 layer)
{
	double middle = (l->util_low + l->util_high) / 2;
	u32 want = has;

	if (has && busy) {
		double util = busy[layer] / has;

		if (util > l->util_high) {
			/* a layer that is short of CPUs shows no more use than it has */
			want = ceil(busy[layer] / middle);
			if (want <= has)
				want = has + 1;
		} else if (util < l->util_low && has > 1 && busy[layer] / (has - 1) <= l->util_high) {
			want = has - 1;
		}
	}
	if (want < l->min_cpus)
		want = l->min_cpus;
	return want > l->max_cpus ? l->max_cpus : want;
}

static void explain_layer(FILE *f, const struct config *c, u32 layer, const struct cpuset *before,
			  const struct cpuset *after, const double *busy, u32 want)
{
	const struct layer_conf *l = &c->layers[layer];
	u32 had = cpu_count(before), has = cpu_count(after);
	char a[256], b[256];

	if (!f)
		return;
	if (busy && had)
		fprintf(f, "explain: layer %s: %.2f of %u CPUs busy (%.0f %%, range %.0f-%.0f %%): ", l->name,
			busy[layer], had, 100 * busy[layer] / had, 100 * l->util_low, 100 * l->util_high);
	else
		fprintf(f, "explain: layer %s: ", l->name);
	fprintf(f, "%s %s -> %s%s\n", has > had ? "grows" : has < had ? "shrinks" : "stays",
		cpu_list(before, a, sizeof(a)), cpu_list(after, b, sizeof(b)),
		has < want ? ", more are wanted, but none are free" : "");
}

bool plan_cpus(struct plan_state *s, const struct config *c, const struct topo *t, const double *busy,
	       FILE *explain)
{
	struct cpuset taken = { 0 }, guarded = { 0 }, owned = { 0 };
	struct plan_state old = *s;
	bool any_open = false;
	u32 i, j, cpu, want;

	for (i = 0; i < c->nr_layers; i++)
		any_open |= c->layers[i].run.policy == AFF_OPEN;
	memset(s->use, 0, sizeof(s->use));
	for (i = c->nr_layers; i < AFF_MAX_LAYERS; i++)
		memset(&s->own[i], 0, sizeof(s->own[i]));

	/* Those that do not change come first; they may share CPUs. */
	for (i = 0; i < c->nr_layers; i++) {
		const struct layer_conf *l = &c->layers[i];
		struct cpuset free = { 0 };

		if (l->run.policy == AFF_OPEN || is_dynamic(l))
			continue;
		memset(&s->own[i], 0, sizeof(s->own[i]));
		for (cpu = 0; cpu < t->nr_cpus; cpu++)
			if (allowed(l, t, cpu))
				cpu_add(&free, cpu);
		while (cpu_count(&s->own[i]) < l->max_cpus &&
		       nearest(&free, &s->own[i], t, home_of(&s->own[i], &free, t), false, &cpu)) {
			cpu_del(&free, cpu);
			cpu_add(&s->own[i], cpu);
		}
		for (j = 0; j < AFF_MAX_CPUS / 64; j++)
			taken.bits[j] |= s->own[i].bits[j];
	}

	/* Then those that do, in their order, each with CPUs of its own. */
	for (i = 0; i < c->nr_layers; i++) {
		const struct layer_conf *l = &c->layers[i];
		struct cpuset free = { 0 }, before = s->own[i];

		if (!is_dynamic(l))
			continue;
		for (cpu = 0; cpu < t->nr_cpus; cpu++)
			if (cpu_in(&s->own[i], cpu) && (!allowed(l, t, cpu) || cpu_in(&taken, cpu)))
				cpu_del(&s->own[i], cpu);
		for (cpu = 0; cpu < t->nr_cpus; cpu++) {
			bool others = cpu_in(&taken, cpu) || cpu_in(&s->own[i], cpu);

			/* what a later one has it keeps */
			for (j = i + 1; j < c->nr_layers; j++)
				others |= is_dynamic(&c->layers[j]) && cpu_in(&s->own[j], cpu);
			if (!others && allowed(l, t, cpu))
				cpu_add(&free, cpu);
		}
		want = wanted_cpus(l, cpu_count(&before), busy, i);
		while (cpu_count(&s->own[i]) > want &&
		       nearest(&s->own[i], &s->own[i], t, home_of(&s->own[i], &free, t), true, &cpu))
			cpu_del(&s->own[i], cpu);
		while (cpu_count(&s->own[i]) < want &&
		       nearest(&free, &s->own[i], t, home_of(&s->own[i], &free, t), false, &cpu)) {
			u32 rest = 0, k;

			/* the open layers keep a CPU, whatever the others want */
			for (k = 0; k < t->nr_cpus; k++) {
				bool mine = cpu_in(&taken, k) || cpu_in(&s->own[i], k);

				for (j = i + 1; j < c->nr_layers; j++)
					mine |= is_dynamic(&c->layers[j]) && cpu_in(&s->own[j], k);
				rest += cpu_in(&t->online, k) && !mine;
			}
			if (any_open && rest <= 1 && cpu_count(&s->own[i]))
				break;
			cpu_del(&free, cpu);
			cpu_add(&s->own[i], cpu);
		}
		/* nothing was free: better to share than to have nowhere to run */
		if (!cpu_count(&s->own[i]))
			for (cpu = 0; cpu < t->nr_cpus; cpu++)
				if (allowed(l, t, cpu) && cpu_count(&s->own[i]) < l->min_cpus)
					cpu_add(&s->own[i], cpu);
		for (j = 0; j < AFF_MAX_CPUS / 64; j++)
			taken.bits[j] |= s->own[i].bits[j];
		if (explain && memcmp(&before, &s->own[i], sizeof(before)))
			explain_layer(explain, c, i, &before, &s->own[i], busy, want);
	}

	for (i = 0; i < c->nr_layers; i++) {
		if (c->layers[i].run.policy == AFF_OPEN)
			continue;
		for (j = 0; j < AFF_MAX_CPUS / 64; j++) {
			owned.bits[j] |= s->own[i].bits[j];
			if (c->layers[i].protect)
				guarded.bits[j] |= s->own[i].bits[j];
		}
	}

	/* Open ones have what is left, and what is not guarded if nothing is. */
	for (i = 0; i < c->nr_layers; i++) {
		const struct layer_conf *l = &c->layers[i];
		int step;

		if (l->run.policy != AFF_OPEN)
			continue;
		memset(&s->own[i], 0, sizeof(s->own[i]));
		for (step = 0; step < 3 && !cpu_count(&s->own[i]); step++)
			for (cpu = 0; cpu < t->nr_cpus; cpu++)
				if (allowed(l, t, cpu) && (step == 2 || !cpu_in(step ? &guarded : &owned, cpu)))
					cpu_add(&s->own[i], cpu);
		if (step == 3 && explain && memcmp(&s->own[i], &old.own[i], sizeof(old.own[i])))
			fprintf(explain, "explain: layer %s: all its CPUs belong to protected layers, so it shares them\n",
				l->name);
	}

	/* What they may use besides while it is idle. */
	for (i = 0; i < c->nr_layers; i++) {
		const struct layer_conf *l = &c->layers[i];

		if (l->run.policy == AFF_CONFINED)
			continue;
		for (cpu = 0; cpu < t->nr_cpus; cpu++) {
			bool in_reach = !l->run.overflow;

			if (!cpu_in(&t->online, cpu) || cpu_in(&s->own[i], cpu) || cpu_in(&guarded, cpu))
				continue;
			/* nodes and the like say where an open layer may be at all */
			if (l->run.policy == AFF_OPEN && !allowed(l, t, cpu))
				continue;
			for (j = 0; j < t->nr_cpus && !in_reach; j++)
				in_reach = cpu_in(&s->own[i], j) &&
					   t->distance[t->node[j]][t->node[cpu]] <= l->run.overflow;
			if (in_reach)
				cpu_add(&s->use[i], cpu);
		}
	}
	return memcmp(&old, s, sizeof(old));
}

void plan_write(const struct plan_state *s, const struct config *c, const struct topo *t, u32 gen,
		struct aff_plan *plan)
{
	u32 i, cpu;

	memset(plan, 0, sizeof(*plan));
	config_terms(c, plan);
	plan->match_gen = gen;
	for (i = 0; i < c->nr_layers; i++) {
		plan->layers[i] = c->layers[i].run;
		if (c->layers[i].run.preempt)
			plan->preempt |= 1u << i;
		for (cpu = 0; cpu < t->nr_cpus; cpu++) {
			bool own = cpu_in(&s->own[i], cpu), use = cpu_in(&s->use[i], cpu);

			plan->own[cpu] |= (u32)own << i;
			plan->use[cpu] |= (u32)use << i;
			if (own) {
				plan->layers[i].nodes |= 1ULL << t->node[cpu];
				plan->dom_cpus[i * AFF_MAX_DOMS + t->dom[cpu]]++;
			}
		}
	}
}
