// See ike_pair_bed.h.

#include "ike_pair_bed.h"

#include <stdlib.h>
#include <string.h>

// cmocka wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "ike/child_sa.h"
#include "ike/replica_wire.h"

#define STEP 1000  // a ceiling's

struct pair *pair_of(struct bed *bed)
{
	return (struct pair *)(void *)bed;
}

static struct pair_record *record_of(struct pair *p, uint64_t id)
{
	for (unsigned i = 0; i < PAIR_RECORDS; i++)
		if (p->mirror[i].sa.id == id)
			return &p->mirror[i];
	return NULL;
}

static void encode(struct bed_end *e, uint64_t id, struct pair_record *r)
{
	assert_int_equal(ike_replica_encode(e->ike, id, &r->sa, r->payload, sizeof(r->payload)), 0);
	assert_int_equal(r->sa.id, id);
	assert_int_equal(r->sa.group, PAIR_GROUP);
	assert_int_equal(ike_replica_check(&r->sa), 0);
}

static void install(struct bed_end *to, const struct pair_record *r)
{
	struct err err = {0};
	struct ha_sa sa = r->sa;
	// A copy at the end of its own memory, so that a sanitizer sees any overrun.
	uint8_t *copy = malloc(sa.len);

	assert_non_null(copy);
	memcpy(copy, r->payload, sa.len);
	sa.payload = copy;
	if (ike_replica_install(to->ike, &sa, &err) < 0)
		fail_msg("%s", err.msg);
	free(copy);
}

static void on_upsert(void *ctx, uint16_t group, uint64_t id)
{
	struct bed_end *e = ctx;
	struct pair *p = pair_of(e->bed);
	struct pair_record *r = record_of(p, id);
	uint64_t ceiling = r ? r->sa.ceiling : 0;

	assert_ptr_equal(e, p->active);
	assert_int_equal(group, PAIR_GROUP);
	if (!r)
		r = record_of(p, 0);
	assert_non_null(r);
	p->upserts++;
	encode(e, id, r);
	// rule 7: with the record's acknowledgement there is a limit, before the first packet
	assert_true(r->sa.kind != HA_CHILD_SA || r->sa.ceiling >= CHILD_CEILING);
	if (ceiling > r->sa.ceiling)  // the mirror's never falls
		r->sa.ceiling = ceiling;
	if (p->standby)
		install(p->standby, r);
}

static void on_remove(void *ctx, uint16_t group, uint64_t id)
{
	struct bed_end *e = ctx;
	struct pair *p = pair_of(e->bed);
	struct pair_record *r = record_of(p, id);

	assert_non_null(r);
	p->removes++;
	memset(r, 0, sizeof(*r));
	if (p->standby)
		ike_replica_remove(p->standby->ike, id);
}

// What changes by itself, and what only a box that repeats its last message needs, is left out.
static void record_mask(struct replica_tlvs *t, uint8_t kind, uint8_t basics[128])
{
	struct chunk *c = &t->v[TLV_CHILD];

	t->v[TLV_TIMES] = t->v[TLV_V1_IDS] = t->v[TLV_V1_MAIN] = (struct chunk){0};
	if (t->v[TLV_REPLACED].data)  // whether, not when
		t->v[TLV_REPLACED] = (struct chunk){(const uint8_t *)"", 1};
	if (kind != HA_CHILD_SA)
		return;
	assert_true(c->data && c->len <= 128 && c->len > 38);
	if (!c->data)
		return;
	memcpy(basics, c->data, c->len);
	memset(basics + 30, 0, 8);  // bytes so far
	c->data = basics;
}

