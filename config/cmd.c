// Helpers shared by the configuration commands: arena copies, names, numbers, addresses.
#include "cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *cmd_strdup(struct cli *cli, const char *text)
{
	const char *copy = arena_strdup(cli_candidate(cli)->arena, text);
	if (copy == NULL)
		cli_error(cli, "%% no memory for the configuration");
	return copy;
}

void *cmd_alloc(struct cli *cli, size_t size)
{
	void *p = arena_alloc(cli_candidate(cli)->arena, size);
	if (p == NULL)
		cli_error(cli, "%% no memory for the configuration");
	return p;
}

int cmd_name(struct cli *cli, char *dst, const char *src, const char *what)
{
	if (strlen(src) >= CONFIG_NAME_MAX)
		return cli_error(cli, "%% the name of a %s has at most %d characters", what,
				 CONFIG_NAME_MAX - 1);
	if (lex_needs_quotes(src))
		return cli_error(cli, "%% the name of a %s holds no blanks", what);
	strcpy(dst, src);
	return 0;
}

uint32_t cmd_u32(const char *digits)
{
	return (uint32_t)strtoul(digits, NULL, 10);
}

int cmd_addr(struct cli *cli, const char *text, struct ip_addr *out)
{
	if (addr_parse(text, out) != 0)
		return cli_error(cli, "%% %s is not an IP address", text);
	return 0;
}

int cmd_prefix(struct cli *cli, const char *addr, const char *mask, struct ip_prefix *out)
{
	if (addr_parse(addr, &out->addr) != 0)
		return cli_error(cli, "%% %s is not an IP address", addr);
	if (prefix_parse_mask(mask, &out->len) != 0)
		return cli_error(cli, "%% %s is not a netmask", mask);
	return 0;
}

bool cmd_string_has(const struct config_strings *list, const char *text)
{
	const struct config_string *s;
	TAILQ_FOREACH (s, list, link) {
		if (strcmp(s->text, text) == 0)
			return true;
	}
	return false;
}

bool cmd_string_remove(struct config_strings *list, const char *text)
{
	struct config_string *s;
	TAILQ_FOREACH (s, list, link) {
		if (strcmp(s->text, text) == 0) {
			TAILQ_REMOVE(list, s, link);
			return true;
		}
	}
	return false;
}
