// Informational exchanges (RFC 2408 4.8, RFC 2409 5.7, RFC 3706): deletes and notifications, each
// one message, HASH(1) first. What comes without authentication has no effect.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ike/dpd.h"
#include "ike/ike_want.h"
#include "ike/replaced.h"
#include "ikev1/fsm.h"
#include "ikev1/quick_mode.h"
#include "log.h"

#define INFO_BUF 2048

const char *v1_notify_name(uint16_t type)
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{ISAKMP_N_INVALID_PAYLOAD_TYPE, "INVALID-PAYLOAD-TYPE"},
		{ISAKMP_N_DOI_NOT_SUPPORTED, "DOI-NOT-SUPPORTED"},
		{ISAKMP_N_INVALID_COOKIE, "INVALID-COOKIE"},
		{ISAKMP_N_INVALID_EXCHANGE_TYPE, "INVALID-EXCHANGE-TYPE"},
		{ISAKMP_N_INVALID_MESSAGE_ID, "INVALID-MESSAGE-ID"},
		{ISAKMP_N_INVALID_SPI, "INVALID-SPI"},
		{ISAKMP_N_ATTRIBUTES_NOT_SUPPORTED, "ATTRIBUTES-NOT-SUPPORTED"},
		{ISAKMP_N_NO_PROPOSAL_CHOSEN, "NO-PROPOSAL-CHOSEN"},
		{ISAKMP_N_BAD_PROPOSAL_SYNTAX, "BAD-PROPOSAL-SYNTAX"},
		{ISAKMP_N_PAYLOAD_MALFORMED, "PAYLOAD-MALFORMED"},
		{ISAKMP_N_INVALID_KEY_INFORMATION, "INVALID-KEY-INFORMATION"},
		{ISAKMP_N_INVALID_ID_INFORMATION, "INVALID-ID-INFORMATION"},
		{ISAKMP_N_INVALID_HASH_INFORMATION, "INVALID-HASH-INFORMATION"},
		{ISAKMP_N_AUTHENTICATION_FAILED, "AUTHENTICATION-FAILED"},
		{ISAKMP_N_NOTIFY_SA_LIFETIME, "NOTIFY-SA-LIFETIME"},
		{ISAKMP_N_UNEQUAL_PAYLOAD_LENGTHS, "UNEQUAL-PAYLOAD-LENGTHS"},
		{ISAKMP_N_CONNECTED, "CONNECTED"},
		{ISAKMP_N_RESPONDER_LIFETIME, "RESPONDER-LIFETIME"},
		{ISAKMP_N_REPLAY_STATUS, "REPLAY-STATUS"},
		{ISAKMP_N_INITIAL_CONTACT, "INITIAL-CONTACT"},
		{ISAKMP_N_R_U_THERE, "R-U-THERE"},
		{ISAKMP_N_R_U_THERE_ACK, "R-U-THERE-ACK"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].type == type)
			return names[i].name;
	return "unknown";
}

// RFC 2407 4.5 and RFC 2409 appendix A: life type 1 = seconds, 2 = kilobytes; the duration follows.
size_t v1_lifetime_encode(bool phase1, uint32_t s, uint32_t kb, uint8_t out[24])
{
	uint16_t type = phase1 ? OAKLEY_LIFE_TYPE : IPSEC_SA_LIFE_TYPE;
	uint16_t duration = phase1 ? OAKLEY_LIFE_DURATION : IPSEC_SA_LIFE_DURATION;
	uint32_t values[] = {s, kb};
	struct wbuf w;

	wbuf_init(&w, out, 24);
	for (uint16_t i = 0; i < 2; i++) {
		if (values[i] == 0)
			continue;
		wbuf_put_u16(&w, ISAKMP_ATTR_AF | type);
		wbuf_put_u16(&w, i + 1);
		wbuf_put_u16(&w, duration);
		wbuf_put_u16(&w, 4);
		wbuf_put_u32(&w, values[i]);
	}
	return w.len;
}

static int attr_get(struct rbuf *b, uint16_t *type, uint64_t *value)
{
	uint16_t len;
	uint8_t byte;

	*value = 0;
	if (rbuf_get_u16(b, type) < 0 || rbuf_get_u16(b, &len) < 0)
		return -EBADMSG;
	if (*type & ISAKMP_ATTR_AF) {
		*type &= (uint16_t)~ISAKMP_ATTR_AF;
		*value = len;
		return 0;
	}
	for (; len > 0; len--) {
		if (rbuf_get_u8(b, &byte) < 0)
			return -EBADMSG;
		*value = *value >> 24 ? UINT32_MAX : *value << 8 | byte;
	}
	return 0;
}