static void records_compare(const struct pair_record *told, const struct pair_record *now)
{
	static struct replica_tlvs a, b;
	static uint8_t basics_a[128], basics_b[128];

	assert_non_null(told);
	if (!told)
		return;
	assert_int_equal(replica_tlvs_get(told->sa.payload, told->sa.len, told->sa.kind, &a), 0);
	assert_int_equal(replica_tlvs_get(now->payload, now->sa.len, now->sa.kind, &b), 0);
	record_mask(&a, told->sa.kind, basics_a);
	record_mask(&b, now->sa.kind, basics_b);
	if (!b.v[TLV_V1_QUICK].data)  // kept for repetitions, and over
		a.v[TLV_V1_QUICK] = (struct chunk){0};
	for (unsigned i = 0; i < REPLICA_TLV_MAX; i++) {
		if (a.v[i].len != b.v[i].len)
			fail_msg("kind %u: record %u was not told (%zu, %zu bytes)", now->sa.kind,
				 i, a.v[i].len, b.v[i].len);
		if (a.v[i].len && memcmp(a.v[i].data, b.v[i].data, a.v[i].len) != 0)
			fail_msg("kind %u: record %u was not told", now->sa.kind, i);
	}
	assert_int_equal(told->sa.parent, now->sa.parent);
	assert_int_equal(told->sa.spi_out, now->sa.spi_out);
}

static void before_send(struct bed_end *e)
{
	static struct pair_record now;
	struct pair *p = pair_of(e->bed);
	uint64_t cursor = 0, id;
	unsigned n = 0, known = 0;

	assert_ptr_equal(e, p->active);  // the other box is silent
	assert_true(ike_group_works(e->ike, PAIR_GROUP));
	while (ike_replica_next(e->ike, PAIR_GROUP, &cursor, &id)) {
		const struct pair_record *told = record_of(p, id);

		n++;
		if (!told)
			fail_msg("a datagram before the SA that it depends on was told");
		encode(e, id, &now);
		records_compare(told, &now);
	}
	for (unsigned i = 0; i < PAIR_RECORDS; i++)
		known += p->mirror[i].sa.id != 0;
	assert_int_equal(n, known);
}

static void box_start(struct pair *p, struct bed_end *e)
{
	const struct ike_replica_ops ops = {.ctx = e, .upsert = on_upsert, .remove = on_remove};

	e->group = PAIR_GROUP;
	e->before_send = before_send;
	bed_engine_start(e);
	ike_replicate(e->ike, &ops);
}

struct pair *pair_new(uint64_t seed, const struct bed_params *params)
{
	static const struct bed_params none;
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	struct bed *bed = &p->bed;

	bed_init(bed, seed, params);
	params = params ? params : &none;
	struct bed_end *s = &bed->second;

	s->name = "second";
	s->addr = bed->a.addr;
	s->natted = bed->a.natted;
	s->nat_addr = bed->a.nat_addr;
	s->config = bed_config(params, &s->addr, params->natt_b ? &bed->b.nat_addr : &bed->b.addr,
			       params->psk_a, false);
	bed->a.life = (struct ike_life){.slot = 0, .join = {1, 1}};
	s->life = (struct ike_life){.slot = 1, .join = {1, 1}};
	bed_tunnels_make(&bed->a);
	bed_tunnels_make(&bed->b);
	bed_tunnels_make(s);
	bed_engine_start(&bed->b);
	p->active = &bed->a;
	p->standby = s;
	box_start(p, &bed->a);
	box_start(p, s);
	ike_group_activate(bed->a.ike, PAIR_GROUP);
	return p;
}

void pair_free(struct pair *p)
{
	for (struct bed_end *e = &p->bed.a;; e = &p->bed.second) {
		e->before_send = NULL;
		if (!e->ike)
			bed_engine_start(e);
		if (e == &p->bed.second)
			break;
	}
	bed_fini(&p->bed);
	free(p);
}

void pair_kill(struct pair *p)
{
	struct bed_end *e = p->active;

	e->before_send = NULL;
	ike_replicate(e->ike, NULL);
	e->dead = true;
	unsigned sent = e->sent;
	ike_destroy(e->ike);
	assert_int_equal(e->sent, sent);  // its SAs are another box's
	e->ike = NULL;
	e->due_ms = UINT64_MAX;
	p->active = NULL;
}

