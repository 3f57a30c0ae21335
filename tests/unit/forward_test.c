// Plain forwarding: hops, link headers, sizes, errors to the sender, tables that change under
// the traffic, the host's own packets.
#define ALLOW_EXPERIMENTAL_API  // rte_ipv6_udptcp_cksum_verify
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "fib.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"
#include "rcu.h"
#include "spd.h"

static int reset(void **state)
{
	(void)state;
	pbed_reset();
	return 0;
}

static void a_packet_crosses(const char *src, const char *dst, uint8_t type)
{
	struct rte_mbuf *m;

	pbed_send(&(struct pbed_ip){.src = src, .dst = dst, .payload = 100});
	assert_int_equal(pbed_drops(), 0);
	m = pbed_sent(pbed.out);
	assert_non_null(m);
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_memory_equal(f, pbed_mac_peer, 6);
	assert_memory_equal(f + 6, pbed_mac_out, 6);
	assert_int_equal(f[12], type);
	if (type == 0x08) {
		assert_int_equal(f[14 + 8], 63);
		assert_int_equal(rte_raw_cksum(f + 14, 20), 0xffff);
	} else {
		assert_int_equal(f[14 + 7], 63);
	}
	rte_pktmbuf_free(m);
}

static void both_families_by_gateway_and_attached(void **state)
{
	(void)state;
	a_packet_crosses("10.0.1.2", "10.0.2.2", 0x08);
	a_packet_crosses("10.0.1.2", "10.9.3.4", 0x08);
	a_packet_crosses("2001:db8:1::2", "2001:db8:2::2", 0x86);
}

// The checksum is changed, not summed again: right for every TTL and any other bytes.
static void every_ttl(void **state)
{
	(void)state;
	// The identification runs through all values, and so does the checksum.
	for (unsigned ttl = 2; ttl < 256; ttl += 63)
		for (unsigned id = 0; id < 65536; id++) {
			pbed_send(&(struct pbed_ip){.src = "10.0.1.2",
						    .dst = "10.9.3.4",
						    .ttl = (uint8_t)ttl,
						    .id = (uint16_t)id});
			struct rte_mbuf *m = pbed_sent(pbed.out);
			assert_non_null(m);
			const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + 14;
			assert_int_equal(ip[8], ttl - 1);
			assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
			rte_pktmbuf_free(m);
		}
}

static struct rte_mbuf *error_made(void)
{
	struct worker *w = pbed.w[0];

	return w->icmp.n ? w->icmp.pkt[--w->icmp.n] : NULL;
}

static void ttl_runs_out(void **state)
{
	(void)state;
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.3.4", .ttl = 1, .payload = 9});
	assert_int_equal(pbed_drop(DROP_IP_TTL), 1);
	struct rte_mbuf *m = error_made();
	assert_non_null(m);
	const uint8_t *e = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(e[20], 11);
	assert_int_equal(rte_raw_cksum(e, 20), 0xffff);
	assert_int_equal(rte_raw_cksum(e + 20, rte_pktmbuf_pkt_len(m) - 20), 0xffff);
	rte_pktmbuf_free(m);
	pbed_send(&(struct pbed_ip){.src = "2001:db8:1::2", .dst = "2001:db8:2::2", .ttl = 1});
	m = error_made();
	assert_non_null(m);
	e = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(e[40], 3);
	assert_int_equal(rte_ipv6_udptcp_cksum_verify((const void *)e, e + 40), 0);
	rte_pktmbuf_free(m);
	// Never about an error, a broadcast's sender, a later fragment.
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2",
				    .dst = "10.9.3.4",
				    .ttl = 1,
				    .proto = IPPROTO_ICMP,
				    .payload = 9});
	pbed_send(&(struct pbed_ip){
		.src = "10.0.1.2", .dst = "10.9.3.4", .ttl = 1, .offset = 80, .payload = 9});
	assert_null(error_made());
	// And not more than the rate.
	for (int i = 0; i < 1000; i++) {
		pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.3.4", .ttl = 1});
		rte_pktmbuf_free(error_made());
	}
	assert_true(pbed_drop(DROP_ICMP_LIMIT) >= 700);
}

