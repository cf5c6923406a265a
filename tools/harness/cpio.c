// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cpio.h"

struct archive {
	struct strbuf sb;
	unsigned int inode;
	char **dirs;
	size_t nr_dirs;
};

static void pad4(struct strbuf *sb)
{
	while (sb->len % 4)
		sb_add(sb, "", 1);
}

static void add_entry(struct archive *a, const char *name, unsigned int mode,
		      const char *data, size_t len)
{
	sb_printf(&a->sb, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		  ++a->inode, mode, 0, 0, 1, 0, (unsigned int)len, 0, 0, 0, 0,
		  (unsigned int)strlen(name) + 1, 0);
	sb_add(&a->sb, name, strlen(name) + 1);
	pad4(&a->sb);
	sb_add(&a->sb, data, len);
	pad4(&a->sb);
}

static void add_parents(struct archive *a, const char *name)
{
	const char *slash = name;
	size_t i;

	while ((slash = strchr(slash, '/'))) {
		char *dir = xstrndup(name, slash - name);

		for (i = 0; i < a->nr_dirs; i++)
			if (!strcmp(a->dirs[i], dir))
				break;
		if (i == a->nr_dirs) {
			add_entry(a, dir, S_IFDIR | 0755, "", 0);
			nn_grow(a->dirs, a->nr_dirs);
			a->dirs[a->nr_dirs++] = dir;
		} else {
			free(dir);
		}
		slash++;
	}
}

bool cpio_append(const char *out, const char *const *bases, size_t nr_bases,
		 const struct cpio_file *files, size_t nr, char *err)
{
	struct archive a = { 0 };
	struct strbuf text = { 0 };
	bool ok = true;
	size_t i;

	for (i = 0; ok && i < nr_bases; i++) {
		sb_free(&text);
		if (!read_file(bases[i], &text))
			ok = nn_err(err, "cannot read the initramfs %s: %s", bases[i], strerror(errno));
		else if (!text.len)
			ok = nn_err(err, "the initramfs %s is empty\n  Build it again with tools/guest/mkinitramfs.sh", bases[i]);
		else
			sb_add(&a.sb, text.s, text.len);
		pad4(&a.sb);
	}
	for (i = 0; ok && i < nr; i++) {
		const char *name = files[i].dest + strspn(files[i].dest, "/");
		struct stat st;

		sb_free(&text);
		if (stat(files[i].source, &st) || !read_file(files[i].source, &text)) {
			ok = nn_err(err, "cannot read %s: %s", files[i].source, strerror(errno));
			break;
		}
		if (!*name || name[strlen(name) - 1] == '/') {
			ok = nn_err(err, "'%s' names no file for %s in the guest", files[i].dest, files[i].source);
			break;
		}
		add_parents(&a, name);
		add_entry(&a, name, S_IFREG | 0644 | (st.st_mode & 0111 ? 0111 : 0), text.s, text.len);
	}
	if (ok) {
		a.inode = -1;
		add_entry(&a, "TRAILER!!!", 0, "", 0);
		ok = write_file_atomic(out, a.sb.s, a.sb.len, err);
	}
	for (i = 0; i < a.nr_dirs; i++)
		free(a.dirs[i]);
	free(a.dirs);
	sb_free(&text);
	sb_free(&a.sb);
	return ok;
}
