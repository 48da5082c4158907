/* CONNECT and the proxy's answer to it. TLS has not begun, so the server behind says nothing yet,
 * and a byte behind the answer is nobody's: it is refused. */
#include "client/tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "http/head.h"

enum { ANSWER_MAX = 16 * 1024 };

static bool write_head(struct buf *out, const struct link_options *o)
{
	bool brackets = strchr(o->connect_host, ':') != NULL;
	struct buf target;
	bool ok;

	buf_init(&target, 0);
	ok = buf_appendf(&target, brackets ? "[%s]:%u" : "%s:%u", o->connect_host, o->port) &&
	     head_write_request_line(out, STR("CONNECT"), buf_str(&target)) &&
	     head_write_field(out, STR("Host"), buf_str(&target)) &&
	     head_write_field(out, STR("User-Agent"), STR("latch/" LATCH_VERSION)) &&
	     (!o->proxy->credentials || head_write_field(out, STR("Proxy-Authorization"),
						str_of(o->proxy->credentials))) &&
	     head_write_end(out);
	buf_done(&target);
	return ok;
}

static enum outcome ask(struct link *l, const struct link_options *o, struct err *e)
{
	enum io_status status;
	struct buf head;

	buf_init(&head, ANSWER_MAX);
	if (!write_head(&head, o)) {
		buf_done(&head);
		return outcome_set(e, OUTCOME_OTHER, "the request to the proxy is too long");
	}
	status = link_write(l, buf_head(&head), buf_len(&head));
	buf_done(&head);
	if (status == IO_WANT_READ)
		return outcome_set(e, OUTCOME_TIMED_OUT,
			"the proxy did not take the request in time; "
			"--timeout sets how long to wait");
	return OUTCOME_OK;
}

static enum outcome no_answer(enum io_status status, struct err *e)
{
	if (status == IO_WANT_READ)
		return outcome_set(e, OUTCOME_TIMED_OUT,
			"the proxy did not answer in time; --timeout sets how long to wait");
	return outcome_set(e, OUTCOME_NO_CONNECTION,
		"the proxy closed the connection instead of leading to the server");
}

static enum outcome judge(const struct response_head *answer, size_t behind, struct err *e)
{
	if (answer->status < 200 || answer->status > 299)
		return outcome_set(e, OUTCOME_NO_CONNECTION,
			"the proxy does not lead to the server, but answers %d " STR_FMT,
			answer->status, STR_ARG(answer->reason));
	if (behind > 0)
		return outcome_set(e, OUTCOME_MALFORMED,
			"the proxy sends something behind its answer to CONNECT");
	return OUTCOME_OK;
}

static enum outcome hear(struct link *l, struct response_head *answer, struct err *e)
{
	const struct head_limits limits = { .size = ANSWER_MAX, .fields = FIELDS_MAX };
	struct head_scan scan = { 0 };
	struct http_error error = { 0 };
	char in[ANSWER_MAX];
	size_t end = 0;

	while (end < sizeof(in)) {
		size_t n, used = 0;
		enum io_status status = link_read(l, in + end, sizeof(in) - end, &n);

		end += n;
		if (status != IO_OK)
			return no_answer(status, e);
		switch (head_parse_response(&scan, in, end, &limits, answer, &used, &error)) {
		case PARSE_DONE:
			return judge(answer, end - used, e);
		case PARSE_BAD:
			return outcome_set(e, OUTCOME_MALFORMED,
				"the proxy's answer is not valid HTTP: %s", error.reason);
		case PARSE_MORE:
			break;
		}
	}
	return outcome_set(e, OUTCOME_MALFORMED, "the proxy's answer is too long");
}

enum outcome tunnel_open(struct link *l, const struct link_options *o, struct err *e)
{
	struct response_head *answer = calloc(1, sizeof(*answer));
	enum outcome r;

	if (!answer)
		return outcome_set(e, OUTCOME_OTHER, "out of memory");
	r = ask(l, o, e);
	if (r == OUTCOME_OK)
		r = hear(l, answer, e);
	free(answer);
	return r;
}
