// Main mode, responder: messages 2, 4, 6 (RFC 2409 5.4). Until message 5 nothing is sent but one
// answer per request, and the state is one offer and one stored answer. Our order of policies
// decides, not the peer's.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/half_open.h"
#include "ikev1/main_mode.h"
#include "log.h"
#include "rand.h"

static int answer_first(struct v1_rx *r, const struct ikev1_sa *offer,
			const struct ikev1_phase1_choice *choice)
{
	uint8_t mem[MM_BUF];
	struct ikev1_build b;
	int rc;

	v1_build_init(r->x, &b, mem, sizeof(mem));
	rc = ikev1_build_sa_phase1_answer(&b, offer, choice);
	if (rc < 0)
		return rc;
	mm_put_vendors(&b, r->sa, v1_of(r->sa)->natt_vendor);
	return v1_exchange_send(r->x, &b, false, false);
}

int main_mode_r1(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	const struct ikev1_payload *p = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_SA, 0);
	struct ikev1_phase1_choice choice;
	struct mm_policies pol;
	struct ikev1_sa offer;
	int rc;

	if (p->len > V1_SA_BODY_MAX || ikev1_sa_decode(p, &offer) < 0) {
		sa->ike->n.rx_malformed++;
		return -EBADMSG;
	}
	mm_policies_init(&pol, sa->ike->config);
	ike_sa_cookie_set(sa, r->msg.hdr.icookie, rand_u64() | 1);
	if (ikev1_phase1_choose(&offer, &pol.p, &choice) < 0) {
		sa->ike->n.failed_no_proposal++;
		mm_log_no_proposal(sa, &offer, &pol);
		v1_notify_clear(sa->ike, r->meta, sa->icookie, sa->rcookie,
				ISAKMP_N_NO_PROPOSAL_CHOSEN);
		return -ENOENT;
	}
	rc = mm_psk_set(sa);
	if (rc == 0)
		rc = v1_blob_set(&r->x->sa_body, p->body, p->len);
	if (rc < 0)
		return rc;
	sa->ike->n.responded++;
	mm_suite_set(sa, &choice);
	mm_vendors_set(sa, &r->msg, false);
	struct ikev1_transform t;
	struct ikev1_proposal prop;
	struct ikev1_sa walk = offer;
	struct ikev1_isakmp_attrs attrs;

	while (ikev1_proposal_next(&walk, &prop))
		while (ikev1_transform_next(&prop, &t))
			if (prop.number == choice.proposal && t.number == choice.transform &&
			    ikev1_isakmp_attrs_decode(&t, &attrs) == 0)
				v1_of(sa)->offered_life_s = attrs.life_s;
	return answer_first(r, &offer, &choice);
}

int main_mode_r3(struct v1_rx *r)
{
	int rc = mm_take_ke(r, &r->x->gxi, &r->x->ni);

	if (rc == 0)
		rc = v1_exchange_dh(r->x, r->sa->suite.group, true,
				    ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_KE, 0));
	if (rc < 0)
		return rc;
	v1_blob_clear(&r->x->tx);  // message 2 has been received
	half_open_proven(r->sa);
	mm_nat_detect(r);
	return 0;
}

void main_mode_r3_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	uint8_t nonce[V1_NONCE_LEN];

	rand_bytes(nonce, sizeof(nonce));
	if (rc == 0)
		rc = v1_blob_set(&x->nr, nonce, sizeof(nonce));
	if (rc == 0)
		rc = v1_blob_set(&x->gxr, dh_public(x->dh), dh_public_len(dh_group(x->dh)));
	if (rc == 0)
		rc = mm_keys_derive(x, gxy);
	if (rc == 0) {
		v1_goto(x, V1_MM_R4);
		rc = mm_send_ke(x, false);
	}
	dh_destroy(x->dh);
	x->dh = NULL;
	if (rc < 0) {
		x->sa->ike->n.rx_malformed += rc == -EBADMSG;
		ike_sa_kill(x->sa, "key exchange failed", false);
	}
}

int main_mode_r5(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	int rc = mm_check_auth(r);

	if (rc < 0)
		return rc;
	// RFC 3947 4: the initiator has floated; answer where the proven message came from.
	sa->local_port = r->meta->local_port;
	sa->remote_port = r->meta->remote_port;
	mm_take_notifies(r);
	rc = mm_prepare_auth(r->x);
	if (rc < 0)
		return rc;
	memcpy(v1_of(sa)->last_block, r->x->iv, sizeof(v1_of(sa)->last_block));
	v1_exchange_linger(r->x);
	ike_sa_establish(sa);
	v1_exchange_emit(r->x, false);
	ike_sa_up(sa);
	return 0;
}
