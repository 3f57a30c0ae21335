// Records of another box: the input is a kind, the fixed part's numbers, and a payload, installed
// into a live engine whose group then goes to work. Nothing may crash, leak or send in a passive
// group. A first input byte with its high bit set begins with the record of a real SA and changes
// it.

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "ike_pair_bed.h"
#include "log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// Two engines that have talked are expensive: made once, only records are taken from them.
static struct pair_record real[2];  // IKE SA, child SA

static void real_make(void)
{
	struct pair *p = pair_new(1, NULL);
	unsigned n = 0;

	ike_initiate(p->active->ike, 1);
	bed_run(&p->bed, 500);
	for (unsigned i = 0; i < PAIR_RECORDS && n < 2; i++)
		if (p->mirror[i].sa.id)
			real[n++] = p->mirror[i];
	pair_free(p);
	if (n < 2)
		abort();
}

static void change(uint8_t *payload, uint32_t *n, struct rbuf *b)
{
	uint16_t at;
	uint8_t what;

	while (rbuf_get_u16(b, &at) == 0 && rbuf_get_u8(b, &what) == 0) {
		if (at & 0x8000)
			*n = *n ? at % *n : 0;
		else if (*n)
			payload[at % *n] = what;
	}
}

static void record_make(struct rbuf *b, uint8_t op, struct ha_sa *sa, uint8_t **mem)
{
	const struct pair_record *r = &real[op & 1];
	uint32_t n;

	*sa = r->sa;
	if (op & 2)
		sa->id ^= 1;
	sa->taint = op & 4;
	if (op & 0x80) {
		n = sa->len;
		*mem = malloc(n);
		memcpy(*mem, r->payload, n);
		change(*mem, &n, b);
	} else {
		n = (uint32_t)rbuf_left(b);
		*mem = malloc(n ? n : 1);
		if (rbuf_get_bytes(b, *mem, n) < 0)
			abort();
	}
	// At the end of its own memory.
	uint8_t *tight = malloc(n ? n : 1);

	memcpy(tight, *mem, n);
	free(*mem);
	*mem = tight;
	sa->len = n;
	sa->payload = tight;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static bool ready;
	struct err err;
	struct rbuf b;
	struct ha_sa sa;
	uint8_t op, *mem;

	log_set_stderr_level(LOG_L_EMERG);
	if (!ready)
		real_make();
	ready = true;
	rbuf_init(&b, data, len);
	if (len > HA_PAYLOAD_MAX || rbuf_get_u8(&b, &op) < 0)
		return 0;
	struct pair *p = pair_new(2, NULL);
	record_make(&b, op, &sa, &mem);
	struct ike *ike = p->standby->ike;

	if (ike_replica_check(&sa) == 0 && ike_replica_install(ike, &sa, &err) == 0) {
		bed_run(&p->bed, 1000);
		if (p->standby->sent)
			abort();
		(void)ike_replica_install(ike, &sa, &err);  // once more: a change
		p->standby->before_send = NULL;
		ike_replicate(ike, NULL);
		ike_group_activate(ike, PAIR_GROUP);
		bed_run(&p->bed, op & 8 ? 100 : 40000);
		ike_replica_remove(ike, sa.id);
	}
	free(mem);
	pair_free(p);
	return 0;
}
