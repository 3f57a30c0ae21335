// Tracked objects: states from facts, lists, thresholds, delays, watchers, changes of the
// configuration, refused cycles.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"
#include "track.h"

#define T0 1000u

static char journal[4096];
static bool link_up[3];  // what is asked: interfaces Gi0/0..Gi0/2
static bool route_up;

static __attribute__((format(printf, 1, 2))) void note(const char *fmt, ...)
{
	size_t at = strlen(journal);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(journal + at, sizeof(journal) - at, fmt, ap);
	va_end(ap);
}

// What happened since the last look.
static void expect(const char *text)
{
	assert_string_equal(journal, text);
	journal[0] = '\0';
}

static void on_log(void *ctx, uint32_t number, const char *text, bool up)
{
	note("%u %s %s;", number, text, up ? "up" : "down");
}

static void on_ask(void *ctx, const char *interface, const struct ip_prefix *prefix, bool *line,
		   bool *ip)
{
	*line = interface != NULL ? link_up[interface[strlen(interface) - 1] - '0'] : route_up;
	*ip = *line && interface != NULL;
}

static void on_change(void *ctx, enum track_state s)
{
	note("[%s %s]", (const char *)ctx, s == TRACK_UP ? "up" : s == TRACK_DOWN ? "down" : "?");
}

static struct config *load(const char *text)
{
	struct config *c = config_create();
	unsigned errors = 0;
	assert_non_null(c);
	assert_int_equal(config_load_text(c, text, NULL, NULL, &errors), 0);
	assert_int_equal(errors, 0);
	return c;
}

static struct track *start(const char *text)
{
	struct track *t = track_create(on_log, on_ask, NULL);
	struct config *c = load(text);
	struct err err = {0};
	assert_non_null(t);
	assert_int_equal(track_validate(c, &err), 0);
	journal[0] = '\0';
	assert_int_equal(track_configure(t, c, T0), 0);
	config_destroy(c);
	return t;
}

static void again(struct track *t, const char *text, uint64_t now)
{
	struct config *c = load(text);
	assert_int_equal(track_configure(t, c, now), 0);
	config_destroy(c);
}

static bool is_up(const struct track *t, uint32_t number)
{
	struct track_view v;
	assert_true(track_view(t, number, T0, &v));
	assert_int_equal(v.number, number);
	return v.up;
}

#define GI0 "GigabitEthernet0/0"
#define GI1 "GigabitEthernet0/1"
#define GI2 "GigabitEthernet0/2"
#define TWO                                               \
	"track 1 interface " GI0 " line-protocol\nexit\n" \
	"track 2 interface " GI1 " line-protocol\nexit\n"

static int setup(void **state)
{
	memset(link_up, 0, sizeof(link_up));
	route_up = false;
	return 0;
}

static void test_facts(void **state)
{
	link_up[0] = true;
	struct track *t = start(TWO "track 4 interface " GI0 " ip routing\nexit\n"
				    "track 5 ip route 10.1.0.0 255.255.0.0 reachability\nexit\n");
	assert_true(is_up(t, 1));
	assert_false(is_up(t, 2));
	assert_true(is_up(t, 4));
	assert_false(is_up(t, 5));
	expect("");  // to begin is no change

	track_interface(t, GI0, true, false, T0 + 1);
	expect("4 interface Gi0/0 ip routing down;");
	track_interface(t, GI0, true, false, T0 + 1);
	track_interface(t, GI2, true, true, T0 + 1);
	expect("");
	track_interface(t, GI0, false, false, T0 + 2);
	expect("1 interface Gi0/0 line-protocol down;");
	track_interface(t, GI0, true, true, T0 + 3);
	expect("1 interface Gi0/0 line-protocol up;4 interface Gi0/0 ip routing up;");

	struct ip_prefix p, other;
	assert_int_equal(prefix_parse("10.1.0.0/16", &p), 0);
	assert_int_equal(prefix_parse("10.1.0.0/17", &other), 0);
	assert_true(track_route_wanted(t, &p));
	assert_false(track_route_wanted(t, &other));
	track_route(t, &other, true, T0 + 4);
	expect("");
	track_route(t, &p, true, T0 + 4);
	expect("5 ip route 10.1.0.0/16 reachability up;");
	assert_string_equal(track_interface_at(t, 0), GI0);
	assert_string_equal(track_interface_at(t, 1), GI1);
	assert_null(track_interface_at(t, 2));
	assert_true(prefix_equal(track_route_at(t, 0), &p));
	assert_null(track_route_at(t, 1));

	struct track_view v;
	assert_true(track_view(t, 1, T0 + 13, &v));
	assert_int_equal(v.changes, 2);
	assert_int_equal(v.since_ms, 10);
	track_destroy(t);
}

