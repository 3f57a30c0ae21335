// IKEv1 exchanges: state, table, and what the exchange files share. Private to this folder.
//
// A phase 1 exchange (main mode) and every phase 2 exchange (quick mode, informational) is a
// struct v1_exchange. A message is looked up (IKE SA by our cookie, exchange by message id),
// decrypted, decoded, and compared with the rows of the table in fsm.c: a wrong set of payloads
// never reaches a handler. A handler that returns an error leaves no trace: state, IV and stored
// reply stay what they were, so a forged message costs its sender a packet and us a look.
#pragma once

#include "ike/dh.h"
#include "ike/hash.h"
#include "ike/ike_sa.h"
#include "ikev1/keys.h"
#include "ikev1/msg.h"

struct child_sa;

enum v1_state {
	V1_IDLE,      // nothing sent, nothing accepted
	V1_MM_I1,     // initiator: message 1 sent
	V1_MM_I2_DH,  // computing for message 3
	V1_MM_I3,     // message 3 sent
	V1_MM_I4_DH,
	V1_MM_I5,  // message 5 sent
	V1_MM_R2,  // responder: message 2 sent
	V1_MM_R3_DH,
	V1_MM_R4,     // message 4 sent
	V1_QM_I0_DH,  // initiator: computing for message 1
	V1_QM_I1,     // message 1 sent
	V1_QM_I2_DH,
	V1_QM_R1_DH,  // responder: computing for message 2
	V1_QM_R2,     // message 2 sent
	V1_DONE,      // complete; kept for repeated messages
	V1_STATES,
};
const char *v1_state_name(enum v1_state s);

struct v1_blob {  // bytes that are no secret; owned
	uint8_t *bytes;
	size_t len;
};
int v1_blob_set(struct v1_blob *b, const void *bytes, size_t len);
void v1_blob_clear(struct v1_blob *b);
static inline struct chunk v1_chunk(const struct v1_blob *b)
{
	return (struct chunk){b->bytes, b->len};
}

#define V1_NONCE_LEN   32
#define V1_MSG_MAX     16384  // longest message taken from a peer
#define V1_SA_BODY_MAX 8192   // longest SA payload of a stranger that we keep
#define V1_EXCHANGES   64     // phase 2 exchanges of one IKE SA under way or kept
#define V1_IDS         256    // message ids remembered against repetition

struct v1_exchange {
	TAILQ_ENTRY(v1_exchange) link;
	struct ike_dead grave;
	struct ike_sa *sa;
	uint32_t serial;      // for tasks: names this exchange for ever
	uint32_t message_id;  // 0 = phase 1
	uint8_t type;         // enum isakmp_exchange
	bool initiator, dead;
	enum v1_state state;
	uint8_t iv[CIPHER_BLOCK_MAX];     // of the next message, whoever sends it
	uint8_t iv_tx[CIPHER_BLOCK_MAX];  // as it was behind our last message
	struct v1_blob tx;                // last message sent
	uint8_t rx_hash[32];              // of the last message accepted
	bool rx_known;
	unsigned tries;
	uint64_t begun_ms;
	struct ike_timer timer;
	struct v1_blob ni, nr;    // nonces
	struct v1_blob gxi, gxr;  // public values
	struct dh_keypair *dh;
	struct secret dh_private;  // of dh, where another box must be able to go on with it
	struct v1_blob sa_body;    // phase 1: SAi_b; quick mode responder: the offer
	struct secret gxy;         // quick mode responder with PFS: until message 3
	bool has_ids;              // quick mode: message 1 bore identities
	uint32_t child;            // quick mode: child SA id
	uint32_t policy;           // quick mode: its flow, also when the child is gone
};

struct v1_sa {
	struct v1_exchange *main;  // kept after phase 1 for a repeated message 5
	TAILQ_HEAD(, v1_exchange) exchanges;
	unsigned count;
	struct ikev1_keys keys;
	uint8_t last_block[CIPHER_BLOCK_MAX];  // of phase 1 (RFC 2409 appendix B)
	unsigned vendors;                      // enum ikev1_vendor of the peer
	unsigned natt_vendor;                  // the NAT-T version agreed, 0 = none
	uint32_t offered_life_s;               // responder: what the peer offered
	uint32_t ids[V1_IDS];
	unsigned ids_at;
};

static inline struct v1_sa *v1_of(const struct ike_sa *sa)
{
	return sa->v;
}
bool v1_natt_draft(const struct ike_sa *sa);

// What a handler gets.
struct v1_rx {
	struct ike_sa *sa;
	struct v1_exchange *x;
	const struct dp_udp *meta;
	struct ikev1_msg msg;
};

// ---- exchange.c ------------------------------------------------------------------------------
struct v1_exchange *v1_exchange_create(struct ike_sa *sa, uint8_t type, uint32_t message_id,
				       bool initiator);
