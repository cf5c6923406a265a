// SPDX-License-Identifier: GPL-2.0
#include "record.h"

void rec_begin(struct recorder *r, const char *kind)
{
	if (r->text)
		fprintf(r->text, "%s", kind);
	if (r->json)
		fprintf(r->json, "%s\n{\"kind\": \"%s\"", r->json_begun ? "," : "[", kind);
	r->json_begun = true;
}

void rec_str(struct recorder *r, const char *key, const char *val)
{
	if (r->text)
		fprintf(r->text, " %s=%s", key, val);
	if (!r->json)
		return;
	fprintf(r->json, ", \"%s\": \"", key);
	for (; *val; val++) {
		if (*val == '"' || *val == '\\')
			fprintf(r->json, "\\%c", *val);
		else if ((unsigned char)*val < ' ')
			fprintf(r->json, "\\u%04x", *val);
		else
			fputc(*val, r->json);
	}
	fputc('"', r->json);
}

void rec_num(struct recorder *r, const char *key, long long val)
{
	if (r->text)
		fprintf(r->text, " %s=%lld", key, val);
	if (r->json)
		fprintf(r->json, ", \"%s\": %lld", key, val);
}

void rec_real(struct recorder *r, const char *key, double val)
{
	if (r->text)
		fprintf(r->text, " %s=%.3f", key, val);
	if (r->json)
		fprintf(r->json, ", \"%s\": %.3f", key, val);
}

void rec_end(struct recorder *r)
{
	if (r->text)
		fputc('\n', r->text);
	if (r->json)
		fputc('}', r->json);
}

int rec_finish(struct recorder *r)
{
	int bad = 0;

	if (r->json) {
		fprintf(r->json, "%s\n]\n", r->json_begun ? "" : "[");
		bad |= fflush(r->json) || ferror(r->json);
	}
	if (r->text)
		bad |= fflush(r->text) || ferror(r->text);
	return bad ? -1 : 0;
}
