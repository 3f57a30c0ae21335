// Any bytes as lines of a configuration: nothing may crash, and what was accepted must print,
// load again without an error and print the same.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int ready;
	struct err err;
	unsigned errors = 0;
	char *text = malloc(size + 1);

	if (!ready && cli_init(&err) != 0)
		abort();
	ready = 1;
	struct config *c = config_create(), *again = config_create();
	if (text == NULL || c == NULL || again == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	config_load_text(c, text, NULL, NULL, &errors);
	char *printed = config_print(c, true);
	if (printed == NULL || config_load_text(again, printed, NULL, NULL, &errors) != 0 ||
	    errors != 0)
		abort();
	char *twice = config_print(again, true);
	if (twice == NULL || strcmp(printed, twice) != 0)
		abort();
	config_destroy(c);
	config_destroy(again);
	free(printed);
	free(twice);
	free(text);
	return 0;
}
