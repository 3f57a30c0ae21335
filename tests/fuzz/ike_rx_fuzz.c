// Datagrams into a live pair of engines: an initiator and a responder in one process, with state at
// every point of main mode, quick mode and established. The input is a script of steps: run the
// clock, start something, deliver a message changed by the input, or one made of it, at the end
// that the step names. One end may be a gateway with a dynamic map. Nothing may crash, leak, or
// grow beyond the limits.

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "ike_dynamic_bed.h"
#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct rbuf script;

// Now and then a datagram on its way is changed by the script's next bytes.
static bool tap(struct bed *bed, struct bed_packet *p)
{
	uint8_t when, what;
	uint16_t at;

	if (rbuf_get_u8(&script, &when) < 0 || when < 0xc0)
		return true;
	if (rbuf_get_u16(&script, &at) < 0 || rbuf_get_u8(&script, &what) < 0)
		return true;
	if (when < 0xd0)
		return false;
	if (when < 0xe0)
		p->len = at % (p->len + 1);
	else if (p->len)
		p->bytes[at % p->len] = what;
	return true;
}

static void raw(struct bed *bed, struct bed_end *to, uint8_t op)
{
	struct bed_end *from = to == &bed->a ? &bed->b : &bed->a;
	struct dp_udp meta = {
		.local = to->addr, .remote = from->addr, .local_port = 500, .remote_port = 500};
	struct ike_sa_info sa = {0};
	uint8_t mem[600], n = 0;
	size_t take;

	if (op & 0x10)
		meta.local_port = meta.remote_port = 4500;
	if (rbuf_get_u8(&script, &n) < 0)
		return;
	take = rbuf_left(&script) < n * 2u ? rbuf_left(&script) : n * 2u;
	if (rbuf_get_bytes(&script, mem, take) < 0)
		return;
	// With the cookies of a real SA it gets further.
	if ((op & 0x20) && take >= 16 && ike_sa_next(to->ike, 0, &sa)) {
		struct wbuf w;

		wbuf_init(&w, mem, 16);
		wbuf_put_u64(&w, sa.icookie);
		wbuf_put_u64(&w, sa.rcookie);
	}
	bed_inject(to, &meta, mem, take);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bed_params p = {.pfs = len & 1, .natt_a = len & 2, .flows = 2};
	struct bed bed;
	uint8_t op;

	log_set_stderr_level(LOG_L_EMERG);
	if (len > 4096)
		return 0;
	rbuf_init(&script, data, len);
	if (len & 4)
		dyn_start(&bed, &p, NULL);
	else
		bed_init(&bed, len, &p);
	bed_start(&bed);
	bed.tap = tap;
	while (rbuf_get_u8(&script, &op) == 0) {
		struct bed_end *e = op & 0x80 ? &bed.b : &bed.a;
		bed.b.tunnels->id_hint =
			1;  // the bed knows 63 policies: ids are used again at once
		struct dp_event ev = {.type = DP_EVENT_SOFT_EXPIRE, .sa = e->bound[1]};

		switch (op & 7) {
		case 0: ike_initiate(e->ike, 1 + (op >> 3 & 1)); break;
		case 1:
		case 2: bed_run(&bed, 25); break;
		case 3: bed_run(&bed, 5000); break;
		case 4:
		case 5: raw(&bed, e, op); break;
		case 6:
			if (ev.sa)
				ike_event(e->ike, &ev);
			break;
		case 7: ike_clear_session(e->ike, NULL); break;
		}
	}
	bed_fini(&bed);
	return 0;
}
