// The IKEv1 state machine: the table, and the way of a message to its row.
//
//   initiator                        responder
//   I1  --- SA, VID ---------------> R2      main mode (RFC 2409 5.4)
//       <-- SA, VID ----------------
//   I3  --- KE, Nonce, NAT-D ------> R4
//       <-- KE, Nonce, NAT-D -------
//   I5  --- ID, HASH (encrypted) --> DONE
//       <-- ID, HASH ---------------         DONE
//
//   I1  --- HASH(1), SA, N, IDs ---> R2      quick mode (5.5), all encrypted
//       <-- HASH(2), SA, N, IDs ----
//   DONE -- HASH(3) ---------------> DONE

#include "ikev1/fsm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/key_index.h"
#include "log.h"

// Bit of a payload type; the private numbers above 127 follow at 40.
#define P(type) (1ull << ((type) < 32 ? (type) : (type)-128 + 38))
#define P_SA    P(ISAKMP_PAYLOAD_SA)
#define P_KE    P(ISAKMP_PAYLOAD_KE)
#define P_ID    P(ISAKMP_PAYLOAD_ID)
#define P_HASH  P(ISAKMP_PAYLOAD_HASH)
#define P_NONCE P(ISAKMP_PAYLOAD_NONCE)
#define P_N     P(ISAKMP_PAYLOAD_N)
#define P_D     P(ISAKMP_PAYLOAD_D)
#define P_VID   P(ISAKMP_PAYLOAD_VID)
#define P_CR    P(ISAKMP_PAYLOAD_CR)
#define P_NATD  (P(ISAKMP_PAYLOAD_NAT_D) | P(ISAKMP_PAYLOAD_NAT_D_DRAFT))
#define P_NATOA (P(ISAKMP_PAYLOAD_NAT_OA) | P(ISAKMP_PAYLOAD_NAT_OA_DRAFT))
// These may come several times in one message; every other type once (IDs of quick mode: twice).
#define P_MANY (P_N | P_D | P_VID | P_CR | P_NATD | P_NATOA)

struct row {
	enum v1_state state;
	uint8_t exchange;
	bool initiator;  // our role in the exchange
	bool encrypted;
	uint64_t required, allowed;  // payloads; allowed in addition
	int (*handler)(struct v1_rx *r);
	enum v1_state next;  // the handler may go elsewhere
};

#define MM ISAKMP_XCHG_IDENTITY_PROTECTION
#define QM ISAKMP_XCHG_QUICK_MODE
#define IN ISAKMP_XCHG_INFORMATIONAL
static const struct row rows[] = {
	// state, exchange, initiator, encrypted, required, allowed, handler, next
	{V1_IDLE, MM, false, false, P_SA, P_VID, main_mode_r1, V1_MM_R2},
	{V1_MM_I1, MM, true, false, P_SA, P_VID, main_mode_i2, V1_MM_I2_DH},
	{V1_MM_R2, MM, false, false, P_KE | P_NONCE, P_NATD | P_VID | P_CR, main_mode_r3,
	 V1_MM_R3_DH},
	{V1_MM_I3, MM, true, false, P_KE | P_NONCE, P_NATD | P_VID | P_CR, main_mode_i4,
	 V1_MM_I4_DH},
	{V1_MM_R4, MM, false, true, P_ID | P_HASH, P_N | P_VID, main_mode_r5, V1_DONE},
	{V1_MM_I5, MM, true, true, P_ID | P_HASH, P_N | P_VID, main_mode_i6, V1_DONE},
	{V1_IDLE, QM, false, true, P_HASH | P_SA | P_NONCE, P_KE | P_ID | P_NATOA | P_N | P_VID,
	 quick_mode_r1, V1_QM_R1_DH},
	{V1_QM_I1, QM, true, true, P_HASH | P_SA | P_NONCE, P_KE | P_ID | P_NATOA | P_N | P_VID,
	 quick_mode_i2, V1_QM_I2_DH},
	{V1_QM_R2, QM, false, true, P_HASH, P_N | P_VID, quick_mode_r3, V1_DONE},
	{V1_IDLE, IN, false, true, P_HASH, P_N | P_D | P_VID, informational_rx, V1_DONE},
};

