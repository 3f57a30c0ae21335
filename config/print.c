// Model -> text, the exact inverse of the commands: what is printed here, read again, gives the
// same model. Only what differs from the default is printed. Crypto and interfaces have files of
// their own.
#include "print.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acl_names.h"
#include "cli.h"
#include "lex.h"
#include "secret.h"

void text_put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	for (int round = 0; round < 2 && !t->failed; round++) {
		va_start(ap, fmt);
		int n = vsnprintf(t->s + t->len, t->cap - t->len, fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < t->cap - t->len) {
			t->len += (size_t)n;
			return;
		}
		size_t cap = t->cap * 2 + (size_t)n + 1;
		char *grown = malloc(cap);  // not realloc: old copies hold keys and are wiped
		if (grown == NULL) {
			t->failed = true;
			return;
		}
		memcpy(grown, t->s, t->len + 1);
		secret_wipe(t->s, t->cap);
		free(t->s);
		t->s = grown;
		t->cap = cap;
	}
}

const char *print_secret(const struct text *t, const char *secret, char *buf, size_t cap)
{
	return t->secrets ? lex_quote(secret, buf, cap) : "<hidden>";
}

static void print_globals(struct text *t, const struct config *c)
{
	if (strcmp(c->hostname, "tandem") != 0)
		text_put(t, "hostname %s\n!\n", c->hostname);
	if (c->domain_name != NULL)
		text_put(t, "ip domain name %s\n!\n", c->domain_name);
	if (c->dataplane.workers != 1)
		text_put(t, "dataplane workers %u\n", c->dataplane.workers);
	if (c->dataplane.cores != NULL)
		text_put(t, "dataplane cores %s\n", c->dataplane.cores);
	if (c->dataplane.idle_kind == IDLE_SLEEP_NEVER)
		text_put(t, "dataplane idle-sleep never\n");
	else if (c->dataplane.idle_kind == IDLE_SLEEP_US)
		text_put(t, "dataplane idle-sleep %u\n", c->dataplane.idle_us);
	if (c->dataplane.routes != 0)
		text_put(t, "dataplane routes %u\n", c->dataplane.routes);
}

static void print_track_members(struct text *t, const struct track_config *k)
{
	const struct track_member *m;

	TAILQ_FOREACH (m, &k->members, link) {
		text_put(t, " object %u%s", m->object, m->negate ? " not" : "");
		if (m->weight != 10)
			text_put(t, " weight %u", m->weight);
		text_put(t, "\n");
	}
	if (k->threshold_up != 0 || k->threshold_down != 0)
		text_put(t, " threshold %s up %u down %u\n",
			 k->kind == TRACK_LIST_THRESHOLD_WEIGHT ? "weight" : "percentage",
			 k->threshold_up, k->threshold_down);
	if (k->delay_up_s != 0 || k->delay_down_s != 0) {
		text_put(t, " delay");
		if (k->delay_up_s != 0)
			text_put(t, " up %u", k->delay_up_s);
		if (k->delay_down_s != 0)
			text_put(t, " down %u", k->delay_down_s);
		text_put(t, "\n");
	}
}

static void print_tracks(struct text *t, const struct config *c)
{
	static const char *const lists[] = {
		[TRACK_LIST_AND] = "boolean and",
		[TRACK_LIST_OR] = "boolean or",
		[TRACK_LIST_THRESHOLD_WEIGHT] = "threshold weight",
		[TRACK_LIST_THRESHOLD_PERCENTAGE] = "threshold percentage",
	};
	const struct track_config *k;
	char addr[ADDR_STR_MAX], mask[ADDR_STR_MAX];

	TAILQ_FOREACH (k, &c->tracks, link) {
		text_put(t, "track %u ", k->number);
		if (k->kind == TRACK_LINE_PROTOCOL || k->kind == TRACK_IP_ROUTING)
			text_put(t, "interface %s %s\n", k->interface,
				 k->kind == TRACK_IP_ROUTING ? "ip routing" : "line-protocol");
		else if (k->kind == TRACK_IP_ROUTE)
			text_put(t, "ip route %s %s reachability\n",
				 addr_format(&k->route.addr, addr, sizeof(addr)),
				 mask_format(k->route.len, mask, sizeof(mask)));
		else
			text_put(t, "list %s\n", lists[k->kind]);
		print_track_members(t, k);
		text_put(t, "!\n");
	}
}

