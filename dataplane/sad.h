// SAD: from the SPI of a received packet to its SA, and from a handle to an SA.
//
// An SPI is slot(1) | generation(13) | index(18): the look-up is one load of a 32-byte entry that
// holds everything to be verified, without touching the SA. SPIs whose index is taken (manual
// keys, other SAs with the same SPI at another address) are in a small published hash. The control
// thread writes, workers read; entries are reused only after a grace period.
#pragma once

#include "burst.h"
#include "err.h"
#include "sa.h"

int sad_init(struct err *err);  // also starts the crypto engine; needs EAL; control thread
void sad_fini(void);            // workers have stopped: frees every SA, also deferred ones
// How many workers there are and on which memory socket each: owners are chosen among them.
// Without a call there is one.
void sad_workers(unsigned n, const unsigned *socket);
struct sa *sad_get(uint32_t handle);  // NULL if gone; control thread
uint32_t sad_count(void);
uint32_t sad_count_of(unsigned worker);  // SAs owned by a worker
uint32_t sad_next(uint32_t after);       // iterate over handles, 0 = start and end

// Adds an SA without the API's policy on algorithms (manual keys of captures). As dp_sa_add.
int sad_add(const struct dp_sa *p, uint32_t *handle, struct err *err);

// Stage. in: ESP packets to one of our addresses, data pointer at the outer IP header; reads
// family, l3_len, udp_len. Kept in `in`: packets with sa and worker (its owner) set.
// unknown: no such SPI, untouched. Runts and wrong endpoints are dropped and counted.
void sad_in(struct worker *w, struct burst *in, struct burst *unknown);

// Workers whose rings dp_checkpoint_poll() empties; NULL: it has gone.
void checkpoint_worker_set(unsigned id, struct worker *w);
void checkpoint_moved(unsigned group, uint64_t by);  // control thread
const struct worker *checkpoint_worker(unsigned id);
uint32_t sad_group_generation(unsigned group);  // counts the changes of its state
void sad_group_close(unsigned group);           // handed over -> standby
void sad_groups_reset(void);                    // all groups in standby, as at the start

// Provided by spd.c: the SA is about to go, no policy may point at it any more.
void spd_sa_gone(struct sa *sa);

// ---- inside: sad.c for sad_add.c ---------------------------------------------------------------
struct sad_entry {
	struct sa *sa;  // release/acquire: the rest is valid when this is set
	uint32_t spi_be;
	uint16_t owner;
	uint8_t family, udp;
	uint8_t local[16];  // zero-padded
};
_Static_assert(sizeof(struct sad_entry) == 32, "two SAD entries to a cache line");
int sad_table_init(struct err *err);
void sad_table_fini(void);
int sad_publish(struct sa *sa, struct err *err);  // -EEXIST, -ENOSPC
void sad_retire(struct sa *sa);                   // unlinks; slot is reused after a grace period
