// Internal to the TLS layer of the replication link: who we are and whom we believe.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "link_tls.h"

#define TLS_KEY_LEN 48  // SHA-384, the hash of the only suite
// OpenSSL wants sessions, and so external keys, tied to a context (SSL_CTX_set_session_id_context).
#define TLS_CONTEXT_ID     ((const unsigned char *)"replication")
#define TLS_CONTEXT_ID_LEN 11
struct tls_key {
	bool is_set;
	uint8_t bytes[TLS_KEY_LEN];
};

struct link_tls {
	SSL_CTX *ctx;
	bool client;
	enum link_security security;
	struct tls_key key;
	struct ip_addr remote[LINK_ADDRS_MAX];  // what the other's certificate must name
	unsigned remotes;
};

// Fills ctx and, with LINK_PSK, key. 0 or err's code; the caller destroys t.
int tls_context_create(struct link_tls *t, const struct link_params *p, struct err *err);
// The certificate that was verified carries one of the other box's configured addresses. Without
// this, whoever else has a certificate of the same authority could pose as the other box.
bool tls_certificate_is_peers(const struct link_tls *t, SSL *ssl);
