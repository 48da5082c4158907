/* context, pair and profile: what makes a context, and how each mistake is told. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "pair_of_peers.h"
#include "tls/decode.h"

static SSL_CTX *try_pairs(const struct tls_pair *pairs, size_t n, struct err *e)
{
	struct tls_options o = { 0 };

	memset(e, 0, sizeof(*e));
	return tls_context_new_server(&o, pairs, n, "", 0, NULL, e);
}

/* The same among many. */
static SSL_CTX *try_shared(const struct tls_pair *p, struct err *e)
{
	struct tls_pair shared = *p;
	SSL_CTX *ctx;

	shared.decode = decode_new();
	cr_assert_not_null(shared.decode);
	ctx = try_pairs(&shared, 1, e);
	decode_free(shared.decode);
	return ctx;
}

static void expect_refused(const struct tls_pair *p, const char *file, const char *words)
{
	struct err e, same;

	cr_expect_null(try_pairs(p, 1, &e));
	cr_expect_eq(e.code, ERR_CONFIG);
	cr_expect_eq(e.line, 0);
	cr_expect_str_eq(e.file, file, "%s is at fault, not %s", file, e.file);
	cr_expect_not_null(strstr(e.text, words), "\"%s\" does not say \"%s\"", e.text, words);
	cr_expect_eq(ERR_peek_error(), 0, "the queue is empty");
	cr_expect_null(try_shared(p, &same));
	cr_expect_str_eq(same.text, e.text, "the same among many");
	cr_expect_str_eq(same.file, e.file);
	cr_expect_eq(ERR_peek_error(), 0, "the queue is empty");
}

