/* A handover, there and back; and everything that must not be taken for one. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/board.h"
#include "master/handover.h"

/* Nobody writes to them. */
#define TEXT(literal) ((char *)(uintptr_t)(literal))

/* Filled in by full(); the descriptors are only numbers. */
static char *args[] = { TEXT("latchd"), TEXT("-c"), TEXT("/etc/x.conf") };
static struct handover_socket sockets[2];
static struct handover_log logs[1];
static struct handover_worker workers[3];
static struct handover_generation generations[2];
static struct handover_client clients[2];

static struct handover full(void)
{
	sockets[0] = (struct handover_socket){ TEXT("*:443"), TEXT(""), 10, true, true };
	sockets[1] = (struct handover_socket){ TEXT("unix:/s"), TEXT("x"), 11, false, false };
	logs[0] = (struct handover_log){ TEXT("/var/log/x"), 12 };
	workers[0] = (struct handover_worker){ 1000, 0, 13, 14, true };
	workers[1] = (struct handover_worker){ 1001, 5, -1, 15, false };
	workers[2] = (struct handover_worker){ 1002, BOARD_SLOTS - 1, 16, 17, true };
	generations[0] = (struct handover_generation){ .number = 3,
		.deadline_us = 123456789,
		.ready_ms = 10000,
		.drain_ms = 30000,
		.user = TEXT("latchd"),
		.group = TEXT(""),
		.log_target = LOG_TARGET_FILE,
		.log_level = LOG_LEVEL_DEBUG,
		.logs = logs,
		.nlogs = 1,
		.workers = workers,
		.nworkers = 2 };
	generations[1] = (struct handover_generation){ .number = 4,
		.serves = true,
		.user = TEXT(""),
		.group = TEXT(""),
		.workers = workers + 2,
		.nworkers = 1 };
	clients[0] = (struct handover_client){ 18, true, TEXT("upgrade") };
	clients[1] = (struct handover_client){ 19, false, TEXT("") };
	return (struct handover){ .master = 999,
		.version = TEXT("1.2"),
		.binary = TEXT("/usr/sbin/latchd"),
		.args = args,
		.nargs = 3,
		.layout = UINT64_MAX,
		.board = 20,
		.ring = 21,
		.ring_is_stored = true,
		.number = 4,
		.reload_wanted = true,
		.control = TEXT("/run/control.sock"),
		.control_fd = 22,
		.control_device = 7,
		.control_inode = UINT64_MAX,
		.refused_code = 78,
		.refused = TEXT("line\nline\n"),
		.sockets = sockets,
		.nsockets = 2,
		.generations = generations,
		.ngenerations = 2,
		.clients = clients,
		.nclients = 2 };
}

static struct buf bytes;

static struct str pack(const struct handover *h)
{
	struct err e;

	buf_done(&bytes);
	buf_init(&bytes, HANDOVER_BYTES_MAX);
	cr_assert_eq(handover_pack(h, &bytes, &e), 0, "%s", e.text);
	return buf_str(&bytes);
}

static const char *refusal(struct str in)
{
	static struct err e;
	struct handover h;

	cr_assert_eq(handover_unpack(in, &h, &e), -1);
	cr_expect_eq(h.nsockets, 0);
	cr_expect_null(h.generations);
	return e.text;
}

static void expect_refused(const struct handover *h, const char *words)
{
	const char *text = refusal(pack(h));

	cr_expect(strstr(text, words) != NULL, "\"%s\" has no \"%s\"", text, words);
}

static void end(void)
{
	buf_done(&bytes);
}

TestSuite(handover, .fini = end);

