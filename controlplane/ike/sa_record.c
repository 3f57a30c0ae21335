// An IKE SA as a record for the other box, and the passive IKE SA that such a record makes there.
// What belongs to the protocol version (keys, IVs, message ids) is the version's.

#include "ike/sa_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/key_index.h"

#define LIFE_MAX_MS (UINT32_MAX * 1000ull)

// ---- moments -----------------------------------------------------------------------------------
void record_times_put(struct wbuf *w, const struct record_times *t)
{
	size_t at = replica_begin_tlv(w, TLV_TIMES);

	wbuf_put_u64(w, t->wall_ms);
	wbuf_put_u64(w, t->begun_ms);
	wbuf_put_u64(w, t->age_ms);
	wbuf_put_u64(w, t->hard_ms);
	wbuf_put_u64(w, t->renew_ms);
	wbuf_put_u64(w, t->replaced_ms);
	replica_end_tlv(w, at);
}

static bool plausible(uint64_t left_ms)
{
	return left_ms <= LIFE_MAX_MS || left_ms == RECORD_NEVER;
}

int record_times_get(const struct replica_tlvs *tlv, struct record_times *t)
{
	struct rbuf b;

	replica_rbuf(tlv, TLV_TIMES, &b);
	if (rbuf_get_u64(&b, &t->wall_ms) < 0 || rbuf_get_u64(&b, &t->begun_ms) < 0 ||
	    rbuf_get_u64(&b, &t->age_ms) < 0 || rbuf_get_u64(&b, &t->hard_ms) < 0 ||
	    rbuf_get_u64(&b, &t->renew_ms) < 0 || rbuf_get_u64(&b, &t->replaced_ms) < 0)
		return -EBADMSG;
	return plausible(t->hard_ms) && plausible(t->renew_ms) && plausible(t->replaced_ms)
		       ? 0
		       : -EBADMSG;
}

static void take_off(uint64_t *left_ms, uint64_t ms)
{
	if (*left_ms != RECORD_NEVER)
		*left_ms = *left_ms > ms ? *left_ms - ms : 0;
}

void record_times_age(const struct ike *ike, struct record_times *t)
{
	uint64_t now = ike->env.wall_ms ? ike->env.wall_ms(ike->env.ctx) : 0, passed;

	if (!t->wall_ms || now <= t->wall_ms)
		return;
	passed = now - t->wall_ms;
	take_off(&t->hard_ms, passed);
	take_off(&t->renew_ms, passed);
	take_off(&t->replaced_ms, passed);
	t->age_ms += passed;
	t->begun_ms += passed;
}

uint64_t record_left(const struct ike *ike, uint64_t due_ms)
{
	return due_ms > ike->now_ms ? due_ms - ike->now_ms : 0;
}

uint64_t record_since(const struct ike *ike, uint64_t age_ms)
{
	return ike->now_ms > age_ms ? ike->now_ms - age_ms : 0;
}

uint64_t record_due(const struct ike *ike, uint64_t left_ms)
{
	return left_ms == RECORD_NEVER ? RECORD_NEVER : ike->now_ms + left_ms;
}

uint64_t record_timer_left(const struct ike *ike, const struct ike_timer *t, bool asleep,
			   uint64_t saved_ms)
{
	if (asleep)
		return saved_ms == RECORD_NEVER ? RECORD_NEVER : record_left(ike, saved_ms);
	return t->pos ? record_left(ike, t->due_ms) : RECORD_NEVER;
}

// ---- writing -----------------------------------------------------------------------------------
static void suite_put(struct wbuf *w, const struct ike_suite *s)
{
	wbuf_put_u8(w, (uint8_t)s->encr);
	wbuf_put_u16(w, s->aes_bits);
	wbuf_put_u8(w, (uint8_t)s->hash);
	wbuf_put_u8(w, (uint8_t)s->auth);
	wbuf_put_u16(w, s->group);
	wbuf_put_u32(w, s->lifetime_s);
}

static void text_put(struct wbuf *w, enum replica_tlv type, const char *s)
{
	size_t at = replica_begin_tlv(w, type);

	replica_put_text(w, s);
	replica_end_tlv(w, at);
}

