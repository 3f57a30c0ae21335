// corpus-ike DIR: datagrams, captures and known answers through the IKEv1 decoders, and the
// datagrams into a live responder. What needs IKEv2 is skipped and says so.
#include "corpus_ike.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus_io.h"
#include "ikev1/msg.h"

static void payload_getters(const struct ikev1_payload *p)
{
	struct ikev1_sa sa;
	struct ikev1_proposal prop;
	struct ikev1_transform tr;
	struct ikev1_isakmp_attrs a1;
	struct ikev1_ipsec_attrs a2;
	struct ikev1_id id;
	struct ikev1_notify n;
	struct ikev1_delete d;
	struct ikev1_fragment f;
	struct ip_prefix prefix;
	struct ip_addr addr;

	if (ikev1_sa_decode(p, &sa) == 0) {
		while (ikev1_proposal_next(&sa, &prop)) {
			while (ikev1_transform_next(&prop, &tr)) {
				if (ikev1_isakmp_attrs_decode(&tr, &a1) ||
				    ikev1_ipsec_attrs_decode(&tr, &a2))
					abort();  // sa_decode let it through
			}
		}
	}
	if (ikev1_id_decode(p, &id) == 0 && ikev1_id_to_prefix(&id, &prefix) == 0 &&
	    prefix.len > 128)
		abort();
	if (ikev1_delete_decode(p, &d) == 0)
		(void)ikev1_delete_spi(&d, d.count);
	if (ikev1_nonce_check(p) || ikev1_notify_decode(p, &n) || ikev1_natoa_decode(p, &addr) ||
	    ikev1_fragment_decode(p, &f))
		(void)ikev1_vendor_lookup(p->body, p->len);
}

enum decoded ike_decode_all(const uint8_t *data, size_t len, unsigned *payloads)
{
	// Memory of the exact size: reading past the end is seen by the address sanitizer.
	uint8_t *copy = malloc(len ? len : 1);
	struct ikev1_hdr h;
	struct ikev1_msg m;
	enum decoded out = DECODED_REFUSED;

	if (!copy)
		abort();
	memcpy(copy, data, len);
	if (payloads)
		*payloads = 0;
	if (ikev1_hdr_decode(copy, len, &h) != 0) {
		out = len >= 28 && copy[17] == 0x20 ? DECODED_V2 : DECODED_REFUSED;
	} else {
		// Also what is encrypted is walked as if it were clear: garbage is input too.
		const int rc = ikev1_msg_decode(copy, &h, h.flags & ISAKMP_FLAG_ENCRYPTION, &m);
		for (unsigned i = 0; rc == 0 && i < m.count; i++)
			payload_getters(&m.payloads[i]);
		if (rc == 0 && payloads)
			*payloads = m.count;
		out = h.flags & ISAKMP_FLAG_ENCRYPTION ? DECODED_ENCRYPTED
		      : rc == 0                        ? DECODED_V1
						       : DECODED_REFUSED;
	}
	free(copy);
	return out;
}

bool ike_unmark(const uint8_t **data, size_t *len)
{
	static const uint8_t marker[ISAKMP_NON_ESP_MARKER_LEN];

	if (*len < sizeof(marker) || memcmp(*data, marker, sizeof(marker)) != 0)
		return false;
	*data += sizeof(marker);
	*len -= sizeof(marker);
	return true;
}

struct datagrams {
	struct tally *t;
	bool natt, malformed, live;
	unsigned v1, encrypted, refused, v2, not_ike;
};

