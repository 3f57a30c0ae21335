// One box: power, the standby process with its pair, words between its two processes.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pair_msg.h"
#include "sched.h"

size_t box_mirror_bytes(void)
{
	return mirror_min_size() + 256 * 512;
}

// ---- the pair's surroundings -------------------------------------------------------------------
static int op_send(void *ctx, unsigned group, const uint8_t *bytes, size_t len)
{
	struct box *b = ctx;
	int rc = link_put(b, bytes, len);

	if (rc == 0 && bytes[1] == PAIR_JOIN && check_mirror_role(b) == HA_ROLE_ACTIVE)
		edges_listed(b);
	return rc;
}

static int op_tell(void *ctx, const struct ha_word *w)
{
	struct box *b = ctx;

	if (!b->attached)
		return -ENOTCONN;
	if (b->to_gateway.count >= world.ring) {
		b->full_gateway = true;
		return -EAGAIN;
	}
	bool sa = w->type == HA_FEED;
	queue_put(&b->to_gateway, world.now + rnd(300), w, sa ? w->sa.payload : w->payload,
		  sa ? w->sa.len : w->len);
	return 0;
}

static void op_random(void *ctx, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len--)
		*p++ = (uint8_t)rnd(256);
}

static void on_event(void *ctx, unsigned group, const char *text)
{
	struct box *b = ctx;

	trace("box %u: %s", b->n, text);
	bool merge = strstr(text, "split brain is over");
	if (merge)
		check_merged(b);
	if ((merge || strcmp(text, "the other box joins") == 0) &&
	    check_mirror_role(b) == HA_ROLE_ACTIVE)
		edges_served(b, merge);
	// what it has been given is no newer than it was there
	if (strcmp(text, "holds everything") == 0)
		b->stale_copy = world.box[!b->n].stale || world.box[!b->n].stale_copy;
	if (strcmp(text, "the other box holds everything") == 0)
		check_served(b);
	if (strcmp(text, "handed over, standby") == 0)
		edges_handed(b);
	if (strncmp(text, "takes over", 10) == 0)
		edges_taken(b, strstr(text, "handed over"), strstr(text, "has given way"));
	if (strstr(text, "to be renewed") || strstr(text, "may be old"))
		b->stale = true;
	if (text[0] == 'I' && text[1] >= '0' && text[1] <= '9')
		fail("box %u: %s", b->n, text);
}

void box_digest(struct box *b)
{
	static const uint8_t same[32] = "configuration", other[32] = "another configuration";

	pair_digest(b->pair, b->digest_other ? other : same);
}

void standby_start(struct box *b)
{
	struct pair_ops ops = {.ctx = b,
			       .send = op_send,
			       .tell = op_tell,
			       .random = op_random,
			       .sweep = world.sweep};
	struct err err;
	bool made;

	trace("box %u: standby process starts", b->n);
	b->mirror = mirror_attach(b->mem, box_mirror_bytes(), &b->id, &made, &err);
	b->pair = b->mirror ? pair_create(1, b->mirror, &ops, world.now) : NULL;
	if (!b->pair)
		abort();
	b->standby_up = true;
	b->states = 0;
	pair_observe(b->pair, on_event, b);
	box_digest(b);
}

void standby_crash(struct box *b)
{
	trace("box %u: standby process dies", b->n);
	b->lost_owed = false;
	check_forgets(b);
	pair_destroy(b->pair);
	b->pair = NULL;
	b->standby_up = false;
	world.end[b->n] = false;
	gateway_detach(b);
	queue_clear(&b->to_gateway);
	link_break(30000);
	mirror_close(b->mirror);
	b->mirror = NULL;
}

void box_power(struct box *b, bool on)
{
	if (!b->mem)
		b->mem = calloc(1, box_mirror_bytes());
	if (!b->mem)
		abort();
	if (on) {
		trace("box %u: power on", b->n);
		b->up = true;
		b->power++;
		b->boot_at = world.now;
		for (unsigned i = 0; i < sizeof(b->id.boot); i++)
			b->id.boot[i] = (uint8_t)rnd(256);
		b->was_started = false;
		standby_start(b);
		gateway_start(b);
		return;
	}
	trace("box %u: power off", b->n);
	if (b->gateway_up)
		gateway_end(b);
	if (b->standby_up)
		standby_crash(b);
	queue_clear(&b->to_standby);
	b->up = false;
	edges_lost(b);
	world.split = false;
}

// Words of the gateway process reach the pair in order; what it cannot take stays first.
static void words_take(struct box *b)
{
	for (int i = 0; i < 64; i++) {
		struct queued *m = b->to_standby.first;
		if (!m || m->at > world.now)
			return;
		if (m->w.type == HA_UPSERT)
			m->w.sa.payload = m->bytes;
		else
			m->w.payload = m->bytes;
		if (pair_word_more(b->pair, &m->w, world.now) == -EAGAIN)
			return;
		if (m->w.type == HA_ATTACH && !b->attached)
			pair_gateway_lost(b->pair, world.now);
		free(queue_due(&b->to_standby, world.now));
		if (b->full_standby && b->agent) {
			b->full_standby = false;
			if (agent_writable(b->agent, world.now))
				b->full_standby = true;
		}
	}
}

// Records that come together share a message, as in the standby process.
static void words_step(struct box *b)
{
	words_take(b);
	pair_flush(b->pair);
}

static void messages_step(struct box *b)
{
	struct queued *m;

	for (int i = 0; i < 64; i++) {
		if (!world.end[b->n] || !(m = queue_due(&world.to[b->n], world.now)))
			return;
		if (pair_receive(b->pair, m->bytes, m->len, world.now))
			fail("box %u cannot read a message", b->n);
		free(m);
	}
}

// What wakes up finds both the link and the gateway process readable.
static void input_step(struct box *b)
{
	bool link_first = one_in(2);

	if (link_first)
		messages_step(b);
	if (b->lost_owed)
		gateway_lost(b);
	words_step(b);
	if (!link_first)
		messages_step(b);
	if (b->attached && b->to_standby.count == 0)
		b->told_at = world.now - TICK_US;
}

void box_step(struct box *b)
{
	if (b->standby_up && world.now >= b->standby_pause) {
		input_step(b);
		if (b->full_link && world.to[!b->n].count < world.window) {
			b->full_link = false;
			(void)pair_writable(b->pair, world.now);
		}
		if (b->full_gateway && b->to_gateway.count < world.ring) {
			b->full_gateway = false;
			(void)pair_writable(b->pair, world.now);
		}
		if (pair_due(b->pair) <= world.now)
			pair_tick(b->pair, world.now);
	}
	if (b->gateway_up && world.now >= b->gateway_pause)
		gateway_step(b);
}
