// What the redundancy displays and logs are made of: digests that name what differs between the two
// boxes (S9), and the debug lines of every word.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "redundancy.h"

struct gateway gateway;

bool ike_replica_peer(const struct ike *ike, uint64_t id, struct ip_addr *peer)
{
	return addr_parse("6.6.25.2", peer) == 0;
}

bool dp_running(void)
{
	return false;
}
unsigned dp_workers(void)
{
	return 0;
}
int dp_worker_get(unsigned worker, struct dp_worker_stats *out)
{
	return -1;
}
uint64_t dp_checkpoint_packets(unsigned group)
{
	return 0;
}
uint64_t dp_group_sealed(unsigned group)
{
	return 0;
}

// ---- S9 -----------------------------------------------------------------------------------------
static const char base[] = "crypto isakmp policy 10\n encr aes\n"
			   "crypto isakmp key cisco address 6.6.25.2\n"
			   "crypto ipsec transform-set A esp-aes esp-sha-hmac\n"
			   "crypto ipsec transform-set B esp-gcm\n"
			   "ip access-list extended L\n permit ip host 1.1.1.1 host 2.2.2.2\n"
			   "ip access-list extended K\n permit ip host 1.1.1.2 host 2.2.2.2\n"
			   "crypto map M 10 ipsec-isakmp\n set peer 6.6.25.2\n match address L\n"
			   "track 1 interface GigabitEthernet0/1 line-protocol\n"
			   "interface GigabitEthernet0/1\n ip address 6.6.156.10 255.255.255.0\n"
			   " standby 2 ip 6.6.156.100\n standby 2 name HSRP\n"
			   " standby 2 priority 110\n standby 2 track 1\n"
			   " crypto map M redundancy HSRP stateful\n"
			   "redundancy inter-device\n scheme standby HSRP\n";

static void digest_of(const char *more, uint8_t out[32])
{
	struct config *c = config_create();
	unsigned errors = 0;

	assert_int_equal(config_load_text(c, base, NULL, NULL, &errors), 0);
	assert_int_equal(config_load_text(c, more, NULL, NULL, &errors), 0);
	assert_int_equal(errors, 0);
	redundancy_digest(c, out);
	config_destroy(c);
}

static unsigned differing(const char *more)
{
	uint8_t a[32], b[32];
	unsigned bits = 0;

	digest_of("", a);
	digest_of(more, b);
	for (unsigned i = 0; i < REDUNDANCY_SECTIONS; i++)
		bits |= (unsigned)(memcmp(a + 4ul * i, b + 4ul * i, 4) != 0) << i;
	return bits;
}

// ---- many tunnels: in parts
// -----------------------------------------------------------------------
#define MANY 2000

static struct config *many(void)
{
	struct config *c = config_create();
	size_t cap = (size_t)MANY * 512, at = 0;
	char *text = malloc(cap);
	unsigned errors = 0;

	for (unsigned i = 0; i < MANY; i++)
		at += (size_t)snprintf(
			text + at, cap - at,
			"crypto isakmp key k%u address 10.1.%u.%u\n"
			"ip access-list extended L%u\n permit ip host 1.1.%u.%u host "
			"2.2.2.2\n"
			"crypto map M %u ipsec-isakmp\n set peer 10.1.%u.%u\n"
			" match address L%u\n",
			i, i / 250, i % 250 + 1, i, i / 250, i % 250 + 1, i + 20, i / 250,
			i % 250 + 1, i);
	assert_int_equal(config_load_text(c, base, NULL, NULL, &errors), 0);
	assert_int_equal(config_load_text(c, text, NULL, NULL, &errors), 0);
	assert_int_equal(errors, 0);
	free(text);
	return c;
}

static uint64_t lines_sum(const char *text, unsigned *lines)
{
	uint64_t sum = 0;

	for (const char *l = text; *l; l += strcspn(l, "\n") + 1) {
		uint64_t h = 14695981039346656037ull;
		if (*l == '!')
			continue;
		for (const char *p = l; *p != '\n'; p++)
			h = (h ^ (uint8_t)*p) * 1099511628211ull;
		sum += h;  // whatever their order
		++*lines;
	}
	return sum;
}

