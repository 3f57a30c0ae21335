// Half-open IKE SAs of strangers (security table, row 18). See half_open.h.

#include "ike/half_open.h"

#include <errno.h>
#include <stdlib.h>

#include "ike/ike_sa.h"
#include "log.h"
#include "rand.h"

static void log_limit(struct ike *ike, const struct ip_addr *remote, unsigned limit, bool refused)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(1);
	char peer[ADDR_STR_MAX];

	ike->n.half_open_limit++;
	ike->n.rx_dropped_limit += refused;
	log_event_limited(&rl, "CRYPTO", LOG_L_WARNING, "IKMP_HALF_OPEN_LIMIT",
			  "%u IKE SAs are being set up (limit %u, %u per source); new one of peer "
			  "%s %s",
			  ike->half_open, limit, IKE_HALF_OPEN_PER_SOURCE,
			  addr_format(remote, peer, sizeof(peer)),
			  refused ? "refused" : "replaces one that proved nothing");
}

// A random unproven one of this source (reservoir of one); *count = all half-open ones of it.
static struct ike_sa *of_source(const struct ike *ike, const struct ip_addr *remote,
				unsigned *count)
{
	struct ike_node *n = ike_table_first(&ike->sa_by_peer, ike_table_addr_key(remote));
	struct ike_sa *victim = NULL;
	unsigned unproven = 0;

	*count = 0;
	for (; n; n = ike_table_next(n)) {
		struct ike_sa *sa = n->owner;

		if (!sa->half_open || !addr_equal(&sa->remote, remote))
			continue;
		++*count;
		if (sa->stranger && rand_below(++unproven) == 0)
			victim = sa;
	}
	return victim;
}

int half_open_admit(struct ike *ike, const struct ip_addr *remote)
{
	uint32_t limit = ike->config ? ike->config->isakmp.half_open_limit : 0;
	struct ike_sa *victim;
	unsigned own;

	if (limit == 0)
		limit = IKE_HALF_OPEN_DEFAULT;
	victim = of_source(ike, remote, &own);
	if (own < IKE_HALF_OPEN_PER_SOURCE) {
		if (ike->half_open < limit)
			return 0;
		victim = ike->stranger_count ? ike->strangers[rand_below(ike->stranger_count)]
					     : NULL;
	}
	log_limit(ike, remote, limit, !victim);
	if (!victim)
		return -EBUSY;
	ike_sa_kill(victim, "half-open limit", false);
	return 0;
}

void half_open_add(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;

	sa->half_open = true;
	ike->half_open++;
	if (ike->stranger_count == ike->stranger_cap) {
		unsigned cap = ike->stranger_cap ? ike->stranger_cap * 2 : 64;
		struct ike_sa **p = reallocarray(ike->strangers, cap, sizeof(*p));

		if (!p)
			return;  // counts, and ends by its timer
		ike->strangers = p;
		ike->stranger_cap = cap;
	}
	ike->strangers[ike->stranger_count++] = sa;
	sa->stranger = ike->stranger_count;
}

void half_open_proven(struct ike_sa *sa)
{
	struct ike *ike = sa->ike;

	if (!sa->stranger)
		return;
	struct ike_sa *last = ike->strangers[--ike->stranger_count];

	ike->strangers[sa->stranger - 1] = last;
	last->stranger = sa->stranger;
	sa->stranger = 0;
}

void half_open_end(struct ike_sa *sa)
{
	half_open_proven(sa);
	sa->ike->half_open -= sa->half_open;
	sa->half_open = false;
}
