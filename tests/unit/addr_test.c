// Tables of texts and what they parse to; masks; containment; selectors.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "addr.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct ip_addr A(const char *s) {
	struct ip_addr a;

	if (addr_parse(s, &a) < 0)
		fail_msg("%s does not parse", s);
	return a;
}

static struct ip_prefix
P(const char *s) {
	struct ip_prefix p;

	if (prefix_parse(s, &p) < 0)
		fail_msg("%s does not parse", s);
	return p;
}

static void
addresses_parse_and_format(void **state)
{
	static const struct {
		const char *in, *out;  // out NULL: refused
	} table[] = {
		{"10.0.0.1", "10.0.0.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"2001:DB8:0:0::1", "2001:db8::1"},
		{"::", "::"},
		{"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"", NULL},
		{"10", NULL},
		{"10.0.0", NULL},
		{"10.0.0.256", NULL},
		{"010.0.0.1", NULL},
		{"10.0.0.1 ", NULL},
		{" 10.0.0.1", NULL},
		{"10.0.0.1/32", NULL},
		{"0x0a.0.0.1", NULL},
		{"fe80::1%lo", NULL},
		{"1::2::3", NULL},
		{"localhost", NULL},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct ip_addr a;
		char buf[ADDR_STR_MAX];
		int ret = addr_parse(table[i].in, &a);

		assert_int_equal(ret, table[i].out ? 0 : -EINVAL);
		if (ret == 0)
			assert_string_equal(addr_format(&a, buf, sizeof(buf)), table[i].out);
	}
}

static void v4_is_host_order_outside(void **state)
{
	struct ip_addr a = addr_from_v4(0x0a010203), none = addr_none(), b = A("10.1.2.3");
	char buf[ADDR_STR_MAX], tiny[4];

	assert_true(addr_equal(&a, &b));
	assert_memory_equal(a.bytes, "\x0a\x01\x02\x03", 4);
	assert_int_equal(addr_to_v4(&a), 0x0a010203);
	b = addr_from_bytes(4, (const uint8_t *)"\x0a\x01\x02\x03zzzz");
	assert_memory_equal(&a, &b, sizeof(a));
	assert_string_equal(addr_format(&none, buf, sizeof(buf)), "(none)");
	assert_string_equal(addr_format(&a, tiny, sizeof(tiny)), "(no");
	assert_int_equal(addr_len(&a), 4);
	assert_int_equal(addr_len(&none), 0);
	assert_false(addr_is_set(&none));
}

static void addresses_have_an_order(void **state)
{
	// ascending
	static const char *const table[] = {"0.0.0.0",   "9.255.0.0", "10.0.0.0", "10.0.0.1",
					    "255.0.0.0", "::",        "::1",      "2001:db8::"};

	for (size_t i = 0; i < COUNT(table); i++) {
		for (size_t j = 0; j < COUNT(table); j++) {
			struct ip_addr a = A(table[i]), b = A(table[j]);
			int cmp = addr_compare(&a, &b);

			assert_int_equal((cmp > 0) - (cmp < 0), (i > j) - (i < j));
			assert_int_equal(addr_equal(&a, &b), i == j);
		}
	}
}

static void kinds_of_addresses(void **state)
{
	static const struct {
		const char *text;
		bool zero, multicast;
	} table[] = {
		{"0.0.0.0", true, false},          {"::", true, false},
		{"0.0.0.1", false, false},         {"::1", false, false},
		{"223.255.255.255", false, false}, {"224.0.0.0", false, true},
		{"239.255.255.255", false, true},  {"240.0.0.0", false, false},
		{"ff02::1", false, true},          {"fe80::1", false, false},
	};
	struct ip_addr none = addr_none();

	for (size_t i = 0; i < COUNT(table); i++) {
		struct ip_addr a = A(table[i].text);

		assert_int_equal(addr_is_zero(&a), table[i].zero);
		assert_int_equal(addr_is_multicast(&a), table[i].multicast);
	}
	assert_false(addr_is_zero(&none));
	assert_false(addr_is_multicast(&none));
}

static void prefixes_parse_and_mask(void **state)
{
	static const struct {
		const char *in, *masked;  // NULL: refused
	} table[] = {
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"10.1.2.3/32", "10.1.2.3/32"},
		{"10.1.2.3/0", "0.0.0.0/0"},
		{"10.255.255.255/15", "10.254.0.0/15"},
		{"10.255.255.255/31", "10.255.255.254/31"},
		{"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
		{"2001:db8::1/128", "2001:db8::1/128"},
		{"2001:db8::1/0", "::/0"},
		{"10.0.0.0", NULL},
		{"10.0.0.0/", NULL},
		{"10.0.0.0/33", NULL},
		{"10.0.0.0/08", NULL},
		{"10.0.0.0/+8", NULL},
		{"10.0.0.0/8 ", NULL},
		{"10.0.0.0/4294967304", NULL},
		{"10.0.0.0/8/8", NULL},
		{"2001:db8::/129", NULL},
		{"/8", NULL},
		{"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8", NULL},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct ip_prefix p;
		char buf[PREFIX_STR_MAX];
		int ret = prefix_parse(table[i].in, &p);

		assert_int_equal(ret, table[i].masked ? 0 : -EINVAL);
		if (ret < 0)
			continue;
		assert_string_equal(prefix_format(&p, buf, sizeof(buf)), table[i].in);
		p = prefix_mask(&p);
		assert_string_equal(prefix_format(&p, buf, sizeof(buf)), table[i].masked);
	}
}

static void masks_are_contiguous(void **state)
{
	static const struct {
		const char *mask, *wildcard;
		uint8_t len;
	} table[] = {
		{"0.0.0.0", "255.255.255.255", 0},  {"128.0.0.0", "127.255.255.255", 1},
		{"255.0.0.0", "0.255.255.255", 8},  {"255.255.254.0", "0.0.1.255", 23},
		{"255.255.255.0", "0.0.0.255", 24}, {"255.255.255.254", "0.0.0.1", 31},
		{"255.255.255.255", "0.0.0.0", 32},
	};
	static const char *const bad[] = {
		"255.0.255.0", "0.0.0.2", "255.255.255.253", "::", "24", "", "127.0.0.0x"};
	char buf[ADDR_STR_MAX];
	uint8_t len;

	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(prefix_parse_mask(table[i].mask, &len), 0);
		assert_int_equal(len, table[i].len);
		assert_int_equal(prefix_parse_wildcard(table[i].wildcard, &len), 0);
		assert_int_equal(len, table[i].len);
		assert_string_equal(mask_format(len, buf, sizeof(buf)), table[i].mask);
		assert_string_equal(wildcard_format(len, buf, sizeof(buf)), table[i].wildcard);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(prefix_parse_mask(bad[i], &len), -EINVAL);
		assert_int_equal(prefix_parse_wildcard(bad[i], &len), -EINVAL);
	}
}

static void prefixes_contain_and_cover(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool covers, equal;
	} table[] = {
		{"10.0.0.0/8", "10.1.2.0/24", true, false},
		{"10.1.2.0/24", "10.0.0.0/8", false, false},
		{"10.9.9.9/8", "10.0.0.0/8", true, true},
		{"10.0.0.0/8", "11.0.0.0/8", false, false},
		{"0.0.0.0/0", "203.0.113.1/32", true, false},
		{"0.0.0.0/0", "2001:db8::/32", false, false},
		{"10.0.0.0/9", "10.128.0.0/9", false, false},
		{"2001:db8::/32", "2001:db8:1::/48", true, false},
		{"2001:db8::/33", "2001:db8:8000::/33", false, false},
		{"10.0.0.1/32", "10.0.0.1/32", true, true},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct ip_prefix o = P(table[i].outer), n = P(table[i].inner);

		assert_int_equal(prefix_covers(&o, &n), table[i].covers);
		assert_int_equal(prefix_equal(&o, &n), table[i].equal);
	}

	struct ip_prefix p = P("10.0.0.0/8"), unset = {0};
	struct ip_addr in = A("10.255.0.1"), out = A("9.255.0.1"), none = addr_none();

	assert_true(prefix_contains(&p, &in));
	assert_false(prefix_contains(&p, &out));
	assert_false(prefix_contains(&p, &none));
	assert_false(prefix_contains(&unset, &none));
}

