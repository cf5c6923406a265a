// SPDX-License-Identifier: GPL-2.0
/*
 * smc_race - does a CPU go on executing an instruction that another CPU has
 * patched, after all that the architecture asks for has been done?
 *
 * One thread patches a static-branch site (NOP <-> B, which arm64 allows to be
 * modified while it is being executed) through a writable alias of the page,
 * with DC CVAU, DSB, IC IVAU, DSB, ISB, and then publishes the round. Every
 * other thread takes the round with a load-acquire and an ISB, as a CPU does
 * that has answered the kernel's text-patching IPI, and runs the site. An
 * execution is judged only when no new patch had begun by the time it was over,
 * so a judged execution of the old instruction cannot happen on a machine that
 * keeps to the architecture (Arm ARM, B2.2.5 and B2.7.4).
 *
 * When it happens, the thread that saw it stops the patching, reads the word
 * through both mappings, goes on executing the site for a while, invalidating
 * the instruction cache by itself each time, and in the end stores the very
 * same word once more. An emulator that kept a translation of the old word
 * executes it for ever, whatever the loads say, until that second store.
 *
 * Build: make -C tools/qemu guest
 * Exit:  0 never, 1 the old instruction was executed, 2 bad usage,
 *	  3 could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef __aarch64__
#error smc_race is an arm64 program
#endif

#define MAX_THREADS	256
#define CODE_SIZE	8192
#define NEIGHBOUR_AT	2048
#define BRANCH_TO	4096	/* in the next page, so that the site can be alone in its own */

/* the two forms of the site, and what the function returns in each */
#define INSN_NOP	0xd503201fu
#define INSN_B		(0x14000000u | BRANCH_TO / 4)
static const uint32_t form[2] = { INSN_NOP, INSN_B };

/* form[n & 1] is what round n puts there; @begun runs ahead while it patches */
static uint32_t begun __attribute__((aligned(128)));
static uint32_t done __attribute__((aligned(128)));
static bool stop __attribute__((aligned(128)));
static uint32_t examining __attribute__((aligned(128)));
static pthread_barrier_t ready;

static struct executor {
	uint32_t ack;
	uint64_t judged;
	uint64_t old;
	pthread_t thread;
	int cpu;
} __attribute__((aligned(128))) executors[MAX_THREADS];

/* written by the one thread that holds @examining */
static struct {
	uint64_t events;
	uint64_t loads_new;
	uint64_t lasting;
	uint64_t cured;
	uint64_t longest;
} found;

static uint32_t *code_rw;
static uint32_t *code_rx;
static unsigned int nr_executors;
static unsigned int calls_per_round = 32;
static unsigned int examine_ms = 100;
static unsigned int seconds = 20;
/* no other code in the page, unlike a kernel's text */
static bool alone;
static bool json;

