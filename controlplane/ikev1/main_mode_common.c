// What both roles of main mode share: policies, vendor ids, NAT detection, keys, identities and
// their proof (RFC 2409 5.4, RFC 3947 3).

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/identity.h"
#include "ike/key_index.h"
#include "ike/natd.h"
#include "ike/proposal.h"
#include "ikev1/main_mode.h"
#include "log.h"
#include "rand.h"

#define NATT_ALL                                                                            \
	(IKEV1_VENDOR_NATT_RFC | IKEV1_VENDOR_NATT_DRAFT_03 | IKEV1_VENDOR_NATT_DRAFT_02N | \
	 IKEV1_VENDOR_NATT_DRAFT_02)

bool v1_natt_draft(const struct ike_sa *sa)
{
	return v1_of(sa)->natt_vendor != 0 && v1_of(sa)->natt_vendor != IKEV1_VENDOR_NATT_RFC;
}

void mm_policies_init(struct mm_policies *m, const struct config *c)
{
	const struct isakmp_policy *p;
	unsigned n = 0;

	TAILQ_FOREACH (p, &c->isakmp_policies, link)
		if (n < MM_POLICIES_MAX && p->auth == IKE_AUTH_PRE_SHARE &&
		    dh_group_supported(p->group))
			m->list[n++] = p;
	m->p = (struct ikev1_policies){.list = m->list, .count = n};
}

int mm_psk_set(struct ike_sa *sa)
{
	const struct isakmp_key *k = key_index_lookup(sa->ike, &sa->remote);

	if (!k || !k->key)
		return -ENOKEY;
	return secret_set(&sa->psk, k->key, strlen(k->key));
}

void mm_suite_set(struct ike_sa *sa, const struct ikev1_phase1_choice *c)
{
	struct v1_sa *v = v1_of(sa);

	sa->suite = (struct ike_suite){.encr = c->encr,
				       .aes_bits = c->aes_bits,
				       .hash = c->hash,
				       .auth = c->auth,
				       .group = c->group,
				       .lifetime_s = c->lifetime_s};
	v->keys.hash = c->hash;
	v->keys.encr = c->encr;
	v->keys.aes_bits = c->aes_bits;
}

void mm_put_vendors(struct ikev1_build *b, const struct ike_sa *sa, unsigned natt)
{
	static const enum ikev1_vendor natts[] = {IKEV1_VENDOR_NATT_RFC, IKEV1_VENDOR_NATT_DRAFT_03,
						  IKEV1_VENDOR_NATT_DRAFT_02N,
						  IKEV1_VENDOR_NATT_DRAFT_02};

	for (size_t i = 0; i < sizeof(natts) / sizeof(*natts); i++)
		if ((natt & natts[i]) && !sa->ike->config->ipsec.nat_transparency_off)
			ikev1_build_vendor(b, natts[i]);
	// A responder says more than it was told in message 4, when the source is proven: here
	// every byte beyond the request amplifies (security table, row 17).
	if (sa->initiator || sa->peer_dpd)
		ikev1_build_vendor(b, IKEV1_VENDOR_DPD);
}

void mm_vendors_set(struct ike_sa *sa, const struct ikev1_msg *m, bool initiator)
{
	struct v1_sa *v = v1_of(sa);
	unsigned natt;

	v->vendors |= ikev1_msg_vendors(m);
	sa->peer_dpd = v->vendors & IKEV1_VENDOR_DPD;
	natt = sa->ike->config->ipsec.nat_transparency_off ? 0 : v->vendors & NATT_ALL;
	v->natt_vendor = natt & IKEV1_VENDOR_NATT_RFC         ? IKEV1_VENDOR_NATT_RFC
			 : natt & IKEV1_VENDOR_NATT_DRAFT_03  ? IKEV1_VENDOR_NATT_DRAFT_03
			 : natt & IKEV1_VENDOR_NATT_DRAFT_02N ? IKEV1_VENDOR_NATT_DRAFT_02N
			 : natt & IKEV1_VENDOR_NATT_DRAFT_02  ? IKEV1_VENDOR_NATT_DRAFT_02
							      : 0;
}

