// A replicated IKE SA, read and checked but not yet made. Everything borrowed from the payload.
#pragma once

#include "ike/ike_sa.h"
#include "ike/replica_wire.h"

// Moments as what is left of them when the record was made; RECORD_NEVER = no such timer.
#define RECORD_NEVER UINT64_MAX
struct record_times {
	uint64_t wall_ms;      // when it was made, 0 = not known
	uint64_t begun_ms;     // since its exchange began
	uint64_t age_ms;       // since it came up
	uint64_t hard_ms;      // until it ends
	uint64_t renew_ms;     // until it is rekeyed
	uint64_t replaced_ms;  // until a replaced one goes
};
void record_times_put(struct wbuf *w, const struct record_times *t);
BUF_MUST int record_times_get(const struct replica_tlvs *tlv, struct record_times *t);
// What has passed since the record was made, by the wall clock: taken off, never added.
void record_times_age(const struct ike *ike, struct record_times *t);
uint64_t record_left(const struct ike *ike, uint64_t due_ms);  // from a moment
uint64_t record_due(const struct ike *ike, uint64_t left_ms);  // ... and back
uint64_t record_since(const struct ike *ike, uint64_t age_ms);
uint64_t record_timer_left(const struct ike *ike, const struct ike_timer *t, bool asleep,
			   uint64_t saved_ms);  // of one that runs, or of a sleeping object

struct ike_record {
	bool initiator, established, superseded, natt, nat_local, nat_remote, peer_dpd, id_named;
	uint8_t version;
	uint16_t local_port, remote_port;
	uint64_t icookie, rcookie;
	struct ike_suite suite;
	struct ip_addr local, remote;
	char local_id[128], remote_id[128];
	struct record_times times;
	uint32_t dpd_out, dpd_in;
	bool dpd_in_known;
	uint64_t replaced_ago_ms;  // RECORD_NEVER: it was never replaced
	struct replica_tlvs tlv;
};
BUF_MUST int ike_record_get(const uint8_t *payload, size_t len, struct ike_record *out);
