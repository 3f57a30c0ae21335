// One line per event, to standard error, to the terminal monitors and into a ring for
// `show logging`. Under systemd standard error is the journal: the line then starts with "<N>",
// the journal's own syntax for the priority, instead of a time stamp.
//
// A message may hold bytes of a peer's choosing (identities, vendor IDs), so control bytes are
// escaped here, once, and a line has a bounded length. A reader that does not read standard error
// must not stop the control thread: what does not fit is dropped and counted.
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024
#define STAMP_MAX      32
#define HISTORY_LINES  1000
#define SINKS_MAX      16
#define LIMIT_MS       10000

struct sink {
	log_sink_fn fn;
	void *ctx;
};

struct history_line {
	char *text;  // owned; with time stamp
	enum log_level level;
};

// Helper threads may log around their task, so the state has a lock; recursive, because a sink
// may remove itself or log.
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct sink sinks[SINKS_MAX];
static bool in_sinks;
static struct history_line history[HISTORY_LINES];
static unsigned history_next;
static enum log_level stderr_level = LOG_L_INFO;
static uint64_t stderr_lost;
static bool debug_bits[DEBUG_COUNT];

static const struct {
	const char *name;      // as in `debug NAME`
	const char *facility;  // of the line
} debug_table[DEBUG_COUNT] = {
	[DEBUG_ISAKMP] = {"crypto isakmp", "ISAKMP"},
	[DEBUG_IPSEC] = {"crypto ipsec", "IPSEC"},
	[DEBUG_HSRP_ERRORS] = {"standby errors", "HSRP"},
	[DEBUG_HSRP_EVENTS] = {"standby events", "HSRP"},
	[DEBUG_HSRP_PACKETS] = {"standby packets", "HSRP"},
	[DEBUG_REDUNDANCY] = {"redundancy", "RF"},
	[DEBUG_CRYPTO_HA] = {"crypto ha", "CRYPTO_HA"},
	[DEBUG_KERNEL] = {"kernel", "KERNEL"},
	[DEBUG_CLI] = {"cli", "CLI"},
	[DEBUG_ISAKMP_HA] = {"crypto isakmp ha", "ISAKMP_HA"},
	[DEBUG_IPSEC_HA_DETAIL] = {"crypto ipsec ha detail", "IPSEC_HA"},
	[DEBUG_IPSEC_HA_UPDATE] = {"crypto ipsec ha update", "IPSEC_HA"},
};

// Replaces control bytes and bytes outside ASCII by \xNN, in place.
static void line_escape(char *line, size_t cap)
{
	static const char hex[] = "0123456789abcdef";
	char out[LINE_MAX_BYTES];
	size_t n = 0;

	for (const char *p = line; *p && n + 5 < cap; p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= 0x20 && c < 0x7f) {
			out[n++] = *p;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
	memcpy(line, out, n + 1);
}

// "Nov 21 06:17:48.123: ", local time as the reference displays have it.
static void stamp_format(char *buf, size_t cap)
{
	char date[24] = "";
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (localtime_r(&now.tv_sec, &tm))
		(void)strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	(void)snprintf(buf, cap, "%s.%03u: ", date, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

// systemd.exec(5): JOURNAL_STREAM holds device:inode of the journal's socket.
static bool stderr_is_journal(void)
{
	static int known = -1;

	if (known < 0) {
		const char *env = getenv("JOURNAL_STREAM");
		char mine[64];
		struct stat st;

		known = 0;
		if (env && fstat(STDERR_FILENO, &st) == 0) {
			(void)snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev,
				       (uintmax_t)st.st_ino);
			known = strcmp(mine, env) == 0;
		}
	}
	return known;
}

// One write per line. A pipe that polls writable takes PIPE_BUF bytes without blocking.
static bool stderr_write(const char *text, size_t len)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) &&
	       write(p.fd, text, len) == (ssize_t)len;
}

static void stderr_line(enum log_level level, const char *stamp, const char *line)
{
	char text[LINE_MAX_BYTES + STAMP_MAX + 64];
	int n = 0;

	if (stderr_lost > 0) {
		n = snprintf(text, sizeof(text), "(%ju log lines lost: reader too slow)\n",
			     (uintmax_t)stderr_lost);
		if (n < 0 || !stderr_write(text, (size_t)n)) {
			stderr_lost++;
			return;
		}
		stderr_lost = 0;
	}
	if (stderr_is_journal())
		n = snprintf(text, sizeof(text), "<%u>%s\n", (unsigned)level, line);
	else
		n = snprintf(text, sizeof(text), "%s%s\n", stamp, line);
	if (n < 0 || !stderr_write(text, (size_t)n))
		stderr_lost++;
}

static void history_add(enum log_level level, const char *stamp, const char *line)
{
	struct history_line *h = &history[history_next];
	char *text;

	if (asprintf(&text, "%s%s", stamp, line) < 0)
		return;
	free(h->text);
	h->text = text;
	h->level = level;
	history_next = (history_next + 1) % HISTORY_LINES;
}

