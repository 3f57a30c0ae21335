// FRR's daemons: connecting, handing over blocks and routes, noticing what they do not take.
//
// Every block goes to every daemon; one that does not know the header refuses it and is spared the
// rest. That is how vtysh distributes too, without our knowing which daemon of which release does
// what. Route lines go to the static daemon (to mgmtd, which speaks for it in later releases), in
// batches: each commit of FRR's configuration costs time in proportion to its size.
#include "frr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frr_conf.h"
#include "frr_vty.h"
#include "log.h"

#define RETRY_MS    1000
#define BATCH_MAX   2000
#define GOODBYE_MS  500
#define REPORTS_MAX 10

// Ids of commands: the upper half says whose, the lower half is of frr_conf_script().
#define ID_SWEEP         (1ull << 32)
#define ID_ROUTE         (2ull << 32)
#define ID_OTHER         (3ull << 32)
#define ID_CONF(g)       ((uint64_t)(g) << 32)  // generations from 16 on
#define FIRST_GENERATION 16u

static const char *const names[] = {"zebra",  "mgmtd", "staticd", "ospfd",
				    "ospf6d", "bgpd",  "eigrpd",  "ripd"};
#define DAEMONS (sizeof(names) / sizeof(names[0]))
enum { MGMTD = 1, STATICD = 2 };

struct route_change {
	STAILQ_ENTRY(route_change) link;
	bool add;
	char line[];
};

struct frr {
	struct frr_env env;
	char dir[96], state_file[256];
	struct frr_vty daemon[DAEMONS];
	struct loop_timer retry, flush;
	struct frr_conf *conf, *saved;  // handed over; of an earlier run, until the first hand-over
	uint32_t generation;
	bool reported, leaving;
	bool swept;              // the route daemon has told what it has, and has everything
	struct frr_vty *router;  // the route daemon; NULL = none
	STAILQ_HEAD(, route_change) routes;
	bool any_routes;
};

// ---- route lines -----------------------------------------------------------------------------
static void routes_clear(struct frr *f)
{
	struct route_change *c;
	while ((c = STAILQ_FIRST(&f->routes))) {
		STAILQ_REMOVE_HEAD(&f->routes, link);
		free(c);
	}
}

static void route_queue(struct frr *f, const char *line, bool add)
{
	struct route_change *c = malloc(sizeof(*c) + strlen(line) + 1);
	if (!c)
		return;  // the next connection brings everything again
	c->add = add;
	memcpy(c->line, line, strlen(line) + 1);
	STAILQ_INSERT_TAIL(&f->routes, c, link);
	if (!f->flush.due_ms)
		loop_timer_start(&f->flush, 0);
}

static void route_each(void *ctx, const char *line)
{
	route_queue(ctx, line, true);
}

// One batch at a time: what comes meanwhile makes the next one.
static void routes_flush(void *ctx, uint64_t now_ms)
{
	struct frr *f = ctx;
	struct route_change *c;
	char command[256];

	if (!f->router || !f->swept || STAILQ_EMPTY(&f->routes) || !frr_vty_idle(f->router))
		return;
	// mgmtd takes a batch only from who holds its candidate (`end` gives it back), and forgets
	// what came behind a command that it does not answer at once.
	bool mgmtd = f->router == &f->daemon[MGMTD];
	unsigned pipe = mgmtd ? 0 : FRR_PIPE;
	(void)frr_vty_send(f->router, "end", ID_OTHER, 0);
	(void)frr_vty_send(f->router, mgmtd ? "configure terminal file-lock" : "configure terminal",
			   ID_OTHER, 0);
	(void)frr_vty_send(f->router, "XFRR_start_configuration", ID_OTHER, pipe);
	for (int i = 0; i < BATCH_MAX && (c = STAILQ_FIRST(&f->routes)); i++) {
		snprintf(command, sizeof(command), "%s%s route %s", c->add ? "" : "no ",
			 strchr(c->line, ':') ? "ipv6" : "ip", c->line);
		(void)frr_vty_send(f->router, command, ID_ROUTE | c->add, pipe);
		STAILQ_REMOVE_HEAD(&f->routes, link);
		free(c);
	}
	(void)frr_vty_send(f->router, "XFRR_end_configuration", ID_OTHER, pipe);
	(void)frr_vty_send(f->router, "end", ID_OTHER, 0);
	(void)frr_vty_send(f->router, "configure terminal", ID_OTHER, 0);
}

