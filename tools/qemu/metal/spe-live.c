// SPDX-License-Identifier: GPL-2.0
/*
 * spe-live - FEAT_SPE on a machine that is saved and restored in the middle of
 * sampling, and that is given a fault while it runs: by tools/build/metal.sh, to
 * which it says what it is at, and which sends a byte to the UART when it is done.
 *
 * Bare metal, with the header of QEMU's own tests (tests/tcg/aarch64/system/spe.h).
 * Exit: 0 all well, 1 not.
 */
#include "spe.h"

#define S	(1ull << 17)
#define COLL	(1ull << 16)
#define FULL	1ull

#define INTERVAL	0x100000

/* The interrupt controller and the UART of "virt", where map_block() puts them */
#define GICR_ISPENDR0	(RAM + 3 * BLOCK + 0xb0200)
#define UART		(RAM + 4 * BLOCK)
#define UARTFR		(UART + 0x18)
#define UARTCR		(UART + 0x30)

static uint32_t in32(uint64_t at)
{
	uint32_t v;

	asm volatile("ldr %w0, [%1]" : "=r" (v) : "r" (at) : "memory");
	return v;
}

static void out32(uint64_t at, uint32_t v)
{
	asm volatile("str %w0, [%1]" : : "r" (v), "r" (at) : "memory");
}

static bool interrupt(void)
{
	return (in32(GICR_ISPENDR0) >> 21) & 1;
}

/*
 * Until there is a byte or PMBSR_EL1 is not 0; returns how many instructions it was.
 * The label is for what records say.
 */
static uint64_t poll(void)
{
	uint64_t rounds, byte;

	asm volatile("mov %0, xzr\n"
		     "	.balign 64\n"
		     "poll_loop:\n"
		     "	ldr %w1, [%2]\n"
		     "	add %0, %0, #1\n"
		     "	tbz %w1, #4, 1f\n"		/* RXFE */
		     "	mrs %1, " str(PMBSR_EL1) "\n"
		     "	cbz %1, poll_loop\n"
		     "	mov %1, #0x10\n"
		     "1:	and %1, %1, #0x10\n"
		     : "=&r" (rounds), "=&r" (byte) : "r" (UARTFR) : "memory");
	return rounds * 5 - (byte ? 0 : 2);
}

static void take_byte(void)
{
	while (in32(UARTFR) & 0x10)
		;
	in32(UART);
}

/* @least records or more: of all samples of @insns instructions but those @lost */
static void check_records(uint64_t insns, int least, int lost)
{
	int n = nr_records();
	Record r, last = { };
	uint64_t from;

	asm("adr %0, poll_loop" : "=r" (from));
	/* sample() adds ten or so. */
	check(n == (int)(insns / INTERVAL) - lost || n == (int)((insns + 16) / INTERVAL) - lost,
	      "%d records of %ld instructions", n, insns);
	check(n >= least, "%d records", n);
	for (int i = 0; i < n; i++) {
		record(i, &r);
		check(address(r.pc) >= from && address(r.pc) < from + 20, "record %d: %lx, loop at %lx", i, r.pc, from);
		check(r.events & EV_RETIRED, "record %d: %lx", i, r.events);
		/* none is lost where the machine was saved: 5 instructions a round */
		check(i == 0 || (r.pc - last.pc + 20) % 20 == INTERVAL % 5 * 4, "record %d: %lx after %lx", i,
		      r.pc, last.pc);
		check(i == 0 || r.ts > last.ts, "record %d: %lx after %lx", i, r.ts, last.ts);
		last = r;
	}
}

static void sampling(void)
{
	uint64_t insns;

	section = "sampling";
	setup(INTERVAL, sizeof(buffer));
	ml_printf("sampling\n");
	sample(insns = poll());
	take_byte();
	check(rd(PMBSR_EL1) == 0, "PMBSR %lx", rd(PMBSR_EL1));
	check_records(insns, 8, 0);
}

/* The interrupt waits for somebody, here and there. */
static void interrupted(void)
{
	section = "interrupt";
	setup(256, 4096);
	sample(loop("nop", 60, 1000));
	check(interrupt(), "of PMBSR %lx", rd(PMBSR_EL1));
	ml_printf("interrupt\n");
	take_byte();
	check(rd(PMBSR_EL1) == (S | FULL), "PMBSR %lx", rd(PMBSR_EL1));
	check(nr_records() == 64, "%d records", nr_records());
	check(interrupt(), "of PMBSR %lx", rd(PMBSR_EL1));
	wr(PMBSR_EL1, 0);
	check(!interrupt(), "after it is over");
}

static void collision(void)
{
	uint64_t insns;

	section = "collision";
	setup(INTERVAL, sizeof(buffer));
	ml_printf("collision\n");
	sample(insns = poll());
	check(rd(PMBSR_EL1) == COLL, "PMBSR %lx", rd(PMBSR_EL1));
	check_records(insns, 4, 1);
}

int main(void)
{
	map_block(3, 0x08000000 | 0x401);
	map_block(4, 0x09000000 | 0x401);
	out32(UARTCR, 0x301);
	sampling();
	interrupted();
	collision();
	ml_printf(failures ? "%d failures\n" : "all well (%d failures)\n", failures);
	return failures != 0;
}
