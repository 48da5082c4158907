/* The control socket: clients are plain sockets of the test, the loop is turned by hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "master/control.h"
#include "master/handover.h"
#include "net/control.h"
#include "toy.h"

enum { PATIENCE_MS = 20000 };

static sd_event *event;
static struct control control;
static char directory[] = "/tmp/latchd-test-XXXXXX";
static char path[64];
static struct control_client *last;
static enum control_word last_word;
static unsigned asked;
static pid_t barred;

static bool is_barred(void *data, pid_t pid)
{
	(void)data;
	return pid == barred;
}

static void on_asked(void *data, struct control_client *client, enum control_word word)
{
	cr_expect_eq(data, &asked);
	last = client;
	last_word = word;
	asked++;
}

static void setup(void)
{
	struct control_options o = { .is_barred = is_barred, .asked = on_asked, .data = &asked };
	struct err e;

	toy_setup();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	cr_assert_geq(sd_event_new(&event), 0);
	o.event = event;
	control_init(&control, &o);
	cr_assert_eq(control_listen(&control, path, &e), 0, "%s", e.text);
}

static void teardown(void)
{
	control_done(&control);
	sd_event_unref(event);
	unlink(path);
	rmdir(directory);
}

TestSuite(control, .init = setup, .fini = teardown, .timeout = 60);

static int try_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int ask(const char *text)
{
	int fd = try_connect();

	cr_assert_geq(fd, 0);
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

static bool was_asked(void)
{
	return asked > 0;
}

static bool has_none(void)
{
	return control.n == 0;
}

static bool has_one(void)
{
	return control.n == 1;
}

static void turn_until(bool (*done)(void))
{
	cr_assert(toy_turn_until(event, done, PATIENCE_MS));
}

static int reading;
static char reply[8192];
static size_t reply_n;

/* Reads what is there; true at the end of the connection. */
static bool reply_is_whole(void)
{
	ssize_t n;

	do {
		n = recv(reading, reply + reply_n, sizeof(reply) - 1 - reply_n, MSG_DONTWAIT);
		reply_n += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	reply[reply_n] = '\0';
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static const char *read_reply(int fd)
{
	reading = fd;
	reply_n = 0;
	turn_until(reply_is_whole);
	close(fd);
	return reply;
}

Test(control, the_file_is_the_owners_alone)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_expect(S_ISSOCK(st.st_mode));
	cr_expect_eq(st.st_mode & 0777, 0600);
}

Test(control, a_question_is_answered_and_the_connection_ends)
{
	int fd = ask("status json\n");

	turn_until(was_asked);
	cr_expect_eq(last_word, CONTROL_STATUS_JSON);
	control_say(last, CONTROL_OUTPUT, "one %d", 1);
	control_say(last, CONTROL_ERROR, "two");
	control_finish(last, 78);
	cr_expect_str_eq(read_reply(fd), "+one 1\n-two\n=78\n");
	turn_until(has_none);
}

Test(control, every_word_is_known)
{
	static const struct {
		const char *text;
		enum control_word word;
	} words[] = { { "reload\n", CONTROL_RELOAD }, { "status\n", CONTROL_STATUS },
		{ "stop\n", CONTROL_STOP }, { "reopen-logs\n", CONTROL_REOPEN_LOGS },
		{ "upgrade\n", CONTROL_UPGRADE } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		int fd = ask(words[i].text);

		asked = 0;
		turn_until(was_asked);
		cr_expect_eq(last_word, words[i].word);
		control_finish(last, 0);
		cr_expect_str_eq(read_reply(fd), "=0\n");
	}
}

Test(control, an_unknown_word_is_refused)
{
	cr_expect_not_null(
		strstr(read_reply(ask("explode\x1b[2J\n")), "does not know \"explode?[2J\""));
	cr_expect_not_null(strstr(reply, "\n=64\n"));
	cr_expect_eq(asked, 0);
}

Test(control, a_request_in_pieces_is_one)
{
	int fd = ask("sta");

	turn_until(has_one);
	cr_assert_eq(send(fd, "tus\n", 4, MSG_NOSIGNAL), 4);
	turn_until(was_asked);
	cr_expect_eq(last_word, CONTROL_STATUS);
	close(fd);
}

Test(control, a_request_without_end_is_cut)
{
	char long_text[CONTROL_REQUEST_MAX + 1];
	int fd;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	fd = ask(long_text);
	cr_expect_str_eq(read_reply(fd), "");
	cr_expect_eq(asked, 0);
}

Test(control, a_silent_client_is_put_out)
{
	int fd = ask("stat");
	int64_t start = toy_now_ms();

	cr_expect_str_eq(read_reply(fd), "");
	cr_expect_geq(toy_now_ms() - start, CONTROL_PATIENCE_MS - 100);
	turn_until(has_none);
}

Test(control, one_who_waits_is_found_by_word_and_mark)
{
	int fd = ask("reload\n");

	turn_until(was_asked);
	cr_expect_eq(control_waiting(&control, CONTROL_RELOAD, 0), last);
	control_mark(last, 7);
	cr_expect_null(control_waiting(&control, CONTROL_RELOAD, 0));
	cr_expect_null(control_waiting(&control, CONTROL_STOP, 7));
	cr_expect_eq(control_waiting(&control, CONTROL_RELOAD, 7), last);
	control_finish(last, 0);
	cr_expect_null(control_waiting(&control, CONTROL_RELOAD, 7));
	close(fd);
}

Test(control, one_who_goes_away_is_forgotten)
{
	int fd = ask("reload\n");

	turn_until(was_asked);
	close(fd);
	turn_until(has_none);
	cr_expect_null(control_waiting(&control, CONTROL_RELOAD, 0));
}

Test(control, a_half_close_still_waits)
{
	int fd = ask("reload\n");

	turn_until(was_asked);
	shutdown(fd, SHUT_WR);
	sd_event_run(event, 0);
	sd_event_run(event, 0);
	cr_assert(has_one());
	control_finish(last, 3);
	cr_expect_str_eq(read_reply(fd), "=3\n");
}

Test(control, several_at_once_do_not_mix)
{
	int fd[3];
	struct control_client *client[3];

	for (int i = 0; i < 3; i++) {
		fd[i] = ask("reload\n");
		asked = 0;
		turn_until(was_asked);
		client[i] = last;
	}
	for (int i = 2; i >= 0; i--) {
		char text[16];

		control_finish(client[i], i);
		snprintf(text, sizeof(text), "=%d\n", i);
		cr_expect_str_eq(read_reply(fd[i]), text);
	}
}

static bool is_full(void)
{
	return control.n == CONTROL_CLIENTS_MAX;
}

Test(control, there_is_a_bound_on_clients)
{
	int fd[CONTROL_CLIENTS_MAX];

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fd[i] = ask("");
	turn_until(is_full);
	cr_expect_not_null(strstr(read_reply(ask("")), "=75\n"));
	cr_expect(is_full());
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
	turn_until(has_none);
}

Test(control, a_barred_process_is_refused)
{
	barred = getpid();
	cr_expect_not_null(strstr(read_reply(ask("stop\n")), "=77\n"));
	cr_expect_eq(asked, 0);
	cr_expect_eq(control.n, 0);
}

Test(control, a_client_that_does_not_read_holds_up_nobody)
{
	static char line[1000];
	int slow = ask("status\n"), fd;

	turn_until(was_asked);
	memset(line, 'x', sizeof(line) - 1);
	for (int i = 0; i < 1000; i++)
		control_say(last, CONTROL_OUTPUT, "%s", line);
	control_finish(last, 0);
	fd = ask("stop\n");
	asked = 0;
	turn_until(was_asked);
	cr_expect_eq(last_word, CONTROL_STOP);
	control_finish(last, 0);
	cr_expect_str_eq(read_reply(fd), "=0\n");
	cr_expect(has_one());
	turn_until(has_none);
	close(slow);
}

Test(control, an_answer_over_the_bound_is_an_error)
{
	static char big[CONTROL_REPLY_MAX + 1];
	int fd = ask("status\n");

	turn_until(was_asked);
	memset(big, 'x', sizeof(big));
	control_say_lines(last, CONTROL_OUTPUT, (struct str){ big, sizeof(big) });
	control_finish(last, 0);
	cr_expect_str_eq(read_reply(fd), "=70\n");
}

Test(control, the_stale_socket_of_a_dead_server_is_replaced)
{
	struct err e = { 0 };
	struct control second;
	int fd;

	close(control.fd);
	control.io = sd_event_source_disable_unref(control.io);
	control.fd = -1;
	control_init(&second, &control.o);
	cr_assert_eq(control_listen(&second, path, &e), 0, "%s", e.text);
	fd = try_connect();
	cr_expect_geq(fd, 0);
	close(fd);
	control_done(&second);
}

Test(control, the_socket_of_a_living_server_is_left_alone)
{
	struct control second;
	struct err e = { 0 };

	control_init(&second, &control.o);
	cr_expect_eq(control_listen(&second, path, &e), -1);
	cr_expect_not_null(strstr(e.text, "another program"));
	control_done(&second);
	cr_expect_eq(access(path, F_OK), 0);
}

Test(control, the_socket_of_another_kind_is_left_alone)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct err e = { 0 };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/log", directory);
	cr_assert_eq(bind(fd, (const void *)&a, sizeof(a)), 0);
	cr_expect_eq(control_listen(&control, a.sun_path, &e), -1);
	cr_expect_eq(access(a.sun_path, F_OK), 0);
	unlink(a.sun_path);
	close(fd);
}

