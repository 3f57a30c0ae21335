// What the two files of `standby ...` lines share.
#pragma once

#include "cmd.h"

#define STANDBY_G "standby [NUMBER<0-4095>] "

// The group a line is about, made when it is new; *rest is the index of the first value behind the
// group number. NULL: the line is refused, which has been said.
struct standby_group *standby_group_of(struct cli *cli, const struct cli_args *a, unsigned *rest);
// The handler of all lines about one group: runs the `const cli_fn *` in ctx; a group that is left
// without any setting (a failed first line, or a last `no`) is not kept.
int standby_group_run(struct cli *cli, const struct cli_args *a);
