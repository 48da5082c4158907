/* The words and codes for the end of a process. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "master/death.h"

static siginfo_t ended(int code, int status)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_code = code;
	si.si_status = status;
	return si;
}

Test(death, in_words)
{
	static const struct {
		int code, status;
		const char *words;
	} table[] = {
		{ CLD_EXITED, 0, "ended with status 0" },
		{ CLD_EXITED, 71, "ended with status 71" },
		{ CLD_KILLED, SIGKILL, "was killed by SIGKILL" },
		{ CLD_DUMPED, SIGSEGV, "was killed by SIGSEGV (core dumped)" },
		{ CLD_KILLED, 50, "was killed by signal 50" },
		{ CLD_KILLED, SIGSYS, "was killed by SIGSYS, for a system call that is forbidden" },
	};
	char text[DEATH_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		siginfo_t si = ended(table[i].code, table[i].status);

		cr_expect_str_eq(death_describe(&si, text, sizeof(text)), table[i].words);
	}
}

Test(death, as_exit_code)
{
	static const struct {
		int code, status;
		enum err_code expected;
	} table[] = {
		{ CLD_EXITED, 78, ERR_CONFIG },
		{ CLD_EXITED, 77, ERR_PERMISSION },
		{ CLD_EXITED, 71, ERR_SYSTEM },
		{ CLD_EXITED, 64, ERR_USAGE },
		{ CLD_EXITED, 0, ERR_INTERNAL },
		{ CLD_EXITED, 1, ERR_INTERNAL },
		{ CLD_EXITED, 72, ERR_INTERNAL },
		{ CLD_KILLED, 71, ERR_INTERNAL },
		{ CLD_DUMPED, SIGABRT, ERR_INTERNAL },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		siginfo_t si = ended(table[i].code, table[i].status);

		cr_expect_eq(death_code(&si), table[i].expected, "%zu", i);
	}
}

Test(death, by_a_signal_and_not_by_a_status_of_that_number)
{
	siginfo_t killed = ended(CLD_KILLED, SIGPIPE), exited = ended(CLD_EXITED, SIGPIPE);

	cr_expect(death_is_by_signal(&killed, SIGPIPE));
	cr_expect_not(death_is_by_signal(&killed, SIGTERM));
	cr_expect_not(death_is_by_signal(&exited, SIGPIPE));
}

static const char *circumstances(struct crumb *c, const char *address)
{
	static char text[DEATH_CRUMB_SIZE];
	struct sockaddr_storage peer = { .ss_family = AF_INET };

	inet_pton(AF_INET, address, &((struct sockaddr_in *)&peer)->sin_addr);
	memcpy(c->peer, &peer, sizeof(c->peer));
	return death_circumstances(c, text, sizeof(text));
}

Test(death, tells_what_it_was_about)
{
	struct crumb c = { 0 };

	cr_expect_str_eq(circumstances(&c, "192.0.2.1"), "");
	c.phase = CRUMB_HANDSHAKE;
	cr_expect_str_eq(circumstances(&c, "192.0.2.1"), " while it shook hands with 192.0.2.1");
	c.phase = CRUMB_READING;
	cr_expect_str_eq(circumstances(&c, "192.0.2.1"), " while it read from 192.0.2.1");
	crumb_input(&c, "GET /\n", 6);
	cr_expect_str_eq(circumstances(&c, "192.0.2.1"), " while it read \"GET /\" of 192.0.2.1");
	crumb_request(&c, STR("PUT"), STR("/\"x"));
	cr_expect_str_eq(
		circumstances(&c, "192.0.2.1"), " while it served \"PUT /\\x22x\" of 192.0.2.1");
	crumb_answered(&c);
	cr_expect_str_eq(circumstances(&c, "192.0.2.1"),
		" after it had answered \"PUT /\\x22x\" of 192.0.2.1");
}

Test(death, whatever_a_crumb_holds_has_room)
{
	struct crumb wild, c;
	char text[DEATH_CRUMB_SIZE];

	memset(&wild, 0xff, sizeof(wild));
	wild.phase = CRUMB_ANSWERED;
	crumb_read(&wild, &c);
	death_circumstances(&c, text, sizeof(text));
	cr_expect_lt(strlen(text), sizeof(text) - 1, "%s", text);
	cr_expect_str_eq(text + strlen(text) - 8, " of unix");
}
