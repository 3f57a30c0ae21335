// The replication association: SCTP to the other box, TLS 1.3 inside.
//
// Two drivers behind this interface: the kernel's SCTP, and usrsctp (raw IP) where the kernel has
// none; same wire format, they interoperate. Stream 0 carries the heartbeat, stream g the messages
// of redundancy group g, in order. Each message given to link_send arrives whole or the
// association goes down. Without a key nothing is exchanged unless LINK_PLAIN is asked for.
// Thread: the owner of the loop; nothing blocks.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"

#define LINK_MESSAGE_MAX 32768
#define LINK_STREAMS     17
#define LINK_ADDRS_MAX   4

struct loop;
struct link;
enum link_driver { LINK_AUTO, LINK_KERNEL, LINK_USER };
enum link_security { LINK_PSK, LINK_CERTIFICATE, LINK_PLAIN };
struct link_params {
	enum link_driver driver;
	enum link_security security;
	char secret[129];  // PSK (16..128 characters) or a trustpoint's name; wiped by the caller
	struct ip_addr local[LINK_ADDRS_MAX], remote[LINK_ADDRS_MAX];
	unsigned locals, remotes;
	uint16_t local_port, remote_port;
	uint32_t rto_min_ms, rto_max_ms, path_retransmit, assoc_retransmit;
	uint32_t heartbeat_ms;  // ours, above SCTP's own: silence of 4 of them ends the association
	const char *pki_dir;    // NAME.crt, NAME.key, NAME.ca; NULL: /etc/tandem/pki
};
struct link_ops {
	void *ctx;
	void (*up)(void *ctx);  // association and TLS are there; queue empty
	void (*down)(void *ctx, const char *why);
	void (*message)(void *ctx, unsigned stream, const uint8_t *bytes, size_t len);
	void (*writable)(void *ctx);  // after link_send returned -EAGAIN
};
// Starts, and goes on trying for ever (1 s apart). NULL and err: bad parameters, no such driver
// here ("the kernel has no SCTP").
struct link *link_create(struct loop *loop, const struct link_params *p, const struct link_ops *ops,
			 struct err *err);
void link_destroy(struct link *l);
// 0; -EAGAIN: the bounded queue is full, nothing was taken; -ENOTCONN; -EMSGSIZE.
int link_send(struct link *l, unsigned stream, const void *bytes, size_t len);
struct link_info {
	bool up;
	const char *driver;         // "kernel", "usrsctp"
	const char *security;       // "TLS 1.3 PSK", "none"
	char trouble[ERR_MSG_MAX];  // why it is down, "" = up or still trying
	struct ip_addr primary;     // the other's address in use
	unsigned paths, paths_up;
	struct ip_addr path[LINK_ADDRS_MAX];  // the other's addresses, paths of them
	bool path_up[LINK_ADDRS_MAX];
	uint32_t rto_ms, srtt_ms;
	// as SCTP has them
	uint32_t rto_min_ms, rto_max_ms, rto_initial_ms, path_retransmit, assoc_retransmit;
	uint32_t path_heartbeat_ms, sack_delay_ms;
	unsigned locals;                                            // own addresses
	uint64_t ups, tx, rx, tx_bytes, rx_bytes, queued, refused;  // refused: TLS or framing
};
void link_get_info(const struct link *l, struct link_info *out);
