// standby [GROUP] ... on an interface: HSRP as configured (RFC 2281 and version 2).
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd_standby.h"

static struct standby_group *group_find(const struct interface_config *i, uint16_t number)
{
	struct standby_group *g;
	TAILQ_FOREACH (g, &i->standby, link) {
		if (g->number == number)
			return g;
	}
	return NULL;
}

static struct standby_group *group_add(struct cli *cli, struct interface_config *i, uint16_t number)
{
	struct standby_group *g = cmd_alloc(cli, sizeof(*g)), *after;

	if (g == NULL)
		return NULL;
	g->number = number;
	g->priority = 100;
	g->hello_ms = 3000;
	g->hold_ms = 10000;
	strcpy(g->auth_text, "cisco");
	TAILQ_INIT(&g->secondary);
	TAILQ_INIT(&g->tracks);
	TAILQ_FOREACH (after, &i->standby, link) {
		if (after->number > number)
			break;
	}
	if (after != NULL)
		TAILQ_INSERT_BEFORE(after, g, link);
	else
		TAILQ_INSERT_TAIL(&i->standby, g, link);
	return g;
}

struct standby_group *standby_group_of(struct cli *cli, const struct cli_args *a, unsigned *rest)
{
	struct interface_config *i = cli_object(cli);
	bool given = a->count > 1 && isdigit((unsigned char)a->word[1][0]);
	uint16_t number = given ? (uint16_t)cmd_u32(a->word[1]) : 0;

	*rest = given ? 1 : 0;
	if (number > 255 && i->standby_version != 2) {
		cli_error(cli, "%% group %u needs standby version 2", number);
		return NULL;
	}
	struct standby_group *g = group_find(i, number);
	if (g == NULL && a->no) {
		cli_error(cli, "%% there is no standby group %u on this interface", number);
		return NULL;
	}
	if (g == NULL)
		g = group_add(cli, i, number);
	if (g != NULL)
		g->number_given |= given;
	return g;
}

static bool group_is_default(const struct standby_group *g)
{
	return !g->ip_set && !g->replay_protection && TAILQ_EMPTY(&g->secondary) &&
	       TAILQ_EMPTY(&g->tracks) && g->priority == 100 && !g->preempt && !g->timers_set &&
	       g->name[0] == '\0' && g->follow[0] == '\0' && g->auth_kind == STANDBY_AUTH_TEXT &&
	       strcmp(g->auth_text, "cisco") == 0 && !g->mac_set && !g->use_bia;
}

// Runs the handler in ctx; a group without any setting (a failed first line, or a last `no`) is
// not kept.
int standby_group_run(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	const cli_fn *fn = cli_ctx(cli);
	int rc = (*fn)(cli, a);
	struct standby_group *g, *next;

	for (g = TAILQ_FIRST(&i->standby); g != NULL; g = next) {
		next = TAILQ_NEXT(g, link);
		if (group_is_default(g))
			TAILQ_REMOVE(&i->standby, g, link);
	}
	return rc;
}

static int cmd_no_group(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	struct standby_group *g = group_find(i, (uint16_t)cmd_u32(a->value[0]));

	if (g == NULL)
		return cli_error(cli, "%% there is no such standby group");
	TAILQ_REMOVE(&i->standby, g, link);
	return 0;
}

static int cmd_ip(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct ip_addr addr = {0};
	char text[ADDR_STR_MAX];
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	bool given = a->values > v, secondary = cli_has(a, "secondary");
	if (g->ipv6)
		return cli_error(cli, "%% standby group %u is an IPv6 group; use another number",
				 g->number);
	if (given && cmd_addr(cli, a->value[v], &addr) != 0)
		return -1;
	if (given && (addr_is_zero(&addr) || addr_is_multicast(&addr)))
		return cli_error(cli, "%% this address cannot be a virtual address");
	addr_format(&addr, text, sizeof(text));
	if (secondary && a->no)
		return cmd_string_remove(&g->secondary, text)
			       ? 0
			       : cli_error(cli, "%% the group does not have this address");
	if (secondary)
		return cmd_string_has(&g->secondary, text)
			       ? 0
			       : config_string_add(cli_candidate(cli), &g->secondary, text);
	g->ip_set = !a->no;
	g->ip = a->no ? addr_none() : addr;
	return 0;
}

static int cmd_priority(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	g->priority = a->no ? 100 : (uint8_t)cmd_u32(a->value[v]);
	if (cli_has(a, "preempt"))
		g->preempt = !a->no;
	return 0;
}

