/* One fixed answer. Nothing of the request is looked at: its first bytes told OpenSSL what it is.
 */
#include "protocol/mistaken.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const char text[] = "The request was plain HTTP, but this is an HTTPS port.\n"
			   "Use https:// instead of http:// in the address.\n";

void mistaken_answer(struct conn *c, const struct tls_reason *reason)
{
	char answer[512], date[30];
	int n;

	if (strcmp(reason->word, "http_request") != 0 &&
		strcmp(reason->word, "https_proxy_request") != 0)
		return;
	clock_format_http_date(clock_wall(), date);
	n = snprintf(answer, sizeof(answer),
		"HTTP/1.1 400 Bad Request\r\n"
		"Date: %s\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Length: %zu\r\n"
		"Connection: close\r\n"
		"\r\n"
		"%s",
		date, sizeof(text) - 1, text);
	session_write_bare(&c->session, answer, (size_t)n);
}
