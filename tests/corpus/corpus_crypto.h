// The IKE half of corpus-crypto: one function per kind of vector file. One thread. Each adds its
// cases to t and prints its line.
#pragma once

#include "tally.h"

void kdf_file(struct tally *t, const char *path, const char *name);         // NIST CAVS .fax
void wycheproof_hmac(struct tally *t, const char *path, const char *name);  // through prf
void wycheproof_ecdh(struct tally *t, const char *path, const char *name);  // through dh
void wycheproof_cbc(struct tally *t, const char *path, const char *name);   // through cipher
void boringssl_hmac(struct tally *t, const char *path, const char *name);   // through prf
