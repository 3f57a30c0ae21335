// Internal to the link guard: its table of rules as a batch of nf_tables messages. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link.h"

#define GUARD_BATCH_MAX      65536
#define GUARD_INTERFACES_MAX 8    // with addresses of the association
#define GUARD_STRANGERS      200  // their packets in a second: enough to be refused by name

// The interfaces that have local addresses, each once, by their numbers; and which (bits).
struct guard_interfaces {
	unsigned n;
	struct {
		uint32_t ifindex, locals;
	} list[GUARD_INTERFACES_MAX];
};
// Local address number `local` is on that interface. Too many: the further ones are left out.
void guard_interfaces_add(struct guard_interfaces *g, uint32_t ifindex, unsigned local);

struct guard_rules {
	const struct link_params *link;
	const struct guard_interfaces *interfaces;
	uint32_t loopback;  // 0: none
	const char *table;
	bool create;   // the table; else its rules are replaced
	uint32_t seq;  // of the first message
};
struct guard_batch {
	uint32_t last;  // number of the message whose answer says that all is well
	size_t used;
	uint8_t bytes[GUARD_BATCH_MAX];
};
int guard_batch_encode(struct guard_batch *out, const struct guard_rules *r);  // 0 or -errno
