/* The access log: a line or a record for each request, and in the formats that have fields one for
 * each closed connection and failed handshake. The lines of common and combined are put together by
 * hand, without printf and, once the buffer has grown, without allocation; JSON and the journal
 * share one list of facts, so that they cannot name them differently. This room never decides
 * whether something is logged, and never waits for a log to become writable again: what cannot be
 * written is dropped. */
#include "protocol/access.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "protocol/events.h"

/* What an event consists of: the key is that of JSON, the name that of the journal. */
struct fact {
	const char *key, *name;
	enum { FACT_ABSENT, FACT_TEXT, FACT_NUMBER, FACT_BOOL } kind;
	struct str text;
	uint64_t number;
};

enum { FACTS_MAX = 24, CLIENT_MAX = 64, NUMBER_SIZE = 20, CLF_SIZE = 27, RFC3339_SIZE = 25 };

struct facts {
	const char *event, *message_id;
	int priority;
	char time[RFC3339_SIZE];
	unsigned n;
	struct fact v[FACTS_MAX];
};

static struct str cut(struct str s, size_t max)
{
	return (struct str){ s.p, s.n < max ? s.n : max };
}

static struct fact *add_fact(struct facts *f, const char *key, const char *name)
{
	assert(f->n < FACTS_MAX);
	f->v[f->n].key = key;
	f->v[f->n].name = name;
	f->v[f->n].kind = FACT_ABSENT;
	return &f->v[f->n++];
}

static void add_text(struct facts *f, const char *key, const char *name, struct str s, size_t max)
{
	struct fact *fact = add_fact(f, key, name);

	fact->kind = s.p ? FACT_TEXT : FACT_ABSENT;
	fact->text = cut(s, max);
}

static void add_number(struct facts *f, const char *key, const char *name, uint64_t number)
{
	struct fact *fact = add_fact(f, key, name);

	fact->kind = FACT_NUMBER;
	fact->number = number;
}

/* `value` < 0: absent. */
static void add_optional(struct facts *f, const char *key, const char *name, int value, int kind)
{
	struct fact *fact = add_fact(f, key, name);

	fact->kind = value < 0 ? FACT_ABSENT : kind;
	fact->number = value < 0 ? 0 : (uint64_t)value;
}

static void begin_facts(
	struct facts *f, const char *event, const char *id, int priority, int64_t wall_ms)
{
	f->event = event;
	f->message_id = id;
	f->priority = priority;
	f->n = 0;
	clock_format_rfc3339(wall_ms, f->time);
	add_text(f, "time", "TIME", str_of(f->time), RFC3339_SIZE);
}

static void request_facts(struct facts *f, const struct access_request *r)
{
	begin_facts(f, "request", EVENT_REQUEST, LOG_INFO, r->wall_ms);
	add_text(f, "client", "CLIENT", r->client, CLIENT_MAX);
	add_text(f, "site", "SITE", r->site, ACCESS_VALUE_MAX);
	add_text(f, "method", "METHOD", r->method, CLIENT_MAX);
	add_text(f, "target", "TARGET", r->target, ACCESS_TARGET_MAX);
	add_text(f, "protocol", "PROTOCOL", r->protocol, CLIENT_MAX);
	add_optional(f, "status", "STATUS", r->status > 0 ? r->status : -1, FACT_NUMBER);
	add_number(f, "bytes", "BYTES", r->bytes);
	add_number(f, "duration_us", "DURATION_US", r->duration_us);
	add_text(f, "referer", "REFERER", r->referer, ACCESS_VALUE_MAX);
	add_text(f, "user_agent", "USER_AGENT", r->user_agent, ACCESS_VALUE_MAX);
	add_text(f, "tls_version", "TLS_VERSION", r->tls_version, CLIENT_MAX);
	add_text(f, "tls_cipher", "TLS_CIPHER", r->tls_cipher, CLIENT_MAX);
	add_optional(f, "tls_resumed", "TLS_RESUMED", r->tls_resumed, FACT_BOOL);
	add_text(f, "tls_client_verify", "TLS_CLIENT_VERIFY", r->tls_client_verify, CLIENT_MAX);
	add_text(f, "tls_client_subject", "TLS_CLIENT_SUBJECT", r->tls_client_subject,
		ACCESS_VALUE_MAX);
	add_text(f, "tls_client_names", "TLS_CLIENT_NAMES", r->tls_client_names, ACCESS_VALUE_MAX);
	add_text(f, "tls_client_fingerprint", "TLS_CLIENT_FINGERPRINT", r->tls_client_fingerprint,
		2 * CLIENT_MAX);
	add_number(f, "worker", "WORKER", r->worker);
	add_number(f, "generation", "GENERATION", r->generation);
	add_number(f, "stream", "STREAM", r->stream);
}

