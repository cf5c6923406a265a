// SPDX-License-Identifier: GPL-2.0
/* The decoder of the perf tool, as compiled from the base kernel's sources. */
#include <stdlib.h>

#include "arm-spe-decoder/arm-spe-decoder.h"
#include "theirs.h"

struct theirs {
	struct arm_spe_decoder *decoder;
	const uint8_t *buf;	/* not yet given to the decoder */
	size_t len;
	const uint8_t *at;	/* where the packets of the next record begin */
	const uint8_t *end;
};

static int get_trace(struct arm_spe_buffer *b, void *data)
{
	struct theirs *t = data;

	b->buf = t->buf;
	b->len = t->len;
	t->len = 0;
	return b->len != 0;
}

struct theirs *theirs_new(void)
{
	struct theirs *t = calloc(1, sizeof(*t));
	struct arm_spe_params params = { .get_trace = get_trace, .data = t };

	if (!t)
		return NULL;
	t->decoder = arm_spe_decoder_new(&params);
	if (!t->decoder) {
		free(t);
		return NULL;
	}
	return t;
}

void theirs_free(struct theirs *t)
{
	arm_spe_decoder_free(t->decoder);
	free(t);
}

void theirs_feed(struct theirs *t, const uint8_t *buf, size_t len)
{
	t->buf = buf;
	t->len = len;
	t->decoder->len = 0;
	t->at = buf;
	t->end = buf + len;
}

/* The latencies that the perf tool's records leave out, from its packets. */
static void latencies(struct theirs *t, struct their_record *rec)
{
	struct arm_spe_pkt packet;
	int len;

	while (t->at < t->end) {
		len = arm_spe_get_packet(t->at, t->end - t->at, &packet, 0);
		if (len <= 0)
			return;
		t->at += len;
		if (packet.type == ARM_SPE_COUNTER && packet.index == SPE_CNT_PKT_HDR_INDEX_ISSUE_LAT)
			rec->lat_issue = packet.payload;
		if (packet.type == ARM_SPE_COUNTER && packet.index == SPE_CNT_PKT_HDR_INDEX_TRANS_LAT)
			rec->lat_xlat = packet.payload;
		if (packet.type == ARM_SPE_END || packet.type == ARM_SPE_TIMESTAMP)
			return;
	}
}

int theirs_next(struct theirs *t, struct their_record *rec)
{
	const struct arm_spe_record *r = &t->decoder->record;
	int ret = arm_spe_decode(t->decoder);

	if (ret <= 0)
		return ret;
	*rec = (struct their_record) {
		.va = r->virt_addr,
		.pa = r->phys_addr,
		.pc = r->from_ip,
		.events = r->type,
		.timestamp = r->timestamp,
		.context = r->context_id,
		.latency = r->latency,
		.source = r->source,
		.ldst = r->op & ARM_SPE_OP_LDST,
		.branch = r->op & ARM_SPE_OP_BRANCH_ERET,
		.load = r->op & ARM_SPE_OP_LDST && r->op & ARM_SPE_OP_LD,
		.store = r->op & ARM_SPE_OP_LDST && r->op & ARM_SPE_OP_ST,
		.atomic = r->op & ARM_SPE_OP_LDST && r->op & ARM_SPE_OP_ATOMIC,
	};
	latencies(t, rec);
	return ret;
}

size_t theirs_count(struct theirs *t, uint64_t *sum)
{
	const struct arm_spe_record *r = &t->decoder->record;
	size_t nr = 0;

	while (arm_spe_decode(t->decoder) > 0) {
		*sum += r->virt_addr + r->phys_addr + r->type + r->latency + r->source;
		nr++;
	}
	return nr;
}
