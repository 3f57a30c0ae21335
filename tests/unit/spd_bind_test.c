// Several SAs under one policy: which packet takes which, rekey of one, deletion, the bound, and
// that an SA which covers the policy is published by itself.
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "port.h"
#include "rcu.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

#define POLICY 7

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	assert_int_equal(prefix_parse(s, &p), 0);
	return p;
}

static struct selector selector(const char *src, const char *dst)
{
	return (struct selector){
		.src = prefix(src), .dst = prefix(dst), .sport = {0, 65535}, .dport = {0, 65535}};
}

static struct sa *sa_make(const struct selector *sel, unsigned n, int worker)
{
	static uint32_t spi = 0x2000;
	struct err err = {0};
	uint32_t handle;
	struct dp_sa p = {
		.dir = DP_OUT,
		.spi = ++spi,
		.cipher = DP_CIPHER_AES_GCM,
		.icv_len = 16,
		.key_len = 16,
		.salt_len = 4,
		.next = 1,
		.lim = UINT32_MAX,
		.worker = worker,
		.sels = (uint8_t)n,
	};

	addr_parse("10.0.2.1", &p.local);
	addr_parse("10.0.2.2", &p.remote);
	memset(p.key, 0x5a, 20);
	for (unsigned i = 0; i < n; i++)
		p.sel[i] = sel[i];
	if (dp_sa_add(&p, &handle, &err))
		fail_msg("%s", err.msg);
	return sad_get(handle);
}

static struct sa *sa_to(const char *dst)
{
	struct selector s = selector("10.0.1.0/24", dst);

	return sa_make(&s, 1, 0);
}

static struct flow_key key_to(const char *dst)
{
	struct flow_key k = {.proto = IPPROTO_UDP, .sport = 1, .dport = 2, .family = 4};
	struct ip_addr a;

	addr_parse("10.0.1.2", &a);
	memcpy(k.src, a.bytes, 16);
	addr_parse(dst, &a);
	memcpy(k.dst, a.bytes, 16);
	return k;
}

static struct sa *serving(const char *dst)
{
	struct flow_key k = key_to(dst);

	return spd_sa(POLICY, &k);
}

static void policy_set(const char *dst)
{
	struct dp_policy p = pbed_policy(POLICY, 1, DP_POLICY_PROTECT, "10.0.1.0/24", dst);
	struct err err = {0};

	assert_int_equal(spd_set(&p, 1, &err), 0);
}

static int setup(void **state)
{
	(void)state;
	pbed_start(2);
	policy_set("10.9.0.0/16");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pbed_stop();
	return 0;
}

static void one_that_covers_is_published_itself(void **state)
{
	struct sa *all = sa_to("10.9.0.0/16"), *more = sa_to("10.0.0.0/8");
	struct sa *manual = sa_make(NULL, 0, 0);

	(void)state;
	assert_int_equal(spd_bind(POLICY, all), 0);
	assert_ptr_equal((void *)spd_bound[POLICY], all);
	assert_int_equal(spd_bind(POLICY, more), 0);
	assert_ptr_equal((void *)spd_bound[POLICY], more);
	assert_int_equal(spd_bind(POLICY, manual), 0);
	assert_ptr_equal((void *)spd_bound[POLICY], manual);
	dp_sa_del(manual->handle);
	assert_ptr_equal((void *)spd_bound[POLICY], more);
	dp_sa_del(more->handle);
	assert_ptr_equal(serving("10.9.1.1"), all);
	assert_int_equal(spd_bind(POLICY, NULL), 0);
	assert_null(serving("10.9.1.1"));
	assert_int_equal(spd_bind(0, all), -EINVAL);
	assert_int_equal(spd_bind(DP_POLICY_MAX + 1, all), -EINVAL);
}

