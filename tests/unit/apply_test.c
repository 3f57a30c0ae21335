// What the commit hooks check before anything is touched, and the kernel names of interfaces.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway.h"

struct gateway gateway;

static struct interface_config *add(struct config *c, const char *name, enum if_device device,
				    const char *arg)
{
	struct interface_config *i = arena_alloc(c->arena, sizeof(*i));
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->device = device;
	i->device_arg = arg;
	TAILQ_INIT(&i->secondary);
	TAILQ_INSERT_TAIL(&c->interfaces, i, link);
	return i;
}

static void test_kernel_names(void **state)
{
	static const char *const names[][2] = {
		{"GigabitEthernet0/1", "gi0-1"},
		{"TenGigabitEthernet1/0/12", "te1-0-12"},
		{"FastEthernet0/0.100", "fa0-0-100"},
		{"Serial1/0:0", "se1-0-0"},
		{"Loopback0", "lo0"},
		{"GigabitEthernet1000/1000/1000/1000", "gi1000-1000-100"},
	};
	char buf[16];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		interface_host_name(names[i][0], buf, sizeof(buf));
		assert_string_equal(buf, names[i][1]);
	}
}

static void test_devices(void **state)
{
	struct config *c = config_create();
	struct err err = {0};
	add(c, "GigabitEthernet0/0", IF_DEV_VDEV, "net_af_packet0,iface=a");
	struct interface_config *b =
		add(c, "GigabitEthernet0/1", IF_DEV_VDEV, "net_af_packet1,iface=b");
	add(c, "GigabitEthernet0/2", IF_DEV_NONE, NULL);
	assert_int_equal(interface_validate(c, &err), 0);
	b->device_arg = "net_af_packet0,iface=a";
	assert_true(interface_validate(c, &err) < 0);
	assert_non_null(strstr(err.msg, "GigabitEthernet0/0"));
	assert_non_null(strstr(err.msg, "GigabitEthernet0/1"));
	b->device_arg = "net_af_packet1,iface=b";
	add(c, "GigabitEthernet0:1", IF_DEV_PCI, "0000:03:00.0");
	assert_true(interface_validate(c, &err) < 0);
	assert_non_null(strstr(err.msg, "gi0-1"));
	config_destroy(c);
}

static void test_workers_and_cores(void **state)
{
	static const struct {
		uint16_t workers;
		const char *cores;
		bool good;
	} cases[] = {
		{1, NULL, true},   {16, NULL, true},   {17, NULL, false},  {2, "1,2", true},
		{3, "1-3", true},  {3, "1,3-4", true}, {3, "1,2", false},  {1, "x", false},
		{1, "3-1", false}, {1, "1;2", false},  {1, "5000", false}, {2, "1,1", false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = config_create();
		struct err err = {0};
		c->dataplane.workers = cases[i].workers;
		c->dataplane.cores = cases[i].cores;
		bool good = dataplane_validate(c, &err) == 0;
		if (good != cases[i].good)
			fail_msg("case %zu: %s", i, err.msg);
		config_destroy(c);
	}
}

static void test_routes(void **state)
{
	struct config *c = config_create();
	struct err err = {0};
	struct static_route *r = arena_alloc(c->arena, sizeof(*r));
	prefix_parse("10.0.0.0/8", &r->dst);
	addr_parse("192.0.2.1", &r->next_hop);
	TAILQ_INSERT_TAIL(&c->routes, r, link);
	assert_int_equal(route_validate(c, &err), 0);
	addr_parse("2001:db8::1", &r->next_hop);
	assert_true(route_validate(c, &err) < 0);
	assert_non_null(strstr(err.msg, "10.0.0.0/8"));
	config_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_names),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_workers_and_cores),
		cmocka_unit_test(test_routes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
