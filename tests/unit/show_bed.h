// The command line of the display tests.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "show.h"

struct cli {  // what config/session.h has under this name is not linked
	char out[65536];
	size_t len;
	struct json *json;
	void *state;
	void (*release)(void *state);
	const struct config *running;
};

// The row whose leading keywords are those of the line.
const struct cli_cmd *show_row(const char *line);
// Runs the line to its end, in slices; what it printed is what the file has.
void show_golden(const struct config *running, const char *line, const char *name, bool json);
