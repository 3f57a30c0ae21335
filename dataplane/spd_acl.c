// A policy group as rte_acl tries, and the ordered walk for what a trie cannot say: SKIP lines
// (RFC-less, a crypto ACL's deny) and fragments without ports (RFC 4301 7).
#include "spd_acl.h"

#include <errno.h>
#include <rte_acl.h>
#include <rte_byteorder.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 8  // up to here walking the list beats the trie

// What the tries read: network order throughout.
struct acl_key {
	uint8_t proto, pad[3];
	uint8_t src[16], dst[16];
	uint16_t sport_be, dport_be;
};

#define FIELDS4 5
#define FIELDS6 11
RTE_ACL_RULE_DEF(acl_rule6, FIELDS6);

static struct rte_acl_field_def field(uint8_t type, uint8_t size, uint8_t index, uint8_t input,
				      size_t offset)
{
	return (struct rte_acl_field_def){
		.type = type,
		.size = size,
		.field_index = index,
		.input_index = input,
		.offset = (uint32_t)offset,
	};
}

static void config_fill(struct rte_acl_config *c, bool v6)
{
	uint8_t words = v6 ? 4 : 1, n = 0;

	c->num_categories = 1;
	c->defs[n] = field(RTE_ACL_FIELD_TYPE_BITMASK, 1, n, n, offsetof(struct acl_key, proto));
	n++;
	for (uint8_t i = 0; i < words; i++, n++)
		c->defs[n] = field(RTE_ACL_FIELD_TYPE_MASK, 4, n, n,
				   offsetof(struct acl_key, src) + 4u * i);
	for (uint8_t i = 0; i < words; i++, n++)
		c->defs[n] = field(RTE_ACL_FIELD_TYPE_MASK, 4, n, n,
				   offsetof(struct acl_key, dst) + 4u * i);
	c->defs[n] = field(RTE_ACL_FIELD_TYPE_RANGE, 2, n, n, offsetof(struct acl_key, sport_be));
	c->defs[n + 1] = field(RTE_ACL_FIELD_TYPE_RANGE, 2, (uint8_t)(n + 1), n,
			       offsetof(struct acl_key, dport_be));
	c->num_fields = n + 2u;
}

static struct rte_acl_field *prefix_fill(struct rte_acl_field *f, const struct ip_prefix *p,
					 bool v6)
{
	unsigned words = v6 ? 4 : 1, len = addr_is_set(&p->addr) ? p->len : 0;

	for (unsigned i = 0; i < words; i++, f++) {
		uint32_t be;
		unsigned bits = len > i * 32 ? RTE_MIN(len - i * 32, 32u) : 0;

		memcpy(&be, p->addr.bytes + (size_t)i * 4, 4);
		f->value.u32 = rte_be_to_cpu_32(be);
		f->mask_range.u32 = bits;
	}
	return f;
}

static bool family_fits(const struct selector *s, uint8_t family)
{
	return (!addr_is_set(&s->src.addr) || s->src.addr.family == family) &&
	       (!addr_is_set(&s->dst.addr) || s->dst.addr.family == family);
}

static void rule_fill(struct acl_rule6 *r, const struct dp_policy *p, uint32_t index, bool v6)
{
	struct rte_acl_field *f = r->field;

	memset(r, 0, sizeof(*r));
	r->data.category_mask = 1;
	r->data.priority = (int32_t)(DP_POLICY_MAX + 1 - index);
	r->data.userdata = index + 1;
	f->value.u8 = p->sel.proto;
	f->mask_range.u8 = p->sel.proto ? 0xff : 0;
	f = prefix_fill(f + 1, &p->sel.src, v6);
	f = prefix_fill(f, &p->sel.dst, v6);
	f[0].value.u16 = p->sel.sport.lo;
	f[0].mask_range.u16 = p->sel.sport.hi;
	f[1].value.u16 = p->sel.dport.lo;
	f[1].mask_range.u16 = p->sel.dport.hi;
}

static int acl_build(const struct spd_group *g, bool v6, uint32_t generation,
		     struct rte_acl_ctx **out, struct err *err)
{
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_config config = {0};
	struct acl_rule6 rule;
	uint32_t n = 0;
	int rc = 0;

	for (uint32_t i = 0; i < g->n; i++)
		n += family_fits(&g->rule[i].sel, v6 ? 6 : 4);
	if (n <= LIST_MAX)
		return 0;
	snprintf(name, sizeof(name), "spd%u-%u-%d", generation, g->id, v6 ? 6 : 4);
	struct rte_acl_param param = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(v6 ? FIELDS6 : FIELDS4),
		.max_rule_num = n,
	};
	struct rte_acl_ctx *ctx = rte_acl_create(&param);
	if (!ctx)
		return err_set(err, -ENOMEM, "no memory for %u policies", n);
	for (uint32_t i = 0; i < g->n && rc == 0; i++) {
		if (!family_fits(&g->rule[i].sel, v6 ? 6 : 4))
			continue;
		rule_fill(&rule, &g->rule[i], i, v6);
		rc = rte_acl_add_rules(ctx, (const struct rte_acl_rule *)&rule, 1);
	}
	config_fill(&config, v6);
	rc = rc ? rc : rte_acl_build(ctx, &config);
	if (rc) {
		rte_acl_free(ctx);
		return err_set(err, rc, "cannot build the classifier of %u policies", n);
	}
	*out = ctx;
	return 0;
}

