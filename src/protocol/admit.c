/* Lets connections in, or not. It answers nobody: who is refused is closed by protocol/conn. The
 * header is peeked at and then taken, so that the bytes behind it stay for the handshake. */
#include "protocol/admit.h"

#include <errno.h>

#include "ipc/board.h"
#include "ipc/tally.h"
#include "net/sock.h"
#include "protocol/conn.h"
#include "protocol/proxy.h"

/* Who may reach a unix listener is a matter of its directory's permissions. */
static bool is_trusted(const struct conn *c)
{
	const struct conn_listener *l = c->listener;

	if (c->peer.ss_family == AF_UNIX)
		return true;
	for (size_t i = 0; i < l->ntrusted; i++)
		if (sock_in_range(&c->peer, &l->trusted[i]))
			return true;
	return false;
}

bool admit_expects_header(const struct conn *c, const char **ret_reason)
{
	*ret_reason = NULL;
	if (!c->listener->proxy_protocol)
		return false;
	if (is_trusted(c))
		return true;
	*ret_reason = "refused: the listener is for proxies in listeners.trusted alone";
	return false;
}

/* Bytes that belong to the header, from the socket to the ones before, in the buffer that will be
 * the protocol's. False: it ended. */
static bool take(struct conn *c, size_t n)
{
	char *room = buf_reserve(&c->h1.in, n);
	ssize_t got = room ? recv(c->watch.fd, room, n, MSG_DONTWAIT) : -1;

	if (got != (ssize_t)n) /* they were there a moment ago */
		return false;
	buf_commit(&c->h1.in, n);
	return true;
}

static enum parse_status bad(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return PARSE_BAD;
}

enum parse_status admit_read_header(struct conn *c, const char **ret_reason)
{
	size_t before = buf_len(&c->h1.in), used = 0;
	char *come = buf_reserve(&c->h1.in, PROXY_HEADER_MAX);
	struct proxy_header header;
	enum parse_status status;
	ssize_t n;

	if (!come)
		return bad(ret_reason, "out of memory");
	n = recv(c->watch.fd, come, PROXY_HEADER_MAX - before, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return PARSE_MORE;
	if (n <= 0)
		return bad(ret_reason, "the peer ended the connection before its PROXY header");
	status = proxy_parse(buf_head(&c->h1.in), before + (size_t)n, &header, &used, ret_reason);
	if (status == PARSE_BAD)
		return status;
	if (!take(c, status == PARSE_DONE ? used - before : (size_t)n))
		return bad(ret_reason, "the PROXY header cannot be read");
	if (status == PARSE_MORE)
		return status;
	buf_done(&c->h1.in);
	if (!header.is_own)
		c->peer = header.source;
	return PARSE_DONE;
}

bool admit_count(struct conn *c)
{
	struct conn_env *env = c->env;
	unsigned most = env->limits->connections_per_address;

	if (!most || !env->tally)
		return true;
	if (tally_count(env->tally, board_get(env->board->nslots), &c->peer) >= most)
		return false;
	tally_add(env->tally, env->worker, &c->peer);
	c->counted = true;
	return true;
}

void admit_uncount(struct conn *c)
{
	if (c->counted)
		tally_remove(c->env->tally, c->env->worker, &c->peer);
	c->counted = false;
}
