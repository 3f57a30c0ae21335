// Messages of the other box (security class 28): decoded, and given to a pair with state and to one
// without. Whatever comes, nothing outside the message is read. The input is either one message as
// it is, or (first octet 0) several: type, length in two octets, fields; their heads are made here,
// since a changed length would be the end of each.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mirror.h"
#include "pair.h"
#include "pair_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int op_send(void *ctx, unsigned group, const uint8_t *bytes, size_t len)
{
	struct pair_msg m;

	// what we say can be read
	assert(pair_msg_decode(bytes, len, &m) == 0 && m.group == group);
	return 0;
}

static int op_tell(void *ctx, const struct ha_word *w)
{
	return 0;
}

static void op_random(void *ctx, void *buf, size_t len)
{
	memset(buf, 7, len);
}

static void decode(const uint8_t *data, size_t size)
{
	struct pair_msg m;
	struct pair_item item;
	struct ha_sa sa;
	unsigned n = 0;

	(void)pair_message_group(data, size);
	if (pair_msg_decode(data, size, &m))
		return;
	for (struct rbuf it = m.body; pair_msg_record(&m, &it, &sa); n++)
		assert(sa.payload >= data && sa.payload + sa.len <= data + size);
	assert(n == pair_msg_records(&m));
	for (struct rbuf it = m.list; pair_msg_item(&m, &it, &item);)
		;
}

static uint64_t deliver(struct pair *p, const uint8_t *data, size_t size, uint64_t now)
{
	decode(data, size);
	(void)pair_receive(p, data, size, now);
	pair_tick(p, now + 20000);
	return now + 40000;
}

// Returns the time at the end.
static uint64_t play(struct pair *p, const uint8_t *data, size_t size, uint64_t now)
{
	const uint8_t *end = data + size;

	if (size == 0 || data[0] != 0) {
		for (int i = 0; i < 3; i++)
			now = deliver(p, data, size, now) + 160000;
		return now;
	}
	for (data++; end - data >= 3;) {
		size_t len = (size_t)data[1] << 8 | data[2], left = (size_t)(end - data) - 3;
		uint8_t type = data[0];

		data += 3;
		len = len < left ? len : left;
		uint8_t *msg = malloc(PAIR_HEAD + len);
		assert(msg);
		struct wbuf b;
		wbuf_init(&b, msg, PAIR_HEAD + len);
		wbuf_put_u8(&b, PAIR_VERSION);
		wbuf_put_u8(&b, type);
		wbuf_put_u16(&b, 1);
		wbuf_put_u32(&b, (uint32_t)(PAIR_HEAD + len));
		wbuf_put_bytes(&b, data, len);
		now = deliver(p, msg, PAIR_HEAD + len, now);
		free(msg);
		data += len;
	}
	return now;
}

// 0: a newcomer, 1: active, 2: standby of a session.
static void feed(struct mirror *m, unsigned role, const uint8_t *data, size_t size)
{
	struct pair_ops ops = {.send = op_send, .tell = op_tell, .random = op_random};

	mirror_group_clear(m, 1);
	if (role) {
		struct ha_sa sa = {.id = 5, .group = 1, .kind = HA_CHILD_SA, .ceiling = 9};
		mirror_put(m, &sa);
		mirror_word_set(m, 1, MIRROR_LINEAGE, 1);
		mirror_word_set(m, 1, MIRROR_JOIN0, 1);
		mirror_word_set(m, 1, MIRROR_SESSION, 2);
		mirror_word_set(m, 1, MIRROR_SESSION_SEEN, 1);
		mirror_word_set(m, 1, MIRROR_HOLD_US, 150000);
		mirror_word_set(m, 1, MIRROR_ROLE, role == 1 ? HA_ROLE_ACTIVE : HA_ROLE_STANDBY);
	}
	struct pair *p = pair_create(1, m, &ops, 1000000);
	assert(p);
	struct ha_word attach = {.type = HA_ATTACH, .group = 1};
	(void)pair_word(p, &attach, 1000000);
	pair_link(p, true, 1000000);
	uint64_t now = play(p, data, size, 1100000);
	pair_link(p, false, now);
	pair_tick(p, now + 20000000);
	pair_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mirror *m;
	static uint8_t *mem;
	const struct mirror_id id = {.boot = {1}};
	struct err err;
	bool made;

	if (!m) {
		size_t bytes = mirror_min_size();
		mem = calloc(1, bytes);
		m = mem ? mirror_attach(mem, bytes, &id, &made, &err) : NULL;
		assert(m);
	}
	for (unsigned role = 0; role < 3; role++)
		feed(m, role, data, size);
	return 0;
}