static void print_association(struct text *t, const struct ipc_association *a)
{
	const struct config_string *s;
	char buf[300];

	text_put(t, " association %u\n", a->number);
	if (a->no_shutdown)
		text_put(t, "  no shutdown\n");
	if (a->security == IPC_SECURITY_NONE)
		text_put(t, "  security none\n");
	else if (a->security == IPC_SECURITY_PSK)
		text_put(t, "  security psk %s\n",
			 print_secret(t, a->security_arg, buf, sizeof(buf)));
	else if (a->security == IPC_SECURITY_CERT)
		text_put(t, "  security certificate %s\n",
			 lex_quote(a->security_arg, buf, sizeof(buf)));
	if (a->transport != IPC_TRANSPORT_AUTO)
		text_put(t, "  transport %s\n",
			 a->transport == IPC_TRANSPORT_KERNEL ? "kernel" : "user");
	if (!a->sctp)
		return;
	text_put(t, "  protocol sctp\n");
	const char *deep = a->local_port != 0 ? "    " : "   ";
	if (a->local_port != 0)
		text_put(t, "   local-port %u\n", a->local_port);
	TAILQ_FOREACH (s, &a->local_ips, link)
		text_put(t, "%slocal-ip %s\n", deep, s->text);
	if (a->local_timers_set) {
		text_put(t, "%sretransmit-timeout %u %u\n", deep, a->retransmit_min_ms,
			 a->retransmit_max_ms);
		text_put(t, "%spath-retransmit %u\n", deep, a->path_retransmit);
		text_put(t, "%sassoc-retransmit %u\n", deep, a->assoc_retransmit);
	}
	if (a->remote_port != 0)
		text_put(t, "   remote-port %u\n", a->remote_port);
	TAILQ_FOREACH (s, &a->remote_ips, link)
		text_put(t, "%sremote-ip %s\n", a->remote_port != 0 ? "    " : "   ", s->text);
}

static void print_redundancy(struct text *t, const struct config *c)
{
	const struct ipc_zone *z;
	const struct ipc_association *a;

	if (c->redundancy.inter_device) {
		text_put(t, "redundancy inter-device\n");
		if (c->redundancy.scheme[0] != '\0')
			text_put(t, " scheme standby %s\n", c->redundancy.scheme);
		text_put(t, "!\n");
	}
	TAILQ_FOREACH (z, &c->ipc_zones, link) {
		text_put(t, "ipc zone %s\n", z->name);
		TAILQ_FOREACH (a, &z->associations, link)
			print_association(t, a);
		text_put(t, "!\n");
	}
}

// Of the old syntax only what nothing of today stands for yet.
static void print_ssp(struct text *t, const struct config *c)
{
	const struct ssp_group *g;
	char addr[ADDR_STR_MAX];

	TAILQ_FOREACH (g, &c->ssp_groups, link) {
		if (g->mapped)
			continue;
		text_put(t, "ssp group %u\n", g->number);
		if (addr_is_set(&g->remote))
			text_put(t, " remote %s\n", addr_format(&g->remote, addr, sizeof(addr)));
		if (g->redundancy[0] != '\0')
			text_put(t, " redundancy %s\n", g->redundancy);
		text_put(t, "!\n");
	}
}

