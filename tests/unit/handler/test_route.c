/* From host and path to a handler. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/names.h"
#include "handler/route.h"

static struct stream *s;
static struct route_table table;
static struct sockaddr_storage peer;
static const char *reached; /* the options of the handler that was called */

static void remember(struct stream *stream, const void *options)
{
	reached = options;
	stream_reply(stream, 200);
}

static void fail(struct stream *stream, const void *options)
{
	(void)options;
	stream_reply_error(stream, stream->request.method == HTTP_METHOD_POST ? 405 : 404);
}

static char root_path[] = "/", old_path[] = "/old/", status_path[] = "/-/status";
static char deep_path[] = "/old/deep", guarded_path[] = "/guarded";

static char extra_path[] = "/extra", extra_name[] = "X-Extra", extra_value[] = "1";
static struct route_field extra_fields[] = { { extra_name, extra_value } };
static struct route_error_page extra_pages[] = {
	{ 404, NULL, STR("text/plain"), STR("nothing here") },
};
static struct route_extra extra = { extra_fields, 1, extra_pages, 1 };

static struct sock_range allowed[2], denied[1];

static struct route first_routes[] = {
	{ .path = root_path, .handle = remember, .options = "root" },
	{ .path = old_path, .handle = remember, .options = "old" },
	{ .path = status_path, .handle = remember, .options = "status" },
	{ .path = deep_path, .handle = remember, .options = "deep" },
	{ .path = guarded_path,
		.handle = remember,
		.options = "guarded",
		.allow = allowed,
		.nallow = 2,
		.deny = denied,
		.ndeny = 1 },
	{ .path = extra_path, .handle = fail, .extra = &extra },
};
static struct route second_routes[] = {
	{ .path = old_path, .handle = remember, .options = "second" },
};

static char hsts_name[] = "Strict-Transport-Security", hsts_value[] = "max-age=1";
static struct route_field first_fields[] = { { hsts_name, hsts_value } };
static struct route_site first = {
	.name = "first", .routes = first_routes, .nroutes = 6, .extra = { first_fields, 1, NULL, 0 }
};
static struct route_site second = { .name = "second", .routes = second_routes, .nroutes = 1 };

static void set_peer(const char *address)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&peer;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer;

	memset(&peer, 0, sizeof(peer));
	if (inet_pton(AF_INET, address, &in4->sin_addr) == 1)
		peer.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1)
		peer.ss_family = AF_INET6;
	else
		cr_assert_fail("%s", address);
}

static void setup(void)
{
	s = calloc(1, sizeof(*s));
	cr_assert_not_null(s);
	arena_init(&s->arena, STREAM_ARENA_MAX);
	s->request.method = HTTP_METHOD_GET;
	s->host = STR("first.example");
	s->path = STR("/");
	s->peer.address = &peer;
	set_peer("192.0.2.1");
	table = (struct route_table){ .names = names_new() };
	names_add(table.names, STR("first.example"), &first);
	names_add(table.names, STR("*.second.example"), &second);
	route_sort(first_routes, 6);
	cr_assert(sock_parse_range(STR("127.0.0.0/8"), &allowed[0]));
	cr_assert(sock_parse_range(STR("::1"), &allowed[1]));
	cr_assert(sock_parse_range(STR("127.0.0.66"), &denied[0]));
	reached = NULL;
}

static void teardown(void)
{
	names_free(table.names);
	arena_done(&s->arena);
	free(s);
}

TestSuite(route, .init = setup, .fini = teardown);

static int serve(const char *path)
{
	stream_discard_reply(s);
	s->path = str_of(path);
	reached = NULL;
	route_serve(s, &table);
	return s->response.status;
}

static struct str field(const char *name)
{
	for (unsigned i = 0; i < s->response.nfields; i++)
		if (str_eq(s->response.field[i].name, str_of(name)))
			return s->response.field[i].value;
	return (struct str){ NULL, 0 };
}

static void expect_reached(const char *path, const char *which)
{
	cr_expect_eq(serve(path), 200, "%s", path);
	cr_expect_not_null(reached);
	cr_expect_str_eq(reached ? reached : "", which, "%s", path);
}

Test(route, sorts_longest_first)
{
	for (size_t i = 1; i < 6; i++)
		cr_expect_geq(strlen(first_routes[i - 1].path), strlen(first_routes[i].path));
	cr_expect_str_eq(first_routes[5].path, "/");
	route_sort(NULL, 0);
}

Test(route, the_longest_path_wins)
{
	expect_reached("/", "root");
	expect_reached("/x", "root");
	expect_reached("/old/", "old");
	expect_reached("/old/x/y", "old");
	expect_reached("/old/deep", "deep");
	expect_reached("/old/deep/x", "deep");
}

