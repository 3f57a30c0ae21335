// Record words that find the link to the other box full. They are set aside, in order and
// unapplied, so that the checkpoints behind them in the gateway process's ring still reach the
// mirror: what a crash finds there must not be as old as the link is slow (rule 20). Nothing else
// passes them.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pair_private.h"
#include "secret.h"

#define PARK_MAX   256
#define PARK_BYTES (1u << 20)

struct pair_parked {
	struct pair_parked *next;
	struct ha_word w;
	uint8_t payload[];
};

static int take(struct pair *p, const struct ha_word *w)
{
	return w->type == HA_RAISE ? raise_word(p, w) : record_word(p, w);
}

static int keep(struct pair *p, const struct ha_word *w)
{
	uint32_t len = w->type == HA_UPSERT ? w->sa.len : 0;

	if (p->parked_count == PARK_MAX || p->parked_bytes + len > PARK_BYTES)
		return -EAGAIN;
	struct pair_parked *k = malloc(sizeof(*k) + len);
	if (!k)
		return -EAGAIN;
	k->next = NULL;
	k->w = *w;
	if (len)
		memcpy(k->payload, w->sa.payload, len);
	k->w.sa.payload = k->payload;
	*(p->parked ? p->parked_last : &p->parked) = k;
	p->parked_last = &k->next;
	p->parked_count++;
	p->parked_bytes += len;
	return 0;
}

// The first one goes. It may hold keys.
static void drop(struct pair *p)
{
	struct pair_parked *k = p->parked;

	p->parked = k->next;
	p->parked_count--;
	p->parked_bytes -= k->w.type == HA_UPSERT ? k->w.sa.len : 0;
	if (k->w.type == HA_UPSERT)
		secret_wipe(k->payload, k->w.sa.len);
	free(k);
}

// An SA that is not in the mirror yet: the edge goes with it.
static void edge_keep(struct pair *p, const struct ha_word *w)
{
	for (struct pair_parked *k = p->parked; k; k = k->next) {
		if (k->w.type == HA_UPSERT && k->w.sa.id == w->id && w->a > k->w.sa.edge)
			k->w.sa.edge = w->a;
	}
}

// HA_UPSERT, HA_DELETE, HA_RAISE, HA_FLUSH, HA_CHECKPOINT. 0, or -EAGAIN: too many already.
int park_word(struct pair *p, const struct ha_word *w)
{
	if (w->type == HA_CHECKPOINT) {
		edge_keep(p, w);
		return record_word(p, w);
	}
	int rc = p->parked ? -EAGAIN : take(p, w);
	return rc == -EAGAIN ? keep(p, w) : rc;
}

void park_pump(struct pair *p)
{
	while (p->parked && !p->blocked && take(p, &p->parked->w) != -EAGAIN)
		drop(p);
}

void park_clear(struct pair *p)
{
	while (p->parked)
		drop(p);
}
