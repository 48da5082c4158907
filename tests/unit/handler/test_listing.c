/* Pages for directories. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../turns.h"
#include "base/clock.h"
#include "handler/directory.h"
#include "handler/files.h"
#include "handler/filecache.h"
#include "handler/listing.h"

static char dir[] = "/tmp/latch-listing-XXXXXX";
static struct files_options options = { .listing = true };
static struct loop loop;
static struct stream *s;

static void put(const char *name, size_t size, time_t mtime)
{
	struct timespec times[2] = { { mtime, 0 }, { mtime, 0 } };
	int fd = openat(options.root_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	cr_assert_eq(futimens(fd, times), 0);
	close(fd);
}

static void setup(void)
{
	struct err e;

	clock_update();
	cr_assert_not_null(mkdtemp(dir));
	options.root = dir;
	options.root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(options.root_fd, 0);
	cr_assert_eq(loop_init(&loop, &e), 0);
	turns_start(&loop);
	s = calloc(1, sizeof(*s));
	arena_init(&s->arena, STREAM_ARENA_MAX);
	s->files = filecache_new(&loop);
	s->request.method = HTTP_METHOD_GET;
}

static void teardown(void)
{
	char command[100];

	stream_discard_reply(s);
	filecache_free(s->files);
	arena_done(&s->arena);
	free(s);
	turns_stop();
	loop_done(&loop);
	close(options.root_fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(listing, .init = setup, .fini = teardown);

/* The page, asked for turn after turn; how many turns it took. */
static int get(const char *path, const char *query, const char *accept, char **ret)
{
	int turns = 0;

	fields_clear(&s->request.fields);
	fields_add(&s->request.fields, STR("Accept"), str_of(accept));
	stream_discard_reply(s);
	arena_reset(&s->arena);
	s->path = str_of(path);
	s->target.query = str_of(query);
	while (files_handle(s, &options), !s->response.status) {
		turns_run(&loop, 1);
		cr_assert_lt(turns++, 10000);
	}
	cr_assert_eq(s->response.status, 200);
	*ret = strndup(s->response.memory.p, s->response.memory.n);
	return turns;
}

/* "a/ b c": the names in the order of the page. */
static const char *names(const char *query)
{
	static char text[500];
	size_t at = 0;
	char *json;

	get("/", query, "application/json", &json);
	text[0] = '\0';
	for (const char *p = json; (p = strstr(p, "\"name\":\"")); p++) {
		p += 8;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s", at ? " " : "",
			(int)strcspn(p, "\""), p);
	}
	free(json);
	return text;
}

Test(listing, sorts_as_asked)
{
	put("file10", 5, 3000);
	put("File9", 50, 1000);
	put("b", 500, 2000);
	cr_assert_eq(mkdirat(options.root_fd, "z", 0755), 0);
	cr_expect_str_eq(names(""), "z b File9 file10");
	cr_expect_str_eq(names("?order=desc"), "z file10 File9 b");
	cr_expect_str_eq(names("?sort=size"), "z b File9 file10");
	cr_expect_str_eq(names("?sort=size&order=asc"), "z file10 File9 b");
	cr_expect_str_eq(names("?sort=date"), "z file10 b File9");
	cr_expect_str_eq(names("?sort=nonsense&x&&"), "z b File9 file10");
}

Test(listing, leaves_out_what_is_not_served)
{
	put(".hidden", 1, 1);
	put("a", 1, 1);
	cr_assert_eq(mkfifoat(options.root_fd, "fifo", 0644), 0);
	cr_assert_eq(symlinkat("a", options.root_fd, "inside"), 0);
	cr_assert_eq(symlinkat("/etc/passwd", options.root_fd, "outside"), 0);
	cr_assert_eq(symlinkat("nowhere", options.root_fd, "dangling"), 0);
	cr_expect_str_eq(names(""), "a inside");
}

Test(listing, escapes_names)
{
	char *html;

	put("a&b<c>\"d'?#%20:e", 1, 1);
	get("/", "", "text/html", &html);
	cr_expect(strstr(html, "href=\"./a&amp;b%3Cc%3E%22d&#39;%3F%23%2520:e\""), "%s", html);
	cr_expect(strstr(html, ">a&amp;b&lt;c&gt;&quot;d&#39;?#%20:e</a>"), "%s", html);
	cr_expect_null(strstr(html, "<c>"));
	free(html);
}

Test(listing, a_path_is_escaped_and_leads_up)
{
	char *html;

	cr_assert_eq(mkdirat(options.root_fd, "<x>", 0755), 0);
	cr_assert_eq(mkdirat(options.root_fd, "<x>/y", 0755), 0);
	get("/<x>/y/", "", "text/html", &html);
	cr_expect(strstr(html, "<title>/&lt;x&gt;/y/</title>"), "%s", html);
	cr_expect(strstr(html, "<h1><a href=\"./../../\">/</a><a href=\"./../\">&lt;x&gt;/</a>"
			       "<a href=\"./\">y/</a></h1>"),
		"%s", html);
	cr_expect(strstr(html, "href=\"../\""));
	free(html);
	get("/", "", "text/html", &html);
	cr_expect_null(strstr(html, "href=\"../\""), "nothing is above the root");
	free(html);
}

Test(listing, a_large_directory_takes_turns_and_is_kept)
{
	char name[20], *json;

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(name, 1, 1);
	}
	cr_expect_geq(get("/", "", "application/json", &json), 10);
	cr_expect(strstr(json, "\"shown\":3000,\"all\":3000,\"truncated\":false}"), "%s",
		json + strlen(json) - 80);
	free(json);
	cr_expect_eq(get("/", "", "application/json", &json), 0, "kept");
	free(json);
	put("new", 1, 1);
	get("/", "", "application/json", &json);
	cr_expect(strstr(json, "\"new\""), "but not beyond a change");
	free(json);
}

Test(listing, says_what_it_leaves_out)
{
	char name[20], *json, *html;

	for (int i = 0; i < LISTING_ROWS_MAX + 5; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(name, 1, 1);
	}
	get("/", "", "application/json", &json);
	cr_expect(strstr(json, "\"shown\":10000,\"all\":10005,\"truncated\":true}"));
	free(json);
	get("/", "", "text/html", &html);
	cr_expect(strstr(html, "10000 of 10005 entries are shown"));
	free(html);
}

Test(directory, names_in_the_order_that_people_expect)
{
	static const char *const sorted[] = { "1", "01", "2", "10", "a", "A1", "a2", "a10", "a10b",
		"B", "b1", "\xc3\xa4" };

	for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++)
		for (size_t k = 0; k < i; k++) {
			if (i == 1)
				continue; /* "1" and "01": either, but always the same */
			cr_expect_gt(directory_compare_names(sorted[i], sorted[k]), 0, "%s %s",
				sorted[i], sorted[k]);
			cr_expect_lt(directory_compare_names(sorted[k], sorted[i]), 0);
		}
	cr_expect_neq(directory_compare_names("1", "01"), 0);
	cr_expect_eq(directory_compare_names("1", "01"), -directory_compare_names("01", "1"));
}