// "... DISTANCE" or "... DISTANCE onlink"
static bool distance_is(const char *line, unsigned distance)
{
	char mark[2][24];
	size_t len = strlen(line);

	snprintf(mark[0], sizeof(mark[0]), " %u", distance);
	snprintf(mark[1], sizeof(mark[1]), " %u onlink", distance);
	for (int i = 0; i < 2; i++)
		if (len >= strlen(mark[i]) && strcmp(line + len - strlen(mark[i]), mark[i]) == 0)
			return true;
	return false;
}

// The static daemon's configuration: lines with our distance that nobody here knows are old.
static void sweep(struct frr *f, const char *text)
{
	char line[256];
	unsigned swept = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, "\r\n");
		size_t head = strncmp(p, "ipv6 route ", 11) == 0 ? 11
			      : strncmp(p, "ip route ", 9) == 0  ? 9
								 : 0;
		if (!head || len <= head || len - head >= sizeof(line))
			continue;
		memcpy(line, p + head, len - head);
		line[len - head] = '\0';
		if (!distance_is(line, f->env.distance))
			continue;
		char prefix[PREFIX_STR_MAX] = "";
		struct ip_prefix dst;
		size_t n = strcspn(line, " ");
		if (n >= sizeof(prefix))
			continue;
		memcpy(prefix, line, n);
		if (prefix_parse(prefix, &dst) || f->env.route_known(f->env.ctx, &dst, line))
			continue;
		route_queue(f, line, false);
		swept++;
	}
	if (swept)
		log_event("FRR", LOG_L_NOTICE, "SWEPT",
			  "Removed %u reverse routes left by an earlier run from FRR", swept);
	f->swept = true;
	f->env.routes(f->env.ctx, route_each, f);
}

// ---- answers ---------------------------------------------------------------------------------
static void line_answer(struct frr_line *l, int status, const char *text)
{
	l->taken |= status == 0;
	if (status <= 0 || strstr(text, "Unknown command") || !text[0])
		return;
	free(l->why);
	l->why = strndup(text, strcspn(text, "\r\n") < 200 ? strcspn(text, "\r\n") : 200);
}

static void refused(const struct frr_block *b, const struct frr_line *l, bool header)
{
	const char *why = l->why ? l->why : "no daemon knows it";
	if (header)
		log_event("FRR", LOG_L_WARNING, "REFUSED", "FRR does not take \"%s\": %s", l->text,
			  why);
	else
		log_event("FRR", LOG_L_WARNING, "REFUSED",
			  "FRR does not take \"%s\" below \"%s\": %s", l->text, b->header.text,
			  why);
}

static bool all_idle(const struct frr *f, bool *any)
{
	*any = false;
	for (size_t i = 0; i < DAEMONS; i++) {
		if (!f->daemon[i].open)
			continue;
		*any = true;
		if (!frr_vty_idle(&f->daemon[i]))
			return false;
	}
	return true;
}

// Once per configuration, when every daemon has answered: lines that none took.
static void report(struct frr *f)
{
	unsigned said = 0;
	bool any;

	if (f->reported || f->leaving || !f->conf || !all_idle(f, &any) || !any)
		return;
	f->reported = true;
	for (unsigned i = 0; i < f->conf->count && said < REPORTS_MAX; i++) {
		const struct frr_block *b = &f->conf->blocks[i];
		if (!b->header.taken) {
			refused(b, &b->header, true);
			said++;
			continue;
		}
		for (unsigned l = 0; l < b->count && said < REPORTS_MAX; l++)
			if (!b->lines[l].taken) {
				refused(b, &b->lines[l], false);
				said++;
			}
	}
}

static void answer(void *ctx, struct frr_vty *v, uint64_t id, int status, const char *text)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct frr *f = ctx;
	uint64_t kind = id & ~(uint64_t)UINT32_MAX;
	uint32_t low = (uint32_t)id;

	if (kind == ID_SWEEP && v == f->router) {
		sweep(f, status == 0 ? text : "");
	} else if (kind == ID_ROUTE && status > 0 && low) {
		log_event_limited(&rl, "FRR", LOG_L_WARNING, "ROUTE",
				  "FRR does not take a reverse route: %.200s", text);
	} else if (kind == ID_CONF(f->generation) && f->conf && low != FRR_ID_NONE) {
		struct frr_block *b =
			low >> 16 < f->conf->count ? &f->conf->blocks[low >> 16] : NULL;
		uint32_t line = low & 0xffff;
		if (b && line <= b->count)
			line_answer(line ? &b->lines[line - 1] : &b->header, status, text);
	}
	if (v == f->router && !STAILQ_EMPTY(&f->routes) && !f->flush.due_ms)
		loop_timer_start(&f->flush, 0);
	if (!f->reported && !f->retry.due_ms)
		loop_timer_start(&f->retry, RETRY_MS);
}

