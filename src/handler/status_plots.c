/* Plots of the board's samples. A plot is a line a series, all of them in the scale of the largest
 * value that is seen; what the numbers are stands beside, so that no script is needed to read it.
 */
#include "handler/status_plots.h"

#include <stdio.h>

#include "ipc/facts.h"

enum { POINTS = BOARD_SAMPLES - 1, HEIGHT = 40, SERIES_MAX = BOARD_CLOSURES };

struct series {
	const char *name; /* NULL: the only one */
	double v[POINTS];
	unsigned n; /* the newest first */
};

struct plot {
	const char *title;
	void (*format)(double v, char *dst, size_t size);
	struct series series[SERIES_MAX];
	unsigned n;
};

static const double seconds = BOARD_SAMPLE_MS / 1000.0;

static void format_rate(double v, char *dst, size_t size)
{
	snprintf(dst, size, v >= 100 ? "%.0f/s" : "%.1f/s", v);
}

static void format_bytes(double v, char *dst, size_t size)
{
	char bytes[32];

	snprintf(dst, size, "%s/s", facts_format_bytes((uint64_t)v, bytes, sizeof(bytes)));
}

static void format_time(double us, char *dst, size_t size)
{
	if (us < 1000)
		snprintf(dst, size, "%.0f \xc2\xb5s", us);
	else if (us < 1e6)
		snprintf(dst, size, "%.1f ms", us / 1000);
	else
		snprintf(dst, size, "%.1f s", us / 1e6);
}

static double rate(const struct board_sample *s, unsigned unused)
{
	(void)unused;
	return (double)s->requests / seconds;
}

/* The mean of those that were timed. */
static double latency(const struct board_sample *s, unsigned unused)
{
	(void)unused;
	return s->timed ? (double)s->timed_us / (double)s->timed : 0;
}

static double bytes(const struct board_sample *s, unsigned unused)
{
	(void)unused;
	return (double)s->bytes_sent / seconds;
}

static double closures(const struct board_sample *s, unsigned i)
{
	return (double)s->closures[i] / seconds;
}

static void take(struct plot *p, const struct board *b, const char *name,
	double (*value)(const struct board_sample *, unsigned), unsigned i)
{
	struct series *series = &p->series[p->n++];
	struct board_sample s;

	series->name = name;
	for (series->n = 0; series->n < POINTS && board_interval(b, series->n, &s); series->n++)
		series->v[series->n] = value(&s, i);
}

static double largest(const struct plot *p)
{
	double max = 0;

	for (unsigned i = 0; i < p->n; i++)
		for (unsigned k = 0; k < p->series[i].n; k++)
			max = p->series[i].v[k] > max ? p->series[i].v[k] : max;
	return max;
}

/* From the right edge, which is now, to the left. */
static bool write_line(struct buf *out, const struct series *s, unsigned number, double max)
{
	bool ok = buf_appendf(out, "<polyline class=\"s%u\" points=\"", number);

	for (unsigned i = 0; ok && i < s->n; i++)
		ok = buf_appendf(out, "%u,%.1f ", POINTS - 1 - i,
			max > 0 ? HEIGHT - 1 - s->v[i] / max * (HEIGHT - 2) : HEIGHT - 1.0);
	return ok && buf_append_str(out, STR("\"/>"));
}

static bool write_legend(struct buf *out, const struct plot *p)
{
	bool ok = true;

	for (unsigned i = 0; ok && i < p->n; i++) {
		const struct series *s = &p->series[i];
		char now[32];

		p->format(s->n > 0 ? s->v[0] : 0, now, sizeof(now));
		ok = s->name ? buf_appendf(out, "<span class=\"s%u\">%s <b>%s</b></span> ", i,
				       s->name, now)
			     : buf_appendf(out, "<b>%s</b>", now);
	}
	return ok;
}

static bool write_plot(struct buf *out, const struct plot *p)
{
	double max = largest(p);
	char top[32];
	bool ok;

	p->format(max, top, sizeof(top));
	ok = buf_appendf(out, "<figure>\n<figcaption>%s <span>", p->title) &&
	     write_legend(out, p) &&
	     buf_appendf(out,
		     "</span></figcaption>\n<svg viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\""
		     " role=\"img\" aria-label=\"%s\">",
		     POINTS - 1, HEIGHT, p->title);
	for (unsigned i = 0; ok && i < p->n; i++)
		ok = write_line(out, &p->series[i], i, max);
	return ok && buf_appendf(out,
			     "</svg>\n<p><span>%u minutes ago</span><span>at most %s</span>"
			     "<span>now</span></p>\n</figure>\n",
			     POINTS * BOARD_SAMPLE_MS / 60000, top);
}

static bool write_closures(struct buf *out, const struct board *b)
{
	struct plot p = { .title = "Closures", .format = format_rate };

	for (unsigned i = 0; i < BOARD_CLOSURES; i++)
		if (board_closure_name(i))
			take(&p, b, board_closure_name(i), closures, i);
	return write_plot(out, &p);
}

bool status_plots_write(struct buf *out, const struct board *b)
{
	static const struct {
		const char *title;
		void (*format)(double v, char *dst, size_t size);
		double (*value)(const struct board_sample *, unsigned);
	} plots[] = {
		{ "Requests", format_rate, rate },
		{ "Time to answer", format_time, latency },
		{ "Sent", format_bytes, bytes },
	};
	bool ok = buf_append_str(out, STR("<div class=\"plots\">\n"));

	for (size_t i = 0; ok && i < sizeof(plots) / sizeof(plots[0]); i++) {
		struct plot p = { .title = plots[i].title, .format = plots[i].format };

		take(&p, b, NULL, plots[i].value, 0);
		ok = write_plot(out, &p);
	}
	return ok && write_closures(out, b) && buf_append_str(out, STR("</div>\n"));
}
