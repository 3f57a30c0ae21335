// Messages on their way out: heads, sessions, LSNs, and HELLO.

#include <errno.h>
#include <string.h>

#include "pair_private.h"

void out_begin(struct pair *p, struct outgoing *o, enum pair_type type, uint32_t has)
{
	memset(&o->m, 0, sizeof(o->m));
	o->m.type = type;
	o->m.group = (uint16_t)p->group;
	o->m.has = has | HAS(TLV_SESSION);
	o->m.session = session_of(p);
	o->m.lsn = p->made + 1;
	wbuf_init(&o->b, o->bytes, sizeof(o->bytes));
}

int out_put(struct pair *p, struct outgoing *o)
{
	int rc = pair_msg_finish(&o->b);

	if (rc)
		return rc;
	rc = p->ops.send(p->ops.ctx, p->group, o->bytes, o->b.len);
	p->blocked |= rc == -EAGAIN;
	p->count.tx += rc == 0;
	return rc;
}

int out_send(struct pair *p, struct outgoing *o, unsigned lsns)
{
	if (!p->link)
		return -ENOTCONN;
	if (lsns && p->state_owed)
		return -EAGAIN;  // STATE comes first
	int rc = batch_flush(p);
	if (rc == 0)
		rc = out_put(p, o);
	if (rc)
		return rc;
	if (lsns) {
		p->made += lsns;
		word_set(p, MIRROR_LSN, p->made);
	}
	return 0;
}

int hello_send(struct pair *p)
{
	struct outgoing o;

	out_begin(p, &o, PAIR_HELLO,
		  HAS(TLV_BOOT) | HAS(TLV_ROLE) | HAS(TLV_PRIORITY) | HAS(TLV_ADDRESS) |
			  HAS(TLV_DIGEST) | HAS(TLV_RELEASE) | HAS(TLV_WORKING));
	o.m.boot = p->boot;
	o.m.role = p->left ? HA_ROLE_NONE : (uint8_t)role_of(p);
	o.m.priority = p->hello.priority;
	memcpy(o.m.address, p->hello.own, sizeof(o.m.address));
	memcpy(o.m.digest, p->digest, sizeof(o.m.digest));
	o.m.release = PAIR_RELEASE;
	o.m.working = p->working;
	pair_msg_begin(&o.b, &o.m);
	int rc = out_send(p, &o, 0);
	p->hello_owed = rc == -EAGAIN;
	p->hello_at = p->now;
	return rc;
}

int simple_send(struct pair *p, enum pair_type type, const uint8_t nonce[16], uint8_t kind)
{
	struct outgoing o;

	out_begin(p, &o, type, HAS(TLV_NONCE) | HAS(TLV_KIND));
	memcpy(o.m.nonce, nonce, sizeof(o.m.nonce));
	o.m.kind = kind;
	pair_msg_begin(&o.b, &o.m);
	return out_send(p, &o, 0);
}
