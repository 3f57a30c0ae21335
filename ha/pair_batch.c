// Records of the own gateway process that leave together. What is drained from its ring in one go
// shares a message: heads, framing and acknowledgement are paid once. The order is that of the
// LSNs, so whatever else is sent goes behind what waits here (out_send).

#include <errno.h>
#include <stdlib.h>

#include "pair_private.h"
#include "secret.h"

#define FILL 14000  // bytes; larger messages would only wait longer for their last one

void batch_clear(struct pair *p)
{
	if (p->batch)
		secret_wipe(p->batch->bytes, p->batch->b.len);
	p->batch_count = 0;
}

int batch_flush(struct pair *p)
{
	if (p->batch_count == 0)
		return 0;
	int rc = out_put(p, p->batch);
	if (rc == -EAGAIN)
		return rc;
	// without a link there is no session any more: the next snapshot has them
	batch_clear(p);
	if (rc == 0)
		word_set(p, MIRROR_LSN, p->made);
	return rc;
}

// Takes the record, and its LSN. 0, -EAGAIN: STATE, or others, must leave before; -ENOTCONN.
int batch_add(struct pair *p, const struct ha_sa *sa)
{
	if (!p->link)
		return -ENOTCONN;
	if (p->state_owed)
		return -EAGAIN;
	if (p->batch_count && p->batch->b.len + pair_msg_record_size(sa) > FILL) {
		int rc = batch_flush(p);
		if (rc)
			return rc;
	}
	if (p->batch_count == 0) {
		if (!p->batch && !(p->batch = malloc(sizeof(*p->batch))))
			return -EAGAIN;
		out_begin(p, p->batch, PAIR_UPSERT, HAS(TLV_LSN));
		pair_msg_begin(&p->batch->b, &p->batch->m);
	}
	pair_msg_put_record(&p->batch->b, sa);
	p->batch_count++;
	p->made++;
	if (!p->batching)
		(void)batch_flush(p);
	return 0;
}

void batch_free(struct pair *p)
{
	batch_clear(p);
	free(p->batch);
	p->batch = NULL;
}
