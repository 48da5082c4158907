/* Content of files that is passed on without being read. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "handler/content.h"

enum { SIZE = 100000 };

/* Somebody who takes what is passed on. */
struct taker {
	size_t most; /* takes no more of it at a time */
	int times;
	uint64_t offset; /* what it was given last */
	size_t n;
};

static struct loop loop;
static struct stream *s;
static int fd;

static void setup(void)
{
	struct err e;

	clock_update();
	cr_assert_eq(loop_init(&loop, &e), 0);
	s = calloc(1, sizeof(*s));
	arena_init(&s->arena, STREAM_ARENA_MAX);
	s->files = filecache_new(&loop);
	fd = memfd_create("content", MFD_CLOEXEC);
	cr_assert(s->files && fd >= 0);
}

static void teardown(void)
{
	stream_discard_reply(s);
	filecache_free(s->files);
	arena_done(&s->arena);
	free(s);
	close(fd);
	loop_done(&loop);
}

TestSuite(content, .init = setup, .fini = teardown);

/* A reply with these ranges of a file of that size. */
static void give(off_t size, const struct range *ranges, unsigned n)
{
	struct file *f;

	cr_assert_eq(ftruncate(fd, size), 0);
	f = filecache_add(s->files, NULL, STR("/file"), dup(fd), false);
	cr_assert_not_null(f);
	cr_assert(content_give(s, f, STR("text/plain"), ranges, n));
	cr_assert_not_null(s->response.source);
}

static size_t take(void *arg, int from, uint64_t offset, size_t n)
{
	struct taker *t = arg;

	cr_expect_geq(from, 0);
	t->times++;
	t->offset = offset;
	t->n = n;
	return n < t->most ? n : t->most;
}

static ssize_t pass(struct taker *t, size_t n)
{
	return s->response.source->pass(s->response.source, n, take, t);
}

Test(content, goes_on_where_it_was_left)
{
	const struct range range = { 500, SIZE - 1 };
	struct taker t = { .most = 1000 };
	char text[10];

	give(SIZE, &range, 1);
	cr_expect_eq(pass(&t, 50000), 1000);
	cr_expect_eq(t.offset, 500);
	cr_expect_eq(t.n, 50000);
	cr_expect_eq(s->response.source->read(s->response.source, text, 10), 10);
	t.most = SIZE;
	cr_expect_eq(pass(&t, SIZE), SIZE - 1510);
	cr_expect_eq(t.offset, 1510);
	cr_expect_eq(pass(&t, 1), 0, "there is no more");
	cr_expect_eq(t.times, 2);
}

Test(content, passes_no_text_between_parts)
{
	const struct range ranges[] = { { 0, 9 }, { 50000, SIZE - 1 } };
	struct taker t = { .most = SIZE };
	char text[200];

	give(SIZE, ranges, 2);
	cr_expect_eq(pass(&t, 1000), 0);
	cr_expect_eq(t.times, 0);
	cr_assert_gt(s->response.source->read(s->response.source, text, sizeof(text)), 0);
	cr_expect_eq(strncmp(text, "--", 2), 0);
	cr_expect_eq(pass(&t, 1000), 10);
	cr_expect_eq(pass(&t, 1000), 0);
	cr_expect_eq(t.times, 1);
}

Test(content, is_broken_once_the_file_has_changed)
{
	struct taker t = { .most = 1000 };

	give(SIZE, NULL, 0);
	cr_expect_eq(pass(&t, 5000), 1000);
	cr_assert_eq(ftruncate(fd, SIZE - 1), 0);
	cr_expect_eq(pass(&t, 5000), -1);
}

Test(content, that_is_in_memory_is_not_passed)
{
	struct taker t = { .most = SIZE };

	give(FILECACHE_SMALL, NULL, 0);
	cr_expect_eq(pass(&t, 5000), 0);
	cr_expect_eq(t.times, 0);
}
