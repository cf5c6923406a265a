// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

char *symbolize(const char *map, unsigned long long address)
{
	unsigned long long at, best_at = 0;
	const char *p = map, *best = NULL;
	char *end;

	while (p && *p) {
		at = strtoull(p, &end, 16);
		/* "ffff800080010000 T _stext" */
		if (end != p && *end == ' ' && strchr("tTwW", end[1]) && at <= address && at >= best_at) {
			best = end + 3;
			best_at = at;
		}
		p = strchr(p, '\n');
		p += !!p;
	}
	if (!best || address - best_at > 0x100000)
		return NULL;
	return xasprintf("%.*s+0x%llx", (int)strcspn(best, "\n"), best, address - best_at);
}

static char *load_map(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');
	char *path = xasprintf("%.*sSystem.map", slash ? (int)(slash - kernel) + 1 : 0, kernel);
	struct strbuf text = { 0 };
	bool ok = read_file(path, &text);

	free(path);
	if (!ok)
		sb_free(&text);
	return text.s;
}

void dump_registers(struct qemu *q, const char *kernel, struct strbuf *out)
{
	struct strbuf regs = { 0 };
	char *map, *p, *pc, *name;

	if (!qemu_qmp(q, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info registers -a\"}}\n",
		      &regs, 10) || !regs.len) {
		sb_str(out, "QEMU does not answer either.\n");
		sb_free(&regs);
		return;
	}
	map = load_map(kernel);
	for (p = regs.s; map && (pc = strstr(p, "PC=")); p = pc + 3) {
		name = symbolize(map, strtoull(pc + 3, NULL, 16));
		if (name) {
			const char *cpu = NULL, *s = regs.s;

			while ((s = strstr(s, "CPU#")) && s < pc)
				cpu = s++;
			sb_printf(out, "%.*s: %s\n", cpu ? (int)strcspn(cpu, "\r\n") : 3, cpu ? cpu : "CPU", name);
			free(name);
		}
	}
	sb_str(out, "\n");
	for (p = regs.s; *p; p++)
		if (*p != '\r')
			sb_add(out, p, 1);
	free(map);
	sb_free(&regs);
}

void dump_sysrq(struct qemu *q, char key)
{
	/* a break on the serial line, then the key */
	if (qemu_qmp(q, "{\"execute\":\"chardev-send-break\",\"arguments\":{\"id\":\"con\"}}\n", NULL, 5) &&
	    write(q->keyboard, &key, 1) != 1)
		return;
}