// ---- daemons ---------------------------------------------------------------------------------
struct script {
	struct frr *f;
	struct frr_vty *v;
};

static void emit(void *ctx, const char *command, uint32_t id, unsigned flags)
{
	struct script *s = ctx;
	(void)frr_vty_send(s->v, command, ID_CONF(s->f->generation) | id, flags);
}

static void daemon_gone(void *ctx, struct frr_vty *v)
{
	struct frr *f = ctx;
	log_event("FRR", LOG_L_WARNING, "GONE", "FRR's %s closed its command socket",
		  names[v - f->daemon]);
	if (v == f->router) {
		f->router = NULL;
		f->swept = false;
		routes_clear(f);
	}
	if (!f->leaving && !f->retry.due_ms)
		loop_timer_start(&f->retry, RETRY_MS);
}

static bool needed(const struct frr *f)
{
	return f->any_routes || (f->conf && f->conf->count) || f->saved;
}

static void daemon_connect(struct frr *f, size_t i)
{
	struct frr_vty *v = &f->daemon[i];
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.vty", f->dir, names[i]);
	if (v->open || frr_vty_open(v, path))
		return;
	log_event("FRR", LOG_L_NOTICE, "CONNECTED", "Connected to FRR's %s", names[i]);
	(void)frr_vty_send(v, "enable", ID_OTHER, 0);
	if ((i == MGMTD || i == STATICD) && !f->router) {
		f->router = v;
		f->swept = false;
		(void)frr_vty_send(v, "show running-config", ID_SWEEP, 0);
	}
	(void)frr_vty_send(v, "configure terminal", ID_OTHER, 0);
	if (f->conf) {
		struct script s = {f, v};
		frr_conf_script(f->saved, f->conf, true, emit, &s);
		f->reported = false;
	}
}

static void connect_all(struct frr *f)
{
	for (size_t i = 0; i < DAEMONS; i++)
		daemon_connect(f, i);
}

static void retry(void *ctx, uint64_t now_ms)
{
	struct frr *f = ctx;
	if (f->leaving)
		return;
	if (needed(f))
		connect_all(f);
	report(f);
	if (needed(f))
		loop_timer_start(&f->retry, RETRY_MS);
}

void frr_route(struct frr *f, const char *line, bool add)
{
	if (!f->any_routes && add) {
		f->any_routes = true;
		connect_all(f);
		if (!f->retry.due_ms)
			loop_timer_start(&f->retry, RETRY_MS);
	}
	// not connected, or not swept yet: the sweep's answer brings all that stand then
	if (f->router && f->swept)
		route_queue(f, line, add);
}

// ---- configuration ---------------------------------------------------------------------------
static void state_write(const struct frr *f, const struct frr_conf *c)
{
	char tmp[sizeof(f->state_file) + 8];
	char *text = f->state_file[0] ? frr_conf_print(c) : NULL;
	if (!text)
		return;
	snprintf(tmp, sizeof(tmp), "%s.new", f->state_file);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(text);
	bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
	if (fd >= 0)
		close(fd);
	if (!ok || rename(tmp, f->state_file))
		log_event("FRR", LOG_L_WARNING, "STATE", "Cannot write %s: %s", f->state_file,
			  strerror(errno));
	explicit_bzero(text, len);  // neighbour passwords
	free(text);
}

static struct frr_conf *state_read(const char *path)
{
	struct stat st;
	struct frr_conf *c = NULL;
	int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size < 1 << 24) {
		char *text = calloc(1, (size_t)st.st_size + 1);
		if (text && read(fd, text, (size_t)st.st_size) == st.st_size)
			c = frr_conf_parse(text);
		free(text);
	}
	close(fd);
	return c;
}

