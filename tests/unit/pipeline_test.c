// Through the whole pipeline: clear frame -> ESP frame -> clear frame, with one, two and three
// workers; hand-over by SA owner keeps the order; sizes, TTL, ICMP errors, holding.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "hold.h"
#include "port.h"
#include "rcu.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

#define FLOWS 24

static struct dp_sa conf(enum dp_dir dir, uint32_t spi, const char *local, const char *remote,
			 int worker)
{
	struct dp_sa p = {
		.id = spi,
		.dir = dir,
		.spi = spi,
		.cipher = DP_CIPHER_AES_GCM,
		.icv_len = 16,
		.key_len = 16,
		.salt_len = 4,
		.replay_window = 1024,
		.next = 1,
		.lim = UINT32_MAX,
		.worker = worker,
		.state = DP_SA_ACTIVE,
	};

	addr_parse(local, &p.local);
	addr_parse(remote, &p.remote);
	memset(p.key, 0x5a, 20);
	return p;
}

static struct sa *sa_add(const struct dp_sa *p)
{
	struct err err = {0};
	uint32_t handle;

	if (dp_sa_add(p, &handle, &err))
		fail_msg("%s", err.msg);
	return sad_get(handle);
}

// Policies f: 10.0.1.0/24 -> 10.9.f.0/24, each with its own SA pair, owners spread over workers.
// The outbound SA sends to 10.0.2.2; the test carries the frame back to our own 10.0.2.1, where
// the matching inbound SA is.
static void tunnels_make(struct sa *out[FLOWS])
{
	struct dp_policy p[FLOWS];
	struct err err = {0};

	for (unsigned i = 0; i < FLOWS; i++) {
		char dst[32];

		snprintf(dst, sizeof(dst), "10.9.%u.0/24", i);
		p[i] = pbed_policy(i + 1, i, DP_POLICY_PROTECT, "10.0.1.0/24", dst);
		int owner = (int)(i % pbed.workers);
		struct dp_sa o = conf(DP_OUT, 0x1000 + i, "10.0.2.1", "10.0.2.2", owner);
		struct dp_sa in = conf(DP_IN, 0x1000 + i, "10.0.2.1", "10.0.2.2", owner);
		out[i] = sa_add(&o);
		sa_add(&in);
		assert_int_equal(spd_bind(i + 1, out[i]), 0);
	}
	assert_int_equal(spd_set(p, FLOWS, &err), 0);
	port_get(pbed.out)->policy_group = 1;
}

// Everybody hands over and sends; frames on `in` come to us as frames from the peer would.
static void turn_all(void)
{
	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < pbed.workers; i++) {
			struct worker *w = pbed.w[i];
			struct burst b;

			handoff_flush(w);
			for (unsigned k = 0; k < pbed.workers; k++) {
				if (k == i)
					continue;
				b.n = rte_ring_sc_dequeue_burst(w->handoff_in[k], (void **)b.pkt,
								64, NULL);
				pipeline_handoff(w, &b);
			}
		}
}

static void from_peer(uint8_t *f)
{
	memcpy(f, pbed_mac_out, 6);
	memcpy(f + 6, pbed_mac_peer, 6);
	memcpy(f + 14 + 12, (uint8_t[]){10, 0, 2, 2, 10, 0, 2, 1}, 8);
	pbed_ip_sum(f + 14);
}

// Carries every ESP frame back in; afterwards the inner frames stand on `out`'s neighbour again.
static unsigned reflect(struct worker *w)
{
	uint8_t frame[64][PBED_FRAME_MAX];
	uint32_t len[64];
	unsigned n = 0;
	struct rte_mbuf *m;

	while (n < 64 && (m = pbed_sent(pbed.out))) {
		len[n] = rte_pktmbuf_pkt_len(m);
		memcpy(frame[n], rte_pktmbuf_mtod(m, void *), len[n]);
		assert_int_equal(frame[n][23], IPPROTO_ESP);
		rte_pktmbuf_free(m);
		n++;
	}
	port_get(pbed.out)->policy_group = 0;
	for (unsigned i = 0; i < n; i++) {
		from_peer(frame[i]);
		pbed_receive_on(w, pbed.out, frame[i], len[i]);
	}
	turn_all();
	return n;
}

