// Ceilings (rule 7): written in the mirror, then acknowledged by the other box, then the limit
// rises; alone the mirror is enough. At an activation all of them, in slices.

#include <errno.h>

#include "pair_private.h"

static void limit_tell(struct pair *p, uint64_t id, uint64_t lim)
{
	struct ha_word w = {.type = HA_LIMIT, .id = id, .a = lim, .b = p->begun};

	// One that was not told to begin may be at work with old numbers: the words that end that
	// may be unread. Not told, or lost: the gateway process asks again.
	if (p->working)
		(void)word_tell(p, &w);
}

static void limits_tell(struct pair *p, const struct ha_limit *limits, unsigned n)
{
	struct ha_word w = {.type = HA_LIMITS,
			    .b = p->begun,
			    .len = (uint32_t)(n * sizeof(*limits)),
			    .payload = (const uint8_t *)limits};

	if (n && p->working)
		(void)word_tell(p, &w);
}

// Must a limit wait for the other box?
static bool bound(const struct pair *p)
{
	return protected_now(p) && !raising(p);
}

static void list_open(struct pair *p, struct outgoing *o, size_t *mark)
{
	out_begin(p, o, PAIR_RAISE, HAS(TLV_LSN));
	pair_msg_begin(&o->b, &o->m);
	*mark = pair_msg_list_begin(&o->b, TLV_LIMITS);
}

int raise_word(struct pair *p, const struct ha_word *w)
{
	struct outgoing o;
	struct ha_sa sa;
	size_t mark;

	// what the other box has been told of, or is being told now, stays as it is (rule 15)
	if (p->yield > YIELD_STOPPING)
		return 0;
	if (role_of(p) != HA_ROLE_ACTIVE || !mirror_get(p->m, w->id, &sa) || sa.group != p->group)
		return 0;
	if (!p->late)
		lease_pump(p);
	if (p->in_session && p->blocked)
		return -EAGAIN;
	record_ceiling(p, w->id, w->a);
	uint64_t r = w->a > sa.ceiling ? w->a : sa.ceiling;
	p->count.raises++;
	if (p->in_session && p->snap != SNAP_NONE) {
		list_open(p, &o, &mark);
		pair_msg_put_item(&o.b, TLV_LIMITS, &(struct pair_item){.id = w->id, .value = r});
		pair_msg_list_end(&o.b, mark);
		int rc = out_send(p, &o, 1);
		p->late = rc == -EAGAIN;
		if (p->late)
			return rc;
	}
	if (!bound(p))
		limit_tell(p, w->id, r);
	return 0;
}

void ack_receive(struct pair *p, const struct pair_msg *m)
{
	struct ha_limit limits[HA_BATCH];
	struct rbuf it = m->list;
	struct pair_item item;
	struct ha_sa sa;
	unsigned n = 0;

	// while they are being raised the limits were told with the request
	if (!p->in_session || role_of(p) != HA_ROLE_ACTIVE || raising(p))
		return;
	while (pair_msg_item(m, &it, &item)) {
		if (!mirror_get(p->m, item.id, &sa) || sa.group != p->group)
			continue;
		if (item.value > sa.ceiling) {
			invariant_broken(p, 4,
					 "a ceiling was acknowledged that was never asked for");
			continue;
		}
		limits[n++] = (struct ha_limit){.id = item.id, .lim = item.value};
		if (n == HA_BATCH) {
			limits_tell(p, limits, n);
			n = 0;
		}
	}
	limits_tell(p, limits, n);
}

// ---- all of them ------------------------------------------------------------------------------
void sweep_begin(struct pair *p, uint64_t step)
{
	step = step > raising(p) ? step : raising(p);
	// a sweep under way that raises goes on raising, from the start
	p->sweep_step = p->sweep && p->sweep_step > step ? p->sweep_step : step;
	p->sweep = true;
	p->sweep_cursor = 0;
	p->sweep_again |= p->sweep_late;
}

// What it may have used goes on being told, and what is in the mirror without having been sent: a
// lease must not leave before.
void sweep_off(struct pair *p)
{
	p->sweep = raising(p) != 0;
	if (p->sweep || !p->sweep_late)
		return;
	sweep_begin(p, 0);
	p->sweep_step = 0;
}

// Those that the sweep has passed rise once more: no harm.
void raising_settle(struct pair *p)
{
	uint64_t cursor = 0, step = raising(p);
	struct ha_sa sa;

	while (step && mirror_next(p->m, p->group, &cursor, &sa)) {
		if (sa.kind == HA_CHILD_SA)
			record_ceiling(p, sa.id, sa.ceiling + step);
	}
}

void raising_end(struct pair *p)
{
	raising_settle(p);
	word_set(p, MIRROR_RAISING, 0);
}

static void sweep_done(struct pair *p)
{
	p->sweep = p->sweep_late = p->sweep_again = p->snap_held = false;
	if (!raising(p))
		return;
	word_set(p, MIRROR_RAISING, 0);
	p->session_at = p->now;  // from now on it gets leases
	claim_acked(p);
}

// A batch: 1 more, 0 done, -EAGAIN.
static int sweep_batch(struct pair *p)
{
	uint64_t cursor = p->sweep_cursor;
	struct ha_limit limits[HA_BATCH];
	bool session = p->in_session && p->snap != SNAP_NONE;
	struct outgoing o;
	struct ha_sa sa;
	size_t mark = 0;
	unsigned n = 0;

	if (session)
		list_open(p, &o, &mark);
	while (n < p->ops.sweep && mirror_next(p->m, p->group, &cursor, &sa)) {
		// one that is tainted meanwhile may have used what it was given
		if ((sa.taint && !raising(p) && !p->sweep_again) || sa.kind != HA_CHILD_SA)
			continue;
		uint64_t r = sa.ceiling + p->sweep_step;
		record_ceiling(p, sa.id, r);
		limits[n++] = (struct ha_limit){.id = sa.id, .lim = r};
		if (session)
			pair_msg_put_item(&o.b, TLV_LIMITS,
					  &(struct pair_item){.id = sa.id, .value = r});
	}
	if (n == 0)
		return 0;
	if (session) {
		pair_msg_list_end(&o.b, mark);
		int rc = out_send(p, &o, 1);
		p->sweep_late = rc == -EAGAIN || p->sweep_again;
		if (rc)
			return rc;
	}
	if (!bound(p) && p->working) {
		struct ha_word w = {.type = HA_LIMITS,
				    .b = p->begun,
				    .len = (uint32_t)(n * sizeof(limits[0])),
				    .payload = (const uint8_t *)limits};
		// it knows already how far they may go: it need not be told twice
		if (word_tell(p, &w) == -EAGAIN && !raising(p))
			return -EAGAIN;
	}
	p->sweep_cursor = cursor;
	return 1;
}

bool sweep_pump(struct pair *p)
{
	if (!p->sweep || p->activate || (p->in_session && p->blocked))
		return false;
	if (role_of(p) != HA_ROLE_ACTIVE || (!p->working && !raising(p) && !p->sweep_late)) {
		p->sweep = false;
		return false;
	}
	// few at a time: the first ones wait for an answer, and packets for them
	for (int i = 0; i < 4; i++) {
		int rc = sweep_batch(p);
		if (rc < 0)
			return false;
		if (rc == 0) {
			sweep_done(p);
			return false;
		}
	}
	return true;
}
