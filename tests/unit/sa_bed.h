// Helpers of the tests that send through one SA; to be included once, by a cmocka test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "esp_bed.h"

static uint8_t inner[2048];

static inline struct sa *add(const struct dp_sa *p, uint32_t *handle)
{
	struct err err = {0};

	if (dp_sa_add(p, handle, &err))
		fail_msg("%s", err.msg);
	return sad_get(*handle);
}

static inline struct rte_mbuf *send_one(struct sa *sa)
{
	return bed_out(sa, bed_packet(inner, bed_inner(inner, 4, 60, "10.1.0.1", "10.2.0.1")));
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
