/* One exchange: a request and the response that a handler gives. A handler cannot tell which
 * protocol it serves.
 *
 *   RECEIVED --handler--> REPLIED --the protocol pulls the content--> DONE
 *                                                                  \-> BROKEN (source failed)
 *
 * Back-pressure is by pull: the handler gives a source, the protocol asks it for as much as the
 * connection has room for. */
#ifndef LATCH_PROTOCOL_STREAM_H
#define LATCH_PROTOCOL_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/arena.h"
#include "http/message.h"
#include "http/uri.h"

struct board;
struct conn;
struct filecache;
struct tls_peer;

enum {
	STREAM_FIELDS_MAX = 24,
	STREAM_HANDLER_FIELDS = 8, /* of them for the handler */
	STREAM_ARENA_MAX = 256 * 1024,
	STREAM_WAIT_MS = 30 * 1000
};

/* Takes at most n bytes of a file from `offset` on without reading them: how many, 0: none. */
typedef size_t source_pass_fn(void *arg, int fd, uint64_t offset, size_t n);

/* Where content comes from. */
struct source {
	/* At most n bytes to p: how many, 0: the end, -1: it broke (the stream ends as broken). */
	ssize_t (*read)(struct source *, void *p, size_t n);
	/* The stream is done with it; may be NULL. */
	void (*close)(struct source *);
	/* NULL, or hands up to n bytes that come next to `fn` where they are a file's: how many it
	 * took, 0: none, read() them; -1: it broke, maybe only after wrong ones were taken. So
	 * the last bytes of a response have to be read(). */
	ssize_t (*pass)(struct source *, size_t n, source_pass_fn *fn, void *arg);
};

struct response {
	int status; /* 0: not replied yet */
	unsigned nfields;
	struct {
		struct str name, value;
	} field[STREAM_FIELDS_MAX];
	bool has_length;
	uint64_t length; /* of the content, also for HEAD */
	/* Content in memory that lives as long as the stream, or until the close of a source that
	 * is also set; else content to pull from the source; both unset: none. has_length goes with
	 * it. */
	struct str memory;
	struct source *source;
	bool is_error_page; /* the content is the page of stream_reply_error() */
};

/* What a handler may know about the connection. */
struct stream_peer {
	const struct sockaddr_storage *address;
	bool tls;
	const struct tls_peer *client; /* its certificate; NULL: it gave none */
};

struct stream {
	struct conn *conn;
	struct stream *next, **link; /* in conn->streams */
	void *driver;                /* what the protocol keeps of it, in the arena */
	struct arena arena;
	struct request request;
	struct target target;
	struct str path; /* decoded, no dot segments */
	struct str host; /* Host or :authority without port; "" in HTTP/1.0 without Host */
	struct response response;
	struct stream_peer peer;   /* filled by the connection */
	struct filecache *files;   /* the worker's, for handler/files; NULL in tests */
	const struct board *board; /* the worker's, for the status page; NULL in tests */
	/* Before the route is called: the site that SNI chose on a TLS connection, NULL on a plain
	 * one. Afterwards: the site that answered (a 421 on TLS: still that of SNI), NULL if none.
	 * Borrowed. */
	const void *site;
	uint64_t number;   /* on its connection, from 1 */
	uint64_t sent;     /* content bytes handed to the connection */
	bool head_written; /* the protocol has begun to send the response */
	int64_t started_us;
	int64_t wall_ms;
	int64_t put_off_ms; /* when the handler could not answer for the first time; 0: it did */
};

/* A handler: answers by stream_reply(). `options` are its own of the route. One that cannot answer
 * yet, because that is more work than a turn of the loop has room for, leaves the response as it
 * found it, and is called again in the next turn; what it took of the arena is taken back. It has
 * STREAM_WAIT_MS for all of that, or the answer is 503. */
typedef void handler_fn(struct stream *s, const void *options);

/* host + path -> handler; given by the worker, so that protocol/ need not know handler/. Answers
 * the stream in any case (404, 421, ... included). */
typedef void route_fn(struct stream *s, void *routes);
/* The response was made without the route: adds what the site adds to error pages, by what is known
 * of host and path, which may be nothing. Sets the site. */
typedef void dress_fn(struct stream *s, void *routes);

/* Fields keep name and value slices: static, of the route's options, or of the stream's arena.
 * False when there is no room: a programming error for fixed sets, which have room for
 * STREAM_HANDLER_FIELDS; the rest is for the fields of the site. */
bool stream_add_field(struct stream *s, struct str name, struct str value);
/* Sets the status. Content that was set before stays; without any it is an empty response, with a
 * length of 0 where the status allows one. */
void stream_reply(struct stream *s, int status);
/* Takes a reply back (closing its source), so that another can be given. */
void stream_discard_reply(struct stream *s);
/* A whole small page: status, media type, text (lives as long as the stream). */
void stream_reply_text(struct stream *s, int status, struct str type, struct str text);
/* A small HTML page of ours: the status as heading and `html` (escaped already, may be empty) under
 * it, which is copied. Content that was set before is dropped, fields stay. */
void stream_reply_page(struct stream *s, int status, struct str html);
/* The page for this status with nothing under the heading. */
void stream_reply_error(struct stream *s, int status);
/* Instead of the page of stream_reply_error() a content of another type, which lives as long as the
 * stream; status and other fields stay. Does nothing when the content is not that page. */
void stream_replace_error_page(struct stream *s, struct str type, struct str text);
/* `text` with & < > " ' as references, in the stream's arena; p NULL: no room. */
struct str stream_escape_html(struct stream *s, struct str text);
/* What the client's certificate says, verified in the handshake; n is 0 where it gave none.
 * Printable ASCII that lives as long as the stream: the subject (RFC 4514), its names
 * ("DNS:a.example, URI:b:c"), the SHA-256 as 64 lower-case hex digits. */
struct str stream_client_subject(const struct stream *s);
struct str stream_client_names(const struct stream *s);
struct str stream_client_fingerprint(const struct stream *s);
/* Has it this name? `rule` is one of tls/peer.h. */
bool stream_client_has_name(const struct stream *s, struct str rule);
/* The version of the TLS library, for handlers, which do not see tls/. */
struct str stream_tls_library(void);

#endif
