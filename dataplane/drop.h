// The list of drop reasons, once: name as shown by `show dataplane drops`, and a sentence.
// A new reason is one line here; docs/drops.md is checked against it.
#pragma once

// clang-format off
#define DROP_LIST(X) \
	X(ETH_RUNT,        "eth-runt",        "frame shorter than an Ethernet header") \
	X(ETH_TYPE,        "eth-type",        "Ethernet type nobody wants") \
	X(ETH_DST,         "eth-dst",         "frame for another station") \
	X(IP_RUNT,         "ip-runt",         "packet shorter than its IP header") \
	X(IP_VERSION,      "ip-version",      "IP version is neither 4 nor 6, or not the frame's") \
	X(IP_HEADER,       "ip-header",       "IP header length is wrong") \
	X(IP_LENGTH,       "ip-length",       "IP total length exceeds the packet") \
	X(IP_CHECKSUM,     "ip-checksum",     "IPv4 header checksum is wrong") \
	X(IP_SOURCE,       "ip-source",       "source address that cannot be one") \
	X(IP_TTL,          "ip-ttl",          "time to live ran out") \
	X(IP_NO_ROUTE,     "ip-no-route",     "no route to the destination") \
	X(IP_BLACKHOLE,    "ip-blackhole",    "route says drop") \
	X(IP_MTU,          "ip-mtu",          "too big for the outgoing link, may not be fragmented") \
	X(IP_FRAGMENT,     "ip-fragment",     "fragment that cannot be reassembled") \
	X(FRAG_LIMIT,      "frag-limit",      "reassembly table is full or the fragment timed out") \
	X(NEIGH_HOLD,      "neigh-hold",      "link address not known yet and the hold queue is full") \
	X(NEIGH_FAILED,    "neigh-failed",    "link address of the next hop cannot be found") \
	X(PORT_DOWN,       "port-down",       "outgoing port is down or gone") \
	X(TX_FULL,         "tx-full",         "transmit queue stayed full") \
	X(PUNT_FULL,       "punt-full",       "ring to the control thread is full") \
	X(HANDOFF_FULL,    "handoff-full",    "ring to the owner worker is full") \
	X(NO_MBUF,         "no-mbuf",         "no packet buffer left") \
	X(POLICY_CLEAR,    "policy-clear",    "arrived in clear but policy wants it encrypted") \
	X(POLICY_NO_SA,    "policy-no-sa",    "policy wants it encrypted, no SA, hold queue full or given up") \
	X(ESP_RUNT,        "esp-runt",        "ESP packet too short for its algorithms") \
	X(ESP_ALIGN,       "esp-align",       "ESP ciphertext is not a multiple of the block") \
	X(ESP_SPI,         "esp-spi",         "no SA with this SPI") \
	X(ESP_ENDPOINT,    "esp-endpoint",    "SA of another endpoint or another encapsulation") \
	X(ESP_REPLAY,      "esp-replay",      "sequence number seen before or left of the window") \
	X(ESP_ICV,         "esp-icv",         "integrity check failed") \
	X(ESP_PAD,         "esp-pad",         "padding is wrong after decryption") \
	X(ESP_NEXT_HEADER, "esp-next-header", "next header that a tunnel cannot carry") \
	X(ESP_DUMMY,       "esp-dummy",       "dummy packet (next header 59), as meant") \
	X(ESP_INNER,       "esp-inner",       "inner packet is malformed") \
	X(ESP_SELECTOR,    "esp-selector",    "inner addresses are outside the SA's selectors") \
	X(ESP_STANDBY,     "esp-standby",     "SA is in state standby") \
	X(ESP_HANDED,      "esp-handed",      "arrived after its redundancy group was handed to the other box") \
	X(ESP_LIM,         "esp-lim",         "SA may not send above its limit") \
	X(ESP_EXPIRED,     "esp-expired",     "SA reached its hard lifetime") \
	X(ESP_MTU,         "esp-mtu",         "too big after encapsulation; sender was told") \
	X(ESP_CRYPTO,      "esp-crypto",      "crypto library refused the packet") \
	X(ESP_ROOM,        "esp-room",        "no room around the packet for encapsulation, or too big to be one piece") \
	X(ESP_ECN,         "esp-ecn",         "outer congestion mark on an inner packet that cannot carry it") \
	X(NATT_RUNT,       "natt-runt",       "UDP 4500 datagram of 0 to 3 bytes or a broken marker") \
	X(NATT_KEEPALIVE,  "natt-keepalive",  "NAT keepalive, as meant") \
	X(UDP_HEADER,      "udp-header",      "UDP length or checksum is wrong") \
	X(POLICY_FRAGMENT, "policy-fragment", "later fragment where the policy needs ports") \
	X(POLICY_UNBUILT,  "policy-unbuilt",  "policies of the port's crypto map are not in force yet") \
	X(POLICY_BACK,     "policy-back",     "from a tunnel to what the map protects, routed out of the map's port in clear") \
	X(POLICY_QUOTE,    "policy-quote",    "ICMP error of this box that quotes what the map protects, routed out of the map's port in clear") \
	X(ICMP_LIMIT,      "icmp-limit",      "ICMP error not sent, rate limit") \
	X(HOST_FULL,       "host-full",       "host interface refused the frame")
// clang-format on

enum drop {
#define X(id, name, sentence) DROP_##id,
	DROP_LIST(X)
#undef X
		DROP_COUNT
};
