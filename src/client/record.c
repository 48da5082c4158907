/* The report of --json. Its keys belong to the programs that read it: latch(1) lists them. */
#include "client/record.h"

#include "base/json.h"

static void write_tls(struct json *j, const struct fetch_result *r)
{
	json_object_open(j, "tls");
	json_str(j, "version", str_of(r->version));
	json_str(j, "cipher", str_of(r->cipher));
	json_str(j, "alpn", r->alpn[0] ? str_of(r->alpn) : (struct str){ NULL, 0 });
	json_bool(j, "resumed", r->resumed);
	json_object_close(j);
}

static void write_result(struct json *j, const struct fetch_result *r)
{
	if (r->address[0])
		json_str(j, "address", str_of(r->address));
	if (r->version[0])
		write_tls(j, r);
	if (r->status) {
		json_int(j, "status", r->status);
		json_str(j, "protocol", str_of(r->protocol));
		json_uint(j, "bytes", r->content);
	}
	if (r->closure != CLOSURE_NONE)
		json_str(j, "closure", str_of(closure_name(r->closure)));
	json_int(j, "duration_us", r->duration_us);
}

bool record_write(const struct record *r, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	json_str(&j, "event", STR("fetch"));
	json_str(&j, "url", str_of(r->url));
	json_int(&j, "exit", r->outcome);
	if (r->outcome != OUTCOME_OK)
		json_str(&j, "error", str_of(r->error));
	if (r->result && r->result->warning[0])
		json_str(&j, "warning", str_of(r->result->warning));
	if (r->insecure)
		json_bool(&j, "insecure", true);
	json_uint(&j, "redirects", r->redirects);
	if (r->result)
		write_result(&j, r->result);
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}
