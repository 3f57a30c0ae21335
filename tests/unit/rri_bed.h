// Reverse routes against a kernel made of a list, tunnels from configuration text. For the tests of
// reverse routes.
#pragma once

#include <stdbool.h>

#include "rri.h"

#define ROUTES_MAX 20500

extern struct rri_bed {
	struct loop *loop;
	struct rri *rri;
	struct config *config;
	struct tunnels *tunnels;
	char (*routes)[80];  // "10.0.0.0/8 via 192.0.2.1 dev fa0-0"
	unsigned count, adds, dels;
	char lines[8][160];  // what FRR was told, the last ones
	unsigned line_count;
	char neighbour[80];  // the fixed one, "192.0.2.1 dev fa0-0" or ""
	unsigned neighbours;
	bool link_down, passive;
} rri_bed;

// The configuration from text, its tunnels, and what rri makes of them.
void rri_bed_configure(const char *text);
// About an SA of the first flow of tunnels->all[flow].
void rri_bed_notice(enum ike_notice_type type, uint32_t sa, unsigned flow, const char *dst,
		    const char *peer);
void rri_bed_up(uint32_t sa, unsigned flow, const char *dst, const char *peer);
void rri_bed_down(uint32_t sa);
void rri_bed_routes_are(const char *a, const char *b);  // these and no others; NULL: none
void rri_bed_settle(void);
int rri_bed_setup(void **state);
int rri_bed_teardown(void **state);
void rri_bed_bad_line(void *ctx, unsigned line, unsigned column, const char *text, const char *why);

#define RRI_BED_SET "crypto ipsec transform-set my-transform-set esp-aes esp-sha-hmac\n"
#define RRI_BED_INTERFACES                                                   \
	"interface FastEthernet0/0\n ip address 192.168.0.2 255.255.255.0\n" \
	" crypto map mymap\n"                                                \
	"interface FastEthernet0/1\n ip address 192.168.1.2 255.255.255.0\n"
