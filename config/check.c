// Warnings at commit. All warnings of a configuration are produced as sentences; a commit shows
// those which the old configuration did not have, so that nothing is said twice.
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Sorted names, so that checking thousands of references does not walk the lists each time.
struct names {
	const char **name;  // NULL without memory: nothing is then reported as missing
	size_t count;
};

struct sink {
	commit_warn_fn fn;
	void *ctx;
	struct names acls, transform_sets;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool names_have(const struct names *n, const char *name)
{
	return n->name == NULL ||
	       (n->count > 0 && bsearch(&name, n->name, n->count, sizeof(char *), by_text) != NULL);
}

static void names_init(struct sink *s, const struct config *c)
{
	const struct acl *a;
	const struct transform_set *t;
	size_t acls = 0, sets = 0;

	TAILQ_FOREACH (a, &c->acls, link)
		acls++;
	TAILQ_FOREACH (t, &c->transform_sets, link)
		sets++;
	s->acls.name = calloc(acls + 1, sizeof(char *));
	s->transform_sets.name = calloc(sets + 1, sizeof(char *));
	if (s->acls.name != NULL) {
		TAILQ_FOREACH (a, &c->acls, link)
			s->acls.name[s->acls.count++] = a->name;
		qsort(s->acls.name, acls, sizeof(char *), by_text);
	}
	if (s->transform_sets.name != NULL) {
		TAILQ_FOREACH (t, &c->transform_sets, link)
			s->transform_sets.name[s->transform_sets.count++] = t->name;
		qsort(s->transform_sets.name, sets, sizeof(char *), by_text);
	}
}

static void say(const struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const struct sink *s, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->fn(s->ctx, text);
}

// First words of kept lines that ask for nothing an operator could miss.
static const char *const harmless[] = {
	"version ",     "service ",       "boot ",        "logging ",        "clock ",
	"memory-size ", "ip subnet-zero", "ip classless", "ip cef",          "ip routing",
	"ip domain",    "ip http ",       "vlan ",        "line ",           "crypto engine ",
	"ntp ",         "router ",        "route-map ",   "ip prefix-list ",
};

static void check_kept(const struct config *c, const struct sink *s)
{
	const struct config_string *line;

	TAILQ_FOREACH (line, &c->ignored, link) {
		const char *text = strncmp(line->text, "no ", 3) == 0 ? line->text + 3 : line->text;
		bool quiet = text[0] == ' ' || text != line->text;
		for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]) && !quiet; i++)
			quiet = strncmp(text, harmless[i], strlen(harmless[i])) == 0;
		// Passwords stand behind these words; the rest of the line is not repeated.
		int shown = strncmp(text, "enable ", 7) == 0 || strncmp(text, "username", 8) == 0 ||
					    strncmp(text, "snmp-server", 11) == 0
				    ? (int)strcspn(text, " ")
				    : 200;
		if (!quiet)
			say(s, "\"%.*s\" is kept but has no effect yet", shown, text);
	}
}

static bool weak_group(uint16_t group)
{
	return group == 1 || group == 2 || group == 5;
}

static void check_policies(const struct config *c, const struct sink *s)
{
	const struct isakmp_policy *p;

	TAILQ_FOREACH (p, &c->isakmp_policies, link) {
		// Nothing is set yet: the first line that does set something brings the warnings.
		if (p->encr == IKE_ENCR_DES && p->hash == IKE_HASH_SHA && p->group == 1 &&
		    p->auth == IKE_AUTH_RSA_SIG && p->lifetime_s == 86400)
			continue;
		if (p->encr != IKE_ENCR_AES)
			say(s, "crypto isakmp policy %u: weak algorithm: encryption %s",
			    p->priority, p->encr == IKE_ENCR_DES ? "des" : "3des");
		if (p->hash == IKE_HASH_SHA || p->hash == IKE_HASH_MD5)
			say(s, "crypto isakmp policy %u: weak algorithm: hash %s", p->priority,
			    p->hash == IKE_HASH_MD5 ? "md5" : "sha");
		if (weak_group(p->group))
			say(s, "crypto isakmp policy %u: weak algorithm: group %u", p->priority,
			    p->group);
		if (p->auth == IKE_AUTH_RSA_SIG)
			say(s, "crypto isakmp policy %u: authentication rsa-sig has no effect yet",
			    p->priority);
	}
}

