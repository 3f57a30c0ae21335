// Whole packets into sad_in and esp_in with known keys (security.md row 22). The first byte says
// how: as they are, cut into two pieces, or as the plaintext of a packet whose ICV is then right,
// so that padding, next header and inner packet are reached.
#include <rte_mbuf.h>

#include "esp_bed.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SAS 5

static struct sa *in[SAS], *out[SAS];

static void sa_install(unsigned i, struct dp_sa p)
{
	struct dp_sa q;
	uint32_t h;

	p.spi = 0x1000 + i;
	p.local_port = p.remote_port = 4500;
	q = bed_mirror(&p);
	if (sad_add(&p, &h, NULL))
		abort();
	out[i] = sad_get(h);
	if (i != 1) {  // one without selectors
		q.sels = 1;
		q.sel[0].src.addr = q.sel[0].dst.addr = bed_addr(i == 3 ? "::" : "0.0.0.0");
		q.sel[0].sport.lo = 1;
		q.sel[0].sport.hi = q.sel[0].dport.hi = 65535;
	}
	if (sad_add(&q, &h, NULL))
		abort();
	in[i] = sad_get(h);
}

static void start(void)
{
	struct dp_sa p;

	bed_start();
	atexit(bed_stop);  // the leak check looks neither into EAL's memory nor behind it
	sa_install(0, bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 16, 4, 0));
	sa_install(1, bed_conf(DP_CIPHER_AES_CBC, DP_AUTH_SHA1_96, 16, 4, 0));
	p = bed_conf(DP_CIPHER_NULL, DP_AUTH_SHA256_128, 0, 4, 0);
	p.mode = DP_TRANSPORT;
	sa_install(2, p);
	p = bed_conf(DP_CIPHER_AES_GCM, DP_AUTH_NONE, 32, 6, 0);
	p.esn = true;
	sa_install(3, p);
	p = bed_conf(DP_CIPHER_NULL, DP_AUTH_SHA1_96, 0, 4, 0);
	p.udp_encap = true;
	p.mode = DP_TRANSPORT;
	sa_install(4, p);
}

// What ip_in guarantees before the ESP stages see a packet.
static bool ip_valid(const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);

	return (p->family == 4 || p->family == 6) && p->l3_len >= (p->family == 4 ? 20 : 40) &&
	       p->l3_total >= p->l3_len + p->udp_len && p->l3_total <= rte_pktmbuf_pkt_len(m);
}

static void packet_run(struct rte_mbuf *m)
{
	bool unknown;

	if (!ip_valid(m)) {
		rte_pktmbuf_free(m);
		return;
	}
	m = bed_in(m, &unknown);
	if (m && (rte_pktmbuf_pkt_len(m) < 20 || m->nb_segs != 1))
		abort();
	rte_pktmbuf_free(m);
}

static struct rte_mbuf *sealed(unsigned i, const uint8_t *plain, size_t len)
{
	struct sa *sa = out[i];
	uint32_t head = sa->family == 4 ? 20 : 40, at = head + sa->udp, total;
	struct crypto_op *op = &bed.w.crypto->ops[0];
	uint8_t wire[2300] = {0};

	len = RTE_MIN(len, (size_t)1500) & ~(size_t)(sa->block - 1);
	total = (uint32_t)(at + 8 + sa->iv_len + len + sa->icv_len);
	if (sa->family == 4) {
		wire[0] = 0x45;
		wire[2] = (uint8_t)(total >> 8);
		wire[3] = (uint8_t)total;
		wire[9] = sa->udp ? 17 : 50;
		memcpy(wire + 12, sa->conf.local.bytes, 4);
		memcpy(wire + 16, sa->conf.remote.bytes, 4);
	} else {
		wire[0] = 0x60;
		wire[4] = (uint8_t)((total - 40) >> 8);
		wire[5] = (uint8_t)(total - 40);
		wire[6] = 50;
		memcpy(wire + 8, sa->conf.local.bytes, 16);
		memcpy(wire + 24, sa->conf.remote.bytes, 16);
	}
	if (sa->udp)
		memcpy(wire + head, (uint8_t[]){0x11, 0x94, 0x11, 0x94}, 4);
	memcpy(wire + at, &sa->spi_be, 4);
	wire[at + 7] = 1;
	memcpy(wire + at + 8 + sa->iv_len, plain, len);
	*op = (struct crypto_op){.key = sa->key,
				 .esp = wire + at,
				 .len = (uint32_t)len,
				 .iv_len = sa->iv_len,
				 .icv_len = sa->icv_len,
				 .esn = sa->esn};
	crypto_op_nonce(op, sa->salt);
	sa->crypt(bed.w.crypto, op, 1);
	return bed_packet(wire, total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!bed.pool)
		start();
	for (unsigned i = 0; i < SAS; i++) {
		in[i]->seq = 0;
		replay_init(in[i]->window_bits, in[i]->window);
	}
	bed_reset();
	if (len < 22 || len > 1600)
		return 0;
	if (data[0] & 1)
		packet_run(sealed(data[1] % SAS, data + 2, len - 2));
	else if (data[0] & 2)
		packet_run(
			bed_packet_split(data + 2, len - 2, 1 + data[1] % (len - 3), data[0] & 4));
	else
		packet_run(bed_packet(data + 2, len - 2));
	if (bed_mbufs_in_use())
		abort();
	return 0;
}
