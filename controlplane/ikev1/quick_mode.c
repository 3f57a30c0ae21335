// Quick mode, initiator: messages 1 and 3 (RFC 2409 5.5). The child SA object exists from message
// 1 on (its inbound SPI is in the offer); both directions are installed with message 2, and the
// policy is bound before message 3 leaves: the responder has its inbound SA by then.

#include <errno.h>
#include <string.h>

#include "ike/ike_want.h"
#include "ikev1/quick_mode.h"
#include "log.h"

#define REFUSED_MAX 3

#define SETTLE_MIN_MS 50
#define SETTLE_MAX_MS 1000

static int send_first(struct v1_exchange *x)
{
	struct ike_sa *sa = x->sa;
	struct child_sa *c = child_sa_by_id(sa->ike, x->child);
	const struct tunnel_flow *flow = tunnels_flow(sa->ike->tunnels, x->policy);
	struct ikev1_phase2_offer offer;
	uint8_t mem[QM_BUF];
	struct ikev1_build b;
	size_t at;
	int rc;

	if (!c || !flow)
		return -ENOENT;
	qm_offer(sa, c, flow->tunnel, &offer);
	v1_build_init(x, &b, mem, sizeof(mem));
	at = ikev1_build_hash(&b, hash_len(sa->suite.hash));
	ikev1_build_sa_phase2(&b, &offer);
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_NONCE, x->ni.bytes, x->ni.len);
	if (offer.pfs_group)
		ikev1_build_payload(&b, ISAKMP_PAYLOAD_KE, x->gxi.bytes, x->gxi.len);
	qm_put_ids(&b, &c->sel, true);
	if (flow->tunnel->proposals[0].transport && c->udp_encap) {
		struct child_sa like = *c;

		like.transform = flow->tunnel->proposals[0];
		qm_put_natoa(&b, sa, &like);
	}
	rc = qm_hash_set(x, &b, at, false);
	if (rc < 0)
		return rc;
	if (sa->ha.group && x->dh)
		rc = dh_private(x->dh, &x->dh_private);
	if (rc < 0)
		return rc;
	v1_goto(x, V1_QM_I1);
	replica_begin(sa->ike, &c->ha);
	return v1_exchange_send(x, &b, true, true);
}

// An IKEv1 identity bears one port or none.
static bool can_be_said(const struct selector *s)
{
	return (port_range_is_any(&s->sport) || s->sport.lo == s->sport.hi) &&
	       (port_range_is_any(&s->dport) || s->dport.lo == s->dport.hi);
}

// What the peer narrowed, perhaps to one host of many, is renewed as it is.
static void rekey_as(struct child_sa *c, const struct child_sa *before)
{
	if (!before || !before->narrowed)
		return;
	c->sel = before->sel;
	c->narrowed = true;
}

int quick_mode_start(struct ike_sa *sa, struct ike_want *w)
{
	const struct tunnel_flow *flow = tunnels_flow(sa->ike->tunnels, w->policy);
	struct v1_exchange *x;
	struct child_sa *c;
	int rc;

	if (!flow)
		return -ENOENT;
	if (!can_be_said(&flow->sel)) {
		static struct log_ratelimit rl = LOG_RATELIMIT(2);  // traffic asks again and again
		char sel[SELECTOR_STR_MAX];

		log_event_limited(&rl, "CRYPTO", LOG_L_ERR, "IPSEC_PORT_RANGE",
				  "%s has a range of ports, which IKEv1 cannot express",
				  selector_format(&flow->sel, sel, sizeof(sel)));
		return -ENOTSUP;
	}
	x = v1_exchange_create(sa, ISAKMP_XCHG_QUICK_MODE, v1_message_id_new(sa), true);
	if (!x)
		return -errno;
	c = child_sa_create(sa->ike, flow, &sa->local, &sa->remote);
	if (!c) {
		rc = -errno;
		v1_exchange_kill(x);
		return rc;
	}
	child_sa_attach(c, sa);
	rekey_as(c, child_sa_by_id(sa->ike, w->rekey_of));
	c->initiator = true;
	c->udp_encap = sa->natt;
	x->child = c->id;
	x->policy = w->policy;
	rc = qm_nonce_new(&x->ni);
	if (rc == 0 && flow->tunnel->pfs) {
		c->pfs_group = flow->tunnel->pfs_group;
		v1_goto(x, V1_QM_I0_DH);
		rc = v1_exchange_dh(x, c->pfs_group, true, NULL);
	} else if (rc == 0) {
		rc = send_first(x);
	}
	if (rc < 0) {
		child_sa_delete(c, "cannot start", false);
		v1_exchange_kill(x);
	}
	return rc;
}

void quick_mode_i0_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	if (rc == 0)
		rc = v1_blob_set(&x->gxi, dh_public(x->dh), dh_public_len(dh_group(x->dh)));
	if (rc == 0)
		rc = send_first(x);
	if (rc < 0)
		quick_mode_abort(x, "key exchange failed");
}

void quick_mode_abort(struct v1_exchange *x, const char *reason)
{
	struct ike_sa *sa = x->sa;
	struct ike *ike = sa->ike;
	struct child_sa *c = child_sa_by_id(ike, x->child);
	uint32_t policy = x->policy;
	bool initiator = x->initiator;

	if (c && !c->up)
		child_sa_delete(c, reason ? reason : "IKE SA gone", false);
	v1_exchange_kill(x);
	if (!initiator || !reason)
		return;
	ike_want_child_failed(ike, policy, reason);
	// Vendor ids and NAT-D are not authenticated in IKEv1: somebody may have changed them, and
	// both ends see the NAT differently. An IKE SA on which nothing comes up is given up.
	if (++sa->refused >= REFUSED_MAX && sa->children == 0 && !sa->dead)
		ike_sa_kill(sa, "no child SA comes up on it", true);
}

