// The sets of esp_audit: sequence numbers of a SA as bits, IVs in a table that grows. Nothing is
// ever forgotten: a number that comes again after ten million others is found.
#include <err.h>
#include <stdlib.h>

#include "esp_audit.h"

enum {
	SAS_MAX = 1024,
	LIVES_MAX = 256,
	PAGES = 65536  // of 65536 sequence numbers each
};

struct slot {
	uint64_t hi, lo;  // both 0: free
};

static struct {
	struct esp_sa sa[SAS_MAX];
	unsigned sas;
	struct slot *slot;
	uint64_t slots, used;
	uint64_t life[LIVES_MAX];
	unsigned lives;
} seen;

// ---- sequence numbers: one bit each ------------------------------------------------------------
struct esp_sa *esp_sa_of(uint32_t dst, uint32_t spi)
{
	for (unsigned i = seen.sas; i-- > 0;) {
		if (seen.sa[i].spi == spi && seen.sa[i].dst == dst)
			return &seen.sa[i];
	}
	if (seen.sas == SAS_MAX)
		errx(1, "more than %d SAs", SAS_MAX);
	struct esp_sa *sa = &seen.sa[seen.sas++];
	*sa = (struct esp_sa){.dst = dst, .spi = spi, .page = esp_room(PAGES, sizeof(sa->page[0]))};
	return sa;
}

struct esp_sa *esp_sa_at(unsigned n)
{
	return n < seen.sas ? &seen.sa[n] : NULL;
}

bool esp_sequence_seen(struct esp_sa *sa, uint32_t seq)
{
	uint8_t **page = &sa->page[seq >> 16];
	unsigned bit = seq & 0xffff;

	if (!*page)
		*page = esp_room(65536 / 8, 1);
	bool before = (*page)[bit / 8] & (1u << bit % 8);
	(*page)[bit / 8] |= (uint8_t)(1u << bit % 8);
	sa->highest = seq > sa->highest ? seq : sa->highest;
	return before;
}

// ---- IVs: a set ---------------------------------------------------------------------------------
static bool slot_take(struct slot *table, uint64_t slots, struct slot v)
{
	uint64_t at = (v.hi * 0x9e3779b97f4a7c15u ^ v.lo * 0xc2b2ae3d27d4eb4fu) >> 7;

	for (;; at++) {
		struct slot *s = &table[at & (slots - 1)];

		if (s->hi == v.hi && s->lo == v.lo)
			return false;
		if (s->hi == 0 && s->lo == 0) {
			*s = v;
			return true;
		}
	}
}

static void set_grow(void)
{
	uint64_t slots = seen.slots ? seen.slots * 2 : 1 << 20;
	struct slot *table = esp_room(slots, sizeof(*table));

	for (uint64_t i = 0; i < seen.slots; i++) {
		if (seen.slot[i].hi || seen.slot[i].lo)
			(void)slot_take(table, slots, seen.slot[i]);
	}
	free(seen.slot);
	seen.slot = table;
	seen.slots = slots;
}

static void life_note(uint64_t iv)
{
	uint64_t life = iv >> 40;  // slot(1) join(15) restart(8)

	for (unsigned i = 0; i < seen.lives; i++) {
		if (seen.life[i] == life)
			return;
	}
	if (seen.lives < LIVES_MAX)
		seen.life[seen.lives++] = life;
}

unsigned esp_lives(void)
{
	return seen.lives;
}

bool esp_iv_seen(const struct esp_sa *sa, const uint8_t *iv)
{
	uint64_t sa_id = (uint64_t)sa->dst << 32 | sa->spi;
	struct slot v = {.hi = (uint64_t)get32(iv) << 32 | get32(iv + 4), .lo = sa_id};

	if (esp_options.iv_len == 8)
		life_note(v.hi);
	else  // random: the SA's identity only separates equal ones of two SAs
		v.lo = ((uint64_t)get32(iv + 8) << 32 | get32(iv + 12)) ^ sa_id;
	if (seen.used * 2 >= seen.slots)
		set_grow();
	if (!slot_take(seen.slot, seen.slots, v))
		return true;
	seen.used++;
	return false;
}