static void addr_put(struct wbuf *w, enum replica_tlv type, const struct ip_addr *a)
{
	size_t at = replica_begin_tlv(w, type);

	replica_put_addr(w, a);
	replica_end_tlv(w, at);
}

static void basics_put(struct wbuf *w, const struct ike_sa *sa)
{
	size_t at = replica_begin_tlv(w, TLV_IKE);

	wbuf_put_u8(w, sa->ops->number);
	wbuf_put_u8(w, sa->initiator);
	wbuf_put_u8(w, sa->established);
	wbuf_put_u8(w, sa->superseded);
	wbuf_put_u8(w, sa->natt);
	wbuf_put_u8(w, sa->nat_local);
	wbuf_put_u8(w, sa->nat_remote);
	wbuf_put_u8(w, sa->peer_dpd);
	wbuf_put_u8(w, sa->id_named);
	wbuf_put_u16(w, sa->local_port);
	wbuf_put_u16(w, sa->remote_port);
	wbuf_put_u64(w, sa->icookie);
	wbuf_put_u64(w, sa->rcookie);
	suite_put(w, &sa->suite);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_DPD);
	wbuf_put_u32(w, sa->dpd.seq_out);
	wbuf_put_u32(w, sa->dpd.seq_in);
	wbuf_put_u8(w, sa->dpd.seq_in_known);
	replica_end_tlv(w, at);
}

int ike_sa_encode(struct ike_sa *sa, struct wbuf *w)
{
	const struct ike *ike = sa->ike;
	struct record_times t = {
		.wall_ms = ike->env.wall_ms ? ike->env.wall_ms(ike->env.ctx) : 0,
		.begun_ms = ike->now_ms - sa->created_ms,
		.age_ms = sa->established ? ike->now_ms - sa->established_ms : 0,
		.hard_ms = sa->established ? record_left(ike, sa->expires_ms) : RECORD_NEVER,
		.renew_ms = record_timer_left(ike, &sa->rekey, sa->ha.asleep, sa->wake_rekey_ms),
		.replaced_ms =
			record_timer_left(ike, &sa->linger, sa->ha.asleep, sa->wake_linger_ms),
	};

	replica_head_put(w, HA_IKE_SA);
	basics_put(w, sa);
	addr_put(w, TLV_LOCAL, &sa->local);
	addr_put(w, TLV_REMOTE, &sa->remote);
	text_put(w, TLV_LOCAL_ID, sa->local_id);
	text_put(w, TLV_REMOTE_ID, sa->remote_id);
	record_times_put(w, &t);
	if (sa->replaced_ms) {
		size_t at = replica_begin_tlv(w, TLV_REPLACED);

		wbuf_put_u64(w, ike->now_ms - sa->replaced_ms);
		replica_end_tlv(w, at);
	}
	return sa->ops->state_put(sa, w);
}

// ---- reading -----------------------------------------------------------------------------------
static int suite_get(struct rbuf *b, struct ike_suite *s)
{
	unsigned encr, hash, auth;

	if (replica_get_enum(b, &encr, IKE_ENCR_AES + 1) < 0 || rbuf_get_u16(b, &s->aes_bits) < 0 ||
	    replica_get_enum(b, &hash, IKE_HASH_SHA512 + 1) < 0 ||
	    replica_get_enum(b, &auth, IKE_AUTH_PRE_SHARE + 1) < 0 ||
	    rbuf_get_u16(b, &s->group) < 0 || rbuf_get_u32(b, &s->lifetime_s) < 0)
		return -EBADMSG;
	s->encr = (enum ike_encr)encr;
	s->hash = (enum ike_hash)hash;
	s->auth = (enum ike_auth)auth;
	return s->encr != IKE_ENCR_AES || s->aes_bits == 128 || s->aes_bits == 192 ||
			       s->aes_bits == 256
		       ? 0
		       : -EBADMSG;
}

