// Inside a crypto map entry: match address, set ..., reverse-route, description.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "secret.h"

static int cmd_match(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);

	if (a->no) {
		e->acl[0] = '\0';
		return 0;
	}
	return cmd_name(cli, e->acl, a->value[0], "access list");
}

static struct map_peer *peer_find(struct crypto_map_entry *e, const struct map_peer *like)
{
	struct map_peer *p;
	TAILQ_FOREACH (p, &e->peers, link) {
		if (like->hostname != NULL
			    ? p->hostname != NULL && strcmp(p->hostname, like->hostname) == 0
			    : p->hostname == NULL && addr_equal(&p->addr, &like->addr))
			return p;
	}
	return NULL;
}

static int peer_check(struct cli *cli, struct crypto_map_entry *e, const struct map_peer *p,
		      const struct map_peer *old)
{
	if (p->dynamic && p->hostname == NULL)
		return cli_error(cli, "%% dynamic is for a peer given by name");
	if (p->hostname == NULL && (addr_is_zero(&p->addr) || addr_is_multicast(&p->addr)))
		return cli_error(cli, "%% this address cannot be a peer");
	if (e->kind == MAP_IPSEC_MANUAL && old == NULL && !TAILQ_EMPTY(&e->peers))
		return cli_error(cli, "%% an ipsec-manual entry has one peer");
	if (p->is_default && old != TAILQ_FIRST(&e->peers))
		return cli_error(cli, "%% the default peer must be the first peer of the entry");
	if (p->hostname != NULL && (strlen(p->hostname) > 253 || lex_needs_quotes(p->hostname)))
		return cli_error(cli, "%% a host name has at most 253 characters and no blanks");
	return 0;
}

static int cmd_peer(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	struct map_peer peer = {.dynamic = cli_has(a, "dynamic"),
				.is_default = cli_has(a, "default")};

	if (a->values == 0)
		return cli_error(cli, "%% which peer?");
	if (addr_parse(a->value[0], &peer.addr) != 0)
		peer.hostname = a->value[0];
	struct map_peer *p = peer_find(e, &peer);
	if (a->no) {
		if (p == NULL)
			return cli_error(cli, "%% %s is not a peer of this entry", a->value[0]);
		TAILQ_REMOVE(&e->peers, p, link);
		return 0;
	}
	if (peer_check(cli, e, &peer, p) != 0)
		return -1;
	if (p == NULL) {
		p = cmd_alloc(cli, sizeof(*p));
		if (p == NULL)
			return -1;
		*p = peer;
		if (peer.hostname != NULL && (p->hostname = cmd_strdup(cli, peer.hostname)) == NULL)
			return -1;
		TAILQ_INSERT_TAIL(&e->peers, p, link);
	}
	p->dynamic = peer.dynamic;
	p->is_default = peer.is_default;
	return 0;
}

static int cmd_transform_sets(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	char names[6][CONFIG_NAME_MAX] = {0};

	if (!a->no && e->kind == MAP_IPSEC_MANUAL && a->values > 1)
		return cli_error(cli, "%% an ipsec-manual entry has one transform set");
	for (unsigned i = 0; i < a->values && !a->no; i++) {
		if (cmd_name(cli, names[i], a->value[i], "transform set") != 0)
			return -1;
	}
	memcpy(e->transform_sets, names, sizeof(names));
	e->transform_set_count = a->no ? 0 : a->values;
	return 0;
}

static int cmd_pfs(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	const char *last = a->word[a->count - 1];
	unsigned group = 1;

	if (!a->no && strncmp(last, "group", 5) == 0)
		sscanf(last, "group%u", &group);
	e->pfs = !a->no;
	e->pfs_group = (uint16_t)group;
	return 0;
}

static int cmd_lifetime(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	uint32_t value = a->no ? 0 : cmd_u32(a->value[0]);

	if (cli_has(a, "seconds"))
		e->lifetime_s = value;
	else
		e->lifetime_kb = value;
	return 0;
}

static int cmd_replay(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);

	e->replay_set = !a->no;
	e->replay_window = a->no || cli_has(a, "disable") ? 0 : cmd_u32(a->value[0]);
	return 0;
}

static int cmd_idle(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);

	e->idle_time_s = a->no ? 0 : cmd_u32(a->value[0]);
	e->idle_default = !a->no && cli_has(a, "default");
	return 0;
}

static int hex_value(char ch)
{
	return ch >= '0' && ch <= '9' ? ch - '0' : (ch | 0x20) - 'a' + 10;
}

static int take_key(struct cli *cli, const char *hex, uint8_t *key, uint16_t *len, const char *what)
{
	size_t digits = strlen(hex);

	if (digits % 2 != 0 || digits / 2 > 64 || digits == 0)
		return cli_error(cli,
				 "%% the %s key must be an even number of at most 128 hex digits",
				 what);
	for (size_t i = 0; i < digits; i += 2)
		key[i / 2] = (uint8_t)(hex_value(hex[i]) << 4 | hex_value(hex[i + 1]));
	*len = (uint16_t)(digits / 2);
	return 0;
}

static int cmd_session_key(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	struct session_key key = {.set = true};
	struct session_key *dst = cli_has(a, "inbound") ? &e->key_in : &e->key_out;
	const char *cipher = cli_after(a, "cipher"), *auth = cli_after(a, "authenticator");

	if (a->no) {
		*dst = (struct session_key){0};
		return 0;
	}
	if (e->kind != MAP_IPSEC_MANUAL)
		return cli_error(cli, "%% session keys belong to an ipsec-manual entry");
	key.spi = cmd_u32(a->value[0]);
	int rc = take_key(cli, cipher, key.cipher_key, &key.cipher_key_len, "cipher");
	if (rc == 0 && auth != NULL)
		rc = take_key(cli, auth, key.auth_key, &key.auth_key_len, "authenticator");
	if (rc == 0)
		*dst = key;
	secret_wipe(&key, sizeof(key));
	return rc;
}

