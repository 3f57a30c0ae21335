// Routes of the kernel's local and main tables, and what of them the data plane gets.
//
// The kernel may have several routes for a prefix (tables, metrics); the data plane has one. All
// are kept, the best is pushed: local table before main, then the lowest metric, then the first.
// Multipath routes count by their first living next hop. The kernel removes IPv4 routes of a link
// that goes down without a message, so routes of such a link are passed over at once and a new
// dump clears them. Walks over the whole table run in slices.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"

#define ROUTE_BUCKETS 65536u  // chains stay short up to a full Internet table
#define SLICE_BUCKETS 4096u
#define SLICE_ENTRIES 512u

int route_init(struct kernel *k)
{
	k->routes = calloc(ROUTE_BUCKETS, sizeof(*k->routes));
	return k->routes ? 0 : -ENOMEM;
}

static uint32_t prefix_bucket(const struct ip_prefix *p)
{
	uint32_t h = 2166136261u ^ p->len;
	size_t len = addr_len(&p->addr);
	for (size_t i = 0; i < len; i++)
		h = (h ^ p->addr.bytes[i]) * 16777619u;
	return (h ^ (h >> 16)) & (ROUTE_BUCKETS - 1);
}

static struct route_entry *entry_find(const struct kernel *k, const struct ip_prefix *dst)
{
	struct route_entry *e;
	SLIST_FOREACH (e, &k->routes[prefix_bucket(dst)], next)
		if (e->dst.len == dst->len && addr_equal(&e->dst.addr, &dst->addr))
			return e;
	return NULL;
}

static struct route_entry *entry_get(struct kernel *k, const struct ip_prefix *dst, bool create)
{
	struct route_entry *e = entry_find(k, dst);
	if (e || !create || !(e = calloc(1, sizeof(*e))))
		return e;
	e->dst = *dst;
	SLIST_INSERT_HEAD(&k->routes[prefix_bucket(dst)], e, next);
	k->route_entries++;
	return e;
}

const struct route_entry *route_entry_find(const struct kernel *k, const struct ip_prefix *dst)
{
	return entry_get((struct kernel *)k, dst, false);
}

static bool route_usable(const struct kernel *k, const struct route *r)
{
	if (r->type != RTN_UNICAST || !r->oif)
		return true;
	const struct link *l = link_get(k, r->oif);
	return !l || l->pub.admin_up;
}

static bool has_reverse_route(const struct kernel *k, const struct route_entry *e)
{
	const struct route *r;
	SLIST_FOREACH (r, &e->routes, next)
		if (r->proto == KERNEL_PROTO_RRI && r->table == RT_TABLE_MAIN && route_usable(k, r))
			return true;
	return false;
}

// zebra's numbers for what its routing daemons have, the static one too.
static bool is_zebras(const struct route *r)
{
	return r->proto == RTPROT_ZEBRA || r->proto == RTPROT_BABEL ||
	       (r->proto >= RTPROT_BGP && r->proto <= 198);
}

// FRR's routes to the prefix of a reverse route of ours are passed over, though they come before it
// in the kernel. Its copy of ours would win there a few milliseconds later anyway, but may name the
// next hop that other routers are told; and until then there is, at a take-over, the route that led
// to the other box.
static const struct route *entry_best(const struct kernel *k, const struct route_entry *e)
{
	const struct route *r, *best = NULL;
	bool ours = has_reverse_route(k, e);
	SLIST_FOREACH (r, &e->routes, next) {
		if (!route_usable(k, r) || (ours && is_zebras(r)))
			continue;
		if (!best || (r->table == RT_TABLE_LOCAL && best->table != RT_TABLE_LOCAL) ||
		    (r->table == best->table && r->metric < best->metric))
			best = r;
	}
	return best;
}

// fe80::/10 is valid per link; forwarding it is never right (RFC 4291 2.5.6), so it is the host's.
static bool is_link_scope(const struct ip_prefix *p)
{
	return p->addr.family == 6 && p->len >= 10 && p->addr.bytes[0] == 0xfe &&
	       (p->addr.bytes[1] & 0xc0) == 0x80;
}

