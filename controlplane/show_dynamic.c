// show crypto dynamic-map, and the instances of dynamic maps that `show crypto map` ends with.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

// ---- instances -------------------------------------------------------------------------------
static void instance_text(struct cli *cli, const struct tunnel *t)
{
	const struct selector *sel = &t->flows[0].sel;
	char a[ADDR_STR_MAX], text[SELECTOR_STR_MAX];

	addr_format(&t->peers[0], a, sizeof(a));
	cli_printf(cli, "Crypto Map IPv4/IPv6 \"%s\" %u ipsec-isakmp\n", t->map, t->seq);
	cli_printf(cli, "        Peer = %s\n", a);
	cli_puts(cli, "        Extended IP access list\n");
	cli_printf(cli, "            access-list permit %s\n",
		   selector_format(sel, text, sizeof(text)));
	cli_printf(cli, "            dynamic (created from dynamic map %s/%u)\n", t->dynamic_map,
		   t->dynamic_seq);
	cli_printf(cli, "        Current peer: %s\n", a);
	cli_printf(cli, "        Peer identity: %s\n", t->peer_id[0] ? t->peer_id : "(none)");
	cli_printf(cli, "        Security association lifetime: %u kilobytes/%u seconds\n",
		   t->lifetime_kb, t->lifetime_s);
	cli_printf(cli, "        PFS (Y/N): %c\n", t->pfs ? 'Y' : 'N');
	if (t->pfs)
		cli_printf(cli, "        DH group:  group%u\n", t->pfs_group);
	cli_printf(cli, "        Interface: %s, local addr %s\n\n", t->interface,
		   addr_format(&t->local, a, sizeof(a)));
}

static void instance_json(struct json *w, const struct tunnel *t)
{
	const struct selector *sel = &t->flows[0].sel;
	char text[SELECTOR_STR_MAX];

	json_obj(w, NULL);
	json_str(w, "crypto_map", t->map);
	json_u64(w, "sequence", t->seq);
	json_str(w, "dynamic_map", t->dynamic_map);
	json_u64(w, "dynamic_map_sequence", t->dynamic_seq);
	json_str(w, "interface", t->interface);
	json_str(w, "local", addr_format(&t->local, text, sizeof(text)));
	json_str(w, "peer", addr_format(&t->peers[0], text, sizeof(text)));
	json_str(w, "peer_id", t->peer_id);
	json_str(w, "local_ident", ident_format(sel, false, text, sizeof(text)));
	json_str(w, "remote_ident", ident_format(sel, true, text, sizeof(text)));
	json_end(w);
}

int show_instances(const struct gateway *g, struct cli *cli, const char *map, const char *interface,
		   uint32_t *after)
{
	struct json *w = cli_json(cli);
	const struct tunnel *t;

	for (int budget = SHOW_SLICE; budget > 0; budget--) {
		t = g->tunnels ? tunnels_instance_next(g->tunnels, *after) : NULL;
		if (!t)
			return CLI_DONE;
		*after = t->flows[0].policy;
		if ((map && strcmp(map, t->map) != 0) ||
		    (interface && strcmp(interface, t->interface) != 0))
			continue;
		if (w)
			instance_json(w, t);
		else
			instance_text(cli, t);
	}
	return CLI_MORE;
}

// ---- templates -------------------------------------------------------------------------------
static void reverse_route_text(struct cli *cli, const struct reverse_route *r)
{
	char a[ADDR_STR_MAX];

	if (r->kind == RR_NONE)
		return;
	cli_puts(cli, "        Reverse Route Injection Enabled");
	if (r->tag)
		cli_printf(cli, ", tag %u", r->tag);
	if (r->kind == RR_REMOTE_PEER)
		cli_puts(cli, ", remote-peer");
	if (r->kind == RR_REMOTE_PEER_ADDR)
		cli_printf(cli, ", remote-peer %s", addr_format(&r->next_hop, a, sizeof(a)));
	cli_printf(cli, "%s\n", r->is_static ? ", static" : "");
}

static unsigned instances_of(const struct tunnels *t, const char *dynamic_map, uint32_t seq)
{
	unsigned n = 0;

	for (unsigned i = 0; t && i < t->instance_count; i++)
		n += t->instances[i]->dynamic_seq == seq &&
		     strcmp(t->instances[i]->dynamic_map, dynamic_map) == 0;
	return n;
}

static void template_show(struct cli *cli, const struct gateway *g, const struct crypto_map *m,
			  const struct crypto_map_entry *e)
{
	const struct config *c = cli_running(cli);
	struct json *w = cli_json(cli);
	unsigned n = instances_of(g->tunnels, m->name, e->seq);

	if (w) {
		show_map_entry_json(w, c, m, e, n);
		return;
	}
	show_map_entry_text(cli, c, m, e);
	reverse_route_text(cli, &e->reverse_route);
	cli_printf(cli, "        Instances: %u (at most %u in all)\n\n", n, TUNNEL_INSTANCES_MAX);
}

struct template_show {
	unsigned shown;
	bool started;
};

int show_dynamic_map(struct cli *cli, const struct cli_args *args)
{
	const struct gateway *g = cli_ctx(cli);
	const char *tag = cli_after(args, "tag");
	void **state = cli_state(cli, free);
	struct template_show *s = *state;
	const struct crypto_map *m;
	const struct crypto_map_entry *e;
	struct json *w = cli_json(cli);
	unsigned at = 0;

	if (!s && !(*state = s = calloc(1, sizeof(*s))))
		return cli_error(cli, "%% Not enough memory");
	if (w && !s->started) {
		json_obj(w, NULL);
		json_arr(w, "entries");
	}
	s->started = true;
	TAILQ_FOREACH (m, &cli_running(cli)->crypto_maps, link) {
		if (!m->is_dynamic_template || (tag && strcmp(tag, m->name) != 0))
			continue;
		TAILQ_FOREACH (e, &m->entries, link) {
			if (at++ < s->shown)
				continue;
			if (at > s->shown + SHOW_SLICE) {
				s->shown = at - 1;
				return CLI_MORE;
			}
			template_show(cli, g, m, e);
		}
	}
	if (w) {
		json_end(w);
		json_end(w);
	}
	return CLI_DONE;
}
