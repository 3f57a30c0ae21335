// The inside of a pair (pair.h), shared by the files pair*.c. One group of one box.
//
// What must outlive the standby process is in the mirror's words and records; everything here is
// lost with the process, and with it the association and so the session.
#pragma once

#include "ids.h"
#include "mirror.h"
#include "pair.h"
#include "pair_msg.h"

#define SLICE            256      // records per call of whatever goes through all of them
#define RAISE_STEP       65536    // rule 7, at an activation
#define HELLO_AGAIN_US   200000   // while the boxes are not in one session
#define JOIN_TIMEOUT_US  3000000  // without STATE, on a living association
#define PLAN_TIMEOUT_US  3000000  // for the gateway process to stop
#define REPORT_US        1000000  // counts in HA_ROLE
#define HOLD_DEFAULT_US  10000000
#define HELLO_DEFAULT_US 3000000
#define GATE_MAX         1024  // a power of two
#define GONE_MAX         4096  // a power of two

enum snap { SNAP_NONE, SNAP_RUN, SNAP_SENT };  // of what we send in this session
enum plan { PLAN_NONE, PLAN_OFFERED, PLAN_STOPPING, PLAN_STOPPED };
enum yield { YIELD_NONE, YIELD_STOPPING, YIELD_LISTING, YIELD_ASKED };

// Words that must not get lost when the ring is full: told again until they are taken, in the
// order of these bits.
enum owed {
	OWED_CLEAR = 1 << 0,   // HA_FEED_DELETE of all
	OWED_AGAIN = 1 << 1,   // the same, they come again in a new life
	OWED_BEGIN = 1 << 2,   // of all that is not fed from here on
	OWED_FORGET = 1 << 3,  // HA_NEXT of none: those of a switchover before are void
	OWED_TAINT = 1 << 4,
	OWED_RESUME = 1 << 5,
	OWED_ACTIVATE = 1 << 6,
	OWED_REFUSED = 1 << 7,
	OWED_PREPARE = 1 << 8,
	OWED_YIELD = 1 << 9,
};

struct pair_peer {
	bool known;   // HELLO has come over this association
	bool served;  // over this association: it has a copy, whatever it said before
	uint8_t role, priority, working;
	uint8_t address[16], digest[32];
	struct pair_session session;
	uint64_t boot;
	uint32_t release;
	uint8_t version;  // another one than ours, which nothing can be read of; 0 = no
};

struct pair_gate {  // rule 18: the word `seq` may take effect once `lsn` is acknowledged
	uint64_t seq, lsn;
};

struct pair {
	unsigned group;
	struct mirror *m;
	struct pair_ops ops;
	uint64_t now;
	uint8_t digest[32];
	uint64_t boot;
	bool left;  // the gateway process has ended in order

	// the association
	bool link, blocked, hello_owed, split;
	uint64_t hello_at;
	struct pair_peer peer;

	// the session
	bool in_session;  // the other box is in it, over this association
	uint64_t session_at;
	uint64_t made, acked;            // LSN: we send
	uint64_t applied, applied_told;  // LSN: we receive
	enum snap snap;
	struct ids edges;  // checkpoints to be sent: a = edge
	uint64_t edges_at;
	bool late, sweep_late;  // something is in the mirror that could not be sent yet
	uint64_t snap_cursor, snap_end;
	bool snap_held;  // its end waits for the ceilings
	bool state_owed, peer_hot;
	uint8_t state_nonce[16];
	bool lease_owed, ping_owed;
	uint64_t lease_stamp;

	// joining: we ask
	bool wait, bulk;
	bool refetch;  // the operator wants all copies anew: with the next STATE
	uint8_t join_nonce[16];
	uint64_t join_at, fresh_to;
	bool above;       // ceilings of before are above those of the other box
	struct ids seen;  // identities of the snapshot that comes in
	bool sift;        // records of before are to go unless seen
	uint64_t sift_cursor;
	enum yield yield;
	uint64_t held_cursor;

