// Address, prefix and mask texts: whatever parses must survive a round trip through its own text.
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(const char *text)
{
	char out[ADDR_STR_MAX];
	struct ip_addr a, b;

	if (addr_parse(text, &a) < 0)
		return;
	assert(addr_parse(addr_format(&a, out, sizeof(out)), &b) == 0);
	assert(addr_equal(&a, &b));
}

static void check_prefix(const char *text)
{
	char out[PREFIX_STR_MAX];
	struct ip_prefix p, q;

	if (prefix_parse(text, &p) < 0)
		return;
	assert(prefix_parse(prefix_format(&p, out, sizeof(out)), &q) == 0);
	assert(p.len == q.len && addr_equal(&p.addr, &q.addr));
	q = prefix_mask(&p);
	assert(prefix_contains(&q, &p.addr) && prefix_covers(&p, &q) && prefix_equal(&p, &q));
}

static void check_mask(const char *text)
{
	char out[ADDR_STR_MAX];
	uint8_t len, again;

	if (prefix_parse_mask(text, &len) == 0) {
		assert(len <= 32);
		assert(prefix_parse_mask(mask_format(len, out, sizeof(out)), &again) == 0);
		assert(again == len);
	}
	if (prefix_parse_wildcard(text, &len) == 0) {
		assert(len <= 32);
		assert(prefix_parse_wildcard(wildcard_format(len, out, sizeof(out)), &again) == 0);
		assert(again == len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[128];

	if (size >= sizeof(text))
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_addr(text);
	check_prefix(text);
	check_mask(text);
	return 0;
}
