// What HSRP groups ask for, done on the ports: hellos out and in, ARP for virtual addresses, the
// virtual MAC on the port, the virtual addresses on the host interface while active. With the
// address the kernel answers echo requests and whatever else the host serves, and the mirror makes
// it one of ours for ESP and IKE. ARP requests for it never reach the kernel, which would answer
// with the port's own MAC.

#include <errno.h>
#include <string.h>

#include "hsrp_frame.h"
#include "log.h"
#include "rri.h"
#include "standby.h"

struct standby_port_counters standby_counters;

static unsigned virtual_list(const struct standby *s, const struct ip_addr *first,
			     struct ip_addr *out)
{
	unsigned n = 0;

	if (addr_is_set(first))
		out[n++] = *first;
	for (unsigned i = 0; i < s->secondary_count; i++)
		out[n++] = s->secondary[i];
	return n;
}

// ---- the active role on the port -------------------------------------------------------------
// With the length of the interface's own address it becomes a secondary one of the same network.
// As a /32 it would be an interface of its own to FRR: OSPF would announce it with this router's
// own address as next hop, and the neighbours would stay with that after a fail-over.
static uint8_t virtual_len(const struct standby *s, const struct ip_addr *a)
{
	const struct hsrp_conf *c = hsrp_group_conf(s->group);

	if (a->family != 4)
		return 128;
	return prefix_contains(&c->net, a) ? c->net.len : 32;
}

static void raise_addresses(struct gateway *g, struct standby *s, const struct ip_addr *first)
{
	struct ip_addr all[STANDBY_VIRTUAL_MAX];
	unsigned n = virtual_list(s, first, all);
	struct err err = {0};
	bool ours;

	for (unsigned i = 0; i < n; i++) {
		struct ip_prefix p = {.addr = all[i], .len = virtual_len(s, &all[i])};
		if (rri_advertised(commit_running(), &p.addr))
			s->virtual[s->virtual_count++] = p;
		else if (kernel_addr_add(g->kernel, s->host_if, &p, &ours, &err))
			log_event("HSRP", LOG_L_ERR, "VIRTUAL", "%s Grp %u: %s", s->interface,
				  s->number, err.msg);
		else
			s->virtual[s->virtual_count++] = p;
	}
}

// The configuration may have begun, or ceased, to advertise an address.
void standby_addresses_check(struct gateway *g, const struct config *c)
{
	const struct standby *s;
	struct err err = {0};
	bool ours;

	TAILQ_FOREACH (s, &standby_all, link)
		for (unsigned i = 0; s->raised && i < s->virtual_count; i++) {
			const struct ip_prefix *p = &s->virtual[i];
			if (rri_advertised(c, &p->addr)
				    ? kernel_addr_del(g->kernel, s->host_if, p, &err)
				    : kernel_addr_add(g->kernel, s->host_if, p, &ours, &err))
				log_event("HSRP", LOG_L_ERR, "VIRTUAL", "%s Grp %u: %s",
					  s->interface, s->number, err.msg);
		}
}

static void standby_raise(struct gateway *g, struct standby *s, const struct ip_addr *first)
{
	struct hsrp_snapshot v;
	int rc;

	hsrp_group_snapshot(s->group, standby_now(), &v);
	standby_lower(g, s);
	memcpy(s->mac, v.virtual_mac, 6);
	s->raised = true;
	rc = dp_port_mac_add(s->port, s->mac);
	if (rc && rc != -EEXIST)
		log_event("HSRP", LOG_L_ERR, "VIRTUAL",
			  "%s Grp %u: the port takes no further MAC address", s->interface,
			  s->number);
	raise_addresses(g, s, first);
}

static bool mac_needed(uint32_t port, const uint8_t *mac)
{
	const struct standby *s;
	TAILQ_FOREACH (s, &standby_all, link)
		if (s->raised && s->port == port && memcmp(s->mac, mac, 6) == 0)
			return true;
	return false;
}

// Where the address has gone is known to a switch a moment later than to us. What comes until then
// is taken, and forwarded like what comes for any other router of the network; policies hold for
// it.
static struct {
	uint32_t port;
	uint8_t mac[6];
	uint64_t due;
} lingering[DP_PORT_MACS_MAX];
static unsigned lingering_count;
static uint32_t linger_ms;

static void mac_del(uint32_t port, const uint8_t *mac)
{
	if (!mac_needed(port, mac))
		(void)dp_port_mac_del(port, mac);
}

static void mac_linger(uint32_t port, const uint8_t *mac)
{
	if (!linger_ms || lingering_count == DP_PORT_MACS_MAX) {
		mac_del(port, mac);
		return;
	}
	lingering[lingering_count].port = port;
	memcpy(lingering[lingering_count].mac, mac, 6);
	lingering[lingering_count++].due = standby_now() + linger_ms;
}

void standby_linger(uint32_t ms)
{
	linger_ms = ms;
	standby_macs_check();
}

