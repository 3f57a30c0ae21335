// The inside of the track table, shared by track.c (facts, states), track_config.c (objects of the
// configuration) and track_view.c (displays). Thread: control thread only.
#pragma once

#include <sys/queue.h>

#include "track.h"

#define TRACK_NUMBER_MAX 1000

// What is known of an interface or of a prefix, shared by the objects that are about it.
struct track_fact {
	TAILQ_ENTRY(track_fact) link;
	char interface[CONFIG_NAME_MAX];  // "" = a prefix
	struct ip_prefix route;
	bool line, ip;  // of a prefix: line = reachable
	unsigned refs;
};

struct track_part {
	uint32_t object;
	bool negate;
	uint32_t weight;
};

struct track_object {
	TAILQ_ENTRY(track_object) link;  // the hidden ones only
	uint32_t number;                 // 0 = an interface without an object
	enum track_kind kind;
	struct track_fact *fact;  // NULL = a list
	unsigned parts;
	struct track_part *part;
	uint32_t delay_up_s, delay_down_s, threshold_up, threshold_down;

	bool up;
	bool fresh;    // has no state yet
	bool dirty;    // is to be looked at
	uint64_t due;  // a delay runs until then, to the opposite of `up`; TRACK_NEVER = no
	uint32_t changes;
	uint64_t since;
	unsigned watchers;  // hidden ones: reference count
};

struct track_watch {
	TAILQ_ENTRY(track_watch) link;
	uint32_t number;
	struct track_object *hidden;  // when number is 0
	struct track *table;
	enum track_state told;
	track_fn fn;
	void *ctx;
	char who[CONFIG_NAME_MAX + 32];
};

struct track {
	struct track_object *object[TRACK_NUMBER_MAX + 1];  // by number; 0 unused
	TAILQ_HEAD(, track_object) hidden;
	TAILQ_HEAD(, track_fact) facts;
	TAILQ_HEAD(, track_watch) watches;
	unsigned routes;  // facts about prefixes
	track_log_fn log;
	track_ask_fn ask;
	void *ctx;
};

// track.c
struct track_fact *track_fact_get(struct track *t, const char *interface,
				  const struct ip_prefix *route);  // takes a reference
void track_fact_put(struct track *t, struct track_fact *f);
void track_object_free(struct track *t, struct track_object *o);
bool track_raw(const struct track *t, const struct track_object *o);
uint32_t track_value(const struct track *t, const struct track_object *o);  // threshold lists
void track_run(struct track *t, uint64_t now);  // looks at what is dirty until all is settled
void track_tell(struct track *t);               // tells watchers what they do not know yet
