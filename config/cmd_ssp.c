// The old syntax of stateful failover: ssp group N, crypto isakmp ssp N, crypto map M ssp N.
//
// A group that has its remote and redundancy lines becomes `redundancy inter-device` with its
// scheme and an association of `ipc zone default` (number of the group, SCTP, both ports 5000);
// interfaces that name it get `redundancy NAME stateful`. The old syntax does not say our own
// address: it is the one in the remote's network. Only the new lines are printed and saved. What is
// not complete is printed as it was written. The groups stay in memory, so that lines which name
// them are understood when they come later.
#include "ssp.h"

#include <errno.h>
#include <string.h>

#include "cmd.h"

#define PORT 5000  // of the reference's examples

struct ssp_group *ssp_group_find(const struct config *c, uint32_t number)
{
	struct ssp_group *g;

	TAILQ_FOREACH (g, &c->ssp_groups, link) {
		if (g->number == number)
			return g;
	}
	return NULL;
}

// ---- today's lines ----------------------------------------------------------------------------
static struct ipc_zone *zone_get(struct config *c)
{
	struct ipc_zone *z;

	TAILQ_FOREACH (z, &c->ipc_zones, link) {
		if (strcmp(z->name, "default") == 0)
			return z;
	}
	z = arena_alloc(c->arena, sizeof(*z));
	if (z == NULL)
		return NULL;
	strcpy(z->name, "default");
	TAILQ_INIT(&z->associations);
	TAILQ_INSERT_TAIL(&c->ipc_zones, z, link);
	return z;
}

static struct ipc_association *association_find(const struct config *c, uint32_t number)
{
	struct ipc_zone *z;
	struct ipc_association *a;

	TAILQ_FOREACH (z, &c->ipc_zones, link) {
		if (strcmp(z->name, "default") != 0)
			continue;
		TAILQ_FOREACH (a, &z->associations, link) {
			if (a->number == number)
				return a;
		}
	}
	return NULL;
}

static struct ipc_association *association_get(struct config *c, uint32_t number)
{
	struct ipc_association *a = association_find(c, number);
	struct ipc_zone *z = zone_get(c);

