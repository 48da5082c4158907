/* The way of an answer into the output.
 *
 * A file is opened, and emptied, only when there is something to write. One that gets all of a
 * representation is said to be a part of it until the message is whole, so that -C can go on. */
#include "client/answer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "client/follow.h"
#include "client/partial.h"

/* Content-Range is a name that only clients ask for. */
static struct str content_range(const struct response_head *head)
{
	return fields_find(&head->fields, STR("content-range"));
}

/* The server has nothing behind what is there. */
static enum outcome nothing_more(struct answer *a, const struct response_head *head, struct err *e)
{
	uint64_t from, total;

	if (!partial_parse_range(content_range(head), &from, &total) || total != a->ask->from)
		return outcome_set(e, OUTCOME_OTHER,
			"%s cannot be gone on with: the server has no byte behind its %" PRIu64
			"; remove it to start over",
			a->env->output->path, a->ask->from);
	report_fact(a->env->report, "%s is whole already", a->env->output->path);
	if (output_open(a->env->output, a->ask->from, e) < 0)
		return OUTCOME_OUTPUT;
	a->is_marked = true;
	a->drop = true;
	return OUTCOME_OK;
}

/* Is this answer all that the file will hold? Then it can be gone on with. */
static bool may_mark(const struct answer *a, int status)
{
	const struct options *o = a->env->options;

	return output_is_file(a->env->output) && a->env->output->path &&
	       (o->remote_name || o->urls.n == 1) && !o->with_head && !o->head_only &&
	       !a->ask->has_content && str_eq(a->ask->method, STR("GET")) &&
	       (status == 200 || (status == 206 && a->ask->from > 0));
}

static enum outcome open_output(struct answer *a, const struct response_head *head, struct err *e)
{
	uint64_t from = head->status == 206 ? a->ask->from : 0, begin, total;
	struct str validator = partial_validator(head);

	if (from > 0 &&
		(!partial_parse_range(content_range(head), &begin, &total) || begin != from))
		return outcome_set(e, OUTCOME_MALFORMED,
			"the server sends another part than the one it was asked for");
	if (a->ask->from > 0 && from == 0)
		report_warning(a->env->report, a->env->output->path,
			"it is a part of what the server no longer has; all of it is fetched");
	if (output_open(a->env->output, from, e) < 0)
		return OUTCOME_OUTPUT;
	a->written_before = a->env->output->written;
	if (may_mark(a, head->status)) {
		validator = from > 0 ? a->ask->if_range : validator;
		a->is_marked = partial_mark(a->env->output->fd, validator) && validator.p;
	}
	return OUTCOME_OK;
}

static enum outcome begin_output(struct answer *a, const struct exchange *x,
	const struct response_head *head, struct str lines, struct err *e)
{
	const struct options *o = a->env->options;
	enum outcome r = open_output(a, head, e);

	if (r != OUTCOME_OK)
		return r;
	if ((o->with_head || o->head_only) && output_write(a->env->output, lines, e) < 0)
		return OUTCOME_OUTPUT;
	if (x->framing.kind != BODY_NONE && (x->framing.kind != BODY_LENGTH || x->framing.length))
		progress_start(a->env->progress, x->framing.kind == BODY_LENGTH, x->framing.length,
			clock_us_now());
	return OUTCOME_OK;
}

enum outcome answer_begin(
	struct exchange *x, const struct response_head *head, struct str lines, struct err *e)
{
	static const char *const protocols[] = { "HTTP/1.0", "HTTP/1.1", "HTTP/2" };
	struct answer *a = x->owner;
	const struct options *o = a->env->options;
	struct str location = fields_get(&head->fields, FIELD_LOCATION);

	a->result->status = head->status;
	snprintf(a->result->protocol, sizeof(a->result->protocol), "%s", protocols[head->version]);
	if (o->fail && head->status >= 400 && !(head->status == 416 && a->ask->from > 0))
		return outcome_set(e, OUTCOME_STATUS, "the server answered %d " STR_FMT,
			head->status, STR_ARG(head->reason));
	a->drop = a->env->discard;
	if (o->follow && follow_is_redirect(head->status) && location.p) {
		a->drop = true;
		return buf_append_str(&a->result->location, location)
			       ? OUTCOME_OK
			       : outcome_set(e, OUTCOME_OTHER, "out of memory");
	}
	if (head->status == 416 && a->ask->from > 0)
		return nothing_more(a, head, e);
	return a->drop ? OUTCOME_OK : begin_output(a, x, head, lines, e);
}

enum outcome answer_take(struct exchange *x, struct str content, struct err *e)
{
	struct answer *a = x->owner;

	if (a->drop)
		return OUTCOME_OK;
	if (content.n == 0)
		return output_flush(a->env->output, e) < 0 ? OUTCOME_OUTPUT : OUTCOME_OK;
	if (output_write(a->env->output, content, e) < 0)
		return OUTCOME_OUTPUT;
	progress_add(a->env->progress, content.n, clock_us_now());
	return OUTCOME_OK;
}

enum outcome answer_end(struct answer *a, enum outcome r, struct err *e)
{
	struct output *output = a->env->output;
	uint64_t n;

	progress_stop(a->env->progress);
	if (r == OUTCOME_OK) {
		if (a->is_marked)
			partial_mark(output->fd, (struct str){ NULL, 0 });
		return r;
	}
	output_flush(output, NULL); /* the first failure counts */
	n = output->written - a->written_before;
	if (output->path && n > 0)
		outcome_set(e, r, "%s; %s keeps the %" PRIu64 " bytes that arrived%s", e->text,
			output->path, n, a->is_marked ? ": -C goes on with them" : "");
	return r;
}
