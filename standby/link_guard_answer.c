// The kernel's answers to a batch of nf_tables messages (netlink: RFC 3549 2.3.2), read with every
// length checked: see link_guard_answer.h.
#include "link_guard_answer.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#define ERRNO_MAX 4095

static void error_set(struct guard_answers *a, int error)
{
	if (a->error == 0)
		a->error = error;
}

// One message of type NLMSG_ERROR: an error, or with 0 the acknowledgement.
static void answer_read(struct guard_answers *a, const uint8_t *bytes, size_t len)
{
	struct nlmsghdr head;
	int error;

	memcpy(&head, bytes, sizeof(head));
	// the difference, as numbers turn over
	if (head.nlmsg_seq - a->first > a->last - a->first)
		return;
	// behind the number comes what was asked: the number alone is looked at
	if (len < NLMSG_HDRLEN + sizeof(error)) {
		error_set(a, -EPROTO);
		return;
	}
	memcpy(&error, bytes + NLMSG_HDRLEN, sizeof(error));
	if (error > 0 || error < -ERRNO_MAX)
		error_set(a, -EPROTO);
	else if (error < 0)
		error_set(a, error);
	else if (head.nlmsg_seq == a->last)
		a->done = true;
}

void guard_answers_read(struct guard_answers *a, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		struct nlmsghdr head;

		if (len < sizeof(head)) {
			error_set(a, -EPROTO);
			return;
		}
		memcpy(&head, bytes, sizeof(head));
		if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > len) {
			error_set(a, -EPROTO);
			return;
		}
		if (head.nlmsg_type == NLMSG_ERROR)
			answer_read(a, bytes, head.nlmsg_len);
		// the last one need not be padded
		size_t step = NLMSG_ALIGN((size_t)head.nlmsg_len);

		if (step > len)
			step = len;
		bytes += step;
		len -= step;
	}
}

int guard_answers_result(const struct guard_answers *a)
{
	if (a->error)
		return a->error;
	return a->done ? 0 : -ENODATA;
}