	// claims
	bool claim;
	uint8_t claim_nonce[16];
	uint64_t claim_until;
	uint64_t handed_until;  // the role is on its way to the other box
	bool grant_owed, claim_held;
	struct pair_msg grant, held;  // to be sent; a CLAIM that waits for its acknowledgements

	// planned switchover
	enum plan plan;
	uint64_t plan_lsn, plan_stamp, plan_term, plan_until;
	struct pair_item *next;  // HA_NEXT not yet sent
	uint32_t nexts, nexts_max, nexts_sent;
	bool offered;  // the other box is about to grant

	// the own gateway process
	bool gw, working, self_seen;
	uint64_t working_at, confirm_until, attached_at;
	bool activate;          // once it is fed
	bool activate_planned;  // HA_NEXT words count
	bool confirmed, recheck;
	struct ha_hello hello;
	unsigned owed;
	// this process slept, or was not there (mute_gone), while the gateway process may have
	// worked
	uint64_t mute_from, mute_to;
	bool mute_gone;
	uint32_t peer_load;   // as the last lease said
	uint64_t stuck_at;    // since then the first word of its ring cannot be taken, 0 = it can
	uint64_t lease_hold;  // until then the ring may hold what a lease must not pass
	bool unattached;      // since this process began: the gateway process may work nevertheless
	bool untold;          // it has attached, its edges of meanwhile are on their way
	uint64_t begun;       // HA_ACTIVATE and HA_RESUME of this attachment
	enum ha_refusal refusal;
	struct ha_role told;
	bool told_ever, told_late, blocked_gw;  // blocked_gw: its ring is full
	uint64_t report_at;
	uint64_t lag_least;  // records not acknowledged: the fewest since the last report
	uint64_t applied_seq, applied_seq_told;
	struct pair_gate gate[GATE_MAX];
	uint32_t gate_first, gate_count;
	uint64_t seq;                               // of the last record word
	struct pair_parked *parked, **parked_last;  // records that wait for room on the link
	uint32_t parked_count, parked_bytes;
	struct outgoing *batch;  // records that have their LSN and are not sent yet
	uint32_t batch_count;
	bool batching;  // more words follow at once

	// feed
	bool feeding, feed_end_owed;
	bool retell;  // to one that works: where each SA goes on
	uint64_t feed_cursor;
	bool resetting;  // it was active: ceilings and edges of the mirror count from now on
	uint64_t reset_cursor;
	struct ids dirty;  // changed while the ring was full

	// going through all ceilings
	bool sweep;
	bool sweep_again;  // it began anew while it was late: only its end brings that up
	uint64_t sweep_cursor, sweep_step;
	uint64_t raised;  // HA_ACTIVATE says it

	uint64_t ping_at;
	uint64_t term_told, term_since;  // Ts as the last PINGs said it, and the first of these
	uint64_t join_term;              // as JOIN said it
	// checks
	uint64_t refused_at;         // a record did not fit
	uint64_t records, ceilings;  // of the mirror: count and sum (I5)
	bool was_hot;
	uint64_t gone[GONE_MAX];  // identities deleted lately (I15)
	uint64_t bump_at;
	unsigned bumps;
	struct pair_counters count;
	void (*observe)(void *ctx, unsigned group, const char *text);
	void *observe_ctx;
};

static inline uint64_t word_get(const struct pair *p, enum mirror_word w)
{
	return mirror_word_get(p->m, p->group, w);
}
static inline void word_set(struct pair *p, enum mirror_word w, uint64_t v)
{
	mirror_word_set(p->m, p->group, w, v);
}
static inline enum ha_role_kind role_of(const struct pair *p)
{
	return (enum ha_role_kind)word_get(p, MIRROR_ROLE);
}
static inline bool fresh(const struct pair *p)
{
	return role_of(p) == HA_ROLE_STANDBY && p->now < word_get(p, MIRROR_FRESH_UNTIL);
}
// Active and bound by the other box's acknowledgements.
static inline bool protected_now(const struct pair *p)
{
	return role_of(p) == HA_ROLE_ACTIVE && !word_get(p, MIRROR_ALONE);
}

