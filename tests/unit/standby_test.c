// The standby groups of the daemon on made-up ports: what a role does to port and kernel and in
// which order, what a switchover may ask and is told, groups that leave, key chains, IPv6 groups.
// Time, event loop, data plane and kernel are standby_world.h's.
#include "cli.h"
#include "standby_world.h"

// ---- configuration ---------------------------------------------------------------------------
static void add(const char *lines)
{
	char text[2048];
	unsigned errors = 0;

	config_destroy(config);
	config = config_create();
	snprintf(text, sizeof(text),
		 "key chain K\n key 1\n  key-string one\n"
		 "  accept-lifetime 00:00:00 Jan 1 2001 infinite\n"
		 "interface GigabitEthernet0/1\n device vdev net_af_packet0,iface=x\n"
		 " ip address 10.0.0.2 255.255.255.0\n%s\n",
		 lines);
	assert_int_equal(config_load_text(config, text, NULL, NULL, &errors), 0);
	assert_int_equal(errors, 0);
}

static void apply(const char *lines)
{
	struct err err = {0};

	add(lines);
	warned[0] = '\0';
	standby_leave(&gateway, config);
	assert_int_equal(standby_apply(&gateway, config, &err), 0);
}

#define GROUP                                                            \
	" standby 1 ip 10.0.0.100\n standby 1 ip 10.0.0.101 secondary\n" \
	" standby 1 timers 1 4\n standby 1 preempt\n standby 1 name OUT\n"

// A message of another router into the port.
static void hear(enum hsrp_op op, enum hsrp_state state, uint8_t priority)
{
	struct ip_addr src = addr_from_v4(0x0a000009), dst = hsrp_multicast(1, 4);
	struct hsrp_auth auth = {.kind = HSRP_AUTH_TEXT, .text = "cisco"};
	static const uint8_t wire[] = {0, 1, 2, 4, 8, 16}, mac[6] = {2, 0, 0, 0, 0, 9};
	uint8_t p[20] = {0, (uint8_t)op, wire[state], 1, 4, priority, 1}, frame[HSRP_FRAME_MAX];

	memcpy(p + 8, auth.text, 8);
	memcpy(p + 16, addr_from_v4(0x0a000064).bytes, 4);
	size_t n = hsrp_frame_hello(frame, sizeof(frame), mac, &src, &dst, p, sizeof(p));
	assert_true(standby_frame(&gateway, PORT, frame, n));
}

static struct standby_view look(void)
{
	struct standby_view v;

	assert_true(standby_view("OUT", &v));
	return v;
}

static void become_standby(void)
{
	hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 200);
	for (int i = 0; i < 20 && look().state != HSRP_STATE_STANDBY; i++) {
		run(1000);
		hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 200);
	}
	assert_int_equal(look().state, HSRP_STATE_STANDBY);
}

// ---- tests -----------------------------------------------------------------------------------
static int begin(void **state)
{
	struct err err = {0};

	now_ms = 100000;
	line_up = true;
	events[0] = '\0';
	sent = 0;
	gateway.loop = (struct loop *)&gateway;
	gateway.track = track_create(NULL, NULL, NULL);
	standby_hooks_set(NULL);
	return standby_start(&gateway, &err);
}

static int end(void **state)
{
	standby_stop(&gateway);
	track_destroy(gateway.track);
	config_destroy(config);
	config = NULL;
	standby_hold(NULL, false);
	standby_gate("OUT", false);
	return 0;
}

// MAC and addresses come before the hello that announces the role, ARP behind it; and go before the
// resign: nothing is answered any more for what another router may take.
static void test_order(void **state)
{
	apply(GROUP);
	run(20000);
	assert_true(standby_active("OUT"));
	assert_string_equal(strstr(events, "mac+"),
			    strstr(events, "mac+01 +10.0.0.100/24 +10.0.0.101/24 "
					   "hello arp arp "));
	events[0] = '\0';
	line_up = false;
	standby_links_changed(&gateway);
	assert_string_equal(events, "-10.0.0.100/24 -10.0.0.101/24 mac-01 resign ");
	assert_false(standby_active("OUT"));
}

