/* What is handed over as memory and as a whole. Refuses another version, other seals, every byte
 * too many, and what contradicts itself: a state of which half is understood is worse than none. */
#include "master/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/board.h"
#include "master/handover_format.h"

#define HANDOVER_MAGIC UINT64_C(0x6c61746368640a1a)
enum { HANDOVER_SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

/* ---- what must not contradict itself ------------------------------------------------------ */

typedef void fd_fn(void *data, int fd);

/* Has one before it the very same? */
static bool is_shared_log(const struct handover *h, size_t generation, const struct handover_log *l)
{
	for (size_t i = 0; i < generation; i++)
		for (size_t k = 0; k < h->generations[i].nlogs; k++)
			if (h->generations[i].logs[k].fd == l->fd &&
				!strcmp(h->generations[i].logs[k].path, l->path))
				return true;
	return false;
}

static void each_log(const struct handover *h, fd_fn *fn, void *data)
{
	for (size_t i = 0; i < h->ngenerations; i++)
		for (size_t k = 0; k < h->generations[i].nlogs; k++)
			if (!is_shared_log(h, i, &h->generations[i].logs[k]))
				fn(data, h->generations[i].logs[k].fd);
}

/* Calls it for every descriptor there is. */
static void each_fd(const struct handover *h, fd_fn *fn, void *data)
{
	fn(data, h->board);
	fn(data, h->ring);
	each_log(h, fn, data);
	if (h->control_fd >= 0)
		fn(data, h->control_fd);
	for (size_t i = 0; i < h->nsockets; i++)
		fn(data, h->sockets[i].fd);
	for (size_t i = 0; i < h->nclients; i++)
		fn(data, h->clients[i].fd);
	for (size_t i = 0; i < h->ngenerations; i++) {
		const struct handover_generation *g = &h->generations[i];

		for (size_t k = 0; k < g->nworkers; k++) {
			if (g->workers[k].channel >= 0)
				fn(data, g->workers[k].channel);
			fn(data, g->workers[k].poke);
		}
	}
}

struct numbers {
	int *v; /* NULL: they are only counted */
	size_t n;
};

static void collect(void *data, int number_)
{
	struct numbers *l = data;

	if (l->v)
		l->v[l->n] = number_;
	l->n++;
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static bool has_twice(struct numbers *l)
{
	qsort(l->v, l->n, sizeof(*l->v), compare);
	for (size_t i = 1; i < l->n; i++)
		if (l->v[i] == l->v[i - 1])
			return true;
	return false;
}

static bool has_descriptor_twice(const struct handover *h)
{
	struct numbers l = { 0 };
	bool twice;

	each_fd(h, collect, &l);
	l = (struct numbers){ .v = calloc(l.n, sizeof(*l.v)) };
	if (!l.v)
		return true;
	each_fd(h, collect, &l);
	twice = has_twice(&l);
	free(l.v);
	return twice;
}

static bool has_worker_twice(const struct handover *h)
{
	int pids[BOARD_SLOTS];
	bool taken[BOARD_SLOTS] = { false };
	struct numbers l = { .v = pids };

	for (size_t i = 0; i < h->ngenerations; i++)
		for (size_t k = 0; k < h->generations[i].nworkers; k++) {
			const struct handover_worker *w = &h->generations[i].workers[k];

			if (taken[w->slot])
				return true; /* so there are no more than slots */
			taken[w->slot] = true;
			collect(&l, w->pid);
		}
	return has_twice(&l);
}

static const char *contradiction(const struct handover *h)
{
	size_t serving = 0;

	for (size_t i = 0; i < h->ngenerations; i++) {
		const struct handover_generation *g = &h->generations[i];

		serving += g->serves;
		if (g->number > h->number)
			return "a generation that there never was";
		if (g->log_target == LOG_TARGET_FILE && !g->nlogs)
			return "a log that there is none of";
		for (size_t k = 0; k < i; k++)
			if (g->number == h->generations[k].number)
				return "a generation twice";
	}
	if (serving != 1)
		return "not exactly one generation that serves";
	if (h->binary[0] != '/' || h->nargs == 0)
		return "no program";
	if ((h->control_fd >= 0) != (h->control[0] != '\0'))
		return "a control socket without a path, or the other way round";
	if (has_descriptor_twice(h))
		return "a descriptor twice";
	return has_worker_twice(h) ? "a worker twice" : NULL;
}

/* ---- the face --------------------------------------------------------------------------- */

void handover_done(struct handover *h)
{
	if (!h)
		return;
	free(h->version);
	free(h->binary);
	free(h->control);
	free(h->refused);
	for (size_t i = 0; i < h->nargs; i++)
		free(h->args[i]);
	free(h->args);
	for (size_t i = 0; i < h->nsockets; i++) {
		free(h->sockets[i].address);
		free(h->sockets[i].name);
	}
	free(h->sockets);
	for (size_t i = 0; i < h->ngenerations; i++) {
		struct handover_generation *g = &h->generations[i];

		for (size_t k = 0; k < g->nlogs; k++)
			free(g->logs[k].path);
		free(g->logs);
		free(g->workers);
		free(g->user);
		free(g->group);
	}
	free(h->generations);
	for (size_t i = 0; i < h->nclients; i++)
		free(h->clients[i].request);
	free(h->clients);
	*h = (struct handover){ 0 };
}

int handover_pack(const struct handover *h, struct buf *out, struct err *e)
{
	struct handover copy = *h;
	uint64_t head[3] = { HANDOVER_MAGIC, HANDOVER_VERSION, 0 };
	size_t begin = buf_len(out);
	const char *wrong;

	if (!buf_append(out, head, sizeof(head)))
		return err_set(e, ERR_SYSTEM, "out of memory");
	wrong = handover_format_write(&copy, out);
	if (wrong)
		return err_set(e, ERR_INTERNAL, "what is to be handed over is wrong: %s", wrong);
	head[2] = buf_len(out) - begin;
	memcpy(buf_head(out) + begin, head, sizeof(head));
	return 0;
}

int handover_unpack(struct str in, struct handover *ret, struct err *e)
{
	uint64_t head[3];
	const char *wrong;

	*ret = (struct handover){ .board = -1, .ring = -1, .control_fd = -1 };
	if (in.n >= sizeof(head))
		memcpy(head, in.p, sizeof(head));
	if (in.n < sizeof(head) || head[0] != HANDOVER_MAGIC)
		return err_set(e, ERR_INTERNAL, "what is handed over is none of latchd's");
	if (head[1] != HANDOVER_VERSION)
		return err_set(e, ERR_INTERNAL,
			"what is handed over has format %llu, this latchd (" LATCH_VERSION
			") understands %d",
			(unsigned long long)head[1], HANDOVER_VERSION);
	if (head[2] != in.n)
		return err_set(e, ERR_INTERNAL, "what is handed over is not whole");
	in = (struct str){ in.p + sizeof(head), in.n - sizeof(head) };
	wrong = handover_format_read(in, ret);
	if (!wrong)
		wrong = contradiction(ret);
	if (!wrong)
		return 0;
	handover_done(ret);
	return err_set(e, ERR_INTERNAL, "what is handed over is wrong: %s", wrong);
}

int handover_write(const struct handover *h, struct err *e)
{
	struct buf bytes;
	int fd = -1;

	buf_init(&bytes, HANDOVER_BYTES_MAX);
	if (handover_pack(h, &bytes, e) < 0)
		goto out;
	fd = memfd_create("latchd-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && write(fd, buf_head(&bytes), buf_len(&bytes)) == (ssize_t)buf_len(&bytes) &&
		fcntl(fd, F_ADD_SEALS, HANDOVER_SEALS) == 0)
		goto out;
	err_errno(e, ERR_SYSTEM, errno, "no memory for what is handed over");
	if (fd >= 0)
		close(fd);
	fd = -1;
out:
	buf_done(&bytes);
	return fd;
}

int handover_read(int fd, struct handover *ret, struct err *e)
{
	struct stat st;
	void *p;
	int rc;

	if (fcntl(fd, F_GET_SEALS) != HANDOVER_SEALS || fstat(fd, &st) < 0 || st.st_size <= 0 ||
		st.st_size > HANDOVER_BYTES_MAX)
		return err_set(e, ERR_INTERNAL,
			"what is handed over is no sealed memory, or has no good size");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_errno(e, ERR_SYSTEM, errno, "mapping what is handed over");
	rc = handover_unpack((struct str){ p, (size_t)st.st_size }, ret, e);
	munmap(p, (size_t)st.st_size);
	return rc;
}

static int option(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, name, &v, &n) < 0 ? -1 : v;
}

static void count_closed(void *data, int fd)
{
	if (fcntl(fd, F_GETFD) < 0)
		(*(size_t *)data)++;
}

/* What some descriptor of a generation is not; NULL: all is well. */
static const char *verify_channels(const struct handover_generation *g)
{
	for (size_t i = 0; i < g->nworkers; i++)
		if (g->workers[i].channel >= 0 &&
			option(g->workers[i].channel, SO_TYPE) != SOCK_SEQPACKET)
			return "the channel of a worker";
	return NULL;
}

static const char *verify_sockets(const struct handover *h)
{
	if (h->control_fd >= 0 && (option(h->control_fd, SO_ACCEPTCONN) != 1 ||
					  option(h->control_fd, SO_DOMAIN) != AF_UNIX))
		return "the control socket";
	for (size_t i = 0; i < h->nsockets; i++)
		if (option(h->sockets[i].fd, SO_ACCEPTCONN) != 1 ||
			option(h->sockets[i].fd, SO_TYPE) != SOCK_STREAM)
			return "a listening socket";
	for (size_t i = 0; i < h->nclients; i++)
		if (option(h->clients[i].fd, SO_DOMAIN) != AF_UNIX ||
			option(h->clients[i].fd, SO_ACCEPTCONN) != 0)
			return "a client";
	return NULL;
}

int handover_verify(const struct handover *h, struct err *e)
{
	const char *wrong = verify_sockets(h);
	size_t closed = 0;

	each_fd(h, count_closed, &closed);
	if (closed)
		return err_set(e, ERR_INTERNAL, "%zu descriptors were not handed over", closed);
	for (size_t i = 0; !wrong && i < h->ngenerations; i++)
		wrong = verify_channels(&h->generations[i]);
	if (!wrong)
		return 0;
	return err_set(e, ERR_INTERNAL, "a descriptor is not what it is said to be: %s", wrong);
}

static void close_one(void *data, int fd)
{
	(void)data;
	close(fd);
}

void handover_close_logs(const struct handover *h)
{
	each_log(h, close_one, NULL);
}

static void set_flag(void *data, int fd)
{
	fcntl(fd, F_SETFD, *(const int *)data);
}

void handover_close_on_exec(const struct handover *h, bool close)
{
	int flags = close ? FD_CLOEXEC : 0;

	each_fd(h, set_flag, &flags);
}
