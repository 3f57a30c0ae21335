// tandem-bench replication: what a gateway does when it is told to. Everything is in slices, as
// what the daemon itself would do.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "gateway.h"
#include "ike_replica.h"
#include "mirror.h"
#include "redundancy.h"
#include "redundancy_work.h"
#include "replication.h"

#define FILL_SLICE   64
#define CHANGE_SLICE 256
#define CHANGE_AHEAD 4096  // told and not yet acknowledged
#define WINDOW_S     0.06
#define SETTLE_S     0.04
#define STILL_S      5.0

static struct {
	double begun, at;
	uint32_t next;
	unsigned step;
	uint64_t count, gate[CHANGE_AHEAD];
	double told[CHANGE_AHEAD];
	uint64_t first, last;  // of the changes that wait
	double latency_sum;
	struct rep_load load;
	uint64_t checkpoints;
	double link_at;
} me;

static struct redundancy_group *group(void)
{
	return redundancy_named(REP_NAME);
}

static void longest_note(void)
{
	struct loop_stats s;

	loop_get_stats(gateway.loop, &s);
	if (s.longest_us > rep_box->f.gateway_longest_us)
		rep_box->f.gateway_longest_us = s.longest_us;
	if (redundancy.link.longest_us > rep_box->f.standby_longest_us)
		rep_box->f.standby_longest_us = redundancy.link.longest_us;
	if (redundancy.link.longest_cpu_us > rep_box->f.standby_cpu_us)
		rep_box->f.standby_cpu_us = redundancy.link.longest_cpu_us;
	if (s.longest_cpu_us <= rep_box->f.gateway_cpu_us)
		return;
	rep_box->f.gateway_cpu_us = s.longest_cpu_us;
	snprintf(rep_box->f.gateway_cpu_name, sizeof(rep_box->f.gateway_cpu_name), "%s",
		 s.longest_cpu_name);
}

static void longest_clear(void)
{
	loop_clear_longest(gateway.loop);
	rep_box->f.gateway_longest_us = rep_box->f.standby_longest_us = 0;
	rep_box->f.gateway_cpu_us = rep_box->f.standby_cpu_us = 0;
	rep_box->f.gateway_cpu_name[0] = '\0';
	redundancy.link.longest_us = redundancy.link.longest_cpu_us = 0;
}

// ---- filling -----------------------------------------------------------------------------------
static int tunnel_make(uint32_t i)
{
	uint8_t mem[2048];
	struct err err = {0};
	struct ha_sa sa;
	uint32_t spi = dp_spi_alloc(0);
	int rc;

	dp_spi_free(spi);
	rc = rep_record(i, HA_IKE_SA, 0, &sa, mem, sizeof(mem));
	rep_box->f.payload_ike = sa.len;
	if (!rc)
		rc = ike_replica_install(gateway.ike, &sa, &err);
	if (!rc)
		rc = rep_record(i, HA_CHILD_SA, spi, &sa, mem, sizeof(mem));
	rep_box->f.payload_child = sa.len;
	if (!rc)
		rc = ike_replica_install(gateway.ike, &sa, &err);
	if (!rc)
		rc = rep_traffic_peers(i, spi, &err);
	if (rc)
		rep_failed("tunnel %u: %s (%d)", i, err.msg, rc);
	return rc;
}

static bool fill(bool begin)
{
	struct redundancy_group *r = group();

	if (begin)
		me.next = me.step = 0, me.begun = rep_seconds();
	switch (me.step) {
	case 0:  // founder: SAs are born in a life
		rep_hsrp_claim();
		me.begun = rep_seconds();
		me.step += r->working;
		return false;
	case 1:
		for (unsigned n = 0; n < FILL_SLICE && me.next < rep_shared->tunnels; n++)
			if (tunnel_make(me.next++))
				return true;
		if (me.next < rep_shared->tunnels)
			return false;
		rep_box->f.fill_install_s = rep_seconds() - me.begun;
		me.step++, me.next = 0, me.begun = rep_seconds();
		return false;
	case 2:
		for (unsigned n = 0; n < CHANGE_SLICE && me.next < rep_shared->tunnels; n++) {
			(void)agent_upsert(r->agent, rep_id(me.next, HA_IKE_SA));
			(void)agent_upsert(r->agent, rep_id(me.next++, HA_CHILD_SA));
		}
		me.step += me.next == rep_shared->tunnels;
		return false;
	default:
		if (!agent_open(r->agent, agent_seq(r->agent)))
			return false;
		rep_box->f.fill_mirror_s = rep_seconds() - me.begun;
		return true;
	}
}

