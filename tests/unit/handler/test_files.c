/* Static files in a directory made for the test: what is served, what is refused, and how soon a
 * change is seen. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fake_clock.h"
#include "../turns.h"
#include "base/clock.h"
#include "handler/compress.h"
#include "handler/filecache.h"
#include "handler/files.h"

static char dir[] = "/tmp/latch-files-XXXXXX";
static char *index_names[] = { (char[]){ "index.html" }, (char[]){ "index.txt" } };
static struct files_options options = { .index = index_names, .nindex = 2 };
static struct loop loop;
static struct stream *s;

static void put(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static const char *in_dir(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void move(const char *from, const char *to)
{
	char *old = strdup(in_dir(from));

	cr_assert_eq(rename(old, in_dir(to)), 0);
	free(old);
}

static void setup(void)
{
	struct err e;

	fake_clock_us = 1000000000;
	clock_update();
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(mkdir(in_dir("root"), 0755), 0);
	cr_assert_eq(mkdir(in_dir("root/sub"), 0755), 0);
	cr_assert_eq(mkdir(in_dir("root/bare"), 0755), 0);
	put("secret", "outside");
	put("root/a.txt", "0123456789");
	put("root/.hidden", "hidden");
	put("root/sub/index.txt", "second index");
	cr_assert_eq(symlink("a.txt", in_dir("root/inside")), 0);
	cr_assert_eq(symlink("../secret", in_dir("root/outside")), 0);
	cr_assert_eq(symlink("/etc/passwd", in_dir("root/absolute")), 0);
	cr_assert_eq(mkfifo(in_dir("root/fifo"), 0644), 0);
	options.root = strdup(in_dir("root"));
	options.root_fd = open(options.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(options.root_fd, 0);
	cr_assert_eq(loop_init(&loop, &e), 0);
	turns_start(&loop);
	s = calloc(1, sizeof(*s));
	arena_init(&s->arena, STREAM_ARENA_MAX);
	s->files = filecache_new(&loop);
	cr_assert_not_null(s->files);
}

static void teardown(void)
{
	char command[300];

	stream_discard_reply(s);
	filecache_free(s->files);
	arena_done(&s->arena);
	free(s);
	turns_stop();
	loop_done(&loop);
	close(options.root_fd);
	free(options.root);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(files, .init = setup, .fini = teardown);

static int ask(enum http_method method, const char *path)
{
	stream_discard_reply(s);
	arena_reset(&s->arena);
	s->request.method = method;
	s->path = s->target.path = str_of(path);
	files_handle(s, &options);
	return s->response.status;
}

static int get(const char *path)
{
	fields_clear(&s->request.fields);
	return ask(HTTP_METHOD_GET, path);
}

/* Lets the loop hear of changes. */
static void hear_changes(void)
{
	turns_run(&loop, 1);
}

static int get_with(const char *path, const char *name, const char *value)
{
	fields_clear(&s->request.fields);
	fields_add(&s->request.fields, str_of(name), str_of(value));
	return ask(HTTP_METHOD_GET, path);
}

static const char *field(const char *name)
{
	static char value[200];

	for (unsigned i = 0; i < s->response.nfields; i++)
		if (str_eq(s->response.field[i].name, str_of(name))) {
			snprintf(
				value, sizeof(value), STR_FMT, STR_ARG(s->response.field[i].value));
			return value;
		}
	return "(none)";
}

static const char *content(void)
{
	static char text[100];
	const struct response *r = &s->response;

	cr_assert(r->memory.p && r->memory.n < sizeof(text));
	memcpy(text, r->memory.p, r->memory.n);
	text[r->memory.n] = '\0';
	return text;
}

Test(files, serves_a_file_with_its_fields)
{
	cr_expect_eq(get("/a.txt"), 200);
	cr_expect_str_eq(content(), "0123456789");
	cr_expect_eq(s->response.length, 10);
	cr_expect_str_eq(field("Content-Type"), "text/plain; charset=utf-8");
	cr_expect_str_eq(field("Accept-Ranges"), "bytes");
	cr_expect_str_neq(field("ETag"), "(none)");
	cr_expect_str_neq(field("Last-Modified"), "(none)");
}

/* Asks until there is an answer, a turn after the other. */
static int get_coded(const char *path, const char *codings)
{
	int turns = 0;

	while (!get_with(path, "Accept-Encoding", codings) && turns++ < 1000)
		turns_run(&loop, 1);
	return s->response.status;
}

static void put_text(const char *name, size_t n)
{
	char *text = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = "the quick brown fox "[i % 20];
	text[n] = '\0';
	put(name, text);
	free(text);
}

