// Answering unknown peers: the templates of dynamic maps and their instances (tunnel.h).
//
// An instance is made when a peer's quick mode is accepted and goes with its last child SA; the
// data plane hears of both through env->policies_changed. Traffic never begins anything for it.
#pragma once

#include "ike/ike_engine.h"

#define DYNAMIC_PER_PEER 64  // instances of one peer

// The instance that this very peer has for these selectors, or NULL.
const struct tunnel_flow *dynamic_find(const struct ike_sa *sa, const struct selector *sel);
// The next template behind `after` (NULL: the first) by which the peer may have these selectors.
const struct tunnel *dynamic_template(const struct ike_sa *sa, const struct selector *sel,
				      const struct tunnel *after);
// Is there a template that answers this peer at all?
bool dynamic_answers(const struct ike *ike, const struct ip_addr *local,
		     const struct ip_addr *remote);
// A new instance. NULL when it would take somebody else's traffic, or there are too many: logged.
const struct tunnel_flow *dynamic_instance(struct ike_sa *sa, const struct tunnel *template,
					   const struct selector *sel);
// The first child SA of an instance is up: what the same peer had from elsewhere goes.
void dynamic_child_up(const struct child_sa *c);
// A child SA went: the instance goes too if it was the last one.
void dynamic_child_gone(struct ike *ike, uint32_t policy);
void dynamic_child_moved(struct child_sa *c);
void dynamic_sweep(struct ike *ike);  // instances without child SAs go
