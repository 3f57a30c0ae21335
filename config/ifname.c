// Interface types and their abbreviations, case-insensitive, unique prefixes as in the reference
// language; the number is digits separated by '/', ':' or '.'.
#include "ifname.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	enum if_kind kind;
} types[] = {
	{"GigabitEthernet", IF_ETHERNET},
	{"FastEthernet", IF_ETHERNET},
	{"Ethernet", IF_ETHERNET},
	{"TenGigabitEthernet", IF_ETHERNET},
	{"TwentyFiveGigE", IF_ETHERNET},
	{"FortyGigabitEthernet", IF_ETHERNET},
	{"HundredGigE", IF_ETHERNET},
	{"Serial", IF_SERIAL},
	{"Loopback", IF_LOOPBACK},
	{"Tunnel", IF_TUNNEL},
	{"Multilink", IF_BOND},
	{"Port-channel", IF_BOND},
	{"Vlan", IF_VLAN},
	{"BVI", IF_VLAN},
};

// Index of the type that len letters name, or -1 (none, or several).
static int type_find(const char *s, size_t len)
{
	int found = -1;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strncasecmp(types[i].name, s, len) != 0)
			continue;
		if (strlen(types[i].name) == len)
			return (int)i;
		found = found == -1 ? (int)i : -2;
	}
	return found < 0 ? -1 : found;
}

static size_t letters(const char *s)
{
	size_t n = 0;
	while (isalpha((unsigned char)s[n]) || (n > 0 && s[n] == '-'))
		n++;
	return n;
}

static bool number_ok(const char *s)
{
	bool digit = false;

	if (strlen(s) > 20)
		return false;
	for (; *s != '\0'; s++) {
		if (isdigit((unsigned char)*s))
			digit = true;
		else if (digit && strchr("/:.", *s) != NULL)
			digit = false;
		else
			return false;
	}
	return digit;
}

int ifname_parse_type(const char *word)
{
	size_t n = letters(word);
	return n > 0 && word[n] == '\0' && type_find(word, n) >= 0 ? 0 : -EINVAL;
}

int ifname_parse(const char *type, const char *number, char *out, enum if_kind *kind)
{
	if (type == NULL) {
		type = number;
		number += letters(number);
	}
	size_t len = letters(type);
	int t = len > 0 ? type_find(type, len) : -1;
	if (t < 0 || !number_ok(number))
		return -EINVAL;
	snprintf(out, CONFIG_NAME_MAX, "%s%s", types[t].name, number);
	if (kind != NULL)
		*kind = types[t].kind;
	return 0;
}
