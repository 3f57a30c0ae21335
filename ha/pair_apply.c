// Records of the active box, applied in the order of their numbers (rule 17): mirror first, then
// the own gateway process, then the acknowledgement.

#include "pair_private.h"

static void upsert(struct pair *p, const struct pair_msg *m)
{
	struct rbuf it = m->body;
	struct ha_sa sa, now;

	while (pair_msg_record(m, &it, &sa)) {
		if (p->gone[sa.id % GONE_MAX] == sa.id)
			invariant_broken(p, 15, "a deleted SA came back");
		if (p->sift)
			(void)ids_add(&p->seen, sa.id, 0, 0);
		int rc = record_put(p, &sa);
		if (rc) {
			record_refused(p, rc);
			continue;
		}
		p->above |= mirror_get(p->m, sa.id, &now) && now.ceiling > sa.ceiling;
		feed_record(p, sa.id);
	}
}

static void raise_all(struct pair *p, const struct pair_msg *m)
{
	struct ha_set sets[HA_BATCH];
	struct rbuf it = m->list;
	struct pair_item item;
	struct outgoing o;
	struct ha_sa sa;
	unsigned n = 0;

	out_begin(p, &o, PAIR_ACK, 0);
	pair_msg_begin(&o.b, &o.m);
	size_t mark = pair_msg_list_begin(&o.b, TLV_LIMITS);
	while (pair_msg_item(m, &it, &item)) {
		record_ceiling(p, item.id, item.value);
		// not in the snapshot yet: it comes with its ceiling
		if (!mirror_get(p->m, item.id, &sa) || sa.group != p->group)
			continue;
		pair_msg_put_item(&o.b, TLV_LIMITS, &item);
		sets[n++] = (struct ha_set){.id = item.id, .next = sa.ceiling + 1, .edge = sa.edge};
		if (n == HA_BATCH) {
			feed_sets(p, sets, n);
			n = 0;
		}
	}
	feed_sets(p, sets, n);
	pair_msg_list_end(&o.b, mark);
	p->count.raises++;
	(void)out_send(p, &o, 0);  // lost: the gateway process asks again
}

static void edges(struct pair *p, const struct pair_msg *m)
{
	struct ha_set sets[HA_BATCH];
	struct rbuf it = m->list;
	struct pair_item item;
	struct ha_sa sa;
	unsigned n = 0;

	while (pair_msg_item(m, &it, &item)) {
		if (!mirror_get(p->m, item.id, &sa) || sa.group != p->group)
			continue;
		mirror_set_edge(p->m, item.id, item.edge);
		uint64_t edge = item.edge > sa.edge ? item.edge : sa.edge;
		// with the ceiling: a gateway process that worked when that came did not take it
		sets[n++] = (struct ha_set){.id = item.id, .next = sa.ceiling + 1, .edge = edge};
		if (n == HA_BATCH) {
			feed_sets(p, sets, n);
			n = 0;
		}
	}
	feed_sets(p, sets, n);
	p->count.checkpoints++;
}

static void taint(struct pair *p, const struct pair_msg *m)
{
	struct rbuf it = m->list;
	struct pair_item item;
	uint64_t cursor = 0;
	struct ha_sa sa;

	if (!(m->has & HAS(TLV_IDS))) {
		while (mirror_next(p->m, p->group, &cursor, &sa))
			mirror_set_taint(p->m, sa.id, m->kind);
		word_owe(p, OWED_TAINT);
		return;
	}
	while (pair_msg_item(m, &it, &item)) {
		mirror_set_taint(p->m, item.id, m->kind);
		feed_record(p, item.id);
	}
}

void applied_send(struct pair *p)
{
	struct outgoing o;

	if (!p->in_session || p->applied_told == p->applied || p->blocked)
		return;
	out_begin(p, &o, PAIR_APPLIED, HAS(TLV_LSN));
	o.m.lsn = p->applied;
	pair_msg_begin(&o.b, &o.m);
	if (out_send(p, &o, 0) == 0)
		p->applied_told = p->applied;
}

static unsigned lsns_of(const struct pair_msg *m)
{
	return m->type == PAIR_UPSERT ? m->records : 1;
}

void record_receive(struct pair *p, const struct pair_msg *m)
{
	struct rbuf it;
	struct pair_item item;

	if (role_of(p) != HA_ROLE_STANDBY || p->wait) {
		p->count.rx_refused++;
		return;
	}
	if (m->lsn != p->applied + 1) {
		p->count.rx_out_of_order++;
		invariant_broken(p, 9, "a record is missing; the state is asked for anew");
		// nothing of this session can be trusted to be complete
		word_set(p, MIRROR_FRESH_UNTIL, 0);
		word_set(p, MIRROR_HOT, 0);
		session_leave(p);
		peer_look(p);
		return;
	}
	switch (m->type) {
	case PAIR_UPSERT: upsert(p, m); break;
	case PAIR_DELETE:
		for (it = m->list; pair_msg_item(m, &it, &item);) {
			(void)record_del(p, item.id);
			p->gone[item.id % GONE_MAX] = item.id;
			feed_delete(p, item.id);
		}
		break;
	case PAIR_RAISE: raise_all(p, m); break;
	case PAIR_CKPT: edges(p, m); break;
	case PAIR_TAINT: taint(p, m); break;
	case PAIR_OFFER: offer_receive(p, m); break;
	case PAIR_SNAP_END: join_end(p); break;
	default: break;
	}
	p->applied += lsns_of(m);
	word_set(p, MIRROR_LSN, p->applied);
	// in bulk one for many; otherwise IKE of the other box waits for it
	if (!p->bulk || p->applied - p->applied_told >= SLICE)
		applied_send(p);
}
