/* A server's handshake with itself. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair_of_peers.h"
#include "tls/digest.h"
#include "tls/sites.h"
#include "tls/trial.h"

static struct tls_sites *sites;
static SSL_CTX *context;
static struct trial trial;
static struct err e;
static int here, elsewhere;

static void setup(void)
{
	memset(&e, 0, sizeof(e));
	sites = tls_sites_new();
	cr_assert_not_null(sites);
	trial_init(&trial, sites);
}

static void teardown(void)
{
	trial_done(&trial);
	tls_sites_free(sites);
	SSL_CTX_free(context);
}

TestSuite(trial, .init = setup, .fini = teardown);

static void serve(struct tls_options *o, const char *first, const char *second)
{
	char names[4][32];
	struct tls_pair pairs[2] = { 0 };
	size_t n = second ? 2 : 1;

	snprintf(names[0], sizeof(names[0]), "%s.pem", first);
	snprintf(names[1], sizeof(names[1]), "%s.key", first);
	snprintf(names[2], sizeof(names[2]), "%s.pem", second ? second : "");
	snprintf(names[3], sizeof(names[3]), "%s.key", second ? second : "");
	for (size_t i = 0; i < n; i++) {
		pairs[i].certificate = cert(names[2 * i]);
		pairs[i].private_key = cert(names[2 * i + 1]);
	}
	context = tls_context_new_server(o, pairs, n, "x", 1, NULL, &e);
	cr_assert_not_null(context, "%s", e.text);
	cr_assert_eq(tls_sites_add(sites, STR("localhost"), context, &here), 0);
	cr_assert_eq(tls_sites_finish(sites, true, &e), 0);
}

Test(trial, a_good_certificate_passes)
{
	struct tls_options o = { 0 };

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &here, &e), 0, "%s", e.text);
}

Test(trial, each_of_two_certificates_is_tried)
{
	struct tls_options o = { 0 };

	serve(&o, "rsa", "ecdsa");
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &here, &e), 0, "%s", e.text);
}

Test(trial, an_expired_one_is_for_clients_to_judge)
{
	struct tls_options o = { 0 };

	serve(&o, "expired", NULL);
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &here, &e), 0, "%s", e.text);
}

Test(trial, a_key_that_no_cipher_fits_fails)
{
	char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256", version[] = "1.2";
	struct tls_options o = {
		.ciphers = ciphers, .min_version = version, .max_version = version
	};

	serve(&o, "rsa", NULL);
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &here, &e), -1);
	cr_expect_eq(e.code, ERR_CONFIG);
	cr_expect_not_null(strstr(e.text, "cipher"), "%s", e.text);
}

Test(trial, one_of_two_that_fails_is_enough)
{
	char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256", version[] = "1.2";
	struct tls_options o = {
		.ciphers = ciphers, .min_version = version, .max_version = version
	};

	serve(&o, "ecdsa", "rsa");
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &here, &e), -1);
}

Test(trial, what_the_server_insists_on_the_client_offers)
{
	char groups[] = "P-521", version[] = "1.3";
	struct tls_options o = { .groups = groups, .min_version = version };

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &here, &e), 0, "%s", e.text);
}

Test(trial, a_name_that_leads_elsewhere_fails)
{
	struct tls_options o = { 0 };

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(trial_handshakes(&trial, context, "localhost", &elsewhere, &e), -1);
	cr_expect_not_null(strstr(e.text, "another site"));
	cr_expect_eq(trial_handshakes(&trial, context, "nobody.example", &here, &e), -1);
	cr_expect_eq(trial_handshakes(&trial, context, "", &here, &e), -1, "there is no default");
}

Test(trial, files_that_are_read_are_told)
{
	struct digest_list l = { 0 };
	struct tls_options o = { 0 };
	struct tls_pair p = { .certificate = cert("rsa.pem"),
		.private_key = cert("encrypted.key"),
		.passphrase_file = cert("passphrase"),
		.digests = &l };

	context = tls_context_new_server(&o, &p, 1, "x", 1, NULL, &e);
	cr_assert_not_null(context, "%s", e.text);
	cr_expect_null(digest_list_finish(&l));
	cr_expect_not_null(digest_list_find(&l, p.certificate));
	cr_expect_not_null(digest_list_find(&l, p.private_key));
	cr_expect_not_null(digest_list_find(&l, p.passphrase_file));
	digest_list_done(&l);
}

Test(trial, kinds_are_told_apart)
{
	static const char *const names[] = { "ecdsa", "other", "rsa" };
	struct tls_options o = { 0 };
	char kinds[3][128];

	for (int i = 0; i < 3; i++) {
		char pem[32], key[32];
		struct tls_pair p;
		SSL_CTX *ctx;

		snprintf(pem, sizeof(pem), "%s.pem", names[i]);
		snprintf(key, sizeof(key), "%s.key", names[i]);
		p = (struct tls_pair){ .certificate = cert(pem), .private_key = cert(key) };
		ctx = tls_context_new_server(&o, &p, 1, "x", 1, NULL, &e);
		cr_assert_not_null(ctx, "%s", e.text);
		trial_kind(ctx, kinds[i], sizeof(kinds[i]));
		cr_expect_eq(trial_prove(ctx, &e), 0, "%s", names[i]);
		SSL_CTX_free(ctx);
	}
	cr_expect_str_eq(kinds[0], kinds[1]);
	cr_expect_str_neq(kinds[0], kinds[2]);
}

/* A private key whose public half, as its file has it, is not its own: a comparison of public keys
 * does not see that, a signature does. */
