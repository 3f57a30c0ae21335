// Internal to the link guard: what the kernel says about a batch of nf_tables messages. Pure.
//
// All answers are in the socket when send() returns, each in a datagram of its own: one for every
// message that failed or asked for it (NLM_F_ACK); a commit that fails is told under the number of
// the batch's beginning, and the answers that were due then still come behind it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_answers {
	uint32_t first, last;  // numbers of the batch; the message `last` asked for an answer
	bool done;             // and has it: taken
	int error;             // the first that was told; -EPROTO: no answer can look so
};
// One datagram, of the kernel's own. What is not about this batch is passed over.
void guard_answers_read(struct guard_answers *a, const uint8_t *bytes, size_t len);
// Of all that came: 0, the error, or -ENODATA: no word about it.
int guard_answers_result(const struct guard_answers *a);
