/* reason: the queue becomes one sentence and is empty afterwards. */
#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "tls/reason.h"

/* Every program has made a context, and so loaded the words, before it has a reason. */
static void load_words(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
}

TestSuite(reason, .init = load_words);

static struct tls_reason take(int lib, int reason)
{
	struct tls_reason r;

	ERR_raise(lib, reason);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_EXTENSION); /* what came of it */
	tls_reason_take(NULL, &r);
	cr_expect_eq(ERR_peek_error(), 0);
	return r;
}

Test(reason, empty_queue_is_unknown)
{
	struct tls_reason r;

	tls_reason_take(NULL, &r);
	cr_expect_str_eq(r.word, "unknown");
	cr_expect_str_eq(r.sentence, "unknown");
	cr_expect_eq(r.alert, -1);
	cr_expect_not(r.alert_by_peer);
	cr_expect_not(r.is_chain);
}

Test(reason, the_first_entry_is_the_cause)
{
	struct tls_reason r = take(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);

	cr_expect_str_eq(r.word, "unsupported_protocol");
	cr_expect_str_eq(r.sentence, "no TLS version that both sides allow");
	cr_expect_eq(r.alert, -1);
}

Test(reason, words_are_lower_case_and_underscores)
{
	struct tls_reason r = take(ERR_LIB_SSL, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);

	for (const char *p = r.word; *p; p++)
		cr_expect((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_');
}

Test(reason, alerts_of_the_peer)
{
	static const struct {
		int reason, alert;
		const char *word;
	} rows[] = {
		{ SSL_R_TLSV1_ALERT_UNKNOWN_CA, 48, "alert_unknown_ca" },
		{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, 40, "alert_handshake_failure" },
		{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, 116, "alert_certificate_required" },
		{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, 45, "alert_certificate_expired" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_reason r = take(ERR_LIB_SSL, rows[i].reason);
		cr_expect_eq(r.alert, rows[i].alert);
		cr_expect(r.alert_by_peer);
		cr_expect_str_eq(r.word, rows[i].word);
		cr_expect_eq(strncmp(r.sentence, "the peer sent the alert ", 24), 0);
	}
}

/* Whatever number a peer puts into an alert. */
Test(reason, every_alert_number_has_words)
{
	for (int alert = 0; alert < 256; alert++) {
		struct tls_reason r = take(ERR_LIB_SSL, 1000 + alert);
		cr_expect_eq(r.alert, alert);
		cr_expect_eq(strncmp(r.word, "alert_", 6), 0, "%d: %s", alert, r.word);
		cr_expect_gt(strlen(r.word), 6);
	}
}

Test(reason, system_errors)
{
	struct tls_reason r = take(ERR_LIB_SYS, ECONNREFUSED);

	cr_expect_str_eq(r.word, "system_error");
	cr_expect_str_eq(r.sentence, "Connection refused");
}

Test(reason, as_an_error_record)
{
	struct err e = { 0 };

	ERR_raise(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER);
	cr_expect_eq(tls_reason_err(&e, ERR_CONFIG, "context"), -1);
	cr_expect_eq(e.code, ERR_CONFIG);
	cr_expect_str_eq(e.text, "context: no cipher suite that both sides allow");
	cr_expect_eq(tls_reason_err(NULL, ERR_CONFIG, "nobody listens"), -1);
}
