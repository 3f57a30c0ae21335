// Prints IKE policies and keys, transform sets, crypto maps.
#include <stdio.h>
#include <string.h>

#include "lex.h"
#include "print.h"
#include "secret.h"

static void print_policies(struct text *t, const struct config *c)
{
	static const char *const hashes[] = {"sha", "md5", "sha256", "sha384", "sha512"};
	const struct isakmp_policy *p;

	TAILQ_FOREACH (p, &c->isakmp_policies, link) {
		text_put(t, "crypto isakmp policy %u\n", p->priority);
		if (p->encr == IKE_ENCR_3DES)
			text_put(t, " encr 3des\n");
		else if (p->encr == IKE_ENCR_AES && p->aes_bits == 128)
			text_put(t, " encr aes\n");
		else if (p->encr == IKE_ENCR_AES)
			text_put(t, " encr aes %u\n", p->aes_bits);
		if (p->hash != IKE_HASH_SHA)
			text_put(t, " hash %s\n", hashes[p->hash]);
		if (p->auth == IKE_AUTH_PRE_SHARE)
			text_put(t, " authentication pre-share\n");
		if (p->group != 1)
			text_put(t, " group %u\n", p->group);
		if (p->lifetime_s != 86400)
			text_put(t, " lifetime %u\n", p->lifetime_s);
		text_put(t, "!\n");
	}
}

const struct isakmp_key *print_key_some(struct text *t, const struct isakmp_key *k, size_t bytes)
{
	char key[300], addr[ADDR_STR_MAX], mask[ADDR_STR_MAX];

	for (; k != NULL && t->len < bytes && !t->failed; k = TAILQ_NEXT(k, link)) {
		bool digit = strcmp(k->key, "0") == 0 || strcmp(k->key, "6") == 0;
		text_put(t, "crypto isakmp key %s%s", digit && t->secrets ? "0 " : "",
			 print_secret(t, k->key, key, sizeof(key)));
		if (k->by_hostname) {
			text_put(t, " hostname %s", k->hostname);
		} else {
			text_put(t, " address %s", addr_format(&k->peer.addr, addr, sizeof(addr)));
			if (k->peer.addr.family == 4 && k->peer.len != 32)
				text_put(t, " %s", mask_format(k->peer.len, mask, sizeof(mask)));
		}
		text_put(t, "%s\n", k->no_xauth ? " no-xauth" : "");
	}
	secret_wipe(key, sizeof(key));
	return k;
}

static void print_isakmp(struct text *t, const struct isakmp_config *i)
{
	if (i->keepalive_set) {
		text_put(t, "crypto isakmp keepalive %u", i->keepalive_s);
		if (i->keepalive_retry_s != 2)
			text_put(t, " %u", i->keepalive_retry_s);
		text_put(t, "%s\n", i->keepalive_periodic ? " periodic" : "");
	}
	if (i->identity_hostname)
		text_put(t, "crypto isakmp identity hostname\n");
	if (i->nat_keepalive_s != 0)
		text_put(t, "crypto isakmp nat keepalive %u\n", i->nat_keepalive_s);
	if (i->invalid_spi_recovery)
		text_put(t, "crypto isakmp invalid-spi-recovery\n");
	if (i->aggressive_mode_disabled)
		text_put(t, "crypto isakmp aggressive-mode disable\n");
	if (i->half_open_limit != 0)
		text_put(t, "crypto isakmp limit half-open %u\n", i->half_open_limit);
	text_put(t, "!\n");
}

static void print_ipsec(struct text *t, const struct ipsec_config *i)
{
	if (i->lifetime_s != 3600)
		text_put(t, "crypto ipsec security-association lifetime seconds %u\n",
			 i->lifetime_s);
	if (i->lifetime_kb == 0)
		text_put(t, "crypto ipsec security-association lifetime kilobytes disable\n");
	else if (i->lifetime_kb != 4608000)
		text_put(t, "crypto ipsec security-association lifetime kilobytes %u\n",
			 i->lifetime_kb);
	if (i->replay_window == 0)
		text_put(t, "crypto ipsec security-association replay disable\n");
	else if (i->replay_window != 64)
		text_put(t, "crypto ipsec security-association replay window-size %u\n",
			 i->replay_window);
	if (i->idle_time_s != 0)
		text_put(t, "crypto ipsec security-association idle-time %u\n", i->idle_time_s);
	if (i->df_bit != DF_BIT_COPY)
		text_put(t, "crypto ipsec df-bit %s\n",
			 i->df_bit == DF_BIT_CLEAR ? "clear" : "set");
	if (i->fragment_after)
		text_put(t, "crypto ipsec fragmentation after-encryption\n");
	if (i->nat_transparency_off)
		text_put(t, "no crypto ipsec nat-transparency udp-encapsulation\n");
}

static void print_transform_sets(struct text *t, const struct config *c)
{
	static const char *const ciphers[] = {"",        "esp-null", "esp-des", "esp-3des",
					      "esp-aes", "esp-gcm",  "esp-gmac"};
	static const char *const auths[] = {"",
					    "esp-md5-hmac",
					    "esp-sha-hmac",
					    "esp-sha256-hmac",
					    "esp-sha384-hmac",
					    "esp-sha512-hmac"};
	const struct transform_set *s;

	TAILQ_FOREACH (s, &c->transform_sets, link) {
		text_put(t, "crypto ipsec transform-set %s %s", s->name, ciphers[s->cipher]);
		if (s->key_bits != 0 && s->key_bits != 128)
			text_put(t, " %u", s->key_bits);
		if (s->gcm_icv != 0 && s->gcm_icv != 16)
			text_put(t, " icv %u", s->gcm_icv);
		if (s->auth != ESP_AUTH_NONE)
			text_put(t, " %s", auths[s->auth]);
		text_put(t, "\n%s", s->transport ? " mode transport\n" : "");
	}
	if (!TAILQ_EMPTY(&c->transform_sets))
		text_put(t, "!\n");
}