// `shutdown`, and a group that is taken away: the resign is said while the port is there.
static void test_leave(void **state)
{
	struct err err = {0};

	apply(GROUP);
	run(20000);
	add(GROUP " shutdown");
	events[0] = '\0';
	standby_leave(&gateway, config);
	assert_non_null(strstr(events, "resign "));
	// The commit failed further on and is taken back.
	add(GROUP);
	standby_leave(&gateway, config);
	run(20000);
	assert_true(standby_active("OUT"));
	add("");
	events[0] = '\0';
	standby_leave(&gateway, config);
	assert_non_null(strstr(events, "resign "));
	assert_int_equal(standby_apply(&gateway, config, &err), 0);
	assert_null(strstr(strstr(events, "resign ") + 1, "resign "));
	assert_true(TAILQ_EMPTY(&standby_all));
}

static unsigned claims, changes;
static bool claim_preempt;
static void on_claim(void *ctx, const char *name, bool preempt)
{
	assert_string_equal(name, "OUT");
	claims++;
	claim_preempt = preempt;
}
static void on_change(void *ctx, const char *name, enum hsrp_state from, enum hsrp_state to,
		      enum hsrp_event why)
{
	changes++;
	event("[%s-%s] ", hsrp_state_name(from), hsrp_state_name(to));
}

static void test_switchover(void **state)
{
	const struct standby_hooks h = {.claim = on_claim, .change = on_change};

	claims = changes = 0;
	standby_hooks_set(&h);
	// Before there is such a group.
	assert_int_equal(standby_gate("OUT", true), 0);
	apply(GROUP);
	become_standby();
	struct standby_view v = look();
	assert_true(v.gated && v.other_active && v.other_known);
	assert_int_equal(addr_to_v4(&v.other), 0x0a000009);
	assert_int_equal(v.other_priority, 200);
	run(3000);
	assert_int_equal(look().other_heard_ms, 3000);
	assert_int_equal(claims, 0);
	run(1500);
	assert_int_equal(claims, 1);
	assert_false(claim_preempt);
	assert_int_equal(look().state, HSRP_STATE_STANDBY);
	standby_claimed("OUT", false);
	run(3500);
	assert_int_equal(look().state, HSRP_STATE_STANDBY);
	run(600);
	assert_int_equal(claims, 2);
	events[0] = '\0';
	standby_claimed("OUT", true);
	// Told before anything is done or said.
	assert_ptr_equal(strstr(events, "[Standby-Active] "), events);
	assert_true(standby_active("OUT"));
	assert_false(standby_yield("OUT"));  // to nobody
	hear(HSRP_OP_HELLO, HSRP_STATE_STANDBY, 90);
	events[0] = '\0';
	assert_true(standby_yield("OUT"));
	assert_ptr_equal(strstr(events, "[Active-Speak] "), events);
	assert_non_null(strstr(events, "mac-01 resign "));
	assert_true(look().resigned);
	hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 90);
	assert_int_equal(look().state, HSRP_STATE_SPEAK);  // not taken back
	standby_gate("OUT", false);
	standby_reclaim("OUT");
	assert_true(standby_active("OUT"));
	assert_false(standby_view("IN", &v));
	assert_false(standby_yield("IN"));
}

// A group that follows: its leader's master is asked, and while that says that the other box works
// the role is taken only if nothing of that router arrives on the line any more.
#define MEMBER                                                                  \
	" standby 1 ip 10.0.0.100\n standby 1 timers 1 4\n standby 1 name IN\n" \
	" standby 1 follow OUT\n"
static enum standby_answer member_answer;
static enum standby_answer on_member(void *ctx, const char *leader, bool preempt)
{
	assert_string_equal(leader, "OUT");
	claims++;
	claim_preempt = preempt;
	return member_answer;
}

static enum hsrp_state member_state(void)
{
	struct standby_view v;

	assert_true(standby_view("IN", &v));
	return v.state;
}

static void member_missing(void)
{
	const struct standby_hooks h = {.claim = on_claim, .member = on_member};

	claims = 0;
	member_answer = STANDBY_ASK;
	standby_hooks_set(&h);
	assert_int_equal(standby_gate("OUT", true), 0);
	apply(MEMBER);
	for (int i = 0; i < 20 && (i == 0 || member_state() != HSRP_STATE_STANDBY); i++) {
		hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 200);
		run(1000);
	}
	assert_int_equal(member_state(), HSRP_STATE_STANDBY);
	assert_int_equal(claims, 0);
	run(4000);
	assert_int_equal(claims, 1);
	assert_false(claim_preempt);
	assert_int_equal(member_state(), HSRP_STATE_STANDBY);
}

