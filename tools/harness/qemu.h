/* SPDX-License-Identifier: GPL-2.0 */
/* The virtual machine: its command line, its process, and a way to question it. */
#ifndef NN_QEMU_H
#define NN_QEMU_H

#include <sys/types.h>

#include "topology.h"

enum qemu_mode {
	MODE_MT,	/* a host thread for each CPU */
	MODE_SINGLE,	/* one host thread, CPUs in turn */
	MODE_ICOUNT,	/* as single; guest time is the number of instructions: deterministic */
};

struct qemu_arch {
	const char *name;
	const char *binary;
	const char *machine;
	const char *cpu;
	const char *console;
	bool clusters;		/* the machine knows clusters */
	bool dies;		/* ... or dies, of which each socket has one */
	unsigned long long ram;	/* where it begins */
	bool pci_hole;		/* ... and there is a hole in it below 4 GiB */
};

struct qemu_config {
	const struct qemu_arch *arch;
	const char *binary;	/* NULL: the architecture's */
	const char *cpu;	/* model and properties; NULL: the architecture's */
	bool spe;		/* arm64: CPUs that have it, and a kernel that uses it */
	const char *kernel, *initrd;
	const struct topology *topo;
	enum qemu_mode mode;
	const char *append;	/* NULL: nothing */
	const char *out_dir;	/* NULL when interactive */
	bool interactive;
	const char *accesses;	/* the plugin that counts accesses and its options; NULL: none */
	char **extra;		/* further arguments for QEMU */
	size_t nr_extra;
};

struct qemu {
	pid_t pid;
	int console;		/* read: what the guest prints */
	int keyboard;		/* write: what it reads */
	int qmp;
	bool qmp_ready;
	struct strbuf qmp_in;
};

extern const struct qemu_arch qemu_arches[];
const struct qemu_arch *qemu_arch(const char *name);	/* NULL: unknown */

/* NULL-terminated; strings and array belong to the caller */
char **qemu_argv(const struct qemu_config *c);
/* What -cpu is given; the caller frees it. */
char *qemu_cpu(const struct qemu_config *c);
void qemu_argv_free(char **argv);
/*
 * The nodes of CPUs and of physical memory, for the plugin; it expects them as
 * OUT/accesses.map.
 */
char *qemu_node_map(const struct qemu_config *c);
/* As a line for a shell. */
char *qemu_command_line(char **argv);

/*
 * The guest dies with us, whatever becomes of us. QEMU's own messages go to
 * OUT/qemu.log. False when QEMU cannot be executed at all.
 */
bool qemu_start(struct qemu *q, const struct qemu_config *c, char **argv, char *err);
/* Kills it when it still runs; returns what waitpid() says. */
int qemu_stop(struct qemu *q);

/* One command; the answer's "return" as text, or false after @seconds. */
bool qemu_qmp(struct qemu *q, const char *command, struct strbuf *answer, double seconds);

#endif
