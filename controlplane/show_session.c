// show crypto session [brief] [detail], clear crypto session.
//
// A session = one peer on one interface: its IKE SA and the flows of all map entries that lead to
// it. What is configured but down is listed too.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"

struct member {  // one tunnel of a session
	const struct tunnel *tunnel;
	struct ip_addr peer;
	uint16_t port;  // of a peer behind a NAT that has an instance: others have its address too
	uint32_t ike_id;  // of an instance
};

struct copied {  // an instance, which may go between two slices
	struct tunnel tunnel;
	struct tunnel_flow flow;
};

struct session_show {
	struct snapshot snap;
	uint32_t generation;
	struct member *members;  // sorted by interface, peer, sequence
	unsigned count, at;
	struct copied *copies;
	bool started, detail, brief, only_active, only_standby;
	struct cli *cli;
	struct json *w;
};

struct session {
	const struct member *m;
	unsigned count;
	const struct ike_sa_info *ike;
	unsigned active;   // SA pairs that carry traffic
	unsigned standby;  // ... that another box carries
	bool replicated;   // of a redundancy group
	uint64_t up_ms;    // oldest of them
	const char *status;
};

static void session_release(void *state)
{
	struct session_show *s = state;
	snapshot_fini(&s->snap);
	free(s->members);
	free(s->copies);
	free(s);
}

static int member_order(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int d = strcmp(x->tunnel->interface, y->tunnel->interface);
	if (!d)
		d = addr_compare(&x->peer, &y->peer);
	if (!d)
		d = (int)x->port - (int)y->port;
	if (!d && x->tunnel->seq != y->tunnel->seq)
		d = x->tunnel->seq < y->tunnel->seq ? -1 : 1;
	return d;
}

// The peer a tunnel talks to now; without SAs the one it would try first.
static struct ip_addr tunnel_peer(const struct snapshot *snap, const struct tunnel *t)
{
	for (unsigned f = 0; f < t->flow_count; f++) {
		unsigned n;
		const struct sa_view *const *v = snapshot_policy(snap, t->flows[f].policy, &n);
		if (n)
			return v[n - 1]->c.remote;
	}
	for (unsigned i = 0; i < t->peer_count; i++)
		if (snapshot_ike(snap, &t->peers[i]))
			return t->peers[i];
	return t->peers[0];
}

static unsigned instances_count(const struct snapshot *snap)
{
	unsigned count = 0, n;
	for (unsigned i = 0; i < snap->sa_count; i += n) {
		snapshot_policy(snap, snap->by_policy[i]->c.policy, &n);
		count += snap->by_policy[i]->c.dynamic_map[0] != '\0';
	}
	return count;
}

static void instances_collect(struct session_show *s)
{
	struct copied *to = s->copies;
	unsigned n;
	for (unsigned i = 0; i < s->snap.sa_count; i += n) {
		const struct sa_view *const *v =
			snapshot_policy(&s->snap, s->snap.by_policy[i]->c.policy, &n);
		const struct ike_child_info *c = &v[n - 1]->c;
		if (!c->dynamic_map[0])
			continue;
		instance_of_view(v[n - 1], &to->tunnel, &to->flow);
		s->members[s->count++] = (struct member){
			&to->tunnel, c->remote, c->udp_encap ? c->remote_port : 0, c->ike_id};
		to++;
	}
}

static int members_collect(struct session_show *s, const struct tunnels *t)
{
	unsigned instances = instances_count(&s->snap);
	unsigned max = (t ? t->count : 0) + instances;

	s->members = calloc(max ? max : 1, sizeof(*s->members));
	s->copies = calloc(instances ? instances : 1, sizeof(*s->copies));
	if (!s->members || !s->copies)
		return -ENOMEM;
	for (unsigned i = 0; t && i < t->count; i++)
		if (t->all[i]->role != TUNNEL_TEMPLATE)
			s->members[s->count++] =
				(struct member){t->all[i], tunnel_peer(&s->snap, t->all[i]), 0, 0};
	instances_collect(s);
	qsort(s->members, s->count, sizeof(*s->members), member_order);
	return 0;
}

// Its own IKE SA, if that still stands; else one with the address.
static const struct ike_sa_info *session_ike(const struct snapshot *snap, const struct member *m)
{
	const struct ike_sa_info *i = NULL;
	if (m->ike_id)
		i = snapshot_ike_id(snap, &m->peer, m->ike_id);
	if (i)
		return i;
	i = snapshot_ike(snap, &m->peer);
	return i && m->port && i->remote_port != m->port ? NULL : i;
}

