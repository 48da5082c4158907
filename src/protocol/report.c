/* Facts of connections into lines and events. It decides what is worth a line and at which level;
 * how a line looks is access's and log's business. */
#include "protocol/report.h"

#include "base/clock.h"
#include "ipc/board.h"
#include "net/sock.h"
#include "protocol/events.h"
#include "tls/hello.h"
#include "tls/ja4.h"
#include "tls/reason.h"

static struct str client_text(const struct conn *c, char *dst, size_t size)
{
	return sock_format_host(&c->peer, dst, size);
}

/* The access log of what was chosen; NULL: there is none, or it is off. */
static struct access_log *log_of(struct conn *c, const void *site, struct str *ret_name)
{
	struct access_log *log;

	c->env->site_facts(c->env, site, ret_name, &log);
	if (!log || log->target == LOG_TARGET_OFF)
		return NULL;
	c->env->log_dirty = true;
	return log;
}

/* An empty text is an absent one. */
static struct str or_absent(struct str s)
{
	return s.n > 0 ? s : (struct str){ NULL, 0 };
}

static struct str protocol_text(enum http_version v)
{
	static const struct str names[] = {
		[HTTP_VERSION_1_0] = { "HTTP/1.0", 8 },
		[HTTP_VERSION_1_1] = { "HTTP/1.1", 8 },
		[HTTP_VERSION_2] = { "HTTP/2.0", 8 },
	};

	return names[v];
}

void report_request(struct conn *c, const struct stream *s)
{
	char client[SOCK_TEXT_SIZE];
	bool tls = c->session.ssl != NULL;
	struct str site;
	struct access_log *log = log_of(c, s->site, &site);
	struct access_request r;

	if (!log)
		return;
	r = (struct access_request){
		.client = client_text(c, client, sizeof client),
		.site = site,
		.method = s->request.method_text,
		.target = s->request.target,
		.protocol = protocol_text(s->request.version),
		.referer = fields_get(&s->request.fields, FIELD_REFERER),
		.user_agent = fields_get(&s->request.fields, FIELD_USER_AGENT),
		.status = s->response.status,
		.bytes = s->sent,
		.duration_us = (uint64_t)(clock_us_now() - s->started_us),
		.tls_version = str_of(tls ? session_version(&c->session) : NULL),
		.tls_cipher = str_of(tls ? session_cipher(&c->session) : NULL),
		.tls_resumed = tls ? session_resumed(&c->session) : -1,
		.tls_client_verify = str_of(session_client_verdict(&c->session)),
		.tls_client_subject = or_absent(stream_client_subject(s)),
		.tls_client_names = or_absent(stream_client_names(s)),
		.tls_client_fingerprint = or_absent(stream_client_fingerprint(s)),
		.worker = c->env->worker,
		.generation = c->env->generation,
		.stream = s->number,
		.wall_ms = s->wall_ms,
	};
	access_write_request(log, &r);
}

static void log_strict_end(struct conn *c, enum closure how)
{
	if (how == CLOSURE_RESET)
		report_peer(c, LOG_LEVEL_INFO, "the peer reset the connection");
	else if (conn_is_breach(c, how))
		report_peer(c, LOG_LEVEL_WARNING,
			how == CLOSURE_TRUNCATED
				? "closure truncated: the peer sent FIN without close_notify"
				: "closure timeout: no close_notify from the peer within linger");
}

void report_close(struct conn *c, enum closure how)
{
	char client[SOCK_TEXT_SIZE];
	struct access_close event;
	struct access_log *log;
	struct str site;

	if (c->listener->policy->mode == CLOSING_STRICT)
		log_strict_end(c, how);
	if (!c->env->timed || !(log = log_of(c, c->session.site, &site)))
		return;
	event = (struct access_close){
		.client = client_text(c, client, sizeof client),
		.site = site,
		.closure = str_of(closure_name(how)),
		.requests = c->requests,
		.bytes = c->content_sent,
		.duration_us = (uint64_t)(clock_us_now() - c->opened_us),
		.wall_ms = clock_wall_ms(),
	};
	access_write_close(log, &event);
}

static void log_handshake(
	const struct conn *c, const struct access_handshake *e, const char *sentence)
{
	char alert[LOG_NUMBER_SIZE];
	struct log_field fields[9] = {
		{ "CLIENT", e->client },
		{ "LISTENER", str_of(c->listener->name) },
		{ "SNI", e->sni },
		{ "REASON", e->reason },
		{ "VERSIONS", e->versions },
		{ "GROUPS", e->groups },
	};
	size_t n = 6;

	if (e->ja4.p)
		fields[n++] = (struct log_field){ "JA4", e->ja4 };
	if (e->alert >= 0) {
		fields[n++] = log_number("ALERT", e->alert, alert);
		fields[n++] = (struct log_field){ "ALERT_BY", e->alert_by };
	}
	log_event(LOG_LEVEL_INFO, EVENT_HANDSHAKE_FAILED, fields, n,
		"client %.*s on %s: TLS handshake failed: %s (%s%.*s%s%.*s)", STR_ARG(e->client),
		c->listener->name, sentence, e->sni.n ? "server name " : "no server name",
		STR_ARG(e->sni), e->versions.n ? ", offers TLS " : "", STR_ARG(e->versions));
}

void report_handshake(struct conn *c, const struct tls_reason *why)
{
	static const struct str by[] = { { "server", 6 }, { "client", 6 } };
	char client[SOCK_TEXT_SIZE], versions[HELLO_TEXT_SIZE], groups[HELLO_TEXT_SIZE];
	char ja4[JA4_SIZE];
	struct access_handshake event = {
		.client = client_text(c, client, sizeof client),
		.sni = str_of(session_sni(&c->session)),
		.reason = str_of(why->word),
		.versions = hello_versions(c->session.offered_versions, versions),
		.groups = hello_groups(c->session.offered_groups, groups),
		.alert = why->alert,
		.alert_by = why->alert < 0 ? (struct str){ NULL, 0 } : by[why->alert_by_peer],
		.wall_ms = clock_wall_ms(),
	};
	struct str site;
	struct access_log *log = log_of(c, c->session.site, &site);
	bool to_journal = log && log->target == LOG_TARGET_JOURNAL;
	bool passes = log_rate_pass(&c->env->handshake_trouble);

	board_add(c->env->counters->handshakes_failed, 1);
	if ((log || passes) && ja4_write(buf_str(&c->session.hello), ja4))
		event.ja4 = (struct str){ ja4, JA4_SIZE - 1 };
	if (passes && log_is_on(LOG_LEVEL_INFO) && !(to_journal && log_is_native()))
		log_handshake(c, &event, why->sentence);
	if (log && (passes || !to_journal))
		access_write_handshake(log, &event);
}

void report_left_out(struct conn_env *env)
{
	log_rate_review(&env->handshake_trouble, "TLS handshakes that failed");
	log_rate_review(&env->peer_trouble, "lines about clients");
}

void report_peer(struct conn *c, enum log_level level, const char *sentence)
{
	char client[SOCK_TEXT_SIZE];

	if (!log_is_on(level) || !log_rate_pass(&c->env->peer_trouble))
		return;
	client_text(c, client, sizeof client);
	log_write(level, "client %s on %s: %s (while %s)", client, c->listener->name, sentence,
		c->doing);
}

void report_tls(struct conn *c)
{
	struct tls_reason reason;

	tls_reason_take(c->session.ssl, &reason);
	report_peer(c, LOG_LEVEL_INFO, reason.sentence);
}
