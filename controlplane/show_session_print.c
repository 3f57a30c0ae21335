// The sessions of `show crypto session`: text, one line each (`brief`), JSON; with the sums of
// their flows.

#include <stdio.h>
#include <string.h>

#include "show_session.h"

// Sums over the SAs of a flow.
struct flow_sum {
	unsigned sas;
	uint64_t in, out, in_drop, out_drop, in_bytes, out_bytes;
	uint64_t left_kb;
	uint32_t left_s;
};

static struct flow_sum flow_add_up(const struct snapshot *snap, const struct tunnel_flow *f)
{
	struct flow_sum sum = {0};
	unsigned n;
	const struct sa_view *const *v = snapshot_policy(snap, f->policy, &n);
	for (unsigned i = 0; i < n; i++) {
		struct dp_sa_stats st;
		sa_stats_read(v[i]->c.sa_in, &st);
		sum.in += st.packets;
		sum.in_bytes += st.bytes;
		sum.in_drop += drops_sum(&st);
		sa_stats_read(v[i]->c.sa_out, &st);
		sum.out += st.packets;
		sum.out_bytes += st.bytes;
		sum.out_drop += drops_sum(&st);
		sum.left_kb = v[i]->c.left_kb;
		sum.left_s = v[i]->c.left_s;
	}
	sum.sas = n * 2;
	return sum;
}

static const char *proto_name(uint8_t proto, char *buf, size_t cap)
{
	switch (proto) {
	case 0: return "ip";
	case 1: return "icmp";
	case 6: return "tcp";
	case 17: return "udp";
	case 47: return "47";
	default: snprintf(buf, cap, "%u", proto); return buf;
	}
}

static void flow_line(const struct selector *s, char *buf, size_t cap)
{
	char src[2 * ADDR_STR_MAX], dst[2 * ADDR_STR_MAX], proto[8], ports[2][24] = {"", ""};
	const struct port_range *r[2] = {&s->sport, &s->dport};
	for (int i = 0; i < 2; i++)
		if (!port_range_is_any(r[i]))
			snprintf(ports[i], sizeof(ports[i]),
				 r[i]->lo == r[i]->hi ? " port %u" : " port %u-%u", r[i]->lo,
				 r[i]->hi);
	snprintf(buf, cap, "permit %s %s%s %s%s", proto_name(s->proto, proto, sizeof(proto)),
		 net_format(&s->src, src, sizeof(src)), ports[0],
		 net_format(&s->dst, dst, sizeof(dst)), ports[1]);
}

static void flow_text(struct session_show *s, const struct tunnel_flow *f)
{
	char line[320];
	struct flow_sum sum = flow_add_up(&s->snap, f);
	flow_line(&f->sel, line, sizeof(line));
	cli_printf(s->cli, "  IPSEC FLOW: %s\n        Active SAs: %u, origin: %s\n", line, sum.sas,
		   f->tunnel->role == TUNNEL_INSTANCE ? "dynamic crypto map" : "crypto map");
	if (!s->detail)
		return;
	cli_printf(s->cli, "        Inbound:  #pkts dec'ed %llu drop %llu life (KB/Sec) %llu/%u\n",
		   (unsigned long long)sum.in, (unsigned long long)sum.in_drop,
		   (unsigned long long)sum.left_kb, sum.left_s);
	cli_printf(s->cli, "        Outbound: #pkts enc'ed %llu drop %llu life (KB/Sec) %llu/%u\n",
		   (unsigned long long)sum.out, (unsigned long long)sum.out_drop,
		   (unsigned long long)sum.left_kb, sum.left_s);
}

static void flow_json(struct session_show *s, const struct tunnel_flow *f)
{
	char line[320];
	struct flow_sum sum = flow_add_up(&s->snap, f);
	struct json *w = s->w;
	json_obj(w, NULL);
	flow_line(&f->sel, line, sizeof(line));
	json_str(w, "flow", line);
	json_str(w, "local_ident", ident_format(&f->sel, false, line, sizeof(line)));
	json_str(w, "remote_ident", ident_format(&f->sel, true, line, sizeof(line)));
	json_str(w, "crypto_map", f->tunnel->map);
	json_u64(w, "crypto_map_sequence", f->tunnel->seq);
	if (f->tunnel->dynamic_map[0]) {
		json_str(w, "dynamic_map", f->tunnel->dynamic_map);
		json_u64(w, "dynamic_map_sequence", f->tunnel->dynamic_seq);
	}
	json_u64(w, "active_sas", sum.sas);
	json_u64(w, "packets_in", sum.in);
	json_u64(w, "packets_out", sum.out);
	json_u64(w, "bytes_in", sum.in_bytes);
	json_u64(w, "bytes_out", sum.out_bytes);
	json_u64(w, "drops_in", sum.in_drop);
	json_u64(w, "drops_out", sum.out_drop);
	json_end(w);
}

