// The bed of the replication link's tests: see link_bed.h.
#include "link_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"

struct bed bed;
struct err bed_err;

static uint8_t byte_at(uint32_t seq, unsigned stream, size_t i)
{
	return (uint8_t)(seq * 31 + stream * 7 + i);
}

static void on_up(void *ctx)
{
	struct bed_box *b = ctx;

	b->ups++;
	memset(b->stream, 0, sizeof(b->stream));
}

static void on_down(void *ctx, const char *why)
{
	struct bed_box *b = ctx;

	b->downs++;
	snprintf(b->why, sizeof(b->why), "%s", why);
}

static void on_message(void *ctx, unsigned stream, const uint8_t *bytes, size_t len)
{
	struct bed_box *b = ctx;
	uint32_t seq = 0;

	b->got++;
	if (len >= 4)
		memcpy(&seq, bytes, 4);
	else
		seq = b->stream[stream].got;
	if (seq != b->stream[stream].got)
		b->faults++;
	b->stream[stream].got++;
	for (size_t i = len >= 4 ? 4 : 0; i < len; i++) {
		if (bytes[i] != byte_at(seq, stream, i)) {
			b->faults++;
			break;
		}
	}
}

static void on_writable(void *ctx)
{
	struct bed_box *b = ctx;

	b->writable++;
}

void bed_up(void)
{
	memset(&bed, 0, sizeof(bed));
	log_set_stderr_level(LOG_L_EMERG);
	bed.loop = loop_create(&bed_err);
	assert_non_null(bed.loop);
	wire_up(bed.loop);
}

void bed_stop(unsigned n)
{
	link_destroy(bed.box[n].link);
	bed.box[n].link = NULL;
}

void bed_down(void)
{
	bed_stop(0);
	bed_stop(1);
	wire_down();
	loop_destroy(bed.loop);
}

struct link_params bed_params(unsigned n)
{
	struct link_params p = {
		.security = LINK_PSK,
		.secret = BED_KEY,
		.local = {addr_from_v4(0x0a000001 + n)},
		.remote = {addr_from_v4(0x0a000002 - n)},
		.locals = 1,
		.remotes = 1,
		.local_port = 5000,
		.remote_port = 5000,
		.heartbeat_ms = 200,
	};

	return p;
}

struct link *bed_start(unsigned n, const struct link_params *p)
{
	struct link_params usual = bed_params(n);
	const struct link_ops ops = {.ctx = &bed.box[n],
				     .up = on_up,
				     .down = on_down,
				     .message = on_message,
				     .writable = on_writable};

	memset(&bed.box[n], 0, sizeof(bed.box[n]));
	bed.box[n].link = link_create_on(bed.loop, p ? p : &usual, &ops, &link_wire, &bed_err);
	return bed.box[n].link;
}

void bed_both(void)
{
	assert_non_null(bed_start(1, NULL));
	assert_non_null(bed_start(0, NULL));
	BED_UNTIL(5000, bed.box[0].ups == 1 && bed.box[1].ups == 1);
}

void bed_turn(unsigned ms)
{
	uint64_t end_us = loop_clock_us() + (uint64_t)ms * 1000;

	while (loop_clock_us() < end_us)
		(void)loop_turn(bed.loop, 5);
}

int bed_send(unsigned n, unsigned stream, size_t len)
{
	static uint8_t bytes[LINK_MESSAGE_MAX + 1];
	struct bed_box *b = &bed.box[n];
	uint32_t seq = b->stream[stream].sent;

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(seq, stream, i);
	if (len >= 4)
		memcpy(bytes, &seq, 4);
	int ret = link_send(b->link, stream, bytes, len);

	if (ret == 0)
		b->stream[stream].sent++;
	return ret;
}

struct link_info bed_info(unsigned n)
{
	struct link_info i;

	link_get_info(bed.box[n].link, &i);
	return i;
}