void v1_exchange_kill(struct v1_exchange *x);  // freed when the call leaves
void v1_exchange_free(struct v1_exchange *x);  // at once
struct v1_exchange *v1_exchange_find(const struct ike_sa *sa, uint32_t message_id);
uint32_t v1_message_id_new(const struct ike_sa *sa);
bool v1_message_id_used(const struct ike_sa *sa, uint32_t message_id);
void v1_message_id_spend(struct ike_sa *sa, uint32_t message_id);
void v1_message_id_unspend(struct ike_sa *sa, uint32_t message_id);
// A message of this exchange, empty.
void v1_build_init(const struct v1_exchange *x, struct ikev1_build *b, uint8_t *mem, size_t cap);
// Encrypts when asked and stores the message.
int v1_exchange_prepare(struct v1_exchange *x, struct ikev1_build *b, bool encrypt);
// Sends it. Whatever it says must be so by now: another box may have to go on from here.
// `repeat`: also by timer until answered.
void v1_exchange_emit(struct v1_exchange *x, bool repeat);
// Both.
int v1_exchange_send(struct v1_exchange *x, struct ikev1_build *b, bool encrypt, bool repeat);
// After a take-over: its timer runs (again); our request is repeated after delay_ms.
void v1_exchange_resume(struct v1_exchange *x, uint64_t delay_ms);
void v1_exchange_resend(struct v1_exchange *x);
void v1_exchange_linger(struct v1_exchange *x);  // V1_DONE: kept a while for repetitions
// Hands g^x (generate) and g^xy (peer given) to a helper; v1_dh_done() follows.
int v1_exchange_dh(struct v1_exchange *x, uint16_t group, bool generate,
		   const struct ikev1_payload *peer);
int v1_msg_hash(const uint8_t *msg, size_t len, uint8_t out[32]);

// ---- fsm.c -----------------------------------------------------------------------------------
void v1_rx(struct ike *ike, const struct dp_udp *meta, const uint8_t *msg, size_t len);
void v1_dh_done(struct v1_exchange *x, int rc, struct secret *gxy);
void v1_goto(struct v1_exchange *x, enum v1_state to);
// Its group stopped while public-key work was under way: as before, or given up.
void v1_dh_lost(struct v1_exchange *x);

// ---- main_mode.c, main_mode_r.c --------------------------------------------------------------
int main_mode_start(struct ike_sa *sa);
int main_mode_r1(struct v1_rx *r);
int main_mode_i2(struct v1_rx *r);
int main_mode_r3(struct v1_rx *r);
int main_mode_i4(struct v1_rx *r);
int main_mode_r5(struct v1_rx *r);
int main_mode_i6(struct v1_rx *r);
void main_mode_i2_done(struct v1_exchange *x, int rc, struct secret *gxy);
void main_mode_i4_done(struct v1_exchange *x, int rc, struct secret *gxy);
void main_mode_r3_done(struct v1_exchange *x, int rc, struct secret *gxy);

// ---- quick_mode.c, quick_mode_r.c ------------------------------------------------------------
int quick_mode_start(struct ike_sa *sa, struct ike_want *w);
int quick_mode_i2(struct v1_rx *r);
int quick_mode_r1(struct v1_rx *r);
int quick_mode_r3(struct v1_rx *r);
void quick_mode_i0_done(struct v1_exchange *x, int rc, struct secret *gxy);
void quick_mode_i2_done(struct v1_exchange *x, int rc, struct secret *gxy);
void quick_mode_r1_done(struct v1_exchange *x, int rc, struct secret *gxy);
void quick_mode_timeout(struct v1_exchange *x);
void quick_mode_abort(struct v1_exchange *x, const char *reason);

// ---- informational.c -------------------------------------------------------------------------
int informational_rx(struct v1_rx *r);
int v1_notify_send(struct ike_sa *sa, uint8_t protocol, uint16_t type, const void *spi,
		   size_t spi_len, const void *data, size_t len);
// In clear, one for a request that was refused: phase 1 has no keys yet.
void v1_notify_clear(struct ike *ike, const struct dp_udp *meta, uint64_t icookie, uint64_t rcookie,
		     uint16_t type);
void v1_child_delete(struct ike_sa *sa, const struct child_sa *c);
void v1_spi_delete(struct ike_sa *sa, uint32_t spi);
void v1_sa_delete(struct ike_sa *sa);
int v1_dpd_probe(struct ike_sa *sa, uint32_t seq);
const char *v1_notify_name(uint16_t type);
// RESPONDER-LIFETIME: seconds (and kilobytes) from the notification's data; 0 = not said.
void v1_lifetime_decode(const struct ikev1_notify *n, uint32_t *s, uint32_t *kb);
size_t v1_lifetime_encode(bool phase1, uint32_t s, uint32_t kb, uint8_t out[24]);
