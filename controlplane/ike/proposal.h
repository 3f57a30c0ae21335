// Algorithms: what the configuration names, as the data plane and the logs want them.
// Pure; any thread.
#pragma once

#include "dp.h"
#include "ike/ike_sa.h"
#include "tunnel.h"

struct esp_suite {
	enum dp_cipher cipher;
	enum dp_auth auth;
	uint16_t key_len, salt_len, auth_key_len;  // bytes
	uint8_t icv_len;
};
int esp_suite_of(const struct tunnel_proposal *t, struct esp_suite *out);  // 0 or -ENOTSUP
bool tunnel_proposal_equal(const struct tunnel_proposal *a, const struct tunnel_proposal *b);
const char *tunnel_proposal_format(const struct tunnel_proposal *t, char *buf, size_t cap);
const char *ike_suite_format(const struct ike_suite *s, char *buf, size_t cap);
#define SUITE_STR_MAX 96
