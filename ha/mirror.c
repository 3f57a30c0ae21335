// Records and words of the mirror (mirror.h). A record is written whole into free chunks and takes
// its predecessor's place by one store; what changes often (ceiling, edge, taint) is one aligned
// store in place. So whatever instruction the process dies at, a restart finds for each identity
// the old or the new record, whole (mirror_scan.c).

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "mirror_private.h"
#include "secret.h"

// ---- words ------------------------------------------------------------------------------------
uint64_t mirror_word_get(const struct mirror *m, unsigned group, enum mirror_word w)
{
	if (group > HA_GROUPS_MAX || w >= MIRROR_WORDS)
		return 0;
	return atomic_load_explicit(&m->mem->word[group][w], memory_order_acquire);
}

void mirror_word_set(struct mirror *m, unsigned group, enum mirror_word w, uint64_t v)
{
	if (group <= HA_GROUPS_MAX && w < MIRROR_WORDS)
		atomic_store_explicit(&m->mem->word[group][w], v, memory_order_release);
}

int mirror_restart_add(struct mirror *m)
{
	int rc = 0;

	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (mirror_word_get(m, g, MIRROR_ROLE) == HA_ROLE_NONE)
			continue;
		uint64_t restart = mirror_word_get(m, g, MIRROR_RESTART);
		if (restart >= UINT8_MAX)
			rc = -EOVERFLOW;
		else
			mirror_word_set(m, g, MIRROR_RESTART, restart + 1);
	}
	return rc;
}

uint64_t mirror_life(const struct mirror *m, unsigned group)
{
	uint64_t slot = mirror_word_get(m, group, MIRROR_SLOT);

	return 1ull << 63 | slot << 48 |
	       mirror_word_get(m, group, slot ? MIRROR_JOIN1 : MIRROR_JOIN0) << 8 |
	       mirror_word_get(m, group, MIRROR_RESTART);
}

struct ha_ring *mirror_ring_to_standby(struct mirror *m)
{
	return m->to_standby;
}

struct ha_ring *mirror_ring_to_gateway(struct mirror *m)
{
	return m->to_gateway;
}

// ---- chunks -----------------------------------------------------------------------------------
// More chunks that the file system will not take back: writing into a hole of a full file system
// would end the process.
static int chunks_provision(struct mirror *m)
{
	uint64_t have = atomic_load(&m->mem->provisioned), want = have + GROW_CHUNKS;

	if (want > m->chunks)
		want = m->chunks;
	if (want == have)
		return -ENOSPC;
	if (m->fd >= 0) {
		off_t at = (off_t)(mirror_chunks_offset() + have * CHUNK_BYTES);
		int rc = posix_fallocate(m->fd, at, (off_t)((want - have) * CHUNK_BYTES));
		if (rc)
			return -ENOSPC;
	}
	atomic_store(&m->mem->provisioned, want);
	return 0;
}

static int chunk_take(struct mirror *m, uint32_t *out)
{
	if (m->free_count) {
		*out = m->free[--m->free_count];
		return 0;
	}
	if (m->touched == atomic_load_explicit(&m->mem->provisioned, memory_order_relaxed)) {
		int rc = chunks_provision(m);
		if (rc)
			return rc;
	}
	*out = m->touched++;
	return 0;
}

static void chunk_give(struct mirror *m, uint32_t n)
{
	if (m->free_count == m->free_max) {
		uint32_t max = m->free_max ? m->free_max * 2 : 1024;
		uint32_t *bigger = reallocarray(m->free, max, sizeof(*bigger));
		if (!bigger)
			return;  // found again by the next scan
		m->free = bigger;
		m->free_max = max;
	}
	m->free[m->free_count++] = n;
}

// Head first: from that store on the record does not exist.
static void record_free(struct mirror *m, uint32_t head)
{
	uint32_t n = head, next;

	// TAIL, not FREE: a scan wipes what is neither owned nor free
	atomic_store_explicit(&m->chunk[head].state, CHUNK_TAIL, memory_order_release);
	do {
		next = m->chunk[n].next;
		secret_wipe(&m->chunk[n], sizeof(m->chunk[n]));
		chunk_give(m, n);
		n = next - 1;
	} while (next);
}

