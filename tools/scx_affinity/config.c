// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config.h"

/* --- where something stands in the text --------------------------------- */

/* A value's place: a member or an element of what is above it. */
struct place {
	const struct place *up;
	const char *key;	/* of a member, or %NULL */
	size_t	index;		/* of an element */
};

static const char *skip_space(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

static const char *skip_string(const char *s)
{
	for (s++; *s && *s != '"'; s++)
		if (*s == '\\' && s[1])
			s++;
	return *s ? s + 1 : s;
}

/* The text is known to be JSON. */
static const char *skip_value(const char *s)
{
	int depth = 0;

	s = skip_space(s);
	do {
		if (*s == '"') {
			s = skip_string(s);
		} else if (*s == '{' || *s == '[') {
			depth++;
			s++;
		} else if (*s == '}' || *s == ']') {
			depth--;
			s++;
		} else if (depth) {
			s++;
		} else {
			s += strcspn(s, " \t\r\n,]}");
		}
	} while (depth && *s);
	return s;
}

/* Keys are compared as they are written, so those with escapes are not found. */
static const char *find(const char *text, const struct place *at)
{
	const char *s, *key;
	size_t i = 0;

	if (!at)
		return skip_space(text);
	s = find(text, at->up);
	/* the place above is a member's key: go on to its value */
	if (at->up && at->up->key && *s == '"')
		s = skip_space(skip_space(skip_string(s)) + 1);
	if (*s != (at->key ? '{' : '['))
		return s;
	for (s = skip_space(s + 1); *s && *s != '}' && *s != ']'; i++) {
		key = s;
		if (at->key) {
			s = skip_string(s);
			if ((size_t)(s - key) == strlen(at->key) + 2 &&
			    !strncmp(key + 1, at->key, strlen(at->key)))
				return key;
			s = skip_space(s) + 1;
		} else if (i == at->index) {
			return s;
		}
		s = skip_space(skip_value(s));
		if (*s == ',')
			s = skip_space(s + 1);
	}
	return find(text, at->up);
}

/* "layers[2].match[0].uid" */
static size_t write_place(const struct place *at, char *buf, size_t size)
{
	size_t len;

	if (!at)
		return 0;
	len = write_place(at->up, buf, size);
	if (len < size) {
		if (at->key)
			len += snprintf(buf + len, size - len, "%s%s", len ? "." : "", at->key);
		else
			len += snprintf(buf + len, size - len, "[%zu]", at->index);
	}
	return len < size ? len : size - 1;
}

struct parser {
	struct config *c;
	const struct topo *topo;
	const char *name;
	const char *text;
	char	*err;
	size_t	size;
};

static int __attribute__((format(printf, 3, 4)))
fail(struct parser *p, const struct place *at, const char *fmt, ...)
{
	const char *s = p->text, *end = find(p->text, at);
	char where[256] = "";
	int line = 1, column = 1, len;
	va_list args;

	for (; s < end; s++) {
		column++;
		if (*s == '\n') {
			line++;
			column = 1;
		}
	}
	write_place(at, where, sizeof(where));
	len = snprintf(p->err, p->size, "%s:%d:%d: %s%s", p->name, line, column, where, *where ? ": " : "");
	if (len < 0 || (size_t)len >= p->size)
		return -1;
	va_start(args, fmt);
	vsnprintf(p->err + len, p->size - len, fmt, args);
	va_end(args);
	return -1;
}

/* --- values ------------------------------------------------------------- */

static int get_int(struct parser *p, const struct place *at, json_t *v, s64 min, s64 max, s64 *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return fail(p, at, "an integer from %lld to %lld is wanted", (long long)min, (long long)max);
	*out = json_integer_value(v);
	return 0;
}

static int get_bool(struct parser *p, const struct place *at, json_t *v, bool *out)
{
	if (!json_is_boolean(v))
		return fail(p, at, "true or false is wanted");
	*out = json_is_true(v);
	return 0;
}

static int get_string(struct parser *p, const struct place *at, json_t *v, char *buf, size_t size)
{
	const char *s = json_string_value(v);

	if (!s)
		return fail(p, at, "a string is wanted");
	if (!*s)
		return fail(p, at, "the string is empty");
	if (json_string_length(v) >= size)
		return fail(p, at, "at most %zu bytes are possible, these are %zu", size - 1,
			    json_string_length(v));
	strcpy(buf, s);
	return 0;
}

static int get_choice(struct parser *p, const struct place *at, json_t *v, const char *const *names,
		      u32 nr, u32 *out)
{
	char all[128] = "";
	u32 i;

	for (i = 0; i < nr; i++) {
		if (json_is_string(v) && !strcmp(json_string_value(v), names[i])) {
			*out = i;
			return 0;
		}
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\"%s\"", i ? ", " : "", names[i]);
	}
	return fail(p, at, "one of %s is wanted", all);
}

