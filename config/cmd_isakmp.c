// crypto isakmp: policies (RFC 2409 appendix A values), keys and the global switches of IKE.
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static struct isakmp_policy *policy_find(const struct config *c, uint32_t priority)
{
	struct isakmp_policy *p;
	TAILQ_FOREACH (p, &c->isakmp_policies, link) {
		if (p->priority == priority)
			return p;
	}
	return NULL;
}

static int cmd_policy(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct isakmp_policy *p = a->values > 0 ? policy_find(c, cmd_u32(a->value[0])) : NULL;

	if (a->no) {
		if (p == NULL)
			return cli_error(cli, "%% there is no such IKE policy");
		TAILQ_REMOVE(&c->isakmp_policies, p, link);
		return 0;
	}
	if (p == NULL) {
		p = cmd_alloc(cli, sizeof(*p));
		if (p == NULL)
			return -1;
		p->priority = cmd_u32(a->value[0]);
		p->group = 1;
		p->lifetime_s = 86400;
		struct isakmp_policy *after;
		TAILQ_FOREACH (after, &c->isakmp_policies, link) {
			if (after->priority > p->priority)
				break;
		}
		if (after != NULL)
			TAILQ_INSERT_BEFORE(after, p, link);
		else
			TAILQ_INSERT_TAIL(&c->isakmp_policies, p, link);
	}
	return cli_enter(cli, CLI_ISAKMP, p, NULL);
}

static int cmd_encr(struct cli *cli, const struct cli_args *a)
{
	struct isakmp_policy *p = cli_object(cli);

	p->aes_bits = 0;
	p->encr = IKE_ENCR_DES;
	if (a->no || cli_has(a, "des"))
		return 0;
	if (cli_has(a, "3des")) {
		p->encr = IKE_ENCR_3DES;
		return 0;
	}
	p->encr = IKE_ENCR_AES;
	p->aes_bits = cli_has(a, "192") ? 192 : cli_has(a, "256") ? 256 : 128;
	return 0;
}

static int cmd_hash(struct cli *cli, const struct cli_args *a)
{
	struct isakmp_policy *p = cli_object(cli);

	p->hash = a->no                  ? IKE_HASH_SHA
		  : cli_has(a, "md5")    ? IKE_HASH_MD5
		  : cli_has(a, "sha256") ? IKE_HASH_SHA256
		  : cli_has(a, "sha384") ? IKE_HASH_SHA384
		  : cli_has(a, "sha512") ? IKE_HASH_SHA512
					 : IKE_HASH_SHA;
	return 0;
}

static int cmd_authentication(struct cli *cli, const struct cli_args *a)
{
	struct isakmp_policy *p = cli_object(cli);

	if (!a->no && cli_has(a, "rsa-encr"))
		return cli_error(cli, "%% encrypted nonces (rsa-encr) are not supported; use "
				      "pre-share or rsa-sig");
	p->auth = !a->no && cli_has(a, "pre-share") ? IKE_AUTH_PRE_SHARE : IKE_AUTH_RSA_SIG;
	return 0;
}

static int cmd_group(struct cli *cli, const struct cli_args *a)
{
	struct isakmp_policy *p = cli_object(cli);

	p->group = a->no ? 1 : (uint16_t)cmd_u32(a->word[a->count - 1]);
	return 0;
}

static int cmd_lifetime(struct cli *cli, const struct cli_args *a)
{
	struct isakmp_policy *p = cli_object(cli);

	p->lifetime_s = a->no ? 86400 : cmd_u32(a->value[0]);
	return 0;
}

// The peer a key line is about.
static int key_peer(struct cli *cli, const struct cli_args *a, struct isakmp_key *k)
{
	const char *name = cli_after(a, "hostname"), *addr = cli_after(a, "address");

	k->no_xauth = cli_has(a, "no-xauth");
	k->by_hostname = name != NULL;
	if (name != NULL) {
		if (strlen(name) > 253 || lex_needs_quotes(name))
			return cli_error(cli,
					 "%% a host name has at most 253 characters, no blanks");
		k->hostname = cmd_strdup(cli, name);
		return k->hostname != NULL ? 0 : -1;
	}
	if (addr == NULL)
		return cli_error(cli, "%% say which key: address A.B.C.D or hostname NAME");
	if (cmd_addr(cli, addr, &k->peer.addr) != 0)
		return -1;
	k->peer.len = k->peer.addr.family == 4 ? 32 : 128;
	const char *mask = a->value[a->values - 1];
	if (mask != addr && prefix_parse_mask(mask, &k->peer.len) != 0)
		return cli_error(cli, "%% %s is not a netmask", mask);
	// 0.0.0.0 without a mask is the reference's wildcard.
	if (mask == addr && addr_is_zero(&k->peer.addr))
		k->peer.len = 0;
	k->peer = prefix_mask(&k->peer);
	return 0;
}

static bool same_peer(const struct isakmp_key *a, const struct isakmp_key *b)
{
	if (a->hostname != NULL || b->hostname != NULL)
		return a->hostname != NULL && b->hostname != NULL &&
		       strcmp(a->hostname, b->hostname) == 0;
	return prefix_equal(&a->peer, &b->peer);
}

static struct isakmp_key *key_find(const struct config *c, const struct isakmp_key *like)
{
	struct isakmp_key *k;
	TAILQ_FOREACH (k, &c->isakmp_keys, link) {
		if (same_peer(k, like))
			return k;
	}
	return NULL;
}