void pair_takeover(struct pair *p)
{
	p->active = p->standby;
	p->standby = NULL;
	p->bed.holder = p->active;
	// Rule 10: above everything that the mirror allowed.
	for (unsigned i = 0; i < PAIR_RECORDS; i++) {
		const struct ha_sa *sa = &p->mirror[i].sa;

		if (sa->id && sa->kind == HA_CHILD_SA)
			assert_int_equal(ike_replica_sequence(p->active->ike, sa->id,
							      sa->ceiling + 1, sa->edge),
					 0);
	}
	ike_group_activate(p->active->ike, PAIR_GROUP);
	pair_raise(p);
}

void pair_join(struct pair *p)
{
	struct bed_end *e = p->active == &p->bed.a ? &p->bed.second : &p->bed.a;
	static struct pair_record r;
	uint64_t cursor = 0, id;

	assert_null(e->ike);
	e->life.slot = !p->active->life.slot;
	p->active->life.join[e->life.slot]++;
	memcpy(e->life.join, p->active->life.join, sizeof(e->life.join));
	e->dead = false;
	memset(e->bound, 0, sizeof(e->bound));
	memset(e->bindings, 0, sizeof(e->bindings));
	box_start(p, e);
	p->standby = e;
	// Children first: a mirror has no order.
	for (unsigned i = PAIR_RECORDS; i-- > 0;)
		if (p->mirror[i].sa.id && p->mirror[i].sa.kind == HA_CHILD_SA)
			install(e, &p->mirror[i]);
	while (ike_replica_next(p->active->ike, PAIR_GROUP, &cursor, &id)) {
		encode(p->active, id, &r);
		r.sa.ceiling = record_of(p, id)->sa.ceiling;
		install(e, &r);
	}
}

void pair_taint(struct pair *p, bool on)
{
	ike_taint(p->active->ike, PAIR_GROUP, 0, on);
}

void pair_raise(struct pair *p)
{
	for (unsigned i = 0; i < PAIR_RECORDS; i++) {
		struct ha_sa *sa = &p->mirror[i].sa;
		struct bed_end *e = p->active;
		uint32_t in, out;

		if (!sa->id || sa->kind != HA_CHILD_SA ||
		    !ike_replica_handles(e->ike, sa->id, &in, &out))
			continue;
		uint64_t seq = out ? e->sas[out - 1].stats.seq : 0;

		if (sa->ceiling < seq + STEP / 2)
			sa->ceiling = seq + STEP;
		if (in && e->sas[in - 1].stats.seq > sa->edge)
			sa->edge = e->sas[in - 1].stats.seq;
		if (p->standby)
			assert_int_equal(ike_replica_sequence(p->standby->ike, sa->id,
							      sa->ceiling + 1, sa->edge),
					 0);
		assert_int_equal(ike_replica_limit(e->ike, sa->id, sa->ceiling, STEP / 4), 0);
	}
}

bool pair_ping(struct pair *p)
{
	bool out, in;

	if (!p->active)
		return false;
	pair_raise(p);
	out = bed_ping(&p->bed, p->active, &p->bed.b, 1);
	in = bed_ping(&p->bed, &p->bed.b, p->active, 1);
	return out && in;
}

unsigned pair_run(struct pair *p, uint64_t ms, unsigned every_ms)
{
	unsigned before = p->bed.lost;

	for (uint64_t t = 0; t < ms; t += every_ms) {
		pair_ping(p);
		bed_run(&p->bed, every_ms);
	}
	return p->bed.lost - before;
}

bool pair_up(struct pair *p, uint64_t limit_ms)
{
	for (uint64_t t = 0; t < limit_ms; t += 5) {
		if (p->active && p->active->bound[1] && p->bed.b.bound[1] && pair_ping(p))
			return true;
		bed_run(&p->bed, 5);
	}
	return false;
}
