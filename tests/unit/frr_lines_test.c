// Routing lines in FRR's words, and the commands from one configuration to the next.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "frr_conf.h"
#include "frr_vty.h"

static bool kernel_if(void *ctx, const char *word, char buf[16])
{
	if (strcmp(word, "GigabitEthernet0/1") != 0)
		return false;
	memcpy(buf, "gi0-1", 6);
	return true;
}

static void test_lines(void **state)
{
	static const struct {
		const char *header, *line, *out;  // NULL = left out, "!" = not handed over
	} cases[] = {
		{"router ospf", "network 10.0.0.0 0.0.0.255 area 0", "network 10.0.0.0/24 area 0"},
		{"router ospf", " network 10.0.0.5 0.0.0.0 area 1", "network 10.0.0.5/32 area 1"},
		{"router ospf", "no network 10.0.0.0 0.255.255.255 area 0",
		 "no network 10.0.0.0/8 area 0"},
		{"router ospf", "network 10.0.0.0/24 area 0", "network 10.0.0.0/24 area 0"},
		{"router ospf", "redistribute static subnets route-map R",
		 "redistribute static route-map R"},
		{"router ospf", "passive-interface GigabitEthernet0/1", "passive-interface gi0-1"},
		{"router ospf", "passive-interface GigabitEthernet0/9",
		 "passive-interface GigabitEthernet0/9"},
		{"router eigrp 100", "network 192.168.1.0", "network 192.168.1.0/24"},
		{"router eigrp 100", "network 10.0.0.0", "network 10.0.0.0/8"},
		{"router eigrp 100", "network 10.1.0.0 0.0.255.255", "network 10.1.0.0/16"},
		{"router eigrp 100", "no auto-summary", NULL},
		{"router bgp 1", "network 10.0.0.0 mask 255.0.0.0",
		 "network 10.0.0.0 mask 255.0.0.0"},
		{"router bgp 1", "no synchronization", NULL},
		{"router bgp 1", "! a remark", NULL},
		{"router bgp 1", "end", "!"},
		{"router bgp 1", "do show version", "!"},
		{"router bgp 1", "exit-address-family", "exit-address-family"},
		{"interface gi0-1", "ip ospf 1 area 0", "ip ospf area 0"},
		{"interface gi0-1", "ip ospf hello-interval 1", "ip ospf hello-interval 1"},
	};
	char out[FRR_LINE_MAX];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = frr_line_translate(cases[i].header, cases[i].line, kernel_if, NULL, out);
		if (!cases[i].out)
			assert_int_equal(rc, 0);
		else if (strcmp(cases[i].out, "!") == 0)
			assert_int_equal(rc, -1);
		else
			assert_string_equal(out, cases[i].out);
	}
	assert_int_equal(frr_header_translate("router ospf 1", NULL, NULL, out), 1);
	assert_string_equal(out, "router ospf");
	frr_header_translate("router eigrp 100", NULL, NULL, out);
	assert_string_equal(out, "router eigrp 100");
	frr_header_translate("route-map X", NULL, NULL, out);
	assert_string_equal(out, "route-map X permit 10");
	frr_header_translate("route-map X deny 20", NULL, NULL, out);
	assert_string_equal(out, "route-map X deny 20");
}

static char script[4096];

static void emit(void *ctx, const char *command, uint32_t id, unsigned flags)
{
	size_t at = strlen(script);
	snprintf(script + at, sizeof(script) - at, "%s%s\n", flags & FRR_BODY ? " " : "", command);
}

static void bad_line(void *ctx, unsigned line, unsigned column, const char *text, const char *why)
{
	fail_msg("line %u: %s: %s", line, text, why);
}

static struct frr_conf *conf(const char *text)
{
	struct config *c = config_create();
	unsigned errors = 0;
	assert_int_equal(config_load_text(c, text, bad_line, NULL, &errors), 0);
	struct frr_conf *f = frr_conf_from(c, kernel_if, NULL);
	config_destroy(c);
	assert_non_null(f);
	return f;
}

static void way(const char *from, const char *to, bool everything, const char *expected)
{
	struct frr_conf *a = from ? conf(from) : NULL, *b = conf(to);
	script[0] = '\0';
	frr_conf_script(a, b, everything, emit, NULL);
	assert_string_equal(script, expected);
	frr_conf_free(a);
	frr_conf_free(b);
}

#define BACK "end\nconfigure terminal\n"

static void test_script(void **state)
{
	// what is named stands before who names it, and goes after it
	way(NULL,
	    "router ospf 1\n redistribute static route-map X\n"
	    "route-map X permit 10\n match ip address prefix-list P\n"
	    "ip prefix-list P seq 5 permit 10.0.0.0/8\n",
	    true,
	    "ip prefix-list P seq 5 permit 10.0.0.0/8\n" BACK
	    "route-map X permit 10\n match ip address prefix-list P\n" BACK
	    "router ospf\n redistribute static route-map X\n" BACK);
	way("router ospf 1\n redistribute static route-map X\n"
	    "route-map X permit 10\n match ip address prefix-list P\n"
	    "ip prefix-list P seq 5 permit 10.0.0.0/8\n",
	    "", false,
	    "no router ospf\nno route-map X permit 10\n"
	    "no ip prefix-list P seq 5 permit 10.0.0.0/8\n");
	// what stays is not touched
	way("router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n",
	    "router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n", false, "");
	// a line less, a block less
	way("router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n redistribute static\n"
	    "route-map X permit 10\n match tag 7\n",
	    "router ospf 1\n network 10.0.0.0 0.0.0.255 area 0\n", false,
	    "router ospf\n no redistribute static\n" BACK "no route-map X permit 10\n"
	    "router ospf\n network 10.0.0.0/24 area 0\n" BACK);
	// below an address family
	way("router bgp 1\n bgp ebgp-requires-policy\n address-family ipv4 unicast\n"
	    "  redistribute static\n exit-address-family\n",
	    "router bgp 1\n bgp ebgp-requires-policy\n address-family ipv4 unicast\n"
	    " exit-address-family\n",
	    false,
	    "router bgp 1\n address-family ipv4 unicast\n no redistribute static\n" BACK
	    "router bgp 1\n bgp ebgp-requires-policy\n address-family ipv4 unicast\n"
	    " end\n configure terminal\n router bgp 1\n" BACK);
	way("interface GigabitEthernet0/1\n ip ospf cost 5\n",
	    "interface GigabitEthernet0/1\n ip address 10.0.0.1 255.0.0.0\n", false,
	    "interface gi0-1\n no ip ospf cost 5\n" BACK);
}

static void test_print(void **state)
{
	struct frr_conf *f = conf("router bgp 65000\n neighbor 10.0.0.1 remote-as 1\n"
				  "ip prefix-list P seq 5 permit 10.0.0.0/8\n");
	char *text = frr_conf_print(f);
	assert_string_equal(text, "ip prefix-list P seq 5 permit 10.0.0.0/8\n"
				  "router bgp 65000\n neighbor 10.0.0.1 remote-as 1\n"
				  " no bgp ebgp-requires-policy\n");
	struct frr_conf *again = frr_conf_parse(text);
	char *second = frr_conf_print(again);
	assert_string_equal(text, second);
	free(text);
	free(second);
	frr_conf_free(f);
	frr_conf_free(again);
}

static int setup(void **state)
{
	struct err err = {0};
	return cli_init(&err);
}
static int teardown(void **state)
{
	cli_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_print),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
