/* The progress line: what it says is a pure function of what was counted; drawing is one write(2)
 * of carriage return, text and blanks, which every terminal understands.
 *
 * Keeps no clock of its own, and never decides whether a bar is wanted. */
#include "client/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, BAR_MIN = 8, BAR_MAX = 40, TEXT_SIZE = 128 };

void progress_init(struct progress *p, int fd)
{
	memset(p, 0, sizeof(*p));
	p->fd = fd;
}

static void take_sample(struct progress *p, int64_t now_us)
{
	unsigned slot = p->nsamples % PROGRESS_SAMPLES;

	p->sample[slot].us = now_us;
	p->sample[slot].got = p->got;
	p->nsamples++;
}

void progress_start(struct progress *p, bool has_total, uint64_t total, int64_t now_us)
{
	int fd = p->fd;

	progress_init(p, fd);
	p->running = fd >= 0;
	p->has_total = has_total;
	p->total = total;
	p->drawn_us = now_us;
	take_sample(p, now_us);
}

/* Bytes a second since the oldest sample kept. */
static double rate_of(const struct progress *p, int64_t now_us)
{
	unsigned oldest = p->nsamples > PROGRESS_SAMPLES ? p->nsamples % PROGRESS_SAMPLES : 0;
	double seconds = (double)(now_us - p->sample[oldest].us) / 1e6;

	if (p->nsamples == 0 || seconds <= 0)
		return 0;
	return (double)(p->got - p->sample[oldest].got) / seconds;
}

/* "999 B", "1.5 KiB", "12.3 MiB": seven or fewer significant columns. */
static void format_amount(char *dst, size_t size, double n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	while (n >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		n /= 1024;
		unit++;
	}
	snprintf(dst, size, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
}

static void format_time(char *dst, size_t size, double seconds)
{
	unsigned long s = seconds < 359999 ? (unsigned long)(seconds + 0.5) : 359999;

	if (s >= 3600)
		snprintf(dst, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(dst, size, "%lu:%02lu", s / 60, s % 60);
}

/* "12.3 MiB of 100.0 MiB  5.0 MiB/s  0:18 left"; returns its length. */
static size_t format_text(const struct progress *p, int64_t now_us, char *dst, size_t size)
{
	char got[24], total[32] = "", speed[24], left[40] = "", text[24];
	double rate = rate_of(p, now_us);

	format_amount(got, sizeof(got), (double)p->got);
	format_amount(speed, sizeof(speed), rate);
	if (p->has_total) {
		format_amount(text, sizeof(text), (double)p->total);
		snprintf(total, sizeof(total), " of %s", text);
	}
	if (p->has_total && rate > 0 && p->total >= p->got) {
		format_time(text, sizeof(text), (double)(p->total - p->got) / rate);
		snprintf(left, sizeof(left), "  %s left", text);
	}
	snprintf(dst, size, "%s%s  %s/s%s", got, total, speed, left);
	return strlen(dst);
}

static unsigned percent_of(const struct progress *p)
{
	if (!p->has_total || p->total == 0)
		return 0;
	if (p->got >= p->total)
		return 100;
	return (unsigned)((double)p->got * 100 / (double)p->total);
}

static bool append_bar(struct buf *out, unsigned percent, unsigned columns)
{
	unsigned full = (columns - 2) * percent / 100;
	bool ok = buf_append(out, "[", 1);

	for (unsigned i = 0; i < columns - 2; i++)
		ok = ok && buf_append(out, i < full ? "=" : i == full ? ">" : " ", 1);
	return ok && buf_append(out, "] ", 2);
}

bool progress_format(const struct progress *p, int64_t now_us, unsigned width, struct buf *out)
{
	char text[TEXT_SIZE], percent[8] = "";
	size_t text_len = format_text(p, now_us, text, sizeof(text));
	size_t percent_len = 0, room;
	bool ok = true;

	if (width < 2)
		return true;
	if (p->has_total)
		percent_len = (size_t)snprintf(percent, sizeof(percent), "%3u%% ", percent_of(p));
	room = width - 1;
	ok = buf_append(out, percent, percent_len < room ? percent_len : room);
	room -= percent_len < room ? percent_len : room;
	if (p->has_total && room >= text_len + 1 + BAR_MIN) {
		size_t columns = room - text_len - 1;
		ok = ok && append_bar(out, percent_of(p),
				   columns > BAR_MAX ? BAR_MAX : (unsigned)columns);
	}
	return ok && buf_append(out, text, text_len < room ? text_len : room);
}

static unsigned terminal_width(int fd)
{
	struct winsize w = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
		return WIDTH_DEFAULT;
	return w.ws_col > PROGRESS_WIDTH_MAX ? PROGRESS_WIDTH_MAX : w.ws_col;
}

/* One write; what the terminal does not take is lost, and that is all right. */
static void put(const struct progress *p, const struct buf *line)
{
	struct str s = buf_str(line);
	ssize_t n = write(p->fd, s.p, s.n);

	(void)n;
}

static void draw(struct progress *p, int64_t now_us)
{
	struct buf line;
	unsigned columns;

	buf_init(&line, 4 * PROGRESS_WIDTH_MAX);
	if (!buf_append(&line, "\r", 1) ||
		!progress_format(p, now_us, terminal_width(p->fd), &line))
		goto out;
	columns = (unsigned)buf_len(&line) - 1;
	for (unsigned i = columns; i < p->drawn; i++)
		if (!buf_append(&line, " ", 1))
			goto out;
	put(p, &line);
	p->drawn = columns;
out:
	buf_done(&line);
}

void progress_add(struct progress *p, uint64_t n, int64_t now_us)
{
	p->got += n;
	if (!p->running || now_us - p->drawn_us < PROGRESS_INTERVAL_US)
		return;
	draw(p, now_us);
	take_sample(p, now_us);
	p->drawn_us = now_us;
}

void progress_clear(struct progress *p)
{
	char line[PROGRESS_WIDTH_MAX + 2];
	struct buf view = { .data = line };

	if (!p->running || p->drawn == 0)
		return;
	memset(line, ' ', sizeof(line));
	line[0] = '\r';
	line[p->drawn + 1] = '\r';
	view.end = p->drawn + 2;
	put(p, &view);
	p->drawn = 0;
}

void progress_stop(struct progress *p)
{
	progress_clear(p);
	p->running = false;
}
