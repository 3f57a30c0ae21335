// Builds and frees run-time SAs: outer header template, compiled selectors, replay window and
// expanded key in one allocation. Control thread only; nothing here is on the packet path.
#include "sa.h"

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include <errno.h>
#include <string.h>

#include "replay.h"
#include "secret.h"

#define OUTER_TTL 64

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// ---- outer headers -----------------------------------------------------------------------------
static uint8_t *outer_ip(const struct sa *sa, struct sa_outer *o, const struct ip_addr *remote,
			 uint8_t *p)
{
	uint8_t proto = sa->udp ? IPPROTO_UDP : IPPROTO_ESP;
	uint16_t words[10];
	uint32_t sum = 0;

	if (sa->family == 4) {
		p[0] = 0x45;
		p[8] = OUTER_TTL;
		p[9] = proto;
		memcpy(p + 12, sa->conf.local.bytes, 4);
		memcpy(p + 16, remote->bytes, 4);
		memcpy(words, p, 20);
		for (unsigned i = 0; i < 10; i++)
			sum += words[i];
		o->ip4_sum = (uint16_t)((sum & 0xffff) + (sum >> 16));
		return p + 20;
	}
	p[0] = 0x60;
	p[6] = proto;
	p[7] = OUTER_TTL;
	memcpy(p + 8, sa->conf.local.bytes, 16);
	memcpy(p + 24, remote->bytes, 16);
	return p + 40;
}

static void outer_build(const struct sa *sa, struct sa_outer *o, const struct ip_addr *remote,
			uint16_t remote_port)
{
	uint8_t *p = o->tmpl + sizeof(o->tmpl) - sa->tmpl_len;

	memset(o, 0, sizeof(*o));
	if (sa->mode == DP_TUNNEL)
		p = outer_ip(sa, o, remote, p);
	if (sa->udp) {  // RFC 3948 2.1; the checksum stays zero
		put16(p, sa->conf.local_port);
		put16(p + 2, remote_port);
		p += 8;
	}
	memcpy(p, &sa->spi_be, 4);
}

struct sa_outer *sa_outer_create(const struct sa *sa, const struct ip_addr *remote, uint16_t port)
{
	struct sa_outer *o = rte_zmalloc("sa outer", sizeof(*o), 64);

	if (o)
		outer_build(sa, o, remote, port);
	return o;
}

// ---- selectors ---------------------------------------------------------------------------------
static void mask_bytes(uint8_t *mask, unsigned bits, unsigned bytes)
{
	for (unsigned i = 0; i<bytes; i++, bits = bits> 8 ? bits - 8 : 0)
		mask[i] = bits >= 8 ? 0xff : (uint8_t)(0xff00u >> bits);
}

// conf.sel is the outbound direction; what comes in must match its reverse.
static void check_build(const struct selector *s, struct sa_check *c)
{
	memset(c, 0, sizeof(*c));
	c->family = s->src.addr.family;
	c->proto = s->proto;
	c->sport_lo = s->dport.lo;
	c->sport_hi = s->dport.hi;
	c->dport_lo = s->sport.lo;
	c->dport_hi = s->sport.hi;
	c->ports = !port_range_is_any(&s->sport) || !port_range_is_any(&s->dport);
	if (c->family == 4) {
		mask_bytes((uint8_t *)&c->v4.src_mask, s->dst.len, 4);
		mask_bytes((uint8_t *)&c->v4.dst_mask, s->src.len, 4);
		memcpy(&c->v4.src, s->dst.addr.bytes, 4);
		memcpy(&c->v4.dst, s->src.addr.bytes, 4);
		c->v4.src &= c->v4.src_mask;
		c->v4.dst &= c->v4.dst_mask;
	} else if (c->family == 6) {
		mask_bytes((uint8_t *)c->v6.src_mask, s->dst.len, 16);
		mask_bytes((uint8_t *)c->v6.dst_mask, s->src.len, 16);
		memcpy(c->v6.src, s->dst.addr.bytes, 16);
		memcpy(c->v6.dst, s->src.addr.bytes, 16);
		for (unsigned i = 0; i < 2; i++) {
			c->v6.src[i] &= c->v6.src_mask[i];
			c->v6.dst[i] &= c->v6.dst_mask[i];
		}
	}
}

