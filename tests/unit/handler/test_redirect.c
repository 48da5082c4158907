/* Redirect targets: what may stand in one, and what becomes of it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "handler/redirect.h"

static struct stream *s;

static void setup(void)
{
	s = calloc(1, sizeof(*s));
	cr_assert_not_null(s);
	arena_init(&s->arena, STREAM_ARENA_MAX);
	s->request.method = HTTP_METHOD_GET;
	s->host = STR("example.org");
	s->target.path = STR("/old/a%20b");
	s->target.query = STR("?q=1&r=2");
}

static void teardown(void)
{
	arena_done(&s->arena);
	free(s);
}

TestSuite(redirect, .init = setup, .fini = teardown);

static struct str field(const char *name)
{
	for (unsigned i = 0; i < s->response.nfields; i++)
		if (str_eq(s->response.field[i].name, str_of(name)))
			return s->response.field[i].value;
	return (struct str){ NULL, 0 };
}

static void redirect(const char *to, int status)
{
	struct redirect_options o = { .to = strdup(to), .status = status };

	stream_discard_reply(s);
	redirect_handle(s, &o);
	free(o.to);
}

static void expect_location(const char *to, const char *location)
{
	redirect(to, 308);
	cr_expect_eq(s->response.status, 308);
	cr_expect(str_eq(field("Location"), str_of(location)), "%s: " STR_FMT, to,
		STR_ARG(field("Location")));
}

Test(redirect, fills_in_the_variables)
{
	expect_location("https://$host$path$query", "https://example.org/old/a%20b?q=1&r=2");
	expect_location("https://www.$host/", "https://www.example.org/");
	expect_location("https://other.example/fixed", "https://other.example/fixed");
	expect_location("/new$path", "/new/old/a%20b");
	expect_location("/new/$query", "/new/?q=1&r=2");
}

Test(redirect, an_absent_query_is_nothing)
{
	s->target.query = (struct str){ NULL, 0 };
	expect_location("https://$host$path$query", "https://example.org/old/a%20b");
}

Test(redirect, an_ipv6_host_gets_its_brackets_back)
{
	s->host = STR("::1");
	expect_location("https://$host$path", "https://[::1]/old/a%20b");
}

Test(redirect, a_path_cannot_become_a_host)
{
	s->target.path = STR("//evil.example/x");
	expect_location("$path", "/evil.example/x");
	s->target.path = STR("/\\/evil.example/x");
	expect_location("$path", "/evil.example/x");
	s->target.path = STR("//");
	expect_location("$path$query", "/?q=1&r=2");
	s->target.path = STR("//a//b");
	expect_location("https://$host$path", "https://example.org//a//b");
}

Test(redirect, has_the_status_of_its_options)
{
	const int status[] = { 301, 302, 303, 307, 308 };

	for (size_t i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		redirect("/x", status[i]);
		cr_expect_eq(s->response.status, status[i]);
	}
}

Test(redirect, needs_a_host_for_host)
{
	s->host = (struct str){ NULL, 0 };
	redirect("https://$host$path", 308);
	cr_expect_eq(s->response.status, 400);
	cr_expect_null(field("Location").p);
	expect_location("https://example.org$path", "https://example.org/old/a%20b");
}

Test(redirect, no_request_adds_a_field)
{
	s->target.path = STR("/x\r\nSet-Cookie: a=b");
	redirect("https://$host$path", 308);
	cr_expect_eq(s->response.status, 400);
	cr_expect_null(field("Location").p);
}

Test(redirect, the_page_links_there_and_is_escaped)
{
	struct str page;

	s->target.query = STR("?a=\"><script>&b='");
	redirect("https://$host/$query", 308);
	page = s->response.memory;
	cr_expect(str_eq(field("Content-Type"), STR("text/html; charset=utf-8")));
	cr_expect_not_null(memmem(page.p, page.n, "href=\"https://example.org/?a=&quot;&gt;", 38));
	cr_expect_null(memmem(page.p, page.n, "<script", 7));
	cr_expect_eq(s->response.length, page.n);
}

Test(redirect, without_memory_it_is_an_error)
{
	arena_done(&s->arena);
	arena_init(&s->arena, 8);
	redirect("https://$host$path", 308);
	cr_expect_eq(s->response.status, 500);
}

Test(redirect, without_memory_for_a_page_it_still_redirects)
{
	arena_done(&s->arena);
	arena_init(&s->arena, 64);
	expect_location("https://$host$path", "https://example.org/old/a%20b");
	cr_expect_eq(s->response.length, 0);
}

static void expect_refused(const char *to, size_t at)
{
	const char *where = NULL;

	cr_expect_not(redirect_check(to, &where), "%s", to);
	cr_expect_eq((size_t)(where - to), at, "%s: at %zu", to, (size_t)(where - to));
}

Test(redirect, check_admits_what_it_knows)
{
	const char *good[] = { "/", "https://example.org/new/", "https://$host$path$query",
		"https://$host:8443$path", "https://[::1]/$query", "$path", "/%20/~x?a=b&c#d" };
	const char *at;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(redirect_check(good[i], &at), "%s", good[i]);
}

Test(redirect, check_refuses_what_it_does_not)
{
	expect_refused("https://$hots/", 8);
	expect_refused("https://$hostname/", 8);
	expect_refused("/a$$b", 2);
	expect_refused("/a$", 2);
	expect_refused("/a$/b", 2);
	expect_refused("/$Host", 1);
	expect_refused("", 0);
}

Test(redirect, check_refuses_bytes_that_no_uri_holds)
{
	expect_refused("/a b", 2);
	expect_refused("/a\r\nX: y", 2);
	expect_refused("/\xc3\xa4", 1);
	expect_refused("/\"", 1);
	expect_refused("/<", 1);
}
