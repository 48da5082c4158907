/* HTTP/1 heads: whatever the bytes, cutting them changes nothing, and what is accepted is clean.
 * The input is the bytes; both parsers read them, with wide and with narrow limits. */
#include <string.h>

#include "fuzz.h"
#include "http/head.h"
#include "http/uri.h"

static const struct head_limits limits[] = { { 16384, 100 }, { 64, 3 }, { 16384, 0 } };

/* A result without pointers into the bytes, so that two of them can be compared. */
struct outcome {
	enum parse_status status;
	size_t used;
	struct http_error error;
};

static struct request req;
static struct response_head resp;

static struct outcome feed(struct head_scan *scan, const char *p, size_t n,
	const struct head_limits *limit, bool response)
{
	struct outcome o = { .status = PARSE_MORE };
	struct http_error error = { 0, NULL };
	size_t used = 0;

	if (response)
		o.status = head_parse_response(scan, p, n, limit, &resp, &used, &error);
	else
		o.status = head_parse_request(scan, p, n, limit, &req, &used, &error);
	if (o.status == PARSE_DONE)
		o.used = used;
	if (o.status == PARSE_BAD)
		o.error = error;
	return o;
}

static void check_same(struct outcome a, struct outcome b)
{
	check(a.status == b.status);
	check(a.used == b.used);
	check(a.error.status == b.error.status);
	check(a.error.reason == b.error.reason || strcmp(a.error.reason, b.error.reason) == 0);
}

/* `step` bytes more with each call, from another place each time. */
static struct outcome feed_steps(
	const char *p, size_t n, size_t step, const struct head_limits *limit, bool response)
{
	struct outcome o = { .status = PARSE_MORE };
	struct head_scan scan = { 0 };

	for (size_t at = 0; o.status == PARSE_MORE; at = n - at < step ? n : at + step) {
		char *copy = malloc(at + !at);

		check(copy);
		memcpy(copy, p, at);
		o = feed(&scan, copy, at, limit, response);
		check(scan.seen <= at);
		free(copy);
		if (at == n)
			break;
	}
	return o;
}

static void check_fields(const struct fields *f, const char *p, size_t n)
{
	unsigned known[FIELD_COUNT] = { 0 };

	check(f->n <= FIELDS_MAX);
	for (unsigned i = 0; i < f->n; i++) {
		const struct field *line = &f->line[i];

		check(http_is_token(line->name));
		check(http_is_field_value(line->value));
		check(line->name.p >= p && line->name.p + line->name.n < p + n);
		check(line->value.p >= p && line->value.p + line->value.n < p + n);
		check(line->id == fields_id_of(line->name));
		check(str_eq(str_trim(line->value), line->value));
		if (known[line->id]++ == 0)
			check(f->first[line->id] == i + 1);
	}
	for (int id = 0; id < FIELD_COUNT; id++)
		check(f->count[id] == (known[id] < 255 ? known[id] : 255));
}

static void check_request(const char *p, size_t n)
{
	struct http_error error;
	struct target target;
	struct str host;
	unsigned port;

	check_fields(&req.fields, p, n);
	check(http_is_token(req.method_text));
	check(req.method == http_method_of(req.method_text));
	check(req.target.n > 0 && !memchr(req.target.p, ' ', req.target.n));
	check(req.version == HTTP_VERSION_1_0 || req.version == HTTP_VERSION_1_1);
	check(req.fields.count[FIELD_HOST] <= 1);
	check(req.version == HTTP_VERSION_1_0 || req.fields.count[FIELD_HOST] == 1);
	if (req.authority.p)
		check(uri_split_authority(req.authority, &host, &port));
	if (uri_parse_target(req.target, req.method, &target, &error) == 0 && target.authority.n)
		check(str_eq(target.authority, req.authority));
}

static void check_response(const char *p, size_t n)
{
	check_fields(&resp.fields, p, n);
	check(resp.status >= 100 && resp.status <= 999);
	check(http_is_field_value(resp.reason));
}

/* What was read can be written, and reads the same. */
static void check_round_trip(const struct head_limits *limit)
{
	static struct request before;
	struct head_scan scan = { 0 };
	struct outcome o;
	struct buf out;

	before = req;
	buf_init(&out, 0);
	check(head_write_request_line(&out, req.method_text, req.target));
	for (unsigned i = 0; i < req.fields.n; i++)
		check(head_write_field(&out, req.fields.line[i].name, req.fields.line[i].value));
	check(head_write_end(&out));
	o = feed(&scan, buf_head(&out), buf_len(&out),
		&(struct head_limits){ SIZE_MAX, limit->fields }, false);
	/* It is written as HTTP/1.1, which needs a Host. */
	check(o.status == PARSE_DONE || before.version == HTTP_VERSION_1_0);
	if (o.status == PARSE_DONE) {
		check(o.used == buf_len(&out));
		check(str_eq(before.target, req.target));
		check(before.fields.n == req.fields.n);
		for (unsigned i = 0; i < req.fields.n; i++)
			check(str_eq(before.fields.line[i].value, req.fields.line[i].value));
	}
	buf_done(&out);
}

static void run(
	const char *p, size_t n, size_t hash, const struct head_limits *limit, bool response)
{
	struct outcome whole = feed(&(struct head_scan){ 0 }, p, n, limit, response);

	if (whole.status == PARSE_DONE) {
		check(whole.used <= n && whole.used <= limit->size);
		check(memcmp(p + whole.used - 4, "\r\n\r\n", 4) == 0);
		if (response)
			check_response(p, whole.used);
		else
			check_request(p, whole.used);
		if (!response)
			check_round_trip(limit);
		check(feed(&(struct head_scan){ 0 }, p, whole.used - 1, limit, response).status ==
			PARSE_MORE);
		check_same(whole, feed(&(struct head_scan){ 0 }, p, whole.used, limit, response));
	}
	if (whole.status == PARSE_BAD) {
		check(whole.error.reason);
		check(whole.error.status >= 400 && whole.error.status <= 505);
	}
	check(whole.status != PARSE_MORE || n < limit->size);
	check_same(whole, feed_steps(p, n, n ? hash % n + 1 : 1, limit, response));
	if (n <= 512)
		check_same(whole, feed_steps(p, n, 1, limit, response));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t hash = fuzz_hash(data, size);

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		run((const char *)data, size, hash, &limits[i], false);
		run((const char *)data, size, hash, &limits[i], true);
	}
	return 0;
}