static void test_boolean(void **state)
{
	link_up[0] = link_up[1] = true;
	struct track *t = start(TWO "track 3 list boolean and\n object 1\n object 2\nexit\n"
				    "track 4 list boolean or\n object 1 not\n object 2\nexit\n"
				    "track 6 list boolean and\n object 3\n object 4 not\nexit\n"
				    "track 7 list boolean and\n object 1\n object 99 not\nexit\n"
				    "track 8 list boolean and\nexit\n");
	assert_true(is_up(t, 3));
	assert_true(is_up(t, 4));
	assert_false(is_up(t, 6));
	assert_false(is_up(t, 7));  // 99 does not exist
	assert_false(is_up(t, 8));
	track_interface(t, GI1, false, false, T0 + 1);
	assert_false(is_up(t, 3));
	assert_false(is_up(t, 4));
	expect("2 interface Gi0/1 line-protocol down;3 list boolean and down;"
	       "4 list boolean or down;");
	track_interface(t, GI0, false, false, T0 + 2);
	assert_true(is_up(t, 4));
	track_destroy(t);
}

static void test_thresholds(void **state)
{
	link_up[0] = link_up[1] = true;
	struct track *t = start(TWO "track 3 interface " GI2 " line-protocol\nexit\n"
				    "track 10 list threshold weight\n object 1 weight 20\n"
				    " object 2 weight 10\n object 3 weight 5\n"
				    " threshold weight up 30 down 15\nexit\n"
				    "track 11 list threshold percentage\n object 1\n object 2\n"
				    " object 3\n threshold percentage up 60 down 20\nexit\n"
				    "track 12 list threshold weight\n object 1\nexit\n");
	struct track_view v;
	assert_true(is_up(t, 10));
	assert_true(is_up(t, 11));
	assert_false(is_up(t, 12));  // no thresholds
	assert_true(track_view(t, 10, T0, &v));
	assert_int_equal(v.value, 30);
	assert_true(track_view(t, 11, T0, &v));
	assert_int_equal(v.value, 66);
	track_interface(t, GI1, false, false, T0);  // 20: between the thresholds
	assert_true(is_up(t, 10));
	assert_true(is_up(t, 11));
	track_interface(t, GI0, false, false, T0);
	assert_false(is_up(t, 10));
	assert_false(is_up(t, 11));
	track_interface(t, GI0, true, true, T0);  // 20 again: stays down
	assert_false(is_up(t, 10));
	assert_false(is_up(t, 11));
	track_interface(t, GI2, true, true, T0);  // 25
	assert_false(is_up(t, 10));
	assert_true(is_up(t, 11));
	track_interface(t, GI1, true, true, T0);  // 35
	assert_true(is_up(t, 10));
	track_destroy(t);
}

static void test_delays(void **state)
{
	link_up[0] = true;
	struct track *t =
		start("track 1 interface " GI0 " line-protocol\n delay up 5 down 2\nexit\n"
		      "track 3 list boolean and\n object 1\nexit\n");
	assert_int_equal(track_due(t), TRACK_NEVER);
	track_interface(t, GI0, false, false, T0);
	expect("");
	assert_int_equal(track_due(t), T0 + 2000);
	track_tick(t, T0 + 1999);
	expect("");
	// it came back in time: nothing has happened
	track_interface(t, GI0, true, true, T0 + 1999);
	assert_int_equal(track_due(t), TRACK_NEVER);
	track_tick(t, T0 + 2000);
	expect("");
	track_interface(t, GI0, false, false, T0 + 3000);
	track_tick(t, T0 + 5000);
	expect("1 interface Gi0/0 line-protocol down;3 list boolean and down;");
	track_interface(t, GI0, true, true, T0 + 6000);
	struct track_view v;
	assert_true(track_view(t, 1, T0 + 7000, &v));
	assert_true(v.pending && v.pending_up && !v.up);
	assert_int_equal(v.pending_ms, 4000);
	track_tick(t, T0 + 11000);
	expect("1 interface Gi0/0 line-protocol up;3 list boolean and up;");
	track_destroy(t);
}