// The address behind a keyword that may also stand alone, before other keywords.
static const char *address_after(const struct cli_args *a, const char *kw)
{
	const char *word = cli_after(a, kw);
	return word != NULL && word[0] >= '0' && word[0] <= '9' ? word : NULL;
}

static int cmd_reverse_route(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	struct reverse_route r = {.kind = RR_PLAIN, .is_static = cli_has(a, "static")};
	const char *tag = cli_after(a, "tag"), *advertise = cli_after(a, "advertise");

	if (a->no) {
		e->reverse_route = (struct reverse_route){0};
		return 0;
	}
	if (tag != NULL)
		r.tag = cmd_u32(tag);
	if (cli_has(a, "remote-peer") || cli_has(a, "remote")) {
		const char *addr = address_after(a, cli_has(a, "remote") ? "peer" : "remote-peer");
		r.kind = addr != NULL ? RR_REMOTE_PEER_ADDR : RR_REMOTE_PEER;
		if (addr != NULL && cmd_addr(cli, addr, &r.next_hop) != 0)
			return -1;
	}
	if (advertise != NULL && cmd_addr(cli, advertise, &r.advertise) != 0)
		return -1;
	if (advertise != NULL && (addr_is_zero(&r.advertise) || addr_is_multicast(&r.advertise)))
		return cli_error(cli, "%% %s cannot be a next hop", advertise);
	e->reverse_route = r;
	return 0;
}

static int cmd_description(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	const char *text = a->no ? NULL : cmd_strdup(cli, a->value[0]);

	if (!a->no && text == NULL)
		return -1;
	e->description = text;
	return 0;
}

// Lines of the reference language that have no meaning here yet; kept as they were written.
static int cmd_kept(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map_entry *e = cli_object(cli);
	char text[LEX_LINE_MAX + 1];

	if (a->values == 0)
		return cli_error(cli, "%% incomplete line");
	int n = snprintf(text, sizeof(text), "set %s %s", a->word[1], a->value[0]);
	if (n >= (int)sizeof(text))
		return cli_error(cli, "%% the line is too long");
	bool had = cmd_string_remove(&e->ignored, text);
	if (a->no)
		return had ? 0 : cli_error(cli, "%% there is no such line");
	return config_string_add(cli_candidate(cli), &e->ignored, text);
}

#define GROUPS "group1|group2|group5|group14|group15|group16|group19|group20|group21|group24"
#define N6     "NAME [NAME [NAME [NAME [NAME [NAME]]]]]"
#define SA     "set security-association "
#define TOLD   " [advertise A.B.C.D] [static]"
#define KEY    "NUMBER<256-4294967295> cipher HEX [authenticator HEX]"

static const struct cli_cmd rows[] = {
	{CLI_MAP, "match address NAME", NULL, cmd_match, CLI_NO, NULL},
	{CLI_MAP, "set peer {ADDR|NAME} [dynamic] [default]", NULL, cmd_peer, CLI_NO, NULL},
	{CLI_MAP, "set transform-set " N6, NULL, cmd_transform_sets, CLI_NO, NULL},
	{CLI_MAP, "set pfs [" GROUPS "]", NULL, cmd_pfs, CLI_NO, NULL},
	{CLI_MAP, SA "lifetime seconds NUMBER<120-2592000>", NULL, cmd_lifetime, CLI_NO, NULL},
	{CLI_MAP, SA "lifetime kilobytes NUMBER<2560-4294967295>", NULL, cmd_lifetime, CLI_NO,
	 NULL},
	{CLI_MAP, SA "replay {window-size NUMBER<64-4096>|disable}", NULL, cmd_replay, CLI_NO,
	 NULL},
	{CLI_MAP, SA "idle-time NUMBER<60-86400> [default]", NULL, cmd_idle, CLI_NO, NULL},
	{CLI_MAP, SA "idletime NUMBER<60-86400> [default]", NULL, cmd_idle, CLI_NO | CLI_HIDDEN,
	 NULL},
	{CLI_MAP, "set session-key {inbound|outbound} esp " KEY, NULL, cmd_session_key,
	 CLI_NO | CLI_SECRET, NULL},
	{CLI_MAP, "set isakmp-profile LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_MAP, "set ikev2-profile LINE", NULL, cmd_kept, CLI_NO, NULL},
	{CLI_MAP, "reverse-route" TOLD, NULL, cmd_reverse_route, CLI_NO, NULL},
	{CLI_MAP, "reverse-route tag NUMBER<1-4294967295>" TOLD, NULL, cmd_reverse_route, CLI_NO,
	 NULL},
	{CLI_MAP, "reverse-route [tag NUMBER<1-4294967295>] remote-peer [A.B.C.D]" TOLD, NULL,
	 cmd_reverse_route, CLI_NO, NULL},
	{CLI_MAP, "reverse-route remote peer [A.B.C.D] [static]", NULL, cmd_reverse_route,
	 CLI_NO | CLI_HIDDEN, NULL},
	{CLI_MAP, "description LINE", NULL, cmd_description, CLI_NO, NULL},
};

int cmd_map_set_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