static void close_facts(struct facts *f, const struct access_close *c)
{
	begin_facts(f, "close", EVENT_CLOSE, LOG_INFO, c->wall_ms);
	add_text(f, "client", "CLIENT", c->client, CLIENT_MAX);
	add_text(f, "site", "SITE", c->site, ACCESS_VALUE_MAX);
	add_text(f, "closure", "CLOSURE", c->closure, CLIENT_MAX);
	add_number(f, "requests", "REQUESTS", c->requests);
	add_number(f, "bytes", "BYTES", c->bytes);
	add_number(f, "duration_us", "DURATION_US", c->duration_us);
}

static void handshake_facts(struct facts *f, const struct access_handshake *h)
{
	begin_facts(f, "handshake_failed", EVENT_HANDSHAKE_FAILED, LOG_NOTICE, h->wall_ms);
	add_text(f, "client", "CLIENT", h->client, CLIENT_MAX);
	add_text(f, "sni", "SNI", h->sni, ACCESS_VALUE_MAX);
	add_text(f, "reason", "REASON", h->reason, ACCESS_VALUE_MAX);
	add_text(f, "versions", "VERSIONS", h->versions, ACCESS_VALUE_MAX);
	add_text(f, "groups", "GROUPS", h->groups, ACCESS_VALUE_MAX);
	add_text(f, "ja4", "JA4", h->ja4, CLIENT_MAX);
	add_optional(f, "alert", "ALERT", h->alert, FACT_NUMBER);
	add_text(f, "alert_by", "ALERT_BY", h->alert_by, CLIENT_MAX);
}

/* One line: {"event":"...",...}. */
static bool write_json(struct buf *out, const struct facts *f)
{
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	json_str(&j, "event", str_of(f->event));
	for (unsigned i = 0; i < f->n; i++) {
		const struct fact *fact = &f->v[i];

		if (fact->kind == FACT_NUMBER)
			json_uint(&j, fact->key, fact->number);
		else if (fact->kind == FACT_BOOL)
			json_bool(&j, fact->key, fact->number != 0);
		else
			json_str(&j, fact->key,
				fact->kind == FACT_TEXT ? fact->text : (struct str){ NULL, 0 });
	}
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}

static char *put_str(char *at, struct str s)
{
	if (s.n > 0)
		memcpy(at, s.p, s.n);
	return at + s.n;
}

static char *put_u64(char *at, uint64_t n)
{
	char digits[NUMBER_SIZE], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	return put_str(at, (struct str){ p, (size_t)(digits + sizeof(digits) - p) });
}

/* At most four bytes for each. */
static char *put_escaped(char *at, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	if (s.n == 0) {
		*at++ = '-';
		return at;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			*at++ = (char)c;
			continue;
		}
		*at++ = '\\';
		*at++ = 'x';
		*at++ = hex[c >> 4];
		*at++ = hex[c & 15];
	}
	return at;
}

static char *put_status(char *at, int status)
{
	return status > 0 ? put_u64(at, (uint64_t)status) : put_str(at, STR("-"));
}

