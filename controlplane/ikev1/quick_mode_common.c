// What both roles of quick mode share (RFC 2409 5.5): identities as selectors, the hashes, key
// material, installation.

#include <errno.h>
#include <string.h>

#include "ikev1/quick_mode.h"
#include "log.h"
#include "rand.h"

void qm_offer(const struct ike_sa *sa, const struct child_sa *c, const struct tunnel *t,
	      struct ikev1_phase2_offer *o)
{
	*o = (struct ikev1_phase2_offer){
		.proposals = t->proposals,
		.count = t->proposal_count,
		.spi = c->spi_in,
		.pfs_group = t->pfs ? t->pfs_group : 0,
		.lifetime_s = t->lifetime_s,
		.lifetime_kb = t->lifetime_kb,
		.udp = sa->natt,
		.udp_draft = v1_natt_draft(sa),
	};
}

static bool has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132;
}

static int id_get(const struct v1_rx *r, unsigned n, struct ip_prefix *p, uint8_t *proto,
		  uint16_t *port)
{
	const struct ikev1_payload *pl = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_ID, n);
	struct ikev1_id id;
	int rc = ikev1_id_decode(pl, &id);

	if (rc == 0)
		rc = ikev1_id_to_prefix(&id, p);
	*proto = id.protocol;
	*port = id.port;
	return rc;
}

int qm_selector(const struct v1_rx *r, bool we_initiate, struct selector *out)
{
	struct selector s = {.sport = {0, 65535}, .dport = {0, 65535}};
	uint8_t proto_i = 0, proto_r = 0;
	uint16_t port_i = 0, port_r = 0;
	int rc;

	if (ikev1_msg_count(&r->msg, ISAKMP_PAYLOAD_ID) == 0) {
		s.src = (struct ip_prefix){r->sa->local, (uint8_t)(addr_len(&r->sa->local) * 8)};
		s.dst = (struct ip_prefix){r->sa->remote, (uint8_t)(addr_len(&r->sa->remote) * 8)};
		*out = s;
		return 0;
	}
	// Built in the initiator's direction: IDci first, then IDcr.
	rc = id_get(r, 0, &s.src, &proto_i, &port_i);
	if (rc == 0)
		rc = id_get(r, 1, &s.dst, &proto_r, &port_r);
	if (rc < 0)
		return rc;
	if (proto_i != proto_r || s.src.addr.family != s.dst.addr.family ||
	    ((port_i || port_r) && !has_ports(proto_i)))
		return -EBADMSG;
	s.proto = proto_i;
	if (port_i)
		s.sport = (struct port_range){port_i, port_i};
	if (port_r)
		s.dport = (struct port_range){port_r, port_r};
	*out = we_initiate ? s : selector_reverse(&s);
	return 0;
}

static uint16_t id_port(const struct port_range *r)
{
	return port_range_is_any(r) ? 0 : r->lo;
}

void qm_put_ids(struct ikev1_build *b, const struct selector *sel, bool we_initiate)
{
	struct selector s = we_initiate ? *sel : selector_reverse(sel);

	ikev1_build_id_prefix(b, &s.src, s.proto, id_port(&s.sport));
	ikev1_build_id_prefix(b, &s.dst, s.proto, id_port(&s.dport));
}

void qm_put_natoa(struct ikev1_build *b, const struct ike_sa *sa, const struct child_sa *c)
{
	uint8_t type = v1_natt_draft(sa) ? ISAKMP_PAYLOAD_NAT_OA_DRAFT : ISAKMP_PAYLOAD_NAT_OA;

	// RFC 3947 5.2: the original addresses, for the checksums of transport mode.
	if (!c->udp_encap || !c->transform.transport)
		return;
	ikev1_build_natoa(b, type, c->initiator ? &sa->local : &sa->remote);
	ikev1_build_natoa(b, type, c->initiator ? &sa->remote : &sa->local);
}

static int hash_of(const struct v1_exchange *x, const uint8_t *from, size_t len, bool answer,
		   uint8_t *out)
{
	const struct ikev1_keys *k = &v1_of(x->sa)->keys;
	struct chunk rest = {from, len};

	return answer ? ikev1_hash2(k, x->message_id, v1_chunk(&x->ni), rest, out)
		      : ikev1_hash1(k, x->message_id, rest, out);
}

