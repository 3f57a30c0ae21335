// Two workers as real threads, while the control thread changes everything they read: SAs,
// bindings, policy sets, routes, neighbours, port groups. For ThreadSanitizer (docs/operations.md);
// without it, that every buffer comes back and nothing leaves in clear.
#include "packet_bed.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "fib.h"
#include "hold.h"
#include "neigh.h"
#include "port.h"
#include "punt.h"
#include "rcu.h"
#include "sa.h"
#include "sad.h"
#include "spd.h"

#define WORKERS 2
#define FLOWS   8
#define ROUNDS  400

static pthread_t thread[WORKERS];

static void *run(void *arg)
{
	worker_main(arg);
	return NULL;
}

static uint32_t sa_make(unsigned flow, bool narrow)
{
	static uint32_t spi = 0x3000;
	struct err err = {0};
	uint32_t handle;
	char dst[32];
	spi++;
	struct dp_sa p = {
		.dir = DP_OUT,
		.spi = spi,
		.cipher = DP_CIPHER_AES_GCM,
		.icv_len = 16,
		.key_len = 16,
		.salt_len = 4,
		.next = 1,
		.lim = UINT32_MAX,
		.worker = (int)(spi % WORKERS),
		.sels = 1,
		.sel[0] = {.sport = {0, 65535}, .dport = {0, 65535}},
	};

	addr_parse("10.0.2.1", &p.local);
	addr_parse("10.0.2.2", &p.remote);
	snprintf(dst, sizeof(dst), "10.9.%u.%u/%u", flow, narrow ? 128 : 0, narrow ? 25 : 24);
	prefix_parse("10.0.1.0/24", &p.sel[0].src);
	prefix_parse(dst, &p.sel[0].dst);
	memset(p.key, 0x5a, 20);
	if (dp_sa_add(&p, &handle, &err))
		fail_msg("%s", err.msg);
	return handle;
}

// n policies; the first FLOWS protect the flows.
static void policies_set(unsigned n)
{
	struct dp_policy *p = calloc(n, sizeof(*p));
	struct err err = {0};
	char dst[32];

	assert_non_null(p);
	for (unsigned i = 0; i < n; i++) {
		snprintf(dst, sizeof(dst), "10.9.%u.0/24", i % 256);
		p[i] = pbed_policy(i + 1, i, DP_POLICY_PROTECT, "10.0.1.0/24", dst);
	}
	assert_int_equal(spd_set(p, n, &err), 0);
	free(p);
}

static void packets_in(unsigned round)
{
	uint8_t f[PBED_FRAME_MAX];
	char dst[32];

	for (unsigned i = 0; i < 16; i++) {
		snprintf(dst, sizeof(dst), "10.9.%u.%u", (round + i) % FLOWS, i * 16 + 1);
		size_t len = pbed_frame(f, &(struct pbed_ip){.src = "10.0.1.2", .dst = dst});
		struct rte_mbuf *m = pbed_mbuf(f + 14, len - 14);
		*pkt_of(m) = (struct pkt){.in_port = pbed.in, .family = 4, .flags = PKT_NO_L2};
		inject(m, i % WORKERS);
	}
}

static void change_routes(unsigned round)
{
	struct dp_route r = {.kind = round & 1 ? DP_ROUTE_DROP : DP_ROUTE_FORWARD,
			     .port = pbed.out};
	struct ip_addr a;
	struct err err = {0};

	prefix_parse("10.9.7.0/24", &r.dst);
	addr_parse("10.0.2.2", &r.gateway);
	assert_int_equal(fib_set(&r, &err), 0);
	if (round % 3 == 0)
		fib_del(&r.dst);
	addr_parse("10.0.2.2", &a);
	assert_int_equal(dp_neigh_set(pbed.out, &a, pbed_mac_peer, round % 5 != 0), 0);
}

static void change_sas(uint32_t sa[FLOWS], unsigned round)
{
	unsigned flow = round % FLOWS;
	struct ip_addr remote;
	struct dp_sa_stats stats;
	uint32_t old = sa[flow];

	sa[flow] = sa_make(flow, round % 3 == 0);
	assert_int_equal(dp_policy_bind(flow + 1, sa[flow]), 0);
	if (old)
		assert_int_equal(dp_sa_del(old), 0);
	addr_parse(round & 1 ? "10.0.2.2" : "10.0.2.3", &remote);
	assert_int_equal(dp_sa_set_remote(sa[flow], &remote, 0), 0);
	assert_int_equal(dp_sa_set_lim(sa[flow], 1000000), 0);
	assert_int_equal(dp_sa_get_stats(sa[flow], &stats), 0);
}

static void displays(void)
{
	struct dp_worker_stats w;
	struct dp_stage_stats s;
	const char *name, *sentence;
	uint64_t count;

	for (unsigned i = 0; i < dp_stage_count(); i++)
		dp_stage_get(i, -1, &s);
	for (unsigned i = 0; i < dp_drop_count(); i++)
		dp_drop_get(i, -1, &name, &sentence, &count);
	dp_worker_get(0, &w);
}

static void everything_changes_under_traffic(void **state)
{
	uint32_t sa[FLOWS] = {0};

	(void)state;
	pbed_start(WORKERS);
	policies_set(FLOWS);
	dp_port_set_policy(pbed.out, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, pbed.w[i]), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		packets_in(round);
		change_sas(sa, round);
		change_routes(round);
		if (round % 50 == 0)
			policies_set(round % 100 ? FLOWS : 200);
		dp_port_set_policy(pbed.out, 1 + (round % 40 == 39));
		spd_poll();
		punt_drain(256, round);
		if (round % 10 == 0)
			displays();
		dp_stage_cycles(round & 64);
		rcu_poll();
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		__atomic_store_n(&pbed.w[i]->stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	uint64_t sealed = 0;
	for (unsigned i = 0; i < FLOWS; i++)
		sealed += sad_get(sa[i])->packets;
	assert_int_equal(pbed_drop(DROP_POLICY_CLEAR), 0);
	assert_true(sealed > 0);
	pbed_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(everything_changes_under_traffic)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
