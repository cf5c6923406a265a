// SPDX-License-Identifier: GPL-2.0
#include "samples.h"

#include <endian.h>
#include <string.h>

#include "op.h"
#include "util.h"

/* --- packets -------------------------------------------------------------------- */

static uint64_t get(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return le64toh(v);
}

struct reader {
	void (*fn)(const struct sample *s, void *arg);
	void *arg;
	char *err;
	size_t records;
};

static bool bad(struct reader *r, const char *what, unsigned int value)
{
	return nn_err(r->err, "record %zu: %s 0x%x\n  Not what perf record -e arm_spe_0// writes", r->records,
		      what, value);
}

/* An address packet's top byte says other things. */
static uint64_t virtual_address(uint64_t payload)
{
	return (uint64_t)((int64_t)(payload << 8) >> 8);
}

static bool put(struct reader *r, struct sample *s, bool has_op, bool has_pc)
{
	if (!has_op || !has_pc)
		return bad(r, "it ends without", has_op ? 0xb0 : 0x48);
	r->fn(s, r->arg);
	r->records++;
	return true;
}

/* The records in a piece of the buffer; none continues in the next piece. */
static bool read_records(struct reader *r, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;
	bool has_op = false, has_pc = false;
	struct sample s = { 0 };

	while (p < end) {
		uint8_t header = *p++, index = header & 7;
		size_t size = 1u << (header >> 4 & 3);
		uint64_t v;

		if (header == 0x00 && !has_op && !has_pc)
			continue;		/* between records */
		if (header == 0x01) {
			size = 0;
		} else if ((header & 0xfc) == 0x20) {
			if (p == end)
				return bad(r, "it is cut after", header);
			index |= (header & 3) << 3 | (*p & 7);
			header = *p++;
			size = 1u << (header >> 4 & 3);
		}
		if ((size_t)(end - p) < size)
			return bad(r, "it is cut in packet", header);
		v = get(p, size);
		p += size;
		if (header == 0x01 || header == 0x71) {		/* end, time */
			s.has_time = header == 0x71;
			s.time = v;
			if (!put(r, &s, has_op, has_pc))
				return false;
			has_op = has_pc = false;
			s = (struct sample){ 0 };
		} else if ((header & 0xf8) == 0xb0) {		/* address */
			if (index == 0) {
				has_pc = true;
				s.kernel = v >> 61 & 3;
			} else if (index == 2) {
				s.has_va = true;
				s.va = virtual_address(v);
			}
		} else if ((header & 0xfc) == 0x48) {		/* operation type */
			has_op = true;
			s.op = op_of_packet(header & 3, v);
		} else if ((header & 0xcf) != 0x42 &&		/* events */
			   (header & 0xcf) != 0x43 &&		/* data source */
			   (header & 0xfc) != 0x64 &&		/* context */
			   (header & 0xf8) != 0x98) {		/* counter */
			return bad(r, "unknown packet", header);
		}
	}
	return has_op || has_pc ? bad(r, "it has no end, nor does the piece", 0) : true;
}

/* --- the file ------------------------------------------------------------------- */

#define MAGIC			"PERFILE2"
#define DATA_AT			40	/* offset and size of what was recorded, in the header */
#define RECORD_AUX		11
#define RECORD_AUXTRACE		71
#define AUX_FLAGS_AT		24
#define AUX_LOST		(1 | 4 | 8)	/* truncated, partial, collision */
#define AUXTRACE_SIZE_AT	8

bool samples_read(const uint8_t *file, size_t len, void (*fn)(const struct sample *s, void *arg), void *arg,
		  char *err)
{
	struct reader r = { .fn = fn, .arg = arg, .err = err };
	uint64_t at, end;

	if (len < DATA_AT + 16 || memcmp(file, MAGIC, 8))
		return nn_err(err, "no file of perf record\n  It begins with " MAGIC);
	at = get(file + DATA_AT, 8);
	end = get(file + DATA_AT + 8, 8);
	if (at > len || end > len - at)
		return nn_err(err, "the file of perf record ends too early, after %zu bytes", len);
	end += at;
	while (at < end) {
		const uint8_t *p = file + at;
		uint64_t size = end - at < 8 ? 0 : get(p + 6, 2);
		uint32_t type = size ? get(p, 4) : 0;
		uint64_t data;

		if (size < 8 || size > end - at)
			return nn_err(err, "the file of perf record is damaged at byte %zu", (size_t)at);
		at += size;
		if (type == RECORD_AUX && size >= AUX_FLAGS_AT + 8 && get(p + AUX_FLAGS_AT, 8) & AUX_LOST)
			return nn_err(err, "samples were lost (flags 0x%x)\n  Take a larger buffer: perf record -m ,16M",
				      (unsigned int)get(p + AUX_FLAGS_AT, 8));
		if (type != RECORD_AUXTRACE)
			continue;
		data = size >= AUXTRACE_SIZE_AT + 8 ? get(p + AUXTRACE_SIZE_AT, 8) : UINT64_MAX;
		if (data > end - at)
			return nn_err(err, "the file of perf record is damaged at byte %zu", (size_t)at);
		if (!read_records(&r, file + at, data))
			return false;
		at += data;
	}
	return true;
}