/* METHOD target protocol, or "-" for what never became a request. */
static char *put_request_line(char *at, const struct access_request *r)
{
	if (r->method.n == 0 && r->target.n == 0)
		return put_escaped(at, STR(""));
	at = put_escaped(at, cut(r->method, CLIENT_MAX));
	*at++ = ' ';
	at = put_escaped(at, cut(r->target, ACCESS_TARGET_MAX));
	if (r->protocol.n > 0) {
		*at++ = ' ';
		at = put_escaped(at, cut(r->protocol, CLIENT_MAX));
	}
	return at;
}

/* Common or combined; `clf` is the time. */
static bool write_line(
	struct buf *out, const struct access_request *r, bool combined, const char *clf)
{
	struct str referer = cut(r->referer, ACCESS_VALUE_MAX);
	struct str user_agent = cut(r->user_agent, ACCESS_VALUE_MAX);
	struct str target = cut(r->target, ACCESS_TARGET_MAX);
	size_t room = 4 * (3 * CLIENT_MAX + target.n + referer.n + user_agent.n) + 2 * NUMBER_SIZE +
		      CLF_SIZE + sizeof(" - - [] \"  \"   \"-\" \"-\"\n-");
	char *start = buf_reserve(out, room), *at = start;

	if (!start)
		return false;
	at = put_escaped(at, cut(r->client, CLIENT_MAX));
	at = put_str(at, STR(" - - ["));
	at = put_str(at, str_of(clf));
	at = put_str(at, STR("] \""));
	at = put_request_line(at, r);
	at = put_str(at, STR("\" "));
	at = put_status(at, r->status);
	*at++ = ' ';
	at = put_u64(at, r->bytes);
	if (combined) {
		at = put_str(at, STR(" \""));
		at = put_escaped(at, referer);
		at = put_str(at, STR("\" \""));
		at = put_escaped(at, user_agent);
		*at++ = '"';
	}
	*at++ = '\n';
	assert((size_t)(at - start) <= room);
	buf_commit(out, (size_t)(at - start));
	return true;
}

/* The event as one record with a field for each fact. */
static void write_journal(const struct facts *f, struct str message)
{
	static const struct str truth[2] = { { "false", 5 }, { "true", 4 } };
	char digits[FACTS_MAX][NUMBER_SIZE];
	struct log_field fields[FACTS_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < f->n; i++) {
		const struct fact *fact = &f->v[i];
		struct str value = fact->text;

		if (fact->kind == FACT_ABSENT)
			continue;
		if (fact->kind == FACT_BOOL)
			value = truth[fact->number != 0];
		if (fact->kind == FACT_NUMBER)
			value = (struct str){ digits[i],
				(size_t)(put_u64(digits[i], fact->number) - digits[i]) };
		fields[n++] = (struct log_field){ fact->name, value };
	}
	log_journal(f->priority, f->message_id, fields, n, message);
}

/* What composes an event into a buffer; false: no room. */
typedef bool compose_fn(struct buf *out, const struct access_log *log, const void *event);

static bool compose_request(struct buf *out, const struct access_log *log, const void *event)
{
	const struct access_request *r = event;
	time_t second = (time_t)(r->wall_ms / 1000);
	char scratch[CLF_SIZE], *clf = scratch;
	struct facts f;

	if (log->format == ACCESS_JSON) {
		request_facts(&f, r);
		return write_json(out, &f);
	}
	if (log->file)
		clf = log->file->clf;
	if (!log->file || log->file->clf_second != second || !clf[0])
		clock_format_clf(second, clf);
	if (log->file)
		log->file->clf_second = second;
	return write_line(out, r, log->format == ACCESS_COMBINED, clf);
}

static bool compose_close(struct buf *out, const struct access_log *log, const void *event)
{
	struct facts f;

	(void)log;
	close_facts(&f, event);
	return write_json(out, &f);
}

static bool compose_handshake(struct buf *out, const struct access_log *log, const void *event)
{
	struct facts f;

	(void)log;
	handshake_facts(&f, event);
	return write_json(out, &f);
}

