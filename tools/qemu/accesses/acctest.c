// SPDX-License-Identifier: GPL-2.0
/*
 * acctest - loops that make a known number of loads and stores, on a given CPU
 * and to memory of a given node, each between marks for the access counting
 * plugin. What must be counted is in the region's name, for expect on the host:
 *
 *	x KIND cCPU nNODE lLOADS sSTORES	user space, and nobody else's
 *	p KIND cCPU nNODE lLOADS sSTORES	the same on that CPU, others run too
 *	k KIND cCPU nNODE lLOADS sSTORES	at least so many of the kernel, and none
 *						of user space
 *
 * The loops are templates in assembly: each is copied with the region's marks in
 * place, so that nothing of the compiler's is between the marks.
 *
 * Build: make -C tools/qemu guest
 * Exit:  0 all ran, 1 memory or CPU was not where it should be, 2 bad usage,
 *	  3 could not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mark.h"

#define MAX_CPUS	512
#define MAX_NODES	128
#define BUFFER		65536
#ifndef HWCAP2_MOPS
#define HWCAP2_MOPS	(1UL << 43)
#endif
#define MPOL_BIND	2
#define MPOL_F_NODE	1
#define MPOL_F_ADDR	2

/* A template begins and ends with room for a mark, and what follows it is RET. */
typedef void (*loop_fn)(void *buffer, uint64_t mask, uint64_t rounds);