const char *v1_state_name(enum v1_state s)
{
	static const char *const names[V1_STATES] = {
		"IDLE",  "MM_I1",    "MM_I2_DH", "MM_I3", "MM_I4_DH",
		"MM_I5", "MM_R2",    "MM_R3_DH", "MM_R4", "QM_I0_DH",
		"QM_I1", "QM_I2_DH", "QM_R1_DH", "QM_R2", "DONE",
	};

	return s < V1_STATES ? names[s] : "?";
}

void v1_goto(struct v1_exchange *x, enum v1_state to)
{
	char label[IKE_LABEL_MAX];

	log_debug(DEBUG_ISAKMP, "%s, message id %08x: %s -> %s",
		  ike_sa_label(x->sa, label, sizeof(label)), x->message_id, v1_state_name(x->state),
		  v1_state_name(to));
	x->state = to;
}

// The payloads of a message as bits; 0 when one comes too often or has no bit.
static uint64_t payload_set(const struct ikev1_msg *m, bool quick)
{
	uint64_t set = 0;
	unsigned ids = 0;

	for (unsigned i = 0; i < m->count; i++) {
		uint8_t type = m->payloads[i].type;
		uint64_t bit;

		if (type >= 32 && (type < 128 || type > 150))
			return 0;
		bit = P(type);
		if (bit == P_ID && quick && ++ids <= 2) {
			set |= bit;
			continue;
		}
		if ((set & bit) && !(bit & P_MANY))
			return 0;
		set |= bit;
	}
	return quick && ids == 1 ? 0 : set;
}

static const struct row *row_find(const struct v1_exchange *x, bool encrypted)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == x->state && rows[i].exchange == x->type &&
		    rows[i].initiator == x->initiator && rows[i].encrypted == encrypted)
			return &rows[i];
	return NULL;
}

static void refuse(struct ike *ike, const struct dp_udp *meta, const char *what)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(5);
	char peer[ADDR_STR_MAX];

	ike->n.rx_malformed++;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_BAD_MESSAGE",
			  "Message of peer %s:%u dropped: %s",
			  addr_format(&meta->remote, peer, sizeof(peer)), meta->remote_port, what);
}

// An encrypted message that is no message after decryption: in phase 1 that is what a wrong
// pre-shared key looks like.
static void refuse_encrypted(struct v1_rx *r)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(5);
	char label[IKE_LABEL_MAX];

	if (r->x->state != V1_MM_R4 && r->x->state != V1_MM_I5) {
		refuse(r->sa->ike, r->meta, "malformed after decryption");
		return;
	}
	r->sa->ike->n.failed_auth++;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_PSK_MISMATCH",
			  "Message of %s is malformed after decryption: pre-shared key mismatch?",
			  ike_sa_label(r->sa, label, sizeof(label)));
}

static int decode(struct v1_rx *r, uint8_t *data, const struct ikev1_hdr *h, uint8_t *next_iv)
{
	bool encrypted = h->flags & ISAKMP_FLAG_ENCRYPTION;
	const struct ikev1_keys *k = &v1_of(r->sa)->keys;

	if (encrypted && (!secret_is_set(&k->key) ||
			  ikev1_msg_decrypt(data, h, k->encr, &k->key, r->x->iv, next_iv) < 0)) {
		refuse(r->sa->ike, r->meta, "cannot be decrypted");
		return -EBADMSG;
	}
	if (ikev1_msg_decode(data, h, encrypted, &r->msg) < 0) {
		if (encrypted)
			refuse_encrypted(r);
		else
			refuse(r->sa->ike, r->meta, "malformed");
		return -EBADMSG;
	}
	return 0;
}

