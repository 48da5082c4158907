/* What the command line of latch says. */
#ifndef LATCH_CLIENT_OPTIONS_H
#define LATCH_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tls/closing.h"

/* AUTO: when standard error is a terminal and the content goes to a file. */
enum options_progress { OPTIONS_PROGRESS_AUTO, OPTIONS_PROGRESS_ON, OPTIONS_PROGRESS_OFF };
enum options_family { OPTIONS_ANY, OPTIONS_IPV4, OPTIONS_IPV6 };
enum options_http { OPTIONS_HTTP_ANY, OPTIONS_HTTP1, OPTIONS_HTTP2 };
enum options_verify { OPTIONS_VERIFY_HANDSHAKE, OPTIONS_VERIFY_AFTER };

enum { OPTIONS_HOST_SIZE = 256, OPTIONS_TIMEOUT_MS = 30000, OPTIONS_REDIRECTS = 10 };
#define OPTIONS_WARN_EXPIRY_MS (INT64_C(21) * 24 * 3600 * 1000)

/* The list is owned, the text is not. */
struct options_list {
	char **text;
	size_t n;
};

/* Text points into argv. */
struct options {
	bool is_check;      /* `latch check` */
	const char *output; /* NULL: standard output */
	bool remote_name;
	bool resume;
	bool with_head;
	bool head_only;
	const char *method;         /* NULL: GET, HEAD or POST */
	const char *data;           /* NULL: none */
	struct options_list fields; /* "Name: value", checked */
	bool follow;
	unsigned max_redirects;
	bool fail;
	unsigned repeat; /* 0: not said */
	int64_t warn_expiry_ms;
	bool verbose;
	bool quiet;
	bool json;
	const char *ca; /* NULL: the system's */
	const char *crl;
	unsigned depth; /* OPTIONS_NO_DEPTH: not said */
	const char *cert, *key, *pass_file;
	bool insecure;
	bool allow_cn;
	int verify; /* enum options_verify */
	const char *tls_min, *tls_max;
	char connect_host[OPTIONS_HOST_SIZE]; /* "": the URL's; no brackets */
	unsigned connect_port;                /* 0: the URL's */
	const char *sni;
	int http;          /* enum options_http */
	int family;        /* enum options_family */
	const char *proxy; /* NULL: what the environment says */
	int shutdown;      /* enum closing_mode */
	int timeout_ms;
	int progress; /* enum options_progress */
	bool help;
	bool version;
	struct options_list urls;
};

enum { OPTIONS_NO_DEPTH = 1000 };
#ifdef HAVE_NGHTTP2
enum { OPTIONS_HAS_HTTP2 = true };
#else
enum { OPTIONS_HAS_HTTP2 = false };
#endif

/* Options and URLs in any order; "--" ends the options; "-oFILE", "-ik", "--ca=FILE" are
 * understood. -1 with ERR_USAGE: an unknown option (the nearest known one is named), a missing or
 * malformed argument, options that exclude each other, no URL. With -h or -V nothing else is asked
 * for. options_done() afterwards, after a failure too. */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
void options_done(struct options *o);
/* The text of -h, with the exit codes. False: out of memory. */
bool options_usage(const struct options *o, struct buf *out);

#endif
