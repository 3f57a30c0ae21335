// What both boxes must have alike (S9), as eight digests of four bytes, so that a difference can be
// named. Configuration lines that a take-over depends on count, secrets included; names of
// interfaces, own addresses, priorities and tracking may differ. Within a section the order of
// blocks (a line and those indented below it) does not matter, that within a block does.

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "redundancy.h"
#include "secret.h"

static const char *const names[REDUNDANCY_SECTIONS] = {
	"isakmp policies",
	"isakmp keys and settings",
	"transform sets and ipsec settings",
	"access lists",
	"crypto maps",
	"crypto maps on interfaces",
	"standby groups",
	"other crypto and redundancy lines",
};
#define PART_BYTES 65536

enum { POLICIES, KEYS, IPSEC, ACLS, MAPS, APPLIED, STANDBY, OTHER };

const char *redundancy_section_name(unsigned section)
{
	return section < REDUNDANCY_SECTIONS ? names[section] : "unknown";
}

const char *redundancy_differing(unsigned differs, char *buf, size_t cap)
{
	buf[0] = '\0';
	for (unsigned s = 0; s < REDUNDANCY_SECTIONS; s++) {
		if (!(differs >> s & 1))
			continue;
		size_t at = strlen(buf);
		snprintf(buf + at, cap - at, "%s%s", at ? ", " : "", names[s]);
	}
	return buf;
}

static bool starts(const char *line, size_t len, const char *with)
{
	size_t n = strlen(with);
	return len >= n && memcmp(line, with, n) == 0;
}

static int block_section(const char *line, size_t len)
{
	static const struct {
		const char *start;
		int section;
	} starting[] = {
		{"crypto isakmp policy ", POLICIES},
		{"crypto isakmp ", KEYS},
		{"crypto ipsec ", IPSEC},
		{"crypto map ", MAPS},
		{"crypto dynamic-map ", MAPS},
		{"crypto engine ", -1},
		{"crypto ", OTHER},
		{"ip access-list ", ACLS},
		{"access-list ", ACLS},
		{"key chain ", STANDBY},
		{"redundancy ", OTHER},
	};

	for (size_t i = 0; i < sizeof(starting) / sizeof(starting[0]); i++) {
		if (starts(line, len, starting[i].start))
			return starting[i].section;
	}
	return -1;
}

static int interface_section(const char *line, size_t len)
{
	if (starts(line, len, " crypto map "))
		return APPLIED;
	if (starts(line, len, " standby ") && !memmem(line, len, " priority ", 10) &&
	    !memmem(line, len, " track ", 7) && !memmem(line, len, " preempt", 8))
		return STANDBY;
	return -1;
}

// Sums up, so that the order of what is added does not matter.
static bool sum_add(uint8_t sum[4], const char *text, size_t len)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned carry = 0, n;

	if (EVP_Digest(text, len, digest, &n, EVP_sha256(), NULL) != 1)
		return false;
	for (int i = 0; i < 4; i++) {
		carry += (unsigned)sum[i] + digest[i];
		sum[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return true;
}

// A line and those below it.
static size_t block_length(const char *line)
{
	const char *at = line;

	do {
		at += strcspn(at, "\n");
		at += *at == '\n';
	} while (*at == ' ');
	return (size_t)(at - line);
}

static bool interface_add(uint8_t out[REDUNDANCY_SECTIONS][4], const char *block, size_t len)
{
	bool ok = true;

	for (size_t at = 0; at < len && ok;) {
		size_t n = strcspn(block + at, "\n");
		int section = interface_section(block + at, n);
		if (section >= 0)
			ok = sum_add(out[section], block + at, n);
		at += n + 1;
	}
	return ok;
}

static bool text_add(uint8_t sums[REDUNDANCY_SECTIONS][4], const char *text)
{
	bool ok = true;

	for (const char *line = text; ok && *line;) {
		size_t len = block_length(line);
		int section = block_section(line, len);
		if (section >= 0)
			ok = sum_add(sums[section], line, len);
		else if (starts(line, len, "interface "))
			ok = interface_add(sums, line, len);
		line += len;
	}
	return ok;
}

bool redundancy_digest_step(struct redundancy_digest *d)
{
	char *text = config_print_part(d->config, &d->at, PART_BYTES);

	if (text) {
		d->failed |= !text_add(d->sums, text);
		secret_wipe(text, strlen(text));
		free(text);
		return true;
	}
	d->failed |= d->at.failed;
	memset(d->out, 0, sizeof(d->out));
	if (!d->failed)
		memcpy(d->out, d->sums, sizeof(d->sums));
	return false;
}

void redundancy_digest(const struct config *c, uint8_t out[32])
{
	struct redundancy_digest d = {.config = c};

	while (redundancy_digest_step(&d))
		;
	memcpy(out, d.out, sizeof(d.out));
}