// Runs the row's handler. What the handler needs (IV, state) is set before, and taken back when
// it refuses.
static int step(struct v1_rx *r, const struct row *row, const uint8_t *next_iv,
		const uint8_t hash[32])
{
	struct v1_exchange *x = r->x;
	enum v1_state state = x->state;
	uint8_t iv[CIPHER_BLOCK_MAX], old_hash[32];
	bool known = x->rx_known;
	int rc;

	memcpy(iv, x->iv, sizeof(iv));
	memcpy(old_hash, x->rx_hash, sizeof(old_hash));
	if (row->encrypted)
		memcpy(x->iv, next_iv, cipher_block_len(v1_of(r->sa)->keys.encr));
	memcpy(x->rx_hash, hash, 32);
	x->rx_known = true;
	v1_goto(x, row->next);
	rc = row->handler(r);
	if (rc < 0 && !x->dead && !r->sa->dead) {
		v1_goto(x, state);
		memcpy(x->iv, iv, sizeof(iv));
		memcpy(x->rx_hash, old_hash, sizeof(old_hash));
		x->rx_known = known;
	}
	return rc;
}

static int dispatch(struct v1_rx *r, uint8_t *data, const struct ikev1_hdr *h,
		    const uint8_t hash[32])
{
	bool encrypted = h->flags & ISAKMP_FLAG_ENCRYPTION;
	const struct row *row = row_find(r->x, encrypted);
	uint8_t next_iv[CIPHER_BLOCK_MAX] = {0};
	uint64_t set;

	if (!row) {  // repeated, reordered or forged
		r->sa->ike->n.rx_out_of_turn++;
		return -EPROTO;
	}
	if (decode(r, data, h, next_iv) < 0)
		return -EBADMSG;
	set = payload_set(&r->msg, r->x->type == QM);
	if ((set & row->required) != row->required || (set & ~(row->required | row->allowed))) {
		if (encrypted)
			refuse_encrypted(r);
		else
			refuse(r->sa->ike, r->meta, "unexpected payloads");
		return -EBADMSG;
	}
	return step(r, row, next_iv, hash);
}

// A message that was accepted before. A responder answers it again, once per repetition; an
// initiator only where its own message is the last one (quick mode): otherwise two ends would
// answer each other's repetitions for ever.
static bool repeated(struct v1_exchange *x, const uint8_t hash[32])
{
	if (!x->rx_known || memcmp(x->rx_hash, hash, 32) != 0)
		return false;
	if (!x->initiator || (x->type == QM && x->state == V1_DONE))
		v1_exchange_resend(x);
	return true;
}

// Without authentication a notification has no effect, but the operator may want to know of it.
static void informational_clear(struct v1_rx *r, const uint8_t *data, const struct ikev1_hdr *h)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	const struct ikev1_payload *p;
	struct ikev1_notify n;
	char label[IKE_LABEL_MAX];

	r->sa->ike->n.rx_bad_auth++;
	if (ikev1_msg_decode(data, h, false, &r->msg) < 0)
		return;
	p = ikev1_msg_find(&r->msg, ISAKMP_PAYLOAD_N, 0);
	if (p && ikev1_notify_decode(p, &n) == 0)
		log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_UNAUTHENTICATED",
				  "%s says %s without authentication (ignored)",
				  ike_sa_label(r->sa, label, sizeof(label)),
				  v1_notify_name(n.type));
}

static void rx_exchange(struct v1_rx *r, uint8_t *data, const struct ikev1_hdr *h)
{
	struct ike_sa *sa = r->sa;
	uint8_t hash[32];
	bool fresh = false;

	if (v1_msg_hash(data, h->length, hash) < 0)
		return;
	if (h->exchange == IN && !(h->flags & ISAKMP_FLAG_ENCRYPTION)) {
		informational_clear(r, data, h);
		return;
	}
	r->x = v1_exchange_find(sa, h->message_id);
	if (r->x && r->x->type != h->exchange) {
		sa->ike->n.rx_out_of_turn++;
		return;
	}
	if (r->x && repeated(r->x, hash))
		return;
	if (!r->x) {
		// Phase 2 begins when phase 1 is complete, each message id is used once.
		if (!sa->established || h->message_id == 0 ||
		    (h->exchange != QM && h->exchange != IN) ||
		    !(h->flags & ISAKMP_FLAG_ENCRYPTION) || v1_message_id_used(sa, h->message_id)) {
			sa->ike->n.rx_out_of_turn++;
			return;
		}
		r->x = v1_exchange_create(sa, h->exchange, h->message_id, false);
		if (!r->x) {
			sa->ike->n.rx_dropped_limit++;
			return;
		}
		fresh = true;
	}
	if (dispatch(r, data, h, hash) < 0 && fresh && !sa->dead && !r->x->dead) {
		// It does not spend its message id: a forged message must not block a real one.
		v1_exchange_kill(r->x);
		v1_message_id_unspend(sa, h->message_id);
	}
}