static int basics_get(struct ike_record *r)
{
	struct rbuf b;

	replica_rbuf(&r->tlv, TLV_IKE, &b);
	if (rbuf_get_u8(&b, &r->version) < 0 || replica_get_bool(&b, &r->initiator) < 0 ||
	    replica_get_bool(&b, &r->established) < 0 || replica_get_bool(&b, &r->superseded) < 0 ||
	    replica_get_bool(&b, &r->natt) < 0 || replica_get_bool(&b, &r->nat_local) < 0 ||
	    replica_get_bool(&b, &r->nat_remote) < 0 || replica_get_bool(&b, &r->peer_dpd) < 0 ||
	    replica_get_bool(&b, &r->id_named) < 0 || rbuf_get_u16(&b, &r->local_port) < 0 ||
	    rbuf_get_u16(&b, &r->remote_port) < 0 || rbuf_get_u64(&b, &r->icookie) < 0 ||
	    rbuf_get_u64(&b, &r->rcookie) < 0 || suite_get(&b, &r->suite) < 0)
		return -EBADMSG;
	replica_rbuf(&r->tlv, TLV_DPD, &b);
	if (rbuf_get_u32(&b, &r->dpd_out) < 0 || rbuf_get_u32(&b, &r->dpd_in) < 0 ||
	    replica_get_bool(&b, &r->dpd_in_known) < 0)
		return -EBADMSG;
	if (r->version != ikev1_version.number)
		return -EPROTONOSUPPORT;
	return r->icookie && r->rcookie ? 0 : -EBADMSG;
}

// Boxes of an earlier release do not write it: then all that is there now may be on it.
static int replaced_get(struct ike_record *r)
{
	struct rbuf b;

	r->replaced_ago_ms = r->superseded ? 0 : RECORD_NEVER;
	if (!replica_has(&r->tlv, TLV_REPLACED))
		return 0;
	replica_rbuf(&r->tlv, TLV_REPLACED, &b);
	if (rbuf_get_u64(&b, &r->replaced_ago_ms) < 0 || r->replaced_ago_ms > LIFE_MAX_MS)
		return -EBADMSG;
	return 0;
}

int ike_record_get(const uint8_t *payload, size_t len, struct ike_record *out)
{
	struct rbuf local, remote, lid, rid;
	int rc = replica_tlvs_get(payload, len, HA_IKE_SA, &out->tlv);

	if (rc == 0)
		rc = basics_get(out);
	if (rc < 0)
		return rc;
	replica_rbuf(&out->tlv, TLV_LOCAL, &local);
	replica_rbuf(&out->tlv, TLV_REMOTE, &remote);
	replica_rbuf(&out->tlv, TLV_LOCAL_ID, &lid);
	replica_rbuf(&out->tlv, TLV_REMOTE_ID, &rid);
	if (replica_get_addr(&local, &out->local) < 0 ||
	    replica_get_addr(&remote, &out->remote) < 0 ||
	    out->local.family != out->remote.family ||
	    replica_get_text(&lid, out->local_id, sizeof(out->local_id)) < 0 ||
	    replica_get_text(&rid, out->remote_id, sizeof(out->remote_id)) < 0)
		return -EBADMSG;
	rc = record_times_get(&out->tlv, &out->times);
	if (rc == 0)
		rc = replaced_get(out);
	return rc < 0 ? rc : ikev1_version.state_check(&out->suite, &out->tlv);
}

