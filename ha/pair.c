// The pair of one redundancy group: its life, what comes in, and time (pair.h). What each message
// and word does is in pair_*.c, by noun.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair_private.h"

#define LIVELOCK_US 10000000  // I13
#define LIVELOCK_N  16

// ---- saying ------------------------------------------------------------------------------------
void event_say(struct pair *p, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	if (!p->observe)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->observe(p->observe_ctx, p->group, text);
}

void invariant_broken(struct pair *p, unsigned invariant, const char *text)
{
	if (p->count.invariant[invariant]++ < 8)
		event_say(p, "I%u: %s", invariant, text);
}

// ---- sessions (rule 14) ------------------------------------------------------------------------
struct pair_session session_of(const struct pair *p)
{
	return (struct pair_session){.lineage = word_get(p, MIRROR_LINEAGE),
				     .number = word_get(p, MIRROR_SESSION)};
}

bool session_is(const struct pair *p, const struct pair_session *s)
{
	return s->number && s->number == word_get(p, MIRROR_SESSION) &&
	       s->lineage == word_get(p, MIRROR_LINEAGE);
}

void session_seen(struct pair *p, uint64_t number)
{
	if (number >> 1 > word_get(p, MIRROR_SESSION_SEEN))
		word_set(p, MIRROR_SESSION_SEEN, number >> 1);
}

void session_new(struct pair *p)
{
	uint64_t counter = word_get(p, MIRROR_SESSION_SEEN), own = word_get(p, MIRROR_SESSION) >> 1;

	counter = (counter > own ? counter : own) + 1;
	word_set(p, MIRROR_SESSION_SEEN, counter);
	word_set(p, MIRROR_SESSION, counter << 1 | word_get(p, MIRROR_SLOT));
	if (p->now >= p->bump_at + LIVELOCK_US) {
		p->bump_at = p->now;
		p->bumps = 0;
	}
	if (++p->bumps == LIVELOCK_N)
		invariant_broken(p, 13, "sessions change without an end");
}

void session_take(struct pair *p, const struct pair_session *s)
{
	session_seen(p, s->number);
	word_set(p, MIRROR_LINEAGE, s->lineage);
	word_set(p, MIRROR_SESSION, s->number);
}

void session_leave(struct pair *p)
{
	p->in_session = p->peer_hot = p->offered = p->claim_held = p->bulk = p->sift = false;
	p->snap = SNAP_NONE;
	ids_clear(&p->edges);
	batch_clear(p);
	p->lease_owed = p->ping_owed = p->state_owed = p->late = false;
	p->sweep_late = p->sweep_again = false;
}

// ---- life --------------------------------------------------------------------------------------
struct pair *pair_create(unsigned group, struct mirror *m, const struct pair_ops *ops, uint64_t now)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->group = group;
	p->m = m;
	p->ops = *ops;
	if (p->ops.sweep == 0 || p->ops.sweep > HA_BATCH)
		p->ops.sweep = HA_BATCH;
	p->now = now;
	p->ops.random(p->ops.ctx, &p->boot, sizeof(p->boot));
	p->unattached = role_of(p) == HA_ROLE_ACTIVE;
	pair_awake(p, now);
	record_sum(p);
	p->was_hot = word_get(p, MIRROR_HOT) != 0;
	// what a predecessor of this process did not finish
	if (word_get(p, MIRROR_TAINT_ALL))
		taint_all(p, "resumed");
	if (word_get(p, MIRROR_YIELD) && role_of(p) == HA_ROLE_ACTIVE)
		taint_all(p, "the other box has had our counters");
	word_set(p, MIRROR_YIELD, 0);
	raising_end(p);
	return p;
}

void pair_destroy(struct pair *p)
{
	if (!p)
		return;
	park_clear(p);
	batch_free(p);
	ids_clear(&p->seen);
	ids_clear(&p->dirty);
	ids_clear(&p->edges);
	free(p->next);
	free(p);
}

void pair_digest(struct pair *p, const uint8_t digest[32])
{
	if (memcmp(p->digest, digest, sizeof(p->digest)) == 0)
		return;
	memcpy(p->digest, digest, sizeof(p->digest));
	p->hello_owed = p->link;
}

void pair_observe(struct pair *p, void (*fn)(void *ctx, unsigned group, const char *text),
		  void *ctx)
{
	p->observe = fn;
	p->observe_ctx = ctx;
}

void pair_role(const struct pair *p, struct ha_role *out)
{
	role_fill(p, out);
}

void pair_get_counters(const struct pair *p, struct pair_counters *out)
{
	*out = p->count;
}