static int cmd_key(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct isakmp_key key = {0};
	const char *text = a->values > 0 ? a->value[0] : "";

	if (cli_has(a, "6"))
		return cli_error(cli, "%% an encrypted key (type 6) cannot be read here; enter the "
				      "key itself");
	if (strlen(text) < 1 || strlen(text) > 128)
		return cli_error(cli, "%% a pre-shared key has 1 to 128 characters");
	if (strcmp(text, "<hidden>") == 0)
		return cli_error(cli, "%% this key was hidden when the configuration was printed");
	if (key_peer(cli, a, &key) != 0)
		return -1;
	struct isakmp_key *k = key_find(c, &key);
	if (a->no) {
		if (k == NULL)
			return cli_error(cli, "%% there is no key for this peer");
		TAILQ_REMOVE(&c->isakmp_keys, k, link);
		return 0;
	}
	key.key = cmd_strdup(cli, text);
	if (key.key == NULL)
		return -1;
	if (k != NULL) {
		k->key = key.key;
		k->no_xauth = key.no_xauth;
		return 0;
	}
	k = cmd_alloc(cli, sizeof(*k));
	if (k == NULL)
		return -1;
	*k = key;
	TAILQ_INSERT_TAIL(&c->isakmp_keys, k, link);
	return 0;
}

static int cmd_keepalive(struct cli *cli, const struct cli_args *a)
{
	struct isakmp_config *i = &cli_candidate(cli)->isakmp;

	i->keepalive_set = !a->no;
	i->keepalive_s = a->no ? 0 : cmd_u32(a->value[0]);
	i->keepalive_retry_s = !a->no && a->values > 1 ? cmd_u32(a->value[1]) : 2;
	i->keepalive_periodic = !a->no && cli_has(a, "periodic");
	return 0;
}

static int cmd_identity(struct cli *cli, const struct cli_args *a)
{
	if (!a->no && cli_has(a, "dn"))
		return cli_error(cli,
				 "%% identity dn needs certificates, which are not supported yet");
	cli_candidate(cli)->isakmp.identity_hostname = !a->no && cli_has(a, "hostname");
	return 0;
}

static int cmd_nat_keepalive(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->isakmp.nat_keepalive_s = a->no ? 0 : cmd_u32(a->value[0]);
	return 0;
}

static int cmd_invalid_spi(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->isakmp.invalid_spi_recovery = !a->no;
	return 0;
}

static int cmd_aggressive(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->isakmp.aggressive_mode_disabled = !a->no;
	return 0;
}

static int cmd_half_open(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->isakmp.half_open_limit = a->no ? 0 : cmd_u32(a->value[0]);
	return 0;
}

// `crypto isakmp enable` is how it always is here; switching it off has no meaning.
static int cmd_enable(struct cli *cli, const struct cli_args *a)
{
	return a->no ? cli_error(cli, "%% IKE cannot be switched off; remove the crypto maps") : 0;
}

#define GROUPS "{1|2|5|14|15|16|19|20|21|24}"

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "crypto isakmp policy NUMBER<1-10000>", NULL, cmd_policy, CLI_NO, NULL},
	{CLI_ISAKMP, "encryption {des|3des|aes [128|192|256]}", NULL, cmd_encr, CLI_NO, NULL},
	{CLI_ISAKMP, "hash {sha|md5|sha256|sha384|sha512}", NULL, cmd_hash, CLI_NO, NULL},
	{CLI_ISAKMP, "authentication {pre-share|rsa-sig|rsa-encr}", NULL, cmd_authentication,
	 CLI_NO, NULL},
	{CLI_ISAKMP, "group " GROUPS, NULL, cmd_group, CLI_NO, NULL},
	{CLI_ISAKMP, "lifetime NUMBER<60-86400>", NULL, cmd_lifetime, CLI_NO, NULL},
	{CLI_CONFIG, "crypto isakmp key [0|6] NAME {address ADDR [MASK]|hostname NAME} [no-xauth]",
	 NULL, cmd_key, CLI_NO | CLI_SECRET, NULL},
	{CLI_CONFIG, "crypto isakmp keepalive NUMBER<10-3600> [NUMBER<2-60>] [periodic|on-demand]",
	 NULL, cmd_keepalive, CLI_NO, NULL},
	{CLI_CONFIG, "crypto isakmp identity {address|hostname|dn}", NULL, cmd_identity, CLI_NO,
	 NULL},
	{CLI_CONFIG, "crypto isakmp nat keepalive NUMBER<5-3600>", NULL, cmd_nat_keepalive, CLI_NO,
	 NULL},
	{CLI_CONFIG, "crypto isakmp invalid-spi-recovery", NULL, cmd_invalid_spi, CLI_NO, NULL},
	{CLI_CONFIG, "crypto isakmp aggressive-mode disable", NULL, cmd_aggressive, CLI_NO, NULL},
	{CLI_CONFIG, "crypto isakmp limit half-open NUMBER<1-1000000>", NULL, cmd_half_open, CLI_NO,
	 NULL},
	{CLI_CONFIG, "crypto isakmp enable", NULL, cmd_enable, CLI_NO | CLI_HIDDEN, NULL},
};

int cmd_isakmp_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
