// IKEv1's part of a replicated SA: phase 1 keys and the block that every IV comes from, message ids
// in use, the last message of main mode; and of a quick mode under way what it takes to repeat our
// message bit by bit and to go on with the peer's answer. See sa_state.h.
//
// A quick mode whose public-key work is under way is written as it was before the peer's message
// came: the peer repeats that one.

#include "ikev1/sa_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_sa.h"
#include "rand.h"

#define SETTLE_MS 500
#define REPEAT_MS 500  // requests under way are repeated within that time of a take-over

// ---- writing -----------------------------------------------------------------------------------
static void blob_put(struct wbuf *w, const struct v1_blob *b)
{
	replica_put_bytes(w, b->bytes, b->len);
}

static void secret_put(struct wbuf *w, const struct secret *s)
{
	replica_put_bytes(w, s->bytes, s->len);
}

static void ids_put(const struct v1_sa *v, struct wbuf *w)
{
	size_t at = replica_begin_tlv(w, TLV_V1_IDS);
	const struct v1_exchange *x;

	// Oldest first, so that the reader keeps the newest.
	for (unsigned i = 0; i < V1_IDS; i++) {
		uint32_t id = v->ids[(v->ids_at + i) % V1_IDS];

		if (id)
			wbuf_put_u32(w, id);
	}
	TAILQ_FOREACH (x, &v->exchanges, link)
		wbuf_put_u32(w, x->message_id);
	replica_end_tlv(w, at);
}

static void main_put(const struct v1_exchange *x, struct wbuf *w)
{
	bool done = x->state == V1_DONE;
	size_t at = replica_begin_tlv(w, TLV_V1_MAIN);

	wbuf_put_u8(w, done);
	wbuf_put_u8(w, done && x->rx_known);
	wbuf_put_bytes(w, done ? x->iv : x->iv_tx, sizeof(x->iv));
	wbuf_put_bytes(w, x->rx_hash, sizeof(x->rx_hash));
	blob_put(w, &x->tx);
	blob_put(w, &x->gxi);
	blob_put(w, &x->gxr);
	blob_put(w, &x->sa_body);
	replica_end_tlv(w, at);
}

int v1_state_put(const struct ike_sa *sa, struct wbuf *w)
{
	const struct v1_sa *v = v1_of(sa);
	size_t at = replica_begin_tlv(w, TLV_V1_KEYS);

	secret_put(w, &v->keys.skeyid);
	secret_put(w, &v->keys.skeyid_d);
	secret_put(w, &v->keys.skeyid_a);
	secret_put(w, &v->keys.skeyid_e);
	secret_put(w, &v->keys.key);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_V1_PHASE1);
	wbuf_put_bytes(w, v->last_block, sizeof(v->last_block));
	wbuf_put_u32(w, v->vendors);
	wbuf_put_u32(w, v->natt_vendor);
	wbuf_put_u32(w, v->offered_life_s);
	replica_end_tlv(w, at);
	ids_put(v, w);
	if (v->main && (v->main->state == V1_DONE || v->main->state == V1_MM_I5))
		main_put(v->main, w);
	return wbuf_check(w);
}

static const struct v1_exchange *exchange_of(const struct ike_sa *sa, const struct child_sa *c)
{
	const struct v1_exchange *x;

	TAILQ_FOREACH (x, &v1_of(sa)->exchanges, link)
		if (x->type == ISAKMP_XCHG_QUICK_MODE && x->child == c->id)
			return x;
	return NULL;
}

