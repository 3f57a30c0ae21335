// HMAC cases in a text file of paragraphs: "HMAC = SHA256", then Key, Input and Output in any
// order, each hex or a quoted text.
#include <stdlib.h>
#include <string.h>

#include "corpus_crypto.h"
#include "corpus_io.h"
#include "ike/prf.h"

struct hmac_case {
	char hash[16];
	struct blob key, input, output;
	unsigned number;
};

static void value_read(struct blob *b, const char *text)
{
	blob_free(b);
	if (text[0] != '"') {
		blob_from_hex(b, text);
		return;
	}
	b->bytes = (uint8_t *)strdup(text + 1);
	if (!b->bytes)
		abort();
	b->len = strcspn((char *)b->bytes, "\"");
}

static int hash_by_name(const char *name)
{
	static const struct {
		const char *name;
		enum ike_hash hash;
	} names[] = {
		{"MD5", IKE_HASH_MD5},       {"SHA1", IKE_HASH_SHA},
		{"SHA256", IKE_HASH_SHA256}, {"SHA384", IKE_HASH_SHA384},
		{"SHA512", IKE_HASH_SHA512},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) == 0)
			return (int)names[i].hash;
	}
	return -1;
}

static void case_check(struct tally *t, struct hmac_case *c, const char *name)
{
	const int h = hash_by_name(c->hash);
	const struct chunk in = {c->input.bytes, c->input.len};
	uint8_t out[PRF_LEN_MAX];
	char label[100];

	if (!c->hash[0])
		return;
	snprintf(label, sizeof(label), "%s case %u %s", name, ++c->number, c->hash);
	if (h < 0)
		tally_line(t, TALLY_SKIPPED, label, "no such hash in IKE");
	else if (c->output.len == prf_len((enum ike_hash)h) &&
		 prf_compute((enum ike_hash)h, c->key.bytes, c->key.len, &in, 1, out) == 0 &&
		 memcmp(out, c->output.bytes, c->output.len) == 0)
		tally_line(t, TALLY_PASSED, label, "%s", "");
	else
		tally_line(t, TALLY_FAILED, label, "another value");
}

// What was read so far is one case, if it names a hash.
static void case_run(struct tally *t, struct hmac_case *c, const char *name)
{
	case_check(t, c, name);
	c->hash[0] = 0;
	blob_free(&c->key);
	blob_free(&c->input);
	blob_free(&c->output);
}

void boringssl_hmac(struct tally *t, const char *path, const char *name)
{
	struct tally file = {.quiet = true};
	struct hmac_case c = {0};
	struct blob text;
	char *save = NULL;

	if (blob_read(&text, path) != 0) {
		tally_line(t, TALLY_FAILED, name, "cannot be read");
		return;
	}
	for (char *line = strtok_r((char *)text.bytes, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		char *eq = strstr(line, " =");
		if (line[0] == '#' || !eq)
			continue;
		const char *value = eq[2] == ' ' ? eq + 3 : eq + 2;
		*eq = 0;
		if (strcmp(line, "HMAC") == 0) {
			case_run(&file, &c, name);
			snprintf(c.hash, sizeof(c.hash), "%s", value);
		} else if (strcmp(line, "Key") == 0) {
			value_read(&c.key, value);
		} else if (strcmp(line, "Input") == 0) {
			value_read(&c.input, value);
		} else if (strcmp(line, "Output") == 0) {
			value_read(&c.output, value);
		}
	}
	case_run(&file, &c, name);
	blob_free(&text);
	tally_file(t, &file, name);
}
