/* Lines for people on standard error, one write(2) each.
 *
 * Decides nothing: what is said here was judged elsewhere. Writes nothing of a peer's unescaped. */
#include "client/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "tls/facts.h"

enum { FACT_SIZE = 1024 };

/* A code point from `first` to `last` in UTF-8, which orders them as bytes. */
struct unsafe_range {
	const char *first, *last;
};

/* Controls but HTAB, and what reorders or hides the text around it. */
static const struct unsafe_range unsafe_ranges[] = {
	{ "\x01", "\x08" }, { "\x0a", "\x1f" }, { "\x7f", "\x7f" },
	{ "\xc2\x80", "\xc2\x9f" },         /* C1 */
	{ "\xe2\x80\xa8", "\xe2\x80\xae" }, /* line ends, bidirectional overrides */
	{ "\xe2\x81\xa6", "\xe2\x81\xa9" }, /* bidirectional isolates */
};
enum { UNSAFE_RANGES = sizeof(unsafe_ranges) / sizeof(unsafe_ranges[0]) };

/* How many bytes from here may not be shown; 0: the next `*ret_safe` ones may. A byte that is no
 * UTF-8 may not: to a terminal of another coding it can be a control. */
static size_t unsafe_bytes(struct str s, size_t *ret_safe)
{
	size_t n = str_utf8_length(s);

	*ret_safe = n;
	if (n == 0 || s.p[0] == '\0')
		return 1;
	for (size_t i = 0; i < UNSAFE_RANGES; i++)
		if (strlen(unsafe_ranges[i].first) == n &&
			memcmp(s.p, unsafe_ranges[i].first, n) >= 0 &&
			memcmp(s.p, unsafe_ranges[i].last, n) <= 0)
			return n;
	return 0;
}

void report_append_safe(struct buf *out, struct str s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.n;) {
		size_t safe, n = unsafe_bytes((struct str){ s.p + i, s.n - i }, &safe);

		if (n == 0) {
			i += safe;
			continue;
		}
		buf_append(out, s.p + from, i - from);
		for (from = i + n; i < from; i++)
			buf_appendf(out, "\\x%02x", (unsigned char)s.p[i]);
	}
	buf_append(out, s.p + from, s.n - from);
}

/* Standard error is the last resort: when it cannot be written, nobody can be told. */
static void put(struct report *r, const struct buf *text)
{
	struct str s = buf_str(text);

	if (r->progress)
		progress_clear(r->progress);
	while (s.n > 0) {
		ssize_t n = write(r->fd, s.p, s.n);

		if (n <= 0)
			return;
		s = (struct str){ s.p + n, s.n - (size_t)n };
	}
}

static void put_message(struct report *r, const char *prefix, const char *subject, const char *text)
{
	struct buf line;

	buf_init(&line, 0);
	buf_append_str(&line, str_of(prefix));
	if (subject) {
		report_append_safe(&line, str_of(subject));
		buf_append(&line, ": ", 2);
	}
	report_append_safe(&line, str_of(text));
	buf_append(&line, "\n", 1);
	put(r, &line);
	buf_done(&line);
}

void report_error(struct report *r, const char *subject, const char *text)
{
	if (!r->silent)
		put_message(r, "latch: ", subject, text);
}

void report_note(struct report *r, const char *fmt, ...)
{
	char text[FACT_SIZE];
	va_list ap;

	if (r->quiet || r->silent)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_message(r, "latch: ", NULL, text);
}

void report_record(struct report *r, const struct buf *line)
{
	put(r, line);
}

void report_warning(struct report *r, const char *subject, const char *text)
{
	if (!r->quiet && !r->silent)
		put_message(r, "latch: warning: ", subject, text);
}

void report_fact(struct report *r, const char *fmt, ...)
{
	char text[FACT_SIZE];
	va_list ap;

	if (!r->verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_message(r, "* ", NULL, text);
}

void report_lines(struct report *r, char mark, struct str text)
{
	struct buf out;

	if (!r->verbose)
		return;
	buf_init(&out, 0);
	while (text.n > 0) {
		size_t n = str_find(text, '\n', 0);
		struct str line = { text.p, n };

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		buf_appendf(&out, "%c ", mark);
		report_append_safe(&out, line);
		buf_append(&out, "\n", 1);
		n = n < text.n ? n + 1 : n;
		text = (struct str){ text.p + n, text.n - n };
	}
	put(r, &out);
	buf_done(&out);
}

void report_link(struct report *r, const struct link *l)
{
	const struct session *s = &l->session;
	struct buf facts;
	const char *alpn;
	size_t n;

	if (!r->verbose)
		return;
	report_fact(r, "connected to %s%s", l->address, s->ssl ? "" : ", without TLS");
	if (!s->ssl)
		return;
	alpn = session_alpn(s, &n);
	report_fact(r, "%s, %s, %s, ALPN %.*s", session_version(s), session_cipher(s),
		session_resumed(s) ? "resumed" : "not resumed", n > 0 ? (int)n : 4,
		n > 0 ? alpn : "none");
	buf_init(&facts, 0);
	tls_facts_describe_peer(s->ssl, &facts);
	report_lines(r, '*', buf_str(&facts));
	buf_done(&facts);
}

void report_closure(struct report *r, enum closure closure, bool tls)
{
	static const char *const meanings[CLOSURE_COUNT] = {
		[CLOSURE_CLEAN] = "the server's close_notify came",
		[CLOSURE_TRUNCATED] = "the server closed without close_notify",
		[CLOSURE_RESET] = "the connection was reset or broke",
		[CLOSURE_TIMEOUT] = "the server did not end the connection in time",
		[CLOSURE_LOCAL] = "latch did not wait for the server's end",
	};
	const char *meaning = meanings[closure];

	if (!meaning)
		return;
	if (!tls && closure == CLOSURE_CLEAN)
		meaning = "the server closed the connection (without TLS there is no close_notify)";
	report_fact(r, "closure %s: %s", closure_name(closure), meaning);
}