Test(handover, there_and_back)
{
	struct handover h = full(), r;
	struct err e;

	cr_assert_eq(handover_unpack(pack(&h), &r, &e), 0, "%s", e.text);
	cr_expect_eq(r.master, 999);
	cr_expect_str_eq(r.version, "1.2");
	cr_expect_str_eq(r.binary, "/usr/sbin/latchd");
	cr_assert_eq(r.nargs, 3);
	cr_expect_str_eq(r.args[2], "/etc/x.conf");
	cr_expect_eq(r.layout, UINT64_MAX);
	cr_expect_eq(r.board, 20);
	cr_expect_eq(r.ring, 21);
	cr_expect(r.ring_is_stored && r.reload_wanted);
	cr_expect_eq(r.control_fd, 22);
	cr_expect_eq(r.control_inode, UINT64_MAX);
	cr_expect_eq(r.refused_code, 78);
	cr_expect_str_eq(r.refused, "line\nline\n");
	cr_assert_eq(r.nsockets, 2);
	cr_expect_str_eq(r.sockets[1].address, "unix:/s");
	cr_expect_str_eq(r.sockets[1].name, "x");
	cr_expect(r.sockets[0].held && r.sockets[0].stored && !r.sockets[1].held);
	cr_assert_eq(r.ngenerations, 2);
	cr_expect_eq(r.generations[0].deadline_us, 123456789);
	cr_expect_str_eq(r.generations[0].user, "latchd");
	cr_assert_eq(r.generations[0].nworkers, 2);
	cr_expect_eq(r.generations[0].workers[1].channel, -1);
	cr_expect_eq(r.generations[0].workers[1].slot, 5);
	cr_expect_eq(r.generations[0].logs[0].fd, 12);
	cr_expect(r.generations[1].serves && !r.generations[0].serves);
	cr_assert_eq(r.nclients, 2);
	cr_expect(r.clients[0].waits && !r.clients[1].waits);
	cr_expect_str_eq(r.clients[0].request, "upgrade");
	handover_done(&r);
}

Test(handover, nothing_shorter_and_nothing_longer_is_one)
{
	struct handover h = full();
	struct str whole = pack(&h);
	char *copy = malloc(whole.n + 8);

	for (size_t n = 0; n < whole.n; n++)
		refusal((struct str){ whole.p, n });
	memcpy(copy, whole.p, whole.n);
	memset(copy + whole.n, 0, 8);
	cr_expect_not_null(strstr(refusal((struct str){ copy, whole.n + 8 }), "not whole"));
	/* Even if the head says so. */
	((uint64_t *)(void *)copy)[2] = whole.n + 8;
	cr_expect_not_null(strstr(refusal((struct str){ copy, whole.n + 8 }), "behind its end"));
	free(copy);
}

/* Every word of it with values that nobody wrote: understood or refused, never more. */
Test(handover, hostile_values)
{
	static const uint64_t values[] = { 0, 1, 2, 255, 1 << 20, INT32_MAX, UINT32_MAX, INT64_MAX,
		(uint64_t)INT64_MAX + 1, UINT64_MAX };
	struct handover h = full(), r;
	struct str whole = pack(&h);
	char *copy = malloc(whole.n);
	struct err e;

	for (size_t at = 0; at + 8 <= whole.n; at++)
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			memcpy(copy, whole.p, whole.n);
			memcpy(copy + at, &values[i], 8);
			if (handover_unpack((struct str){ copy, whole.n }, &r, &e) == 0)
				handover_done(&r);
		}
	free(copy);
}

Test(handover, another_version)
{
	struct handover h = full();
	struct str whole = pack(&h);

	((uint64_t *)(void *)(uintptr_t)whole.p)[1] = HANDOVER_VERSION + 1;
	cr_expect_not_null(strstr(refusal(whole), "has format 2, this latchd"));
	((uint64_t *)(void *)(uintptr_t)whole.p)[0]++;
	cr_expect_not_null(strstr(refusal(whole), "none of latchd's"));
}

Test(handover, what_contradicts_itself)
{
	struct handover h = full();

	generations[0].serves = true;
	expect_refused(&h, "not exactly one generation that serves");
	generations[0].serves = generations[1].serves = false;
	expect_refused(&h, "not exactly one generation that serves");
	h = full();
	generations[0].number = 4;
	expect_refused(&h, "a generation twice");
	h = full();
	h.number = 3;
	expect_refused(&h, "a generation that there never was");
	h = full();
	sockets[0].fd = 14;
	expect_refused(&h, "a descriptor twice");
	h = full();
	workers[2].slot = 0;
	expect_refused(&h, "a worker twice");
	h = full();
	workers[2].pid = 1001;
	expect_refused(&h, "a worker twice");
	h = full();
	h.binary = TEXT("latchd");
	expect_refused(&h, "no program");
	h = full();
	h.nargs = 0;
	expect_refused(&h, "no program");
	h = full();
	h.control = TEXT("");
	expect_refused(&h, "a control socket without a path");
	h = full();
	generations[1].log_target = LOG_TARGET_FILE;
	expect_refused(&h, "a log that there is none of");
}

