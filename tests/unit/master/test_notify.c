/* What the service manager hears. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "master/notify.h"

static int manager = -1;

static void setup(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char name[64];
	int n = snprintf(name, sizeof(name), "@latchd-test-%d", (int)getpid());

	memcpy(a.sun_path + 1, name + 1, (size_t)n - 1);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static const char *heard(void)
{
	static char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

TestSuite(notify, .init = setup);

Test(notify, ready_with_status)
{
	notify_ready("generation 1: 2 workers serving");
	cr_expect_str_eq(heard(), "READY=1\nSTATUS=generation 1: 2 workers serving");
}

Test(notify, status_alone)
{
	notify_status("100% fine");
	cr_expect_str_eq(heard(), "STATUS=100% fine", "no format is seen in it");
}

Test(notify, reloading_says_since_when)
{
	unsigned long long said = 0;
	struct timespec before, after;
	const char *text;

	clock_gettime(CLOCK_MONOTONIC, &before);
	notify_reloading("reloading the configuration");
	clock_gettime(CLOCK_MONOTONIC, &after);
	text = heard();
	cr_assert_eq(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu", &said), 1, "%s", text);
	cr_expect_geq(said, (unsigned long long)before.tv_sec * 1000000 + before.tv_nsec / 1000);
	cr_expect_leq(said, (unsigned long long)after.tv_sec * 1000000 + after.tv_nsec / 1000);
}

Test(notify, stopping)
{
	notify_stopping("stopping: 2 workers left");
	cr_expect_str_eq(heard(), "STOPPING=1\nSTATUS=stopping: 2 workers left");
}

Test(notify, more_time)
{
	notify_extend(6000000);
	cr_expect_str_eq(heard(), "EXTEND_TIMEOUT_USEC=6000000000");
}

Test(notify, nobody_listens)
{
	unsetenv("NOTIFY_SOCKET");
	notify_ready("x");
	notify_reloading("reloading the configuration");
	notify_stopping("x");
	notify_extend(1);
	cr_expect_str_eq(heard(), "");
}

Test(notify, the_watchdog_is_the_managers_wish)
{
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	cr_expect_eq(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "20000000", 1);
	cr_expect_eq(notify_watchdog_ms(), 20000);
	setenv("WATCHDOG_PID", "1", 1);
	cr_expect_eq(notify_watchdog_ms(), 0, "that of another process");
}

Test(notify, feeds_the_watchdog)
{
	notify_watchdog();
	cr_expect_str_eq(heard(), "WATCHDOG=1");
}

Test(notify, keeps_and_forgets_descriptors)
{
	char text[128] = "", control[64];
	struct iovec iov = { text, sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };

	cr_expect(notify_store("latchd.test", 0));
	cr_assert_gt(recvmsg(manager, &m, 0), 0);
	cr_expect_str_eq(text, "FDSTORE=1\nFDNAME=latchd.test");
	cr_expect_not_null(CMSG_FIRSTHDR(&m));
	unsetenv("NOTIFY_SOCKET");
	cr_expect_not(notify_store("latchd.test", 0));
	notify_forget("latchd.test");
}
