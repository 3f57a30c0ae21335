// The SA mirror: what a box knows of its SAs, in memory that outlives its processes.
//
// A file in memory (RUNDIR/mirror), mapped by the standby process, its only writer but for the
// words marked G. It holds a header, the words of each redundancy group, the two rings, and the
// records. A record is written whole beside its predecessor, with a checksum, and takes its place
// by one store; ceiling, edge and taint are changed in place, one aligned store each. A mirror of
// another boot, VM generation, version or size does not exist (rule 5).
// The pure state machines see only this interface; tests give it plain memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ha_sa.h"

#define MIRROR_RING_BYTES (8u << 20)  // each way

struct mirror;  // process-local handle: index of the records
struct ha_ring;

// The words of ha-protocol's mirror header, one writer each. All accesses through the functions
// below: mirror_word_get (acquire), mirror_word_set (release).
enum mirror_word {
	MIRROR_LINEAGE,
	MIRROR_SLOT,
	MIRROR_JOIN0,
	MIRROR_JOIN1,
	MIRROR_RESTART,       // G: the gateway process adds 1 before a worker runs (rule 4)
	MIRROR_ROLE,          // enum ha_role_kind
	MIRROR_SESSION,       // counter << 1 | assigner
	MIRROR_SESSION_SEEN,  // highest counter seen
	MIRROR_ALONE,
	MIRROR_TAINT_ALL,    // rule 11 applied, records not all marked yet
	MIRROR_LEASE_SENT,   // CLOCK_BOOTTIME us of the last LEASE (rule 8)
	MIRROR_FRESH_UNTIL,  // standby: CLOCK_BOOTTIME us, 0 = not fresh
	MIRROR_HELLO_SENT,   // G: CLOCK_BOOTTIME us of the last HSRP hello sent (rule 11)
	MIRROR_LSN,          // standby: last applied; active: last made
	MIRROR_HOT,
	MIRROR_HOLD_US,  // HSRP's times, as last told by the gateway process
	MIRROR_HELLO_US,
	MIRROR_RESTART_SEEN,  // S: restart number + 1 of the last gateway process, 0 = none (I2)
	MIRROR_YIELD,         // a lost split brain: our counters are with the winner (rule 15)
	MIRROR_TERM_US,       // Ts of the other box, as its PING says (rule 9)
	MIRROR_RAN,           // S: when it last ran (rule 20)
	MIRROR_MERGED,        // S: ceilings were merged under a gateway process at work (rule 16)
	MIRROR_TENURE,     // S: random, of the present time as the active box; HA_ACTIVATE says it
	MIRROR_NEXT_VOID,  // S: numbers were merged since the gateway process was told to begin:
			   // its HA_NEXT may be below them
	MIRROR_RAISING,    // S: all ceilings count as higher by so much than they read (rule 7)
	MIRROR_WORDS = 32  // room for more
};

struct mirror_id {  // rule 5
	uint8_t boot[16], generation[16];
};
void mirror_id_read(struct mirror_id *id);  // of this machine, now

// Maps path, creating it (mode 0600) when it is not there, is damaged, or is of another boot; then
// *made is true. bytes: size of the file, sparse; 0 = default (records 512 MiB). NULL and err.
struct mirror *mirror_open(const char *path, size_t bytes, bool *made, struct err *err);
// The gateway process: maps what the standby process made, records read-only in spirit. Only
// words, rings and mirror_restart_add are used. NULL and err (-ENOENT, -ESTALE: of another boot).
struct mirror *mirror_join(const char *path, struct err *err);
// Plain memory (tests): len >= mirror_min_size(). Formats it unless it holds a mirror of this id.
struct mirror *mirror_attach(void *mem, size_t len, const struct mirror_id *id, bool *made,
			     struct err *err);
size_t mirror_min_size(void);
void mirror_close(struct mirror *m);
// Wipes and unlinks: an orderly end.
void mirror_discard(struct mirror *m, const char *path);

struct ha_ring *mirror_ring_to_standby(struct mirror *m);
struct ha_ring *mirror_ring_to_gateway(struct mirror *m);

uint64_t mirror_word_get(const struct mirror *m, unsigned group, enum mirror_word w);
void mirror_word_set(struct mirror *m, unsigned group, enum mirror_word w, uint64_t v);
// Rule 4: adds 1 to the restart number of every group that has a role. -EOVERFLOW: 8 bits are used
// up; that group must be founded or joined anew.
int mirror_restart_add(struct mirror *m);
// Whose IVs are made now (rule 1): slot, join number, restart number (the low byte). Never 0.
uint64_t mirror_life(const struct mirror *m, unsigned group);
// Forgets a group: words zero, records gone. A newcomer again.
void mirror_group_clear(struct mirror *m, unsigned group);

// ---- records (standby process) ----------------------------------------------------------------
// Adds or replaces. Ceiling, edge never fall: the larger of old and new stands. 0, -ENOSPC,
// -EINVAL (kind, group, len). The payload is copied.
int mirror_put(struct mirror *m, const struct ha_sa *sa);
int mirror_del(struct mirror *m, uint64_t id);  // -ENOENT; wipes
// false: not there. *out borrows the mirror's memory until the next put or del of this id.
bool mirror_get(const struct mirror *m, uint64_t id, struct ha_sa *out);
// Asks memory for the records of these identities, of which none needs to be there: a look-up waits
// three times for a line, many at once do so together.
void mirror_prefetch(const struct mirror *m, const uint64_t *ids, unsigned n);
int mirror_set_ceiling(struct mirror *m, uint64_t id, uint64_t ceiling);  // never lowers
int mirror_set_edge(struct mirror *m, uint64_t id, uint64_t edge);        // never lowers
int mirror_set_taint(struct mirror *m, uint64_t id, bool taint);
// Iteration in slices, in an order that changes of other records do not disturb: *cursor 0 at the
// start. Records made during an iteration may or may not be seen, others exactly once. Parents may
// come after children.
bool mirror_next(const struct mirror *m, unsigned group, uint64_t *cursor, struct ha_sa *out);
struct mirror_counts {
	uint32_t ike, child, instance, tainted;
	uint64_t bytes_used, bytes_max;
};
void mirror_count(const struct mirror *m, unsigned group, struct mirror_counts *out);