static void __attribute__((noreturn, format(printf, 2, 3))) die(int code, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "smc_race: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(code);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline void isb(void)
{
	asm volatile("isb" ::: "memory");
}

/* lets the next virtual CPU run where an emulator has one thread for them all */
static inline void yield_cpu(void)
{
	asm volatile("yield" ::: "memory");
}

static inline void sync_icache(const void *exec_va)
{
	asm volatile("dc cvau, %0\n\t"
		     "dsb ish\n\t"
		     "ic ivau, %0\n\t"
		     "dsb ish\n\t"
		     "isb" :: "r" (exec_va) : "memory");
}

static inline unsigned int run_site(void)
{
	unsigned int (*fn)(void) = (void *)code_rx;
	unsigned int ret = fn();

	/* what follows must not be fetched before the site has been executed */
	isb();
	return ret;
}

static inline void run_neighbour(void)
{
	((unsigned int (*)(void))((char *)code_rx + NEIGHBOUR_AT))();
}

static inline void write_site(uint32_t insn)
{
	__atomic_store_n(code_rw, insn, __ATOMIC_RELAXED);
	sync_icache(code_rx);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die(3, "cannot run on CPU %d: %s", cpu, strerror(errno));
}

/* Called by the executor that saw the old form in @round; nobody patches now. */
static void examine(struct executor *ex, uint32_t round)
{
	uint32_t want = form[round & 1];
	uint32_t rx = __atomic_load_n(code_rx, __ATOMIC_RELAXED);
	uint32_t rw = __atomic_load_n(code_rw, __ATOMIC_RELAXED);
	uint64_t until = now_ns() + examine_ms * 1000000ull;
	uint64_t tries = 0, old = 0;
	bool lasts, cured = false;

	do {
		for (int i = 0; i < 64; i++) {
			sync_icache(code_rx);
			old += run_site() != (round & 1);
			tries++;
		}
	} while (now_ns() < until);

	lasts = old == tries;
	if (lasts) {
		write_site(want);
		cured = run_site() == (round & 1);
	}

	found.events++;
	found.loads_new += rx == want && rw == want;
	found.lasting += lasts;
	found.cured += cured;
	if (old > found.longest)
		found.longest = old;
	if (!json && found.events <= 5)
		printf("round %u, CPU %d: executed %s; loads give %08x (exec mapping) %08x (write mapping), new is %08x;\n"
		       "    %llu of %llu further executions in %u ms ran the old one%s\n",
		       round, ex->cpu, round & 1 ? "NOP instead of B" : "B instead of NOP",
		       rx, rw, want, (unsigned long long)old, (unsigned long long)tries, examine_ms,
		       !lasts ? "" : cured ? "; storing the same word again cured it" :
		       "; storing the same word again did not help");
}

static void *executor_fn(void *arg)
{
	struct executor *ex = arg;
	uint32_t seen = 0, calls = 0;

	pin(ex->cpu);
	pthread_barrier_wait(&ready);

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint32_t round = __atomic_load_n(&done, __ATOMIC_ACQUIRE);
		unsigned int ret;

		if (round != seen) {
			isb();
			seen = round;
			calls = 0;
		}
		ret = run_site();
		if (__atomic_load_n(&begun, __ATOMIC_ACQUIRE) == round) {
			ex->judged++;
			if (ret != (round & 1)) {
				uint32_t none = 0;

				ex->old++;
				if (__atomic_compare_exchange_n(&examining, &none, 1, false,
								__ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
					examine(ex, round);
					__atomic_store_n(&examining, 0, __ATOMIC_RELEASE);
				}
				/* the others wait for the verdict and the cure */
				while (__atomic_load_n(&examining, __ATOMIC_ACQUIRE))
					yield_cpu();
			}
			if (++calls >= calls_per_round)
				__atomic_store_n(&ex->ack, round, __ATOMIC_RELEASE);
		}
		if (!alone)
			run_neighbour();
		if (!(calls & 7))
			yield_cpu();
	}
	return NULL;
}

static uint32_t patch_until(uint64_t deadline)
{
	uint32_t round = 0;

	while (now_ns() < deadline) {
		round++;
		__atomic_store_n(&begun, round, __ATOMIC_SEQ_CST);
		asm volatile("dsb ish" ::: "memory");
		write_site(form[round & 1]);
		__atomic_store_n(&done, round, __ATOMIC_RELEASE);
		for (unsigned int i = 0; i < nr_executors; i++)
			while (__atomic_load_n(&executors[i].ack, __ATOMIC_ACQUIRE) != round)
				yield_cpu();
	}
	return round;
}

static void map_code(void)
{
	static const uint32_t site[] = {
		INSN_NOP,	/* the site, round 0 */
		0x52800000u,	/* mov w0, #0 */
		0xd65f03c0u,	/* ret */
	};
	static const uint32_t taken[] = { 0x52800020u, 0xd65f03c0u };	 /* mov w0, #1; ret */
	static const uint32_t neighbour[] = { 0x52800040u, 0xd65f03c0u }; /* mov w0, #2; ret */
	int fd = memfd_create("smc_race", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, CODE_SIZE))
		die(3, "no memory file for the code: %s", strerror(errno));
	code_rw = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	code_rx = mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (code_rw == MAP_FAILED || code_rx == MAP_FAILED)
		die(3, "cannot map the code twice: %s", strerror(errno));
	close(fd);
	memcpy(code_rw, site, sizeof(site));
	memcpy((char *)code_rw + BRANCH_TO, taken, sizeof(taken));
	memcpy((char *)code_rw + NEIGHBOUR_AT, neighbour, sizeof(neighbour));
	__builtin___clear_cache((char *)code_rw, (char *)code_rw + CODE_SIZE);
	__builtin___clear_cache((char *)code_rx, (char *)code_rx + CODE_SIZE);
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: smc_race [-t SECONDS] [-n EXECUTORS] [-c CALLS] [-e MS] [-a] [--json]\n"
		"  -t  how long (default 20)\n"
		"  -n  executing threads (default: CPUs - 1)\n"
		"  -c  judged executions of every thread in each round (default 32)\n"
		"  -e  how long a wrong execution is examined, in ms (default 100)\n"
		"  -a  the site is alone in its page: no other code there is executed\n");
}

