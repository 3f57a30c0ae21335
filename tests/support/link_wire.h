// A driver of the replication link without a network: associations are pairs of bounded queues in
// memory, reliable and in order as SCTP's are. The test may look at, change, drop and repeat each
// message, cut the wire, and speak to a listener itself with bytes of its own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link_driver.h"
#include "loop.h"

#define WIRE_MESSAGE_MAX 32768
struct wire_message {
	unsigned stream;
	uint32_t ppid;
	size_t len;
	uint8_t bytes[WIRE_MESSAGE_MAX];
};
enum wire_verdict { WIRE_PASS, WIRE_DROP, WIRE_TWICE };

extern struct wire {
	size_t capacity;  // bytes that wait in one direction; 0 = 512 KiB
	bool cut;         // nothing arrives, nothing fails
	unsigned connects;
	// An error of the next call of any socket in the loop's links, then none; 0: none.
	int fail_send, fail_receive, fail_status;
	unsigned streams;  // what an association is said to have; 0: enough
	// Looks at what a side sends; from_client: the connecting side.
	enum wire_verdict (*look)(bool from_client, struct wire_message *m);
} wire;
extern const struct link_driver_ops link_wire;

// One loop for all ends; call first. wire_down frees what is left.
void wire_up(struct loop *loop);
void wire_down(void);

// A raw client: the listener sees an association from `from`. NULL: nobody listens.
struct link_sock *wire_connect(const struct ip_addr *from, uint16_t port);
// A raw listener, and what connected to it (NULL: nothing yet).
struct link_sock *wire_listen(void);
struct link_sock *wire_accept(struct link_sock *listener);
int wire_send(struct link_sock *s, unsigned stream, uint32_t ppid, const void *bytes, size_t len);
bool wire_is_closed(const struct link_sock *s);  // the other side ended it
void wire_close(struct link_sock *s);
void wire_restart_all(void);  // every accepted association: "the other box restarted"
