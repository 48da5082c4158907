/* Writers of HTTP/1 message heads. Each writes all of its line or nothing, and returns false when
 * the buffer is at its bound or out of memory. */
#ifndef LATCH_HTTP_HEAD_WRITE_H
#define LATCH_HTTP_HEAD_WRITE_H

#include "base/buf.h"
#include "http/message.h"

/* "HTTP/1.1 200 OK\r\n". False also for what has not three digits. */
bool head_write_status(struct buf *out, int status);
/* "Name: value\r\n". False also for a name that is no token and a value with a control character:
 * nothing from outside can add a line of its own. */
bool head_write_field(struct buf *out, struct str name, struct str value);
bool head_write_field_u64(struct buf *out, struct str name, uint64_t value);
/* "\r\n". */
bool head_write_end(struct buf *out);
/* "GET /x HTTP/1.1\r\n". False also for a method that is no token and a target with a byte that no
 * target may have. */
bool head_write_request_line(struct buf *out, struct str method, struct str target);

#endif
