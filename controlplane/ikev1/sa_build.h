// Pieces of the SA payload for phase1_proposal.c and phase2_proposal.c. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ikev1/msg.h"

void sa_begin(struct ikev1_build *b);  // payload header, DOI, situation; ends by ikev1_build_end
// Both return where the entry began, for sa_length_set at its end.
size_t sa_proposal_begin(struct wbuf *w, uint8_t number, uint8_t protocol, const void *spi,
			 uint8_t spi_len, uint8_t transforms, bool last);
size_t sa_transform_begin(struct wbuf *w, uint8_t number, uint8_t id, bool last);
void sa_length_set(struct wbuf *w, size_t at);
// Basic when the value fits 16 bits, else variable with four bytes (RFC 2408 3.3).
void sa_attr_put(struct wbuf *w, uint16_t type, uint32_t value);
void sa_transform_copy(struct wbuf *w, const struct ikev1_transform *t);  // as the only one
// The transform at these positions (from 0), and the proposal it is in.
bool sa_transform_at(const struct ikev1_sa *sa, unsigned proposal_at, unsigned transform_at,
		     struct ikev1_proposal *p, struct ikev1_transform *t);
