// Dead peer detection (RFC 3706, and liveness of IKEv2): when to ask, when to give up.
// How to ask is the version's (ops->dpd_probe).
#pragma once

#include "ike/ike_sa.h"

void dpd_init(struct ike_sa *sa);
void dpd_start(struct ike_sa *sa);      // IKE SA is up, or the configuration changed
void dpd_configure(struct ike_sa *sa);  // starts it anew if what concerns it changed
// After a take-over: first after a grace time, spread.
void dpd_resume(struct ike_sa *sa);
// Has ESP come on its IPsec SAs since it was last looked at?
bool dpd_esp_came(const struct ike_sa *sa);
void dpd_stop(struct ike_sa *sa);
// Asks at once, whatever is configured: does it still live? Nothing if a question is out already.
void dpd_ask_now(struct ike_sa *sa);
// Sequence number of an R-U-THERE: 0 to answer, -EBADMSG for an old one (RFC 3706 5.4).
int dpd_request_check(struct ike_sa *sa, uint32_t seq);
// Of an R-U-THERE-ACK: 0 when it answers one that is outstanding.
int dpd_ack(struct ike_sa *sa, uint32_t seq);
