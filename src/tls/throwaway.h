/* The throw-away CA of `latchd --serve`. */
#ifndef LATCH_TLS_THROWAWAY_H
#define LATCH_TLS_THROWAWAY_H

#include "base/buf.h"
#include "base/err.h"

/* A CA made now and a server certificate for localhost, 127.0.0.1 and ::1 signed by it, ECDSA
 * P-256, valid from an hour ago for `days`. `ret_ca_pem`: the CA's certificate; `ret_pem`: leaf,
 * then its key. The CA's key is forgotten here, and it may sign for nothing but the loopback.
 * Buffers are the caller's. */
int tls_throwaway_make(unsigned days, struct buf *ret_ca_pem, struct buf *ret_pem, struct err *e);

#endif
