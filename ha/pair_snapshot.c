// The snapshot of a session: every record of the group in slices, increments in between (rule 17),
// SNAP_END behind the last one. Before that leaves, nothing waits for the other box, since it
// cannot be fresh; from then on everything does (rule 18).

#include <errno.h>

#include "pair_private.h"

#define FILL 14000  // bytes of records that are put into one message together

void snapshot_begin(struct pair *p)
{
	p->made = p->acked = 0;
	word_set(p, MIRROR_LSN, 0);
	p->snap = SNAP_RUN;
	p->snap_cursor = p->snap_end = 0;
	p->peer_hot = false;
	p->count.snapshots++;
}

// One message full. 1: sent, 0: there are no more records, or -EAGAIN, -ENOTCONN.
static int batch_send(struct pair *p)
{
	uint64_t cursor = p->snap_cursor, before = cursor;
	struct outgoing o;
	struct ha_sa sa;
	unsigned n = 0;

	out_begin(p, &o, PAIR_UPSERT, HAS(TLV_LSN));
	pair_msg_begin(&o.b, &o.m);
	while (mirror_next(p->m, p->group, &cursor, &sa)) {
		if (n && o.b.len + pair_msg_record_size(&sa) > FILL) {
			cursor = before;
			break;
		}
		pair_msg_put_record(&o.b, &sa);
		before = cursor;
		n++;
	}
	if (n == 0)
		return 0;
	int rc = out_send(p, &o, n);
	if (rc)
		return rc;
	p->snap_cursor = cursor;
	return 1;
}

static void end_send(struct pair *p)
{
	struct outgoing o;

	out_begin(p, &o, PAIR_SNAP_END, HAS(TLV_LSN));
	pair_msg_begin(&o.b, &o.m);
	// it counts as a lease, of a standby that is fresh itself too; protected before it leaves
	lease_note(p);
	if (role_of(p) == HA_ROLE_ACTIVE)
		word_set(p, MIRROR_ALONE, 0);
	p->session_at = p->now;
	if (out_send(p, &o, 1))
		return;
	p->snap = SNAP_SENT;
	p->snap_end = p->made;
}

bool snapshot_pump(struct pair *p)
{
	if (p->snap != SNAP_RUN || !p->in_session || p->state_owed)
		return false;
	for (int i = 0; i < 8; i++) {
		if (p->blocked)
			return false;
		int rc = batch_send(p);
		if (rc < 0)
			return false;
		p->snap_held = rc == 0 && raising(p);
		if (rc == 0) {
			if (!p->snap_held)  // it counts as a lease
				end_send(p);
			return false;
		}
	}
	return true;
}
