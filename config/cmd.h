// Small helpers for the handlers of configuration commands.
#pragma once

#include <stdint.h>

#include "session.h"

// Text copied into the candidate's arena; on failure the command has failed and NULL is returned.
const char *cmd_strdup(struct cli *cli, const char *text);
void *cmd_alloc(struct cli *cli, size_t size);
// A name into its CONFIG_NAME_MAX field; `what` for the sentence ("access list"). 0 or -errno.
int cmd_name(struct cli *cli, char *dst, const char *src, const char *what);
uint32_t cmd_u32(const char *digits);  // a NUMBER that the matcher has checked
// A word given as NUMBER or by name in a sub-range; 0 or a failed command.
int cmd_addr(struct cli *cli, const char *text, struct ip_addr *out);
// Address and mask words -> prefix (host bits kept).
int cmd_prefix(struct cli *cli, const char *addr, const char *mask, struct ip_prefix *out);
// Removes the first equal string. True when there was one.
bool cmd_string_remove(struct config_strings *list, const char *text);
bool cmd_string_has(const struct config_strings *list, const char *text);
// A new association of an ipc zone (cmd_redundancy.c).
void association_defaults(struct ipc_association *s);
