// show crypto isakmp sa|policy|key|stats, clear crypto isakmp.

#include <stdlib.h>
#include <string.h>

#include "show.h"

struct isakmp_show {
	uint32_t after;
};

static const char *status_of(const struct ike_sa_info *i)
{
	return i->deleted        ? "replaced"
	       : !i->established ? "negotiating"
	       : i->standby      ? "STANDBY"
				 : "ACTIVE";
}

// `active` or `standby`: of a redundancy group that works here, or on the other box.
static bool sa_wanted(const struct cli_args *args, const struct ike_sa_info *i)
{
	if (cli_has(args, "standby"))
		return i->standby;
	return !cli_has(args, "active") || (i->replicated && !i->standby);
}

static void sa_json(struct json *w, const struct ike_sa_info *i)
{
	char a[ADDR_STR_MAX], e[32];
	json_obj(w, NULL);
	json_u64(w, "conn_id", i->id);
	json_u64(w, "ike_version", i->version);
	json_str(w, "local", addr_format(&i->local, a, sizeof(a)));
	json_u64(w, "local_port", i->local_port);
	json_str(w, "peer", addr_format(&i->remote, a, sizeof(a)));
	json_u64(w, "peer_port", i->remote_port);
	json_str(w, "state", i->state);
	json_str(w, "status",
		 i->deleted        ? "replaced"
		 : !i->established ? "negotiating"
		 : i->standby      ? "standby"
				   : "active");
	json_str(w, "role", i->initiator ? "initiator" : "responder");
	json_str(w, "local_id", i->local_id);
	json_str(w, "peer_id", i->remote_id);
	json_fmt(w, "initiator_cookie", "%016llX", (unsigned long long)i->icookie);
	json_fmt(w, "responder_cookie", "%016llX", (unsigned long long)i->rcookie);
	json_str(w, "encryption", ike_encr_name(i->encr, i->aes_bits, e, sizeof(e)));
	json_str(w, "hash", ike_hash_name(i->hash));
	json_str(w, "authentication", ike_auth_name(i->auth));
	json_u64(w, "dh_group", i->group);
	json_u64(w, "lifetime_seconds", i->lifetime_s);
	json_u64(w, "lifetime_seconds_left", i->lifetime_left_s);
	json_bool(w, "nat_traversal", i->natt);
	json_bool(w, "nat_local", i->nat_local);
	json_bool(w, "nat_remote", i->nat_remote);
	json_bool(w, "dead_peer_detection", i->dpd);
	json_u64(w, "ipsec_sas", i->children * 2ull);
	json_end(w);
}

static void sa_line(struct cli *cli, const struct ike_sa_info *i)
{
	char d[ADDR_STR_MAX], s[ADDR_STR_MAX];
	// dst is the responder, src the initiator of the exchange
	const struct ip_addr *dst = i->initiator ? &i->remote : &i->local;
	const struct ip_addr *src = i->initiator ? &i->local : &i->remote;
	cli_printf(cli, "%-15s %-15s %-14s %7u %s\n", addr_format(dst, d, sizeof(d)),
		   addr_format(src, s, sizeof(s)), i->state, i->id, status_of(i));
}

static void sa_detail_line(struct cli *cli, const struct ike_sa_info *i)
{
	char l[ADDR_STR_MAX], r[ADDR_STR_MAX], e[32], t[32];
	cli_printf(cli, "%-5u %-15s %-15s %-11s %-7s %-6s %-9s %-3u %-9s %s%s\n", i->id,
		   addr_format(&i->local, l, sizeof(l)), addr_format(&i->remote, r, sizeof(r)),
		   status_of(i), ike_encr_name(i->encr, i->aes_bits, e, sizeof(e)),
		   ike_hash_name(i->hash), ike_auth_name(i->auth), i->group,
		   duration_format(i->lifetime_left_s, t, sizeof(t)), i->dpd ? "D" : "",
		   i->natt ? "N" : "");
	cli_printf(cli, "      %s, peer id %s, cookies %016llX:%016llX\n",
		   i->initiator ? "initiator" : "responder",
		   i->remote_id[0] ? i->remote_id : "(none)", (unsigned long long)i->icookie,
		   (unsigned long long)i->rcookie);
}