static int cmd_preempt(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	g->preempt = !a->no;
	g->preempt_min_s = g->preempt_reload_s = g->preempt_sync_s = 0;
	if (a->no)
		return 0;
	const char *min = cli_after(a, "minimum"), *reload = cli_after(a, "reload");
	const char *sync = cli_after(a, "sync");
	g->preempt_min_s = min != NULL ? cmd_u32(min) : 0;
	g->preempt_reload_s = reload != NULL ? cmd_u32(reload) : 0;
	g->preempt_sync_s = sync != NULL ? cmd_u32(sync) : 0;
	return 0;
}

static int cmd_timers(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	if (a->no) {
		g->timers_set = g->hello_msec = g->hold_msec = false;
		g->hello_ms = 3000;
		g->hold_ms = 10000;
		return 0;
	}
	// `msec` may stand before either number.
	unsigned w = (isdigit((unsigned char)a->word[1][0]) ? 3 : 2);
	bool hello_msec = strcmp(a->word[w], "msec") == 0;
	w += hello_msec ? 2 : 1;
	bool hold_msec = strcmp(a->word[w], "msec") == 0;
	uint32_t hello = cmd_u32(a->value[v]), hold = cmd_u32(a->value[v + 1]);
	uint32_t hello_ms = hello_msec ? hello : hello * 1000,
		 hold_ms = hold_msec ? hold : hold * 1000;
	if ((!hello_msec && hello > 254) || (!hold_msec && hold > 255))
		return cli_error(cli,
				 "%% timers in seconds are at most 254 (hello) and 255 (hold)");
	if ((hello_msec && (hello < 15 || hello > 999)) ||
	    (hold_msec && (hold < 50 || hold > 3000)))
		return cli_error(cli,
				 "%% timers in milliseconds are 15-999 (hello) and 50-3000 (hold)");
	if (hold_ms <= hello_ms)
		return cli_error(cli, "%% the hold time must be longer than the hello time");
	g->timers_set = true;
	g->hello_msec = hello_msec;
	g->hold_msec = hold_msec;
	g->hello_ms = hello_ms;
	g->hold_ms = hold_ms;
	return 0;
}

static int cmd_standby_name(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	if (a->no) {
		g->name[0] = '\0';
		return 0;
	}
	return cmd_name(cli, g->name, a->value[v], "standby group");
}

static int cmd_follow(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	if (a->no) {
		g->follow[0] = '\0';
		return 0;
	}
	if (strcmp(a->value[v], g->name) == 0)
		return cli_error(cli, "%% a standby group cannot follow itself");
	return cmd_name(cli, g->follow, a->value[v], "standby group");
}

static int cmd_track(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_track like = {.decrement = 10, .shutdown = cli_has(a, "shutdown")}, *t;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	if (a->values <= v)
		return cli_error(cli, "%% track what?");
	if (isdigit((unsigned char)a->value[v][0]))
		like.object = cmd_u32(a->value[v]);
	else
		strcpy(like.interface, a->value[v]);
	if (a->values > v + 1)
		like.decrement = cmd_u32(a->value[v + 1]);
	TAILQ_FOREACH (t, &g->tracks, link) {
		if (t->object == like.object && strcmp(t->interface, like.interface) == 0)
			break;
	}
	if (a->no) {
		if (t == NULL)
			return cli_error(cli, "%% the group does not track this");
		TAILQ_REMOVE(&g->tracks, t, link);
		return 0;
	}
	if (t == NULL) {
		t = cmd_alloc(cli, sizeof(*t));
		if (t == NULL)
			return -1;
		TAILQ_INSERT_TAIL(&g->tracks, t, link);
	}
	like.link = t->link;
	*t = like;
	return 0;
}

static int cmd_authentication(struct cli *cli, const struct cli_args *a)
{
	unsigned v;
	struct standby_group *g = standby_group_of(cli, a, &v);
	const char *timeout = cli_after(a, "timeout");

	if (g == NULL)
		return -1;
	if (a->no) {
		g->auth_kind = STANDBY_AUTH_TEXT;
		strcpy(g->auth_text, "cisco");
		g->auth_key = NULL;
		g->auth_timeout_s = 0;
		return 0;
	}
	const char *text = a->value[v];
	if (!cli_has(a, "md5")) {
		if (strlen(text) < 1 || strlen(text) > 8)
			return cli_error(cli, "%% authentication text has 1 to 8 characters");
		g->auth_kind = STANDBY_AUTH_TEXT;
		strcpy(g->auth_text, text);
		g->auth_key = NULL;
		return 0;
	}
	if (strlen(text) < 1 || strlen(text) > 64 || strcmp(text, "<hidden>") == 0)
		return cli_error(cli, "%% the key has 1 to 64 characters");
	const char *key = cmd_strdup(cli, text);
	if (key == NULL)
		return -1;
	g->auth_key = key;
	g->auth_kind = cli_has(a, "key-chain") ? STANDBY_AUTH_CHAIN : STANDBY_AUTH_MD5;
	g->auth_timeout_s = timeout != NULL ? cmd_u32(timeout) : 0;
	return 0;
}