static int chain_take(struct mirror *m, uint32_t len, uint32_t *head)
{
	uint32_t tails =
		len > HEAD_DATA ? (uint32_t)((len - HEAD_DATA + TAIL_DATA - 1) / TAIL_DATA) : 0;
	uint32_t next = 0, n;

	for (uint32_t i = 0; i <= tails; i++) {
		int rc = chunk_take(m, &n);
		if (rc) {
			if (next)
				record_free(m, next - 1);
			return rc;
		}
		m->chunk[n].next = next;
		// the later head too: should this process die now, the next one wipes it
		atomic_store_explicit(&m->chunk[n].state, CHUNK_TAIL, memory_order_release);
		next = n + 1;
	}
	*head = next - 1;
	return 0;
}

// ---- records ----------------------------------------------------------------------------------
void mirror_count_add(struct mirror *m, const struct chunk *head, int by)
{
	struct mirror_counts *c = &m->count[head->group];
	uint32_t *kind = head->kind == HA_IKE_SA     ? &c->ike
			 : head->kind == HA_CHILD_SA ? &c->child
						     : &c->instance;
	*kind += (uint32_t)by;
	if (atomic_load_explicit(&head->taint, memory_order_relaxed))
		c->tainted += (uint32_t)by;
}

static void record_write(struct mirror *m, struct chunk *c, const struct ha_sa *sa)
{
	uint32_t done = sa->len < HEAD_DATA ? sa->len : (uint32_t)HEAD_DATA;

	c->version = ++m->version;
	c->id = sa->id;
	c->parent = sa->parent;
	c->spi_in = sa->spi_in;
	c->spi_out = sa->spi_out;
	c->birth[0] = sa->birth[0];
	c->birth[1] = sa->birth[1];
	c->group = sa->group;
	c->kind = sa->kind;
	c->spare1 = 0;
	c->len = sa->len;
	atomic_store_explicit(&c->ceiling, sa->ceiling, memory_order_relaxed);
	atomic_store_explicit(&c->edge, sa->edge, memory_order_relaxed);
	atomic_store_explicit(&c->taint, sa->taint, memory_order_relaxed);
	if (done)
		memcpy(c->data, sa->payload, done);
	const struct chunk *at = c;
	while (done < sa->len) {
		struct chunk *t = &m->chunk[at->next - 1];
		uint32_t left = sa->len - done,
			 part = left < TAIL_DATA ? left : (uint32_t)TAIL_DATA;
		memcpy(t->tail, sa->payload + done, part);
		done += part;
		at = t;
	}
	c->sum = mirror_record_sum(m, c);
}

int mirror_put(struct mirror *m, const struct ha_sa *sa)
{
	uint32_t n;

	if (m->joined || sa->id == 0 || sa->group == 0 || sa->group > HA_GROUPS_MAX ||
	    sa->kind == 0 || sa->kind >= HA_KINDS || sa->len > HA_PAYLOAD_MAX)
		return -EINVAL;
	int rc = chain_take(m, sa->len, &n);
	if (rc)
		return rc;
	struct mirror_slot *s = index_get(&m->index, sa->id);
	struct ha_sa whole = *sa;
	if (s) {
		const struct chunk *old = &m->chunk[s->chunk];
		if (old->ceiling > whole.ceiling)
			whole.ceiling = old->ceiling;
		if (old->edge > whole.edge)
			whole.edge = old->edge;
	} else if (index_add(&m->index, sa->id, n, sa->group)) {
		m->chunk[n].len = 0;
		record_free(m, n);
		return -ENOMEM;
	}
	record_write(m, &m->chunk[n], &whole);
	atomic_store_explicit(&m->chunk[n].state, CHUNK_HEAD, memory_order_release);
	mirror_count_add(m, &m->chunk[n], 1);
	if (s) {
		uint32_t old = s->chunk;
		s->chunk = n;
		s->group = sa->group;
		mirror_count_add(m, &m->chunk[old], -1);
		record_free(m, old);
	}
	return 0;
}

static struct chunk *record_find(const struct mirror *m, uint64_t id)
{
	struct mirror_slot *s = m->joined || id == 0 ? NULL : index_get(&m->index, id);
	return s ? &m->chunk[s->chunk] : NULL;
}

int mirror_del(struct mirror *m, uint64_t id)
{
	struct chunk *c = record_find(m, id);

	if (!c)
		return -ENOENT;
	mirror_count_add(m, c, -1);
	index_del(&m->index, id);
	record_free(m, (uint32_t)(c - m->chunk));
	return 0;
}

