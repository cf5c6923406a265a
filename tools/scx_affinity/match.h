/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which layer a task belongs to. Compiled into the BPF program and into the
 * loader, so that tables of cases can be tested on any machine. Whoever
 * includes it defines AFF_FOR(i, n), a loop that the BPF verifier accepts.
 */
#ifndef SCX_AFFINITY_MATCH_H
#define SCX_AFFINITY_MATCH_H

#include "scx_affinity.h"

#define AFF_INLINE	inline __attribute__((always_inline))

/*
 * Does @str, which has room for @size, a power of 2, begin with what @term says?
 */
static AFF_INLINE bool aff_prefix(const struct aff_term *term, const char *str, u32 size)
{
	bool same = true;
	int i;

	AFF_FOR(i, term->len) {
		u32 at = (u32)i & (size - 1);

		if (term->str[(u32)i & (AFF_STR_LEN - 1)] != str[at] || (u32)i >= size) {
			same = false;
			break;
		}
	}
	return same;
}

/*
 * A cgroup's path is compared by names: "/a/b" is a prefix of "/a/b" and "/a/b/c", not of
 * "/a/bc"; with a slash at its end it is one of "/a/b/c" only.
 */
static AFF_INLINE bool aff_path_prefix(const struct aff_term *term, const char *path)
{
	u32 len = term->len;
	char next;

	if (!aff_prefix(term, path, AFF_STR_LEN))
		return false;
	if (!len || term->str[(len - 1) & (AFF_STR_LEN - 1)] == '/')
		return true;
	next = path[len & (AFF_STR_LEN - 1)];
	return next == '/' || next == '\0';
}

static AFF_INLINE bool aff_term_matches(const struct aff_term *term, const struct aff_key *key,
				    const char *path)
{
	s32 value = term->value;

	switch (term->kind) {
	case AFF_ANY:
		return true;
	case AFF_CGROUP_PREFIX:
		return aff_path_prefix(term, path);
	case AFF_COMM_PREFIX:
		return aff_prefix(term, key->comm, AFF_COMM_LEN);
	case AFF_PCOMM_PREFIX:
		return aff_prefix(term, key->pcomm, AFF_COMM_LEN);
	case AFF_NICE_ABOVE:
		return key->nice > value;
	case AFF_NICE_BELOW:
		return key->nice < value;
	case AFF_UID:
		return key->uid == (u32)value;
	case AFF_GID:
		return key->gid == (u32)value;
	case AFF_PID:
		return key->pid == value;
	case AFF_TGID:
		return key->tgid == value;
	case AFF_KTHREAD:
		return key->kthread == (u32)value;
	case AFF_PREFERRED_NODE:
		return key->node == value;
	}
	return false;
}

/*
 * @path is the cgroup's, in AFF_STR_LEN bytes; it may be anything if no term asks for
 * it. Return the layer, that for all the rest if nothing else matches.
 */
static AFF_INLINE u32 aff_match(const struct aff_plan *plan, const struct aff_key *key, const char *path)
{
	u32 layer = plan->catch_all;
	bool group = true, any = false;
	int i;

	AFF_FOR(i, plan->nr_terms) {
		const struct aff_term *term = &plan->terms[(u32)i & (AFF_MAX_TERMS - 1)];

		if (term->flags & AFF_TERM_GROUP) {
			group = true;
			any = true;
		}
		/* a new term of the group: the one before it is decided */
		if (!(term->flags & AFF_TERM_ALT)) {
			group = group && any;
			any = false;
		}
		if (group && !any)
			any = aff_term_matches(term, key, path);
		if ((term->flags & AFF_TERM_END) && group && any) {
			layer = term->layer;
			break;
		}
	}
	return layer & (AFF_MAX_LAYERS - 1);
}

#endif