/* An array of IDs below @max as bits. */
static int get_ids(struct parser *p, const struct place *at, json_t *v, u32 max, u64 *bits)
{
	struct place element = { .up = at };
	s64 id;

	if (!json_is_array(v) || !json_array_size(v))
		return fail(p, at, "an array of numbers is wanted, such as [0, 1]");
	*bits = 0;
	for (; element.index < json_array_size(v); element.index++) {
		if (get_int(p, &element, json_array_get(v, element.index), 0, max - 1, &id))
			return -1;
		*bits |= 1ULL << id;
	}
	return 0;
}

static int get_range(struct parser *p, const struct place *at, json_t *v, double min, double max,
		     bool whole, double *low, double *high)
{
	json_t *a = json_array_get(v, 0), *b = json_array_get(v, 1);

	if (json_array_size(v) != 2 || !json_is_number(a) || !json_is_number(b) ||
	    (whole && (!json_is_integer(a) || !json_is_integer(b))))
		return fail(p, at, "two %s are wanted, the lower and the upper end", whole ? "integers" : "numbers");
	*low = json_number_value(a);
	*high = json_number_value(b);
	if (*low < min || *high > max || *low > *high)
		return fail(p, at, "the range must lie in %g to %g and not end before it begins", min, max);
	return 0;
}

/* --- matches ------------------------------------------------------------ */

static const struct matcher {
	const char *key;
	enum aff_term_kind kind;
	enum { STRING, NUMBER, FLAG } type;
	s64	min, max;
	bool	single;
} matchers[] = {
	{ "cgroup_prefix",	AFF_CGROUP_PREFIX,	STRING, 0, AFF_STR_LEN - 1, false },
	{ "comm_prefix",	AFF_COMM_PREFIX,	STRING, 0, AFF_COMM_LEN, false },
	{ "pcomm_prefix",	AFF_PCOMM_PREFIX,	STRING, 0, AFF_COMM_LEN, false },
	{ "nice_above",		AFF_NICE_ABOVE,		NUMBER, -20, 19, true },
	{ "nice_below",		AFF_NICE_BELOW,		NUMBER, -20, 19, true },
	{ "uid",		AFF_UID,		NUMBER, 0, 0xfffffffeLL, false },
	{ "gid",		AFF_GID,		NUMBER, 0, 0xfffffffeLL, false },
	{ "pid",		AFF_PID,		NUMBER, 1, 0x7fffffff, false },
	{ "tgid",		AFF_TGID,		NUMBER, 1, 0x7fffffff, false },
	{ "kthread",		AFF_KTHREAD,		FLAG, 0, 1, true },
	{ "preferred_node",	AFF_PREFERRED_NODE,	NUMBER, 0, AFF_MAX_NODES - 1, false },
};

static int add_value(struct parser *p, const struct place *at, const struct matcher *m, json_t *v,
		     struct aff_term *term)
{
	bool yes = false;
	s64 nr;

	switch (m->type) {
	case STRING:
		if (get_string(p, at, v, term->str, m->max))
			return -1;
		term->len = strlen(term->str);
		if (m->kind == AFF_CGROUP_PREFIX && term->str[0] != '/')
			return fail(p, at, "a cgroup's path begins with \"/\"");
		return 0;
	case NUMBER:
		if (get_int(p, at, v, m->min, m->max, &nr))
			return -1;
		if (m->kind == AFF_PREFERRED_NODE && p->topo && !p->topo->distance[nr][nr])
			return fail(p, at, "this machine has no node %lld", (long long)nr);
		term->value = (s32)nr;
		return 0;
	case FLAG:
		if (get_bool(p, at, v, &yes))
			return -1;
		term->value = yes;
		return 0;
	}
	return -1;
}

