// See esp_bed.h.
#include "esp_bed.h"

#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rcu.h"

struct bed bed;

// ---- what the rest of the data plane provides --------------------------------------------------
bool worker_event(struct worker *w, const struct dp_event *ev)
{
	(void)w;
	if (bed.events_full)
		return false;
	if (bed.events < BED_EVENTS)
		bed.event[bed.events] = *ev;
	bed.events++;
	return true;
}

void spd_sa_gone(struct sa *sa)
{
	(void)sa;
	bed.gone++;
}

// ---- life --------------------------------------------------------------------------------------
static void die(const char *what)
{
	fprintf(stderr, "esp bed: %s\n", what);
	exit(1);
}

void bed_start(void)
{
	static const char *const args[] = {
		"bed", "--no-huge",   "--no-shconf", "--no-pci",       "-m", "64", "-l",
		"0",   "--log-level", "3",           "--no-telemetry",
	};
	char *argv[RTE_DIM(args) + 1] = {NULL};
	struct err err = {0};

	if (bed.pool)
		return;
	for (unsigned i = 0; i < RTE_DIM(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];  // EAL sorts the array, not the strings
	if (rte_eal_init(RTE_DIM(args), argv) < 0)
		die("EAL does not start");
	bed.pool = rte_pktmbuf_pool_create("bed", 1023, 0, 64, 2176, SOCKET_ID_ANY);
	if (!bed.pool || rcu_init(1, &err) || sad_init(&err))
		die(err.msg[0] ? err.msg : "no memory");
	bed.w.crypto = crypto_ctx_create(SOCKET_ID_ANY, &err);
	if (!bed.w.crypto)
		die(err.msg);
	bed.w.pool = bed.pool;
	bed.w.now_s = 1000;
}

void bed_stop(void)
{
	sad_fini();
	rcu_fini();
	crypto_ctx_destroy(bed.w.crypto);
	rte_mempool_free(bed.pool);
	bed.pool = NULL;
	rte_eal_cleanup();
}

void bed_reset(void)
{
	memset(bed.w.drop, 0, sizeof(bed.w.drop));
	memset(bed.event, 0, sizeof(bed.event));
	bed.events = 0;
	bed.events_full = false;
}

unsigned bed_events_of(enum dp_event_type type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < bed.events && i < BED_EVENTS; i++)
		n += bed.event[i].type == type;
	return n;
}

uint64_t bed_drops(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		n += bed.w.drop[i];
	return n;
}

unsigned bed_mbufs_in_use(void)
{
	return rte_mempool_in_use_count(bed.pool);
}

// ---- packets -----------------------------------------------------------------------------------
static uint32_t ip6_headers(const uint8_t *ip, uint32_t len, uint8_t *proto)
{
	uint32_t off = 40;
	uint8_t nh = ip[6];

	while ((nh == 0 || nh == 43 || nh == 44 || nh == 60) && off + 8 <= len) {
		uint8_t next = ip[off];

		off += nh == 44 ? 8 : (ip[off + 1] + 1u) * 8;
		nh = next;
	}
	*proto = nh;
	return off;
}

void bed_parse(struct rte_mbuf *m)
{
	uint8_t head[256] = {0};
	uint32_t len = RTE_MIN(rte_pktmbuf_pkt_len(m), 256u), at = 0;
	struct pkt *p = pkt_of(m);

	for (struct rte_mbuf *s = m; s && at < len; s = s->next) {
		uint32_t n = RTE_MIN((uint32_t)rte_pktmbuf_data_len(s), len - at);

		memcpy(head + at, rte_pktmbuf_mtod(s, void *), n);
		at += n;
	}
	memset(p, 0, sizeof(*p));
	p->family = head[0] >> 4;
	if (p->family == 4) {
		p->l3_len = (uint16_t)((head[0] & 15) * 4);
		p->l3_total = (uint16_t)(head[2] << 8 | head[3]);
		p->proto = head[9];
	} else {
		p->l3_len = (uint16_t)ip6_headers(head, len, &p->proto);
		p->l3_total = (uint16_t)(40 + (head[4] << 8 | head[5]));
	}
	if (p->proto == 17 && p->l3_len + 8u <= len) {
		p->sport = (uint16_t)(head[p->l3_len] << 8 | head[p->l3_len + 1]);
		p->dport = (uint16_t)(head[p->l3_len + 2] << 8 | head[p->l3_len + 3]);
		if (p->dport == 4500 || p->sport == 4500)
			p->udp_len = 8;
	}
}

struct rte_mbuf *bed_packet(const void *bytes, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(bed.pool);
	char *to;

	if (!m)
		die("no packet buffer");
	to = rte_pktmbuf_append(m, (uint16_t)len);
	if (!to)
		die("packet too long");
	memcpy(to, bytes, len);
	bed_parse(m);
	return m;
}

