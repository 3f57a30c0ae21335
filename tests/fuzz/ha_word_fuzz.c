// Words between the two processes of a box as one that went mad, or is of another release, may
// write them: given to a pair (what the gateway process says) and to an agent (what the standby
// process says). Checksums are the ring's business; here every word has the right one. Octet 0: the
// role in the mirror, whether the rings are full now and then. Then words: octet 0: for whom,
// whether the length is the type's own; type; id; a; b; length; payload or record.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "buf.h"
#include "mirror.h"
#include "pair.h"

#define SAS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned seen;  // payloads are read to their end
static bool known[SAS];         // SAs of the gateway process
static unsigned said, crowded;  // every crowded-th word finds its ring full

static int op_tell(void *ctx, const struct ha_word *w)
{
	bool sa = w->type == HA_UPSERT || w->type == HA_FEED;
	uint32_t len = sa ? w->sa.len : w->len;
	const uint8_t *bytes = sa ? w->sa.payload : w->payload;

	assert(len <= HA_PAYLOAD_MAX);
	for (uint32_t i = 0; i < len; i++)
		seen += bytes[i];
	return crowded && ++said % crowded == 0 ? -EAGAIN : 0;
}

// ---- the gateway process -----------------------------------------------------------------------
static int op_encode(void *ctx, uint64_t id, struct ha_sa *sa)
{
	static const uint8_t payload[40];

	if (id >= SAS || !known[id])
		return -ENOENT;
	*sa = (struct ha_sa){.id = id,
			     .group = 1,
			     .kind = HA_CHILD_SA,
			     .ceiling = 65536,
			     .len = sizeof(payload),
			     .payload = payload};
	return 0;
}

static bool op_each(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id)
{
	while (*cursor < SAS && !known[*cursor])
		++*cursor;
	*id = *cursor;
	return (*cursor)++ < SAS;
}

static int op_install(void *ctx, const struct ha_sa *sa)
{
	for (uint32_t i = 0; i < sa->len; i++)
		seen += sa->payload[i];
	if (sa->id == 0 || sa->id >= SAS)
		return -EINVAL;
	known[sa->id] = true;
	return 0;
}

static void op_remove(void *ctx, uint64_t id)
{
	if (id < SAS)
		known[id] = false;
}

static void op_group(void *ctx, unsigned group)
{
	assert(group == 1);
}

static void op_activate(void *ctx, unsigned group, bool planned)
{
	op_group(ctx, group);
}
static void op_limit(void *ctx, uint64_t id, uint64_t lim)
{
}
static void op_sequence(void *ctx, uint64_t id, uint64_t next, uint64_t edge)
{
}
static void op_taint(void *ctx, uint64_t id, bool on)
{
}
static void op_raised(void *ctx, unsigned group, uint64_t step)
{
}
static void op_release(void *ctx, unsigned group, uint64_t seq)
{
}
static void op_claimed(void *ctx, unsigned group, bool granted, enum ha_refusal why)
{
}
static void op_role(void *ctx, unsigned group, const struct ha_role *r)
{
}

// ---- the standby process -----------------------------------------------------------------------
static int op_send(void *ctx, unsigned group, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		seen += bytes[i];
	return crowded && ++said % crowded == 1 ? -EAGAIN : 0;
}

static void op_random(void *ctx, void *buf, size_t len)
{
	memset(buf, 7, len);
}

// ---- words -------------------------------------------------------------------------------------
static uint32_t own_length(unsigned type)
{
	switch (type) {
	case HA_HELLO: return sizeof(struct ha_hello);
	case HA_CONFIG: return sizeof(struct ha_config);
	case HA_ROLE: return sizeof(struct ha_role);
	case HA_LINK: return sizeof(struct ha_link);
	case HA_COUNTERS: return sizeof(struct pair_counters);
	case HA_LIMITS: return 3 * sizeof(struct ha_limit);
	case HA_SETS: return 3 * sizeof(struct ha_set);
	case HA_ACTIVATE: return sizeof(uint64_t);
	default: return 0;
	}
}

// The payload in memory of its exact size, zeros where the input ends.
static uint8_t *payload_take(struct rbuf *b, uint32_t len)
{
	uint8_t *bytes = calloc(1, len ? len : 1);
	size_t there = rbuf_left(b) < len ? rbuf_left(b) : len;

	assert(bytes);
	assert(rbuf_get_bytes(b, bytes, there) == 0);
	return bytes;
}

// False: the input is over. 0 and 255 stand for numbers at the end of their range.
static bool number_take(struct rbuf *b, uint64_t *out)
{
	uint8_t v;

	if (rbuf_get_u8(b, &v))
		return false;
	*out = v == 255 ? UINT64_MAX : v > 200 ? (uint64_t)(v - 200) << 16 : v;
	return true;
}