static void check_transform_sets(const struct config *c, const struct sink *s)
{
	const struct transform_set *t;

	TAILQ_FOREACH (t, &c->transform_sets, link) {
		if (t->cipher == ESP_CIPHER_DES || t->cipher == ESP_CIPHER_3DES)
			say(s, "crypto ipsec transform-set %s: weak algorithm: %s", t->name,
			    t->cipher == ESP_CIPHER_DES ? "esp-des" : "esp-3des");
		if (t->auth == ESP_AUTH_MD5 || t->auth == ESP_AUTH_SHA1)
			say(s, "crypto ipsec transform-set %s: weak algorithm: %s", t->name,
			    t->auth == ESP_AUTH_MD5 ? "esp-md5-hmac" : "esp-sha-hmac");
		if (t->auth == ESP_AUTH_NONE && t->cipher != ESP_CIPHER_AES_GCM &&
		    t->cipher != ESP_CIPHER_AES_GMAC)
			say(s,
			    "crypto ipsec transform-set %s: packets are not authenticated: add an "
			    "hmac",
			    t->name);
		if (t->cipher == ESP_CIPHER_NULL || t->cipher == ESP_CIPHER_AES_GMAC)
			say(s, "crypto ipsec transform-set %s: packets are not encrypted", t->name);
	}
}

static bool is_virtual(const struct config *c, const struct ip_addr *a)
{
	const struct interface_config *i;
	const struct standby_group *g;
	const struct config_string *t;
	struct ip_addr other;

	TAILQ_FOREACH (i, &c->interfaces, link)
		TAILQ_FOREACH (g, &i->standby, link) {
			if (addr_equal(&g->ip, a))
				return true;
			TAILQ_FOREACH (t, &g->secondary, link)
				if (addr_parse(t->text, &other) == 0 && addr_equal(&other, a))
					return true;
		}
	return false;
}

static void check_reverse_route(const struct config *c, const struct crypto_map *m,
				const struct crypto_map_entry *e, const struct sink *s)
{
	const struct ip_addr *a = &e->reverse_route.advertise;
	char text[ADDR_STR_MAX];

	if (addr_is_set(a) && !is_virtual(c, a))
		say(s,
		    "crypto %s %s %u: reverse-route advertise %s is the virtual address of no "
		    "standby group: nobody here answers for it",
		    m->is_dynamic_template ? "dynamic-map" : "map", m->name, e->seq,
		    addr_format(a, text, sizeof(text)));
}

static void check_entry(const struct config *c, const struct crypto_map *m,
			const struct crypto_map_entry *e, const struct sink *s)
{
	const char *kind = m->is_dynamic_template ? "dynamic-map" : "map";
	const struct config_string *line;

	if (e->dynamic_map[0] != '\0') {
		if (config_crypto_map(c, e->dynamic_map, true) == NULL)
			say(s, "crypto map %s %u: there is no crypto dynamic-map %s", m->name,
			    e->seq, e->dynamic_map);
		return;
	}
	if (!m->is_dynamic_template && (TAILQ_EMPTY(&e->peers) || e->acl[0] == '\0'))
		say(s, "crypto map %s %u stays disabled until it has a peer and an access list",
		    m->name, e->seq);
	if (e->acl[0] != '\0' && !names_have(&s->acls, e->acl))
		say(s, "crypto %s %s %u: there is no access list %s", kind, m->name, e->seq,
		    e->acl);
	for (unsigned i = 0; i < e->transform_set_count; i++) {
		if (!names_have(&s->transform_sets, e->transform_sets[i]))
			say(s, "crypto %s %s %u: there is no transform set %s", kind, m->name,
			    e->seq, e->transform_sets[i]);
	}
	if (e->pfs && weak_group(e->pfs_group))
		say(s, "crypto %s %s %u: weak algorithm: pfs group%u", kind, m->name, e->seq,
		    e->pfs_group);
	check_reverse_route(c, m, e, s);
	TAILQ_FOREACH (line, &e->ignored, link)
		say(s, "crypto %s %s %u: \"%s\" is kept but has no effect yet", kind, m->name,
		    e->seq, line->text);
}

static void check_acls(const struct config *c, const struct sink *s)
{
	const struct acl *a;
	const struct acl_entry *e;

	TAILQ_FOREACH (a, &c->acls, link) {
		TAILQ_FOREACH (e, &a->entries, link) {
			if (!e->is_remark && e->permit && e->sel.proto == 0 &&
			    e->sel.src.len == 0 && e->sel.dst.len == 0)
				say(s,
				    "access list %s: permit ip any any protects everything, also "
				    "routing and management traffic",
				    a->name);
		}
	}
}

static void check_interfaces(const struct config *c, const struct sink *s)
{
	const struct interface_config *i;
	const struct config_string *line;

	TAILQ_FOREACH (i, &c->interfaces, link) {
		if (i->crypto_map[0] != '\0' && config_crypto_map(c, i->crypto_map, false) == NULL)
			say(s, "interface %s: there is no crypto map %s", i->name, i->crypto_map);
		if (i->ssp != 0)
			say(s,
			    "interface %s: there is no ssp group %u with remote and redundancy: "
			    "the SAs of crypto map %s are not replicated",
			    i->name, i->ssp, i->crypto_map);
		TAILQ_FOREACH (line, &i->ignored, link) {
			if (strncmp(line->text, "tunnel ", 7) == 0)
				say(s, "interface %s: \"%s\" is kept but has no effect yet",
				    i->name, line->text);
		}
	}
}

