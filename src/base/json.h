/* JSON writer for logs, status and reports. Appends to a buffer; commas are its business. A value
 * that does not fit the buffer's bound makes json_ok() false, and the text must not be used. */
#ifndef LATCH_BASE_JSON_H
#define LATCH_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct json {
	struct buf *out; /* borrowed */
	bool comma;      /* one is due before the next value */
	bool failed;
};

void json_init(struct json *j, struct buf *out);
static inline bool json_ok(const struct json *j)
{
	return !j->failed;
}
/* `key` NULL inside arrays and at the top. */
void json_object_open(struct json *j, const char *key);
void json_object_close(struct json *j);
void json_array_open(struct json *j, const char *key);
void json_array_close(struct json *j);
/* Escaped by RFC 8259; bytes that are not UTF-8 become U+FFFD. s.p NULL: null. */
void json_str(struct json *j, const char *key, struct str s);
void json_int(struct json *j, const char *key, int64_t n);
void json_uint(struct json *j, const char *key, uint64_t n);
void json_double(struct json *j, const char *key, double n);
void json_bool(struct json *j, const char *key, bool b);

#endif
