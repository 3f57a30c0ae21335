// One connection to the command socket of an FRR daemon (NAME.vty), the one vtysh uses.
//
// A command goes out with a NUL behind it, the answer is text, three NULs and a status byte.
// Nothing blocks: commands queue here and go out one at a time, or, with FRR_PIPE, many at once.
// Thread: control thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "loop.h"

#define FRR_PIPE   1u  // the next command need not wait for this one's answer
#define FRR_HEADER 2u  // enters a mode: refused, the FRR_BODY commands that follow are left out
#define FRR_BODY   4u

struct frr_vty;
struct frr_vty_ops {
	void *ctx;
	// status 0 = taken, -1 = left out. text: what the daemon said, NUL-terminated.
	void (*answer)(void *ctx, struct frr_vty *v, uint64_t id, int status, const char *text);
	void (*gone)(void *ctx, struct frr_vty *v);  // closed by the daemon; v is ready for open
};

struct frr_command;
struct frr_vty {
	struct loop *loop;
	struct frr_vty_ops ops;
	struct loop_fd fd;
	bool open, skipping, writing;  // writing: the loop tells when the socket takes more
	TAILQ_HEAD(frr_commands, frr_command) queue, sent;
	unsigned outstanding;
	char *in, *out;
	size_t in_len, in_cap, out_len, out_at, out_cap;
};

void frr_vty_init(struct frr_vty *v, struct loop *loop, const struct frr_vty_ops *ops);
int frr_vty_open(struct frr_vty *v, const char *path);  // 0 or -errno
void frr_vty_close(struct frr_vty *v);                  // gone() is not called
int frr_vty_send(struct frr_vty *v, const char *command, uint64_t id, unsigned flags);
bool frr_vty_idle(const struct frr_vty *v);
