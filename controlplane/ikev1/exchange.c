// Book-keeping of IKEv1 exchanges: message ids, IVs, the stored reply, retransmission, public-key
// tasks. Who initiates an exchange repeats by timer; a responder repeats its reply only when the
// same request comes again, except message 2 of quick mode, whose receiver has proven its address
// and its key (RFC 2408 5.1; CVE-2016-5361).

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child_sa.h"
#include "ikev1/fsm.h"
#include "log.h"
#include "rand.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   8000
#define RETRY_LIMIT    5      // repetitions: 1, 3, 7, 15, 23 s; given up after 31 s
#define LINGER_MS      32000  // as long as the other end may repeat

int v1_blob_set(struct v1_blob *b, const void *bytes, size_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	if (!p)
		return -ENOMEM;
	memcpy(p, bytes, len);
	v1_blob_clear(b);
	b->bytes = p;
	b->len = len;
	return 0;
}

void v1_blob_clear(struct v1_blob *b)
{
	free(b->bytes);
	*b = (struct v1_blob){0};
}

int v1_msg_hash(const uint8_t *msg, size_t len, uint8_t out[32])
{
	struct chunk c = {msg, len};

	return hash_compute(IKE_HASH_SHA256, &c, 1, out);
}

static void timed_out(struct v1_exchange *x)
{
	struct ike_sa *sa = x->sa;
	char label[IKE_LABEL_MAX];

	if (x->message_id != 0) {
		quick_mode_timeout(x);
		return;
	}
	sa->ike->n.failed_timeout++;
	log_event("CRYPTO", LOG_L_WARNING, "IKMP_TIMEOUT",
		  "%s does not answer main mode (state %s after %u attempts)",
		  ike_sa_label(sa, label, sizeof(label)), v1_state_name(x->state), x->tries + 1);
	ike_sa_kill(sa, "no answer", false);
}

static uint64_t retry_delay(unsigned tries)
{
	uint64_t ms = (uint64_t)RETRY_FIRST_MS << tries;

	return ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
}

// The other box need not be able to repeat it any longer either.
static void linger_over(struct v1_exchange *x)
{
	struct ike_sa *sa = x->sa;
	struct child_sa *c = x->child ? child_sa_by_id(sa->ike, x->child) : NULL;

	if (c && x->tx.len)
		replica_touch(sa->ike, &c->ha);
	if (x->message_id == 0)
		replica_touch(sa->ike, &sa->ha);
	v1_exchange_kill(x);
}

static void timer_due(void *obj)
{
	struct v1_exchange *x = obj;
	struct ike *ike = x->sa->ike;

	if (replica_held(ike, &x->sa->ha, &x->timer))
		return;
	if (x->state == V1_DONE) {
		linger_over(x);
		return;
	}
	if (x->tries >= RETRY_LIMIT) {
		timed_out(x);
		return;
	}
	x->tries++;
	v1_exchange_resend(x);
	ike_timer_set(&ike->timers, &x->timer, ike->now_ms + retry_delay(x->tries));
}

// A complete exchange, kept only for repetitions, makes room: many flows may come up at once.
static bool oldest_done_kill(struct v1_sa *v)
{
	struct v1_exchange *x;

	TAILQ_FOREACH (x, &v->exchanges, link)
		if (x->state == V1_DONE) {
			v1_exchange_kill(x);
			return true;
		}
	return false;
}

struct v1_exchange *v1_exchange_create(struct ike_sa *sa, uint8_t type, uint32_t message_id,
				       bool initiator)
{
	static uint32_t last_serial;
	struct v1_sa *v = v1_of(sa);
	struct v1_exchange *x;

	if (message_id != 0 && v->count >= V1_EXCHANGES && !oldest_done_kill(v)) {
		errno = EBUSY;
		return NULL;
	}
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->sa = sa;
	x->serial = ++last_serial;
	x->type = type;
	x->message_id = message_id;
	x->initiator = initiator;
	x->begun_ms = sa->ike->now_ms;
	ike_timer_init(&x->timer, timer_due, x);
	if (message_id == 0) {
		v->main = x;
		return x;
	}
	if (ikev1_iv_phase2(v->keys.hash, v->last_block, cipher_block_len(v->keys.encr), message_id,
			    x->iv) < 0) {
		free(x);
		errno = EIO;
		return NULL;
	}
	TAILQ_INSERT_TAIL(&v->exchanges, x, link);
	v->count++;
	return x;
}

