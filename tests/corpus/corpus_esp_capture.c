// A capture with its SAs: every frame through sad_in and esp_in, compared with what is expected of
// it; every opened packet sealed again with the IV of the capture and compared byte by byte.
// A capture without SAs: nothing of it may be accepted.
#include "corpus_esp.h"

#include <pcap/pcap.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <strings.h>

#define SAS_MAX 64

struct capture {
	const char *name;
	struct tally *t;
	struct sa *sa[SAS_MAX];
	struct dp_sa conf[SAS_MAX];
	char why[SAS_MAX][256];  // not installed
	unsigned sas;
	const json_t *expected;  // array of packets, or NULL
	unsigned accepted;
};

static void line(struct capture *c, enum tally_result r, unsigned frame, const char *what,
		 const char *why)
{
	char name[256];

	snprintf(name, sizeof(name), "%s frame %u%s", c->name, frame, what);
	tally_line(c->t, r, name, "%s", why ? why : "");
}

static const uint8_t *l3_find(const uint8_t *p, size_t *len, int link)
{
	size_t skip = 0;

	switch (link) {
	case DLT_EN10MB:
		skip = 14;
		while (skip + 4 <= *len && p[skip - 2] == 0x81 && p[skip - 1] == 0)
			skip += 4;
		break;
	case DLT_NULL:
	case DLT_LOOP: skip = 4; break;
	case DLT_LINUX_SLL: skip = 16; break;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6: break;
	default: return NULL;
	}
	if (*len < skip + 20)
		return NULL;
	*len -= skip;
	return p + skip;
}

static const json_t *expected_of(const struct capture *c, unsigned frame)
{
	const json_t *o;
	size_t i;

	json_array_foreach(c->expected, i, o)
	{
		if (jnum(o, "frame", 0) == (long long)frame)
			return o;
	}
	return NULL;
}

// Tunnel or transport: by what the expected packets carry.
static enum dp_mode mode_of(const struct capture *c, const char *spi)
{
	const json_t *o;
	size_t i;

	json_array_foreach(c->expected, i, o)
	{
		long long nh = jnum(o, "next_header", 4);

		if (!strcasecmp(jstr(o, "spi"), spi) && nh != 4 && nh != 41)
			return DP_TRANSPORT;
	}
	return DP_TUNNEL;
}

static void sas_install(struct capture *c, const json_t *sas)
{
	const json_t *o;
	size_t i;

	json_array_foreach(sas, i, o)
	{
		struct dp_sa *p = &c->conf[c->sas];
		struct blob key, auth_key;
		unsigned n = c->sas;

		if (n == SAS_MAX)
			return;
		*p = (struct dp_sa){.dir = DP_IN, .replay_window = 64, .lim = UINT64_MAX};
		p->spi = (uint32_t)strtoul(jstr(o, "spi"), NULL, 0);
		p->mode = mode_of(c, jstr(o, "spi"));
		p->esn = json_is_true(json_object_get(o, "esn"));
		if (addr_parse(jstr(o, "dst"), &p->local) || jhex(o, "enc_key", &key) ||
		    jhex(o, "auth_key", &auth_key) ||
		    !esp_algorithm(p, jstr(o, "enc"), &key, jstr(o, "auth"), &auth_key,
				   (unsigned)jnum(o, "icv", 0))) {
			snprintf(c->why[n], sizeof(c->why[n]), "algorithm that is not offered");
		} else {
			p->remote = bed_addr(p->local.family == 4 ? "192.0.2.99" : "2001:db8::99");
			c->sa[n] = esp_install(p, c->why[n], sizeof(c->why[n]));
		}
		c->sas++;
	}
}

static int sa_of(const struct capture *c, uint32_t spi, const uint8_t *ip)
{
	for (unsigned i = 0; i < c->sas; i++)
		if (c->conf[i].spi == spi && c->conf[i].local.family == ip[0] >> 4 &&
		    !memcmp(c->conf[i].local.bytes, ip + (ip[0] >> 4 == 4 ? 16 : 24),
			    addr_len(&c->conf[i].local)))
			return (int)i;
	return -1;
}

// What the expectation says of an opened packet; NULL = all right.
static const char *compare(const json_t *e, const struct sa *sa, struct rte_mbuf *m, uint32_t l3,
			   uint32_t seq)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3);
	uint32_t len = rte_pktmbuf_data_len(m) - l3;
	struct blob sum;
	uint8_t got[32];

	if (jnum(e, "seq", seq) != (long long)seq || sa->seq != seq)
		return "sequence number differs";
	if (jnum(e, "plaintext_len", len) != (long long)len)
		return "length of the plaintext differs";
	IMB_SHA256(bed.w.crypto->mgr, p, len, got);
	if (jhex(e, "plaintext_sha256", &sum) || (sum.len && memcmp(sum.bytes, got, 32)))
		return "plaintext differs";
	return NULL;
}

