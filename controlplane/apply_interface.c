// Commit hooks for interfaces: data-plane ports, host interfaces, addresses, MTU, up and down.
//
// Each configured interface has an if_state that says what was done for it; applying brings the
// states to what the configuration wants, so it may run again at any time: after a commit, to undo
// one, and when a missing kernel device appears. An interface whose device is missing stays down
// with one sentence; it never fails a commit. Addresses that were there before us are left alone.

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "log.h"

#define MTU_DEFAULT 1500

void interface_host_name(const char *name, char *buf, size_t cap)
{
	size_t n = 0, digits = strcspn(name, "0123456789");
	for (size_t i = 0; i < 2 && i < digits && n + 1 < cap; i++)
		buf[n++] = (char)tolower((unsigned char)name[i]);
	for (const char *p = name + digits; *p && n + 1 < cap; p++)
		buf[n++] = isalnum((unsigned char)*p) ? *p : '-';
	buf[n] = '\0';
}

struct if_state *interface_state(const struct gateway *g, const char *name)
{
	struct if_state *s;
	TAILQ_FOREACH (s, &g->interfaces, link)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

uint32_t interface_port(void *ctx, const char *name)
{
	const struct if_state *s = interface_state(ctx, name);
	return s ? s->port : 0;
}

static bool has_port_device(enum if_device d)
{
	return d == IF_DEV_VDEV || d == IF_DEV_PCI;
}

// The kernel interface behind "net_af_packet0,iface=veth1", or "".
static void device_under(const char *arg, char *buf, size_t cap)
{
	const char *p = arg ? strstr(arg, "iface=") : NULL;
	buf[0] = '\0';
	if (!p || (p != arg && p[-1] != ','))
		return;
	p += strlen("iface=");
	snprintf(buf, cap, "%.*s", (int)strcspn(p, ","), p);
}

int interface_validate(const struct config *c, struct err *err)
{
	const struct interface_config *a, *b;
	char ha[16], hb[16];

	TAILQ_FOREACH (a, &c->interfaces, link) {
		if (a->device == IF_DEV_NONE)
			continue;
		interface_host_name(a->name, ha, sizeof(ha));
		for (b = TAILQ_NEXT(a, link); b; b = TAILQ_NEXT(b, link)) {
			if (b->device == IF_DEV_NONE)
				continue;
			if (a->device == b->device && strcmp(a->device_arg, b->device_arg) == 0)
				return err_set(err, -EINVAL,
					       "Interfaces %s and %s name the same device %s",
					       a->name, b->name, a->device_arg);
			interface_host_name(b->name, hb, sizeof(hb));
			if (has_port_device(a->device) && has_port_device(b->device) &&
			    strcmp(ha, hb) == 0)
				return err_set(
					err, -EINVAL,
					"Interfaces %s and %s would share the kernel name %s",
					a->name, b->name, ha);
		}
	}
	return 0;
}

// ---- ports -----------------------------------------------------------------------------------
static void state_trouble(struct gateway *g, struct if_state *s, const char *text)
{
	if (strcmp(s->trouble, text) != 0) {
		snprintf(s->trouble, sizeof(s->trouble), "%s", text);
		log_event("LINK", LOG_L_ERR, "DEVICE", "Interface %s stays down: %s", s->name,
			  text);
	}
	apply_warn(g, "Interface %s stays down: %s", s->name, text);
}

static void addresses_drop(struct gateway *g, struct if_state *s)
{
	struct err err = {0};
	for (unsigned i = 0; i < s->addr_count; i++)
		if (kernel_addr_del(g->kernel, s->kernel_if, &s->addrs[i], &err))
			log_event("KERNEL", LOG_L_WARNING, "ADDRESS", "%s", err.msg);
	s->addr_count = 0;
}

static void port_close(struct gateway *g, struct if_state *s)
{
	struct err err = {0};
	if (!s->port)
		return;
	if (dp_port_del(s->port, &err))
		log_event("LINK", LOG_L_WARNING, "DEVICE", "Interface %s: %s", s->name, err.msg);
	s->port = 0;
	s->up = false;
	s->addr_count = 0;  // they went with the tap
	kernel_ports_changed(g->kernel);
}

static void state_destroy(struct gateway *g, struct if_state *s)
{
	if (!s->port)
		addresses_drop(g, s);
	port_close(g, s);
	TAILQ_REMOVE(&g->interfaces, s, link);
	free(s);
}

// A second IP stack on the raw device would answer beside us.
static void warn_second_stack(struct gateway *g, const struct if_state *s)
{
	struct kernel_link l;
	if (s->under[0] && kernel_link_by_name(g->kernel, s->under, &l) && l.addresses) {
		log_event("LINK", LOG_L_WARNING, "SECONDSTACK",
			  "%s behind interface %s has an IP address of its own; the kernel will "
			  "answer "
			  "for it beside this gateway",
			  s->under, s->name);
		apply_warn(g, "%s has an IP address in the kernel; remove it", s->under);
	}
}

static void port_open(struct gateway *g, struct if_state *s, const struct interface_config *ifc)
{
	char device[160];
	struct err err = {0};

	if (s->port || !has_port_device(s->device))
		return;
	if (!dp_running()) {
		state_trouble(g, s,
			      g->dp_trouble[0] ? g->dp_trouble : "the data plane does not run");
		return;
	}
	struct kernel_link l;
	if (s->under[0] && !kernel_link_by_name(g->kernel, s->under, &l)) {
		char text[96];
		snprintf(text, sizeof(text), "kernel interface %s does not exist (yet)", s->under);
		state_trouble(g, s, text);
		return;
	}
	snprintf(device, sizeof(device), "%s %s", s->device == IF_DEV_VDEV ? "vdev" : "pci",
		 s->device_arg);
	interface_host_name(s->name, s->kernel_if, sizeof(s->kernel_if));
	struct dp_port_params p = {.name = s->name,
				   .device = device,
				   .host_if = s->kernel_if,
				   .mtu = ifc->mtu ? ifc->mtu : MTU_DEFAULT};
	if (dp_port_add(&p, &s->port, &err)) {
		s->port = 0;
		state_trouble(g, s, err.msg);
		apply_retry_later(g);
		return;
	}
	s->mtu = p.mtu;
	s->trouble[0] = '\0';
	kernel_host_if_prepare(s->kernel_if);
	kernel_ports_changed(g->kernel);
	warn_second_stack(g, s);
}

static struct if_state *state_create(struct gateway *g, const struct interface_config *ifc)
{
	struct if_state *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	snprintf(s->name, sizeof(s->name), "%s", ifc->name);
	s->kind = ifc->kind;
	s->device = ifc->device;
	if (ifc->device_arg)
		snprintf(s->device_arg, sizeof(s->device_arg), "%s", ifc->device_arg);
	if (s->device == IF_DEV_HOST)
		snprintf(s->kernel_if, sizeof(s->kernel_if), "%.15s", s->device_arg);
	else if (s->kind == IF_LOOPBACK)
		snprintf(s->kernel_if, sizeof(s->kernel_if), "lo");
	else if (s->device == IF_DEV_VDEV)
		device_under(s->device_arg, s->under, sizeof(s->under));
	TAILQ_INSERT_TAIL(&g->interfaces, s, link);
	return s;
}

static bool state_fits(const struct if_state *s, const struct interface_config *ifc)
{
	// a port has one MTU for life: its buffers and its tap are made for it
	bool same_mtu = !s->port || s->mtu == (ifc->mtu ? ifc->mtu : MTU_DEFAULT);
	return s->device == ifc->device && same_mtu &&
	       strcmp(s->device_arg, ifc->device_arg ? ifc->device_arg : "") == 0;
}

bool interface_leaves(const struct gateway *g, const struct config *c, const char *name)
{
	const struct interface_config *ifc = config_interface(c, name);
	const struct if_state *s = interface_state(g, name);

	return !ifc || ifc->shutdown || !s || !state_fits(s, ifc);
}

int interface_ports_apply(struct gateway *g, const struct config *c, struct err *err)
{
	struct if_state *s;
	const struct interface_config *ifc;

	for (s = TAILQ_FIRST(&g->interfaces); s;) {
		struct if_state *next = TAILQ_NEXT(s, link);
		ifc = config_interface(c, s->name);
		if (!ifc || !state_fits(s, ifc))
			state_destroy(g, s);
		s = next;
	}
	TAILQ_FOREACH (ifc, &c->interfaces, link) {
		s = interface_state(g, ifc->name);
		if (!s && !(s = state_create(g, ifc)))
			return err_set(err, -ENOMEM, "Not enough memory for interface %s",
				       ifc->name);
		port_open(g, s, ifc);
	}
	return 0;
}

// ---- addresses, MTU, state -------------------------------------------------------------------
static unsigned wanted_addresses(const struct interface_config *ifc, struct ip_prefix *out)
{
	unsigned n = 0;
	if (ifc->addr.addr.family)
		out[n++] = ifc->addr;
	const struct config_string *t;
	TAILQ_FOREACH (t, &ifc->secondary, link)
		if (n < IF_ADDR_MAX && prefix_parse(t->text, &out[n]) == 0)
			n++;
	return n;
}

static bool address_listed(const struct ip_prefix *list, unsigned n, const struct ip_prefix *p)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].len == p->len && addr_equal(&list[i].addr, &p->addr))
			return true;
	return false;
}