static void test_member_asks(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9}, bia[6] = {2, 0, 0, 0, 0, 1};
	struct ip_addr own = addr_from_v4(0x0a000002), other = addr_from_v4(0x0a000009),
		       third = addr_from_v4(0x0a000007);
	uint8_t frame[HSRP_FRAME_MAX];

	member_missing();
	size_t n = hsrp_frame_arp(frame, sizeof(frame), true, mac, &other, bia, &own);
	standby_frame(&gateway, PORT, frame, n);
	run(4000);
	assert_int_equal(claims, 2);
	assert_int_equal(member_state(), HSRP_STATE_STANDBY);  // it answers
	n = hsrp_frame_arp(frame, sizeof(frame), true, mac, &third, bia, &own);
	standby_frame(&gateway, PORT, frame, n);
	run(4000);
	assert_int_equal(claims, 3);
	assert_int_equal(member_state(), HSRP_STATE_ACTIVE);  // somebody else did
}

// With its leader: what is granted, denied and given away there is so here.
static void test_member_follows(void **state)
{
	struct standby_view v;

	member_missing();
	standby_claimed("OUT", true);  // denied a moment ago, and silent since
	assert_int_equal(member_state(), HSRP_STATE_ACTIVE);
	assert_false(standby_yield("OUT"));  // to nobody
	hear(HSRP_OP_HELLO, HSRP_STATE_STANDBY, 90);
	assert_true(standby_yield("OUT"));
	assert_int_equal(member_state(), HSRP_STATE_SPEAK);
	assert_false(standby_view("OUT", &v));  // a member is not the leader
	// All follow the one, without a line; then none.
	apply(GROUP);
	standby_gate("OUT", false);
	standby_lead("ALL");
	assert_int_equal(standby_gate("ALL", true), 0);
	assert_true(look().gated);
	standby_lead(NULL);
	assert_false(look().gated);
	standby_gate("ALL", false);
}

// The box that works takes what nobody has, though a stronger router is standby.
static void test_member_vacant(void **state)
{
	assert_int_equal(standby_gate("OUT", true), 0);
	apply(MEMBER);
	for (int i = 0; i < 30; i++) {
		hear(HSRP_OP_HELLO, HSRP_STATE_STANDBY, 250);
		run(1000);
		assert_true(member_state() < HSRP_STATE_STANDBY);
	}
	for (int i = 0; i < 10 && member_state() != HSRP_STATE_ACTIVE; i++) {
		hear(HSRP_OP_HELLO, HSRP_STATE_STANDBY, 250);
		standby_vacancies("OUT");
		run(1000);
	}
	assert_int_equal(member_state(), HSRP_STATE_ACTIVE);
}

// Nobody hears the active router: it asks whom it knows, steps down, and the tracked interface is
// down; answered, it takes the role back.
static void insisted(int seconds)
{
	for (int i = 0; i < seconds; i++) {
		hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 100);
		run(1000);
	}
}

static void test_unheard(void **state)
{
	struct ip_addr own = addr_from_v4(0x0a000002), other = addr_from_v4(0x0a000009);
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9}, bia[6] = {2, 0, 0, 0, 0, 1};
	uint8_t frame[HSRP_FRAME_MAX];
	struct hsrp_frame f;

	apply(GROUP " standby 1 priority 110");
	run(20000);
	station = addr_from_v4(0x0a000007);
	hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 100);
	hsrp_frame_parse(last, last_len, &f);
	assert_int_equal(f.kind, HSRP_FRAME_ARP_REQUEST);
	assert_memory_equal(f.sender_mac, bia, 6);
	assert_true(addr_equal(&f.sender, &own) && addr_equal(&f.target, &station));
	insisted(7);
	assert_false(standby_active("OUT"));
	assert_true(standby_unheard("GigabitEthernet0/1"));
	assert_false(standby_unheard("GigabitEthernet0/2"));
	deferred(&gateway);
	assert_int_equal(track_looks, 1);
	// An answer to somebody else, then one to this router, which the host wants to see too.
	size_t n = hsrp_frame_arp(frame, sizeof(frame), true, mac, &station, bia, &other);
	insisted(20);
	assert_false(standby_frame(&gateway, PORT, frame, n));
	assert_true(standby_unheard("GigabitEthernet0/1"));
	n = hsrp_frame_arp(frame, sizeof(frame), true, mac, &station, bia, &own);
	assert_false(standby_frame(&gateway, PORT, frame, n));
	assert_false(standby_unheard("GigabitEthernet0/1"));
	assert_true(standby_active("OUT"));
	station = addr_none();
}

