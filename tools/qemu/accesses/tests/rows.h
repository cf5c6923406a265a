/* SPDX-License-Identifier: GPL-2.0 */
/* The file that the unit test had written, read again by what accreport uses. */
#ifndef ACC_TEST_ROWS_H
#define ACC_TEST_ROWS_H

#include <stdbool.h>
#include <stdint.h>

bool rows_read(const char *path);
void rows_free(void);
unsigned int rows_nr(void);
uint64_t rows_stray(void);
unsigned int rows_region(unsigned int row);
/* @by_cpu: -2 for any */
bool rows_is(unsigned int row, const char *name, const char *cause, int by_cpu);
/* @miss, @kernel, @store: 0 or 1 */
uint64_t rows_to(unsigned int row, unsigned int cpu, int miss, int kernel, int store, unsigned int node);
uint64_t rows_io(unsigned int row, unsigned int cpu, int kernel, int store);
uint64_t rows_unknown(unsigned int row, unsigned int cpu, int kernel, int store);
uint64_t rows_block(unsigned int row, unsigned int cpu, bool seen);

#endif
