// The LAN of hsrp_bed.h.
#include "hsrp_bed.h"

#include <stdlib.h>
#include <string.h>

void bed_init(struct bed *b, uint64_t seed)
{
	memset(b, 0, sizeof(*b));
	b->now = 1000;
	b->random = seed * 0x9e3779b97f4a7c15u + 1;
	b->delay_max_ms = 1;
}

void bed_fini(struct bed *b)
{
	for (unsigned i = 0; i < BED_ROUTERS; i++)
		bed_kill(b, i);
}

uint32_t bed_random(struct bed *b, uint32_t below)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (uint32_t)(b->random >> 32) % below;
}

struct hsrp_conf bed_conf(unsigned i, uint8_t version, uint8_t priority, bool preempt,
			  uint32_t hello_ms, uint32_t hold_ms)
{
	struct hsrp_conf c = {
		.version = version,
		.number = 1,
		.family = 4,
		.virtual_ip = addr_from_v4(0x0a000064),
		.priority = priority,
		.preempt = preempt,
		.timers_set = true,
		.hello_ms = hello_ms,
		.hold_ms = hold_ms,
		.auth = {.kind = HSRP_AUTH_TEXT, .text = "cisco"},
		.local = addr_from_v4(0x0a000001 + i),
		.net = {.addr = addr_from_v4(0x0a000001 + i), .len = 24},
		.bia = {2, 0, 0, 0, 0, (uint8_t)(i + 1)},
	};
	return c;
}

static void flight_add(struct bed *b, unsigned from, unsigned to, const struct hsrp_action *a)
{
	if (b->cut[from][to] || b->mute[from] || bed_random(b, 100) < b->loss_percent)
		return;
	for (unsigned i = 0; i < BED_FLIGHTS; i++) {
		struct bed_flight *f = &b->flight[i];

		if (f->at != 0)
			continue;
		*f = (struct bed_flight){.at = b->now + bed_random(b, b->delay_max_ms + 1),
					 .from = from,
					 .to = to,
					 .len = a->len};
		memcpy(f->bytes, a->bytes, a->len);
		return;
	}
	abort();
}

static void change_add(struct bed *b, struct bed_router *r, const struct hsrp_action *a)
{
	if (r->changes < BED_CHANGES)
		r->change[r->changes] =
			(struct bed_change){b->now, a->old_state, a->new_state, a->event};
	r->changes++;
}

// A question reaches all; whoever lives and is reached answers.
static void asked(struct bed *b, unsigned i)
{
	struct hsrp_actions out = {0};
	bool answer = b->station;

	b->r[i].asked++;
	for (unsigned to = 0; to < BED_ROUTERS; to++)
		answer |= to != i && b->r[to].g && !b->cut[i][to] && !b->cut[to][i] && !b->mute[to];
	if (!answer || b->mute[i])
		return;
	hsrp_group_answered(b->r[i].g, b->now, &out);
	bed_perform(b, i, &out);
}

void bed_perform(struct bed *b, unsigned i, const struct hsrp_actions *out)
{
	struct bed_router *r = &b->r[i];

	if (out->count > 12)
		abort();
	for (unsigned n = 0; n < out->count; n++) {
		const struct hsrp_action *a = &out->list[n];

		if (a->kind == HSRP_DO_STATE)
			change_add(b, r, a);
		if (a->kind == HSRP_DO_ARP)
			r->arps++;
		if (a->kind == HSRP_DO_ASK)
			asked(b, i);
		if (a->kind == HSRP_DO_HEARING) {
			r->hearings++;
			r->hearing = a->hearing;
		}
		if (a->kind != HSRP_DO_SEND)
			continue;
		r->sent[a->op]++;
		b->last[i] = (struct bed_flight){.from = i, .len = a->len};
		memcpy(b->last[i].bytes, a->bytes, a->len);
		for (unsigned to = 0; to < BED_ROUTERS; to++)
			if (to != i && b->r[to].g)
				flight_add(b, i, to, a);
	}
}

