// Extended access lists, named (ip access-list extended) and numbered (access-list N). They say
// what crypto maps protect, so only contiguous wildcards and plain port ranges are taken.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "acl_names.h"
#include "cmd.h"

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{"ip", 0},     {"tcp", 6},   {"udp", 17},   {"icmp", 1}, {"igmp", 2},
	{"ipinip", 4}, {"gre", 47},  {"esp", 50},   {"ahp", 51}, {"eigrp", 88},
	{"ospf", 89},  {"pim", 103}, {"sctp", 132},
};
static const struct {
	const char *name;
	uint16_t port;
} ports[] = {
	{"ftp-data", 20},
	{"ftp", 21},
	{"ssh", 22},
	{"telnet", 23},
	{"smtp", 25},
	{"domain", 53},
	{"bootps", 67},
	{"bootpc", 68},
	{"tftp", 69},
	{"www", 80},
	{"pop3", 110},
	{"ntp", 123},
	{"snmp", 161},
	{"snmptrap", 162},
	{"bgp", 179},
	{"isakmp", 500},
	{"syslog", 514},
	{"rip", 520},
	{"non500-isakmp", 4500},
};

const char *acl_protocol_name(uint8_t number)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (protocols[i].number == number)
			return protocols[i].name;
	}
	return NULL;
}

static int port_parse(struct cli *cli, const char *word, uint16_t *port)
{
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (strcasecmp(ports[i].name, word) == 0) {
			*port = ports[i].port;
			return 0;
		}
	}
	char *end;
	unsigned long v = strtoul(word, &end, 10);
	if (!isdigit((unsigned char)word[0]) || *end != '\0' || v > 65535)
		return cli_error(cli, "%% %s is neither a port number nor a port name", word);
	*port = (uint16_t)v;
	return 0;
}

// A walk over the words of one entry.
struct entry_words {
	const struct cli_args *a;
	unsigned at;
};

static const char *next_word(struct entry_words *w)
{
	return w->at < w->a->count ? w->a->word[w->at++] : "";
}

static bool peek(const struct entry_words *w, const char *word)
{
	return w->at < w->a->count && strcmp(w->a->word[w->at], word) == 0;
}

static int take_network(struct cli *cli, struct entry_words *w, struct ip_prefix *out)
{
	const char *word = next_word(w);

	if (strcmp(word, "any") == 0) {
		*out = (struct ip_prefix){.addr = addr_from_v4(0), .len = 0};
		return 0;
	}
	if (strcmp(word, "host") == 0) {
		out->len = 32;
		return cmd_addr(cli, next_word(w), &out->addr);
	}
	const char *wildcard = next_word(w);
	if (cmd_addr(cli, word, &out->addr) != 0)
		return -1;
	if (prefix_parse_wildcard(wildcard, &out->len) != 0)
		return cli_error(cli,
				 "%% %s is not a usable wildcard mask: only masks like 0.0.0.255 "
				 "(ones at the end) can describe what a tunnel protects",
				 wildcard);
	*out = prefix_mask(out);
	return 0;
}

static int take_ports(struct cli *cli, struct entry_words *w, uint8_t proto, struct port_range *out)
{
	*out = (struct port_range){0, 65535};
	bool eq = peek(w, "eq"), range = peek(w, "range"), gt = peek(w, "gt"), lt = peek(w, "lt");
	if (!eq && !range && !gt && !lt)
		return 0;
	if (proto != 6 && proto != 17 && proto != 132)
		return cli_error(cli, "%% ports need tcp, udp or sctp");
	uint16_t port;
	next_word(w);
	if (port_parse(cli, next_word(w), &port) != 0)
		return -1;
	if (gt && port == 65535)
		return cli_error(cli, "%% no port is greater than 65535");
	if (lt && port == 0)
		return cli_error(cli, "%% no port is less than 0");
	if (gt)
		out->lo = (uint16_t)(port + 1);
	else if (lt)
		out->hi = (uint16_t)(port - 1);
	else
		out->lo = out->hi = port;
	if (range && port_parse(cli, next_word(w), &out->hi) != 0)
		return -1;
	if (out->lo > out->hi)
		return cli_error(cli, "%% the port range runs backwards");
	return 0;
}

