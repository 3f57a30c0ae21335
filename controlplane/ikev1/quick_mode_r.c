// Quick mode, responder: message 2 (RFC 2409 5.5). The inbound SA is installed before message 2
// leaves, the outbound one when message 3 has proven that the initiator is alive and has the keys.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ike/dynamic.h"
#include "ike/proposal.h"
#include "ike/replaced.h"
#include "ike/ts.h"
#include "ikev1/quick_mode.h"
#include "log.h"

// Whom a proposal of a peer belongs to.
struct target {
	const struct tunnel_flow *flow;  // NULL: an instance of `tunnel`, a template, is to be made
	const struct tunnel *tunnel;
};

static int send_second(struct v1_exchange *x, struct child_sa *c, const struct ikev1_sa *offer,
		       const struct ikev1_phase2_choice *choice)
{
	struct ike_sa *sa = x->sa;
	uint8_t mem[QM_BUF], life[24], spi[4];
	struct ikev1_build b;
	struct wbuf w;
	size_t at;
	int rc;

	v1_build_init(x, &b, mem, sizeof(mem));
	at = ikev1_build_hash(&b, hash_len(sa->suite.hash));
	rc = ikev1_build_sa_phase2_answer(&b, offer, choice, c->spi_in);
	if (rc < 0)
		return rc;
	ikev1_build_payload(&b, ISAKMP_PAYLOAD_NONCE, x->nr.bytes, x->nr.len);
	if (c->pfs_group)
		ikev1_build_payload(&b, ISAKMP_PAYLOAD_KE, x->gxr.bytes, x->gxr.len);
	if (x->has_ids)
		qm_put_ids(&b, &c->sel, false);
	qm_put_natoa(&b, sa, c);
	bool shorter = choice->peer_lifetime_s > c->lifetime_s;
	bool smaller = choice->peer_lifetime_kb > c->lifetime_kb && c->lifetime_kb != 0;

	if (shorter || smaller) {  // RFC 2407 4.6.3.1
		size_t n = v1_lifetime_encode(false, shorter ? c->lifetime_s : 0,
					      smaller ? c->lifetime_kb : 0, life);

		wbuf_init(&w, spi, sizeof(spi));
		wbuf_put_u32(&w, c->spi_in);
		ikev1_build_notify(&b, PROTO_IPSEC_ESP, ISAKMP_N_RESPONDER_LIFETIME, spi,
				   sizeof(spi), life, n);
	}
	rc = qm_hash_set(x, &b, at, true);
	if (rc < 0)
		return rc;
	v1_goto(x, V1_QM_R2);
	replica_begin(sa->ike, &c->ha);
	// The initiator has proven its key in HASH(1): message 2 may be repeated by timer.
	return v1_exchange_send(x, &b, true, true);
}

static void log_no_flow(const struct v1_rx *r, const struct selector *sel)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(5);
	char label[IKE_LABEL_MAX], text[SELECTOR_STR_MAX], own[256] = "";
	const struct tunnels *ts = r->sa->ike->tunnels;
	size_t at = 0;

	for (unsigned i = 0; i < ts->count; i++) {
		const struct tunnel *t = ts->all[i];
		char one[SELECTOR_STR_MAX];
		bool ours = false;

		if (t->role == TUNNEL_TEMPLATE) {
			if (addr_equal(&t->local, &r->sa->local) && at < sizeof(own))
				at += (size_t)snprintf(own + at, sizeof(own) - at,
						       "%sdynamic map %s %u", at ? "; " : "",
						       t->dynamic_map, t->dynamic_seq);
			continue;
		}
		for (unsigned k = 0; k < t->peer_count; k++)
			ours |= addr_equal(&t->peers[k], &r->sa->remote);
		for (unsigned k = 0; ours && k < t->flow_count && at < sizeof(own); k++)
			at += (size_t)snprintf(own + at, sizeof(own) - at, "%s%s", at ? "; " : "",
					       selector_format(&t->flows[k].sel, one, sizeof(one)));
	}
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IPSEC_PROXY_MISMATCH",
			  "Proxy identities of %s match no crypto map entry: proposed %s, "
			  "configured: %s",
			  ike_sa_label(r->sa, label, sizeof(label)),
			  selector_format(sel, text, sizeof(text)),
			  own[0] ? own : "no crypto map entry with this peer");
}

