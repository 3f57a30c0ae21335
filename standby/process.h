// The standby process: what its parts share. One instance, made by main(); one thread, one loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ha_sa.h"
#include "link.h"
#include "loop.h"
#include "mirror.h"
#include "pair.h"

struct process {
	const char *rundir;
	struct loop *loop;
	struct mirror *mirror;
	char mirror_path[256];
	int lock_fd;
	bool leaving;  // the gateway process has ended in order: so do we

	// gateway_port.c: the own gateway process
	struct loop_fd listener, gateway;
	int listen_fd, gateway_fd;
	bool attached;  // HA_ATTACH has come over gateway_fd
	bool stalled;   // its ring was full: room is to be looked for
	bool rung;      // doorbell byte not yet sent
	bool ringing;   // ... it will be

	// pairing.c: groups and the association
	struct pair *pair[HA_GROUPS_MAX + 1];
	struct ha_config config;
	bool configured;
	struct link *link;
	bool link_up;
	struct loop_timer tick, second;
};
extern struct process process;

uint64_t process_now(void);  // CLOCK_BOOTTIME, microseconds

// ---- gateway_port.c ---------------------------------------------------------------------------
int gateway_port_open(struct process *p, struct err *err);
void gateway_port_close(struct process *p);
// 0, -EAGAIN (its ring is full), -ENOTCONN.
int gateway_tell(struct process *p, const struct ha_word *w);
// Takes words from the ring while there are any, at most `max`; true: there may be more.
bool gateway_drain(struct process *p, unsigned max);
void gateway_ring(struct process *p);  // the doorbell, once per turn and only when needed

// ---- pairing.c --------------------------------------------------------------------------------
int pairing_start(struct process *p, struct err *err);
void pairing_stop(struct process *p);
// 0, -EAGAIN: later again. Records may wait for more until pairing_flush.
int pairing_word(struct process *p, const struct ha_word *w, uint64_t now);
void pairing_flush(struct process *p);
void pairing_gateway_lost(struct process *p);
void pairing_writable(struct process *p);
void pairing_rearm(struct process *p);