static int take_selector(struct cli *cli, struct entry_words *w, struct selector *sel)
{
	const char *proto = next_word(w);

	sel->proto = (uint8_t)cmd_u32(proto);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(protocols[i].name, proto) == 0)
			sel->proto = protocols[i].number;
	}
	int rc = take_network(cli, w, &sel->src);
	if (rc == 0)
		rc = take_ports(cli, w, sel->proto, &sel->sport);
	if (rc == 0)
		rc = take_network(cli, w, &sel->dst);
	if (rc == 0)
		rc = take_ports(cli, w, sel->proto, &sel->dport);
	return rc;
}

static struct acl *acl_get(struct cli *cli, const char *name)
{
	struct config *c = cli_candidate(cli);
	struct acl *acl = config_acl(c, name);

	if (acl != NULL)
		return acl;
	acl = cmd_alloc(cli, sizeof(*acl));
	if (acl == NULL || cmd_name(cli, acl->name, name, "access list") != 0)
		return NULL;
	acl->numbered = strspn(name, "0123456789") == strlen(name);
	TAILQ_INIT(&acl->entries);
	TAILQ_INSERT_TAIL(&c->acls, acl, link);
	return acl;
}

static bool entry_equal(const struct acl_entry *a, const struct acl_entry *b)
{
	if (a->is_remark || b->is_remark)
		return a->is_remark && b->is_remark && strcmp(a->remark, b->remark) == 0;
	return a->permit == b->permit && selector_equal(&a->sel, &b->sel);
}

static struct acl_entry *entry_find(struct acl *acl, const struct acl_entry *like)
{
	struct acl_entry *e;
	TAILQ_FOREACH (e, &acl->entries, link) {
		if (like->seq != 0 ? e->seq == like->seq : entry_equal(e, like))
			return e;
	}
	return NULL;
}

static int entry_remove(struct cli *cli, struct acl *acl, const struct acl_entry *like)
{
	struct acl_entry *e = entry_find(acl, like);

	if (e == NULL)
		return cli_error(cli, "%% access list %s has no such entry", acl->name);
	TAILQ_REMOVE(&acl->entries, e, link);
	return 0;
}

static int entry_insert(struct cli *cli, struct acl *acl, const struct acl_entry *fresh)
{
	struct acl_entry *last = TAILQ_LAST(&acl->entries, acl_entry_list), *after;
	struct acl_entry *same = entry_find(acl, fresh);

	if (same != NULL && entry_equal(same, fresh))
		return 0;
	if (same != NULL)
		return cli_error(cli, "%% access list %s has another entry %u; remove it first",
				 acl->name, fresh->seq);
	struct acl_entry *e = cmd_alloc(cli, sizeof(*e));
	if (e == NULL)
		return -1;
	*e = *fresh;
	if (e->is_remark && (e->remark = cmd_strdup(cli, fresh->remark)) == NULL)
		return -1;
	if (e->seq == 0 && last != NULL && last->seq > UINT32_MAX - 10)
		return cli_error(cli, "%% access list %s has no room behind entry %u", acl->name,
				 last->seq);
	if (e->seq == 0)
		e->seq = last == NULL ? 10 : last->seq + 10;
	after = last != NULL && last->seq > e->seq ? TAILQ_FIRST(&acl->entries) : NULL;
	for (; after != NULL; after = TAILQ_NEXT(after, link)) {
		if (after->seq > e->seq)
			break;
	}
	if (after != NULL)
		TAILQ_INSERT_BEFORE(after, e, link);
	else
		TAILQ_INSERT_TAIL(&acl->entries, e, link);
	return 0;
}

