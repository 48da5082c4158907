/* The reply helpers: fields, contents, and the page of an error. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/stream.h"

static struct stream *s;

static void setup(void)
{
	s = calloc(1, sizeof(*s));
	cr_assert_not_null(s);
	arena_init(&s->arena, STREAM_ARENA_MAX);
}

static void teardown(void)
{
	arena_done(&s->arena);
	free(s);
}

TestSuite(stream, .init = setup, .fini = teardown);

static bool contains(struct str text, const char *what)
{
	return memmem(text.p, text.n, what, strlen(what)) != NULL;
}

static struct str field(const char *name)
{
	for (unsigned i = 0; i < s->response.nfields; i++)
		if (str_eq(s->response.field[i].name, str_of(name)))
			return s->response.field[i].value;
	return (struct str){ NULL, 0 };
}

struct counted_source {
	struct source source;
	int closed;
};

static void count_close(struct source *source)
{
	((struct counted_source *)source)->closed++;
}

Test(stream, keeps_fields_in_order)
{
	cr_expect(stream_add_field(s, STR("A"), STR("1")));
	cr_expect(stream_add_field(s, STR("B"), STR("2")));
	cr_expect(stream_add_field(s, STR("A"), STR("3")));
	cr_assert_eq(s->response.nfields, 3);
	cr_expect(str_eq(s->response.field[0].value, STR("1")));
	cr_expect(str_eq(s->response.field[2].value, STR("3")));
}

Test(stream, says_when_there_is_no_room_for_a_field)
{
	for (int i = 0; i < STREAM_FIELDS_MAX; i++)
		cr_assert(stream_add_field(s, STR("A"), STR("1")));
	cr_expect_not(stream_add_field(s, STR("A"), STR("1")));
	cr_expect_eq(s->response.nfields, STREAM_FIELDS_MAX);
}

Test(stream, an_empty_reply_has_length_zero)
{
	stream_reply(s, 200);
	cr_expect_eq(s->response.status, 200);
	cr_expect(s->response.has_length);
	cr_expect_eq(s->response.length, 0);
	cr_expect_null(s->response.memory.p);
}

Test(stream, statuses_without_content_have_no_length)
{
	const int status[] = { 204, 304 };

	for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		stream_reply(s, status[i]);
		cr_expect_eq(s->response.status, status[i]);
		cr_expect_not(s->response.has_length, "%d", status[i]);
	}
}

Test(stream, a_status_without_content_drops_what_was_set)
{
	struct counted_source source = { .source.close = count_close };

	s->response.source = &source.source;
	s->response.has_length = true;
	s->response.length = 10;
	stream_reply(s, 304);
	cr_expect_null(s->response.source);
	cr_expect_not(s->response.has_length);
	cr_expect_eq(source.closed, 1);
}

Test(stream, keeps_content_that_was_set_before)
{
	struct counted_source source = { .source.close = count_close };

	s->response.source = &source.source;
	s->response.has_length = true;
	s->response.length = 10;
	stream_reply(s, 206);
	cr_expect_eq(s->response.source, &source.source);
	cr_expect_eq(s->response.length, 10);
	cr_expect_eq(source.closed, 0);
}

Test(stream, replies_text_with_its_type)
{
	stream_reply_text(s, 200, STR("text/plain; charset=utf-8"), STR("ok\n"));
	cr_expect(str_eq(field("Content-Type"), STR("text/plain; charset=utf-8")));
	cr_expect(str_eq(s->response.memory, STR("ok\n")));
	cr_expect(s->response.has_length);
	cr_expect_eq(s->response.length, 3);
}

Test(stream, an_error_page_names_status_and_reason)
{
	struct str page;

	stream_reply_error(s, 404);
	page = s->response.memory;
	cr_expect_eq(s->response.status, 404);
	cr_expect(str_eq(field("Content-Type"), STR("text/html; charset=utf-8")));
	cr_expect_null(field("Cache-Control").p);
	cr_expect(str_has_prefix(page, STR("<!DOCTYPE html>\n")));
	cr_expect(contains(page, "<title>404 Not Found</title>"));
	cr_expect(contains(page, "<h1>404 Not Found</h1>"));
	cr_expect(contains(page, "color-scheme"));
	cr_expect(str_has_suffix(page, STR("</html>\n")));
	cr_expect_eq(s->response.length, page.n);
}

Test(stream, an_error_page_needs_nothing_from_elsewhere)
{
	stream_reply_error(s, 500);
	cr_expect_not(contains(s->response.memory, "http:"));
	cr_expect_not(contains(s->response.memory, "https:"));
	cr_expect_not(contains(s->response.memory, "src="));
}

Test(stream, an_error_replaces_content_and_keeps_fields)
{
	struct counted_source source = { .source.close = count_close };

	s->response.source = &source.source;
	s->response.has_length = true;
	s->response.length = 1000000;
	stream_add_field(s, STR("Allow"), STR("GET, HEAD"));
	stream_reply_error(s, 405);
	cr_expect_eq(source.closed, 1);
	cr_expect_null(s->response.source);
	cr_expect(str_eq(field("Allow"), STR("GET, HEAD")));
	cr_expect_eq(s->response.length, s->response.memory.n);
}

Test(stream, an_error_without_memory_is_a_status_all_the_same)
{
	arena_done(&s->arena);
	arena_init(&s->arena, 16);
	stream_reply_error(s, 503);
	cr_expect_eq(s->response.status, 503);
	cr_expect(s->response.has_length);
	cr_expect_eq(s->response.length, 0);
	cr_expect_null(s->response.memory.p);
}

Test(stream, a_page_holds_what_it_is_given)
{
	stream_reply_page(s, 308, STR("<p>elsewhere</p>\n"));
	cr_expect(contains(s->response.memory, "</h1>\n<p>elsewhere</p>\n</html>\n"));
	cr_expect(contains(s->response.memory, "308 Permanent Redirect"));
}

Test(stream, takes_a_reply_back)
{
	struct counted_source source = { .source.close = count_close };

	s->response.source = &source.source;
	s->response.has_length = true;
	s->response.length = 10;
	stream_add_field(s, STR("ETag"), STR("\"x\""));
	stream_reply(s, 200);
	stream_discard_reply(s);
	cr_expect_eq(source.closed, 1);
	cr_expect_eq(s->response.status, 0);
	cr_expect_eq(s->response.nfields, 0);
	cr_expect_not(s->response.has_length);
	stream_reply_error(s, 413);
	cr_expect_eq(s->response.status, 413);
	cr_expect_eq(s->response.nfields, 1);
}

Test(stream, escapes_what_html_would_read)
{
	struct str all = stream_escape_html(s, STR("<a href=\"x\">'&'</a>"));

	cr_expect(str_eq(all, STR("&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;")));
	cr_expect(str_eq(stream_escape_html(s, STR("plain/text")), STR("plain/text")));
	cr_expect_not_null(stream_escape_html(s, STR("")).p);
	cr_expect_eq(stream_escape_html(s, STR("")).n, 0);
}

Test(stream, knows_the_tls_library)
{
	cr_expect_gt(stream_tls_library().n, 0);
	cr_expect(stream_tls_library().p[0] >= '1' && stream_tls_library().p[0] <= '9');
}