static void log_no_proposal(const struct v1_rx *r, const struct tunnel *t,
			    const struct ikev1_sa *offer, const char *why)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(5);
	static const char *const modes[] = {"?", "tunnel", "transport", "udp-tunnel",
					    "udp-transport"};
	char label[IKE_LABEL_MAX], one[SUITE_STR_MAX], own[256] = "", offered[256] = "";
	struct ikev1_sa sa = *offer;
	struct ikev1_proposal p;
	struct ikev1_transform tr;
	size_t at = 0;

	for (unsigned i = 0; i < t->proposal_count && at < sizeof(own); i++)
		at += (size_t)snprintf(own + at, sizeof(own) - at, "%s%s", at ? "; " : "",
				       tunnel_proposal_format(&t->proposals[i], one, sizeof(one)));
	at = 0;
	while (ikev1_proposal_next(&sa, &p))
		while (ikev1_transform_next(&p, &tr) && at < sizeof(offered)) {
			struct ikev1_ipsec_attrs a;

			if (ikev1_ipsec_attrs_decode(&tr, &a) < 0)
				continue;
			// Numbers of RFC 2407: the offer may name what we do not know.
			at += (size_t)snprintf(offered + at, sizeof(offered) - at,
					       "%sprotocol %u transform %u/%u auth %u group %u %s",
					       at ? "; " : "", p.protocol, tr.id, a.key_len, a.auth,
					       a.group, modes[a.mode < 5 ? a.mode : 0]);
		}
	log_event_limited(
		&rl, "CRYPTO", LOG_L_WARNING, "IPSEC_NO_PROPOSAL",
		"No transform set in common with %s (%s). Offered: %s. Configured for "
		"%smap %s %u: %s, pfs group %u",
		ike_sa_label(r->sa, label, sizeof(label)), why, offered,
		t->dynamic_map[0] ? "dynamic " : "", t->dynamic_map[0] ? t->dynamic_map : t->map,
		t->dynamic_map[0] ? t->dynamic_seq : t->seq, own, t->pfs ? t->pfs_group : 0);
}

// PFS (`set pfs`): exactly the configured group; without it whatever group the peer wants.
static const char *pfs_problem(const struct v1_rx *r, const struct tunnel *t, uint16_t group)
{
	const struct ikev1_payload *ke = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_KE, 0);

	if (t->pfs && (group == 0 || !ke))
		return "PFS is required";
	if (t->pfs && group != t->pfs_group)
		return "another PFS group";
	if ((group != 0) != (ke != NULL))
		return "a group without a key exchange, or the reverse";
	if (group && (!dh_group_supported(group) || ke->len != dh_public_len(group)))
		return "the PFS group is unknown or its value has the wrong length";
	return NULL;
}

static bool template_fits(const struct v1_rx *r, const struct tunnel *t, struct ikev1_sa offer,
			  uint16_t group)
{
	const struct child_sa none = {0};
	struct ikev1_phase2_choice choice;
	struct ikev1_phase2_offer ours;

	qm_offer(r->sa, &none, t, &ours);
	return !pfs_problem(r, t, group) && ikev1_phase2_choose(&offer, &ours, group, &choice) == 0;
}

// The first template whose algorithms fit, too; else the first one, so that its are complained of.
static const struct tunnel *template_for(const struct v1_rx *r, const struct selector *sel,
					 const struct ikev1_sa *offer, uint16_t group)
{
	const struct tunnel *t = NULL, *first = NULL;

	while ((t = dynamic_template(r->sa, sel, t))) {
		if (template_fits(r, t, *offer, group))
			return t;
		if (!first)
			first = t;
	}
	return first;
}

