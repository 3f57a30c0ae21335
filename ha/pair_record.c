// Records: what the own gateway process tells of its SAs goes into the mirror and, in a session, as
// numbered messages to the other box; and the gate that opens with their acknowledgement.

#include <errno.h>
#include <string.h>

#include "pair_private.h"

// ---- the mirror, with count and sum of ceilings kept (I5) --------------------------------------
int record_put(struct pair *p, const struct ha_sa *sa)
{
	struct ha_sa old, now;
	bool there = mirror_get(p->m, sa->id, &old);

	if (there && old.group != p->group)
		return -EINVAL;
	uint64_t before = there ? old.ceiling : 0;
	int rc = mirror_put(p->m, sa);
	if (rc || !mirror_get(p->m, sa->id, &now))
		return rc ? rc : -EIO;
	p->records += !there;
	p->ceilings += now.ceiling - before;
	return 0;
}

// Said once a second at most: a full mirror refuses every new SA. It is not replicated then, and
// a standby whose copy lacks one is never fresh (I5).
void record_refused(struct pair *p, int rc)
{
	struct mirror_counts c;

	if (p->refused_at && p->now < p->refused_at + REPORT_US)
		return;
	p->refused_at = p->now;
	mirror_count(p->m, p->group, &c);
	if (rc == -ENOSPC)
		event_say(p, "the SA mirror is full (%ju of %ju MiB): new SAs are not replicated",
			  (uintmax_t)(c.bytes_used >> 20), (uintmax_t)(c.bytes_max >> 20));
	else
		event_say(p, "an SA cannot be kept in the mirror: %s", strerror(-rc));
}

int record_del(struct pair *p, uint64_t id)
{
	struct ha_sa old;

	if (!mirror_get(p->m, id, &old) || old.group != p->group)
		return -ENOENT;
	p->records--;
	p->ceilings -= old.ceiling;
	p->gone[id % GONE_MAX] = id;
	return mirror_del(p->m, id);
}

void record_ceiling(struct pair *p, uint64_t id, uint64_t r)
{
	struct ha_sa old;

	if (!mirror_get(p->m, id, &old) || old.group != p->group || r <= old.ceiling)
		return;
	p->ceilings += r - old.ceiling;
	mirror_set_ceiling(p->m, id, r);
}

void record_sum(struct pair *p)
{
	uint64_t cursor = 0;
	struct ha_sa sa;

	p->records = p->ceilings = 0;
	while (mirror_next(p->m, p->group, &cursor, &sa)) {
		p->records++;
		p->ceilings += sa.ceiling;
	}
}

// ---- the gate (rules 7, 18) --------------------------------------------------------------------
void gate_note(struct pair *p, uint64_t seq)
{
	if (seq)
		p->seq = seq;
	if (!protected_now(p)) {
		p->applied_seq = p->seq;
		return;
	}
	if (!seq)
		return;
	// no session: it opens when we go on alone, or a snapshot begins
	uint64_t lsn = p->in_session ? p->made : UINT64_MAX;
	if (p->in_session && p->acked >= lsn && p->gate_count == 0) {
		p->applied_seq = seq;
		return;
	}
	uint32_t at = (p->gate_first + p->gate_count) % GATE_MAX;
	if (p->gate_count == GATE_MAX)  // the last one waits a little longer then
		at = (at + GATE_MAX - 1) % GATE_MAX;
	else
		p->gate_count++;
	p->gate[at] = (struct pair_gate){.seq = seq, .lsn = lsn};
}

void gate_acked(struct pair *p)
{
	while (p->gate_count && p->gate[p->gate_first].lsn <= p->acked) {
		p->applied_seq = p->gate[p->gate_first].seq;
		p->gate_first = (p->gate_first + 1) % GATE_MAX;
		p->gate_count--;
	}
}

void gate_open_all(struct pair *p)
{
	p->gate_count = 0;
	p->applied_seq = p->seq;
}

void applied_receive(struct pair *p, const struct pair_msg *m)
{
	if (!p->in_session || p->snap == SNAP_NONE)
		return;
	if (m->lsn > p->made) {
		p->count.rx_refused++;
		return;
	}
	if (m->lsn > p->acked)
		p->acked = m->lsn;
	if (p->snap == SNAP_SENT && !p->peer_hot && p->acked >= p->snap_end) {
		p->peer_hot = true;
		event_say(p, "the other box holds everything");
	}
	gate_acked(p);
	plan_acked(p);
	claim_acked(p);
}