static void put_noise(const char *name, size_t n)
{
	char *text = malloc(n + 1);
	unsigned seed = 1;

	for (size_t i = 0; i < n; i++)
		text[i] = (char)(1 + (seed = seed * 1103515245u + 12345u) / 65536 % 255);
	text[n] = '\0';
	put(name, text);
	free(text);
}

/* Builds may do without a library. */
static void need(enum coding coding)
{
	if (!compress_has(coding))
		cr_skip_test("not in this build");
}

Test(files, compresses_text_once_for_each_coding)
{
	static const char *const codings[] = { "gzip", "zstd", "br" };
	char etags[4][ETAG_SIZE] = { "" };

	options.compress = true;
	put_text("root/big.txt", 300000);
	cr_expect_eq(get("/big.txt"), 200);
	cr_expect_eq(s->response.length, 300000);
	cr_expect_str_eq(field("Vary"), "Accept-Encoding");
	cr_expect_str_eq(field("Content-Encoding"), "(none)");
	snprintf(etags[3], sizeof(etags[3]), "%s", field("ETag"));
	for (size_t i = 0; i < 3; i++) {
		if (!compress_has((enum coding)(CODING_GZIP + i)))
			continue;
		cr_expect_eq(get_coded("/big.txt", codings[i]), 200);
		cr_expect_str_eq(field("Content-Encoding"), codings[i]);
		cr_expect_str_eq(field("Content-Type"), "text/plain; charset=utf-8");
		cr_expect(s->response.length < 3000);
		snprintf(etags[i], sizeof(etags[i]), "%s", field("ETag"));
		for (size_t k = 0; k < 4; k++)
			cr_expect(k == i || (k > i && k < 3) || strcmp(etags[k], etags[i]));
		cr_expect_eq(get_with("/big.txt", "Accept-Encoding", codings[i]), 200,
			"at once: it is kept");
	}
	options.compress = false;
}

Test(files, a_long_work_is_spread_over_turns)
{
	int turns = 0;

	need(CODING_GZIP);
	options.compress = true;
	put_text("root/big.txt", 1000000);
	while (!get_with("/big.txt", "Accept-Encoding", "gzip")) {
		cr_expect_eq(get("/a.txt"), 200, "others are served meanwhile");
		turns_run(&loop, 1);
		cr_assert_lt(turns++, 100);
	}
	cr_expect_geq(turns, 1000000 / 65536);
	options.compress = false;
}

Test(files, leaves_alone_what_is_not_worth_it)
{
	options.compress = true;
	put_text("root/small.txt", 1000);
	put_text("root/big.png", 10000);
	put_noise("root/noise.txt", 10000);
	cr_expect_eq(get_coded("/small.txt", "gzip"), 200);
	cr_expect_str_eq(field("Content-Encoding"), "(none)");
	cr_expect_eq(get_coded("/big.png", "gzip"), 200);
	cr_expect_str_eq(field("Content-Encoding"), "(none)");
	cr_expect_str_eq(field("Vary"), "(none)");
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(get_coded("/noise.txt", "gzip"), 200);
		cr_expect_str_eq(field("Content-Encoding"), "(none)", "it would be larger");
		cr_expect_str_eq(field("Vary"), "Accept-Encoding");
	}
	cr_expect_eq(get_coded("/noise.txt", "gzip, identity;q=0"), 406);
	cr_expect_str_eq(field("Vary"), "Accept-Encoding");
	options.compress = false;
}

Test(files, forgets_what_was_compressed_of_another_content)
{
	uint64_t before;

	need(CODING_GZIP);
	options.compress = true;
	put_text("root/page.txt", 5000);
	cr_expect_eq(get_coded("/page.txt", "gzip"), 200);
	before = s->response.length;
	put_text("root/page.txt", 50000);
	hear_changes();
	cr_expect_eq(get_coded("/page.txt", "gzip"), 200);
	cr_expect_neq(s->response.length, before);
	options.compress = false;
}

Test(files, tells_contents_of_one_size_and_time_apart)
{
	struct stat st, now;
	char before[200];
	int fd;

	need(CODING_GZIP);
	options.compress = true;
	put_text("root/page.txt", 5000);
	cr_expect_eq(get_coded("/page.txt", "gzip"), 200);
	snprintf(before, sizeof(before), "%s", field("ETag"));
	fd = open(in_dir("root/page.txt"), O_WRONLY | O_CLOEXEC);
	cr_assert_eq(fstat(fd, &st), 0);
	do { /* the kernel's clock of files is a coarse one */
		cr_assert_eq(pwrite(fd, "#####", 5, 100), 5);
		cr_assert_eq(futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim }), 0);
		cr_assert_eq(fstat(fd, &now), 0);
	} while (memcmp(&now.st_ctim, &st.st_ctim, sizeof(st.st_ctim)) == 0);
	close(fd);
	hear_changes();
	cr_expect_eq(get_coded("/page.txt", "gzip"), 200);
	cr_expect_str_eq(field("Content-Encoding"), "gzip");
	cr_expect_str_neq(field("ETag"), before);
	options.compress = false;
}

