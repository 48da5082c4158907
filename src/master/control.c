/* The server's side of the control socket. Never waits for a client: everything a client can hold
 * up is its own. Refuses everybody but root and the user that the master is, and refuses workers,
 * which may be that user too. */
#include "master/control.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "master/handover.h"
#include "net/control.h"

enum client_state { CLIENT_ASKING, CLIENT_WAITING, CLIENT_ANSWERED };

struct control_client {
	struct control *owner;
	struct control_client *next;
	enum client_state state;
	enum control_word word;
	uint64_t mark;
	int fd;
	char request[CONTROL_REQUEST_MAX];
	size_t n;
	struct buf reply;
	bool overflown; /* not all of the reply found room */
	sd_event_source *io, *deadline;
};

static const struct {
	const char *text;
	enum control_word word;
} words[] = {
	{ "reload", CONTROL_RELOAD },
	{ "status", CONTROL_STATUS },
	{ "status json", CONTROL_STATUS_JSON },
	{ "stop", CONTROL_STOP },
	{ "reopen-logs", CONTROL_REOPEN_LOGS },
	{ "upgrade", CONTROL_UPGRADE },
};

/* ---- one client ------------------------------------------------------------------------- */

static void client_free(struct control_client *client)
{
	struct control *c = client->owner;
	struct control_client **link = &c->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	c->n--;
	sd_event_source_disable_unref(client->io);
	sd_event_source_disable_unref(client->deadline);
	close(client->fd);
	buf_done(&client->reply);
	free(client);
}

static int on_deadline(sd_event_source *s, uint64_t now, void *data)
{
	(void)s;
	(void)now;
	client_free(data);
	return 0;
}

/* -1: the client is gone. */
static int arm(struct control_client *client)
{
	int r;

	client->deadline = sd_event_source_disable_unref(client->deadline);
	r = sd_event_add_time_relative(client->owner->o.event, &client->deadline, CLOCK_MONOTONIC,
		(uint64_t)CONTROL_PATIENCE_MS * 1000, 1000, on_deadline, client);
	if (r >= 0)
		return 0;
	client_free(client);
	return -1;
}

/* True: all of it, or the peer takes nothing any more. */
static bool send_reply(struct control_client *client)
{
	struct buf *b = &client->reply;
	ssize_t n;

	while (buf_len(b)) {
		n = send(client->fd, buf_head(b), buf_len(b), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno != EAGAIN;
		buf_consume(b, (size_t)n);
	}
	return true;
}

void control_say_lines(struct control_client *client, char kind, struct str lines)
{
	size_t at = 0;

	while (at < lines.n) {
		size_t end = str_find(lines, '\n', at);
		char *p = buf_reserve(&client->reply, end - at + 2);

		if (!p) {
			client->overflown = true;
			return;
		}
		*p++ = kind;
		for (; at < end; at++) {
			unsigned char b = (unsigned char)lines.p[at];

			*p++ = b < 0x20 || b == 0x7f ? '?' : (char)b;
		}
		*p++ = '\n';
		buf_commit(&client->reply, (size_t)(p - (client->reply.data + client->reply.end)));
		at++;
	}
}

void control_say(struct control_client *client, char kind, const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (n > 0)
		control_say_lines(client, kind,
			(struct str){
				line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1 });
}

void control_finish(struct control_client *client, int code)
{
	assert(client->state != CLIENT_ANSWERED);
	client->state = CLIENT_ANSWERED;
	client->reply.max = CONTROL_REPLY_MAX + CONTROL_REQUEST_MAX;
	buf_appendf(&client->reply, "%c%d\n", CONTROL_END,
		client->overflown && !code ? ERR_INTERNAL : code);
	if (arm(client) < 0)
		return;
	/* Sent from the loop, so that nobody who holds the client is surprised by its end. */
	sd_event_source_set_io_events(client->io, EPOLLOUT);
}

void control_mark(struct control_client *client, uint64_t mark)
{
	client->mark = mark;
}

struct control_client *control_waiting(struct control *c, enum control_word word, uint64_t mark)
{
	for (struct control_client *client = c->clients; client; client = client->next)
		if (client->state == CLIENT_WAITING && client->word == word && client->mark == mark)
			return client;
	return NULL;
}

static void take_request(struct control_client *client, struct str line)
{
	struct control *c = client->owner;

	client->deadline = sd_event_source_disable_unref(client->deadline);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_eq(line, str_of(words[i].text)))
			continue;
		client->state = CLIENT_WAITING;
		client->word = words[i].word;
		c->o.asked(c->o.data, client, client->word);
		return;
	}
	control_say(client, CONTROL_ERROR, "this latchd (" LATCH_VERSION ") does not know \"%.*s\"",
		STR_ARG(line));
	control_finish(client, ERR_USAGE);
}

