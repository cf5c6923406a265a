// SPDX-License-Identifier: GPL-2.0
/*
 * spin: a batch load that never ends and accesses no memory, so that whoever counts accesses
 * sees those of others only.
 */
#if defined(__aarch64__)
#define ADD	"add x0, x0, #1\n"
#define LOOP	"b 1b"
#define REGS	"x0"
#elif defined(__x86_64__)
#define ADD	"add $1, %%rax\n"
#define LOOP	"jmp 1b"
#define REGS	"rax", "cc"
#endif
#define ADD8	ADD ADD ADD ADD ADD ADD ADD ADD

int main(void)
{
	/* Long enough that an emulator spends its time here and not between two rounds. */
	__asm__ volatile("1:\n" ADD8 ADD8 ADD8 ADD8 ADD8 ADD8 ADD8 ADD8 LOOP : : : REGS);
	__builtin_unreachable();
}
