// Hex text in tests: constants as people write them.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Decodes into out; returns the number of bytes. Blanks are skipped; a wrong digit aborts.
static inline size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	int hi = -1;

	for (; *text; text++) {
		if (*text == ' ' || *text == '\n')
			continue;
		const char *digits = "0123456789abcdef";
		const char *at = strchr(digits, *text | 0x20);
		if (!at || n == cap)
			abort();
		const int v = (int)(at - digits);
		if (hi < 0) {
			hi = v;
		} else {
			out[n++] = (uint8_t)(hi << 4 | v);
			hi = -1;
		}
	}
	if (hi >= 0)
		abort();
	return n;
}