Test(files, does_not_wait_for_the_work_of_others)
{
	need(CODING_GZIP);
	options.compress = true;
	put_text("root/big.txt", 1000000);
	put_text("root/page.txt", 5000);
	cr_expect_eq(get_with("/big.txt", "Accept-Encoding", "gzip"), 0);
	cr_expect_eq(get_with("/page.txt", "Accept-Encoding", "gzip"), 200);
	cr_expect_str_eq(field("Content-Encoding"), "(none)");
	cr_expect_eq(get_with("/page.txt", "Accept-Encoding", "gzip, identity;q=0"), 0,
		"unless nothing else will do");
	options.compress = false;
}

Test(files, is_only_for_get_and_head)
{
	fields_clear(&s->request.fields);
	cr_expect_eq(ask(HTTP_METHOD_HEAD, "/a.txt"), 200);
	cr_expect_eq(ask(HTTP_METHOD_POST, "/a.txt"), 405);
	cr_expect_str_eq(field("Allow"), "GET, HEAD");
}

Test(files, finds_the_first_index_there_is)
{
	cr_expect_eq(get("/sub/"), 200);
	cr_expect_str_eq(content(), "second index");
	cr_expect_eq(get("/bare/"), 403, "no index and no listing");
}

Test(files, sends_a_directory_to_its_slash)
{
	s->target.query = STR("?q");
	cr_expect_eq(get("/sub"), 301);
	cr_expect_str_eq(field("Location"), "/sub/?q");
	s->target.query = (struct str){ NULL, 0 };
	cr_expect_eq(get("//sub"), 301);
	cr_expect_str_eq(field("Location"), "/sub/", "never to another host");
}

Test(files, knows_no_dotfiles_and_nothing_outside)
{
	static const char *const paths[] = { "/.hidden", "/sub/.hidden", "/outside", "/absolute",
		"/none", "/a.txt/", "/a.txt/x", "//etc/passwd", "/...", "/sub//../../secret" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		cr_expect_eq(get(paths[i]), 404, "%s", paths[i]);
}

Test(files, follows_links_that_stay_inside)
{
	cr_expect_eq(get("/inside"), 200);
	cr_expect_str_eq(content(), "0123456789");
}

Test(files, does_not_wait_for_a_fifo)
{
	cr_expect_eq(get("/fifo"), 403);
}

Test(files, answers_conditions)
{
	char etag[ETAG_SIZE];

	get("/a.txt");
	snprintf(etag, sizeof(etag), "%s", field("ETag"));
	cr_expect_eq(get_with("/a.txt", "If-None-Match", etag), 304);
	cr_expect_str_eq(field("ETag"), etag);
	cr_expect_eq(get_with("/a.txt", "If-None-Match", "\"other\""), 200);
	cr_expect_eq(get_with("/a.txt", "If-Match", "\"other\""), 412);
}

Test(files, answers_a_range)
{
	cr_expect_eq(get_with("/a.txt", "Range", "bytes=2-4"), 206);
	cr_expect_str_eq(content(), "234");
	cr_expect_str_eq(field("Content-Range"), "bytes 2-4/10");
	cr_expect_eq(get_with("/a.txt", "Range", "bytes=-3"), 206);
	cr_expect_str_eq(content(), "789");
	cr_expect_eq(get_with("/a.txt", "Range", "bytes=10-"), 416);
	cr_expect_str_eq(field("Content-Range"), "bytes */10");
}

Test(files, a_large_file_comes_from_its_descriptor)
{
	char text[100];
	int fd = open(in_dir("root/large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, FILECACHE_SMALL), 0);
	cr_assert_eq(pwrite(fd, "the end", 7, FILECACHE_SMALL), 7);
	close(fd);
	cr_expect_eq(get_with("/large", "Range", "bytes=-7"), 206);
	cr_assert_not_null(s->response.source);
	cr_expect_null(s->response.memory.p);
	cr_expect_eq(s->response.source->read(s->response.source, text, 7), 7);
	cr_expect_eq(memcmp(text, "the end", 7), 0);
}

Test(files, sees_a_change_in_place_at_once)
{
	get("/a.txt");
	put("root/a.txt", "changed");
	hear_changes();
	cr_expect_eq(get("/a.txt"), 200);
	cr_expect_str_eq(content(), "changed");
}

Test(files, sees_a_replaced_and_a_deleted_file_at_once)
{
	get("/a.txt");
	put("root/new", "replaced");
	move("root/new", "root/a.txt");
	hear_changes();
	get("/a.txt");
	cr_expect_str_eq(content(), "replaced");
	cr_assert_eq(unlink(in_dir("root/a.txt")), 0);
	hear_changes();
	cr_expect_eq(get("/a.txt"), 404);
}

Test(files, looks_again_after_a_second)
{
	get("/sub/");
	move("root/sub", "root/gone");
	fake_clock_us += (FILECACHE_FRESH_MS + 1) * 1000;
	clock_update();
	cr_expect_eq(get("/sub/"), 404);
}

Test(files, a_response_keeps_what_it_began_with)
{
	get("/a.txt");
	put("root/a.txt", "changed");
	hear_changes();
	cr_expect_str_eq(content(), "0123456789");
}

Test(files, remembers_no_more_than_its_bound)
{
	char name[40];

	for (int i = 0; i < FILECACHE_ENTRIES + 50; i++) {
		snprintf(name, sizeof(name), "root/%d", i);
		put(name, "x");
		snprintf(name, sizeof(name), "/%d", i);
		cr_assert_eq(get(name), 200);
	}
	cr_expect_null(filecache_find(s->files, &options, STR("/0")), "the oldest have gone");
}

static void put_large(const char *path)
{
	int fd = open(in_dir(path), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, FILECACHE_SMALL + 1), 0);
	close(fd);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(files, remembered_files_give_way_when_descriptors_run_out)
{
	static const char *const names[] = { "/1", "/2", "/3", "/4", "/5", "/6" };
	struct rlimit limit;
	char path[20];
	int next;

	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "root%s", names[i]);
		put_large(path);
	}
	next = dup(0);
	cr_assert_geq(next, 0);
	close(next);
	limit = (struct rlimit){ (rlim_t)next + 3, (rlim_t)next + 3 };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 6; i++)
		cr_expect_eq(get(names[i]), 200, "%s", names[i]);
}