static struct aff_term *new_term(struct parser *p, const struct place *at, u8 kind, u32 layer)
{
	struct aff_term *term;

	if (p->c->nr_terms == AFF_MAX_TERMS) {
		fail(p, at, "more than %d values to match in the whole file", AFF_MAX_TERMS);
		return NULL;
	}
	term = &p->c->terms[p->c->nr_terms++];
	term->kind = kind;
	term->layer = layer;
	p->c->uses |= 1u << kind;
	return term;
}

static int parse_group(struct parser *p, const struct place *at, json_t *group, u32 layer, bool *all)
{
	u32 first = p->c->nr_terms, i;
	struct aff_term *term;
	const char *key;
	json_t *v;

	if (!json_is_object(group))
		return fail(p, at, "an object is wanted, such as {\"comm_prefix\": \"redis\"}");
	json_object_foreach(group, key, v) {
		struct place member = { .up = at, .key = key };
		struct place element = { .up = &member };
		const struct matcher *m = NULL;

		for (i = 0; i < sizeof(matchers) / sizeof(matchers[0]); i++)
			if (!strcmp(key, matchers[i].key))
				m = &matchers[i];
		if (!m)
			return fail(p, &member, "unknown key; cgroup_prefix, comm_prefix, pcomm_prefix, nice_above, "
				    "nice_below, uid, gid, pid, tgid, kthread and preferred_node are known");
		if (!json_is_array(v) || m->single) {
			term = new_term(p, &member, m->kind, layer);
			if (!term || add_value(p, &member, m, v, term))
				return -1;
			continue;
		}
		if (!json_array_size(v))
			return fail(p, &member, "an empty array matches nothing");
		for (; element.index < json_array_size(v); element.index++) {
			term = new_term(p, &element, m->kind, layer);
			if (!term || add_value(p, &element, m, json_array_get(v, element.index), term))
				return -1;
			if (element.index)
				term->flags |= AFF_TERM_ALT;
		}
	}
	*all = p->c->nr_terms == first;
	if (*all && !new_term(p, at, AFF_ANY, layer))
		return -1;
	p->c->terms[first].flags |= AFF_TERM_GROUP;
	p->c->terms[p->c->nr_terms - 1].flags |= AFF_TERM_END;
	return 0;
}

static int parse_match(struct parser *p, const struct place *at, json_t *match, u32 layer, bool last)
{
	struct place element = { .up = at };
	bool all = false, any = false;

	if (!json_is_array(match) || !json_array_size(match))
		return fail(p, at, "an array of objects is wanted; [{}] matches each task");
	for (; element.index < json_array_size(match); element.index++) {
		if (parse_group(p, &element, json_array_get(match, element.index), layer, &any))
			return -1;
		if (any && !last)
			return fail(p, &element, "{} matches each task, so the layers that follow would have none; "
				    "only the last layer may have it");
		all |= any;
	}
	if (last && !all)
		return fail(p, at, "the last layer must take all tasks that are left: \"match\": [{}]");
	return 0;
}

/* --- layers ------------------------------------------------------------- */

static const char *const policies[] = { "open", "grouped", "confined" };
static const char *const follows[] = { "off", "prefer", "strict" };