static void first_message(struct ike *ike, const struct dp_udp *meta, uint8_t *data,
			  const struct ikev1_hdr *h)
{
	struct v1_rx r = {.meta = meta};
	struct v1_sa *v;

	r.sa = ike_sa_by_first(ike, h->icookie, &meta->remote, meta->remote_port);
	if (r.sa) {
		rx_exchange(&r, data, h);  // repeated message 1
		return;
	}
	if (h->exchange != MM || h->message_id != 0 || h->icookie == 0 ||
	    (h->flags & ISAKMP_FLAG_ENCRYPTION) || !ike->config) {
		ike->n.rx_unknown_sa++;
		return;
	}
	if (!key_index_lookup(ike, &meta->remote)) {
		static struct log_ratelimit rl = LOG_RATELIMIT(2);
		char peer[ADDR_STR_MAX];

		ike->n.rx_unknown_sa++;
		log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_NO_PRESHARED_KEY",
				  "Peer %s wants an IKE SA, but no pre-shared key is configured "
				  "for it",
				  addr_format(&meta->remote, peer, sizeof(peer)));
		return;
	}
	r.sa = ike_sa_create(ike, &ikev1_version, false, meta);
	if (!r.sa)
		return;
	v = calloc(1, sizeof(*v));
	r.sa->v = v;
	if (v) {
		TAILQ_INIT(&v->exchanges);
		r.x = v1_exchange_create(r.sa, MM, 0, false);
	}
	if (!r.x) {
		ike_sa_kill(r.sa, "no memory", false);
		return;
	}
	r.sa->icookie = h->icookie;  // ours is made when the offer is acceptable
	uint8_t hash[32];

	if (v1_msg_hash(data, h->length, hash) < 0 || dispatch(&r, data, h, hash) < 0)
		ike_sa_kill(r.sa, "refused", false);
}

// The IKE SA a message belongs to, or NULL. Its address must be the peer's: an SA whose peer is
// behind a NAT may move, but only with a message that proves itself (ike_sa_moved).
static struct ike_sa *sa_of(struct ike *ike, const struct dp_udp *meta, const struct ikev1_hdr *h)
{
	struct ike_sa *sa = ike_sa_by_cookie(ike, h->rcookie);

	if (!sa || sa->initiator || sa->icookie != h->icookie)
		sa = ike_sa_by_cookie(ike, h->icookie);
	if (!sa || sa->icookie != h->icookie)
		return NULL;
	if (sa->initiator) {
		if (sa->rcookie != 0 && sa->rcookie != h->rcookie)
			return NULL;
	} else if (sa->rcookie != h->rcookie) {
		return NULL;
	}
	if (!addr_equal(&sa->local, &meta->local) ||
	    (!addr_equal(&sa->remote, &meta->remote) && !(sa->established && sa->nat_remote)))
		return NULL;
	return sa;
}

