/* What `latch check --json` writes. Its keys belong to the programs that read it: latch(1) lists
 * them. */
#include "client/dossier.h"

#include "base/json.h"

static void write_time(struct json *j, const char *key, time_t t)
{
	char text[32] = "";
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_str(j, key, t ? str_of(text) : (struct str){ NULL, 0 });
}

static void write_findings(struct json *j, const struct findings *f)
{
	json_array_open(j, "findings");
	for (size_t i = 0; i < f->n; i++) {
		json_object_open(j, NULL);
		json_str(j, "key", str_of(f->at[i].key));
		json_str(j, "level", str_of(judge_level_name(f->at[i].level)));
		json_str(j, "text", str_of(f->at[i].text));
		json_object_close(j);
	}
	json_array_close(j);
}

static void write_certificate(struct json *j, const struct probe_certificate *c)
{
	json_object_open(j, NULL);
	json_str(j, "subject", str_of(c->subject));
	json_str(j, "issuer", str_of(c->issuer));
	write_time(j, "not_before", c->not_before);
	write_time(j, "not_after", c->not_after);
	json_str(j, "key", str_of(c->key));
	json_str(j, "signature", str_of(c->signature));
	json_str(j, "fingerprint", str_of(c->fingerprint));
	json_bool(j, "sent", c->sent);
	json_bool(j, "trusted_here", c->anchor);
	json_str(j, "wrong", c->wrong[0] ? str_of(c->wrong) : (struct str){ NULL, 0 });
	json_object_close(j);
}

static void write_chain(struct json *j, const struct probe_chain *c)
{
	json_object_open(j, "chain");
	json_bool(j, "trusted", c->is_trusted);
	json_uint(j, "sent", c->sent);
	json_array_open(j, "certificates");
	for (size_t i = 0; i < c->n; i++)
		write_certificate(j, &c->cert[i]);
	json_array_close(j);
	json_object_close(j);
}

static void write_identity(struct json *j, const struct probe *p)
{
	json_object_open(j, "identity");
	json_str(j, "host", str_of(p->host));
	json_bool(j, "matches", p->has_identity);
	json_array_open(j, "names");
	for (size_t i = 0; i < p->nnames; i++) {
		json_object_open(j, NULL);
		json_str(j, "type", str_of(p->name[i].type));
		json_str(j, "name", str_of(p->name[i].text));
		json_bool(j, "matches", p->name[i].matches);
		json_object_close(j);
	}
	json_array_close(j);
	json_object_close(j);
}

static const char *state_name(enum probe_state s)
{
	return s == PROBE_ACCEPTED ? "accepted" : s == PROBE_REFUSED ? "refused" : "unknown";
}

static void write_versions(struct json *j, const struct probe *p)
{
	json_array_open(j, "protocols");
	for (size_t i = 0; i < PROBE_VERSIONS; i++) {
		const struct probe_version *v = &p->version[i];

		json_object_open(j, NULL);
		json_str(j, "version", str_of(v->name));
		json_str(j, "state", str_of(state_name(v->state)));
		if (v->state == PROBE_ACCEPTED) {
			json_str(j, "cipher", str_of(v->cipher));
			json_str(j, "group", v->group[0] ? str_of(v->group) : (struct str){ 0 });
		}
		json_object_close(j);
	}
	json_array_close(j);
}

static void write_groups(struct json *j, const struct probe *p)
{
	json_object_open(j, "groups");
	for (size_t i = 0; i < PROBE_GROUPS; i++)
		json_str(j, p->group[i].name, str_of(state_name(p->group[i].state)));
	json_object_close(j);
}

static void write_resumption(struct json *j, const struct probe *p)
{
	json_array_open(j, "resumption");
	for (size_t i = 0; i < PROBE_RESUMPTIONS; i++) {
		if (p->resumption[i].connections == 0)
			continue;
		json_object_open(j, NULL);
		json_str(j, "version", str_of(p->resumption[i].version));
		json_uint(j, "connections", p->resumption[i].connections);
		json_uint(j, "offered", p->resumption[i].offered);
		json_uint(j, "resumed", p->resumption[i].resumed);
		json_object_close(j);
	}
	json_array_close(j);
}

static void write_http(struct json *j, const struct probe *p)
{
	if (p->asked != OUTCOME_OK)
		return;
	json_object_open(j, "http");
	json_bool(j, "h2", p->has_h2);
	json_str(j, "protocol", str_of(p->protocol));
	json_int(j, "status", p->status);
	json_str(j, "hsts", p->has_hsts ? str_of(p->hsts) : (struct str){ NULL, 0 });
	json_object_close(j);
	json_str(j, "closure", str_of(closure_name(p->closure)));
}

bool dossier_write(
	const struct probe *p, const struct findings *f, const char *url, struct buf *out)
{
	enum level worst = judge_worst(f);
	struct json j;

	json_init(&j, out);
	json_object_open(&j, NULL);
	json_str(&j, "event", STR("check"));
	json_str(&j, "url", str_of(url));
	json_int(&j, "exit", worst);
	json_str(&j, "level", str_of(judge_level_name(worst)));
	if (p->address[0])
		json_str(&j, "address", str_of(p->address));
	write_findings(&j, f);
	if (p->reached == OUTCOME_OK) {
		write_chain(&j, &p->chain);
		write_identity(&j, p);
	}
	write_versions(&j, p);
	write_groups(&j, p);
	write_resumption(&j, p);
	write_http(&j, p);
	json_object_close(&j);
	return json_ok(&j) && buf_append(out, "\n", 1);
}
