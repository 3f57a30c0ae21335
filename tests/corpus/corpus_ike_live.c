// A live IKE engine under the datagrams of a corpus: with wildcard key and policies that real
// offers match, a fake clock, and a data plane that holds nothing.
//
// Three situations for each datagram. (1) A fresh engine: whatever comes out, retransmissions of
// two minutes included, may not be more bytes than went in, for the source is not proven. (2) An
// engine with a half-open exchange that has the datagram's initiator cookie: the same bound for
// what the datagram adds, since it does not carry our cookie. (3) The same with our cookie put in:
// now the source is proven and may get more, but nothing may break. Besides, one engine gets
// everything, and must end with its half-open SAs gone.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus_ike.h"
#include "ike.h"
#include "ike_env.h"
#include "ikev1/proposal.h"

#define TASKS_MAX    64
#define LOOK_MS      120000  // how long an unproven source could be sent retransmissions
#define MARKER_LEN   ISAKMP_NON_ESP_MARKER_LEN
#define DATAGRAM_MAX 65535

struct responder {
	struct ike *ike;
	uint64_t now_ms, due_ms;
	size_t sent;  // bytes since the last reset
	uint8_t last[DATAGRAM_MAX];
	size_t last_len;
	struct ike_task *tasks[TASKS_MAX];
	unsigned task_count;
};

static struct config *config;
static struct tunnels no_tunnels;
static struct responder all;  // the engine that gets everything

static uint64_t env_now(void *ctx)
{
	return ((struct responder *)ctx)->now_ms;
}

static void env_timer(void *ctx, uint64_t due_ms)
{
	((struct responder *)ctx)->due_ms = due_ms;
}

static int env_send(void *ctx, const struct dp_udp *meta, const uint8_t *payload, size_t len)
{
	struct responder *r = ctx;

	if (len > DATAGRAM_MAX)
		abort();
	r->sent += len;
	memcpy(r->last, payload, len);
	r->last_len = len;
	return 0;
}

static void env_offload(void *ctx, struct ike_task *t)
{
	struct responder *r = ctx;

	if (r->task_count == TASKS_MAX)
		abort();  // they are run after each datagram: one datagram never makes that many
	r->tasks[r->task_count++] = t;
}

static int responder_init(struct responder *r)
{
	struct ike_env env = ike_env_stand_in(r);

	env.now_ms = env_now;
	env.timer = env_timer;
	env.send = env_send;
	env.offload = env_offload;

	memset(r, 0, sizeof(*r));
	r->now_ms = 1000000;
	r->due_ms = UINT64_MAX;
	r->ike = ike_create(&env, NULL);
	return r->ike ? ike_configure(r->ike, config, &no_tunnels, NULL) : -ENOMEM;
}

static void tasks_run(struct responder *r)
{
	for (unsigned i = 0; i < r->task_count; i++) {
		struct ike_task *t = r->tasks[i];
		t->compute(t);
		t->done(t);
	}
	r->task_count = 0;
}

static void responder_fini(struct responder *r)
{
	ike_destroy(r->ike);
	tasks_run(r);  // done() also after the engine has gone
	r->ike = NULL;
}

static void responder_rx(struct responder *r, const uint8_t *data, size_t len, bool natt)
{
	const uint16_t port = natt ? ISAKMP_NATT_PORT : ISAKMP_PORT;
	const struct dp_udp meta = {
		.local = addr_from_v4(0xc0000201),
		.remote = addr_from_v4(0xc6336401),
		.local_port = port,
		.remote_port = port,
	};
	uint8_t *copy = malloc(len ? len : 1);  // of the exact size, gone afterwards

	if (!copy)
		abort();
	memcpy(copy, data, len);
	ike_rx(r->ike, &meta, copy, len);
	free(copy);
	tasks_run(r);
}

static void responder_wait(struct responder *r, uint64_t ms)
{
	const uint64_t end = r->now_ms + ms;

	for (unsigned n = 0; r->due_ms <= end; n++) {
		if (n > 10000)
			abort();  // a timer that never moves on
		r->now_ms = r->due_ms > r->now_ms ? r->due_ms : r->now_ms;
		r->due_ms = UINT64_MAX;
		ike_tick(r->ike, r->now_ms);
		tasks_run(r);
	}
	r->now_ms = end;
}

// Main Mode 1 with the given cookie, one that the responder's policies accept. bare: nothing but
// the proposal, so that the answer has the least room.
static size_t first_message(uint8_t *mem, size_t cap, uint64_t icookie, bool natt, bool bare)
{
	static const struct isakmp_policy policy = {.encr = IKE_ENCR_AES,
						    .aes_bits = 128,
						    .hash = IKE_HASH_SHA,
						    .auth = IKE_AUTH_PRE_SHARE,
						    .group = 14,
						    .lifetime_s = 86400};
	static const struct isakmp_policy *const list[] = {&policy};
	const struct ikev1_hdr h = {.icookie = icookie,
				    .exchange = ISAKMP_XCHG_IDENTITY_PROTECTION};
	const size_t marker = natt ? MARKER_LEN : 0;
	struct ikev1_build b;
	size_t len = 0;

	memset(mem, 0, marker);
	ikev1_build_init(&b, mem + marker, cap - marker, &h);
	ikev1_build_sa_phase1(&b, &(struct ikev1_policies){list, 1});
	if (!bare) {
		ikev1_build_vendor(&b, IKEV1_VENDOR_NATT_RFC);
		ikev1_build_vendor(&b, IKEV1_VENDOR_DPD);
	}
	return ikev1_build_finish(&b, &len) == 0 ? marker + len : 0;
}

