// What we send, seen by another dissector: messages of both versions with each authentication are
// written as a capture, and `tshark -V` must find every field and nothing malformed. Skipped where
// tshark is not installed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hsrp_bed.h"

#define TEXT_MAX (256 * 1024)

static char path[] = "/tmp/hsrp-tshark-XXXXXX";
static char text[TEXT_MAX];

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32_le(FILE *f, uint32_t v)
{
	const uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
			      (uint8_t)(v >> 24)};

	assert_int_equal(fwrite(b, 1, 4, f), 4);
}

static uint16_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

// Ethernet, IP and UDP around a message, with the addresses the interface of ha/api names.
static size_t frame_make(const struct hsrp_conf *c, const struct hsrp_action *a, uint8_t *p)
{
	struct ip_addr dst = hsrp_multicast(c->version, c->family);
	bool v6 = c->family == 6;
	size_t ip = v6 ? 40 : 20, n = 14 + ip + 8 + a->len, alen = v6 ? 16 : 4;
	uint8_t *h = p + 14, *u = h + ip;

	memset(p, 0, n);
	memcpy(p, v6 ? "\x33\x33" : "\x01\x00\x5e", v6 ? 2 : 3);
	memcpy(p + (v6 ? 2 : 3), dst.bytes + (v6 ? 12 : 1), v6 ? 4 : 3);
	memcpy(p + 6, a->mac, 6);
	put16(p + 12, v6 ? 0x86dd : 0x0800);
	h[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		put16(h + 4, 8u + a->len);
		h[6] = 17;
		h[7] = HSRP_TTL_V6;
	} else {
		h[1] = 0xc0;
		put16(h + 2, 28u + a->len);
		h[8] = HSRP_TTL_V4;
		h[9] = 17;
	}
	memcpy(h + (v6 ? 8 : 12), c->local.bytes, alen);
	memcpy(h + (v6 ? 24 : 16), dst.bytes, alen);
	if (!v6)
		put16(h + 10, sum(h, 20, 0));
	put16(u, v6 ? HSRP_PORT_V6 : HSRP_PORT);
	put16(u + 2, v6 ? HSRP_PORT_V6 : HSRP_PORT);
	put16(u + 4, 8u + a->len);
	memcpy(u + 8, a->bytes, a->len);
	put16(u + 6, sum(h + (v6 ? 8 : 12), 2 * alen + 8 + a->len, 17u + 8 + a->len));
	return n;
}

static void capture_write(FILE *f, const struct hsrp_conf *c, const struct hsrp_actions *out)
{
	uint8_t p[256];

	for (unsigned i = 0; i < out->count; i++) {
		if (out->list[i].kind != HSRP_DO_SEND)
			continue;
		size_t n = frame_make(c, &out->list[i], p);
		put32_le(f, 1);
		put32_le(f, 0);
		put32_le(f, (uint32_t)n);
		put32_le(f, (uint32_t)n);
		assert_int_equal(fwrite(p, 1, n, f), n);
	}
}

// The life of one router without others: Speak, Standby, Active, a coup, resign.
static void capture_make(const struct hsrp_conf *c)
{
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "wb");
	struct hsrp_actions out = {0};
	uint64_t now = 1;

	assert_non_null(f);
	put32_le(f, 0xa1b2c3d4);
	put32_le(f, 2 | 4u << 16);
	for (unsigned i = 0; i < 2; i++)
		put32_le(f, 0);
	put32_le(f, 65535);
	put32_le(f, 1);
	struct hsrp_group *g = hsrp_group_create(c, false, now);
	assert_non_null(g);
	hsrp_group_link(g, true, now, &out);
	while (g->state != HSRP_STATE_ACTIVE) {
		now = hsrp_group_due(g);
		out.count = 0;
		hsrp_group_tick(g, now, &out);
		capture_write(f, c, &out);
	}
	out.count = 0;
	hsrp_event(g, HSRP_EVENT_ACTIVE_LOWER, NULL, false, now, &out);
	hsrp_group_enable(g, false, now, &out);
	capture_write(f, c, &out);
	hsrp_group_destroy(g);
	assert_int_equal(fclose(f), 0);
}

static void dissect(void)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "tshark -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -V -r %s 2>/dev/null",
		 path);
	FILE *p = popen(command, "r");  // NOLINT(cert-env33-c): a fixed command line
	assert_non_null(p);
	size_t n = fread(text, 1, sizeof(text) - 1, p);
	text[n] = '\0';
	assert_int_equal(pclose(p), 0);
	unlink(path);
	strcpy(path + strlen(path) - 6, "XXXXXX");
}

