// The running gateway: what main.c creates and the apply and show files share.
//
// One instance per process, made by main(). Everything here belongs to the control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "cli.h"
#include "commit.h"
#include "dp.h"
#include "err.h"
#include "ike.h"
#include "kernel.h"
#include "loop.h"
#include "model.h"
#include "track.h"
#include "tunnel.h"

struct ike_pool;
struct rri;
struct frr;

#define TANDEM_VERSION "0.1.0"
#define IF_ADDR_MAX    32

// An interface of the configuration, as far as it has been applied.
struct if_state {
	TAILQ_ENTRY(if_state) link;
	char name[CONFIG_NAME_MAX];
	enum if_kind kind;
	enum if_device device;
	char device_arg[128];
	char kernel_if[16];         // carries the addresses: tap, `device host` interface, lo
	char under[16];             // kernel interface behind a vdev (iface=...), or ""
	uint32_t port;              // data-plane port, 0 = none (yet)
	uint16_t mtu;               // the port was opened with
	bool up;                    // set up in the kernel by us
	bool wanted;                // scratch: in the configuration being applied
	char trouble[ERR_MSG_MAX];  // why it has no port, "" = fine
	struct ip_prefix addrs[IF_ADDR_MAX];  // added by us
	unsigned addr_count;
};

struct route_state {
	TAILQ_ENTRY(route_state) link;
	struct kernel_route_spec spec;  // spec.interface points to kernel_if
	char kernel_if[16];
	bool waiting;  // the kernel did not take it; said once
	bool wanted;
};

struct manual_sa {
	TAILQ_ENTRY(manual_sa) link;
	char interface[CONFIG_NAME_MAX], map[CONFIG_NAME_MAX];
	uint32_t seq;
	struct ip_addr local, remote;
	struct session_key key_in, key_out;
	struct tunnel_proposal proposal;
	uint32_t sa_in, sa_out;
	uint32_t policies[4];
	struct selector sel[4];
	unsigned policy_count;
	bool wanted;
};

struct warning {
	STAILQ_ENTRY(warning) link;
	char text[ERR_MSG_MAX];
};

struct gateway {
	// options
	const char *config_file;  // or NULL
	const char *rundir;
	const char *frr_dir;
	char *const *eal_extra;
	bool check, standby_process;

	struct loop *loop;
	struct kernel *kernel;
	struct ike *ike;
	struct ike_pool *pool;
	struct rri *rri;
	struct frr *frr;
	// Whether this box is the active one for an interface's crypto map; NULL = always.
	bool (*active)(const struct gateway *g, const char *interface);
	struct loop_timer ike_timer;
	struct track *track;
	struct loop_timer track_timer, standby_timer;
	struct cli_server *cli;
	int lock_fd;
	int namespace_fd;  // held by the first instance of a network namespace
	int exit_status;
	unsigned config_errors;
	uint64_t started_us;
	bool stopping;

	// applied state
	struct dp_params dp_params;  // as started
	char dp_cores[64];
	char dp_trouble[ERR_MSG_MAX];  // why the data plane does not run, "" = fine or not asked
	TAILQ_HEAD(, if_state) interfaces;
	TAILQ_HEAD(, route_state) routes;
	TAILQ_HEAD(, manual_sa) manual;
	struct tunnels *tunnels;      // never NULL after the first commit
	uint32_t tunnels_generation;  // changes whenever `tunnels` does
	struct loop_timer dynamic_timer;
	bool dynamic_changed;  // the set of policies has instances of dynamic maps that changed
	enum { DYNAMIC_SAME, DYNAMIC_DEL, DYNAMIC_ADD } dynamic_compare;  // apply_dynamic.c
	uint32_t dynamic_cursor;
	struct loop_timer retry;  // kernel links or addresses changed: interfaces, routes again
	uint32_t retry_ms;        // delay before a port that would not open is tried again, grows
	STAILQ_HEAD(, warning) warnings;  // of the commit under way
};

extern struct gateway gateway;

