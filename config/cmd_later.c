// Lines of the reference language for what this program does not do (yet). They are kept as they
// were written and printed back, so that a configuration moves here whole. Two kinds: lines that
// ask for nothing we could miss (service, version), and subsystems that have no effect yet, about
// which a commit warns (check.c). A block keeps its lines below its header, one blank deeper.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"

// The header element of a block, or NULL.
static struct config_string *header_find(struct config *c, const char *text)
{
	struct config_string *s;
	TAILQ_FOREACH (s, &c->ignored, link) {
		if (strcmp(s->text, text) == 0)
			return s;
	}
	return NULL;
}

static void words_join(const struct cli_args *a, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < a->count && at < cap; i++)
		at += (size_t)snprintf(out + at, cap - at, "%s%s", i == 0 ? "" : " ", a->word[i]);
}

static void block_remove(struct config *c, struct config_string *header)
{
	struct config_string *s = TAILQ_NEXT(header, link), *next;

	TAILQ_REMOVE(&c->ignored, header, link);
	for (; s != NULL && s->text[0] == ' '; s = next) {
		next = TAILQ_NEXT(s, link);
		TAILQ_REMOVE(&c->ignored, s, link);
	}
}

static int cmd_line(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	char text[LEX_LINE_MAX + 64];

	snprintf(text, sizeof(text), "no ");
	words_join(a, text + 3, sizeof(text) - 3);
	if (strlen(text) > LEX_LINE_MAX)
		return cli_error(cli, "%% the line is too long");
	struct config_string *s = header_find(c, text + 3), *n = header_find(c, text);
	if (a->no && s != NULL) {
		block_remove(c, s);
		return 0;
	}
	if (!a->no && n != NULL)
		block_remove(c, n);
	if ((a->no ? n : s) != NULL)
		return 0;
	return config_string_add(c, &c->ignored, a->no ? text : text + 3);
}

static int cmd_block(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	char text[LEX_LINE_MAX + 64];

	words_join(a, text, sizeof(text));
	struct config_string *s = header_find(c, text);
	if (a->no) {
		if (s == NULL)
			return cli_error(cli, "%% there is no such block");
		block_remove(c, s);
		return 0;
	}
	if (s == NULL) {
		int rc = config_string_add(c, &c->ignored, text);
		if (rc != 0)
			return rc;
		s = TAILQ_LAST(&c->ignored, config_strings);
	}
	return cli_enter(cli, CLI_LATER, s, a->word[0]);
}

// A line inside a block: `no X` takes a kept X away, anything else is added at the block's end.
int later_capture(struct cli *s, const struct lex_line *line, bool no)
{
	struct config *c = cli_candidate(s);
	struct config_string *header = cli_object(s), *at, *last = header;
	const char *text = line->raw;
	char copy[LEX_LINE_MAX + 2];

	if (header == NULL)
		return cli_error(s, "%% the block of this mode is gone; leave the mode");
	snprintf(copy, sizeof(copy), "%s%s", text[0] == ' ' ? "" : " ",
		 text + (text[0] == '\t' ? 1 : 0));
	const char *bare = line->count > 1 ? line->raw + line->word[1].column : "";
	for (at = TAILQ_NEXT(header, link); at != NULL && at->text[0] == ' ';
	     at = TAILQ_NEXT(at, link)) {
		if (no && strcmp(at->text + strspn(at->text, " "), bare) == 0) {
			TAILQ_REMOVE(&c->ignored, at, link);
			return 0;
		}
		last = at;
	}
	struct config_string *fresh = cmd_alloc(s, sizeof(*fresh));
	if (fresh == NULL || (fresh->text = cmd_strdup(s, copy)) == NULL)
		return -ENOMEM;
	TAILQ_INSERT_AFTER(&c->ignored, last, fresh, link);
	return 0;
}

#define LINE_ROW(pattern)                                         \
	{                                                         \
		CLI_CONFIG, pattern, NULL, cmd_line, CLI_NO, NULL \
	}
#define SECRET_ROW(pattern)                                                    \
	{                                                                      \
		CLI_CONFIG, pattern, NULL, cmd_line, CLI_NO | CLI_SECRET, NULL \
	}
#define BLOCK_ROW(pattern)                                         \
	{                                                          \
		CLI_CONFIG, pattern, NULL, cmd_block, CLI_NO, NULL \
	}

static const struct cli_cmd rows[] = {
	LINE_ROW("version LINE"),
	LINE_ROW("service LINE"),
	LINE_ROW("boot LINE"),
	LINE_ROW("logging LINE"),
	LINE_ROW("clock LINE"),
	LINE_ROW("memory-size LINE"),
	LINE_ROW("ip subnet-zero"),
	LINE_ROW("ip classless"),
	LINE_ROW("ip cef"),
	LINE_ROW("ip routing"),
	LINE_ROW("ip domain-lookup"),
	LINE_ROW("ip domain lookup"),
	LINE_ROW("ip http LINE"),
	LINE_ROW("ip name-server LINE"),
	LINE_ROW("ip name server LINE"),
	LINE_ROW("ip local LINE"),
	LINE_ROW("crypto engine LINE"),
	LINE_ROW("crypto isakmp client LINE"),
	SECRET_ROW("enable password LINE"),
	SECRET_ROW("enable secret LINE"),
	SECRET_ROW("username LINE"),
	SECRET_ROW("snmp-server LINE"),
	LINE_ROW("ntp LINE"),
	LINE_ROW("aaa LINE"),
	LINE_ROW("ip prefix-list LINE"),
	BLOCK_ROW("vlan LINE"),
	BLOCK_ROW("line LINE"),
	BLOCK_ROW("redundancy"),
	BLOCK_ROW("router LINE"),
	BLOCK_ROW("route-map LINE"),
	BLOCK_ROW("ip slb LINE"),
	BLOCK_ROW("ip access-list standard NAME"),
	BLOCK_ROW("crypto pki LINE"),
	BLOCK_ROW("crypto ca LINE"),
	BLOCK_ROW("crypto ikev2 LINE"),
	BLOCK_ROW("crypto keyring LINE"),
	BLOCK_ROW("crypto isakmp profile LINE"),
	BLOCK_ROW("crypto isakmp client configuration group NAME"),
	BLOCK_ROW("crypto ipsec profile LINE"),
	BLOCK_ROW("crypto map NAME isakmp LINE"),
	BLOCK_ROW("crypto map NAME client LINE"),
};

int cmd_later_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