void v1_exchange_free(struct v1_exchange *x)
{
	v1_blob_clear(&x->tx);
	v1_blob_clear(&x->ni);
	v1_blob_clear(&x->nr);
	v1_blob_clear(&x->gxi);
	v1_blob_clear(&x->gxr);
	v1_blob_clear(&x->sa_body);
	secret_clear(&x->gxy);
	secret_clear(&x->dh_private);
	dh_destroy(x->dh);
	free(x);
}

static void grave_free(struct ike_dead *d)
{
	v1_exchange_free((struct v1_exchange *)((char *)d - offsetof(struct v1_exchange, grave)));
}

void v1_exchange_kill(struct v1_exchange *x)
{
	struct v1_sa *v = v1_of(x->sa);

	if (x->dead)
		return;
	x->dead = true;
	ike_timer_stop(&x->sa->ike->timers, &x->timer);
	if (x->message_id == 0) {
		v->main = NULL;
	} else {
		TAILQ_REMOVE(&v->exchanges, x, link);
		v->count--;
		v1_message_id_spend(x->sa, x->message_id);
	}
	ike_bury(x->sa->ike, &x->grave, grave_free);
}

struct v1_exchange *v1_exchange_find(const struct ike_sa *sa, uint32_t message_id)
{
	struct v1_exchange *x;

	if (message_id == 0)
		return v1_of(sa)->main;
	TAILQ_FOREACH (x, &v1_of(sa)->exchanges, link)
		if (x->message_id == message_id)
			return x;
	return NULL;
}

bool v1_message_id_used(const struct ike_sa *sa, uint32_t message_id)
{
	for (unsigned i = 0; i < V1_IDS; i++)
		if (v1_of(sa)->ids[i] == message_id)
			return true;
	return false;
}

void v1_message_id_spend(struct ike_sa *sa, uint32_t message_id)
{
	struct v1_sa *v = v1_of(sa);

	v->ids[v->ids_at++ % V1_IDS] = message_id;
}

void v1_message_id_unspend(struct ike_sa *sa, uint32_t message_id)
{
	struct v1_sa *v = v1_of(sa);

	if (v->ids[(v->ids_at - 1) % V1_IDS] == message_id)
		v->ids[--v->ids_at % V1_IDS] = 0;
}

uint32_t v1_message_id_new(const struct ike_sa *sa)
{
	uint32_t id;

	do {
		id = rand_u32();
	} while (id == 0 || v1_exchange_find(sa, id) || v1_message_id_used(sa, id));
	return id;
}

void v1_build_init(const struct v1_exchange *x, struct ikev1_build *b, uint8_t *mem, size_t cap)
{
	struct ikev1_hdr h = {.icookie = x->sa->icookie,
			      .rcookie = x->sa->rcookie,
			      .exchange = x->type,
			      .message_id = x->message_id};

	ikev1_build_init(b, mem, cap, &h);
}

void v1_exchange_resend(struct v1_exchange *x)
{
	const struct ike_sa *sa = x->sa;
	struct dp_udp meta = {.local = sa->local,
			      .remote = sa->remote,
			      .local_port = sa->local_port,
			      .remote_port = sa->remote_port,
			      .port = sa->port};

	if (x->tx.len == 0)
		return;
	sa->ike->n.retransmits++;
	ike_send(sa->ike, &meta, x->tx.bytes, x->tx.len);
}

int v1_exchange_prepare(struct v1_exchange *x, struct ikev1_build *b, bool encrypt)
{
	struct v1_sa *v = v1_of(x->sa);
	uint8_t next_iv[CIPHER_BLOCK_MAX];
	size_t len;
	int rc;

	if (encrypt) {
		rc = ikev1_build_encrypt(b, v->keys.encr, &v->keys.key, x->iv, next_iv, &len);
		if (rc == 0)
			memcpy(x->iv, next_iv, cipher_block_len(v->keys.encr));
	} else {
		rc = ikev1_build_finish(b, &len);
	}
	if (rc == 0)
		rc = v1_blob_set(&x->tx, b->w.base, len);
	if (rc < 0)
		return rc;
	memcpy(x->iv_tx, x->iv, sizeof(x->iv_tx));
	x->tries = 0;
	ike_timer_stop(&x->sa->ike->timers, &x->timer);
	return 0;
}

void v1_exchange_emit(struct v1_exchange *x, bool repeat)
{
	struct ike_sa *sa = x->sa;
	struct dp_udp meta = {.local = sa->local,
			      .remote = sa->remote,
			      .local_port = sa->local_port,
			      .remote_port = sa->remote_port,
			      .port = sa->port};

	// What the network does with it is the retransmission's business.
	ike_send(sa->ike, &meta, x->tx.bytes, x->tx.len);
	if (repeat)
		ike_timer_set(&sa->ike->timers, &x->timer, sa->ike->now_ms + retry_delay(0));
}

