/* Makes the certificates of many sites, for tests/bench/sites:
 *
 *	makesites FOLDER FIRST COUNT
 *
 * FOLDER/ca.pem is the root, made once; of each site s00001.test, ... there are FOLDER/NAME.pem
 *(the leaf and the intermediate that signed it) and FOLDER/NAME.key, ECDSA P-256, valid for 90
 *days. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "makesites: %s\n", what);
	exit(1);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(e && X509_add_ext(cert, e, -1), "extension");
	X509_EXTENSION_free(e);
}

/* `issuer` NULL: signed by itself. */
static X509 *make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, int is_ca)
{
	X509 *cert = X509_new();
	unsigned char serial[8];
	char san[80];
	ASN1_INTEGER *number;

	must(cert && RAND_bytes(serial, sizeof(serial)), "certificate");
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and no leading zero */
	number = X509_get_serialNumber(cert);
	must(ASN1_STRING_set(number, serial, sizeof(serial)), "serial");
	X509_set_version(cert, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 90L * 24 * 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
	add_extension(cert, issuer ? issuer : cert, NID_basic_constraints,
		is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (!is_ca) {
		snprintf(san, sizeof(san), "DNS:%s", name);
		add_extension(cert, issuer, NID_subject_alt_name, san);
		add_extension(cert, issuer, NID_ext_key_usage, "serverAuth");
	}
	must(X509_sign(cert, issuer_key, EVP_sha256()) > 0, "signature");
	return cert;
}

static FILE *create(const char *folder, const char *name, const char *end)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, end);
	f = fopen(path, "w");
	must(f != NULL, path);
	return f;
}

int main(int argc, char **argv)
{
	EVP_PKEY *root_key = EVP_EC_gen("P-256"), *middle_key = EVP_EC_gen("P-256");
	X509 *root = make("bench root", root_key, NULL, root_key, 1);
	X509 *middle = make("bench intermediate", middle_key, root, root_key, 1);
	FILE *f;

	must(argc == 4, "makesites FOLDER FIRST COUNT");
	f = create(argv[1], "ca", "pem");
	PEM_write_X509(f, root);
	fclose(f);
	for (int i = atoi(argv[2]); i < atoi(argv[2]) + atoi(argv[3]); i++) {
		EVP_PKEY *key = EVP_EC_gen("P-256");
		char name[32];
		X509 *leaf;

		snprintf(name, sizeof(name), "s%05d.test", i);
		leaf = make(name, key, middle, middle_key, 0);
		f = create(argv[1], name, "pem");
		must(PEM_write_X509(f, leaf) && PEM_write_X509(f, middle) && fclose(f) == 0, name);
		f = create(argv[1], name, "key");
		must(PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) && fclose(f) == 0,
			name);
		X509_free(leaf);
		EVP_PKEY_free(key);
	}
	return 0;
}