// What message 1 asks for, settled: a flow, or a template to make one of. Nothing is made yet.
// 0, or the notification to refuse it with.
static int settle(struct v1_rx *r, struct target *to, struct selector *sel, uint16_t *group)
{
	struct ike_sa *sa = r->sa;
	const struct ikev1_payload *sap = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_SA, 0);
	struct ikev1_sa offer;
	const char *why;

	if (ikev1_sa_decode(sap, &offer) < 0 ||
	    ikev1_nonce_check(ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_NONCE, 0)) < 0) {
		sa->ike->n.rx_malformed++;
		return ISAKMP_N_PAYLOAD_MALFORMED;
	}
	if (qm_selector(r, false, sel) < 0) {
		sa->ike->n.failed_proxy++;
		return ISAKMP_N_INVALID_ID_INFORMATION;
	}
	*group = ikev1_phase2_offered_group(&offer);
	to->flow = ts_flow(sa->ike, &sa->local, &sa->remote, sel);
	if (!to->flow)
		to->flow = dynamic_find(sa, sel);
	to->tunnel = to->flow ? to->flow->tunnel : template_for(r, sel, &offer, *group);
	if (!to->tunnel) {
		sa->ike->n.failed_proxy++;
		log_no_flow(r, sel);
		return ISAKMP_N_INVALID_ID_INFORMATION;
	}
	why = pfs_problem(r, to->tunnel, *group);
	if (!why)
		return 0;
	sa->ike->n.failed_no_proposal++;
	log_no_proposal(r, to->tunnel, &offer, why);
	return ISAKMP_N_NO_PROPOSAL_CHOSEN;
}

// Chooses, and keeps the offer: message 2 repeats the chosen transform as it came.
static int choose(struct v1_exchange *x, struct child_sa *c, const struct tunnel *t,
		  struct ikev1_sa *offer, struct ikev1_phase2_choice *choice)
{
	struct ikev1_payload p = {.type = ISAKMP_PAYLOAD_SA,
				  .len = (uint16_t)x->sa_body.len,
				  .body = x->sa_body.bytes};
	struct ikev1_phase2_offer ours;
	int rc = ikev1_sa_decode(&p, offer);

	if (rc < 0)
		return rc;
	qm_offer(x->sa, c, t, &ours);
	return ikev1_phase2_choose(offer, &ours, c->pfs_group, choice);
}

static int answer(struct v1_exchange *x, const struct secret *gxy)
{
	struct ike_sa *sa = x->sa;
	struct child_sa *c = child_sa_by_id(sa->ike, x->child);
	const struct tunnel_flow *flow = tunnels_flow(sa->ike->tunnels, x->policy);
	struct ikev1_phase2_choice choice;
	struct ikev1_sa offer;
	int rc;

	if (!c || !flow)
		return -ENOENT;
	rc = choose(x, c, flow->tunnel, &offer, &choice);
	if (rc == 0)
		rc = qm_install(x, c, DP_IN, gxy);
	// The outbound SA follows with message 3; its keys wait as the secret of the exchange.
	if (rc == 0 && gxy->len)
		rc = secret_copy(&x->gxy, gxy);
	if (rc == 0)
		rc = send_second(x, c, &offer, &choice);
	return rc;
}

static struct child_sa *prepare(struct v1_rx *r, const struct tunnel_flow *flow,
				const struct selector *sel, uint16_t group)
{
	struct child_sa *c = child_sa_create(r->sa->ike, flow, &r->sa->local, &r->sa->remote);

	if (!c) {
		dynamic_child_gone(r->sa->ike, flow->policy);  // an instance for nothing
		return NULL;
	}
	child_sa_attach(c, r->sa);
	c->sel = *sel;
	c->narrowed = !selector_equal(sel, &flow->sel);
	c->pfs_group = group;
	r->x->child = c->id;
	r->x->policy = flow->policy;
	r->x->has_ids = ikev1_msg_count(&r->msg, ISAKMP_PAYLOAD_ID) != 0;
	return c;
}

