// Keys and certificates of the replication link: the pre-shared key is derived from the configured
// string with HKDF (RFC 5869), certificates are PEM files named by their trustpoint.
#include "link_tls_keys.h"
#include "link_frame.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

#define PKI_DIR  "/etc/tandem/pki"
#define PSK_MIN  16
#define PSK_SALT "tandem replication link"
#define PSK_INFO "psk 1"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
static const unsigned char alpn[] = "\x0dtandem-link/" TEXT(FRAME_VERSION);
_Static_assert(sizeof(alpn) == 15, "the length stands in front: versions of one digit");

static int psk_derive(const char *secret, struct tls_key *key)
{
	char salt[] = PSK_SALT, info[] = PSK_INFO, digest[] = "SHA384";
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret,
						  strlen(secret)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof(salt) - 1),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info) - 1),
		OSSL_PARAM_construct_end(),
	};
	int ok = ctx ? EVP_KDF_derive(ctx, key->bytes, sizeof(key->bytes), params) : 0;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	key->is_set = ok > 0;
	return ok > 0 ? 0 : -EIO;
}

// The version of the link protocol is agreed before anything else is.
static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		       const unsigned char *in, unsigned int inlen, void *arg)
{
	unsigned char *picked = NULL;

	if (SSL_select_next_proto(&picked, outlen, alpn, sizeof(alpn) - 1, in, inlen) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = picked;
	return SSL_TLSEXT_ERR_OK;
}

static int context_harden(SSL_CTX *ctx, bool client)
{
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_TICKET | SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION);
	// psk_dhe_ke only: who learns the key later cannot read what was sent before
	SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_NO_DHE_KEX);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (!client)
		SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
			       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
			       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384") == 1 &&
			       SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
			       SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
			       SSL_CTX_set_session_id_context(ctx, TLS_CONTEXT_ID,
							      TLS_CONTEXT_ID_LEN) == 1 &&
			       SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
			       SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) == 0
		       ? 0
		       : -EIO;
}

static bool name_is_safe(const char *s)
{
	if (s[0] == '\0' || s[0] == '.')
		return false;
	for (; *s != '\0'; s++) {
		if (*s == '/' || (unsigned char)*s <= ' ')
			return false;
	}
	return true;
}

static int file_fails(struct err *err, const char *path, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	err_set(err, -EINVAL, "%s: %s (%s)", path, what, reason ? reason : "unknown reason");
	ERR_clear_error();
	return -EINVAL;
}

static int certificates_load(SSL_CTX *ctx, const struct link_params *p, struct err *err)
{
	const char *dir = p->pki_dir ? p->pki_dir : PKI_DIR;
	char crt[256], key[256], ca[256];

	if (!name_is_safe(p->secret))
		return err_set(err, -EINVAL, "\"%s\" is no name of a trustpoint", p->secret);
	int n = snprintf(crt, sizeof(crt), "%s/%s.crt", dir, p->secret);

	if (n < 0 || (size_t)n >= sizeof(crt))
		return err_set(err, -EINVAL, "the trustpoint's name is too long");
	(void)snprintf(key, sizeof(key), "%s/%s.key", dir, p->secret);
	(void)snprintf(ca, sizeof(ca), "%s/%s.ca", dir, p->secret);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, crt) != 1)
		return file_fails(err, crt, "cannot read the certificate");
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return file_fails(err, key, "cannot read the private key");
	if (SSL_CTX_check_private_key(ctx) != 1)
		return file_fails(err, key, "is not the certificate's key");
	if (SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		return file_fails(err, ca, "cannot read the authority's certificate");
	return 0;
}

int tls_context_create(struct link_tls *t, const struct link_params *p, struct err *err)
{
	t->ctx = SSL_CTX_new(t->client ? TLS_client_method() : TLS_server_method());
	if (!t->ctx || context_harden(t->ctx, t->client) < 0)
		return err_set(err, -EIO, "cannot set up TLS 1.3");
	// With a key there is no authority that is trusted: a certificate never helps.
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (p->security == LINK_CERTIFICATE)
		return certificates_load(t->ctx, p, err);
	if (strnlen(p->secret, sizeof(p->secret)) < PSK_MIN)
		return err_set(err, -EINVAL, "the key of the replication link is %s",
			       p->secret[0] ? "shorter than 16 characters" : "not configured");
	if (psk_derive(p->secret, &t->key) < 0)
		return err_set(err, -EIO, "cannot derive the key of the replication link");
	return 0;
}

bool tls_certificate_is_peers(const struct link_tls *t, SSL *ssl)
{
	X509 *cert = SSL_get1_peer_certificate(ssl);
	bool match = false;

	for (unsigned i = 0; cert && i < t->remotes && !match; i++)
		match = X509_check_ip(cert, t->remote[i].bytes, addr_len(&t->remote[i]), 0) == 1;
	X509_free(cert);
	return match && SSL_get_verify_result(ssl) == X509_V_OK;
}