static void read_request(struct control_client *client)
{
	ssize_t n = recv(client->fd, client->request + client->n,
		sizeof(client->request) - client->n, MSG_DONTWAIT);
	struct str line;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_free(client);
		return;
	}
	client->n += (size_t)n;
	line = (struct str){ client->request, client->n };
	line.n = str_find(line, '\n', 0);
	if (line.n < client->n)
		take_request(client, line);
	else if (client->n == sizeof(client->request))
		client_free(client);
}

static int on_client(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct control_client *client = data;
	char more[64];

	(void)s;
	switch (client->state) {
	case CLIENT_ASKING:
		read_request(client);
		break;
	case CLIENT_WAITING:
		/* Nothing more is expected but its end; a half-close is none. */
		if (events & (EPOLLHUP | EPOLLERR))
			client_free(client);
		else if (recv(fd, more, sizeof(more), MSG_DONTWAIT) == 0)
			sd_event_source_set_io_events(client->io, 0);
		break;
	case CLIENT_ANSWERED:
		if ((events & (EPOLLHUP | EPOLLERR)) || send_reply(client))
			client_free(client);
		break;
	}
	return 0;
}

/* ---- who may ----------------------------------------------------------------------------- */

static bool may_ask(struct control *c, int fd)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);
	bool barred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return false;
	barred = c->o.is_barred(c->o.data, who.pid);
	if (!barred && (who.uid == 0 || who.uid == geteuid()))
		return true;
	if (log_rate_pass(&c->refusals))
		log_warning("the control socket refuses process %d of uid %u%s", (int)who.pid,
			(unsigned)who.uid, barred ? ", a worker" : "");
	return false;
}

static void refuse(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("a client of the control socket went away");
	close(fd);
}

/* NULL: it is closed again. */
static struct control_client *client_new(struct control *c, int fd)
{
	struct control_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		return NULL;
	}
	*client = (struct control_client){ .owner = c, .fd = fd, .next = c->clients };
	buf_init(&client->reply, CONTROL_REPLY_MAX);
	c->clients = client;
	c->n++;
	if (sd_event_add_io(c->o.event, &client->io, fd, EPOLLIN, on_client, client) >= 0)
		return arm(client) < 0 ? NULL : client;
	client_free(client);
	return NULL;
}

static int on_listener(sd_event_source *s, int fd, uint32_t events, void *data)
{
	struct control *c = data;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)s;
	(void)events;
	if (client < 0)
		return 0;
	if (!may_ask(c, client))
		refuse(client, "-only root and the user of the service may do this\n=77\n");
	else if (c->n >= CONTROL_CLIENTS_MAX)
		refuse(client, "-too many ask at the same time; try again\n=75\n");
	else
		client_new(c, client);
	return 0;
}

/* ---- the socket -------------------------------------------------------------------------- */

static bool is_same_file(const struct control *c)
{
	struct stat st;

	return c->path && lstat(c->path, &st) == 0 && st.st_dev == c->device &&
	       st.st_ino == c->inode;
}

