/* SPDX-License-Identifier: GPL-2.0 */
/* Adds files to an initramfs: the kernel unpacks archives put one after another. */
#ifndef NN_CPIO_H
#define NN_CPIO_H

#include "util.h"

struct cpio_file {
	const char *source;	/* on this machine */
	const char *dest;	/* in the guest; directories on the way are made */
};

/*
 * Writes @out: @bases as they are (compressed or not) and then @files. No
 * timestamps, so that the same input gives the same bytes.
 */
bool cpio_append(const char *out, const char *const *bases, size_t nr_bases,
		 const struct cpio_file *files, size_t nr, char *err);

#endif
