// TLS of the replication link, end against end in memory: who is believed and who is not, with keys
// and with certificates of every wrong kind, and records that end where they should not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "link_tls.h"

#define BOTH "IP:10.0.0.1,IP:10.0.0.2"

static char dir[] = "/tmp/tandem-link-tls.XXXXXX";
static EVP_PKEY *authority_key;
static X509 *authority;

// ---- certificates -------------------------------------------------------------------------------

static void extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, authority ? authority : cert, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *certificate(EVP_PKEY *key, const char *name, long from, long until)
{
	static long serial = 1;
	X509 *c = X509_new();
	X509_NAME *n = X509_get_subject_name(c);

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c), from);
	X509_gmtime_adj(X509_getm_notAfter(c), until);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(c, authority ? X509_get_subject_name(authority) : n);
	X509_set_pubkey(c, key);
	return c;
}

static FILE *file(const char *name, const char *suffix)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	return f;
}

static void save(const char *name, X509 *c, EVP_PKEY *key, X509 *ca)
{
	FILE *f = file(name, "crt");

	PEM_write_X509(f, c);
	fclose(f);
	f = file(name, "key");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = file(name, "ca");
	PEM_write_X509(f, ca);
	fclose(f);
}

// One that the authority signed. NULL: without that extension.
static void issue(const char *name, const char *san, const char *eku, long from, long until)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = certificate(key, name, from, until);

	if (san)
		extension(c, NID_subject_alt_name, san);
	if (eku)
		extension(c, NID_ext_key_usage, eku);
	assert_true(X509_sign(c, authority_key, EVP_sha256()) > 0);
	save(name, c, key, authority);
	X509_free(c);
	EVP_PKEY_free(key);
}

static int pki_make(void **state)
{
	const long hour = 3600;

	assert_non_null(mkdtemp(dir));
	authority_key = EVP_EC_gen("P-256");
	X509 *ca = certificate(authority_key, "authority", -hour, hour);

	extension(ca, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(ca, authority_key, EVP_sha256()) > 0);
	authority = ca;
	issue("boxa", "IP:10.0.0.1", NULL, -hour, hour);
	issue("boxb", "IP:10.9.9.9,IP:10.0.0.2", "serverAuth,clientAuth", -hour, hour);
	issue("spoke", "IP:172.16.9.9,DNS:10.0.0.1", NULL, -hour, hour);
	issue("nameless", NULL, NULL, -hour, hour);
	issue("expired", BOTH, NULL, -2 * hour, -hour);
	issue("future", BOTH, NULL, hour, 2 * hour);
	issue("server", BOTH, "serverAuth", -hour, hour);
	issue("client", BOTH, "clientAuth", -hour, hour);
	// the right names, by nobody
	authority = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *c = certificate(key, "authority", -hour, hour);

	extension(c, NID_subject_alt_name, BOTH);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	save("selfmade", c, key, ca);
	// a certificate and another one's key
	save("mixed", c, authority_key, ca);
	X509_free(c);
	EVP_PKEY_free(key);
	authority = ca;
	return 0;
}

static int pki_remove(void **state)
{
	static const char *const names[] = {"boxa",   "boxb",   "spoke",  "nameless", "expired",
					    "future", "server", "client", "selfmade", "mixed"};
	static const char *const suffixes[] = {"crt", "key", "ca"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t k = 0; k < 3; k++) {
			snprintf(path, sizeof(path), "%s/%s.%s", dir, names[i], suffixes[k]);
			unlink(path);
		}
	}
	X509_free(authority);
	EVP_PKEY_free(authority_key);
	return rmdir(dir);
}

// ---- two ends -----------------------------------------------------------------------------------

// The client is 10.0.0.1.
static struct link_tls *side(bool client, enum link_security security, const char *secret)
{
	struct link_params p = {
		.security = security,
		.remote = {addr_from_v4(client ? 0x0a000002 : 0x0a000001)},
		.remotes = 1,
		.pki_dir = dir,
	};
	struct err err = {0};

	snprintf(p.secret, sizeof(p.secret), "%s", secret);
	struct link_tls *t = link_tls_create(&p, client, &err);

	assert_non_null(t);
	return t;
}

struct both {
	struct link_tls *shared[2];
	struct tls_end *end[2];  // client, server
	int ret[2];
};

static bool carry(struct tls_end *from, struct tls_end *to)
{
	const uint8_t *bytes;
	size_t n = tls_end_pending(from, &bytes);

	if (n == 0)
		return false;
	// never more at a time than a record's head: every cut is met
	n = n > 700 ? 700 : n;
	assert_int_equal(tls_end_feed(to, bytes, n), 0);
	tls_end_taken(from, n);
	return true;
}