static bool word_take(struct rbuf *b, struct ha_word *w, uint8_t *head, uint8_t **mem)
{
	uint8_t type, len;

	*w = (struct ha_word){.group = 1};
	if (rbuf_get_u8(b, head) || rbuf_get_u8(b, &type) || !number_take(b, &w->id) ||
	    !number_take(b, &w->a) || !number_take(b, &w->b) || rbuf_get_u8(b, &len))
		return false;
	w->type = type;
	uint32_t n = *head & 2 ? own_length(type) : len;
	*mem = payload_take(b, n);
	if (type == HA_UPSERT || type == HA_FEED) {
		w->sa = (struct ha_sa){.id = w->id,
				       .group = *head & 4 ? 2 : 1,
				       .kind = (uint8_t)(w->a % 5),
				       .taint = *head & 8,
				       .ceiling = w->a,
				       .edge = w->b,
				       .len = n,
				       .payload = *mem};
	} else {
		w->len = n;
		w->payload = *mem;
	}
	return true;
}

static struct mirror *mirror_clean(unsigned role)
{
	static struct mirror *m;
	const struct mirror_id id = {.boot = {1}};
	struct err err;
	bool made;

	if (!m) {
		size_t bytes = mirror_min_size();
		uint8_t *mem = calloc(1, bytes);
		m = mem ? mirror_attach(mem, bytes, &id, &made, &err) : NULL;
	}
	assert(m);
	mirror_group_clear(m, 1);
	if (role) {
		const struct ha_sa sa = {.id = 5, .group = 1, .kind = HA_CHILD_SA, .ceiling = 9};
		(void)mirror_put(m, &sa);
		mirror_word_set(m, 1, MIRROR_LINEAGE, 1);
		mirror_word_set(m, 1, MIRROR_JOIN0, 1);
		mirror_word_set(m, 1, MIRROR_HOLD_US, 150000);
		mirror_word_set(m, 1, MIRROR_ROLE, role == 1 ? HA_ROLE_ACTIVE : HA_ROLE_STANDBY);
	}
	return m;
}

static void agent_play(struct agent *a, const struct ha_word *w, uint8_t head, uint64_t now)
{
	if (w->type == 0) {  // what IKE, the data plane and HSRP do meanwhile
		if (w->id && w->id < SAS)
			known[w->id] = true;
		(void)agent_upsert(a, w->id);
		agent_low(a, w->id, w->a, w->b);
		agent_checkpoint(a, w->id, w->a);
		if (head & 8)
			(void)agent_delete(a, w->id);
		if (head & 16)
			agent_claim(a, now);
		if (head & 32)
			agent_lost(a, now);
		if (head & 64)
			agent_stopped(a, now);
	} else {
		agent_word(a, w, now);
	}
	agent_tick(a, now);
	(void)agent_writable(a, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pair_ops pair_ops = {.send = op_send, .tell = op_tell, .random = op_random};
	const struct agent_ops agent_ops = {.tell = op_tell,
					    .encode = op_encode,
					    .each = op_each,
					    .install = op_install,
					    .remove = op_remove,
					    .feed_done = op_group,
					    .limit = op_limit,
					    .sequence = op_sequence,
					    .taint = op_taint,
					    .raised = op_raised,
					    .activate = op_activate,
					    .deactivate = op_group,
					    .release = op_release,
					    .claimed = op_claimed,
					    .role = op_role,
					    .resign = op_group};
	uint64_t now = 1000000;
	struct ha_word w;
	struct rbuf b;
	uint8_t *mem, head;

	if (size < 1 || size > 4096)
		return 0;
	memset(known, 0, sizeof(known));
	said = 0;
	crowded = data[0] & 4 ? 2 + (data[0] >> 3) : 0;
	rbuf_init(&b, data + 1, size - 1);
	struct pair *p = pair_create(1, mirror_clean(data[0] & 3), &pair_ops, now);
	struct agent *a = agent_create(1, &agent_ops, now);
	assert(p && a);
	agent_attach(a, true, now);
	pair_link(p, true, now);
	while (word_take(&b, &w, &head, &mem)) {
		now += 20000;
		if (head & 1) {
			agent_play(a, &w, head, now);
		} else {
			(void)pair_word(p, &w, now);
			pair_tick(p, now);
			(void)pair_writable(p, now);
		}
		free(mem);
	}
	pair_gateway_lost(p, now);
	agent_attach(a, false, now);
	pair_tick(p, now + 20000000);
	agent_tick(a, now + 20000000);
	pair_destroy(p);
	agent_destroy(a);
	return 0;
}
