// show crypto ipsec sa, clear crypto sa.
//
// One block per flow (permit line on an interface), in the order of interface, map and sequence,
// with the SAs that serve it now. Flows without SAs are shown too: that is what one looks for.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

enum sa_form { FORM_FLOWS, FORM_IDENTITY, FORM_ADDRESS };

struct sa_show {
	struct snapshot snap;
	const struct tunnels *tunnels;
	uint32_t generation;  // of the tunnels: to notice a commit in between
	unsigned tunnel, flow, at;
	bool started;
	char last_if[CONFIG_NAME_MAX], last_map[CONFIG_NAME_MAX];
	// filters
	enum sa_form form;
	bool detail, by_peer, active, standby;
	char map[CONFIG_NAME_MAX], interface[CONFIG_NAME_MAX];
	struct ip_addr peer;
	struct cli *cli;
};

static void sa_show_release(void *state)
{
	struct sa_show *s = state;
	snapshot_fini(&s->snap);
	free(s);
}

static unsigned iv_size(const struct tunnel_proposal *p)
{
	return p->cipher == ESP_CIPHER_AES_CBC ? 16 : p->cipher == ESP_CIPHER_NULL ? 0 : 8;
}

static void sa_json(struct json *w, const struct sa_view *v, bool in)
{
	const struct ike_child_info *c = &v->c;
	char a[ADDR_STR_MAX], ident[SELECTOR_STR_MAX], t[96];
	struct dp_sa_stats st;

	sa_stats_read(in ? c->sa_in : c->sa_out, &st);
	json_obj(w, NULL);
	json_str(w, "direction", in ? "in" : "out");
	json_fmt(w, "spi", "0x%08X", in ? c->spi_in : c->spi_out);
	json_str(w, "peer", addr_format(&c->remote, a, sizeof(a)));
	json_str(w, "local_endpoint", addr_format(&c->local, a, sizeof(a)));
	json_str(w, "local_ident", ident_format(&c->sel, false, ident, sizeof(ident)));
	json_str(w, "remote_ident", ident_format(&c->sel, true, ident, sizeof(ident)));
	json_str(w, "transform", transform_format(&c->transform, t, sizeof(t)));
	json_str(w, "mode", c->transform.transport ? "transport" : "tunnel");
	json_str(w, "encapsulation", c->udp_encap ? "udp" : "none");
	json_str(w, "state", st.state == DP_SA_STANDBY ? "standby" : "active");
	json_str(w, "key_management", v->manual ? "manual" : "ike");
	json_bool(w, "replaced", c->old);
	json_u64(w, "packets", st.packets);
	json_u64(w, "bytes", st.bytes);
	json_obj(w, "drops");
	for (int i = 0; i < DP_SA_DROP_COUNT; i++)
		if (st.drops[i])
			json_u64(w, dp_sa_drop_name((enum dp_sa_drop)i), st.drops[i]);
	json_end(w);
	json_u64(w, "sequence", st.seq);
	json_u64(w, "replay_window", in ? c->replay_window : 0);
	if (v->manual) {
		json_null(w, "lifetime_seconds_left");
		json_null(w, "lifetime_kilobytes_left");
	} else {
		json_u64(w, "lifetime_seconds_left", c->left_s);
		json_u64(w, "lifetime_kilobytes_left", c->left_kb);
	}
	json_str(w, "interface", c->interface);
	json_str(w, "crypto_map", c->map);
	json_u64(w, "crypto_map_sequence", c->seq);
	if (c->dynamic_map[0]) {
		json_str(w, "dynamic_map", c->dynamic_map);
		json_u64(w, "dynamic_map_sequence", c->dynamic_seq);
	}
	json_i64(w, "worker", st.worker);
	json_end(w);
}

