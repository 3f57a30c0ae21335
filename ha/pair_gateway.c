// The own gateway process: it attaches, tells what HSRP sees, stops when asked; and rule 11, what a
// restarted one may do with SAs that the other box may have used meanwhile.

#include <errno.h>
#include <string.h>

#include "pair_private.h"

#define DOZE_US    20000   // the ring may hold checkpoints of that time
#define DRAIN_US   10000   // it is taken in
#define MUTE_US    100000  // for what waits in the ring and behind it
#define CONFIRM_US 100000  // at least, for the other box to say that the session is unbroken

// ---- edges that did not reach the mirror (rule 20) ---------------------------------------------
// While this process hangs, is gone, or has begun and does not have the gateway process yet, for
// longer than a lease, that one may go on with nobody to take its checkpoints: if it dies too, the
// mirror's edges are older than anybody may go on from.
void pair_awake(struct pair *p, uint64_t now)
{
	uint64_t ran = word_get(p, MIRROR_RAN), term = term_us(p);

	p->now = now;
	if (!p->unattached)
		word_set(p, MIRROR_RAN, now);
	if (now > ran + DOZE_US)
		p->lease_hold = now + DRAIN_US;
	if (ran && term && now > ran + term && role_of(p) == HA_ROLE_ACTIVE) {
		if (!p->mute_from)
			p->mute_from = ran;
		p->mute_to = now;
		p->mute_gone |= p->unattached;
	} else if (role_of(p) != HA_ROLE_ACTIVE) {
		// the other box knows better, or knew: when the role comes back, nothing is missing
		p->mute_from = 0;
		p->mute_gone = false;
	} else if (p->mute_from && p->gw && !p->mute_gone &&
		   now > p->mute_to + 2 * hello_us(p) + MUTE_US) {
		p->mute_from = 0;  // it lives, and has told
	}
}

// The first word in the ring cannot be taken: checkpoints behind it wait.
void pair_stuck_note(struct pair *p, bool stuck)
{
	if (stuck) {
		p->stuck_at = p->stuck_at ? p->stuck_at : p->now;
		return;
	}
	if (pair_stuck(p))
		p->lease_hold = p->now + DRAIN_US;
	p->stuck_at = 0;
}

// For longer than a nap that costs no lease.
bool pair_stuck(const struct pair *p)
{
	return p->stuck_at && p->now > p->stuck_at + DOZE_US;
}

// The gateway process has died, or the other box asks in its place.
void pair_mute_look(struct pair *p)
{
	uint64_t sent = word_get(p, MIRROR_HELLO_SENT);

	if (!p->mute_from || role_of(p) != HA_ROLE_ACTIVE)
		return;
	// without this process it stamps nothing; it may have run until its next hello
	if (p->mute_gone || sent == 0 || sent + hello_us(p) > p->mute_from + term_us(p))
		taint_all(p, "checkpoints of the gateway process are missing");
	p->mute_from = 0;
	p->mute_gone = false;
	word_set(p, MIRROR_RAN, p->now);
}

// There it is, or it is known to be gone: from here on its ring is read.
static void attached_note(struct pair *p)
{
	p->unattached = p->untold = false;
	word_set(p, MIRROR_RAN, p->now);
}

// Rule 4 made it larger before it attached; 255 stays 255, then its life is not a new one (rule 1:
// stop sending on those SAs).
// The number is the one that the process says: its word may have waited in the ring until it was
// gone and others had raised the mirror's again.
static void restart_check(struct pair *p, uint64_t life)
{
	uint64_t now = mirror_life(p->m, p->group), seen = word_get(p, MIRROR_RESTART_SEEN);
	uint64_t restart = (life ? life : now) & UINT8_MAX;

	if (life && life >> 8 != now >> 8)
		return;  // of before the join number rose: not in this life
	if (restart + 1 > seen) {
		word_set(p, MIRROR_RESTART_SEEN, restart + 1);
		return;
	}
	if (restart < UINT8_MAX)
		invariant_broken(p, 2, "the restart number was not raised");
	taint_all(p, "the restart number is used up");
}

// Role active in the mirror, but this gateway process does not work: on with it, if the other box
// has not gone on in its place.
void reactivate(struct pair *p)
{
	p->confirmed = false;
	p->confirm_until = 0;
	activate_begin(p);
	sweep_begin(p, RAISE_STEP);
	reset_begin(p);
	p->recheck = true;
	if (!protected_now(p) || !silent_too_long(p))
		return;
	if (p->in_session) {
		p->confirm_until = p->now + (claim_us(p) > CONFIRM_US ? claim_us(p) : CONFIRM_US);
		p->activate = false;
		return;
	}
	p->recheck = false;
	taint_all(p, "the other box may have gone on meanwhile");
}

void confirm_look(struct pair *p)
{
	if (!p->confirm_until || (!p->confirmed && p->in_session && p->now < p->confirm_until))
		return;
	p->confirm_until = 0;
	if (role_of(p) != HA_ROLE_ACTIVE)
		return;
	if (!p->confirmed || !p->in_session)
		taint_all(p, "the other box may have gone on meanwhile");
	activate_begin(p);
	sweep_begin(p, RAISE_STEP);
}

