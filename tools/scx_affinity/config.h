/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file of layers.
 */
#ifndef SCX_AFFINITY_CONFIG_H
#define SCX_AFFINITY_CONFIG_H

#include "topo.h"

struct layer_conf {
	char	name[AFF_NAME_LEN];
	struct aff_layer run;
	u64	nodes;			/* bits, 0: all */
	u64	llcs;
	bool	has_cpus;
	struct cpuset cpus;
	u32	min_cpus;
	u32	max_cpus;
	double	util_low;		/* 0: the CPUs do not change with load */
	double	util_high;
	bool	protect;
};

struct config {
	bool	by_node;
	u32	max_wait_ms;
	u32	interval_ms;
	u32	nr_layers;
	u32	nr_terms;
	u32	uses;
	struct layer_conf layers[AFF_MAX_LAYERS];
	struct aff_term terms[AFF_MAX_TERMS];
};

/*
 * Read @file; "-" is standard input. Nodes, LLCs and CPUs have to be there if @topo is given.
 * Return 0, or -1 with "FILE:LINE:COLUMN: where: what" in @err.
 */
int config_read(struct config *c, const char *file, const struct topo *topo, char *err, size_t size);

/* The same of a text. */
int config_parse(struct config *c, const char *name, const char *text, const struct topo *topo,
		 char *err, size_t size);

/* The part that decides about layers, for aff_match(). */
void config_terms(const struct config *c, struct aff_plan *plan);

extern const char config_example[];

#endif
