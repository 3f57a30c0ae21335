// The kernel mirror against a real kernel, in a network namespace of its own, with a data plane
// that only remembers what it was told. Skipped without the right to make a namespace.

#include "kernel.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"

// ---- fake data plane -------------------------------------------------------------------------
#define ROUTES 64
static struct dp_route routes[ROUTES];
static unsigned route_count, sets;
static struct {
	uint32_t port;
	struct ip_addr addr;
	uint8_t mac[6];
	bool valid;
} neigh;

static int route_index(const struct ip_prefix *p)
{
	for (unsigned i = 0; i < route_count; i++)
		if (prefix_equal(&routes[i].dst, p))
			return (int)i;
	return -1;
}

static int fake_route_set(const struct dp_route *r, struct err *err)
{
	int i = route_index(&r->dst);
	sets++;
	if (i < 0 && route_count == ROUTES)
		return err_set(err, -1, "full");
	routes[i < 0 ? (int)route_count++ : i] = *r;
	return 0;
}

static int fake_route_del(const struct ip_prefix *p)
{
	int i = route_index(p);
	if (i >= 0)
		routes[i] = routes[--route_count];
	return 0;
}

static int fake_neigh_set(uint32_t port, const struct ip_addr *addr, const uint8_t mac[6],
			  bool valid)
{
	neigh.port = port;
	neigh.addr = *addr;
	memcpy(neigh.mac, mac, 6);
	neigh.valid = valid;
	return 0;
}

static uint32_t fake_port_of(const char *ifname)
{
	return strcmp(ifname, "gi0-1") == 0 ? 1 : 0;
}

// ---- harness ---------------------------------------------------------------------------------
static struct loop *loop;
static struct kernel *kernel;

static void turns(int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(loop_turn(loop, 10), 0);
}