static void session_judge(struct session_show *s, struct session *x)
{
	for (unsigned i = 0; i < x->count; i++) {
		const struct tunnel *t = x->m[i].tunnel;
		for (unsigned f = 0; f < t->flow_count; f++) {
			unsigned n;
			const struct sa_view *const *v =
				snapshot_policy(&s->snap, t->flows[f].policy, &n);
			for (unsigned k = 0; k < n; k++) {
				struct dp_sa_stats st;

				sa_stats_read(v[k]->c.sa_out, &st);
				x->active += !v[k]->c.old && st.state == DP_SA_ACTIVE;
				x->standby += !v[k]->c.old && st.state == DP_SA_STANDBY;
				x->replicated |= v[k]->c.replicated;
				if (!x->up_ms || (v[k]->c.up_ms && v[k]->c.up_ms < x->up_ms))
					x->up_ms = v[k]->c.up_ms;
			}
		}
	}
	x->ike = session_ike(&s->snap, &x->m[0]);
	x->replicated |= x->ike && x->ike->replicated;
	bool ike_up = x->ike && x->ike->established && !x->ike->deleted;
	if (ike_up && x->ike->established_ms && (!x->up_ms || x->ike->established_ms < x->up_ms))
		x->up_ms = x->ike->established_ms;
	x->status = x->active                    ? "UP-ACTIVE"
		    : x->standby                 ? "UP-STANDBY"
		    : ike_up                     ? "UP-IDLE"
		    : x->ike && !x->ike->deleted ? "DOWN-NEGOTIATING"
						 : "DOWN";
	if (!x->active && !x->standby && !ike_up)
		x->up_ms = 0;
}

static uint64_t uptime_s(const struct gateway *g, uint64_t up_ms)
{
	uint64_t now = loop_now_ms(g->loop);
	return up_ms && now > up_ms ? (now - up_ms) / 1000 : 0;
}

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

static void header(struct session_show *s)
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

// `active` or `standby`: of a redundancy group, which works here or on the other box.
static bool state_wanted(const struct session_show *s, const struct session *x)
{
	bool copy = x->standby || (x->ike && x->ike->standby);

	if (!s->only_active && !s->only_standby)
		return true;
	return x->replicated && (x->active || x->standby || x->ike) && copy == s->only_standby;
}

// One session per round; a session of very many flows makes one longer slice.
static int sessions_slice(struct gateway *g, struct session_show *s)
{
	unsigned flows = 0;
	while (s->at < s->count && flows < SHOW_SLICE) {
		struct session x = {.m = &s->members[s->at]};
		while (s->at + x.count < s->count && addr_equal(&x.m[x.count].peer, &x.m[0].peer) &&
		       x.m[x.count].port == x.m[0].port &&
		       strcmp(x.m[x.count].tunnel->interface, x.m[0].tunnel->interface) == 0 &&
		       flows < SHOW_SLICE * 8)
			flows += x.m[x.count++].tunnel->flow_count + 1;
		s->at += x.count;
		session_judge(s, &x);
		if (!state_wanted(s, &x))
			continue;
		uint64_t up = uptime_s(g, x.up_ms);
		if (s->w)
			session_json(s, &x, up);
		else if (s->brief)
			session_brief(s, &x, up);
		else
			session_text(s, &x, up);
	}
	return s->at < s->count ? CLI_MORE : CLI_DONE;
}

static int show_session(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	void **state = cli_state(cli, session_release);
	struct session_show *s = *state;

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return cli_error(cli, "%% Not enough memory");
		*state = s;
		s->generation = g->tunnels_generation;
		s->detail = cli_has(args, "detail");
		s->brief = cli_has(args, "brief");
		s->only_active = cli_has(args, "active");
		s->only_standby = cli_has(args, "standby");
	}
	s->cli = cli;
	s->w = cli_json(cli);
	int rc = snapshot_step(g, &s->snap);
	if (rc > 0)
		return CLI_MORE;
	if (!rc && s->generation != g->tunnels_generation && !s->started)
		s->generation = g->tunnels_generation;
	if (!rc && !s->started) {
		rc = members_collect(s, g->tunnels);
		s->started = true;
		header(s);
	}
	if (rc)
		return cli_error(cli, "%% Not enough memory");
	rc = s->generation == g->tunnels_generation ? sessions_slice(g, s) : CLI_DONE;
	if (rc == CLI_DONE && s->w) {
		json_end(s->w);
		json_end(s->w);
	}
	return rc;
}

static int clear_session(struct cli *cli, const struct cli_args *args)
{
	struct gateway *g = cli_ctx(cli);
	const char *text = cli_after(args, "remote");
	struct ip_addr remote;
	int rc = clear_replicated(cli, args, IKE_CLEAR_IKE | IKE_CLEAR_CHILD);
	if (rc <= 0)
		return rc;
	if (text && addr_parse(text, &remote))
		return cli_error(cli, "%% '%s' is not an address", text);
	if (g->ike)
		ike_clear_session(g->ike, text ? &remote : NULL);
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"session", "IKE and IPsec state per peer"},
	{"brief", "One line per peer"},
	{"detail", "Counters and lifetimes"},
	{"remote", "Of one peer"},
	{"active", "Replicated ones that work on this box"},
	{"standby", "Copies of what works on the other box"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show crypto session [active|standby] [brief|detail]", help, show_session,
	 CLI_JSON, &gateway},
	{CLI_ENABLE, "clear crypto session [remote ADDR|active|standby]", help, clear_session, 0,
	 &gateway},
};

int show_session_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