static void print_routes(struct text *t, const struct config *c)
{
	const struct static_route *r;
	char addr[ADDR_STR_MAX], mask[ADDR_STR_MAX], hop[ADDR_STR_MAX], name[300];

	TAILQ_FOREACH (r, &c->routes, link) {
		text_put(t, "ip route %s %s", addr_format(&r->dst.addr, addr, sizeof(addr)),
			 mask_format(r->dst.len, mask, sizeof(mask)));
		if (r->interface[0] != '\0')
			text_put(t, " %s", r->interface);
		if (addr_is_set(&r->next_hop))
			text_put(t, " %s", addr_format(&r->next_hop, hop, sizeof(hop)));
		if (r->distance != 1)
			text_put(t, " %u", r->distance);
		if (r->name != NULL)
			text_put(t, " name %s", lex_quote(r->name, name, sizeof(name)));
		if (r->tag != 0)
			text_put(t, " tag %u", r->tag);
		text_put(t, "\n");
	}
	if (!TAILQ_EMPTY(&c->routes))
		text_put(t, "!\n");
}

static void print_network(struct text *t, const struct ip_prefix *p)
{
	char addr[ADDR_STR_MAX], mask[ADDR_STR_MAX];

	addr_format(&p->addr, addr, sizeof(addr));
	if (p->len == 0)
		text_put(t, " any");
	else if (p->len == 32)
		text_put(t, " host %s", addr);
	else
		text_put(t, " %s %s", addr, wildcard_format(p->len, mask, sizeof(mask)));
}

static void print_ports(struct text *t, const struct port_range *r)
{
	if (port_range_is_any(r))
		return;
	if (r->lo == r->hi)
		text_put(t, " eq %u", r->lo);
	else
		text_put(t, " range %u %u", r->lo, r->hi);
}

static void print_acl_entry(struct text *t, const struct acl_entry *e)
{
	if (e->is_remark) {
		text_put(t, "remark %s\n", e->remark);
		return;
	}
	const char *proto = acl_protocol_name(e->sel.proto);
	text_put(t, e->permit ? "permit " : "deny ");
	if (proto != NULL)
		text_put(t, "%s", proto);
	else
		text_put(t, "%u", e->sel.proto);
	print_network(t, &e->sel.src);
	print_ports(t, &e->sel.sport);
	print_network(t, &e->sel.dst);
	print_ports(t, &e->sel.dport);
	text_put(t, "\n");
}

static bool default_numbering(const struct acl *a)
{
	const struct acl_entry *e;
	uint32_t expect = 10;

	TAILQ_FOREACH (e, &a->entries, link) {
		if (e->seq != expect)
			return false;
		expect += 10;
	}
	return true;
}

static const struct acl *print_acl_some(struct text *t, const struct acl *a, size_t bytes)
{
	const struct acl_entry *e;

	for (; a != NULL && t->len < bytes && !t->failed; a = TAILQ_NEXT(a, link)) {
		// `access-list N` cannot hold sequence numbers: then the named form is used.
		bool plain = default_numbering(a);
		bool lines = a->numbered && plain && !TAILQ_EMPTY(&a->entries);
		if (!lines)
			text_put(t, "ip access-list extended %s\n", a->name);
		TAILQ_FOREACH (e, &a->entries, link) {
			if (lines)
				text_put(t, "access-list %s ", a->name);
			else if (plain)
				text_put(t, " ");
			else
				text_put(t, " %u ", e->seq);
			print_acl_entry(t, e);
		}
		text_put(t, "!\n");
	}
	return a;
}

static bool holds_secret(const char *line)
{
	static const char *const words[] = {"password ", "secret ",    " key",        "key-string ",
					    "username ", "community ", "snmp-server "};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strstr(line, words[i]) != NULL)
			return true;
	}
	return false;
}

static void print_ignored(struct text *t, const struct config *c)
{
	const struct config_string *s;

	if (TAILQ_EMPTY(&c->ignored))
		return;
	text_put(t, "! Routing lines for FRR, and lines that are kept without effect.\n");
	TAILQ_FOREACH (s, &c->ignored, link) {
		if (!t->secrets && holds_secret(s->text))
			text_put(t, "%.*s <hidden>\n",
				 (int)(strspn(s->text, " ") +
				       strcspn(s->text + strspn(s->text, " "), " ")),
				 s->text);
		else
			text_put(t, "%s\n", s->text);
	}
	text_put(t, "!\n");
}

