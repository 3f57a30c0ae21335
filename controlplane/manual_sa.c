// `ipsec-manual` map entries: SAs with configured SPIs and keys, no IKE.
//
// Keys are checked when the configuration is committed: length for the transform, DES weak keys,
// keys of one repeated byte. Combined modes are refused, because a counter IV under a key that
// survives a restart would repeat (RFC 4106 section 2). No replay check: the peer's numbers start
// again with its next restart (RFC 4303 section 2.2).

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"
#include "rand.h"
#include "secret.h"

#define MANUAL_FLOWS_MAX 4  // selectors of one SA (dp_sa.sel)

struct key_need {
	uint16_t cipher, auth;
};

static struct key_need keys_needed(enum esp_cipher cipher, uint16_t key_bits, enum esp_auth auth)
{
	static const uint16_t auth_len[] = {
		[ESP_AUTH_NONE] = 0,    [ESP_AUTH_MD5] = 16,    [ESP_AUTH_SHA1] = 20,
		[ESP_AUTH_SHA256] = 32, [ESP_AUTH_SHA384] = 48, [ESP_AUTH_SHA512] = 64,
	};
	struct key_need n = {.auth = auth_len[auth]};
	switch (cipher) {
	case ESP_CIPHER_DES: n.cipher = 8; break;
	case ESP_CIPHER_3DES: n.cipher = 24; break;
	case ESP_CIPHER_AES_CBC: n.cipher = key_bits / 8; break;
	default: break;
	}
	return n;
}

// Weak and semi-weak DES keys (FIPS 74), parity bits cleared.
static bool des_key_weak(const uint8_t *key)
{
	static const uint8_t weak[16][8] = {
		{0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00},
		{0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe},
		{0x1e, 0x1e, 0x1e, 0x1e, 0x0e, 0x0e, 0x0e, 0x0e},
		{0xe0, 0xe0, 0xe0, 0xe0, 0xf0, 0xf0, 0xf0, 0xf0},
		{0x00, 0xfe, 0x00, 0xfe, 0x00, 0xfe, 0x00, 0xfe},
		{0xfe, 0x00, 0xfe, 0x00, 0xfe, 0x00, 0xfe, 0x00},
		{0x1e, 0xe0, 0x1e, 0xe0, 0x0e, 0xf0, 0x0e, 0xf0},
		{0xe0, 0x1e, 0xe0, 0x1e, 0xf0, 0x0e, 0xf0, 0x0e},
		{0x00, 0xe0, 0x00, 0xe0, 0x00, 0xf0, 0x00, 0xf0},
		{0xe0, 0x00, 0xe0, 0x00, 0xf0, 0x00, 0xf0, 0x00},
		{0x1e, 0xfe, 0x1e, 0xfe, 0x0e, 0xfe, 0x0e, 0xfe},
		{0xfe, 0x1e, 0xfe, 0x1e, 0xfe, 0x0e, 0xfe, 0x0e},
		{0x00, 0x1e, 0x00, 0x1e, 0x00, 0x0e, 0x00, 0x0e},
		{0x1e, 0x00, 0x1e, 0x00, 0x0e, 0x00, 0x0e, 0x00},
		{0xe0, 0xfe, 0xe0, 0xfe, 0xf0, 0xfe, 0xf0, 0xfe},
		{0xfe, 0xe0, 0xfe, 0xe0, 0xfe, 0xf0, 0xfe, 0xf0},
	};
	uint8_t bare[8];
	bool found = false;
	for (int i = 0; i < 8; i++)
		bare[i] = key[i] & 0xfe;
	for (int i = 0; i < 16; i++)
		found |= secret_equal(bare, weak[i], 8);
	secret_wipe(bare, sizeof(bare));
	return found;
}

static bool key_is_one_byte(const uint8_t *key, size_t len)
{
	uint8_t differ = 0;
	for (size_t i = 1; i < len; i++)
		differ |= key[i] ^ key[0];
	return len && !differ;
}

