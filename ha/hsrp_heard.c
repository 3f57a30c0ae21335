// Is this router heard? A line that loses what the active router sends, and carries what it is
// sent, leaves two routers active: the other one missed the hellos, and insists on the role however
// often it is answered with a coup. The active router alone can tell; RFC 2281 has no word for it.
//
// It takes two things before the role is given up: a weaker router that said for longer than a hold
// time that it is active, and nothing else; and no answer, from whatever station, to questions for
// MAC addresses meanwhile. The second makes a replay worthless: as long as one station is heard to
// answer, the line carries both ways. With stamps a message is no replay, and the first is enough.
//
// It does not preempt again before a question was answered and a back-off, which doubles, is over.
#include "hsrp_group.h"

#define WINDOW_MIN_MS   100
#define WORDS_MIN       3     // hellos; one of two in a row may be late
#define TOLD_MS         3000  // what is told by another way is good for so long
#define ASK_GAP_MIN_MS  50
#define ASK_AGAIN_MS    1000
#define BACK_OFF_HOLDS  4
#define BACK_OFF_MIN_MS 1000
#define BACK_OFF_MAX_MS 60000

static void hearing_say(struct hsrp_group *g, enum hsrp_hearing hearing, struct hsrp_actions *out)
{
	struct hsrp_action *a = hsrp_action_add(out, HSRP_DO_HEARING);

	a->hearing = hearing;
	a->peer = g->heard.rival.addr;
}

// Its denials and the next hellos must have had their time.
static uint64_t window_ms(const struct hsrp_group *g)
{
	uint64_t ms = (uint64_t)g->hold_ms + g->hello_ms;

	return ms < WINDOW_MIN_MS ? WINDOW_MIN_MS : ms;
}

static uint32_t back_off_next(const struct hsrp_group *g, uint64_t now)
{
	const struct hsrp_heard *h = &g->heard;
	uint64_t ms = (uint64_t)BACK_OFF_HOLDS * g->hold_ms;

	// Once it has been heard for long, it is another fault.
	if (h->back_off_ms != 0 && now < h->again_at + BACK_OFF_MAX_MS + h->back_off_ms)
		ms = 2ull * h->back_off_ms;
	return (uint32_t)(ms < BACK_OFF_MIN_MS   ? BACK_OFF_MIN_MS
			  : ms > BACK_OFF_MAX_MS ? BACK_OFF_MAX_MS
						 : ms);
}

static void step_down(struct hsrp_group *g, enum hsrp_hearing hearing, uint64_t now,
		      struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;
	struct hsrp_peer rival = h->rival;
	bool told = h->told;

	h->back_off_ms = back_off_next(g, now);
	h->back_off_until = now + h->back_off_ms;
	h->again_at = h->back_off_until;
	h->unheard = true;
	h->ask_due = now + (g->hold_ms < ASK_AGAIN_MS ? g->hold_ms : ASK_AGAIN_MS);
	h->count++;
	hsrp_event(g, HSRP_EVENT_UNHEARD, NULL, false, now, out);
	// The other one is active already, or will be once it is handed the role.
	if (!told)
		g->active = rival;
	g->gave_up_until = now + g->hold_ms;
	hearing_say(g, hearing, out);
}

static void verdict(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;

	h->verdict_due = HSRP_NEVER;
	if (g->state != HSRP_STATE_ACTIVE ||
	    now - h->rival.heard_at > (h->told ? TOLD_MS : g->hold_ms)) {
		hsrp_rival_gone(g, NULL);
	} else if (h->answered_at < h->since) {
		step_down(g, HSRP_HEARD_BY_NONE, now, out);
	} else if (h->told) {
		hsrp_rival_gone(g, NULL);
	} else if (hsrp_stamps(g)) {
		step_down(g, HSRP_HEARD_BY_SOME, now, out);
	} else {
		if (!h->disputing) {
			h->disputed++;
			hearing_say(g, HSRP_HEARD_DISPUTED, out);
		}
		// It may become worse.
		h->disputing = true;
		h->since = now;
		h->verdict_due = now + 2ull * ASK_AGAIN_MS + g->hold_ms;
	}
}