int spd_acl_build(struct spd_group *g, uint32_t generation, struct err *err)
{
	for (uint32_t i = 0; i < g->n; i++) {
		g->ports |= !port_range_is_any(&g->rule[i].sel.sport) ||
			    !port_range_is_any(&g->rule[i].sel.dport);
		if (g->rule[i].anchor && !g->anchored) {
			g->anchored = true;
			g->anchor = g->rule[i].order;
		}
	}
	int rc = acl_build(g, false, generation, &g->acl4, err);
	return rc ? rc : acl_build(g, true, generation, &g->acl6, err);
}

void spd_acl_free(struct spd_group *g)
{
	rte_acl_free(g->acl4);
	rte_acl_free(g->acl6);
}

static bool prefix_match(const struct ip_prefix *p, const uint8_t *a, uint8_t family)
{
	unsigned bytes = p->len / 8, rest = p->len % 8;

	if (!addr_is_set(&p->addr))
		return true;
	if (p->addr.family != family || memcmp(p->addr.bytes, a, bytes) != 0)
		return false;
	return rest == 0 || ((p->addr.bytes[bytes] ^ a[bytes]) >> (8 - rest)) == 0;
}

static inline bool range_match(const struct port_range *r, uint16_t v)
{
	return v >= r->lo && v <= r->hi;
}

static bool rule_match(const struct selector *s, const struct flow_key *k)
{
	const uint8_t *src = k->reverse ? k->dst : k->src, *dst = k->reverse ? k->src : k->dst;
	uint16_t sport = k->reverse ? k->dport : k->sport, dport = k->reverse ? k->sport : k->dport;

	return (s->proto == 0 || s->proto == k->proto) && prefix_match(&s->src, src, k->family) &&
	       prefix_match(&s->dst, dst, k->family) &&
	       (k->fragment || (range_match(&s->sport, sport) && range_match(&s->dport, dport)));
}

// What stands behind the first anchor may be overtaken by a single policy that is added.
static struct spd_result verdict(const struct spd_group *g, const struct dp_policy *p)
{
	return (struct spd_result){
		.policy = p->id,
		.verdict = p->action == DP_POLICY_PROTECT ? SPD_PROTECT : SPD_BYPASS,
		.open = g->anchored && p->order > g->anchor,
	};
}

// Singles of one anchor do not overtake each other: which of two is used is not said.
static struct spd_result single_verdict(const struct spd_group *g, struct spd_candidate single)
{
	return (struct spd_result){
		.policy = single.p->id,
		.verdict = SPD_PROTECT,
		.open = single.order > g->anchor,
	};
}

// Nothing in the set matched, or nothing before the single that does.
static struct spd_result otherwise(const struct spd_group *g, struct spd_candidate single)
{
	if (single.p)
		return single_verdict(g, single);
	return (struct spd_result){.verdict = SPD_NONE, .open = g->anchored};
}

// The ordered walk from rule `i` on. A fragment that would need its ports to know is dropped:
// letting it pass could send in clear what belongs to a protected flow.
static struct spd_result list_match(const struct spd_group *g, uint32_t i, const struct flow_key *k,
				    struct spd_candidate single)
{
	uint32_t from = 0;

	for (; i < g->n; i++) {
		const struct dp_policy *p = &g->rule[i];

		if (single.p && p->order > single.order)
			return single_verdict(g, single);
		if (p->order < from || !rule_match(&p->sel, k))
			continue;
		if (k->fragment &&
		    !(port_range_is_any(&p->sel.sport) && port_range_is_any(&p->sel.dport)))
			return (struct spd_result){.verdict = SPD_DROP_FRAGMENT,
						   .open = g->anchored};
		if (p->action != DP_POLICY_SKIP)
			return verdict(g, p);
		from = p->next_order;
		if (single.p && single.order < from)
			single = spd_single_find(single.set, k, from);
	}
	return otherwise(g, single);
}

struct spd_result spd_acl_match(const struct spd_group *g, const struct flow_key *k,
				struct spd_candidate single)
{
	struct rte_acl_ctx *acl = k->family == 4 ? g->acl4 : g->acl6;

	if (!acl || (k->fragment && g->ports))
		return list_match(g, 0, k, single);
	struct acl_key key = {.proto = k->proto};
	uint32_t found = 0;

	memcpy(key.src, k->reverse ? k->dst : k->src, 16);
	memcpy(key.dst, k->reverse ? k->src : k->dst, 16);
	key.sport_be = rte_cpu_to_be_16(k->reverse ? k->dport : k->sport);
	key.dport_be = rte_cpu_to_be_16(k->reverse ? k->sport : k->dport);
	const uint8_t *data[1] = {(const uint8_t *)&key};
	if (rte_acl_classify(acl, data, &found, 1, 1) != 0 || found == 0)
		return otherwise(g, single);
	const struct dp_policy *p = &g->rule[found - 1];
	if (p->action == DP_POLICY_SKIP)
		return list_match(g, found - 1, k, single);
	return single.p && p->order > single.order ? single_verdict(g, single) : verdict(g, p);
}