static void text_drop(struct text *t)
{
	secret_wipe(t->s, t->cap);
	free(t->s);
	t->s = NULL;
}

char *config_print(const struct config *c, bool with_secrets)
{
	struct text t = {.s = calloc(1, 4096), .cap = 4096, .secrets = with_secrets};

	if (t.s == NULL)
		return NULL;
	print_globals(&t, c);
	text_put(&t, "!\n");
	print_key_chains(&t, c);
	print_tracks(&t, c);
	print_redundancy(&t, c);
	print_ssp(&t, c);
	print_crypto(&t, c);
	print_interfaces(&t, c);
	print_routes(&t, c);
	(void)print_acl_some(&t, TAILQ_FIRST(&c->acls), SIZE_MAX);
	print_ignored(&t, c);
	text_put(&t, "end\n");
	if (t.failed)
		text_drop(&t);
	return t.s;
}

// ---- in parts ----------------------------------------------------------------------------------
enum { PART_REST, PART_KEYS, PART_MAPS, PART_ACLS, PART_END };

// Everything but the lists that may be long.
static void part_rest(struct text *t, const struct config *c)
{
	struct config *rest = malloc(sizeof(*rest));

	if (rest == NULL) {
		t->failed = true;
		return;
	}
	memcpy(rest, c, sizeof(*rest));
	TAILQ_INIT(&rest->isakmp_keys);
	TAILQ_INIT(&rest->crypto_maps);
	TAILQ_INIT(&rest->acls);
	char *text = config_print(rest, true);
	if (text == NULL)
		t->failed = true;
	else
		text_put(t, "%s", text);
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text);
	secret_wipe(rest, sizeof(*rest));
	free(rest);
}

static void part_maps(struct text *t, struct config_part *at, size_t bytes)
{
	const struct crypto_map *m = at->list;
	const struct crypto_map_entry *e = at->item;

	while (m != NULL && t->len < bytes && !t->failed) {
		e = print_map_some(t, m, e, bytes);
		if (e != NULL)
			break;
		m = TAILQ_NEXT(m, link);
		e = m != NULL ? TAILQ_FIRST(&m->entries) : NULL;
	}
	at->list = m;
	at->item = e;
}

static void part_next(struct text *t, const struct config *c, struct config_part *at, size_t bytes)
{
	const struct crypto_map *m = TAILQ_FIRST(&c->crypto_maps);
	bool more;

	switch (at->kind) {
	case PART_REST:
		part_rest(t, c);
		at->item = TAILQ_FIRST(&c->isakmp_keys);
		more = false;
		break;
	case PART_KEYS:
		at->item = print_key_some(t, at->item, bytes);
		more = at->item != NULL;
		if (!more) {
			at->list = m;
			at->item = m != NULL ? TAILQ_FIRST(&m->entries) : NULL;
		}
		break;
	case PART_MAPS:
		part_maps(t, at, bytes);
		more = at->list != NULL;
		if (!more)
			at->item = TAILQ_FIRST(&c->acls);
		break;
	default:
		at->item = print_acl_some(t, at->item, bytes);
		more = at->item != NULL;
		break;
	}
	at->kind += !more;
}

char *config_print_part(const struct config *c, struct config_part *at, size_t bytes)
{
	struct text t = {.s = calloc(1, 4096), .cap = 4096, .secrets = !at->hidden};

	at->failed = t.s == NULL;
	while (!at->failed && t.len == 0 && at->kind < PART_END) {
		part_next(&t, c, at, bytes);
		at->failed = t.failed;
	}
	if (t.s != NULL && (t.failed || t.len == 0))
		text_drop(&t);
	return t.s;
}
