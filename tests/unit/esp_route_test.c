// The remembered way to the peer: encapsulated packets follow a new route, its removal and a new
// address of the peer with the very next packet, though the SA keeps the last answer.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include <rte_mbuf.h>

#include "fib.h"
#include "port.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

static uint32_t tunnel_make(void)
{
	struct dp_sa p = {
		.dir = DP_OUT,
		.spi = 0x1234,
		.cipher = DP_CIPHER_AES_GCM,
		.icv_len = 16,
		.key_len = 16,
		.salt_len = 4,
		.next = 1,
		.lim = UINT32_MAX,
		.state = DP_SA_ACTIVE,
	};
	struct dp_policy policy =
		pbed_policy(1, 0, DP_POLICY_PROTECT, "10.0.1.0/24", "10.9.0.0/16");
	struct err err = {0};
	uint32_t handle;

	addr_parse("10.0.2.1", &p.local);
	addr_parse("10.0.2.2", &p.remote);
	memset(p.key, 0x5a, 20);
	assert_int_equal(dp_sa_add(&p, &handle, &err), 0);
	assert_int_equal(spd_set(&policy, 1, &err), 0);
	assert_int_equal(spd_bind(1, sad_get(handle)), 0);
	port_get(pbed.out)->policy_group = 1;
	return handle;
}

// The outer destination's last byte of the one packet that leaves, by the port that is expected.
static unsigned sent_to(uint32_t port)
{
	struct rte_mbuf *m;
	unsigned last;

	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.0.1", .payload = 10});
	assert_int_equal(pbed_sent_count(pbed.in) + pbed_sent_count(pbed.out), 1);
	m = pbed_sent(port);
	assert_non_null(m);
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + 14;
	assert_int_equal(ip[9], IPPROTO_ESP);
	last = ip[19];
	rte_pktmbuf_free(m);
	return last;
}

static struct dp_route host_route(const char *dst, uint32_t port, const char *via)
{
	struct dp_route r = {.kind = DP_ROUTE_FORWARD, .port = port};

	assert_int_equal(prefix_parse(dst, &r.dst), 0);
	assert_int_equal(addr_parse(via, &r.gateway), 0);
	return r;
}

static void follows_routes(void **state)
{
	struct err err = {0};

	(void)state;
	pbed_start(1);
	tunnel_make();
	struct dp_route r = host_route("10.0.2.2/32", pbed.in, "10.0.1.2");
	for (int i = 0; i < 3; i++)
		assert_int_equal(sent_to(pbed.out), 2);
	assert_int_equal(fib_set(&r, &err), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sent_to(pbed.in), 2);
	r.kind = DP_ROUTE_DROP;
	assert_int_equal(fib_set(&r, &err), 0);
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.0.1", .payload = 10});
	assert_int_equal(pbed_drop(DROP_IP_BLACKHOLE), 1);
	assert_int_equal(pbed_sent_count(pbed.in) + pbed_sent_count(pbed.out), 0);
	assert_int_equal(fib_del(&r.dst), 0);
	assert_int_equal(sent_to(pbed.out), 2);
	pbed_stop();
}

static void follows_the_peer(void **state)
{
	struct ip_addr there;

	(void)state;
	pbed_start(1);
	uint32_t handle = tunnel_make();
	assert_int_equal(sent_to(pbed.out), 2);
	assert_int_equal(sent_to(pbed.out), 2);
	addr_parse("10.0.1.2", &there);
	assert_int_equal(dp_sa_set_remote(handle, &there, 0), 0);
	assert_int_equal(sent_to(pbed.in), 2);
	addr_parse("10.0.2.2", &there);
	assert_int_equal(dp_sa_set_remote(handle, &there, 0), 0);
	assert_int_equal(sent_to(pbed.out), 2);
	pbed_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_routes),
		cmocka_unit_test(follows_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