static void addresses_apply(struct gateway *g, struct if_state *s,
			    const struct interface_config *ifc)
{
	struct ip_prefix want[IF_ADDR_MAX];
	unsigned n = wanted_addresses(ifc, want);
	struct err err = {0};

	for (unsigned i = s->addr_count; i-- > 0;) {
		if (address_listed(want, n, &s->addrs[i]))
			continue;
		if (kernel_addr_del(g->kernel, s->kernel_if, &s->addrs[i], &err))
			log_event("KERNEL", LOG_L_WARNING, "ADDRESS", "%s", err.msg);
		s->addrs[i] = s->addrs[--s->addr_count];
	}
	for (unsigned i = 0; i < n; i++) {
		bool ours = false;
		if (address_listed(s->addrs, s->addr_count, &want[i]))
			continue;
		if (kernel_addr_add(g->kernel, s->kernel_if, &want[i], &ours, &err)) {
			state_trouble(g, s, err.msg);
			continue;
		}
		// whatever is on a tap of ours is ours
		if (ours || s->port)
			s->addrs[s->addr_count++] = want[i];
	}
}

static void state_up(struct gateway *g, struct if_state *s, const struct interface_config *ifc)
{
	struct err err = {0};
	bool up = !ifc->shutdown;

	if (has_port_device(s->device) && !s->port)
		return;
	if (!s->kernel_if[0])
		return;  // an interface without a device: kept in the configuration only
	if (has_port_device(s->device)) {
		struct dp_port_info info;
		uint16_t mtu = ifc->mtu ? ifc->mtu : MTU_DEFAULT;
		if (kernel_link_set(g->kernel, s->kernel_if, up, mtu, &err) ||
		    ((dp_port_info(s->port, &info) || info.admin_up != up) &&
		     dp_port_admin(s->port, up, &err))) {
			state_trouble(g, s, err.msg);
			return;
		}
	} else if (s->device == IF_DEV_HOST) {
		// the kernel's own interface: brought up for the address, never taken down by us
		if (up && kernel_link_set(g->kernel, s->kernel_if, true, ifc->mtu, &err)) {
			state_trouble(g, s, err.msg);
			return;
		}
	}
	// the kernel drops IPv6 addresses of a link that goes down: offer all of them again
	if (up && !s->up && s->port)
		s->addr_count = 0;
	s->up = up;
	if (!up && s->device != IF_DEV_VDEV && s->device != IF_DEV_PCI) {
		addresses_drop(g, s);
		return;
	}
	s->trouble[0] = '\0';
	addresses_apply(g, s, ifc);
}

