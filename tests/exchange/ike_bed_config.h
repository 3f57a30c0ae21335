// Configurations for tests of the IKE engine.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

// What a test changes before bed_start.
struct bed_params {
	bool pfs;
	bool natt_a, natt_b;  // behind a NAT
	const char *psk_a, *psk_b;
	uint32_t ike_life_s, child_life_s;  // 0 = 86400, 3600
	unsigned flows;                     // 1..4
	uint32_t keepalive_s;               // 0 = none
	bool keepalive_periodic;
	bool transport;
};
// One crypto map entry to `peer` on an interface with address `self`: AES-128, SHA-256, group 19,
// transform set esp-aes esp-sha-hmac. mirror: the ACL as the other end has it.
struct config *bed_config(const struct bed_params *p, const struct ip_addr *self,
			  const struct ip_addr *peer, const char *psk, bool mirror);

// Configuration pieces.
void bed_add_policy(struct config *c, uint32_t priority, enum ike_encr encr, uint16_t bits,
		    enum ike_hash hash, uint16_t group, uint32_t life_s);
void bed_add_key(struct config *c, const char *key, const char *prefix);
void bed_add_set(struct config *c, const char *name, enum esp_cipher cipher, uint16_t bits,
		 enum esp_auth auth, bool transport);
void bed_add_ace(struct config *c, const char *acl, const char *src, const char *dst);
