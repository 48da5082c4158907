/* HTTP/1 message heads. One state machine reads request and response heads: it checks every byte
 * against the class tables as it passes, and it stops at the first byte that breaks the grammar.
 * A head that comes in one piece is read in one pass. When it comes in pieces, each call goes on
 * where the last one stopped without storing anything, because the bytes may have moved and `ret`
 * may be another one; when the end is in sight the whole is read once more.
 *
 *   request:  START -> METHOD -> TARGET -> VERSION --CR--> LINE_LF -> FIELD
 *   response: VERSION -> STATUS -> REASON --CR--> LINE_LF -> FIELD
 *   both:     FIELD -> NAME --:--> OWS -> VALUE --CR--> VALUE_LF -> FIELD
 *             FIELD --CR--> END_LF -> done
 *
 * Refuses to repair anything, to fold lines, and to judge framing. */
#include "http/head.h"

#include <assert.h>

#include "http/chars.h"
#include "http/uri.h"

enum {
	AT_START, /* a zeroed scan */
	AT_START_LF,
	IN_METHOD,
	IN_TARGET,
	IN_VERSION,
	IN_STATUS,
	IN_REASON,
	AT_LINE_LF,
	AT_FIELD, /* from here on a head that is too large is 431 */
	IN_NAME,
	IN_OWS,
	IN_VALUE,
	AT_VALUE_LF,
	AT_END_LF,
};

/* The scan while a call runs, in reach of registers. */
struct reader {
	const char *p;
	size_t pos;
	size_t end;
	size_t mark; /* where the current element began */
	unsigned state;
	unsigned nfields; /* field lines begun */
	unsigned max_fields;
	bool store; /* everything is read in this call: slices may be kept */
	struct str name;
	struct request *request; /* one of these two is NULL */
	struct response_head *response;
	enum http_version *version;
	struct fields *fields;
	struct http_error *error;
};

static bool fail(struct reader *r, int status, const char *reason)
{
	*r->error = (struct http_error){ status, reason };
	return false;
}

/* The byte at the position may not stand where it does. */
static bool fail_byte(struct reader *r, const char *otherwise)
{
	switch (r->p[r->pos]) {
	case '\r':
		return fail(r, 400, "CR in an unexpected place");
	case '\n':
		return fail(r, 400, "bare LF as line end");
	case '\0':
		return fail(r, 400, "NUL byte in the head");
	default:
		return fail(r, 400, otherwise);
	}
}

static inline void enter(struct reader *r, unsigned state)
{
	r->state = state;
	r->mark = r->pos;
}

static inline struct str slice(const struct reader *r)
{
	return (struct str){ r->p + r->mark, r->pos - r->mark };
}

static inline void pass(struct reader *r, enum chars class)
{
	r->pos += chars_span(r->p + r->pos, r->end - r->pos, class);
}

/* Takes the LF after a CR and enters `state`. */
static inline bool take_lf(struct reader *r, unsigned state)
{
	if (r->p[r->pos] != '\n')
		return fail(r, 400, "bare CR");
	r->pos++;
	enter(r, state);
	return true;
}

static inline void take_start(struct reader *r)
{
	if (r->p[r->pos] != '\r') {
		enter(r, IN_METHOD);
		return;
	}
	r->pos++;
	r->state = AT_START_LF;
}

static inline bool take_method(struct reader *r)
{
	pass(r, CHARS_TOKEN);
	if (r->pos == r->end)
		return true;
	if (r->pos == r->mark || r->p[r->pos] != ' ')
		return fail_byte(r, "malformed method");
	if (r->store)
		r->request->method_text = slice(r);
	r->pos++;
	enter(r, IN_TARGET);
	return true;
}

static inline bool take_target(struct reader *r)
{
	pass(r, CHARS_TARGET);
	if (r->pos == r->end)
		return true;
	if (r->pos == r->mark || r->p[r->pos] != ' ')
		return fail_byte(r, "malformed request target");
	if (r->store)
		r->request->target = slice(r);
	r->pos++;
	enter(r, IN_VERSION);
	return true;
}

enum { VERSION_LENGTH = 8 };

static bool is_version_byte(struct reader *r, size_t at)
{
	char c = r->p[r->pos];
	bool digit = c >= '0' && c <= '9';

	if (at == 5 && digit && c != '1')
		return fail(r, 505, "HTTP version not supported");
	if (at == 5 || at == 7 ? digit : c == "HTTP/1.1"[at])
		return true;
	return fail_byte(r, "malformed HTTP version");
}