// What this gateway does not speak, said in so many words: aggressive mode gives a hash of the
// pre-shared key to whoever asks, so it is refused without an answer or a state (security table,
// row 11); fragments (row 3) are for those who announce them, which we never do.
static bool unspoken(struct ike *ike, const struct dp_udp *meta, const struct ikev1_hdr *h)
{
	static struct log_ratelimit rl_aggressive = LOG_RATELIMIT(2),
				    rl_fragment = LOG_RATELIMIT(2);
	char peer[ADDR_STR_MAX];

	addr_format(&meta->remote, peer, sizeof(peer));
	if (h->next_payload == ISAKMP_PAYLOAD_FRAGMENT) {
		ike->n.rx_fragment++;
		log_event_limited(&rl_fragment, "CRYPTO", LOG_L_WARNING, "IKMP_FRAGMENT",
				  "IKE fragment of peer %s:%u (SPIs %016llx, %016llx) dropped: "
				  "fragmentation was not announced",
				  peer, meta->remote_port, (unsigned long long)h->icookie,
				  (unsigned long long)h->rcookie);
		return true;
	}
	if (h->exchange == ISAKMP_XCHG_AGGRESSIVE) {
		ike->n.rx_aggressive++;
		log_event_limited(&rl_aggressive, "CRYPTO", LOG_L_WARNING, "IKMP_AGGRESSIVE",
				  "Peer %s:%u (SPIs %016llx, %016llx) wants aggressive mode, which "
				  "is refused: set it to main mode",
				  peer, meta->remote_port, (unsigned long long)h->icookie,
				  (unsigned long long)h->rcookie);
		return true;
	}
	return false;
}

// Nobody's: an unauthenticated informational, or an SA that we no longer have.
static void stray(struct ike *ike, const struct dp_udp *meta, const struct ikev1_hdr *h)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(2);
	char peer[ADDR_STR_MAX];

	ike->n.rx_unknown_sa++;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_NO_SA",
			  "Message of peer %s:%u (exchange %u) belongs to no IKE SA",
			  addr_format(&meta->remote, peer, sizeof(peer)), meta->remote_port,
			  h->exchange);
}

void v1_rx(struct ike *ike, const struct dp_udp *meta, const uint8_t *msg, size_t len)
{
	struct v1_rx r = {.meta = meta};
	struct ikev1_hdr h;
	uint8_t *copy;
	int rc = len > V1_MSG_MAX ? -EMSGSIZE : ikev1_hdr_decode(msg, len, &h);

	if (rc < 0) {
		ike->n.rx_version += rc == -EPROTONOSUPPORT;
		refuse(ike, meta,
		       rc == -EMSGSIZE          ? "too long"
		       : rc == -EPROTONOSUPPORT ? "not of IKE version 1"
						: "bad header");
		return;
	}
	if (unspoken(ike, meta, &h))
		return;
	copy = malloc(len);  // decryption is in place
	if (!copy)
		return;
	memcpy(copy, msg, len);
	r.sa = h.rcookie ? sa_of(ike, meta, &h) : NULL;
	if (r.sa)
		ike_sa_wake(r.sa);  // its group has just gone to work
	if (r.sa && r.sa->dead)
		stray(ike, meta, &h);
	else if (r.sa)
		rx_exchange(&r, copy, &h);
	else if (h.rcookie == 0 && h.exchange != IN)
		first_message(ike, meta, copy, &h);
	else
		stray(ike, meta, &h);
	free(copy);
}

void v1_dh_done(struct v1_exchange *x, int rc, struct secret *gxy)
{
	switch (x->state) {
	case V1_MM_I2_DH: main_mode_i2_done(x, rc, gxy); break;
	case V1_MM_I4_DH: main_mode_i4_done(x, rc, gxy); break;
	case V1_MM_R3_DH: main_mode_r3_done(x, rc, gxy); break;
	case V1_QM_I0_DH: quick_mode_i0_done(x, rc, gxy); break;
	case V1_QM_I2_DH: quick_mode_i2_done(x, rc, gxy); break;
	case V1_QM_R1_DH: quick_mode_r1_done(x, rc, gxy); break;
	default: break;  // overtaken by events
	}
}

void v1_dh_lost(struct v1_exchange *x)
{
	if (x->state == V1_QM_I2_DH) {  // our message 1 is repeated, or the peer's answer
		v1_goto(x, V1_QM_I1);
		memcpy(x->iv, x->iv_tx, sizeof(x->iv));
		x->rx_known = false;
		return;
	}
	if (x->message_id)
		quick_mode_abort(x, NULL);
	else
		ike_sa_kill(x->sa, "group stopped", false);
}