Test(route, paths_match_at_segment_boundaries)
{
	expect_reached("/-/status", "status");
	expect_reached("/-/status/", "status");
	expect_reached("/-/status/x", "status");
	expect_reached("/-/statusX", "root");
	expect_reached("/old", "root");
	expect_reached("/older", "root");
	expect_reached("/old/deeper", "old");
}

Test(route, slashes_in_a_row_lead_around_no_route)
{
	expect_reached("//-/status", "status");
	expect_reached("/-//status", "status");
	expect_reached("///old///deep//x", "deep");
	expect_reached("/old//", "old");
	expect_reached("//", "root");
	set_peer("192.0.2.1");
	cr_expect_eq(serve("//guarded"), 403);
	cr_expect_eq(serve("//guarded//x"), 403);
}

Test(route, no_route_is_404)
{
	s->host = STR("www.second.example");
	expect_reached("/old/", "second");
	cr_expect_eq(serve("/"), 404);
	cr_expect_null(reached);
}

Test(route, remembers_the_site_for_logs)
{
	serve("/");
	cr_expect_eq(s->site, &first);
	cr_expect_str_eq(((const struct route_site *)s->site)->name, "first");
}

Test(route, adds_the_fields_of_the_site_to_errors_too)
{
	serve("/");
	cr_expect(str_eq(field("Strict-Transport-Security"), STR("max-age=1")));
	cr_expect_eq(serve("/guarded"), 403);
	cr_expect(str_eq(field("Strict-Transport-Security"), STR("max-age=1")));
}

Test(route, plain_without_a_match_is_421_unless_there_is_a_default)
{
	s->host = STR("other.example");
	cr_expect_eq(serve("/"), 421);
	cr_expect_null(s->site);
	table.fallback = &first;
	expect_reached("/", "root");
}

Test(route, plain_without_host_goes_to_the_default)
{
	s->host = (struct str){ "", 0 };
	cr_expect_eq(serve("/"), 400);
	table.fallback = &first;
	expect_reached("/", "root");
}

Test(route, plain_without_host_goes_to_the_site_of_any_name)
{
	s->host = (struct str){ "", 0 };
	names_add(table.names, STR("*"), &second);
	expect_reached("/old/", "second");
	table.fallback = &first;
	expect_reached("/old/", "old");
}

Test(route, tls_serves_what_sni_chose)
{
	s->peer.tls = true;
	s->site = &first;
	expect_reached("/", "root");
}

Test(route, tls_refuses_another_site)
{
	s->peer.tls = true;
	s->site = &first;
	s->host = STR("www.second.example");
	cr_expect_eq(serve("/old/"), 421);
	cr_expect_null(reached);
	cr_expect_eq(s->site, &first, "whose log gets the line");
	cr_expect_str_eq(((const struct route_site *)s->site)->name, "first");
	cr_expect_null(field("Strict-Transport-Security").p);
}

Test(route, tls_refuses_an_unknown_host_on_a_named_site)
{
	s->peer.tls = true;
	s->site = &first;
	s->host = STR("other.example");
	table.fallback = &second;
	cr_expect_eq(serve("/"), 421);
}

Test(route, tls_serves_an_unknown_host_on_the_default_site)
{
	s->peer.tls = true;
	s->site = &first;
	s->host = STR("other.example");
	table.fallback = &first;
	expect_reached("/", "root");
}

Test(route, tls_without_host_is_the_site_of_the_connection)
{
	s->peer.tls = true;
	s->site = &second;
	s->host = (struct str){ "", 0 };
	table.fallback = &first;
	expect_reached("/old/", "second");
}

Test(route, admits_by_allow)
{
	set_peer("127.0.0.5");
	expect_reached("/guarded", "guarded");
	set_peer("::1");
	expect_reached("/guarded", "guarded");
	set_peer("::ffff:127.0.0.1");
	expect_reached("/guarded", "guarded");
	set_peer("192.0.2.1");
	cr_expect_eq(serve("/guarded"), 403);
	cr_expect_null(reached);
}

Test(route, deny_wins)
{
	set_peer("127.0.0.66");
	cr_expect_eq(serve("/guarded/x"), 403);
	set_peer("::ffff:127.0.0.66");
	cr_expect_eq(serve("/guarded/x"), 403);
}

Test(route, a_unix_peer_is_in_no_range)
{
	memset(&peer, 0, sizeof(peer));
	peer.ss_family = AF_UNIX;
	cr_expect_eq(serve("/guarded"), 403);
	s->peer.address = NULL;
	cr_expect_eq(serve("/guarded"), 403);
	expect_reached("/", "root");
}

