// A later release of the replication protocol: every message has a field that this one does not
// know, in front of the others and behind them, and now and then a message of a type that it does
// not know. The linker puts these functions around the real ones.
#include <string.h>

#include "buf.h"
#include "link.h"
#include "pair_msg.h"

#define LATER_TLV  777
#define LATER_TYPE 99

int __real_pair_msg_finish(struct wbuf *b);
int __wrap_pair_msg_finish(struct wbuf *b);
int __real_link_send(struct link *l, unsigned stream, const void *bytes, size_t len);
int __wrap_link_send(struct link *l, unsigned stream, const void *bytes, size_t len);

int __wrap_pair_msg_finish(struct wbuf *b)
{
	static const uint8_t value[] = "said by a later release";
	uint8_t field[4 + sizeof(value)];
	struct wbuf f;

	if (b->overflow || b->cap - b->len < 2 * sizeof(field))
		return __real_pair_msg_finish(b);
	wbuf_init(&f, field, sizeof(field));
	wbuf_put_u16(&f, LATER_TLV);
	wbuf_put_u16(&f, sizeof(value));
	wbuf_put_bytes(&f, value, sizeof(value));
	memmove(b->base + PAIR_HEAD + sizeof(field), b->base + PAIR_HEAD, b->len - PAIR_HEAD);
	memcpy(b->base + PAIR_HEAD, field, sizeof(field));
	b->len += sizeof(field);
	wbuf_put_bytes(b, field, sizeof(field));
	return __real_pair_msg_finish(b);
}

int __wrap_link_send(struct link *l, unsigned stream, const void *bytes, size_t len)
{
	static unsigned count;
	uint8_t later[PAIR_HEAD + 4] = {PAIR_VERSION, LATER_TYPE, 0, (uint8_t)stream, 0, 0, 0,
					sizeof(later)};

	if (count++ % 8 == 0)
		(void)__real_link_send(l, stream, later, sizeof(later));
	return __real_link_send(l, stream, bytes, len);
}