/* Only a refusal says that nobody listens any more: whatever else is there is somebody's. */
static bool is_left_over(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool refused =
		fd >= 0 && connect(fd, (const void *)a, sizeof(*a)) < 0 && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

static int bind_socket(int fd, const struct sockaddr_un *a)
{
	mode_t mask = umask(0177);
	int r = bind(fd, (const void *)a, sizeof(*a)), saved = errno;

	umask(mask);
	errno = saved;
	return r;
}

/* Bound with mode 0600; what a dead server left is replaced. */
static int open_socket(const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;
	int r;

	if (fd < 0)
		return err_errno(e, ERR_SYSTEM, errno, "cannot make a socket");
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	r = bind_socket(fd, &a);
	if (r < 0 && errno == EADDRINUSE && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (!is_left_over(&a)) {
			err_set(e, ERR_UNAVAILABLE, "%s: another program listens there", path);
			goto failed;
		}
		unlink(path);
		r = bind_socket(fd, &a);
	}
	if (r == 0)
		r = listen(fd, CONTROL_CLIENTS_MAX);
	if (r == 0)
		return fd;
	err_errno(e, ERR_UNAVAILABLE, errno, "%s", path);
failed:
	close(fd);
	return -1;
}

void control_init(struct control *c, const struct control_options *o)
{
	*c = (struct control){ .o = *o, .fd = -1, .refusals.burst = 5 };
}

/* Removes the file. Who waits still hears its answer. */
static void close_socket(struct control *c)
{
	c->io = sd_event_source_disable_unref(c->io);
	if (is_same_file(c))
		unlink(c->path);
	if (c->fd >= 0)
		close(c->fd);
	free(c->path);
	c->path = NULL;
	c->fd = -1;
}

int control_listen(struct control *c, const char *path, struct err *e)
{
	struct stat st;
	int r;

	if (*path && c->path && !strcmp(path, c->path) && is_same_file(c))
		return 0;
	close_socket(c);
	if (!*path)
		return 0;
	c->fd = open_socket(path, e);
	if (c->fd < 0)
		return -1;
	c->path = strdup(path);
	if (!c->path || lstat(path, &st) < 0) {
		err_errno(e, ERR_SYSTEM, errno, "%s", path);
		goto failed;
	}
	c->device = st.st_dev;
	c->inode = st.st_ino;
	r = sd_event_add_io(c->o.event, &c->io, c->fd, EPOLLIN, on_listener, c);
	if (r >= 0)
		return 0;
	err_errno(e, ERR_SYSTEM, -r, "cannot watch %s", path);
failed:
	close_socket(c);
	return -1;
}

/* ---- from one image to the next --------------------------------------------------------- */

static const char *text_of(enum control_word word)
{
	size_t i = 0;

	while (words[i].word != word)
		i++;
	return words[i].text;
}

/* A request with a byte 0 is none: who sends that is not kept. */
static bool is_kept(const struct control_client *client)
{
	return client->state == CLIENT_WAITING ||
	       (client->state == CLIENT_ASKING && !memchr(client->request, 0, client->n));
}

int control_leave(const struct control *c, struct handover *ret, struct err *e)
{
	ret->control = strdup(c->path ? c->path : "");
	ret->control_fd = c->path ? c->fd : -1;
	ret->control_device = c->device;
	ret->control_inode = c->inode;
	ret->clients = calloc(c->n + 1, sizeof(*ret->clients));
	if (!ret->control || !ret->clients)
		return err_set(e, ERR_SYSTEM, "out of memory");
	for (struct control_client *client = c->clients; client; client = client->next) {
		bool waits = client->state == CLIENT_WAITING;
		struct handover_client *to = &ret->clients[ret->nclients];

		if (client->state == CLIENT_ANSWERED)
			send_reply(client);
		if (!is_kept(client))
			continue;
		*to = (struct handover_client){ .fd = client->fd,
			.waits = waits,
			.request = waits ? strdup(text_of(client->word))
					 : strndup(client->request, client->n) };
		if (!to->request)
			return err_set(e, ERR_SYSTEM, "out of memory");
		ret->nclients++;
	}
	return 0;
}

static void client_take_over(struct control *c, const struct handover_client *from)
{
	struct control_client *client = client_new(c, from->fd);
	size_t n = strlen(from->request), i = 0;

	if (!client)
		return;
	if (!from->waits) {
		client->n = n < sizeof(client->request) ? n : sizeof(client->request) - 1;
		memcpy(client->request, from->request, client->n);
		return;
	}
	client->deadline = sd_event_source_disable_unref(client->deadline);
	client->state = CLIENT_WAITING;
	while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i].text, from->request) != 0)
		i++;
	if (i < sizeof(words) / sizeof(words[0]))
		client->word = words[i].word;
	else
		client_free(client); /* a word of another version */
}

int control_take_over(struct control *c, const struct handover *h, struct err *e)
{
	int r = 0;

	if (h->control_fd >= 0) {
		c->fd = h->control_fd;
		c->device = h->control_device;
		c->inode = h->control_inode;
		c->path = strdup(h->control);
		if (!c->path)
			return err_set(e, ERR_SYSTEM, "out of memory");
		r = sd_event_add_io(c->o.event, &c->io, c->fd, EPOLLIN, on_listener, c);
	}
	if (r < 0)
		return err_errno(e, ERR_SYSTEM, -r, "cannot watch %s", c->path);
	for (size_t i = 0; i < h->nclients; i++)
		client_take_over(c, &h->clients[i]);
	return 0;
}

void control_done(struct control *c)
{
	close_socket(c);
	while (c->clients) {
		struct control_client *client = c->clients;

		if (client->state == CLIENT_ANSWERED)
			send_reply(client);
		client->fd = dup(client->fd); /* stays open */
		client_free(client);
	}
}
