// Internal to link*.c: the link itself.
#pragma once

#include "link.h"
#include "link_conn.h"
#include "link_driver.h"
#include "link_guard.h"
#include "link_tls.h"
#include "loop.h"

struct link {
	struct loop *loop;
	struct link_ops ops;
	struct link_params p;  // without the secret
	struct link_socket_params socket;
	const struct link_driver_ops *driver;
	struct link_guard *guard;  // NULL: no rules, or a driver that needs none
	struct link_stack *stack;
	struct link_tls *tls;  // NULL: plain
	struct conn_ops conn_ops;
	bool client;
	struct link_sock *listener;
	struct conn *cur;           // the association in use
	struct conn *pending;       // connecting, in its handshake, or telling the other why not
	struct conn_counts before;  // of associations that are over
	struct loop_timer retry, handshake, beat;
	struct loop_fd kick;  // eventfd: go on in the next turn
	int kick_fd;
	bool kicked, busy;
	uint64_t ups, refused;
	char trouble[ERR_MSG_MAX];
};

// With a driver of the caller's (tests); link_create chooses one.
struct link *link_create_on(struct loop *loop, const struct link_params *p,
			    const struct link_ops *ops, const struct link_driver_ops *driver,
			    struct err *err);
// Bad parameters: -EINVAL and a sentence. Missing ones get their defaults.
int link_params_check(struct link_params *p, struct err *err);
// The lower of the two boxes' lowest addresses connects, the other listens.
bool link_is_client(const struct link_params *p);
// Every address of the association is one of the configured ones; else 0 and a text.
bool link_peer_allowed(const struct link_params *p, const struct link_status *st, char *why,
		       size_t cap);
