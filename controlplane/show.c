// What the displays share: the snapshot of all SAs, taken in slices, and names.

#include "show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- snapshot --------------------------------------------------------------------------------
static void *grow(void *array, unsigned count, unsigned *cap, size_t size)
{
	if (count < *cap)
		return array;
	unsigned want = *cap ? *cap * 2 : 64;
	void *bigger = realloc(array, want * size);
	if (bigger)
		*cap = want;
	return bigger;
}

static int view_add(struct snapshot *s, const struct sa_view *v)
{
	struct sa_view *bigger = grow(s->sa, s->sa_count, &s->sa_cap, sizeof(*s->sa));
	if (!bigger)
		return -ENOMEM;
	s->sa = bigger;
	s->sa[s->sa_count++] = *v;
	return 0;
}

static void manual_view(const struct manual_sa *m, unsigned i, struct sa_view *v)
{
	*v = (struct sa_view){.manual = true};
	v->c.policy = m->policies[i];
	snprintf(v->c.map, sizeof(v->c.map), "%s", m->map);
	snprintf(v->c.interface, sizeof(v->c.interface), "%s", m->interface);
	v->c.seq = m->seq;
	v->c.local = m->local;
	v->c.remote = m->remote;
	v->c.sel = m->sel[i];
	v->c.spi_in = m->key_in.spi;
	v->c.spi_out = m->key_out.spi;
	v->c.sa_in = m->sa_in;
	v->c.sa_out = m->sa_out;
	v->c.transform = m->proposal;
}

static int manual_views(const struct gateway *g, struct snapshot *s)
{
	const struct manual_sa *m;
	TAILQ_FOREACH (m, &g->manual, link) {
		for (unsigned i = 0; i < m->policy_count; i++) {
			struct sa_view v;
			manual_view(m, i, &v);
			if (view_add(s, &v))
				return -ENOMEM;
		}
	}
	return 0;
}

static int view_order(const void *a, const void *b)
{
	const struct sa_view *x = *(const struct sa_view *const *)a;
	const struct sa_view *y = *(const struct sa_view *const *)b;
	if (x->c.policy != y->c.policy)
		return x->c.policy < y->c.policy ? -1 : 1;
	return x->c.id < y->c.id ? -1 : x->c.id > y->c.id;
}

static int ike_order(const void *a, const void *b)
{
	const struct ike_sa_info *x = a, *y = b;
	int d = addr_compare(&x->remote, &y->remote);
	return d ? d : (x->id < y->id ? -1 : x->id > y->id);
}

static int children_finish(struct gateway *g, struct snapshot *s)
{
	int rc = manual_views(g, s);
	if (rc)
		return rc;
	s->by_policy = calloc(s->sa_count ? s->sa_count : 1, sizeof(const struct sa_view *));
	if (!s->by_policy)
		return -ENOMEM;
	for (unsigned i = 0; i < s->sa_count; i++)
		s->by_policy[i] = &s->sa[i];
	qsort(s->by_policy, s->sa_count, sizeof(const struct sa_view *), view_order);
	s->phase = SNAPSHOT_IKE;
	s->after = 0;
	return 1;
}

int snapshot_step(struct gateway *g, struct snapshot *s)
{
	struct sa_view v = {0};

	for (int i = 0; s->phase == SNAPSHOT_CHILDREN && i < 128; i++) {
		if (!g->ike || !ike_child_next(g->ike, s->after, &v.c))
			return children_finish(g, s);
		s->after = v.c.id;
		if (view_add(s, &v))
			return -ENOMEM;
	}
	for (int i = 0; s->phase == SNAPSHOT_IKE && i < 128; i++) {
		struct ike_sa_info *bigger =
			grow(s->ike, s->ike_count, &s->ike_cap, sizeof(*s->ike));
		if (!bigger)
			return -ENOMEM;
		s->ike = bigger;
		if (!g->ike || !ike_sa_next(g->ike, s->after, &s->ike[s->ike_count])) {
			qsort(s->ike, s->ike_count, sizeof(*s->ike), ike_order);
			s->phase = SNAPSHOT_DONE;
			break;
		}
		s->after = s->ike[s->ike_count++].id;
	}
	return s->phase != SNAPSHOT_DONE;
}