/* A file in the folder of certificates with this content. */
static const char *write_file(const char *name, const char *text)
{
	const char *path = cert(name);
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static char *read_all(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(path, "re");

	cr_assert_not_null(f);
	cr_assert_gt(fread(text, 1, 65535, f), 0);
	fclose(f);
	return text;
}

static const char *join(const char *name, const char *first, const char *second)
{
	char *a = read_all(cert(first)), *b = read_all(cert(second)), *both = malloc(131072);

	snprintf(both, 131072, "%s%s", a, b);
	const char *path = write_file(name, both);
	free(a);
	free(b);
	free(both);
	return path;
}

Test(context, key_in_the_certificates_file)
{
	const char *both = join("both.pem", "ecdsa.key", "ecdsa.pem");
	struct tls_pair unset = { .certificate = both };
	struct tls_pair empty = { .certificate = both, .private_key = "", .passphrase_file = "" };
	struct err e;

	SSL_CTX *ctx = try_pairs(&unset, 1, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	ctx = try_pairs(&empty, 1, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	tls_context_free(NULL);
}

Test(context, pem_in_memory)
{
	char *pem = read_all(join("memory.pem", "ecdsa.pem", "ecdsa.key"));
	struct tls_pair p = { .pem = pem }, junk = { .pem = "junk" };
	struct err e;

	SSL_CTX *ctx = try_pairs(&p, 1, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	expect_refused(&junk, "", "no certificate");
	free(pem);
}

Test(context, expired_is_no_error)
{
	struct tls_pair p = { .certificate = cert("expired.pem"),
		.private_key = cert("expired.key") };
	struct err e;
	SSL_CTX *ctx = try_pairs(&p, 1, &e);

	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
}

Test(context, encrypted_key_with_its_pass_phrase)
{
	struct tls_pair p = { .certificate = cert("rsa.pem"),
		.private_key = cert("encrypted.key"),
		.passphrase_file = cert("passphrase") };
	struct err e;
	SSL_CTX *ctx = try_pairs(&p, 1, &e);

	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	ctx = try_shared(&p, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	p.passphrase_file = write_file("crlf", "open sesame\r\nsecond line\n");
	ctx = try_pairs(&p, 1, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	p.passphrase_file = write_file("bare", "open sesame");
	ctx = try_pairs(&p, 1, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
}

Test(context, encrypted_key_without_the_pass_phrase)
{
	struct tls_pair p = { .certificate = cert("rsa.pem"),
		.private_key = cert("encrypted.key") };
	char long_text[2000];

	expect_refused(&p, cert("encrypted.key"), "passphrase_file is not set");
	p.passphrase_file = cert("wrong-passphrase");
	expect_refused(&p, cert("encrypted.key"), "passphrase_file does not open");
	p.passphrase_file = write_file("empty-passphrase", "\nopen sesame\n");
	expect_refused(&p, p.passphrase_file, "empty");
	p.passphrase_file = cert("no-such-file");
	expect_refused(&p, p.passphrase_file, "No such file");
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	p.passphrase_file = write_file("long-passphrase", long_text);
	expect_refused(&p, p.passphrase_file, "longer");
}

Test(context, files_at_fault)
{
	const struct {
		struct tls_pair pair;
		const char *file, *words;
	} rows[] = {
		{ { cert("no.pem"), cert("ecdsa.key"), 0, 0, 0, 0 }, cert("no.pem"),
			"No such file" },
		{ { cert("ecdsa.pem"), cert("no.key"), 0, 0, 0, 0 }, cert("no.key"),
			"No such file" },
		{ { cert("."), cert("ecdsa.key"), 0, 0, 0, 0 }, cert("."), "Is a directory" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refused(&rows[i].pair, rows[i].file, rows[i].words);
}

Test(context, contents_at_fault)
{
	struct tls_pair p = { cert("ecdsa.pem"), cert("other.key"), 0, 0, 0, 0 };

	expect_refused(&p, p.private_key, "not the certificate's");
	p.private_key = cert("rsa.key");
	expect_refused(&p, p.private_key, "not the certificate's");
	p.private_key = NULL;
	expect_refused(&p, p.certificate, "name the file that does in private_key");
	p.private_key = write_file("junk.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"
					       "-----END PRIVATE KEY-----\n");
	expect_refused(&p, p.private_key, "damaged");
	p.certificate = write_file("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"
					       "-----END CERTIFICATE-----\n");
	expect_refused(&p, p.certificate, "damaged");
	p.certificate = write_file("nothing.pem", "");
	expect_refused(&p, p.certificate, "no certificate");
	p.certificate = cert("ecdsa.key");
	expect_refused(&p, p.certificate, "no certificate");
	p.certificate = join("chain.pem", "ecdsa.pem", "junk.pem");
	expect_refused(&p, p.certificate, "of the chain is damaged");
}

Test(context, one_pair_a_key_type)
{
	struct tls_pair pairs[] = {
		{ cert("rsa.pem"), cert("rsa.key"), 0, 0, 0, 0 },
		{ cert("ecdsa.pem"), cert("ecdsa.key"), 0, 0, 0, 0 },
		{ cert("other.pem"), cert("other.key"), 0, 0, 0, 0 },
	};
	struct err e;
	SSL_CTX *ctx = try_pairs(pairs, 2, &e);

	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
	cr_expect_null(try_pairs(pairs, 3, &e));
	cr_expect_str_eq(e.file, cert("other.pem"));
	cr_expect_not_null(strstr(e.text, "same type"));
}

static int negotiated_key(SSL_CTX *ours, const char *algorithms, int version)
{
	SSL_CTX *peer = peer_context(version);
	struct peers p;
	int type = 0;

	peers_open(&p, ours, peer);
	cr_assert_eq(SSL_set1_sigalgs_list(p.peer, algorithms), 1);
	if (peers_handshake(&p) == IO_OK)
		type = EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(p.peer)));
	peers_close(&p);
	SSL_CTX_free(peer);
	return type;
}

Test(context, the_client_gets_the_key_type_it_knows)
{
	struct tls_pair pairs[] = {
		{ cert("rsa.pem"), cert("rsa.key"), 0, 0, 0, 0 },
		{ cert("ecdsa.pem"), cert("ecdsa.key"), 0, 0, 0, 0 },
	};
	struct err e;
	SSL_CTX *ctx = try_pairs(pairs, 2, &e);

	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		cr_expect_eq(negotiated_key(ctx, "RSA-PSS+SHA256", v), EVP_PKEY_RSA);
		cr_expect_eq(negotiated_key(ctx, "ECDSA+SHA256", v), EVP_PKEY_EC);
	}
	tls_context_free(ctx);
}

Test(context, intermediates_are_sent)
{
	SSL_CTX *ours = server_context("inter", NULL, NULL), *peer = peer_context(0);
	struct peers p;

	peers_open(&p, ours, peer);
	cr_assert_eq(peers_handshake(&p), IO_OK);
	cr_expect_eq(sk_X509_num(SSL_get_peer_cert_chain(p.peer)), 2);
	peers_close(&p);
	SSL_CTX_free(ours);
	SSL_CTX_free(peer);
}

Test(context, what_every_server_has)
{
	SSL_CTX *ctx = server_context("ecdsa", NULL, NULL);
	uint64_t options = SSL_CTX_get_options(ctx);
	long mode = SSL_CTX_get_mode(ctx);

	cr_expect(options & SSL_OP_NO_RENEGOTIATION);
	cr_expect(options & SSL_OP_NO_COMPRESSION);
	cr_expect(options & SSL_OP_CIPHER_SERVER_PREFERENCE);
	cr_expect(mode & SSL_MODE_RELEASE_BUFFERS);
	cr_expect(mode & SSL_MODE_ENABLE_PARTIAL_WRITE);
	cr_expect(mode & SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	cr_expect_eq(SSL_CTX_get_read_ahead(ctx), 1);
	cr_expect_eq(SSL_CTX_get_session_cache_mode(ctx), SSL_SESS_CACHE_OFF);
	cr_expect_eq(SSL_CTX_get_max_early_data(ctx), 0);
	cr_expect_eq(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
	cr_expect_eq(SSL_CTX_get_max_proto_version(ctx), TLS1_3_VERSION);
	tls_context_free(ctx);
}

Test(context, ticket_lifetime_is_what_the_ring_keeps)
{
	struct ticket_ring *ring = ticket_ring_new(NULL);
	SSL_CTX *ctx = server_context("ecdsa", NULL, ring); /* an hour, two kept */

	cr_expect_eq(SSL_CTX_get_timeout(ctx), 7200);
	cr_expect_eq(SSL_CTX_get_num_tickets(ctx), 1);
	tls_context_free(ctx);
	ticket_ring_free(ring);
}

Test(context, old_ciphers_are_refused)
{
	SSL_CTX *ours = server_context("rsa", NULL, NULL);
	static const char *const old[] = { "ECDHE-RSA-AES128-SHA256", "AES128-GCM-SHA256",
		"DHE-RSA-AES128-GCM-SHA256" };

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		SSL_CTX *peer = peer_context(TLS1_2_VERSION);
		struct peers p;
		cr_assert_eq(SSL_CTX_set_cipher_list(peer, old[i]), 1);
		peers_open(&p, ours, peer);
		cr_expect_eq(peers_handshake(&p), IO_FAIL);
		cr_expect_str_eq(p.reason.word, "no_shared_cipher");
		cr_expect_eq(p.reason.alert, SSL_AD_HANDSHAKE_FAILURE);
		peers_close(&p);
		SSL_CTX_free(peer);
	}
	SSL_CTX_free(ours);
}

Test(context, modern_is_tls_13_alone)
{
	struct tls_pair pair = { cert("ecdsa.pem"), cert("ecdsa.key"), 0, 0, 0, 0 };
	struct tls_options o = { .profile = TLS_PROFILE_MODERN };
	SSL_CTX *ours = tls_context_new_server(&o, &pair, 1, "", 0, NULL, NULL);
	SSL_CTX *old = peer_context(TLS1_2_VERSION), *new = peer_context(0);
	struct peers p;

	peers_open(&p, ours, old);
	cr_expect_eq(peers_handshake(&p), IO_FAIL);
	peers_close(&p);
	peers_open(&p, ours, new);
	cr_expect_eq(peers_handshake(&p), IO_OK);
	cr_expect_str_eq(session_version(&p.s), "TLSv1.3");
	peers_close(&p);
	SSL_CTX_free(ours);
	SSL_CTX_free(old);
	SSL_CTX_free(new);
}

static void set(char **field, char *dst, const char *text)
{
	snprintf(dst, 64, "%s", text);
	*field = dst;
}

Test(options, defaults_are_right)
{
	struct tls_options o = { 0 };
	struct err e = { 0 };

	cr_expect_eq(tls_options_check(&o, &e), 0, "%s", e.text);
	o.profile = TLS_PROFILE_MODERN;
	cr_expect_eq(tls_options_check(&o, &e), 0, "%s", e.text);
}

static void expect_option(const struct tls_options *o, const char *key, const char *word)
{
	struct err e = { 0 };

	cr_expect_eq(tls_options_check(o, &e), -1, "%s", word);
	cr_expect_eq(e.code, ERR_CONFIG);
	cr_expect_eq(strncmp(e.text, key, strlen(key)), 0, "%s: %s", key, e.text);
	cr_expect_not_null(strstr(e.text, word), "%s: %s", word, e.text);
}

Test(options, mistakes_name_the_key)
{
	char text[64], more[64];
	struct tls_options o = { 0 };

	set(&o.min_version, text, "1.1");
	expect_option(&o, "tls.min_version", "1.1");
	set(&o.min_version, text, "1.3");
	set(&o.max_version, more, "1.2");
	expect_option(&o, "tls.min_version", "above");
	o = (struct tls_options){ .profile = TLS_PROFILE_MODERN };
	set(&o.max_version, more, "1.2");
	expect_option(&o, "tls.min_version", "above");
	set(&o.max_version, more, "TLSv1.3");
	expect_option(&o, "tls.max_version", "TLSv1.3");
	o = (struct tls_options){ 0 };
	set(&o.ciphers, text, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-NONSENSE");
	expect_option(&o, "tls.ciphers", "ECDHE-NONSENSE");
	set(&o.ciphers, text, "NONSENSE");
	expect_option(&o, "tls.ciphers", "NONSENSE");
	o = (struct tls_options){ 0 };
	set(&o.ciphersuites, text, "TLS_AES_128_GCM_SHA256:TLS_NONSENSE");
	expect_option(&o, "tls.ciphersuites", "TLS_NONSENSE");
	o = (struct tls_options){ 0 };
	set(&o.groups, text, "X25519:P-257");
	expect_option(&o, "tls.groups", "P-257");
}

Test(options, lists_pass_through)
{
	char ciphers[64], suites[64], groups[64];
	struct tls_options o = { 0 };
	struct err e = { 0 };

	set(&o.ciphers, ciphers, "HIGH:!aNULL:!RC4:-kRSA:@STRENGTH");
	set(&o.ciphersuites, suites, "TLS_CHACHA20_POLY1305_SHA256");
	set(&o.groups, groups, "P-521:X25519");
	cr_expect_eq(tls_options_check(&o, &e), 0, "%s", e.text);
	struct tls_pair pair = { cert("ecdsa.pem"), cert("ecdsa.key"), 0, 0, 0, 0 };
	SSL_CTX *ours = tls_context_new_server(&o, &pair, 1, "", 0, NULL, &e);
	SSL_CTX *peer = peer_context(TLS1_3_VERSION);
	struct peers p;
	peers_open(&p, ours, peer);
	cr_expect_eq(peers_handshake(&p), IO_OK);
	cr_expect_str_eq(session_cipher(&p.s), "TLS_CHACHA20_POLY1305_SHA256");
	peers_close(&p);
	SSL_CTX_free(ours);
	SSL_CTX_free(peer);
}

Test(context, client_trust_files)
{
	struct tls_client_options o = { .ca = cert("no-such-ca") };
	struct err e = { 0 };

	cr_expect_null(tls_context_new_client(&o, &e));
	cr_expect_str_eq(e.file, o.ca);
	o.ca = cert("ecdsa.key");
	cr_expect_null(tls_context_new_client(&o, &e));
	cr_expect_str_eq(e.file, o.ca);
	o = (struct tls_client_options){ .min_version = "1.4", .verify = TLS_VERIFY_NONE };
	cr_expect_null(tls_context_new_client(&o, &e));
	o = (struct tls_client_options){ .ca = NULL };
	SSL_CTX *ctx = tls_context_new_client(&o, &e);
	cr_expect_not_null(ctx, "%s", e.text);
	tls_context_free(ctx);
}

Test(context, keylog_only_in_a_build_for_it)
{
	const char *path = cert("keylog");

	setenv("SSLKEYLOGFILE", path, 1);
	struct peers p;
	peers_start(&p, TLS1_3_VERSION);
	cr_expect_eq(access(path, F_OK) == 0, tls_keylog_is_built_in());
	peers_close(&p);
}
