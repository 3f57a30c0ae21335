// Prints docs/cli-reference.md from the registered command tables; with --missing, the words that
// have no help text. The test "cli-reference" compares the file with this output.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "gateway.h"
#include "pattern.h"
#include "session.h"

struct gateway gateway;  // the displays' rows point at it

static int by_pattern(const void *a, const void *b)
{
	const struct pattern_row *x = *(const struct pattern_row *const *)a;
	const struct pattern_row *y = *(const struct pattern_row *const *)b;
	int rc = strcmp(x->cmd->pattern, y->cmd->pattern);
	return rc != 0 ? rc
		       : (int)(x->cmd->flags & CLI_NO_ONLY) - (int)(y->cmd->flags & CLI_NO_ONLY);
}

static void print_flags(unsigned flags)
{
	if ((flags & CLI_NO_ONLY) == 0 && (flags & CLI_NO) != 0)
		printf(" (also with `no`)");
	if ((flags & CLI_JSON) != 0)
		printf(" (JSON)");
}

static void print_words(const struct pattern_row *row)
{
	const char *seen[PATTERN_NODES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < row->count; i++) {
		const struct pattern_node *node = &row->nodes[i];
		bool dup = node->kind == TOKEN_SPLIT || node->kind == TOKEN_END;
		for (unsigned k = 0; k < n && !dup; k++)
			dup = strcmp(seen[k], node->text) == 0;
		if (dup)
			continue;
		seen[n++] = node->text;
		printf("  - `%s`: %s\n", node->text, node->help != NULL ? node->help : "");
	}
}

static void print_mode(enum cli_mode mode)
{
	size_t n;
	const struct pattern_row *rows = pattern_rows(mode, &n);
	const struct pattern_row **sorted = calloc(n + 1, sizeof(*sorted));

	if (sorted == NULL || n == 0) {
		free(sorted);
		return;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = &rows[i];
	qsort(sorted, n, sizeof(*sorted), by_pattern);
	printf("\n## %s `%s`\n\n", mode_name(mode), mode_prompt(mode));
	for (size_t i = 0; i < n; i++) {
		const struct cli_cmd *cmd = sorted[i]->cmd;
		if ((cmd->flags & CLI_HIDDEN) != 0)
			continue;
		printf("- `%s%s`", (cmd->flags & CLI_NO_ONLY) != 0 ? "no " : "", cmd->pattern);
		print_flags(cmd->flags);
		printf("\n");
		print_words(sorted[i]);
	}
	free(sorted);
}

static unsigned print_missing(enum cli_mode mode)
{
	size_t n;
	unsigned missing = 0;
	const struct pattern_row *rows = pattern_rows(mode, &n);

	for (size_t i = 0; i < n; i++) {
		for (unsigned k = 0; k < rows[i].count; k++) {
			const struct pattern_node *node = &rows[i].nodes[k];
			if (node->kind == TOKEN_SPLIT || node->kind == TOKEN_END)
				continue;
			if (node->help != NULL && node->help[0] != '\0')
				continue;
			printf("%s\t%s\n", node->text, rows[i].cmd->pattern);
			missing++;
		}
	}
	return missing;
}

static int displays_init(struct err *err)
{
	int (*const all[])(struct gateway *, struct err *) = {
		show_interfaces_register, show_dataplane_register, show_map_register,
		show_isakmp_register,     show_ipsec_register,     show_session_register,
		show_route_register,      show_system_register,    show_redundancy_register,
		show_replication_register};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i](&gateway, err) != 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	unsigned missing = 0;
	bool check = argc > 1 && strcmp(argv[1], "--missing") == 0;

	if (cli_init(&err) != 0 || displays_init(&err) != 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	if (!check)
		printf("# Command reference\n\n"
		       "Made from the command tables of `config/` and `controlplane/` by `ninja "
		       "golden-update`; do not edit.\n"
		       "`{a|b}` is a choice, `[a]` may be left out, capitals are arguments.\n");
	for (int m = 0; m < CLI_MODE_COUNT; m++) {
		if (check)
			missing += print_missing((enum cli_mode)m);
		else
			print_mode((enum cli_mode)m);
	}
	cli_fini();
	return missing > 0;
}
