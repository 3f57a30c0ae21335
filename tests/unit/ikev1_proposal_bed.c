// See ikev1_proposal_bed.h.
#include "ikev1_proposal_bed.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hex.h"

static const struct ikev1_hdr hdr = {.icookie = 1, .exchange = ISAKMP_XCHG_QUICK_MODE};

void sa_msg_begin(struct sa_msg *m)
{
	ikev1_build_init(&m->b, m->mem, sizeof(m->mem), &hdr);
}

int sa_msg_decode(struct sa_msg *m)
{
	struct ikev1_hdr h;
	struct ikev1_msg msg;
	size_t len;

	assert_int_equal(ikev1_build_finish(&m->b, &len), 0);
	assert_int_equal(ikev1_hdr_decode(m->mem, len, &h), 0);
	assert_int_equal(ikev1_msg_decode(m->mem, &h, false, &msg), 0);
	return ikev1_sa_decode(ikev1_msg_find(&msg, ISAKMP_PAYLOAD_SA, 0), &m->sa);
}

int sa_hex(const char *text, struct ikev1_sa *sa, uint8_t *mem, size_t cap)
{
	const struct ikev1_payload p = {
		.type = ISAKMP_PAYLOAD_SA,
		.len = (uint16_t)unhex(text, mem, cap),
		.body = mem,
	};
	return ikev1_sa_decode(&p, sa);
}