Test(route, unknown_methods_are_501)
{
	s->request.method = HTTP_METHOD_OTHER;
	cr_expect_eq(serve("/"), 501);
	cr_expect_null(reached);
}

Test(route, connect_and_trace_are_405)
{
	s->request.method = HTTP_METHOD_TRACE;
	cr_expect_eq(serve("/"), 405);
	cr_expect(str_eq(field("Allow"), STR("GET, HEAD")));
	s->request.method = HTTP_METHOD_CONNECT;
	s->target.form = TARGET_AUTHORITY;
	s->host = STR("elsewhere.example");
	cr_expect_eq(serve(""), 405);
	cr_expect_null(reached);
}

Test(route, options_of_the_server_are_answered_here)
{
	s->request.method = HTTP_METHOD_OPTIONS;
	s->target.form = TARGET_ASTERISK;
	cr_expect_eq(serve(""), 204);
	cr_expect(str_eq(field("Allow"), STR("GET, HEAD, OPTIONS")));
	cr_expect_not(s->response.has_length);
}

Test(route, other_methods_are_the_handlers_business)
{
	s->request.method = HTTP_METHOD_OPTIONS;
	expect_reached("/", "root");
	s->request.method = HTTP_METHOD_POST;
	expect_reached("/", "root");
	s->request.method = HTTP_METHOD_DELETE;
	expect_reached("/", "root");
}

Test(route, a_site_can_fill_the_room_for_fields)
{
	struct route_field many[ROUTE_FIELDS_MAX];
	struct route_site full = { .name = "full",
		.routes = first_routes,
		.nroutes = 6,
		.extra = { .fields = many, .nfields = ROUTE_FIELDS_MAX } };

	for (size_t i = 0; i < ROUTE_FIELDS_MAX; i++)
		many[i] = first_fields[0];
	table.fallback = &full;
	s->host = STR("other.example");
	serve("/");
	cr_expect_eq(s->response.nfields, ROUTE_FIELDS_MAX);
}

/* An answer by somebody else, about `path`; NULL: it was not understood. */
static struct str dressed(const char *path, int status)
{
	stream_discard_reply(s);
	s->path = path ? str_of(path) : (struct str){ NULL, 0 };
	stream_reply_error(s, status);
	route_dress(s, &table);
	cr_expect_eq(s->response.status, status);
	return s->response.memory;
}

Test(route, dresses_what_others_answered)
{
	cr_expect(str_eq(dressed("/extra/x", 404), STR("nothing here")));
	cr_expect(str_eq(field("X-Extra"), STR("1")));
	cr_expect_not(str_eq(dressed("/extra/x", 413), STR("nothing here")), "no page for it");
	cr_expect(str_eq(field("X-Extra"), STR("1")));
	dressed("/", 413);
	cr_expect(str_eq(field("Strict-Transport-Security"), STR("max-age=1")));
	dressed(NULL, 400);
	cr_expect(str_eq(field("Strict-Transport-Security"), STR("max-age=1")));
	cr_expect_null(reached, "no handler is asked");
	cr_expect_eq(s->site, &first);
}

Test(route, dresses_nothing_of_another_site)
{
	s->host = STR("nobody.example");
	dressed("/", 413);
	cr_expect_eq(s->response.nfields, 1, "Content-Type");
	cr_expect_null(s->site);
	s->peer.tls = true;
	s->site = &second;
	s->host = STR("first.example");
	dressed("/", 413);
	cr_expect_eq(s->response.nfields, 1);
}

Test(route, dresses_by_the_site_of_the_connection_without_a_host)
{
	s->peer.tls = true;
	s->site = &first;
	s->host = (struct str){ NULL, 0 };
	dressed(NULL, 400);
	cr_expect(str_eq(field("Strict-Transport-Security"), STR("max-age=1")));
}

Test(route, has_fields_and_error_pages_of_its_own)
{
	cr_expect_eq(serve("/extra/x"), 404);
	cr_expect(str_eq(field("X-Extra"), STR("1")));
	cr_expect_null(field("Strict-Transport-Security").p, "the route's instead of the site's");
	cr_expect(str_eq(s->response.memory, STR("nothing here")));
	cr_expect_eq(s->response.length, 12);
	cr_expect(str_eq(field("Content-Type"), STR("text/plain")));
	s->request.method = HTTP_METHOD_POST;
	cr_expect_eq(serve("/extra/x"), 405);
	cr_expect(str_eq(field("Content-Type"), STR("text/html; charset=utf-8")), "no page for it");
}
