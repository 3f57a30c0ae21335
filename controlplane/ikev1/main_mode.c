// Main mode, initiator: messages 1, 3, 5 (RFC 2409 5.4). Offers all policies in order of priority;
// floats to port 4500 with message 5 when a NAT was found (RFC 3947 4).

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ikev1/main_mode.h"
#include "log.h"
#include "rand.h"

static int send_first(struct v1_exchange *x, const struct mm_policies *pol)
{
	uint8_t mem[MM_BUF];
	struct ikev1_build b;
	int rc;

	v1_build_init(x, &b, mem, sizeof(mem));
	ikev1_build_sa_phase1(&b, &pol->p);
	rc = wbuf_check(&b.w);
	if (rc == 0)  // SAi_b goes into both proofs
		rc = v1_blob_set(&x->sa_body, mem + ISAKMP_HDR_LEN + ISAKMP_PAYLOAD_HDR_LEN,
				 b.w.len - ISAKMP_HDR_LEN - ISAKMP_PAYLOAD_HDR_LEN);
	if (rc < 0)
		return rc;
	mm_put_vendors(&b, x->sa, ~0u);
	return v1_exchange_send(x, &b, false, true);
}

int main_mode_start(struct ike_sa *sa)
{
	struct mm_policies pol;
	struct v1_exchange *x = NULL;
	struct v1_sa *v;
	int rc;

	if (!sa->ike->config)
		return -ENOPROTOOPT;
	mm_policies_init(&pol, sa->ike->config);
	if (pol.p.count == 0)
		return -ENOPROTOOPT;
	rc = mm_psk_set(sa);
	if (rc < 0)
		return rc;
	v = calloc(1, sizeof(*v));
	sa->v = v;
	if (v) {
		TAILQ_INIT(&v->exchanges);
		x = v1_exchange_create(sa, ISAKMP_XCHG_IDENTITY_PROTECTION, 0, true);
	}
	if (!x)
		return -ENOMEM;
	ike_sa_cookie_set(sa, rand_u64() | 1, 0);
	v1_goto(x, V1_MM_I1);
	return send_first(x, &pol);
}

int main_mode_i2(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	struct ikev1_phase1_choice choice;
	struct mm_policies pol;
	struct ikev1_sa answer;
	int rc;

	if (r->msg.hdr.rcookie == 0)
		return -EBADMSG;
	mm_policies_init(&pol, sa->ike->config);
	if (ikev1_sa_decode(ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_SA, 0), &answer) < 0) {
		sa->ike->n.rx_malformed++;
		return -EBADMSG;
	}
	if (ikev1_phase1_verify(&answer, &pol.p, &choice) < 0) {
		// In clear: anybody can send this. The real answer may still come.
		sa->ike->n.failed_no_proposal++;
		mm_log_no_proposal(sa, &answer, &pol);
		return -ENOENT;
	}
	rc = v1_exchange_dh(r->x, choice.group, true, NULL);
	if (rc < 0)
		return rc;
	ike_timer_stop(&sa->ike->timers, &r->x->timer);
	mm_suite_set(sa, &choice);
	mm_vendors_set(sa, &r->msg, true);
	ike_sa_cookie_set(sa, sa->icookie, r->msg.hdr.rcookie);
	return 0;
}

void main_mode_i2_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	uint8_t nonce[V1_NONCE_LEN];

	rand_bytes(nonce, sizeof(nonce));
	if (rc == 0)
		rc = v1_blob_set(&x->ni, nonce, sizeof(nonce));
	if (rc == 0)
		rc = v1_blob_set(&x->gxi, dh_public(x->dh), dh_public_len(dh_group(x->dh)));
	if (rc == 0) {
		v1_goto(x, V1_MM_I3);
		rc = mm_send_ke(x, true);
	}
	if (rc < 0)
		ike_sa_kill(x->sa, "key exchange failed", false);
}

int main_mode_i4(struct v1_rx *r)
{
	int rc = mm_take_ke(r, &r->x->gxr, &r->x->nr);

	if (rc == 0)
		rc = v1_exchange_dh(r->x, r->sa->suite.group, false,
				    ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_KE, 0));
	if (rc < 0)
		return rc;
	ike_timer_stop(&r->sa->ike->timers, &r->x->timer);
	mm_nat_detect(r);
	return 0;
}

void main_mode_i4_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	struct ike_sa *sa = x->sa;

	if (rc == -EBADMSG) {
		static struct log_ratelimit rl = LOG_RATELIMIT(2);
		char label[IKE_LABEL_MAX];

		sa->ike->n.rx_malformed++;
		log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_BAD_KEY",
				  "%s sent an unacceptable Diffie-Hellman value",
				  ike_sa_label(sa, label, sizeof(label)));
	}
	if (rc == 0)
		rc = mm_keys_derive(x, gxy);
	if (rc == 0) {
		if (sa->natt) {
			sa->local_port = IKE_PORT_NATT;
			if (sa->remote_port == IKE_PORT)
				sa->remote_port = IKE_PORT_NATT;
		}
		v1_goto(x, V1_MM_I5);
		rc = mm_prepare_auth(x);
	}
	if (rc == 0) {
		replica_begin(sa->ike, &sa->ha);
		v1_exchange_emit(x, true);
	}
	if (rc < 0)
		ike_sa_kill(sa, "key exchange failed", false);
}

int main_mode_i6(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	struct v1_sa *v = v1_of(sa);
	int rc = mm_check_auth(r);

	if (rc < 0)
		return rc;
	memcpy(v->last_block, r->x->iv, sizeof(v->last_block));
	mm_take_notifies(r);
	v1_exchange_linger(r->x);
	ike_sa_up(sa);
	return 0;
}
