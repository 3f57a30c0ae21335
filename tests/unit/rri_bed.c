// See rri_bed.h.

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "rri_bed.h"

struct rri_bed rri_bed;

// ---- the world -------------------------------------------------------------------------------
static void route_text(const struct kernel_route_spec *r, char *buf, size_t cap)
{
	char p[PREFIX_STR_MAX], a[ADDR_STR_MAX];
	assert_int_equal(r->proto, KERNEL_PROTO_RRI);
	assert_int_equal(r->metric, RRI_KERNEL_METRIC);
	snprintf(buf, cap, "%s%s%s dev %s", prefix_format(&r->dst, p, sizeof(p)),
		 addr_is_set(&r->gateway) ? " via " : "",
		 addr_is_set(&r->gateway) ? addr_format(&r->gateway, a, sizeof(a)) : "",
		 r->interface);
}

static int route_find(const char *text)
{
	for (unsigned i = 0; i < rri_bed.count; i++)
		if (strcmp(rri_bed.routes[i], text) == 0)
			return (int)i;
	return -1;
}

static int add_op(void *ctx, const struct kernel_route_spec *r, struct err *err)
{
	if (rri_bed.link_down)
		return err_set(err, -ENETDOWN, "down");
	assert_true(rri_bed.count < ROUTES_MAX);
	route_text(r, rri_bed.routes[rri_bed.count], sizeof(rri_bed.routes[0]));
	// the whole list is searched only while it is short
	if (rri_bed.count > 1000 ||
	    route_find(rri_bed.routes[rri_bed.count]) == (int)rri_bed.count ||
	    route_find(rri_bed.routes[rri_bed.count]) < 0)
		rri_bed.count++;
	rri_bed.adds++;
	return 0;
}

static int del_op(void *ctx, const struct kernel_route_spec *r, struct err *err)
{
	char text[80];
	route_text(r, text, sizeof(text));
	int at = route_find(text);
	assert_true(at >= 0);
	memcpy(rri_bed.routes[at], rri_bed.routes[--rri_bed.count], sizeof(rri_bed.routes[0]));
	rri_bed.dels++;
	return 0;
}

// The gateway's own routes: two connected networks, a network behind a router, a default route
// out of the inside interface when the test asks for one.
static bool next_hop_op(void *ctx, const struct ip_addr *dst, struct kernel_next_hop *out)
{
	static const struct {
		const char *prefix, *gateway, *interface;
	} table[] = {
		{"192.168.0.0/24", NULL, "fa0-0"},
		{"192.168.1.0/24", NULL, "fa0-1"},
		{"10.1.1.0/24", "192.168.0.254", "fa0-0"},
		{"10.9.0.0/16", "192.168.1.254", "fa0-1"},
		{"100.64.0.0/10", "192.168.0.254", "fa0-0"},
		{"2001:db8:9::/48", "fe80::9", "fa0-0"},
	};
	*out = (struct kernel_next_hop){0};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_prefix p;
		prefix_parse(table[i].prefix, &p);
		if (!prefix_contains(&p, dst))
			continue;
		if (table[i].gateway)
			addr_parse(table[i].gateway, &out->gateway);
		snprintf(out->interface, sizeof(out->interface), "%s", table[i].interface);
		return true;
	}
	return false;
}

static bool kernel_if_op(void *ctx, const char *interface, char buf[16])
{
	snprintf(buf, 16, "fa0-%c", interface[strlen(interface) - 1]);
	return strncmp(interface, "FastEthernet", 12) == 0;
}

static bool active_op(void *ctx, const char *interface)
{
	return !rri_bed.passive;
}

static void announce_op(void *ctx, const char *line, bool add)
{
	snprintf(rri_bed.lines[rri_bed.line_count++ % 8], 160, "%s%s", add ? "" : "no ", line);
}

