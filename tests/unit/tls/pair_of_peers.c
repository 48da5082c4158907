/* See pair_of_peers.h. */
#include "pair_of_peers.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char folder_variable[] = "LATCH_UNIT_CERTS";

static int run(const char *program, char *const argv[])
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(program, argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	static char folder[] = "/tmp/latch-unit-certs-XXXXXX", script[] = "certs/mkcerts.sh";
	char shell[] = "sh";
	char *argv[] = { shell, script, folder, NULL };

	(void)tests;
	if (!mkdtemp(folder) || run("sh", argv) != 0) {
		fputs("certs/mkcerts.sh failed; run the tests from the top of the project\n",
			stderr);
		exit(1);
	}
	setenv(folder_variable, folder, 1);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
	char *folder = getenv(folder_variable);
	char program[] = "rm", flag[] = "-rf", end[] = "--";
	char *argv[] = { program, flag, end, folder, NULL };

	(void)stats;
	if (folder)
		run("rm", argv);
}

const char *cert(const char *name)
{
	static char text[32][256];
	static unsigned next;
	char *dst = text[next++ % 32];
	const char *folder = getenv(folder_variable);

	cr_assert_not_null(folder);
	snprintf(dst, sizeof(text[0]), "%s/%s", folder, name);
	return dst;
}

SSL_CTX *server_context(const char *name, const char *version, struct ticket_ring *ring)
{
	char pem[64], key[64], only[8] = "";
	struct err e = { 0 };

	snprintf(pem, sizeof(pem), "%s.pem", name);
	snprintf(key, sizeof(key), "%s.key", name);
	if (version)
		snprintf(only, sizeof(only), "%s", version);
	struct tls_pair pair = { .certificate = cert(pem), .private_key = cert(key) };
	struct tls_options o = { .min_version = only,
		.max_version = only,
		.tickets_enabled = ring != NULL,
		.tickets_rotate_ms = 3600000,
		.tickets_keep = 2 };
	SSL_CTX *ctx = tls_context_new_server(&o, &pair, 1, "policy", 6, ring, &e);
	cr_assert_not_null(ctx, "%s: %s", e.file, e.text);
	return ctx;
}

SSL_CTX *peer_context(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	cr_assert_not_null(ctx);
	if (version) {
		SSL_CTX_set_min_proto_version(ctx, version);
		SSL_CTX_set_max_proto_version(ctx, version);
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	return ctx;
}

void peers_open(struct peers *p, SSL_CTX *ours, SSL_CTX *peer)
{
	memset(p, 0, sizeof(*p));
	session_env_init(&p->env, true);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->fd), 0);
	cr_assert_eq(session_open(&p->s, &p->env, p->fd[0], ours, true), 0);
	if (!peer)
		return;
	p->peer = SSL_new(peer);
	cr_assert_not_null(p->peer);
	SSL_set_fd(p->peer, p->fd[1]);
	SSL_set_connect_state(p->peer);
}

void peers_close(struct peers *p)
{
	session_close(&p->s, false);
	session_env_done(&p->env);
	SSL_free(p->peer);
	if (p->fd[0] >= 0)
		close(p->fd[0]);
	if (p->fd[1] >= 0)
		close(p->fd[1]);
}

enum io_status peers_handshake(struct peers *p)
{
	enum io_status st = IO_WANT_READ;

	for (int i = 0; i < 20; i++) {
		int rc = SSL_do_handshake(p->peer);
		if (st == IO_WANT_READ || st == IO_WANT_WRITE)
			st = session_handshake(&p->s);
		if (st == IO_OK && rc == 1)
			return session_flush(&p->s);
		if (st != IO_OK && st != IO_WANT_READ && st != IO_WANT_WRITE) {
			tls_reason_take(p->s.ssl, &p->reason); /* before the peer's errors come */
			SSL_do_handshake(p->peer);
			return st;
		}
	}
	return st;
}

void peers_start(struct peers *p, int version)
{
	SSL_CTX *ours = server_context("ecdsa", NULL, NULL), *peer = peer_context(version);

	peers_open(p, ours, peer);
	SSL_CTX_free(ours);
	SSL_CTX_free(peer);
	cr_assert_eq(peers_handshake(p), IO_OK);
}

void peer_send(struct peers *p, const char *text)
{
	int n = (int)strlen(text);

	cr_assert_eq(
		p->peer ? SSL_write(p->peer, text, n) : (int)write(p->fd[1], text, (size_t)n), n);
}

int peer_receive(struct peers *p, char *dst, int n, int *ret_error)
{
	int got = SSL_read(p->peer, dst, n);

	*ret_error = got > 0 ? SSL_ERROR_NONE : SSL_get_error(p->peer, got);
	return got > 0 ? got : -1;
}

bool peer_sees_close(struct peers *p, size_t *ret_total)
{
	char dropped[16384];
	int error = SSL_ERROR_NONE;
	size_t total = 0;

	while (error == SSL_ERROR_NONE) {
		int n = peer_receive(p, dropped, sizeof(dropped), &error);
		total += n > 0 ? (size_t)n : 0;
	}
	if (ret_total)
		*ret_total = total;
	return error == SSL_ERROR_ZERO_RETURN;
}

void peer_shut_write(struct peers *p)
{
	cr_assert_eq(shutdown(p->fd[1], SHUT_WR), 0);
}

/* A unix socket that is closed with unread bytes resets the other end, as TCP does. */
void peer_reset(struct peers *p)
{
	cr_assert_eq(send(p->fd[0], "x", 1, MSG_NOSIGNAL), 1);
	close(p->fd[1]);
	p->fd[1] = -1;
}

void expect_read(struct peers *p, const char *text)
{
	char got[512];
	size_t n = 0;

	cr_assert_eq(session_read(&p->s, got, sizeof(got), &n), IO_OK);
	cr_assert_eq(n, strlen(text));
	cr_assert_arr_eq(got, text, n);
}

void write_all(struct peers *p, const char *text)
{
	size_t n = 0;

	cr_assert_eq(session_write(&p->s, text, strlen(text), &n), IO_OK);
	cr_assert_eq(n, strlen(text));
	cr_assert_eq(session_flush(&p->s), IO_OK);
}

void visit_open(struct visit *v, const char *server, const struct tls_client_options *o)
{
	struct err e;

	v->theirs = server_context(server, NULL, NULL);
	v->ours = tls_context_new_client(o, &e);
	cr_assert_not_null(v->ours, "%s: %s", e.file, e.text);
	peers_open(&v->p, v->theirs, NULL);
	session_env_init(&v->env, true);
	cr_assert_eq(session_open(&v->client, &v->env, v->p.fd[1], v->ours, false), 0);
}

void visit_handshake(struct visit *v)
{
	enum io_status their = IO_WANT_READ;

	v->status = IO_WANT_READ;
	for (int i = 0; i < 10 && (v->status == IO_WANT_READ || their == IO_WANT_READ); i++) {
		if (v->status == IO_WANT_READ)
			v->status = session_handshake(&v->client);
		if (v->status == IO_FAIL)
			tls_reason_take(v->client.ssl, &v->reason);
		if (their == IO_WANT_READ)
			their = session_handshake(&v->p.s);
	}
}

void visit_stop(struct visit *v)
{
	session_close(&v->client, false);
	session_env_done(&v->env);
	peers_close(&v->p);
	tls_context_free(v->ours);
	tls_context_free(v->theirs);
}
