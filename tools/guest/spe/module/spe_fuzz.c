// SPDX-License-Identifier: GPL-2.0
/*
 * spe_fuzz: random values in every register of SPE, on all CPUs at a time, while they
 * profile themselves at EL0 and EL1. Loading it does it; it says how it went.
 *
 * Hardware writes records to wherever PMBPTR_EL1 points, at EL1's privilege. So while
 * it may, that is a place of ours or one that nobody can write: a buffer and the guard
 * page behind it, read-only pages, addresses that nothing responds to, addresses that
 * are not canonical. Any others are written while profiling is off.
 *
 * The driver knows nothing of these buffers and would leave their interrupts unhandled:
 * the interrupt is disabled meanwhile. No event of SPE's may be open.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_irq.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <asm/barrier.h>
#include <asm/sysreg.h>

static unsigned long writes = 1000000;
module_param(writes, ulong, 0444);
MODULE_PARM_DESC(writes, "how many, on all CPUs together");

static unsigned int seed = 1;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the random values");

#define BUFFER_SIZE	(16 * PAGE_SIZE)
#define PATTERN		0x9e3779b97f4a7c15ULL
#define PHYS_NOWHERE	BIT_ULL(45)

enum { SCR, NEVFR, ICR, IRR, FCR, EVFR, LATFR, DSFR, LIMITR, PTR, BSR, NR_REGS };

/* What a full buffer and its faults look like in PMBSR_EL1 */
enum { FULL, LOSS, FAULT, ABORT, OTHER, NR_EVENTS };

struct worker {
	struct task_struct *task;
	struct rnd_state random;
	char *buffer;
	unsigned long writes, limit, records, wrong;
	unsigned long events[NR_EVENTS];
	int cpu;
};

static struct {
	struct page *page;
	u64 *page_ro;		/* the same, read-only */
	void __iomem *nowhere;
	u64 idr;
	u64 evfr;		/* events that filters know */
	int irq;
	atomic_t running;
	struct completion done;
} fuzz;

static const u64 in_rodata[8] = { PATTERN, PATTERN };

static u64 rnd(struct worker *w)
{
	u64 v = prandom_u32_state(&w->random);

	return v << 32 | prandom_u32_state(&w->random);
}

/* --- values --- */

/* Where a record may be written, or cannot be */
static u64 harmless_address(struct worker *w)
{
	u64 r = rnd(w), v = rnd(w), a;

	switch (r & 15) {
	default:
		a = (u64)w->buffer + v % BUFFER_SIZE;
		break;
	case 7:			/* about its end: behind it is a guard page */
		a = (u64)w->buffer + BUFFER_SIZE - 256 + v % 512;
		break;
	case 8:
		a = (u64)w->buffer + BUFFER_SIZE + v % PAGE_SIZE;
		break;
	case 9:
		a = (u64)fuzz.page_ro + v % PAGE_SIZE;
		break;
	case 10:
		a = (u64)in_rodata;
		break;
	case 11:		/* kernel text */
		a = (u64)vmap & PAGE_MASK;
		break;
	case 12:
		a = (u64)fuzz.nowhere + v % PAGE_SIZE;
		break;
	case 13:		/* the first page, the last one */
		a = v & 1 ? v % PAGE_SIZE : ~(v % PAGE_SIZE);
		break;
	case 14:		/* not canonical, whatever the size of the VA space and TBI */
		a = (v | BIT_ULL(54)) & ~BIT_ULL(53);
		break;
	case 15:
		a = (((u64)w->buffer + v % BUFFER_SIZE) | BIT_ULL(54)) & ~BIT_ULL(53);
		break;
	}
	switch (r >> 16 & 3) {
	case 0:
		return a;
	case 1:
		return a & PAGE_MASK;
	default:
		return a & ~63ULL;
	}
}

/* Any whatever, and the kernel's own */
static u64 any_address(struct worker *w)
{
	u64 v = rnd(w);

	switch (rnd(w) & 3) {
	case 0:
		return v;
	case 1:
		return (u64)current + v % PAGE_SIZE;
	case 2:
		return (u64)w + (v & 0xfff);
	default:
		return (u64)w->buffer ^ 1ULL << (v & 63);
	}
}

static u64 random_value(struct worker *w, int reg)
{
	u64 r = rnd(w), v = rnd(w);

	if (reg == PTR)
		return harmless_address(w);
	if (reg == LIMITR && (r & 3))
		return (((u64)w->buffer + v % (2 * BUFFER_SIZE)) & PAGE_MASK) |
		       (v >> 32 & 6) | !!(r & 0xc);
	switch (r & 7) {
	case 0:
		return v;
	case 1:
		return 0;
	case 2:
		return ~0ULL;
	case 3:
		return 1ULL << (v & 63);
	case 4:
		return ~(1ULL << (v & 63));
	}
	/* Such that something is sampled, and comes through the filters */
	switch (reg) {
	case SCR:
		return v | 3;
	case IRR:
		return v & 0xf01;
	case ICR:
		return v & 0x1ff;
	case FCR:
		return v & (v >> 8) & (v >> 16) & (v >> 24);
	case EVFR:
	case NEVFR:
		return v & (v >> 16) & (v >> 32);
	case LATFR:
		return v & 7;
	case BSR:
		return v & ~(u64)PMBSR_EL1_S;
	default:
		return v;
	}
}

