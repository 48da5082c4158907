/* The same answer to everybody, whatever the method. Looks at nothing of the request. */
#include "handler/respond.h"

void respond_handle(struct stream *s, const void *options)
{
	const struct respond_options *o = options;

	if (o->text[0])
		stream_reply_text(s, o->status, str_of(o->type), str_of(o->text));
	else if (o->status >= 400)
		stream_reply_error(s, o->status);
	else
		stream_reply(s, o->status);
}
