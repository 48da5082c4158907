/* ticket: the ring across contexts, rotation and processes. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair_of_peers.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

#define FOR_BOTH_VERSIONS(i) for (size_t i = 0; i < 2; i++)

/* One connection, maybe with a session from before; gives the session it ended with. */
static SSL_SESSION *connect_once(SSL_CTX *ours, SSL_CTX *peer, SSL_SESSION *from, bool *ret_resumed)
{
	struct peers p;
	char got[8];
	int error;

	peers_open(&p, ours, peer);
	if (from)
		SSL_set_session(p.peer, from);
	cr_assert_eq(peers_handshake(&p), IO_OK);
	write_all(&p, "hello");
	cr_assert_eq(peer_receive(&p, got, sizeof(got), &error), 5); /* and the ticket before it */
	*ret_resumed = session_resumed(&p.s);
	cr_expect_eq(*ret_resumed, SSL_session_reused(p.peer) == 1);
	session_send_close(&p.s);
	SSL_shutdown(p.peer);
	SSL_SESSION *session = SSL_get1_session(p.peer);
	peers_close(&p);
	return session;
}

struct resuming {
	struct ticket_ring *ring;
	SSL_CTX *ours, *others, *peer; /* two contexts of ours with one ring */
	SSL_SESSION *session;
};

static void resuming_start(struct resuming *r, int version)
{
	bool resumed;

	r->ring = ticket_ring_new(NULL);
	cr_assert_not_null(r->ring);
	r->ours = server_context("ecdsa", NULL, r->ring);
	r->others = server_context("rsa", NULL, r->ring);
	r->peer = peer_context(version);
	r->session = connect_once(r->ours, r->peer, NULL, &resumed);
	cr_assert_not(resumed);
	cr_assert(SSL_SESSION_has_ticket(r->session));
}

static void resuming_stop(struct resuming *r)
{
	SSL_SESSION_free(r->session);
	SSL_CTX_free(r->ours);
	SSL_CTX_free(r->others);
	SSL_CTX_free(r->peer);
	ticket_ring_free(r->ring);
}

/* Does the session that r holds resume? A copy is tried: OpenSSL's clients use one only once. */
static bool resumes(struct resuming *r, SSL_CTX *ours)
{
	bool resumed;
	SSL_SESSION *copy = SSL_SESSION_dup(r->session);

	SSL_SESSION_free(connect_once(ours, r->peer, copy, &resumed));
	SSL_SESSION_free(copy);
	return resumed;
}

Test(ticket, resumes_on_the_same_context)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct resuming r;
		resuming_start(&r, versions[i]);
		cr_expect(resumes(&r, r.ours));
		resuming_stop(&r);
	}
}

Test(ticket, resumes_on_another_context_of_the_ring)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct resuming r;
		resuming_start(&r, versions[i]);
		cr_expect(resumes(&r, r.others));
		resuming_stop(&r);
	}
}

Test(ticket, means_nothing_to_another_ring)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct resuming r, q;
		resuming_start(&r, versions[i]);
		resuming_start(&q, versions[i]);
		cr_expect_not(resumes(&r, q.ours));
		resuming_stop(&r);
		resuming_stop(&q);
	}
}

Test(ticket, dies_after_keep_rotations)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct resuming r;
		resuming_start(&r, versions[i]);
		cr_assert_eq(ticket_ring_rotate(r.ring, 2, NULL), 0);
		cr_expect(resumes(&r, r.ours));
		cr_assert_eq(ticket_ring_rotate(r.ring, 2, NULL), 0);
		cr_expect(resumes(&r, r.ours));
		cr_assert_eq(ticket_ring_rotate(r.ring, 2, NULL), 0);
		cr_expect_not(resumes(&r, r.ours));
		resuming_stop(&r);
	}
}

Test(ticket, a_smaller_keep_drops_at_once)
{
	struct resuming r;

	resuming_start(&r, TLS1_3_VERSION);
	for (int k = 0; k < 4; k++)
		cr_assert_eq(ticket_ring_rotate(r.ring, TICKET_KEEP_MAX - 1, NULL), 0);
	cr_expect(resumes(&r, r.ours));
	cr_assert_eq(ticket_ring_rotate(r.ring, 1, NULL), 0);
	cr_expect_not(resumes(&r, r.ours));
	resuming_stop(&r);
}