void snapshot_fini(struct snapshot *s)
{
	free(s->sa);
	free(s->by_policy);
	free(s->ike);
	*s = (struct snapshot){0};
}

const struct sa_view *const *snapshot_policy(const struct snapshot *s, uint32_t policy,
					     unsigned *count)
{
	unsigned lo = 0, hi = s->sa_count;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (s->by_policy[mid]->c.policy < policy)
			lo = mid + 1;
		else
			hi = mid;
	}
	*count = 0;
	while (lo + *count < s->sa_count && s->by_policy[lo + *count]->c.policy == policy)
		(*count)++;
	return *count ? &s->by_policy[lo] : NULL;
}

static unsigned ike_lower_bound(const struct snapshot *s, const struct ip_addr *remote)
{
	unsigned lo = 0, hi = s->ike_count;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		if (addr_compare(&s->ike[mid].remote, remote) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct ike_sa_info *snapshot_ike_id(const struct snapshot *s, const struct ip_addr *remote,
					  uint32_t id)
{
	unsigned lo = ike_lower_bound(s, remote);
	for (; lo < s->ike_count && addr_equal(&s->ike[lo].remote, remote); lo++)
		if (s->ike[lo].id == id)
			return &s->ike[lo];
	return NULL;
}

const struct ike_sa_info *snapshot_ike(const struct snapshot *s, const struct ip_addr *remote)
{
	const struct ike_sa_info *found = NULL;
	unsigned lo = ike_lower_bound(s, remote);
	for (; lo < s->ike_count && addr_equal(&s->ike[lo].remote, remote); lo++)
		if (!found || (s->ike[lo].established && !s->ike[lo].deleted))
			found = &s->ike[lo];
	return found;
}

void instance_of_view(const struct sa_view *v, struct tunnel *t, struct tunnel_flow *f)
{
	const struct ike_child_info *c = &v->c;

	*t = (struct tunnel){.role = TUNNEL_INSTANCE,
			     .seq = c->seq,
			     .dynamic_seq = c->dynamic_seq,
			     .local = c->local,
			     .peers = {c->remote},
			     .peer_count = 1,
			     .pfs = c->pfs_group != 0,
			     .pfs_group = c->pfs_group,
			     .flows = f,
			     .flow_count = 1};
	memcpy(t->map, c->map, sizeof(t->map));
	memcpy(t->interface, c->interface, sizeof(t->interface));
	memcpy(t->dynamic_map, c->dynamic_map, sizeof(t->dynamic_map));
	*f = (struct tunnel_flow){.policy = c->policy, .sel = c->sel, .tunnel = t};
}

// ---- names -----------------------------------------------------------------------------------
const char *ike_encr_name(enum ike_encr e, uint16_t bits, char *buf, size_t cap)
{
	static const char *const names[] = {
		[IKE_ENCR_DES] = "des", [IKE_ENCR_3DES] = "3des", [IKE_ENCR_AES] = "aes"};
	if (e == IKE_ENCR_AES && bits && bits != 128)
		snprintf(buf, cap, "aes %u", bits);
	else
		snprintf(buf, cap, "%s", names[e]);
	return buf;
}

const char *ike_hash_name(enum ike_hash h)
{
	static const char *const names[] = {[IKE_HASH_SHA] = "sha",
					    [IKE_HASH_MD5] = "md5",
					    [IKE_HASH_SHA256] = "sha256",
					    [IKE_HASH_SHA384] = "sha384",
					    [IKE_HASH_SHA512] = "sha512"};
	return names[h];
}

const char *ike_auth_name(enum ike_auth a)
{
	return a == IKE_AUTH_RSA_SIG ? "rsa-sig" : "pre-share";
}

const char *transform_format(const struct tunnel_proposal *p, char *buf, size_t cap)
{
	static const char *const cipher[] = {
		[ESP_CIPHER_NONE] = "",
		[ESP_CIPHER_NULL] = "esp-null",
		[ESP_CIPHER_DES] = "esp-des",
		[ESP_CIPHER_3DES] = "esp-3des",
		[ESP_CIPHER_AES_CBC] = "esp-aes",
		[ESP_CIPHER_AES_GCM] = "esp-gcm",
		[ESP_CIPHER_AES_GMAC] = "esp-gmac",
	};
	static const char *const auth[] = {
		[ESP_AUTH_NONE] = "",
		[ESP_AUTH_MD5] = "esp-md5-hmac",
		[ESP_AUTH_SHA1] = "esp-sha-hmac",
		[ESP_AUTH_SHA256] = "esp-sha256-hmac",
		[ESP_AUTH_SHA384] = "esp-sha384-hmac",
		[ESP_AUTH_SHA512] = "esp-sha512-hmac",
	};
	char bits[16] = "";
	bool combined = p->cipher == ESP_CIPHER_AES_GCM || p->cipher == ESP_CIPHER_AES_GMAC;
	if (p->key_bits && (combined || p->key_bits != 128))
		snprintf(bits, sizeof(bits), " %u", p->key_bits);
	snprintf(buf, cap, "%s%s%s%s", cipher[p->cipher], bits,
		 auth[p->auth][0] && cipher[p->cipher][0] ? " " : "", auth[p->auth]);
	return buf;
}

const char *net_format(const struct ip_prefix *p, char *buf, size_t cap)
{
	char addr[ADDR_STR_MAX], mask[ADDR_STR_MAX];
	if (p->addr.family != 4)
		return prefix_format(p, buf, cap);
	snprintf(buf, cap, "%s/%s", addr_format(&p->addr, addr, sizeof(addr)),
		 mask_format(p->len, mask, sizeof(mask)));
	return buf;
}

const char *ident_format(const struct selector *s, bool remote, char *buf, size_t cap)
{
	char net[2 * ADDR_STR_MAX], port[16];
	const struct port_range *r = remote ? &s->dport : &s->sport;
	if (port_range_is_any(r))
		snprintf(port, sizeof(port), "0");
	else if (r->lo == r->hi)
		snprintf(port, sizeof(port), "%u", r->lo);
	else
		snprintf(port, sizeof(port), "%u-%u", r->lo, r->hi);
	snprintf(buf, cap, "(%s/%u/%s)", net_format(remote ? &s->dst : &s->src, net, sizeof(net)),
		 s->proto, port);
	return buf;
}

const char *duration_format(uint64_t s, char *buf, size_t cap)
{
	if (s < 86400)
		snprintf(buf, cap, "%02u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
			 (unsigned)(s % 60));
	else if (s < 7 * 86400)
		snprintf(buf, cap, "%ud%02uh", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
	else
		snprintf(buf, cap, "%uw%ud", (unsigned)(s / 604800), (unsigned)(s / 86400 % 7));
	return buf;
}

uint64_t drops_sum(const struct dp_sa_stats *st)
{
	uint64_t n = 0;
	for (int i = 0; i < DP_SA_DROP_COUNT; i++)
		n += st->drops[i];
	return n;
}

void sa_stats_read(uint32_t sa, struct dp_sa_stats *out)
{
	*out = (struct dp_sa_stats){.worker = -1};
	if (sa && dp_running() && dp_sa_get_stats(sa, out))
		*out = (struct dp_sa_stats){.worker = -1};
}

void show_counters(struct cli *cli, struct json *w, const struct show_counter *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (w)
			json_u64(w, list[i].key, list[i].value);
		else
			cli_printf(cli, "%-42s %ju\n", list[i].text, (uintmax_t)list[i].value);
	}
}