// ---- bulk synchronisation
// ------------------------------------------------------------------------
static bool join(bool begin)
{
	struct redundancy_group *r = group();
	struct ike_replica_counts n = {0};
	struct err err = {0};

	if (begin) {
		me.link_at = 0;
		rep_box->f.join_hot_s = 0;
		longest_clear();
		if (redundancy_apply(&gateway, rep_config_kept, &err)) {
			rep_failed("%s", err.msg);
			return true;
		}
		r = group();
	}
	if (!me.link_at && r->role.link)
		me.link_at = rep_seconds();
	if (rep_box->f.join_hot_s == 0 && r->role.hot)
		rep_box->f.join_hot_s = rep_seconds() - me.link_at;
	ike_replica_count(gateway.ike, r->number, &n);
	longest_note();
	if (rep_box->f.join_hot_s == 0 || n.ike + n.child < 2 * rep_shared->tunnels)
		return false;
	rep_box->f.join_installed_s = rep_seconds() - me.link_at;
	return true;
}

// ---- changes
// -------------------------------------------------------------------------------------
static void changes_acked(struct redundancy_group *r)
{
	double now = rep_seconds();

	for (; me.first < me.last; me.first++) {
		unsigned at = me.first % CHANGE_AHEAD;

		if (!agent_open(r->agent, me.gate[at]))
			return;
		me.latency_sum += now - me.told[at];
		me.count++;
	}
}

static bool changes(bool begin)
{
	struct redundancy_group *r = group();
	double now = rep_seconds();

	if (begin) {
		me.begun = now;
		me.next = 0;
		me.count = me.first = me.last = 0;
		me.latency_sum = 0;
		longest_clear();
	}
	changes_acked(r);
	bool over = now - me.begun >= rep_shared->change_s;
	for (unsigned n = 0; !over && n < CHANGE_SLICE && me.last - me.first < CHANGE_AHEAD; n++) {
		unsigned at = me.last++ % CHANGE_AHEAD;

		me.told[at] = now;
		me.gate[at] = agent_upsert(r->agent, rep_id(me.next, HA_CHILD_SA));
		me.next = (uint32_t)((me.next + 7919ull) % rep_shared->tunnels);
	}
	redundancy_rearm(&gateway);
	longest_note();
	if (!over || me.first < me.last)
		return false;
	rep_box->f.changed = me.count;
	rep_box->f.change_s = rep_seconds() - me.begun;
	rep_box->f.change_latency_ms = me.latency_sum / (double)me.count * 1000;
	return true;
}

// ---- checkpoints
// ---------------------------------------------------------------------------------
static double cycles_since(struct rep_load *before)
{
	struct rep_load now;
	double packets, cycles;

	rep_traffic_load(&now);
	packets = (double)(now.timed - before->timed);
	cycles = (double)(now.cycles - before->cycles);
	*before = now;
	return packets > 0 ? cycles / packets : 0;
}

// Windows in turns: without, with, with, without, so that a drift of the machine falls on both;
// between two of them the worker gets used to it.
static bool checkpoints(bool begin)
{
	double now = rep_seconds();
	struct rep_figures *f = &rep_box->f;

	if (begin) {
		rep_traffic_set(REP_MODE_DECAP);
		longest_clear();
		memset(f->cycles_on, 0, sizeof(f->cycles_on));
		memset(f->cycles_off, 0, sizeof(f->cycles_off));
		f->windows = 0;
		me.step = 0;
		me.at = now;
		me.checkpoints = 0;
		rep_traffic_notes(false);
	}
	longest_note();
	static const bool order[4] = {false, true, true, false};
	bool settling = me.step % 2 == 0, on = order[me.step / 2 % 4];
	if (now - me.at < (settling ? SETTLE_S : WINDOW_S))
		return false;
	double cycles = cycles_since(&me.load);
	if (on && !settling)
		f->checkpoints_per_s = (double)me.checkpoints / (now - me.at);
	me.checkpoints = 0;
	if (!settling) {
		*(on ? &f->cycles_on[f->windows] : &f->cycles_off[f->windows]) +=
			cycles > 0 ? cycles / 2 : (double)NAN;
		f->windows += me.step / 2 % 4 == 3;
		rep_traffic_notes(order[(me.step / 2 + 1) % 4]);  // the same work each time
	}
	me.at = rep_seconds();
	me.step++;
	f->mpps = on && cycles > 0 ? (double)rte_get_tsc_hz() / cycles / 1e6 : f->mpps;
	if (f->windows < rep_shared->rounds)
		return false;
	rep_traffic_set(REP_MODE_OFF);
	rep_traffic_notes(true);
	return true;
}

