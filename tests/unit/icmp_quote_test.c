// ICMP errors of this box about protected packets: none leaves in clear by a port with a crypto
// map, whoever sent the packet; about others they do.
#include "packet_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_mbuf.h>

#include "port.h"
#include "spd.h"

// 10.9.4.0/24 is protected towards 10.9.5.0/24; both ways lead by `out`, which has the map.
static void policies(uint8_t proto)
{
	struct dp_policy p[] = {
		pbed_policy(1, 0, DP_POLICY_PROTECT, "10.9.4.0/24", "10.9.5.0/24"),
		pbed_policy(2, 1, DP_POLICY_PROTECT, "2001:db8:2::40/124", "2001:db8:2::50/124"),
	};
	struct err err = {0};

	p[0].sel.proto = proto;
	assert_int_equal(spd_set(p, 2, &err), 0);
	port_get(pbed.out)->policy_group = 1;
}

static int reset(void **state)
{
	pbed_reset();
	port_get(pbed.out)->mtu = 1500;
	return 0;
}

static unsigned frames_out(void)
{
	unsigned n = 0;

	for (struct rte_mbuf *m; (m = pbed_sent(pbed.out)); n++)
		rte_pktmbuf_free(m);
	return n;
}

// The packet's last hop is here; what became of the error about it.
static void expires(struct pbed_ip o, unsigned left, unsigned dropped)
{
	uint64_t before = pbed_drop(DROP_POLICY_QUOTE);

	o.ttl = 1;
	pbed_send(&o);
	assert_int_equal(pbed.w[0]->icmp.n, 1);
	struct burst errors = pbed.w[0]->icmp;

	pbed.w[0]->icmp.n = 0;
	pipeline_inject(pbed.w[0], &errors);
	assert_int_equal(frames_out(), left);
	assert_int_equal(pbed_drop(DROP_POLICY_QUOTE) - before, dropped);
}

static void either_direction(void **state)
{
	policies(0);
	expires((struct pbed_ip){.src = "10.9.4.1", .dst = "10.9.5.1", .payload = 30}, 0, 1);
	expires((struct pbed_ip){.src = "10.9.5.1", .dst = "10.9.4.1", .payload = 30}, 0, 1);
	expires((struct pbed_ip){.src = "10.9.5.1", .dst = "10.9.4.1", .payload = 900}, 0, 1);
	expires((struct pbed_ip){.src = "2001:db8:2::51", .dst = "2001:db8:2::41"}, 0, 1);
	// no policy protects these
	expires((struct pbed_ip){.src = "10.9.5.1", .dst = "10.9.6.1", .payload = 30}, 1, 0);
	expires((struct pbed_ip){.src = "10.9.6.1", .dst = "10.9.5.1", .payload = 30}, 1, 0);
	expires((struct pbed_ip){.src = "2001:db8:2::2", .dst = "2001:db8:2::61"}, 1, 0);
}

static void the_policy_decides(void **state)
{
	policies(IPPROTO_UDP);
	expires((struct pbed_ip){.src = "10.9.5.1", .dst = "10.9.4.1", .payload = 30}, 0, 1);
	expires((struct pbed_ip){.src = "10.9.5.1", .dst = "10.9.4.1", .proto = IPPROTO_TCP}, 1, 0);
	port_get(pbed.out)->policy_group = 0;  // no map, no rule
	expires((struct pbed_ip){.src = "10.9.5.1", .dst = "10.9.4.1", .payload = 30}, 1, 0);
}

// By the host's stack: unreachable, about a packet that the host was given.
static void the_hosts_errors(void **state)
{
	uint8_t ip[PBED_FRAME_MAX], inner[PBED_FRAME_MAX];
	struct pbed_ip about = {.src = "10.9.5.1", .dst = "10.9.4.1", .payload = 30};

	policies(0);
	for (unsigned protected = 0; protected < 2; protected ++) {
		about.dst = protected ? "10.9.4.1" : "10.9.6.1";
		size_t n = pbed_ip(inner, &about);
		size_t len = pbed_ip(ip, &(struct pbed_ip){.src = "10.0.2.1",
							   .dst = "10.9.5.1",
							   .proto = IPPROTO_ICMP,
							   .payload = (uint16_t)(8 + n)});
		memset(ip + 20, 0, 8);
		ip[20] = 3;
		memcpy(ip + 28, inner, n);
		for (unsigned cut = 0; cut < 3; cut++) {  // nothing, or almost nothing, is quoted
			size_t size = cut == 0 ? len : cut == 1 ? 28 : 28 + 19;
			struct rte_mbuf *m = pbed_mbuf(ip, size);
			struct burst b = {.n = 1, .pkt = {m}};

			*pkt_of(m) = (struct pkt){.family = 4, .flags = PKT_OURS | PKT_NO_L2};
			rte_pktmbuf_mtod(m, uint8_t *)[2] = (uint8_t)(size >> 8);
			rte_pktmbuf_mtod(m, uint8_t *)[3] = (uint8_t)size;
			pbed_ip_sum(rte_pktmbuf_mtod(m, uint8_t *));
			pipeline_inject(pbed.w[0], &b);
			assert_int_equal(frames_out(), protected && cut == 0 ? 0 : 1);
		}
	}
	assert_int_equal(pbed_drop(DROP_POLICY_QUOTE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(either_direction, reset),
		cmocka_unit_test_setup(the_policy_decides, reset),
		cmocka_unit_test_setup(the_hosts_errors, reset),
	};

	pbed_start(1);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	pbed_stop();
	return failed;
}
