/* Which OpenSSL this process runs with. */
#ifndef LATCH_TLS_LIBRARY_H
#define LATCH_TLS_LIBRARY_H

/* "3.0.22": of the library that was loaded, not of the headers; static. */
const char *tls_library_version(void);

#endif
