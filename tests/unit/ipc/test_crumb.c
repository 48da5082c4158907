/* Bread crumbs, of workers that tell the truth and of others. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "ipc/crumb.h"

static struct crumb crumb, copy;
static char words[CRUMB_WORDS_SIZE];

static const char *told(void)
{
	crumb_read(&crumb, &copy);
	return crumb_words(&copy, words);
}

Test(crumb, says_what_is_served_and_what_was_answered)
{
	crumb_request(&crumb, STR("GET"), STR("/a?b=c"));
	cr_expect_str_eq(told(), "GET /a?b=c");
	cr_expect_eq(copy.phase, CRUMB_SERVING);
	crumb_answered(&crumb);
	cr_expect_str_eq(told(), "GET /a?b=c");
	cr_expect_eq(copy.phase, CRUMB_ANSWERED);
}

Test(crumb, keeps_the_first_line_of_the_input_alone)
{
	struct str in = STR("GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n");

	crumb_input(&crumb, in.p, in.n);
	cr_expect_str_eq(told(), "GET / HTTP/1.1");
	cr_expect_eq(copy.phase, CRUMB_READING);
	cr_expect_null(memmem(crumb.text, sizeof(crumb.text), "Auth", 4));
}

Test(crumb, cuts_what_is_long)
{
	char line[4 * CRUMB_TEXT_MAX];

	memset(line, 'x', sizeof(line));
	crumb_input(&crumb, line, sizeof(line));
	cr_expect_eq(strlen(told()), CRUMB_TEXT_MAX + 3);
	cr_expect_str_eq(words + CRUMB_TEXT_MAX, "...");
	crumb_request(&crumb, (struct str){ line, sizeof(line) }, (struct str){ line, 100 });
	cr_expect_eq(strlen(told()), CRUMB_TEXT_MAX + 3);
	crumb_request(&crumb, STR("GET"), (struct str){ line, sizeof(line) });
	cr_expect_eq(strncmp(told(), "GET xx", 6), 0);
	cr_expect_eq(copy.n, CRUMB_TEXT_MAX);
}

Test(crumb, shows_no_byte_that_a_terminal_obeys)
{
	crumb_input(&crumb, "G\x1b[31m\"\\\xff\0\n", 10);
	cr_expect_str_eq(told(), "G\\x1b[31m\\x22\\x5c\\xff\\x00");
}

Test(crumb, a_new_peer_has_said_nothing_yet)
{
	struct sockaddr_storage peer = { 0 };
	struct sockaddr_in6 *in6 = (void *)&peer;

	in6->sin6_family = AF_INET6;
	inet_pton(AF_INET6, "2001:db8::ffff", &in6->sin6_addr);
	crumb_request(&crumb, STR("GET"), STR("/"));
	crumb_peer(&crumb, CRUMB_HANDSHAKE, &peer);
	cr_expect_str_eq(told(), "");
	cr_expect_arr_eq(copy.peer, &peer, sizeof(*in6), "the address in full");
}

Test(crumb, believes_nothing)
{
	memset(&crumb, 0xff, sizeof(crumb));
	told();
	cr_expect_eq(copy.phase, CRUMB_NONE);
	cr_expect_eq(copy.n, CRUMB_TEXT_MAX);
	cr_expect_eq(strlen(words), 4 * CRUMB_TEXT_MAX + 3);
}
