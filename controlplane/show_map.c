// show crypto map, show crypto ipsec transform-set, show crypto ipsec security-association.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

static struct tunnel_proposal proposal_of(const struct transform_set *s)
{
	return (struct tunnel_proposal){.cipher = s->cipher,
					.key_bits = s->key_bits,
					.gcm_icv = s->gcm_icv,
					.auth = s->auth,
					.transport = s->transport};
}

static void acl_text(struct cli *cli, const struct acl *acl)
{
	const struct acl_entry *a;
	char sel[SELECTOR_STR_MAX];
	unsigned shown = 0;
	TAILQ_FOREACH (a, &acl->entries, link) {
		if (a->is_remark)
			continue;
		if (++shown > SHOW_SLICE) {
			cli_puts(cli, "            (more lines: see the running configuration)\n");
			return;
		}
		cli_printf(cli, "            access-list %s %s %s\n", acl->name,
			   a->permit ? "permit" : "deny",
			   selector_format(&a->sel, sel, sizeof(sel)));
	}
}

static void peers_text(struct cli *cli, const struct crypto_map_entry *e)
{
	const struct map_peer *p;
	char a[ADDR_STR_MAX];
	TAILQ_FOREACH (p, &e->peers, link)
		cli_printf(cli, "        Peer = %s%s%s\n",
			   p->hostname ? p->hostname : addr_format(&p->addr, a, sizeof(a)),
			   p->dynamic ? " (dynamic)" : "", p->is_default ? " (default)" : "");
}

void show_map_entry_text(struct cli *cli, const struct config *c, const struct crypto_map *m,
			 const struct crypto_map_entry *e)
{
	char t[96];
	const struct ipsec_config *g = &c->ipsec;
	const struct acl *acl = e->acl[0] ? config_acl(c, e->acl) : NULL;

	if (m->is_dynamic_template)
		cli_printf(cli, "Crypto Map Template \"%s\" %u\n", m->name, e->seq);
	else
		cli_printf(cli, "Crypto Map IPv4/IPv6 \"%s\" %u %s\n", m->name, e->seq,
			   e->kind == MAP_IPSEC_MANUAL ? "ipsec-manual" : "ipsec-isakmp");
	if (e->description)
		cli_printf(cli, "        Description: %s\n", e->description);
	if (e->dynamic_map[0]) {
		cli_printf(cli, "        Dynamic map template tag: %s\n", e->dynamic_map);
		return;
	}
	peers_text(cli, e);
	if (acl) {
		cli_printf(cli, "        Extended IP access list %s\n", acl->name);
		acl_text(cli, acl);
	} else {
		cli_printf(cli, "        No matching address list set%s\n",
			   e->acl[0] ? " (the access list does not exist)" : "");
	}
	cli_printf(cli, "        Security association lifetime: %u kilobytes/%u seconds\n",
		   e->lifetime_kb ? e->lifetime_kb : g->lifetime_kb,
		   e->lifetime_s ? e->lifetime_s : g->lifetime_s);
	cli_printf(cli, "        Replay window: %u packets\n",
		   e->replay_set ? e->replay_window : g->replay_window);
	cli_printf(cli, "        PFS (Y/N): %c\n", e->pfs ? 'Y' : 'N');
	if (e->pfs)
		cli_printf(cli, "        DH group:  group%u\n", e->pfs_group);
	cli_puts(cli, "        Transform sets={\n");
	for (unsigned i = 0; i < e->transform_set_count; i++) {
		const struct transform_set *s = config_transform_set(c, e->transform_sets[i]);
		struct tunnel_proposal p = s ? proposal_of(s) : (struct tunnel_proposal){0};
		cli_printf(cli, "                %s:  { %s } ,\n", e->transform_sets[i],
			   s ? transform_format(&p, t, sizeof(t)) : "does not exist");
	}
	cli_puts(cli, "        }\n");
}

