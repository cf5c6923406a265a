/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks for the access counting plugin, for programs in the guest:
 *
 *	acc_name(1, "copy");
 *	acc_begin(1);
 *	...
 *	acc_row(1);		what was counted since the last row, as a row of its own
 *	...
 *	acc_end(1);
 *
 * Each mark is one instruction that does nothing, so that neither an interrupt
 * nor another program can get in between its parts and no privilege is needed;
 * without the plugin it costs nothing and has no effect. A region counts on all
 * CPUs. Regions may overlap. Numbers 0 to 127 are for programs to choose (they
 * are constants), accmark uses the others.
 *
 * The instruction carries 21 bits: on arm64 they are the offset of an ADR or
 * ADRP whose result goes to the zero register, on x86 the displacement of a NOP
 * with a memory operand, below a magic number.
 */
#ifndef ACC_MARK_H
#define ACC_MARK_H

#include <stdint.h>

#define ACC_REGIONS		256
#define ACC_FIRST_FOR_ACCMARK	128
#define ACC_NAME_MAX		32

enum acc_op { ACC_BEGIN = 1, ACC_END = 2, ACC_ROW = 3 };

/* Two kinds: operations, and one character of a region's name at its position. */
#define ACC_KIND_NAME		(1u << 21)
#define ACC_MAGIC		0x2a5u
#define ACC_OP(op, region)	(ACC_MAGIC << 11 | (op) << 8 | (region))
#define ACC_CHAR(region, at, c)	(ACC_KIND_NAME | (at) << 16 | (region) << 8 | (c))

#define ACC_ARM64_ADR		0x1000001fu
#define ACC_ARM64_MASK		0x1f00001fu
#define ACC_ARM64_INSN(code)						\
	(ACC_ARM64_ADR | ((code) & ACC_KIND_NAME ? 1u << 31 : 0) |	\
	 ((code) & 3) << 29 | ((code) >> 2 & 0x7ffff) << 5)

#define ACC_X86_NOP		0x00841f0fu	/* nopl disp32(%rax,%rax,1) */
#define ACC_X86_DISP(code)	(ACC_MAGIC << 22 | (code))

#if defined(__aarch64__)
#define acc_mark(code)							\
	__asm__ volatile(".inst %c0" : : "i" (ACC_ARM64_INSN(code)) : "memory")
#elif defined(__x86_64__)
#define acc_mark(code)							\
	__asm__ volatile(".long %c0, %c1" : : "i" (ACC_X86_NOP), "i" (ACC_X86_DISP(code)) : "memory")
#endif

#ifdef acc_mark
#define acc_begin(region)	acc_mark(ACC_OP(ACC_BEGIN, region))
#define acc_end(region)		acc_mark(ACC_OP(ACC_END, region))
#define acc_row(region)		acc_mark(ACC_OP(ACC_ROW, region))

#include <string.h>
#include <sys/mman.h>

/* Marks that are known at run time only; false when there is no memory for code. */
static inline int acc_mark_all(const uint32_t *code, unsigned int nr)
{
	size_t each = sizeof(uint32_t), size, i;
	uint32_t *text, *p;

#ifdef __x86_64__
	each *= 2;
#endif
	size = (nr + 1) * each;
	text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (text == MAP_FAILED)
		return 0;
	for (p = text, i = 0; i < nr; i++) {
#ifdef __x86_64__
		*p++ = ACC_X86_NOP;
		*p++ = ACC_X86_DISP(code[i]);
#else
		*p++ = ACC_ARM64_INSN(code[i]);
#endif
	}
#ifdef __x86_64__
	*p = 0xc3;		/* ret */
#else
	*p = 0xd65f03c0;
#endif
	if (mprotect(text, size, PROT_READ | PROT_EXEC)) {
		munmap(text, size);
		return 0;
	}
	__builtin___clear_cache((char *)text, (char *)text + size);
	((void (*)(void))(uintptr_t)text)();
	munmap(text, size);
	return 1;
}

/* What the region is called in reports; false when it cannot be told. */
static inline int acc_name(unsigned int region, const char *name)
{
	uint32_t code[ACC_NAME_MAX];
	unsigned int n = 0;

	for (; n < ACC_NAME_MAX && name[n]; n++)
		code[n] = ACC_CHAR(region, n, (uint32_t)(unsigned char)name[n]);
	if (n < ACC_NAME_MAX)
		code[n] = ACC_CHAR(region, n, 0u), n++;
	return acc_mark_all(code, n);
}
#endif /* acc_mark */

/* --- for the plugin: the code in an instruction, or 0 when it is no mark --- */

static inline uint32_t acc_decode_arm64(uint32_t insn)
{
	uint32_t code = (insn >> 29 & 3) | (insn >> 5 & 0x7ffff) << 2;

	if ((insn & ACC_ARM64_MASK) != ACC_ARM64_ADR)
		return 0;
	if (insn >> 31)
		return code | ACC_KIND_NAME;
	return code >> 11 == ACC_MAGIC ? code : 0;
}

static inline uint32_t acc_decode_x86(const uint8_t *bytes, unsigned int len)
{
	uint32_t word[2], code;

	if (len != sizeof(word))
		return 0;
	__builtin_memcpy(word, bytes, sizeof(word));
	if (word[0] != ACC_X86_NOP || word[1] >> 22 != ACC_MAGIC)
		return 0;
	code = word[1] & 0x3fffff;
	return code & ACC_KIND_NAME || code >> 11 == ACC_MAGIC ? code : 0;
}

#endif
