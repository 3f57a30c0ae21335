// What tests ask of a bed: does a packet get through, what is up. See ike_bed.h.

#include <errno.h>
#include <string.h>

#include "ike_bed.h"
#include "ike_replica.h"

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct bed_sa *bound_sa(struct bed_end *e, uint32_t policy)
{
	uint32_t sa = e->bound[policy];

	return sa && e->sas[sa - 1].alive ? &e->sas[sa - 1] : NULL;
}

bool bed_unbind(struct bed_end *e, uint32_t policy, uint32_t sa)
{
	uint32_t *b = e->bindings[policy];
	bool found = false;

	for (unsigned i = 0; i < BED_BINDINGS; i++) {
		found |= b[i] == sa;
		if (found)
			b[i] = i + 1 < BED_BINDINGS ? b[i + 1] : 0;
	}
	e->bound[policy] = b[0];
	return found;
}

int bed_bind(struct bed_end *e, uint32_t policy, uint32_t sa)
{
	uint32_t *b = e->bindings[policy];

	for (unsigned i = 0; i < BED_BINDINGS; i++)
		if (b[i] && selector_equal(&e->sas[b[i] - 1].p.sel[0], &e->sas[sa - 1].p.sel[0])) {
			bed_unbind(e, policy, b[i]);
			break;
		}
	if (b[BED_BINDINGS - 1])
		return -ENOSPC;
	memmove(b + 1, b, (BED_BINDINGS - 1) * sizeof(*b));
	b[0] = e->bound[policy] = sa;
	return 0;
}

static bool ping(struct bed *bed, struct bed_end *from, struct bed_end *to, uint32_t policy,
		 struct bed_sa *out, const struct selector *packet)
{
	bed->pings++;
	if (out && out->p.group &&
	    (out->p.state == DP_SA_STANDBY || out->stats.seq >= out->p.lim ||
	     !ike_group_works(from->ike, out->p.group))) {
		bed->lost++;
		return false;
	}
	if (!out) {
		struct dp_event ev = {.type = DP_EVENT_ACQUIRE, .policy = policy};

		if (packet)
			ev.packet = *packet;
		bed->lost++;
		ike_event(from->ike, &ev);
		return false;
	}
	for (unsigned i = 0; i < BED_SAS; i++) {
		struct bed_sa *in = &to->sas[i];
		struct selector seen;

		if (!in->alive || in->p.dir != DP_IN || in->p.spi != out->p.spi)
			continue;
		seen = selector_reverse(&in->p.sel[0]);
		assert_memory_equal(in->p.key, out->p.key, DP_KEY_MAX);
		assert_memory_equal(in->p.auth_key, out->p.auth_key, DP_KEY_MAX);
		assert_int_equal(in->p.cipher, out->p.cipher);
		assert_int_equal(in->p.auth, out->p.auth);
		assert_int_equal(in->p.mode, out->p.mode);
		assert_int_equal(in->p.udp_encap, out->p.udp_encap);
		assert_true(selector_equal(&seen, &out->p.sel[0]));
		out->stats.seq++;
		if (out->stats.seq <= in->stats.seq || in->p.state == DP_SA_STANDBY) {
			bed->lost++;  // a number that was seen before
			return false;
		}
		in->stats.seq = out->stats.seq;
		out->stats.packets++;
		out->stats.bytes += 100;
		in->stats.packets++;
		in->stats.bytes += 100;
		return true;
	}
	struct dp_event ev = {.type = DP_EVENT_UNKNOWN_SPI,
			      .spi = out->p.spi,
			      .local = to->addr,
			      .remote = from->natted ? from->nat_addr : from->addr};

	out->stats.packets++;
	bed->lost++;
	if (!to->dead && !from->dead)
		ike_event(to->ike, &ev);
	return false;
}

bool bed_ping(struct bed *bed, struct bed_end *from, struct bed_end *to, uint32_t policy)
{
	return ping(bed, from, to, policy, bound_sa(from, policy), NULL);
}

bool bed_ping_packet(struct bed *bed, struct bed_end *from, struct bed_end *to, uint32_t policy,
		     const char *src, const char *dst)
{
	struct selector p = {.proto = 1, .sport = {0, 65535}, .dport = {0, 65535}};
	struct bed_sa *out = NULL;

	assert_int_equal(addr_parse(src, &p.src.addr) + addr_parse(dst, &p.dst.addr), 0);
	p.src.len = p.dst.len = 32;
	for (unsigned i = 0; i < BED_BINDINGS && !out; i++) {
		uint32_t sa = from->bindings[policy][i];

		if (sa && selector_covers(&from->sas[sa - 1].p.sel[0], &p))
			out = &from->sas[sa - 1];
	}
	return ping(bed, from, to, policy, out, &p);
}

bool bed_both_up(struct bed *bed)
{
	return bed->a.bound[1] && bed->b.bound[1] && bed_ping(bed, &bed->a, &bed->b, 1) &&
	       bed_ping(bed, &bed->b, &bed->a, 1);
}

void bed_ping_always(struct bed *bed, uint64_t ms, unsigned every_ms)
{
	for (uint64_t t = 0; t < ms; t += every_ms) {
		bed_ping(bed, &bed->a, &bed->b, 1);
		bed_ping(bed, &bed->b, &bed->a, 1);
		bed_run(bed, every_ms);
	}
}

unsigned bed_ike_count(const struct bed_end *e, bool serving)
{
	struct ike_sa_info info = {0};
	unsigned n = 0;

	while (ike_sa_next(e->ike, info.id, &info))
		n += !serving || (info.established && !info.deleted);
	return n;
}

unsigned bed_child_count(const struct bed_end *e, bool current)
{
	struct ike_child_info info = {0};
	unsigned n = 0;

	while (ike_child_next(e->ike, info.id, &info))
		n += !current || !info.old;
	return n;
}

struct ike_counters bed_counters(const struct bed_end *e)
{
	struct ike_counters n;

	ike_get_counters(e->ike, &n);
	return n;
}