#if defined(__aarch64__)
#define ROOM	"nop\n"
#define RET	"ret\n"
#define RET_LEN	4
#define MARK_LEN 4
/* x0: buffer, x1: mask, x2: rounds; x3 walks, x4 is its place in the buffer */
#define LOOP(name, body)						\
	__asm__(".arch_extension lse\n"					\
		".globl loop_" #name "\n.globl loop_" #name "_end\n"	\
		"loop_" #name ":\n" ROOM				\
		"mov x3, xzr\n"						\
		"1:\n"							\
		"and x4, x3, x1\n"					\
		"add x4, x0, x4\n"					\
		body							\
		"add x3, x3, #64\n"					\
		"subs x2, x2, #1\n"					\
		"b.ne 1b\n" ROOM RET					\
		"loop_" #name "_end:\n");				\
	extern const char loop_##name[], loop_##name##_end[]

LOOP(load, "ldr x5, [x4]\n");
LOOP(store, "str x2, [x4]\n");
LOOP(byte, "ldrb w5, [x4, #3]\nstrb w5, [x4, #5]\n");
LOOP(atomic, "ldadd x2, x5, [x4]\n");
LOOP(none, "");
LOOP(syscall, "mov x7, x0\nmov x8, #172\nsvc #0\nmov x0, x7\n");
/* What our QEMU tells plugins of these is naturally aligned pieces of up to 16 bytes. */
LOOP(zva, "dc zva, x4\n");
LOOP(set, ".arch_extension mops\nmov x5, x4\nmov x6, #64\n"
	  "setp [x5]!, x6!, xzr\nsetm [x5]!, x6!, xzr\nsete [x5]!, x6!, xzr\n");
LOOP(copy, "mov x5, x4\nadd x7, x4, #32\nmov x6, #32\n"
	   "cpyfp [x7]!, [x5]!, x6!\ncpyfm [x7]!, [x5]!, x6!\ncpyfe [x7]!, [x5]!, x6!\n");
/* 30 bytes at 1: 1, 2, 4, 8, 8, 4, 2 and 1; backwards, as they overlap */
LOOP(odd, "add x5, x4, #1\nadd x7, x4, #17\nmov x6, #30\n"
	  "cpyp [x7]!, [x5]!, x6!\ncpym [x7]!, [x5]!, x6!\ncpye [x7]!, [x5]!, x6!\n");
#elif defined(__x86_64__)
#define ROOM	".byte 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0\n"
#define RET	"ret\n"
#define RET_LEN	1
#define MARK_LEN 8
/* rdi: buffer, rsi: mask, rdx: rounds; r8 walks, r9 is its place in the buffer */
#define LOOP(name, body)						\
	__asm__(".globl loop_" #name "\n.globl loop_" #name "_end\n"	\
		"loop_" #name ":\n" ROOM				\
		"xor %r8d, %r8d\n"					\
		"1:\n"							\
		"mov %r8, %r9\n"					\
		"and %rsi, %r9\n"					\
		"add %rdi, %r9\n"					\
		body							\
		"add $64, %r8\n"					\
		"dec %rdx\n"						\
		"jnz 1b\n" ROOM RET					\
		"loop_" #name "_end:\n");				\
	extern const char loop_##name[], loop_##name##_end[]

LOOP(load, "mov (%r9), %rax\n");
LOOP(store, "mov %rdx, (%r9)\n");
LOOP(byte, "movb 3(%r9), %al\nmovb %al, 5(%r9)\n");
LOOP(atomic, "mov %rdx, %rax\nlock xadd %rax, (%r9)\n");
/* within the buffer's lines: 4 words from the first half to the second */
LOOP(string, "mov %rdi, %r10\nmov %rsi, %r11\nmov %r9, %rsi\nlea 32(%r9), %rdi\n"
	     "mov $4, %ecx\nrep movsq\nmov %r10, %rdi\nmov %r11, %rsi\n");
LOOP(none, "");
LOOP(syscall, "mov $39, %eax\nsyscall\nxor %r11d, %r11d\n");
#else
#error acctest is for arm64 and x86_64
#endif

static struct kind {
	const char *name;
	const char *start, *end;
	unsigned int loads, stores;	/* of a round */
	bool kernel;
	bool hidden;			/* from plugins, by other QEMUs than ours */
} kinds[] = {
	{ "load", loop_load, loop_load_end, 1, 0, false, false },
	{ "store", loop_store, loop_store_end, 0, 1, false, false },
	{ "byte", loop_byte, loop_byte_end, 1, 1, false, false },
#ifdef __x86_64__
	{ "string", loop_string, loop_string_end, 4, 4, false, false },
#endif
	{ "atomic", loop_atomic, loop_atomic_end, 1, 1, false, false },
	{ "none", loop_none, loop_none_end, 0, 0, false, false },
	/* to enter and leave the kernel takes this much at the very least */
	{ "syscall", loop_syscall, loop_syscall_end, 4, 4, true, false },
#ifdef __aarch64__
	{ "zva", loop_zva, loop_zva_end, 0, 0, false, true },	/* see show_hidden() */
	{ "set", loop_set, loop_set_end, 0, 4, false, true },
	{ "copy", loop_copy, loop_copy_end, 2, 2, false, true },
	{ "odd", loop_odd, loop_odd_end, 8, 8, false, true },
#endif
};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *kind_of(const char *name)
{
	unsigned int k;

	for (k = 0; strcmp(kinds[k].name, name); k++)
		;
	return &kinds[k];
}

static unsigned int nr_cpus, nr_nodes;
static int node_of_cpu[MAX_CPUS];
static bool has_memory[MAX_NODES];
static unsigned int regions, misplaced;

static void __attribute__((noreturn, format(printf, 2, 3))) die(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("acctest: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(code);
}

static void pin(unsigned int cpu)
{
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);

	CPU_ZERO_S(CPU_ALLOC_SIZE(MAX_CPUS), set);
	CPU_SET_S(cpu, CPU_ALLOC_SIZE(MAX_CPUS), set);
	if (sched_setaffinity(0, CPU_ALLOC_SIZE(MAX_CPUS), set))
		die(3, "cannot run on CPU %u: %s", cpu, strerror(errno));
	CPU_FREE(set);
}

static void read_machine(void)
{
	char path[64];
	unsigned int c, n;

	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (n = 0; n < MAX_NODES; n++) {
		unsigned long kb = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", n);
		f = fopen(path, "re");
		if (!f)
			continue;
		nr_nodes = n + 1;
		if (fscanf(f, "Node %*u MemTotal: %lu", &kb) == 1)
			has_memory[n] = kb;
		fclose(f);
	}
	if (!nr_nodes || nr_cpus > MAX_CPUS)
		die(3, "this machine has %u nodes and %u CPUs; 1 to %d and 1 to %d will do", nr_nodes,
		    nr_cpus, MAX_NODES, MAX_CPUS);
	for (c = 0; c < nr_cpus; c++) {
		node_of_cpu[c] = -1;
		for (n = 0; n < nr_nodes; n++) {
			snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpu%u", n, c);
			if (!access(path, F_OK))
				node_of_cpu[c] = n;
		}
	}
}

static void *memory_on(unsigned int node, size_t size, bool code)
{
	unsigned long mask[MAX_NODES / (8 * sizeof(long))] = { 0 };
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at;

	mask[node / (8 * sizeof(long))] = 1ul << node % (8 * sizeof(long));
	if (p == MAP_FAILED ||
	    (!code && syscall(SYS_mbind, p, size, MPOL_BIND, mask, MAX_NODES + 1, 0)))
		die(3, "no memory on node %u: %s", node, strerror(errno));
	memset(p, 1, size);
	for (at = 0; !code && at < size; at += 4096) {
		int where = -1;

		if (syscall(SYS_get_mempolicy, &where, NULL, 0, p + at, MPOL_F_NODE | MPOL_F_ADDR))
			die(3, "cannot tell where memory is: %s", strerror(errno));
		misplaced += where != (int)node;
	}
	return p;
}

static void write_mark(char *at, uint32_t code)
{
#ifdef __x86_64__
	uint32_t insn[] = { ACC_X86_NOP, ACC_X86_DISP(code) };
#else
	uint32_t insn[] = { ACC_ARM64_INSN(code) };
#endif
	_Static_assert(sizeof(insn) == MARK_LEN, "a mark's size");
	memcpy(at, insn, sizeof(insn));
}

struct work {
	const struct kind *kind;
	unsigned int region, cpu, node;
	uint64_t rounds;
	void *buffer;
	loop_fn loop;
	pthread_t thread;
};

static void prepare(struct work *w, char what)
{
	size_t len = w->kind->end - w->kind->start;
	char name[ACC_NAME_MAX + 1], *text;
	int n;

	w->buffer = memory_on(w->node, BUFFER, false);
	text = memory_on(w->node, len, true);
	memcpy(text, w->kind->start, len);
	write_mark(text, ACC_OP(ACC_BEGIN, w->region));
	write_mark(text + len - RET_LEN - MARK_LEN, ACC_OP(ACC_END, w->region));
	if (mprotect(text, len, PROT_READ | PROT_EXEC))
		die(3, "no memory for code: %s", strerror(errno));
	__builtin___clear_cache(text, text + len);
	w->loop = (loop_fn)(uintptr_t)text;
	n = snprintf(name, sizeof(name), "%c %s c%u n%u l%llu s%llu", what, w->kind->name, w->cpu, w->node,
		     (unsigned long long)(w->rounds * w->kind->loads),
		     (unsigned long long)(w->rounds * w->kind->stores));
	if (n > ACC_NAME_MAX)
		die(2, "the name '%s...' does not fit: give fewer rounds", name);
	if (!acc_name(w->region, name))
		die(3, "no memory for the marks: %s", strerror(errno));
	regions++;
}

static void done(struct work *w)
{
	munmap(w->buffer, BUFFER);
	munmap((void *)(uintptr_t)w->loop, w->kind->end - w->kind->start);
}

static void run_alone(const struct kind *kind, unsigned int cpu, unsigned int node, uint64_t rounds)
{
	struct work w = { .kind = kind, .cpu = cpu, .node = node, .rounds = rounds };

	pin(cpu);
	prepare(&w, kind->kernel ? 'k' : 'x');
	/* whoever handles our last output gets the time for it */
	usleep(20000);
	w.loop(w.buffer, BUFFER - 1, rounds);
	done(&w);
}

static pthread_barrier_t ready;

static void *run_beside(void *arg)
{
	struct work *w = arg;

	pin(w->cpu);
	prepare(w, 'p');
	pthread_barrier_wait(&ready);
	w->loop(w->buffer, BUFFER - 1, w->rounds);
	/* before that the main thread must not wake up beside anyone */
	pthread_barrier_wait(&ready);
	return NULL;
}

/* Each CPU a loop of its own at the same time. */
static void run_all(const struct kind *kind, uint64_t rounds)
{
	unsigned int nr = nr_cpus < ACC_FIRST_FOR_ACCMARK ? nr_cpus : ACC_FIRST_FOR_ACCMARK, c, node = 0;
	struct work *w = calloc(nr, sizeof(*w));

	if (!w)
		die(3, "no memory");
	pthread_barrier_init(&ready, NULL, nr);
	for (c = 0; c < nr; c++) {
		do
			node = (node + 1) % nr_nodes;
		while (!has_memory[node]);
		w[c] = (struct work){ .kind = kind, .region = c, .cpu = c, .node = node, .rounds = rounds };
		if (pthread_create(&w[c].thread, NULL, run_beside, &w[c]))
			die(3, "cannot start thread %u", c);
	}
	for (c = 0; c < nr; c++) {
		pthread_join(w[c].thread, NULL);
		done(&w[c]);
	}
	pthread_barrier_destroy(&ready);
	free(w);
}

/* So that these kinds are run, too. */
static void show_hidden(void)
{
#ifdef __aarch64__
	uint64_t dczid;
	unsigned int k;

	__asm__("mrs %0, dczid_el0" : "=r"(dczid));
	if (dczid & 16 || !(getauxval(AT_HWCAP2) & HWCAP2_MOPS))
		die(3, "this CPU has no DC ZVA, or no FEAT_MOPS, to be counted");
	for (k = 0; k < NR_KINDS; k++) {
		kinds[k].hidden = false;
		if (!strcmp(kinds[k].name, "zva"))
			kinds[k].stores = (4u << (dczid & 15)) / 16;
	}
#else
	die(2, "--hidden is for arm64");
#endif
}

int main(int argc, char **argv)
{
	uint64_t rounds = 100000;
	unsigned int c, n, k, near = 0;
	char *end;

	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("usage: acctest [--hidden] [ROUNDS]\n  --hidden  DC ZVA, CPY and SET, too, of which only our QEMU tells plugins\n"
		     "  ROUNDS    of each loop (default 100000)");
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--hidden")) {
		show_hidden();
		argv++;
		argc--;
	}
	if (argc > 2)
		die(2, "'%s' not understood, see --help", argv[2]);
	if (argc == 2) {
		rounds = strtoull(argv[1], &end, 10);
		if (argv[1][0] < '0' || argv[1][0] > '9' || *end || rounds < 1 || rounds > 9999999)
			die(2, "'%s' rounds: give a number from 1 to 9999999", argv[1]);
	}
	/* nobody but us must run in user space while we count: not even who reads our output */
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	read_machine();

	while (node_of_cpu[near] < 0 || !has_memory[node_of_cpu[near]])
		if (++near == nr_cpus)
			die(3, "no node has CPUs and memory");
	/* each kind, here and far */
	for (k = 0; k < NR_KINDS; k++)
		if (!kinds[k].hidden)
			run_alone(&kinds[k], near, node_of_cpu[near], rounds);
	/* from one CPU to each node, and from each node to one */
	for (n = 0; n < nr_nodes; n++)
		if (has_memory[n])
			run_alone(kind_of("byte"), near, n, rounds);
	for (n = 0; n < nr_nodes; n++) {
		for (c = 0; c < nr_cpus && node_of_cpu[c] != (int)n; c++)
			;
		if (c < nr_cpus)
			run_alone(kind_of("load"), c, node_of_cpu[near], rounds);
	}
	run_all(kind_of("byte"), rounds);
	run_all(kind_of("atomic"), rounds);

	printf("TAP version 13\n1..1\n%s 1 %u regions, all memory where it was asked for\n",
	       misplaced ? "not ok" : "ok", regions);
	if (misplaced)
		printf("# %u pages are on another node\n", misplaced);
	return misplaced != 0;
}
