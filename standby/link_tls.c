// One end of a TLS 1.3 connection between two memory buffers. What the process gives in goes to the
// peer as records, what the peer sent comes out; the transport is the caller's.
#include "link_tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link_tls_keys.h"
#include "secret.h"

// AES-GCM: about 2^24.5 records of full size under one key (RFC 8446 5.5); a new key long before.
#define RECORDS_PER_KEY (1u << 20)
#define EXPORT_LABEL    "EXPORTER-tandem-replication-stream"

struct tls_end {
	struct link_tls *shared;
	SSL *ssl;
	BIO *in, *out;  // the SSL's
	unsigned stream;
	bool established;
	uint32_t records;
	struct tls_key key;  // the stream's external PSK
	char why[160];
};

static int app_index = -1;

static struct tls_end *end_of(SSL *ssl)
{
	return SSL_get_ex_data(ssl, app_index);
}

// ---- external PSK (RFC 8446 4.2.11), one for each stream ----------------------------------------

static size_t identity_format(const struct tls_end *e, char *buf, size_t cap)
{
	int n = snprintf(buf, cap, "tandem-replication-1 stream %u", e->stream);

	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

// A TLS session that holds nothing but the key and the one suite.
static SSL_SESSION *psk_session(SSL *ssl, const struct tls_key *key)
{
	static const unsigned char suite[2] = {0x13, 0x02};  // TLS_AES_256_GCM_SHA384
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
	SSL_SESSION *s = SSL_SESSION_new();

	if (s && cipher && SSL_SESSION_set1_master_key(s, key->bytes, sizeof(key->bytes)) == 1 &&
	    SSL_SESSION_set_cipher(s, cipher) == 1 &&
	    SSL_SESSION_set1_id_context(s, TLS_CONTEXT_ID, TLS_CONTEXT_ID_LEN) == 1 &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1)
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

// The client's side. OpenSSL takes the session and borrows the identity.
static int psk_use(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *idlen,
		   SSL_SESSION **sess)
{
	static _Thread_local char name[64];
	struct tls_end *e = end_of(ssl);

	*sess = NULL;
	if (!e || !e->key.is_set)
		return 1;  // certificates
	if (md && EVP_MD_get_size(md) != 48)
		return 1;  // after a HelloRetryRequest for another hash: none fits
	*sess = psk_session(ssl, &e->key);
	*id = (const unsigned char *)name;
	*idlen = identity_format(e, name, sizeof(name));
	return *sess != NULL;
}

static int psk_find(SSL *ssl, const unsigned char *id, size_t idlen, SSL_SESSION **sess)
{
	struct tls_end *e = end_of(ssl);
	char name[64];

	*sess = NULL;
	if (!e || !e->key.is_set)
		return 1;
	size_t n = identity_format(e, name, sizeof(name));

	if (n == idlen && memcmp(name, id, n) == 0)
		*sess = psk_session(ssl, &e->key);
	return 1;
}

// ---- shared state -------------------------------------------------------------------------------

struct link_tls *link_tls_create(const struct link_params *p, bool client, struct err *err)
{
	struct link_tls *t = calloc(1, sizeof(*t));

	if (!t) {
		err_set(err, -ENOMEM, "no memory for TLS");
		return NULL;
	}
	t->client = client;
	t->security = p->security;
	t->remotes = p->remotes;
	memcpy(t->remote, p->remote, sizeof(t->remote));
	if (app_index < 0)
		app_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (tls_context_create(t, p, err) < 0) {
		link_tls_destroy(t);
		return NULL;
	}
	SSL_CTX_set_psk_use_session_callback(t->ctx, psk_use);
	SSL_CTX_set_psk_find_session_callback(t->ctx, psk_find);
	return t;
}

void link_tls_destroy(struct link_tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	secret_wipe(&t->key, sizeof(t->key));
	free(t);
}

const char *link_tls_name(const struct link_tls *t)
{
	return t->security == LINK_PSK ? "TLS 1.3 PSK" : "TLS 1.3 certificate";
}

// ---- ends ---------------------------------------------------------------------------------------

static int key_choose(struct tls_end *e, struct tls_end *first)
{
	const unsigned char context[1] = {(unsigned char)e->stream};

	if (!first) {
		e->key = e->shared->key;  // not set with certificates
		return 0;
	}
	if (!first->established ||
	    SSL_export_keying_material(first->ssl, e->key.bytes, sizeof(e->key.bytes), EXPORT_LABEL,
				       sizeof(EXPORT_LABEL) - 1, context, sizeof(context), 1) != 1)
		return -EPROTO;
	e->key.is_set = true;
	return 0;
}

struct tls_end *tls_end_create(struct link_tls *t, unsigned stream, struct tls_end *first)
{
	struct tls_end *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->shared = t;
	e->stream = stream;
	e->in = BIO_new(BIO_s_mem());
	e->out = BIO_new(BIO_s_mem());
	e->ssl = SSL_new(t->ctx);
	if (!e->in || !e->out || !e->ssl || key_choose(e, first) < 0 ||
	    SSL_set_ex_data(e->ssl, app_index, e) != 1) {
		BIO_free(e->in);
		BIO_free(e->out);
		SSL_free(e->ssl);
		secret_wipe(e, sizeof(*e));
		free(e);
		return NULL;
	}
	(void)BIO_set_mem_eof_return(e->in, -1);
	(void)BIO_set_mem_eof_return(e->out, -1);
	SSL_set_bio(e->ssl, e->in, e->out);
	if (t->client)
		SSL_set_connect_state(e->ssl);
	else
		SSL_set_accept_state(e->ssl);
	return e;
}

void tls_end_destroy(struct tls_end *e)
{
	if (!e)
		return;
	SSL_free(e->ssl);
	secret_wipe(e, sizeof(*e));
	free(e);
}

int tls_end_feed(struct tls_end *e, const void *bytes, size_t len)
{
	if (len == 0)
		return 0;
	return len <= INT_MAX && BIO_write(e->in, bytes, (int)len) == (int)len ? 0 : -ENOMEM;
}

// What OpenSSL's reason means between two boxes of a pair.
static const char *reason_text(int reason)
{
	switch (reason) {
	case SSL_R_BINDER_DOES_NOT_VERIFY: return "wrong key: the other box has another one";
	case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
	case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
	case SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY:
		return "the other box refuses our key: the keys differ";
	case SSL_R_NO_APPLICATION_PROTOCOL:
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return "the other box speaks another version of the replication link";
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_MISSING_SIGALGS_EXTENSION:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
	case SSL_R_NO_CERTIFICATE_SET:
		return "the other box authenticates in another way (key against certificate)";
	case SSL_R_CERTIFICATE_VERIFY_FAILED: return "the other box's certificate is not valid";
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "one box has no certificate for the other";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: return "the other box refuses our certificate";
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: return "a record was forged or damaged";
	default: return NULL;
	}
}

static int end_failed(struct tls_end *e)
{
	unsigned long code = ERR_peek_error();
	const char *text = reason_text(ERR_GET_REASON(code));
	const char *ssl_text = ERR_reason_error_string(code);
	long verify = SSL_get_verify_result(e->ssl);

	if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK &&
	    e->shared->security == LINK_CERTIFICATE)
		snprintf(e->why, sizeof(e->why), "the other box's certificate is not valid: %s",
			 X509_verify_cert_error_string(verify));
	else if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(e->why, sizeof(e->why), "%s",
			 reason_text(SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE));
	else
		snprintf(e->why, sizeof(e->why), "TLS: %s",
			 text       ? text
			 : ssl_text ? ssl_text
				    : "the handshake failed");
	ERR_clear_error();
	return -EPROTO;
}

// A PSK handshake that OpenSSL ended with certificates instead, or a certificate that is not the
// other box's: neither is the one we were told to talk to.
static int peer_check(struct tls_end *e)
{
	if (e->key.is_set) {
		if (SSL_session_reused(e->ssl))
			return 0;
		snprintf(e->why, sizeof(e->why), "TLS: the key was not used");
		return -EPROTO;
	}
	if (tls_certificate_is_peers(e->shared, e->ssl))
		return 0;
	snprintf(e->why, sizeof(e->why),
		 "the other box's certificate names none of its addresses (subjectAltName)");
	return -EPROTO;
}

int tls_end_step(struct tls_end *e)
{
	if (e->established)
		return 1;
	ERR_clear_error();
	int ret = SSL_do_handshake(e->ssl);

	if (ret == 1) {
		if (peer_check(e) < 0)
			return -EPROTO;
		e->established = true;
		return 1;
	}
	return SSL_get_error(e->ssl, ret) == SSL_ERROR_WANT_READ ? 0 : end_failed(e);
}

bool tls_end_established(const struct tls_end *e)
{
	return e && e->established;
}

int tls_end_read(struct tls_end *e, void *buf, size_t cap)
{
	ERR_clear_error();
	int ret = SSL_read(e->ssl, buf, cap > INT_MAX ? INT_MAX : (int)cap);

	if (ret > 0)
		return ret;
	switch (SSL_get_error(e->ssl, ret)) {
	case SSL_ERROR_WANT_READ: return 0;
	case SSL_ERROR_ZERO_RETURN:
		snprintf(e->why, sizeof(e->why), "the other box ended it");
		return -ECONNRESET;
	default: return end_failed(e);
	}
}

int tls_end_write(struct tls_end *e, const void *bytes, size_t len)
{
	ERR_clear_error();
	if (++e->records % RECORDS_PER_KEY == 0 &&
	    SSL_key_update(e->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
		return end_failed(e);
	int ret = SSL_write(e->ssl, bytes, (int)len);

	return ret == (int)len ? 0 : end_failed(e);
}

size_t tls_end_pending(struct tls_end *e, const uint8_t **bytes)
{
	char *p = NULL;
	long n = BIO_get_mem_data(e->out, &p);

	*bytes = (const uint8_t *)p;
	return n > 0 ? (size_t)n : 0;
}

void tls_end_taken(struct tls_end *e, size_t len)
{
	uint8_t sink[512];

	if (len >= BIO_ctrl_pending(e->out)) {
		(void)BIO_reset(e->out);
		return;
	}
	while (len > 0) {
		int n = BIO_read(e->out, sink, (int)(len < sizeof(sink) ? len : sizeof(sink)));

		if (n <= 0)
			return;
		len -= (size_t)n;
	}
}

const char *tls_end_why(const struct tls_end *e)
{
	return e->why;
}