static void sa_header(struct cli *cli, bool detail)
{
	if (!detail) {
		cli_puts(cli, "IPv4/IPv6 Crypto ISAKMP SA\n");
		cli_printf(cli, "%-15s %-15s %-14s %7s %s\n", "dst", "src", "state", "conn-id",
			   "status");
		return;
	}
	cli_puts(cli, "Codes: D - Dead Peer Detection, N - NAT traversal\n");
	cli_printf(cli, "%-5s %-15s %-15s %-11s %-7s %-6s %-9s %-3s %-9s %s\n", "C-id", "Local",
		   "Remote", "Status", "Encr", "Hash", "Auth", "DH", "Lifetime", "Cap.");
}

static int show_sa(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	bool detail = cli_has(args, "detail");
	void **state = cli_state(cli, free);
	struct isakmp_show *s = *state;
	struct ike_sa_info i;

	if (!s) {
		*state = s = calloc(1, sizeof(*s));
		if (!s)
			return cli_error(cli, "%% Not enough memory");
		if (w) {
			json_obj(w, NULL);
			json_arr(w, "sas");
		} else {
			sa_header(cli, detail);
		}
	}
	for (int n = 0; n < SHOW_SLICE; n++) {
		if (!g->ike || !ike_sa_next(g->ike, s->after, &i)) {
			if (w) {
				json_end(w);
				json_end(w);
			}
			return CLI_DONE;
		}
		s->after = i.id;
		if (!sa_wanted(args, &i))
			continue;
		if (w)
			sa_json(w, &i);
		else if (detail)
			sa_detail_line(cli, &i);
		else
			sa_line(cli, &i);
	}
	return CLI_MORE;
}

static void policies_json(struct json *w, const struct config *c)
{
	const struct isakmp_policy *p;
	char e[32];

	json_obj(w, NULL);
	json_arr(w, "policies");
	TAILQ_FOREACH (p, &c->isakmp_policies, link) {
		json_obj(w, NULL);
		json_u64(w, "priority", p->priority);
		json_str(w, "encryption", ike_encr_name(p->encr, p->aes_bits, e, sizeof(e)));
		json_str(w, "hash", ike_hash_name(p->hash));
		json_str(w, "authentication", ike_auth_name(p->auth));
		json_u64(w, "dh_group", p->group);
		json_u64(w, "lifetime_seconds", p->lifetime_s);
		json_end(w);
	}
	json_end(w);
	json_end(w);
}

static int show_policy(struct cli *cli, const struct cli_args *args)
{
	const struct config *c = cli_running(cli);
	const struct isakmp_policy *p;
	struct json *w = cli_json(cli);
	char e[32];

	if (w) {
		policies_json(w, c);
		return CLI_DONE;
	}
	cli_puts(cli, "Global IKE policy\n");
	if (TAILQ_EMPTY(&c->isakmp_policies))
		cli_puts(cli, "No policy is configured: IKE accepts and offers nothing\n");
	TAILQ_FOREACH (p, &c->isakmp_policies, link) {
		cli_printf(cli, "Protection suite of priority %u\n", p->priority);
		cli_printf(cli, "        encryption algorithm:   %s\n",
			   ike_encr_name(p->encr, p->aes_bits, e, sizeof(e)));
		cli_printf(cli, "        hash algorithm:         %s\n", ike_hash_name(p->hash));
		cli_printf(cli, "        authentication method:  %s\n", ike_auth_name(p->auth));
		cli_printf(cli, "        Diffie-Hellman group:   #%u\n", p->group);
		cli_printf(cli, "        lifetime:               %u seconds, no volume limit\n",
			   p->lifetime_s);
	}
	return CLI_DONE;
}

static int show_key(struct cli *cli, const struct cli_args *args)
{
	const struct config *c = cli_running(cli);
	const struct isakmp_key *k;
	char p[PREFIX_STR_MAX];

	cli_printf(cli, "%-40s %s\n", "Hostname/Address", "Preshared key");
	TAILQ_FOREACH (k, &c->isakmp_keys, link)
		cli_printf(cli, "%-40s %s\n",
			   k->by_hostname ? k->hostname : prefix_format(&k->peer, p, sizeof(p)),
			   "<hidden>");
	return CLI_DONE;
}