void v1_lifetime_decode(const struct ikev1_notify *n, uint32_t *s, uint32_t *kb)
{
	uint16_t duration =
		n->protocol == PROTO_ISAKMP ? OAKLEY_LIFE_DURATION : IPSEC_SA_LIFE_DURATION;
	uint16_t life = n->protocol == PROTO_ISAKMP ? OAKLEY_LIFE_TYPE : IPSEC_SA_LIFE_TYPE;
	uint64_t value, kind = 0;
	uint16_t type;
	struct rbuf b;

	*s = *kb = 0;
	rbuf_init(&b, n->data, n->len);
	while (rbuf_left(&b) && attr_get(&b, &type, &value) == 0) {
		if (type == life)
			kind = value;
		else if (type == duration && kind == IPSEC_LIFE_SECONDS)
			*s = (uint32_t)value;
		else if (type == duration && kind == IPSEC_LIFE_KILOBYTES)
			*kb = (uint32_t)value;
	}
}

// ---- sending -----------------------------------------------------------------------------------
static int send_and_end(struct v1_exchange *x, struct ikev1_build *b, size_t hash_at)
{
	int rc = qm_hash_set(x, b, hash_at, false);

	if (rc == 0)
		rc = v1_exchange_send(x, b, true, false);
	v1_exchange_kill(x);  // nobody answers an informational exchange
	return rc;
}

static struct v1_exchange *begin(struct ike_sa *sa, struct ikev1_build *b, uint8_t *mem, size_t cap,
				 size_t *hash_at)
{
	struct v1_exchange *x;

	if (!sa->established)
		return NULL;
	x = v1_exchange_create(sa, ISAKMP_XCHG_INFORMATIONAL, v1_message_id_new(sa), true);
	if (!x)
		return NULL;
	v1_build_init(x, b, mem, cap);
	*hash_at = ikev1_build_hash(b, hash_len(sa->suite.hash));
	return x;
}

int v1_notify_send(struct ike_sa *sa, uint8_t protocol, uint16_t type, const void *spi,
		   size_t spi_len, const void *data, size_t len)
{
	uint8_t mem[INFO_BUF];
	struct ikev1_build b;
	size_t at;
	struct v1_exchange *x = begin(sa, &b, mem, sizeof(mem), &at);

	if (!x)
		return -EBUSY;
	ikev1_build_notify(&b, protocol, type, spi, spi_len, data, len);
	return send_and_end(x, &b, at);
}

void v1_notify_clear(struct ike *ike, const struct dp_udp *meta, uint64_t icookie, uint64_t rcookie,
		     uint16_t type)
{
	struct ikev1_hdr h = {
		.icookie = icookie, .rcookie = rcookie, .exchange = ISAKMP_XCHG_INFORMATIONAL};
	uint8_t mem[INFO_BUF];
	struct ikev1_build b;
	size_t len;

	ikev1_build_init(&b, mem, sizeof(mem), &h);
	ikev1_build_notify(&b, PROTO_ISAKMP, type, NULL, 0, NULL, 0);
	if (ikev1_build_finish(&b, &len) == 0)
		ike_send(ike, meta, mem, len);
}

static void esp_delete_send(struct ike_sa *sa, uint32_t spi)
{
	uint8_t mem[INFO_BUF];
	struct ikev1_build b;
	size_t at;
	struct v1_exchange *x = begin(sa, &b, mem, sizeof(mem), &at);

	if (!x)
		return;
	ikev1_build_delete_esp(&b, &spi, 1);
	send_and_end(x, &b, at);
}

void v1_child_delete(struct ike_sa *sa, const struct child_sa *c)
{
	esp_delete_send(sa, c->spi_in);
}

void v1_spi_delete(struct ike_sa *sa, uint32_t spi)
{
	esp_delete_send(sa, spi);
}

void v1_sa_delete(struct ike_sa *sa)
{
	uint8_t mem[INFO_BUF];
	struct ikev1_build b;
	size_t at;
	struct v1_exchange *x = begin(sa, &b, mem, sizeof(mem), &at);

	if (!x)
		return;
	ikev1_build_delete_isakmp(&b, sa->icookie, sa->rcookie);
	send_and_end(x, &b, at);
}

static int dpd_send(struct ike_sa *sa, uint16_t type, uint32_t seq)
{
	uint8_t spi[16], data[4];
	struct wbuf w;

	wbuf_init(&w, spi, sizeof(spi));
	wbuf_put_u64(&w, sa->icookie);
	wbuf_put_u64(&w, sa->rcookie);
	wbuf_init(&w, data, sizeof(data));
	wbuf_put_u32(&w, seq);
	return v1_notify_send(sa, PROTO_ISAKMP, type, spi, sizeof(spi), data, sizeof(data));
}

int v1_dpd_probe(struct ike_sa *sa, uint32_t seq)
{
	return dpd_send(sa, ISAKMP_N_R_U_THERE, seq);
}

// ---- receiving ---------------------------------------------------------------------------------
static void take_delete(struct v1_rx *r, const struct ikev1_payload *p, bool *ike_gone)
{
	struct ike_sa *sa = r->sa;
	struct ikev1_delete d;
	uint64_t ic, rc;
	struct rbuf b;

	if (ikev1_delete_decode(p, &d) < 0) {
		sa->ike->n.rx_malformed++;
		return;
	}
	if (d.protocol == PROTO_IPSEC_ESP && d.spi_len == 4) {
		// Only SAs with the peer that this IKE SA is with: nobody deletes another's.
		for (unsigned i = 0; i < d.count; i++) {
			struct child_sa *c = child_sa_by_peer_spi(sa, ikev1_delete_spi(&d, i));

			if (c)
				child_sa_delete(c, "peer deleted", false);
		}
	} else if (d.protocol == PROTO_ISAKMP && d.spi_len == 16) {
		rbuf_init(&b, d.spis, (size_t)d.count * 16);
		while (rbuf_get_u64(&b, &ic) == 0 && rbuf_get_u64(&b, &rc) == 0)
			*ike_gone |= ic == sa->icookie && rc == sa->rcookie;
	}
}