static int check_machine(struct parser *p, const struct place *at, const struct layer_conf *l)
{
	const struct topo *t = p->topo;
	struct place member = { .up = at };
	u32 i, cpu, left = 0;
	char buf[64];

	if (!t)
		return 0;
	member.key = "nodes";
	for (i = 0; i < AFF_MAX_NODES; i++)
		if (l->nodes >> i & 1 && !t->node_cpus[i])
			return fail(p, &member, "this machine has no node %u with CPUs", i);
	member.key = "llcs";
	for (i = 0; i < AFF_MAX_DOMS; i++)
		if (l->llcs >> i & 1 && i >= t->nr_llcs)
			return fail(p, &member, "this machine has no LLC %u, its last is %u", i, t->nr_llcs - 1);
	member.key = "cpus";
	for (cpu = 0; cpu < AFF_MAX_CPUS; cpu++) {
		if (l->has_cpus && cpu_in(&l->cpus, cpu) && cpu >= t->nr_cpus)
			return fail(p, &member, "this machine has no CPU %u, its last is %u", cpu, t->nr_cpus - 1);
		if (cpu_in(&t->online, cpu) && (!l->nodes || l->nodes >> t->node[cpu] & 1) &&
		    (!l->llcs || l->llcs >> t->llc[cpu] & 1) && (!l->has_cpus || cpu_in(&l->cpus, cpu)))
			left++;
	}
	if (!left)
		return fail(p, at, "no online CPU (%s) is in all of nodes, llcs and cpus",
			    cpu_list(&t->online, buf, sizeof(buf)));
	member.key = "cpus_range";
	if (l->min_cpus > left)
		return fail(p, &member, "at least %u CPUs are asked for, nodes, llcs and cpus leave %u",
			    l->min_cpus, left);
	return 0;
}

static int parse_layer(struct parser *p, const struct place *at, json_t *layer, u32 nr, bool last)
{
	struct layer_conf *l = &p->c->layers[nr];
	bool yes = false, has_match = false, has_overflow = false, has_range = false, has_protect = false;
	double low, high;
	const char *key;
	json_t *v;
	s64 val;
	u32 i;

	if (!json_is_object(layer))
		return fail(p, at, "an object is wanted");
	l->run = (struct aff_layer) { .policy = AFF_OPEN, .weight = 100, .slice_ns = 5000000 };
	l->min_cpus = 1;
	l->max_cpus = AFF_MAX_CPUS;

	json_object_foreach(layer, key, v) {
		struct place member = { .up = at, .key = key };

		if (!strcmp(key, "name")) {
			if (get_string(p, &member, v, l->name, sizeof(l->name)))
				return -1;
			if (l->name[strcspn(l->name, " \t\n\"\\")])
				return fail(p, &member, "a name has no blanks, quotes or backslashes");
			for (i = 0; i < nr; i++)
				if (!strcmp(l->name, p->c->layers[i].name))
					return fail(p, &member, "layers[%u] is called so already", i);
		} else if (!strcmp(key, "comment")) {
			if (!json_is_string(v))
				return fail(p, &member, "a string is wanted");
		} else if (!strcmp(key, "match")) {
			has_match = true;
			if (parse_match(p, &member, v, nr, last))
				return -1;
		} else if (!strcmp(key, "policy")) {
			if (get_choice(p, &member, v, policies, 3, &l->run.policy))
				return -1;
		} else if (!strcmp(key, "nodes")) {
			if (get_ids(p, &member, v, AFF_MAX_NODES, &l->nodes))
				return -1;
		} else if (!strcmp(key, "llcs")) {
			if (get_ids(p, &member, v, AFF_MAX_DOMS, &l->llcs))
				return -1;
		} else if (!strcmp(key, "cpus")) {
			if (!json_is_string(v) || !parse_cpu_list(json_string_value(v), &l->cpus))
				return fail(p, &member, "a list of CPUs below %d is wanted, such as \"0-3,8\"",
					    AFF_MAX_CPUS);
			l->has_cpus = true;
		} else if (!strcmp(key, "cpus_range")) {
			if (get_range(p, &member, v, 1, AFF_MAX_CPUS, true, &low, &high))
				return -1;
			l->min_cpus = low;
			l->max_cpus = high;
			has_range = true;
		} else if (!strcmp(key, "util_range")) {
			if (get_range(p, &member, v, 0.01, 1, false, &l->util_low, &l->util_high))
				return -1;
			if (l->util_high - l->util_low < 0.0499)
				return fail(p, &member, "a range of less than 0.05 would have the layer grow and shrink for ever");
		} else if (!strcmp(key, "overflow_distance")) {
			if (get_int(p, &member, v, 10, 255, &val))
				return -1;
			l->run.overflow = val;
			has_overflow = true;
		} else if (!strcmp(key, "protected")) {
			if (get_bool(p, &member, v, &l->protect))
				return -1;
			has_protect = true;
		} else if (!strcmp(key, "preempt")) {
			if (get_bool(p, &member, v, &yes))
				return -1;
			l->run.preempt = yes;
		} else if (!strcmp(key, "exclusive")) {
			if (get_bool(p, &member, v, &yes))
				return -1;
			l->run.exclusive = yes;
		} else if (!strcmp(key, "wake_sync")) {
			if (get_bool(p, &member, v, &yes))
				return -1;
			l->run.wake_sync = yes;
		} else if (!strcmp(key, "weight")) {
			if (get_int(p, &member, v, 1, 10000, &val))
				return -1;
			l->run.weight = val;
		} else if (!strcmp(key, "slice_us")) {
			if (get_int(p, &member, v, 100, 100000, &val))
				return -1;
			l->run.slice_ns = val * 1000;
		} else if (!strcmp(key, "follow_preferred_node")) {
			if (get_choice(p, &member, v, follows, 3, &l->run.follow))
				return -1;
		} else if (!strcmp(key, "migrations_per_sec")) {
			if (get_int(p, &member, v, 1, 1000000, &val))
				return -1;
			l->run.budget_ns = 1000000000ULL / val;
		} else {
			return fail(p, &member, "unknown key");
		}
	}
	if (!l->name[0])
		return fail(p, at, "the layer has no \"name\"");
	if (!has_match)
		return fail(p, at, "the layer has no \"match\"");
	if (l->run.policy == AFF_OPEN) {
		const char *wrong = has_range ? "cpus_range" : l->util_high > 0 ? "util_range" :
				    has_protect ? "protected" : NULL;
		struct place member = { .up = at, .key = wrong };

		if (wrong)
			return fail(p, &member, "an open layer has no CPUs of its own; \"policy\": \"grouped\" or \"confined\" has");
	}
	if (has_overflow && l->run.policy == AFF_CONFINED) {
		struct place member = { .up = at, .key = "overflow_distance" };

		return fail(p, &member, "a confined layer never leaves its CPUs; \"policy\": \"grouped\" does");
	}
	if (!has_protect)
		l->protect = l->run.policy == AFF_CONFINED;
	return check_machine(p, at, l);
}

