// A replication link whose other end says anything (security class 28). Octet 0: who listens, and
// whether there is TLS; then messages: stream, kind of payload, length, bytes. Without the key no
// association may come up; without TLS what arrives has the right shape.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "link_private.h"
#include "link_wire.h"
#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned ups;
static void on_up(void *ctx)
{
	ups++;
}
static void on_down(void *ctx, const char *why)
{
	assert(why && why[0] != '\0');
}
static void on_message(void *ctx, unsigned stream, const uint8_t *bytes, size_t len)
{
	assert(ups > 0 && stream < LINK_STREAMS && len > 0 && len <= LINK_MESSAGE_MAX);
}
static void on_writable(void *ctx)
{
	abort();  // nothing was refused
}

static struct link *link_make(struct loop *loop, bool client, bool tls)
{
	static const struct link_ops ops = {
		.up = on_up, .down = on_down, .message = on_message, .writable = on_writable};
	struct link_params p = {
		.security = tls ? LINK_PSK : LINK_PLAIN,
		.secret = "a-long-random-string",
		.local = {addr_from_v4(client ? 0x0a000001 : 0x0a000002)},
		.remote = {addr_from_v4(client ? 0x0a000002 : 0x0a000001)},
		.locals = 1,
		.remotes = 1,
		.local_port = 5000,
		.remote_port = 5000,
	};

	return link_create_on(loop, &p, &ops, &link_wire, NULL);
}

static void turns(struct loop *loop)
{
	for (unsigned i = 0; i < 4; i++)
		(void)loop_turn(loop, 0);
}

static void speak(struct loop *loop, struct link_sock *s, const uint8_t *data, size_t size)
{
	static const uint32_t ppids[] = {0x544e4400, 0x544e4401, 0, 46};

	while (size >= 3 && !wire_is_closed(s)) {
		unsigned stream = data[0] % 20;
		size_t len = (size_t)data[2] + ((size_t)(data[1] >> 4) << 8);
		uint32_t ppid = ppids[data[1] & 3];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		(void)wire_send(s, stream, ppid, data, len);
		data += len;
		size -= len;
		turns(loop);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ip_addr peer = addr_from_v4(0x0a000001);
	struct link_sock *listener = NULL, *s;
	struct link_info info;

	if (size < 1)
		return 0;
	bool client = data[0] & 1, tls = data[0] & 2;
	struct loop *loop = loop_create(NULL);

	assert(loop);
	log_set_stderr_level(LOG_L_EMERG);
	wire_up(loop);
	ups = 0;
	if (client)
		listener = wire_listen();
	struct link *l = link_make(loop, client, tls);

	assert(l);
	turns(loop);
	s = client ? wire_accept(listener) : wire_connect(&peer, 5000);
	assert(s);
	turns(loop);
	speak(loop, s, data + 1, size - 1);
	turns(loop);
	link_get_info(l, &info);
	assert(!tls || (ups == 0 && !info.up));
	assert(info.refused <= 1);
	link_destroy(l);
	wire_down();
	loop_destroy(loop);
	return 0;
}