static void test_parts(void **state)
{
	struct config *c = many();
	struct config_part at = {0};
	char *whole = config_print(c, true), *part;
	unsigned lines = 0, in_parts = 0, parts = 0;
	uint64_t sum = lines_sum(whole, &lines), sum_parts = 0;

	// small ones, so that they end everywhere
	while ((part = config_print_part(c, &at, 700))) {
		assert_true(*part != ' ');  // whole blocks
		sum_parts += lines_sum(part, &in_parts);
		parts++;
		free(part);
	}
	assert_false(at.failed);
	assert_true(parts > MANY / 10);
	assert_int_equal(in_parts, lines);
	assert_true(sum == sum_parts);
	free(whole);
	// the digest takes its time, and sees every part
	struct redundancy_digest d = {.config = c};
	uint8_t out[32], other[32];
	unsigned steps = 1;
	while (redundancy_digest_step(&d))
		steps++;
	assert_true(steps > 3);
	redundancy_digest(c, out);
	assert_memory_equal(out, d.out, sizeof(out));
	assert_int_equal(
		config_load_text(c, "crypto map M 1999\n set pfs group14\n", NULL, NULL, &lines),
		0);
	redundancy_digest(c, other);
	assert_memory_not_equal(out, other, sizeof(out));
	config_destroy(c);
}

static void test_differences(void **state)
{
	static const struct {
		const char *more, *named;
	} cases[] = {
		{"", ""},
		{"crypto isakmp policy 10\n lifetime 1000\n", "isakmp policies"},
		{"crypto isakmp key other address 6.6.25.2\n", "isakmp keys and settings"},
		{"crypto isakmp keepalive 10 3 periodic\n", "isakmp keys and settings"},
		{"crypto ipsec transform-set A esp-aes 256 esp-sha-hmac\n",
		 "transform sets and ipsec settings"},
		{"ip access-list extended L\n permit ip host 1.1.1.1 host 3.3.3.3\n",
		 "access lists"},
		{"crypto map M 10\n set pfs group14\n", "crypto maps"},
		{"crypto map M redundancy replay-interval in 10 out 1000\n", "crypto maps"},
		{"interface GigabitEthernet0/1\n crypto map M redundancy HSRP\n",
		 "crypto maps on interfaces"},
		{"interface GigabitEthernet0/1\n standby 2 ip 6.6.156.101\n", "standby groups"},
		{"redundancy inter-device\n scheme standby OTHER\n",
		 "other crypto and redundancy lines"},
		{"crypto isakmp policy 10\n group 14\nip access-list extended L\n"
		 " permit ip host 1.1.1.1 host 3.3.3.3\n",
		 "isakmp policies, access lists"},
		// what may differ
		{"hostname R11\ninterface GigabitEthernet0/1\n"
		 " ip address 6.6.156.11 255.255.255.0\n standby 2 priority 90\n"
		 " standby 2 preempt\n no standby 2 track 1\n"
		 "ip route 0.0.0.0 0.0.0.0 6.6.156.1\n",
		 ""},
		// the order of blocks
		{"no crypto ipsec transform-set A\nno ip access-list extended L\n"
		 "crypto ipsec transform-set A esp-aes esp-sha-hmac\n"
		 "ip access-list extended L\n permit ip host 1.1.1.1 host 2.2.2.2\n",
		 ""},
	};
	char text[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			redundancy_differing(differing(cases[i].more), text, sizeof(text)),
			cases[i].named);
	// all of them fit
	redundancy_differing(0xff, text, sizeof(text));
	assert_non_null(strstr(text, "other crypto and redundancy lines"));
}

// ---- debug --------------------------------------------------------------------------------------
static char seen[4096];
static unsigned lines;

static void line(void *ctx, enum log_level level, const char *text)
{
	size_t at = strlen(seen);

	lines++;
	snprintf(seen + at, sizeof(seen) - at, "%s\n", text);
}

static void say(const struct ha_word *w, bool out)
{
	seen[0] = '\0';
	if (redundancy_debugging())
		redundancy_debug_word(w, out);
}

static void expect(enum log_debug what, const struct ha_word *w, bool out, const char *text)
{
	say(w, out);
	assert_string_equal(seen, "");  // nothing is on
	log_debug_set(what, true);
	say(w, out);
	log_debug_set(what, false);
	assert_non_null(strstr(seen, text));
	assert_ptr_equal(strchr(seen, '\n'), seen + strlen(seen) - 1);  // one line
}

