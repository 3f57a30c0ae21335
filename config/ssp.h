// The old syntax of stateful failover (cmd_ssp.c).
#pragma once

#include "model.h"

struct ssp_group *ssp_group_find(const struct config *c, uint32_t number);
// Turns what is complete into today's lines: before a commit, after a file. 0 or -ENOMEM.
int ssp_resolve(struct config *c);
