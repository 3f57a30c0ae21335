// The fail-over protocol of one redundancy group, as the standby process runs it (ha-protocol).
//
// Pure: words of the own gateway process, messages of the other box, link events and the time come
// in; words and messages go out through pair_ops; what must survive is in the mirror. Nothing here
// does I/O or reads a clock. `now` is CLOCK_BOOTTIME in microseconds (it counts through a suspend,
// rule 8). Thread: the standby process's loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ha_sa.h"
#include "mirror.h"

#define PAIR_MESSAGE_MAX 20480  // longest message on the wire
#define PAIR_NEVER       UINT64_MAX

struct pair;
struct pair_ops {
	void *ctx;
	// A message for the other box, in order, on the group's stream. 0; -EAGAIN: nothing was
	// taken, pair_writable() will be called; -ENOTCONN.
	int (*send)(void *ctx, unsigned group, const uint8_t *bytes, size_t len);
	// A word for the own gateway process. 0; -EAGAIN: nothing was taken, pair_writable() will
	// be called; -ENOTCONN: no gateway process is attached.
	int (*tell)(void *ctx, const struct ha_word *w);
	void (*random)(void *ctx, void *buf, size_t len);
	// How many ceilings are raised at a time when all are: 0, HA_BATCH. Few, for tests.
	unsigned sweep;
};

// The group's state is what the mirror holds (a newcomer's when it holds none).
struct pair *pair_create(unsigned group, struct mirror *m, const struct pair_ops *ops,
			 uint64_t now);
void pair_destroy(struct pair *p);
// What both boxes must have alike, of HA_CONFIG; and the boot nonce that HELLO carries.
void pair_digest(struct pair *p, const uint8_t digest[32]);

// The association. On up a HELLO goes out. Down voids the session's leases and gates as the rules
// say; messages still queued in the transport are lost.
void pair_link(struct pair *p, bool up, uint64_t now);
// One message for this group. 0; -EBADMSG: malformed (count it; the association stays), others:
// refused by a rule (counted inside). Never trusted beyond its checks, although TLS vouches for it.
int pair_receive(struct pair *p, const uint8_t *bytes, size_t len, uint64_t now);
// The group a message is for, without decoding it all: 0 when malformed.
unsigned pair_message_group(const uint8_t *bytes, size_t len);
// The gateway process attached (HA_ATTACH arrives as a word) or went away.
void pair_gateway_lost(struct pair *p, uint64_t now);
// A word of the gateway process. 0; -EAGAIN: cannot be taken now, offer it again (back-pressure:
// pair_writable or pair_tick will make room).
int pair_word(struct pair *p, const struct ha_word *w, uint64_t now);
// The same, with more words to follow at once: records may wait for them, to share a message, until
// pair_flush(). Whatever else is sent goes behind them.
int pair_word_more(struct pair *p, const struct ha_word *w, uint64_t now);
void pair_flush(struct pair *p);
// There is room again in the transport or in the ring to the gateway: goes on with feeds and
// snapshots. Bounded work; true when there is more to do right away.
bool pair_writable(struct pair *p, uint64_t now);
void pair_tick(struct pair *p, uint64_t now);
uint64_t pair_due(const struct pair *p);  // next pair_tick, PAIR_NEVER = none

void pair_role(const struct pair *p, struct ha_role *out);
// Run-time checks I1-I15 that failed, and what was refused. Names for displays.
struct pair_counters {
	uint64_t rx, tx, rx_malformed, rx_other_session, rx_out_of_order, rx_refused, rx_release,
		joins, states, grants, denies, busies, claims, takeovers, stale_takeovers, alone,
		splits, splits_healed, raises, checkpoints, leases, snapshots, tainted;
	uint64_t invariant[16];  // [n] = times In was found broken
};
void pair_get_counters(const struct pair *p, struct pair_counters *out);
// State changes for logs and `show redundancy history`: fn(ctx, group, text), text static or
// valid during the call.
void pair_observe(struct pair *p, void (*fn)(void *ctx, unsigned group, const char *text),
		  void *ctx);