static unsigned int number(const char *what, const char *s, unsigned int max)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (!*s || *end || !v || v > max)
		die(2, "%s '%s': give a number from 1 to %u", what, s, max);
	return v;
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { }
	};
	uint64_t judged = 0, old = 0, start, took;
	unsigned int affected = 0;
	cpu_set_t allowed;
	uint32_t rounds;
	int opt, cpu, patcher;

	while ((opt = getopt_long(argc, argv, "t:n:c:e:ah", longopts, NULL)) != -1) {
		switch (opt) {
		case 't': seconds = number("time", optarg, 86400); break;
		case 'n': nr_executors = number("executors", optarg, MAX_THREADS); break;
		case 'c': calls_per_round = number("calls", optarg, 1000000); break;
		case 'e': examine_ms = number("examination", optarg, 600000); break;
		case 'a': alone = true; break;
		case 'j': json = true; break;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 2;
		}
	}
	if (optind < argc)
		die(2, "argument '%s' not understood, see --help", argv[optind]);
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		die(3, "cannot read the CPU mask: %s", strerror(errno));
	if (CPU_COUNT(&allowed) < 2)
		die(3, "%d CPU allowed; the race needs two or more", CPU_COUNT(&allowed));
	if (!nr_executors)
		nr_executors = CPU_COUNT(&allowed) - 1;
	if (nr_executors > (unsigned int)CPU_COUNT(&allowed) - 1 || nr_executors > MAX_THREADS)
		die(2, "%u executors asked for; with %d CPUs allowed at most %d",
		    nr_executors, CPU_COUNT(&allowed), CPU_COUNT(&allowed) - 1);

	setvbuf(stdout, NULL, _IOLBF, 0);
	map_code();
	pthread_barrier_init(&ready, NULL, nr_executors + 1);
	for (cpu = 0; !CPU_ISSET(cpu, &allowed); cpu++)
		;
	patcher = cpu;
	for (unsigned int i = 0; i < nr_executors; i++) {
		do
			cpu++;
		while (!CPU_ISSET(cpu, &allowed));
		executors[i].cpu = cpu;
		if (pthread_create(&executors[i].thread, NULL, executor_fn, &executors[i]))
			die(3, "cannot start thread %u", i);
	}
	pin(patcher);
	pthread_barrier_wait(&ready);

	start = now_ns();
	rounds = patch_until(start + seconds * 1000000000ull);
	took = now_ns() - start;
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < nr_executors; i++) {
		pthread_join(executors[i].thread, NULL);
		judged += executors[i].judged;
		old += executors[i].old;
		affected += !!executors[i].old;
	}

	printf(json ?
	       "{\"executors\":%u,\"seconds\":%.1f,\"patches\":%u,\"judged\":%llu,\"old\":%llu,\"cpus_affected\":%u,"
	       "\"events\":%llu,\"loads_new\":%llu,\"lasting\":%llu,\"longest\":%llu,\"cured_by_rewrite\":%llu}\n" :
	       "executors %u, %.1f s: %u patches, %llu judged executions, %llu of the OLD instruction (on %u CPUs)\n"
	       "stale events %llu: loads gave the new word in %llu; still old to the end of the examination in %llu\n"
	       "    (longest: %llu executions); cured by storing the same word again in %llu\n",
	       nr_executors, took / 1e9, rounds, (unsigned long long)judged, (unsigned long long)old,
	       affected, (unsigned long long)found.events, (unsigned long long)found.loads_new,
	       (unsigned long long)found.lasting, (unsigned long long)found.longest,
	       (unsigned long long)found.cured);
	if (!json)
		printf("%s\n", old ? "FAIL: patched code was executed in its old form" :
		       "PASS: the old instruction was never executed");
	return old ? 1 : 0;
}