// A payload in several chunks is put together in the index's own memory.
static void record_view(const struct mirror *m, const struct chunk *c, struct ha_sa *out)
{
	*out = (struct ha_sa){.id = c->id,
			      .parent = c->parent,
			      .group = c->group,
			      .kind = c->kind,
			      .taint = atomic_load_explicit(&c->taint, memory_order_relaxed),
			      .spi_in = c->spi_in,
			      .spi_out = c->spi_out,
			      .birth = {c->birth[0], c->birth[1]},
			      .ceiling = atomic_load_explicit(&c->ceiling, memory_order_relaxed),
			      .edge = atomic_load_explicit(&c->edge, memory_order_relaxed),
			      .len = c->len,
			      .payload = c->data};
	if (c->len <= HEAD_DATA)
		return;
	uint8_t *to = m->scratch;
	memcpy(to, c->data, HEAD_DATA);
	uint32_t at = HEAD_DATA, part;
	for (const struct chunk *t = c; at < c->len; at += part) {
		t = &m->chunk[t->next - 1];
		part = c->len - at < TAIL_DATA ? c->len - at : (uint32_t)TAIL_DATA;
		memcpy(to + at, t->tail, part);
	}
	out->payload = to;
}

bool mirror_get(const struct mirror *m, uint64_t id, struct ha_sa *out)
{
	const struct chunk *c = record_find(m, id);

	if (c)
		record_view(m, c, out);
	return c != NULL;
}

bool mirror_next(const struct mirror *m, unsigned group, uint64_t *cursor, struct ha_sa *out)
{
	if (m->joined)
		return false;
	for (uint64_t n = *cursor; n < m->index.slots; n++) {
		const struct mirror_slot *s = &m->index.slot[n];
		if (s->id && s->group == group) {
			*cursor = n + 1;
			record_view(m, &m->chunk[s->chunk], out);
			return true;
		}
	}
	*cursor = m->index.slots;
	return false;
}

void mirror_prefetch(const struct mirror *m, const uint64_t *ids, unsigned n)
{
	if (m->joined)
		return;
	for (unsigned i = 0; i < n; i++)
		index_prefetch_hash(&m->index, ids[i]);
	for (unsigned i = 0; i < n; i++)
		index_prefetch_slot(&m->index, ids[i]);
	for (unsigned i = 0; i < n; i++) {
		const struct mirror_slot *s = ids[i] ? index_get(&m->index, ids[i]) : NULL;

		if (s)
			__builtin_prefetch(&m->chunk[s->chunk], 1);
	}
}

static int word_raise(_Atomic uint64_t *w, uint64_t v)
{
	if (v > atomic_load_explicit(w, memory_order_relaxed))
		atomic_store_explicit(w, v, memory_order_release);
	return 0;
}

int mirror_set_ceiling(struct mirror *m, uint64_t id, uint64_t ceiling)
{
	struct chunk *c = record_find(m, id);
	return c ? word_raise(&c->ceiling, ceiling) : -ENOENT;
}

int mirror_set_edge(struct mirror *m, uint64_t id, uint64_t edge)
{
	struct chunk *c = record_find(m, id);
	return c ? word_raise(&c->edge, edge) : -ENOENT;
}

int mirror_set_taint(struct mirror *m, uint64_t id, bool taint)
{
	struct chunk *c = record_find(m, id);

	if (!c)
		return -ENOENT;
	if (atomic_load(&c->taint) != taint) {
		mirror_count_add(m, c, -1);
		atomic_store_explicit(&c->taint, taint, memory_order_release);
		mirror_count_add(m, c, 1);
	}
	return 0;
}

void mirror_count(const struct mirror *m, unsigned group, struct mirror_counts *out)
{
	*out = group <= HA_GROUPS_MAX ? m->count[group] : (struct mirror_counts){0};
	out->bytes_used = (uint64_t)(m->touched - m->free_count) * CHUNK_BYTES;
	out->bytes_max = (uint64_t)m->chunks * CHUNK_BYTES;
}

void mirror_group_clear(struct mirror *m, unsigned group)
{
	if (m->joined || group == 0 || group > HA_GROUPS_MAX)
		return;
	// the role first: without it the rest means nothing
	mirror_word_set(m, group, MIRROR_ROLE, HA_ROLE_NONE);
	for (uint32_t n = 0; n < m->index.slots; n++) {
		if (m->index.slot[n].id && m->index.slot[n].group == group)
			mirror_del(m, m->index.slot[n].id);
	}
	for (unsigned w = 0; w < MIRROR_WORDS; w++)
		mirror_word_set(m, group, w, 0);
}