Test(control, a_file_that_is_no_socket_is_left_alone)
{
	struct err e = { 0 };
	char file[80];
	int fd;

	snprintf(file, sizeof(file), "%s/file", directory);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_expect_eq(control_listen(&control, file, &e), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_expect_eq(access(file, F_OK), 0);
	unlink(file);
}

Test(control, no_directory_is_an_error)
{
	struct err e = { 0 };

	cr_expect_eq(control_listen(&control, "/nowhere/at/all/control.sock", &e), -1);
	cr_expect_eq(e.code, ERR_UNAVAILABLE);
	cr_expect_eq(access(path, F_OK), -1, "the old one is gone");
}

Test(control, the_same_path_keeps_the_socket_and_no_path_removes_it)
{
	int before = control.fd;
	struct err e;

	cr_expect_eq(control_listen(&control, path, &e), 0);
	cr_expect_eq(control.fd, before);
	cr_expect_eq(control_listen(&control, "", &e), 0);
	cr_expect_eq(control.fd, -1);
	cr_expect_eq(access(path, F_OK), -1);
}

Test(control, a_removed_file_comes_back)
{
	struct err e;

	unlink(path);
	cr_expect_eq(control_listen(&control, path, &e), 0);
	cr_expect_eq(access(path, F_OK), 0);
}

Test(control, the_last_answer_leaves_and_the_connection_lives_on)
{
	int fd = ask("stop\n");
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[16] = "";

	turn_until(was_asked);
	control_finish(last, 0);
	control_done(&control);
	cr_assert_eq(poll(&p, 1, 0), 1);
	cr_expect_eq(recv(fd, text, sizeof(text), 0), 3);
	cr_expect_str_eq(text, "=0\n");
	cr_expect_eq(recv(fd, text, sizeof(text), MSG_DONTWAIT), -1, "it ends with the process");
	close(fd);
}

/* ---- from one image to the next --------------------------------------------------------- */

static struct control next;

static bool next_has_both(void)
{
	return next.n == 2 && asked > 0;
}

/* The first one is never turned again, as if it had become the next. */
Test(control, the_next_one_answers)
{
	struct control_options o = control.o;
	struct handover h = { 0 };
	struct control_client *client;
	struct err e;
	int waits = ask("upgrade\n"), asks = ask("stat"), answered = ask("status\n");
	uint64_t inode = control.inode;

	turn_until(was_asked);
	while (control.n < 3 || last_word != CONTROL_STATUS)
		sd_event_run(event, UINT64_MAX);
	control_finish(last, 0);
	cr_assert_eq(control_leave(&control, &h, &e), 0);
	cr_expect_str_eq(h.control, path);
	cr_expect_eq(h.control_fd, control.fd);
	cr_assert_eq(h.nclients, 2, "but for the one that has its answer");
	asked = 0;
	sd_event_new(&o.event);
	control_init(&next, &o);
	cr_assert_eq(control_take_over(&next, &h, &e), 0, "%s", e.text);
	handover_done(&h);
	cr_expect_eq(next.n, 2);
	cr_expect_eq(next.inode, inode);
	client = control_waiting(&next, CONTROL_UPGRADE, 0);
	cr_assert_not_null(client);
	cr_assert_eq(send(asks, "us\n", 3, MSG_NOSIGNAL), 3);
	cr_assert(toy_turn_until(o.event, next_has_both, PATIENCE_MS));
	cr_expect_eq(last_word, CONTROL_STATUS, "the two halves of the word");
	control_say(client, CONTROL_OUTPUT, "upgraded");
	control_finish(client, 0);
	control_finish(last, 3);
	while (next.n)
		sd_event_run(o.event, UINT64_MAX);
	cr_expect_str_eq(read_reply(waits), "+upgraded\n=0\n");
	cr_expect_str_eq(read_reply(asks), "=3\n");
	cr_expect_str_eq(read_reply(answered), "=0\n", "it left before");
	control_done(&next);
	cr_expect_neq(access(path, F_OK), 0);
}
