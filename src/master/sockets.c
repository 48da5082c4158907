/* Open listening sockets, and who still needs them. Identity is the address as configured, so that
 * port 0 stays the port it got. Refuses to touch a socket that a generation in service uses: what a
 * candidate needs is opened beside it. */
#include "master/sockets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct socket_entry {
	struct sock_address address;
	int fd;
	unsigned holders;
};

static struct socket_entry *find(struct sockets *s, const struct sock_address *a)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].address.dual == a->dual && !strcmp(s->v[i].address.text, a->text))
			return &s->v[i];
	return NULL;
}

static struct socket_entry *open_new(
	struct sockets *s, const struct config_listener *l, struct err *e)
{
	int fd;

	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 8;
		struct socket_entry *v = reallocarray(s->v, cap, sizeof(*v));

		if (!v) {
			err_set(e, ERR_SYSTEM, "out of memory");
			return NULL;
		}
		s->v = v;
		s->cap = cap;
	}
	fd = sock_listen(&l->address, l->backlog, e);
	if (fd < 0)
		return NULL;
	s->v[s->n] = (struct socket_entry){ .address = l->address, .fd = fd };
	return &s->v[s->n++];
}

static void close_entry(struct sockets *s, size_t i)
{
	struct sockaddr_un un;

	if (s->v[i].address.storage.ss_family == AF_UNIX) {
		memcpy(&un, &s->v[i].address.storage, sizeof(un));
		if (un.sun_path[0])
			unlink(un.sun_path);
	}
	close(s->v[i].fd);
	s->v[i] = s->v[--s->n];
}

int *sockets_acquire(struct sockets *s, const struct config *c, struct findings *f)
{
	int *fds = calloc(c->nlisteners + 1, sizeof(*fds));
	size_t before = f->errors;

	if (!fds) {
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < c->nlisteners; i++) {
		const struct config_listener *l = &c->listeners[i];
		struct err e = { 0 };
		struct socket_entry *entry = find(s, &l->address);

		if (!entry)
			entry = open_new(s, l, &e);
		if (!entry) {
			findings_error(f, e.code, l->place.file, l->place.line, "%s", e.text);
			fds[i] = -1;
			continue;
		}
		entry->holders++;
		fds[i] = entry->fd;
	}
	if (f->errors > before) {
		sockets_release(s, fds, c->nlisteners);
		return NULL;
	}
	return fds;
}

size_t sockets_release(struct sockets *s, int *fds, size_t n)
{
	size_t closed = 0;

	for (size_t k = 0; fds && k < n; k++) {
		size_t i = 0;

		if (fds[k] < 0)
			continue;
		while (i < s->n && s->v[i].fd != fds[k])
			i++;
		assert(i < s->n && s->v[i].holders > 0);
		if (--s->v[i].holders > 0)
			continue;
		close_entry(s, i);
		closed++;
	}
	free(fds);
	return closed;
}

void sockets_apply_backlogs(const struct config *c, const int *fds)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		listen(fds[i], c->listeners[i].backlog);
}

void sockets_done(struct sockets *s)
{
	if (!s)
		return;
	while (s->n)
		close_entry(s, s->n - 1);
	free(s->v);
	*s = (struct sockets){ 0 };
}
