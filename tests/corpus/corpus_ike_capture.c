// Captures: finds the UDP datagrams to or from ports 500 and 4500 and decodes what is IKEv1.
#include <pcap/pcap.h>

#include "buf.h"
#include "corpus_ike.h"

// The link layer's header: leaves b at the IP header. False: no IP.
static bool link_skip(int link, struct rbuf *b)
{
	uint16_t type;

	switch (link) {
	case DLT_EN10MB:
		if (rbuf_skip(b, 12) || rbuf_get_u16(b, &type))
			return false;
		while (type == 0x8100 || type == 0x88a8) {
			if (rbuf_skip(b, 2) || rbuf_get_u16(b, &type))
				return false;
		}
		return type == 0x0800 || type == 0x86dd;
	case DLT_LINUX_SLL: return rbuf_skip(b, 16) == 0;
	case DLT_NULL:
	case DLT_LOOP: return rbuf_skip(b, 4) == 0;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6: return true;
	default: return false;
	}
}

// From the IP header to the UDP payload, as much of it as was captured. False: not an unfragmented
// UDP datagram.
static bool udp_find(struct rbuf *b, uint16_t *sport, uint16_t *dport)
{
	uint8_t first, proto;
	uint16_t total, frag, udp_len;
	struct rbuf ip = *b;

	if (rbuf_get_u8(&ip, &first))
		return false;
	if (first >> 4 == 4) {
		const size_t header = (size_t)(first & 15) * 4;
		if (header < 20 || rbuf_skip(&ip, 1) || rbuf_get_u16(&ip, &total) ||
		    rbuf_skip(&ip, 2) || rbuf_get_u16(&ip, &frag) || rbuf_skip(&ip, 1) ||
		    rbuf_get_u8(&ip, &proto) || proto != 17 || (frag & 0x3fff) ||
		    rbuf_skip(b, header))
			return false;
	} else if (rbuf_skip(&ip, 5) || rbuf_get_u8(&ip, &proto) || proto != 17 ||
		   rbuf_skip(b, 40)) {
		return false;
	}
	struct rbuf udp = *b;
	if (rbuf_get_u16(&udp, sport) || rbuf_get_u16(&udp, dport) ||
	    rbuf_get_u16(&udp, &udp_len) || rbuf_skip(&udp, 2) || udp_len < 8)
		return false;
	const size_t left = rbuf_left(&udp);
	return rbuf_get_sub(&udp, b, udp_len - 8u < left ? udp_len - 8u : left) == 0;
}

void ike_capture(struct tally *t, const char *path, const char *name)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, err);
	unsigned n[4] = {0}, payloads = 0;
	struct pcap_pkthdr *hdr;
	const u_char *bytes;

	if (!p) {
		tally_line(t, TALLY_FAILED, name, "%s", err);
		return;
	}
	while (pcap_next_ex(p, &hdr, &bytes) == 1) {
		struct rbuf b;
		uint16_t sport, dport;
		unsigned count;

		rbuf_init(&b, bytes, hdr->caplen);
		if (!link_skip(pcap_datalink(p), &b) || !udp_find(&b, &sport, &dport))
			continue;
		const uint8_t *data = b.pos;
		size_t len = rbuf_left(&b);
		const bool natt = sport == 4500 || dport == 4500;
		if (!natt && sport != 500 && dport != 500)
			continue;
		if (natt && !ike_unmark(&data, &len))
			continue;
		n[ike_decode_all(data, len, &count)]++;
		payloads += count;
	}
	pcap_close(p);
	if (!n[DECODED_V1] && !n[DECODED_ENCRYPTED] && !n[DECODED_REFUSED])
		tally_line(t, TALLY_SKIPPED, name, "%s",
			   n[DECODED_V2] ? "only IKEv2, which the header decoder refused"
					 : "no IKE datagram");
	else
		tally_line(t, TALLY_PASSED, name,
			   "%u in clear (%u payloads), %u encrypted, %u refused, %u of IKEv2",
			   n[DECODED_V1], payloads, n[DECODED_ENCRYPTED], n[DECODED_REFUSED],
			   n[DECODED_V2]);
}
