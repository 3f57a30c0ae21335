// Keeps the association on its interfaces: see link_guard.c.
#pragma once

#include <stddef.h>

#include "err.h"

struct loop;
struct link_params;
struct link_guard;

// NULL and err: the kernel takes no such rules (no nf_tables, no CAP_NET_ADMIN).
struct link_guard *link_guard_create(struct loop *loop, const struct link_params *p,
				     struct err *err);
void link_guard_destroy(struct link_guard *g);
// The one interface that has all the local addresses. -ENODEV: there is none, or several.
int link_guard_device(const struct link_params *p, char *name, size_t cap);
