// Internal to the replication link: what a driver of SCTP one-to-one sockets offers to link.c.
//
// A driver owns its sockets and tells by `ready` that one may have something to receive, to accept
// or room to send; link.c then calls until -EAGAIN. Everything happens on the loop's thread.
// Message boundaries do not matter to the caller: a stream is a sequence of bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"
#include "link.h"

struct link_sock;
struct link_stack;

typedef void (*link_ready_fn)(void *ctx, struct link_sock *s);

enum link_rx_kind {
	LINK_RX_DATA,
	LINK_RX_UP,       // association established (RFC 6458 6.1.1)
	LINK_RX_RESTART,  // the other box began anew under the same addresses (RFC 9260 5.2)
	LINK_RX_CLOSED,
	LINK_RX_OTHER,  // a notification that needs nothing
};
struct link_rx {
	enum link_rx_kind kind;
	unsigned stream;
	uint32_t ppid;
	size_t len;
};

#define LINK_PEERS_MAX 16
#define LINK_MIXED     UINT32_MAX
struct link_status {
	unsigned paths, paths_up;
	uint32_t rto_ms, srtt_ms, rto_min_ms, rto_max_ms, rto_initial_ms;
	uint32_t path_retransmit, path_heartbeat_ms;  // LINK_MIXED: not all paths have the same
	uint32_t assoc_retransmit, sack_delay_ms;
	unsigned locals;  // own addresses of the association
	unsigned streams_in, streams_out;
	struct ip_addr primary;
	struct ip_addr peer[LINK_PEERS_MAX];  // paths of them; more than fit: paths is greater
	bool peer_up[LINK_PEERS_MAX];
	uint16_t peer_port;
};

// What the driver makes its sockets from; borrowed, outlives the stack.
struct link_socket_params {
	const struct link_params *link;
	uint32_t rto_initial_ms;
	uint32_t sndbuf, rcvbuf;
	bool bind_device;  // no guard (link_guard.h): the sockets are bound to the interface
};

struct link_driver_ops {
	const char *name;
	bool guarded;  // its packets leave by the system's interfaces
	// NULL and err: this driver cannot work here.
	struct link_stack *(*open)(struct loop *loop, const struct link_socket_params *p,
				   link_ready_fn ready, void *ctx, struct err *err);
	void (*close)(struct link_stack *st);
	struct link_sock *(*listen)(struct link_stack *st, struct err *err);
	struct link_sock *(*connect)(struct link_stack *st, struct err *err);
	struct link_sock *(*accept)(struct link_sock *listener);  // NULL: nobody waits
	// 0; -EAGAIN: no room, `ready` comes; other: the association is gone.
	int (*send)(struct link_sock *s, unsigned stream, uint32_t ppid, const void *bytes,
		    size_t len);
	// 0; -EAGAIN; other: the association is gone.
	int (*receive)(struct link_sock *s, void *buf, size_t cap, struct link_rx *rx);
	int (*status)(struct link_sock *s, struct link_status *out);
	// The path to use while it works.
	void (*prefer)(struct link_sock *s, const struct ip_addr *peer);
	void (*want_room)(struct link_sock *s, bool on);  // shall `ready` come for room to send
	void (*again)(struct link_sock *s);               // `ready` in the next turn
	void (*abort)(struct link_sock *s);  // ends the association at once and frees s
};
extern const struct link_driver_ops link_kernel, link_usrsctp;
bool link_kernel_works(void);

// Both drivers: what SCTP itself is told beside the configured values.
#define LINK_SNDBUF        (512u << 10)  // what one stream can put before the others
#define LINK_SACK_DELAY_MS 10            // below every reasonable RTO of the other box
#define LINK_BACKLOG       8
#define LINK_COOKIE_MS     10000
static inline uint32_t link_path_heartbeat_ms(const struct link_params *p)
{
	// An idle path is probed no faster than its own RTO allows.
	return p->heartbeat_ms < 100 ? 100 : p->heartbeat_ms;
}
