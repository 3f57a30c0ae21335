// Parts of corpus-esp.
#pragma once

#include <jansson.h>

#include "corpus_json.h"
#include "esp_bed.h"
#include "tally.h"

// Algorithm names as the corpora write them, key with its salt behind. false: not offered here.
bool esp_algorithm(struct dp_sa *p, const char *enc, const struct blob *key, const char *auth,
		   const struct blob *auth_key, unsigned icv_len);
// Makes the next packet of an outbound SA use this IV (tests only: reaches into the SA and the
// worker's generator).
void esp_force_iv(struct sa *sa, const uint8_t *iv, size_t len);
// Adds an SA; NULL and a reason in *why (static) when the engine refuses it.
struct sa *esp_install(const struct dp_sa *p, char *why, size_t cap);
void esp_remove(struct sa *sa);

void corpus_esp_vectors(const char *dir, const char *name, struct tally *t);
void corpus_esp_capture(const char *dir, const char *name, const json_t *sas, struct tally *t);