static int key_check(const struct session_key *k, const char *dir, enum esp_cipher cipher,
		     struct key_need need, struct err *err)
{
	if (k->spi < 256)
		return err_set(err, -EINVAL, "the %s SPI must be 256 or more", dir);
	if (k->cipher_key_len != need.cipher)
		return err_set(err, -EINVAL,
			       "the %s cipher key has %u bytes, the transform needs %u", dir,
			       k->cipher_key_len, need.cipher);
	if (k->auth_key_len != need.auth)
		return err_set(err, -EINVAL,
			       "the %s authenticator key has %u bytes, the transform needs %u", dir,
			       k->auth_key_len, need.auth);
	if (key_is_one_byte(k->cipher_key, need.cipher) || key_is_one_byte(k->auth_key, need.auth))
		return err_set(err, -EINVAL, "the %s key is weak (one repeated byte)", dir);
	if (cipher == ESP_CIPHER_DES && des_key_weak(k->cipher_key))
		return err_set(err, -EINVAL, "the %s key is a weak DES key", dir);
	if (cipher == ESP_CIPHER_3DES && (secret_equal(k->cipher_key, k->cipher_key + 8, 8) ||
					  secret_equal(k->cipher_key + 8, k->cipher_key + 16, 8)))
		return err_set(err, -EINVAL,
			       "the %s 3DES key repeats a part: it is no better than DES", dir);
	return 0;
}

static unsigned acl_permits(const struct acl *acl)
{
	const struct acl_entry *a;
	unsigned n = 0;
	TAILQ_FOREACH (a, &acl->entries, link)
		n += !a->is_remark && a->permit;
	return n;
}

// An entry that is not complete yet gets no SA later; only what is there is checked.
static int entry_check(const struct config *c, const struct crypto_map_entry *e, struct err *err)
{
	const struct acl *acl = e->acl[0] ? config_acl(c, e->acl) : NULL;
	if (acl && acl_permits(acl) > MANUAL_FLOWS_MAX)
		return err_set(err, -EINVAL, "its access list has more than %d permit lines",
			       MANUAL_FLOWS_MAX);
	if (!e->transform_set_count || !e->key_in.set || !e->key_out.set)
		return 0;
	const struct transform_set *s = config_transform_set(c, e->transform_sets[0]);
	if (!s)
		return 0;
	if (s->cipher == ESP_CIPHER_AES_GCM || s->cipher == ESP_CIPHER_AES_GMAC)
		return err_set(
			err, -EINVAL,
			"transform set %s uses a combined mode, which is not safe with manual keys",
			s->name);
	if (s->auth == ESP_AUTH_NONE)
		return err_set(err, -EINVAL,
			       "transform set %s has no authentication; manual keys require it",
			       s->name);
	struct key_need need = keys_needed(s->cipher, s->key_bits, s->auth);
	int rc = key_check(&e->key_in, "inbound", s->cipher, need, err);
	return rc ? rc : key_check(&e->key_out, "outbound", s->cipher, need, err);
}

static int spi_check(const struct config *c, const struct crypto_map *m,
		     const struct crypto_map_entry *e, struct err *err)
{
	const struct crypto_map *other;
	const struct crypto_map_entry *x;
	TAILQ_FOREACH (other, &c->crypto_maps, link) {
		TAILQ_FOREACH (x, &other->entries, link) {
			if (x == e)
				return 0;  // each pair once
			if (x->kind == MAP_IPSEC_MANUAL && x->key_in.set && e->key_in.set &&
			    x->key_in.spi == e->key_in.spi)
				return err_set(err, -EINVAL,
					       "the inbound SPI %u is the one of crypto map %s %u",
					       e->key_in.spi, other->name, x->seq);
		}
	}
	return 0;
}

static unsigned map_uses(const struct config *c, const char *map)
{
	const struct interface_config *ifc;
	unsigned n = 0;
	TAILQ_FOREACH (ifc, &c->interfaces, link)
		n += strcmp(ifc->crypto_map, map) == 0;
	return n;
}

int manual_sa_validate(const struct config *c, struct err *err)
{
	const struct crypto_map *m;
	const struct crypto_map_entry *e;
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		TAILQ_FOREACH (e, &m->entries, link) {
			if (e->kind != MAP_IPSEC_MANUAL)
				continue;
			int rc = entry_check(c, e, err);
			if (!rc)
				rc = spi_check(c, m, e, err);
			if (!rc && map_uses(c, m->name) > 1)
				rc = err_set(err, -EINVAL,
					     "a map with manual keys serves one interface only");
			if (rc) {
				err_prefix(err, "Crypto map %s %u", m->name, e->seq);
				return rc;
			}
		}
	}
	return 0;
}