// ---- apply_*.c: commit hooks, in order of registration ---------------------------------------
int apply_register(struct gateway *g, struct err *err);  // apply.c: all of them
void apply_warn(struct gateway *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void apply_warnings_clear(struct gateway *g);
void apply_retry_soon(struct gateway *g);
void apply_retry_later(struct gateway *g);  // a port would not open: with growing delay

int dataplane_apply(struct gateway *g, const struct config *c, struct err *err);
int dataplane_validate(const struct config *c, struct err *err);
void dataplane_warn(const struct gateway *g, const struct config *c, commit_warn_fn fn, void *ctx);
const struct dp_ops *ike_net_dp_ops(void);  // ike_net.c

int interface_validate(const struct config *c, struct err *err);
int interface_ports_apply(struct gateway *g, const struct config *c, struct err *err);
int interface_up_apply(struct gateway *g, const struct config *c, struct err *err);
// Tries again what had no port; true when a port came or went.
bool interface_retry(struct gateway *g);
// Will the port of this interface go when `c` is applied, or go down?
bool interface_leaves(const struct gateway *g, const struct config *c, const char *name);
// Is the interface up from end to end, and has it an address?
void interface_line(const struct gateway *g, const char *name, bool *line, bool *ip);
void interface_link_event(struct gateway *g, const struct kernel_link *link, bool gone);
struct if_state *interface_state(const struct gateway *g, const char *name);
uint32_t interface_port(void *g, const char *name);                 // tunnels_build's port_of
void interface_host_name(const char *name, char *buf, size_t cap);  // GigabitEthernet0/1 -> gi0-1

int route_apply(struct gateway *g, const struct config *c, struct err *err);
void route_retry(struct gateway *g);
int route_validate(const struct config *c, struct err *err);

// Tracked objects (apply_track.c).
int track_start(struct gateway *g, struct err *err);
void track_stop(struct gateway *g);
int track_apply(struct gateway *g, const struct config *c, struct err *err);
void track_links_changed(struct gateway *g);  // a link or an address, wherever: looks at all
void track_route_changed(struct gateway *g, const struct ip_prefix *dst);
void track_rearm(struct gateway *g);  // after anything that may have started a delay

// HSRP (standby.c, standby_net.c).
int standby_start(struct gateway *g, struct err *err);
void standby_stop(struct gateway *g);  // resigns
// Groups that `c` takes away, or the interface or the port from, resign while they still can.
void standby_leave(struct gateway *g, const struct config *c);
int standby_apply(struct gateway *g, const struct config *c, struct err *err);
void standby_links_changed(struct gateway *g);
bool standby_frame(struct gateway *g, uint32_t port, const uint8_t *frame, size_t len);
void standby_host_frame(uint32_t port, uint8_t *frame, size_t len);
// A group of the interface has stepped down because nothing that it sends is heard: as good as a
// line protocol that is down.
bool standby_unheard(const char *interface);
bool standby_active(const char *name);  // is this box active for the group of this name?
// Does the crypto map of this interface work on this box now? Only a group it names can say no.
bool standby_interface_active(const struct gateway *g, const char *interface);

// Stateful switchover (redundancy.h).
int redundancy_start(struct gateway *g, struct err *err);
void redundancy_stop(struct gateway *g);  // hands over what works here, if that is possible
int redundancy_apply(struct gateway *g, const struct config *c, struct err *err);
// The number of the group that a standby name stands for; 0 = none replicates under it.
uint16_t redundancy_group_of(const char *name);
// Does this box do the work of the group? true for what is not replicated.
bool redundancy_working(const char *name);

int crypto_roles_apply(struct gateway *g, const struct config *c, struct err *err);
int crypto_role_apply(struct gateway *g, struct err *err);  // apply.c: a group changed its role
int crypto_apply(struct gateway *g, const struct config *c, struct err *err);
int crypto_validate(const struct config *c, struct err *err);

// apply_dynamic.c: instances of dynamic maps came or went.
void dynamic_init(struct gateway *g);
void dynamic_fini(struct gateway *g);
void dynamic_policies_changed(struct gateway *g);
void dynamic_tunnels_changed(struct gateway *g);  // by a commit
// A child SA of an instance whose policy is not in force yet: kept, reverse routes hear of it then.
bool dynamic_notice_hold(struct gateway *g, const struct ike_notice *n);

int manual_sa_validate(const struct config *c, struct err *err);
// Binds and unbinds; SAs of entries that did not change stay.
int manual_sa_apply(struct gateway *g, const struct tunnels *t, struct err *err);
void manual_sa_clear(struct gateway *g);
int manual_sa_build(const struct tunnel *t, enum dp_dir dir, struct dp_sa *out, struct err *err);

// ---- apply_rri.c: reverse routes and FRR ------------------------------------------------------
int rri_step_init(struct gateway *g, struct err *err);
void rri_step_fini(struct gateway *g);
int frr_apply(struct gateway *g, const struct config *c, struct err *err);

// ---- ike_net.c -------------------------------------------------------------------------------
int ike_net_init(struct gateway *g, struct err *err);
void ike_net_fini(struct gateway *g);

// ---- show_*.c --------------------------------------------------------------------------------
int show_interfaces_register(struct gateway *g, struct err *err);
int show_dataplane_register(struct gateway *g, struct err *err);
int show_map_register(struct gateway *g, struct err *err);
int show_isakmp_register(struct gateway *g, struct err *err);
int show_ipsec_register(struct gateway *g, struct err *err);
int show_session_register(struct gateway *g, struct err *err);
int show_track_register(struct gateway *g, struct err *err);
int show_standby_register(struct gateway *g, struct err *err);
int show_redundancy_register(struct gateway *g, struct err *err);
int show_replication_register(struct gateway *g, struct err *err);
int show_route_register(struct gateway *g, struct err *err);
int show_system_register(struct gateway *g, struct err *err);
