// Interface names: "g0/0", "GigabitEthernet 0/1", "Se1/0:0" -> canonical spelling and kind.
#pragma once

#include <stddef.h>

#include "model.h"

// Letters only ("GigabitEthernet"): the number follows as the next word. 0 or -EINVAL.
int ifname_parse_type(const char *word);
// The whole name, or type in `type` and number in `number` (type NULL: all in number).
// 0 or -EINVAL; out has room for CONFIG_NAME_MAX bytes; kind may be NULL.
int ifname_parse(const char *type, const char *number, char *out, enum if_kind *kind);
