/* Counts frames by their heads (RFC 9113 section 4.1) and keeps the account. It knows nothing of
 * streams and never judges whether a frame is well formed: that is the parser's business. What is
 * too much is decided here alone, so that one figure bounds the work of every kind of flood: resets
 * (CVE-2023-44487, CVE-2025-8671), CONTINUATION (CVE-2024-28182), and those of CVE-2019-9511 to
 * 9518. */
#include "http2/flood.h"

#include <string.h>

enum { PREFACE_LENGTH = 24 };

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { CONTINUATION = 9, END_HEADERS = 4 };
enum { STREAM_MASK = 0x7fffffff };

void flood_init(struct flood *f, bool is_server, int64_t now_ms)
{
	*f = (struct flood){ .preface = is_server ? PREFACE_LENGTH : 0, .seen_ms = now_ms };
}

/* Content pays back what its frame costs; heads are judged by what becomes of their streams. */
static int cost_of(unsigned type)
{
	switch (type) {
	case HEADERS:
	case PUSH_PROMISE:
		return 0;
	case RST_STREAM:
		return FLOOD_RESET;
	default:
		return FLOOD_FRAME;
	}
}

static void take_head(struct flood *f)
{
	const unsigned char *h = f->head;
	unsigned type = h[3];
	bool ends = h[4] & END_HEADERS;

	f->nhead = 0;
	f->left = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
	flood_charge(f, cost_of(type));
	if (type == DATA)
		f->data =
			((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]) &
			STREAM_MASK;
	if (type == HEADERS || type == PUSH_PROMISE) {
		f->open_block = !ends;
		f->continued = 0;
	} else if (type == CONTINUATION) {
		f->continued++;
		f->open_block = f->open_block && !ends;
	}
}

static void pass_time(struct flood *f, int64_t now_ms)
{
	int64_t paid = (now_ms - f->seen_ms) * FLOOD_SECOND / 1000;

	if (paid <= 0)
		return;
	flood_pay(f, paid < FLOOD_MOST ? (int)paid : FLOOD_MOST);
	f->seen_ms = now_ms;
}

/* Passes at most `most` bytes of what is left of something. */
static size_t skip(size_t at, size_t n, size_t left)
{
	return n - at < left ? n - at : left;
}

size_t flood_look(struct flood *f, const char *p, size_t n, int64_t now_ms)
{
	size_t at = 0;

	pass_time(f, now_ms);
	f->data = 0;
	while (at < n && !flood_is_over(f) && f->data == 0) {
		size_t passed;

		if (f->preface > 0) {
			passed = skip(at, n, f->preface);
			f->preface -= (unsigned)passed;
		} else if (f->left > 0) {
			passed = skip(at, n, f->left);
			f->left -= (uint32_t)passed;
		} else {
			passed = skip(at, n, sizeof f->head - f->nhead);
			memcpy(f->head + f->nhead, p + at, passed);
			f->nhead += (unsigned)passed;
			if (f->nhead == sizeof f->head)
				take_head(f);
		}
		at += passed;
	}
	return at;
}
