/* OpenSSL's error queue as one sentence. The first entry is the cause, the others are the way up.
 * It refuses to leave anything in the queue: a stale entry would be taken for another session's. */
#include "tls/reason.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "tls/bio.h"

enum { ALERT_OFFSET = 1000 /* SSL_AD_REASON_OFFSET */, ALERT_END = ALERT_OFFSET + 256 };

/* Where OpenSSL's words do not say what happened; word NULL: they do. */
static const struct {
	int reason;
	const char *word, *sentence;
} plain_words[] = {
	{ SSL_R_HTTP_REQUEST, NULL, "the peer speaks plain HTTP" },
	{ SSL_R_HTTPS_PROXY_REQUEST, NULL, "the peer takes this for an HTTP proxy" },
	{ SSL_R_WRONG_VERSION_NUMBER, NULL, "the peer does not speak TLS" },
	{ SSL_R_UNSUPPORTED_PROTOCOL, NULL, "no TLS version that both sides allow" },
	{ SSL_R_VERSION_TOO_LOW, "unsupported_protocol", "no TLS version that both sides allow" },
	{ SSL_R_NO_SHARED_CIPHER, NULL, "no cipher suite that both sides allow" },
	{ SSL_R_NO_SHARED_GROUPS, "no_shared_group", "no group that both sides allow" },
	{ SSL_R_NO_SUITABLE_KEY_SHARE, "no_shared_group", "no group that both sides allow" },
	{ SSL_R_NO_SUITABLE_GROUPS, "no_shared_group", "no group that both sides allow" },
	{ SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "no_shared_signature_algorithm",
		"no signature algorithm that fits the certificate" },
	{ SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "no_shared_signature_algorithm",
		"no signature algorithm that both sides allow" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, NULL, "no application protocol that both sides speak" },
	{ SSL_R_CLIENTHELLO_TLSEXT, "unrecognized_name",
		"no site has the name that the client asked for" },
	{ SSL_R_CALLBACK_FAILED, "unrecognized_name",
		"no site has the name that the client asked for" },
	{ SSL_R_INAPPROPRIATE_FALLBACK, NULL,
		"the client fell back to an older TLS version than it speaks" },
	{ SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, NULL,
		"a record was damaged or forged on its way" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "client_certificate_missing",
		"the site requires a client certificate, and the client sent none" },
	{ SSL_R_EXCESSIVE_MESSAGE_SIZE, NULL, "a handshake message is larger than allowed" },
	{ SSL_R_WRONG_CURVE, NULL,
		"the key of the peer's certificate is on a curve that is not among the groups" },
	{ ERR_R_UNSUPPORTED, "key_update_refused",
		"the peer asked for new keys, which the kernel (tls.ktls) cannot change" },
	{ SSL_R_BAD_SIGNATURE, NULL, "the peer does not have the private key of its certificate" },
};

/* What became of the peer's chain. The sentence is OpenSSL's. */
static const struct {
	int result;
	const char *word;
} chain_words[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "certificate_expired" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "certificate_not_yet_valid" },
	{ X509_V_ERR_CERT_REVOKED, "certificate_revoked" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "certificate_unknown_ca" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "certificate_unknown_ca" },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "certificate_unknown_ca" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "certificate_self_signed" },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "certificate_unknown_ca" },
	{ X509_V_ERR_CERT_CHAIN_TOO_LONG, "certificate_chain_too_long" },
	{ X509_V_ERR_PATH_LENGTH_EXCEEDED, "certificate_path_length" },
	{ X509_V_ERR_INVALID_CA, "certificate_invalid_ca" },
	{ X509_V_ERR_INVALID_PURPOSE, "certificate_wrong_purpose" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, "certificate_bad_signature" },
	{ X509_V_ERR_EE_KEY_TOO_SMALL, "certificate_weak_key" },
	{ X509_V_ERR_CA_KEY_TOO_SMALL, "certificate_weak_key" },
	{ X509_V_ERR_CA_MD_TOO_WEAK, "certificate_weak_digest" },
	{ X509_V_ERR_PERMITTED_VIOLATION, "certificate_name_constraints" },
	{ X509_V_ERR_EXCLUDED_VIOLATION, "certificate_name_constraints" },
	{ X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, "certificate_unknown_extension" },
	{ X509_V_ERR_UNABLE_TO_GET_CRL, "crl_missing" },
	{ X509_V_ERR_CRL_HAS_EXPIRED, "crl_expired" },
	{ X509_V_ERR_CRL_NOT_YET_VALID, "crl_not_yet_valid" },
	{ X509_V_ERR_CRL_SIGNATURE_FAILURE, "crl_bad_signature" },
};