// The same packet made by esp_out, IV and number as captured.
static void seal_again(struct capture *c, unsigned frame, unsigned n, const json_t *e,
		       const uint8_t *esp, size_t esp_len, struct rte_mbuf *opened, uint32_t seq)
{
	struct dp_sa conf = c->conf[n];
	char why[256] = "";
	struct blob iv;
	struct rte_mbuf *m;
	struct sa *sa;
	uint32_t at;

	conf.dir = DP_OUT;
	conf.local = c->conf[n].remote;
	conf.remote = c->conf[n].local;
	conf.next = seq;
	if (jhex(e, "iv", &iv))
		iv.len = 0;
	sa = esp_install(&conf, why, sizeof(why));
	if (!sa) {
		line(c, TALLY_FAILED, frame, " sealed", why);
		rte_pktmbuf_free(opened);
		return;
	}
	esp_force_iv(sa, iv.bytes, iv.len);
	bed_parse(opened);
	pkt_of(opened)->udp_len = 0;
	m = bed_out(sa, opened);
	at = sa->mode == DP_TUNNEL ? sa->tmpl_len - 8u : m ? pkt_of(m)->l3_len : 0;
	if (!m)
		line(c, TALLY_FAILED, frame, " sealed", "was dropped");
	else if (iv.len != sa->iv_len && sa->iv_len)
		line(c, TALLY_SKIPPED, frame, " sealed", "no IV is given");
	else if (rte_pktmbuf_data_len(m) != at + esp_len && jnum(e, "pad_len", 0) >= sa->block)
		line(c, TALLY_SKIPPED, frame, " sealed", "longer padding than needed");
	else if (rte_pktmbuf_data_len(m) != at + esp_len ||
		 memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, at), esp, esp_len))
		line(c, TALLY_FAILED, frame, " sealed", "the ESP packet differs");
	else
		line(c, TALLY_PASSED, frame, " sealed", NULL);
	rte_pktmbuf_free(m);
	esp_remove(sa);
}

static void frame_known(struct capture *c, unsigned frame, const uint8_t *ip, struct rte_mbuf *m)
{
	uint32_t at = pkt_of(m)->l3_len + pkt_of(m)->udp_len, l3, seq, spi;
	const json_t *e = expected_of(c, frame);
	const uint8_t *esp = ip + at;
	size_t esp_len = pkt_of(m)->l3_total - at;
	bool good = !json_is_false(json_object_get(e, "icv_ok")) &&
		    !json_is_false(json_object_get(e, "pad_ok"));
	const char *why;
	int n;

	spi = (uint32_t)esp[0] << 24 | (uint32_t)esp[1] << 16 | (uint32_t)esp[2] << 8 | esp[3];
	seq = (uint32_t)esp[4] << 24 | (uint32_t)esp[5] << 16 | (uint32_t)esp[6] << 8 | esp[7];
	n = sa_of(c, spi, ip);
	if (n >= 0 && !c->sa[n]) {
		line(c, TALLY_SKIPPED, frame, "", c->why[n]);
		rte_pktmbuf_free(m);
		return;
	}
	l3 = n >= 0 && c->conf[n].mode == DP_TRANSPORT ? pkt_of(m)->l3_len : 0;
	m = bed_in(m, NULL);
	if (n < 0 || !e || !good) {
		line(c, m ? TALLY_FAILED : TALLY_PASSED, frame, "", m ? "was accepted" : NULL);
		rte_pktmbuf_free(m);
		return;
	}
	if (!m || pkt_of(m)->sa != c->sa[n]) {
		line(c, TALLY_FAILED, frame, "", "was dropped");
		rte_pktmbuf_free(m);
		return;
	}
	why = compare(e, c->sa[n], m, l3, seq);
	line(c, why ? TALLY_FAILED : TALLY_PASSED, frame, "", why ? why : "");
	seal_again(c, frame, (unsigned)n, e, esp, esp_len, m, seq);
}

static void frame_run(struct capture *c, unsigned frame, const uint8_t *ip, size_t len)
{
	struct rte_mbuf *m;

	if (len > 2048 || (ip[0] >> 4 != 4 && ip[0] >> 4 != 6))
		return;
	m = bed_packet(ip, len);
	if (pkt_of(m)->proto != 50 && !pkt_of(m)->udp_len) {
		// AH and everything else is none of an ESP gateway's business
		if (pkt_of(m)->proto == 51)
			line(c, TALLY_PASSED, frame, " (AH, never accepted)", NULL);
		rte_pktmbuf_free(m);
		return;
	}
	if (pkt_of(m)->l3_total > len || pkt_of(m)->l3_len + pkt_of(m)->udp_len + 8u > len ||
	    !c->sas) {
		m = bed_in(m, NULL);
		line(c, m ? TALLY_FAILED : TALLY_PASSED, frame, " (not ours or cut short)",
		     m ? "was accepted" : "");
		rte_pktmbuf_free(m);
		return;
	}
	frame_known(c, frame, ip, m);
}

void corpus_esp_capture(const char *dir, const char *name, const json_t *sas, struct tally *t)
{
	struct capture c = {.name = name, .t = t};
	char path[4096], errbuf[PCAP_ERRBUF_SIZE], json_name[300];
	struct pcap_pkthdr *head;
	const uint8_t *bytes;
	unsigned frame = 0;
	json_t *expected;
	pcap_t *pcap;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(json_name, sizeof(json_name), "expected/%.*s.json", (int)strlen(name) - 5, name);
	expected = jload(dir, json_name);
	c.expected = json_object_get(expected, "packets");
	pcap = pcap_open_offline(path, errbuf);
	if (!pcap) {
		tally_line(t, TALLY_FAILED, name, "%s", errbuf);
		json_decref(expected);
		return;
	}
	sas_install(&c, sas);
	while (pcap_next_ex(pcap, &head, &bytes) == 1) {
		size_t len = head->caplen;
		const uint8_t *ip = l3_find(bytes, &len, pcap_datalink(pcap));

		frame++;
		if (ip)
			frame_run(&c, frame, ip, len);
	}
	for (unsigned i = 0; i < c.sas; i++)
		esp_remove(c.sa[i]);
	pcap_close(pcap);
	json_decref(expected);
}
