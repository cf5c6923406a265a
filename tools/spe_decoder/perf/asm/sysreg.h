/* SPDX-License-Identifier: GPL-2.0 */
/* Headers use it, the decoder does not. */
#define read_sysreg_s(reg)	0
