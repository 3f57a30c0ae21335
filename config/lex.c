// Splits a command line into words. Blanks separate; a word that starts with a double quote runs
// to the closing quote, with \" and \\ inside. `!` starts a comment only at the start of a line,
// because keys and descriptions may hold one. Control characters and broken UTF-8 are refused:
// such a line is a binary file or an attack on somebody's terminal.
#include "lex.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

// Length of the UTF-8 sequence at s, 0 when it is none (overlong forms of ASCII included).
static size_t utf8_len(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	// C1 controls (U+0080..U+009f) act on terminals like escape sequences.
	return n == 2 && s[0] == 0xc2 && s[1] < 0xa0 ? 0 : n;
}

static int check_bytes(const char *text, size_t len, struct err *err, unsigned *column)
{
	for (size_t i = 0; i < len;) {
		unsigned char ch = (unsigned char)text[i];
		size_t n = utf8_len((const unsigned char *)text + i, len - i);

		if (n == 0 || (ch < 0x20 && ch != '\t') || ch == 0x7f) {
			*column = (unsigned)i;
			return err_set(err, -EINVAL,
				       "the line holds a byte that is not text (0x%02x)", ch);
		}
		i += n;
	}
	return 0;
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

// Reads a quoted word at *in; on success *in is behind the closing quote.
static int take_quoted(const char **in, char **out, struct err *err)
{
	const char *s = *in + 1;

	for (; *s != '"'; s++) {
		if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		if (*s == '\0')
			return err_set(err, -EINVAL, "the quotation mark is never closed");
		*(*out)++ = *s;
	}
	s++;
	if (*s != '\0' && !is_blank(*s))
		return err_set(err, -EINVAL, "a blank must follow the closing quotation mark");
	*in = s;
	return 0;
}

int lex_line(struct lex_line *out, const char *text, size_t len, struct err *err, unsigned *column)
{
	*column = 0;
	out->count = 0;
	out->more = out->open_end = out->is_comment = false;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	if (len > LEX_LINE_MAX) {
		*column = LEX_LINE_MAX;
		return err_set(err, -EMSGSIZE, "the line is longer than %d bytes", LEX_LINE_MAX);
	}
	int rc = check_bytes(text, len, err, column);
	if (rc != 0)
		return rc;
	memcpy(out->raw, text, len);
	while (len > 0 && is_blank(out->raw[len - 1])) {
		out->open_end = true;
		len--;
	}
	out->raw[len] = '\0';

	const char *s = out->raw;
	char *w = out->store;
	for (;;) {
		while (is_blank(*s))
			s++;
		if (*s == '\0')
			break;
		if (out->count == 0 && *s == '!') {
			out->is_comment = true;
			break;
		}
		if (out->count == LEX_WORDS_MAX) {
			out->more = true;
			break;
		}
		struct lex_word *word = &out->word[out->count++];
		word->text = w;
		word->column = (unsigned)(s - out->raw);
		if (*s == '"') {
			*column = word->column;
			rc = take_quoted(&s, &w, err);
			if (rc != 0)
				return rc;
		} else {
			while (*s != '\0' && !is_blank(*s))
				*w++ = *s++;
		}
		*w++ = '\0';
	}
	*column = 0;
	return 0;
}

bool lex_needs_quotes(const char *word)
{
	return word[0] == '\0' || word[0] == '"' || strpbrk(word, " \t") != NULL;
}

const char *lex_quote(const char *word, char *buf, size_t cap)
{
	size_t at = 0;
	bool quotes = lex_needs_quotes(word);

	if (quotes)
		buf[at++] = '"';
	for (; *word != '\0' && at + 4 < cap; word++) {
		if (quotes && (*word == '"' || *word == '\\'))
			buf[at++] = '\\';
		buf[at++] = *word;
	}
	if (quotes)
		buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