void standby_macs_check(void)
{
	// in order of age
	while (lingering_count && (!linger_ms || lingering[0].due <= standby_now())) {
		mac_del(lingering[0].port, lingering[0].mac);
		memmove(&lingering[0], &lingering[1], --lingering_count * sizeof(lingering[0]));
	}
}

static void lower(struct gateway *g, struct standby *s, bool linger)
{
	struct err err = {0};

	if (!s->raised)
		return;
	s->raised = false;
	for (unsigned i = 0; i < s->virtual_count; i++)
		if (kernel_addr_del(g->kernel, s->host_if, &s->virtual[i], &err))
			log_event("HSRP", LOG_L_ERR, "VIRTUAL", "%s Grp %u: %s", s->interface,
				  s->number, err.msg);
	s->virtual_count = 0;
	if (linger)
		mac_linger(s->port, s->mac);
	else
		mac_del(s->port, s->mac);
}

void standby_lower(struct gateway *g, struct standby *s)
{
	lower(g, s, false);
}

// ---- what a group asks for -------------------------------------------------------------------
static void frame_out(struct standby *s, const uint8_t *frame, size_t len)
{
	if (!len || dp_frame_send(s->port, frame, len))
		s->send_failed++;
}

static void do_send(struct standby *s, const struct hsrp_action *a)
{
	const struct hsrp_conf *c = hsrp_group_conf(s->group);
	struct ip_addr to = hsrp_multicast(c->version, c->family);
	uint8_t frame[HSRP_FRAME_MAX];
	char text[ADDR_STR_MAX];

	log_debug(DEBUG_HSRP_PACKETS, "%s Grp %u %s out %s", s->interface, s->number,
		  hsrp_op_name(a->op), addr_format(&c->local, text, sizeof(text)));
	frame_out(s, frame,
		  hsrp_frame_hello(frame, sizeof(frame), a->mac, &c->local, &to, a->bytes, a->len));
}

static void do_arp(struct standby *s, const struct hsrp_action *a)
{
	struct ip_addr all[STANDBY_VIRTUAL_MAX];
	unsigned n = virtual_list(s, &a->virtual_ip, all);
	uint8_t frame[HSRP_FRAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		bool v6 = all[i].family == 6;
		s->announcements++;
		frame_out(s, frame,
			  v6 ? hsrp_frame_na(frame, sizeof(frame), a->mac, &all[i], NULL, NULL)
			     : hsrp_frame_arp(frame, sizeof(frame), false, a->mac, &all[i], NULL,
					      NULL));
	}
}

// What a crypto map with this group's name is about to do.
static void crypto_announce(const struct standby *s, const struct ip_addr *virtual, bool active)
{
	const struct interface_config *i;
	char text[ADDR_STR_MAX];

	if (!s->name[0] || !addr_is_set(virtual) || !commit_running() ||
	    redundancy_group_of(s->name))  // replicated: redundancy.c says it
		return;
	TAILQ_FOREACH (i, &commit_running()->interfaces, link) {
		if (strcmp(i->redundancy, s->name) != 0)
			continue;
		log_event("CRYPTO", LOG_L_NOTICE, "IPSEC_SA_HA_STATUS",
			  "IPSec sa's if any, for vip %s will change from %s to %s",
			  addr_format(virtual, text, sizeof(text)), active ? "STANDBY" : "ACTIVE",
			  active ? "ACTIVE" : "STANDBY");
		return;
	}
}

static void do_state(struct gateway *g, struct standby *s, const struct hsrp_action *a)
{
	log_event("HSRP", LOG_L_NOTICE, "STATECHANGE", "%s Grp %u state %s -> %s", s->interface,
		  s->number, hsrp_state_name(a->old_state), hsrp_state_name(a->new_state));
	log_debug(DEBUG_HSRP_EVENTS, "%s Grp %u %s: %s -> %s", s->interface, s->number,
		  hsrp_event_name(a->event), hsrp_state_name(a->old_state),
		  hsrp_state_name(a->new_state));
	// once the others have spoken
	s->split_due = standby_now() + 2ull * hsrp_group_conf(s->group)->hold_ms;
	standby_role_told(g, s, a);
	bool was = a->old_state == HSRP_STATE_ACTIVE, is = a->new_state == HSRP_STATE_ACTIVE;
	if (is)
		standby_raise(g, s, &a->virtual_ip);
	else if (was)
		lower(g, s, a->new_state != HSRP_STATE_INITIAL);
	if (was == is)
		return;
	crypto_announce(s, &a->virtual_ip, is);
	standby_role_changed(g);
}

static void do_learnt(struct gateway *g, struct standby *s, const struct hsrp_action *a)
{
	char text[ADDR_STR_MAX];

	log_debug(DEBUG_HSRP_EVENTS, "%s Grp %u learnt virtual address %s", s->interface, s->number,
		  addr_format(&a->virtual_ip, text, sizeof(text)));
	if (s->raised)
		standby_raise(g, s, &a->virtual_ip);
}