static bool conf_equal(const struct frr_conf *a, const struct frr_conf *b)
{
	char *x = a ? frr_conf_print(a) : NULL, *y = frr_conf_print(b);
	bool same = x && y && strcmp(x, y) == 0;
	free(x);
	free(y);
	return same;
}

int frr_configure(struct frr *f, const struct config *c, struct err *err)
{
	struct frr_conf *now = frr_conf_from(c, f->env.kernel_if, f->env.ctx);
	if (!now)
		return err_set(err, -ENOMEM, "Not enough memory for the routing configuration");
	if (conf_equal(f->conf, now)) {
		frr_conf_free(now);
		return 0;
	}
	struct frr_conf *old = f->conf;
	f->conf = now;
	f->generation++;
	f->reported = false;
	bool ever = old || f->saved || now->count;
	for (size_t i = 0; i < DAEMONS; i++) {
		struct script s = {f, &f->daemon[i]};
		if (f->daemon[i].open)
			frr_conf_script(old ? old : f->saved, now, old == NULL, emit, &s);
	}
	if (needed(f)) {
		connect_all(f);
		loop_timer_start(&f->retry, RETRY_MS);
	}
	if (ever)
		state_write(f, now);
	frr_conf_free(old);
	return 0;
}

void frr_warn(const struct frr *f, const struct config *c, commit_warn_fn fn, void *ctx)
{
	char text[FRR_LINE_MAX + 200];
	bool any = false;

	for (size_t i = 0; i < DAEMONS; i++)
		any |= f->daemon[i].open;
	if (!f->conf)
		return;
	if (f->conf->left_out) {
		snprintf(text, sizeof(text),
			 "%u routing lines are kept but not handed to FRR (they would leave their "
			 "block, or their interface has no device)",
			 f->conf->left_out);
		fn(ctx, text);
	}
	if (!f->conf->count || any)
		return;
	snprintf(text, sizeof(text),
		 "FRR does not answer in %s: \"%s\"%s kept but without effect until it does",
		 f->dir, f->conf->blocks[0].header.text,
		 f->conf->count > 1 ? " and others are" : " is");
	fn(ctx, text);
}

// ---- life ------------------------------------------------------------------------------------
struct frr *frr_create(const struct frr_env *env, struct err *err)
{
	struct frr *f = calloc(1, sizeof(*f));
	if (!f) {
		err_set(err, -ENOMEM, "Not enough memory for FRR's connections");
		return NULL;
	}
	const struct frr_vty_ops ops = {.ctx = f, .answer = answer, .gone = daemon_gone};
	f->env = *env;
	f->generation = FIRST_GENERATION;
	STAILQ_INIT(&f->routes);
	snprintf(f->dir, sizeof(f->dir), "%s", env->dir);
	snprintf(f->state_file, sizeof(f->state_file), "%s",
		 env->state_file ? env->state_file : "");
	for (size_t i = 0; i < DAEMONS; i++)
		frr_vty_init(&f->daemon[i], env->loop, &ops);
	loop_timer_init(&f->retry, env->loop, "FRR retry", retry, f);
	loop_timer_init(&f->flush, env->loop, "FRR routes", routes_flush, f);
	f->saved = state_read(f->state_file);
	return f;
}

// The blocks go, and the routes whose removal is still queued.
void frr_destroy(struct frr *f)
{
	struct frr_conf nothing = {0};
	bool any;

	if (!f)
		return;
	for (size_t i = 0; i < DAEMONS && f->conf; i++) {
		struct script s = {f, &f->daemon[i]};
		if (f->daemon[i].open)
			frr_conf_script(f->conf, &nothing, false, emit, &s);
	}
	f->leaving = true;
	uint64_t end = loop_clock_us() + GOODBYE_MS * 1000ull;
	while (loop_clock_us() < end &&
	       (!all_idle(f, &any) || (f->router && !STAILQ_EMPTY(&f->routes))))
		if (loop_turn(f->env.loop, 10))
			break;
	if (all_idle(f, &any) && any && f->state_file[0])
		(void)unlink(f->state_file);
	for (size_t i = 0; i < DAEMONS; i++)
		frr_vty_close(&f->daemon[i]);
	routes_clear(f);
	loop_timer_fini(&f->retry);
	loop_timer_fini(&f->flush);
	frr_conf_free(f->conf);
	frr_conf_free(f->saved);
	free(f);
}
