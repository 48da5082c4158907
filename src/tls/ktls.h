/* Records that the kernel seals (kTLS, Linux's Documentation/networking/tls.rst): private to tls/.
 *
 * OpenSSL hands the keys over to the BIO when they become those of content, and writes content
 * instead of records from then on. Reading stays with OpenSSL. Three things are different then:
 * a record that is no content (ticket, alert) leaves by a system call of its own; what the kernel
 * took may still be waiting in front of TCP, where shutdown() would lose it; and keys cannot be
 * changed any more, so that a peer who asks for that gets an alert. */
#ifndef LATCH_TLS_KTLS_H
#define LATCH_TLS_KTLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls/session.h"

/* From the next byte on the kernel seals what is written, with `keys`: one of the structures of
 * linux/tls.h that begin with struct tls_crypto_info. False: it does not (no kTLS, not for this
 * cipher, not a TCP socket, or what is sealed already does not leave): OpenSSL does. */
bool ktls_start(struct session *s, const void *keys);
/* send(), as records of the type of what is pending. */
ssize_t ktls_send(const struct session *s, const void *p, size_t n);
/* A record that is no content, behind all that was written before. IO_OK: taken, though it may be
 * pending; IO_WANT_WRITE: what was written before does not leave; IO_FAIL: it is an answer to a
 * KeyUpdate, and our peer got an alert instead; IO_RESET. */
enum io_status ktls_write_control(struct session *s, uint8_t type, const void *p, size_t n);
/* Has TCP room for whatever waits in front of it? Then the next record takes all that along. When
 * it has not, the socket is not writable. */
bool ktls_has_room(const struct session *s);

#endif
