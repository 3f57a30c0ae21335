// A gateway (b) that answers unknown peers by a dynamic map, and one such peer (a). For the tests
// of dynamic maps.
#pragma once

#include "ike_bed.h"

struct crypto_map_entry *dyn_entry_add(struct config *c, struct crypto_map *m, uint32_t seq,
				       const char *set, const char *acl);
// An entry of the gateway's map for another peer, behind the dynamic one.
void dyn_static_entry(struct config *c, const char *peer, const char *src, const char *dst);
// bed_init, and b is a gateway with `crypto map MAP 20 ipsec-isakmp dynamic DYN`, template DYN 10
// with transform set SET, a wildcard key.
struct bed *dyn_start(struct bed *bed, const struct bed_params *p, const char *acl);
struct crypto_map_entry *dyn_template(struct bed *bed, uint32_t seq);
// Of the first instance, 0 = none.
uint32_t dyn_policy(const struct bed *bed);
unsigned dyn_instances(const struct bed *bed);
// Exactly one policy per instance, of the group of the template.
void dyn_policies_check(const struct bed *bed);
// A packet each way, by policy 1 of a and the first instance of b.
bool dyn_through(struct bed *bed);
void dyn_up(struct bed *bed);
// a asks and gets an IKE SA, but no child SA.
void dyn_refused(struct bed *bed);
void dyn_pings(struct bed *bed, uint64_t ms, unsigned every_ms);
// About the SA that the policy is bound to.
void dyn_event(struct bed_end *e, enum dp_event_type type, uint32_t policy);
