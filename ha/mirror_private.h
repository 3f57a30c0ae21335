// The inside of the mirror: layout of its memory, and the index that a process keeps of it.
//
// In memory: head, words, two rings, chunks. A record is a head chunk and as many tail chunks as
// its payload needs. All of it is written by the standby process only, but for the words and the
// ring that are the gateway process's.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "ha_ring.h"
#include "mirror.h"

#define MIRROR_MAGIC   0x726f7272696d646eull
#define MIRROR_VERSION 1u
#define CHUNK_BYTES    512u
#define GROW_CHUNKS    8192u  // 4 MiB: what is asked of the file system at a time

enum chunk_state { CHUNK_FREE, CHUNK_HEAD, CHUNK_TAIL };

struct chunk {
	_Atomic uint32_t state;  // enum chunk_state; HEAD by release, after all else
	uint32_t next;           // chunk number + 1, 0 = last
	union {
		struct {
			uint64_t version;  // of two of one id the higher counts
			uint64_t sum;      // of id..payload (not of what changes in place)
			_Atomic uint64_t ceiling, edge;
			_Atomic uint32_t taint;
			uint32_t spare;
			uint64_t id, parent;  // from here in `sum`
			uint32_t spi_in, spi_out, birth[2];
			uint16_t group;
			uint8_t kind, spare1;
			uint32_t len;
			uint8_t data[CHUNK_BYTES - 96];
		};
		uint8_t tail[CHUNK_BYTES - 8];
	};
};
_Static_assert(sizeof(struct chunk) == CHUNK_BYTES, "chunks tile the file");
#define HEAD_DATA sizeof(((struct chunk *)0)->data)
#define TAIL_DATA sizeof(((struct chunk *)0)->tail)

struct mirror_memory {
	uint64_t magic;
	uint32_t version, chunk_bytes;
	uint64_t bytes;
	struct mirror_id id;
	_Atomic uint64_t provisioned;  // chunks that the file system has promised
	alignas(64) _Atomic uint64_t word[HA_GROUPS_MAX + 1][MIRROR_WORDS];
};

// An open hash table from identity to slot; a slot is stable for the record's life.
struct mirror_slot {
	uint64_t id;     // 0 = free
	uint32_t chunk;  // number; free: next free slot + 1
	uint32_t group;
};
struct mirror_index {
	struct mirror_slot *slot;
	uint32_t slots, slots_max, free;  // free: first free slot + 1, 0 = none
	// slot + 1 (0 = empty) and, above it, the upper half of the identity's hash: so that a
	// look-up reads no other's slot
	uint64_t *hash;
	uint32_t hash_size, used;  // a power of two
};
int index_init(struct mirror_index *x, uint32_t records);  // that are to be expected
void index_fini(struct mirror_index *x);
int index_add(struct mirror_index *x, uint64_t id, uint32_t chunk, uint32_t group);
struct mirror_slot *index_get(const struct mirror_index *x, uint64_t id);
void index_del(struct mirror_index *x, uint64_t id);
// In this order, each for all of them: the place in the hash, the slot there; then index_get.
void index_prefetch_hash(const struct mirror_index *x, uint64_t id);
void index_prefetch_slot(const struct mirror_index *x, uint64_t id);

struct mirror {
	struct mirror_memory *mem;
	struct ha_ring *to_standby, *to_gateway;
	struct chunk *chunk;
	uint32_t chunks;  // that fit into the memory
	uint32_t *free;   // stack of free chunks
	uint32_t free_count, free_max;
	uint32_t touched;  // chunks below it are free or in use, the others never used
	uint64_t version;  // of the last record written
	struct mirror_index index;
	struct mirror_counts count[HA_GROUPS_MAX + 1];
	int fd;            // of the file, -1 = plain memory
	size_t mapped;     // bytes to unmap, 0 = plain memory
	bool joined;       // by the gateway process: no index, no records
	uint8_t *scratch;  // a long payload, put together
};

size_t mirror_chunks_offset(void);
uint64_t mirror_record_sum(const struct mirror *m, const struct chunk *head);
// mirror_scan.c: builds the index of what is there, wipes what no record owns.
int mirror_scan(struct mirror *m);
void mirror_count_add(struct mirror *m, const struct chunk *head, int by);