static int parse_root(struct parser *p, json_t *root)
{
	static const char *const queues[] = { "llc", "node" };
	struct place list = { .key = "layers" }, element = { .up = &list };
	json_t *layers = json_object_get(root, "layers"), *v;
	const char *key;
	u32 choice;
	s64 val;

	if (!json_is_object(root))
		return fail(p, NULL, "an object is wanted");
	json_object_foreach(root, key, v) {
		struct place member = { .key = key };

		if (!strcmp(key, "layers") || !strcmp(key, "comment")) {
			continue;
		} else if (!strcmp(key, "queues")) {
			if (get_choice(p, &member, v, queues, 2, &choice))
				return -1;
			p->c->by_node = choice;
		} else if (!strcmp(key, "max_wait_ms")) {
			if (get_int(p, &member, v, 10, 5000, &val))
				return -1;
			p->c->max_wait_ms = val;
		} else if (!strcmp(key, "interval_ms")) {
			if (get_int(p, &member, v, 50, 60000, &val))
				return -1;
			p->c->interval_ms = val;
		} else {
			return fail(p, &member, "unknown key; comment, queues, max_wait_ms, interval_ms and layers are known");
		}
	}
	if (!layers)
		return fail(p, NULL, "there is no \"layers\"");
	if (!json_is_array(layers) || !json_array_size(layers))
		return fail(p, &list, "an array of at least one layer is wanted");
	if (json_array_size(layers) > AFF_MAX_LAYERS)
		return fail(p, &list, "%zu layers, at most %d are possible", json_array_size(layers), AFF_MAX_LAYERS);
	p->c->nr_layers = json_array_size(layers);
	for (; element.index < p->c->nr_layers; element.index++)
		if (parse_layer(p, &element, json_array_get(layers, element.index), element.index,
				element.index + 1 == p->c->nr_layers))
			return -1;
	return 0;
}