// ---- data plane ------------------------------------------------------------------------------
static enum dp_cipher cipher_of(enum esp_cipher c)
{
	return c == ESP_CIPHER_DES       ? DP_CIPHER_DES_CBC
	       : c == ESP_CIPHER_3DES    ? DP_CIPHER_3DES_CBC
	       : c == ESP_CIPHER_AES_CBC ? DP_CIPHER_AES_CBC
					 : DP_CIPHER_NULL;
}

static enum dp_auth auth_of(enum esp_auth a)
{
	static const enum dp_auth map[] = {
		[ESP_AUTH_NONE] = DP_AUTH_NONE,         [ESP_AUTH_MD5] = DP_AUTH_MD5_96,
		[ESP_AUTH_SHA1] = DP_AUTH_SHA1_96,      [ESP_AUTH_SHA256] = DP_AUTH_SHA256_128,
		[ESP_AUTH_SHA384] = DP_AUTH_SHA384_192, [ESP_AUTH_SHA512] = DP_AUTH_SHA512_256,
	};
	return map[a];
}

int manual_sa_build(const struct tunnel *t, enum dp_dir dir, struct dp_sa *out, struct err *err)
{
	const struct session_key *k = dir == DP_IN ? &t->key_in : &t->key_out;
	const struct tunnel_proposal *p = &t->proposals[0];

	if (t->flow_count > MANUAL_FLOWS_MAX || k->cipher_key_len > DP_KEY_MAX ||
	    k->auth_key_len > DP_KEY_MAX)
		return err_set(err, -EINVAL, "Crypto map %s %u does not fit a manual SA", t->map,
			       t->seq);
	*out = (struct dp_sa){
		.id = rand_u64(),
		.dir = dir,
		.mode = p->transport ? DP_TRANSPORT : DP_TUNNEL,
		.spi = k->spi,
		.local = t->local,
		.remote = t->peers[0],
		.cipher = cipher_of(p->cipher),
		.auth = auth_of(p->auth),
		.key_len = k->cipher_key_len,
		.auth_key_len = k->auth_key_len,
		.sels = (uint8_t)t->flow_count,
		.df = t->df,
		.fragment_after = t->fragment_after,
		// the key outlives this process: a random life keeps block-cipher IVs apart
		.iv_prefix = (uint64_t)(rand_u32() & 0xffffff) << 40,
		.next = 1,
		.lim = UINT32_MAX,
		.state = DP_SA_ACTIVE,
		.worker = -1,
		.pair = ((uint64_t)t->key_in.spi << 32) | t->key_out.spi,
	};
	memcpy(out->key, k->cipher_key, k->cipher_key_len);
	memcpy(out->auth_key, k->auth_key, k->auth_key_len);
	for (unsigned i = 0; i < t->flow_count; i++)
		out->sel[i] = t->flows[i].sel;
	return 0;
}

static int manual_add_one(const struct tunnel *t, enum dp_dir dir, uint32_t *sa, struct err *err)
{
	struct dp_sa p;
	int rc = manual_sa_build(t, dir, &p, err);
	if (!rc)
		rc = dp_sa_add(&p, sa, err);
	secret_wipe(&p, sizeof(p));
	return rc;
}

static bool key_same(const struct session_key *a, const struct session_key *b)
{
	return a->spi == b->spi && a->cipher_key_len == b->cipher_key_len &&
	       a->auth_key_len == b->auth_key_len &&
	       secret_equal(a->cipher_key, b->cipher_key, sizeof(a->cipher_key)) &&
	       secret_equal(a->auth_key, b->auth_key, sizeof(a->auth_key));
}

static bool proposal_same(const struct tunnel_proposal *a, const struct tunnel_proposal *b)
{
	return a->cipher == b->cipher && a->key_bits == b->key_bits && a->auth == b->auth &&
	       a->transport == b->transport;
}

