/* store: the conversation, with stores that a child plays. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tls/store.h"

#ifdef HAVE_HIREDIS

enum { KEEP = 1, SLICE = 1000, ROTATE = 60000 };

#define VALUE "0123456789abcdefghijklmnopqrstuv"
#define GOT "$32\r\n" VALUE "\r\n"

struct stage {
	char folder[32];
	struct store_url url;
	pid_t pid;
};

/* A store that hears what it is asked, says `words` and hangs up, or does not. */
static void open_stage(struct stage *s, struct str words, bool hangs_up)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char heard[8192];

	snprintf(s->folder, sizeof(s->folder), "/tmp/latch-store-XXXXXX");
	cr_assert_not_null(mkdtemp(s->folder));
	s->url = (struct store_url){ .way = STORE_URL_UNIX };
	snprintf(s->url.host, sizeof(s->url.host), "%s/socket", s->folder);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", s->folder);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	s->pid = fork();
	if (s->pid == 0) {
		int one = accept(fd, NULL, NULL);
		if (read(one, heard, sizeof(heard)) <= 0 ||
			write(one, words.p, words.n) != (ssize_t)words.n)
			_exit(1);
		while (!hangs_up)
			pause();
		_exit(0);
	}
	close(fd);
}

static void close_stage(struct stage *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	unlink(s->url.host);
	rmdir(s->folder);
}

static int ask(struct stage *s, struct store_answer *a, struct err *e, int timeout_ms)
{
	struct store_query q = { .url = &s->url,
		.rotate_ms = ROTATE,
		.slice = SLICE,
		.keep = KEEP,
		.timeout_ms = timeout_ms };

	return store_ask(&q, a, e);
}

Test(store, answers)
{
	static const struct {
		const char *words; /* GET, SET GET, SET GET */
		const char *error; /* NULL: none */
		unsigned n;
	} rows[] = {
		{ GOT "+OK\r\n" GOT "+OK\r\n" GOT, NULL, 3 },
		{ "$-1\r\n+OK\r\n" GOT "$-1\r\n" GOT, NULL, 2 },
		{ "$-1\r\n-READONLY x\r\n" GOT "-READONLY x\r\n" GOT, NULL, 2 },
		{ "$-1\r\n+OK\r\n$-1\r\n", "does not keep", 0 },
		{ "$-1\r\n-NOPERM secret\r\n$-1\r\n", "it refuses SET (NOPERM)", 0 },
		{ "-NOAUTH secret\r\n", "it refuses GET (NOAUTH)", 0 },
		{ "-secret\r\n", "it refuses GET", 0 },
		{ ":32\r\n", "it refuses GET", 0 },
		{ "+" VALUE "\r\n", "it refuses GET", 0 },
		{ "$31\r\n0123456789abcdefghijklmnopqrstu\r\n", "has 31 bytes; expected 32", 0 },
		{ "$33\r\n" VALUE "w\r\n", "has 33 bytes; expected 32", 0 },
		{ "$0\r\n\r\n", "has 0 bytes; expected 32", 0 },
		{ GOT "+OK\r\n" GOT "+OK\r\n$1\r\nx\r\n", "has 1 bytes", 0 },
		{ "*1\r\n" GOT, "is not the protocol", 0 },
		{ GOT "+OK\r\n" GOT "+OK\r\n", "it ended the connection", 0 },
		{ "", "it ended the connection", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_answer a;
		struct err e = { 0 };
		struct stage s;

		open_stage(&s, str_of(rows[i].words), true);
		cr_expect_eq(ask(&s, &a, &e, 10000), rows[i].error ? -1 : 0, "row %zu", i);
		if (rows[i].error) {
			cr_expect_not_null(strstr(e.text, rows[i].error), "row %zu: %s", i, e.text);
			cr_expect_null(strstr(e.text, "secret"), "row %zu: %s", i, e.text);
		}
		cr_expect_eq(a.n, rows[i].n, "row %zu", i);
		for (unsigned k = 0; k < a.n; k++) {
			cr_expect_eq(a.slot[k].slice, SLICE + 2 - (int)a.n + (int)k);
			cr_expect_eq(memcmp(a.slot[k].secret, VALUE, STORE_SECRET_SIZE), 0);
		}
		close_stage(&s);
	}
}

Test(store, one_that_hangs)
{
	struct store_answer a;
	struct err e = { 0 };
	struct stage s;

	open_stage(&s, STR(GOT "+OK\r\n"), false);
	cr_expect_eq(ask(&s, &a, &e, 50), -1);
	cr_expect_str_eq(e.text, "it did not answer within 50 ms");
	close_stage(&s);
}

Test(store, none_there)
{
	struct store_answer a;
	struct err e = { 0 };
	struct stage s;

	open_stage(&s, STR(""), true);
	close_stage(&s);
	cr_expect_eq(ask(&s, &a, &e, 1000), -1);
	cr_expect_str_eq(e.text, "cannot connect: No such file or directory");
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
}

#endif
