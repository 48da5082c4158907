/* Both ends of http2/session: whatever the other end sends, events come in order, memory stays what
 * it is, and what is said in reply is made of whole frames. The first byte of the input says:
 *
 *   bit 0     we are the server, else a client with three requests under way
 *   bit 1     server: the client's preface comes before the input
 *   bits 2-4  pieces as in fuzz_conn
 *   bit 5     the other end does not take what we say */
#include <string.h>

#include "fuzz.h"
#include "http2/session.h"

struct stream {
	struct http2_stream http2; /* first */
	struct fields fields;
	struct arena arena;
	struct stream *next;
	struct http2_head head;
	bool asked, ended, closed;
	size_t left;
};

static struct http2 *http2;
static struct stream *streams;
static bool is_server;
static size_t greeting; /* bytes of a client's preface that were not said yet */

static struct stream *new_stream(void)
{
	struct stream *s = calloc(1, sizeof *s);

	check(s);
	arena_init(&s->arena, 100000);
	s->http2.fields = &s->fields;
	s->http2.arena = &s->arena;
	s->next = streams;
	streams = s;
	return s;
}

static struct http2_stream *on_open(void *owner, int32_t id)
{
	(void)owner;
	check(is_server && id > 0 && id % 2 == 1);
	return &new_stream()->http2;
}

static void check_head(const struct http2_stream *hs)
{
	for (unsigned i = 0; i < hs->fields->n; i++) {
		const struct field *line = &hs->fields->line[i];

		check(line->name.n > 0 && line->name.p[0] != ':');
		check(!memchr(line->value.p, '\n', line->value.n));
		check(!memchr(line->value.p, '\0', line->value.n));
	}
	if (is_server)
		check(hs->too_large || (hs->method.n > 0 && (hs->path.n > 0 || hs->authority.p)));
	else
		check(hs->too_large || (hs->status >= 100 && hs->status <= 999));
}

static void on_head(void *owner, struct http2_stream *hs, bool ended)
{
	struct stream *s = (struct stream *)hs;

	(void)owner;
	check(!s->closed && !s->ended);
	check_head(hs);
	s->asked = true;
	s->ended = ended;
	if (!is_server)
		return;
	s->left = s->fields.n * 1000;
	http2_head_add(&s->head, STR(":status"), STR("200"));
	http2_head_add(&s->head, STR("server"), STR("x"));
	http2_respond(http2, hs, &s->head, s->left > 0);
}

static void on_data(void *owner, struct http2_stream *hs, const char *p, size_t n)
{
	struct stream *s = (struct stream *)hs;

	(void)owner;
	check(p && n > 0 && n <= 16384);
	check(s->asked && !s->ended && !s->closed);
}

static void on_end(void *owner, struct http2_stream *hs)
{
	struct stream *s = (struct stream *)hs;

	(void)owner;
	check(s->asked && !s->ended && !s->closed);
	s->ended = true;
}

static void on_close(void *owner, struct http2_stream *hs, uint32_t code)
{
	struct stream *s = (struct stream *)hs;

	(void)owner, (void)code;
	check(!s->closed);
	s->closed = true;
}

static ssize_t on_read(void *owner, struct http2_stream *hs, char *p, size_t n, bool *ret_last)
{
	struct stream *s = (struct stream *)hs;

	(void)owner;
	check(!s->closed && n > 0 && n <= 16384);
	n = n < s->left ? n : s->left;
	memset(p, 'x', n);
	s->left -= n;
	*ret_last = s->left == 0;
	return (ssize_t)n;
}

static void ask(const char *path, size_t content)
{
	struct stream *s = new_stream();

	s->left = content;
	http2_head_add(&s->head, STR(":method"), content ? STR("POST") : STR("GET"));
	http2_head_add(&s->head, STR(":scheme"), STR("https"));
	http2_head_add(&s->head, STR(":authority"), STR("x"));
	http2_head_add(&s->head, STR(":path"), str_of(path));
	check(http2_request(http2, &s->http2, &s->head, content > 0));
}

/* All that there is to say; frames are whole and short. */
static void listen_to(void)
{
	static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	static char out[70000];
	static unsigned char head[9];
	size_t n, left = 0, nhead = 0;

	while ((n = http2_take(http2, out, sizeof out)) > 0) {
		check(n <= sizeof out);
		for (size_t at = 0; at < n;) {
			if (greeting > 0) {
				check(out[at] == magic[sizeof magic - 1 - greeting]);
				at++;
				greeting--;
			} else if (left > 0) {
				size_t most = n - at < left ? n - at : left;

				at += most;
				left -= most;
			} else {
				head[nhead++] = (unsigned char)out[at++];
				if (nhead < sizeof head)
					continue;
				nhead = 0;
				left = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
				check(left <= 16384);
			}
		}
	}
	check(left == 0 && nhead == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned sizes[] = { 1, 3, 9, 27, 81, 243, 729, 1 << 20 };
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	static const struct http2_events events = { on_open, on_head, on_data, on_end, on_close,
		on_read };
	uint8_t how = size > 0 ? data[0] : 0;
	struct http2_limits limits = { how & 1, 8, 2048, 20 };
	size_t piece = sizes[how >> 2 & 7];

	is_server = how & 1;
	greeting = is_server ? 0 : 24;
	http2 = http2_new(&limits, &events, NULL);
	check(http2);
	if (!is_server) {
		ask("/", 0);
		ask("/a", 3000);
		ask("/b", 0);
	}
	listen_to();
	if ((how & 3) == 3)
		check(http2_feed(http2, preface, sizeof preface));
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (!http2_feed(http2, (const char *)data + at, n))
			break;
		if (!(how & 32))
			listen_to();
	}
	listen_to();
	http2_is_over(http2);
	http2_free(http2);
	for (struct stream *next; streams; streams = next) {
		next = streams->next;
		arena_done(&streams->arena);
		free(streams);
	}
	return 0;
}
