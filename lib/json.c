// Text grows in one heap buffer. An allocation failure or a wrong nesting is sticky: the writer
// then ignores everything and json_text() says NULL, so callers check once, at the end.
//
// Strings may come from a peer: bytes that are no UTF-8 become U+FFFD, so that the output stays
// valid JSON whatever arrives.
#include "json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct json {
	char *text;  // NUL-terminated once anything was written
	size_t len, cap;
	unsigned depth;
	char closer[DEPTH_MAX];     // what ends the level
	bool first[DEPTH_MAX + 1];  // no comma needed yet
	bool failed;
};

struct json *json_create(void)
{
	struct json *w = calloc(1, sizeof(*w));

	if (w)
		w->first[0] = true;
	return w;
}

void json_destroy(struct json *w)
{
	if (!w)
		return;
	free(w->text);
	free(w);
}

static void put(struct json *w, const char *s, size_t n)
{
	if (w->failed)
		return;
	if (w->cap - w->len <= n) {
		size_t cap = w->cap ? w->cap : 256;

		while (cap - w->len <= n)
			cap *= 2;
		char *text = realloc(w->text, cap);

		if (!text) {
			w->failed = true;
			return;
		}
		w->text = text;
		w->cap = cap;
	}
	memcpy(w->text + w->len, s, n);
	w->len += n;
	w->text[w->len] = '\0';
}

static void puts_(struct json *w, const char *s)
{
	put(w, s, strlen(s));
}

// Length of the UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates), or 0.
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)  // the final NUL stops here too
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_string(struct json *w, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	char esc[8];

	put(w, "\"", 1);
	while (*s) {
		size_t n = utf8_len(s);

		if (n == 0) {
			puts_(w, "\\ufffd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			put(w, "\\", 1);
			put(w, (const char *)s, 1);
		} else if (*s == '\n') {
			puts_(w, "\\n");
		} else if (*s < 0x20 || *s == 0x7f) {
			(void)snprintf(esc, sizeof(esc), "\\u%04x", *s);
			puts_(w, esc);
		} else {
			put(w, (const char *)s, n);
		}
		s += n;
	}
	put(w, "\"", 1);
}

static void put_key(struct json *w, const char *key)
{
	if (!w->first[w->depth])
		put(w, ",", 1);
	w->first[w->depth] = false;
	if (key) {
		put_string(w, key);
		put(w, ":", 1);
	}
}

static void level_open(struct json *w, const char *key, const char *opener, char closer)
{
	if (w->depth == DEPTH_MAX)
		w->failed = true;
	if (w->failed)
		return;
	put_key(w, key);
	puts_(w, opener);
	w->closer[w->depth++] = closer;
	w->first[w->depth] = true;
}

void json_obj(struct json *w, const char *key)
{
	level_open(w, key, "{", '}');
}

void json_arr(struct json *w, const char *key)
{
	level_open(w, key, "[", ']');
}

void json_end(struct json *w)
{
	if (w->depth == 0)
		w->failed = true;
	if (w->failed)
		return;
	put(w, &w->closer[--w->depth], 1);
}

static void value_raw(struct json *w, const char *key, const char *text)
{
	put_key(w, key);
	puts_(w, text);
}

void json_str(struct json *w, const char *key, const char *value)
{
	if (!value) {
		json_null(w, key);
		return;
	}
	put_key(w, key);
	put_string(w, value);
}

void json_fmt(struct json *w, const char *key, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		w->failed = true;
		return;
	}
	json_str(w, key, text);
	free(text);
}

void json_u64(struct json *w, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ju", (uintmax_t)value);
	value_raw(w, key, text);
}

void json_i64(struct json *w, const char *key, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%jd", (intmax_t)value);
	value_raw(w, key, text);
}

void json_double(struct json *w, const char *key, double value)
{
	char text[40];

	if (!isfinite(value)) {  // JSON has no word for these
		json_null(w, key);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", value);
	value_raw(w, key, text);
}

void json_bool(struct json *w, const char *key, bool value)
{
	value_raw(w, key, value ? "true" : "false");
}

void json_null(struct json *w, const char *key)
{
	value_raw(w, key, "null");
}

const char *json_text(const struct json *w, size_t *len)
{
	if (w->failed)
		return NULL;
	if (len)
		*len = w->len;
	return w->text ? w->text : "";
}
