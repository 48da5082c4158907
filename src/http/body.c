/* Message framing and the chunked coding. Every rule against request smuggling stands here: what
 * two parsers could read differently is refused, never repaired (RFC 9112 sections 6, 7 and 11.2).
 * Refuses list-valued lengths, codings other than one chunked, and chunk lines that are off the
 * grammar by a single byte; trailer fields are checked and dropped. */
#include "http/body.h"

#include "http/chars.h"

static int fail(struct http_error *error, int status, const char *reason)
{
	*error = (struct http_error){ status, reason };
	return -1;
}

/* What is left of the list behind its first element, which goes to `ret`, trimmed. Unlike
 * str_next_element() it shows empty elements. */
static bool next_coding(struct str *list, struct str *ret)
{
	size_t comma;

	if (!list->p)
		return false;
	comma = str_find(*list, ',', 0);
	*ret = str_trim((struct str){ list->p, comma });
	if (comma == list->n)
		*list = (struct str){ NULL, 0 };
	else
		*list = (struct str){ list->p + comma + 1, list->n - comma - 1 };
	return true;
}

struct codings {
	unsigned chunked;
	unsigned other;
	bool malformed;
	bool chunked_last;
};

static void add_codings(struct codings *c, struct str list)
{
	struct str coding;

	while (next_coding(&list, &coding)) {
		c->chunked_last = str_case_eq(coding, STR("chunked"));
		if (c->chunked_last)
			c->chunked++;
		else if (http_is_token(coding))
			c->other++;
		else
			c->malformed = true;
	}
}

/* The codings of all lines are one list (RFC 9112 section 6.1). */
static int frame_codings(const struct fields *f, struct body_framing *ret, struct http_error *error)
{
	struct codings c = { 0 };

	for (unsigned i = 0; i < f->n; i++)
		if (f->line[i].id == FIELD_TRANSFER_ENCODING)
			add_codings(&c, f->line[i].value);
	if (c.malformed)
		return fail(error, 400, "malformed Transfer-Encoding");
	if (c.chunked > 1)
		return fail(error, 400, "chunked more than once in Transfer-Encoding");
	if (!c.chunked_last)
		return fail(error, 400, "chunked is not the last transfer coding");
	if (c.other > 0)
		return fail(error, 501, "unknown transfer coding");
	*ret = (struct body_framing){ .kind = BODY_CHUNKED };
	return 0;
}

static int frame_length(const struct fields *f, struct body_framing *ret, struct http_error *error)
{
	uint64_t length;

	if (f->count[FIELD_CONTENT_LENGTH] > 1)
		return fail(error, 400, "more than one Content-Length");
	if (!str_parse_u64(fields_get(f, FIELD_CONTENT_LENGTH), &length) || length > INT64_MAX)
		return fail(error, 400, "malformed Content-Length");
	ret->kind = length > 0 ? BODY_LENGTH : BODY_NONE;
	ret->length = length;
	return 0;
}

/* `otherwise`: how the content is framed when no field says it. */
static int frame(const struct fields *f, enum http_version version, enum body_kind otherwise,
	struct body_framing *ret, struct http_error *error)
{
	bool length = fields_has(f, FIELD_CONTENT_LENGTH);

	*ret = (struct body_framing){ .kind = otherwise };
	if (fields_has(f, FIELD_TRANSFER_ENCODING)) {
		if (length)
			return fail(error, 400, "both Transfer-Encoding and Content-Length");
		if (version != HTTP_VERSION_1_1)
			return fail(error, 400, "Transfer-Encoding outside of HTTP/1.1");
		return frame_codings(f, ret, error);
	}
	return length ? frame_length(f, ret, error) : 0;
}

int body_frame_request(
	const struct request *req, struct body_framing *ret, struct http_error *error)
{
	return frame(&req->fields, req->version, BODY_NONE, ret, error);
}

int body_frame_response(const struct response_head *resp, enum http_method method,
	struct body_framing *ret, struct http_error *error)
{
	bool none = method == HTTP_METHOD_HEAD || resp->status < 200 || resp->status == 204 ||
		    resp->status == 304;

	*ret = (struct body_framing){ .kind = BODY_NONE };
	if (none || (method == HTTP_METHOD_CONNECT && resp->status < 300))
		return 0;
	return frame(&resp->fields, resp->version, BODY_UNTIL_CLOSE, ret, error);
}

/* The chunked machine (RFC 9112 section 7.1); a byte that has no arrow leads to BAD.
 *
 *   FIRST --hex--> SIZE --CR--> SIZE_LF --LF--> DATA ... DATA_CR --CR--> DATA_LF --LF--> FIRST
 *                   |              \--LF, size 0--> TRAILER --CR--> END_LF --LF--> END
 *                   ;                                  ^ \--token--> FIELD --:--> VALUE
 *                   v                                  `-----LF-- VALUE_LF <--CR----'
 *                  EXT -> EXT_NAME -> EXT_EQUALS -> EXT_TOKEN | EXT_QUOTED -> EXT_AFTER
 */
