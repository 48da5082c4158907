/* The rules of `latch check`: facts in, findings out. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client/judge.h"

enum { DAY = 24 * 3600 };
static const time_t now = 1700000000;

static struct probe p;
static struct findings f;

/* A server with which all is well. */
static void setup(void)
{
	static const char *const versions[] = { "1.0", "1.1", "1.2", "1.3" };

	memset(&p, 0, sizeof(p));
	snprintf(p.host, sizeof(p.host), "example.org");
	p.chain = (struct probe_chain){ .n = 2, .is_trusted = true, .sent = 1 };
	snprintf(p.chain.cert[0].subject, PROBE_TEXT_SIZE, "CN=leaf");
	snprintf(p.chain.cert[1].subject, PROBE_TEXT_SIZE, "CN=root");
	p.chain.cert[0].not_after = now + 100 * DAY;
	p.chain.cert[1].not_after = now + 5 * DAY; /* an anchor's end is nobody's business here */
	p.chain.cert[1].anchor = true;
	p.has_identity = true;
	for (size_t i = 0; i < PROBE_VERSIONS; i++) {
		p.version[i].name = versions[i];
		p.version[i].state = i < 2 ? PROBE_REFUSED : PROBE_ACCEPTED;
	}
	snprintf(p.version[2].cipher, sizeof(p.version[2].cipher), "ECDHE-RSA-AES128-GCM-SHA256");
	snprintf(p.version[3].cipher, sizeof(p.version[3].cipher), "TLS_AES_128_GCM_SHA256");
	p.group[0] = (struct probe_group){ "X25519", PROBE_ACCEPTED };
	p.resumption[0] = (struct probe_resumption){ "1.2", 5, 5, 5 };
	p.resumption[1] = (struct probe_resumption){ "1.3", 5, 5, 5 };
	p.status = 200;
	snprintf(p.protocol, sizeof(p.protocol), "HTTP/1.1");
	p.closure = CLOSURE_CLEAN;
}

TestSuite(judge, .init = setup);

/* The finding about `key`, which must be of that level and say so. */
static void expect(const char *key, enum level level, const char *words)
{
	judge_all(&p, now, 21 * DAY, &f);
	for (size_t i = 0; i < f.n; i++) {
		if (strcmp(f.at[i].key, key) != 0)
			continue;
		cr_expect_eq(f.at[i].level, level, "%s: %s: %s", key,
			judge_level_name(f.at[i].level), f.at[i].text);
		cr_expect_not_null(strstr(f.at[i].text, words), "%s: %s", key, f.at[i].text);
		return;
	}
	cr_assert_fail("nothing about %s", key);
}

static void expect_nothing_about(const char *key)
{
	judge_all(&p, now, 21 * DAY, &f);
	for (size_t i = 0; i < f.n; i++)
		cr_expect_str_neq(f.at[i].key, key);
}

Test(judge, all_is_well)
{
	static const char *const keys[] = { "chain", "identity", "expiry", "protocols", "cipher",
		"groups", "resumption", "closure", "http", "hsts" };

	judge_all(&p, now, 21 * DAY, &f);
	cr_assert_eq(f.n, sizeof(keys) / sizeof(keys[0]));
	for (size_t i = 0; i < f.n; i++) {
		cr_expect_str_eq(f.at[i].key, keys[i]);
		cr_expect_eq(f.at[i].level, LEVEL_OK, "%s: %s", f.at[i].key, f.at[i].text);
	}
	cr_expect_eq(judge_worst(&f), LEVEL_OK);
}

Test(judge, a_server_that_cannot_be_reached)
{
	static const struct {
		enum outcome reached;
		enum level level;
	} rows[] = {
		{ OUTCOME_NO_NAME, LEVEL_UNKNOWN },
		{ OUTCOME_USAGE, LEVEL_UNKNOWN },
		{ OUTCOME_OTHER, LEVEL_UNKNOWN },
		{ OUTCOME_NO_CONNECTION, LEVEL_CRITICAL },
		{ OUTCOME_TIMED_OUT, LEVEL_CRITICAL },
		{ OUTCOME_HANDSHAKE, LEVEL_CRITICAL },
	};

	snprintf(p.error, sizeof(p.error), "why not");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p.reached = rows[i].reached;
		expect("connection", rows[i].level, "why not");
		expect_nothing_about("chain");
	}
	expect("protocols", LEVEL_OK, "TLS 1.2");
}

Test(judge, a_chain_that_is_not_trusted)
{
	p.chain.is_trusted = false;
	snprintf(p.chain.cert[1].wrong, PROBE_TEXT_SIZE, "bad");
	expect("chain", LEVEL_CRITICAL, "not trusted: CN=root: bad");
	p.has_identity = false;
	expect("identity", LEVEL_CRITICAL, "not for example.org");
}

