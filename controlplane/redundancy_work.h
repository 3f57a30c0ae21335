// The work of a redundancy group: its SAs in IKE and the data plane, as the agent asks for them.
// Between redundancy.c and ike.h / dp.h. Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent.h"
#include "gateway.h"

int work_start(struct gateway *g, struct err *err);
void work_stop(struct gateway *g);

// agent_ops
int work_encode(void *ctx, uint64_t id, struct ha_sa *sa);
int work_install(void *ctx, const struct ha_sa *sa);
void work_remove(void *ctx, uint64_t id);
bool work_each(void *ctx, unsigned group, uint64_t *cursor, uint64_t *id);
void work_limit(void *ctx, uint64_t id, uint64_t lim);
void work_sequence(void *ctx, uint64_t id, uint64_t next, uint64_t edge);
void work_taint(void *ctx, uint64_t id, bool on);
uint64_t work_tenure(void *ctx, unsigned group);
uint64_t work_life(void *ctx, unsigned group);

void work_raised(void *ctx, unsigned group, uint64_t step);

void work_begin(unsigned group);  // SAs and IKE go to work
// They stop; when nothing is in flight any more the agent hears where each SA stands, then
// agent_stopped().
void work_end(unsigned group);
void work_role_changed(void);                          // routes follow
void work_interval(uint16_t group, uint32_t packets);  // replay-interval in
void work_event(const struct dp_event *ev);            // LIM_LOW, LIM_REACHED

void work_wanted(bool wanted);  // there are groups: checkpoints are looked for

// struct ike_env, as far as redundancy has a say.
struct ike_env;
void work_env(struct ike_env *env);
uint16_t work_group_of(const struct ip_addr *local);  // group whose virtual address it is, or 0

// ---- redundancy_forward.c ---------------------------------------------------------------------
// Every millisecond: late packets of groups that the other box has now are passed on to it.
void forward_poll(void);
void forward_wanted(bool wanted);  // stateful redundancy is configured
