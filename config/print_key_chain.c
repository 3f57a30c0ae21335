// Prints key chains: `key chain NAME`, `key N`, `key-string S`, lifetimes.
#include <stdio.h>
#include <time.h>

#include "lex.h"
#include "print.h"

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void print_time(struct text *t, bool local, int64_t when)
{
	time_t at = (time_t)when;
	struct tm tm = {0};

	if (local)
		(void)localtime_r(&at, &tm);
	else
		(void)gmtime_r(&at, &tm);
	text_put(t, " %02d:%02d:%02d %s %d %d", tm.tm_hour, tm.tm_min, tm.tm_sec, months[tm.tm_mon],
		 tm.tm_mday, tm.tm_year + 1900);
}

static void print_lifetime(struct text *t, const char *what, const struct key_lifetime *l)
{
	if (!l->set)
		return;
	text_put(t, "  %s-lifetime%s", what, l->local ? " local" : "");
	print_time(t, l->local, l->from);
	if (l->duration_s != 0)
		text_put(t, " duration %u", l->duration_s);
	else if (l->until == INT64_MAX)
		text_put(t, " infinite");
	else
		print_time(t, l->local, l->until);
	text_put(t, "\n");
}

void print_key_chains(struct text *t, const struct config *c)
{
	const struct key_chain *chain;
	const struct chain_key *k;
	char buf[300];

	TAILQ_FOREACH (chain, &c->key_chains, link) {
		text_put(t, "key chain %s\n", chain->name);
		TAILQ_FOREACH (k, &chain->keys, link) {
			text_put(t, " key %u\n", k->id);
			if (k->text != NULL)
				text_put(t, "  key-string %s\n",
					 print_secret(t, k->text, buf, sizeof(buf)));
			print_lifetime(t, "accept", &k->accept);
			print_lifetime(t, "send", &k->send);
		}
		text_put(t, "!\n");
	}
}
