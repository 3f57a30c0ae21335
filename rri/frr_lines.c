// What FRR writes otherwise than the reference systems, and nothing else:
//
//   router ospf N               router ospf (one process; N is local there and means nothing)
//   network A WILDCARD area X   network A/len area X      (OSPF)
//   network A [WILDCARD]        network A/len             (EIGRP; class of A without a wildcard)
//   redistribute P subnets      redistribute P
//   ip ospf N area X            ip ospf area X
//   route-map M                 route-map M permit 10
//   GigabitEthernet0/1          gi0-1                     (the host interface's name)
#include "frr_lines.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

#define WORDS_MAX 48

struct words {
	char copy[FRR_LINE_MAX];
	char *word[WORDS_MAX];
	unsigned count;
};

static bool words_split(struct words *w, const char *line)
{
	char *save = NULL;
	w->count = 0;
	if (snprintf(w->copy, sizeof(w->copy), "%s", line) >= (int)sizeof(w->copy))
		return false;
	for (char *p = strtok_r(w->copy, " \t\r\n", &save); p;
	     p = strtok_r(NULL, " \t\r\n", &save)) {
		if (w->count == WORDS_MAX)
			return false;
		w->word[w->count++] = p;
	}
	return true;
}

static bool is(const struct words *w, unsigned i, const char *text)
{
	return i < w->count && strcmp(w->word[i], text) == 0;
}

static bool is_number(const struct words *w, unsigned i)
{
	return i < w->count && w->word[i][strspn(w->word[i], "0123456789")] == '\0';
}

static void word_drop(struct words *w, unsigned i)
{
	memmove(&w->word[i], &w->word[i + 1], (w->count - i - 1) * sizeof(w->word[0]));
	w->count--;
}

// Interface names begin with a capital and hold a digit; nothing else in these lines does both
// and is known to the caller.
static int words_join(const struct words *w, frr_if_fn kernel_if, void *ctx, char *out)
{
	size_t at = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < w->count; i++) {
		const char *text = w->word[i];
		char name[16];
		if (kernel_if && isupper((unsigned char)text[0]) && strpbrk(text, "0123456789") &&
		    kernel_if(ctx, text, name))
			text = name;
		int n = snprintf(out + at, FRR_LINE_MAX - at, "%s%s", i ? " " : "", text);
		if (n < 0 || (size_t)n >= FRR_LINE_MAX - at)
			return -1;
		at += (size_t)n;
	}
	return at ? 1 : 0;
}

static uint8_t class_len(const struct ip_addr *a)
{
	return a->bytes[0] < 128 ? 8 : a->bytes[0] < 192 ? 16 : 24;
}

// network A [W]: words 1 and 2 become one prefix.
static void network_translate(struct words *w, bool classful, char buf[PREFIX_STR_MAX])
{
	struct ip_prefix p = {0};
	unsigned at = is(w, 0, "no") ? 2 : 1;

	if (at >= w->count || addr_parse(w->word[at], &p.addr) || p.addr.family != 4)
		return;
	if (at + 1 < w->count && prefix_parse_wildcard(w->word[at + 1], &p.len) == 0)
		word_drop(w, at + 1);
	else if (classful)
		p.len = class_len(&p.addr);
	else
		return;
	p = prefix_mask(&p);
	w->word[at] = (char *)prefix_format(&p, buf, PREFIX_STR_MAX);
}

int frr_header_translate(const char *line, frr_if_fn kernel_if, void *ctx, char out[FRR_LINE_MAX])
{
	static char permit[] = "permit", ten[] = "10";
	struct words w;

	if (!words_split(&w, line))
		return -1;
	if (is(&w, 0, "router") && is(&w, 1, "ospf") && is_number(&w, 2))
		word_drop(&w, 2);
	if (is(&w, 0, "route-map") && w.count == 2)
		w.word[w.count++] = permit;
	if (is(&w, 0, "route-map") && w.count == 3)
		w.word[w.count++] = ten;
	return words_join(&w, kernel_if, ctx, out);
}

// Words that would leave the block, or run a command.
static bool leaves(const struct words *w)
{
	static const char *const bad[] = {"do",        "end",    "exit",      "quit", "write",
					  "configure", "router", "interface", "vrf",  "line"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (is(w, 0, bad[i]))
			return true;
	return false;
}

int frr_line_translate(const char *header, const char *line, frr_if_fn kernel_if, void *ctx,
		       char out[FRR_LINE_MAX])
{
	struct words w;
	char prefix[PREFIX_STR_MAX];

	if (!words_split(&w, line))
		return -1;
	unsigned at = is(&w, 0, "no") ? 1 : 0;
	if (!w.count || w.word[0][0] == '!' || is(&w, at, "auto-summary") ||
	    is(&w, at, "synchronization") || is(&w, 0, "exit"))
		return 0;
	if (leaves(&w))
		return -1;
	if (is(&w, at, "redistribute"))
		for (unsigned i = at + 2; i < w.count; i++)
			if (is(&w, i, "subnets"))
				word_drop(&w, i--);
	if (is(&w, at, "network") && strncmp(header, "router ospf", 11) == 0)
		network_translate(&w, false, prefix);
	if (is(&w, at, "network") && strncmp(header, "router eigrp", 12) == 0)
		network_translate(&w, true, prefix);
	if (is(&w, at, "ip") && is(&w, at + 1, "ospf") && is_number(&w, at + 2) &&
	    is(&w, at + 3, "area"))
		word_drop(&w, at + 2);
	return words_join(&w, kernel_if, ctx, out);
}