static void sa_text(struct cli *cli, const struct sa_view *v, bool in, bool detail)
{
	const struct ike_child_info *c = &v->c;
	uint32_t spi = in ? c->spi_in : c->spi_out;
	char t[96];
	struct dp_sa_stats st;

	sa_stats_read(in ? c->sa_in : c->sa_out, &st);
	cli_printf(cli, "      spi: 0x%08X(%u)\n", spi, spi);
	cli_printf(cli, "        transform: %s ,\n", transform_format(&c->transform, t, sizeof(t)));
	cli_printf(cli, "        in use settings ={%s%s, }\n",
		   c->transform.transport ? "Transport" : "Tunnel",
		   c->udp_encap ? " UDP-Encaps" : "");
	cli_printf(cli, "        conn id: %u, flow_id: %u, worker: %d, crypto map: %s\n", c->id,
		   in ? c->sa_in : c->sa_out, st.worker, c->map);
	if (v->manual)
		cli_puts(cli, "        no sa timing (manual keys)\n");
	else
		cli_printf(cli, "        sa timing: remaining key lifetime (k/sec): (%llu/%u)\n",
			   (unsigned long long)c->left_kb, c->left_s);
	cli_printf(cli, "        IV size: %u bytes\n", iv_size(&c->transform));
	if (in)
		cli_printf(cli, "        replay detection support: %s\n",
			   c->replay_window ? "Y" : "N");
	if (in && c->replay_window)
		cli_printf(cli, "        replay window size: %u\n", c->replay_window);
	if (detail) {
		cli_printf(cli, "        sequence number: %llu, packets: %llu, bytes: %llu\n",
			   (unsigned long long)st.seq, (unsigned long long)st.packets,
			   (unsigned long long)st.bytes);
		for (int i = 0; i < DP_SA_DROP_COUNT; i++)
			if (st.drops[i])
				cli_printf(cli, "        dropped (%s): %llu\n",
					   dp_sa_drop_name((enum dp_sa_drop)i),
					   (unsigned long long)st.drops[i]);
	}
	cli_printf(cli, "        Status: %s%s\n", st.state == DP_SA_STANDBY ? "STANDBY" : "ACTIVE",
		   c->old ? " (replaced, for late packets)" : "");
}

static void counters_text(struct cli *cli, const struct sa_view *const *v, unsigned n)
{
	uint64_t out = 0, in = 0, send_err = 0, recv_err = 0;
	struct dp_sa_stats st;
	for (unsigned i = 0; i < n; i++) {
		sa_stats_read(v[i]->c.sa_out, &st);
		out += st.packets;
		send_err += drops_sum(&st);
		sa_stats_read(v[i]->c.sa_in, &st);
		in += st.packets;
		recv_err += drops_sum(&st);
	}
	cli_printf(cli, "    #pkts encaps: %llu, #pkts encrypt: %llu, #pkts digest: %llu\n",
		   (unsigned long long)out, (unsigned long long)out, (unsigned long long)out);
	cli_printf(cli, "    #pkts decaps: %llu, #pkts decrypt: %llu, #pkts verify: %llu\n",
		   (unsigned long long)in, (unsigned long long)in, (unsigned long long)in);
	cli_printf(cli, "    #send errors %llu, #recv errors %llu\n\n",
		   (unsigned long long)send_err, (unsigned long long)recv_err);
}

static void flow_text(struct sa_show *s, const struct tunnel *t, const struct tunnel_flow *f,
		      const struct sa_view *const *v, unsigned n)
{
	struct cli *cli = s->cli;
	char a[ADDR_STR_MAX], b[ADDR_STR_MAX], ident[SELECTOR_STR_MAX];
	const struct ip_addr *peer = n ? &v[n - 1]->c.remote : &t->peers[0];
	uint16_t port = n && v[n - 1]->c.udp_encap ? v[n - 1]->c.remote_port : 500;

	if (strcmp(s->last_if, t->interface) != 0 || strcmp(s->last_map, t->map) != 0) {
		cli_printf(cli, "\ninterface: %s\n    Crypto map tag: %s, local addr %s\n\n",
			   t->interface, t->map, addr_format(&t->local, a, sizeof(a)));
		memcpy(s->last_if, t->interface, sizeof(s->last_if));
		memcpy(s->last_map, t->map, sizeof(s->last_map));
	}
	cli_puts(cli, "   protected vrf: (none)\n");
	cli_printf(cli, "   local  ident (addr/mask/prot/port): %s\n",
		   ident_format(&f->sel, false, ident, sizeof(ident)));
	cli_printf(cli, "   remote ident (addr/mask/prot/port): %s\n",
		   ident_format(&f->sel, true, ident, sizeof(ident)));
	cli_printf(cli, "   current_peer %s port %u\n", addr_format(peer, a, sizeof(a)), port);
	cli_printf(cli, "     PERMIT, flags={%s}\n",
		   t->role == TUNNEL_INSTANCE ? "" : "origin_is_acl,");
	if (t->role == TUNNEL_INSTANCE)
		cli_printf(cli, "     dynamic (created from dynamic map %s/%u)\n", t->dynamic_map,
			   t->dynamic_seq);
	counters_text(cli, v, n);
	cli_printf(cli, "     local crypto endpt.: %s, remote crypto endpt.: %s\n",
		   addr_format(&t->local, a, sizeof(a)), addr_format(peer, b, sizeof(b)));
	cli_printf(cli, "     current outbound spi: 0x%X(%u)\n", n ? v[n - 1]->c.spi_out : 0,
		   n ? v[n - 1]->c.spi_out : 0);
	cli_printf(cli, "     PFS (Y/N): %c, DH group: ", t->pfs ? 'Y' : 'N');
	if (t->pfs)
		cli_printf(cli, "group%u\n", t->pfs_group);
	else
		cli_puts(cli, "none\n");
	if (s->form == FORM_IDENTITY) {
		cli_puts(cli, "\n");
		return;
	}
	cli_puts(cli, "\n     inbound esp sas:\n");
	for (unsigned i = 0; i < n; i++)
		sa_text(cli, v[i], true, s->detail);
	cli_puts(cli, "\n     outbound esp sas:\n");
	for (unsigned i = 0; i < n; i++)
		sa_text(cli, v[i], false, s->detail);
	cli_puts(cli, "\n");
}

