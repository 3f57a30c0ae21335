// The SPI table: reserving SPIs, publishing and retiring inbound SAs, and the look-up stage.
//
// Per slot an array of 2^18 entries, indexed by the low bits of the SPI. Beside it, for the control
// thread only, the state of each index: who holds it and the generation of its next SPI.
// An attacker's SPI costs one entry and, only when the hash holds anything, HASH_PROBES more.
#include "sad.h"

#include <rte_byteorder.h>
#include <rte_malloc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp.h"
#include "pkt.h"
#include "rand.h"
#include "rcu.h"
#include "worker.h"

#define SLOTS       2
#define GEN_BITS    13
#define GEN_MASK    ((1u << GEN_BITS) - 1)
#define HASH_SIZE   4096u
#define HASH_PROBES 16u

enum index_state { INDEX_FREE, INDEX_RESERVED, INDEX_USED, INDEX_RETIRED };
struct index {
	uint16_t gen;  // of the last SPI given out
	uint8_t state;
	uint8_t pooled;  // waits in the ring of free indices (or was never taken from the fresh
			 // ones)
};
struct slot {
	struct sad_entry *entry;  // NULL until first used
	struct index *index;
	uint32_t *ring;  // indices that came back, oldest first
	uint32_t ring_head, ring_n, fresh;
};

static struct slot slots[SLOTS];
static struct sad_entry *hash;
static uint32_t hash_used;  // c: rw, w: ro (relaxed): entries ever published and not yet gone

// ---- indices (control thread) ------------------------------------------------------------------
static int slot_open(struct slot *s)
{
	struct sad_entry *entry;

	if (s->entry)
		return 0;
	s->index = calloc(SA_MAX, sizeof(*s->index));
	s->ring = calloc(SA_MAX, sizeof(*s->ring));
	entry = rte_zmalloc("sad", SA_MAX * sizeof(*entry), 64);
	if (!entry || !s->index || !s->ring) {
		free(s->index);
		free(s->ring);
		rte_free(entry);
		s->index = NULL;
		s->ring = NULL;
		return -ENOMEM;
	}
	// One call for all: a call for each keeps the control thread for 100 ms, in the first
	// negotiation of a box that has taken over, and the other box takes it for one that hangs.
	rand_bytes(s->index, SA_MAX * sizeof(*s->index));
	for (uint32_t i = 0; i < SA_MAX; i++)
		s->index[i] = (struct index){.gen = s->index[i].gen & GEN_MASK, .pooled = 1};
	__atomic_store_n(&s->entry, entry, __ATOMIC_RELEASE);
	return 0;
}

static void index_release(struct slot *s, uint32_t i)
{
	s->index[i].state = INDEX_FREE;
	if (s->index[i].pooled)
		return;
	s->index[i].pooled = 1;
	s->ring[(s->ring_head + s->ring_n++) & SA_INDEX_MASK] = i;
}

// Oldest returned index last of all: an SPI's index rests as long as possible.
static bool index_take(struct slot *s, uint32_t *out)
{
	while (s->fresh < SA_MAX || s->ring_n) {
		uint32_t i;

		if (s->fresh < SA_MAX) {
			i = s->fresh++;
		} else {
			i = s->ring[s->ring_head];
			s->ring_head = (s->ring_head + 1) & SA_INDEX_MASK;
			s->ring_n--;
		}
		s->index[i].pooled = 0;
		if (s->index[i].state == INDEX_FREE) {  // else a manual SPI sits there
			*out = i;
			return true;
		}
	}
	return false;
}

static uint32_t spi_make(unsigned slot, uint16_t gen, uint32_t index)
{
	return (uint32_t)slot << 31 | (uint32_t)gen << SA_INDEX_BITS | index;
}

uint32_t dp_spi_alloc(unsigned slot)
{
	struct slot *s;
	uint32_t i;

	if (slot >= SLOTS || !hash || slot_open(&slots[slot]))
		return 0;
	s = &slots[slot];
	if (!index_take(s, &i))
		return 0;
	// generation 0 of slot 0 would reach the SPIs that IANA reserves (RFC 4303 2.1)
	s->index[i].gen = (s->index[i].gen + 1) & GEN_MASK;
	if (!s->index[i].gen)
		s->index[i].gen = 1;
	s->index[i].state = INDEX_RESERVED;
	return spi_make(slot, s->index[i].gen, i);
}

static bool index_holds(const struct slot *s, unsigned slot, uint32_t spi)
{
	return spi_make(slot, s->index[spi & SA_INDEX_MASK].gen, spi & SA_INDEX_MASK) == spi;
}