Test(judge, ends_of_certificates)
{
	expect("expiry", LEVEL_OK, "CN=leaf ends in 100 days");
	p.chain.cert[0].not_after = now + 21 * DAY;
	expect("expiry", LEVEL_OK, "in 21 days");
	p.chain.cert[0].not_after = now + 21 * DAY - 1;
	expect("expiry", LEVEL_WARNING, "in 20 days");
	p.chain.cert[0].not_after = now;
	expect("expiry", LEVEL_CRITICAL, "ended 0 days ago");
	p.chain.cert[0].not_after = now - 3 * DAY;
	expect("expiry", LEVEL_CRITICAL, "ended 3 days ago, on 2023-11-11");
	p.chain.cert[0].not_after = 0;
	p.chain.n = 1;
	expect_nothing_about("expiry");
}

Test(judge, protocols)
{
	p.version[0].state = PROBE_ACCEPTED;
	expect("protocols", LEVEL_WARNING, "TLS 1.0, TLS 1.2, TLS 1.3; not TLS 1.1 (RFC 8996");
	p.version[2].state = PROBE_REFUSED;
	p.version[3].state = PROBE_UNKNOWN;
	expect("protocols", LEVEL_CRITICAL, "; unknown TLS 1.3");
	p.version[0].state = PROBE_REFUSED;
	expect("protocols", LEVEL_CRITICAL, "none; not TLS 1.0");
	expect_nothing_about("cipher");
}

Test(judge, ciphers)
{
	static const struct {
		const char *cipher;
		enum level level;
		const char *words;
	} rows[] = {
		{ "DHE-RSA-CHACHA20-POLY1305", LEVEL_OK, "CHACHA20" },
		{ "ECDHE-ECDSA-AES256-CCM8", LEVEL_OK, "CCM8" },
		{ "AES128-GCM-SHA256", LEVEL_WARNING, "no forward secrecy" },
		{ "ECDHE-RSA-AES128-SHA", LEVEL_WARNING, "; CBC" },
		{ "AES128-SHA", LEVEL_WARNING, "no forward secrecy; CBC" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(p.version[2].cipher, sizeof(p.version[2].cipher), "%s", rows[i].cipher);
		expect("cipher", rows[i].level, rows[i].words);
	}
	p.version[2].state = PROBE_REFUSED; /* what it would have chosen there does not matter */
	expect("cipher", LEVEL_OK, "TLS_AES_128_GCM_SHA256");
}

Test(judge, resumption)
{
	p.resumption[1].resumed = 0;
	expect("resumption", LEVEL_OK, "TLS 1.3 0 of 5, TLS 1.2 5 of 5");
	p.resumption[1].resumed = 3;
	expect("resumption", LEVEL_WARNING, "TLS 1.3 3 of 5 (its processes do not share");
	p.resumption[1].offered = 3;
	expect("resumption", LEVEL_WARNING, "TLS 1.3 3 of 5 (no new ticket with each");
	p.resumption[0].connections = p.resumption[1].connections = 0;
	expect_nothing_about("resumption");
}

Test(judge, endings_and_answers)
{
	p.closure = CLOSURE_TRUNCATED;
	expect("closure", LEVEL_WARNING, "without close_notify");
	p.closure = CLOSURE_RESET;
	expect("closure", LEVEL_WARNING, "reset");
	p.closure = CLOSURE_TIMEOUT;
	expect("closure", LEVEL_WARNING, "not closed in time");
	p.has_h2 = true;
	p.status = 404;
	expect("http", LEVEL_OK, "HTTP/2, HTTP/1.1, status 404");
	p.status = 500;
	expect("http", LEVEL_WARNING, "status 500");
	p.asked = OUTCOME_TRUNCATED;
	snprintf(p.asked_error, sizeof(p.asked_error), "cut");
	expect("http", LEVEL_CRITICAL, "cut");
	expect_nothing_about("closure");
	expect_nothing_about("hsts");
}

Test(judge, hsts)
{
	static const struct {
		const char *value;
		enum level level;
		const char *words;
	} rows[] = {
		{ "max-age=86400", LEVEL_OK, "for 1 days" },
		{ "includeSubDomains ; Max-Age = \"172800\" ; preload", LEVEL_OK, "for 2 days" },
		{ "max-age=0", LEVEL_OK, "for 0 days" },
		{ "", LEVEL_WARNING, "malformed" },
		{ "max-age", LEVEL_WARNING, "malformed" },
		{ "max-age=", LEVEL_WARNING, "malformed" },
		{ "max-age=-1", LEVEL_WARNING, "malformed" },
		{ "max-agex=1", LEVEL_WARNING, "malformed" },
		{ ";;;", LEVEL_WARNING, "malformed" },
	};

	p.has_hsts = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(p.hsts, sizeof(p.hsts), "%s", rows[i].value);
		expect("hsts", rows[i].level, rows[i].words);
	}
}

Test(judge, critical_is_worse_than_unknown_than_warning)
{
	cr_expect_eq(judge_worse(LEVEL_OK, LEVEL_WARNING), LEVEL_WARNING);
	cr_expect_eq(judge_worse(LEVEL_UNKNOWN, LEVEL_WARNING), LEVEL_UNKNOWN);
	cr_expect_eq(judge_worse(LEVEL_UNKNOWN, LEVEL_CRITICAL), LEVEL_CRITICAL);
}
