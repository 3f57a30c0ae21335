// HSRP of a box, as far as hellos, the hold time and the claim gate go.

#include <string.h>

#include "sched.h"

static void hello_tell(struct box *b)
{
	struct ha_hello h = {
		.self_active = b->active,
		.other_active = !b->active && world.now < b->heard + 1000ull * b->hold_ms &&
				b->heard == b->self_at,
		.priority = (uint8_t)b->priority,
		.hello_ms = b->hello_ms,
		.hold_ms = b->hold_ms,
		.own = {10, 0, 0, (uint8_t)(1 + b->n)},
	};

	if (memcmp(&h, &b->told, sizeof(h)) == 0)
		return;
	b->told = h;
	agent_hello(b->agent, &h, world.now);
}

// self_at: when a hello of the other one as active was really heard (heard also moves by refusals).
static void hello_hear(struct box *b, const struct box *from)
{
	if (!b->gateway_up || !world.hears[b->n] || world.now < b->gateway_pause)
		return;
	if (b->active &&
	    (b->priority > from->priority || (b->priority == from->priority && b->n > from->n)))
		return;
	b->heard = b->self_at = world.now;
	b->claiming = false;
	if (!b->active)
		return;
	trace("box %u: HSRP gives way", b->n);
	b->active = false;
	if (b->working)
		agent_lost(b->agent, world.now);
}

static void claim(struct box *b)
{
	hello_tell(b);
	b->claiming = true;
	b->claim_at = world.now;
	agent_claim(b->agent, world.now);
}

void hsrp_step(struct box *b)
{
	uint64_t hold = 1000ull * b->hold_ms + (b->priority > 100 ? 0 : 3000) + 1000ull * b->n;

	if (b->active && world.now >= b->hello_at + 1000ull * b->hello_ms) {
		b->hello_at = world.now;
		if (b->mirror && b->attached)
			mirror_word_set(b->mirror, 1, MIRROR_HELLO_SENT, world.now);
		hello_hear(&world.box[!b->n], b);
	}
	if (!b->active && !b->claiming && world.now >= b->heard + hold && b->attached)
		claim(b);
	if (b->claiming && world.now >= b->claim_at + 1000ull * b->hold_ms / 4) {
		b->claiming = false;
		if (!b->active) {
			b->active = true;
			claim(b);
		}
	}
	// active without work: it asks again
	if (b->active && !b->working && !b->claiming && b->attached && !b->stopping &&
	    world.now >= b->claim_at + hold)
		claim(b);
	hello_tell(b);
}
