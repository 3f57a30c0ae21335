// Protocol numbers as the configuration language spells them. Pure.
#pragma once

#include <stdint.h>

const char *acl_protocol_name(uint8_t number);  // "tcp", "ip" for 0; NULL when it has no name