Test(trial, a_key_that_only_looks_like_the_certificates_is_found)
{
	struct tls_options o = { 0 };
	struct tls_pair p = { .certificate = cert("ecdsa.pem"), .private_key = cert("ecdsa.key") };
	unsigned char der[256], *at = der, other_der[256], *other_at = other_der;
	const unsigned char *in = der;
	EVP_PKEY *key, *other;
	BIO *b;
	FILE *f;
	int n;

	b = BIO_new_file(cert("ecdsa.key"), "r");
	key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	b = BIO_new_file(cert("other.key"), "r");
	other = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	/* ECPrivateKey: version, then the number in 32 bytes at offset 7. */
	n = i2d_PrivateKey(key, &at);
	cr_assert_eq(i2d_PrivateKey(other, &other_at), n);
	cr_assert_eq(der[5], 0x04);
	cr_assert_eq(der[6], 0x20);
	memcpy(der + 7, other_der + 7, 32);
	EVP_PKEY_free(key);
	key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &in, n);
	cr_assert_not_null(key);
	f = fopen(cert("mixed.key"), "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	p.private_key = cert("mixed.key");
	context = tls_context_new_server(&o, &p, 1, "x", 1, NULL, &e);
	cr_assert_not_null(context, "%s", e.text);
	cr_expect_eq(trial_prove(context, &e), -1);
	cr_expect_not_null(strstr(e.text, "signs nothing"), "%s", e.text);
}

/* ---- from outside ------------------------------------------------------------------------- */

/* A server in a process of its own; our end, blocking. It insists on a certificate of ours if
 * `asks`, and is silent if not even `speaks`. */
static int serve_outside(SSL_CTX *own, bool speaks, bool asks, pid_t *ret_pid)
{
	struct timeval patience = { .tv_sec = speaks ? 20 : 0, .tv_usec = 100000 };
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		SSL *ssl = SSL_new(own);

		close(fds[0]);
		if (asks)
			SSL_set_verify(
				ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_set_fd(ssl, fds[1]);
		if (speaks)
			SSL_accept(ssl);
		poll(&(struct pollfd){ .fd = fds[1], .events = POLLIN }, 1, speaks ? 0 : 20000);
		_exit(0);
	}
	close(fds[1]);
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fds[0];
}

static int shake_outside(SSL_CTX *own, bool speaks, bool asks)
{
	pid_t pid;
	int fd = serve_outside(own, speaks, asks, &pid), rc;

	rc = trial_client(fd, context, "localhost", &e);
	close(fd);
	waitpid(pid, NULL, 0);
	return rc;
}

Test(trial, a_server_outside_shakes_hands)
{
	struct tls_options o = { 0 };

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(shake_outside(context, true, false), 0, "%s", e.text);
	cr_expect_eq(
		shake_outside(context, true, true), 0, "it may ask for a certificate: %s", e.text);
}

Test(trial, a_server_outside_that_turns_us_away_has_done_its_part)
{
	char version[] = "1.2";
	struct tls_options o = { .max_version = version };

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(shake_outside(context, true, true), 0, "%s", e.text);
}

Test(trial, a_server_outside_with_another_certificate_fails)
{
	struct tls_options o = { 0 };
	struct tls_pair p = { .certificate = cert("rsa.pem"), .private_key = cert("rsa.key") };
	SSL_CTX *other = tls_context_new_server(&o, &p, 1, "x", 1, NULL, &e);

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(shake_outside(other, true, false), -1);
	cr_expect_not_null(strstr(e.text, "another certificate"), "%s", e.text);
	SSL_CTX_free(other);
}

Test(trial, a_server_outside_that_says_nothing_fails)
{
	struct tls_options o = { 0 };

	serve(&o, "ecdsa", NULL);
	cr_expect_eq(shake_outside(context, false, false), -1);
}