static void set_word(struct tls_reason *r, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < sizeof(r->word); text++)
		r->word[n++] =
			isalnum((unsigned char)*text) ? (char)tolower((unsigned char)*text) : '_';
	r->word[n] = '\0';
}

/* "tlsv1 alert unknown ca" is "alert_unknown_ca", whatever the version in front. */
static void take_alert(struct tls_reason *r, int reason, const char *text)
{
	const char *name = strstr(text, "alert ");

	r->alert = reason - ALERT_OFFSET;
	r->alert_by_peer = true;
	if (!name) {
		snprintf(r->sentence, sizeof(r->sentence), "the peer sent the alert %s",
			SSL_alert_desc_string_long(r->alert));
		set_word(r, r->sentence + strlen("the peer sent the "));
		return;
	}
	set_word(r, name);
	snprintf(r->sentence, sizeof(r->sentence), "the peer sent the alert%s",
		name + strlen("alert"));
}

static void take_ssl(struct tls_reason *r, int reason, const char *text)
{
	set_word(r, text);
	snprintf(r->sentence, sizeof(r->sentence), "%s", text);
	for (size_t i = 0; i < sizeof(plain_words) / sizeof(plain_words[0]); i++) {
		if (plain_words[i].reason != reason)
			continue;
		snprintf(r->sentence, sizeof(r->sentence), "%s", plain_words[i].sentence);
		if (plain_words[i].word)
			set_word(r, plain_words[i].word);
	}
}

static void take_entry(struct tls_reason *r, unsigned long code)
{
	const char *text = ERR_reason_error_string(code);
	int reason = ERR_GET_REASON(code);

	if (ERR_SYSTEM_ERROR(code)) {
		snprintf(r->word, sizeof(r->word), "system_error");
		errno = reason;
		snprintf(r->sentence, sizeof(r->sentence), "%m");
		return;
	}
	if (!text)
		text = "unknown";
	if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= ALERT_OFFSET && reason < ALERT_END) {
		take_alert(r, reason, text);
	} else if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
		take_ssl(r, reason, text);
	} else {
		set_word(r, text);
		snprintf(r->sentence, sizeof(r->sentence), "%s", text);
	}
}

static void say_chain(struct tls_reason *r, long result)
{
	for (size_t i = 0; i < sizeof(chain_words) / sizeof(chain_words[0]); i++)
		if (chain_words[i].result == result)
			set_word(r, chain_words[i].word);
	snprintf(r->sentence, sizeof(r->sentence), "the peer's certificate is not trusted: %s",
		X509_verify_cert_error_string(result));
}

void tls_reason_of_chain(long result, struct tls_reason *ret)
{
	*ret = (struct tls_reason){
		.word = "certificate_verify_failed", .alert = -1, .is_chain = true
	};
	say_chain(ret, result);
}

static bool is_verify_failed(unsigned long code)
{
	return ERR_GET_LIB(code) == ERR_LIB_SSL &&
	       ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

/* The first error, unless the handshake failed because of the chain: what is below that (a
 * signature that does not fit) is only how it was found out. Leaves entries behind. */
static unsigned long take_cause(void)
{
	unsigned long first = ERR_get_error(), code = first;

	while (code != 0 && !is_verify_failed(code))
		code = ERR_get_error();
	return code ? code : first;
}

static void add_verify_result(struct tls_reason *r, const struct ssl_st *ssl, unsigned long code)
{
	long result = SSL_get_verify_result(ssl);

	if (!is_verify_failed(code) || result == X509_V_OK)
		return;
	r->is_chain = true;
	say_chain(r, result);
}

void tls_reason_take(const struct ssl_st *ssl, struct tls_reason *ret)
{
	unsigned long code = take_cause();
	const struct session *s = ssl ? bio_session(ssl) : NULL;

	*ret = (struct tls_reason){ .word = "unknown", .sentence = "unknown", .alert = -1 };
	if (code != 0)
		take_entry(ret, code);
	if (code != 0 && ssl)
		add_verify_result(ret, ssl, code);
	if (ret->alert < 0 && s)
		ret->alert = s->alert_sent;
	ERR_clear_error();
}

int tls_reason_err(struct err *e, enum err_code code, const char *context)
{
	struct tls_reason r;

	tls_reason_take(NULL, &r);
	return err_set(e, code, "%s: %s", context, r.sentence);
}