static bool tunnel_wanted(const struct sa_show *s, const struct tunnel *t)
{
	if (s->map[0] && strcmp(s->map, t->map) != 0)
		return false;
	return !s->interface[0] || strcmp(s->interface, t->interface) == 0;
}

// `active` or `standby`: all SAs of a flow belong to one redundancy group, and it works or does
// not.
static bool state_wanted(const struct sa_show *s, const struct sa_view *const *v, unsigned n)
{
	struct dp_sa_stats st;

	if (!s->active && !s->standby)
		return true;
	if (!n)
		return false;
	sa_stats_read(v[n - 1]->c.sa_out, &st);
	return v[n - 1]->c.replicated && (st.state == DP_SA_STANDBY) == s->standby;
}

static bool peer_wanted(const struct sa_show *s, const struct tunnel *t,
			const struct sa_view *const *v, unsigned n)
{
	if (!state_wanted(s, v, n))
		return false;
	if (!s->by_peer)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (addr_equal(&v[i]->c.remote, &s->peer))
			return true;
	for (unsigned i = 0; !n && i < t->peer_count; i++)
		if (addr_equal(&t->peers[i], &s->peer))
			return true;
	return false;
}

// An instance as the snapshot knows it: the live one may go between two slices.
static void instance_show(struct sa_show *s, struct json *w, const struct sa_view *const *v,
			  unsigned n)
{
	struct tunnel t;
	struct tunnel_flow f;

	instance_of_view(v[n - 1], &t, &f);
	if (!tunnel_wanted(s, &t) || !peer_wanted(s, &t, v, n))
		return;
	if (!w)
		flow_text(s, &t, &f, v, n);
	for (unsigned i = 0; w && i < n; i++) {
		sa_json(w, v[i], true);
		sa_json(w, v[i], false);
	}
}

static int instances_slice(struct sa_show *s, struct json *w)
{
	for (int budget = SHOW_SLICE; budget > 0; budget--) {
		if (s->at >= s->snap.sa_count)
			return CLI_DONE;
		unsigned n;
		const struct sa_view *const *v =
			snapshot_policy(&s->snap, s->snap.by_policy[s->at]->c.policy, &n);
		s->at += n;
		if (v[0]->c.dynamic_map[0])
			instance_show(s, w, v, n);
	}
	return CLI_MORE;
}

static int flows_slice(struct sa_show *s, struct json *w)
{
	for (int budget = SHOW_SLICE; budget > 0; budget--) {
		if (s->tunnel >= s->tunnels->count)
			return instances_slice(s, w);
		const struct tunnel *t = s->tunnels->all[s->tunnel];
		if (s->flow >= t->flow_count || t->role == TUNNEL_TEMPLATE ||
		    !tunnel_wanted(s, t)) {
			s->tunnel++;
			s->flow = 0;
			continue;
		}
		const struct tunnel_flow *f = &t->flows[s->flow++];
		unsigned n;
		const struct sa_view *const *v = snapshot_policy(&s->snap, f->policy, &n);
		if (!peer_wanted(s, t, v, n))
			continue;
		if (!w) {
			flow_text(s, t, f, v, n);
			continue;
		}
		for (unsigned i = 0; i < n; i++) {
			sa_json(w, v[i], true);
			sa_json(w, v[i], false);
		}
	}
	return CLI_MORE;
}

// `address`: the SAs by peer, without the flows around them.
static int address_order(const void *a, const void *b)
{
	const struct sa_view *x = *(const struct sa_view *const *)a;
	const struct sa_view *y = *(const struct sa_view *const *)b;
	int d = addr_compare(&x->c.remote, &y->c.remote);
	return d ? d : (x->c.spi_in < y->c.spi_in ? -1 : x->c.spi_in > y->c.spi_in);
}