static unsigned times(const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static void clean(unsigned expected)
{
	static const char *const bad[] = {"Malformed",          "Unknown",   "Expert Info (Warning",
					  "Expert Info (Error", "incorrect", "Undecoded"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strstr(text, bad[i]))
			fail_msg("%s: %.400s", bad[i], strstr(text, bad[i]) - 100);
	assert_int_equal(times("Cisco Hot Standby Router Protocol"), expected);
}

static void has(const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is missing in: %s", what, strstr(text, "Cisco Hot"));
}

static bool tshark_is_there(void)
{
	return system("tshark --version >/dev/null 2>&1") == 0;  // NOLINT(cert-env33-c)
}

static struct hsrp_conf conf_make(uint8_t version, bool md5)
{
	struct hsrp_conf c = bed_conf(0, version, 150, false, 3000, 10000);

	c.number = version == 2 ? 920 : 7;
	if (md5) {
		c.auth = (struct hsrp_auth){.kind = HSRP_AUTH_MD5, .keys = 1};
		c.auth.key[0] = (struct hsrp_key){.id = 3,
						  .len = 8,
						  .bytes = "password",
						  .accept_until = HSRP_NEVER,
						  .send_until = HSRP_NEVER};
	}
	return c;
}

#define MESSAGES 8  // Speak: on entry and 3 hellos; Standby; Active; coup; resign

static void test_v1(void **state)
{
	if (!tshark_is_there())
		skip();
	for (unsigned md5 = 0; md5 < 2; md5++) {
		struct hsrp_conf c = conf_make(1, md5);

		capture_make(&c);
		dissect();
		clean(MESSAGES);
		has("Source: 02:00:00:00:00:01");
		has("00:00:0c:07:ac:07");
		has("Destination Address: 224.0.0.2");
		has("Time to Live: 1");
		has("State: Speak (4)");
		has("State: Standby (8)");
		has("State: Active (16)");
		has("State: Initial (0)");
		has("Op Code: Coup (1)");
		has("Op Code: Resign (2)");
		has("Hellotime: Default (3)");
		has("Holdtime: Default (10)");
		has("Priority: 150");
		has("Group: 7");
		has("Virtual IP Address: 10.0.0.100");
		has(md5 ? "Authentication Data: Non-Default ()"
			: "Authentication Data: Default (cisco)");
		assert_int_equal(times("MD5 Authentication TLV: Type=4 Len=28"),
				 md5 ? MESSAGES : 0);
		assert_int_equal(times("MD5 Key ID: 3"), md5 ? MESSAGES : 0);
		assert_int_equal(times("Sender's IP Address: 10.0.0.1"), md5 ? MESSAGES : 0);
	}
}

static void test_v2(void **state)
{
	if (!tshark_is_there())
		skip();
	for (unsigned md5 = 0; md5 < 2; md5++) {
		struct hsrp_conf c = conf_make(2, md5);

		capture_make(&c);
		dissect();
		clean(MESSAGES);
		has("00:00:0c:9f:f3:98");
		has("Destination Address: 224.0.0.102");
		assert_int_equal(times("Group State TLV: Type=1 Len=40"), MESSAGES);
		has("State: Speak (4)");
		has("State: Standby (5)");
		has("State: Active (6)");
		has("Op Code: Coup (1)");
		has("Op Code: Resign (2)");
		has("IP Ver.: IPv4 (4)");
		has("Group: 920");
		has("Identifier: 02:00:00:00:00:01");
		has("Priority: 150");
		has("Hellotime: Default (3000)");
		has("Holdtime: Default (10000)");
		has("Virtual IP Address: 10.0.0.100");
		assert_int_equal(times("Text Authentication TLV: Type=3 Len=8"),
				 md5 ? 0 : MESSAGES);
		assert_int_equal(times("MD5 Authentication TLV: Type=4 Len=28"),
				 md5 ? MESSAGES : 0);
	}
}

static void test_v2_ipv6(void **state)
{
	struct hsrp_conf c = conf_make(2, true);

	if (!tshark_is_there())
		skip();
	c.family = 6;
	assert_int_equal(addr_parse("fe80::1", &c.local), 0);
	assert_int_equal(addr_parse("fe80::5:73ff:fea0:398", &c.virtual_ip), 0);
	c.net = (struct ip_prefix){0};
	capture_make(&c);
	dissect();
	clean(MESSAGES);
	has("00:05:73:a0:03:98");
	has("Destination Address: ff02::66");
	has("Destination Port: 2029");
	has("Hop Limit: 255");
	has("IP Ver.: IPv6 (6)");
	has("Virtual IPv6 Address: fe80::5:73ff:fea0:398");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v2_ipv6),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