int dp_spi_take(uint32_t spi)
{
	struct slot *s = &slots[spi >> 31];
	uint32_t i = spi & SA_INDEX_MASK;

	if (spi < 256 || !hash)  // RFC 4303 2.1
		return -EINVAL;
	if (slot_open(s))
		return -ENOMEM;
	if (s->index[i].state == INDEX_RETIRED)  // its place is free in a moment, the hash now
		return 0;
	if (s->index[i].state != INDEX_FREE)
		return index_holds(s, spi >> 31, spi) ? -EEXIST : 0;
	s->index[i].gen = (uint16_t)(spi >> SA_INDEX_BITS) & GEN_MASK;
	s->index[i].state = INDEX_RESERVED;
	return 0;
}

void dp_spi_free(uint32_t spi)
{
	struct slot *s = &slots[spi >> 31];
	uint32_t i = spi & SA_INDEX_MASK;

	if (s->entry && s->index[i].state == INDEX_RESERVED && index_holds(s, spi >> 31, spi))
		index_release(s, i);
}

// ---- publication (control thread) --------------------------------------------------------------
static void entry_set(struct sad_entry *e, struct sa *sa)
{
	e->spi_be = sa->spi_be;
	e->owner = sa->owner;
	e->family = sa->family;
	e->udp = sa->udp;
	memset(e->local, 0, sizeof(e->local));
	memcpy(e->local, sa->conf.local.bytes, sa->family == 4 ? 4 : 16);
	__atomic_store_n(&e->sa, sa, __ATOMIC_RELEASE);
}

static bool entry_is(const struct sad_entry *e, const struct sa *sa)
{
	return e->sa && e->spi_be == sa->spi_be && e->family == sa->family &&
	       memcmp(e->local, sa->conf.local.bytes, sa->family == 4 ? 4 : 16) == 0;
}

static uint32_t hash_of(uint32_t spi_be)
{
	return (spi_be * 0x9e3779b1u) >> 20;
}

static int hash_publish(struct sa *sa, struct err *err)
{
	struct sad_entry *free_entry = NULL;

	for (uint32_t n = 0; n < HASH_PROBES; n++) {
		struct sad_entry *e = &hash[(hash_of(sa->spi_be) + n) % HASH_SIZE];

		if (entry_is(e, sa))
			return err_set(err, -EEXIST, "SPI 0x%08x is in use", sa->conf.spi);
		// owner UINT16_MAX: unlinked, a worker may still be reading it
		if (!e->sa && e->owner != UINT16_MAX && !free_entry)
			free_entry = e;
	}
	if (!free_entry)
		return err_set(err, -ENOSPC, "no place for SPI 0x%08x", sa->conf.spi);
	entry_set(free_entry, sa);
	__atomic_store_n(&hash_used, hash_used + 1, __ATOMIC_RELEASE);
	return 0;
}

int sad_publish(struct sa *sa, struct err *err)
{
	uint32_t spi = sa->conf.spi, i = spi & SA_INDEX_MASK;
	struct slot *s = &slots[spi >> 31];

	if (slot_open(s))
		return err_set(err, -ENOMEM, "no memory for the SPI table");
	if (entry_is(&s->entry[i], sa))
		return err_set(err, -EEXIST, "SPI 0x%08x is in use", spi);
	if (s->index[i].state == INDEX_FREE ||
	    (s->index[i].state == INDEX_RESERVED && index_holds(s, spi >> 31, spi))) {
		s->index[i].state = INDEX_USED;
		// the next SPI on this index must be another one
		s->index[i].gen = (uint16_t)(spi >> SA_INDEX_BITS) & GEN_MASK;
		entry_set(&s->entry[i], sa);
		return 0;
	}
	return hash_publish(sa, err);
}

static void index_retired(void *obj)
{
	uint32_t at = (uint32_t)(uintptr_t)obj;

	index_release(&slots[at >> 31], at & SA_INDEX_MASK);
}

static void hash_retired(void *obj)
{
	struct sad_entry *e = obj;

	e->spi_be = 0;
	e->owner = 0;
	__atomic_store_n(&hash_used, hash_used - 1, __ATOMIC_RELEASE);
}

void sad_retire(struct sa *sa)
{
	uint32_t spi = sa->conf.spi, i = spi & SA_INDEX_MASK;
	struct slot *s = &slots[spi >> 31];

	if (s->entry && s->entry[i].sa == sa) {
		__atomic_store_n(&s->entry[i].sa, NULL, __ATOMIC_RELEASE);
		s->index[i].state = INDEX_RETIRED;
		rcu_defer(index_retired, (void *)(uintptr_t)((spi & (1u << 31)) | i));
		return;
	}
	for (uint32_t n = 0; n < HASH_PROBES; n++) {
		struct sad_entry *e = &hash[(hash_of(sa->spi_be) + n) % HASH_SIZE];

		if (e->sa == sa) {
			__atomic_store_n(&e->sa, NULL, __ATOMIC_RELEASE);
			e->owner = UINT16_MAX;
			rcu_defer(hash_retired, e);
			return;
		}
	}
}

