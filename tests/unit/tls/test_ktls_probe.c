/* The probe tells what the kernel says, whichever that is. */
#include "tls/ktls_probe.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the kernel says to TLS on a connection to ourselves: 0, or errno. */
static int asked_directly(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t size = sizeof(a);
	int error;

	cr_assert_eq(bind(listener, (struct sockaddr *)&a, size), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&a, &size), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, size), 0);
	error = setsockopt(fd, SOL_TCP, TCP_ULP, "tls", 4) < 0 ? errno : 0;
	close(fd);
	close(listener);
	return error;
}

Test(ktls_probe, tells_what_the_kernel_says)
{
	int error = asked_directly();
	struct ktls_probe p;
	char text[400];

	ktls_probe(&p);
	ktls_probe_describe(&p, text, sizeof(text));
	if (error == 0) {
		cr_expect(p.works, "%s", p.trouble);
		cr_expect_not_null(strstr(p.ciphers, "AES-128-GCM"));
		cr_expect_eq(strncmp(text, "the kernel seals AES-128-GCM", 28), 0, "%s", text);
		return;
	}
	cr_expect_not(p.works);
	cr_expect_str_eq(p.ciphers, "");
	cr_expect_not_null(strstr(p.trouble, error == ENOENT ? "CONFIG_TLS" : strerror(error)));
	cr_expect_eq(strncmp(text, "not used: the kernel ", 21), 0, "%s", text);
}

Test(ktls_probe, is_described_in_one_sentence)
{
	const struct ktls_probe some = { true, "AES-128-GCM", "OpenSSL seals AES-256-GCM itself" };
	const struct ktls_probe all = { true, "AES-128-GCM, AES-256-GCM", "" };
	const struct ktls_probe none = { false, "", "no reason" };
	char text[400];

	cr_expect_str_eq(ktls_probe_describe(&some, text, sizeof(text)),
		"the kernel seals AES-128-GCM; OpenSSL seals AES-256-GCM itself");
	cr_expect_str_eq(ktls_probe_describe(&all, text, sizeof(text)),
		"the kernel seals AES-128-GCM, AES-256-GCM");
	cr_expect_str_eq(ktls_probe_describe(&none, text, sizeof(text)), "not used: no reason");
}
