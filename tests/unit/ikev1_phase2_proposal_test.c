// SA payloads of quick mode: what we offer is what a peer of our kind chooses, by transform set,
// PFS group and encapsulation; odd offers are refused or passed over.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ikev1_proposal_bed.h"

static const struct tunnel_proposal sets[] = {
	{.name = "GCM", .cipher = ESP_CIPHER_AES_GCM, .key_bits = 256, .gcm_icv = 16},
	{.name = "CBC", .cipher = ESP_CIPHER_AES_CBC, .key_bits = 128, .auth = ESP_AUTH_SHA1},
	{.name = "3DES", .cipher = ESP_CIPHER_3DES, .auth = ESP_AUTH_MD5, .transport = true},
};

static struct ikev1_phase2_offer phase2_offer(unsigned first, unsigned n)
{
	return (struct ikev1_phase2_offer){
		.proposals = sets + first,
		.count = n,
		.spi = 0x11223344,
		.lifetime_s = 3600,
		.lifetime_kb = 4608000,
	};
}

static void test_phase2(void **state)
{
	const struct ikev1_phase2_offer theirs = phase2_offer(0, 3), cbc = phase2_offer(1, 1);
	struct ikev1_phase2_offer ours = phase2_offer(1, 2);
	struct ikev1_phase2_choice c, back;
	struct sa_msg o, a;

	ours.lifetime_s = 1800;
	sa_msg_begin(&o);
	ikev1_build_sa_phase2(&o.b, &theirs);
	assert_int_equal(sa_msg_decode(&o), 0);
	assert_int_equal(o.sa.proposal_count, 3);
	assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 0, &c), 0);
	assert_int_equal(c.index, 0);
	assert_string_equal(c.transform.name, "CBC");
	assert_int_equal(c.peer_spi, 0x11223344);
	assert_int_equal(c.proposal, 2);
	assert_false(c.transport);
	assert_int_equal(c.lifetime_s, 1800);
	assert_int_equal(c.peer_lifetime_s, 3600);
	assert_int_equal(c.lifetime_kb, 4608000);

	sa_msg_begin(&a);
	assert_int_equal(ikev1_build_sa_phase2_answer(&a.b, &o.sa, &c, 0x99aabbcc), 0);
	assert_int_equal(sa_msg_decode(&a), 0);
	assert_int_equal(ikev1_phase2_verify(&a.sa, &theirs, &back), 0);
	assert_int_equal(back.index, 1);
	assert_int_equal(back.peer_spi, 0x99aabbcc);
	assert_int_equal(ikev1_phase2_verify(&a.sa, &cbc, &back), 0);
	assert_int_equal(ikev1_phase2_verify(&o.sa, &theirs, &back), -EBADMSG);
	// GCM alone is no match for an answer of CBC.
	const struct ikev1_phase2_offer gcm = phase2_offer(0, 1);
	assert_int_equal(ikev1_phase2_verify(&a.sa, &gcm, &back), -ENOENT);
	// Transport mode is chosen when both have it.
	const struct ikev1_phase2_offer tdes = phase2_offer(2, 1);
	assert_int_equal(ikev1_phase2_choose(&o.sa, &tdes, 0, &c), 0);
	assert_true(c.transport);
}

static void test_phase2_pfs(void **state)
{
	struct ikev1_phase2_offer theirs = phase2_offer(0, 1), ours = phase2_offer(0, 1);
	struct ikev1_phase2_choice c;
	struct sa_msg o;

	theirs.pfs_group = 14;
	sa_msg_begin(&o);
	ikev1_build_sa_phase2(&o.b, &theirs);
	assert_int_equal(sa_msg_decode(&o), 0);
	assert_int_equal(ikev1_phase2_offered_group(&o.sa), 14);
	assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 0, &c), -ENOENT);
	assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 14, &c), 0);
	ours.pfs_group = 5;
	assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 14, &c), -ENOENT);
	ours.pfs_group = 14;
	assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 0, &c), 0);
}