enum state {
	BAD, /* of a table entry that is not there */
	FIRST,
	SIZE,
	SIZE_BLANK, /* blanks behind the size or a value: only ";" may follow */
	EXT,
	EXT_NAME,
	EXT_NAME_BLANK,
	EXT_EQUALS,
	EXT_TOKEN,
	EXT_QUOTED,
	EXT_PAIR,
	EXT_AFTER,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER,
	FIELD,
	VALUE,
	VALUE_LF,
	END_LF,
	END,
	STATES
};

enum byte_class {
	CONTROL,
	HEX,
	TOKEN, /* the other tchar */
	BLANK,
	CR,
	LF,
	SEMICOLON,
	EQUALS,
	COLON,
	QUOTE,
	BACKSLASH,
	TEXT, /* all else of CHARS_VALUE */
	CLASSES
};

/* clang-format off */
static const unsigned char next_state[STATES][CLASSES] = {
	[FIRST] = { [HEX] = SIZE },
	[SIZE] = { [HEX] = SIZE, [BLANK] = SIZE_BLANK, [SEMICOLON] = EXT, [CR] = SIZE_LF },
	[SIZE_BLANK] = { [BLANK] = SIZE_BLANK, [SEMICOLON] = EXT },
	[EXT] = { [BLANK] = EXT, [HEX] = EXT_NAME, [TOKEN] = EXT_NAME },
	[EXT_NAME] = { [HEX] = EXT_NAME, [TOKEN] = EXT_NAME, [BLANK] = EXT_NAME_BLANK,
		[EQUALS] = EXT_EQUALS, [SEMICOLON] = EXT, [CR] = SIZE_LF },
	[EXT_NAME_BLANK] = { [BLANK] = EXT_NAME_BLANK, [EQUALS] = EXT_EQUALS, [SEMICOLON] = EXT },
	[EXT_EQUALS] = { [BLANK] = EXT_EQUALS, [HEX] = EXT_TOKEN, [TOKEN] = EXT_TOKEN,
		[QUOTE] = EXT_QUOTED },
	[EXT_TOKEN] = { [HEX] = EXT_TOKEN, [TOKEN] = EXT_TOKEN, [BLANK] = SIZE_BLANK,
		[SEMICOLON] = EXT, [CR] = SIZE_LF },
	[EXT_QUOTED] = { [HEX] = EXT_QUOTED, [TOKEN] = EXT_QUOTED, [BLANK] = EXT_QUOTED,
		[SEMICOLON] = EXT_QUOTED, [EQUALS] = EXT_QUOTED, [COLON] = EXT_QUOTED,
		[TEXT] = EXT_QUOTED, [BACKSLASH] = EXT_PAIR, [QUOTE] = EXT_AFTER },
	[EXT_PAIR] = { [HEX] = EXT_QUOTED, [TOKEN] = EXT_QUOTED, [BLANK] = EXT_QUOTED,
		[SEMICOLON] = EXT_QUOTED, [EQUALS] = EXT_QUOTED, [COLON] = EXT_QUOTED,
		[TEXT] = EXT_QUOTED, [BACKSLASH] = EXT_QUOTED, [QUOTE] = EXT_QUOTED },
	[EXT_AFTER] = { [BLANK] = SIZE_BLANK, [SEMICOLON] = EXT, [CR] = SIZE_LF },
	[SIZE_LF] = { [LF] = DATA },
	[DATA_CR] = { [CR] = DATA_LF },
	[DATA_LF] = { [LF] = FIRST },
	[TRAILER] = { [HEX] = FIELD, [TOKEN] = FIELD, [CR] = END_LF },
	[FIELD] = { [HEX] = FIELD, [TOKEN] = FIELD, [COLON] = VALUE },
	[VALUE] = { [HEX] = VALUE, [TOKEN] = VALUE, [BLANK] = VALUE, [SEMICOLON] = VALUE,
		[EQUALS] = VALUE, [COLON] = VALUE, [QUOTE] = VALUE, [BACKSLASH] = VALUE,
		[TEXT] = VALUE, [CR] = VALUE_LF },
	[VALUE_LF] = { [LF] = TRAILER },
	[END_LF] = { [LF] = END },
};
/* clang-format on */

static enum byte_class class_of(char c)
{
	switch (c) {
	case ' ':
	case '\t':
		return BLANK;
	case '\r':
		return CR;
	case '\n':
		return LF;
	case ';':
		return SEMICOLON;
	case '=':
		return EQUALS;
	case ':':
		return COLON;
	case '"':
		return QUOTE;
	case '\\':
		return BACKSLASH;
	default:
		break;
	}
	if (chars_is(c, CHARS_HEX))
		return HEX;
	if (chars_is(c, CHARS_TOKEN))
		return TOKEN;
	return chars_is(c, CHARS_VALUE) ? TEXT : CONTROL;
}