static struct dp_route route_translate(const struct kernel *k, const struct route_entry *e,
				       const struct route *r)
{
	struct dp_route d = {.dst = e->dst};
	switch (r->type) {
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
		d.kind = DP_ROUTE_LOCAL;
		d.port = link_port(k, r->oif);  // whose address it is; 0 = no port's
		return d;
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT: d.kind = DP_ROUTE_DROP; return d;
	default: break;
	}
	if (is_link_scope(&e->dst)) {
		d.kind = DP_ROUTE_LOCAL;
		return d;
	}
	d.port = link_port(k, r->oif);
	d.kind = d.port ? DP_ROUTE_FORWARD : DP_ROUTE_HOST;
	if (d.port)
		d.gateway = r->gateway;
	return d;
}

static void entry_push(struct kernel *k, struct route_entry *e)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	const struct route *best = entry_best(k, e);

	if (!k->feeding) {
		e->pushed = false;
		return;
	}
	if (!best) {
		if (e->pushed)
			(void)k->ops.route_del(&e->dst);
		e->pushed = false;
		return;
	}
	struct dp_route d = route_translate(k, e, best);
	if (e->pushed && d.kind == e->sent.kind && d.port == e->sent.port &&
	    addr_equal(&d.gateway, &e->sent.gateway))
		return;
	struct err err = {0};
	char text[PREFIX_STR_MAX];
	if (k->ops.route_set(&d, &err)) {
		log_event_limited(&rl, "KERNEL", LOG_L_ERR, "ROUTE",
				  "The data plane refuses route %s: %s",
				  prefix_format(&e->dst, text, sizeof(text)), err.msg);
		return;
	}
	e->pushed = true;
	e->sent = d;
}

// Pushes what changed; frees the entry when nothing is left of it.
static void entry_settle(struct kernel *k, struct route_entry *e)
{
	entry_push(k, e);
	if (k->ops.route_seen)
		k->ops.route_seen(k->ops.ctx, &e->dst);
	if (!SLIST_EMPTY(&e->routes))
		return;
	SLIST_REMOVE(&k->routes[prefix_bucket(&e->dst)], e, route_entry, next);
	k->route_entries--;
	free(e);
}

static void route_drop(struct kernel *k, struct route_entry *e, struct route *r)
{
	SLIST_REMOVE(&e->routes, r, route, next);
	k->stats.routes--;
	free(r);
}

// First living next hop of RTA_MULTIPATH.
static void parse_multipath(const struct nlattr *a, uint8_t family, struct route *r)
{
	const uint8_t *p = nla_data(a);
	size_t left = (size_t)nla_len(a);

	while (left >= sizeof(struct rtnexthop)) {
		struct rtnexthop nh;
		memcpy(&nh, p, sizeof(nh));
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left)
			return;
		if (!(nh.rtnh_flags & RTNH_F_DEAD)) {
			struct nlattr *tb[RTA_MAX + 1];
			if (nla_parse(tb, RTA_MAX, (struct nlattr *)(p + sizeof(nh)),
				      (int)(nh.rtnh_len - sizeof(nh)), NULL) < 0)
				return;
			r->oif = nh.rtnh_ifindex;
			r->gateway = attr_addr(family, tb[RTA_GATEWAY]);
			return;
		}
		size_t step = RTNH_ALIGN(nh.rtnh_len);
		if (step >= left)
			return;
		p += step;
		left -= step;
	}
}

static void parse_via(const struct nlattr *a, struct route *r)
{
	uint16_t family;
	const uint8_t *p = nla_data(a);
	if (nla_len(a) < (int)sizeof(family))
		return;
	memcpy(&family, p, sizeof(family));
	int len = nla_len(a) - (int)sizeof(family);
	if (family == AF_INET && len == 4)
		r->gateway = addr_from_bytes(4, p + sizeof(family));
	if (family == AF_INET6 && len == 16)
		r->gateway = addr_from_bytes(6, p + sizeof(family));
}