static void line_emit(enum log_level level, char *line)
{
	char stamp[STAMP_MAX];

	line_escape(line, LINE_MAX_BYTES);
	stamp_format(stamp, sizeof(stamp));

	pthread_mutex_lock(&lock);
	if (level <= stderr_level)
		stderr_line(level, stamp, line);
	history_add(level, stamp, line);
	if (!in_sinks) {
		in_sinks = true;
		for (size_t i = 0; i < SINKS_MAX; i++) {
			if (sinks[i].fn)
				sinks[i].fn(sinks[i].ctx, level, line);
		}
		in_sinks = false;
	}
	pthread_mutex_unlock(&lock);
}

static void event_emit(const char *facility, enum log_level level, const char *mnemonic,
		       uint64_t suppressed, const char *fmt, va_list ap)
	__attribute__((format(printf, 5, 0)));

static void event_emit(const char *facility, enum log_level level, const char *mnemonic,
		       uint64_t suppressed, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES], note[64] = "";

	if (suppressed > 0)
		(void)snprintf(note, sizeof(note), " (%ju like it suppressed)",
			       (uintmax_t)suppressed);
	int n = snprintf(line, sizeof(line), "%%%s-%u-%s: ", facility, (unsigned)level, mnemonic);

	if (n < 0 || (size_t)n >= sizeof(line) - sizeof(note))
		return;
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n - strlen(note), fmt, ap);
	strcat(line, note);  // room was left above
	line_emit(level, line);
}

void log_event(const char *facility, enum log_level level, const char *mnemonic, const char *fmt,
	       ...)
{
	va_list ap;

	va_start(ap, fmt);
	event_emit(facility, level, mnemonic, 0, fmt, ap);
	va_end(ap);
}

static uint64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// May this one pass? *suppressed: how many did not, since the last that did.
static bool limit_pass(struct log_ratelimit *rl, uint64_t window_ms, uint64_t *suppressed)
{
	uint64_t now_ms = clock_ms();
	bool pass;

	pthread_mutex_lock(&lock);
	if (rl->window_start_ms == 0 || now_ms - rl->window_start_ms >= window_ms) {
		rl->window_start_ms = now_ms;
		rl->used = 0;
	}
	pass = rl->used < rl->burst;
	if (pass) {
		rl->used++;
		*suppressed = rl->suppressed;
		rl->suppressed = 0;
	} else {
		rl->suppressed++;
	}
	pthread_mutex_unlock(&lock);
	return pass;
}

void log_event_limited(struct log_ratelimit *rl, const char *facility, enum log_level level,
		       const char *mnemonic, const char *fmt, ...)
{
	uint64_t suppressed;
	va_list ap;

	if (!limit_pass(rl, LIMIT_MS, &suppressed))
		return;
	va_start(ap, fmt);
	event_emit(facility, level, mnemonic, suppressed, fmt, ap);
	va_end(ap);
}

void log_debug_set(enum log_debug what, bool on)
{
	if ((unsigned)what < DEBUG_COUNT)
		debug_bits[what] = on;
}

bool log_debug_on(enum log_debug what)
{
	return (unsigned)what < DEBUG_COUNT && debug_bits[what];
}

const char *log_debug_name(enum log_debug what)
{
	return (unsigned)what < DEBUG_COUNT ? debug_table[what].name : "unknown";
}

void log_debug_msg(enum log_debug what, const char *fmt, ...)
{
	static struct log_ratelimit rl[DEBUG_COUNT];
	uint64_t suppressed;
	va_list ap;

	if ((unsigned)what >= DEBUG_COUNT)
		return;
	rl[what].burst = LOG_DEBUG_MAX;
	if (!limit_pass(&rl[what], 1000, &suppressed))
		return;
	va_start(ap, fmt);
	event_emit(debug_table[what].facility, LOG_L_DEBUG, "DEBUG", suppressed, fmt, ap);
	va_end(ap);
}

int log_sink_add(log_sink_fn fn, void *ctx)
{
	int ret = -ENOSPC;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SINKS_MAX && ret < 0; i++) {
		if (!sinks[i].fn) {
			sinks[i] = (struct sink){.fn = fn, .ctx = ctx};
			ret = 0;
		}
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

void log_sink_del(log_sink_fn fn, void *ctx)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SINKS_MAX; i++) {
		if (sinks[i].fn == fn && sinks[i].ctx == ctx)
			sinks[i] = (struct sink){0};
	}
	pthread_mutex_unlock(&lock);
}

void log_set_stderr_level(enum log_level max)
{
	stderr_level = max;
}

void log_history(log_sink_fn fn, void *ctx)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < HISTORY_LINES; i++) {
		const struct history_line *h = &history[(history_next + i) % HISTORY_LINES];

		if (h->text)
			fn(ctx, h->level, h->text);
	}
	pthread_mutex_unlock(&lock);
}
