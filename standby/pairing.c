// The groups of this box at work: words of the gateway process and messages of the other box go to
// the state machine of their group (ha/pair.h), what it says goes out by ring and association.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "process.h"
#include "rand.h"
#include "secret.h"

#define HEARTBEAT_MS 250

uint64_t process_now(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

// ---- what the state machines ask for ----------------------------------------------------------
static int send_message(void *ctx, unsigned group, const uint8_t *bytes, size_t len)
{
	struct process *p = ctx;
	return p->link && p->link_up ? link_send(p->link, group, bytes, len) : -ENOTCONN;
}

static int tell_gateway(void *ctx, const struct ha_word *w)
{
	return gateway_tell(ctx, w);
}

static void random_bytes(void *ctx, void *buf, size_t len)
{
	rand_bytes(buf, len);
}

static void on_event(void *ctx, unsigned group, const char *text)
{
	struct process *p = ctx;
	struct ha_word w = {.type = HA_EVENT,
			    .group = (uint16_t)group,
			    .len = (uint32_t)strlen(text) + 1,
			    .payload = (const uint8_t *)text};

	if (gateway_tell(p, &w))
		log_event("REDUNDANCY", LOG_L_NOTICE, "STATE", "Group %u: %s", group, text);
}

// ---- the association --------------------------------------------------------------------------
static void on_up(void *ctx)
{
	struct process *p = ctx;

	p->link_up = true;
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (p->pair[g])
			pair_link(p->pair[g], true, process_now());
	}
	pairing_rearm(p);
	gateway_ring(p);
}

static void on_down(void *ctx, const char *why)
{
	struct process *p = ctx;

	p->link_up = false;
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (!p->pair[g])
			continue;
		on_event(p, g, why);
		pair_link(p->pair[g], false, process_now());
	}
	pairing_rearm(p);
	gateway_ring(p);
}

static void on_message(void *ctx, unsigned stream, const uint8_t *bytes, size_t len)
{
	static struct log_ratelimit rl = LOG_RATELIMIT(3);
	struct process *p = ctx;
	unsigned group = pair_message_group(bytes, len);

	// the stream is the group's: a message for another one is no good
	if (group == 0 || group != stream || !p->pair[group]) {
		log_event_limited(&rl, "REDUNDANCY", LOG_L_WARNING, "MESSAGE",
				  "A message of the other box is for no group of ours");
		return;
	}
	if (pair_receive(p->pair[group], bytes, len, process_now()) == -EBADMSG)
		log_event_limited(&rl, "REDUNDANCY", LOG_L_WARNING, "MESSAGE",
				  "A message of the other box cannot be read");
	pairing_rearm(p);
	gateway_ring(p);
}

static void on_writable(void *ctx)
{
	pairing_writable(ctx);
}

static char link_trouble[ERR_MSG_MAX];  // why there is none at all

static void link_configure(struct process *p)
{
	static const struct link_ops ops = {
		.ctx = &process,
		.up = on_up,
		.down = on_down,
		.message = on_message,
		.writable = on_writable,
	};
	const struct ha_config *c = &p->config;
	struct err err = {0};

	if (p->link) {
		link_destroy(p->link);
		p->link = NULL;
		if (p->link_up)
			on_down(p, "the association is configured anew");
	}
	link_trouble[0] = '\0';
	if (!c->up || c->security == 0 || c->locals == 0 || c->remotes == 0)
		return;
	struct link_params lp = {
		.driver = c->transport == 1   ? LINK_KERNEL
			  : c->transport == 2 ? LINK_USER
					      : LINK_AUTO,
		.security = c->security == 1   ? LINK_PSK
			    : c->security == 2 ? LINK_CERTIFICATE
					       : LINK_PLAIN,
		.locals = c->locals,
		.remotes = c->remotes,
		.local_port = c->local_port,
		.remote_port = c->remote_port,
		.rto_min_ms = c->rto_min_ms,
		.rto_max_ms = c->rto_max_ms,
		.path_retransmit = c->path_retransmit,
		.assoc_retransmit = c->assoc_retransmit,
		.heartbeat_ms = HEARTBEAT_MS,
	};
	memcpy(lp.secret, c->secret, c->secret_len);
	for (unsigned i = 0; i < c->locals; i++) {
		lp.local[i].family = c->local_family[i];
		memcpy(lp.local[i].bytes, c->local[i], sizeof(c->local[i]));
	}
	for (unsigned i = 0; i < c->remotes; i++) {
		lp.remote[i].family = c->remote_family[i];
		memcpy(lp.remote[i].bytes, c->remote[i], sizeof(c->remote[i]));
	}
	p->link = link_create(p->loop, &lp, &ops, &err);
	secret_wipe(&lp, sizeof(lp));
	if (p->link)
		return;
	memcpy(link_trouble, err.msg, sizeof(link_trouble));
	log_event("REDUNDANCY", LOG_L_ERR, "LINK", "The replication link is down: %s", err.msg);
}

