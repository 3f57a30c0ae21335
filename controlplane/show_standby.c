// show standby [INTERFACE [GROUP]] [brief] [all].

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"
#include "standby.h"

struct view {
	const struct standby *s;
	struct hsrp_snapshot v;
	const char *virtual;  // text, or "unknown"
	char text[ADDR_STR_MAX];
};

static void view_fill(struct view *x, const struct standby *s)
{
	x->s = s;
	hsrp_group_snapshot(s->group, standby_now(), &x->v);
	x->virtual = addr_is_set(&x->v.virtual_ip)
			     ? addr_format(&x->v.virtual_ip, x->text, sizeof(x->text))
			     : "unknown";
}

static const char *mac_format(const uint8_t m[6], char *buf, size_t cap)
{
	snprintf(buf, cap, "%02x%02x.%02x%02x.%02x%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return buf;
}

// "local", an address, or "unknown"
static const char *peer_format(const struct hsrp_peer_view *p, char *buf, size_t cap)
{
	return p->local                ? "local"
	       : addr_is_set(&p->addr) ? addr_format(&p->addr, buf, cap)
				       : "unknown";
}

// "50 msec" or "3 sec"
static const char *time_format(uint32_t ms, char *buf, size_t cap)
{
	bool whole = ms % 1000 == 0;
	snprintf(buf, cap, "%u %s", whole ? ms / 1000 : ms, whole ? "sec" : "msec");
	return buf;
}

// ---- text ------------------------------------------------------------------------------------
static void text_state(struct cli *cli, const struct view *x)
{
	const struct hsrp_snapshot *v = &x->v;
	char a[32];

	cli_printf(cli, "%s - Group %u%s\n", x->s->interface, v->number,
		   v->version == 2 ? " (version 2)" : "");
	cli_printf(cli, "  State is %s\n", hsrp_state_name(v->state));
	cli_printf(cli, "    %u state change%s, last state change %s\n", v->state_changes,
		   v->state_changes == 1 ? "" : "s",
		   duration_format(v->since_ms / 1000, a, sizeof(a)));
	if (v->start_left_ms)
		cli_printf(cli, "    Starts in %u.%03u secs\n", v->start_left_ms / 1000,
			   v->start_left_ms % 1000);
	cli_printf(cli, "  Virtual IP address is %s%s\n", x->virtual,
		   v->virtual_learnt ? " (learnt)" : "");
	for (unsigned i = 0; i < x->s->secondary_count; i++) {
		char t[ADDR_STR_MAX];
		cli_printf(cli, "    Secondary virtual IP address %s\n",
			   addr_format(&x->s->secondary[i], t, sizeof(t)));
	}
	mac_format(v->virtual_mac, a, sizeof(a));
	cli_printf(cli, "  Active virtual MAC address is %s%s\n",
		   v->active.local || addr_is_set(&v->active.addr) ? a : "unknown",
		   x->s->raised ? " (MAC In Use)" : "");
	cli_printf(cli, "    Local virtual MAC address is %s\n", a);
}

static bool stamped(const struct view *x)
{
	return x->s->key_kind != STANDBY_KEY_NONE && hsrp_group_conf(x->s->group)->stamps;
}

static void text_timers(struct cli *cli, const struct view *x)
{
	const struct hsrp_snapshot *v = &x->v;
	char a[32], b[32];

	cli_printf(cli, "  Hello time %s, hold time %s%s\n", time_format(v->hello_ms, a, sizeof(a)),
		   time_format(v->hold_ms, b, sizeof(b)), v->timers_learnt ? " (learnt)" : "");
	if (v->next_hello_ms)
		cli_printf(cli, "    Next hello sent in %u.%03u secs\n", v->next_hello_ms / 1000,
			   v->next_hello_ms % 1000);
	if (x->s->key_kind != STANDBY_KEY_NONE)
		cli_printf(cli, "  Authentication MD5, %s%s%s%s\n",
			   x->s->key_kind == STANDBY_KEY_STRING ? "key-string" : "key-chain ",
			   x->s->key_chain[0] ? "\"" : "", x->s->key_chain,
			   x->s->key_chain[0] ? "\"" : "");
	if (stamped(x))
		cli_puts(cli, "  Replay protection by stamps\n");
	if (!v->preempt)
		cli_puts(cli, "  Preemption disabled\n");
	else
		cli_printf(cli, "  Preemption enabled%s\n",
			   x->s->held           ? ", held until synchronised"
			   : v->preempt_waiting ? ", waits for its delay"
						: "");
	if (v->claiming)
		cli_puts(cli, "    Asks the other gateway before it becomes active\n");
	if (v->resigned)
		cli_puts(cli, "    Has given the active role away\n");
	if (v->unheard)
		cli_printf(cli, "    Is not heard, and does not preempt%s\n",
			   v->back_off_ms ? " (back-off)" : "");
	if (addr_is_set(&v->rival)) {
		char t[ADDR_STR_MAX];
		cli_printf(cli, "    %s insists on the active role\n",
			   addr_format(&v->rival, t, sizeof(t)));
	}
}

static void text_peer(struct cli *cli, const char *role, const struct hsrp_peer_view *p)
{
	char a[ADDR_STR_MAX];

	cli_printf(cli, "  %s router is %s", role, peer_format(p, a, sizeof(a)));
	if (!p->local && addr_is_set(&p->addr))
		cli_printf(cli, ", priority %u (expires in %u.%03u sec)", p->priority,
			   p->left_ms / 1000, p->left_ms % 1000);
	cli_puts(cli, "\n");
}

static void text_tracked(struct cli *cli, const struct standby *s)
{
	static const char *const words[] = {"Undefined", "Down", "Up"};

	for (unsigned i = 0; i < s->tracked_count; i++) {
		const struct standby_tracked *t = &s->tracked[i];
		const char *state = words[track_watch_state(t->watch)];
		if (t->object)
			cli_printf(cli, "    Track object %u state %s", t->object, state);
		else
			cli_printf(cli, "    Track interface %s state %s", t->interface, state);
		if (t->shutdown)
			cli_puts(cli, " shutdown\n");
		else
			cli_printf(cli, " decrement %u\n", t->decrement);
	}
}

// What an operator asks first: did somebody try something?
struct attempts {
	uint64_t forged, truncated, replayed;
};
static struct attempts attempts_of(const struct hsrp_snapshot *v)
{
	struct attempts a = {
		.truncated = v->reasons[HSRP_RX_TRUNCATED] + v->reasons[HSRP_RX_BAD_LENGTH],
		.replayed = v->reasons[HSRP_RX_REPLAYED] + v->reasons[HSRP_RX_OWN_ADDRESS]};

	for (int i = HSRP_RX_DUPLICATE_TLV; i <= HSRP_RX_NO_STAMP; i++)
		a.forged += i == HSRP_RX_OWN_ADDRESS ? 0 : v->reasons[i];
	return a;
}

static void text_counters(struct cli *cli, const struct view *x)
{
	const struct hsrp_snapshot *v = &x->v;

	cli_puts(cli, "  Messages sent");
	for (int i = 0; i < HSRP_OPS; i++)
		cli_printf(cli, "%s %ju %s", i ? "," : "", (uintmax_t)v->sent[i],
			   hsrp_op_name((enum hsrp_op)i));
	cli_puts(cli, "\n  Messages received");
	for (int i = 0; i < HSRP_OPS; i++)
		cli_printf(cli, "%s %ju %s", i ? "," : "", (uintmax_t)v->received[i],
			   hsrp_op_name((enum hsrp_op)i));
	cli_printf(cli, "\n  ARP answers %ju, announcements %ju, not sent %ju\n",
		   (uintmax_t)x->s->arp_answers, (uintmax_t)x->s->announcements,
		   (uintmax_t)x->s->send_failed);
	cli_printf(cli, "  Gave up unheard %u, disputed %u, questions %ju, answers %ju\n",
		   v->unheard_count, v->disputed_count, (uintmax_t)x->s->questions,
		   (uintmax_t)x->s->answers);
	struct attempts t = attempts_of(v);
	cli_printf(cli, "  Forged or foreign %ju, truncated %ju, replayed %ju\n",
		   (uintmax_t)t.forged, (uintmax_t)t.truncated, (uintmax_t)t.replayed);
	for (int i = HSRP_RX_OK + 1; i < HSRP_RX_REASONS; i++)
		if (v->reasons[i])
			cli_printf(cli, "  %s %s %ju\n", i < HSRP_RX_ERRORS ? "Refused" : "Noted",
				   hsrp_rx_name((enum hsrp_rx)i), (uintmax_t)v->reasons[i]);
}

static void group_text(struct cli *cli, const struct view *x, bool all)
{
	const struct hsrp_snapshot *v = &x->v;

	text_state(cli, x);
	text_timers(cli, x);
	text_peer(cli, "Active", &v->active);
	text_peer(cli, "Standby", &v->standby);
	cli_printf(cli, "  Priority %u (", v->priority);
	if (v->configured_priority == 100)
		cli_puts(cli, "default 100)\n");
	else
		cli_printf(cli, "configured %u)\n", v->configured_priority);
	text_tracked(cli, x->s);
	if (x->s->name[0])
		cli_printf(cli, "  Group name is \"%s\" (cfgd)\n", x->s->name);
	if (all)
		text_counters(cli, x);
}

static void group_brief(struct cli *cli, const struct view *x)
{
	const struct hsrp_snapshot *v = &x->v;
	char name[CONFIG_NAME_MAX], a[ADDR_STR_MAX], b[ADDR_STR_MAX];

	cli_printf(cli, "%-11s %-4u %-3u %c %-7s %-15s %-15s %s\n",
		   track_interface_short(x->s->interface, name, sizeof(name)), v->number,
		   v->priority, v->preempt ? 'P' : ' ', hsrp_state_name(v->state),
		   peer_format(&v->active, a, sizeof(a)), peer_format(&v->standby, b, sizeof(b)),
		   x->virtual);
}

// ---- JSON ------------------------------------------------------------------------------------
static void json_counters(struct json *w, const struct view *x)
{
	const struct hsrp_snapshot *v = &x->v;

	json_obj(w, "sent");
	for (int i = 0; i < HSRP_OPS; i++)
		json_u64(w, hsrp_op_name((enum hsrp_op)i), v->sent[i]);
	json_end(w);
	json_obj(w, "received");
	for (int i = 0; i < HSRP_OPS; i++)
		json_u64(w, hsrp_op_name((enum hsrp_op)i), v->received[i]);
	json_end(w);
	json_obj(w, "refused");
	for (int i = HSRP_RX_OK + 1; i < HSRP_RX_ERRORS; i++)
		json_u64(w, hsrp_rx_name((enum hsrp_rx)i), v->reasons[i]);
	json_end(w);
	json_obj(w, "noted");
	for (int i = HSRP_RX_ERRORS; i < HSRP_RX_REASONS; i++)
		json_u64(w, hsrp_rx_name((enum hsrp_rx)i), v->reasons[i]);
	json_end(w);
	struct attempts t = attempts_of(v);
	json_u64(w, "forged", t.forged);
	json_u64(w, "truncated", t.truncated);
	json_u64(w, "replayed", t.replayed);
	json_u64(w, "arp_answers", x->s->arp_answers);
	json_u64(w, "announcements", x->s->announcements);
	json_u64(w, "not_sent", x->s->send_failed);
	json_u64(w, "questions", x->s->questions);
	json_u64(w, "answers", x->s->answers);
}

static void json_tracked(struct json *w, const struct standby *s)
{
	static const char *const words[] = {"Undefined", "Down", "Up"};

	json_arr(w, "tracked");
	for (unsigned i = 0; i < s->tracked_count; i++) {
		const struct standby_tracked *t = &s->tracked[i];
		json_obj(w, NULL);
		if (t->object)
			json_u64(w, "object", t->object);
		else
			json_str(w, "interface", t->interface);
		json_str(w, "state", words[track_watch_state(t->watch)]);
		json_u64(w, "decrement", t->shutdown ? 0 : t->decrement);
		json_bool(w, "shutdown", t->shutdown);
		json_end(w);
	}
	json_end(w);
}

static void group_json(struct json *w, const struct view *x)
{
	const struct hsrp_snapshot *v = &x->v;
	char a[ADDR_STR_MAX];

	json_obj(w, NULL);
	json_str(w, "interface", x->s->interface);
	json_u64(w, "group", v->number);
	json_str(w, "name", x->s->name[0] ? x->s->name : NULL);
	json_u64(w, "version", v->version);
	json_str(w, "state", hsrp_state_name(v->state));
	json_u64(w, "state_changes", v->state_changes);
	json_u64(w, "last_change_ms", v->since_ms);
	json_str(w, "virtual_ip", addr_is_set(&v->virtual_ip) ? x->virtual : NULL);
	json_str(w, "virtual_mac", mac_format(v->virtual_mac, a, sizeof(a)));
	json_u64(w, "priority", v->priority);
	json_u64(w, "configured_priority", v->configured_priority);
	json_bool(w, "preempt", v->preempt);
	json_bool(w, "held", x->s->held);
	json_str(w, "authentication",
		 x->s->key_kind == STANDBY_KEY_STRING  ? "md5 key-string"
		 : x->s->key_kind == STANDBY_KEY_CHAIN ? "md5 key-chain"
						       : "text");
	json_bool(w, "replay_protection", stamped(x));
	json_arr(w, "secondary_virtual_ips");
	for (unsigned i = 0; i < x->s->secondary_count; i++)
		json_str(w, NULL, addr_format(&x->s->secondary[i], a, sizeof(a)));
	json_end(w);
	json_bool(w, "unheard", v->unheard);
	json_u64(w, "back_off_ms", v->back_off_ms);
	json_u64(w, "unheard_count", v->unheard_count);
	json_u64(w, "disputed_count", v->disputed_count);
	json_str(w, "insisting",
		 addr_is_set(&v->rival) ? addr_format(&v->rival, a, sizeof(a)) : NULL);
	json_u64(w, "hello_ms", v->hello_ms);
	json_u64(w, "hold_ms", v->hold_ms);
	json_str(w, "active", peer_format(&v->active, a, sizeof(a)));
	json_str(w, "standby", peer_format(&v->standby, a, sizeof(a)));
	json_tracked(w, x->s);
	json_counters(w, x);
	json_end(w);
}

static bool group_selected(const struct standby *s, const struct cli_args *args)
{
	if (!s->group || (args->values > 0 && strcmp(s->interface, args->value[0]) != 0))
		return false;
	return args->values < 2 || s->number == strtoul(args->value[1], NULL, 10);
}

static void adverts_text(struct cli *cli)
{
	char a[ADDR_STR_MAX];

	cli_printf(cli, "Advertisements %ju", (uintmax_t)standby_counters.adverts);
	if (standby_counters.adverts)
		cli_printf(cli, ", the last one from %s",
			   addr_format(&standby_counters.advert_from, a, sizeof(a)));
	cli_puts(cli, "\n");
}

static int show_standby(struct cli *cli, const struct cli_args *args)
{
	struct json *w = cli_json(cli);
	bool brief = cli_has(args, "brief"), all = cli_has(args, "all");
	const struct standby *s;
	struct view x;

	if (w) {
		json_obj(w, NULL);
		json_arr(w, "groups");
	} else if (brief) {
		cli_puts(cli, "                     P indicates configured to preempt.\n"
			      "                     |\n");
		cli_puts(cli, "Interface   Grp  Pri P State   Active          Standby         "
			      "Virtual IP\n");
	}
	TAILQ_FOREACH (s, &standby_all, link) {
		if (!group_selected(s, args))
			continue;
		view_fill(&x, s);
		if (w)
			group_json(w, &x);
		else if (brief)
			group_brief(cli, &x);
		else
			group_text(cli, &x, all);
	}
	if (w) {
		json_end(w);
		json_u64(w, "frames_damaged", standby_counters.bad);
		json_u64(w, "frames_without_group", standby_counters.no_group);
		json_u64(w, "advertisements", standby_counters.adverts);
		json_end(w);
	} else if (all) {
		cli_printf(cli, "Messages damaged %ju, of groups not configured %ju\n",
			   (uintmax_t)standby_counters.bad, (uintmax_t)standby_counters.no_group);
		adverts_text(cli);
	}
	return CLI_DONE;
}

static const char *const help[][2] = {
	{"standby", "Hot standby (HSRP) groups"},
	{"INTERFACE", "Groups of one interface"},
	{"NUMBER<0-4095>", "One group"},
	{"brief", "One line for each"},
	{"all", "With the counters"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_EXEC, "show standby [INTERFACE [NUMBER<0-4095>]] [brief] [all]", help, show_standby,
	 CLI_JSON, &gateway},
};

int show_standby_register(struct gateway *g, struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