void attach_word(struct pair *p, const struct ha_word *w)
{
	enum ha_role_kind role = role_of(p);

	if (p->gw)
		pair_gateway_lost(p, p->now);  // nobody has said so
	attached_note(p);
	p->gw = true;
	p->attached_at = p->now;
	p->told_ever = false;
	p->owed = 0;
	p->begun = 0;
	ids_clear(&p->dirty);
	p->applied_seq = p->applied_seq_told = p->seq = 0;
	p->gate_count = 0;
	// its predecessor may have used all that the one word allowed
	raising_settle(p);
	if (raising(p))
		sweep_begin(p, 0);
	feed_begin(p);
	p->untold = w->b != HA_ROLE_NONE;
	if (w->b == HA_ROLE_NONE && role != HA_ROLE_NONE) {
		restart_check(p, w->a);
		pair_mute_look(p);
	}
	// its standby process began to give way before it had heard of it
	if (w->b == HA_ROLE_ACTIVE && role == HA_ROLE_ACTIVE && p->yield) {
		p->working = false;
		word_owe(p, OWED_YIELD);
		return;
	}
	if (w->b == HA_ROLE_ACTIVE && role == HA_ROLE_ACTIVE) {
		p->working = true;
		p->self_seen = true;
		// it has not heard that the role was away and came back: it will stop, and ask
		if (w->id != word_get(p, MIRROR_TENURE)) {
			activate_again(p);
			return;
		}
		// it may not have heard of the merge before our predecessor died with the ring
		p->retell = word_get(p, MIRROR_MERGED) != 0;
		return;
	}
	p->working = p->retell = false;
	word_set(p, MIRROR_MERGED, 0);
	// it works with SAs of a state that is gone (rule 5), or of one that counts no more
	if (w->b != HA_ROLE_NONE && role == HA_ROLE_NONE)
		word_owe(p, OWED_CLEAR);
	// one that has stopped by itself asks when HSRP wants it to work
	if (role == HA_ROLE_ACTIVE && w->b == HA_ROLE_NONE && !p->yield)
		reactivate(p);
}

void hello_word(struct pair *p, const struct ha_word *w)
{
	struct ha_hello h;

	if (w->len != sizeof(h))
		return;
	memcpy(&h, w->payload, sizeof(h));
	uint64_t term = term_us(p);
	bool anew =
		h.priority != p->hello.priority || memcmp(h.own, p->hello.own, sizeof(h.own)) != 0;
	p->hello = h;
	if (h.hold_ms)
		word_set(p, MIRROR_HOLD_US, (uint64_t)h.hold_ms * 1000);
	if (h.hello_ms)
		word_set(p, MIRROR_HELLO_US, (uint64_t)h.hello_ms * 1000);
	lease_shorten(p);
	if (term_us(p) != term)
		p->ping_at = 0;  // no lease counts before the other box has heard of it
	if (h.self_active)
		p->self_seen = true;
	// somebody is active after all: what was claimed is void
	if (h.other_active && p->claim && role_of(p) == HA_ROLE_STANDBY) {
		claim_void(p);
		p->refusal = HA_REFUSED_ACTIVE;
		word_owe(p, OWED_REFUSED);
	}
	if (anew && p->link)
		p->hello_owed = true;
}

// Unasked: it lost the active role in HSRP, the other box may be active. As after a crash: the role
// stays, so that our counters go to the other box before anybody uses the SAs again (rule 16).
static void stopped_unasked(struct pair *p)
{
	if (role_of(p) != HA_ROLE_ACTIVE || p->activate)
		return;
	p->working = false;
	sweep_off(p);
	event_say(p, "stopped: not active in HSRP");
	p->hello_owed = p->link;
	claim_acked(p);
}

void stopped_word(struct pair *p, const struct ha_word *w)
{
	if (w->a) {
		feed_begin(p);
		p->nexts = 0;  // told late, of an earlier time
	}
	if (w->b != p->begun)
		return;  // it goes on when it hears the word that this one has crossed
	if (p->plan == PLAN_STOPPING)
		plan_stopped(p);
	else if (p->yield == YIELD_STOPPING)
		yield_stopped(p);
	else
		stopped_unasked(p);
}

void pair_gateway_lost(struct pair *p, uint64_t now)
{
	pair_awake(p, now);
	pair_mute_look(p);
	attached_note(p);
	p->stuck_at = 0;
	p->gw = p->working = p->activate = false;
	p->confirm_until = 0;
	p->feeding = p->feed_end_owed = p->resetting = false;
	p->owed = 0;
	sweep_off(p);
	ids_clear(&p->dirty);
	claim_void(p);
	if (p->plan == PLAN_OFFERED || p->plan == PLAN_STOPPING)
		plan_off(p, "the gateway process is gone");
	if (p->yield == YIELD_STOPPING)
		yield_stopped(p);  // dead workers have stopped
	if (p->link)
		p->hello_owed = true;
	(void)pair_pump(p);
}
