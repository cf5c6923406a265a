/* SPDX-License-Identifier: GPL-2.0 */
/* The perf tool's decoder says what it does; it is not asked to. */
#define pr_debug(...)	((void)0)
#define pr_warning(...)	((void)0)
#define pr_err(...)	((void)0)
