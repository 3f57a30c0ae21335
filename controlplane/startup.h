// The start-up configuration of `tandemd -c FILE`. Control thread, before the loop runs.
#pragma once

struct err;
struct gateway;

// Says on stderr what is wrong with the file; the exit code: 0, or 1 with at least one error.
int startup_check(struct gateway *g);
// Commits the file, or an empty configuration without one. Lines in error are counted in
// config_errors and left out. 0; -errno and err: the file cannot be read, or no memory.
int startup_load(struct gateway *g, struct err *err);