void quick_mode_timeout(struct v1_exchange *x)
{
	struct ike_sa *sa = x->sa;
	char label[IKE_LABEL_MAX];

	sa->ike->n.failed_timeout++;
	log_event("CRYPTO", LOG_L_WARNING, "IPSEC_TIMEOUT", "%s does not answer quick mode",
		  ike_sa_label(sa, label, sizeof(label)));
	struct child_sa *c = child_sa_by_id(sa->ike, x->child);

	// Message 3 may have been lost every time: the initiator would go on sending into nothing.
	if (!x->initiator && c)
		child_sa_delete(c, "no answer", true);
	if (!x->initiator || sa->dpd.heard_ms > x->begun_ms) {
		quick_mode_abort(x, "no answer to quick mode");
		return;
	}
	// Not a word since: the peer may have lost the IKE SA. A new one will tell.
	ike_sa_kill(sa, "no answer", true);
}

static int accept_answer(struct v1_rx *r, struct child_sa *c, const struct tunnel *t)
{
	struct ike_sa *sa = r->sa;
	struct ikev1_phase2_offer offer;
	struct ikev1_phase2_choice choice;
	struct ikev1_sa answer;
	struct selector sel;

	if (ikev1_sa_decode(ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_SA, 0), &answer) < 0 ||
	    ikev1_nonce_check(ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_NONCE, 0)) < 0)
		return -EBADMSG;
	qm_offer(sa, c, t, &offer);
	if (ikev1_phase2_verify(&answer, &offer, &choice) < 0) {
		sa->ike->n.failed_no_proposal++;
		return -ENOENT;
	}
	// The responder repeats our identities, or names a part of them.
	if (ikev1_msg_count(&r->msg, ISAKMP_PAYLOAD_ID) != 0) {
		if (qm_selector(r, true, &sel) < 0 || !selector_covers(&c->sel, &sel)) {
			sa->ike->n.failed_proxy++;
			return -EXDEV;
		}
		c->narrowed |= !selector_equal(&sel, &c->sel);
		c->sel = sel;
	}
	qm_choice_set(c, sa, &choice);
	qm_take_lifetime(r, c);
	return 0;
}

// The peer installs its inbound SA when message 3 comes (RFC 2409 has no answer to it, and its
// commit bit is not implemented by peers). It is given twice the time the exchange took so far.
static uint64_t settle_ms(const struct v1_exchange *x)
{
	uint64_t ms = 2 * (x->sa->ike->now_ms - x->begun_ms);

	return ms < SETTLE_MIN_MS ? SETTLE_MIN_MS : ms > SETTLE_MAX_MS ? SETTLE_MAX_MS : ms;
}

static int finish(struct v1_exchange *x, const struct secret *gxy)
{
	struct ike_sa *sa = x->sa;
	struct child_sa *c = child_sa_by_id(sa->ike, x->child);
	uint8_t mem[256], hash[HASH_LEN_MAX];
	struct ikev1_build b;
	int rc;

	if (!c)
		return -ENOENT;
	rc = qm_install(x, c, DP_IN, gxy);
	if (rc == 0)
		rc = qm_install(x, c, DP_OUT, gxy);
	if (rc == 0)
		rc = ikev1_hash3(&v1_of(sa)->keys, x->message_id, v1_chunk(&x->ni),
				 v1_chunk(&x->nr), hash);
	if (rc < 0)
		return rc;
	v1_build_init(x, &b, mem, sizeof(mem));
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_HASH, hash, hash_len(sa->suite.hash));
	rc = v1_exchange_prepare(x, &b, true);
	if (rc < 0)
		return rc;
	qm_rank_set(x, c);
	v1_goto(x, V1_DONE);
	v1_exchange_linger(x);
	child_sa_up_settle(c, settle_ms(x));
	v1_exchange_emit(x, false);
	return 0;
}

int quick_mode_i2(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	struct child_sa *c = child_sa_by_id(sa->ike, r->x->child);
	const struct tunnel_flow *flow = tunnels_flow(sa->ike->tunnels, r->x->policy);
	const struct ikev1_payload *n = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_NONCE, 0);
	const struct ikev1_payload *ke = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_KE, 0);
	struct secret none = {0};
	int rc;

	if (!c || !flow)
		return -ENOENT;
	rc = qm_hash_check(r, true);
	if (rc < 0)
		return rc;
	ike_sa_heard(sa);
	ike_sa_moved(sa, r->meta);
	replica_touch(sa->ike, &sa->ha);
	replica_touch(sa->ike, &c->ha);
	rc = accept_answer(r, c, flow->tunnel);
	if (rc == 0 && (c->pfs_group != 0) != (ke != NULL))
		rc = -EBADMSG;
	if (rc == 0 && ke && ke->len != dh_public_len(c->pfs_group))
		rc = -EBADMSG;
	if (rc == 0)
		rc = v1_blob_set(&r->x->nr, n->body, n->len);
	ike_timer_stop(&sa->ike->timers, &r->x->timer);
	if (rc == 0 && ke)
		rc = v1_exchange_dh(r->x, c->pfs_group, false, ke);
	else if (rc == 0)
		rc = finish(r->x, &none);
	if (rc == 0)
		return 0;
	// Authenticated, so it is the peer's last word.
	quick_mode_abort(r->x, rc == -EXDEV ? "the peer answered with other identities"
					    : "the peer's answer is not acceptable");
	return rc;
}

void quick_mode_i2_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	if (rc == 0)
		rc = finish(x, gxy);
	if (rc < 0)
		quick_mode_abort(x, "key exchange failed");
}
