/* The only room that includes hiredis, of which it takes what makes commands and what parses
 * replies: the sockets, and the time they take, are ours. Replies become plain structs of fixed
 * size. It refuses arrays, and with them all nesting, and more input than any honest answer has. */
#include "net/redis.h"

#include <stdlib.h>
#ifdef HAVE_HIREDIS
#include <hiredis/hiredis.h>
#endif

#ifdef HAVE_HIREDIS

struct redis_parser {
	redisReader *reader;
	size_t taken; /* bytes, ever */
};

static void *make(enum redis_kind kind, const char *text, size_t n)
{
	struct redis_reply *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->kind = kind;
	r->n = n;
	if (n)
		memcpy(r->text, text, n < sizeof(r->text) ? n : sizeof(r->text));
	return r;
}

static void *make_string(const redisReadTask *task, char *text, size_t n)
{
	switch (task->type) {
	case REDIS_REPLY_STATUS:
		return make(REDIS_STATUS, text, n);
	case REDIS_REPLY_ERROR:
		return make(REDIS_ERROR, text, n);
	case REDIS_REPLY_STRING:
		return make(REDIS_BYTES, text, n);
	default:
		return NULL;
	}
}

static void *make_integer(const redisReadTask *task, long long value)
{
	(void)task;
	(void)value;
	return make(REDIS_INTEGER, NULL, 0);
}

static void *make_nil(const redisReadTask *task)
{
	(void)task;
	return make(REDIS_NIL, NULL, 0);
}

static void forget(void *reply)
{
	if (reply)
		explicit_bzero(reply, sizeof(struct redis_reply));
	free(reply);
}

/* NULL ends the parsing. */
#if HIREDIS_MAJOR >= 1
static void *refuse_array(const redisReadTask *task, size_t n)
#else
static void *refuse_array(const redisReadTask *task, int n)
#endif
{
	(void)task;
	(void)n;
	return NULL;
}

#if HIREDIS_MAJOR >= 1
static void *refuse_double(const redisReadTask *task, double value, char *text, size_t n)
{
	(void)task;
	(void)value;
	(void)text;
	(void)n;
	return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
	(void)task;
	(void)value;
	return NULL;
}
#endif

static redisReplyObjectFunctions makers = {
	.createString = make_string,
	.createArray = refuse_array,
	.createInteger = make_integer,
	.createNil = make_nil,
	.freeObject = forget,
#if HIREDIS_MAJOR >= 1
	.createDouble = refuse_double,
	.createBool = refuse_bool,
#endif
};

bool redis_is_built(void)
{
	return true;
}

bool redis_format(struct buf *out, const struct str *words, size_t n)
{
	const char *p[REDIS_WORDS_MAX];
	size_t length[REDIS_WORDS_MAX];
	char *command = NULL;
	int size;
	bool ok;

	if (n > REDIS_WORDS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		p[i] = words[i].p;
		length[i] = words[i].n;
	}
	size = redisFormatCommandArgv(&command, (int)n, p, length);
	if (size < 0)
		return false;
	ok = buf_append(out, command, (size_t)size);
	explicit_bzero(command, (size_t)size);
	redisFreeCommand(command);
	return ok;
}

struct redis_parser *redis_parser_new(void)
{
	struct redis_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->reader = redisReaderCreateWithFunctions(&makers);
	if (p->reader)
		return p;
	free(p);
	return NULL;
}

void redis_parser_free(struct redis_parser *p)
{
	if (!p)
		return;
	redisReaderFree(p->reader);
	free(p);
}

bool redis_feed(struct redis_parser *p, const void *bytes, size_t n)
{
	p->taken += n;
	return p->taken <= REDIS_INPUT_MAX && redisReaderFeed(p->reader, bytes, n) == REDIS_OK;
}

enum redis_result redis_next(struct redis_parser *p, struct redis_reply *ret)
{
	void *reply = NULL;

	if (redisReaderGetReply(p->reader, &reply) != REDIS_OK)
		return REDIS_GARBAGE;
	if (!reply)
		return REDIS_MORE;
	*ret = *(struct redis_reply *)reply;
	forget(reply);
	return REDIS_COMPLETE;
}

#else

bool redis_is_built(void)
{
	return false;
}

bool redis_format(struct buf *out, const struct str *words, size_t n)
{
	(void)out;
	(void)words;
	(void)n;
	return false;
}

struct redis_parser *redis_parser_new(void)
{
	return NULL;
}

void redis_parser_free(struct redis_parser *p)
{
	(void)p;
}

bool redis_feed(struct redis_parser *p, const void *bytes, size_t n)
{
	(void)p;
	(void)bytes;
	(void)n;
	return false;
}

enum redis_result redis_next(struct redis_parser *p, struct redis_reply *ret)
{
	(void)p;
	(void)ret;
	return REDIS_GARBAGE;
}

#endif
