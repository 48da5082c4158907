/* Puts the board into words. Reads counters only; changes nothing. */
#include "ipc/facts.h"

#include <stdio.h>

#include "base/clock.h"

const char *facts_class(unsigned class)
{
	static const char *const names[BOARD_STATUS_CLASSES] = { NULL, "1xx", "2xx", "3xx", "4xx",
		"5xx" };

	return names[class];
}

unsigned facts_slots(const struct board *b)
{
	uint32_t n = board_get(b->nslots);

	return n < BOARD_SLOTS ? n : BOARD_SLOTS;
}

const char *facts_state(const struct board_slot *s)
{
	return board_state_name(board_get(s->state));
}

const char *facts_confined(uint32_t confined)
{
	static const char *const names[] = {
		[0] = "nothing",
		[BOARD_CONFINED_FILES] = "Landlock",
		[BOARD_CONFINED_CALLS] = "seccomp",
		[BOARD_CONFINED_FILES | BOARD_CONFINED_CALLS] = "Landlock, seccomp",
	};

	return names[confined & (BOARD_CONFINED_FILES | BOARD_CONFINED_CALLS)];
}

int64_t facts_uptime(const struct board *b)
{
	int64_t s = (int64_t)clock_wall() - (int64_t)board_get(b->started_wall);

	return s > 0 ? s : 0; /* the wall clock may have been set back */
}

const char *facts_format_bytes(uint64_t n, char *dst, size_t size)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)n;
	unsigned i = 0;

	for (; v >= 1024 && i + 1 < sizeof(unit) / sizeof(unit[0]); i++)
		v /= 1024;
	snprintf(dst, size, i ? "%.1f %s" : "%.0f %s", v, unit[i]);
	return dst;
}

static void json_workers(struct json *j, const struct board *b)
{
	json_array_open(j, "workers");
	for (unsigned i = 0; i < facts_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];

		if (board_get(s->state) == BOARD_FREE)
			continue;
		json_object_open(j, NULL);
		json_uint(j, "slot", i);
		json_int(j, "pid", board_get(s->pid));
		json_uint(j, "generation", board_get(s->generation));
		json_str(j, "state", str_of(facts_state(s)));
		json_uint(j, "live", board_get(s->live));
		json_bool(j, "accepting", board_get(s->accepting) != 0);
		json_bool(j, "landlock", board_get(s->confined) & BOARD_CONFINED_FILES);
		json_bool(j, "seccomp", board_get(s->confined) & BOARD_CONFINED_CALLS);
		json_uint(j, "connections", board_get(s->connections));
		json_uint(j, "requests", board_get(s->requests));
		json_uint(j, "bytes_sent", board_get(s->bytes_sent));
		json_object_close(j);
	}
	json_array_close(j);
}

static void json_handshakes(struct json *j, const struct board_slot *t)
{
	json_object_open(j, "handshakes_total");
	json_object_open(j, "full");
	json_uint(j, "1.2", t->handshakes_full_12);
	json_uint(j, "1.3", t->handshakes_full_13);
	json_object_close(j);
	json_object_open(j, "resumed");
	json_uint(j, "1.2", t->handshakes_resumed_12);
	json_uint(j, "1.3", t->handshakes_resumed_13);
	json_object_close(j);
	json_uint(j, "failed", t->handshakes_failed);
	json_object_close(j);
}

static void json_named(
	struct json *j, const char *key, facts_name_fn *name, const uint64_t *counters, unsigned n)
{
	json_object_open(j, key);
	for (unsigned i = 0; i < n; i++)
		if (name(i))
			json_uint(j, name(i), counters[i]);
	json_object_close(j);
}

static void json_listeners(struct json *j, const struct board *b, const struct board_slot *t)
{
	char key[BOARD_LISTENER_NAME];

	json_object_open(j, "connections_by_listener");
	for (unsigned i = 0; i < BOARD_LISTENERS; i++) {
		struct str name = board_listener_name(b, i);

		if (name.n == 0)
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)name.n, name.p);
		json_uint(j, key, t->accepted[i]);
	}
	json_object_close(j);
}