// ---- take-over
// -----------------------------------------------------------------------------------
void __real_agent_checkpoint(struct agent *a, uint64_t id, uint64_t edge);
void __wrap_agent_checkpoint(struct agent *a, uint64_t id, uint64_t edge);

// The linker puts these in the place of agent_checkpoint() and work_begin().
void __wrap_agent_checkpoint(struct agent *a, uint64_t id, uint64_t edge)
{
	me.checkpoints++;
	__real_agent_checkpoint(a, id, edge);
}

static double activated_at;
void __real_work_begin(unsigned group);
void __wrap_work_begin(unsigned group);

void __wrap_work_begin(unsigned group)
{
	activated_at = rep_seconds();
	__real_work_begin(group);
	rep_box->f.flip_callback_ms = (rep_seconds() - activated_at) * 1000;
}

static bool flip(bool begin)
{
	struct redundancy_group *r = group();
	struct rep_figures *f = &rep_box->f;
	double first = 0, half = 0, last = 0;

	if (begin) {
		longest_clear();
		rep_traffic_set(REP_MODE_ENCAP);
		me.begun = rep_seconds();
		rep_hsrp_claim();
	}
	longest_note();
	if (!r->working || !rep_hsrp_active())
		return false;
	struct rep_load load;
	rep_traffic_load(&load);
	if (load.sealed < rep_shared->tunnels && rep_seconds() - activated_at < STILL_S)
		return false;
	f->flip_sealed = rep_traffic_sealed(&first, &half, &last);
	rep_traffic_set(REP_MODE_OFF);
	f->flip_granted_ms = (activated_at - me.begun) * 1000;
	f->flip_first_ms = (first - activated_at) * 1000;
	f->flip_half_ms = (half - activated_at) * 1000;
	f->flip_last_ms = (last - activated_at) * 1000;
	return true;
}

// What the worker dropped and why, to the log.
static void drops_say(void)
{
	const char *name, *sentence;
	uint64_t n;

	for (unsigned i = 0; i < dp_drop_count(); i++)
		if (dp_drop_get(i, -1, &name, &sentence, &n) == 0 && n)
			fprintf(stderr, "dropped: %llu %s\n", (unsigned long long)n, name);
	const struct pair_counters *c = &group()->counters;
	fprintf(stderr, "pair: tx %llu rx %llu refused %llu raises %llu checkpoints %llu lag %u\n",
		(unsigned long long)c->tx, (unsigned long long)c->rx,
		(unsigned long long)c->rx_refused, (unsigned long long)c->raises,
		(unsigned long long)c->checkpoints, group()->role.peer_applied_lag);
	for (unsigned i = 0; i < dp_stage_count(); i++) {
		struct dp_stage_stats st;

		if (dp_stage_get(i, -1, &st) == 0 && st.packets)
			fprintf(stderr, "stage: %llu %s\n", (unsigned long long)st.packets,
				st.name);
	}
}

static bool check(void)
{
	struct ike_replica_counts n = {0};
	struct dp_invariants i;
	struct rep_load load;

	drops_say();
	ike_replica_count(gateway.ike, group()->number, &n);
	dp_invariants(&i);
	rep_traffic_load(&load);
	rep_box->f.ike = n.ike;
	rep_box->f.child = n.child;
	rep_box->f.records = group()->role.ike + group()->role.child;
	rep_box->f.mirror_used = redundancy.link.mirror_used;
	rep_box->f.mirror_max = redundancy.link.mirror_max;
	rep_box->f.invariants = i.i1 + i.i4;
	for (unsigned k = 0; k < 16; k++)
		rep_box->f.invariants += group()->counters.invariant[k];
	return true;
}

bool rep_work(enum rep_command what, bool begin)
{
	switch (what) {
	case REP_FILL: return fill(begin);
	case REP_JOIN: return join(begin);
	case REP_TRAFFIC: rep_traffic_set(REP_MODE_DECAP); return true;
	case REP_QUIET: rep_traffic_set(REP_MODE_OFF); return true;
	case REP_CHANGES: return changes(begin);
	case REP_CHECKPOINTS: return checkpoints(begin);
	case REP_FLIP: return flip(begin);
	case REP_CHECK: return check();
	default: return true;
	}
}
