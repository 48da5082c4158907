/* The error log: lines on standard error or in a file, native records in the journal. The only
 * room that includes sd-journal; built without it, the journal gets prefixed lines instead.
 *
 * Refuses: to allocate, to wait (what the descriptor does not take is lost), and to let a control
 * byte or broken UTF-8 from outside reach a terminal or start a line of its own. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef HAVE_LIBSYSTEMD
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#endif

#include "base/clock.h"

enum {
	LOG_TEXT_SIZE = 1024, /* of a formatted message */
	LOG_LINE_SIZE = 4096, /* one write is whole up to PIPE_BUF */
	LOG_RECORD_SIZE = 16384,
	LOG_RECORD_FIELDS = 32,
	LOG_WINDOW_MS = 10000,
};

static struct {
	bool set;    /* log_set() was called, or its defaults taken */
	bool native; /* records to the journal */
	bool prefix; /* lines are for the journal: "<n>" in front, which knows time and sender */
	bool off;
	int fd;
	int journal_fd; /* libsystemd's socket, which it opens once and keeps for good; -1: none */
	enum log_level level;
	char role[32];
} state = { .fd = STDERR_FILENO, .journal_fd = -1, .level = LOG_LEVEL_INFO };

static const struct {
	int priority; /* syslog(3) */
	const char *name;
} levels[] = {
	[LOG_LEVEL_ERROR] = { 3, "error" },
	[LOG_LEVEL_WARNING] = { 4, "warning" },
	[LOG_LEVEL_NOTICE] = { 5, "notice" },
	[LOG_LEVEL_INFO] = { 6, "info" },
	[LOG_LEVEL_DEBUG] = { 7, "debug" },
};