static const struct dp_route *route(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(prefix_parse(text, &p), 0);
	int i = route_index(&p);
	return i < 0 ? NULL : &routes[i];
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static int setup(void **state)
{
	struct err err = {0};
	const struct kernel_ops ops = {.route_set = fake_route_set,
				       .route_del = fake_route_del,
				       .neigh_set = fake_neigh_set,
				       .port_of = fake_port_of};
	if (unshare(CLONE_NEWNET))
		return 0;
	if (system("ip link set lo up && ip link add gi0-1 type veth peer name far && "
		   "ip link set far up && ip link set gi0-1 up && "
		   "ip addr add 192.0.2.1/24 dev far && ip route add 203.0.113.0/24 via 192.0.2.9"))
		return -1;
	loop = loop_create(&err);
	assert_non_null(loop);
	kernel = kernel_create(loop, &ops, &err);
	assert_non_null(kernel);
	struct kernel_stats st = {0};
	for (int i = 0; i < 100 && !st.synced; i++) {
		turns(1);
		kernel_get_stats(kernel, &st);
	}
	assert_true(st.synced);
	return 0;
}

static int teardown(void **state)
{
	if (kernel)
		kernel_destroy(kernel);
	if (loop)
		loop_destroy(loop);
	return 0;
}

#define NEED_KERNEL()           \
	do {                    \
		if (!kernel)    \
			skip(); \
	} while (0)

static void test_nothing_before_feed(void **state)
{
	NEED_KERNEL();
	turns(5);
	assert_int_equal(sets, 0);
	kernel_feed(kernel, true);
	turns(40);
	assert_non_null(route("192.0.2.1/32"));
	assert_int_equal(route("192.0.2.1/32")->kind, DP_ROUTE_LOCAL);
	assert_int_equal(route("203.0.113.0/24")->kind, DP_ROUTE_HOST);
}

static void test_address_and_routes(void **state)
{
	NEED_KERNEL();
	struct err err = {0};
	bool ours = false;
	struct ip_prefix a = prefix("198.51.100.1/24");
	assert_int_equal(kernel_addr_add(kernel, "gi0-1", &a, &ours, &err), 0);
	assert_true(ours);
	assert_int_equal(kernel_addr_add(kernel, "gi0-1", &a, &ours, &err), 0);
	assert_false(ours);
	turns(10);
	assert_int_equal(route("198.51.100.1/32")->kind, DP_ROUTE_LOCAL);
	assert_int_equal(route("198.51.100.1/32")->port, 1);
	assert_int_equal(route("198.51.100.0/24")->kind, DP_ROUTE_FORWARD);
	assert_int_equal(route("198.51.100.0/24")->port, 1);
	assert_false(addr_is_set(&route("198.51.100.0/24")->gateway));

	struct kernel_route_spec s = {.dst = prefix("0.0.0.0/0"),
				      .gateway = prefix("198.51.100.9/32").addr,
				      .proto = KERNEL_PROTO_STATIC,
				      .metric = 1};
	assert_int_equal(kernel_route_add(kernel, &s, &err), 0);
	assert_int_equal(kernel_route_add(kernel, &s, &err), 0);  // there already is no error
	turns(10);
	assert_int_equal(route("0.0.0.0/0")->kind, DP_ROUTE_FORWARD);
	assert_true(addr_equal(&route("0.0.0.0/0")->gateway, &s.gateway));

	// the better metric wins, and the other comes back
	struct kernel_route_spec worse = s;
	worse.metric = 200;
	worse.blackhole = true;
	assert_int_equal(kernel_route_add(kernel, &worse, &err), 0);
	turns(10);
	assert_int_equal(route("0.0.0.0/0")->kind, DP_ROUTE_FORWARD);
	assert_int_equal(kernel_route_del(kernel, &s, &err), 0);
	turns(10);
	assert_int_equal(route("0.0.0.0/0")->kind, DP_ROUTE_DROP);
	assert_int_equal(kernel_route_del(kernel, &worse, &err), 0);
	assert_int_equal(kernel_route_del(kernel, &worse, &err), 0);  // gone already is no error
	turns(10);
	assert_null(route("0.0.0.0/0"));
}

// FRR's copy of a reverse route may name the next hop that other routers are told: ours counts.
static void test_reverse_route(void **state)
{
	NEED_KERNEL();
	struct err err = {0};
	struct ip_addr told = prefix("192.0.2.99/32").addr;
	struct kernel_route_spec s = {.dst = prefix("10.54.0.0/16"),
				      .gateway = prefix("198.51.100.9/32").addr,
				      .interface = "gi0-1",
				      .proto = KERNEL_PROTO_RRI,
				      .metric = 1000};
	assert_int_equal(kernel_route_add(kernel, &s, &err), 0);
	assert_int_equal(system("ip route add 10.54.0.0/16 via 192.0.2.99 dev gi0-1 onlink proto "
				"196 metric 20 && "
				"ip route add 10.54.0.0/16 via 198.51.100.8 proto ospf metric 30"),
			 0);
	turns(10);
	assert_true(addr_equal(&route("10.54.0.0/16")->gateway, &s.gateway));
	assert_int_equal(kernel_route_del(kernel, &s, &err), 0);
	turns(10);
	assert_true(addr_equal(&route("10.54.0.0/16")->gateway, &told));
	assert_int_equal(system("ip route del 10.54.0.0/16 metric 20 && "
				"ip route del 10.54.0.0/16 metric 30"),
			 0);

	assert_int_equal(kernel_neigh_fix(kernel, "gi0-1", &told, true, &err), 0);
	assert_int_equal(kernel_neigh_fix(kernel, "gi0-1", &told, true, &err), 0);
	turns(5);
	assert_true(neigh.valid);
	assert_true(addr_equal(&neigh.addr, &told));
	assert_int_equal(
		system("ip neigh show 192.0.2.99 dev gi0-1 nud permanent | grep -q lladdr"), 0);
	assert_int_equal(kernel_neigh_fix(kernel, "gi0-1", &told, false, &err), 0);
	turns(5);
	assert_false(neigh.valid);
	assert_true(kernel_neigh_fix(kernel, "gi9-9", &told, true, &err) < 0);
}

// An IPv4 network behind a peer that is reached by IPv6.
static void test_next_hop_of_other_family(void **state)
{
	NEED_KERNEL();
	struct err err = {0};
	const struct kernel_route_spec s = {.dst = prefix("10.66.0.0/16"),
					    .gateway = prefix("fe80::7/128").addr,
					    .interface = "gi0-1",
					    .proto = KERNEL_PROTO_RRI,
					    .metric = 7};
	assert_int_equal(kernel_route_add(kernel, &s, &err), 0);
	turns(10);
	assert_int_equal(route("10.66.0.0/16")->kind, DP_ROUTE_FORWARD);
	assert_true(addr_equal(&route("10.66.0.0/16")->gateway, &s.gateway));
	assert_int_equal(system("ip route show 10.66.0.0/16 | grep -q 'via inet6 fe80::7'"), 0);
	assert_int_equal(kernel_route_del(kernel, &s, &err), 0);
	turns(10);
	assert_int_not_equal(system("ip route show 10.66.0.0/16 | grep -q ."), 0);
}

static void test_unreachable_next_hop(void **state)
{
	NEED_KERNEL();
	struct err err = {0};
	struct kernel_route_spec s = {.dst = prefix("10.0.0.0/8"),
				      .gateway = prefix("172.16.0.1/32").addr,
				      .proto = KERNEL_PROTO_STATIC,
				      .metric = 1};
	assert_true(kernel_route_add(kernel, &s, &err) < 0);
	assert_non_null(strstr(err.msg, "10.0.0.0/8"));
}

static void test_neighbour(void **state)
{
	NEED_KERNEL();
	assert_int_equal(system("ip neigh replace 198.51.100.7 lladdr 02:00:00:00:00:07 dev gi0-1"),
			 0);
	turns(5);
	struct ip_addr want = prefix("198.51.100.7/32").addr;
	assert_true(neigh.valid);
	assert_int_equal(neigh.port, 1);
	assert_true(addr_equal(&neigh.addr, &want));
	assert_int_equal(neigh.mac[5], 7);
	assert_int_equal(system("ip neigh replace 198.51.100.7 lladdr 02:00:00:00:00:08 dev gi0-1"),
			 0);
	turns(5);
	assert_int_equal(neigh.mac[5], 8);
	assert_int_equal(system("ip neigh del 198.51.100.7 dev gi0-1"), 0);
	turns(5);
	assert_false(neigh.valid);
}

static void test_resolve_asks(void **state)
{
	NEED_KERNEL();
	struct ip_addr a = prefix("198.51.100.33/32").addr;
	kernel_resolve(kernel, 1, &a);
	assert_int_equal(system("ip neigh show 198.51.100.33 | grep -q ."), 0);
}

// The kernel drops IPv4 routes of a link that goes down without naming them.
static void test_link_down(void **state)
{
	NEED_KERNEL();
	assert_int_equal(system("ip route add 100.64.0.0/10 via 198.51.100.9"), 0);
	turns(10);
	assert_int_equal(route("100.64.0.0/10")->kind, DP_ROUTE_FORWARD);
	assert_int_equal(system("ip link set gi0-1 down"), 0);
	turns(30);
	assert_null(route("100.64.0.0/10"));
	struct kernel_link l;
	assert_true(kernel_link_by_name(kernel, "gi0-1", &l));
	assert_false(l.admin_up);
	assert_int_equal(system("ip link set gi0-1 up"), 0);
	turns(30);
	assert_non_null(route("198.51.100.0/24"));
}

static void test_sweep(void **state)
{
	NEED_KERNEL();
	struct err err = {0};
	assert_int_equal(system("ip route add 10.55.0.0/16 via 198.51.100.9 proto 214 metric 5 && "
				"ip route add 10.56.0.0/16 via 198.51.100.9 proto static"),
			 0);
	assert_int_equal(kernel_route_sweep(kernel, KERNEL_PROTO_STATIC, &err), 0);
	turns(10);
	assert_null(route("10.55.0.0/16"));
	assert_non_null(route("10.56.0.0/16"));
	assert_int_equal(system("ip addr add 10.57.0.1/32 dev lo label lo:tandem && "
				"ip addr add 10.58.0.1/32 dev lo"),
			 0);
	assert_int_equal(kernel_addr_sweep(kernel, &err), 0);
	turns(10);
	assert_null(route("10.57.0.1/32"));
	assert_non_null(route("10.58.0.1/32"));
}

static unsigned mirrored_under(const char *text)
{
	static struct kernel_route out[256];
	struct ip_prefix outer = prefix(text);
	uint64_t cursor = 0;
	unsigned found = 0;
	size_t n;

	while ((n = kernel_routes_read(kernel, &cursor, out, 256)))
		for (size_t i = 0; i < n; i++)
			found += prefix_covers(&outer, &out[i].dst);
	return found;
}

// A turn reads for a limited time: how many it takes is the machine's.
static void mirrored_is(const char *text, unsigned n)
{
	for (int i = 0; i < 500 && mirrored_under(text) != n; i++)
		turns(1);
	assert_int_equal(mirrored_under(text), n);
}

static void test_many_routes(void **state)
{
	NEED_KERNEL();
	assert_int_equal(system("for i in $(seq 1 250); do for j in 1 2 3 4; do "
				"echo route add 172.16.$i.$((j*16))/28 dev gi0-1; done; done"
				" | ip -batch -"),
			 0);
	mirrored_is("172.16.0.0/16", 1000);
	assert_int_equal(system("ip route flush root 172.16.0.0/16"), 0);
	mirrored_is("172.16.0.0/16", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_before_feed),
		cmocka_unit_test(test_address_and_routes),
		cmocka_unit_test(test_reverse_route),
		cmocka_unit_test(test_next_hop_of_other_family),
		cmocka_unit_test(test_unreachable_next_hop),
		cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_resolve_asks),
		cmocka_unit_test(test_link_down),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_many_routes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
