/* Waiting around a session, on plain connections; TLS is the end-to-end tests' business. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client/link.h"
#include "client/peer.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 50 };

static struct peer peer;
static struct link l;
static struct err e;

static enum outcome open_to(unsigned port, int timeout_ms)
{
	const struct link_options o = {
		.host = "localhost",
		.connect_host = "127.0.0.1",
		.port = port,
		.timeout_ms = timeout_ms,
	};

	return link_open(&l, &o, &e);
}

static void open_peer(struct str answer, enum peer_end end, int timeout_ms)
{
	peer_start(&peer, answer, end);
	cr_assert_eq(open_to(peer.port, timeout_ms), OUTCOME_OK, "%s", e.text);
	cr_assert_eq(link_write(&l, "GET\r\n\r\n", 7), IO_OK);
}

static void done(void)
{
	link_close(&l);
	peer_join(&peer);
}

/* Everything until the end, which is returned. */
static enum io_status read_all(char *dst, size_t size, size_t *ret_n)
{
	enum io_status status = IO_OK;

	*ret_n = 0;
	while (status == IO_OK && *ret_n < size) {
		size_t n;

		status = link_read(&l, dst + *ret_n, size - *ret_n, &n);
		*ret_n += n;
	}
	return status;
}

Test(link, says_where_it_connected_to)
{
	char expected[64];

	open_peer(STR(""), PEER_FIN, PATIENCE_MS);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u", peer.port);
	cr_expect_str_eq(l.address, expected);
	done();
	cr_expect_str_eq(peer.request, "GET\r\n\r\n");
}

Test(link, reads_to_the_end_and_then_the_end_again)
{
	char text[64];
	size_t n;

	open_peer(STR("hello"), PEER_FIN, PATIENCE_MS);
	cr_expect_eq(read_all(text, sizeof(text), &n), IO_EOF);
	cr_expect_eq(n, 5);
	cr_expect_eq(memcmp(text, "hello", 5), 0);
	cr_expect_eq(link_read(&l, text, sizeof(text), &n), IO_EOF);
	cr_expect_eq(n, 0);
	done();
}

Test(link, a_read_takes_no_more_than_there_is_room_for)
{
	char text[3];
	size_t n;

	open_peer(STR("hello"), PEER_FIN, PATIENCE_MS);
	cr_expect_eq(read_all(text, sizeof(text), &n), IO_OK);
	cr_expect_eq(n, 3);
	cr_expect_eq(read_all(text, sizeof(text), &n), IO_EOF);
	cr_expect_eq(n, 2);
	done();
}

Test(link, a_reset_is_told_from_an_end)
{
	char text[64];
	size_t n;

	open_peer(STR(""), PEER_RESET, PATIENCE_MS);
	cr_expect_eq(read_all(text, sizeof(text), &n), IO_RESET);
	cr_expect_eq(link_write(&l, "x", 1), IO_RESET, "the end is remembered");
	done();
}

static unsigned ticks;

static void count(void *arg)
{
	cr_expect_eq(arg, &l);
	ticks++;
}

Test(link, silence_ends_at_the_deadline_and_ticks_meanwhile)
{
	char text[64];
	size_t n;

	open_peer(STR("a"), PEER_SILENT, 1500);
	l.tick = count;
	l.tick_arg = &l;
	cr_expect_eq(read_all(text, sizeof(text), &n), IO_WANT_READ);
	cr_expect_eq(n, 1, "what came before is not lost");
	cr_expect_geq(ticks, 2);
	cr_expect_eq(l.ended, IO_OK, "a deadline is no end");
	done();
}

Test(link, finish_waits_for_the_end_and_drops_what_comes)
{
	uint64_t dropped;

	open_peer(STR("late words"), PEER_FIN, PATIENCE_MS);
	cr_expect_eq(link_finish(&l, PATIENCE_MS, &dropped), IO_EOF);
	cr_expect_eq(dropped, 10);
	done();
}

Test(link, finish_waits_only_so_long)
{
	uint64_t dropped;

	open_peer(STR(""), PEER_SILENT, PATIENCE_MS);
	cr_expect_eq(link_finish(&l, SHORT_MS, &dropped), IO_WANT_READ);
	cr_expect_eq(dropped, 0);
	done();
}

Test(link, a_refused_connection_is_no_connection)
{
	cr_expect_eq(open_to(peer_dead_port(), PATIENCE_MS), OUTCOME_NO_CONNECTION);
	cr_expect_not_null(strstr(e.text, "check that a server listens there"), "%s", e.text);
	link_close(&l);
	link_close(&l);
}

Test(link, a_name_that_cannot_be_is_not_resolved)
{
	const struct link_options o = {
		.host = "x",
		.connect_host = "no such name",
		.port = 1,
		.timeout_ms = PATIENCE_MS,
	};

	cr_expect_eq(link_open(&l, &o, &e), OUTCOME_NO_NAME);
	cr_expect_not_null(strstr(e.text, "no such name"), "%s", e.text);
	link_close(&l);
}
