// Which words two processes of a box understand. They are started by themselves, and one may
// outlive an update of the software: words of another shape would be passed over without a word.
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "ha_ring.h"
#include "pair.h"

// Raise it when a word means something else without changing its size.
#ifndef WORDS_VERSION
#define WORDS_VERSION 1u
#endif

uint32_t ha_words_release(void)
{
	const uint32_t shape[] = {
		WORDS_VERSION,
		HA_LEAVE,
		HA_RESYNC,
		HA_SETS,
		HA_GROUPS_MAX,
		HA_PAYLOAD_MAX,
		sizeof(struct ha_role),
		sizeof(struct ha_hello),
		sizeof(struct ha_link),
		sizeof(struct ha_config),
		sizeof(struct ha_limit),
		sizeof(struct ha_set),
		sizeof(struct pair_counters),
	};
	uint32_t sum = XXH32(shape, sizeof(shape), 0);

	return sum ? sum : 1;
}
