/* SPDX-License-Identifier: GPL-2.0 */
/* What both sides of appwatch know. */
#ifndef AW_H
#define AW_H

#define AW_MAX_CPUS	512
#define AW_MAX_WAITS	(1 << 20)
#define AW_MAX_TASKS	4096

#endif
