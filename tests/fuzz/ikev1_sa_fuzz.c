// The body of an SA payload: decoded, chosen from, answered, and the answer read back. What we
// choose must be readable as our own answer.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ikev1/proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct isakmp_policy policies[] = {
	{.priority = 1,
	 .encr = IKE_ENCR_AES,
	 .aes_bits = 128,
	 .hash = IKE_HASH_SHA,
	 .auth = IKE_AUTH_PRE_SHARE,
	 .group = 2,
	 .lifetime_s = 86400},
	{.priority = 2,
	 .encr = IKE_ENCR_3DES,
	 .hash = IKE_HASH_MD5,
	 .auth = IKE_AUTH_PRE_SHARE,
	 .group = 14,
	 .lifetime_s = 3600},
};
static const struct isakmp_policy *const policy_list[] = {&policies[0], &policies[1]};
static const struct tunnel_proposal sets[] = {
	{.cipher = ESP_CIPHER_AES_CBC, .key_bits = 128, .auth = ESP_AUTH_SHA1},
	{.cipher = ESP_CIPHER_AES_GCM, .key_bits = 256, .gcm_icv = 16},
};

// Decodes the SA payload that b holds.
static void answer_decode(struct ikev1_build *b, struct ikev1_sa *sa)
{
	struct ikev1_hdr h;
	struct ikev1_msg m;
	size_t len;

	if (ikev1_build_finish(b, &len) || ikev1_hdr_decode(b->w.base, len, &h) ||
	    ikev1_msg_decode(b->w.base, &h, false, &m) || ikev1_sa_decode(&m.payloads[0], sa))
		abort();
}

static void phase1(const struct ikev1_sa *sa)
{
	const struct ikev1_policies p = {policy_list, 2};
	const struct ikev1_hdr h = {.icookie = 1};
	static uint8_t mem[70000];
	struct ikev1_phase1_choice c, back;
	struct ikev1_build b;
	struct ikev1_sa answer;

	if (ikev1_phase1_choose(sa, &p, &c) != 0)
		return;
	ikev1_build_init(&b, mem, sizeof(mem), &h);
	if (ikev1_build_sa_phase1_answer(&b, sa, &c) != 0)
		abort();
	answer_decode(&b, &answer);
	if (ikev1_phase1_verify(&answer, &p, &back) != 0 || back.priority != c.priority)
		abort();
}

static void phase2(const struct ikev1_sa *sa, bool udp)
{
	const struct ikev1_phase2_offer ours = {
		.proposals = sets, .count = 2, .spi = 0x1000, .lifetime_s = 3600, .udp = udp};
	const struct ikev1_hdr h = {.icookie = 1};
	static uint8_t mem[70000];
	struct ikev1_phase2_choice c, back;
	struct ikev1_build b;
	struct ikev1_sa answer;

	(void)ikev1_phase2_offered_group(sa);
	if (ikev1_phase2_choose(sa, &ours, 0, &c) != 0)
		return;
	if (c.peer_spi < 256 || c.index > 1)
		abort();
	ikev1_build_init(&b, mem, sizeof(mem), &h);
	if (ikev1_build_sa_phase2_answer(&b, sa, &c, 0x2000) != 0)
		abort();
	answer_decode(&b, &answer);
	if (ikev1_phase2_verify(&answer, &ours, &back) != 0 || back.index != c.index ||
	    back.peer_spi != 0x2000)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ikev1_sa sa;

	if (size > UINT16_MAX)
		return 0;
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	const struct ikev1_payload p = {ISAKMP_PAYLOAD_SA, (uint16_t)size, copy};
	if (ikev1_sa_decode(&p, &sa) == 0) {
		phase1(&sa);
		phase2(&sa, false);
		phase2(&sa, true);
	}
	free(copy);
	return 0;
}