static int refuse(struct v1_rx *r, int notify)
{
	uint32_t spi = 0;

	v1_notify_send(r->sa, PROTO_IPSEC_ESP, (uint16_t)notify, &spi, 0, NULL, 0);
	return -EACCES;
}

int quick_mode_r1(struct v1_rx *r)
{
	struct v1_exchange *x = r->x;
	const struct ikev1_payload *n = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_NONCE, 0);
	const struct ikev1_payload *sap = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_SA, 0);
	const struct ikev1_payload *ke = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_KE, 0);
	struct ikev1_phase2_choice choice;
	struct target to = {0};
	struct ikev1_sa offer;
	struct selector sel;
	struct child_sa *c;
	uint16_t group;
	int rc = qm_hash_check(r, false);

	if (rc < 0)
		return rc;
	ike_sa_heard(r->sa);
	replica_touch(r->sa->ike, &r->sa->ha);  // the message id is spent
	ike_sa_moved(r->sa, r->meta);
	replaced_used(r->sa);
	rc = settle(r, &to, &sel, &group);
	if (rc)
		return refuse(r, rc);
	if (!to.flow)
		to.flow = dynamic_instance(r->sa, to.tunnel, &sel);
	if (!to.flow)
		return refuse(r, ISAKMP_N_INVALID_ID_INFORMATION);
	c = prepare(r, to.flow, &sel, group);
	rc = c ? v1_blob_set(&x->ni, n->body, n->len) : -ENOSPC;
	if (rc == 0)
		rc = v1_blob_set(&x->sa_body, sap->body, sap->len);
	if (rc == 0)
		rc = qm_nonce_new(&x->nr);
	if (rc == 0) {
		rc = choose(x, c, to.flow->tunnel, &offer, &choice);
		if (rc < 0) {
			r->sa->ike->n.failed_no_proposal++;
			log_no_proposal(r, to.flow->tunnel, &offer, "algorithms or mode");
			refuse(r, ISAKMP_N_NO_PROPOSAL_CHOSEN);
		} else {
			qm_choice_set(c, r->sa, &choice);
			rc = ke ? v1_exchange_dh(x, group, true, ke)
				: answer(x, &(struct secret){0});
		}
	}
	if (rc < 0 && c)
		child_sa_delete(c, "refused", false);
	return rc;
}

void quick_mode_r1_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	if (rc == 0)
		rc = v1_blob_set(&x->gxr, dh_public(x->dh), dh_public_len(dh_group(x->dh)));
	if (rc == 0)
		rc = answer(x, gxy);
	if (rc == -EBADMSG)
		v1_notify_send(x->sa, PROTO_IPSEC_ESP, ISAKMP_N_INVALID_KEY_INFORMATION, NULL, 0,
			       NULL, 0);
	if (rc < 0)
		quick_mode_abort(x, "key exchange failed");
}

int quick_mode_r3(struct v1_rx *r)
{
	struct v1_exchange *x = r->x;
	struct ike_sa *sa = r->sa;
	struct child_sa *c = child_sa_by_id(sa->ike, x->child);
	const struct ikev1_payload *hp = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_HASH, 0);
	uint8_t want[HASH_LEN_MAX];

	if (!c)
		return -ENOENT;
	if (ikev1_hash3(&v1_of(sa)->keys, x->message_id, v1_chunk(&x->ni), v1_chunk(&x->nr), want) <
		    0 ||
	    hp->len != hash_len(sa->suite.hash) || !secret_equal(want, hp->body, hp->len)) {
		sa->ike->n.rx_bad_auth++;
		return -EBADMSG;
	}
	ike_sa_heard(sa);
	if (qm_install(x, c, DP_OUT, &x->gxy) < 0) {
		child_sa_delete(c, "installation failed", true);
		v1_exchange_kill(x);
		return 0;
	}
	qm_rank_set(x, c);
	v1_exchange_linger(x);
	v1_blob_clear(&x->tx);  // nothing more to say in this exchange
	child_sa_up(c);
	return 0;
}