/* Those that were used. */
static void json_codes(struct json *j, const struct board_slot *t, int (*code_at)(unsigned index))
{
	char key[16];

	json_object_open(j, "requests_by_code");
	for (unsigned i = 0; i < BOARD_CODES; i++) {
		if (t->codes[i] == 0 || code_at(i) == 0)
			continue;
		snprintf(key, sizeof(key), "%d", code_at(i));
		json_uint(j, key, t->codes[i]);
	}
	json_object_close(j);
}

void facts_write(
	struct json *j, const struct board *b, struct str openssl, int (*code_at)(unsigned index))
{
	struct board_slot t;

	board_total(b, &t);
	json_str(j, "version", STR(LATCH_VERSION));
	json_str(j, "openssl", openssl);
	json_uint(j, "generation", board_get(b->generation));
	json_int(j, "uptime_seconds", facts_uptime(b));
	json_workers(j, b);
	json_uint(j, "worker_respawns_total", board_get(b->respawns));
	json_object_open(j, "reloads_total");
	json_uint(j, "ok", board_get(b->reloads_ok));
	json_uint(j, "failed", board_get(b->reloads_failed));
	json_uint(j, "quarantined", board_get(b->reloads_quarantined));
	json_object_close(j);
	json_bool(j, "last_reload_success", board_get(b->last_reload_ok) != 0);
	json_uint(j, "connections_total", t.connections);
	json_listeners(j, b, &t);
	json_uint(j, "connections_active", t.live);
	json_uint(j, "accept_errors_total", t.accept_errors);
	json_uint(j, "connections_refused_total", t.refused);
	json_uint(j, "http2_floods_total", t.floods);
	json_double(j, "accept_imbalance", board_imbalance(b));
	json_handshakes(j, &t);
	json_uint(j, "requests_total", t.requests);
	json_codes(j, &t, code_at);
	json_named(j, "responses", facts_class, t.responses, BOARD_STATUS_CLASSES);
	json_uint(j, "bytes_sent_total", t.bytes_sent);
	json_named(j, "closures_total", board_closure_name, t.closures, BOARD_CLOSURES);
	json_uint(j, "sigpipe_total", t.sigpipes);
}

static unsigned intervals(const struct board *b)
{
	struct board_sample s;
	unsigned n = 0;

	while (board_interval(b, n, &s))
		n++;
	return n;
}

/* The values of the 64-bit member at `offset` of each interval. */
static void json_intervals(struct json *j, const struct board *b, const char *key, size_t offset)
{
	struct board_sample s;

	json_array_open(j, key);
	for (unsigned i = intervals(b); i-- > 0 && board_interval(b, i, &s);) {
		uint64_t value;

		memcpy(&value, (const char *)&s + offset, sizeof(value));
		json_uint(j, NULL, value);
	}
	json_array_close(j);
}

void facts_write_history(struct json *j, const struct board *b)
{
	json_object_open(j, "history");
	json_uint(j, "interval_ms", BOARD_SAMPLE_MS);
	json_intervals(j, b, "requests", offsetof(struct board_sample, requests));
	json_intervals(j, b, "timed", offsetof(struct board_sample, timed));
	json_intervals(j, b, "timed_us", offsetof(struct board_sample, timed_us));
	json_intervals(j, b, "bytes_sent", offsetof(struct board_sample, bytes_sent));
	json_intervals(j, b, "connections_active", offsetof(struct board_sample, live));
	json_object_open(j, "closures");
	for (unsigned i = 0; i < BOARD_CLOSURES; i++)
		if (board_closure_name(i))
			json_intervals(j, b, board_closure_name(i),
				offsetof(struct board_sample, closures) + i * sizeof(uint64_t));
	json_object_close(j);
	json_object_close(j);
}
