/* Findings and facts as lines. Judges nothing, and lets nothing of a server's reach the terminal
 * unescaped. */
#include "client/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/report.h"

enum { KEY_WIDTH = 12 };

struct drawing {
	struct buf *out;
	struct draw_style style;
	const struct probe *p;
};

/* By level; and what stands for nothing. */
static const struct {
	const char *utf8, *ascii, *colour;
} marks[] = {
	[LEVEL_OK] = { "\xe2\x9c\x94", "ok", "\x1b[32m" },
	[LEVEL_WARNING] = { "!", "!", "\x1b[33m" },
	[LEVEL_CRITICAL] = { "\xe2\x9c\x98", "XX", "\x1b[31m" },
	[LEVEL_UNKNOWN] = { "?", "?", "\x1b[35m" },
};

static bool is_utf8_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
	}
	return false;
}

struct draw_style draw_style_of(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return (struct draw_style){
		.colour = isatty(fd) && !(no && *no) && !(term && strcmp(term, "dumb") == 0),
		.utf8 = is_utf8_locale(),
	};
}

static void put(struct drawing *d, const char *text)
{
	buf_append_str(d->out, str_of(text));
}

static void put_safe(struct drawing *d, const char *text)
{
	report_append_safe(d->out, str_of(text));
}

static void paint(struct drawing *d, enum level level, const char *text)
{
	if (d->style.colour)
		put(d, marks[level].colour);
	put_safe(d, text);
	if (d->style.colour)
		put(d, "\x1b[0m");
}

/* The mark, in two columns and a blank. */
static void put_mark(struct drawing *d, enum level level)
{
	const char *mark = d->style.utf8 ? marks[level].utf8 : marks[level].ascii;
	size_t width = d->style.utf8 ? 1 : strlen(mark);

	if (d->style.colour)
		put(d, marks[level].colour);
	put(d, mark);
	if (d->style.colour)
		put(d, "\x1b[0m");
	put(d, width == 1 ? "  " : " ");
}

static void put_date(struct drawing *d, time_t t)
{
	char text[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	put(d, text);
}

/* One certificate of the tree, the anchor on top. */
static void put_certificate(struct drawing *d, const struct probe_certificate *c, unsigned depth)
{
	const char *branch = d->style.utf8 ? "\xe2\x94\x94\xe2\x94\x80 " : "`- ";

	buf_appendf(d->out, "  %*s", KEY_WIDTH + (depth > 0 ? 3 * (int)(depth - 1) : 0), "");
	if (depth > 0)
		put(d, branch);
	put_mark(d, c->wrong[0] ? LEVEL_CRITICAL : LEVEL_OK);
	put_safe(d, c->subject);
	buf_appendf(d->out, "  (%s, until ", c->key);
	put_date(d, c->not_after);
	put(d, c->anchor ? ", trusted here" : !c->sent ? ", not sent" : "");
	put(d, ")");
	if (c->wrong[0]) {
		put(d, ": ");
		paint(d, LEVEL_CRITICAL, c->wrong);
	}
	put(d, "\n");
}

static void put_chain(struct drawing *d)
{
	const struct probe_chain *c = &d->p->chain;

	for (size_t i = c->n; i-- > 0;)
		put_certificate(d, &c->cert[i], (unsigned)(c->n - 1 - i));
}

static void put_names(struct drawing *d)
{
	for (size_t i = 0; i < d->p->nnames; i++) {
		const struct probe_name *n = &d->p->name[i];

		buf_appendf(d->out, "  %*s", KEY_WIDTH, "");
		if (n->matches)
			put_mark(d, LEVEL_OK);
		else
			put(d, "   ");
		buf_appendf(d->out, "%s ", n->type);
		put_safe(d, n->text);
		put(d, "\n");
	}
}

static void put_finding(struct drawing *d, const struct finding *f)
{
	put(d, "  ");
	buf_appendf(d->out, "%-*s", KEY_WIDTH, f->key);
	put_mark(d, f->level);
	if (f->level == LEVEL_OK)
		put_safe(d, f->text);
	else
		paint(d, f->level, f->text);
	put(d, "\n");
	if (strcmp(f->key, "chain") == 0)
		put_chain(d);
	else if (strcmp(f->key, "identity") == 0)
		put_names(d);
}

bool draw_report(const struct probe *p, const struct findings *f, const char *url,
	struct draw_style style, struct buf *out)
{
	struct drawing d = { out, style, p };
	enum level worst = judge_worst(f);

	put_safe(&d, url);
	if (p->address[0])
		buf_appendf(out, " at %s", p->address);
	put(&d, ": ");
	paint(&d, worst, judge_level_name(worst));
	put(&d, "\n");
	for (size_t i = 0; i < f->n; i++)
		put_finding(&d, &f->at[i]);
	return buf_append(out, "", 0);
}
