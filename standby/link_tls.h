// TLS 1.3 over the streams of the replication link, in memory (RFC 8446; the idea of RFC 3436).
//
// Every stream is a TLS connection of its own, so that streams stay independent. Stream 0's is
// authenticated by the configured key or by certificates; each other one by a key exported from
// stream 0's (RFC 8446 7.5), so all belong to one association and nothing can be moved between
// them. No tickets, no early data; there is no renegotiation in TLS 1.3.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "link.h"

#define TLS_RECORD_MAX 16384

struct link_tls;  // what all associations share: keys, certificates
struct tls_end;   // one end of one stream's connection

struct link_tls *link_tls_create(const struct link_params *p, bool client, struct err *err);
void link_tls_destroy(struct link_tls *t);
const char *link_tls_name(const struct link_tls *t);  // "TLS 1.3 PSK"

// first: stream 0's established end, NULL for stream 0 itself. NULL: no memory.
struct tls_end *tls_end_create(struct link_tls *t, unsigned stream, struct tls_end *first);
void tls_end_destroy(struct tls_end *e);

// Bytes of the other end. 0 or -ENOMEM.
int tls_end_feed(struct tls_end *e, const void *bytes, size_t len);
// Handshake: 1 established, 0 needs more of the other end, -EPROTO refused (tls_end_why).
int tls_end_step(struct tls_end *e);
bool tls_end_established(const struct tls_end *e);
// Bytes read, 0 = no whole record there, -EPROTO, -ECONNRESET = the other end said good-bye.
int tls_end_read(struct tls_end *e, void *buf, size_t cap);
// One record (len <= TLS_RECORD_MAX). 0 or -EPROTO.
int tls_end_write(struct tls_end *e, const void *bytes, size_t len);
// What is to go to the other end; borrowed until the next call.
size_t tls_end_pending(struct tls_end *e, const uint8_t **bytes);
void tls_end_taken(struct tls_end *e, size_t len);
const char *tls_end_why(const struct tls_end *e);
