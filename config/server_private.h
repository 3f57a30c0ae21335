// Inside of the command socket: the socket (server.c) and its clients (server_client.c).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "cli.h"
#include "log.h"
#include "loop.h"
#include "session.h"

#define CLIENTS_MAX 64
#define REQUEST_MAX (LEX_LINE_MAX + 64)

struct client {
	struct cli_server *server;
	struct cli *session;
	struct loop_fd fd;
	struct loop_timer timer;  // goes on with CLI_MORE, and with more requests in `in`
	int sock;
	bool closing;  // no more requests; close when the buffer is empty
	bool eof;      // it sends no more; what it sent is still answered
	bool running;  // a request is not finished
	char in[REQUEST_MAX + 1];
	size_t in_len;
	bool skipping;  // an overlong line is being thrown away
	char *out;      // pending output; owned
	size_t out_len, out_sent, out_cap;
	uint64_t progress_ms;  // last time the client took something
	bool dead;             // dropped; freed at the end of the callback
};

struct cli_server {
	struct loop *loop;
	struct loop_fd fd;
	struct loop_timer sweep;
	int sock;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client *client[CLIENTS_MAX];
};

extern struct log_ratelimit cli_server_limit;  // of what clients may cause in the log

// NULL: no memory, or the kernel does not say who it is; sock stays the caller's then.
struct client *client_create(struct cli_server *s, int sock);
void client_greet(struct client *c);  // the first prompt; c may be gone afterwards
void client_free(struct client *c);
// No more requests; freed at the end of its callback, or by the next sweep. why: for the log.
void client_drop(struct client *c, const char *why);