// Words from `at` on: [SEQ] permit|deny ... or [SEQ] remark TEXT.
static int entry_line(struct cli *cli, const struct cli_args *a, struct acl *acl, unsigned at)
{
	struct entry_words w = {a, at};
	struct acl_entry e = {0};

	if (w.at < a->count && isdigit((unsigned char)a->word[w.at][0]))
		e.seq = cmd_u32(next_word(&w));
	const char *verb = next_word(&w);
	e.permit = strcmp(verb, "permit") == 0;
	e.is_remark = strcmp(verb, "remark") == 0;
	if (e.is_remark) {
		e.remark = next_word(&w);
	} else if (verb[0] != '\0') {
		if (w.at == a->count)
			return cli_error(cli, "%% incomplete access list entry");
		if (take_selector(cli, &w, &e.sel) != 0)
			return -1;
	} else if (!a->no || e.seq == 0) {
		return cli_error(cli, "%% incomplete access list entry");
	}
	return a->no ? entry_remove(cli, acl, &e) : entry_insert(cli, acl, &e);
}

static int cmd_entry(struct cli *cli, const struct cli_args *a)
{
	return entry_line(cli, a, cli_object(cli), 0);
}

static int cmd_named(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);

	if (a->values == 0)
		return cli_error(cli, "%% which access list?");
	if (a->no) {
		struct acl *acl = config_acl(c, a->value[0]);
		if (acl == NULL)
			return cli_error(cli, "%% there is no access list %s", a->value[0]);
		TAILQ_REMOVE(&c->acls, acl, link);
		return 0;
	}
	const char *name = a->value[0];
	if (strspn(name, "0123456789") == strlen(name)) {
		uint32_t n = strlen(name) > 5 ? 0 : cmd_u32(name);
		if (!((n >= 100 && n <= 199) || (n >= 2000 && n <= 2699)) || name[0] == '0')
			return cli_error(cli,
					 "%% extended access lists have the numbers 100-199 and "
					 "2000-2699");
	}
	struct acl *acl = acl_get(cli, name);
	return acl == NULL ? -1 : cli_enter(cli, CLI_ACL, acl, NULL);
}

static int cmd_numbered(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);

	if (a->values == 0)
		return cli_error(cli, "%% which access list?");
	struct acl *acl = config_acl(c, a->value[0]);
	if (a->no && acl == NULL)
		return cli_error(cli, "%% there is no access list %s", a->value[0]);
	if (a->no && a->count == 2) {
		TAILQ_REMOVE(&c->acls, acl, link);
		return 0;
	}
	acl = acl_get(cli, a->value[0]);
	int rc = acl == NULL ? -1 : entry_line(cli, a, acl, 2);
	// A numbered list exists through its entries.
	if (acl != NULL && TAILQ_EMPTY(&acl->entries))
		TAILQ_REMOVE(&c->acls, acl, link);
	return rc;
}

#define PROTO      "{ip|tcp|udp|icmp|igmp|ipinip|gre|esp|ahp|eigrp|ospf|pim|sctp|NUMBER<1-255>}"
#define NET        "{any|host A.B.C.D|A.B.C.D WILDCARD}"
#define PORT       "[eq NAME|range NAME NAME|gt NAME|lt NAME]"
#define ENTRY      "{permit|deny} " PROTO " " NET " " PORT " " NET " " PORT " [log]"
#define ACL_NUMBER "{NUMBER<100-199>|NUMBER<2000-2699>}"

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "ip access-list extended NAME", NULL, cmd_named, CLI_NO, NULL},
	{CLI_ACL, "[NUMBER<1-4294967295>] " ENTRY, NULL, cmd_entry, CLI_NO, NULL},
	{CLI_ACL, "[NUMBER<1-4294967295>] remark LINE", NULL, cmd_entry, CLI_NO, NULL},
	{CLI_ACL, "NUMBER<1-4294967295>", NULL, cmd_entry, CLI_NO_ONLY, NULL},
	{CLI_CONFIG, "access-list " ACL_NUMBER " " ENTRY, NULL, cmd_numbered, CLI_NO, NULL},
	{CLI_CONFIG, "access-list " ACL_NUMBER " remark LINE", NULL, cmd_numbered, CLI_NO, NULL},
	{CLI_CONFIG, "access-list " ACL_NUMBER, NULL, cmd_numbered, CLI_NO_ONLY, NULL},
};

int cmd_acl_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