void body_start(struct body_decoder *d, struct body_framing framing)
{
	*d = (struct body_decoder){ .framing = framing, .left = framing.length, .state = FIRST };
}

static bool fail_chunk(struct body_decoder *d, struct http_error *error, const char *reason)
{
	d->state = BAD;
	*error = (struct http_error){ 400, reason };
	return false;
}

static const char *bad_byte(unsigned state, char c)
{
	if (c == '\n')
		return "bare LF in the chunked coding";
	if (state == SIZE_LF || state == DATA_LF || state == VALUE_LF || state == END_LF)
		return "bare CR in the chunked coding";
	if (state == FIRST || state == SIZE)
		return "malformed chunk size";
	if (state < SIZE_LF)
		return "malformed chunk extension";
	return state < TRAILER ? "chunk longer than its size" : "malformed trailer field";
}

static bool add_digit(struct body_decoder *d, char c, struct http_error *error)
{
	if (d->left > INT64_MAX >> 4)
		return fail_chunk(d, error, "chunk size too large");
	d->left = d->left << 4 | (unsigned)chars_hex(c);
	return true;
}

/* A line of the chunked coding has grown by a byte. */
static bool count_line(struct body_decoder *d, struct http_error *error)
{
	if (++d->line > BODY_LINE_MAX)
		return fail_chunk(d, error, "chunk or trailer line too long");
	if (d->state >= TRAILER && ++d->trailer > BODY_TRAILER_MAX)
		return fail_chunk(d, error, "trailer section too large");
	return true;
}

/* The LF of a chunk line. Lines that are long for what they announce are paid from a budget, so
 * that chunks of one byte with long extensions come to an end. */
static bool end_chunk_line(struct body_decoder *d, struct http_error *error)
{
	uint64_t earned = d->left / 4 + 16;

	d->excess += d->line;
	d->excess -= earned < d->excess ? (unsigned)earned : d->excess;
	d->line = 0;
	if (d->excess > BODY_EXCESS_MAX)
		return fail_chunk(d, error, "too many bytes of chunk extensions");
	if (d->left == 0)
		d->state = TRAILER;
	return true;
}

/* One byte outside of chunk data. */
static bool step(struct body_decoder *d, char c, struct http_error *error)
{
	unsigned before = d->state;

	d->state = next_state[before][class_of(c)];
	if (d->state == BAD)
		return fail_chunk(d, error, bad_byte(before, c));
	if (!count_line(d, error))
		return false;
	switch (d->state) {
	case SIZE:
		return add_digit(d, c, error);
	case DATA:
		return end_chunk_line(d, error);
	case FIRST:
	case TRAILER:
		d->line = 0;
		return true;
	default:
		return true;
	}
}

/* Content of the length or the chunk that is at p[0..n). */
static struct str take_content(struct body_decoder *d, const char *p, size_t n)
{
	if (d->left < n)
		n = (size_t)d->left;
	d->left -= n;
	d->content += n;
	return (struct str){ p, n };
}

static enum parse_status decode_chunked(struct body_decoder *d, const char *p, size_t n,
	size_t *ret_used, struct str *ret_content, struct http_error *error)
{
	size_t at = 0;

	*error = (struct http_error){ 400, "malformed chunked coding" };
	while (at < n && d->state != DATA && d->state != END && d->state != BAD)
		step(d, p[at++], error);
	if (d->state == DATA && at < n) {
		*ret_content = take_content(d, p + at, n - at);
		at += ret_content->n;
		if (d->left == 0)
			d->state = DATA_CR;
	}
	*ret_used = at;
	if (d->state == BAD)
		return PARSE_BAD;
	return d->state == END ? PARSE_DONE : PARSE_MORE;
}

enum parse_status body_decode(struct body_decoder *d, const char *p, size_t n, size_t *ret_used,
	struct str *ret_content, struct http_error *error)
{
	*ret_used = 0;
	*ret_content = (struct str){ p, 0 };
	switch (d->framing.kind) {
	case BODY_LENGTH:
		*ret_content = take_content(d, p, n);
		*ret_used = ret_content->n;
		return d->left == 0 ? PARSE_DONE : PARSE_MORE;
	case BODY_CHUNKED:
		return decode_chunked(d, p, n, ret_used, ret_content, error);
	case BODY_UNTIL_CLOSE:
		*ret_content = (struct str){ p, n };
		*ret_used = n;
		d->content += n;
		return PARSE_MORE;
	case BODY_NONE:
	default:
		return PARSE_DONE;
	}
}