static int put_natd(struct ikev1_build *b, const struct ike_sa *sa, const struct ip_addr *a,
		    uint16_t port)
{
	uint8_t h[HASH_LEN_MAX];
	int rc = natd_hash(sa->suite.hash, sa->icookie, sa->rcookie, a, port, h);

	if (rc == 0)
		ikev1_build_payload(
			b, v1_natt_draft(sa) ? ISAKMP_PAYLOAD_NAT_D_DRAFT : ISAKMP_PAYLOAD_NAT_D, h,
			hash_len(sa->suite.hash));
	return rc;
}

int mm_send_ke(struct v1_exchange *x, bool repeat)
{
	struct ike_sa *sa = x->sa;
	uint8_t mem[MM_BUF];
	struct ikev1_build b;
	const struct v1_blob *nonce = sa->initiator ? &x->ni : &x->nr;
	const struct v1_blob *gx = sa->initiator ? &x->gxi : &x->gxr;
	int rc = 0;

	v1_build_init(x, &b, mem, sizeof(mem));
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_KE, gx->bytes, gx->len);
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_NONCE, nonce->bytes, nonce->len);
	if (v1_of(sa)->natt_vendor) {
		// RFC 3947 3.2: first the other end's address, then ours.
		rc = put_natd(&b, sa, &sa->remote, sa->remote_port);
		if (rc == 0)
			rc = put_natd(&b, sa, &sa->local, sa->local_port);
	}
	if (!sa->initiator && !(v1_of(sa)->vendors & IKEV1_VENDOR_DPD))
		ikev1_build_vendor(&b, IKEV1_VENDOR_DPD);  // message 2 did not
	return rc < 0 ? rc : v1_exchange_send(x, &b, false, repeat);
}

int mm_take_ke(struct v1_rx *r, struct v1_blob *gx, struct v1_blob *nonce)
{
	const struct ikev1_payload *ke = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_KE, 0);
	const struct ikev1_payload *n = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_NONCE, 0);
	int rc;

	if (ikev1_nonce_check(n) < 0 || ke->len != dh_public_len(r->sa->suite.group)) {
		r->sa->ike->n.rx_malformed++;
		return -EBADMSG;
	}
	// Routers announce DPD here, not in messages 1 and 2.
	r->sa->peer_dpd |= (ikev1_msg_vendors(&r->msg) & IKEV1_VENDOR_DPD) != 0;
	rc = v1_blob_set(gx, ke->body, ke->len);
	return rc < 0 ? rc : v1_blob_set(nonce, n->body, n->len);
}

void mm_nat_detect(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	uint8_t type = v1_natt_draft(sa) ? ISAKMP_PAYLOAD_NAT_D_DRAFT : ISAKMP_PAYLOAD_NAT_D;
	const struct ikev1_payload *p = ikev1_msg_find(&r->msg, type, 0);

	if (!v1_of(sa)->natt_vendor || ikev1_msg_count(&r->msg, type) < 2)
		return;
	sa->nat_local = !natd_matches(sa->suite.hash, sa->icookie, sa->rcookie, &sa->local,
				      r->meta->local_port, p->body, p->len);
	sa->nat_remote = true;
	for (unsigned i = 1; (p = ikev1_msg_find(&r->msg, type, i)); i++)
		if (natd_matches(sa->suite.hash, sa->icookie, sa->rcookie, &r->meta->remote,
				 r->meta->remote_port, p->body, p->len))
			sa->nat_remote = false;
	sa->natt = sa->nat_local || sa->nat_remote;
}

