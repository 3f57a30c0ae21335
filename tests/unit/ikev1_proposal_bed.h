// SA payloads built and decoded: for the tests of proposals.
#pragma once

#include "ikev1/proposal.h"

struct sa_msg {
	uint8_t mem[4096];
	struct ikev1_build b;
	struct ikev1_sa sa;
};

void sa_msg_begin(struct sa_msg *m);
int sa_msg_decode(struct sa_msg *m);  // what was built since
// The body of an SA payload, written as hexadecimal digits.
int sa_hex(const char *text, struct ikev1_sa *sa, uint8_t *mem, size_t cap);