Test(ticket, the_ring_never_overflows)
{
	struct resuming r;

	resuming_start(&r, TLS1_3_VERSION);
	for (int k = 0; k < 3 * TICKET_KEEP_MAX; k++)
		cr_assert_eq(ticket_ring_rotate(r.ring, TICKET_KEEP_MAX - 1, NULL), 0);
	cr_expect_not(resumes(&r, r.ours));
	resuming_stop(&r);
}

/* A client that uses each ticket once, through more rotations than one key lives. */
Test(ticket, is_renewed_on_resumption)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct resuming r;
		bool resumed;
		resuming_start(&r, versions[i]);
		for (int k = 0; k < 6; k++) {
			SSL_SESSION *next = connect_once(r.ours, r.peer, r.session, &resumed);
			cr_expect(resumed, "turn %d", k);
			SSL_SESSION_free(r.session);
			r.session = next;
			cr_assert_eq(ticket_ring_rotate(r.ring, 2, NULL), 0);
		}
		resuming_stop(&r);
	}
}

Test(ticket, single_use_tickets_renew_without_rotation)
{
	struct resuming r;
	bool resumed;

	resuming_start(&r, TLS1_3_VERSION);
	for (int k = 0; k < 4; k++) {
		const unsigned char *before, *after;
		size_t n, m;
		SSL_SESSION *next = connect_once(r.ours, r.peer, r.session, &resumed);
		cr_expect(resumed);
		SSL_SESSION_get0_ticket(r.session, &before, &n);
		SSL_SESSION_get0_ticket(next, &after, &m);
		cr_expect(n != m || memcmp(before, after, n) != 0, "a new ticket");
		SSL_SESSION_free(r.session);
		r.session = next;
	}
	resuming_stop(&r);
}

static unsigned tickets_seen;

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl, (void)session;
	tickets_seen++;
	return 0;
}

Test(ticket, one_a_handshake)
{
	FOR_BOTH_VERSIONS(i)
	{
		struct resuming r;
		bool resumed;
		resuming_start(&r, versions[i]);
		SSL_CTX_sess_set_new_cb(r.peer, on_new_session);
		tickets_seen = 0;
		SSL_SESSION_free(connect_once(r.ours, r.peer, NULL, &resumed));
		cr_expect_eq(tickets_seen, 1);
		SSL_SESSION_free(connect_once(r.ours, r.peer, r.session, &resumed));
		cr_expect_eq(tickets_seen, versions[i] == TLS1_3_VERSION ? 2 : 1);
		resuming_stop(&r);
	}
}

Test(ticket, none_without_a_ring)
{
	FOR_BOTH_VERSIONS(i)
	{
		SSL_CTX *ours = server_context("ecdsa", NULL, NULL);
		SSL_CTX *peer = peer_context(versions[i]);
		bool resumed;
		SSL_SESSION *session = connect_once(ours, peer, NULL, &resumed);
		cr_expect_not(SSL_SESSION_has_ticket(session));
		SSL_SESSION_free(connect_once(ours, peer, session, &resumed));
		cr_expect_not(resumed);
		SSL_SESSION_free(session);
		SSL_CTX_free(ours);
		SSL_CTX_free(peer);
	}
}

/* In a worker: reading works, and the memory cannot be made writable. */
static int as_worker(struct resuming *r)
{
	int before = ticket_ring_fd(r->ring);

	if (ticket_ring_make_readonly(r->ring, NULL) != 0 ||
		ticket_ring_make_readonly(r->ring, NULL) != 0)
		return 1;
	if (ticket_ring_fd(r->ring) != -1 || fcntl(before, F_GETFD) != -1)
		return 2;
	return resumes(r, r->others) ? 0 : 3;
}

Test(ticket, a_worker_sees_rotations_of_the_master)
{
	struct resuming r;
	int sockets[2], status = -1;
	char c = 'x';

	resuming_start(&r, TLS1_3_VERSION);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int rc = as_worker(&r);
		if (write(sockets[1], &c, 1) != 1 || read(sockets[1], &c, 1) != 1)
			rc = 4;
		if (rc == 0 && resumes(&r, r.ours)) /* three rotations later */
			rc = 5;
		_exit(rc);
	}
	close(sockets[1]);
	cr_assert_eq(read(sockets[0], &c, 1), 1);
	for (int k = 0; k < 3; k++)
		cr_assert_eq(ticket_ring_rotate(r.ring, 2, NULL), 0);
	cr_assert_eq(write(sockets[0], &c, 1), 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), 0);
	close(sockets[0]);
	resuming_stop(&r);
}