static void neighbour_op(void *ctx, const char *kernel_if, const struct ip_addr *addr, bool add)
{
	char a[ADDR_STR_MAX];
	rri_bed.neighbour[0] = '\0';
	rri_bed.neighbours += add;
	if (add)
		snprintf(rri_bed.neighbour, sizeof(rri_bed.neighbour), "%s dev %s",
			 addr_format(addr, a, sizeof(a)), kernel_if);
}

void rri_bed_bad_line(void *ctx, unsigned line, unsigned column, const char *text, const char *why)
{
	fail_msg("line %u: %s: %s", line, text, why);
}

void rri_bed_settle(void)
{
	struct rri_stats s;
	for (int i = 0; i < 20000; i++) {
		rri_get_stats(rri_bed.rri, &s);
		if (s.idle)
			return;
		assert_int_equal(loop_turn(rri_bed.loop, 1), 0);
	}
	fail_msg("the work never ends");
}

// The configuration from text, its tunnels, and what rri makes of them.
void rri_bed_configure(const char *text)
{
	struct config *c = config_create();
	unsigned errors = 0;
	assert_int_equal(config_load_text(c, text, rri_bed_bad_line, NULL, &errors), 0);
	struct tunnels *t = tunnels_build(c, rri_bed.tunnels, NULL, NULL, NULL, NULL);
	assert_non_null(t);
	rri_configure(rri_bed.rri, t);
	tunnels_destroy(rri_bed.tunnels);
	config_destroy(rri_bed.config);
	rri_bed.tunnels = t;
	rri_bed.config = c;
	rri_bed_settle();
}

void rri_bed_notice(enum ike_notice_type type, uint32_t sa, unsigned flow, const char *dst,
		    const char *peer)
{
	struct ike_notice n = {.type = type, .sa_in = sa, .sa_out = sa + 1};
	struct ip_prefix p;
	n.flow = &rri_bed.tunnels->all[flow]->flows[0];
	assert_int_equal(prefix_parse(dst, &p), 0);
	n.sel = n.flow->sel;
	n.sel.dst = p;
	addr_parse(peer, &n.remote);
	rri_notice(rri_bed.rri, &n);
}

void rri_bed_up(uint32_t sa, unsigned flow, const char *dst, const char *peer)
{
	rri_bed_notice(IKE_CHILD_UP, sa, flow, dst, peer);
	rri_bed_settle();
}

void rri_bed_down(uint32_t sa)
{
	const struct ike_notice n = {.type = IKE_CHILD_DOWN, .sa_in = sa, .sa_out = sa + 1};
	rri_notice(rri_bed.rri, &n);
	rri_bed_settle();
}

void rri_bed_routes_are(const char *a, const char *b)
{
	assert_int_equal(rri_bed.count, (a != NULL) + (b != NULL));
	if (a && route_find(a) < 0)
		fail_msg("no route %s, but %s", a, rri_bed.routes[0]);
	if (b && route_find(b) < 0)
		fail_msg("no route %s", b);
}

int rri_bed_setup(void **state)
{
	struct err err = {0};
	rri_bed = (struct rri_bed){.loop = loop_create(&err), .routes = calloc(ROUTES_MAX, 80)};
	const struct rri_env env = {.loop = rri_bed.loop,
				    .route_add = add_op,
				    .route_del = del_op,
				    .next_hop = next_hop_op,
				    .kernel_if = kernel_if_op,
				    .active = active_op,
				    .announce = announce_op,
				    .neighbour = neighbour_op};
	assert_int_equal(cli_init(&err), 0);
	rri_bed.rri = rri_create(&env, &err);
	return rri_bed.rri ? 0 : -1;
}

int rri_bed_teardown(void **state)
{
	rri_destroy(rri_bed.rri);
	assert_int_equal(rri_bed.count, 0);  // whatever the test left
	tunnels_destroy(rri_bed.tunnels);
	config_destroy(rri_bed.config);
	loop_destroy(rri_bed.loop);
	cli_fini();
	free(rri_bed.routes);
	return 0;
}