// 0, -EBADMSG, or -ENOENT when the message is about something we do not mirror.
static int route_parse(const struct nlmsghdr *nh, struct ip_prefix *dst, struct route *r)
{
	struct nlattr *tb[RTA_MAX + 1];
	if (nlmsg_parse((struct nlmsghdr *)nh, sizeof(struct rtmsg), tb, RTA_MAX, NULL) < 0)
		return -EBADMSG;
	const struct rtmsg *rtm = nlmsg_data(nh);
	*r = (struct route){.table = rtm->rtm_table,
			    .type = rtm->rtm_type,
			    .proto = rtm->rtm_protocol,
			    .tos = rtm->rtm_tos};
	if (tb[RTA_TABLE] && nla_len(tb[RTA_TABLE]) == 4)
		r->table = nla_get_u32(tb[RTA_TABLE]);
	if ((r->table != RT_TABLE_MAIN && r->table != RT_TABLE_LOCAL) || rtm->rtm_tos ||
	    rtm->rtm_src_len || (rtm->rtm_flags & RTM_F_CLONED) || rtm->rtm_type == RTN_MULTICAST ||
	    rtm->rtm_type == RTN_THROW || rtm->rtm_type > RTN_PROHIBIT)
		return -ENOENT;
	uint8_t family = rtm->rtm_family == AF_INET ? 4 : rtm->rtm_family == AF_INET6 ? 6 : 0;
	if (!family)
		return -ENOENT;
	if (rtm->rtm_dst_len > (family == 4 ? 32 : 128))
		return -EBADMSG;
	dst->len = rtm->rtm_dst_len;
	dst->addr = tb[RTA_DST] ? attr_addr(rtm->rtm_family, tb[RTA_DST])
				: (struct ip_addr){.family = family};
	if (!addr_is_set(&dst->addr))
		return -EBADMSG;
	*dst = prefix_mask(dst);
	if (tb[RTA_PRIORITY] && nla_len(tb[RTA_PRIORITY]) == 4)
		r->metric = nla_get_u32(tb[RTA_PRIORITY]);
	if (tb[RTA_OIF] && nla_len(tb[RTA_OIF]) == 4)
		r->oif = (int)nla_get_u32(tb[RTA_OIF]);
	r->gateway = attr_addr(rtm->rtm_family, tb[RTA_GATEWAY]);
	if (tb[RTA_VIA])
		parse_via(tb[RTA_VIA], r);
	if (tb[RTA_MULTIPATH])
		parse_multipath(tb[RTA_MULTIPATH], rtm->rtm_family, r);
	return 0;
}

static bool route_same(const struct route *a, const struct route *b)
{
	return a->table == b->table && a->metric == b->metric && a->type == b->type &&
	       a->oif == b->oif && addr_equal(&a->gateway, &b->gateway);
}

static void route_remember(struct kernel *k, struct route_entry *e, const struct route *r,
			   unsigned flags)
{
	struct route *have, *last = NULL, *tmp;
	for (have = SLIST_FIRST(&e->routes); have; have = tmp) {
		tmp = SLIST_NEXT(have, next);
		if (route_same(have, r)) {
			have->generation = k->generation;
			have->proto = r->proto;
			return;
		}
		if ((flags & NLM_F_REPLACE) && have->table == r->table && have->metric == r->metric)
			route_drop(k, e, have);
		else
			last = have;
	}
	struct route *n = calloc(1, sizeof(*n));
	if (!n)
		return;
	*n = *r;
	n->generation = k->generation;
	// dumps list the routes of a prefix in the order in which the kernel uses them
	if (last && (k->dump >= 0 || (flags & NLM_F_APPEND)))
		SLIST_INSERT_AFTER(last, n, next);
	else
		SLIST_INSERT_HEAD(&e->routes, n, next);
	k->stats.routes++;
}