static void peers_json(struct json *w, const struct crypto_map_entry *e)
{
	const struct map_peer *p;
	char a[ADDR_STR_MAX];
	json_arr(w, "peers");
	TAILQ_FOREACH (p, &e->peers, link)
		json_str(w, NULL, p->hostname ? p->hostname : addr_format(&p->addr, a, sizeof(a)));
	json_end(w);
}

void show_map_entry_json(struct json *w, const struct config *c, const struct crypto_map *m,
			 const struct crypto_map_entry *e, unsigned instances)
{
	const struct ipsec_config *g = &c->ipsec;
	const struct interface_config *ifc;

	json_obj(w, NULL);
	json_str(w, m->is_dynamic_template ? "dynamic_map" : "crypto_map", m->name);
	json_u64(w, "sequence", e->seq);
	json_str(w, "key_management", e->kind == MAP_IPSEC_MANUAL ? "manual" : "ike");
	if (e->description)
		json_str(w, "description", e->description);
	if (e->dynamic_map[0])
		json_str(w, "dynamic_map", e->dynamic_map);
	peers_json(w, e);
	json_str(w, "access_list", e->acl);
	json_bool(w, "access_list_exists", e->acl[0] && config_acl(c, e->acl));
	json_arr(w, "transform_sets");
	for (unsigned i = 0; i < e->transform_set_count; i++)
		json_str(w, NULL, e->transform_sets[i]);
	json_end(w);
	json_u64(w, "lifetime_seconds", e->lifetime_s ? e->lifetime_s : g->lifetime_s);
	json_u64(w, "lifetime_kilobytes", e->lifetime_kb ? e->lifetime_kb : g->lifetime_kb);
	json_u64(w, "replay_window", e->replay_set ? e->replay_window : g->replay_window);
	json_bool(w, "pfs", e->pfs);
	json_u64(w, "pfs_group", e->pfs ? e->pfs_group : 0);
	if (m->is_dynamic_template) {
		json_u64(w, "instances", instances);
		json_end(w);
		return;
	}
	json_arr(w, "interfaces");
	TAILQ_FOREACH (ifc, &c->interfaces, link)
		if (strcmp(ifc->crypto_map, m->name) == 0)
			json_str(w, NULL, ifc->name);
	json_end(w);
	json_end(w);
}

static bool map_on_interface(const struct config *c, const char *map, const char *interface)
{
	const struct interface_config *ifc = config_interface(c, interface);
	return ifc && strcmp(ifc->crypto_map, map) == 0;
}

// One map entry per round. The position is names and numbers, so a commit in between is harmless.
struct map_show {
	char map[CONFIG_NAME_MAX];
	uint32_t seq;
	uint32_t policy;  // of the last instance
	bool started, entries_done;
};

static void interfaces_text(struct cli *cli, const struct config *c, const struct crypto_map *m)
{
	const struct interface_config *ifc;
	cli_printf(cli, "        Interfaces using crypto map %s:\n", m->name);
	TAILQ_FOREACH (ifc, &c->interfaces, link)
		if (strcmp(ifc->crypto_map, m->name) == 0)
			cli_printf(cli, "                %s%s%s\n", ifc->name,
				   ifc->redundancy[0] ? " redundancy " : "", ifc->redundancy);
	cli_puts(cli, "\n");
}