static void too_big_for_the_link(void **state)
{
	struct rte_mbuf *m;
	uint32_t payload = 0;

	(void)state;
	port_get(pbed.out)->mtu = 576;
	pbed_send(&(struct pbed_ip){
		.src = "10.0.1.2", .dst = "10.9.3.4", .df = true, .payload = 1000});
	assert_int_equal(pbed_drop(DROP_IP_MTU), 1);
	m = error_made();
	assert_non_null(m);
	const uint8_t *e = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(e[20], 3), assert_int_equal(e[21], 4);
	assert_int_equal(e[26] << 8 | e[27], 576);
	rte_pktmbuf_free(m);
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.3.4", .payload = 1000});
	while ((m = pbed_sent(pbed.out))) {
		const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + 14;
		uint32_t total = (uint32_t)(ip[2] << 8 | ip[3]);

		assert_true(total <= 576);
		assert_int_equal(total + 14, rte_pktmbuf_pkt_len(m));
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
		assert_int_equal((ip[6] << 8 | ip[7]) & 0x1fff, payload / 8);
		payload += total - 20;
		assert_int_equal((ip[6] & 0x20) != 0, payload < 1008);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(payload, 1008);
	pbed_send(
		&(struct pbed_ip){.src = "2001:db8:1::2", .dst = "2001:db8:2::2", .payload = 1000});
	assert_int_equal(pbed_drop(DROP_IP_MTU), 2);
	m = error_made();
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[40], 2);
	rte_pktmbuf_free(m);
	port_get(pbed.out)->mtu = 1500;
}

static void unresolved_next_hop_waits(void **state)
{
	(void)state;
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.2.77"});
	assert_null(pbed_sent(pbed.out));
	struct rte_mbuf *m = pbed_punted(PUNT_NEIGH);
	assert_non_null(m);
	// Resolved, it goes on without losing another hop.
	struct ip_addr a = addr_from_v4(0x0a00024d);
	assert_int_equal(neigh_set(pbed.out, &a, (uint8_t[6]){2, 3, 4, 5, 6, 7}, true), 0);
	pkt_of(m)->flags |= PKT_HELD;
	struct burst b = {.n = 1, .pkt = {m}};
	pipeline_inject(pbed.w[0], &b);
	m = pbed_sent(pbed.out);
	assert_non_null(m);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), ((uint8_t[]){2, 3, 4, 5, 6, 7}), 6);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[22], 63);
	rte_pktmbuf_free(m);
	neigh_set(pbed.out, &a, NULL, false);
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.0.2.77"});
	m = pbed_punted(PUNT_NEIGH);
	assert_non_null(m);
	rte_pktmbuf_free(m);
}

static void gateway_appears_and_goes(void **state)
{
	struct ip_addr gw = addr_from_v4(0x0a000202);

	(void)state;
	neigh_set(pbed.out, &gw, NULL, false);
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.3.4"});
	assert_null(pbed_sent(pbed.out));
	rte_pktmbuf_free(pbed_punted(PUNT_NEIGH));
	neigh_set(pbed.out, &gw, pbed_mac_peer, true);
	a_packet_crosses("10.0.1.2", "10.9.3.4", 0x08);
}

static void many_neighbours_come_and_go(void **state)
{
	(void)state;
	uint32_t before = neigh_count();
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 20000; i++) {
			struct ip_addr a = addr_from_v4(0x0b000000 + i);

			assert_int_equal(neigh_set(pbed.out, &a, pbed_mac_peer, true), 0);
		}
		assert_int_equal(neigh_count(), before + 20000);
		for (uint32_t i = 0; i < 20000; i++) {
			struct ip_addr a = addr_from_v4(0x0b000000 + (i * 7919) % 20000);

			assert_non_null(neigh_lookup(pbed.out, 4, a.bytes));
			neigh_set(pbed.out, &a, NULL, false);
			assert_null(neigh_lookup(pbed.out, 4, a.bytes));
		}
		rcu_poll();
	}
	assert_int_equal(neigh_count(), before);
}

static uint64_t lookup(uint32_t ip)
{
	uint64_t adj;

	fib_lookup4(&ip, &adj, 1);
	return adj;
}

static void longest_prefix_and_deletion(void **state)
{
	struct dp_route r = {.kind = DP_ROUTE_FORWARD, .port = pbed.out};
	struct err err;
	uint32_t before = fib_routes();

	(void)state;
	r.gateway = addr_from_v4(0x0a000255);
	prefix_parse("20.0.0.0/8", &r.dst);
	assert_int_equal(fib_set(&r, &err), 0);
	uint64_t wide = lookup(0x14010203);
	r.kind = DP_ROUTE_DROP;
	prefix_parse("20.1.2.3/32", &r.dst);
	assert_int_equal(fib_set(&r, &err), 0);
	assert_int_equal(fib_set(&r, &err), 0);  // again is a replacement
	assert_int_equal(fib_routes(), before + 2);
	assert_int_equal(lookup(0x14010203), ADJ_DROP);
	assert_int_equal(lookup(0x14010204), wide);
	assert_int_equal(fib_del(&r.dst), 0);
	assert_int_equal(fib_del(&r.dst), -ENOENT);
	assert_int_equal(lookup(0x14010203), wide);
	// A new long prefix waits for the grace period of the deletion, then it is there.
	prefix_parse("20.9.9.9/32", &r.dst);
	assert_int_equal(fib_set(&r, &err), 0);
	assert_int_equal(lookup(0x14090909), wide);
	rcu_poll();
	assert_int_equal(lookup(0x14090909), ADJ_DROP);
	assert_int_equal(fib_del(&r.dst), 0);
	prefix_parse("20.0.0.0/8", &r.dst);
	assert_int_equal(fib_del(&r.dst), 0);
	rcu_poll();
	assert_int_equal(lookup(0x14010203), ADJ_NONE);
	assert_int_equal(fib_routes(), before);
}

