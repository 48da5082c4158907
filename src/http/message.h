/* A request and a response as data: what HTTP/1.1 and HTTP/2 have in common (RFC 9110). */
#ifndef LATCH_HTTP_MESSAGE_H
#define LATCH_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "http/fields.h"

enum parse_status { PARSE_DONE, PARSE_MORE, PARSE_BAD };

/* Why a parser said PARSE_BAD: the status to answer with, and a static sentence for the log. */
struct http_error {
	int status;
	const char *reason;
};

enum {
#define STATUS(code, phrase) HTTP_STATUS_INDEX_##code,
#include "http/status.def"
#undef STATUS
	HTTP_STATUS_COUNT
};

enum http_version { HTTP_VERSION_1_0, HTTP_VERSION_1_1, HTTP_VERSION_2 };

enum http_method {
	HTTP_METHOD_OTHER, /* a token we do not know: 501 is the server's answer */
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_TRACE,
	HTTP_METHOD_PATCH,
};

/* Slices point into the bytes that were parsed, which must outlive the request. */
struct request {
	enum http_method method;
	struct str method_text;
	struct str target; /* as received */
	enum http_version version;
	struct str authority; /* of the target if it has one, else the Host field; with its port */
	struct fields fields;
};

/* A response as the client reads it. */
struct response_head {
	int status;
	struct str reason;
	enum http_version version;
	struct fields fields;
};

enum http_method http_method_of(struct str token);
/* The phrase of status.def; "Unknown" for others. */
struct str http_reason(int status);
/* Which of the codes of status.def, in their order: below HTTP_STATUS_COUNT; -1: none. */
int http_status_index(int status);
/* The code at an index; 0 where there is none. */
int http_status_at(unsigned index);
/* tchar of RFC 9110 section 5.6.2, and non-empty. */
bool http_is_token(struct str s);
/* A field value that may be sent: no CR, LF, NUL or other control but HTAB. */
bool http_is_field_value(struct str s);

/* Nothing parsed: the state before head_parse_request(), cheap. */
static inline void request_clear(struct request *r)
{
	fields_clear(&r->fields);
	r->method = HTTP_METHOD_OTHER;
	r->version = HTTP_VERSION_1_1;
	r->method_text = r->target = r->authority = (struct str){ NULL, 0 };
}

/* Copies the slices of `r` from the bytes at `from` to the same bytes at `to` (a copy of them). */
void message_rebase(struct request *r, const char *from, size_t n, const char *to);

#endif
