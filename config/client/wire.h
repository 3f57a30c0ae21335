// The client's side of the command socket: requests out, frames in.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct wire {
	int fd;
	char *buf;  // owned; received bytes not yet taken
	size_t len, cap;
};

// 0, or -errno with the sentence printed to standard error.
int wire_open(struct wire *w, const char *path);
void wire_close(struct wire *w);
// One request: verb and text. 0 or -errno.
int wire_send(struct wire *w, char verb, const char *text);
// Next frame without its newline, valid until the next call; NULL when the daemon went away.
// With block false also NULL (and *idle true) when there is none yet.
char *wire_frame(struct wire *w, bool block, bool *idle);
// Set by the SIGINT handler: wire_frame() then sends an interrupt.
extern volatile int wire_interrupted;