int mm_keys_derive(struct v1_exchange *x, const struct secret *gxy)
{
	struct ike_sa *sa = x->sa;
	struct v1_sa *v = v1_of(sa);
	int rc = ikev1_skeyid_psk(v->keys.hash, sa->psk.bytes, sa->psk.len, v1_chunk(&x->ni),
				  v1_chunk(&x->nr), &v->keys.skeyid);

	if (rc == 0)
		rc = ikev1_keys_derive(&v->keys, (struct chunk){gxy->bytes, gxy->len}, sa->icookie,
				       sa->rcookie);
	if (rc == 0)
		rc = ikev1_iv_phase1(v->keys.hash, v1_chunk(&x->gxi), v1_chunk(&x->gxr), x->iv,
				     cipher_block_len(v->keys.encr));
	return rc;
}

static int auth_hash(const struct v1_exchange *x, bool of_initiator, const void *id, size_t id_len,
		     uint8_t *out)
{
	const struct ike_sa *sa = x->sa;
	const struct v1_blob *own = of_initiator ? &x->gxi : &x->gxr;
	const struct v1_blob *peer = of_initiator ? &x->gxr : &x->gxi;

	return ikev1_auth_hash(sa->suite.hash, &v1_of(sa)->keys.skeyid, v1_chunk(own),
			       v1_chunk(peer), of_initiator ? sa->icookie : sa->rcookie,
			       of_initiator ? sa->rcookie : sa->icookie, v1_chunk(&x->sa_body),
			       (struct chunk){id, id_len}, out);
}

static void put_notifies(struct ikev1_build *b, struct ike_sa *sa)
{
	const struct v1_sa *v = v1_of(sa);
	uint8_t spi[16], life[24];
	struct wbuf w;

	wbuf_init(&w, spi, sizeof(spi));
	wbuf_put_u64(&w, sa->icookie);
	wbuf_put_u64(&w, sa->rcookie);
	// RFC 2407 4.6.3.3: only when nothing with this peer is known here. An IKE SA that may not
	// be used (tainted, superseded) counts: the peer may be making a child SA with it just now,
	// and would forget that too, without a word. So does one that is being set up: of two that
	// both ends begin at once the peer would forget the one that we go on with.
	if (!ike_sa_other(sa) && !child_sa_any(sa))
		ikev1_build_notify(b, PROTO_ISAKMP, ISAKMP_N_INITIAL_CONTACT, spi, sizeof(spi),
				   NULL, 0);
	if (!sa->initiator && v->offered_life_s > sa->suite.lifetime_s) {
		size_t n = v1_lifetime_encode(true, sa->suite.lifetime_s, 0, life);

		ikev1_build_notify(b, PROTO_ISAKMP, ISAKMP_N_RESPONDER_LIFETIME, spi, sizeof(spi),
				   life, n);
	}
}

int mm_prepare_auth(struct v1_exchange *x)
{
	struct ike_sa *sa = x->sa;
	uint8_t mem[MM_BUF], hash[HASH_LEN_MAX];
	struct identity id;
	struct ikev1_build b;
	size_t id_at;
	int rc;

	identity_own(sa, &id);
	v1_build_init(x, &b, mem, sizeof(mem));
	id_at = b.w.len + ISAKMP_PAYLOAD_HDR_LEN;
	ikev1_build_id(&b, id.type, 0, 0, id.data, id.len);
	rc = wbuf_check(&b.w);
	if (rc == 0)
		rc = auth_hash(x, sa->initiator, mem + id_at, b.w.len - id_at, hash);
	if (rc < 0)
		return rc;
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_HASH, hash, hash_len(sa->suite.hash));
	put_notifies(&b, sa);
	rc = v1_exchange_prepare(x, &b, true);
	secret_wipe(mem, sizeof(mem));
	return rc;
}