int qm_hash_check(const struct v1_rx *r, bool answer)
{
	const struct ikev1_payload *hp = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_HASH, 0);
	uint8_t want[HASH_LEN_MAX];
	const uint8_t *from;
	size_t len;
	char label[IKE_LABEL_MAX];
	static struct log_ratelimit rl = LOG_RATELIMIT(5);

	if (ikev1_msg_after_hash(&r->msg, &from, &len) == 0 &&
	    hash_of(r->x, from, len, answer, want) == 0 && hp->len == hash_len(r->sa->suite.hash) &&
	    secret_equal(want, hp->body, hp->len))
		return 0;
	r->sa->ike->n.rx_bad_auth++;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_BAD_HASH",
			  "Message of %s fails its authentication",
			  ike_sa_label(r->sa, label, sizeof(label)));
	return -EBADMSG;
}

int qm_hash_set(struct v1_exchange *x, struct ikev1_build *b, size_t at, bool answer)
{
	uint8_t hash[HASH_LEN_MAX];
	const uint8_t *from;
	size_t len;
	int rc = ikev1_build_after_hash(b, &from, &len);

	if (rc == 0)
		rc = hash_of(x, from, len, answer, hash);
	if (rc == 0)
		ikev1_build_set(b, at, hash, hash_len(x->sa->suite.hash));
	return rc;
}

void qm_choice_set(struct child_sa *c, struct ike_sa *sa, const struct ikev1_phase2_choice *ch)
{
	c->transform = ch->transform;
	c->transform.transport = ch->transport;
	c->spi_out = ch->peer_spi;
	c->lifetime_s = ch->lifetime_s;
	c->lifetime_kb = ch->lifetime_kb;
	c->udp_encap = ch->udp;
	c->local_port = sa->local_port;
	c->remote_port = sa->remote_port;
}

int qm_install(struct v1_exchange *x, struct child_sa *c, enum dp_dir dir, const struct secret *gxy)
{
	struct chunk g = {gxy->bytes, gxy->len};
	struct secret keymat = {0};
	struct err err = {0};
	uint32_t spi = dir == DP_IN ? c->spi_in : c->spi_out;
	int rc = ikev1_keymat(
		&v1_of(x->sa)->keys, PROTO_IPSEC_ESP, spi, g, v1_chunk(&x->ni), v1_chunk(&x->nr),
		ikev1_keymat_cipher_len(&c->transform) + ikev1_keymat_auth_len(&c->transform),
		&keymat);

	if (rc == 0)
		rc = child_sa_install(c, dir, keymat.bytes, keymat.len, &err);
	secret_clear(&keymat);
	if (rc < 0) {
		static struct log_ratelimit rl = LOG_RATELIMIT(2);  // a peer may go on trying
		char label[IKE_LABEL_MAX];

		log_event_limited(&rl, "CRYPTO", LOG_L_ERR, "IPSEC_INSTALL_FAILED",
				  "IPsec SA with %s cannot be installed: %s",
				  ike_sa_label(x->sa, label, sizeof(label)),
				  err.msg[0] ? err.msg : strerror(-rc));
	}
	return rc;
}

void qm_rank_set(struct v1_exchange *x, struct child_sa *c)
{
	struct chunk both[] = {v1_chunk(&x->ni), v1_chunk(&x->nr)};

	if (hash_compute(IKE_HASH_SHA256, both, 2, c->rank) < 0)
		memset(c->rank, 0, sizeof(c->rank));
}

int qm_nonce_new(struct v1_blob *b)
{
	uint8_t nonce[V1_NONCE_LEN];

	rand_bytes(nonce, sizeof(nonce));
	return v1_blob_set(b, nonce, sizeof(nonce));
}

void qm_take_lifetime(const struct v1_rx *r, struct child_sa *c)
{
	const struct ikev1_payload *p;
	struct ikev1_notify n;
	uint32_t s, kb;

	for (unsigned i = 0; (p = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_N, i)); i++) {
		if (ikev1_notify_decode(p, &n) < 0 || n.type != ISAKMP_N_RESPONDER_LIFETIME)
			continue;
		v1_lifetime_decode(&n, &s, &kb);
		if (s && s < c->lifetime_s)
			c->lifetime_s = s;
		if (kb && (c->lifetime_kb == 0 || kb < c->lifetime_kb))
			c->lifetime_kb = kb;
	}
}
