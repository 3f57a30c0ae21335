// Prints interfaces with their HSRP groups.
#include <stdio.h>
#include <string.h>

#include "lex.h"
#include "print.h"

// "standby 2" or "standby": how the group's lines begin.
static const char *group_prefix(const struct standby_group *g, char *buf, size_t cap)
{
	if (g->number == 0 && !g->number_given)
		snprintf(buf, cap, " standby");
	else
		snprintf(buf, cap, " standby %u", g->number);
	return buf;
}

static void print_timer(struct text *t, bool msec, uint32_t ms)
{
	if (msec)
		text_put(t, " msec %u", ms);
	else
		text_put(t, " %u", ms / 1000);
}

static void print_authentication(struct text *t, const struct standby_group *g, const char *pre)
{
	char key[300];

	if (g->auth_kind == STANDBY_AUTH_TEXT) {
		if (strcmp(g->auth_text, "cisco") != 0)
			text_put(t, "%s authentication text %s\n", pre,
				 print_secret(t, g->auth_text, key, sizeof(key)));
		return;
	}
	text_put(t, "%s authentication md5 %s", pre,
		 g->auth_kind == STANDBY_AUTH_MD5 ? "key-string " : "key-chain ");
	if (g->auth_kind == STANDBY_AUTH_CHAIN)
		text_put(t, "%s", lex_quote(g->auth_key, key, sizeof(key)));
	else
		text_put(t, "%s", print_secret(t, g->auth_key, key, sizeof(key)));
	if (g->auth_timeout_s != 0)
		text_put(t, " timeout %u", g->auth_timeout_s);
	text_put(t, "\n");
}

static void print_preempt(struct text *t, const struct standby_group *g, const char *pre)
{
	if (!g->preempt)
		return;
	text_put(t, "%s preempt", pre);
	if (g->preempt_min_s != 0 || g->preempt_reload_s != 0 || g->preempt_sync_s != 0)
		text_put(t, " delay");
	if (g->preempt_min_s != 0)
		text_put(t, " minimum %u", g->preempt_min_s);
	if (g->preempt_reload_s != 0)
		text_put(t, " reload %u", g->preempt_reload_s);
	if (g->preempt_sync_s != 0)
		text_put(t, " sync %u", g->preempt_sync_s);
	text_put(t, "\n");
}

static void print_tracks(struct text *t, const struct standby_group *g, const char *pre)
{
	const struct standby_track *k;

	TAILQ_FOREACH (k, &g->tracks, link) {
		if (k->object == 0) {
			text_put(t, "%s track %s", pre, k->interface);
			if (k->decrement != 10)
				text_put(t, " %u", k->decrement);
		} else {
			text_put(t, "%s track %u", pre, k->object);
			if (k->decrement != 10)
				text_put(t, " decrement %u", k->decrement);
			if (k->shutdown)
				text_put(t, " shutdown");
		}
		text_put(t, "\n");
	}
}

static void print_group(struct text *t, const struct standby_group *g)
{
	char buf[32], addr[ADDR_STR_MAX];
	const char *pre = group_prefix(g, buf, sizeof(buf));
	const struct config_string *s;

	if (g->ipv6_auto)
		text_put(t, "%s ipv6 autoconfig\n", pre);
	if (g->ipv6 && addr_is_set(&g->ip))
		text_put(t, "%s ipv6 %s\n", pre, addr_format(&g->ip, addr, sizeof(addr)));
	if (g->ip_set && !g->ipv6)
		text_put(t, "%s ip%s%s\n", pre, addr_is_set(&g->ip) ? " " : "",
			 addr_is_set(&g->ip) ? addr_format(&g->ip, addr, sizeof(addr)) : "");
	TAILQ_FOREACH (s, &g->secondary, link)
		text_put(t, g->ipv6 ? "%s ipv6 %s\n" : "%s ip %s secondary\n", pre, s->text);
	if (g->timers_set) {
		text_put(t, "%s timers", pre);
		print_timer(t, g->hello_msec, g->hello_ms);
		print_timer(t, g->hold_msec, g->hold_ms);
		text_put(t, "\n");
	}
	if (g->priority != 100)
		text_put(t, "%s priority %u\n", pre, g->priority);
	print_preempt(t, g, pre);
	print_authentication(t, g, pre);
	if (g->replay_protection)
		text_put(t, "%s replay-protection\n", pre);
	if (g->name[0] != '\0')
		text_put(t, "%s name %s\n", pre, g->name);
	if (g->follow[0] != '\0')
		text_put(t, "%s follow %s\n", pre, g->follow);
	if (g->mac_set)
		text_put(t, "%s mac-address %02x%02x.%02x%02x.%02x%02x\n", pre, g->mac[0],
			 g->mac[1], g->mac[2], g->mac[3], g->mac[4], g->mac[5]);
	if (g->use_bia)
		text_put(t, "%s use-bia\n", pre);
	print_tracks(t, g, pre);
}

static void print_addresses(struct text *t, const struct interface_config *i)
{
	const struct config_string *s;
	struct ip_prefix p;
	char addr[ADDR_STR_MAX], mask[ADDR_STR_MAX];

	if (i->addr.addr.family != 0)
		text_put(t, " ip address %s %s\n", addr_format(&i->addr.addr, addr, sizeof(addr)),
			 mask_format(i->addr.len, mask, sizeof(mask)));
	TAILQ_FOREACH (s, &i->secondary, link) {
		if (prefix_parse(s->text, &p) == 0)
			text_put(t, " ip address %s %s secondary\n",
				 addr_format(&p.addr, addr, sizeof(addr)),
				 mask_format(p.len, mask, sizeof(mask)));
	}
}

static void print_interface(struct text *t, const struct interface_config *i)
{
	static const char *const devices[] = {"", "vdev", "pci", "host"};
	const struct standby_group *g;
	const struct config_string *s;

	text_put(t, "interface %s\n", i->name);
	if (i->description != NULL)
		text_put(t, " description %s\n", i->description);
	if (i->device != IF_DEV_NONE)
		text_put(t, " device %s %s\n", devices[i->device], i->device_arg);
	print_addresses(t, i);
	if (i->mtu != 0)
		text_put(t, " mtu %u\n", i->mtu);
	if (i->shutdown)
		text_put(t, " shutdown\n");
	if (i->standby_version == 2)
		text_put(t, " standby version 2\n");
	if (i->standby_delay_min_s != 0 || i->standby_delay_reload_s != 0)
		text_put(t, " standby delay minimum %u reload %u\n", i->standby_delay_min_s,
			 i->standby_delay_reload_s);
	if (i->standby_use_bia)
		text_put(t, " standby use-bia\n");
	TAILQ_FOREACH (g, &i->standby, link)
		print_group(t, g);
	if (i->crypto_map[0] != '\0' && i->ssp == 0)
		text_put(t, " crypto map %s%s%s%s\n", i->crypto_map,
			 i->redundancy[0] != '\0' ? " redundancy " : "", i->redundancy,
			 i->stateful ? " stateful" : "");
	if (i->ssp != 0)
		text_put(t, " crypto map %s ssp %u\n", i->crypto_map, i->ssp);
	if (!TAILQ_EMPTY(&i->ignored))
		text_put(t, " ! kept without effect:\n");
	TAILQ_FOREACH (s, &i->ignored, link)
		text_put(t, " %s\n", s->text);
	text_put(t, "!\n");
}

void print_interfaces(struct text *t, const struct config *c)
{
	const struct interface_config *i;

	TAILQ_FOREACH (i, &c->interfaces, link)
		print_interface(t, i);
}
