// tandem-bench replication: stands where HSRP stands in the daemon. Who is active is what the
// commands say. Both boxes share two processors here: hellos of a second, a hold time of three.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "replication.h"
#include "standby.h"

#define HELLO_MS 1000
#define HOLD_MS  3000

struct standby_list standby_all = TAILQ_HEAD_INITIALIZER(standby_all);
static struct standby_hooks hooks;
static bool active;

void rep_hsrp_claim(void)
{
	if (hooks.claim && !active)
		hooks.claim(hooks.ctx, REP_NAME, false);
}

bool rep_hsrp_active(void)
{
	return active;
}

void standby_hooks_set(const struct standby_hooks *h)
{
	hooks = h ? *h : (struct standby_hooks){0};
}

void standby_claimed(const char *name, bool granted)
{
	active |= granted;
}

bool standby_view(const char *name, struct standby_view *out)
{
	unsigned box = (unsigned)(rep_box - rep_shared->box);

	*out = (struct standby_view){.number = 1,
				     .state = active ? HSRP_STATE_ACTIVE : HSRP_STATE_STANDBY,
				     .priority = (uint8_t)(110 - box),
				     .hello_ms = HELLO_MS,
				     .hold_ms = HOLD_MS,
				     .local = addr_from_v4(REP_LOCAL + 1 + box),
				     .virtual_ip = addr_from_v4(REP_LOCAL)};
	return true;
}

int standby_hold(const char *name, bool hold)
{
	return 0;
}

void standby_resume(const char *name)
{
}

int standby_gate(const char *name, bool gated)
{
	return 0;
}

bool standby_yield(const char *name)
{
	active = false;
	return true;
}

void standby_reclaim(const char *name)
{
}

void standby_linger(uint32_t ms)
{
}

void standby_macs_check(void)
{
}

uint64_t standby_now(void)
{
	return loop_clock_us() / 1000;
}

void standby_lead(const char *name)
{
}

void standby_vacancies(const char *name)
{
}

void standby_missed(const char *name)
{
}

void standby_handed(const char *name, bool planned)
{
}

bool standby_frame(struct gateway *g, uint32_t port, const uint8_t *frame, size_t len)
{
	return false;
}

void standby_host_frame(uint32_t port, uint8_t *frame, size_t len)
{
}

// ---- instead of apply.c, track.c
// -----------------------------------------------------------------
void apply_warn(struct gateway *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void track_links_changed(struct gateway *g)
{
}

void dynamic_policies_changed(struct gateway *g)
{
}