// ---- life --------------------------------------------------------------------------------------
static int params_check(const struct dp_sa *p, struct err *err)
{
	if (!p->spi)
		return err_set(err, -EINVAL, "SPI 0 is no SPI");
	if (!addr_is_set(&p->local) || p->local.family != p->remote.family)
		return err_set(err, -EINVAL, "SA 0x%08x: outer addresses are missing or mixed",
			       p->spi);
	if (p->sels > RTE_DIM(p->sel))
		return err_set(err, -EINVAL, "SA 0x%08x: too many selectors", p->spi);
	for (unsigned i = 0; i < p->sels; i++)
		if (p->sel[i].src.addr.family != p->sel[i].dst.addr.family ||
		    p->sel[i].src.len > 128 || p->sel[i].dst.len > 128)
			return err_set(err, -EINVAL, "SA 0x%08x: selector with mixed families",
				       p->spi);
	if (p->key_len + p->salt_len > DP_KEY_MAX || p->auth_key_len > DP_KEY_MAX)
		return err_set(err, -EINVAL, "SA 0x%08x: key is too long", p->spi);
	if (p->group >= DP_GROUPS)
		return err_set(err, -EINVAL, "SA 0x%08x: no redundancy group %u", p->spi, p->group);
	if (p->iv_prefix & SA_IV_COUNTER_MAX)
		return err_set(err, -EINVAL, "SA 0x%08x: IV prefix reaches into the counter",
			       p->spi);
	return 0;
}

void sa_check_arm(struct sa *sa)
{
	bool soft = !(sa->events_sent & (1u << DP_EVENT_SOFT_EXPIRE));

	sa->check_packets = sa->check_bytes = UINT64_MAX;
	if (sa->hard_packets)
		sa->check_packets = sa->hard_packets;
	if (sa->hard_bytes)
		sa->check_bytes = sa->hard_bytes;
	if (soft && sa->soft_packets)
		sa->check_packets = RTE_MIN(sa->check_packets, sa->soft_packets);
	if (soft && sa->soft_bytes)
		sa->check_bytes = RTE_MIN(sa->check_bytes, sa->soft_bytes);
}

static void sa_fill(struct sa *sa, const struct dp_sa *p, const struct crypto_suite *s)
{
	sa->spi_be = rte_cpu_to_be_32(p->spi);
	sa->dir = (uint8_t)p->dir;
	sa->mode = (uint8_t)p->mode;
	sa->family = p->local.family;
	sa->iv_len = s->iv_len;
	sa->icv_len = s->icv_len;
	sa->block = s->block;
	sa->counter_iv = s->counter_iv;
	sa->crypt = p->dir == DP_OUT ? s->seal : s->open;
	memcpy(&sa->salt, p->key + p->key_len, p->salt_len);
	sa->esn = p->esn;
	sa->state = (uint8_t)((p->state == DP_SA_STANDBY ? SA_HELD : 0) | p->group << 1);
	sa->noted = p->group == 0 || p->dir != DP_IN;  // then nobody wants to know
	sa->udp = p->udp_encap ? 8 : 0;
	sa->tmpl_len = (uint16_t)(8 + sa->udp);
	if (p->mode == DP_TUNNEL)
		sa->tmpl_len += sa->family == 4 ? 20 : 40;
	sa->port = p->port;
	sa->df = p->df;
	sa->fragment_after = p->fragment_after;
	sa->lim = p->esn ? p->lim : RTE_MIN(p->lim, (uint64_t)UINT32_MAX);
	if (p->dir == DP_IN)
		sa->note = sa->handle;
	else
		sa->lim_margin = (uint32_t)RTE_MIN(p->lim_low_margin, (uint64_t)UINT32_MAX);
	sa->lim_low_at = sa->lim_reached_at = UINT64_MAX;
	sa->start = SA_NO_START;
	sa->iv_prefix = p->iv_prefix;
	sa->soft_packets = p->soft_packets;
	sa->soft_bytes = p->soft_bytes;
	sa->hard_packets = p->hard_packets;
	sa->hard_bytes = p->hard_bytes;
	sa_check_arm(sa);
	sa->sels = p->sels;
	for (unsigned i = 0; i < p->sels; i++)
		check_build(&p->sel[i], &sa->check[i]);
	memcpy(sa->remote, p->remote.bytes, sizeof(sa->remote));
	sa->remote_port_be = rte_cpu_to_be_16(p->remote_port);
	sa->conf = *p;
	secret_wipe(sa->conf.key, sizeof(sa->conf.key));
	secret_wipe(sa->conf.auth_key, sizeof(sa->conf.auth_key));
}

