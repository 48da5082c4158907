/* Framing and the chunked coding. The input is a request with its content; what is no request head
 * is taken for chunked content. Decoding in pieces must be decoding the whole. */
#include <string.h>

#include "fuzz.h"
#include "http/body.h"
#include "http/head.h"

struct decoded {
	enum parse_status status;
	size_t used;
	char *content; /* owned */
	size_t n;
	struct http_error error;
};

static struct decoded decode(struct body_framing framing, const char *p, size_t n, size_t piece)
{
	struct decoded ret = { .status = PARSE_MORE, .content = malloc(n + 1) };
	struct body_decoder d = { 0 };

	check(ret.content);
	body_start(&d, framing);
	while (ret.status == PARSE_MORE && ret.used < n) {
		size_t m = n - ret.used < piece ? n - ret.used : piece;
		const char *at = p + ret.used;
		struct http_error error = { 0, NULL };
		struct str content;
		size_t used = SIZE_MAX;

		ret.status = body_decode(&d, at, m, &used, &content, &error);
		check(used <= m);
		check(ret.status != PARSE_MORE || used > 0);
		check(content.n <= used);
		check(content.n == 0 || (content.p >= at && content.p + content.n <= at + used));
		if (content.n)
			memcpy(ret.content + ret.n, content.p, content.n);
		ret.n += content.n;
		ret.used += used;
		if (ret.status == PARSE_BAD)
			ret.error = error;
	}
	check(d.content == ret.n);
	if (ret.status == PARSE_DONE) {
		struct str content;
		size_t used;

		check(body_decode(&d, p, n, &used, &content, &ret.error) == PARSE_DONE);
		check(used == 0 && content.n == 0);
	}
	return ret;
}

static void check_pieces(struct body_framing framing, const char *p, size_t n, size_t piece,
	const struct decoded *whole)
{
	struct decoded d = decode(framing, p, n, piece);

	check(d.status == whole->status);
	check(d.n == whole->n && memcmp(d.content, whole->content, d.n) == 0);
	if (d.status == PARSE_DONE)
		check(d.used == whole->used);
	if (d.status == PARSE_BAD) {
		check(d.error.status == 400);
		check(strcmp(d.error.reason, whole->error.reason) == 0);
	}
	free(d.content);
}

/* The content in one chunk decodes to itself. */
static void check_again(const struct decoded *d)
{
	struct body_framing chunked = { BODY_CHUNKED, 0 };
	char *coded = malloc(d->n + 64);
	struct decoded again;
	int n = 0;

	check(coded);
	if (d->n) {
		n = snprintf(coded, 32, "%zx\r\n", d->n);
		memcpy(coded + n, d->content, d->n);
		n += (int)d->n;
		memcpy(coded + n, "\r\n", 2);
		n += 2;
	}
	memcpy(coded + n, "0\r\n\r\n", 5);
	again = decode(chunked, coded, (size_t)n + 5, (size_t)n + 5);
	check(again.status == PARSE_DONE && again.used == (size_t)n + 5);
	check(again.n == d->n && memcmp(again.content, d->content, d->n) == 0);
	free(again.content);
	free(coded);
}

static void run(struct body_framing framing, const char *p, size_t n, size_t hash)
{
	struct decoded whole = decode(framing, p, n, n + 1);

	if (framing.kind == BODY_LENGTH)
		check(whole.n == (n < framing.length ? n : framing.length));
	if (framing.kind == BODY_UNTIL_CLOSE)
		check(whole.n == n);
	if (framing.kind == BODY_CHUNKED && whole.status == PARSE_DONE) {
		check(whole.used >= whole.n + 5);
		check(memcmp(p + whole.used - 2, "\r\n", 2) == 0);
		check_again(&whole);
	}
	check_pieces(framing, p, n, 1, &whole);
	check_pieces(framing, p, n, hash % 37 + 1, &whole);
	check_pieces(framing, p, n, n ? hash % n + 1 : 1, &whole);
	free(whole.content);
}

/* What the rules of RFC 9112 section 6 leave. */
static void check_framing(const struct request *req, const struct body_framing *f)
{
	const struct fields *fields = &req->fields;

	check(f->kind != BODY_UNTIL_CLOSE);
	check(!fields_has(fields, FIELD_TRANSFER_ENCODING) || f->kind == BODY_CHUNKED);
	if (f->kind == BODY_CHUNKED) {
		check(!fields_has(fields, FIELD_CONTENT_LENGTH));
		check(req->version == HTTP_VERSION_1_1);
		check(fields->count[FIELD_TRANSFER_ENCODING] == 1);
		check(str_case_eq(fields_get(fields, FIELD_TRANSFER_ENCODING), STR("chunked")));
	}
	if (f->kind == BODY_LENGTH) {
		check(fields->count[FIELD_CONTENT_LENGTH] == 1);
		check(f->length > 0 && f->length <= INT64_MAX);
	}
	if (f->kind == BODY_NONE && fields_has(fields, FIELD_CONTENT_LENGTH))
		check(strspn(fields_get(fields, FIELD_CONTENT_LENGTH).p, "0") ==
			fields_get(fields, FIELD_CONTENT_LENGTH).n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request req;
	const struct head_limits limits = { 16384, 100 };
	struct body_framing framing = { BODY_CHUNKED, 0 };
	struct head_scan scan = { 0 };
	const char *p = (const char *)data;
	struct http_error error = { 0, NULL };
	size_t used = 0;

	if (head_parse_request(&scan, p, size, &limits, &req, &used, &error) == PARSE_DONE) {
		if (body_frame_request(&req, &framing, &error) < 0) {
			check(error.status == 400 || error.status == 501);
			check(error.reason);
			return 0;
		}
		check_framing(&req, &framing);
	} else {
		used = 0;
	}
	run(framing, p + used, size - used, fuzz_hash(data, size));
	return 0;
}