void v1_child_put(const struct ike_sa *sa, const struct child_sa *c, struct wbuf *w)
{
	const struct v1_exchange *x = exchange_of(sa, c);
	static const struct v1_blob no_blob;
	static const struct secret no_secret;
	enum v1_state state;

	if (!x || (x->state == V1_DONE && x->tx.len == 0))
		return;
	state = x->state == V1_QM_I2_DH ? V1_QM_I1 : x->state;
	if (state != V1_QM_I1 && state != V1_QM_R2 && state != V1_DONE)
		return;
	bool mine = state == V1_QM_I1, live = state != V1_DONE;
	size_t at = replica_begin_tlv(w, TLV_V1_QUICK);

	wbuf_put_u32(w, x->message_id);
	wbuf_put_u8(w, (uint8_t)state);
	wbuf_put_u8(w, x->initiator);
	wbuf_put_u8(w, x->rx_known && !mine);
	wbuf_put_u8(w, x->has_ids);
	wbuf_put_bytes(w, live ? x->iv_tx : x->iv, sizeof(x->iv));
	wbuf_put_bytes(w, x->rx_hash, sizeof(x->rx_hash));
	blob_put(w, &x->tx);
	blob_put(w, live ? &x->ni : &no_blob);
	blob_put(w, live && !mine ? &x->nr : &no_blob);
	blob_put(w, live ? &x->gxi : &no_blob);
	blob_put(w, live && !mine ? &x->gxr : &no_blob);
	secret_put(w, live && !mine ? &x->gxy : &no_secret);
	secret_put(w, mine ? &x->dh_private : &no_secret);
	replica_end_tlv(w, at);
}

// ---- making ------------------------------------------------------------------------------------
static int blob_take(struct v1_blob *b, struct chunk c)
{
	if (c.len)
		return v1_blob_set(b, c.data, c.len);
	v1_blob_clear(b);
	return 0;
}

static int secret_take(struct secret *s, struct chunk c)
{
	if (c.len)
		return secret_set(s, c.data, c.len);
	secret_clear(s);
	return 0;
}

static int keys_take(struct ike_sa *sa, const struct v1_sa_record *r)
{
	struct v1_sa *v = v1_of(sa);
	int rc = secret_take(&v->keys.skeyid, r->skeyid);

	v->keys.hash = sa->suite.hash;
	v->keys.encr = sa->suite.encr;
	v->keys.aes_bits = sa->suite.aes_bits;
	if (rc == 0)
		rc = secret_take(&v->keys.skeyid_d, r->skeyid_d);
	if (rc == 0)
		rc = secret_take(&v->keys.skeyid_a, r->skeyid_a);
	if (rc == 0)
		rc = secret_take(&v->keys.skeyid_e, r->skeyid_e);
	if (rc == 0)
		rc = secret_take(&v->keys.key, r->key);
	memcpy(v->last_block, r->last_block, sizeof(v->last_block));
	v->vendors = r->vendors;
	v->natt_vendor = r->natt_vendor;
	v->offered_life_s = r->offered_life_s;
	return rc;
}

static void ids_take(struct ike_sa *sa, const struct v1_sa_record *r)
{
	struct v1_sa *v = v1_of(sa);
	struct rbuf b;
	uint32_t id;

	memset(v->ids, 0, sizeof(v->ids));
	v->ids_at = 0;
	rbuf_init(&b, r->ids.data, r->ids.len);
	while (rbuf_get_u32(&b, &id) == 0)
		v1_message_id_spend(sa, id);
}

static int main_take(struct ike_sa *sa, const struct v1_sa_record *r)
{
	struct v1_exchange *x = v1_of(sa)->main;
	int rc;

	if (x && !r->has_main) {
		v1_exchange_kill(x);
		return 0;
	}
	if (!r->has_main)
		return 0;
	if (!x)
		x = v1_exchange_create(sa, ISAKMP_XCHG_IDENTITY_PROTECTION, 0, sa->initiator);
	if (!x)
		return -ENOMEM;
	x->state = r->main_done ? V1_DONE : V1_MM_I5;
	x->rx_known = r->rx_known;
	x->tries = 0;
	memcpy(x->iv, r->iv, sizeof(x->iv));
	memcpy(x->iv_tx, r->iv, sizeof(x->iv_tx));
	memcpy(x->rx_hash, r->rx_hash, sizeof(x->rx_hash));
	rc = blob_take(&x->tx, r->tx);
	if (rc == 0)
		rc = blob_take(&x->gxi, r->gxi);
	if (rc == 0)
		rc = blob_take(&x->gxr, r->gxr);
	return rc == 0 ? blob_take(&x->sa_body, r->sa_body) : rc;
}

