// HSRP messages (security class 27): octet 0 chooses the TTL, the rest is a UDP payload that is
// decoded and given to running groups. What decodes survives encoding and decoding again; what no
// group believes leaves every group as it was.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hsrp_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct hsrp_msg *m)
{
	static const struct hsrp_auth auth = {.kind = HSRP_AUTH_TEXT, .text = "cisco"};
	struct ip_addr local = addr_from_v4(0x0a000001);
	uint8_t bytes[HSRP_WIRE_MAX];
	struct hsrp_msg again;
	int n = hsrp_encode(m, &auth, &local, 1, bytes, sizeof(bytes));

	assert(n > 0 && hsrp_decode(bytes, (size_t)n, &again) == HSRP_RX_OK);
	assert(again.op == m->op && again.state == m->state && again.group == m->group);
	assert(again.priority == m->priority && again.family == m->family);
	assert(again.hello_ms == m->hello_ms && again.hold_ms == m->hold_ms);
	assert(addr_equal(&again.virtual_ip, &m->virtual_ip));
}

static void group_feed(uint8_t version, enum hsrp_auth_kind kind, const struct hsrp_packet *p)
{
	struct hsrp_conf conf = {
		.version = version,
		.number = 1,
		.family = 4,
		.priority = 100,
		.preempt = true,
		.hello_ms = 3000,
		.hold_ms = 10000,
		.local = addr_from_v4(0x0a000002),
		.virtual_ip = addr_from_v4(0x0a000064),
		.auth = {.kind = kind, .text = "cisco", .keys = 1},
	};
	struct hsrp_snapshot before, after;
	struct hsrp_actions out = {0};

	conf.auth.key[0] = (struct hsrp_key){.len = 8,
					     .bytes = "password",
					     .accept_until = HSRP_NEVER,
					     .send_until = HSRP_NEVER};
	struct hsrp_group *g = hsrp_group_create(&conf, false, 1);

	if (g == NULL)
		abort();
	hsrp_group_link(g, true, 1, &out);
	hsrp_group_snapshot(g, 2, &before);
	out.count = 0;
	enum hsrp_rx r = hsrp_group_receive(g, p, 2, &out);
	hsrp_group_snapshot(g, 2, &after);
	assert(out.count <= 12 && r < HSRP_RX_REASONS && after.reasons[r] == before.reasons[r] + 1);
	if (r != HSRP_RX_OK && r < HSRP_RX_ERRORS) {
		assert(out.count == 0 && before.state == after.state);
		assert(before.hold_ms == after.hold_ms && before.hello_ms == after.hello_ms);
		assert(!addr_is_set(&after.active.addr) && !addr_is_set(&after.standby.addr));
		assert(addr_equal(&before.virtual_ip, &after.virtual_ip));
		assert(after.received[HSRP_OP_HELLO] == 0 && after.sent[HSRP_OP_HELLO] == 0);
	}
	hsrp_group_tick(g, 20000, &out);
	hsrp_group_destroy(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hsrp_msg m;

	if (size < 1 || size > 2048)
		return 0;
	struct hsrp_packet p = {
		.src = addr_from_v4(0x0a00000a), .ttl = data[0], .data = data + 1, .len = size - 1};
	enum hsrp_rx r = hsrp_decode(p.data, p.len, &m);

	// Version 1 rounds no timers that came from version 1, version 2 none at all.
	if (r == HSRP_RX_OK && m.content == HSRP_HAS_GROUP)
		round_trip(&m);
	group_feed(1, HSRP_AUTH_TEXT, &p);
	group_feed(1, HSRP_AUTH_MD5, &p);
	group_feed(2, HSRP_AUTH_TEXT, &p);
	group_feed(2, HSRP_AUTH_MD5, &p);
	return 0;
}