static void test_phase2_udp(void **state)
{
	struct ikev1_phase2_offer theirs = phase2_offer(1, 2), ours = phase2_offer(1, 2);
	struct ikev1_phase2_choice c;
	struct sa_msg o;

	for (unsigned draft = 0; draft < 2; draft++) {
		theirs.udp = true;
		theirs.udp_draft = draft;
		sa_msg_begin(&o);
		ikev1_build_sa_phase2(&o.b, &theirs);
		assert_int_equal(sa_msg_decode(&o), 0);
		ours.udp = false;
		assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 0, &c), -ENOENT);
		ours.udp = true;
		assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 0, &c), 0);
		assert_true(c.udp);
	}
	theirs.udp = false;  // no plain mode behind a NAT
	sa_msg_begin(&o);
	ikev1_build_sa_phase2(&o.b, &theirs);
	assert_int_equal(sa_msg_decode(&o), 0);
	assert_int_equal(ikev1_phase2_choose(&o.sa, &ours, 0, &c), -ENOENT);
}

#define CBC_ATTRS     "80010001 80020e10 80040001 80050002 80060080"
#define CBC_TRANSFORM "0000001c 010c0000" CBC_ATTRS

static void test_phase2_odd(void **state)
{
	static const struct {
		const char *sa;
		int rc;
	} cases[] = {
		{"00000001 00000001 00000028 01030401 11223344" CBC_TRANSFORM, 0},
		// AH and ESP with the same number are one bundle; ESP alone after it is fine
		{"00000001 00000001 02000028 01030401 11223344" CBC_TRANSFORM
		 "00000014 01020401 11223345 00000008 01020000",
		 -ENOENT},
		{"00000001 00000001 02000014 01020401 11223345 00000008 01020000"
		 "00000028 02030401 11223344" CBC_TRANSFORM,
		 0},
		// SPIs nobody may use, or of the wrong size
		{"00000001 00000001 00000028 01030401 000000ff" CBC_TRANSFORM, -ENOENT},
		{"00000001 00000001 00000024 01030001" CBC_TRANSFORM, -ENOENT},
		{"00000001 00000001 00000026 01030201 1122" CBC_TRANSFORM, -ENOENT},
		// AES without key length
		{"00000001 00000001 00000024 01030401 11223344 00000018 010c0000"
		 "80010001 80020e10 80040001 80050002",
		 -ENOENT},
		// no encapsulation mode
		{"00000001 00000001 00000024 01030401 11223344 00000018 010c0000"
		 "80010001 80020e10 80050002 80060080",
		 -ENOENT},
		// extended sequence numbers asked for; plain ones said
		{"00000001 00000001 0000002c 01030401 11223344 00000020 010c0000" CBC_ATTRS
		 "800b0001",
		 -ENOENT},
		{"00000001 00000001 0000002c 01030401 11223344 00000020 010c0000" CBC_ATTRS
		 "800b0002",
		 0},
		// AES-GCM with an integrity algorithm beside it
		{"00000001 00000001 00000028 01030401 11223344 0000001c 01140000"
		 "80010001 80020e10 80040001 80050002 80060100",
		 -ENOENT},
	};
	const struct ikev1_phase2_offer ours = phase2_offer(0, 3);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t mem[128];
		struct ikev1_sa sa;
		struct ikev1_phase2_choice c;
		assert_int_equal(sa_hex(cases[i].sa, &sa, mem, sizeof(mem)), 0);
		assert_int_equal(ikev1_phase2_choose(&sa, &ours, 0, &c), cases[i].rc);
	}
}

static void test_keymat_lengths(void **state)
{
	assert_int_equal(ikev1_keymat_cipher_len(&sets[0]), 32 + 4);
	assert_int_equal(ikev1_keymat_salt_len(&sets[0]), 4);
	assert_int_equal(ikev1_keymat_auth_len(&sets[0]), 0);
	assert_int_equal(ikev1_keymat_cipher_len(&sets[1]), 16);
	assert_int_equal(ikev1_keymat_auth_len(&sets[1]), 20);
	assert_int_equal(ikev1_keymat_cipher_len(&sets[2]), 24);
	assert_int_equal(ikev1_keymat_auth_len(&sets[2]), 16);
	const struct tunnel_proposal null = {.cipher = ESP_CIPHER_NULL, .auth = ESP_AUTH_SHA512};
	assert_int_equal(ikev1_keymat_cipher_len(&null), 0);
	assert_int_equal(ikev1_keymat_auth_len(&null), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phase2),         cmocka_unit_test(test_phase2_pfs),
		cmocka_unit_test(test_phase2_udp),     cmocka_unit_test(test_phase2_odd),
		cmocka_unit_test(test_keymat_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