static int cmd_mac(struct cli *cli, const struct cli_args *a)
{
	unsigned v, x, y, z;
	int used = 0;
	struct standby_group *g = standby_group_of(cli, a, &v);

	if (g == NULL)
		return -1;
	if (a->no) {
		g->mac_set = false;
		return 0;
	}
	const char *s = a->value[v];
	if (sscanf(s, "%4x.%4x.%4x%n", &x, &y, &z, &used) != 3 || s[used] != '\0' ||
	    (x & 0x100) != 0)
		return cli_error(
			cli, "%% a MAC address looks like 0000.0c07.ac01, and is not a group's");
	const unsigned part[3] = {x, y, z};
	for (unsigned i = 0; i < 6; i++)
		g->mac[i] = (uint8_t)(part[i / 2] >> (i % 2 == 0 ? 8 : 0));
	g->mac_set = true;
	return 0;
}

static cli_fn run_ip = cmd_ip, run_priority = cmd_priority, run_preempt = cmd_preempt,
	      run_timers = cmd_timers, run_standby_name = cmd_standby_name, run_follow = cmd_follow,
	      run_track = cmd_track, run_authentication = cmd_authentication, run_mac = cmd_mac;

#define G     STANDBY_G
#define DELAY "NUMBER<0-3600>"

static const struct cli_cmd rows[] = {
	{CLI_IF, "standby NUMBER<0-4095>", NULL, cmd_no_group, CLI_NO_ONLY, NULL},
	{CLI_IF, G "ip [A.B.C.D [secondary]]", NULL, standby_group_run, CLI_NO, &run_ip},
	{CLI_IF, G "priority NUMBER<0-255> [preempt]", NULL, standby_group_run, CLI_NO,
	 &run_priority},
	{CLI_IF, G "preempt [delay [minimum " DELAY "] [reload " DELAY "] [sync " DELAY "]]", NULL,
	 standby_group_run, CLI_NO, &run_preempt},
	// The same words in any order.
	{CLI_IF, G "preempt delay [minimum " DELAY "] sync " DELAY " reload " DELAY, NULL,
	 standby_group_run, CLI_HIDDEN, &run_preempt},
	{CLI_IF, G "preempt delay reload " DELAY " minimum " DELAY " [sync " DELAY "]", NULL,
	 standby_group_run, CLI_HIDDEN, &run_preempt},
	{CLI_IF, G "preempt delay reload " DELAY " sync " DELAY " minimum " DELAY, NULL,
	 standby_group_run, CLI_HIDDEN, &run_preempt},
	{CLI_IF, G "preempt delay sync " DELAY " minimum " DELAY " [reload " DELAY "]", NULL,
	 standby_group_run, CLI_HIDDEN, &run_preempt},
	{CLI_IF, G "preempt delay sync " DELAY " reload " DELAY " minimum " DELAY, NULL,
	 standby_group_run, CLI_HIDDEN, &run_preempt},
	{CLI_IF,
	 G "timers {msec NUMBER<15-999>|NUMBER<1-254>} {msec NUMBER<50-3000>|NUMBER<1-255>}", NULL,
	 standby_group_run, CLI_NO, &run_timers},
	{CLI_IF, G "timers", NULL, standby_group_run, CLI_NO_ONLY, &run_timers},
	{CLI_IF, G "name NAME", NULL, standby_group_run, CLI_NO, &run_standby_name},
	{CLI_IF, G "follow NAME", NULL, standby_group_run, CLI_NO, &run_follow},
	{CLI_IF, G "track NUMBER<1-1000> [decrement NUMBER<1-255>] [shutdown]", NULL,
	 standby_group_run, CLI_NO, &run_track},
	{CLI_IF, G "track INTERFACE [NUMBER<1-255>]", NULL, standby_group_run, CLI_NO, &run_track},
	{CLI_IF, G "authentication [text] NAME", NULL, standby_group_run, CLI_NO | CLI_SECRET,
	 &run_authentication},
	{CLI_IF, G "authentication md5 {key-string NAME [timeout NUMBER<0-32767>]|key-chain NAME}",
	 NULL, standby_group_run, CLI_NO | CLI_SECRET, &run_authentication},
	{CLI_IF, G "mac-address NAME", NULL, standby_group_run, CLI_NO, &run_mac},
};

int cmd_standby_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