/* CR ends it in a request, SP in a response. */
static inline bool take_version(struct reader *r)
{
	char stop = r->request ? '\r' : ' ';

	if (r->pos == r->mark && r->end - r->pos >= VERSION_LENGTH &&
		memcmp(r->p + r->pos, "HTTP/1.1", VERSION_LENGTH) == 0)
		r->pos += VERSION_LENGTH;
	for (; r->pos < r->end && r->pos - r->mark < VERSION_LENGTH; r->pos++)
		if (!is_version_byte(r, r->pos - r->mark))
			return false;
	if (r->pos == r->end)
		return true;
	if (r->p[r->pos] != stop)
		return fail_byte(r, "bytes behind the HTTP version");
	if (r->store)
		*r->version = r->p[r->pos - 1] == '0' ? HTTP_VERSION_1_0 : HTTP_VERSION_1_1;
	r->pos++;
	enter(r, r->request ? AT_LINE_LF : IN_STATUS);
	return true;
}

/* Three digits and the SP, which may be missing when there is no reason. */
static bool take_status(struct reader *r)
{
	const char *digit = r->p + r->mark;

	for (; r->pos < r->end && r->pos - r->mark < 3; r->pos++) {
		char c = r->p[r->pos];

		if (c < (r->pos == r->mark ? '1' : '0') || c > '9')
			return fail_byte(r, "malformed status code");
	}
	if (r->pos == r->end)
		return true;
	if (r->p[r->pos] != ' ' && r->p[r->pos] != '\r')
		return fail_byte(r, "malformed status code");
	if (r->store)
		r->response->status =
			(digit[0] - '0') * 100 + (digit[1] - '0') * 10 + digit[2] - '0';
	if (r->p[r->pos] == ' ')
		r->pos++;
	enter(r, IN_REASON);
	return true;
}

static bool take_reason(struct reader *r)
{
	r->pos += chars_span_value(r->p + r->pos, r->end - r->pos);
	if (r->pos == r->end)
		return true;
	if (r->p[r->pos] != '\r')
		return fail_byte(r, "control character in the status line");
	if (r->store)
		r->response->reason = slice(r);
	r->pos++;
	r->state = AT_LINE_LF;
	return true;
}

static bool read_line(struct reader *r)
{
	bool ok = true;

	while (ok && r->pos < r->end && r->state < AT_FIELD) {
		switch (r->state) {
		case AT_START:
			take_start(r);
			break;
		case AT_START_LF:
			ok = take_lf(r, IN_METHOD);
			break;
		case IN_METHOD:
			ok = take_method(r);
			break;
		case IN_TARGET:
			ok = take_target(r);
			break;
		case IN_VERSION:
			ok = take_version(r);
			break;
		case IN_STATUS:
			ok = take_status(r);
			break;
		case IN_REASON:
			ok = take_reason(r);
			break;
		default:
			ok = take_lf(r, AT_FIELD);
			break;
		}
	}
	return ok;
}

static inline bool take_field_start(struct reader *r)
{
	char c = r->p[r->pos];

	if (c == '\r') {
		r->pos++;
		r->state = AT_END_LF;
		return true;
	}
	if (c == ' ' || c == '\t')
		return fail(
			r, 400, r->nfields ? "folded field line" : "blank before the first field");
	if (r->nfields >= r->max_fields)
		return fail(r, 431, "too many fields");
	r->nfields++;
	enter(r, IN_NAME);
	return true;
}

static inline bool take_name(struct reader *r)
{
	pass(r, CHARS_TOKEN);
	if (r->pos == r->end)
		return true;
	if (r->pos == r->mark || r->p[r->pos] != ':')
		return fail_byte(r, "malformed field name");
	r->name = slice(r);
	r->pos++;
	r->state = IN_OWS;
	return true;
}

static inline void take_ows(struct reader *r)
{
	while (r->pos < r->end && (r->p[r->pos] == ' ' || r->p[r->pos] == '\t'))
		r->pos++;
	if (r->pos < r->end)
		enter(r, IN_VALUE);
}

static inline bool take_value(struct reader *r)
{
	struct str value;

	r->pos += chars_span_value(r->p + r->pos, r->end - r->pos);
	if (r->pos == r->end)
		return true;
	if (r->p[r->pos] != '\r')
		return fail_byte(r, "control character in a field value");
	value = slice(r);
	while (value.n > 0 && (value.p[value.n - 1] == ' ' || value.p[value.n - 1] == '\t'))
		value.n--;
	if (r->store && !fields_add(r->fields, r->name, value))
		return fail(r, 431, "too many fields");
	r->pos++;
	r->state = AT_VALUE_LF;
	return true;
}

