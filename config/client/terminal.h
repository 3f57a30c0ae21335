// The interactive side of the client: line editing, `?`, TAB, paging.
#pragma once

#include "wire.h"

struct reply {
	int status;
	unsigned length;  // lines of the terminal, 0 = no paging
	char prompt[128];
};

// Reads frames up to the end of the reply. paged: stop at every screenful. line is what was sent,
// for the caret. Returns 0, or -errno when the daemon went away.
int reply_read(struct wire *w, struct reply *r, const char *line, bool interactive);
int terminal_run(struct wire *w, struct reply *r, bool json);