static void print_hex(struct text *t, const char *word, const uint8_t *key, size_t len)
{
	if (len == 0)
		return;
	text_put(t, " %s ", word);
	if (!t->secrets) {
		text_put(t, "<hidden>");
		return;
	}
	for (size_t i = 0; i < len; i++)
		text_put(t, "%02x", key[i]);
}

static void print_session_key(struct text *t, const char *dir, const struct session_key *k)
{
	if (!k->set)
		return;
	text_put(t, " set session-key %s esp %u", dir, k->spi);
	print_hex(t, "cipher", k->cipher_key, k->cipher_key_len);
	print_hex(t, "authenticator", k->auth_key, k->auth_key_len);
	text_put(t, "\n");
}

static void print_peers(struct text *t, const struct crypto_map_entry *e)
{
	const struct map_peer *p;
	char addr[ADDR_STR_MAX];

	TAILQ_FOREACH (p, &e->peers, link) {
		text_put(t, " set peer %s%s%s\n",
			 p->hostname != NULL ? p->hostname
					     : addr_format(&p->addr, addr, sizeof(addr)),
			 p->dynamic ? " dynamic" : "", p->is_default ? " default" : "");
	}
}

static void print_reverse_route(struct text *t, const struct reverse_route *r)
{
	char addr[ADDR_STR_MAX];

	if (r->kind == RR_NONE)
		return;
	text_put(t, " reverse-route");
	if (r->tag != 0)
		text_put(t, " tag %u", r->tag);
	if (r->kind == RR_REMOTE_PEER)
		text_put(t, " remote-peer");
	if (r->kind == RR_REMOTE_PEER_ADDR)
		text_put(t, " remote-peer %s", addr_format(&r->next_hop, addr, sizeof(addr)));
	if (addr_is_set(&r->advertise))
		text_put(t, " advertise %s", addr_format(&r->advertise, addr, sizeof(addr)));
	text_put(t, "%s\n", r->is_static ? " static" : "");
}

static void print_entry(struct text *t, const struct crypto_map_entry *e)
{
	const struct config_string *s;

	if (e->description != NULL)
		text_put(t, " description %s\n", e->description);
	print_peers(t, e);
	if (e->lifetime_s != 0)
		text_put(t, " set security-association lifetime seconds %u\n", e->lifetime_s);
	if (e->lifetime_kb != 0)
		text_put(t, " set security-association lifetime kilobytes %u\n", e->lifetime_kb);
	if (e->replay_set && e->replay_window == 0)
		text_put(t, " set security-association replay disable\n");
	else if (e->replay_set)
		text_put(t, " set security-association replay window-size %u\n", e->replay_window);
	if (e->idle_time_s != 0)
		text_put(t, " set security-association idle-time %u%s\n", e->idle_time_s,
			 e->idle_default ? " default" : "");
	print_session_key(t, "inbound", &e->key_in);
	print_session_key(t, "outbound", &e->key_out);
	if (e->transform_set_count > 0) {
		text_put(t, " set transform-set");
		for (unsigned i = 0; i < e->transform_set_count; i++)
			text_put(t, " %s", e->transform_sets[i]);
		text_put(t, "\n");
	}
	if (e->pfs)
		text_put(t, " set pfs group%u\n", e->pfs_group);
	TAILQ_FOREACH (s, &e->ignored, link)
		text_put(t, " %s\n", s->text);
	if (e->acl[0] != '\0')
		text_put(t, " match address %s\n", e->acl);
	print_reverse_route(t, &e->reverse_route);
}

static void print_map_head(struct text *t, const struct crypto_map *m)
{
	if (m->local_interface[0] != '\0')
		text_put(t, "crypto map %s local-address %s\n", m->name, m->local_interface);
	if (m->ha_replay_in != 0)
		text_put(t, "crypto map %s redundancy replay-interval in %u out %u\n", m->name,
			 m->ha_replay_in, m->ha_replay_out);
}

const struct crypto_map_entry *print_map_some(struct text *t, const struct crypto_map *m,
					      const struct crypto_map_entry *e, size_t bytes)
{
	if (e == TAILQ_FIRST(&m->entries))
		print_map_head(t, m);
	// at least one, or the head would come twice
	for (bool full = false; e != NULL && !full; e = TAILQ_NEXT(e, link)) {
		if (m->is_dynamic_template)
			text_put(t, "crypto dynamic-map %s %u\n", m->name, e->seq);
		else
			text_put(t, "crypto map %s %u %s%s%s\n", m->name, e->seq,
				 e->kind == MAP_IPSEC_MANUAL ? "ipsec-manual" : "ipsec-isakmp",
				 e->dynamic_map[0] != '\0' ? " dynamic " : "", e->dynamic_map);
		print_entry(t, e);
		full = t->len >= bytes || t->failed;
	}
	if (e == NULL)
		text_put(t, "!\n");
	return e;
}

static void print_map(struct text *t, const struct crypto_map *m)
{
	(void)print_map_some(t, m, TAILQ_FIRST(&m->entries), SIZE_MAX);
}

void print_crypto(struct text *t, const struct config *c)
{
	const struct crypto_map *m;

	print_policies(t, c);
	(void)print_key_some(t, TAILQ_FIRST(&c->isakmp_keys), SIZE_MAX);
	print_isakmp(t, &c->isakmp);
	print_ipsec(t, &c->ipsec);
	print_transform_sets(t, c);
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		if (m->is_dynamic_template)
			print_map(t, m);
	}
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		if (!m->is_dynamic_template)
			print_map(t, m);
	}
}