/* --- registers --- */

static bool present(int reg)
{
	return (reg != NEVFR || FIELD_GET(PMSIDR_EL1_FnE, fuzz.idr)) &&
	       (reg != DSFR || FIELD_GET(PMSIDR_EL1_FDS, fuzz.idr));
}

static u64 access_reg(int reg, u64 v)
{
#define REG(n, name)						\
	case n:							\
		write_sysreg_s(v, SYS_##name##_EL1);		\
		return read_sysreg_s(SYS_##name##_EL1)
	switch (reg) {
	REG(SCR, PMSCR);
	REG(NEVFR, PMSNEVFR);
	REG(ICR, PMSICR);
	REG(IRR, PMSIRR);
	REG(FCR, PMSFCR);
	REG(EVFR, PMSEVFR);
	REG(LATFR, PMSLATFR);
	REG(DSFR, PMSDSFR);
	REG(LIMITR, PMBLIMITR);
	REG(PTR, PMBPTR);
	REG(BSR, PMBSR);
	}
#undef REG
	return 0;
}

/* Is it as it was written, where that is for certain? */
static bool reads_right(int reg, u64 v, u64 got)
{
	switch (reg) {
	case IRR:
		return got == (v & 0xffffff01);
	case LATFR:
		return got == (v & 0xfff);
	case EVFR:
	case NEVFR:
		return got == (v & fuzz.evfr);
	case DSFR:
		return got == v;
	case LIMITR:
		return (got & ~7ULL) == (v & PAGE_MASK);
	case ICR:
		return got <= U32_MAX;
	case BSR:
		return !(got & ~0xfc0fffffULL);
	}
	return true;
}

static void write_reg(struct worker *w, int reg, u64 v)
{
	u64 got = access_reg(reg, v);

	w->writes++;
	if (reads_right(reg, v, got))
		return;
	w->wrong++;
	pr_err_ratelimited("CPU %d, register %d: wrote %llx, reads %llx\n", w->cpu, reg, v, got);
}

static void stop_profiling(void)
{
	write_sysreg_s(0, SYS_PMSCR_EL1);
	isb();
	psb_csync();
	dsb(nsh);
	write_sysreg_s(0, SYS_PMBLIMITR_EL1);
	isb();
}

/* What of PMBPTR_EL1 must not be written while records may be */
static void write_any_pointer(struct worker *w)
{
	unsigned long flags;
	u64 v = any_address(w), got;

	local_irq_save(flags);
	stop_profiling();
	got = access_reg(PTR, v);
	w->writes++;
	if (got != v) {
		w->wrong++;
		pr_err_ratelimited("CPU %d, PMBPTR: wrote %llx, reads %llx\n", w->cpu, v, got);
	}
	write_reg(w, PTR, harmless_address(w));
	isb();
	local_irq_restore(flags);
}

/* So that it samples soon */
static void start_profiling(struct worker *w)
{
	u64 r = rnd(w);

	write_reg(w, BSR, 0);
	write_reg(w, PTR, harmless_address(w));
	write_reg(w, LIMITR, ((read_sysreg_s(SYS_PMBPTR_EL1) + r % 0x8000) & PAGE_MASK) | 1);
	write_reg(w, SCR, random_value(w, SCR) | 3);
	write_reg(w, ICR, r >> 32 & 0xff);
}

static void note(struct worker *w, u64 start)
{
	u64 sr = read_sysreg_s(SYS_PMBSR_EL1), end = read_sysreg_s(SYS_PMBPTR_EL1);

	w->records += (end - (start & ~63ULL)) / 64;
	if (!(sr & PMBSR_EL1_S))
		return;
	if (FIELD_GET(PMBSR_EL1_EC, sr) == PMBSR_EL1_EC_BUF)
		w->events[sr & PMBSR_EL1_DL ? LOSS : FULL]++;
	else if (FIELD_GET(PMBSR_EL1_EC, sr) == PMBSR_EL1_EC_FAULT_S1)
		w->events[sr & PMBSR_EL1_EA ? ABORT : FAULT]++;
	else
		w->events[OTHER]++;	/* written by us */
}

static int fuzz_cpu(void *data)
{
	struct worker *w = data;
	u64 r, start;
	int i, reg;

	disable_percpu_irq(fuzz.irq);
	while (w->writes < w->limit) {
		r = rnd(w);
		reg = (r >> 8) % NR_REGS;
		if (!(r & 3))
			start_profiling(w);
		else if ((r & 31) == 1)
			write_any_pointer(w);
		else if (present(reg))
			write_reg(w, reg, random_value(w, reg));
		isb();
		/* something to sample, in the buffer itself, too */
		start = read_sysreg_s(SYS_PMBPTR_EL1);
		for (i = r >> 16 & 31; i > 0; i--)
			WRITE_ONCE(w->buffer[rnd(w) % BUFFER_SIZE], i);
		note(w, start);
		cond_resched();
	}
	preempt_disable();
	stop_profiling();
	write_sysreg_s(0, SYS_PMBPTR_EL1);
	write_sysreg_s(0, SYS_PMBSR_EL1);
	isb();
	enable_percpu_irq(fuzz.irq, IRQ_TYPE_NONE);
	preempt_enable();

	if (atomic_dec_and_test(&fuzz.running))
		complete(&fuzz.done);
	/* until somebody takes the task back */
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* --- all CPUs --- */

static void free_workers(struct worker *workers, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		if (!IS_ERR_OR_NULL(workers[i].task))
			kthread_stop(workers[i].task);
		vfree(workers[i].buffer);
	}
	kfree(workers);
}

/* One for each CPU that is online */
static struct worker *make_workers(int nr)
{
	struct worker *workers = kcalloc(nr, sizeof(*workers), GFP_KERNEL);
	int i, cpu = -1;

	if (!workers)
		return NULL;
	for (i = 0; i < nr; i++) {
		struct worker *w = &workers[i];

		cpu = cpumask_next(cpu, cpu_online_mask);
		w->cpu = cpu;
		w->limit = DIV_ROUND_UP(writes, nr);
		prandom_seed_state(&w->random, (u64)seed << 32 | cpu);
		w->buffer = vzalloc(BUFFER_SIZE);
		if (w->buffer)
			w->task = kthread_create_on_cpu(fuzz_cpu, w, cpu, "spe_fuzz/%u");
		if (IS_ERR_OR_NULL(w->task)) {
			free_workers(workers, nr);
			return NULL;
		}
	}
	return workers;
}

static int run(void)
{
	unsigned long done = 0, records = 0, wrong = 0, events[NR_EVENTS] = { };
	int i, j, nr = num_online_cpus();
	struct worker *workers = make_workers(nr);

	if (!workers)
		return -ENOMEM;
	init_completion(&fuzz.done);
	atomic_set(&fuzz.running, nr);
	for (i = 0; i < nr; i++)
		wake_up_process(workers[i].task);
	wait_for_completion(&fuzz.done);
	for (i = 0; i < nr; i++) {
		done += workers[i].writes;
		records += workers[i].records;
		wrong += workers[i].wrong;
		for (j = 0; j < NR_EVENTS; j++)
			events[j] += workers[i].events[j];
	}
	pr_info("seed %u: %lu writes on %d CPUs, %lu records, %lu full, %lu without space, %lu faults, %lu aborts, %lu others, %lu wrong\n",
		seed, done, nr, records, events[FULL], events[LOSS], events[FAULT],
		events[ABORT], events[OTHER], wrong);
	for (i = 0; i < PAGE_SIZE / sizeof(u64); i++) {
		if (fuzz.page_ro[i] != PATTERN) {
			pr_err("the read-only page has changed at %d\n", i);
			wrong++;
			break;
		}
	}
	free_workers(workers, nr);
	return wrong ? -EIO : 0;
}

static int find_spe(void)
{
	struct device_node *node;
	u64 dfr0 = read_sysreg(id_aa64dfr0_el1);

	if (!FIELD_GET(ID_AA64DFR0_EL1_PMSVer, dfr0)) {
		pr_err("the CPUs have no SPE\n");
		return -ENODEV;
	}
	node = of_find_compatible_node(NULL, NULL, "arm,statistical-profiling-extension-v1");
	fuzz.irq = node ? irq_of_parse_and_map(node, 0) : 0;
	of_node_put(node);
	if (!fuzz.irq) {
		pr_err("the device tree has no interrupt of SPE's\n");
		return -ENODEV;
	}
	fuzz.idr = read_sysreg_s(SYS_PMSIDR_EL1);
	write_sysreg_s(~0ULL, SYS_PMSEVFR_EL1);
	fuzz.evfr = read_sysreg_s(SYS_PMSEVFR_EL1);
	return 0;
}

static int __init spe_fuzz_init(void)
{
	int i, rc = find_spe();
	u64 *p;

	if (rc)
		return rc;
	rc = -ENOMEM;
	fuzz.page = alloc_page(GFP_KERNEL);
	if (!fuzz.page)
		return rc;
	p = page_address(fuzz.page);
	for (i = 0; i < PAGE_SIZE / sizeof(u64); i++)
		p[i] = PATTERN;
	fuzz.page_ro = vmap(&fuzz.page, 1, VM_MAP, PAGE_KERNEL_RO);
	if (fuzz.page_ro) {
		fuzz.nowhere = ioremap(PHYS_NOWHERE, PAGE_SIZE);
		if (fuzz.nowhere) {
			cpus_read_lock();
			rc = run();
			cpus_read_unlock();
			iounmap(fuzz.nowhere);
		}
		vunmap(fuzz.page_ro);
	}
	__free_page(fuzz.page);
	return rc;
}
module_init(spe_fuzz_init);

static void __exit spe_fuzz_exit(void)
{
}
module_exit(spe_fuzz_exit);

MODULE_DESCRIPTION("Random values in the registers of the Statistical Profiling Extension");
MODULE_LICENSE("GPL");
