// A replicated pair of IPsec SAs, read and checked but not yet made. Borrows the payload.
#pragma once

#include "ike/child_sa.h"
#include "ike/proposal.h"
#include "ike/sa_record.h"

struct child_record {
	bool initiator, up, old, rekeying, udp_encap, narrowed, fragment_after;
	uint8_t df;
	uint16_t local_port, remote_port, pfs_group;
	uint32_t replay_window, idle_time_s, lifetime_s, lifetime_kb;
	uint64_t bytes;  // that went over it so far, the larger direction
	uint8_t rank[32];
	struct ip_addr local, remote;
	struct selector sel;
	char map[CONFIG_NAME_MAX], interface[CONFIG_NAME_MAX], dynamic_map[CONFIG_NAME_MAX];
	uint32_t seq, dynamic_seq;
	struct selector flow;
	struct tunnel_proposal transform;
	struct esp_suite suite;
	struct chunk keys[2];  // by enum dp_dir; len 0 = not made yet
	struct record_times times;
	struct replica_tlvs tlv;
};
BUF_MUST int child_record_get(const struct ha_sa *in, struct child_record *out);