static void narrowed_ones_serve_their_part(void **state)
{
	struct sa *one = sa_to("10.9.1.0/24"), *two = sa_to("10.9.2.0/24");

	(void)state;
	assert_int_equal(spd_bind(POLICY, one), 0);
	assert_ptr_equal(serving("10.9.1.1"), one);
	assert_null(serving("10.9.2.1"));
	assert_int_equal(spd_bind(POLICY, two), 0);
	assert_ptr_equal(serving("10.9.1.255"), one);
	assert_ptr_equal(serving("10.9.2.0"), two);
	assert_null(serving("10.9.3.1"));
	// a rekey of one leaves the other alone
	struct sa *again = sa_to("10.9.1.0/24");
	assert_int_equal(spd_bind(POLICY, again), 0);
	assert_ptr_equal(serving("10.9.1.1"), again);
	assert_ptr_equal(serving("10.9.2.1"), two);
	dp_sa_del(one->handle);  // replaced already
	assert_ptr_equal(serving("10.9.1.1"), again);
	dp_sa_del(again->handle);
	assert_null(serving("10.9.1.1"));
	assert_ptr_equal(serving("10.9.2.1"), two);
	dp_sa_del(two->handle);
	assert_int_equal(spd_bound[POLICY], 0);
}

// The newest first; when it goes, the older one that contains the packet; a covering one before
// all of them.
static void overlapping_ones_fall_back(void **state)
{
	struct sa *wide = sa_to("10.9.0.0/17"), *host = sa_to("10.9.1.1/32");

	(void)state;
	assert_int_equal(spd_bind(POLICY, wide), 0);
	assert_int_equal(spd_bind(POLICY, host), 0);
	assert_ptr_equal(serving("10.9.1.1"), host);
	assert_ptr_equal(serving("10.9.1.2"), wide);
	struct sa *all = sa_to("10.9.0.0/16");
	assert_int_equal(spd_bind(POLICY, all), 0);
	assert_ptr_equal(serving("10.9.1.1"), all);
	dp_sa_del(all->handle);
	assert_ptr_equal(serving("10.9.1.1"), host);
	dp_sa_del(host->handle);
	assert_ptr_equal(serving("10.9.1.1"), wide);
	assert_null(serving("10.9.200.1"));
}

static void protocol_and_ports_count(void **state)
{
	struct selector s[2] = {selector("10.0.1.0/24", "10.9.0.0/16"),
				selector("10.0.1.0/24", "10.9.1.0/24")};

	(void)state;
	s[0].proto = IPPROTO_TCP;
	s[0].dport = (struct port_range){80, 80};
	s[1].proto = IPPROTO_ICMP;
	struct sa *sa = sa_make(s, 2, 0);
	assert_int_equal(spd_bind(POLICY, sa), 0);
	struct flow_key k = key_to("10.9.200.1");
	assert_null(spd_sa(POLICY, &k));
	k.proto = IPPROTO_TCP;
	assert_null(spd_sa(POLICY, &k));
	k.dport = 80;
	assert_ptr_equal(spd_sa(POLICY, &k), sa);
	k.fragment = 1, k.sport = k.dport = 0;
	assert_null(spd_sa(POLICY, &k));
	k.proto = IPPROTO_ICMP;
	assert_null(spd_sa(POLICY, &k));
	k = key_to("10.9.1.1");
	k.proto = IPPROTO_ICMP;
	assert_ptr_equal(spd_sa(POLICY, &k), sa);
	k.family = 6;
	assert_null(spd_sa(POLICY, &k));
}

static void sixth_family(void **state)
{
	struct dp_policy p =
		pbed_policy(POLICY, 1, DP_POLICY_PROTECT, "2001:db8:1::/64", "2001:db8:9::/48");
	struct selector s = selector("2001:db8:1::/64", "2001:db8:9:8000::/49");
	struct err err = {0};
	struct ip_addr a;
	struct flow_key k = {.proto = IPPROTO_UDP, .family = 6};

	(void)state;
	assert_int_equal(spd_set(&p, 1, &err), 0);
	struct sa *sa = sa_make(&s, 1, 0);
	assert_int_equal(spd_bind(POLICY, sa), 0);
	addr_parse("2001:db8:1::2", &a);
	memcpy(k.src, a.bytes, 16);
	addr_parse("2001:db8:9:8000::1", &a);
	memcpy(k.dst, a.bytes, 16);
	assert_ptr_equal(spd_sa(POLICY, &k), sa);
	k.dst[6] = 0x7f;
	assert_null(spd_sa(POLICY, &k));
}