// ---- making ------------------------------------------------------------------------------------
static void record_apply(struct ike_sa *sa, struct ike_record *r)
{
	const struct isakmp_key *k = key_index_lookup(sa->ike, &r->remote);
	struct ike *ike = sa->ike;

	uint64_t age_ms = r->times.age_ms, ago_ms = r->replaced_ago_ms;

	record_times_age(ike, &r->times);
	sa->established = r->established;
	sa->superseded = r->superseded;
	sa->replaced_ms = 0;
	if (ago_ms != RECORD_NEVER)
		sa->replaced_ms = record_since(ike, ago_ms + r->times.age_ms - age_ms);
	if (ago_ms != RECORD_NEVER && sa->replaced_ms == 0)
		sa->replaced_ms = 1;  // before our clock began
	sa->natt = r->natt;
	sa->nat_local = r->nat_local;
	sa->nat_remote = r->nat_remote;
	sa->peer_dpd = r->peer_dpd;
	sa->id_named = r->id_named;
	sa->local_port = r->local_port;
	sa->remote_port = r->remote_port;
	sa->suite = r->suite;
	memcpy(sa->local_id, r->local_id, sizeof(sa->local_id));
	memcpy(sa->remote_id, r->remote_id, sizeof(sa->remote_id));
	sa->dpd.seq_out = r->dpd_out;
	sa->dpd.seq_in = r->dpd_in;
	sa->dpd.seq_in_known = r->dpd_in_known;
	sa->established_ms = record_since(ike, r->times.age_ms);
	sa->created_ms = record_since(ike, r->times.begun_ms);
	sa->expires_ms = record_due(ike, r->times.hard_ms);
	sa->wake_rekey_ms = record_due(ike, r->times.renew_ms);
	sa->wake_linger_ms = record_due(ike, r->times.replaced_ms);
	// The configuration's: a key that is not there (any more) ends the SA when it wakes.
	if (k && k->key)
		(void)secret_set(&sa->psk, k->key, strlen(k->key));
	if (!addr_equal(&sa->remote, &r->remote)) {
		sa->remote = r->remote;
		ike_table_del(&sa->peer_node);
		ike_table_add(&ike->sa_by_peer, &sa->peer_node, ike_table_addr_key(&sa->remote),
			      sa);
	}
}

static void children_find(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));

	for (; n; n = ike_table_next(n)) {
		struct child_sa *c = n->owner;

		if (c->ha.asleep && c->ike_id == 0 && c->ha_parent == sa->ha.id)
			child_sa_attach(c, sa);
	}
}

static struct ike_sa *passive_create(struct ike *ike, const struct ha_sa *in,
				     const struct ike_record *r)
{
	const struct dp_udp meta = {.local = r->local,
				    .remote = r->remote,
				    .local_port = r->local_port,
				    .remote_port = r->remote_port};
	struct ike_sa *sa = ike_sa_passive(ike, &ikev1_version, r->initiator, &meta);

	if (!sa)
		return NULL;
	replica_take(ike, &sa->ha, in, sa);
	ike_sa_cookie_set(sa, r->icookie, r->rcookie);
	return sa;
}

int ike_sa_install(struct ike *ike, const struct ha_sa *in, struct err *err)
{
	struct replica *known = replica_find(ike, in->id);
	struct ike_sa *sa = known && known->kind == HA_IKE_SA ? known->owner : NULL;
	struct ike_record *r = calloc(1, sizeof(*r));
	bool made = !sa;
	int rc = -ENOMEM;

	if (r)
		rc = ike_record_get(in->payload, in->len, r);
	if (rc == 0 && replica_group(ike, &r->local) != in->group)
		rc = -EADDRNOTAVAIL;  // not the group's address here
	if (rc == 0 && known &&
	    (!sa || known->group != in->group || sa->icookie != r->icookie ||
	     sa->rcookie != r->rcookie || !addr_equal(&sa->local, &r->local)))
		rc = -EEXIST;  // rule 6: an identity is used once
	if (rc == 0 && !sa && !(sa = passive_create(ike, in, r)))
		rc = -ENOMEM;
	if (rc == 0) {
		ike_sa_sleep(sa);
		rc = sa->dead ? -EEXIST : 0;  // ours, and never told
	}
	if (rc == 0) {
		record_apply(sa, r);
		replica_taint(ike, &sa->ha, in->taint);
		rc = sa->ops->state_take(sa, &r->tlv);
		if (rc < 0)
			ike_sa_kill(sa, "cannot be taken over", false);
	}
	free(r);
	if (rc != 0)
		return err_set(err, rc, "IKE SA of the other box: %s", strerror(-rc));
	children_find(sa);
	if (made)
		ike_sa_notice(sa, IKE_SA_UP, NULL);
	if (replica_works(ike, in->group))
		ike_sa_wake(sa);
	return 0;
}
