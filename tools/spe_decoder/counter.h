/* SPDX-License-Identifier: GPL-2.0 */
/* Instructions that this program executes; apart, as the shim hides what it includes. */
#ifndef SPE_DECODER_COUNTER_H
#define SPE_DECODER_COUNTER_H

#include <stdint.h>

/* < 0 if this machine does not count them */
int counter_open(void);

/* 0 if there is no counter */
uint64_t counter_read(int counter);

#endif /* SPE_DECODER_COUNTER_H */