static uint32_t ask_gap_ms(const struct hsrp_group *g)
{
	if (g->heard.since == 0 || g->heard.disputing)
		return ASK_AGAIN_MS;
	return g->hello_ms > ASK_GAP_MIN_MS ? g->hello_ms : ASK_GAP_MIN_MS;
}

static void ask(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	hsrp_action_add(out, HSRP_DO_ASK)->peer = g->heard.rival.addr;
	g->heard.asked_at = now;
	g->heard.ask_due = now + ask_gap_ms(g);
}

static void word(struct hsrp_group *g, bool told, uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;

	h->told = told;
	h->rival.heard_at = now;
	if (h->since == 0) {
		h->since = now;
		// However often somebody makes it look as if it began.
		if (now - h->asked_at >= ask_gap_ms(g))
			ask(g, now, out);
		else
			h->ask_due = h->asked_at + ask_gap_ms(g);
	}
	if (++h->words == (told ? 1 : WORDS_MIN)) {
		uint64_t due = h->since + window_ms(g);
		h->verdict_due = due > now ? due : now;
	}
}

void hsrp_rival_heard(struct hsrp_group *g, const struct hsrp_msg *m, const struct ip_addr *src,
		      uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;

	if (!hsrp_peer_is(&h->rival, src) || now - h->rival.heard_at > g->hold_ms)
		hsrp_rival_gone(g, NULL);
	h->rival.addr = *src;
	h->rival.priority = m->priority;
	h->rival.hello_ms = hsrp_hello_of(g, m);
	word(g, false, now, out);
}

void hsrp_group_missed(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;

	if (g->state != HSRP_STATE_ACTIVE || (h->since != 0 && !h->told))
		return;
	if (now - h->rival.heard_at > TOLD_MS)
		hsrp_rival_gone(g, NULL);
	if (addr_is_set(&g->standby.addr))
		h->rival.addr = g->standby.addr;
	word(g, true, now, out);
}

void hsrp_rival_gone(struct hsrp_group *g, const struct ip_addr *src)
{
	struct hsrp_heard *h = &g->heard;

	// What came by another way is not denied by a hello: it is heard here, not there.
	if (src != NULL && (h->told || !hsrp_peer_is(&h->rival, src)))
		return;
	h->since = 0;
	h->words = 0;
	h->told = h->disputing = false;
	h->verdict_due = HSRP_NEVER;
}

void hsrp_heard_reset(struct hsrp_group *g)
{
	hsrp_rival_gone(g, NULL);
	g->heard.unheard = false;
	g->heard.ask_due = HSRP_NEVER;
}

void hsrp_group_answered(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;

	h->answered_at = now;
	// An answer within the back-off is as good, but who knows what comes until its end.
	if (!h->unheard || now < h->back_off_until)
		return;
	h->unheard = false;
	h->again_at = now;
	hearing_say(g, HSRP_HEARD_AGAIN, out);
	hsrp_preempt_check(g, now, out);
}

void hsrp_heard_tick(struct hsrp_group *g, uint64_t now, struct hsrp_actions *out)
{
	struct hsrp_heard *h = &g->heard;

	if (h->verdict_due <= now)
		verdict(g, now, out);
	if (h->ask_due > now)
		return;
	h->ask_due = HSRP_NEVER;
	// a rival that fell silent before there was a verdict
	if (h->since != 0 && now - h->rival.heard_at > (h->told ? TOLD_MS : g->hold_ms))
		hsrp_rival_gone(g, NULL);
	if (h->since == 0 && !h->unheard)
		return;
	ask(g, now, out);
	if (now < h->back_off_until && h->ask_due > h->back_off_until)
		h->ask_due = h->back_off_until;
}
