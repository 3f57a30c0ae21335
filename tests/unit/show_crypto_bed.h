// A gateway with a fixed state for the crypto and interface displays: command line, IKE and data
// plane are stand-ins with fixed answers.
#pragma once

#include "show_bed.h"

#define CRYPTO_BED_TUNNELS 41  // more flows than one slice prints

extern struct crypto_bed {
	bool standby;  // what every SA is
	struct ike_sa_info ike_sas[2];
	struct ike_child_info children[3];
	int child_count;  // 2; the third is of a dynamic map
	struct tunnels all;
	struct config *config;
} crypto_bed;
extern struct gateway gateway;

int crypto_bed_setup(void **state);
int crypto_bed_teardown(void **state);