static void check_ssp(const struct config *c, const struct sink *s)
{
	const struct ssp_group *g;

	TAILQ_FOREACH (g, &c->ssp_groups, link) {
		if (g->mapped)
			say(s,
			    "ssp group %u is kept as redundancy inter-device and ipc zone default, "
			    "association %u: give it a security line",
			    g->number, g->number);
		else
			say(s, "ssp group %u has no effect before it has remote and redundancy",
			    g->number);
	}
}

void check_config(const struct config *c, commit_warn_fn fn, void *ctx)
{
	struct sink s = {.fn = fn, .ctx = ctx};
	const struct crypto_map *m;
	const struct crypto_map_entry *e;

	names_init(&s, c);
	check_policies(c, &s);
	check_transform_sets(c, &s);
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		TAILQ_FOREACH (e, &m->entries, link)
			check_entry(c, m, e, &s);
	}
	check_acls(c, &s);
	check_interfaces(c, &s);
	check_ssp(c, &s);
	check_kept(c, &s);
	free(s.acls.name);
	free(s.transform_sets.name);
}

struct bag {
	char **text;
	size_t count, cap;
};

static void bag_add(void *ctx, const char *text)
{
	struct bag *b = ctx;

	if (b->count == b->cap) {
		size_t cap = b->cap == 0 ? 64 : b->cap * 2;
		char **grown = realloc(b->text, cap * sizeof(*grown));
		if (grown == NULL)
			return;  // a warning may be repeated then, no more
		b->text = grown;
		b->cap = cap;
	}
	b->text[b->count] = strdup(text);
	if (b->text[b->count] != NULL)
		b->count++;
}

struct filter {
	const struct bag *old;
	commit_warn_fn fn;
	void *ctx;
};

static void pass_new(void *ctx, const char *text)
{
	const struct filter *f = ctx;

	if (f->old->count == 0 ||
	    bsearch(&text, f->old->text, f->old->count, sizeof(char *), by_text) == NULL)
		f->fn(f->ctx, text);
}

void check_changes(const struct config *old, const struct config *new_cfg, commit_warn_fn fn,
		   void *ctx)
{
	struct bag bag = {0};
	struct filter filter = {&bag, fn, ctx};

	check_config(old, bag_add, &bag);
	if (bag.count > 0)
		qsort(bag.text, bag.count, sizeof(char *), by_text);
	check_config(new_cfg, pass_new, &filter);
	for (size_t i = 0; i < bag.count; i++)
		free(bag.text[i]);
	free(bag.text);
}

static unsigned cipher_key_bytes(const struct transform_set *t)
{
	switch (t->cipher) {
	case ESP_CIPHER_DES: return 8;
	case ESP_CIPHER_3DES: return 24;
	case ESP_CIPHER_AES_CBC: return t->key_bits / 8;
	case ESP_CIPHER_AES_GCM:
	case ESP_CIPHER_AES_GMAC: return t->key_bits / 8 + 4;  // RFC 4106 8.1: and a 4 byte salt
	case ESP_CIPHER_NULL:
	case ESP_CIPHER_NONE: break;
	}
	return 0;
}

static unsigned auth_key_bytes(const struct transform_set *t)
{
	static const uint8_t bytes[] = {[ESP_AUTH_MD5] = 16,
					[ESP_AUTH_SHA1] = 20,
					[ESP_AUTH_SHA256] = 32,
					[ESP_AUTH_SHA384] = 48,
					[ESP_AUTH_SHA512] = 64};
	return bytes[t->auth];
}

static int check_key(const struct crypto_map *m, const struct crypto_map_entry *e,
		     const struct transform_set *t, const struct session_key *k, const char *dir,
		     struct err *err)
{
	unsigned cipher = cipher_key_bytes(t), auth = auth_key_bytes(t);

	if (!k->set)
		return 0;
	if (k->cipher_key_len != cipher && !(cipher == 0 && t->cipher == ESP_CIPHER_NULL))
		return err_set(err, -EINVAL,
			       "crypto map %s %u: the %s cipher key has %u bytes, transform set %s "
			       "needs %u",
			       m->name, e->seq, dir, k->cipher_key_len, t->name, cipher);
	if (k->auth_key_len != auth)
		return err_set(
			err, -EINVAL,
			"crypto map %s %u: the %s authenticator key has %u bytes, transform set "
			"%s needs %u",
			m->name, e->seq, dir, k->auth_key_len, t->name, auth);
	return 0;
}

int check_validate(const struct config *c, struct err *err)
{
	const struct crypto_map *m;
	const struct crypto_map_entry *e;

	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		TAILQ_FOREACH (e, &m->entries, link) {
			if (e->kind != MAP_IPSEC_MANUAL || e->transform_set_count == 0)
				continue;
			const struct transform_set *t =
				config_transform_set(c, e->transform_sets[0]);
			int rc = t == NULL ? 0 : check_key(m, e, t, &e->key_in, "inbound", err);
			if (rc == 0 && t != NULL)
				rc = check_key(m, e, t, &e->key_out, "outbound", err);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}