// A router that advertises its interface state: counted, no damage, and of no consequence.
static void test_advert(void **state)
{
	struct ip_addr src = addr_from_v4(0x0a000009), dst = hsrp_multicast(1, 4);
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	// version 0, op 3, type 1, length 10, active, 2 active groups, 1 passive
	const uint8_t p[16] = {0, 3, 0, 1, 0, 10, 3, 0, 0, 2, 0, 1};
	uint8_t frame[HSRP_FRAME_MAX];
	struct standby_port_counters before = standby_counters;

	apply(GROUP);
	run(20000);
	size_t n = hsrp_frame_hello(frame, sizeof(frame), mac, &src, &dst, p, sizeof(p));
	assert_true(standby_frame(&gateway, PORT, frame, n));
	assert_int_equal(standby_counters.adverts, before.adverts + 1);
	assert_int_equal(standby_counters.bad, before.bad);
	assert_int_equal(standby_counters.no_group, before.no_group);
	assert_true(addr_equal(&standby_counters.advert_from, &src));
	assert_true(standby_active("OUT"));
}

static void test_hold(void **state)
{
	assert_int_equal(standby_hold(NULL, true), 0);
	apply(GROUP);
	hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 50);
	for (int i = 0; i < 20; i++) {
		run(1000);
		hear(HSRP_OP_HELLO, HSRP_STATE_ACTIVE, 50);
	}
	assert_true(look().held);
	assert_int_equal(look().state, HSRP_STATE_STANDBY);
	standby_hold(NULL, false);
	assert_true(standby_active("OUT"));
}

// Without a key the group does not run: nobody would hear it.
static void test_key_chain(void **state)
{
	apply(GROUP " standby 1 authentication md5 key-chain NONE");
	assert_non_null(strstr(warned, "there is no key chain NONE"));
	run(30000);
	assert_int_equal(sent, 0);
	assert_true(TAILQ_EMPTY(&standby_all));
	apply(GROUP " standby 1 authentication md5 key-chain K\n standby 1 replay-protection");
	assert_string_equal(warned, "");
	run(30000);
	assert_true(sent > 0);
	apply(GROUP " standby 1 authentication text abc\n standby 1 replay-protection");
	assert_non_null(strstr(warned, "needs authentication md5"));
	apply(GROUP " standby bfd");
	assert_non_null(strstr(warned, "bfd"));
}

static void test_ipv6(void **state)
{
	struct ip_addr vip, from;
	uint8_t frame[HSRP_FRAME_MAX];

	apply(" standby version 2\n standby 2 ipv6 autoconfig\n standby 2 ipv6 2001:db8::/64\n"
	      " standby 2 ipv6 2001:db8::99/64\n standby 2 timers 1 4");
	run(20000);
	assert_non_null(strstr(events, "mac+02 +fe80::5:73ff:fea0:2/128 "
				       "+2001:db8::5:73ff:fea0:2/128 +2001:db8::99/128 "));
	// The host's own advertisement is mended, that of its own address is not.
	assert_int_equal(addr_parse("2001:db8::99", &vip), 0);
	assert_int_equal(addr_parse("fe80::44", &from), 0);
	static const uint8_t own[6] = {2, 0, 0, 0, 0, 1}, vmac[6] = {0, 5, 0x73, 0xa0, 0, 2};
	size_t n = hsrp_frame_na(frame, sizeof(frame), own, &vip, own, &from);
	standby_host_frame(PORT, frame, n);
	assert_memory_equal(frame + 80, vmac, 6);
	n = hsrp_frame_na(frame, sizeof(frame), own, &from, own, &vip);
	standby_host_frame(PORT, frame, n);
	assert_memory_equal(frame + 80, own, 6);
}

static void test_host_device(void **state)
{
	add(GROUP);
	config_interface(config, "GigabitEthernet0/1")->device = IF_DEV_HOST;
	struct err err = {0};
	assert_int_equal(standby_apply(&gateway, config, &err), 0);
	assert_non_null(strstr(warned, "device host"));
	assert_true(TAILQ_EMPTY(&standby_all) || !TAILQ_FIRST(&standby_all)->group);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_order),       T(test_leave),          T(test_switchover),
		T(test_hold),        T(test_unheard),        T(test_advert),
		T(test_key_chain),   T(test_ipv6),           T(test_host_device),
		T(test_member_asks), T(test_member_follows), T(test_member_vacant),
	};
	struct err err = {0};

	if (cli_init(&err))
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	cli_fini();
	return rc;
}
