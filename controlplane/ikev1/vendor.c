// Vendor IDs: what others announce and what we say. A vendor ID is 16 bytes of MD5 over a text,
// except where a version follows (RFC 3706 5.1, XAUTH's eight bytes, the fragmentation flags).
#include <string.h>

#include "ikev1/msg.h"

static const struct vendor {
	enum ikev1_vendor bit;
	uint8_t len;      // bytes of id
	uint8_t max_len;  // longest payload body that counts
	const char *name;
	const char *id;
} vendors[] = {
	// MD5("RFC 3947")
	{IKEV1_VENDOR_NATT_RFC, 16, 16, "RFC 3947",
	 "\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f"},
	// MD5("draft-ietf-ipsec-nat-t-ike-02\n"): the draft's authors hashed the newline too
	{IKEV1_VENDOR_NATT_DRAFT_02N, 16, 16, "draft-ietf-ipsec-nat-t-ike-02\\n",
	 "\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f"},
	// MD5("draft-ietf-ipsec-nat-t-ike-02")
	{IKEV1_VENDOR_NATT_DRAFT_02, 16, 16, "draft-ietf-ipsec-nat-t-ike-02",
	 "\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48"},
	// MD5("draft-ietf-ipsec-nat-t-ike-03")
	{IKEV1_VENDOR_NATT_DRAFT_03, 16, 16, "draft-ietf-ipsec-nat-t-ike-03",
	 "\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56"},
	// RFC 3706 5.1: fourteen bytes, then major and minor version
	{IKEV1_VENDOR_DPD, 16, 16, "DPD",
	 "\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00"},
	{IKEV1_VENDOR_XAUTH, 8, 8, "XAUTH", "\x09\x00\x26\x89\xdf\xd6\xb7\x12"},
	// MD5("FRAGMENTATION"), four bytes of flags may follow
	{IKEV1_VENDOR_FRAGMENTATION, 16, 20, "FRAGMENTATION",
	 "\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3"},
	// MD5("CISCO-UNITY") with the last two bytes a version
	{IKEV1_VENDOR_UNITY, 14, 16, "Cisco-Unity",
	 "\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00"},
};

unsigned ikev1_vendor_lookup(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		const struct vendor *v = &vendors[i];
		if (len >= v->len && len <= v->max_len && memcmp(data, v->id, v->len) == 0)
			return v->bit;
	}
	return 0;
}

unsigned ikev1_msg_vendors(const struct ikev1_msg *m)
{
	unsigned all = 0;

	for (unsigned i = 0; i < m->count; i++) {
		if (m->payloads[i].type == ISAKMP_PAYLOAD_VID)
			all |= ikev1_vendor_lookup(m->payloads[i].body, m->payloads[i].len);
	}
	return all;
}

const char *ikev1_vendor_name(enum ikev1_vendor bit)
{
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		if (vendors[i].bit == bit)
			return vendors[i].name;
	}
	return "?";
}

void ikev1_build_vendor(struct ikev1_build *b, enum ikev1_vendor bit)
{
	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		const struct vendor *v = &vendors[i];
		if (v->bit == bit)
			ikev1_build_payload(b, ISAKMP_PAYLOAD_VID, v->id,
					    v->len == 14 ? 16 : v->len);
	}
}