static void test_watchers(void **state)
{
	char who[96];
	link_up[0] = true;
	struct track *t = start(TWO "track 3 list boolean and\n object 1\nexit\n");
	struct track_watch *a = track_watch(t, 1, "HSRP " GI1 " 2", on_change, (void *)"a");
	struct track_watch *b = track_watch(t, 9, "HSRP " GI1 " 2", on_change, (void *)"b");
	struct track_watch *c =
		track_watch_interface(t, GI2, "HSRP " GI1 " 2", on_change, (void *)"c", T0);
	struct track_watch *d =
		track_watch_interface(t, GI2, "HSRP " GI0 " 1", on_change, (void *)"d", T0);
	assert_non_null(d);
	assert_int_equal(track_watch_state(a), TRACK_UP);
	assert_int_equal(track_watch_state(b), TRACK_UNDEFINED);
	assert_int_equal(track_watch_state(c), TRACK_DOWN);
	assert_string_equal(track_interface_at(t, 2), GI2);
	assert_true(track_view_watcher(t, 1, 0, who, sizeof(who)));
	assert_string_equal(who, "HSRP " GI1 " 2");
	assert_true(track_view_watcher(t, 1, 1, who, sizeof(who)));
	assert_string_equal(who, "Track-list 3");
	assert_false(track_view_watcher(t, 1, 2, who, sizeof(who)));

	track_interface(t, GI0, false, false, T0);
	expect("1 interface Gi0/0 line-protocol down;3 list boolean and down;[a down]");
	track_interface(t, GI2, true, true, T0);
	expect("[c up][d up]");
	track_unwatch(t, d);
	track_interface(t, GI2, false, false, T0);
	expect("[c down]");
	track_unwatch(t, c);
	assert_null(track_interface_at(t, 2));
	track_unwatch(t, NULL);
	// object 9 comes, object 1 goes
	again(t, "track 9 interface " GI1 " line-protocol\nexit\n", T0);
	expect("[a ?][b down]");
	track_destroy(t);
}

static void test_reconfigure(void **state)
{
	link_up[0] = true;
	struct track *t = start("track 1 interface " GI0 " line-protocol\n delay down 9\nexit\n");
	struct track_watch *w = track_watch(t, 1, "w", on_change, (void *)"w");
	struct track_view v;
	assert_non_null(w);
	track_interface(t, GI0, false, false, T0 + 5);
	again(t, "track 1 interface " GI0 " line-protocol\n delay down 8\nexit\n" TWO, T0 + 6);
	assert_int_equal(track_due(t), T0 + 9005);  // runs on
	expect("");
	again(t, TWO, T0 + 7);  // without delay it takes effect at once
	expect("1 interface Gi0/0 line-protocol down;[w down]");
	assert_true(track_view(t, 1, T0 + 8, &v));
	assert_int_equal(v.changes, 1);
	assert_int_equal(v.since_ms, 1);
	// about something else: a new object, but the watcher is told
	link_up[2] = true;
	again(t, "track 1 interface " GI2 " line-protocol\nexit\n", T0 + 9);
	expect("[w up]");
	assert_true(track_view(t, 1, T0 + 9, &v));
	assert_int_equal(v.changes, 0);
	assert_false(track_view(t, 2, T0, &v));
	track_destroy(t);
}

static void test_cycles(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"track 1 list boolean and\n object 2\nexit\ntrack 2 list boolean or\n object 3\n"
		 "exit\ntrack 3 list boolean and\n object 1\nexit\n",
		 false},
		{"track 1 list boolean and\n object 2\n object 3\nexit\n"
		 "track 2 list boolean or\n object 3\nexit\n"
		 "track 3 list boolean and\n object 77\nexit\n",
		 true},
		{"track 1 list boolean and\n object 2\nexit\n"
		 "track 2 list boolean or\n object 1 not\nexit\n",
		 false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *c = load(cases[i].text);
		struct err err = {0};
		assert_int_equal(track_validate(c, &err), cases[i].good ? 0 : -ELOOP);
		config_destroy(c);
	}
}

static int cli_start(void **state)
{
	return cli_init(NULL);
}

static int cli_end(void **state)
{
	cli_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_facts, setup),
		cmocka_unit_test_setup(test_boolean, setup),
		cmocka_unit_test_setup(test_thresholds, setup),
		cmocka_unit_test_setup(test_delays, setup),
		cmocka_unit_test_setup(test_watchers, setup),
		cmocka_unit_test_setup(test_reconfigure, setup),
		cmocka_unit_test_setup(test_cycles, setup),
	};
	return cmocka_run_group_tests(tests, cli_start, cli_end);
}