static struct selector tcp_to_web(void)
{
	return (struct selector){
		.proto = 6,
		.src = P("10.0.0.0/8"),
		.dst = P("192.0.2.0/24"),
		.sport = {0, 65535},
		.dport = {80, 80},
	};
}

static void selectors_format_as_acl_lines(void **state)
{
	struct selector s = tcp_to_web();
	char buf[SELECTOR_STR_MAX];

	assert_string_equal(selector_format(&s, buf, sizeof(buf)),
			    "tcp 10.0.0.0/8 192.0.2.0/24 eq 80");
	s.sport = (struct port_range){1024, 65535};
	assert_string_equal(selector_format(&s, buf, sizeof(buf)),
			    "tcp 10.0.0.0/8 range 1024 65535 192.0.2.0/24 eq 80");
	s.proto = 0;
	s.sport = s.dport = (struct port_range){0, 65535};
	assert_string_equal(selector_format(&s, buf, sizeof(buf)), "ip 10.0.0.0/8 192.0.2.0/24");
	s.proto = 255;
	s.src = s.dst = P("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	s.sport = s.dport = (struct port_range){10000, 65535};
	assert_true(strlen(selector_format(&s, buf, sizeof(buf))) < SELECTOR_STR_MAX - 1);
	assert_string_equal(buf,
			    "255 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128 range 10000 65535 "
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128 range 10000 65535");
}

static void selectors_reverse_and_cover(void **state)
{
	struct selector s = tcp_to_web(), r = selector_reverse(&s), rr = selector_reverse(&r);

	assert_true(selector_equal(&s, &rr));
	assert_false(selector_equal(&s, &r));
	assert_int_equal(r.sport.lo, 80);
	assert_true(prefix_equal(&r.src, &s.dst));

	struct selector any = {
		.src = P("0.0.0.0/0"),
		.dst = P("0.0.0.0/0"),
		.sport = {0, 65535},
		.dport = {0, 65535},
	};

	assert_true(selector_covers(&any, &s));
	assert_false(selector_covers(&s, &any));
	assert_true(selector_covers(&s, &s));

	struct selector n = s;

	n.dport = (struct port_range){79, 80};
	assert_false(selector_covers(&s, &n));
	n = s;
	n.proto = 17;
	assert_false(selector_covers(&s, &n));
	n = s;
	n.src = P("10.5.0.0/16");
	assert_true(selector_covers(&s, &n));
	assert_false(selector_equal(&s, &n));
	n.src = P("11.5.0.0/16");
	assert_false(selector_covers(&s, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_parse_and_format),
		cmocka_unit_test(v4_is_host_order_outside),
		cmocka_unit_test(addresses_have_an_order),
		cmocka_unit_test(kinds_of_addresses),
		cmocka_unit_test(prefixes_parse_and_mask),
		cmocka_unit_test(masks_are_contiguous),
		cmocka_unit_test(prefixes_contain_and_cover),
		cmocka_unit_test(selectors_format_as_acl_lines),
		cmocka_unit_test(selectors_reverse_and_cover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