void route_message(struct kernel *k, const struct nlmsghdr *nh, bool gone)
{
	struct ip_prefix dst;
	struct route r;

	int rc = route_parse(nh, &dst, &r);
	if (rc) {
		k->stats.malformed += rc == -EBADMSG;
		return;
	}
	struct route_entry *e = entry_get(k, &dst, !gone);
	if (!e)
		return;
	if (!gone) {
		route_remember(k, e, &r, nh->nlmsg_flags);
	} else {
		struct route *have;
		SLIST_FOREACH (have, &e->routes, next)
			if (route_same(have, &r))
				break;
		if (have)
			route_drop(k, e, have);
	}
	entry_settle(k, e);
}

void route_link_down(struct kernel *k, int ifindex)
{
	route_walk(k, false);
	mirror_dump(k);
}

// ---- walks -----------------------------------------------------------------------------------
void route_walk(struct kernel *k, bool sweep)
{
	k->walking = true;
	k->walk_at = 0;
	if (sweep) {
		k->walk_sweep = true;
		k->sweep_generation = k->generation;
	}
	loop_timer_start(&k->slice, 0);
}

static void entry_sweep(struct kernel *k, struct route_entry *e)
{
	struct route *r = SLIST_FIRST(&e->routes);
	while (r) {
		struct route *next = SLIST_NEXT(r, next);
		// what a notification added meanwhile carries this generation or a later one
		if ((int32_t)(r->generation - k->sweep_generation) < 0)
			route_drop(k, e, r);
		r = next;
	}
}

void route_walk_slice(struct kernel *k)
{
	uint32_t entries = 0, end = k->walk_at + SLICE_BUCKETS;

	while (k->walk_at < ROUTE_BUCKETS && k->walk_at < end && entries < SLICE_ENTRIES) {
		struct route_entry *e = SLIST_FIRST(&k->routes[k->walk_at]);
		while (e) {
			struct route_entry *next = SLIST_NEXT(e, next);
			if (k->walk_sweep)
				entry_sweep(k, e);
			entry_settle(k, e);
			entries++;
			e = next;
		}
		k->walk_at++;
	}
	if (k->walk_at < ROUTE_BUCKETS) {
		loop_timer_start(&k->slice, 0);
		return;
	}
	k->walking = false;
	k->walk_sweep = false;
}

void route_fini(struct kernel *k)
{
	if (!k->routes)
		return;
	k->sweep_generation = k->generation;
	for (uint32_t b = 0; b < ROUTE_BUCKETS; b++) {
		struct route_entry *e;
		while ((e = SLIST_FIRST(&k->routes[b]))) {
			entry_sweep(k, e);
			entry_settle(k, e);
		}
	}
	free(k->routes);
	k->routes = NULL;
}

bool kernel_route_reachable(const struct kernel *k, const struct ip_prefix *dst)
{
	const struct route_entry *e = entry_find(k, dst);
	const struct route *r;

	if (!e)
		return false;
	SLIST_FOREACH (r, &e->routes, next) {
		const struct link *l = link_get(k, r->oif);
		if (r->type == RTN_UNICAST && (!l || (l->pub.admin_up && l->pub.carrier)))
			return true;
	}
	return false;
}

// cursor: the bucket; buckets are copied whole, so `max` must exceed the longest chain.
size_t kernel_routes_read(const struct kernel *k, uint64_t *cursor, struct kernel_route *out,
			  size_t max)
{
	size_t n = 0;
	while (*cursor < ROUTE_BUCKETS) {
		size_t mark = n;
		const struct route_entry *e;
		SLIST_FOREACH (e, &k->routes[*cursor], next) {
			const struct route *best = entry_best(k, e), *r;
			SLIST_FOREACH (r, &e->routes, next) {
				if (n == max && mark > 0)
					return mark;  // this bucket goes into the next call
				if (n == max)
					break;
				const struct link *l = r->oif ? link_get(k, r->oif) : NULL;
				struct kernel_route *o = &out[n++];
				*o = (struct kernel_route){.dst = e->dst,
							   .type = r->type,
							   .proto = r->proto,
							   .table = r->table,
							   .metric = r->metric,
							   .gateway = r->gateway,
							   .best = r == best};
				memcpy(o->interface, l ? l->pub.name : "", l ? 16 : 1);
			}
		}
		(*cursor)++;
		if (n == max)
			break;
	}
	return n;
}
