// show crypto session [brief] [detail], clear crypto session.
//
// A session = one peer on one interface: its IKE SA and the flows of all map entries that lead to
// it. What is configured but down is listed too.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show_session.h"

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
		session_print(s, &x, uptime_s(g, x.up_ms));
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
		session_header_print(s);
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
