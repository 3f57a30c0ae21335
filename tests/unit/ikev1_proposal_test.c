// SA payloads of phase 1: what we offer is what a peer of our kind chooses, hostile and odd offers
// are refused or passed over; limits of SA payloads of either phase (security table, row 12).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ikev1_proposal_bed.h"

static const struct isakmp_policy aes256 = {.priority = 10,
					    .encr = IKE_ENCR_AES,
					    .aes_bits = 256,
					    .hash = IKE_HASH_SHA256,
					    .auth = IKE_AUTH_PRE_SHARE,
					    .group = 14,
					    .lifetime_s = 86400};
static const struct isakmp_policy aes128 = {.priority = 20,
					    .encr = IKE_ENCR_AES,
					    .aes_bits = 128,
					    .hash = IKE_HASH_SHA,
					    .auth = IKE_AUTH_PRE_SHARE,
					    .group = 2,
					    .lifetime_s = 3600};
static const struct isakmp_policy des = {.priority = 30,
					 .encr = IKE_ENCR_DES,
					 .hash = IKE_HASH_MD5,
					 .auth = IKE_AUTH_RSA_SIG,
					 .group = 1,
					 .lifetime_s = 28800};

static void offer(struct sa_msg *m, const struct isakmp_policy *const *list, unsigned n)
{
	sa_msg_begin(m);
	ikev1_build_sa_phase1(&m->b, &(struct ikev1_policies){list, n});
	assert_int_equal(sa_msg_decode(m), 0);
}

static void test_phase1(void **state)
{
	const struct isakmp_policy *theirs[] = {&des, &aes128, &aes256},
				   *ours[] = {&aes256, &aes128};
	struct sa_msg o, a;
	struct ikev1_phase1_choice c, back;

	offer(&o, theirs, 3);
	assert_int_equal(o.sa.proposal_count, 1);
	assert_int_equal(o.sa.transform_count, 3);
	// Our order decides, not the peer's.
	assert_int_equal(ikev1_phase1_choose(&o.sa, &(struct ikev1_policies){ours, 2}, &c), 0);
	assert_int_equal(c.priority, 10);
	assert_int_equal(c.transform, 3);
	assert_int_equal(c.encr, IKE_ENCR_AES);
	assert_int_equal(c.aes_bits, 256);
	assert_int_equal(c.hash, IKE_HASH_SHA256);
	assert_int_equal(c.group, 14);
	assert_int_equal(c.lifetime_s, 86400);

	sa_msg_begin(&a);
	assert_int_equal(ikev1_build_sa_phase1_answer(&a.b, &o.sa, &c), 0);
	assert_int_equal(sa_msg_decode(&a), 0);
	assert_int_equal(ikev1_phase1_verify(&a.sa, &(struct ikev1_policies){theirs, 3}, &back), 0);
	assert_int_equal(back.priority, 10);
	assert_int_equal(back.transform, 3);
	// An answer we never offered, and an answer with more than one transform.
	assert_int_equal(ikev1_phase1_verify(&a.sa, &(struct ikev1_policies){theirs, 2}, &back),
			 -ENOENT);
	assert_int_equal(ikev1_phase1_verify(&o.sa, &(struct ikev1_policies){theirs, 3}, &back),
			 -EBADMSG);
	// Positions that are not in the offer.
	c.transform_at = 3;
	sa_msg_begin(&a);
	assert_int_equal(ikev1_build_sa_phase1_answer(&a.b, &o.sa, &c), -ENOENT);
}

// Whatever the order of the offer, our best policy wins.
static void test_phase1_order(void **state)
{
	const struct isakmp_policy *theirs[][2] = {{&aes256, &aes128}, {&aes128, &aes256}};
	struct sa_msg o;
	struct ikev1_phase1_choice c;

	for (unsigned i = 0; i < 2; i++) {
		offer(&o, theirs[i], 2);
		const struct ikev1_policies ours = {theirs[0], 2};
		assert_int_equal(ikev1_phase1_choose(&o.sa, &ours, &c), 0);
		assert_int_equal(c.priority, 10);
	}
}

static void test_phase1_lifetime(void **state)
{
	struct isakmp_policy shorter = aes256;
	const struct isakmp_policy *theirs[] = {&shorter}, *ours[] = {&aes256};
	struct sa_msg o;
	struct ikev1_phase1_choice c;

	shorter.lifetime_s = 1200;
	offer(&o, theirs, 1);
	assert_int_equal(ikev1_phase1_choose(&o.sa, &(struct ikev1_policies){ours, 1}, &c), 0);
	assert_int_equal(c.lifetime_s, 1200);
	shorter.lifetime_s = 1000000;  // more than ours, in the four-byte form
	offer(&o, theirs, 1);
	assert_int_equal(ikev1_phase1_choose(&o.sa, &(struct ikev1_policies){ours, 1}, &c), 0);
	assert_int_equal(c.lifetime_s, 86400);
}