void standby_act(struct gateway *g, struct standby *s, const struct hsrp_actions *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		switch (a->list[i].kind) {
		case HSRP_DO_SEND: do_send(s, &a->list[i]); break;
		case HSRP_DO_ARP: do_arp(s, &a->list[i]); break;
		case HSRP_DO_STATE: do_state(g, s, &a->list[i]); break;
		case HSRP_DO_LEARNT: do_learnt(g, s, &a->list[i]); break;
		case HSRP_DO_CLAIM: standby_claim_asked(s, a->list[i].preempt); break;
		case HSRP_DO_ASK: standby_ask(g, s, &a->list[i].peer); break;
		case HSRP_DO_HEARING: standby_hearing_told(g, s, &a->list[i]); break;
		}
	}
}

// ---- frames from the ports -------------------------------------------------------------------
static void hello_in(struct gateway *g, struct standby *s, const struct hsrp_frame *f)
{
	const struct hsrp_packet p = {
		.src = f->sender, .ttl = f->ttl, .data = f->payload, .len = f->len};
	struct hsrp_actions a = {0};
	char text[ADDR_STR_MAX];

	enum hsrp_rx r = hsrp_group_receive(s->group, &p, standby_now(), &a);
	if (r < HSRP_RX_ERRORS && r != HSRP_RX_OK)
		log_debug(DEBUG_HSRP_ERRORS, "%s Grp %u from %s refused: %s", s->interface,
			  s->number, addr_format(&f->sender, text, sizeof(text)), hsrp_rx_name(r));
	else
		log_debug(DEBUG_HSRP_PACKETS, "%s Grp %u in %s (%s)", s->interface, s->number,
			  addr_format(&f->sender, text, sizeof(text)), hsrp_rx_name(r));
	standby_act(g, s, &a);
	standby_rearm(g);
}

// Undecodable messages are counted with the groups of the port, so that `show standby` has them.
static bool hello_frame(struct gateway *g, uint32_t port, const struct hsrp_frame *f)
{
	uint16_t number;
	uint8_t family;
	bool any = false;
	enum hsrp_rx r = f->kind == HSRP_FRAME_HELLO
				 ? hsrp_packet_group(f->payload, f->len, &number, &family)
				 : HSRP_RX_TRUNCATED;
	struct standby *s, *to = NULL;

	TAILQ_FOREACH (s, &standby_all, link) {
		if (s->port != port || !s->group)
			continue;
		any = true;
		if (r == HSRP_RX_OK && s->number == number)
			to = s;
	}
	if (!any)
		return false;  // other HSRP speakers are the host's business
	if (to) {
		hello_in(g, to, f);
	} else if (r == HSRP_RX_IGNORED) {
		standby_counters.adverts++;
		standby_counters.advert_from = f->sender;
	} else if (r == HSRP_RX_OK) {
		standby_counters.no_group++;
	} else {
		standby_counters.bad++;
	}
	return true;
}

static bool is_virtual(const struct standby *s, const struct ip_addr *a)
{
	for (unsigned i = 0; i < s->virtual_count; i++)
		if (addr_equal(&s->virtual[i].addr, a))
			return true;
	return false;
}

// An ARP request or a neighbour solicitation: true when it was about an address of ours.
static bool address_asked(uint32_t port, const struct hsrp_frame *f)
{
	uint8_t frame[HSRP_FRAME_MAX];
	struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		if (s->port != port || !s->raised || !is_virtual(s, &f->target))
			continue;
		// An announcement of the other active router is no question (RFC 5227 1.1).
		if (addr_equal(&f->sender, &f->target))
			return true;
		s->arp_answers++;
		frame_out(s, frame,
			  f->kind == HSRP_FRAME_NS
				  ? hsrp_frame_na(frame, sizeof(frame), s->mac, &f->target,
						  f->sender_mac, &f->sender)
				  : hsrp_frame_arp(frame, sizeof(frame), true, s->mac, &f->target,
						   f->sender_mac, &f->sender));
		return true;
	}
	return false;
}

bool standby_frame(struct gateway *g, uint32_t port, const uint8_t *frame, size_t len)
{
	struct hsrp_frame f;

	if (TAILQ_EMPTY(&standby_all))
		return false;
	hsrp_frame_parse(frame, len, &f);
	switch (f.kind) {
	case HSRP_FRAME_HELLO:
	case HSRP_FRAME_BAD: return hello_frame(g, port, &f);
	case HSRP_FRAME_NS:
	case HSRP_FRAME_ARP_REQUEST: return address_asked(port, &f);
	case HSRP_FRAME_NA:
	case HSRP_FRAME_ARP_REPLY: standby_answered(g, port, &f.target, &f.sender); return false;
	default: return false;
	}
}

// The kernel has the virtual IPv6 addresses too and speaks of them with the port's own MAC.
void standby_host_frame(uint32_t port, uint8_t *frame, size_t len)
{
	const struct standby *s;

	TAILQ_FOREACH (s, &standby_all, link) {
		if (s->port != port || !s->raised)
			continue;
		for (unsigned i = 0; i < s->virtual_count; i++)
			if (s->virtual[i].addr.family == 6 &&
			    hsrp_frame_nd_mend(frame, len, &s->virtual[i].addr, s->mac))
				return;
	}
}
