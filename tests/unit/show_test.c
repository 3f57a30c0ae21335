// The crypto and interface displays on a fixed state, text and JSON, against tests/golden/show.
// GOLDEN_UPDATE=1 in the environment writes the expected files anew.
//
// Two of the stand-ins' answers come in several slices, so that a display that loses its place
// between slices is noticed.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "show_crypto_bed.h"

static void golden(const char *line, const char *name, bool json)
{
	show_golden(crypto_bed.config, line, name, json);
}

static void test_ipsec_sa(void **state)
{
	golden("show crypto ipsec sa", "ipsec-sa.txt", false);
	golden("show crypto ipsec sa", "ipsec-sa.json", true);
	golden("show crypto ipsec sa peer 6.6.25.2 detail", "ipsec-sa-peer-detail.txt", false);
	golden("show crypto ipsec sa address", "ipsec-sa-address.txt", false);
	golden("show crypto ipsec sa identity", "ipsec-sa-identity.txt", false);
	golden("show crypto ipsec sa map OTHER", "ipsec-sa-other-map.json", true);
}

static void test_session(void **state)
{
	golden("show crypto session", "session.txt", false);
	golden("show crypto session detail", "session-detail.txt", false);
	golden("show crypto session brief", "session-brief.txt", false);
	golden("show crypto session", "session.json", true);
}

// SAs that another box serves: the displays ask the data plane, they do not assume.
static void test_standby(void **state)
{
	crypto_bed.standby = true;
	golden("show crypto ipsec sa peer 6.6.25.2", "ipsec-sa-standby.json", true);
	golden("show crypto ipsec sa peer 6.6.25.2", "ipsec-sa-standby.txt", false);
	golden("show crypto session brief", "session-standby.txt", false);
	crypto_bed.standby = false;
}

// `active` and `standby` are about redundancy groups: what no other box knows is neither.
static void test_replicated(void **state)
{
	static const char *const lines[] = {
		"show crypto session active",   "show crypto session standby",
		"show crypto isakmp sa active", "show crypto isakmp sa standby",
		"show crypto ipsec sa active",  "show crypto ipsec sa standby"};

	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		golden(lines[i], i < 2 ? "none-sessions.json" : "none-sas.json", true);
	for (int i = 0; i < 2; i++)
		crypto_bed.ike_sas[i].replicated = crypto_bed.children[i].replicated = true;
	golden(lines[0], "session-active.json", true);
	golden(lines[1], "none-sessions.json", true);
	golden(lines[2], "isakmp-sa-active.json", true);
	golden(lines[5], "none-sas.json", true);
	crypto_bed.standby = true;
	for (int i = 0; i < 2; i++)
		crypto_bed.ike_sas[i].standby = true;
	golden(lines[0], "none-sessions.json", true);
	golden(lines[1], "session-standby.json", true);
	golden(lines[2], "none-sas.json", true);
	golden(lines[3], "isakmp-sa-standby.json", true);
	golden(lines[4], "none-sas.json", true);
	crypto_bed.standby = false;
	for (int i = 0; i < 2; i++)
		crypto_bed.ike_sas[i].standby = crypto_bed.ike_sas[i].replicated =
			crypto_bed.children[i].replicated = false;
}

static void test_configured(void **state)
{
	golden("show crypto map", "map.json", true);
	golden("show crypto map", "map.txt", false);
	golden("show crypto ipsec transform-set", "transform-set.json", true);
	golden("show crypto isakmp policy", "isakmp-policy.json", true);
}

static void test_dynamic(void **state)
{
	crypto_bed.child_count = 3;
	crypto_bed.all.instance_count = 1;
	golden("show crypto dynamic-map", "dynamic-map.txt", false);
	golden("show crypto dynamic-map tag DYN", "dynamic-map.json", true);
	golden("show crypto map tag DYNMAP", "dynamic-instances.txt", false);
	golden("show crypto map tag DYNMAP", "dynamic-instances.json", true);
	golden("show crypto ipsec sa map DYNMAP", "dynamic-ipsec-sa.txt", false);
	golden("show crypto ipsec sa peer 6.6.27.9", "dynamic-ipsec-sa.json", true);
	golden("show crypto session detail", "dynamic-session.txt", false);
	golden("show crypto session", "dynamic-session.json", true);
	crypto_bed.child_count = 2;
	crypto_bed.all.instance_count = 0;
}

static void test_isakmp(void **state)
{
	golden("show crypto isakmp sa", "isakmp-sa.txt", false);
	golden("show crypto isakmp sa detail", "isakmp-sa-detail.txt", false);
	golden("show crypto isakmp sa", "isakmp-sa.json", true);
	golden("show crypto isakmp stats", "isakmp-stats.json", true);
}

static void test_interfaces(void **state)
{
	golden("show interfaces", "interfaces.txt", false);
	golden("show interfaces", "interfaces.json", true);
	golden("show ip interface brief", "ip-interface-brief.txt", false);
}

// A commit between two slices frees what the display walks: it ends there.
static void test_commit_in_between(void **state)
{
	static struct cli cli;
	struct cli_args args = {.count = 4, .word = {"show", "crypto", "ipsec", "sa"}};
	const struct cli_cmd *row = show_row("show crypto ipsec sa");
	cli.running = crypto_bed.config;
	crypto_bed.all.count = CRYPTO_BED_TUNNELS;
	assert_int_equal(row->fn(&cli, &args), CLI_MORE);
	gateway.tunnels = NULL;
	gateway.tunnels_generation++;
	assert_int_equal(row->fn(&cli, &args), CLI_DONE);
	cli.release(cli.state);
	gateway.tunnels = &crypto_bed.all;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipsec_sa),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_standby),
		cmocka_unit_test(test_replicated),
		cmocka_unit_test(test_configured),
		cmocka_unit_test(test_dynamic),
		cmocka_unit_test(test_isakmp),
		cmocka_unit_test(test_interfaces),
		cmocka_unit_test(test_commit_in_between),
	};
	crypto_bed.all.count = 3;  // the goldens stay readable; the last test uses all of them
	return cmocka_run_group_tests(tests, crypto_bed_setup, crypto_bed_teardown);
}