int sad_table_init(struct err *err)
{
	hash = rte_zmalloc("sad hash", HASH_SIZE * sizeof(*hash), 64);
	if (!hash || slot_open(&slots[0])) {
		sad_table_fini();
		return err_set(err, -ENOMEM, "no memory for the SPI table");
	}
	return 0;
}

void sad_table_fini(void)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		rte_free(slots[i].entry);
		free(slots[i].index);
		free(slots[i].ring);
		slots[i] = (struct slot){0};
	}
	rte_free(hash);
	hash = NULL;
	hash_used = 0;
}

// ---- look-up (worker) --------------------------------------------------------------------------
// The slots' tables, read once for a burst; one that is not there has a single, empty entry.
struct tables {
	const struct sad_entry *entry[SLOTS];
	uint32_t mask[SLOTS];
};

static inline void tables_read(struct tables *t)
{
	static const struct sad_entry none;

	for (unsigned i = 0; i < SLOTS; i++) {
		const struct sad_entry *e = __atomic_load_n(&slots[i].entry, __ATOMIC_ACQUIRE);

		t->entry[i] = e ? e : &none;
		t->mask[i] = e ? SA_INDEX_MASK : 0;
	}
}

static inline const struct sad_entry *entry_at(const struct tables *t, uint32_t spi_be)
{
	uint32_t spi = rte_be_to_cpu_32(spi_be);

	return &t->entry[spi >> 31][spi & t->mask[spi >> 31]];
}

static inline bool entry_endpoint(const struct sad_entry *e, const uint8_t *ip, const struct pkt *p)
{
	if (e->family != p->family || e->udp != p->udp_len)
		return false;
	return p->family == 4 ? memcmp(e->local, ip + 16, 4) == 0
			      : memcmp(e->local, ip + 24, 16) == 0;
}

enum verdict { FOUND, NO_SPI, OTHER_ENDPOINT };

static inline enum verdict entry_try(const struct sad_entry *e, uint32_t spi_be, const uint8_t *ip,
				     struct pkt *p)
{
	struct sa *sa = __atomic_load_n(&e->sa, __ATOMIC_ACQUIRE);

	if (!sa || e->spi_be != spi_be)
		return NO_SPI;
	if (unlikely(!entry_endpoint(e, ip, p)))
		return OTHER_ENDPOINT;
	p->sa = sa;
	p->worker = e->owner;
	return FOUND;
}

static __attribute__((noinline)) enum verdict hash_lookup(uint32_t spi_be, const uint8_t *ip,
							  struct pkt *p, enum verdict so_far)
{
	for (uint32_t n = 0; n < HASH_PROBES; n++) {
		enum verdict v = entry_try(&hash[(hash_of(spi_be) + n) % HASH_SIZE], spi_be, ip, p);

		if (v == FOUND)
			return v;
		if (v == OTHER_ENDPOINT)
			so_far = v;
	}
	return so_far;
}

// What esp_in reads of an SA starts on its way.
static inline void sa_prefetch(const struct sa *sa)
{
	__builtin_prefetch(sa);
	__builtin_prefetch((const uint8_t *)sa + 64, 1);
	__builtin_prefetch(&sa->check[0]);
	__builtin_prefetch(sa + 1);  // window, if there is one
}

void sad_in(struct worker *w, struct burst *in, struct burst *unknown)
{
	const struct sad_entry *entry[BURST_MAX];
	const struct sa *last = NULL;
	uint32_t spi[BURST_MAX];
	uint32_t n = 0, count = in->n;
	struct tables tables;

	tables_read(&tables);
	// all SPIs first, so that the table's lines come in together
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = in->pkt[i];
		uint32_t at = (uint32_t)pkt_of(m)->l3_len + pkt_of(m)->udp_len;

		if (unlikely(m->nb_segs > 1) && !(m = pkt_flatten(w, m)))
			continue;
		if (unlikely(rte_pktmbuf_data_len(m) < at + 8)) {
			pkt_drop(w, m, DROP_ESP_RUNT);
			continue;
		}
		memcpy(&spi[n], rte_pktmbuf_mtod_offset(m, uint8_t *, at), 4);
		entry[n] = entry_at(&tables, spi[n]);
		__builtin_prefetch(entry[n]);
		in->pkt[n++] = m;
	}
	count = n;
	n = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = in->pkt[i];
		struct pkt *p = pkt_of(m);
		const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
		enum verdict v = entry_try(entry[i], spi[i], ip, p);

		if (unlikely(v != FOUND) && __atomic_load_n(&hash_used, __ATOMIC_ACQUIRE))
			v = hash_lookup(spi[i], ip, p, v);
		if (likely(v == FOUND)) {
			if (p->sa != last)
				sa_prefetch(last = p->sa);
			in->pkt[n++] = m;
		} else if (v == NO_SPI) {
			burst_add(unknown, m);
		} else {
			pkt_drop(w, m, DROP_ESP_ENDPOINT);
		}
	}
	in->n = n;
}
