// Does a word fit a place of a pattern, and how well?
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ifname.h"
#include "match.h"

static bool all_of(const char *s, int (*is)(int))
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (!is((unsigned char)*s))
			return false;
	}
	return true;
}

static bool fits_number(const struct pattern_node *n, const char *word)
{
	if (!all_of(word, isdigit) || strlen(word) > 10)
		return false;
	unsigned long long v = strtoull(word, NULL, 10);
	return v >= n->lo && v <= n->hi;
}

enum rank token_fits(const struct pattern_node *n, const char *word)
{
	struct ip_addr addr;
	uint8_t len;
	char name[CONFIG_NAME_MAX];
	bool ok = false;

	switch ((enum token_kind)n->kind) {
	case TOKEN_KEYWORD:
		if (strcasecmp(word, n->text) == 0)
			return RANK_EXACT;
		return word[0] != '\0' && strncasecmp(word, n->text, strlen(word)) == 0
			       ? RANK_ABBREV
			       : RANK_NONE;
	case TOKEN_NAME: return RANK_NAME;
	case TOKEN_LINE: return RANK_LINE;
	case TOKEN_NUMBER: ok = fits_number(n, word); break;
	case TOKEN_IPV4: ok = addr_parse(word, &addr) == 0 && addr.family == 4; break;
	case TOKEN_ADDR: ok = addr_parse(word, &addr) == 0; break;
	case TOKEN_MASK: ok = prefix_parse_mask(word, &len) == 0; break;
	// Whether the wildcard is a usable one is for the handler's sentence.
	case TOKEN_WILDCARD: ok = addr_parse(word, &addr) == 0 && addr.family == 4; break;
	case TOKEN_HEX: ok = all_of(word, isxdigit); break;
	case TOKEN_INTERFACE:
		ok = ifname_parse_type(word) == 0 || ifname_parse(NULL, word, name, NULL) == 0;
		break;
	case TOKEN_SPLIT:
	case TOKEN_END: break;
	}
	return ok ? RANK_TYPED : RANK_NONE;
}