// ---- groups -----------------------------------------------------------------------------------
static struct pair *group_get(struct process *p, unsigned group)
{
	static const struct pair_ops ops = {
		.ctx = &process,
		.send = send_message,
		.tell = tell_gateway,
		.random = random_bytes,
	};

	if (group == 0 || group > HA_GROUPS_MAX)
		return NULL;
	if (p->pair[group])
		return p->pair[group];
	uint64_t now = process_now();
	p->pair[group] = pair_create(group, p->mirror, &ops, now);
	if (!p->pair[group])
		return NULL;
	pair_observe(p->pair[group], on_event, p);
	if (p->configured)
		pair_digest(p->pair[group], p->config.digest);
	if (p->link_up)
		pair_link(p->pair[group], true, now);
	return p->pair[group];
}

static bool config_valid(const struct ha_config *c)
{
	return c->locals <= HA_LOCAL_MAX && c->remotes <= HA_LOCAL_MAX &&
	       c->secret_len <= HA_PSK_MAX && c->security <= 3 && c->transport <= 2;
}

static void configure(struct process *p, const struct ha_word *w)
{
	struct ha_config c;

	if (w->len != sizeof(c))
		return;
	memcpy(&c, w->payload, sizeof(c));
	if (!config_valid(&c)) {
		secret_wipe(&c, sizeof(c));
		return;
	}
	// the digest and the groups may change under a living association
	struct ha_config same = c;
	same.group_mask = p->config.group_mask;
	memcpy(same.digest, p->config.digest, sizeof(same.digest));
	bool anew = !p->configured || memcmp(&same, &p->config, sizeof(same)) != 0;
	p->config = c;
	p->configured = true;
	secret_wipe(&same, sizeof(same));
	secret_wipe(&c, sizeof(c));
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		bool wanted = p->config.group_mask >> g & 1;
		if (wanted && group_get(p, g)) {
			pair_digest(p->pair[g], p->config.digest);
		} else if (!wanted && p->pair[g]) {
			pair_destroy(p->pair[g]);
			p->pair[g] = NULL;
			mirror_group_clear(p->mirror, g);
		}
	}
	if (anew)
		link_configure(p);
}

static void attach(struct process *p)
{
	struct ha_word need = {.type = HA_NEED_CONFIG};

	if (p->attached)
		return;
	p->attached = p->gateway_fd >= 0;
	if (!p->configured)
		(void)gateway_tell(p, &need);
}

void pairing_flush(struct process *p)
{
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (p->pair[g])
			pair_flush(p->pair[g]);
	}
}

int pairing_word(struct process *p, const struct ha_word *w, uint64_t now)
{
	switch (w->type) {
	case HA_ATTACH: attach(p); break;
	case HA_CONFIG: configure(p, w); return 0;
	case HA_LEAVE:
		p->leaving = true;
		for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
			if (p->pair[g])
				(void)pair_word(p->pair[g], w, process_now());
		}
		return 0;
	default: break;
	}
	unsigned group = w->type == HA_UPSERT ? w->sa.group : w->group;
	struct pair *pair = group_get(p, group);
	int rc = pair ? pair_word_more(pair, w, now) : 0;
	// found in its ring after it had died: nobody will say so again
	if (pair && rc == 0 && w->type == HA_ATTACH && p->gateway_fd < 0)
		pair_gateway_lost(pair, process_now());
	return rc;
}

void pairing_gateway_lost(struct process *p)
{
	log_event("REDUNDANCY", LOG_L_WARNING, "GATEWAY",
		  p->leaving ? "The gateway process has ended" : "The gateway process is gone");
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (p->pair[g])
			pair_gateway_lost(p->pair[g], process_now());
	}
	pairing_rearm(p);
}

static void writable_again(void *ctx)
{
	pairing_writable(ctx);
}

void pairing_writable(struct process *p)
{
	bool more = false;

	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (p->pair[g])
			more |= pair_writable(p->pair[g], process_now());
	}
	more |= gateway_drain(p, 64);
	if (more)
		(void)loop_defer(p->loop, writable_again, p);
	pairing_rearm(p);
	gateway_ring(p);
}