static void test_debug(void **state)
{
	static const uint8_t secret[8] = "SECRETS";
	struct ha_limit lim = {.id = 9, .lim = 70000};
	struct ha_set set = {.id = 9, .next = 70001, .edge = 12};
	struct ha_role role = {
		.mine = HA_ROLE_ACTIVE, .peers = HA_ROLE_STANDBY, .link = 1, .hot = 1};
	struct ha_hello hello = {.self_active = 1, .priority = 110, .hello_ms = 50, .hold_ms = 150};
	struct ha_link up = {.up = 1, .driver = "kernel"};
	struct ha_word ike = {.type = HA_UPSERT,
			      .sa = {.id = 7,
				     .group = 1,
				     .kind = HA_IKE_SA,
				     .payload = secret,
				     .len = sizeof(secret)}};
	struct ha_word child = {.type = HA_FEED,
				.sa = {.id = 9,
				       .group = 1,
				       .kind = HA_CHILD_SA,
				       .spi_in = 0x1234,
				       .ceiling = 65536,
				       .payload = secret,
				       .len = 8}};

	redundancy.group[1].number = 1;
	strcpy(redundancy.group[1].name, "HSRP");
	gateway.ike = (struct ike *)&gateway;
	assert_int_equal(log_sink_add(line, NULL), 0);
	log_set_stderr_level(LOG_L_ERR);
#define W(t, ...)  (&(struct ha_word){.type = (t), .group = 1, ##__VA_ARGS__})
#define PAYLOAD(x) .len = sizeof(x), .payload = (const uint8_t *)&(x)
	expect(DEBUG_ISAKMP_HA, &ike, true,
	       "group HSRP: IKE SA 0000000000000007 peer 6.6.25.2 told to the other box, 8 bytes");
	assert_null(strstr(seen, "SECRET"));
	expect(DEBUG_IPSEC_HA_DETAIL, &child, false,
	       "IPsec SA 0000000000000009 peer 6.6.25.2 spi in 0x00001234 out 0x00000000 taken "
	       "from "
	       "the mirror, ceiling 65536 edge 0");
	expect(DEBUG_IPSEC_HA_DETAIL, W(HA_FEED_DELETE, .id = 9), false,
	       "deleted by the other box");
	expect(DEBUG_ISAKMP_HA, W(HA_DELETE, .id = 7), true, "0007 deleted here");
	expect(DEBUG_IPSEC_HA_UPDATE, W(HA_CHECKPOINT, .id = 9, .a = 55), true, "edge told: 55");
	expect(DEBUG_IPSEC_HA_UPDATE, W(HA_RAISE, .id = 9, .a = 56), true, "ceiling wanted: 56");
	expect(DEBUG_IPSEC_HA_UPDATE, W(HA_LIMITS, PAYLOAD(lim)), false, "may send up to 70000");
	expect(DEBUG_IPSEC_HA_UPDATE, W(HA_SETS, PAYLOAD(set)), false, "next 70001 edge 12");
	expect(DEBUG_REDUNDANCY, W(HA_ROLE, PAYLOAD(role)), false,
	       "my role ACTIVE, peer STANDBY, link up, hot");
	expect(DEBUG_REDUNDANCY, W(HA_HELLO, PAYLOAD(hello)), true,
	       "HSRP: this box is active, another active one is not heard, priority 110");
	expect(DEBUG_REDUNDANCY, W(HA_CLAIM), true, "HSRP wants the active role");
	expect(DEBUG_REDUNDANCY, W(HA_REFUSED, .a = HA_REFUSED_ACTIVE), false,
	       "other box is active");
	expect(DEBUG_REDUNDANCY, W(HA_PREPARE), false, "a planned switchover begins here");
	expect(DEBUG_CRYPTO_HA, W(HA_ACTIVATE, .a = 1), false, "begins to work, planned");
	expect(DEBUG_CRYPTO_HA, W(HA_FEED_END), false, "all SAs of the mirror are installed");
	expect(DEBUG_CRYPTO_HA, W(HA_FEED_DELETE, .a = 2), false, "all copies are dropped");
	expect(DEBUG_CRYPTO_HA, W(HA_TAINT, .a = 1), false, "all SAs");
	expect(DEBUG_CRYPTO_HA, W(HA_LINK, PAYLOAD(up)), false, "replication link up");
	// once only: it is told each second
	log_debug_set(DEBUG_CRYPTO_HA, true);
	say(W(HA_LINK, PAYLOAD(up)), false);
	assert_string_equal(seen, "");
	log_debug_set(DEBUG_CRYPTO_HA, false);
	log_sink_del(line, NULL);
}

// However many SAs change, the lines are bounded, and the next one says what was left out.
static void test_bounded(void **state)
{
	assert_int_equal(log_sink_add(line, NULL), 0);
	log_debug_set(DEBUG_IPSEC_HA_UPDATE, true);
	lines = 0;
	for (unsigned i = 0; i < 20000; i++)
		say(W(HA_CHECKPOINT, .id = i, .a = i), true);
	log_debug_set(DEBUG_IPSEC_HA_UPDATE, false);
	log_sink_del(line, NULL);
	assert_in_range(lines, 1, 10 * LOG_DEBUG_MAX);
}

// What one box would carry if it had to carry everything.
static void test_load(void **state)
{
	assert_int_equal(redundancy_load_together(1000, 0, 20), 20);
	assert_int_equal(redundancy_load_together(1000, 1000, 35), 70);
	assert_int_equal(redundancy_load_together(0, 1000, 1), 1);  // nothing here to tell by
	assert_int_equal(redundancy_load_together(1, UINT32_MAX, 100), 10000);
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
		cmocka_unit_test(test_differences), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_debug),       cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_load),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
