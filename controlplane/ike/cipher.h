// CBC ciphers that protect IKE messages: DES, 3DES, AES. No padding here: callers pad.
// Pure; any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model.h"

#define CIPHER_BLOCK_MAX 16
#define CIPHER_KEY_MAX   32

size_t cipher_block_len(enum ike_encr e);               // 8 or 16; 0 = unknown
size_t cipher_key_len(enum ike_encr e, uint16_t bits);  // bits matters for AES only; 0 = unknown
// In place. iv: one block, not changed (the next IV is the last block of ciphertext). len must be a
// multiple of the block length (else -EINVAL, nothing touched); 0 bytes is fine. 0, -EINVAL, -EIO.
int cipher_cbc_encrypt(enum ike_encr e, const uint8_t *key, size_t key_len, const uint8_t *iv,
		       uint8_t *data, size_t len) __attribute__((warn_unused_result));
int cipher_cbc_decrypt(enum ike_encr e, const uint8_t *key, size_t key_len, const uint8_t *iv,
		       uint8_t *data, size_t len) __attribute__((warn_unused_result));