// ---- the association ---------------------------------------------------------------------------
void pair_link(struct pair *p, bool up, uint64_t now)
{
	pair_awake(p, now);
	if (p->link == up)
		return;
	p->link = up;
	p->blocked = p->grant_owed = p->hello_owed = false;
	p->peer = (struct pair_peer){0};
	p->bumps = 0;
	session_leave(p);
	if (up) {
		(void)hello_send(p);
	} else {
		plan_off(p, "the link is down");
		join_link_down(p);
		// nobody to ask any more
		if (p->claim) {
			claim_void(p);
			if (role_of(p) == HA_ROLE_STANDBY)
				take_over(p, NULL);
		}
	}
	(void)pair_pump(p);
}

unsigned pair_message_group(const uint8_t *bytes, size_t len)
{
	struct rbuf b;
	uint8_t version, type;
	uint16_t group;
	uint32_t length;

	rbuf_init(&b, bytes, len);
	if (rbuf_get_u8(&b, &version) || rbuf_get_u8(&b, &type) || rbuf_get_u16(&b, &group) ||
	    rbuf_get_u32(&b, &length) || length != len || group > HA_GROUPS_MAX)
		return 0;
	return group;
}

static void dispatch(struct pair *p, const struct pair_msg *m)
{
	// what belongs to a session and to no other (rule 14)
	static const uint32_t sessional =
		1u << PAIR_SNAP_END | 1u << PAIR_UPSERT | 1u << PAIR_DELETE | 1u << PAIR_TAINT |
		1u << PAIR_APPLIED | 1u << PAIR_RAISE | 1u << PAIR_ACK | 1u << PAIR_CKPT |
		1u << PAIR_PING | 1u << PAIR_LEASE | 1u << PAIR_OFFER | 1u << PAIR_SWITCH;

	if ((sessional >> m->type & 1) && (!p->in_session || !session_is(p, &m->session))) {
		p->count.rx_other_session++;
		return;
	}
	switch (m->type) {
	case PAIR_HELLO: hello_receive(p, m); break;
	case PAIR_JOIN: join_receive(p, m); break;
	case PAIR_STATE: state_receive(p, m); break;
	case PAIR_BUSY: busy_receive(p, m); break;
	case PAIR_SNAP_END:
	case PAIR_UPSERT:
	case PAIR_DELETE:
	case PAIR_TAINT:
	case PAIR_RAISE:
	case PAIR_CKPT:
	case PAIR_OFFER: record_receive(p, m); break;
	case PAIR_APPLIED: applied_receive(p, m); break;
	case PAIR_ACK: ack_receive(p, m); break;
	case PAIR_PING: ping_receive(p, m); break;
	case PAIR_LEASE: lease_receive(p, m); break;
	case PAIR_CLAIM: claim_receive(p, m); break;
	case PAIR_GRANT: grant_receive(p, m); break;
	case PAIR_DENY: deny_receive(p, m); break;
	case PAIR_SWITCH: switch_receive(p, m); break;
	case PAIR_TYPES: break;
	}
}

// Once over an association.
static void version_tell(struct pair *p, uint8_t version)
{
	if (version == 0 || version == p->peer.version)
		return;
	if (p->peer.version == 0)
		event_say(p,
			  "nothing is replicated: the other box speaks version %u of the protocol, "
			  "this "
			  "one version %u",
			  version, PAIR_VERSION);
	p->peer.version = version;
}

int pair_receive(struct pair *p, const uint8_t *bytes, size_t len, uint64_t now)
{
	struct pair_msg m;

	pair_awake(p, now);
	p->count.rx++;
	int rc = pair_msg_decode(bytes, len, &m);
	if (rc == -EBADMSG || (rc == 0 && m.group != p->group)) {
		p->count.rx_malformed++;
		return -EBADMSG;
	}
	if (rc) {
		p->count.rx_release++;
		version_tell(p, rc == -EPROTONOSUPPORT ? bytes[0] : 0);
		return rc;
	}
	if (!p->link || p->left) {
		p->count.rx_refused++;
		return 0;
	}
	dispatch(p, &m);
	(void)pair_pump(p);
	return 0;
}

// ---- the own gateway process -------------------------------------------------------------------
static void leave(struct pair *p)
{
	p->left = true;
	p->working = p->gw = false;
	session_leave(p);
	if (p->link)
		(void)hello_send(p);
}

