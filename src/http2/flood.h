/* How much trouble a peer has made of an HTTP/2 connection: every frame that brings nothing costs,
 * what is served and the passing of time pay. It sees the bytes before the parser does, as frame
 * heads alone, so that no frame comes through uncounted, whatever the parser makes of it. */
#ifndef LATCH_HTTP2_FLOOD_H
#define LATCH_HTTP2_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In fourths of a frame that brings nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, an empty
 * DATA, a CONTINUATION, an unknown one. */
enum {
	FLOOD_FRAME = 4,
	FLOOD_RESET = 20,      /* a stream that was ended before its time, by either side */
	FLOOD_REPLY = 16,      /* what a response that was taken whole pays */
	FLOOD_KIB = 4,         /* what a KiB of content pays */
	FLOOD_SECOND = 40,     /* what a second pays */
	FLOOD_MOST = 4 * 1500, /* debt that ends the connection */
	FLOOD_BLOCK_MOST = 16  /* CONTINUATION frames of one header block */
};

/* Where in the byte stream a reader of frame heads is. */
struct flood {
	unsigned char head[9];
	unsigned nhead;     /* bytes of it */
	unsigned preface;   /* bytes of the client's preface that are still to come */
	uint32_t left;      /* bytes of the payload that are still to come */
	unsigned continued; /* CONTINUATION frames of the block that is open */
	uint32_t data;   /* the stream of the DATA frame whose head was looked at last; 0: none */
	bool open_block; /* of header fields: only CONTINUATION may follow */
	int debt;
	int64_t seen_ms;
};

void flood_init(struct flood *f, bool is_server, int64_t now_ms);
/* How many of the n bytes may be parsed before the next call: all, up to the head of the frame that
 * is one too many, or to the end of the head of a DATA frame: then `data` is set. */
size_t flood_look(struct flood *f, const char *p, size_t n, int64_t now_ms);
static inline void flood_charge(struct flood *f, int cost)
{
	f->debt += cost;
}
static inline void flood_pay(struct flood *f, int amount)
{
	f->debt = f->debt > amount ? f->debt - amount : 0;
}
static inline bool flood_is_over(const struct flood *f)
{
	return f->debt > FLOOD_MOST || f->continued > FLOOD_BLOCK_MOST;
}
/* Is the peer in the middle of a frame, of a block of fields or of its preface? */
static inline bool flood_is_inside(const struct flood *f)
{
	return f->nhead > 0 || f->left > 0 || f->open_block || f->preface > 0;
}

#endif