static void ike_text(struct session_show *s, const struct ike_sa_info *i)
{
	char l[ADDR_STR_MAX], r[ADDR_STR_MAX], t[32];
	cli_printf(s->cli, "  IKEv%u SA: local %s/%u remote %s/%u %s\n", i->version,
		   addr_format(&i->local, l, sizeof(l)), i->local_port,
		   addr_format(&i->remote, r, sizeof(r)), i->remote_port,
		   i->established ? "Active" : "Inactive");
	if (s->detail)
		cli_printf(s->cli, "          Capabilities:%s%s%s connid:%u lifetime:%s\n",
			   i->dpd ? "D" : "", i->natt ? "N" : "", i->dpd || i->natt ? "" : "(none)",
			   i->id, duration_format(i->lifetime_left_s, t, sizeof(t)));
}

static void session_text(struct session_show *s, const struct session *x, uint64_t up)
{
	char a[ADDR_STR_MAX], t[32];
	cli_printf(s->cli, "Interface: %s\n", x->m[0].tunnel->interface);
	if (up || x->up_ms)
		cli_printf(s->cli, "Uptime: %s\n", duration_format(up, t, sizeof(t)));
	cli_printf(s->cli, "Session status: %s\n", x->status);
	cli_printf(s->cli, "Peer: %s port %u", addr_format(&x->m[0].peer, a, sizeof(a)),
		   x->ike         ? x->ike->remote_port
		   : x->m[0].port ? x->m[0].port
				  : 500);
	if (s->detail)
		cli_printf(s->cli,
			   " fvrf: (none) ivrf: (none)\n      Phase1_id: %s\n      Desc: (none)",
			   x->ike && x->ike->remote_id[0] ? x->ike->remote_id : "(none)");
	cli_puts(s->cli, "\n");
	if (x->ike)
		ike_text(s, x->ike);
	for (unsigned i = 0; i < x->count; i++)
		for (unsigned f = 0; f < x->m[i].tunnel->flow_count; f++)
			flow_text(s, &x->m[i].tunnel->flows[f]);
	cli_puts(s->cli, "\n");
}

static void session_json(struct session_show *s, const struct session *x, uint64_t up)
{
	char a[ADDR_STR_MAX];
	struct json *w = s->w;
	json_obj(w, NULL);
	json_str(w, "peer", addr_format(&x->m[0].peer, a, sizeof(a)));
	json_str(w, "interface", x->m[0].tunnel->interface);
	json_str(w, "local", addr_format(&x->m[0].tunnel->local, a, sizeof(a)));
	json_str(w, "status", x->status);
	json_u64(w, "ike_version", x->ike ? x->ike->version : 1);
	json_u64(w, "uptime_seconds", up);
	if (x->ike) {
		json_u64(w, "conn_id", x->ike->id);
		json_str(w, "ike_state", x->ike->state);
		json_str(w, "phase1_id", x->ike->remote_id);
		json_u64(w, "peer_port", x->ike->remote_port);
		json_bool(w, "nat_traversal", x->ike->natt);
	}
	json_arr(w, "flows");
	for (unsigned i = 0; i < x->count; i++)
		for (unsigned f = 0; f < x->m[i].tunnel->flow_count; f++)
			flow_json(s, &x->m[i].tunnel->flows[f]);
	json_end(w);
	json_end(w);
}

static const char *status_code(const char *status)
{
	return strcmp(status, "UP-ACTIVE") == 0          ? "UA"
	       : strcmp(status, "UP-STANDBY") == 0       ? "US"
	       : strcmp(status, "UP-IDLE") == 0          ? "UI"
	       : strcmp(status, "DOWN-NEGOTIATING") == 0 ? "DN"
							 : "D";
}

static void session_brief(struct session_show *s, const struct session *x, uint64_t up)
{
	char a[ADDR_STR_MAX], t[32];
	cli_printf(s->cli, "%-20s %-24s %-8s %-20s %s\n", addr_format(&x->m[0].peer, a, sizeof(a)),
		   x->m[0].tunnel->interface, x->up_ms ? duration_format(up, t, sizeof(t)) : "-",
		   x->ike && x->ike->remote_id[0] ? x->ike->remote_id : "-",
		   status_code(x->status));
}

void session_header_print(struct session_show *s)
{
	if (s->w) {
		json_obj(s->w, NULL);
		json_arr(s->w, "sessions");
		return;
	}
	if (s->brief) {
		cli_puts(s->cli, "Status: UA - up, active; US - up, standby; UI - up, idle; DN - "
				 "negotiating; D - down\n");
		cli_printf(s->cli, "%-20s %-24s %-8s %-20s %s\n", "Peer", "I/F", "Uptime",
			   "Phase1_id", "Status");
		return;
	}
	cli_puts(s->cli, "Crypto session current status\n\n");
	if (s->detail)
		cli_puts(s->cli, "Code: C - IKE Configuration mode, D - Dead Peer Detection,\n"
				 "      N - NAT traversal, X - IKE Extended Authentication\n\n");
}

void session_print(struct session_show *s, const struct session *x, uint64_t up)
{
	if (s->w)
		session_json(s, x, up);
	else if (s->brief)
		session_brief(s, x, up);
	else
		session_text(s, x, up);
}