	if (a != NULL || z == NULL)
		return a;
	a = arena_alloc(c->arena, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->number = number;
	association_defaults(a);
	TAILQ_INSERT_TAIL(&z->associations, a, link);
	return a;
}

static int local_find(struct config *c, const struct ssp_group *g, struct ipc_association *a)
{
	const struct interface_config *i;
	char text[ADDR_STR_MAX];

	TAILQ_FOREACH (i, &c->interfaces, link) {
		if (i->addr.addr.family == g->remote.family &&
		    prefix_contains(&i->addr, &g->remote))
			return config_string_add(c, &a->local_ips,
						 addr_format(&i->addr.addr, text, sizeof(text)));
	}
	return 0;
}

static int group_map(struct config *c, struct ssp_group *g)
{
	struct ipc_association *a = association_get(c, g->number);
	char text[ADDR_STR_MAX];

	if (a == NULL)
		return -ENOMEM;
	c->redundancy.inter_device = true;
	if (c->redundancy.scheme[0] == '\0')
		strcpy(c->redundancy.scheme, g->redundancy);
	a->no_shutdown = a->sctp = true;
	a->local_port = a->local_port ? a->local_port : PORT;
	a->remote_port = a->remote_port ? a->remote_port : PORT;
	TAILQ_INIT(&a->remote_ips);
	TAILQ_INIT(&a->local_ips);
	g->mapped = true;
	return config_string_add(c, &a->remote_ips, addr_format(&g->remote, text, sizeof(text)));
}

int ssp_resolve(struct config *c)
{
	struct interface_config *i;
	struct ssp_group *g;
	int rc = 0;

	TAILQ_FOREACH (g, &c->ssp_groups, link) {
		if (!addr_is_set(&g->remote) || g->redundancy[0] == '\0')
			continue;
		if (!g->mapped)
			rc = group_map(c, g);
		struct ipc_association *a = rc == 0 ? association_find(c, g->number) : NULL;
		if (a != NULL && TAILQ_EMPTY(&a->local_ips))
			rc = local_find(c, g, a);
		if (rc != 0)
			return rc;
	}
	TAILQ_FOREACH (i, &c->interfaces, link) {
		g = i->ssp != 0 ? ssp_group_find(c, i->ssp) : NULL;
		if (g == NULL || !g->mapped)
			continue;
		strcpy(i->redundancy, g->redundancy);
		i->stateful = true;
		i->ssp = 0;
	}
	return 0;
}

// ---- commands ---------------------------------------------------------------------------------
static int mapped_error(struct cli *cli, uint32_t number)
{
	return cli_error(cli,
			 "%% ssp group %u has become redundancy inter-device and association %u of "
			 "ipc zone default: change those",
			 number, number);
}

static int cmd_ssp_group(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	uint32_t number = cmd_u32(a->value[0]);
	struct ssp_group *g = ssp_group_find(c, number);

	if (a->no) {
		if (g == NULL)
			return cli_error(cli, "%% there is no such ssp group");
		if (g->mapped)
			return mapped_error(cli, number);
		TAILQ_REMOVE(&c->ssp_groups, g, link);
		return 0;
	}
	if (g == NULL) {
		g = cmd_alloc(cli, sizeof(*g));
		if (g == NULL)
			return -1;
		g->number = number;
		TAILQ_INSERT_TAIL(&c->ssp_groups, g, link);
	}
	return cli_enter(cli, CLI_SSP, g, NULL);
}

static int cmd_ssp_remote(struct cli *cli, const struct cli_args *a)
{
	struct ssp_group *g = cli_object(cli);
	struct ip_addr addr = {0};

	if (a->no && g->mapped)
		return mapped_error(cli, g->number);
	if (!a->no && cmd_addr(cli, a->value[0], &addr) != 0)
		return -1;
	if (!a->no && (addr_is_zero(&addr) || addr_is_multicast(&addr)))
		return cli_error(cli, "%% this address cannot be an end of the replication link");
	g->mapped = g->mapped && addr_equal(&g->remote, &addr);
	g->remote = addr;
	return 0;
}

static int cmd_ssp_redundancy(struct cli *cli, const struct cli_args *a)
{
	struct ssp_group *g = cli_object(cli);
	char name[CONFIG_NAME_MAX] = "";

	if (g->mapped && (a->no || strcmp(g->redundancy, a->value[0]) != 0))
		return mapped_error(cli, g->number);
	if (!a->no && cmd_name(cli, name, a->value[0], "standby group") != 0)
		return -1;
	strcpy(g->redundancy, name);
	return 0;
}

// IKE SAs are replicated wherever IPsec SAs are.
static int cmd_isakmp_ssp(struct cli *cli, const struct cli_args *a)
{
	(void)cli;
	(void)a;
	return 0;
}

static int cmd_crypto_map_ssp(struct cli *cli, const struct cli_args *a)
{
	struct interface_config *i = cli_object(cli);
	char map[CONFIG_NAME_MAX];

	if (a->no) {
		if (strcmp(i->crypto_map, a->value[0]) != 0)
			return cli_error(cli, "%% crypto map %s is not on this interface",
					 a->value[0]);
		i->crypto_map[0] = i->redundancy[0] = '\0';
		i->stateful = false;
		i->ssp = 0;
		return 0;
	}
	if (cmd_name(cli, map, a->value[0], "crypto map") != 0)
		return -1;
	strcpy(i->crypto_map, map);
	i->redundancy[0] = '\0';
	i->stateful = false;
	i->ssp = cmd_u32(a->value[1]);
	return 0;
}

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "ssp group NUMBER<1-100>", NULL, cmd_ssp_group, CLI_NO | CLI_HIDDEN, NULL},
	{CLI_SSP, "remote ADDR", NULL, cmd_ssp_remote, CLI_NO, NULL},
	{CLI_SSP, "redundancy NAME", NULL, cmd_ssp_redundancy, CLI_NO, NULL},
	{CLI_CONFIG, "crypto isakmp ssp NUMBER<1-100>", NULL, cmd_isakmp_ssp, CLI_NO | CLI_HIDDEN,
	 NULL},
	{CLI_IF, "crypto map NAME ssp NUMBER<1-100>", NULL, cmd_crypto_map_ssp, CLI_NO | CLI_HIDDEN,
	 NULL},
};

int cmd_ssp_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
