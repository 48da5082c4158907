/* argv -> struct options against the table of options.def.
 *
 * Opens nothing and resolves nothing; whether a URL is one is asked of client/place. */
#include "client/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "client/outcome.h"
#include "client/value.h"
#include "http/message.h"

enum where { FETCH = 1, CHECK = 2, BOTH = 3 };

struct option_row {
	char letter;
	const char *name;
	enum value_kind kind;
	size_t offset;
	const char *argument;
	const char *help;
	enum where where;
};

static const struct option_row rows[] = {
#define OPTION(letter, name, kind, field, argument, help, where)                                   \
	{ letter, name, VALUE_##kind, offsetof(struct options, field), argument, help, where },
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

static enum where where(const struct options *o)
{
	return o->is_check ? CHECK : FETCH;
}

static int set_row(struct options *o, const struct option_row *row, const char *spelling,
	const char *text, struct err *e)
{
	if (!(row->where & where(o)))
		return err_set(e, ERR_USAGE, "%s: belongs to %s", spelling,
			o->is_check ? "a fetch, not to latch check" : "latch check");
	return value_set(o, row->kind, (char *)o + row->offset, spelling, row->argument, text, e);
}

/* `spelling` is how the user wrote it; an empty argument is a missing one. */
static int set_with_argument(struct options *o, const struct option_row *row, const char *spelling,
	const char *text, struct cursor *c, struct err *e)
{
	if (!text && c->next < c->argc)
		text = c->argv[c->next++];
	if (!text || !text[0])
		return err_set(e, ERR_USAGE, "%s: needs %s behind it", spelling, row->argument);
	return set_row(o, row, spelling, text, e);
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
	if (value_takes_argument(row->kind))
		return set_with_argument(o, row, spelling, equals ? equals + 1 : NULL, c, e);
	if (equals)
		return err_set(e, ERR_USAGE, "%s: takes no argument", spelling);
	return set_row(o, row, spelling, NULL, e);
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
		if (value_takes_argument(row->kind))
			return set_with_argument(o, row, spelling, p[1] ? p + 1 : NULL, c, e);
		if (set_row(o, row, spelling, NULL, e) < 0)
			return -1;
	}
	return 0;
}

/* What was given, for rules about pairs. */
enum {
	G_VERBOSE = 1,
	G_QUIET = 2,
	G_JSON = 4,
	G_OUTPUT = 8,
	G_REMOTE = 16,
	G_HEAD = 32,
	G_REQUEST = 64, /* -X, -d */
	G_RESUME = 128,
	G_WITH_HEAD = 256,
	G_MANY = 512,
	G_REPEAT = 1024,
	G_CERT = 2048,
	G_KEY = 4096, /* --key, --pass-file */
	G_CRL = 8192,
	G_INSECURE = 16384,
};

static const struct {
	unsigned one, excludes, needs;
	const char *sentence;
} rules[] = {
	{ G_VERBOSE, G_QUIET, 0, "-v and -q exclude each other" },
	{ G_VERBOSE, G_JSON, 0, "-v and --json exclude each other" },
	{ G_OUTPUT, G_REMOTE, 0, "-o and -O exclude each other" },
	{ G_HEAD, G_REQUEST, 0, "-I sends HEAD: it goes with no -X or -d" },
	{ G_RESUME, 0, G_OUTPUT | G_REMOTE, "-C needs a file: -o FILE or -O" },
	{ G_RESUME, G_HEAD | G_REQUEST | G_WITH_HEAD, 0,
		"-C goes on with a GET: it goes with no -I, -X, -d or -i" },
	{ G_RESUME, G_MANY, 0, "-C with -o takes one URL" },
	{ G_RESUME, G_REPEAT, 0, "-C goes with no --repeat" },
	{ G_KEY, 0, G_CERT, "--key and --pass-file need --cert" },
	{ G_CRL, G_INSECURE, 0, "-k verifies nothing: it goes with no --crl" },
};

static unsigned bit(bool is_given, unsigned bit)
{
	return is_given ? bit : 0;
}

static unsigned given(const struct options *o)
{
	return bit(o->verbose, G_VERBOSE) | bit(o->quiet, G_QUIET) | bit(o->json, G_JSON) |
	       bit(o->output, G_OUTPUT) | bit(o->remote_name, G_REMOTE) |
	       bit(o->head_only, G_HEAD) | bit(o->method || o->data, G_REQUEST) |
	       bit(o->resume, G_RESUME) | bit(o->with_head, G_WITH_HEAD) |
	       bit(o->output && o->urls.n > 1, G_MANY) | bit(o->repeat > 1, G_REPEAT) |
	       bit(o->cert, G_CERT) | bit(o->key || o->pass_file, G_KEY) | bit(o->crl, G_CRL) |
	       bit(o->insecure, G_INSECURE);
}

static int check_values(const struct options *o, struct err *e)
{
	if (o->tls_min && o->tls_max && strcmp(o->tls_min, o->tls_max) > 0)
		return err_set(e, ERR_USAGE, "--tls-min is above --tls-max");
	if (o->http == OPTIONS_HTTP2 && !OPTIONS_HAS_HTTP2)
		return err_set(e, ERR_USAGE, "--http2: this latch was built without HTTP/2");
	if (o->method && !http_is_token(str_of(o->method)))
		return err_set(e, ERR_USAGE, "-X %s: that cannot be a method", o->method);
	if (o->method && strcmp(o->method, "CONNECT") == 0)
		return err_set(e, ERR_USAGE, "-X CONNECT: --proxy asks for tunnels");
	return 0;
}

static int check_together(const struct options *o, struct err *e)
{
	unsigned all = given(o);

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if ((all & rules[i].one) &&
			((all & rules[i].excludes) || (rules[i].needs && !(all & rules[i].needs))))
			return err_set(e, ERR_USAGE, "%s", rules[i].sentence);
	if (check_values(o, e) < 0)
		return -1;
	if (o->urls.n == 0)
		return err_set(e, ERR_USAGE, "no URL given; latch -h says how to use it");
	return 0;
}

static int init(struct options *o, int argc, struct err *e)
{
	memset(o, 0, sizeof(*o));
	o->timeout_ms = OPTIONS_TIMEOUT_MS;
	o->max_redirects = OPTIONS_REDIRECTS;
	o->depth = OPTIONS_NO_DEPTH;
	o->warn_expiry_ms = OPTIONS_WARN_EXPIRY_MS;
	o->urls.text = calloc((size_t)argc + 1, sizeof(*o->urls.text));
	o->fields.text = calloc((size_t)argc + 1, sizeof(*o->fields.text));
	if (!o->urls.text || !o->fields.text)
		return err_set(e, ERR_SYSTEM, "out of memory");
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	struct cursor c = { argc, argv, 1 };
	bool only_urls = false;

	if (init(o, argc, e) < 0)
		return -1;
	o->is_check = argc > 1 && strcmp(argv[1], "check") == 0;
	c.next += o->is_check;
	while (c.next < argc) {
		char *word = argv[c.next++];
		int r = 0;

		if (only_urls || word[0] != '-' || !word[1])
			o->urls.text[o->urls.n++] = word;
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
	free(o->urls.text);
	free(o->fields.text);
	o->urls = o->fields = (struct options_list){ 0 };
}

static bool usage_row(struct buf *out, const struct option_row *row)
{
	char left[64], letter[3] = { '-', row->letter, '\0' };

	snprintf(left, sizeof(left), "%s%s%s%s%s%s", row->letter ? letter : "",
		row->letter && row->name[0] ? ", " : "", row->name[0] ? "--" : "", row->name,
		row->argument[0] ? " " : "", row->argument);
	return buf_appendf(out, "  %-26s %s\n", left, row->help);
}

static bool usage_of_fetch(struct buf *out)
{
	return buf_appendf(out,
		"usage: latch [options] URL...\n"
		"       latch check [options] URL...     what is right and wrong with a server\n\n"
		"Fetches each URL, with TLS for https (and where no scheme is given).\n"
		"The content goes to standard output, everything else to standard error.\n\n");
}

static bool usage_of_check(struct buf *out)
{
	return buf_appendf(out,
		"usage: latch check [options] URL...\n\n"
		"Looks at each server: chain, identity, expiry, protocols, resumption,\n"
		"closure, HTTP. The report goes to standard output.\n\n");
}

bool options_usage(const struct options *o, struct buf *out)
{
	bool ok = o->is_check ? usage_of_check(out) : usage_of_fetch(out);

	for (size_t i = 0; i < NROWS; i++)
		if (rows[i].where & where(o))
			ok = ok && usage_row(out, &rows[i]);
	if (o->is_check)
		return ok && buf_appendf(out, "\nexit codes (the worst of all URLs):\n"
					      "   0  all is well\n   1  warning\n   2  critical\n"
					      "   3  unknown, or wrong usage\n");
	ok = ok && buf_appendf(out, "\nexit codes (of the first URL that fails):\n");
	for (int i = 0; i < OUTCOME_COUNT; i++)
		ok = ok && buf_appendf(out, "  %2d  %s\n", i, outcome_sentence((enum outcome)i));
	return ok;
}