static bool bounded(struct responder *r, size_t in, const char *when, char *why, size_t cap)
{
	responder_wait(r, LOOK_MS);
	if (r->sent <= in)
		return true;
	snprintf(why, cap, "%s: %zu bytes answered to %zu of an unproven source", when, r->sent,
		 in);
	return false;
}

static bool feed_fresh(const uint8_t *data, size_t len, bool natt, char *why, size_t cap)
{
	static struct responder r;
	bool ok = responder_init(&r) == 0;

	if (ok) {
		responder_rx(&r, data, len, natt);
		ok = bounded(&r, len, "fresh", why, cap);
	}
	responder_fini(&r);
	return ok;
}

// proven: the datagram is given the cookie that the responder sent.
static bool feed_half_open(const uint8_t *data, size_t len, bool natt, bool proven, char *why,
			   size_t cap)
{
	static struct responder r;
	const size_t at = natt ? MARKER_LEN : 0;
	uint8_t first[512], *mine;
	struct ikev1_hdr h = {0};
	struct rbuf b;
	uint64_t icookie;
	bool ok = true;

	rbuf_init(&b, data, len);
	if (rbuf_skip(&b, at) || rbuf_get_u64(&b, &icookie) || rbuf_left(&b) < 8 || icookie == 0)
		return true;  // has no cookies
	if (responder_init(&r) != 0)
		return false;
	const size_t n = first_message(first, sizeof(first), icookie, natt, false);
	responder_rx(&r, first, n, natt);
	if (r.last_len < at || ikev1_hdr_decode(r.last + at, r.last_len - at, &h) != 0 ||
	    h.rcookie == 0) {
		snprintf(why, cap, "the responder does not answer a first message");
		responder_fini(&r);
		return false;
	}
	mine = malloc(len);
	if (!mine)
		abort();
	memcpy(mine, data, len);
	if (proven) {
		struct wbuf w;
		wbuf_init(&w, mine + at + 8, 8);
		wbuf_put_u64(&w, h.rcookie);
		responder_rx(&r, mine, len, natt);
		responder_rx(&r, mine, len, natt);  // and once more: a retransmission
		responder_wait(&r, LOOK_MS);
	} else {
		r.sent = 0;
		responder_rx(&r, mine, len, natt);
		ok = bounded(&r, len, "half-open", why, cap);
	}
	free(mine);
	responder_fini(&r);
	return ok;
}

bool ike_live_feed(const uint8_t *data, size_t len, bool natt, char *why, size_t cap)
{
	responder_rx(&all, data, len, natt);
	return feed_fresh(data, len, natt, why, cap) &&
	       feed_half_open(data, len, natt, false, why, cap) &&
	       feed_half_open(data, len, natt, true, why, cap);
}

bool ike_live_smallest(char *why, size_t cap)
{
	uint8_t first[512];

	for (unsigned natt = 0; natt < 2; natt++) {
		const size_t n = first_message(first, sizeof(first), 1, natt, true);
		if (!feed_fresh(first, n, natt, why, cap))
			return false;
	}
	return true;
}

static void policy_add(uint32_t priority, enum ike_encr encr, uint16_t bits, enum ike_hash hash,
		       uint16_t group)
{
	struct isakmp_policy *p = arena_alloc(config->arena, sizeof(*p));

	if (!p)
		abort();
	p->priority = priority;
	p->encr = encr;
	p->aes_bits = bits;
	p->hash = hash;
	p->auth = IKE_AUTH_PRE_SHARE;
	p->group = group;
	p->lifetime_s = 86400;
	TAILQ_INSERT_TAIL(&config->isakmp_policies, p, link);
}

int ike_live_start(void)
{
	config = config_create();
	struct isakmp_key *key = config ? arena_alloc(config->arena, sizeof(*key)) : NULL;

	if (!key)
		return -ENOMEM;
	key->key = "a key for everybody";
	key->peer = (struct ip_prefix){addr_from_v4(0), 0};
	TAILQ_INSERT_TAIL(&config->isakmp_keys, key, link);
	policy_add(10, IKE_ENCR_AES, 128, IKE_HASH_SHA, 14);
	policy_add(20, IKE_ENCR_AES, 256, IKE_HASH_SHA256, 19);
	policy_add(30, IKE_ENCR_3DES, 0, IKE_HASH_SHA, 2);
	policy_add(40, IKE_ENCR_3DES, 0, IKE_HASH_MD5, 5);
	policy_add(50, IKE_ENCR_DES, 0, IKE_HASH_MD5, 1);
	return responder_init(&all);
}

bool ike_live_stop(char *why, size_t cap)
{
	struct ike_counters n;

	ike_get_counters(all.ike, &n);
	printf("   one engine for all: %llu received, %llu sent, %llu malformed, %llu half-open\n",
	       (unsigned long long)n.rx, (unsigned long long)n.tx,
	       (unsigned long long)n.rx_malformed, (unsigned long long)n.half_open);
	responder_wait(&all, LOOK_MS);
	const bool ok = !ike_sa_next(all.ike, 0, &(struct ike_sa_info){0});
	if (!ok)
		snprintf(why, cap, "an unauthenticated IKE SA outlives two minutes");
	responder_fini(&all);
	config_destroy(config);
	return ok;
}
