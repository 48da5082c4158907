/* fleet: what comes of a question, and when there is another; a child plays the store. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/fleet.h"
#include "toy.h"

#ifdef HAVE_HIREDIS

#define VALUE "0123456789abcdefghijklmnopqrstuv"
#define GOT "$32\r\n" VALUE "\r\n"
/* To GET, SET GET, SET GET: with one slice that is kept. */
#define ANSWER GOT "+OK\r\n" GOT "+OK\r\n" GOT

static sd_event *event;
static struct board *board;
static struct fleet fleet;
static struct store_url url;
static struct config config = {
	.tls = { .tickets_enabled = true, .tickets_rotate_ms = 604800000, .tickets_keep = 1 }
};
static char folder[32], user[] = "nobody";
static pid_t store;
static unsigned answers;

static void on_answered(void *data)
{
	cr_expect_eq(data, &fleet);
	answers++;
}

static void setup(void)
{
	toy_setup();
	snprintf(folder, sizeof(folder), "/tmp/latch-fleet-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	url.way = STORE_URL_UNIX;
	snprintf(url.host, sizeof(url.host), "%s/socket", folder);
	config.user = user;
	config.tickets_store_url = &url;
	board = board_new(NULL);
	cr_assert_not_null(board);
	cr_assert_geq(sd_event_new(&event), 0);
	fleet_init(&fleet, event, board, NULL, on_answered, &fleet);
}

/* Says `words` to everybody who asks. */
static void play(const char *words)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char heard[4096];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(a.sun_path, url.host, strlen(url.host));
	unlink(url.host);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	store = fork();
	for (int one; store == 0 && (one = accept(fd, NULL, NULL)) >= 0;)
		if (read(one, heard, sizeof(heard)) > 0 && write(one, words, strlen(words)) < 0)
			_exit(1);
	close(fd);
}

static void end_play(void)
{
	if (store > 0) {
		kill(store, SIGKILL);
		waitpid(store, NULL, 0);
	}
	store = 0;
	unlink(url.host);
}

static void teardown(void)
{
	fleet_done(&fleet);
	sd_event_unref(event);
	board_free(board);
	end_play();
	rmdir(folder);
}

TestSuite(fleet, .init = setup, .fini = teardown, .timeout = 60);

static bool has_failed(void)
{
	return fleet.failures > 0;
}

static bool has_two_failures(void)
{
	return fleet.failures > 1;
}

static bool has_answered(void)
{
	return answers > 0;
}

static bool has_answered_twice(void)
{
	return answers > 1;
}

Test(fleet, a_start_waits_for_the_answer)
{
	play(ANSWER);
	fleet_follow(&fleet, &config);
	cr_expect_eq(board_get(board->ticket_store), BOARD_STORE_DOWN);
	fleet_await(&fleet);
	cr_assert(toy_turn_until(event, has_answered, 15000));
	cr_expect_eq(answers, 1);
	cr_expect_eq(fleet.n, 3);
	cr_expect(fleet.answers && fleet.asked && !fleet.error[0]);
	cr_expect_eq(fleet.pid, 0);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), 0, "the store alone is left");
	for (size_t i = 0; i < fleet.n; i++)
		cr_expect_eq(fleet.eras[i].slice, fleet.eras[0].slice + (int64_t)i);
	cr_expect_eq(board_get(board->ticket_store), BOARD_STORE_UP);
	fleet_done(&fleet);
	cr_expect_eq(fleet.n, 0);
	cr_expect_eq(board_get(board->ticket_store), BOARD_STORE_NONE);
}

Test(fleet, none_there_is_asked_again)
{
	fleet_follow(&fleet, &config);
	cr_assert(toy_turn_until(event, has_two_failures, 15000));
	cr_expect_str_eq(fleet.error, "cannot connect: No such file or directory");
	cr_expect_eq(fleet.n, 0);
	cr_expect_eq(board_get(board->ticket_store), BOARD_STORE_DOWN);
	play(ANSWER);
	cr_assert(toy_turn_until(event, has_answered, 15000));
	cr_expect_eq(fleet.failures, 0);
	cr_expect_str_eq(fleet.error, "");
}

/* What not all may know is doubted once nobody answers; what is in use is not. */
Test(fleet, silence_forgets_nothing)
{
	play(ANSWER);
	fleet_follow(&fleet, &config);
	fleet_await(&fleet);
	cr_assert(toy_turn_until(event, has_answered, 15000));
	cr_assert_eq(fleet.n, 3);
	end_play();
	fleet_pause(&fleet);
	cr_expect_null(fleet.next);
	fleet_follow(&fleet, &config);
	cr_assert(toy_turn_until(event, has_failed, 15000));
	cr_expect_eq(fleet.n, 3);
	cr_expect(fleet.eras[0].is_sure && fleet.eras[1].is_sure);
	cr_expect_not(fleet.eras[2].is_sure);
	cr_expect_not(fleet.answers);
}

Test(fleet, the_same_store_is_not_asked_anew_and_another_is)
{
	struct config other = config;

	play(ANSWER);
	fleet_follow(&fleet, &config);
	fleet_await(&fleet);
	cr_assert(toy_turn_until(event, has_answered, 15000));
	fleet_follow(&fleet, &other);
	cr_expect_eq(fleet.pid, 0);
	cr_expect_eq(fleet.config, &other);
	other.tls.tickets_keep = 2;
	fleet_follow(&fleet, &other);
	cr_expect_neq(fleet.pid, 0);
	cr_expect_eq(fleet.n, 0);
	other.tls.tickets_enabled = false;
	fleet_follow(&fleet, &other);
	cr_expect_eq(fleet.pid, 0, "and the child is gone with the question");
	cr_expect_null(fleet.url);
}

/* A quarter of a slice later. */
Test(fleet, it_asks_again_by_itself)
{
	config.tls.tickets_rotate_ms = 1000;
	play(ANSWER);
	fleet_follow(&fleet, &config);
	cr_assert(toy_turn_until(event, has_answered_twice, 15000));
}

/* Cut off, garbage, and values that are no secrets: what was known stays. */
Test(fleet, what_is_no_answer)
{
	static const char *const words[] = { GOT "+OK\r\n", "-NOAUTH x\r\n-NOAUTH x\r\n",
		GOT "+OK\r\n" GOT "+OK\r\n$32\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" };
	static const char *const why[] = { "it did not answer within 5000 ms",
		"it refuses GET (NOAUTH)", "a secret that it gave: is too regular to be a secret" };

	play(ANSWER);
	fleet_follow(&fleet, &config);
	fleet_await(&fleet);
	cr_assert(toy_turn_until(event, has_answered, 15000));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		end_play();
		play(words[i]);
		fleet_pause(&fleet);
		fleet.failures = 0;
		fleet_follow(&fleet, &config);
		cr_assert(toy_turn_until(event, has_failed, 30000));
		cr_expect(!strncmp(fleet.error, why[i], strlen(why[i])), "%s", fleet.error);
		cr_expect_eq(fleet.n, 3);
	}
	cr_expect_eq(answers, 1);
}

#endif