int v1_exchange_send(struct v1_exchange *x, struct ikev1_build *b, bool encrypt, bool repeat)
{
	int rc = v1_exchange_prepare(x, b, encrypt);

	if (rc == 0)
		v1_exchange_emit(x, repeat);
	return rc;
}

void v1_exchange_resume(struct v1_exchange *x, uint64_t delay_ms)
{
	struct ike *ike = x->sa->ike;

	switch (x->state) {
	case V1_DONE: ike_timer_set(&ike->timers, &x->timer, ike->now_ms + LINGER_MS); break;
	case V1_MM_I5:
	case V1_QM_I1:
	case V1_QM_R2:
		x->begun_ms = ike->now_ms;
		x->tries = 0;
		ike_timer_set(&ike->timers, &x->timer, ike->now_ms + delay_ms);
		break;
	default: break;  // public-key work is under way
	}
}

void v1_exchange_linger(struct v1_exchange *x)
{
	x->state = V1_DONE;
	ike_timer_set(&x->sa->ike->timers, &x->timer, x->sa->ike->now_ms + LINGER_MS);
	dh_destroy(x->dh);
	x->dh = NULL;
	v1_blob_clear(&x->ni);
	v1_blob_clear(&x->nr);
	v1_blob_clear(&x->gxi);
	v1_blob_clear(&x->gxr);
	v1_blob_clear(&x->sa_body);
	secret_clear(&x->gxy);
	secret_clear(&x->dh_private);
}

// ---- public-key tasks --------------------------------------------------------------------------
struct task {
	struct ike_task t;  // first: the pool knows only this
	struct ike_anchor *anchor;
	uint32_t sa_id, message_id, serial;
	uint16_t group;
	bool generate;
	struct dh_keypair *kp;  // owned while under way
	struct v1_blob peer;
	struct secret private;  // of a pair that another box made
	struct secret gxy;
	int rc;
};

static void task_compute(struct ike_task *it)
{
	struct task *t = (struct task *)it;

	if (t->generate) {
		t->kp = dh_generate(t->group);
		if (!t->kp) {
			t->rc = -errno;
			return;
		}
	}
	if (!t->kp && secret_is_set(&t->private))
		t->kp = dh_import(t->group, t->private.bytes, t->private.len);
	if (!t->kp) {
		t->rc = -EIO;
		return;
	}
	if (t->peer.len)
		t->rc = dh_compute(t->kp, t->peer.bytes, t->peer.len, &t->gxy);
}

static void task_free(struct task *t)
{
	dh_destroy(t->kp);
	v1_blob_clear(&t->peer);
	secret_clear(&t->private);
	secret_clear(&t->gxy);
	free(t);
}

static void task_done(struct ike_task *it)
{
	struct task *t = (struct task *)it;
	struct ike *ike = ike_anchor_put(t->anchor);

	if (ike) {
		ike_enter(ike);
		ike->tasks--;
		struct ike_sa *sa = ike_sa_by_id(ike, t->sa_id);
		struct v1_exchange *x = sa ? v1_exchange_find(sa, t->message_id) : NULL;

		if (x && x->serial == t->serial) {
			x->dh = t->kp;
			t->kp = NULL;
			if (replica_works(ike, sa->ha.group))
				v1_dh_done(x, t->rc, &t->gxy);
			else
				v1_dh_lost(x);
		}
		ike_leave(ike);
	}
	task_free(t);
}

int v1_exchange_dh(struct v1_exchange *x, uint16_t group, bool generate,
		   const struct ikev1_payload *peer)
{
	struct task *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	if (!t)
		return rc;
	t->t.compute = task_compute;
	t->t.done = task_done;
	t->sa_id = x->sa->id;
	t->message_id = x->message_id;
	t->serial = x->serial;
	t->group = group;
	t->generate = generate;
	if (peer && (rc = v1_blob_set(&t->peer, peer->body, peer->len)) < 0)
		goto fail;
	if (!generate && !x->dh && (rc = secret_copy(&t->private, &x->dh_private)) < 0)
		goto fail;
	if (!generate) {
		t->kp = x->dh;  // the helper has it alone meanwhile
		x->dh = NULL;
	}
	t->anchor = ike_anchor_get(x->sa->ike);
	rc = ike_offload(x->sa->ike, &t->t);
	if (rc == 0)
		return 0;
	ike_anchor_put(t->anchor);
	if (!generate) {
		x->dh = t->kp;
		t->kp = NULL;
	}
fail:
	task_free(t);
	return rc;
}