Test(files, what_is_made_anew_and_is_equal_stands)
{
	struct file like = { .mtime = 1000, .media = STR("text/plain") }, *a, *b, *c;

	a = filecache_add_made(s->files, STR("key"), &like, STR("page"), 1000);
	b = filecache_add_made(s->files, STR("key"), &like, STR("page"), 1000);
	c = filecache_add_made(s->files, STR("key"), &like, STR("Page"), 1000);
	cr_expect_eq(a, b);
	cr_expect_eq(a->holders, 2);
	cr_expect_neq(a, c);
	filecache_release(s->files, a);
	filecache_release(s->files, b);
	filecache_release(s->files, c);
}

Test(files, no_more_files_are_remembered_than_the_limit_says)
{
	unsigned before = open_descriptors();

	put_large("root/1");
	put_large("root/2");
	put_large("root/3");
	filecache_limit(s->files, 2);
	cr_expect_eq(get("/1"), 200);
	cr_expect_eq(get("/2"), 200);
	cr_expect_eq(get("/3"), 200);
	stream_discard_reply(s);
	cr_expect_eq(open_descriptors(), before + 2);
	filecache_limit(s->files, 1);
	cr_expect_eq(open_descriptors(), before + 1);
	filecache_clear(s->files);
	cr_expect_eq(open_descriptors(), before);
	cr_expect_eq(get("/1"), 200);
}

/* inotify's watches of this process. */
static unsigned watches(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned n = 0;

	for (struct dirent *e; (e = readdir(fds));) {
		char path[300], line[400];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%s", e->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			n += strncmp(line, "inotify ", 8) == 0;
		if (f)
			fclose(f);
	}
	closedir(fds);
	return n;
}

Test(files, what_is_not_kept_is_not_watched)
{
	int fd = open(in_dir("root/a.txt"), O_WRONLY | O_CLOEXEC); /* cannot be read */
	struct file *f;

	cr_assert_eq(watches(), 0);
	cr_expect_null(filecache_add(s->files, &options, STR("/a.txt"), fd, true));
	cr_expect_eq(watches(), 0);
	f = filecache_add(s->files, &options, STR("/a.txt"),
		open(in_dir("root/a.txt"), O_RDONLY | O_CLOEXEC), true);
	cr_assert_not_null(f);
	cr_expect_eq(watches(), 1);
	fd = open(in_dir("root/a.txt"), O_WRONLY | O_CLOEXEC);
	cr_expect_null(filecache_add(s->files, &options, STR("/b.txt"), fd, true));
	cr_expect_eq(watches(), 1, "the other entry has that watch as well");
	filecache_release(s->files, f);
	filecache_clear(s->files);
	cr_expect_eq(watches(), 0);
}
