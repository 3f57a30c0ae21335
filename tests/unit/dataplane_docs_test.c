// The documents say what the code says: every drop reason stands in docs/drops.md with its
// sentence, and the drawing in docs/pipeline.md has the stages of pipeline.c, in that order.
#include "counters.h"
#include "pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *file_read(const char *name)
{
	char path[512];
	char *text = calloc(1, 1 << 16);

	snprintf(path, sizeof(path), "%s/%s", DOCS, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	fclose(f);
	return text;
}

static void every_drop_reason_is_documented(void **state)
{
	char *text = file_read("drops.md"), row[256];
	unsigned rows = 0;

	(void)state;
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		snprintf(row, sizeof(row), "\n| `%s` | %s |", drop_name(i), drop_sentence(i));
		if (!strstr(text, row))
			fail_msg("docs/drops.md lacks:%s", row);
	}
	for (const char *at = text; (at = strstr(at, "\n| `")); at++)
		rows++;
	assert_int_equal(rows, DROP_COUNT);  // and nothing that is gone
	free(text);
}

// In the drawing a stage stands in brackets; each stands there once, in the code's order.
static void the_drawing_has_the_stages(void **state)
{
	char *text = file_read("pipeline.md"), *end;
	const enum stage *order;
	unsigned n = pipeline_stages(&order), found = 0;
	bool seen[STAGE_COUNT] = {false};

	(void)state;
	char *at = strstr(text, "```");
	assert_non_null(at);
	end = strstr(at + 3, "```");
	assert_non_null(end);
	*end = 0;
	assert_int_equal(n, STAGE_COUNT);
	for (unsigned i = 0; i < n; i++) {
		char name[32];

		assert_false(seen[order[i]]);
		seen[order[i]] = true;
		snprintf(name, sizeof(name), "[%s]", stage_name(order[i]));
		if (!strstr(at, name))
			fail_msg("the drawing lacks %s", name);
		assert_null(strstr(strstr(at, name) + 1, name));
	}
	for (char *p = at; (p = strchr(p, '[')); p++)
		found++;
	assert_int_equal(found, n);
	// The line of stages from a port to a port stands in order.
	static const enum stage line[] = {
		STAGE_RX,      STAGE_ETH_IN,  STAGE_ROUTE,   STAGE_LOCAL_IN, STAGE_SAD,
		STAGE_HANDOFF, STAGE_ESP_IN,  STAGE_IP_IN,   STAGE_SPD_IN,   STAGE_SPD,
		STAGE_PROTECT, STAGE_ESP_OUT, STAGE_ETH_OUT, STAGE_IP_OUT,   STAGE_TX,
	};
	for (unsigned i = 0, k = 0; i < n; i++) {
		char name[32];

		if (k == sizeof(line) / sizeof(line[0]) || order[i] != line[k])
			continue;
		snprintf(name, sizeof(name), "[%s]", stage_name(line[k++]));
		char *here = strstr(at, name);
		if (!here)
			fail_msg("%s is out of order in the drawing", name);
		at = here;
		assert_true(k == sizeof(line) / sizeof(line[0]) || i + 1 < n);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_drop_reason_is_documented),
		cmocka_unit_test(the_drawing_has_the_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