int interface_up_apply(struct gateway *g, const struct config *c, struct err *err)
{
	const struct interface_config *ifc;
	TAILQ_FOREACH (ifc, &c->interfaces, link) {
		struct if_state *s = interface_state(g, ifc->name);
		if (s)
			state_up(g, s, ifc);
	}
	return 0;
}

// ---- devices that come and go ----------------------------------------------------------------
bool interface_retry(struct gateway *g)
{
	const struct config *c = commit_running();
	bool changed = false;
	struct if_state *s;
	struct kernel_link l;

	TAILQ_FOREACH (s, &g->interfaces, link) {
		const struct interface_config *ifc = config_interface(c, s->name);
		if (!ifc || !has_port_device(s->device))
			continue;
		bool there = !s->under[0] || kernel_link_by_name(g->kernel, s->under, &l);
		if (s->port && !there) {
			log_event("LINK", LOG_L_ERR, "DEVICE",
				  "Interface %s is down: kernel interface %s is gone", s->name,
				  s->under);
			port_close(g, s);
			snprintf(s->trouble, sizeof(s->trouble), "kernel interface %s is gone",
				 s->under);
			changed = true;
		} else if (!s->port && there) {
			port_open(g, s, ifc);
			changed |= s->port != 0;
			if (s->port)
				log_event("LINK", LOG_L_NOTICE, "DEVICE",
					  "Interface %s has its device now", s->name);
		}
	}
	return changed;
}

void interface_line(const struct gateway *g, const char *name, bool *line, bool *ip)
{
	const struct if_state *s = interface_state(g, name);
	struct dp_port_info info;
	struct kernel_link l;

	*line = *ip = false;
	if (!s)
		return;
	bool host = s->kernel_if[0] && kernel_link_by_name(g->kernel, s->kernel_if, &l);
	*ip = host && l.addresses > 0;
	if (s->kind == IF_LOOPBACK || s->device == IF_DEV_HOST)
		*line = s->up && host && l.admin_up && (l.carrier || s->kind == IF_LOOPBACK);
	if (!s->port || !dp_running() || dp_port_info(s->port, &info))
		return;
	// What the port says is polled; the kernel interface behind it is known at once.
	*line = info.admin_up && info.link_up &&
		(!s->under[0] ||
		 (kernel_link_by_name(g->kernel, s->under, &l) && l.admin_up && l.carrier));
}

void interface_link_event(struct gateway *g, const struct kernel_link *link, bool gone)
{
	struct if_state *s;
	TAILQ_FOREACH (s, &g->interfaces, link) {
		if (strcmp(s->under, link->name) == 0 && (gone || !s->port))
			apply_retry_soon(g);
		else if (s->device == IF_DEV_HOST && strcmp(s->kernel_if, link->name) == 0) {
			if (gone)
				s->addr_count = 0;
			apply_retry_soon(g);
		}
	}
}
