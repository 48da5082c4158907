/* The reply helpers that handlers share, and the one page that all errors look like. This room
 * composes a response; it never writes to a connection and never chooses what the protocol adds
 * (Date, Server, framing). */
#include "protocol/stream.h"

#include <assert.h>
#include <string.h>

#include "http/html.h"
#include "tls/library.h"
#include "tls/peer.h"

#define HTML_TYPE STR("text/html; charset=utf-8")

static const char page_head[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<title>";
static const char page_style[] =
	"</title>\n"
	"<style>\n"
	":root { color-scheme: light dark; }\n"
	"body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 18vh auto 0;"
	" padding: 0 1.5rem; }\n"
	"h1 { font-size: 1.5rem; font-weight: 600; border-bottom: 1px solid; }\n"
	"</style>\n"
	"<h1>";
static const char page_body[] = "</h1>\n";
static const char page_end[] = "</html>\n";

/* 1xx, 204 and 304 never have content, nor a length of it (RFC 9110 section 8.6). */
static bool status_has_content(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

bool stream_add_field(struct stream *s, struct str name, struct str value)
{
	struct response *r = &s->response;

	if (r->nfields == STREAM_FIELDS_MAX)
		return false;
	r->field[r->nfields].name = name;
	r->field[r->nfields].value = value;
	r->nfields++;
	return true;
}

static void drop_content(struct response *r)
{
	if (r->source && r->source->close)
		r->source->close(r->source);
	r->source = NULL;
	r->memory = (struct str){ NULL, 0 };
	r->has_length = false;
	r->length = 0;
	r->is_error_page = false;
}

void stream_discard_reply(struct stream *s)
{
	drop_content(&s->response);
	s->response.nfields = 0;
	s->response.status = 0;
}

void stream_reply(struct stream *s, int status)
{
	struct response *r = &s->response;

	assert(status >= 100 && status <= 599);
	r->status = status;
	if (!status_has_content(status)) {
		drop_content(r);
	} else if (!r->source && !r->memory.p) {
		r->has_length = true;
		r->length = 0;
	}
}

void stream_reply_text(struct stream *s, int status, struct str type, struct str text)
{
	struct response *r = &s->response;

	drop_content(r);
	r->memory = text;
	r->has_length = true;
	r->length = text.n;
	stream_add_field(s, STR("Content-Type"), type);
	stream_reply(s, status);
}

static char *put(char *at, const void *p, size_t n)
{
	if (n > 0)
		memcpy(at, p, n);
	return at + n;
}

static char *put_heading(char *at, int status, struct str reason)
{
	*at++ = (char)('0' + status / 100);
	*at++ = (char)('0' + status / 10 % 10);
	*at++ = (char)('0' + status % 10);
	*at++ = ' ';
	return put(at, reason.p, reason.n);
}

void stream_reply_page(struct stream *s, int status, struct str html)
{
	struct str reason = http_reason(status);
	size_t heading = sizeof("404 ") - 1 + reason.n;
	size_t n = sizeof(page_head) - 1 + sizeof(page_style) - 1 + sizeof(page_body) - 1 +
		   sizeof(page_end) - 1 + 2 * heading + html.n;
	char *page = arena_alloc(&s->arena, n), *at = page;

	assert(status >= 100 && status <= 599);
	if (!page) { /* an honest status without a page */
		drop_content(&s->response);
		stream_reply(s, status);
		return;
	}
	at = put(at, page_head, sizeof(page_head) - 1);
	at = put_heading(at, status, reason);
	at = put(at, page_style, sizeof(page_style) - 1);
	at = put_heading(at, status, reason);
	at = put(at, page_body, sizeof(page_body) - 1);
	at = put(at, html.p, html.n);
	at = put(at, page_end, sizeof(page_end) - 1);
	assert(at == page + n);
	stream_reply_text(s, status, HTML_TYPE, (struct str){ page, n });
}

void stream_reply_error(struct stream *s, int status)
{
	stream_reply_page(s, status, (struct str){ NULL, 0 });
	s->response.is_error_page = s->response.memory.p != NULL;
}

void stream_replace_error_page(struct stream *s, struct str type, struct str text)
{
	struct response *r = &s->response;

	if (!r->is_error_page)
		return;
	for (unsigned i = 0; i < r->nfields; i++)
		if (str_eq(r->field[i].name, STR("Content-Type")))
			r->field[i].value = type;
	r->memory = text;
	r->length = text.n;
	r->is_error_page = false;
}

struct str stream_escape_html(struct stream *s, struct str text)
{
	size_t n = 0;
	char *copy, *at;

	for (size_t i = 0; i < text.n; i++)
		n += html_reference(text.p[i]).p ? html_reference(text.p[i]).n : 1;
	copy = arena_alloc(&s->arena, n + 1);
	if (!copy)
		return (struct str){ NULL, 0 };
	at = copy;
	for (size_t i = 0; i < text.n; i++) {
		struct str reference = html_reference(text.p[i]);

		if (reference.p)
			at = put(at, reference.p, reference.n);
		else
			*at++ = text.p[i];
	}
	*at = '\0';
	return (struct str){ copy, n };
}

struct str stream_client_subject(const struct stream *s)
{
	return s->peer.client ? tls_peer_subject(s->peer.client) : STR("");
}

struct str stream_client_names(const struct stream *s)
{
	return s->peer.client ? tls_peer_names(s->peer.client) : STR("");
}

struct str stream_client_fingerprint(const struct stream *s)
{
	return s->peer.client ? tls_peer_fingerprint(s->peer.client) : STR("");
}

bool stream_client_has_name(const struct stream *s, struct str rule)
{
	return s->peer.client && tls_peer_has_name(s->peer.client, rule);
}

struct str stream_tls_library(void)
{
	return str_of(tls_library_version());
}
