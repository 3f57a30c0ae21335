// A pair of IPsec SAs as a record for the other box: writing, reading, checking. What makes a pair
// of it is in child_take.c.

#include "ike/child_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- writing -----------------------------------------------------------------------------------
static uint64_t bytes_of(const struct child_sa *c)
{
	const struct ike_env *env = &c->ike->env;
	struct dp_sa_stats s;
	uint64_t most = 0;

	if (c->sa_in && env->sa_stats(env->ctx, c->sa_in, &s) == 0)
		most = s.bytes;
	if (c->sa_out && env->sa_stats(env->ctx, c->sa_out, &s) == 0 && s.bytes > most)
		most = s.bytes;
	return c->bytes_before + most;
}

static void basics_put(struct wbuf *w, const struct child_sa *c)
{
	size_t at = replica_begin_tlv(w, TLV_CHILD);

	wbuf_put_u8(w, c->initiator);
	wbuf_put_u8(w, c->up);
	wbuf_put_u8(w, c->old);
	wbuf_put_u8(w, c->rekeying);
	wbuf_put_u8(w, c->udp_encap);
	wbuf_put_u8(w, c->narrowed);
	wbuf_put_u8(w, c->fragment_after);
	wbuf_put_u8(w, c->df);
	wbuf_put_u16(w, c->local_port);
	wbuf_put_u16(w, c->remote_port);
	wbuf_put_u16(w, c->pfs_group);
	wbuf_put_u32(w, c->replay_window);
	wbuf_put_u32(w, c->idle_time_s);
	wbuf_put_u32(w, c->lifetime_s);
	wbuf_put_u32(w, c->lifetime_kb);
	wbuf_put_u64(w, bytes_of(c));
	wbuf_put_bytes(w, c->rank, sizeof(c->rank));
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_LOCAL);
	replica_put_addr(w, &c->local);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_REMOTE);
	replica_put_addr(w, &c->remote);
	replica_end_tlv(w, at);
	at = replica_begin_tlv(w, TLV_SELECTOR);
	replica_put_selector(w, &c->sel);
	replica_end_tlv(w, at);
}

// By names and selectors: the numbers of policies are each box's own.
static void flow_put(struct wbuf *w, const struct child_sa *c)
{
	size_t at = replica_begin_tlv(w, TLV_FLOW);

	replica_put_text(w, c->map);
	wbuf_put_u32(w, c->seq);
	replica_put_text(w, c->interface);
	replica_put_text(w, c->dynamic_map);
	wbuf_put_u32(w, c->dynamic_seq);
	replica_put_selector(w, &c->flow);
	replica_end_tlv(w, at);
}

static void transform_put(struct wbuf *w, const struct child_sa *c)
{
	static const enum replica_tlv types[] = {[DP_IN] = TLV_KEYS_IN, [DP_OUT] = TLV_KEYS_OUT};
	size_t at = replica_begin_tlv(w, TLV_TRANSFORM);

	replica_put_text(w, c->transform.name);
	wbuf_put_u8(w, (uint8_t)c->transform.cipher);
	wbuf_put_u16(w, c->transform.key_bits);
	wbuf_put_u8(w, c->transform.gcm_icv);
	wbuf_put_u8(w, (uint8_t)c->transform.auth);
	wbuf_put_u8(w, c->transform.transport);
	replica_end_tlv(w, at);
	for (unsigned dir = DP_IN; dir <= DP_OUT; dir++) {
		if (!secret_is_set(&c->keys[dir]))
			continue;
		at = replica_begin_tlv(w, types[dir]);
		wbuf_put_bytes(w, c->keys[dir].bytes, c->keys[dir].len);
		replica_end_tlv(w, at);
	}
}

int child_sa_encode(struct child_sa *c, struct wbuf *w)
{
	const struct ike *ike = c->ike;
	const struct ike_sa *sa = ike_sa_by_id(ike, c->ike_id);
	bool asleep = c->ha.asleep;
	struct record_times t = {
		.wall_ms = ike->env.wall_ms ? ike->env.wall_ms(ike->env.ctx) : 0,
		.begun_ms = ike->now_ms - c->begun_ms,
		.age_ms = c->up ? ike->now_ms - c->up_ms : 0,
		.hard_ms = c->up ? record_left(ike, c->hard_ms) : RECORD_NEVER,
		.renew_ms = record_timer_left(ike, &c->soft, asleep, c->wake_soft_ms),
		.replaced_ms = record_timer_left(ike, &c->overlap, asleep, c->wake_overlap_ms),
	};

	replica_head_put(w, HA_CHILD_SA);
	basics_put(w, c);
	flow_put(w, c);
	transform_put(w, c);
	record_times_put(w, &t);
	if (secret_is_set(&c->half_done)) {  // asleep, of another box
		size_t at = replica_begin_tlv(w, TLV_V1_QUICK);

		wbuf_put_bytes(w, c->half_done.bytes, c->half_done.len);
		replica_end_tlv(w, at);
	} else if (sa && sa->v) {
		sa->ops->child_put(sa, c, w);
	}
	return wbuf_check(w);
}