static void default_routes(void **state)
{
	struct dp_route r = {.kind = DP_ROUTE_FORWARD, .port = pbed.out};
	struct err err;

	(void)state;
	r.gateway = addr_from_v4(0x0a000202);
	prefix_parse("0.0.0.0/0", &r.dst);
	assert_int_equal(fib_set(&r, &err), 0);
	a_packet_crosses("10.0.1.2", "99.1.2.3", 0x08);
	a_packet_crosses("10.0.1.2", "10.9.2.3", 0x08);  // the longer one still wins
	assert_int_equal(lookup(0x0a080101), ADJ_DROP);
	r.kind = DP_ROUTE_DROP;
	assert_int_equal(fib_set(&r, &err), 0);
	assert_int_equal(lookup(0x63010203), ADJ_DROP);
	assert_int_equal(fib_del(&r.dst), 0);
	assert_int_equal(fib_del(&r.dst), -ENOENT);
	assert_int_equal(lookup(0x63010203), ADJ_NONE);
	prefix_parse("::/0", &r.dst);
	r.kind = DP_ROUTE_FORWARD;
	addr_parse("2001:db8:2::2", &r.gateway);
	assert_int_equal(fib_set(&r, &err), 0);
	a_packet_crosses("2001:db8:1::2", "2001:db8:77::2", 0x86);
	assert_int_equal(fib_del(&r.dst), 0);
}

static void from_host(const struct pbed_ip *o)
{
	uint8_t f[PBED_FRAME_MAX];
	size_t len = pbed_frame(f, o);
	struct burst b;

	memcpy(f, (uint8_t[]){2, 9, 9, 9, 9, 9}, 6);  // chosen by the kernel
	inject_frame(pbed_mbuf(f, len), pbed.out);
	b.n = rte_ring_sc_dequeue_burst(pbed.w[0]->inject, (void **)b.pkt, 32, NULL);
	assert_int_equal(b.n, 1);
	pipeline_inject(pbed.w[0], &b);
}

// The host's packets keep the kernel's link header and TTL, but not past the policy.
static void the_hosts_packets_meet_the_policy(void **state)
{
	struct dp_policy p = pbed_policy(1, 1, DP_POLICY_PROTECT, "10.0.2.0/24", "10.9.0.0/16");
	struct err err;

	(void)state;
	from_host(&(struct pbed_ip){.src = "10.0.2.1", .dst = "10.9.3.4"});
	struct rte_mbuf *m = pbed_sent(pbed.out);
	assert_non_null(m);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), ((uint8_t[]){2, 9, 9, 9, 9, 9}), 6);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[22], 64);
	rte_pktmbuf_free(m);
	assert_int_equal(spd_set(&p, 1, &err), 0);
	port_get(pbed.out)->policy_group = 1;
	from_host(&(struct pbed_ip){.src = "10.0.2.1", .dst = "10.9.3.4"});
	assert_null(pbed_sent(pbed.out));
	m = pbed_punted(PUNT_ACQUIRE);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(pbed_drops(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(both_families_by_gateway_and_attached, reset),
		cmocka_unit_test_setup(every_ttl, reset),
		cmocka_unit_test_setup(ttl_runs_out, reset),
		cmocka_unit_test_setup(too_big_for_the_link, reset),
		cmocka_unit_test_setup(unresolved_next_hop_waits, reset),
		cmocka_unit_test_setup(gateway_appears_and_goes, reset),
		cmocka_unit_test_setup(many_neighbours_come_and_go, reset),
		cmocka_unit_test_setup(longest_prefix_and_deletion, reset),
		cmocka_unit_test_setup(default_routes, reset),
		cmocka_unit_test_setup(the_hosts_packets_meet_the_policy, reset),
	};

	return cmocka_run_group_tests(tests, pbed_setup, pbed_teardown);
}
