// What standby_test.c puts in the place of time, event loop, data plane and kernel; to be included
// once. What is done is recorded in `events`, in order.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "hsrp_frame.h"
#include "rri.h"
#include "standby.h"

#define PORT 7

struct gateway gateway;

// ---- the world -------------------------------------------------------------------------------
static uint64_t now_ms;
static struct loop_timer *timer;
static char events[4096];  // what was done, in order
static unsigned sent;
static uint8_t last[HSRP_FRAME_MAX];
static size_t last_len;
static struct if_state port_state = {.port = PORT, .kernel_if = "gi0-1"};
static bool line_up = true;
static struct config *config;

static __attribute__((format(printf, 1, 2))) void event(const char *fmt, ...)
{
	size_t at = strlen(events);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(events + at, sizeof(events) - at, fmt, ap);
	va_end(ap);
}
uint64_t loop_clock_us(void)
{
	return now_ms * 1000;
}
static int64_t wall_s = 1800000000;
int clock_gettime(clockid_t id, struct timespec *t)
{
	*t = (struct timespec){.tv_sec = wall_s + (time_t)(now_ms / 1000)};
	return 0;
}
uint64_t loop_now_ms(const struct loop *l)
{
	return now_ms;
}
void loop_timer_init(struct loop_timer *t, struct loop *l, const char *name, loop_timer_fn fn,
		     void *ctx)
{
	*t = (struct loop_timer){.fn = fn, .ctx = ctx};
	timer = t;
}
void loop_timer_start(struct loop_timer *t, uint32_t delay_ms)
{
	t->due_ms = now_ms + delay_ms;
}
void loop_timer_stop(struct loop_timer *t)
{
	t->due_ms = 0;
}
void loop_timer_fini(struct loop_timer *t)
{
	t->due_ms = 0;
}
int loop_turn(struct loop *l, unsigned timeout_ms)
{
	return 0;
}
static void (*deferred)(void *ctx);
int loop_defer(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
	deferred = fn;
	return 0;
}
static unsigned track_looks;
void track_links_changed(struct gateway *g)
{
	track_looks++;
}
static struct ip_addr station;  // of the network, known to the kernel
size_t kernel_neighbours(const struct kernel *k, uint32_t port, uint8_t family, struct ip_addr *out,
			 size_t max)
{
	if (!addr_is_set(&station))
		return 0;
	out[0] = station;
	return 1;
}
bool dp_running(void)
{
	return true;
}
int dp_port_info(uint32_t port, struct dp_port_info *out)
{
	*out = (struct dp_port_info){.port = port, .mac = {2, 0, 0, 0, 0, 1}};
	return 0;
}
int dp_frame_send(uint32_t port, const uint8_t *frame, size_t len)
{
	struct hsrp_frame f;

	assert_int_equal(port, PORT);
	sent++;
	memcpy(last, frame, len);
	last_len = len;
	hsrp_frame_parse(frame, len, &f);
	if (f.kind == HSRP_FRAME_HELLO && f.payload[0] == 0)
		event("%s ", hsrp_op_name((enum hsrp_op)f.payload[1]));
	else if (f.kind == HSRP_FRAME_ARP_REQUEST)
		event("arp ");
	return 0;
}
int dp_port_mac_add(uint32_t port, const uint8_t mac[6])
{
	event("mac+%02x ", mac[5]);
	return 0;
}
int dp_port_mac_del(uint32_t port, const uint8_t mac[6])
{
	event("mac-%02x ", mac[5]);
	return 0;
}
int kernel_addr_add(struct kernel *k, const char *name, const struct ip_prefix *addr, bool *ours,
		    struct err *err)
{
	char text[PREFIX_STR_MAX];

	event("+%s ", prefix_format(addr, text, sizeof(text)));
	return 0;
}
int kernel_addr_del(struct kernel *k, const char *name, const struct ip_prefix *addr,
		    struct err *err)
{
	char text[PREFIX_STR_MAX];

	event("-%s ", prefix_format(addr, text, sizeof(text)));
	return 0;
}
struct if_state *interface_state(const struct gateway *g, const char *name)
{
	return &port_state;
}
void interface_line(const struct gateway *g, const char *name, bool *line, bool *ip)
{
	*line = *ip = line_up;
}
bool interface_leaves(const struct gateway *g, const struct config *c, const char *name)
{
	const struct interface_config *i = config_interface(c, name);

	return !i || i->shutdown;
}
struct ip_addr tunnel_virtual_address(const struct config *c, const char *name)
{
	return addr_none();
}
bool rri_advertised(const struct config *c, const struct ip_addr *addr)
{
	return false;
}
int crypto_role_apply(struct gateway *g, struct err *err)
{
	return 0;
}
static char warned[1024];
void apply_warn(struct gateway *g, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(warned, sizeof(warned), fmt, ap);
	va_end(ap);
}
void apply_warnings_clear(struct gateway *g)
{
}

// Runs the timer of the groups as often as it comes due.
static void run(uint64_t ms)
{
	uint64_t end = now_ms + ms;

	while (timer->due_ms && timer->due_ms <= end) {
		now_ms = timer->due_ms > now_ms ? timer->due_ms : now_ms;
		timer->due_ms = 0;
		timer->fn(timer->ctx, now_ms);
	}
	now_ms = end;
}