// ---- words --------------------------------------------------------------------------------------
static int upsert(struct pair *p, const struct ha_word *w)
{
	struct ha_sa sa = w->sa, old;

	sa.group = (uint16_t)p->group;
	// taint ends with the SA or by rule 16, not because the gateway had not heard of it yet
	if (mirror_get(p->m, sa.id, &old))
		sa.taint |= old.taint;
	int rc = record_put(p, &sa);
	if (rc) {
		record_refused(p, rc);
		return 0;
	}
	if (!p->in_session || p->snap == SNAP_NONE || !mirror_get(p->m, sa.id, &sa))
		return 0;
	return batch_add(p, &sa);
}

static int delete (struct pair *p, uint64_t id)
{
	struct outgoing o;

	(void)record_del(p, id);
	if (!p->in_session || p->snap == SNAP_NONE)
		return 0;
	out_begin(p, &o, PAIR_DELETE, HAS(TLV_LSN));
	pair_msg_begin(&o.b, &o.m);
	size_t mark = pair_msg_list_begin(&o.b, TLV_IDS);
	pair_msg_put_item(&o.b, TLV_IDS, &(struct pair_item){.id = id});
	pair_msg_list_end(&o.b, mark);
	return out_send(p, &o, 1);
}

// ---- checkpoints (rule 20) ---------------------------------------------------------------------
static void edge_tell(struct pair *p, uint64_t id)
{
	struct ha_sa sa;

	if (!mirror_get(p->m, id, &sa) || sa.group != p->group)
		return;
	feed_sets(p, &(struct ha_set){.id = id, .next = sa.ceiling + 1, .edge = sa.edge}, 1);
}

// Never held up by a busy link: only the latest of each SA goes out, many in one message.
static int checkpoint(struct pair *p, uint64_t id, uint64_t edge)
{
	// also of a gateway process that has not heard yet that the role went away: should it
	// come back, this box knows at least what it has accepted itself
	if (mirror_set_edge(p->m, id, edge))
		return 0;
	if (role_of(p) != HA_ROLE_ACTIVE) {
		edge_tell(p, id);
		return 0;
	}
	p->count.checkpoints++;
	if (p->in_session && p->snap != SNAP_NONE) {
		if (ids_count(&p->edges) == 0)
			p->edges_at = p->now + 1000;
		(void)ids_add(&p->edges, id, edge, 0);
	}
	return 0;
}

void edges_pump(struct pair *p)
{
	struct ids_item item;
	struct outgoing o;

	// Nobody can take over with half a snapshot: what moves meanwhile goes behind it, once.
	if (p->snap == SNAP_RUN)
		return;
	while (ids_count(&p->edges) && p->in_session && !p->blocked) {
		out_begin(p, &o, PAIR_CKPT, HAS(TLV_LSN));
		pair_msg_begin(&o.b, &o.m);
		size_t mark = pair_msg_list_begin(&o.b, TLV_EDGES);
		uint32_t n = 0;
		for (; n < SLICE && ids_at(&p->edges, n, &item); n++)
			pair_msg_put_item(&o.b, TLV_EDGES,
					  &(struct pair_item){.id = item.id, .edge = item.a});
		pair_msg_list_end(&o.b, mark);
		if (out_send(p, &o, 1))
			return;
		while (n--)
			ids_pop(&p->edges);
	}
}

// ---- words of records --------------------------------------------------------------------------
// HA_UPSERT, HA_DELETE, HA_CHECKPOINT, HA_FLUSH. Taken again after -EAGAIN: all of them may be.
int record_word(struct pair *p, const struct ha_word *w)
{
	int rc = 0;

	if (w->type == HA_CHECKPOINT)
		return checkpoint(p, w->id, w->a);
	bool active = role_of(p) == HA_ROLE_ACTIVE;
	if (!active || (w->type != HA_FLUSH && w->b != word_get(p, MIRROR_TENURE))) {
		// of a time when this box was active: the other box's word counts now, or did
		// between that time and this one
		p->count.rx_refused++;
		if (w->type == HA_UPSERT)  // but what it has accepted, it has
			(void)checkpoint(p, w->sa.id, w->sa.edge);
		if (!active)
			gate_note(p, w->seq);
		p->untold &= w->type != HA_FLUSH;
		return 0;
	}
	// a lease that is owed goes before the next record: on a busy link there always is one
	if (!p->late)
		lease_pump(p);
	if (p->in_session && p->blocked)
		return -EAGAIN;
	switch (w->type) {
	case HA_UPSERT: rc = upsert(p, w); break;
	case HA_DELETE: rc = delete (p, w->id); break;
	default: break;
	}
	p->late = rc == -EAGAIN;
	if (p->late)
		return rc;
	// behind everything told anew: it lived through the time without this process
	p->untold &= w->type != HA_FLUSH;
	if (w->type == HA_FLUSH && p->gw) {
		p->mute_gone = false;
		p->mute_from = 0;
	}
	gate_note(p, w->seq);
	return 0;
}