// A quick mode that the peer refuses to go on with: named by its SPI, else the only one under way.
static struct v1_exchange *refused_exchange(const struct ike_sa *sa, const struct ikev1_notify *n)
{
	struct v1_exchange *x, *only = NULL;
	uint32_t spi = 0;
	struct rbuf b;

	rbuf_init(&b, n->spi, n->spi_len);
	if (n->spi_len != 4 || rbuf_get_u32(&b, &spi) < 0)
		spi = 0;
	TAILQ_FOREACH (x, &v1_of(sa)->exchanges, link) {
		const struct child_sa *c;

		if (x->type != ISAKMP_XCHG_QUICK_MODE ||
		    (x->state != V1_QM_I1 && x->state != V1_QM_R2))
			continue;
		c = child_sa_by_id(sa->ike, x->child);
		if (spi && c && c->spi_in == spi)
			return x;
		if (only)
			return NULL;
		only = x;
	}
	return only;
}

static void take_error(struct v1_rx *r, const struct ikev1_notify *n)
{
	struct ike_sa *sa = r->sa;
	struct v1_exchange *x = refused_exchange(sa, n);
	char label[IKE_LABEL_MAX], why[96];
	static struct log_ratelimit rl = LOG_RATELIMIT(10);

	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_PEER_REFUSED", "%s says %s (%u)",
			  ike_sa_label(sa, label, sizeof(label)), v1_notify_name(n->type), n->type);
	if (!x)
		return;
	sa->ike->n.failed_no_proposal += n->type == ISAKMP_N_NO_PROPOSAL_CHOSEN;
	sa->ike->n.failed_proxy += n->type == ISAKMP_N_INVALID_ID_INFORMATION;
	snprintf(why, sizeof(why), "the peer refused: %s", v1_notify_name(n->type));
	quick_mode_abort(x, why);
}

static bool names_this_sa(const struct ike_sa *sa, const struct ikev1_notify *n)
{
	uint64_t ic, rc;
	struct rbuf b;

	rbuf_init(&b, n->spi, n->spi_len);
	return n->spi_len == 16 && rbuf_get_u64(&b, &ic) == 0 && rbuf_get_u64(&b, &rc) == 0 &&
	       ic == sa->icookie && rc == sa->rcookie;
}

static void take_notify(struct v1_rx *r, const struct ikev1_payload *p)
{
	struct ike_sa *sa = r->sa;
	struct ikev1_notify n;
	uint32_t seq;
	struct rbuf b;

	if (ikev1_notify_decode(p, &n) < 0) {
		sa->ike->n.rx_malformed++;
		return;
	}
	rbuf_init(&b, n.data, n.len);
	if (n.type == ISAKMP_N_R_U_THERE || n.type == ISAKMP_N_R_U_THERE_ACK) {
		// RFC 3706 5.4: the SPI names this very SA, the data is the sequence number.
		if (!names_this_sa(sa, &n) || n.len != 4 || rbuf_get_u32(&b, &seq) < 0) {
			sa->ike->n.rx_malformed++;
			return;
		}
		if (n.type == ISAKMP_N_R_U_THERE) {
			if (dpd_request_check(sa, seq) == 0) {
				replaced_asked(sa);
				dpd_send(sa, ISAKMP_N_R_U_THERE_ACK, seq);
			}
		} else if (dpd_ack(sa, seq) < 0) {
			sa->ike->n.rx_bad_auth++;
		}
	} else if (n.type == ISAKMP_N_INITIAL_CONTACT) {
		ike_sa_initial_contact(sa);
	} else if (n.type < ISAKMP_N_CONNECTED) {
		take_error(r, &n);
	}
}

int informational_rx(struct v1_rx *r)
{
	struct ike_sa *sa = r->sa;
	struct v1_exchange *x = r->x;
	bool ike_gone = false;
	int rc = qm_hash_check(r, false);

	if (rc < 0)
		return rc;
	ike_sa_heard(sa);
	replica_touch(sa->ike, &sa->ha);  // the message id is spent
	ike_sa_moved(sa, r->meta);
	for (unsigned i = 0; i < r->msg.count && !sa->dead; i++) {
		const struct ikev1_payload *p = &r->msg.payloads[i];

		if (p->type == ISAKMP_PAYLOAD_D)
			take_delete(r, p, &ike_gone);
		else if (p->type == ISAKMP_PAYLOAD_N)
			take_notify(r, p);
	}
	if (!x->dead)
		v1_exchange_kill(x);  // its message id stays spent
	if (ike_gone && !sa->dead)
		ike_sa_peer_deleted(sa);
	return 0;
}