static int address_slice(struct sa_show *s, struct json *w)
{
	char a[ADDR_STR_MAX], b[ADDR_STR_MAX];
	for (int budget = SHOW_SLICE; budget > 0; budget--) {
		if (s->at >= s->snap.sa_count)
			return CLI_DONE;
		const struct sa_view *v = s->snap.by_policy[s->at++];
		if (!state_wanted(s, &v, 1))
			continue;
		if (w) {
			sa_json(w, v, true);
			sa_json(w, v, false);
			continue;
		}
		cli_printf(s->cli, "dest address: %s, source address: %s\n  inbound:\n",
			   addr_format(&v->c.remote, a, sizeof(a)),
			   addr_format(&v->c.local, b, sizeof(b)));
		sa_text(s->cli, v, true, s->detail);
		cli_puts(s->cli, "  outbound:\n");
		sa_text(s->cli, v, false, s->detail);
	}
	return CLI_MORE;
}

static int sa_show_parse(struct cli *cli, const struct cli_args *args, struct sa_show *s)
{
	const char *peer = cli_after(args, "peer");
	const char *map = cli_after(args, "map");
	const char *interface = cli_after(args, "interface");

	s->detail = cli_has(args, "detail");
	s->active = cli_has(args, "active");
	s->standby = cli_has(args, "standby");
	s->form = cli_has(args, "identity")  ? FORM_IDENTITY
		  : cli_has(args, "address") ? FORM_ADDRESS
					     : FORM_FLOWS;
	if (map)
		strncpy(s->map, map, sizeof(s->map) - 1);
	if (interface)
		strncpy(s->interface, interface, sizeof(s->interface) - 1);
	if (peer && addr_parse(peer, &s->peer))
		return cli_error(cli, "%% '%s' is not an address", peer);
	s->by_peer = peer != NULL;
	return 0;
}

static int show_ipsec_sa(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	void **state = cli_state(cli, sa_show_release);
	struct sa_show *s = *state;
	int rc;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return cli_error(cli, "%% Not enough memory");
		*state = s;
		s->tunnels = g->tunnels;
		s->generation = g->tunnels_generation;
		rc = sa_show_parse(cli, args, s);
		if (rc)
			return rc;
	}
	s->cli = cli;
	rc = snapshot_step(g, &s->snap);
	if (rc < 0)
		return cli_error(cli, "%% Not enough memory");
	if (rc)
		return CLI_MORE;
	if (!s->started) {
		s->started = true;
		if (s->form == FORM_ADDRESS)
			qsort(s->snap.by_policy, s->snap.sa_count, sizeof(s->snap.by_policy[0]),
			      address_order);
		if (w) {
			json_obj(w, NULL);
			json_arr(w, "sas");
		}
	}
	if (!s->tunnels || s->generation != g->tunnels_generation)
		rc = CLI_DONE;  // a commit replaced what we walk: end here
	else
		rc = s->form == FORM_ADDRESS ? address_slice(s, w) : flows_slice(s, w);
	if (rc == CLI_DONE && w) {
		json_end(w);
		json_end(w);
	}
	return rc;
}

static int clear_sa(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	const char *text = cli_after(args, "peer");
	const char *map = cli_after(args, "map");
	struct ip_addr peer;

	if (cli_has(args, "counters")) {
		if (dp_running())
			dp_counters_clear();
		return CLI_DONE;
	}
	int rc = clear_replicated(cli, args, IKE_CLEAR_CHILD);
	if (rc <= 0)
		return rc;
	if (text && addr_parse(text, &peer))
		return cli_error(cli, "%% '%s' is not an address", text);
	if (g->ike)
		ike_clear_sa(g->ike, text ? &peer : NULL, map);
	return CLI_DONE;
}

static const char *const sa_help[][2] = {
	{"sa", "IPsec security associations"},
	{"map", "Of one crypto map"},
	{"peer", "Of one peer"},
	{"address", "Sorted by peer address"},
	{"identity", "Flows only, without their SAs"},
	{"detail", "All counters"},
	{"counters", "Set the counters to zero"},
	{"active", "Replicated ones that carry traffic on this box"},
	{"standby", "Copies of what works on the other box"},
	{"ipsec", "IPsec"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC,
	 "show crypto ipsec sa [map NAME|peer ADDR|interface INTERFACE|address|identity|active|"
	 "standby] [detail]",
	 sa_help, show_ipsec_sa, CLI_JSON, &gateway},
	{CLI_ENABLE, "clear crypto sa [peer ADDR|map NAME|counters|active|standby]", sa_help,
	 clear_sa, 0, &gateway},
};

int show_ipsec_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