int v1_state_take(struct ike_sa *sa, const struct replica_tlvs *t)
{
	struct v1_sa_record r = {0};
	int rc = v1_sa_record_get(&sa->suite, t, &r);

	if (rc < 0)
		return rc;
	if (!sa->v) {
		struct v1_sa *v = calloc(1, sizeof(*v));

		if (!v)
			return -ENOMEM;
		TAILQ_INIT(&v->exchanges);
		sa->v = v;
	}
	rc = keys_take(sa, &r);
	if (rc == 0)
		rc = main_take(sa, &r);
	if (rc == 0)
		ids_take(sa, &r);
	return rc;
}

int v1_child_take(struct ike_sa *sa, struct child_sa *c, struct chunk body)
{
	struct v1_quick_record r = {0};
	struct v1_exchange *x;
	int rc = v1_quick_record_get(body, &r);

	if (rc < 0)
		return rc;
	if (v1_exchange_find(sa, r.message_id))
		return -EEXIST;
	x = v1_exchange_create(sa, ISAKMP_XCHG_QUICK_MODE, r.message_id, r.initiator);
	if (!x)
		return -errno;
	x->state = r.state;
	x->rx_known = r.rx_known;
	x->has_ids = r.has_ids;
	x->child = c->id;
	x->policy = c->policy;
	memcpy(x->iv, r.iv, sizeof(x->iv));
	memcpy(x->iv_tx, r.iv, sizeof(x->iv_tx));
	memcpy(x->rx_hash, r.rx_hash, sizeof(x->rx_hash));
	rc = blob_take(&x->tx, r.tx);
	if (rc == 0)
		rc = blob_take(&x->ni, r.ni);
	if (rc == 0)
		rc = blob_take(&x->nr, r.nr);
	if (rc == 0)
		rc = blob_take(&x->gxi, r.gxi);
	if (rc == 0)
		rc = blob_take(&x->gxr, r.gxr);
	if (rc == 0)
		rc = secret_take(&x->gxy, r.gxy);
	if (rc == 0)
		rc = secret_take(&x->dh_private, r.dh_private);
	if (rc < 0) {
		v1_exchange_kill(x);
		return rc;
	}
	v1_exchange_resume(x, rand_below(REPEAT_MS));
	if (x->state == V1_DONE && x->initiator && c->up) {
		// Did message 3 arrive? The pair before goes on until the peer has had time.
		child_sa_settle(c, SETTLE_MS);
		v1_exchange_resend(x);
	}
	return 0;
}

void v1_child_forget(struct ike_sa *sa, const struct child_sa *c)
{
	struct v1_exchange *x, *next;

	if (!sa->v)
		return;
	for (x = TAILQ_FIRST(&v1_of(sa)->exchanges); x; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->type == ISAKMP_XCHG_QUICK_MODE && x->child == c->id)
			v1_exchange_kill(x);
	}
}

void v1_wake(struct ike_sa *sa)
{
	struct v1_exchange *x;

	if (v1_of(sa)->main)
		v1_exchange_resume(v1_of(sa)->main, rand_below(REPEAT_MS));
	TAILQ_FOREACH (x, &v1_of(sa)->exchanges, link)
		v1_exchange_resume(x, rand_below(REPEAT_MS));
}

void v1_sleep(struct ike_sa *sa)
{
	struct v1_exchange *x;

	if (v1_of(sa)->main)
		ike_timer_stop(&sa->ike->timers, &v1_of(sa)->main->timer);
	TAILQ_FOREACH (x, &v1_of(sa)->exchanges, link)
		ike_timer_stop(&sa->ike->timers, &x->timer);
}
