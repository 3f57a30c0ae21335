// tandem-bench ike: the options, the configuration made of them, and what was measured.
#pragma once

#include "addr.h"
#include "model.h"

struct bench_ike_options {
	struct ip_addr gateway, source;  // source: the first initiator's, the others follow
	struct ip_prefix net;            // behind the gateway
	const char *psk, *json;
	unsigned rate, seconds, wait_s;
	uint16_t group;
};

// One crypto map entry per initiator, all to the gateway, each with its own protected host. NULL:
// no memory.
struct config *bench_ike_config(const struct bench_ike_options *o, unsigned count);
