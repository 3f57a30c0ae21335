// crypto map and crypto dynamic-map: entries and the lines about a whole map. What is set inside
// an entry is in cmd_map_set.c.
#include <string.h>

#include "cmd.h"

static struct crypto_map *map_get(struct cli *cli, const char *name, bool dynamic)
{
	struct config *c = cli_candidate(cli);
	struct crypto_map *m = config_crypto_map(c, name, dynamic);

	if (m != NULL)
		return m;
	m = cmd_alloc(cli, sizeof(*m));
	if (m == NULL || cmd_name(cli, m->name, name, "crypto map") != 0)
		return NULL;
	m->is_dynamic_template = dynamic;
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&c->crypto_maps, m, link);
	return m;
}

// A map without entries and settings is no map.
static void map_drop_empty(struct config *c, struct crypto_map *m)
{
	if (TAILQ_EMPTY(&m->entries) && m->local_interface[0] == '\0' && m->ha_replay_in == 0 &&
	    m->ha_replay_out == 0)
		TAILQ_REMOVE(&c->crypto_maps, m, link);
}

static struct crypto_map_entry *entry_add(struct cli *cli, struct crypto_map *m, uint32_t seq)
{
	struct crypto_map_entry *e = cmd_alloc(cli, sizeof(*e)), *before;

	if (e == NULL)
		return NULL;
	e->seq = seq;
	e->pfs_group = 1;
	TAILQ_INIT(&e->peers);
	TAILQ_INIT(&e->ignored);
	TAILQ_FOREACH_REVERSE(before, &m->entries, crypto_map_entries, link)
	{
		if (before->seq < seq)
			break;
	}
	if (before != NULL)
		TAILQ_INSERT_AFTER(&m->entries, before, e, link);
	else
		TAILQ_INSERT_HEAD(&m->entries, e, link);
	return e;
}

static int cmd_map_entry(struct cli *cli, const struct cli_args *a)
{
	char dynamic[CONFIG_NAME_MAX] = "";
	const char *template = cli_after(a, "dynamic");
	bool is_template = cli_has(a, "dynamic-map");
	bool manual = cli_has(a, "ipsec-manual");

	if (template != NULL && cmd_name(cli, dynamic, template, "dynamic map") != 0)
		return -1;
	struct crypto_map *m = map_get(cli, a->value[0], is_template);
	if (m == NULL)
		return -1;
	uint32_t seq = cmd_u32(a->value[1]);
	struct crypto_map_entry *e = crypto_map_entry_get(m, seq);
	bool kind_given = manual || cli_has(a, "ipsec-isakmp") || is_template;
	if (e == NULL && !kind_given) {
		map_drop_empty(cli_candidate(cli), m);
		return cli_error(cli,
				 "%% crypto map %s has no entry %u: say ipsec-isakmp or "
				 "ipsec-manual",
				 a->value[0], seq);
	}
	if (e != NULL && kind_given && manual != (e->kind == MAP_IPSEC_MANUAL))
		return cli_error(cli,
				 "%% crypto map %s %u is of the other kind (%s); remove it first",
				 m->name, seq,
				 e->kind == MAP_IPSEC_MANUAL ? "ipsec-manual" : "ipsec-isakmp");
	if (e != NULL && strcmp(e->dynamic_map, dynamic) != 0 && kind_given &&
	    (e->dynamic_map[0] != '\0' || !TAILQ_EMPTY(&e->peers) || e->acl[0] != '\0'))
		return cli_error(cli,
				 "%% crypto map %s %u exists %s a dynamic map; remove it first",
				 m->name, seq, e->dynamic_map[0] != '\0' ? "with" : "without");
	if (e == NULL)
		e = entry_add(cli, m, seq);
	if (e == NULL)
		return -1;
	if (kind_given) {
		e->kind = manual ? MAP_IPSEC_MANUAL : MAP_IPSEC_ISAKMP;
		strcpy(e->dynamic_map, dynamic);
	}
	// An entry that refers to a template has nothing of its own to set.
	return e->dynamic_map[0] != '\0' ? 0 : cli_enter(cli, CLI_MAP, e, NULL);
}

static int cmd_no_map(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	bool dynamic = cli_has(a, "dynamic-map");
	struct crypto_map *m = a->values > 0 ? config_crypto_map(c, a->value[0], dynamic) : NULL;

	if (m == NULL)
		return cli_error(cli, "%% there is no crypto %s of this name",
				 dynamic ? "dynamic-map" : "map");
	if (a->values == 1) {
		TAILQ_REMOVE(&c->crypto_maps, m, link);
		return 0;
	}
	struct crypto_map_entry *e = crypto_map_entry_get(m, cmd_u32(a->value[1]));
	if (e == NULL)
		return cli_error(cli, "%% %s has no entry %s", m->name, a->value[1]);
	TAILQ_REMOVE(&m->entries, e, link);
	map_drop_empty(c, m);
	return 0;
}

static int cmd_local_address(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map *m = map_get(cli, a->value[0], false);

	if (m == NULL)
		return -1;
	if (a->no)
		m->local_interface[0] = '\0';
	else
		strcpy(m->local_interface, a->value[1]);
	map_drop_empty(cli_candidate(cli), m);
	return 0;
}

static int cmd_replay_interval(struct cli *cli, const struct cli_args *a)
{
	struct crypto_map *m = map_get(cli, a->value[0], false);

	if (m == NULL)
		return -1;
	m->ha_replay_in = a->no ? 0 : cmd_u32(a->value[1]);
	m->ha_replay_out = a->no ? 0 : cmd_u32(a->value[2]);
	map_drop_empty(cli_candidate(cli), m);
	return 0;
}

#define SEQ "NUMBER<1-65535>"
#define INTERVAL                                                          \
	"replay-interval {inbound NUMBER<1-100000>|in NUMBER<1-100000>} " \
	"{outbound NUMBER<1-1000000>|out NUMBER<1-1000000>}"

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "crypto map NAME " SEQ " ipsec-isakmp [dynamic NAME]", NULL, cmd_map_entry, 0,
	 NULL},
	{CLI_CONFIG, "crypto map NAME " SEQ " ipsec-manual", NULL, cmd_map_entry, 0, NULL},
	{CLI_CONFIG, "crypto map NAME " SEQ, NULL, cmd_map_entry, 0, NULL},
	{CLI_CONFIG, "crypto map NAME [" SEQ " [LINE]]", NULL, cmd_no_map, CLI_NO_ONLY, NULL},
	{CLI_CONFIG, "crypto dynamic-map NAME " SEQ, NULL, cmd_map_entry, 0, NULL},
	{CLI_CONFIG, "crypto dynamic-map NAME [" SEQ "]", NULL, cmd_no_map, CLI_NO_ONLY, NULL},
	{CLI_CONFIG, "crypto map NAME local-address INTERFACE", NULL, cmd_local_address, CLI_NO,
	 NULL},
	{CLI_CONFIG, "crypto map NAME redundancy " INTERVAL, NULL, cmd_replay_interval, 0, NULL},
	{CLI_CONFIG, "crypto map NAME redundancy replay-interval [LINE]", NULL, cmd_replay_interval,
	 CLI_NO_ONLY, NULL},
	{CLI_CONFIG, "crypto map NAME ha " INTERVAL, NULL, cmd_replay_interval, CLI_HIDDEN, NULL},
	{CLI_CONFIG, "crypto map NAME ha replay-interval [LINE]", NULL, cmd_replay_interval,
	 CLI_NO_ONLY | CLI_HIDDEN, NULL},
};

int cmd_map_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