Test(handover, generations_may_have_their_logs_in_common)
{
	static struct handover_log same[1];
	struct handover h = full(), r;
	struct err e;

	same[0] = logs[0];
	generations[1].logs = same;
	generations[1].nlogs = 1;
	cr_assert_eq(handover_unpack(pack(&h), &r, &e), 0, "%s", e.text);
	handover_done(&r);
	same[0].path = TEXT("/another");
	expect_refused(&h, "a descriptor twice");
}

Test(handover, what_cannot_be_written)
{
	struct handover h = full();
	struct err e;

	buf_init(&bytes, HANDOVER_BYTES_MAX);
	workers[0].slot = BOARD_SLOTS;
	cr_expect_eq(handover_pack(&h, &bytes, &e), -1);
	cr_expect_not_null(strstr(e.text, "the slot of a worker"));
	h = full();
	sockets[0].fd = 2; /* a standard descriptor is never ours to hand over */
	cr_expect_eq(handover_pack(&h, &bytes, &e), -1);
	h = full();
	h.nsockets = HANDOVER_SOCKETS_MAX + 1;
	cr_expect_eq(handover_pack(&h, &bytes, &e), -1);
	cr_expect_not_null(strstr(e.text, "the count of sockets"));
}

Test(handover, memory_that_can_change_is_refused)
{
	struct handover h = full(), r;
	struct str whole = pack(&h);
	struct err e;
	int fd = handover_write(&h, &e), open_one;

	cr_assert_geq(fd, 0, "%s", e.text);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(write(fd, "x", 1), -1);
	cr_assert_eq(handover_read(fd, &r, &e), 0, "%s", e.text);
	handover_done(&r);
	close(fd);
	open_one = memfd_create("test", MFD_ALLOW_SEALING);
	cr_assert_eq(write(open_one, whole.p, whole.n), (ssize_t)whole.n);
	cr_expect_eq(handover_read(open_one, &r, &e), -1);
	cr_expect_not_null(strstr(e.text, "no sealed memory"));
	close(open_one);
	cr_expect_eq(handover_read(STDIN_FILENO, &r, &e), -1);
	cr_expect_eq(handover_read(-1, &r, &e), -1);
}

/* ---- descriptors ------------------------------------------------------------------------ */

static int listening(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

/* Descriptors that are what they are said to be. */
static struct handover real(void)
{
	struct handover h = full();
	int pair[2];

	for (int i = 0; i < 2; i++)
		sockets[i].fd = listening();
	logs[0].fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		workers[i].channel = pair[0];
		workers[i].poke = eventfd(0, EFD_CLOEXEC);
	}
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	clients[0].fd = pair[0];
	clients[1].fd = pair[1];
	h.board = memfd_create("board", MFD_CLOEXEC);
	h.ring = memfd_create("ring", MFD_CLOEXEC);
	h.control = TEXT("");
	h.control_fd = -1;
	return h;
}

Test(handover, descriptors_are_what_they_are_said_to_be)
{
	struct handover h = real();
	struct err e;
	int kept;

	cr_assert_eq(handover_verify(&h, &e), 0, "%s", e.text);
	kept = sockets[0].fd;
	sockets[0].fd = clients[0].fd;
	cr_expect_eq(handover_verify(&h, &e), -1);
	cr_expect_not_null(strstr(e.text, "a listening socket"));
	sockets[0].fd = kept;
	kept = workers[2].channel;
	workers[2].channel = clients[0].fd;
	cr_expect_eq(handover_verify(&h, &e), -1);
	cr_expect_not_null(strstr(e.text, "the channel of a worker"));
	workers[2].channel = kept;
	kept = clients[1].fd;
	clients[1].fd = sockets[0].fd;
	cr_expect_eq(handover_verify(&h, &e), -1);
	cr_expect_not_null(strstr(e.text, "a client"));
	clients[1].fd = kept;
	close(workers[1].poke);
	cr_expect_eq(handover_verify(&h, &e), -1);
	cr_expect_not_null(strstr(e.text, "1 descriptors were not handed over"));
}

Test(handover, close_on_exec_comes_and_goes)
{
	struct handover h = real();

	handover_close_on_exec(&h, false);
	cr_expect_eq(fcntl(h.board, F_GETFD), 0);
	cr_expect_eq(fcntl(workers[2].poke, F_GETFD), 0);
	handover_close_on_exec(&h, true);
	cr_expect_eq(fcntl(h.ring, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(fcntl(logs[0].fd, F_GETFD), FD_CLOEXEC);
}