void bed_boot(struct bed *b, unsigned i, const struct hsrp_conf *conf)
{
	struct hsrp_actions out = {0};
	struct bed_router *r = &b->r[i];

	*r = (struct bed_router){.conf = *conf};
	r->g = hsrp_group_create(conf, true, b->now);
	if (!r->g)
		abort();
	hsrp_group_link(r->g, true, b->now, &out);
	bed_perform(b, i, &out);
}

void bed_kill(struct bed *b, unsigned i)
{
	hsrp_group_destroy(b->r[i].g);
	b->r[i].g = NULL;
	for (unsigned n = 0; n < BED_FLIGHTS; n++)
		if (b->flight[n].to == i)
			b->flight[n].at = 0;
}

void bed_mark(struct bed *b)
{
	for (unsigned i = 0; i < BED_ROUTERS; i++) {
		b->r[i].changes = b->r[i].arps = b->r[i].asked = b->r[i].hearings = 0;
		memset(b->r[i].sent, 0, sizeof(b->r[i].sent));
	}
}

struct hsrp_msg bed_active_hello(const struct hsrp_conf *conf, uint8_t version, uint8_t priority)
{
	return (struct hsrp_msg){.version = version,
				 .state = HSRP_STATE_ACTIVE,
				 .group = 1,
				 .family = 4,
				 .priority = priority,
				 .hello_ms = 3000,
				 .hold_ms = 10000,
				 .virtual_ip = conf->virtual_ip};
}

enum hsrp_rx bed_inject(struct bed *b, unsigned to, struct ip_addr src, uint8_t ttl,
			const uint8_t *data, size_t len)
{
	struct hsrp_packet p = {.src = src, .ttl = ttl, .data = data, .len = len};
	struct hsrp_actions out = {0};
	enum hsrp_rx rx = hsrp_group_receive(b->r[to].g, &p, b->now, &out);

	bed_perform(b, to, &out);
	return rx;
}

static void deliver(struct bed *b, struct bed_flight *f)
{
	struct bed_flight copy = *f;

	f->at = 0;
	if (b->r[copy.to].g)
		(void)bed_inject(b, copy.to, addr_from_v4(0x0a000001 + copy.from), 1, copy.bytes,
				 copy.len);
}

static struct bed_flight *flight_first(struct bed *b)
{
	struct bed_flight *first = NULL;

	for (unsigned i = 0; i < BED_FLIGHTS; i++) {
		struct bed_flight *f = &b->flight[i];

		if (f->at && !b->r[f->to].frozen && (!first || f->at < first->at))
			first = f;
	}
	return first;
}

void bed_run(struct bed *b, uint64_t ms)
{
	uint64_t end = b->now + ms;

	for (;;) {
		struct bed_flight *f = flight_first(b);
		uint64_t at = f ? f->at : HSRP_NEVER;
		unsigned who = BED_ROUTERS;

		// A timer that is due runs before packets of the same instant: the harder order.
		for (unsigned i = 0; i < BED_ROUTERS; i++) {
			if (b->r[i].g && !b->r[i].frozen && hsrp_group_due(b->r[i].g) <= at) {
				at = hsrp_group_due(b->r[i].g);
				who = i;
			}
		}
		if (at > end)
			break;
		if (at > b->now)
			b->now = at;
		if (who < BED_ROUTERS) {
			struct hsrp_actions out = {0};

			hsrp_group_tick(b->r[who].g, b->now, &out);
			bed_perform(b, who, &out);
		} else {
			deliver(b, f);
		}
	}
	b->now = end;
}

enum hsrp_state bed_state(const struct bed *b, unsigned i)
{
	return b->r[i].g ? b->r[i].g->state : HSRP_STATES;
}

unsigned bed_count(const struct bed *b, enum hsrp_state s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BED_ROUTERS; i++)
		n += bed_state(b, i) == s;
	return n;
}