static bool manual_same(const struct manual_sa *m, const struct tunnel *t)
{
	bool same = addr_equal(&m->local, &t->local) && addr_equal(&m->remote, &t->peers[0]) &&
		    m->policy_count == t->flow_count && key_same(&m->key_in, &t->key_in) &&
		    key_same(&m->key_out, &t->key_out) &&
		    proposal_same(&m->proposal, &t->proposals[0]);
	for (unsigned i = 0; same && i < m->policy_count; i++)
		same = m->policies[i] == t->flows[i].policy &&
		       selector_equal(&m->sel[i], &t->flows[i].sel);
	return same;
}

static void manual_remove(struct gateway *g, struct manual_sa *m)
{
	if (dp_running()) {
		(void)dp_sa_del(m->sa_out);
		(void)dp_sa_del(m->sa_in);
	}
	TAILQ_REMOVE(&g->manual, m, link);
	secret_wipe(m, sizeof(*m));
	free(m);
}

static int manual_add(struct gateway *g, const struct tunnel *t, struct err *err)
{
	struct manual_sa *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "Not enough memory for a manual SA");
	snprintf(m->interface, sizeof(m->interface), "%s", t->interface);
	snprintf(m->map, sizeof(m->map), "%s", t->map);
	m->seq = t->seq;
	m->local = t->local;
	m->remote = t->peers[0];
	m->key_in = t->key_in;
	m->key_out = t->key_out;
	m->proposal = t->proposals[0];
	m->wanted = true;
	int rc = manual_add_one(t, DP_IN, &m->sa_in, err);
	if (!rc && (rc = manual_add_one(t, DP_OUT, &m->sa_out, err)))
		(void)dp_sa_del(m->sa_in);
	if (rc) {
		secret_wipe(m, sizeof(*m));
		free(m);
		return rc;
	}
	for (unsigned i = 0; i < t->flow_count; i++) {
		m->sel[i] = t->flows[i].sel;
		m->policies[i] = t->flows[i].policy;
		(void)dp_policy_bind(m->policies[i], m->sa_out);
	}
	m->policy_count = t->flow_count;
	TAILQ_INSERT_TAIL(&g->manual, m, link);
	return 0;
}

static struct manual_sa *manual_find(struct gateway *g, const struct tunnel *t)
{
	struct manual_sa *m;
	TAILQ_FOREACH (m, &g->manual, link)
		if (m->seq == t->seq && strcmp(m->map, t->map) == 0 &&
		    strcmp(m->interface, t->interface) == 0)
			return m;
	return NULL;
}

static bool manual_wanted(const struct tunnel *t)
{
	return t->kind == MAP_IPSEC_MANUAL && t->complete;
}

int manual_sa_apply(struct gateway *g, const struct tunnels *t, struct err *err)
{
	struct manual_sa *m;
	struct err why = {0};

	if (!dp_running())
		return 0;
	TAILQ_FOREACH (m, &g->manual, link)
		m->wanted = false;
	for (unsigned i = 0; i < t->count; i++)
		if (manual_wanted(t->all[i]) && (m = manual_find(g, t->all[i])) &&
		    manual_same(m, t->all[i]))
			m->wanted = true;
	for (m = TAILQ_FIRST(&g->manual); m;) {
		struct manual_sa *next = TAILQ_NEXT(m, link);
		if (!m->wanted)
			manual_remove(g, m);
		m = next;
	}
	for (unsigned i = 0; i < t->count; i++) {
		if (!manual_wanted(t->all[i]) || manual_find(g, t->all[i]))
			continue;
		if (manual_add(g, t->all[i], &why) == 0)
			continue;
		// its traffic waits for an SA and is dropped, never sent in clear
		log_event("CRYPTO", LOG_L_ERR, "MANUAL_SA", "Crypto map %s %u has no SA: %s",
			  t->all[i]->map, t->all[i]->seq, why.msg);
		apply_warn(g, "Crypto map %s %u has no SA: %s", t->all[i]->map, t->all[i]->seq,
			   why.msg);
	}
	return 0;
}

void manual_sa_clear(struct gateway *g)
{
	while (!TAILQ_EMPTY(&g->manual))
		manual_remove(g, TAILQ_FIRST(&g->manual));
}