static int word_take(struct pair *p, const struct ha_word *w)
{
	int rc = 0;

	if (w->type >= HA_UPSERT && w->type <= HA_CHECKPOINT && w->type != HA_RAISE_ALL)
		return park_word(p, w);
	if (w->type == HA_FLUSH)
		return park_word(p, w);
	// in order behind them, but what says nothing of records does not keep checkpoints back
	if (p->parked && w->type != HA_HELLO && w->type != HA_SWITCH)
		return -EAGAIN;
	switch (w->type) {
	case HA_ATTACH: attach_word(p, w); break;
	case HA_HELLO: hello_word(p, w); break;
	case HA_RAISE_ALL:
		if (role_of(p) == HA_ROLE_ACTIVE)
			sweep_begin(p, w->a);
		break;
	case HA_CLAIM: claim_word(p); break;
	case HA_SWITCH: switch_word(p, w); break;
	case HA_STOPPED: stopped_word(p, w); break;
	case HA_NEXT: rc = plan_next(p, w); break;
	case HA_RESYNC: resync_word(p); break;
	case HA_LEAVE: leave(p); return 0;
	default: break;
	}
	(void)pair_pump(p);
	return rc;
}

int pair_word_more(struct pair *p, const struct ha_word *w, uint64_t now)
{
	pair_awake(p, now);
	if (p->left)
		return 0;
	p->batching = true;
	int rc = word_take(p, w);
	p->batching = false;
	pair_stuck_note(p, rc == -EAGAIN);
	return rc;
}

void pair_flush(struct pair *p)
{
	if (!p->blocked)
		(void)batch_flush(p);
}

int pair_word(struct pair *p, const struct ha_word *w, uint64_t now)
{
	int rc = pair_word_more(p, w, now);

	pair_flush(p);
	return rc;
}

// ---- time --------------------------------------------------------------------------------------
static void checks(struct pair *p)
{
	if (p->was_hot && role_of(p) == HA_ROLE_NONE) {
		p->was_hot = false;
		invariant_broken(p, 10, "what was held is gone");
	}
}

bool pair_pump(struct pair *p)
{
	bool more = false;

	confirm_look(p);
	if (p->hello_owed && p->link && !p->blocked)
		(void)hello_send(p);
	lease_pump(p);
	if (p->state_owed && p->link && !p->blocked)
		(void)state_send(p);
	if (!p->state_owed)
		park_pump(p);
	more |= grant_pump(p);
	role_tell(p);
	more |= feed_pump(p);
	more |= snapshot_pump(p);
	more |= join_pump(p);
	more |= yield_pump(p);
	more |= plan_pump(p);
	more |= sweep_pump(p);
	applied_send(p);
	pair_flush(p);
	checks(p);
	role_tell(p);  // what all this has changed
	return more;
}

bool pair_writable(struct pair *p, uint64_t now)
{
	pair_awake(p, now);
	p->blocked = p->blocked_gw = false;
	return pair_pump(p);
}

// Not in one session although the link is there: tell again where this box stands.
static bool apart(const struct pair *p)
{
	return p->link && !p->left && (!p->in_session || !p->peer.known);
}

void pair_tick(struct pair *p, uint64_t now)
{
	pair_awake(p, now);
	if (p->left)
		return;
	join_tick(p);
	claim_tick(p);
	plan_tick(p);
	lease_tick(p);
	if (apart(p) && now >= p->hello_at + HELLO_AGAIN_US) {
		p->hello_owed = true;
		peer_look(p);
	}
	(void)pair_pump(p);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t pair_due(const struct pair *p)
{
	uint64_t due = PAIR_NEVER;

	if (p->left)
		return PAIR_NEVER;
	bool sending = (p->snap == SNAP_RUN && !p->snap_held) || p->yield == YIELD_LISTING ||
		       p->plan == PLAN_STOPPED ||
		       (p->sweep && !p->activate && (!p->blocked_gw || raising(p))) ||
		       p->batch_count;
	bool receiving = p->sift && !p->bulk;
	bool telling = p->gw && !p->blocked_gw &&
		       (p->feeding || p->resetting || p->feed_end_owed || p->owed || p->activate ||
			p->applied_seq != p->applied_seq_told || p->told_late);
	if ((sending && !p->blocked) || receiving || telling)
		return p->now;
	if (ids_count(&p->edges) && !p->blocked && p->snap != SNAP_RUN)
		due = earlier(due, p->edges_at);
	if (p->claim)
		due = earlier(due, p->claim_until);
	if (p->wait)
		due = earlier(due, p->join_at + JOIN_TIMEOUT_US);
	if (p->plan != PLAN_NONE)
		due = earlier(due, p->plan_until);
	if (apart(p))
		due = earlier(due, p->hello_at + HELLO_AGAIN_US);
	if (p->confirm_until)
		due = earlier(due, p->confirm_until);
	if (role_of(p) == HA_ROLE_ACTIVE && p->gw && term_us(p))
		due = earlier(due, p->now + term_us(p) / 4);  // see pair_awake
	if (p->gw && p->told_ever)
		due = earlier(due, p->report_at);
	return earlier(due, lease_due(p));
}
