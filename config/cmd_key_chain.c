// key chain NAME / key N / key-string, accept-lifetime, send-lifetime.
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cmd.h"

#define KEY_TEXT_MAX 64

static int cmd_chain(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct key_chain *chain = config_key_chain(c, a->value[0]);

	if (a->no) {
		if (chain == NULL)
			return cli_error(cli, "%% there is no such key chain");
		TAILQ_REMOVE(&c->key_chains, chain, link);
		return 0;
	}
	if (chain == NULL) {
		if ((chain = cmd_alloc(cli, sizeof(*chain))) == NULL ||
		    cmd_name(cli, chain->name, a->value[0], "key chain") != 0)
			return -1;
		TAILQ_INIT(&chain->keys);
		TAILQ_INSERT_TAIL(&c->key_chains, chain, link);
	}
	return cli_enter(cli, CLI_KEYCHAIN, chain, NULL);
}

static int cmd_key(struct cli *cli, const struct cli_args *a)
{
	struct key_chain *chain = cli_object(cli);
	uint32_t id = cmd_u32(a->value[0]);
	struct chain_key *k, *after = NULL;

	TAILQ_FOREACH (k, &chain->keys, link) {
		if (k->id == id)
			break;
		if (k->id > id && after == NULL)
			after = k;
	}
	if (a->no) {
		if (k == NULL)
			return cli_error(cli, "%% the key chain has no key %u", id);
		TAILQ_REMOVE(&chain->keys, k, link);
		return 0;
	}
	if (k == NULL) {
		if ((k = cmd_alloc(cli, sizeof(*k))) == NULL)
			return -1;
		k->id = id;
		if (after != NULL)
			TAILQ_INSERT_BEFORE(after, k, link);
		else
			TAILQ_INSERT_TAIL(&chain->keys, k, link);
	}
	return cli_enter(cli, CLI_KEY, k, NULL);
}

static int cmd_key_string(struct cli *cli, const struct cli_args *a)
{
	struct chain_key *k = cli_object(cli);

	if (a->no) {
		k->text = NULL;
		return 0;
	}
	const char *text = a->value[0];
	if (cli_has(a, "7"))
		return cli_error(cli, "%% an encrypted key (type 7) cannot be read here; enter the "
				      "key itself");
	if (strlen(text) < 1 || strlen(text) > KEY_TEXT_MAX)
		return cli_error(cli, "%% the key has 1 to %d characters", KEY_TEXT_MAX);
	if (strcmp(text, "<hidden>") == 0)
		return cli_error(cli, "%% this key was hidden when the configuration was printed");
	return (k->text = cmd_strdup(cli, text)) != NULL ? 0 : -1;
}

// ---- lifetimes -------------------------------------------------------------------------------
static int month_of(const char *text)
{
	static const char *const names[] = {"january",   "february", "march",    "april",
					    "may",       "june",     "july",     "august",
					    "september", "october",  "november", "december"};

	for (int i = 0; i < 12; i++) {
		if (strlen(text) >= 3 && strncasecmp(names[i], text, strlen(text)) == 0)
			return i;
	}
	return -1;
}

// Four words: HH:MM:SS, and month, day and year with the first two in either order.
static int time_parse(struct cli *cli, const char *const *w, bool local, int64_t *out)
{
	int month = month_of(w[1]), day = 0, used = 0;
	const char *day_text = month >= 0 ? w[2] : w[1];
	struct tm tm = {.tm_isdst = -1}, copy;

	if (month < 0)
		month = month_of(w[2]);
	if (sscanf(w[0], "%2d:%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 3 ||
	    w[0][used] != '\0' || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return cli_error(cli, "%% %s is no time of day (hh:mm:ss)", w[0]);
	if (month < 0 || sscanf(day_text, "%2d%n", &day, &used) != 1 || day_text[used] != '\0' ||
	    sscanf(w[3], "%4d%n", &tm.tm_year, &used) != 1 || w[3][used] != '\0' ||
	    tm.tm_year < 1993 || tm.tm_year > 9999)
		return cli_error(cli, "%% %s %s %s is no date (Jan 31 2030)", w[1], w[2], w[3]);
	tm.tm_year -= 1900;
	tm.tm_mon = month;
	tm.tm_mday = day;
	copy = tm;
	*out = local ? mktime(&copy) : timegm(&copy);
	if (copy.tm_mday != day)
		return cli_error(cli, "%% this month has no day %d", day);
	return 0;
}

static int cmd_lifetime(struct cli *cli, const struct cli_args *a)
{
	struct chain_key *k = cli_object(cli);
	struct key_lifetime *to =
		strcmp(a->word[0], "accept-lifetime") == 0 ? &k->accept : &k->send;
	struct key_lifetime l = {.set = true, .local = cli_has(a, "local"), .until = INT64_MAX};

	if (a->no) {
		*to = (struct key_lifetime){0};
		return 0;
	}
	if (time_parse(cli, a->value, l.local, &l.from) != 0)
		return -1;
	if (cli_has(a, "duration")) {
		l.duration_s = cmd_u32(cli_after(a, "duration"));
		l.until = l.from + l.duration_s;
	} else if (!cli_has(a, "infinite")) {
		if (time_parse(cli, a->value + 4, l.local, &l.until) != 0)
			return -1;
		if (l.until <= l.from)
			return cli_error(cli, "%% the lifetime ends before it begins");
	}
	*to = l;
	return 0;
}

#define WHEN "NAME NAME NAME NUMBER<1993-9999>"
#define LIFE " [local] " WHEN " {infinite|duration NUMBER<1-2147483646>|" WHEN "}"

static const char *const help_life[][2] = {
	{"local", "In the local time zone instead of UTC"},
	{"NAME", "hh:mm:ss, then month and day in either order (Jan 31)"},
	{"NUMBER<1993-9999>", "Year"},
	{"duration NUMBER", "Seconds"},
	{NULL, NULL},
};
static const char *const help_key[][2] = {
	{"key", "A key of the chain"},
	{"NUMBER<0-2147483647>", "Its number, which messages name"},
	{"NAME", "1 to 64 characters"},
	{"0", "The key follows in clear text"},
	{NULL, NULL},
};

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "key chain NAME", NULL, cmd_chain, CLI_NO, NULL},
	{CLI_KEYCHAIN, "key NUMBER<0-2147483647>", help_key, cmd_key, CLI_NO, NULL},
	{CLI_KEY, "key-string [0|7] NAME", help_key, cmd_key_string, CLI_NO | CLI_SECRET, NULL},
	{CLI_KEY, "accept-lifetime" LIFE, help_life, cmd_lifetime, CLI_NO, NULL},
	{CLI_KEY, "send-lifetime" LIFE, help_life, cmd_lifetime, CLI_NO, NULL},
};

int cmd_key_chain_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
