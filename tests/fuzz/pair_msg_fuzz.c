// Messages of the other box (security class 28): decoded, and given to a pair with state and to one
// without. Whatever comes, nothing outside the message is read, and what decodes encodes again.
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
	for (int i = 0; i < 3; i++) {
		(void)pair_receive(p, data, size, 1100000 + 200000ull * i);
		pair_tick(p, 1200000 + 200000ull * i);
	}
	pair_link(p, false, 2000000);
	pair_tick(p, 20000000);
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
	decode(data, size);
	for (unsigned role = 0; role < 3; role++)
		feed(m, role, data, size);
	return 0;
}