struct rte_mbuf *bed_packet_split(const void *bytes, size_t len, size_t split, bool tight)
{
	struct rte_mbuf *a = rte_pktmbuf_alloc(bed.pool), *b = rte_pktmbuf_alloc(bed.pool);

	if (!a || !b)
		die("no packet buffer");
	if (tight)
		a->data_off = (uint16_t)(a->buf_len - split);
	memcpy(rte_pktmbuf_append(a, (uint16_t)split), bytes, split);
	memcpy(rte_pktmbuf_append(b, (uint16_t)(len - split)), (const uint8_t *)bytes + split,
	       len - split);
	if (rte_pktmbuf_chain(a, b))
		die("chain");
	bed_parse(a);
	return a;
}

struct rte_mbuf *bed_out(struct sa *sa, struct rte_mbuf *m)
{
	struct burst b = {.n = 1, .pkt = {m}};

	pkt_of(m)->sa = sa;
	esp_out(&bed.w, &b);
	return b.n ? b.pkt[0] : NULL;
}

struct rte_mbuf *bed_in(struct rte_mbuf *m, bool *unknown)
{
	struct burst b = {.n = 1, .pkt = {m}}, u = {0};

	sad_in(&bed.w, &b, &u);
	if (unknown)
		*unknown = u.n != 0;
	if (u.n)
		rte_pktmbuf_free(u.pkt[0]);
	esp_in(&bed.w, &b);
	return b.n ? b.pkt[0] : NULL;
}

struct ip_addr bed_addr(const char *text)
{
	struct ip_addr a = {0};

	if (addr_parse(text, &a))
		die(text);
	return a;
}

size_t bed_inner(uint8_t *p, uint8_t family, size_t len, const char *src, const char *dst)
{
	struct ip_addr s = bed_addr(src), d = bed_addr(dst);
	size_t head = family == 4 ? 20 : 40;
	uint16_t sum;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)i;
	if (len < head)
		return len;
	memset(p, 0, head);
	if (family == 4) {
		p[0] = 0x45;
		p[2] = (uint8_t)(len >> 8);
		p[3] = (uint8_t)len;
		p[8] = 63;
		p[9] = 17;
		memcpy(p + 12, s.bytes, 4);
		memcpy(p + 16, d.bytes, 4);
		sum = (uint16_t)~rte_raw_cksum(p, 20);
		memcpy(p + 10, &sum, 2);
	} else {
		p[0] = 0x60;
		p[4] = (uint8_t)((len - 40) >> 8);
		p[5] = (uint8_t)(len - 40);
		p[6] = 17;
		p[7] = 63;
		memcpy(p + 8, s.bytes, 16);
		memcpy(p + 24, d.bytes, 16);
	}
	if (len >= head + 8) {
		memcpy(p + head, (uint8_t[]){0x30, 0x39, 0x00, 0x35}, 4);  // 12345 to 53
		p[head + 4] = (uint8_t)((len - head) >> 8);
		p[head + 5] = (uint8_t)(len - head);
		p[head + 6] = p[head + 7] = 0;
	}
	return len;
}

// ---- SAs ---------------------------------------------------------------------------------------
static uint16_t auth_key_len(enum dp_auth a)
{
	static const uint16_t len[] = {0, 16, 20, 32, 48, 64, 16};

	return len[a];
}

struct dp_sa bed_conf(enum dp_cipher c, enum dp_auth a, uint16_t key_len, uint8_t family,
		      uint32_t spi)
{
	struct dp_sa p = {
		.dir = DP_OUT,
		.spi = spi,
		.cipher = c,
		.auth = a,
		.key_len = key_len,
		.auth_key_len = auth_key_len(a),
		.next = 1,
		.lim = UINT32_MAX,
		.worker = 0,
		.iv_prefix = 0x123456ull << 40,
		.replay_window = 64,
	};
	bool combined = c >= DP_CIPHER_AES_GCM;

	p.local = bed_addr(family == 4 ? "192.0.2.1" : "2001:db8::1");
	p.remote = bed_addr(family == 4 ? "192.0.2.2" : "2001:db8::2");
	p.icv_len = combined ? 16 : 0;
	p.salt_len = c == DP_CIPHER_AES_CCM ? 3 : combined || c == DP_CIPHER_AES_CTR ? 4 : 0;
	for (unsigned i = 0; i < DP_KEY_MAX; i++) {
		p.key[i] = (uint8_t)(i * 7 + 1);
		p.auth_key[i] = (uint8_t)(i * 11 + 3);
	}
	return p;
}

struct dp_sa bed_mirror(const struct dp_sa *out)
{
	struct dp_sa in = *out;

	in.dir = DP_IN;
	in.local = out->remote;
	in.remote = out->local;
	in.local_port = out->remote_port;
	in.remote_port = out->local_port;
	in.edge = 0;
	in.soft_packets = in.soft_bytes = in.hard_packets = in.hard_bytes = 0;
	return in;
}
