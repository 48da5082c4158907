/* argv -> struct options against the table of options.def.
 *
 * Opens nothing and resolves nothing; whether a URL is one is asked of http/uri by main. */
#include "client/options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "client/outcome.h"

enum kind { FLAG, TEXT, CONNECT, MODE, DURATION, PROGRESS_ON, PROGRESS_OFF };

struct option_row {
	char letter;
	const char *name;
	enum kind kind;
	size_t offset;
	const char *argument;
	const char *help;
};

static const struct option_row rows[] = {
#define OPTION(letter, name, kind, field, argument, help)                                          \
	{ letter, name, kind, offsetof(struct options, field), argument, help },
#include "client/options.def"
#undef OPTION
};
enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

/* Where the walk over argv stands. */
struct cursor {
	int argc;
	char **argv;
	int next;
};

static const struct option_row *find_letter(char letter)
{
	for (size_t i = 0; i < NROWS; i++)
		if (rows[i].letter && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static const struct option_row *find_name(struct str name)
{
	for (size_t i = 0; i < NROWS; i++)
		if (rows[i].name[0] && str_eq(str_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

static int unknown_name(struct str name, struct err *e)
{
	const struct option_row *best = NULL;
	size_t best_distance = 4; /* farther away is not meant */

	for (size_t i = 0; i < NROWS; i++) {
		size_t d = rows[i].name[0] ? str_distance(str_of(rows[i].name), name) : SIZE_MAX;
		if (d < best_distance) {
			best_distance = d;
			best = &rows[i];
		}
	}
	if (best)
		return err_set(e, ERR_USAGE, "--" STR_FMT ": unknown option; did you mean --%s?",
			STR_ARG(name), best->name);
	return err_set(e, ERR_USAGE, "--" STR_FMT ": unknown option; latch -h lists them all",
		STR_ARG(name));
}

static bool takes_argument(const struct option_row *row)
{
	return row->argument[0] != '\0';
}

/* "ADDR", "ADDR:PORT", "[V6]", "[V6]:PORT", and a bare IPv6 address. */
static int set_connect(struct options *o, const char *text, struct err *e)
{
	struct str host = str_of(text), port = { NULL, 0 };
	const char *colon = strrchr(text, ':');
	uint64_t number = 0;

	if (text[0] == '[') {
		size_t end = str_find(host, ']', 0);
		struct str rest = { text + end, host.n - end };
		if (rest.n < 1 || (rest.n > 1 && rest.p[1] != ':'))
			goto bad;
		if (rest.n > 1)
			port = (struct str){ rest.p + 2, rest.n - 2 };
		host = (struct str){ text + 1, end - 1 };
	} else if (colon && strchr(text, ':') == colon) {
		port = str_of(colon + 1);
		host.n = (size_t)(colon - text);
	}
	if (host.n == 0 || host.n >= sizeof(o->connect_host))
		goto bad;
	if (port.p && (!str_parse_u64(port, &number) || number < 1 || number > 65535))
		goto bad;
	memcpy(o->connect_host, host.p, host.n);
	o->connect_host[host.n] = '\0';
	o->connect_port = (unsigned)number;
	return 0;
bad:
	return err_set(e, ERR_USAGE,
		"--connect %s: expected ADDR or ADDR:PORT, as 127.0.0.1:8443 or [::1]:8443", text);
}

static int set_duration(int *ret_ms, const char *text, struct err *e)
{
	int64_t ms;

	if (!str_parse_duration(str_of(text), &ms) || ms < 1 || ms > INT_MAX)
		return err_set(e, ERR_USAGE,
			"--timeout %s: expected a duration above zero, as 500ms, 30s or 2m", text);
	*ret_ms = (int)ms;
	return 0;
}

static int set_mode(enum closing_mode *ret, const char *text, struct err *e)
{
	if (strcmp(text, "strict") == 0)
		*ret = CLOSING_STRICT;
	else if (strcmp(text, "lenient") == 0)
		*ret = CLOSING_LENIENT;
	else
		return err_set(e, ERR_USAGE, "--shutdown %s: expected strict or lenient", text);
	return 0;
}

static int set_row(struct options *o, const struct option_row *row, const char *text, struct err *e)
{
	void *field = (char *)o + row->offset;

	switch (row->kind) {
	case FLAG:
		*(bool *)field = true;
		return 0;
	case TEXT:
		*(const char **)field = text;
		return 0;
	case CONNECT:
		return set_connect(o, text, e);
	case MODE:
		return set_mode(field, text, e);
	case DURATION:
		return set_duration(field, text, e);
	case PROGRESS_ON:
		*(enum options_progress *)field = OPTIONS_PROGRESS_ON;
		return 0;
	case PROGRESS_OFF:
		*(enum options_progress *)field = OPTIONS_PROGRESS_OFF;
		return 0;
	}
	return 0;
}

/* `spelling` is how the user wrote it; an empty argument is a missing one. */
static int set_with_argument(struct options *o, const struct option_row *row, const char *spelling,
	const char *text, struct cursor *c, struct err *e)
{
	if (!text && c->next < c->argc)
		text = c->argv[c->next++];
	if (!text || !text[0])
		return err_set(e, ERR_USAGE, "%s: needs %s behind it", spelling, row->argument);
	return set_row(o, row, text, e);
}

static int parse_long(struct options *o, char *word, struct cursor *c, struct err *e)
{
	char *equals = strchr(word, '=');
	struct str name = { word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2) };
	const struct option_row *row = find_name(name);
	char spelling[32];

	if (!row)
		return unknown_name(name, e);
	snprintf(spelling, sizeof(spelling), "--%s", row->name);
	if (takes_argument(row))
		return set_with_argument(o, row, spelling, equals ? equals + 1 : NULL, c, e);
	if (equals)
		return err_set(e, ERR_USAGE, "%s: takes no argument", spelling);
	return set_row(o, row, NULL, e);
}

/* "-ik", "-oFILE", "-o FILE". */
static int parse_letters(struct options *o, char *word, struct cursor *c, struct err *e)
{
	for (char *p = word + 1; *p; p++) {
		const struct option_row *row = find_letter(*p);
		char spelling[3] = { '-', *p, '\0' };

		if (!row)
			return err_set(
				e, ERR_USAGE, "-%c: unknown option; latch -h lists them all", *p);
		if (takes_argument(row))
			return set_with_argument(o, row, spelling, p[1] ? p + 1 : NULL, c, e);
		if (set_row(o, row, NULL, e) < 0)
			return -1;
	}
	return 0;
}

static int check_together(const struct options *o, struct err *e)
{
	if (o->verbose && o->quiet)
		return err_set(e, ERR_USAGE, "-v and -q exclude each other");
	if (o->nurls == 0)
		return err_set(e, ERR_USAGE, "no URL given; latch -h says how to use it");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	struct cursor c = { argc, argv, 1 };
	bool only_urls = false;

	memset(o, 0, sizeof(*o));
	o->timeout_ms = OPTIONS_TIMEOUT_MS;
	o->shutdown = CLOSING_LENIENT;
	o->urls = calloc((size_t)argc + 1, sizeof(*o->urls));
	if (!o->urls)
		return err_set(e, ERR_SYSTEM, "out of memory");
	while (c.next < argc) {
		char *word = argv[c.next++];
		int r = 0;

		if (only_urls || word[0] != '-' || !word[1])
			o->urls[o->nurls++] = word;
		else if (strcmp(word, "--") == 0)
			only_urls = true;
		else if (word[1] == '-')
			r = parse_long(o, word, &c, e);
		else
			r = parse_letters(o, word, &c, e);
		if (r < 0)
			return -1;
	}
	if (o->output && strcmp(o->output, "-") == 0)
		o->output = NULL;
	if (o->help || o->version)
		return 0;
	return check_together(o, e);
}

void options_done(struct options *o)
{
	if (!o)
		return;
	free(o->urls);
	o->urls = NULL;
	o->nurls = 0;
}

static bool usage_row(struct buf *out, const struct option_row *row)
{
	char left[64], letter[3] = { '-', row->letter, '\0' };

	snprintf(left, sizeof(left), "%s%s%s%s%s%s", row->letter ? letter : "",
		row->letter && row->name[0] ? ", " : "", row->name[0] ? "--" : "", row->name,
		row->argument[0] ? " " : "", row->argument);
	return buf_appendf(out, "  %-26s %s\n", left, row->help);
}

bool options_usage(struct buf *out)
{
	bool ok = buf_appendf(out,
		"usage: latch [options] URL...\n\n"
		"Fetches each URL over HTTP/1.1, with TLS for https (and where no\n"
		"scheme is given). The content goes to standard output, everything\n"
		"else to standard error.\n\n");

	for (size_t i = 0; i < NROWS; i++)
		ok = ok && usage_row(out, &rows[i]);
	ok = ok && buf_appendf(out, "\nexit codes (of the first URL that fails):\n");
	for (int i = 0; i < OUTCOME_COUNT; i++)
		ok = ok && buf_appendf(out, "  %2d  %s\n", i, outcome_sentence((enum outcome)i));
	return ok;
}