static void datagram(void *ctx, const char *path, const char *name)
{
	struct datagrams *d = ctx;
	struct blob b;
	char why[200] = "";

	if (!name_ends(name, ".bin"))
		return;
	if (blob_read(&b, path) != 0) {
		tally_line(d->t, TALLY_FAILED, name, "cannot be read");
		return;
	}
	const uint8_t *msg = b.bytes;
	size_t len = b.len;
	bool ok = true;
	if (d->natt && !ike_unmark(&msg, &len)) {
		d->not_ike++;
	} else {
		switch (ike_decode_all(msg, len, NULL)) {
		case DECODED_V1: d->v1++; break;
		case DECODED_ENCRYPTED: d->encrypted++; break;
		case DECODED_V2: d->v2++; break;
		case DECODED_REFUSED:
			// For a person to read: what implementations send each other should not be
			// here.
			d->refused++;
			if (!d->malformed)
				printf("   refused: %s\n", name);
		}
	}
	if (ok && d->live)
		ok = ike_live_feed(b.bytes, b.len, d->natt, why, sizeof(why));
	if (ok)
		tally_line(d->t, TALLY_PASSED, name, "%s", "");
	else
		tally_line(d->t, TALLY_FAILED, name, "%s", why);
	blob_free(&b);
}

static void datagrams_run(struct tally *t, const char *dir, bool live)
{
	static const struct {
		const char *sub;
		bool natt, malformed;
	} dirs[] = {
		{"ike_datagrams/udp500", false, false},
		{"ike_datagrams/udp500_malformed", false, true},
		{"ike_datagrams/udp4500", true, false},
		{"ike_datagrams/udp4500_malformed", true, true},
		{"ike_datagrams/udp4500_esp", true, true},
	};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		struct tally folder = {.quiet = true};
		struct datagrams d = {&folder, dirs[i].natt, dirs[i].malformed, live, 0, 0, 0, 0,
				      0};
		if (dir_each(dir, dirs[i].sub, datagram, &d) != 0) {
			tally_line(t, TALLY_SKIPPED, dirs[i].sub, "not in this corpus");
			continue;
		}
		tally_file(t, &folder, dirs[i].sub);
		printf("   %u IKEv1 in clear, %u encrypted, %u refused, %u of IKEv2, %u not IKE\n",
		       d.v1, d.encrypted, d.refused, d.v2, d.not_ike);
	}
}

static void capture_each(void *ctx, const char *path, const char *name)
{
	if (name_ends(name, ".pcap") || name_ends(name, ".cap") || name_ends(name, ".pcapng"))
		ike_capture(ctx, path, name);
	else if (strcmp(name, "expected.json") == 0 || name_ends(name, "secrets.txt"))
		tally_line(ctx, TALLY_SKIPPED, name, "IKEv2 messages are not decrypted here");
}

static void hash_r_each(void *ctx, const char *path, const char *name)
{
	if (name_ends(name, ".json"))
		ike_hash_r(ctx, path, name);
}

int main(int argc, char **argv)
{
	static const char *const captures[] = {"ike/v1", "ike/openswan", "ike/v2"};
	struct tally t = {0};
	char why[200] = "";

	if (argc != 2) {
		fprintf(stderr, "usage: corpus-ike DIR\n");
		return 2;
	}
	const bool live = ike_live_start() == 0;
	if (!live)
		tally_line(&t, TALLY_FAILED, "responder", "the engine does not start");
	else if (ike_live_smallest(why, sizeof(why)))
		tally_line(&t, TALLY_PASSED, "smallest first message", "%s", "");
	else
		tally_line(&t, TALLY_FAILED, "smallest first message", "%s", why);
	datagrams_run(&t, argv[1], live);
	if (live && !ike_live_stop(why, sizeof(why)))
		tally_line(&t, TALLY_FAILED, "responder", "%s", why);
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		if (dir_each(argv[1], captures[i], capture_each, &t) != 0)
			tally_line(&t, TALLY_SKIPPED, captures[i], "not in this corpus");
	}
	if (dir_each(argv[1], "ike/v1_hash_r", hash_r_each, &t) != 0)
		tally_line(&t, TALLY_SKIPPED, "ike/v1_hash_r", "not in this corpus");
	return tally_end(&t);
}