/* PARSE_DONE: the position is behind the empty line. */
static enum parse_status read_fields(struct reader *r)
{
	bool ok = true;

	while (ok && r->pos < r->end) {
		switch (r->state) {
		case AT_FIELD:
			ok = take_field_start(r);
			break;
		case IN_NAME:
			ok = take_name(r);
			break;
		case IN_OWS:
			take_ows(r);
			break;
		case IN_VALUE:
			ok = take_value(r);
			break;
		case AT_VALUE_LF:
			ok = take_lf(r, AT_FIELD);
			break;
		default:
			ok = take_lf(r, AT_END_LF);
			if (ok)
				return PARSE_DONE;
			break;
		}
	}
	return ok ? PARSE_MORE : PARSE_BAD;
}

static enum parse_status read_head(struct reader *r)
{
	if (r->store)
		fields_clear(r->fields);
	if (r->state < AT_FIELD && !read_line(r))
		return PARSE_BAD;
	return read_fields(r);
}

static enum parse_status too_large(struct reader *r)
{
	if (r->state < AT_FIELD)
		fail(r, 414, "request line too long");
	else
		fail(r, 431, "header section too large");
	return PARSE_BAD;
}

/* Goes on with the scan; a head that came in pieces is read once more when it is whole. */
static enum parse_status parse(struct reader *r, struct head_scan *scan, size_t n,
	const struct head_limits *limits, size_t *ret_used)
{
	unsigned start = r->request ? AT_START : IN_VERSION;
	enum parse_status status;

	assert(limits->fields <= FIELDS_MAX);
	r->end = n < limits->size ? n : limits->size;
	r->max_fields = limits->fields;
	r->store = scan->seen == 0;
	r->pos = scan->seen;
	r->mark = r->store ? 0 : scan->mark;
	r->state = r->store ? start : scan->state;
	r->nfields = r->store ? 0 : scan->fields;
	status = read_head(r);
	if (status == PARSE_DONE && !r->store) {
		r->store = true;
		r->pos = r->mark = r->nfields = 0;
		r->state = start;
		status = read_head(r);
	}
	*scan = (struct head_scan){ r->pos, r->mark, r->state, r->nfields };
	if (status == PARSE_MORE && r->end == limits->size)
		return too_large(r);
	if (status == PARSE_DONE)
		*ret_used = r->pos;
	return status;
}

/* What the bytes mean together: the target's authority and Host (RFC 9112 sections 3.2, 3.3). */
static enum parse_status finish_request(struct request *ret, struct http_error *error)
{
	struct str host = fields_get(&ret->fields, FIELD_HOST);
	struct target target = { 0 };
	const char *why = NULL;
	struct str name;
	unsigned port;

	ret->method = http_method_of(ret->method_text);
	ret->authority = host;
	if (ret->target.p[0] != '/' || ret->method == HTTP_METHOD_CONNECT) {
		if (uri_parse_target(ret->target, ret->method, &target, error) < 0)
			return PARSE_BAD;
		if (target.authority.n > 0)
			ret->authority = target.authority;
	}
	if (ret->fields.count[FIELD_HOST] > 1)
		why = "more than one Host field";
	else if (!host.p && ret->version != HTTP_VERSION_1_0)
		why = "no Host field";
	else if (host.p && !uri_split_authority(host, &name, &port))
		why = "malformed Host field";
	if (!why)
		return PARSE_DONE;
	*error = (struct http_error){ 400, why };
	return PARSE_BAD;
}

enum parse_status head_parse_request(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, struct request *ret, size_t *ret_used,
	struct http_error *error)
{
	struct reader r = {
		.p = p,
		.request = ret,
		.version = &ret->version,
		.fields = &ret->fields,
		.error = error,
	};
	enum parse_status status = parse(&r, scan, n, limits, ret_used);

	return status == PARSE_DONE ? finish_request(ret, error) : status;
}

enum parse_status head_parse_response(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limits, struct response_head *ret, size_t *ret_used,
	struct http_error *error)
{
	struct reader r = {
		.p = p,
		.response = ret,
		.version = &ret->version,
		.fields = &ret->fields,
		.error = error,
	};

	return parse(&r, scan, n, limits, ret_used);
}
