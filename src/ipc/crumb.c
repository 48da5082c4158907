/* The last thing that a worker began. Refuses to keep more than a request line: what fields say is
 * nobody's business after a crash. */
#include "ipc/crumb.h"

#include <string.h>

void crumb_peer(struct crumb *c, enum crumb_phase phase, const struct sockaddr_storage *peer)
{
	c->phase = phase;
	c->n = 0;
	memcpy(c->peer, peer, sizeof(c->peer));
}

void crumb_input(struct crumb *c, const char *p, size_t n)
{
	const char *end;

	n = n < sizeof(c->text) ? n : sizeof(c->text);
	end = memchr(p, '\n', n);
	n = end ? (size_t)(end - p) : n;
	memcpy(c->text, p, n);
	c->n = (uint32_t)n;
	c->phase = CRUMB_READING;
}

void crumb_request(struct crumb *c, struct str method, struct str target)
{
	size_t room = sizeof(c->text), n = method.n < room - 1 ? method.n : room - 1;

	memcpy(c->text, method.p, n);
	c->text[n++] = ' ';
	room -= n;
	room = target.n < room ? target.n : room;
	memcpy(c->text + n, target.p, room);
	c->n = (uint32_t)(n + room);
	c->phase = CRUMB_SERVING;
}

void crumb_read(const struct crumb *shared, struct crumb *ret)
{
	memcpy(ret, shared, sizeof(*ret));
	if (ret->phase >= CRUMB_PHASES)
		ret->phase = CRUMB_NONE;
	if (ret->n > sizeof(ret->text))
		ret->n = sizeof(ret->text);
}

const char *crumb_words(const struct crumb *c, char *dst)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = c->n;
	char *at = dst;

	if (n && c->text[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)c->text[i];

		if (b >= 0x20 && b < 0x7f && b != '"' && b != '\\') {
			*at++ = (char)b;
			continue;
		}
		*at++ = '\\';
		*at++ = 'x';
		*at++ = hex[b >> 4];
		*at++ = hex[b & 15];
	}
	if (c->n == sizeof(c->text))
		at = stpcpy(at, "...");
	*at = '\0';
	return dst;
}