int mm_check_auth(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	const struct ikev1_payload *idp = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_ID, 0);
	const struct ikev1_payload *hp = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_HASH, 0);
	uint8_t want[HASH_LEN_MAX];
	struct ikev1_id id;
	char label[IKE_LABEL_MAX];
	static struct log_ratelimit rl = LOG_RATELIMIT(5);

	if (ikev1_id_decode(idp, &id) < 0) {
		sa->ike->n.rx_malformed++;
		return -EBADMSG;
	}
	if (auth_hash(r->x, !sa->initiator, idp->body, idp->len, want) < 0)
		return -EIO;
	if (hp->len != hash_len(sa->suite.hash) || !secret_equal(want, hp->body, hp->len)) {
		sa->ike->n.failed_auth++;
		log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_AUTH_FAILED",
				  "The proof of %s is wrong: pre-shared key mismatch?",
				  ike_sa_label(sa, label, sizeof(label)));
		return -EACCES;
	}
	struct identity peer = {.type = id.type,
				.data = id.data,
				.len = id.len,
				.protocol = id.protocol,
				.port = id.port};

	if (identity_check(sa, &peer) == 0)
		return 0;
	sa->ike->n.failed_auth++;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_BAD_IDENTITY",
			  "%s calls itself %s, which does not fit its key",
			  ike_sa_label(sa, label, sizeof(label)), sa->remote_id);
	sa->remote_id[0] = '\0';
	return -EACCES;
}

void mm_take_notifies(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	const struct ikev1_payload *p;
	struct ikev1_notify n;

	for (unsigned i = 0; (p = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_N, i)); i++) {
		uint32_t s = 0, kb = 0;

		if (ikev1_notify_decode(p, &n) < 0)
			continue;
		if (n.type == ISAKMP_N_INITIAL_CONTACT) {
			ike_sa_initial_contact(sa);
		} else if (n.type == ISAKMP_N_RESPONDER_LIFETIME && sa->initiator) {
			v1_lifetime_decode(&n, &s, &kb);
			if (s && s < sa->suite.lifetime_s)
				sa->suite.lifetime_s = s;
		}
	}
}

static void offered_format(const struct ikev1_sa *offer, char *buf, size_t cap)
{
	struct ikev1_sa sa = *offer;
	struct ikev1_proposal p;
	struct ikev1_transform t;
	size_t at = 0;

	buf[0] = '\0';
	while (ikev1_proposal_next(&sa, &p))
		while (ikev1_transform_next(&p, &t) && at < cap) {
			struct ikev1_isakmp_attrs a;

			if (ikev1_isakmp_attrs_decode(&t, &a) < 0)
				continue;
			// Numbers of RFC 2409 appendix A: the offer may name what we do not know.
			at += (size_t)snprintf(
				buf + at, cap - at, "%sencr %u/%u hash %u auth %u group %u",
				at ? "; " : "", a.encr, a.key_len, a.hash, a.auth, a.group);
		}
}

void mm_log_no_proposal(const struct ike_sa *sa, const struct ikev1_sa *offer,
			const struct mm_policies *ours)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(5);
	char offered[256], own[512], one[SUITE_STR_MAX], label[IKE_LABEL_MAX];
	size_t at = 0;

	own[0] = '\0';
	for (unsigned i = 0; i < ours->p.count && at < sizeof(own); i++) {
		const struct isakmp_policy *p = ours->list[i];
		struct ike_suite s = {.encr = p->encr,
				      .aes_bits = p->aes_bits,
				      .hash = p->hash,
				      .auth = p->auth,
				      .group = p->group};

		at += (size_t)snprintf(own + at, sizeof(own) - at, "%spolicy %u: %s",
				       at ? "; " : "", p->priority,
				       ike_suite_format(&s, one, sizeof(one)));
	}
	offered_format(offer, offered, sizeof(offered));
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_NO_PROPOSAL",
			  "No IKE policy in common with %s. Offered: %s. Configured: %s",
			  ike_sa_label(sa, label, sizeof(label)), offered,
			  own[0] ? own : "none that can be used");
}
