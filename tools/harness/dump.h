/* SPDX-License-Identifier: GPL-2.0 */
/* What a guest that does not answer was doing. */
#ifndef NN_DUMP_H
#define NN_DUMP_H

#include "qemu.h"

/*
 * The registers of every CPU as QEMU sees them, program counters named from
 * the System.map beside the kernel when there is one.
 */
void dump_registers(struct qemu *q, const char *kernel, struct strbuf *out);

/* Asks the kernel for a sysrq; what it answers comes on the console. */
void dump_sysrq(struct qemu *q, char key);

/* "symbol+0xoffset" or NULL. map: the text of a System.map, sorted as nm does. */
char *symbolize(const char *map, unsigned long long address);

#endif