/* The only mapping of the ring in this process. */
static void *find_mapping(char rights[5], size_t *ret_size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned long from = 0, to = 0;

	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "latch-tickets"))
			continue;
		cr_assert_eq(from, 0, "one mapping");
		cr_assert_eq(sscanf(line, "%lx-%lx %4s", &from, &to, rights), 3);
	}
	fclose(f);
	*ret_size = to - from;
	return (void *)from;
}

Test(ticket, the_workers_view_stays_readonly)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	char rights[5] = "";
	size_t n;

	cr_assert_neq(find_mapping(rights, &n), NULL);
	cr_expect_str_eq(rights, "rw-s");
	cr_assert_eq(ticket_ring_make_readonly(ring, NULL), 0);
	void *p = find_mapping(rights, &n);
	cr_expect_str_eq(rights, "r--s");
	cr_expect_eq(mprotect(p, n, PROT_READ | PROT_WRITE), -1);
	ticket_ring_free(ring);
}

Test(ticket, the_memory_is_sealed_and_closed_on_exec)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	int fd = ticket_ring_fd(ring);

	cr_expect_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	cr_expect_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	cr_expect_eq(ftruncate(fd, 0), -1);
	ticket_ring_free(ring);
	cr_expect_eq(fcntl(fd, F_GETFD), -1);
	ticket_ring_free(NULL);
}

/* The oldest keys are gone from the memory, not only from use. */
Test(ticket, rotated_out_keys_are_wiped)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	unsigned char old[80], now[4096];
	enum { FIRST_KEY = 40 };

	cr_assert_eq(pread(ticket_ring_fd(ring), old, sizeof(old), FIRST_KEY), sizeof(old));
	for (int k = 0; k < 3; k++) {
		ssize_t n = pread(ticket_ring_fd(ring), now, sizeof(now), 0);
		cr_assert_gt(n, 0);
		cr_expect_not_null(memmem(now, (size_t)n, old, sizeof(old)));
		cr_assert_eq(ticket_ring_rotate(ring, 2, NULL), 0);
	}
	ssize_t n = pread(ticket_ring_fd(ring), now, sizeof(now), 0);
	cr_expect_null(memmem(now, (size_t)n, old, 16));
	ticket_ring_free(ring);
}

static struct ticket_ring *adopt_copy(struct ticket_ring *of)
{
	struct err why;

	return ticket_ring_adopt(dup(ticket_ring_fd(of)), &why);
}

Test(ticket, a_ring_of_a_master_before_has_its_keys)
{
	struct err why;
	struct ticket_ring *r = ticket_ring_new(&why), *again = adopt_copy(r);

	cr_assert_not_null(again);
	cr_expect_eq(ticket_ring_rotated_ms(again), ticket_ring_rotated_ms(r));
	cr_expect_eq(fcntl(ticket_ring_fd(again), F_GETFD), FD_CLOEXEC);
	cr_expect_eq(ticket_ring_rotate(again, 2, &why), 0, "it can go on with it");
	cr_expect_eq(ticket_ring_make_readonly(again, &why), 0, "and give it to workers");
	ticket_ring_free(again);
	ticket_ring_free(r);
}

Test(ticket, what_is_no_ring_is_not_adopted)
{
	struct err why;
	int pipes[2], fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(pipe(pipes), 0);
	cr_expect_null(ticket_ring_adopt(pipes[0], &why));
	cr_expect_eq(fcntl(pipes[0], F_GETFD), -1, "it is closed");
	cr_expect_null(ticket_ring_adopt(fd, &why), "empty, not sealed");
	cr_expect_null(ticket_ring_adopt(-1, &why));
}

Test(ticket, a_ring_that_is_not_whole_is_not_adopted)
{
	struct err why;
	struct ticket_ring *r = ticket_ring_new(&why), *copy;
	struct stat st;
	char *zero;
	int fd;

	cr_assert_eq(fstat(ticket_ring_fd(r), &st), 0);
	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(fd, st.st_size), 0);
	cr_expect_null(ticket_ring_adopt(dup(fd), &why), "of that size, but not sealed");
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, fcntl(ticket_ring_fd(r), F_GET_SEALS)), 0);
	cr_expect_null(ticket_ring_adopt(fd, &why), "nothing in it");
	zero = calloc(1, (size_t)st.st_size);
	copy = adopt_copy(r);
	cr_assert_not_null(copy);
	ticket_ring_free(copy);
	cr_assert_eq(pwrite(ticket_ring_fd(r), zero, 8, 0), 8);
	cr_expect_null(adopt_copy(r), "of another version");
	free(zero);
	ticket_ring_free(r);
}