/* 0 or an errno. */
static int write_all(int fd, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			return EIO;
		if (n > 0)
			s = (struct str){ s.p + n, s.n - (size_t)n };
	}
	return 0;
}

/* Standard error takes each line at once; it is gathered on the stack. */
static void emit_stderr(const struct access_log *log, compose_fn *compose, const void *event)
{
	char memory[ACCESS_PENDING_MAX];
	struct buf line = { .data = memory, .cap = sizeof(memory), .max = sizeof(memory) };

	if (compose(&line, log, event))
		write_all(STDERR_FILENO, buf_str(&line));
}

static void emit_file(struct access_log *log, compose_fn *compose, const void *event)
{
	struct buf *pending = &log->file->pending;
	size_t before = buf_len(pending);

	pending->max = ACCESS_PENDING_MAX;
	if (!compose(pending, log, event)) {
		pending->end = pending->off + before; /* what was composed in part */
		access_flush(log->file);
		if (!compose(pending, log, event))
			buf_clear(pending);
	}
	if (buf_len(pending) >= ACCESS_PENDING_FLUSH)
		access_flush(log->file);
}

static void emit(struct access_log *log, compose_fn *compose, const void *event)
{
	if (log->target == LOG_TARGET_FILE && log->file)
		emit_file(log, compose, event);
	else if (log->target == LOG_TARGET_STDERR)
		emit_stderr(log, compose, event);
}

/* For people who read the journal: 192.0.2.1 "GET / HTTP/1.1" 200 1234. */
static void journal_request(const struct access_request *r)
{
	char memory[4 * (ACCESS_TARGET_MAX + 4 * CLIENT_MAX)], *at = memory;
	struct facts f;

	at = put_escaped(at, cut(r->client, CLIENT_MAX));
	at = put_str(at, STR(" \""));
	at = put_request_line(at, r);
	at = put_str(at, STR("\" "));
	at = put_status(at, r->status);
	*at++ = ' ';
	at = put_u64(at, r->bytes);
	request_facts(&f, r);
	write_journal(&f, (struct str){ memory, (size_t)(at - memory) });
}

/* "192.0.2.1 connection closed: truncated" and the like. */
static void journal_plain(
	const struct facts *f, struct str client, const char *what, struct str how)
{
	char memory[4 * (CLIENT_MAX + ACCESS_VALUE_MAX + CLIENT_MAX)], *at = memory;

	at = put_escaped(at, cut(client, CLIENT_MAX));
	at = put_str(at, str_of(what));
	at = put_escaped(at, cut(how, ACCESS_VALUE_MAX));
	write_journal(f, (struct str){ memory, (size_t)(at - memory) });
}

void access_write_request(struct access_log *log, const struct access_request *r)
{
	if (log->target == LOG_TARGET_JOURNAL)
		journal_request(r);
	else
		emit(log, compose_request, r);
}

void access_write_close(struct access_log *log, const struct access_close *c)
{
	struct facts f;

	if (log->target == LOG_TARGET_JOURNAL) {
		close_facts(&f, c);
		journal_plain(&f, c->client, " connection closed: ", c->closure);
	} else if (log->format == ACCESS_JSON) {
		emit(log, compose_close, c);
	}
}

void access_write_handshake(struct access_log *log, const struct access_handshake *h)
{
	struct facts f;

	if (log->target == LOG_TARGET_JOURNAL) {
		handshake_facts(&f, h);
		journal_plain(&f, h->client, " handshake failed: ", h->reason);
	} else if (log->format == ACCESS_JSON) {
		emit(log, compose_handshake, h);
	}
}

void access_flush(struct log_file *file)
{
	struct err e;
	int error;

	if (buf_len(&file->pending) == 0)
		return;
	error = write_all(file->fd, buf_str(&file->pending));
	buf_clear(&file->pending);
	if (error && !file->failed) {
		err_errno(&e, ERR_SYSTEM, error, "%s: access log lines are lost", file->path);
		log_err(LOG_LEVEL_ERROR, &e);
	}
	file->failed = error != 0;
}
