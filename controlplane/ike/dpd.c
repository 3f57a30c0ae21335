// When to ask the peer whether it lives, and when to give it up. `crypto isakmp keepalive S R
// [periodic]`: periodic asks every S seconds; on-demand asks only when we sent and heard nothing
// for S seconds. An unanswered question is repeated every R seconds, five times; then all SAs with
// the peer go and its tunnels turn to the next peer of their list.

#include "ike/dpd.h"

#include <errno.h>

#include "ike/child_sa.h"
#include "log.h"
#include "rand.h"

#define DPD_TRIES 5

static const struct isakmp_config *config_of(const struct ike_sa *sa)
{
	return sa->ike->config ? &sa->ike->config->isakmp : NULL;
}

static void again(struct ike_sa *sa, uint32_t seconds)
{
	ike_timer_set(&sa->ike->timers, &sa->dpd.timer, sa->ike->now_ms + seconds * 1000ull);
}

// Packets of the child SAs, both directions.
static void traffic(const struct ike_sa *sa, uint64_t *in, uint64_t *out)
{
	const struct ike *ike = sa->ike;
	struct ike_node *n = ike_table_first(&ike->child_by_peer, ike_table_addr_key(&sa->remote));
	struct dp_sa_stats s;

	*in = *out = 0;
	for (; n; n = ike_table_next(n)) {
		const struct child_sa *c = n->owner;

		if (c->ike_id != sa->id || !c->up)
			continue;
		if (ike->env.sa_stats(ike->env.ctx, c->sa_in, &s) == 0)
			*in += s.packets;
		if (ike->env.sa_stats(ike->env.ctx, c->sa_out, &s) == 0)
			*out += s.packets;
	}
}

bool dpd_esp_came(const struct ike_sa *sa)
{
	uint64_t in, out;

	traffic(sa, &in, &out);
	return in != sa->dpd.in_packets;
}

static bool ask(struct ike_sa *sa)
{
	struct ike_dpd *d = &sa->dpd;

	if (d->tries >= DPD_TRIES) {
		char label[IKE_LABEL_MAX];

		sa->ike->n.dpd_dead++;
		log_event("CRYPTO", LOG_L_WARNING, "IKMP_PEER_DEAD",
			  "%s does not answer; its SAs are removed",
			  ike_sa_label(sa, label, sizeof(label)));
		ike_sa_peer_dead(sa, "DPD");
		return false;
	}
	d->seq_out++;
	if (d->tries++ == 0)
		d->seq_first = d->seq_out;
	sa->ike->n.dpd_sent++;
	replica_touch(sa->ike, &sa->ha);
	sa->ops->dpd_probe(sa, d->seq_out);
	return true;
}

static void due(void *obj)
{
	struct ike_sa *sa = obj;
	struct ike_dpd *d = &sa->dpd;
	const struct isakmp_config *c = config_of(sa);
	uint64_t in, out, quiet_ms;
	bool wanted;

	if (replica_held(sa->ike, &sa->ha, &d->timer) || !c || (!c->keepalive_set && d->tries == 0))
		return;
	traffic(sa, &in, &out);
	if (in != d->in_packets)
		d->heard_ms =
			sa->ike->now_ms;  // ESP from the peer is a sign of life (RFC 3706 5.2)
	wanted = c->keepalive_periodic || out != d->out_packets || d->tries > 0;
	d->in_packets = in;
	d->out_packets = out;
	quiet_ms = sa->ike->now_ms - d->heard_ms;
	if (d->tries > 0 && quiet_ms < c->keepalive_retry_s * 1000ull)
		d->tries = 0;  // traffic came instead of an answer
	if (d->tries == 0 && (!wanted || quiet_ms < c->keepalive_s * 1000ull)) {
		again(sa, c->keepalive_s);
		return;
	}
	if (ask(sa))
		again(sa, c->keepalive_retry_s ? c->keepalive_retry_s : 2);
}

void dpd_ask_now(struct ike_sa *sa)
{
	const struct isakmp_config *c = config_of(sa);

	if (!c || !sa->peer_dpd || !sa->established || sa->dpd.tries > 0)
		return;
	traffic(sa, &sa->dpd.in_packets, &sa->dpd.out_packets);
	if (ask(sa))
		again(sa, c->keepalive_retry_s ? c->keepalive_retry_s : 2);
}

void dpd_init(struct ike_sa *sa)
{
	ike_timer_init(&sa->dpd.timer, due, sa);
	// RFC 3706 5.3: a random start, high bit clear.
	sa->dpd.seq_out = rand_u32() >> 1;
}

void dpd_start(struct ike_sa *sa)
{
	const struct isakmp_config *c = config_of(sa);

	dpd_stop(sa);
	if (c) {
		sa->dpd.on = c->keepalive_set;
		sa->dpd.every_s = c->keepalive_s;
		sa->dpd.periodic = c->keepalive_periodic;
	}
	if (!c || !c->keepalive_set || !sa->peer_dpd || !sa->established || sa->superseded)
		return;
	sa->dpd.tries = 0;
	traffic(sa, &sa->dpd.in_packets, &sa->dpd.out_packets);
	again(sa, c->keepalive_s);
}

void dpd_resume(struct ike_sa *sa)
{
	uint64_t period_ms;

	dpd_start(sa);
	if (sa->dpd.timer.pos == 0)
		return;
	// A peer that is alive need not be asked in the moment of a take-over, nor all at once.
	period_ms = sa->dpd.every_s * 1000ull;
	ike_timer_set(&sa->ike->timers, &sa->dpd.timer,
		      sa->ike->now_ms + period_ms + rand_below((uint32_t)period_ms + 1));
}

void dpd_configure(struct ike_sa *sa)
{
	const struct isakmp_config *c = config_of(sa);
	const struct ike_dpd *d = &sa->dpd;

	// A commit that changes something else must not put the next question off.
	if (c->keepalive_set != d->on || c->keepalive_s != d->every_s ||
	    c->keepalive_periodic != d->periodic)
		dpd_start(sa);
}

void dpd_stop(struct ike_sa *sa)
{
	ike_timer_stop(&sa->ike->timers, &sa->dpd.timer);
}

int dpd_request_check(struct ike_sa *sa, uint32_t seq)
{
	struct ike_dpd *d = &sa->dpd;

	// RFC 3706 5.4: an old number is a replay. The last one may come again: our answer may
	// have been lost.
	if (d->seq_in_known && (int32_t)(seq - d->seq_in) < 0)
		return -EBADMSG;
	d->seq_in = seq;
	d->seq_in_known = true;
	return 0;
}

int dpd_ack(struct ike_sa *sa, uint32_t seq)
{
	struct ike_dpd *d = &sa->dpd;

	if (d->tries == 0)
		return 0;  // a late answer to an earlier repetition
	if (seq - d->seq_first > d->seq_out - d->seq_first)
		return -EBADMSG;
	d->tries = 0;
	if (config_of(sa) && config_of(sa)->keepalive_set)
		again(sa, config_of(sa)->keepalive_s);
	return 0;
}
