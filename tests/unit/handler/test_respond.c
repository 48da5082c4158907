/* Fixed answers. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "handler/respond.h"

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

TestSuite(respond, .init = setup, .fini = teardown);

static void respond(int status, const char *text)
{
	static char type[] = "text/x";
	char *copy = arena_strdup(&s->arena, str_of(text));
	struct respond_options o = { status, copy, type };

	respond_handle(s, &o);
}

Test(respond, gives_its_text)
{
	s->request.method = HTTP_METHOD_POST;
	respond(200, "ok");
	cr_expect_eq(s->response.status, 200);
	cr_expect(str_eq(s->response.memory, STR("ok")));
	cr_expect(str_eq(s->response.field[0].value, STR("text/x")));
}

Test(respond, without_text_is_empty_or_our_page)
{
	respond(204, "");
	cr_expect_eq(s->response.status, 204);
	cr_expect_eq(s->response.nfields, 0);
	stream_discard_reply(s);
	respond(410, "");
	cr_expect_eq(s->response.status, 410);
	cr_expect(s->response.is_error_page);
}
