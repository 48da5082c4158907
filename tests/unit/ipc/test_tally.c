/* Connections by address: counted over workers, gone with them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/board.h"
#include "ipc/tally.h"

static struct tally *t;

static void setup(void)
{
	struct err e;

	t = tally_new(&e);
	cr_assert_not_null(t, "%s", e.text);
}

static void teardown(void)
{
	tally_free(t);
}

TestSuite(tally, .init = setup, .fini = teardown);

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage a = { 0 };
	void *p = &a;
	bool is_6 = strchr(text, ':');

	a.ss_family = is_6 ? AF_INET6 : AF_INET;
	cr_assert_eq(inet_pton(a.ss_family, text,
			     is_6 ? (void *)&((struct sockaddr_in6 *)p)->sin6_addr
				  : (void *)&((struct sockaddr_in *)p)->sin_addr),
		1);
	return a;
}

static void add(unsigned row, const char *text)
{
	struct sockaddr_storage a = address(text);

	tally_add(t, row, &a);
}

static unsigned count(const char *text)
{
	struct sockaddr_storage a = address(text);

	return tally_count(t, BOARD_SLOTS, &a);
}

Test(tally, counts_over_all_rows)
{
	struct sockaddr_storage a = address("192.0.2.7");

	cr_expect_eq(count("192.0.2.7"), 0);
	add(0, "192.0.2.7");
	add(0, "192.0.2.7");
	add(BOARD_SLOTS - 1, "192.0.2.7");
	cr_expect_eq(count("192.0.2.7"), 3);
	cr_expect_eq(tally_count(t, 1, &a), 2, "only the rows that are asked for");
	tally_remove(t, 0, &a);
	cr_expect_eq(count("192.0.2.7"), 2);
	tally_clear(t, BOARD_SLOTS - 1);
	cr_expect_eq(count("192.0.2.7"), 1, "a worker that died took its counts along");
}

Test(tally, mapped_ipv4_is_ipv4_and_ipv6_is_its_prefix)
{
	add(0, "::ffff:192.0.2.7");
	cr_expect_eq(count("192.0.2.7"), 1);
	add(0, "2001:db8:1:2::1");
	add(0, "2001:db8:1:2:ffff::9");
	cr_expect_eq(count("2001:db8:1:2::5"), 2);
	cr_expect_eq(count("2001:db8:1:3::1"), 0);
}

Test(tally, unix_peers_are_not_counted)
{
	struct sockaddr_storage a = { .ss_family = AF_UNIX };

	tally_add(t, 0, &a);
	tally_remove(t, 0, &a);
	cr_expect_eq(tally_count(t, BOARD_SLOTS, &a), 0);
}

Test(tally, counts_never_wrap)
{
	struct sockaddr_storage a = address("192.0.2.7");

	tally_remove(t, 0, &a);
	cr_expect_eq(count("192.0.2.7"), 0);
	for (int i = 0; i < 70000; i++)
		tally_add(t, 0, &a);
	cr_expect_eq(count("192.0.2.7"), 65535);
}

/* 20,000 connections of others in one row leave an address its own count, give or take few. */
Test(tally, others_hardly_share_its_cells)
{
	unsigned worst = 0, wrong = 0;

	for (unsigned i = 0; i < 20000; i++) {
		char text[32];

		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		add(0, text);
	}
	for (unsigned i = 0; i < 1000; i++) {
		char text[32];
		unsigned n;

		snprintf(text, sizeof text, "172.16.%u.%u", i >> 8, i & 255);
		n = count(text);
		worst = n > worst ? n : worst;
		wrong += n > 1;
	}
	cr_expect_leq(worst, 6, "%u", worst);
	cr_expect_leq(wrong, 100, "%u of 1000 are more than one too high", wrong);
}

Test(tally, is_shared_by_fork)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		add(3, "192.0.2.7");
		_exit(0);
	}
	waitpid(child, &status, 0);
	cr_expect_eq(count("192.0.2.7"), 1);
}
