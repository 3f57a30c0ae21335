// Frames of a stranger through the whole receive path: link and IP headers, reassembly, UDP
// sorting, SAD look-up, routing, policy, ICMP errors. Input: one or more frames, each behind two
// length bytes. Buffers must all come back and the counters must add up.
#include "packet_bed.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "port.h"
#include "spd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start(void)
{
	static bool started;
	struct dp_policy p[2];
	struct err err;

	if (started)
		return;
	started = true;
	pbed_start(1);
	atexit(pbed_stop);  // the leak check looks neither into EAL's memory nor behind it
	p[0] = pbed_policy(1, 1, DP_POLICY_PROTECT, "10.0.1.0/24", "10.9.0.0/16");
	p[1] = pbed_policy(2, 2, DP_POLICY_BYPASS, "0.0.0.0/0", "0.0.0.0/0");
	p[1].sel.proto = 6;
	p[1].sel.dport = (struct port_range){22, 22};
	if (spd_set(p, 2, &err))
		abort();
	port_get(pbed.in)->policy_group = port_get(pbed.out)->policy_group = 1;
}

static void settle(void)
{
	struct rte_mbuf *m;

	for (enum punt_kind k = 0; k < PUNT_COUNT; k++)
		while ((m = pbed_punted(k)))
			rte_pktmbuf_free(m);
	worker_flush(pbed.w[0]);
	worker_flush(pbed.w[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t f[PBED_FRAME_MAX];

	start();
	while (size >= 2) {
		size_t len = (size_t)(data[0] << 8 | data[1]);

		data += 2, size -= 2;
		if (len > size)
			len = size;
		if (len > sizeof(f))
			len = sizeof(f);
		memcpy(f, data, len);
		if (len > 6 && f[0] == 0)  // most frames are for us
			memcpy(f, pbed_mac_in, 6);
		if (len >= 34 && f[12] == 0x08 && f[13] == 0 && (f[14] & 15) * 4u + 14 <= len &&
		    (f[14] & 15) >= 5 && f[24] == 0)  // zero checksum: make it right
			pbed_ip_sum(f + 14);
		pbed_receive(f, len);
		data += len, size -= len;
	}
	settle();
	// What is neither sent nor punted nor dropped waits for its other fragments.
	if (pbed_in_use() > 64 * 8)
		abort();
	pbed.w[0]->now_tsc += 3 * pbed.w[0]->tsc_hz;
	frag_expire(pbed.w[0]);
	if (pbed_in_use() != 0)
		abort();
	return 0;
}
