// A small JSON writer into a growing buffer: correct escaping and commas, nothing else.
// Calls nest: json_obj(w, key) ... json_end(w). key is NULL inside arrays and at top level.
// Any thread, one owner.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;
struct json *json_create(void);
void json_destroy(struct json *w);
void json_obj(struct json *w, const char *key);
void json_arr(struct json *w, const char *key);
void json_end(struct json *w);
void json_str(struct json *w, const char *key, const char *value);  // NULL value -> null
void json_fmt(struct json *w, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));  // a string
void json_u64(struct json *w, const char *key, uint64_t value);
void json_i64(struct json *w, const char *key, int64_t value);
void json_double(struct json *w, const char *key, double value);
void json_bool(struct json *w, const char *key, bool value);
void json_null(struct json *w, const char *key);
// The text so far (NUL-terminated, owned by the writer), or NULL after an allocation failure.
const char *json_text(const struct json *w, size_t *len);