// Until neither has anything to say, or one refused.
static void handshake(struct both *b)
{
	bool more = true;

	b->ret[0] = tls_end_step(b->end[0]);
	while (more) {
		more = false;
		for (unsigned i = 0; i < 2; i++) {
			more |= carry(b->end[i], b->end[1 - i]);
			if (b->ret[1 - i] == 0)
				b->ret[1 - i] = tls_end_step(b->end[1 - i]);
		}
	}
	// TLS 1.3: the client may be through before the server says no
	uint8_t byte;

	if (b->ret[0] == 1 && b->ret[1] < 0)
		b->ret[0] = tls_end_read(b->end[0], &byte, 1);
}

static void begin(struct both *b, struct link_tls *client, struct link_tls *server)
{
	*b = (struct both){.shared = {client, server}};
	b->end[0] = tls_end_create(client, 0, NULL);
	b->end[1] = tls_end_create(server, 0, NULL);
	assert_non_null(b->end[0]);
	assert_non_null(b->end[1]);
	handshake(b);
}

static void end(struct both *b)
{
	for (unsigned i = 0; i < 2; i++) {
		tls_end_destroy(b->end[i]);
		link_tls_destroy(b->shared[i]);
	}
}

static void converse(struct tls_end *a, struct tls_end *b)
{
	uint8_t buf[64];

	assert_int_equal(tls_end_write(a, "a record", 8), 0);
	while (carry(a, b))
		;
	assert_int_equal(tls_end_read(b, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "a record", 8);
	assert_int_equal(tls_end_read(b, buf, sizeof(buf)), 0);
}

static void certificates_good(void **state)
{
	struct both b;

	begin(&b, side(true, LINK_CERTIFICATE, "boxa"), side(false, LINK_CERTIFICATE, "boxb"));
	assert_int_equal(b.ret[0], 1);
	assert_int_equal(b.ret[1], 1);
	assert_string_equal(link_tls_name(b.shared[0]), "TLS 1.3 certificate");
	converse(b.end[0], b.end[1]);
	converse(b.end[1], b.end[0]);
	end(&b);
}

// A client that must not be taken for 10.0.0.1: what each side says about it.
static void certificates_bad(void **state)
{
	static const char invalid[] = "certificate is not valid";
	static const char foreign[] = "names none of its addresses";
	// what the other side says of it as a client, and as a server; NULL: it is believed
	static const struct {
		const char *name, *client, *server;
	} row[] = {
		{"spoke", foreign, foreign},    {"nameless", foreign, foreign},
		{"expired", invalid, invalid},  {"future", invalid, invalid},
		{"selfmade", invalid, invalid}, {"server", invalid, NULL},
		{"client", NULL, invalid},      {"boxa", NULL, foreign},
		{"boxb", foreign, NULL},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		for (unsigned role = 0; role < 2; role++) {
			const char *says = role == 0 ? row[i].client : row[i].server;
			struct both b;

			begin(&b, side(true, LINK_CERTIFICATE, role == 0 ? row[i].name : "boxa"),
			      side(false, LINK_CERTIFICATE, role == 1 ? row[i].name : "boxb"));
			struct tls_end *judge = b.end[1 - role];

			assert_int_equal(b.ret[1 - role], says ? -EPROTO : 1);
			assert_int_equal(tls_end_established(judge), !says);
			if (says)
				assert_non_null(strstr(tls_end_why(judge), says));
			end(&b);
		}
	}
}

static void key_against_certificate(void **state)
{
	struct both b;

	begin(&b, side(true, LINK_PSK, "a-long-random-string"),
	      side(false, LINK_CERTIFICATE, "boxb"));
	assert_true(b.ret[0] < 0 && b.ret[1] < 0);
	end(&b);
	begin(&b, side(true, LINK_CERTIFICATE, "boxa"),
	      side(false, LINK_PSK, "a-long-random-string"));
	assert_true(b.ret[0] < 0 || b.ret[1] < 0);
	assert_false(tls_end_established(b.end[1]));
	end(&b);
}

static void files_that_do_not_fit(void **state)
{
	static const struct {
		const char *name, *says;
	} row[] = {
		{"mixed", "mixed.key"},
		{"absent", "absent.crt: cannot read the certificate"},
		{"", "is no name of a trustpoint"},
		{"..", "is no name of a trustpoint"},
		{"a/b", "is no name of a trustpoint"},
		{"a b", "is no name of a trustpoint"},
	};
	struct link_params p = {.security = LINK_CERTIFICATE, .pki_dir = dir};
	char path[128], aside[128];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct err err = {0};

		snprintf(p.secret, sizeof(p.secret), "%s", row[i].name);
		assert_null(link_tls_create(&p, true, &err));
		assert_int_equal(err.code, -EINVAL);
		assert_non_null(strstr(err.msg, row[i].says));
	}
	memcpy(p.secret, "boxa", 5);
	for (unsigned i = 0; i < 2; i++) {
		struct err err = {0};

		snprintf(path, sizeof(path), "%s/boxa.%s", dir, i ? "ca" : "key");
		snprintf(aside, sizeof(aside), "%s/aside", dir);
		assert_int_equal(rename(path, aside), 0);
		assert_null(link_tls_create(&p, true, &err));
		assert_non_null(strstr(err.msg, i ? "cannot read the authority's"
						  : "cannot read the private key"));
		assert_int_equal(rename(aside, path), 0);
	}
	char deep[300];

	memset(deep, 'x', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	p.pki_dir = deep;
	struct err err = {0};

	assert_null(link_tls_create(&p, true, &err));
	assert_non_null(strstr(err.msg, "too long"));
}

// ---- streams ------------------------------------------------------------------------------------

// The further streams' keys come from stream 0's connection: each fits its own stream of its own
// association, and nothing else.
static void streams_do_not_mix(void **state)
{
	static const char key[] = "a-long-random-string";
	struct both b[2], s;

	for (unsigned i = 0; i < 2; i++) {
		begin(&b[i], side(true, LINK_PSK, key), side(false, LINK_PSK, key));
		assert_int_equal(b[i].ret[0] + b[i].ret[1], 2);
	}
	for (unsigned i = 0; i < 3; i++) {
		// the stream itself; another stream; the same one of another association
		unsigned stream = i == 1 ? 4 : 3;

		s = (struct both){{NULL}, {NULL}, {0}};
		s.end[0] = tls_end_create(b[0].shared[0], 3, b[0].end[0]);
		s.end[1] = tls_end_create(b[0].shared[1], stream, b[i == 2].end[1]);
		assert_true(s.end[0] && s.end[1]);
		handshake(&s);
		if (i == 0) {
			assert_int_equal(s.ret[0] + s.ret[1], 2);
			converse(s.end[0], s.end[1]);
		} else {
			assert_true(s.ret[1] < 0);
			assert_false(tls_end_established(s.end[1]));
		}
		end(&s);
	}
	// from a handshake that is not over there is no key to be had
	struct tls_end *early = tls_end_create(b[0].shared[0], 0, NULL);

	assert_null(tls_end_create(b[0].shared[0], 3, early));
	tls_end_destroy(early);
	end(&b[0]);
	end(&b[1]);
}

// Whatever was changed, cut or repeated in a record, nothing of it is read.
static void records(void **state)
{
	static const char key[] = "a-long-random-string";
	const uint8_t *bytes;
	uint8_t wire[256], buf[64];
	struct both b;

	for (unsigned how = 0; how < 5; how++) {
		begin(&b, side(true, LINK_PSK, key), side(false, LINK_PSK, key));
		converse(b.end[0], b.end[1]);
		assert_int_equal(tls_end_write(b.end[0], "and another", 11), 0);
		size_t n = tls_end_pending(b.end[0], &bytes);

		assert_true(n < sizeof(wire));
		memcpy(wire, bytes, n);
		switch (how) {
		case 0: wire[n - 1] ^= 1; break;  // its tag
		case 1: wire[6] ^= 0x80; break;   // its text
		case 2: wire[0] = 22; break;      // its type
		case 3: wire[3] = 0xff; break;    // its length: more than a record has
		case 4: wire[4]--; break;         // and one less than it had
		}
		assert_int_equal(tls_end_feed(b.end[1], wire, n), 0);
		int ret = tls_end_read(b.end[1], buf, sizeof(buf));

		assert_int_equal(ret, -EPROTO);
		assert_true(tls_end_why(b.end[1])[0] != '\0');
		end(&b);
	}
	begin(&b, side(true, LINK_PSK, key), side(false, LINK_PSK, key));
	assert_int_equal(tls_end_write(b.end[0], "and another", 11), 0);
	size_t n = tls_end_pending(b.end[0], &bytes);

	memcpy(wire, bytes, n);
	assert_int_equal(tls_end_feed(b.end[1], wire, n - 1), 0);
	assert_int_equal(tls_end_read(b.end[1], buf, sizeof(buf)), 0);  // not all there yet
	assert_int_equal(tls_end_feed(b.end[1], wire + n - 1, 1), 0);
	assert_int_equal(tls_end_read(b.end[1], buf, sizeof(buf)), 11);
	assert_int_equal(tls_end_feed(b.end[1], wire, n), 0);
	assert_int_equal(tls_end_read(b.end[1], buf, sizeof(buf)), -EPROTO);
	assert_non_null(strstr(tls_end_why(b.end[1]), "forged or damaged"));
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_good),       cmocka_unit_test(certificates_bad),
		cmocka_unit_test(key_against_certificate), cmocka_unit_test(files_that_do_not_fit),
		cmocka_unit_test(streams_do_not_mix),      cmocka_unit_test(records),
	};

	return cmocka_run_group_tests(tests, pki_make, pki_remove);
}