// One difference at a time: nothing fits.
static void test_phase1_mismatch(void **state)
{
	const struct isakmp_policy *ours[] = {&aes256};
	struct isakmp_policy p[5] = {aes256, aes256, aes256, aes256, aes256};
	struct sa_msg o;
	struct ikev1_phase1_choice c;

	p[0].aes_bits = 128;
	p[1].hash = IKE_HASH_SHA;
	p[2].auth = IKE_AUTH_RSA_SIG;
	p[3].group = 5;
	p[4].encr = IKE_ENCR_3DES;
	for (unsigned i = 0; i < 5; i++) {
		const struct isakmp_policy *theirs[] = {&p[i]};
		offer(&o, theirs, 1);
		assert_int_equal(ikev1_phase1_choose(&o.sa, &(struct ikev1_policies){ours, 1}, &c),
				 -ENOENT);
	}
}

#define TRANSFORM_ATTRS "80010007 800e0100 80020004 80030001 8004000e 800b0001 000c0004 00015180"

static void test_phase1_attributes(void **state)
{
	static const struct {
		const char *sa;
		int rc;
	} cases[] = {
		{"00000001 00000001 00000030 01010001 00000028 01010000" TRANSFORM_ATTRS, 0},
		// AES without a key length
		{"00000001 00000001 0000002c 01010001 00000024 01010000"
		 "80010007 80020004 80030001 8004000e 800b0001 000c0004 00015180",
		 -ENOENT},
		// an attribute nobody knows
		{"00000001 00000001 00000034 01010001 0000002c 01010000" TRANSFORM_ATTRS "80636363",
		 -ENOENT},
		// the hash twice
		{"00000001 00000001 00000034 01010001 0000002c 01010000" TRANSFORM_ATTRS "80020004",
		 -ENOENT},
		// a duration without its type
		{"00000001 00000001 00000034 01010001 0000002c 01010000" TRANSFORM_ATTRS "800c1000",
		 -ENOENT},
		// protocol ESP in phase 1
		{"00000001 00000001 00000030 01030001 00000028 01010000" TRANSFORM_ATTRS, -ENOENT},
	};
	const struct isakmp_policy *ours[] = {&aes256};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t mem[128];
		struct ikev1_sa sa;
		struct ikev1_phase1_choice c;
		assert_int_equal(sa_hex(cases[i].sa, &sa, mem, sizeof(mem)), 0);
		assert_int_equal(ikev1_phase1_choose(&sa, &(struct ikev1_policies){ours, 1}, &c),
				 cases[i].rc);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *sa;
		int rc;
	} cases[] = {
		{"", -EBADMSG},
		{"00000001", -EBADMSG},
		{"00000001 00000001", -EBADMSG},  // no proposal
		{"00000000 00000001 00000030 01010001 00000028 01010000" TRANSFORM_ATTRS,
		 -EPROTONOSUPPORT},
		{"00000001 00000003 00000030 01010001 00000028 01010000" TRANSFORM_ATTRS,
		 -EPROTONOSUPPORT},
		// announced two transforms, there is one
		{"00000001 00000001 00000030 01010002 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		// announced none
		{"00000001 00000001 00000008 01010000", -EBADMSG},
		// "another proposal follows"
		{"00000001 00000001 02000030 01010001 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		// "another transform follows"
		{"00000001 00000001 00000030 01010001 03000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		// a transform that is followed by a proposal
		{"00000001 00000001 00000030 01010001 02000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		// proposal length one short, one long, zero; transform length zero, beyond
		{"00000001 00000001 0000002f 01010001 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		{"00000001 00000001 00000031 01010001 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		{"00000001 00000001 00000000 01010001 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		{"00000001 00000001 00000030 01010001 00000000 01010000" TRANSFORM_ATTRS, -EBADMSG},
		{"00000001 00000001 00000030 01010001 00000029 01010000" TRANSFORM_ATTRS, -EBADMSG},
		// SPI longer than the proposal
		{"00000001 00000001 00000030 0101ff01 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		// reserved fields of proposal, transform, transform body
		{"00000001 00000001 00010030 01010001 00000028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		{"00000001 00000001 00000030 01010001 00010028 01010000" TRANSFORM_ATTRS, -EBADMSG},
		{"00000001 00000001 00000030 01010001 00000028 01010001" TRANSFORM_ATTRS, -EBADMSG},
		// attribute cut off, attribute value beyond the transform
		{"00000001 00000001 00000012 01010001 0000000a 01010000 8001", -EBADMSG},
		{"00000001 00000001 00000014 01010001 0000000c 01010000 000c0004", -EBADMSG},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t mem[128];
		struct ikev1_sa sa;
		assert_int_equal(sa_hex(cases[i].sa, &sa, mem, sizeof(mem)), cases[i].rc);
	}
}

static void test_limits(void **state)
{
	static const struct isakmp_policy *many[200];
	struct sa_msg m;

	// 64 policies are the most we offer, 128 transforms the most we read.
	for (unsigned i = 0; i < 200; i++)
		many[i] = &des;
	offer(&m, many, 200);
	assert_int_equal(m.sa.transform_count, 64);

	for (unsigned n = IKEV1_ATTRS_MAX; n <= IKEV1_ATTRS_MAX + 1; n++) {
		uint8_t mem[256];
		struct wbuf w;
		wbuf_init(&w, mem, sizeof(mem));
		wbuf_put_u32(&w, IPSEC_DOI);
		wbuf_put_u32(&w, SIT_IDENTITY_ONLY);
		wbuf_put_u16(&w, 0);
		wbuf_put_u16(&w, (uint16_t)(16 + 4 * n));
		wbuf_put_u32(&w, 0x01010001);
		wbuf_put_u16(&w, 0);
		wbuf_put_u16(&w, (uint16_t)(8 + 4 * n));
		wbuf_put_u32(&w, 0x01010000);
		for (unsigned i = 0; i < n; i++)
			wbuf_put_u32(&w, 0x80010007);
		const struct ikev1_payload p = {ISAKMP_PAYLOAD_SA, (uint16_t)w.len, mem};
		struct ikev1_sa sa;
		assert_int_equal(ikev1_sa_decode(&p, &sa), n == IKEV1_ATTRS_MAX ? 0 : -E2BIG);
	}
	for (unsigned n = IKEV1_PROPOSALS_MAX; n <= IKEV1_PROPOSALS_MAX + 1; n++) {
		uint8_t mem[1024];
		struct wbuf w;
		wbuf_init(&w, mem, sizeof(mem));
		wbuf_put_u32(&w, IPSEC_DOI);
		wbuf_put_u32(&w, SIT_IDENTITY_ONLY);
		for (unsigned i = 0; i < n; i++) {
			wbuf_put_u16(&w, i + 1 < n ? 0x0200 : 0);
			wbuf_put_u16(&w, 16);
			wbuf_put_u32(&w, 0x01010001);
			wbuf_put_u32(&w, 8);
			wbuf_put_u32(&w, 0x01010000);
		}
		const struct ikev1_payload p = {ISAKMP_PAYLOAD_SA, (uint16_t)w.len, mem};
		struct ikev1_sa sa;
		assert_int_equal(ikev1_sa_decode(&p, &sa), n == IKEV1_PROPOSALS_MAX ? 0 : -E2BIG);
	}
	for (unsigned n = IKEV1_TRANSFORMS_MAX; n <= IKEV1_TRANSFORMS_MAX + 1; n++) {
		uint8_t mem[2048];
		struct wbuf w;
		wbuf_init(&w, mem, sizeof(mem));
		wbuf_put_u32(&w, IPSEC_DOI);
		wbuf_put_u32(&w, SIT_IDENTITY_ONLY);
		wbuf_put_u16(&w, 0);
		wbuf_put_u16(&w, (uint16_t)(8 + 8 * n));
		wbuf_put_u32(&w, 0x01010000 | n);
		for (unsigned i = 0; i < n; i++) {
			wbuf_put_u32(&w, i + 1 < n ? 0x03000008 : 8);
			wbuf_put_u32(&w, 0x01010000);
		}
		const struct ikev1_payload p = {ISAKMP_PAYLOAD_SA, (uint16_t)w.len, mem};
		struct ikev1_sa sa;
		assert_int_equal(ikev1_sa_decode(&p, &sa), n == IKEV1_TRANSFORMS_MAX ? 0 : -E2BIG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phase1),
		cmocka_unit_test(test_phase1_order),
		cmocka_unit_test(test_phase1_lifetime),
		cmocka_unit_test(test_phase1_mismatch),
		cmocka_unit_test(test_phase1_attributes),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