// ---- reading -----------------------------------------------------------------------------------
static int basics_get(struct child_record *r)
{
	struct rbuf b, local, remote, sel;

	replica_rbuf(&r->tlv, TLV_CHILD, &b);
	if (replica_get_bool(&b, &r->initiator) < 0 || replica_get_bool(&b, &r->up) < 0 ||
	    replica_get_bool(&b, &r->old) < 0 || replica_get_bool(&b, &r->rekeying) < 0 ||
	    replica_get_bool(&b, &r->udp_encap) < 0 || replica_get_bool(&b, &r->narrowed) < 0 ||
	    replica_get_bool(&b, &r->fragment_after) < 0 || rbuf_get_u8(&b, &r->df) < 0 ||
	    rbuf_get_u16(&b, &r->local_port) < 0 || rbuf_get_u16(&b, &r->remote_port) < 0 ||
	    rbuf_get_u16(&b, &r->pfs_group) < 0 || rbuf_get_u32(&b, &r->replay_window) < 0 ||
	    rbuf_get_u32(&b, &r->idle_time_s) < 0 || rbuf_get_u32(&b, &r->lifetime_s) < 0 ||
	    rbuf_get_u32(&b, &r->lifetime_kb) < 0 || rbuf_get_u64(&b, &r->bytes) < 0 ||
	    rbuf_get_bytes(&b, r->rank, sizeof(r->rank)) < 0)
		return -EBADMSG;
	replica_rbuf(&r->tlv, TLV_LOCAL, &local);
	replica_rbuf(&r->tlv, TLV_REMOTE, &remote);
	replica_rbuf(&r->tlv, TLV_SELECTOR, &sel);
	if (replica_get_addr(&local, &r->local) < 0 || replica_get_addr(&remote, &r->remote) < 0 ||
	    replica_get_selector(&sel, &r->sel) < 0)
		return -EBADMSG;
	return r->local.family == r->remote.family && r->df <= 2 && r->replay_window <= 4096
		       ? 0
		       : -EBADMSG;
}

static int flow_get(struct child_record *r)
{
	struct rbuf b;

	replica_rbuf(&r->tlv, TLV_FLOW, &b);
	return replica_get_text(&b, r->map, sizeof(r->map)) < 0 || rbuf_get_u32(&b, &r->seq) < 0 ||
			       replica_get_text(&b, r->interface, sizeof(r->interface)) < 0 ||
			       replica_get_text(&b, r->dynamic_map, sizeof(r->dynamic_map)) < 0 ||
			       rbuf_get_u32(&b, &r->dynamic_seq) < 0 ||
			       replica_get_selector(&b, &r->flow) < 0
		       ? -EBADMSG
		       : 0;
}

static int transform_get(struct child_record *r)
{
	struct tunnel_proposal *t = &r->transform;
	unsigned cipher, auth;
	struct rbuf b;

	replica_rbuf(&r->tlv, TLV_TRANSFORM, &b);
	if (replica_get_text(&b, t->name, sizeof(t->name)) < 0 ||
	    replica_get_enum(&b, &cipher, ESP_CIPHER_AES_GMAC + 1) < 0 ||
	    rbuf_get_u16(&b, &t->key_bits) < 0 || rbuf_get_u8(&b, &t->gcm_icv) < 0 ||
	    replica_get_enum(&b, &auth, ESP_AUTH_SHA512 + 1) < 0 ||
	    replica_get_bool(&b, &t->transport) < 0)
		return -EBADMSG;
	t->cipher = (enum esp_cipher)cipher;
	t->auth = (enum esp_auth)auth;
	r->keys[DP_IN] = r->tlv.v[TLV_KEYS_IN];
	r->keys[DP_OUT] = r->tlv.v[TLV_KEYS_OUT];
	if (!r->keys[DP_IN].len && !r->keys[DP_OUT].len)
		return r->up ? -EBADMSG : 0;  // still negotiated: no transform yet
	if (esp_suite_of(t, &r->suite) < 0)
		return -EBADMSG;
	size_t want = (size_t)r->suite.key_len + r->suite.salt_len + r->suite.auth_key_len;

	for (unsigned dir = DP_IN; dir <= DP_OUT; dir++)
		if (r->keys[dir].len ? r->keys[dir].len != want : r->up)
			return -EBADMSG;
	return 0;
}

int child_record_get(const struct ha_sa *in, struct child_record *out)
{
	int rc = replica_tlvs_get(in->payload, in->len, HA_CHILD_SA, &out->tlv);

	if (rc == 0)
		rc = basics_get(out);
	if (rc == 0)
		rc = flow_get(out);
	if (rc == 0)
		rc = transform_get(out);
	if (rc == 0)
		rc = record_times_get(&out->tlv, &out->times);
	if (rc == 0 && (in->spi_in < 256 || (out->keys[DP_OUT].len && in->spi_out < 256)))
		rc = -EBADMSG;
	if (rc == 0 && replica_has(&out->tlv, TLV_V1_QUICK))
		rc = ikev1_version.child_check(out->tlv.v[TLV_V1_QUICK]);
	return rc;
}

int ike_replica_check(const struct ha_sa *sa)
{
	union {
		struct ike_record ike;
		struct child_record child;
	} *u = calloc(1, sizeof(*u));
	int rc = -ENOMEM;

	if (u)
		rc = sa->kind == HA_IKE_SA     ? ike_record_get(sa->payload, sa->len, &u->ike)
		     : sa->kind == HA_CHILD_SA ? child_record_get(sa, &u->child)
					       : -EPROTONOSUPPORT;
	free(u);
	return rc;
}
