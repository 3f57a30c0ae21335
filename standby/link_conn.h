// Internal to the replication link: one association, from the SCTP handshake to its end.
//
//   client (connects)                          server (listens)
//   stream 0: TLS handshake  <------------->
//                            <-- GREETING on stream 0, after authentication
//   GREETING on stream 0     -->
//   streams 1..16: TLS handshakes <-------->   all done, greeted: up
//   up at the first of these <-- HEARTBEAT on stream 0, or any message
// Without TLS the same, without the handshakes. So no message can come before its receiver is up.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link_driver.h"
#include "link_tls.h"

#define CONN_QUEUE_MAX     (8u << 20)    // all streams together
#define CONN_QUEUE_RESERVE (256u << 10)  // what each stream has for itself beyond that

struct conn;
struct conn_ops {
	void *ctx;
	void (*up)(void *ctx, struct conn *c);
	void (*message)(void *ctx, struct conn *c, unsigned stream, const uint8_t *bytes,
			size_t len);
};
struct conn_setup {
	const struct link_driver_ops *driver;
	struct link_sock *sock;  // owned by the conn from now on
	struct link_tls *tls;    // NULL: plain
	bool client;
	uint32_t heartbeat_ms;
	const struct ip_addr *prefer;  // the path to use while it works
	const struct conn_ops *ops;
};
enum conn_state { CONN_CONNECTING, CONN_HANDSHAKE, CONN_UP, CONN_FAILED };
struct conn_counts {
	uint64_t tx, rx, tx_bytes, rx_bytes;
};

struct conn *conn_create(const struct conn_setup *setup);  // NULL: no memory; sock is still yours
void conn_destroy(struct conn *c);                         // ends the association
struct link_sock *conn_release(struct conn *c);            // destroys c, keeps its association
enum conn_state conn_state(const struct conn *c);
struct link_sock *conn_sock(const struct conn *c);
// The SCTP association is there (accepted, or LINK_RX_UP came). 0 or a negative errno.
int conn_start(struct conn *c);

#define CONN_MORE    1  // budget used up: call again
#define CONN_BLOCKED 2  // no room in the driver: call again when ready
// Receives for at most about a millisecond. 0, CONN_MORE, -ECONNREFUSED (that was not an answer we
// want: count it), -ESTALE (the other box restarted the association), other: it is over.
int conn_receive(struct conn *c);
int conn_flush(struct conn *c);  // 0 nothing left, CONN_MORE, CONN_BLOCKED, negative: it is over
const char *conn_why(const struct conn *c);

int conn_send(struct conn *c, unsigned stream, const void *bytes, size_t len);  // as link_send
void conn_heartbeat(struct conn *c);
void conn_prefer(struct conn *c);  // the configured first path, once it can be
// Heartbeat periods of ours without a sign of life; conn_silence_max of them are too many.
unsigned conn_silence(struct conn *c);
unsigned conn_silence_max(const struct conn *c);
size_t conn_queued(const struct conn *c);
bool conn_relieved(struct conn *c);  // once after conn_send said -EAGAIN: there is room again
void conn_counts(const struct conn *c, struct conn_counts *out);