int config_parse(struct config *c, const char *name, const char *text, const struct topo *topo,
		 char *err, size_t size)
{
	struct parser p = { .c = c, .topo = topo, .name = name, .text = text, .err = err, .size = size };
	json_error_t e;
	json_t *root;
	int ret;

	memset(c, 0, sizeof(*c));
	c->max_wait_ms = 100;
	c->interval_ms = 500;
	root = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		snprintf(err, size, "%s:%d:%d: %s", name, e.line > 0 ? e.line : 1, e.column > 0 ? e.column : 1, e.text);
		return -1;
	}
	ret = parse_root(&p, root);
	json_decref(root);
	return ret;
}

int config_read(struct config *c, const char *file, const struct topo *topo, char *err, size_t size)
{
	bool is_stdin = !strcmp(file, "-");
	FILE *f = is_stdin ? stdin : fopen(file, "r");
	size_t len, max = 1 << 20;
	char *text;
	int ret = -1;

	if (!f) {
		snprintf(err, size, "%s: %s", file, strerror(errno));
		return -1;
	}
	text = malloc(max + 1);
	if (!text) {
		snprintf(err, size, "%s: out of memory", file);
		goto out;
	}
	len = fread(text, 1, max + 1, f);
	if (ferror(f))
		snprintf(err, size, "%s: %s", file, strerror(errno));
	else if (len > max)
		snprintf(err, size, "%s: more than %zu bytes are no file of layers", file, max);
	else if (memchr(text, 0, len))
		snprintf(err, size, "%s: there is a NUL byte in it, so it is no text", file);
	else {
		text[len] = '\0';
		ret = config_parse(c, is_stdin ? "standard input" : file, text, topo, err, size);
	}
	free(text);
out:
	if (!is_stdin)
		fclose(f);
	return ret;
}

void config_terms(const struct config *c, struct aff_plan *plan)
{
	plan->nr_layers = c->nr_layers;
	plan->nr_terms = c->nr_terms;
	plan->uses = c->uses;
	plan->catch_all = c->nr_layers - 1;
	memcpy(plan->terms, c->terms, sizeof(plan->terms));
}

const char config_example[] =
"{\n"
"  \"comment\": \"a database, what serves it, and a batch load that takes what is left\",\n"
"  \"max_wait_ms\": 100,\n"
"  \"interval_ms\": 500,\n"
"  \"layers\": [\n"
"    {\n"
"      \"name\": \"system\",\n"
"      \"comment\": \"kernel threads and whatever was made important\",\n"
"      \"match\": [ { \"kthread\": true }, { \"nice_below\": -10 } ],\n"
"      \"policy\": \"open\",\n"
"      \"preempt\": true,\n"
"      \"slice_us\": 2000\n"
"    },\n"
"    {\n"
"      \"name\": \"critical\",\n"
"      \"match\": [\n"
"        { \"cgroup_prefix\": \"/system.slice/redis-server.service\" },\n"
"        { \"comm_prefix\": [ \"redis-server\", \"io_thd_\" ], \"nice_below\": 1 }\n"
"      ],\n"
"      \"policy\": \"confined\",\n"
"      \"nodes\": [ 0 ],\n"
"      \"cpus_range\": [ 1, 8 ],\n"
"      \"util_range\": [ 0.5, 0.8 ],\n"
"      \"preempt\": true,\n"
"      \"slice_us\": 3000,\n"
"      \"weight\": 400,\n"
"      \"follow_preferred_node\": \"prefer\"\n"
"    },\n"
"    {\n"
"      \"name\": \"elastic\",\n"
"      \"match\": [ { \"nice_above\": 0 } ],\n"
"      \"policy\": \"open\",\n"
"      \"slice_us\": 10000,\n"
"      \"weight\": 50,\n"
"      \"follow_preferred_node\": \"prefer\",\n"
"      \"migrations_per_sec\": 100\n"
"    },\n"
"    {\n"
"      \"name\": \"rest\",\n"
"      \"match\": [ {} ],\n"
"      \"policy\": \"open\",\n"
"      \"wake_sync\": true\n"
"    }\n"
"  ]\n"
"}\n";
