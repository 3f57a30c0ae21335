// Log lines of the shape operators of this kind of box know:
//   %FACILITY-SEVERITY-MNEMONIC: text
//
// Levels: ERR = the operator must act; WARNING = peer or network misbehaves; NOTICE = a state
// changed; INFO = lifecycle; DEBUG = per message, switched per facility (`debug ...`).
// Sinks: standard error (always), journal (when started by systemd), terminal monitors.
// Never called from a worker. Never given key material. Mnemonics are listed in docs/logs.md
// (a test compares). Thread: control thread, and helper threads before/after their task only.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_L_EMERG,
	LOG_L_ALERT,
	LOG_L_CRIT,
	LOG_L_ERR,
	LOG_L_WARNING,
	LOG_L_NOTICE,
	LOG_L_INFO,
	LOG_L_DEBUG,
};

// log_event("CRYPTO", LOG_L_NOTICE, "SESSION_STATUS", "Crypto tunnel is UP. Peer %s:%u", ...)
void log_event(const char *facility, enum log_level level, const char *mnemonic, const char *fmt,
	       ...) __attribute__((format(printf, 4, 5)));

// For whatever a stranger can trigger: at most `burst` lines per 10 s per call site, the rest is
// counted and the count said in the next line. `rl` is a static variable of the call site.
struct log_ratelimit {
	uint64_t window_start_ms;
	uint32_t burst, used;
	uint64_t suppressed;
};
#define LOG_RATELIMIT(n)     \
	{                    \
		.burst = (n) \
	}
void log_event_limited(struct log_ratelimit *rl, const char *facility, enum log_level level,
		       const char *mnemonic, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

// Debug facilities: bits switched by `debug ...`; log_debug() is free when the bit is off. At most
// LOG_DEBUG_MAX lines per second and facility, the next one says how many were left out.
#define LOG_DEBUG_MAX 500
enum log_debug {
	DEBUG_ISAKMP,
	DEBUG_IPSEC,
	DEBUG_HSRP_ERRORS,
	DEBUG_HSRP_EVENTS,
	DEBUG_HSRP_PACKETS,
	DEBUG_REDUNDANCY,
	DEBUG_CRYPTO_HA,
	DEBUG_KERNEL,
	DEBUG_CLI,
	DEBUG_ISAKMP_HA,
	DEBUG_IPSEC_HA_DETAIL,
	DEBUG_IPSEC_HA_UPDATE,
	DEBUG_COUNT,
};
void log_debug_set(enum log_debug what, bool on);
bool log_debug_on(enum log_debug what);
const char *log_debug_name(enum log_debug what);  // "crypto isakmp"
void log_debug_msg(enum log_debug what, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_debug(what, ...)                              \
	do {                                              \
		if (log_debug_on(what))                   \
			log_debug_msg(what, __VA_ARGS__); \
	} while (0)

// Additional receivers (`terminal monitor`, tests). fn gets the finished line without newline.
typedef void (*log_sink_fn)(void *ctx, enum log_level level, const char *line);
int log_sink_add(log_sink_fn fn, void *ctx);  // 0 or -ENOSPC
void log_sink_del(log_sink_fn fn, void *ctx);
void log_set_stderr_level(enum log_level max);  // default INFO
// The last lines (ring of 1000) for `show logging`; calls fn oldest first.
void log_history(log_sink_fn fn, void *ctx);
