/* PEM for many. */
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "pair_of_peers.h"
#include "tls/decode.h"

static struct decode *d;
static BIO *in;
static EVP_PKEY *key;
static X509 *certificates[8];

static void setup(void)
{
	d = decode_new();
	cr_assert_not_null(d);
}

static void teardown(void)
{
	BIO_free(in);
	EVP_PKEY_free(key);
	for (int i = 0; i < 8; i++)
		X509_free(certificates[i]);
	decode_free(d);
	decode_free(NULL);
	ERR_clear_error();
}

TestSuite(decode, .init = setup, .fini = teardown);

static void open_file(const char *name)
{
	BIO_free(in);
	in = BIO_new_file(cert(name), "r");
	cr_assert_not_null(in);
}

static void expect_same_key(const char *name)
{
	EVP_PKEY *other;

	EVP_PKEY_free(key);
	open_file(name);
	key = decode_key(d, in);
	cr_assert_not_null(key, "%s", name);
	open_file(name);
	other = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	cr_expect_eq(EVP_PKEY_eq(key, other), 1, "%s", name);
	EVP_PKEY_free(other);
}

Test(decode, keys_are_what_openssl_reads)
{
	for (int i = 0; i < 3; i++) {
		expect_same_key("ecdsa.key");
		expect_same_key("rsa.key");
	}
}

/* In the forms of old: EC PARAMETERS in front, and the algorithm in the name of the block. */
Test(decode, keys_of_old_forms)
{
	EVP_PKEY *pkey;
	BIO *b = BIO_new(BIO_s_mem());

	open_file("ecdsa.key");
	pkey = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	cr_assert_not_null(pkey);
	BIO_puts(b,
		"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n");
	cr_assert_eq(PEM_write_bio_PrivateKey_traditional(b, pkey, NULL, NULL, 0, NULL, NULL), 1);
	key = decode_key(d, b);
	cr_assert_not_null(key);
	cr_expect_eq(EVP_PKEY_eq(key, pkey), 1);
	EVP_PKEY_free(pkey);
	BIO_free(b);
}

Test(decode, a_key_behind_certificates_is_found)
{
	BIO *b = BIO_new(BIO_s_mem());
	char text[8192];
	int n;

	for (int i = 0; i < 2; i++) {
		open_file(i ? "ecdsa.key" : "ecdsa.pem");
		while ((n = BIO_read(in, text, sizeof(text))) > 0)
			BIO_write(b, text, n);
	}
	key = decode_key(d, b);
	cr_expect_not_null(key);
	BIO_free(b);
}

Test(decode, what_needs_a_pass_phrase_is_left_to_others)
{
	open_file("encrypted.key");
	cr_expect_null(decode_key(d, in));
	open_file("ecdsa.pem");
	cr_expect_null(decode_key(d, in));
	expect_same_key("rsa.key"); /* nothing is left of that */
}

Test(decode, a_damaged_key_is_none)
{
	BIO *b = BIO_new_mem_buf("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n"
				 "-----END PRIVATE KEY-----\n",
		-1);

	cr_expect_null(decode_key(d, b));
	BIO_free(b);
}

Test(decode, certificates_seen_before_are_the_same_objects)
{
	for (int i = 0; i < 2; i++) {
		open_file("inter.pem");
		for (int k = 0; k < 2; k++)
			certificates[2 * i + k] = decode_certificate(d, in);
		cr_expect_null(decode_certificate(d, in), "that is all");
	}
	cr_assert_not_null(certificates[0]);
	cr_assert_not_null(certificates[1]);
	cr_expect_neq(certificates[0], certificates[1]);
	cr_expect_eq(certificates[0], certificates[2]);
	cr_expect_eq(certificates[1], certificates[3]);
	open_file("inter.pem");
	certificates[4] = decode_certificate(NULL, in);
	cr_assert_not_null(certificates[4]);
	cr_expect_neq(certificates[4], certificates[0]);
	cr_expect_eq(X509_cmp(certificates[4], certificates[0]), 0);
}

Test(decode, what_was_seen_long_ago_is_forgotten)
{
	char name[32];

	for (int i = 0; i < 100; i++) {
		struct x509_st *c;

		snprintf(name, sizeof(name), "%s.pem", i % 2 ? "rsa" : "other");
		open_file(name);
		c = decode_certificate(d, in);
		cr_assert_not_null(c);
		X509_free(c);
	}
}