// ---- time -------------------------------------------------------------------------------------
static void on_tick(void *ctx, uint64_t now_ms)
{
	struct process *p = ctx;
	uint64_t now = process_now();

	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (p->pair[g] && pair_due(p->pair[g]) <= now)
			pair_tick(p->pair[g], now);
	}
	(void)gateway_drain(p, 64);
	pairing_rearm(p);
	gateway_ring(p);
}

void pairing_rearm(struct process *p)
{
	uint64_t due = PAIR_NEVER, now = process_now();

	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		uint64_t d = p->pair[g] ? pair_due(p->pair[g]) : PAIR_NEVER;
		due = d < due ? d : due;
	}
	if (due == PAIR_NEVER)
		loop_timer_stop(&p->tick);
	else
		loop_timer_start(&p->tick, due > now ? (uint32_t)((due - now + 999) / 1000) : 0);
}

static void link_report_paths(const struct link_info *info, struct ha_link *l)
{
	l->rto_min_ms = info->rto_min_ms;
	l->rto_max_ms = info->rto_max_ms;
	l->path_retransmit = info->path_retransmit;
	l->assoc_retransmit = info->assoc_retransmit;
	for (unsigned i = 0; i < info->paths && i < HA_LOCAL_MAX; i++) {
		l->path_family[i] = (uint8_t)info->path[i].family;
		l->path_up[i] = info->path_up[i];
		memcpy(l->path[i], info->path[i].bytes, sizeof(l->path[i]));
	}
}

static void link_report(struct process *p)
{
	struct ha_link l = {0};
	struct link_info info = {0};
	struct mirror_counts count;
	struct loop_stats stats;

	memcpy(l.trouble, link_trouble, sizeof(link_trouble));
	if (p->link) {
		link_get_info(p->link, &info);
		l.up = info.up;
		l.paths = (uint8_t)info.paths;
		l.paths_up = (uint8_t)info.paths_up;
		l.family = (uint8_t)info.primary.family;
		memcpy(l.primary, info.primary.bytes, sizeof(l.primary));
		l.rto_ms = info.rto_ms;
		l.srtt_ms = info.srtt_ms;
		link_report_paths(&info, &l);
		l.ups = info.ups;
		l.tx = info.tx;
		l.rx = info.rx;
		l.tx_bytes = info.tx_bytes;
		l.rx_bytes = info.rx_bytes;
		l.queued = info.queued;
		l.refused = info.refused;
		snprintf(l.driver, sizeof(l.driver), "%s", info.driver ? info.driver : "");
		snprintf(l.security, sizeof(l.security), "%s", info.security ? info.security : "");
		snprintf(l.trouble, sizeof(l.trouble), "%s", info.trouble);
	}
	mirror_count(p->mirror, 1, &count);
	l.mirror_used = count.bytes_used;
	l.mirror_max = count.bytes_max;
	loop_get_stats(p->loop, &stats);
	l.longest_us = stats.longest_us;
	l.longest_cpu_us = stats.longest_cpu_us;
	loop_clear_longest(p->loop);
	struct ha_word w = {.type = HA_LINK, .len = sizeof(l), .payload = (const uint8_t *)&l};
	(void)gateway_tell(p, &w);
}

static void on_second(void *ctx, uint64_t now_ms)
{
	struct process *p = ctx;

	if (!p->attached)
		return;
	link_report(p);
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		struct pair_counters c;
		if (!p->pair[g])
			continue;
		pair_get_counters(p->pair[g], &c);
		struct ha_word w = {.type = HA_COUNTERS,
				    .group = (uint16_t)g,
				    .len = sizeof(c),
				    .payload = (const uint8_t *)&c};
		(void)gateway_tell(p, &w);
	}
	gateway_ring(p);
}

int pairing_start(struct process *p, struct err *err)
{
	loop_timer_init(&p->tick, p->loop, "protocol", on_tick, p);
	loop_timer_init(&p->second, p->loop, "report", on_second, p);
	loop_timer_repeat(&p->second, 1000);
	// groups that the mirror knows go on, configuration or not
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		if (mirror_word_get(p->mirror, g, MIRROR_ROLE) != HA_ROLE_NONE && !group_get(p, g))
			return err_set(err, -ENOMEM, "Not enough memory");
	}
	pairing_rearm(p);
	return 0;
}

void pairing_stop(struct process *p)
{
	loop_timer_fini(&p->tick);
	loop_timer_fini(&p->second);
	if (p->link)
		link_destroy(p->link);
	p->link = NULL;
	for (unsigned g = 1; g <= HA_GROUPS_MAX; g++) {
		pair_destroy(p->pair[g]);
		p->pair[g] = NULL;
	}
	secret_wipe(&p->config, sizeof(p->config));
}