// A take-over has raised all ceilings with one word. Until each of them says so itself, to the
// other box too, that gets no lease; so none needs its acknowledgement (rule 7).
static inline uint64_t raising(const struct pair *p)
{
	return word_get(p, MIRROR_RAISING);
}

// ---- pair.c -----------------------------------------------------------------------------------
void event_say(struct pair *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void invariant_broken(struct pair *p, unsigned invariant, const char *text);
struct pair_session session_of(const struct pair *p);
bool session_is(const struct pair *p, const struct pair_session *s);
void session_new(struct pair *p);  // rule 14: highest counter seen + 1, own slot
void session_take(struct pair *p, const struct pair_session *s);
void session_seen(struct pair *p, uint64_t number);
void session_leave(struct pair *p);  // the other box is no longer in it
bool pair_pump(struct pair *p);      // a slice of everything that is under way; true: more

// ---- pair_send.c ------------------------------------------------------------------------------
struct outgoing {
	struct pair_msg m;
	struct wbuf b;
	uint8_t bytes[PAIR_MESSAGE_MAX];
};
// Head with session and, for records, LSN; then lists or records; then out_send, which counts n
// LSNs. 0, -EAGAIN, -ENOTCONN.
void out_begin(struct pair *p, struct outgoing *o, enum pair_type type, uint32_t has);
int out_send(struct pair *p, struct outgoing *o, unsigned lsns);
int out_put(struct pair *p, struct outgoing *o);  // the message itself, before all that waits
int hello_send(struct pair *p);
int simple_send(struct pair *p, enum pair_type type, const uint8_t nonce[16], uint8_t kind);

// ---- pair_batch.c -----------------------------------------------------------------------------
int batch_add(struct pair *p, const struct ha_sa *sa);
int batch_flush(struct pair *p);  // 0, -EAGAIN, -ENOTCONN
void batch_clear(struct pair *p);
void batch_free(struct pair *p);

// ---- pair_join.c ------------------------------------------------------------------------------
void peer_look(struct pair *p);  // after a HELLO: who joins, who yields
void hello_receive(struct pair *p, const struct pair_msg *m);
void join_receive(struct pair *p, const struct pair_msg *m);
void state_receive(struct pair *p, const struct pair_msg *m);
void busy_receive(struct pair *p, const struct pair_msg *m);
int state_send(struct pair *p);
void join_end(struct pair *p);  // SNAP_END applied
void resync_word(struct pair *p);
bool join_pump(struct pair *p);
void join_tick(struct pair *p);
void join_link_down(struct pair *p);

// ---- pair_yield.c -----------------------------------------------------------------------------
bool peer_beats(const struct pair *p);  // rule 15
void yield_begin(struct pair *p);
void yield_stopped(struct pair *p);
void yield_off(struct pair *p, bool taint);
bool yield_pump(struct pair *p);
void held_merge(struct pair *p, const struct pair_msg *m);  // rule 16

// ---- pair_lease.c -----------------------------------------------------------------------------
uint64_t hold_us(const struct pair *p);
uint64_t hello_us(const struct pair *p);
uint64_t claim_us(const struct pair *p);
uint64_t term_us(const struct pair *p);   // Ts, 0 = not known yet
uint64_t alone_us(const struct pair *p);  // Ta
void term_learn(struct pair *p, const struct pair_msg *m);
void term_take(struct pair *p, const struct pair_msg *m);
void lease_shorten(struct pair *p);          // Ts may have become shorter
bool lease_held(const struct pair *p);       // none may be given now
bool lease_over(const struct pair *p);       // no lease of ours runs any more
void lease_note(struct pair *p);             // one is about to be sent, or may run
bool silent_too_long(const struct pair *p);  // rule 11
void ping_receive(struct pair *p, const struct pair_msg *m);
void lease_receive(struct pair *p, const struct pair_msg *m);
void lease_tick(struct pair *p);
void lease_pump(struct pair *p);
uint64_t lease_due(const struct pair *p);
void go_alone(struct pair *p);

// ---- pair_claim.c -----------------------------------------------------------------------------
void claim_word(struct pair *p);
void claim_receive(struct pair *p, const struct pair_msg *m);
void claim_acked(struct pair *p);  // everything is acknowledged: a held CLAIM is answered
void grant_receive(struct pair *p, const struct pair_msg *m);
void deny_receive(struct pair *p, const struct pair_msg *m);
void claim_void(struct pair *p);
void claim_tick(struct pair *p);
void take_over(struct pair *p, const struct pair_msg *grant);
bool grant_pump(struct pair *p);
void taint_all(struct pair *p, const char *why);

// ---- pair_plan.c ------------------------------------------------------------------------------
void switch_word(struct pair *p, const struct ha_word *w);
void switch_receive(struct pair *p, const struct pair_msg *m);
void offer_receive(struct pair *p, const struct pair_msg *m);
void plan_acked(struct pair *p);
void plan_prepare(struct pair *p);
int plan_next(struct pair *p, const struct ha_word *w);
void plan_stopped(struct pair *p);
void plan_off(struct pair *p, const char *why);
bool plan_pump(struct pair *p);
void plan_tick(struct pair *p);

// ---- pair_record.c: the mirror, and records from the own gateway process ----------------------
int record_put(struct pair *p, const struct ha_sa *sa);
int record_del(struct pair *p, uint64_t id);
void record_refused(struct pair *p, int rc);  // it does not fit
void record_ceiling(struct pair *p, uint64_t id, uint64_t r);
void record_sum(struct pair *p);  // counts anew
void edges_pump(struct pair *p);
int record_word(struct pair *p, const struct ha_word *w);
void gate_note(struct pair *p, uint64_t seq);
void gate_acked(struct pair *p);
void gate_open_all(struct pair *p);
void applied_receive(struct pair *p, const struct pair_msg *m);

// ---- pair_park.c ------------------------------------------------------------------------------
int park_word(struct pair *p, const struct ha_word *w);
void park_pump(struct pair *p);
void park_clear(struct pair *p);

// ---- pair_apply.c: records from the other box -------------------------------------------------
void record_receive(struct pair *p, const struct pair_msg *m);
void applied_send(struct pair *p);

// ---- pair_raise.c -----------------------------------------------------------------------------
int raise_word(struct pair *p, const struct ha_word *w);
void ack_receive(struct pair *p, const struct pair_msg *m);
void sweep_begin(struct pair *p, uint64_t step);
bool sweep_pump(struct pair *p);
void sweep_off(struct pair *p);       // the gateway process does not work any more
void raising_settle(struct pair *p);  // each ceiling says itself how high it is
void raising_end(struct pair *p);     // the same, and it is over

// ---- pair_snapshot.c --------------------------------------------------------------------------
void snapshot_begin(struct pair *p);
bool snapshot_pump(struct pair *p);

// ---- pair_feed.c ------------------------------------------------------------------------------
int word_tell(struct pair *p, struct ha_word *w);
void word_owe(struct pair *p, enum owed what);
void feed_record(struct pair *p, uint64_t id);
void feed_delete(struct pair *p, uint64_t id);
void feed_sets(struct pair *p, const struct ha_set *sets, unsigned n);
void feed_begin(struct pair *p);
void reset_begin(struct pair *p);
bool feed_pump(struct pair *p);
void activate_begin(struct pair *p);
void activate_again(struct pair *p);
void role_fill(const struct pair *p, struct ha_role *out);
void role_tell(struct pair *p);

// ---- pair_gateway.c ---------------------------------------------------------------------------
void attach_word(struct pair *p, const struct ha_word *w);
void hello_word(struct pair *p, const struct ha_word *w);
void stopped_word(struct pair *p, const struct ha_word *w);
void pair_awake(struct pair *p, uint64_t now);
void pair_mute_look(struct pair *p);
void pair_stuck_note(struct pair *p, bool stuck);
bool pair_stuck(const struct pair *p);
void reactivate(struct pair *p);
void confirm_look(struct pair *p);  // rule 11: may it go on without taint?