struct sa *sa_create_on(const struct dp_sa *p, uint32_t handle, uint16_t owner, int socket,
			struct err *err)
{
	uint32_t window = p->dir == DP_IN ? replay_window_round(p->replay_window) : 0;
	size_t head = RTE_ALIGN_CEIL(sizeof(struct sa), 64);
	size_t bits = RTE_ALIGN_CEIL(replay_words(window) * sizeof(uint64_t), 64);
	struct crypto_suite suite;
	struct sa *sa;
	uint8_t *mem;

	if (params_check(p, err) || crypto_suite_select(p, &suite, err))
		return NULL;
	mem = rte_zmalloc_socket("sa", head + bits + suite.key_size, 64, socket);
	if (!mem) {
		err_set(err, -ENOMEM, "no memory for SA 0x%08x", p->spi);
		return NULL;
	}
	sa = (struct sa *)mem;
	sa->mem_size = (uint32_t)(head + bits + suite.key_size);
	sa->handle = handle;
	sa->owner = owner;
	sa->window = (uint16_t)window;
	sa_fill(sa, p, &suite);
	sa->key = mem + head + bits;
	sa->key_lines = (uint8_t)(RTE_ALIGN_CEIL(suite.key_size, 64) / 64);
	if (crypto_key_expand(p, &suite, mem + head + bits, err)) {
		sa_destroy(sa);
		return NULL;
	}
	if (p->dir == DP_IN) {
		sa->seq = sa->edge_told = p->edge;
		sa->window_bits = (uint64_t *)(mem + head);
		replay_init(sa->window_bits, window);
	} else {
		sa->seq = sa->rate_seq = p->next ? p->next - 1 : 0;
		outer_build(sa, &sa->outer0, &p->remote, p->remote_port);
		sa->outer = &sa->outer0;
	}
	return sa;
}

struct sa *sa_create(const struct dp_sa *p, uint32_t handle, uint16_t owner, struct err *err)
{
	return sa_create_on(p, handle, owner, SOCKET_ID_ANY, err);
}

void sa_destroy(struct sa *sa)
{
	if (sa->dir == DP_OUT && sa->outer && sa->outer != &sa->outer0)
		rte_free(sa->outer);
	secret_wipe(sa, sa->mem_size);
	rte_free(sa);
}

uint32_t sa_overhead(const struct sa *sa, uint32_t inner_len)
{
	uint32_t payload = inner_len, align = sa->block, pad;

	if (sa->mode == DP_TRANSPORT)
		payload -= RTE_MIN(inner_len, sa->family == 4 ? 20u : 40u);
	pad = (align - (payload + 2) % align) % align;
	return sa->tmpl_len + sa->iv_len + pad + 2u + sa->icv_len;
}
