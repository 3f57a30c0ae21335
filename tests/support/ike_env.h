// What the IKE engine finds around it in tests: a clock that stands, a network that swallows, a
// data plane that holds nothing. A test replaces the callbacks that it is about.
#pragma once

#include "ike.h"

struct ike_env ike_env_stand_in(void *ctx);