/* $JOURNAL_STREAM is "DEVICE:INODE" of the stream that systemd gave us, see systemd.exec(5). */
static bool stderr_is_journal(void)
{
	struct str text = str_of(getenv("JOURNAL_STREAM"));
	size_t colon = str_find(text, ':', 0);
	uint64_t device, inode;
	struct stat st;

	if (colon == text.n || !str_parse_u64((struct str){ text.p, colon }, &device) ||
		!str_parse_u64((struct str){ text.p + colon + 1, text.n - colon - 1 }, &inode))
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* Can records go to the journal? Sends the first one: that opens the socket while we still may. */
static bool open_journal(void)
{
#ifdef HAVE_LIBSYSTEMD
	char message[] = "MESSAGE=logging to the journal", priority[] = "PRIORITY=7";
	const struct iovec iov[] = {
		{ message, sizeof(message) - 1 },
		{ priority, sizeof(priority) - 1 },
	};

	struct stat st;
	int next;

	if (state.journal_fd >= 0)
		return true;
	/* The library does not tell its descriptor: it is the lowest free one. */
	next = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (next < 0 || close(next) || access("/run/systemd/journal/socket", F_OK) ||
		sd_journal_sendv(iov, 2) < 0)
		return false;
	if (fstat(next, &st) == 0 && S_ISSOCK(st.st_mode))
		state.journal_fd = next;
	return state.journal_fd >= 0;
#else
	return false;
#endif
}

void log_set(enum log_target target, int fd, enum log_level level)
{
	bool to_file = target == LOG_TARGET_FILE && fd >= 0;
	bool is_journal = !to_file && stderr_is_journal();
	bool wanted = target == LOG_TARGET_JOURNAL || (target == LOG_TARGET_AUTO && is_journal);

	state.native = wanted && open_journal();
	state.prefix = is_journal || (wanted && !state.native);
	state.off = target == LOG_TARGET_OFF;
	state.fd = to_file ? fd : STDERR_FILENO;
	state.level = level;
	state.set = true;
}

static void ensure_set(void)
{
	if (!state.set)
		log_set(LOG_TARGET_AUTO, -1, LOG_LEVEL_INFO);
}

int log_journal_fd(void)
{
	return state.journal_fd;
}

bool log_is_on(enum log_level level)
{
	return level <= state.level && !state.off;
}

void log_set_role(const char *role)
{
	snprintf(state.role, sizeof(state.role), "%s", role ? role : "");
}

bool log_is_native(void)
{
	return state.native && !state.off;
}

/* A C1 control is two bytes long in UTF-8 and moves a terminal's cursor like a C0 one does. */
static size_t printable_length(struct str s)
{
	size_t n = str_utf8_length(s);
	unsigned char c = n ? (unsigned char)s.p[0] : 0;

	if (n == 0 || c < 0x20 || c == 0x7f)
		return 0;
	if (c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
		return 0;
	return n;
}

/* Copies `text`, what is not printable as \xNN; returns the length, at most `size`. */
static size_t escape(struct str text, char *dst, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	while (text.n) {
		size_t n = printable_length(text);
		unsigned char c = (unsigned char)text.p[0];
		const char escaped[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
		size_t width = n ? n : sizeof(escaped);

		if (size - used < width)
			break;
		memcpy(dst + used, n ? text.p : escaped, width);
		used += width;
		n = n ? n : 1;
		text.p += n;
		text.n -= n;
	}
	return used;
}

static void write_line(enum log_level level, struct str text)
{
	char line[LOG_LINE_SIZE];
	size_t used;
	ssize_t n;

	if (state.prefix) {
		used = (size_t)snprintf(line, 128, "<%d>%s%s", levels[level].priority, state.role,
			state.role[0] ? ": " : "");
	} else {
		char stamp[25];

		clock_format_rfc3339(clock_wall_ms_now(), stamp);
		used = (size_t)snprintf(line, 256, "%s %.64s[%d] %s%s%s: ", stamp,
			program_invocation_short_name, (int)getpid(), state.role,
			state.role[0] ? " " : "", levels[level].name);
	}
	used += escape(text, line + used, sizeof(line) - 1 - used);
	line[used++] = '\n';
	do
		n = write(state.fd, line, used);
	while (n < 0 && errno == EINTR);
}

#ifdef HAVE_LIBSYSTEMD
/* The fields of one record, laid out in one piece of memory. What does not fit is cut. */
struct record {
	struct iovec iov[LOG_RECORD_FIELDS];
	int n;
	size_t used;
	char bytes[LOG_RECORD_SIZE];
};

static void record_add(struct record *r, const char *name, struct str value, bool is_text)
{
	char *start = r->bytes + r->used;
	size_t room = sizeof(r->bytes) - r->used;
	size_t name_n = strlen(name), value_n;

	if (r->n == LOG_RECORD_FIELDS || room < name_n + 1)
		return;
	memcpy(start, name, name_n);
	start[name_n] = '=';
	room -= name_n + 1;
	if (is_text) {
		value_n = escape(value, start + name_n + 1, room);
	} else {
		value_n = value.n < room ? value.n : room;
		memcpy(start + name_n + 1, value.n ? value.p : "", value_n);
	}
	r->iov[r->n++] = (struct iovec){ start, name_n + 1 + value_n };
	r->used += name_n + 1 + value_n;
}

static void send_record(int priority, const char *message_id, const struct log_field *fields,
	size_t nfields, struct str message)
{
	const char digit = (char)('0' + (priority & 7));
	char name[64];
	struct record r;

	r.n = 0;
	r.used = 0;
	record_add(&r, "MESSAGE", message, true);
	record_add(&r, "PRIORITY", (struct str){ &digit, 1 }, false);
	if (message_id)
		record_add(&r, "MESSAGE_ID", str_of(message_id), false);
	if (state.role[0])
		record_add(&r, "LATCHD_ROLE", str_of(state.role), false);
	for (size_t i = 0; i < nfields; i++) {
		snprintf(name, sizeof(name), "LATCHD_%s", fields[i].name);
		record_add(&r, name, fields[i].value, false);
	}
	sd_journal_sendv(r.iov, r.n);
}
#else
static void send_record(int priority, const char *message_id, const struct log_field *fields,
	size_t nfields, struct str message)
{
	char line[LOG_LINE_SIZE];
	size_t used = (size_t)snprintf(line, 16, "<%d>", priority & 7);
	ssize_t n;

	(void)message_id, (void)fields, (void)nfields;
	used += escape(message, line + used, sizeof(line) - 1 - used);
	line[used++] = '\n';
	do
		n = write(STDERR_FILENO, line, used);
	while (n < 0 && errno == EINTR);
}
#endif

static void emit(enum log_level level, const char *message_id, const struct log_field *fields,
	size_t nfields, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_SIZE];
	int saved_errno = errno;
	int n;

	ensure_set();
	if (!log_is_on(level))
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	if (n >= 0 && state.native)
		send_record(levels[level].priority, message_id, fields, nfields,
			(struct str){ text, (size_t)n });
	else if (n >= 0)
		write_line(level, (struct str){ text, (size_t)n });
	errno = saved_errno;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(level, NULL, NULL, 0, fmt, ap);
	va_end(ap);
}

void log_event(enum log_level level, const char *message_id, const struct log_field *fields,
	size_t nfields, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(level, message_id, fields, nfields, fmt, ap);
	va_end(ap);
}

struct log_field log_number(const char *name, int64_t n, char dst[LOG_NUMBER_SIZE])
{
	int len = snprintf(dst, LOG_NUMBER_SIZE, "%lld", (long long)n);

	return (struct log_field){ name, { dst, (size_t)len } };
}

void log_err(enum log_level level, const struct err *e)
{
	char text[sizeof(e->file) + sizeof(e->text) + 16];

	log_write(level, "%s", err_format(e, text, sizeof(text)));
}

bool log_rate_pass(struct log_rate *rate)
{
	/* Read now: not every process that logs runs a loop that keeps the clock. */
	int64_t now = clock_us_now() / 1000;
	unsigned suppressed = rate->suppressed;

	if (!rate->window_ms || now - rate->window_ms >= LOG_WINDOW_MS) {
		rate->window_ms = now;
		rate->used = 0;
		rate->suppressed = 0;
		if (suppressed)
			log_notice("%u more like the next one were left out", suppressed);
	}
	if (rate->used >= rate->burst) {
		rate->suppressed++;
		return false;
	}
	rate->used++;
	return true;
}

void log_rate_review(struct log_rate *rate, const char *what)
{
	if (!rate->suppressed || clock_us_now() / 1000 - rate->window_ms < LOG_WINDOW_MS)
		return;
	log_notice("%u more %s were left out", rate->suppressed, what);
	rate->suppressed = 0;
}

bool log_journal_open(void)
{
	return open_journal();
}

void log_journal(int priority, const char *message_id, const struct log_field *fields,
	size_t nfields, struct str message)
{
#ifdef HAVE_LIBSYSTEMD
	/* The library would make a socket, for which a confined worker is killed. */
	if (state.journal_fd < 0)
		return;
#endif
	send_record(priority, message_id, fields, nfields, message);
}