static int show_map(struct cli *cli, const struct cli_args *args)
{
	const struct config *c = cli_running(cli);
	const char *interface = cli_after(args, "interface"), *tag = cli_after(args, "tag");
	void **state = cli_state(cli, free);
	struct map_show *s = *state;
	const struct crypto_map *m;
	int budget = SHOW_SLICE;

	struct json *w = cli_json(cli);

	if (!s && !(*state = s = calloc(1, sizeof(*s))))
		return cli_error(cli, "%% Not enough memory");
	if (w && !s->started) {
		json_obj(w, NULL);
		json_arr(w, "entries");
	}
	s->started = true;
	TAILQ_FOREACH (m, &c->crypto_maps, link) {
		if (s->entries_done || m->is_dynamic_template ||
		    (tag && strcmp(tag, m->name) != 0) ||
		    (interface && !map_on_interface(c, m->name, interface)))
			continue;
		if (s->map[0] && strcmp(s->map, m->name) != 0)
			continue;  // shown already
		const struct crypto_map_entry *e;
		TAILQ_FOREACH (e, &m->entries, link) {
			if (s->map[0] && e->seq <= s->seq)
				continue;
			if (!budget--)
				return CLI_MORE;
			if (w)
				show_map_entry_json(w, c, m, e, 0);
			else
				show_map_entry_text(cli, c, m, e);
			memcpy(s->map, m->name, sizeof(s->map));
			s->seq = e->seq;
		}
		if (!w)
			interfaces_text(cli, c, m);
		s->map[0] = '\0';
	}
	if (w && !s->entries_done) {
		json_end(w);
		json_arr(w, "instances");
	}
	s->entries_done = true;
	if (show_instances(cli_ctx(cli), cli, tag, interface, &s->policy) == CLI_MORE)
		return CLI_MORE;
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}

static int show_transform_set(struct cli *cli, const struct cli_args *args)
{
	const struct transform_set *s;
	struct json *w = cli_json(cli);
	char t[96];
	if (w) {
		json_obj(w, NULL);
		json_arr(w, "transform_sets");
		TAILQ_FOREACH (s, &cli_running(cli)->transform_sets, link) {
			struct tunnel_proposal p = proposal_of(s);
			json_obj(w, NULL);
			json_str(w, "name", s->name);
			json_str(w, "transform", transform_format(&p, t, sizeof(t)));
			json_str(w, "mode", s->transport ? "transport" : "tunnel");
			json_end(w);
		}
		json_end(w);
		json_end(w);
		return CLI_DONE;
	}
	TAILQ_FOREACH (s, &cli_running(cli)->transform_sets, link) {
		struct tunnel_proposal p = proposal_of(s);
		cli_printf(cli, "Transform set %s: { %s }\n   will negotiate = { %s, },\n\n",
			   s->name, transform_format(&p, t, sizeof(t)),
			   s->transport ? "Transport" : "Tunnel");
	}
	return CLI_DONE;
}

static int show_security_association(struct cli *cli, const struct cli_args *args)
{
	const struct ipsec_config *g = &cli_running(cli)->ipsec;
	bool all = !cli_has(args, "lifetime") && !cli_has(args, "replay");
	if (all || cli_has(args, "lifetime")) {
		cli_printf(cli, "Security association lifetime: %u kilobytes/%u seconds\n",
			   g->lifetime_kb, g->lifetime_s);
		if (g->idle_time_s)
			cli_printf(cli, "Idle time: %u seconds\n", g->idle_time_s);
	}
	if (all || cli_has(args, "replay")) {
		if (g->replay_window)
			cli_printf(cli, "Replay detection: window of %u packets\n",
				   g->replay_window);
		else
			cli_puts(cli, "Replay detection: disabled\n");
	}
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"map", "Crypto maps"},
	{"tag", "One map"},
	{"ipsec", "IPsec"},
	{"dynamic-map", "Templates for unknown peers"},
	{"transform-set", "Algorithms by name"},
	{"security-association", "Global parameters of IPsec SAs"},
	{"lifetime", "Seconds and kilobytes"},
	{"replay", "Replay window"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show crypto map [interface INTERFACE|tag NAME]", help, show_map, CLI_JSON,
	 &gateway},
	{CLI_EXEC, "show crypto dynamic-map [tag NAME]", help, show_dynamic_map, CLI_JSON,
	 &gateway},
	{CLI_EXEC, "show crypto ipsec transform-set", help, show_transform_set, CLI_JSON, &gateway},
	{CLI_EXEC, "show crypto ipsec security-association [lifetime|replay]", help,
	 show_security_association, 0, &gateway},
};

int show_map_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