static int show_stats(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	struct json *w = cli_json(cli);
	struct ike_counters n = {0};
	uint32_t limit = cli_running(cli)->isakmp.half_open_limit;

	if (limit == 0)
		limit = IKE_HALF_OPEN_DEFAULT;
	if (g->ike)
		ike_get_counters(g->ike, &n);
	const struct show_counter all[] = {
		{"received", "Datagrams received", n.rx},
		{"sent", "Datagrams sent", n.tx},
		{"retransmissions", "Retransmissions sent", n.retransmits},
		{"malformed", "Malformed, dropped", n.rx_malformed},
		{"unknown_sa", "For an unknown IKE SA, dropped", n.rx_unknown_sa},
		{"authentication_errors", "Not authentic, dropped", n.rx_bad_auth},
		{"other_version", "Of another IKE version, dropped", n.rx_version},
		{"aggressive_mode", "Aggressive mode, refused", n.rx_aggressive},
		{"fragments", "IKE fragments (never announced), dropped", n.rx_fragment},
		{"out_of_turn", "Out of turn, dropped", n.rx_out_of_turn},
		{"over_limit", "Dropped by a limit", n.rx_dropped_limit},
		{"initiated", "Phase 1 initiated", n.initiated},
		{"responded", "Phase 1 responded to", n.responded},
		{"established", "Phase 1 established", n.established},
		{"failed_no_proposal", "Failed: no common proposal", n.failed_no_proposal},
		{"failed_authentication", "Failed: authentication", n.failed_auth},
		{"failed_timeout", "Failed: no answer", n.failed_timeout},
		{"failed_proxy", "Failed: identities do not match", n.failed_proxy},
		{"rekeyed_ipsec", "IPsec SAs rekeyed", n.rekeys_child},
		{"rekeyed_ike", "IKE SAs rekeyed", n.rekeys_ike},
		{"dpd_sent", "Dead-peer probes sent", n.dpd_sent},
		{"dpd_dead", "Peers found dead", n.dpd_dead},
		{"half_open", "Half-open now", n.half_open},
		{"half_open_limit", "Half-open limit", limit},
		{"half_open_limit_reached", "Half-open limit reached", n.half_open_limit},
		{"dynamic_refused", "Refused by dynamic maps", n.dynamic_refused},
		{"dynamic_limit", "Dynamic map limit reached", n.dynamic_limit},
	};
	if (w)
		json_obj(w, NULL);
	show_counters(cli, w, all, sizeof(all) / sizeof(all[0]));
	if (w)
		json_end(w);
	return CLI_DONE;
}

static int clear_isakmp(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	int rc = clear_replicated(cli, args, IKE_CLEAR_IKE);
	if (rc <= 0)
		return rc;
	uint32_t id = args->values ? (uint32_t)strtoul(args->value[0], NULL, 10) : 0;
	if (!g->ike || (ike_clear_isakmp(g->ike, id) == 0 && id))
		return cli_error(cli, "%% There is no IKE SA with connection id %u", id);
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"isakmp", "Internet Key Exchange"},
	{"sa", "IKE security associations"},
	{"policy", "Protection suites offered and accepted"},
	{"key", "Preshared keys (hidden)"},
	{"stats", "Counters and limits"},
	{"detail", "Algorithms, lifetimes, identities"},
	{"active", "Replicated ones that work on this box"},
	{"standby", "Copies of what works on the other box"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show crypto isakmp sa [active|standby] [detail]", help, show_sa, CLI_JSON,
	 &gateway},
	{CLI_EXEC, "show crypto isakmp policy", help, show_policy, CLI_JSON, &gateway},
	{CLI_EXEC, "show crypto isakmp key", help, show_key, 0, &gateway},
	{CLI_EXEC, "show crypto isakmp stats", help, show_stats, CLI_JSON, &gateway},
	{CLI_ENABLE, "clear crypto isakmp [NUMBER<1-4294967295>|active|standby]", help,
	 clear_isakmp, 0, &gateway},
};

int show_isakmp_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
