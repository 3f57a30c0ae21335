// Late packets of a group that was handed over: they wait, leave as they came to where the group
// went, never in clear by a port with a crypto map, bounded in number and time.
#include "packet_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "late.h"
#include "port.h"
#include "punt.h"
#include "rcu.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

#define GROUP 3
#define SPI   0x1000

static const uint8_t vmac[6] = {0, 0, 0x0c, 7, 0xac, 1};
static const struct pbed_ip clear = {.src = "10.0.1.2", .dst = "10.9.0.1", .payload = 40};
static struct dp_forward both[2];

static void sa_make(enum dp_dir dir)
{
	struct dp_sa p = {.id = SPI,
			  .dir = dir,
			  .spi = SPI,
			  .cipher = DP_CIPHER_AES_GCM,
			  .icv_len = 16,
			  .key_len = 16,
			  .salt_len = 4,
			  .replay_window = 64,
			  .next = 1,
			  .lim = UINT32_MAX,
			  .state = DP_SA_ACTIVE,
			  .group = GROUP};
	struct err err = {0};
	uint32_t handle;

	addr_parse("10.0.2.1", &p.local);
	addr_parse("10.0.2.2", &p.remote);
	memset(p.key, 0x5a, 20);
	assert_int_equal(dp_sa_add(&p, &handle, &err), 0);
	if (dir == DP_OUT)
		assert_int_equal(spd_bind(1, sad_get(handle)), 0);
}

static int begin(void **state)
{
	struct dp_policy p = pbed_policy(1, 1, DP_POLICY_PROTECT, "10.0.1.0/24", "10.9.0.0/24");
	struct err err = {0};

	(void)state;
	pbed_start(1);
	late_init();
	sa_make(DP_OUT);
	sa_make(DP_IN);
	assert_int_equal(spd_set(&p, 1, &err), 0);
	port_get(pbed.out)->policy_group = 1;
	both[0] = (struct dp_forward){.port = pbed.in, .family = 4};
	both[1] = (struct dp_forward){.port = pbed.out, .family = 4};
	memcpy(both[0].mac, vmac, 6);
	memcpy(both[1].mac, vmac, 6);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	return 0;
}

static int end(void **state)
{
	(void)state;
	late_fini();
	pbed_stop();
	return 0;
}

static void stop(void)
{
	assert_int_equal(dp_group_stop(GROUP, NULL, NULL), 0);
	rcu_poll();
}

// What the control thread has put on the ring goes to the ports.
static void turn(void)
{
	struct burst b;

	punt_drain(4096, 0);
	while ((b.n = rte_ring_sc_dequeue_burst(pbed.w[0]->inject, (void **)b.pkt, 32, NULL)))
		pipeline_inject(pbed.w[0], &b);
}

// An ESP frame of our own, as if the peer had sent it.
static size_t esp_frame(uint8_t *f)
{
	struct rte_mbuf *m;
	size_t len;

	pbed_send(&clear);
	m = pbed_sent(pbed.out);
	assert_non_null(m);
	len = rte_pktmbuf_pkt_len(m);
	memcpy(f, rte_pktmbuf_mtod(m, void *), len);
	rte_pktmbuf_free(m);
	assert_int_equal(f[23], IPPROTO_ESP);
	memcpy(f, pbed_mac_out, 6);
	memcpy(f + 6, pbed_mac_peer, 6);
	memcpy(f + 14 + 12, (uint8_t[]){10, 0, 2, 2, 10, 0, 2, 1}, 8);
	pbed_ip_sum(f + 14);
	return len;
}

static void waits_and_goes_back_as_it_came(void **state)
{
	uint8_t f[PBED_FRAME_MAX];
	size_t len = esp_frame(f);
	struct rte_mbuf *m;

	(void)state;
	assert_int_equal(dp_group_forward(GROUP, both, 2, 1000), -ENOENT);  // it works here
	stop();
	pbed_send(&clear);
	pbed_receive_on(pbed.w[0], pbed.out, f, len);
	turn();
	assert_int_equal(late_count(GROUP), 2);
	assert_int_equal(pbed_sent_count(pbed.in) + pbed_sent_count(pbed.out), 0);
	// the outer side has changed hands first
	assert_int_equal(dp_group_forward(GROUP, both + 1, 1, 1000), 0);
	turn();
	assert_int_equal(late_count(GROUP), 1);
	m = pbed_sent(pbed.out);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), vmac, 6);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + 6, pbed_mac_out, 6);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + 12, f + 12, len - 12);
	rte_pktmbuf_free(m);
	assert_int_equal(dp_group_forward(GROUP, both, 2, 1000), 0);
	pbed_send(&clear);  // in the time of grace
	turn();
	assert_int_equal(late_count(GROUP), 0);
	assert_int_equal(pbed_sent_count(pbed.out), 0);  // nothing in clear outside
	for (int i = 0; i < 2; i++) {
		m = pbed_sent(pbed.in);
		assert_non_null(m);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), vmac, 6);
		assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[23], IPPROTO_UDP);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(pbed_drop(DROP_ESP_HANDED), 0);
}

static void no_clear_packet_by_a_port_with_a_map(void **state)
{
	(void)state;
	stop();
	pbed_send(&clear);
	turn();
	assert_int_equal(late_count(GROUP), 1);
	port_get(pbed.in)->policy_group = 2;
	assert_int_equal(dp_group_forward(GROUP, both, 2, 1000), 0);
	turn();
	assert_int_equal(late_count(GROUP), 0);
	assert_int_equal(pbed_sent_count(pbed.in) + pbed_sent_count(pbed.out), 0);
}

static void bounded_and_over(void **state)
{
	(void)state;
	stop();
	for (unsigned i = 0; i < 2 * LATE_MAX; i++) {
		pbed_send(&clear);
		turn();
	}
	assert_int_equal(late_count(GROUP), LATE_MAX);
	assert_int_equal(dp_group_forward(GROUP, both + 1, 1, 0), 0);  // no grace at all
	late_expire();
	assert_int_equal(late_count(GROUP), 0);
	assert_false(dp_group_handed(GROUP));
	pbed_send(&clear);
	assert_int_equal(pbed_drop(DROP_ESP_STANDBY), 1);
	// what waited is of no use to the next stop
	dp_group_set(GROUP, DP_SA_ACTIVE);
	stop();
	pbed_send(&clear);
	turn();
	assert_int_equal(late_count(GROUP), 1);
	dp_group_set(GROUP, DP_SA_ACTIVE);
	late_expire();
	assert_int_equal(late_count(GROUP), 0);
	assert_int_equal(dp_group_forward(GROUP, both, DP_FORWARD_MAX + 1, 0), -EINVAL);
	assert_int_equal(pbed_sent_count(pbed.in) + pbed_sent_count(pbed.out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(waits_and_goes_back_as_it_came, begin, end),
		cmocka_unit_test_setup_teardown(no_clear_packet_by_a_port_with_a_map, begin, end),
		cmocka_unit_test_setup_teardown(bounded_and_over, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