static void there_and_back(unsigned workers)
{
	struct sa *out[FLOWS];
	struct rte_mbuf *m;
	unsigned seen[FLOWS] = {0}, total = 0;

	pbed_start(workers);
	tunnels_make(out);
	for (unsigned i = 0; i < 2 * FLOWS; i++) {
		char dst[32];
		uint8_t f[PBED_FRAME_MAX];

		snprintf(dst, sizeof(dst), "10.9.%u.1", i % FLOWS);
		size_t len = pbed_frame(f, &(struct pbed_ip){.src = "10.0.1.2",
							     .dst = dst,
							     .payload = (uint16_t)(i * 20),
							     .id = (uint16_t)i});
		pbed_receive_on(pbed.w[i % workers], pbed.in, f, len);
	}
	turn_all();
	assert_int_equal(pbed_drops(), 0);
	assert_int_equal(pbed_sent_count(pbed.out), 2 * FLOWS);
	assert_int_equal(reflect(pbed.w[0]), 2 * FLOWS);
	while ((m = pbed_sent(pbed.out))) {
		const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + 14;
		unsigned flow = ip[18], id = (unsigned)(ip[4] << 8 | ip[5]);

		assert_int_equal(ip[9], IPPROTO_UDP);
		assert_int_equal(ip[8], 62);  // two hops: before and after the tunnel
		assert_int_equal(id, flow + FLOWS * seen[flow]);  // in order within the flow
		assert_int_equal(rte_pktmbuf_pkt_len(m), 14 + 28 + id * 20);
		seen[flow]++, total++;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(total, 2 * FLOWS);
	assert_int_equal(pbed_drops(), 0);
	if (workers > 1)
		assert_true(pbed.w[0]->handoff_out_packets > 0);
	worker_flush(pbed.w[0]);
	assert_int_equal(pbed_in_use(), 0);
	pbed_stop();
}

static void one_worker(void **state)
{
	(void)state;
	there_and_back(1);
}

static void two_workers(void **state)
{
	(void)state;
	there_and_back(2);
}

static void three_workers(void **state)
{
	(void)state;
	there_and_back(3);
}

// The sender of a packet that may not be cut learns the size that fits the tunnel, exactly.
static void too_big_for_the_tunnel(void **state)
{
	struct sa *out[FLOWS];
	struct rte_mbuf *m;

	(void)state;
	pbed_start(1);
	tunnels_make(out);
	struct pbed_ip o = {.src = "10.0.1.2", .dst = "10.9.0.1", .payload = 1472, .df = true};
	pbed_send(&o);
	assert_int_equal(pbed_drop(DROP_ESP_MTU), 1);
	worker_flush(pbed.w[0]);
	assert_int_equal(pbed.w[0]->tx_packets, 1);  // the ICMP error left by the sink
	pbed_send(&o);
	struct burst errors = pbed.w[0]->icmp;
	pbed.w[0]->icmp.n = 0;
	assert_int_equal(errors.n, 1);
	const uint8_t *e = rte_pktmbuf_mtod(errors.pkt[0], const uint8_t *);
	assert_int_equal(e[9], IPPROTO_ICMP);
	assert_memory_equal(e + 12, ((uint8_t[]){10, 0, 1, 1, 10, 0, 1, 2}), 8);
	assert_int_equal(e[20], 3), assert_int_equal(e[21], 4);
	uint16_t mtu = (uint16_t)(e[26] << 8 | e[27]);
	rte_pktmbuf_free(errors.pkt[0]);
	o.payload = (uint16_t)(mtu - 28);  // exactly that size goes through, one more does not
	pbed_send(&o);
	m = pbed_sent(pbed.out);
	assert_non_null(m);
	assert_true(rte_pktmbuf_pkt_len(m) <= 1514 && rte_pktmbuf_pkt_len(m) > 1514 - 4);
	rte_pktmbuf_free(m);
	o.payload++;
	pbed_send(&o);
	assert_null(pbed_sent(pbed.out));
	pbed_stop();
}

// Without "don't fragment" it is cut before encryption; every piece fits.
static void cut_before_encryption(void **state)
{
	struct sa *out[FLOWS];
	struct rte_mbuf *m;
	unsigned n = 0;

	(void)state;
	pbed_start(1);
	tunnels_make(out);
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.0.1", .payload = 1472});
	assert_int_equal(pbed_drops(), 0);
	for (; (m = pbed_sent(pbed.out)); n++) {
		assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[23], IPPROTO_ESP);
		assert_true(rte_pktmbuf_pkt_len(m) <= 1514);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(n, 2);
	pbed_stop();
}

// Policy without SA: the packet waits, and leaves encrypted once there is one.
static void deleted_sa_sends_nothing_in_clear(void **state)
{
	struct sa *out[FLOWS];
	struct rte_mbuf *m;

	(void)state;
	pbed_start(2);
	tunnels_make(out);
	// On its way to the other worker the SA disappears.
	pbed_send(&(struct pbed_ip){.src = "10.0.1.2", .dst = "10.9.1.1"});
	handoff_flush(pbed.w[0]);
	uint32_t handle = out[1]->handle;
	assert_int_equal(dp_sa_del(handle), 0);
	assert_true(spd_bound[2] == 0);
	turn_all();
	assert_int_equal(pbed_sent_count(pbed.out), 0);
	m = pbed_punted(PUNT_ACQUIRE);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	pbed_stop();
}

static void unknown_spi_is_reported_a_few_times(void **state)
{
	uint8_t f[PBED_FRAME_MAX];

	(void)state;
	pbed_start(1);
	size_t len = pbed_frame(f, &(struct pbed_ip){.src = "10.0.1.2",
						     .dst = "10.0.1.1",
						     .proto = IPPROTO_ESP,
						     .payload = 60});
	for (int i = 0; i < 100; i++)
		pbed_receive(f, len);
	assert_int_equal(pbed_drop(DROP_ESP_SPI), 100);
	struct dp_event ev;
	unsigned n = 0;
	while (rte_ring_sc_dequeue_elem(pbed.w[0]->events, &ev, sizeof(ev)) == 0) {
		assert_int_equal(ev.type, DP_EVENT_UNKNOWN_SPI);
		assert_int_equal(ev.spi, 0x01020304);
		assert_int_equal(addr_to_v4(&ev.remote), 0x0a000102);
		n++;
	}
	assert_true(n > 0 && n <= 10);
	pbed_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker),
		cmocka_unit_test(two_workers),
		cmocka_unit_test(three_workers),
		cmocka_unit_test(too_big_for_the_tunnel),
		cmocka_unit_test(cut_before_encryption),
		cmocka_unit_test(deleted_sa_sends_nothing_in_clear),
		cmocka_unit_test(unknown_spi_is_reported_a_few_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