static void too_many_are_refused(void **state)
{
	struct sa *sa[SPD_BIND_MAX + 1];
	char dst[32];

	(void)state;
	for (unsigned i = 0; i <= SPD_BIND_MAX; i++) {
		snprintf(dst, sizeof(dst), "10.9.%u.0/24", i);
		sa[i] = sa_to(dst);
		assert_int_equal(spd_bind(POLICY, sa[i]), i < SPD_BIND_MAX ? 0 : -ENOSPC);
	}
	for (unsigned i = 0; i < SPD_BIND_MAX; i++) {
		snprintf(dst, sizeof(dst), "10.9.%u.9", i);
		assert_ptr_equal(serving(dst), sa[i]);
	}
	assert_null(serving("10.9.64.9"));
	// a rekey needs no place of its own, and a place that gets free is used
	struct sa *again = sa_to("10.9.5.0/24");
	assert_int_equal(spd_bind(POLICY, again), 0);
	assert_ptr_equal(serving("10.9.5.9"), again);
	dp_sa_del(sa[9]->handle);
	assert_int_equal(spd_bind(POLICY, sa[SPD_BIND_MAX]), 0);
	assert_ptr_equal(serving("10.9.64.9"), sa[SPD_BIND_MAX]);
	assert_null(serving("10.9.9.9"));
}

// The policy grows or shrinks under the same id: what covered it is compared again.
static void a_changed_policy_is_looked_at_again(void **state)
{
	struct sa *sa = sa_to("10.9.0.0/16");

	(void)state;
	assert_int_equal(spd_bind(POLICY, sa), 0);
	assert_ptr_equal((void *)spd_bound[POLICY], sa);
	policy_set("10.8.0.0/15");
	assert_true(spd_bound[POLICY] & 1);
	assert_ptr_equal(serving("10.9.1.1"), sa);
	assert_null(serving("10.8.1.1"));
	policy_set("10.9.0.0/24");
	assert_ptr_equal((void *)spd_bound[POLICY], sa);
}

// Through the pipeline: each packet in its SA, also by way of the other worker; what is in none
// waits, and nothing leaves in clear.
static void packets_take_their_sa(void **state)
{
	struct selector one = selector("10.0.1.0/24", "10.9.1.0/24");
	struct selector two = selector("10.0.1.0/24", "10.9.2.0/24");
	struct sa *here = sa_make(&one, 1, 0), *there = sa_make(&two, 1, 1);
	struct rte_mbuf *m;
	struct burst b;

	(void)state;
	assert_int_equal(spd_bind(POLICY, here), 0);
	assert_int_equal(spd_bind(POLICY, there), 0);
	port_get(pbed.out)->policy_group = 1;
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.1.1"});
	assert_int_equal(here->packets, 1);
	m = pbed_sent(pbed.out);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[23], IPPROTO_ESP);
	rte_pktmbuf_free(m);
	// two pieces: the second has no ports, its SA was chosen before it was cut
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.2.1", .payload = 1472});
	handoff_flush(pbed.w[0]);
	b.n = rte_ring_sc_dequeue_burst(pbed.w[1]->handoff_in[0], (void **)b.pkt, 64, NULL);
	assert_int_equal(b.n, 2);
	pipeline_handoff(pbed.w[1], &b);
	assert_int_equal(there->packets, 2);
	assert_int_equal(here->packets, 1);
	// gone while the packet is on the ring: not into the other's SA
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.2.1"});
	handoff_flush(pbed.w[0]);
	dp_sa_del(there->handle);
	b.n = rte_ring_sc_dequeue_burst(pbed.w[1]->handoff_in[0], (void **)b.pkt, 64, NULL);
	pipeline_handoff(pbed.w[1], &b);
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.3.1"});
	for (unsigned i = 0; i < 2; i++) {
		m = pbed_punted(PUNT_ACQUIRE);
		assert_non_null(m);
		assert_int_equal(pkt_of(m)->policy, POLICY);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(here->packets, 1);
	assert_int_equal(pbed_drops(), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_that_covers_is_published_itself),
		TEST(narrowed_ones_serve_their_part),
		TEST(overlapping_ones_fall_back),
		TEST(protocol_and_ports_count),
		TEST(sixth_family),
		TEST(too_many_are_refused),
		TEST(a_changed_policy_is_looked_at_again),
		TEST(packets_take_their_sa),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
