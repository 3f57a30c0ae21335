// Tracked objects: interfaces, routes and lists of them, each up or down, and who is to be told.
//
// Pure: facts and the time come in, calls to the watchers go out; nothing here asks the kernel or
// reads a clock. Times are milliseconds of a clock that never goes back. A change of an object is
// told to its watchers before the call that caused it returns, unless the object has a delay.
// Thread: control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "err.h"
#include "model.h"

#define TRACK_NEVER UINT64_MAX

struct track;
struct track_watch;

// An object that does not exist is undefined: it neither raises nor lowers anything.
enum track_state { TRACK_UNDEFINED, TRACK_DOWN, TRACK_UP };
// What is watched has changed. May not change the table.
typedef void (*track_fn)(void *ctx, enum track_state state);
// For the log: object 3 changed to `up`; text: "interface Gi0/0 line-protocol".
typedef void (*track_log_fn)(void *ctx, uint32_t number, const char *text, bool up);

// What is so now, asked when an interface (its name) or a prefix (NULL) begins to be tracked.
typedef void (*track_ask_fn)(void *ctx, const char *interface, const struct ip_prefix *prefix,
			     bool *line, bool *ip);

struct track *track_create(track_log_fn log, track_ask_fn ask, void *ctx);  // NULL: out of memory
void track_destroy(struct track *t);

// Refuses lists that contain themselves, over any number of steps.
int track_validate(const struct config *c, struct err *err);
// Objects of the configuration; those that are about the same thing as before keep their state. New
// ones begin as what they track is, without delay. 0 or -ENOMEM (then all is as it was).
int track_configure(struct track *t, const struct config *c, uint64_t now);

// ---- facts -----------------------------------------------------------------------------------
// line: the line protocol; ip: it has an address. false, false when it is gone.
void track_interface(struct track *t, const char *name, bool line, bool ip, uint64_t now);
void track_route(struct track *t, const struct ip_prefix *prefix, bool reachable, uint64_t now);
// What to say facts about: i-th interface name, i-th prefix that somebody tracks; NULL behind the
// last. Valid until the next call of track_configure(), track_watch_interface(), track_unwatch().
const char *track_interface_at(const struct track *t, unsigned i);
const struct ip_prefix *track_route_at(const struct track *t, unsigned i);
// Is this very prefix tracked? Cheap: asked for every route that comes or goes.
bool track_route_wanted(const struct track *t, const struct ip_prefix *prefix);

// ---- time ------------------------------------------------------------------------------------
void track_tick(struct track *t, uint64_t now);
uint64_t track_due(const struct track *t);  // TRACK_NEVER = no delay runs

// ---- watchers --------------------------------------------------------------------------------
// `who` is shown: "HSRP GigabitEthernet0/1 2". The object need not exist (yet). NULL: no memory.
struct track_watch *track_watch(struct track *t, uint32_t number, const char *who, track_fn fn,
				void *ctx);
// The line protocol of an interface without an object of its own. `now` as in track_configure().
struct track_watch *track_watch_interface(struct track *t, const char *name, const char *who,
					  track_fn fn, void *ctx, uint64_t now);
void track_unwatch(struct track *t, struct track_watch *w);  // NULL is fine
enum track_state track_watch_state(const struct track_watch *w);

// ---- displays --------------------------------------------------------------------------------
struct track_member_view {
	uint32_t object;
	enum track_state state;
	bool negate;
	uint32_t weight;  // percentage lists: the share
};
struct track_view {
	uint32_t number;
	enum track_kind kind;
	const char *interface;  // "" = none
	struct ip_prefix route;
	bool up, pending_up;
	bool pending;  // a delay runs towards pending_up
	uint32_t pending_ms;
	uint32_t changes;
	uint64_t since_ms;  // since the last change, or since it exists
	uint32_t delay_up_s, delay_down_s, threshold_up, threshold_down;
	uint32_t value;  // threshold lists: the sum of weights or the percentage that is up
	unsigned members;
};
// The object with the lowest number >= from; false = none.
bool track_view(const struct track *t, uint32_t from, uint64_t now, struct track_view *out);
bool track_view_member(const struct track *t, uint32_t number, unsigned i,
		       struct track_member_view *out);
// Who watches an object, "Track-list 3" included; false behind the last.
bool track_view_watcher(const struct track *t, uint32_t number, unsigned i, char *buf, size_t cap);
// "GigabitEthernet0/1" -> "Gi0/1", as log lines and tables write it. Returns buf.
const char *track_interface_short(const char *name, char *buf, size_t cap);
// "interface Gi0/1", "ip route 10.0.0.0/8", "list boolean and" and what of it is tracked:
// "line-protocol", "reachability", "". Both return buf.
const char *track_object_text(enum track_kind kind, const char *interface,
			      const struct ip_prefix *route, char *buf, size_t cap);
const char *track_parameter_text(enum track_kind kind);
