/* PEM -> certificates and keys, made cheap for many: OpenSSL 3.0 looks all its decoders up anew for
 * each key, which costs ten times what decoding does; and the certificates of intermediate CAs are
 * the same in many chains. */
#ifndef LATCH_TLS_DECODE_H
#define LATCH_TLS_DECODE_H

struct bio_st;
struct evp_pkey_st;
struct x509_st;
struct decode; /* heap */

/* NULL: out of memory. */
struct decode *decode_new(void);
void decode_free(struct decode *d); /* NULL is fine; what it returned lives on */

/* The first private key of PEM; NULL, and OpenSSL's queue says why: there is none that is neither
 * encrypted nor damaged, and PEM_read_bio_PrivateKey() may know more. `b` stands anywhere then. */
struct evp_pkey_st *decode_key(struct decode *d, struct bio_st *b);
/* The next certificate of PEM, the caller's reference. What was seen lately is not decoded again.
 * NULL: as PEM_read_bio_X509(). `d` NULL: just that. */
struct x509_st *decode_certificate(struct decode *d, struct bio_st *b);

#endif
