// See golden_file.h.
#include "golden_file.h"

#include <stdio.h>
#include <stdlib.h>

char *golden_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 262144);

	if (f == NULL || text == NULL) {
		if (f != NULL)
			fclose(f);
		free(text);
		return NULL;
	}
	size_t n = fread(text, 1, 262143, f);
	text[n] = '\0';
	fclose(f);
	return text;
}
