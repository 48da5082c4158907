/* The configuration as typed, checked data: the option structs of the layers below, and those of
 * worker and master. Made by config/read, checked by config/check, completed by config/open (roots,
 * logs, contexts), const from there on. */
#ifndef LATCH_CONFIG_CONFIG_H
#define LATCH_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "handler/files.h"
#include "handler/media.h"
#include "handler/metrics.h"
#include "handler/redirect.h"
#include "handler/respond.h"
#include "handler/route.h"
#include "net/sock.h"
#include "net/store_url.h"
#include "protocol/access.h"
#include "protocol/conn.h"
#include "tls/closing.h"
#include "tls/context.h"
#include "tls/digest.h"
#include "tls/ktls_probe.h"

/* Where a thing stands in the configuration, for errors found later. */
struct config_place {
	const char *file; /* owned by the configuration's list of files; NULL: no file */
	int line;
};

/* Which place a field was set at; what has no mark has its default. */
struct config_mark {
	const void *target;
	struct config_place place;
};

struct config_source; /* config/source.h */
struct root;          /* config/roots.h */

enum sigpipe_policy { SIGPIPE_IGNORE, SIGPIPE_LOG, SIGPIPE_DEFAULT };

struct config_listener {
	struct config_place place;
	char *name;
	char *address_text;
	struct sock_address address;
	bool tls;
	struct closing_policy shutdown; /* the global one where the listener has none */
	int backlog;
	bool proxy_protocol;
	struct sock_range *trusted;
	size_t ntrusted;
	bool http2;
	/* opened: */
	struct tls_sites *tls_sites; /* NULL on plain */
	struct route_table routes;
};

struct config_pair {
	struct config_place place;
	char *certificate, *private_key; /* absolute paths */
};

struct config_client_auth {
	enum tls_client_mode mode;
	char *ca;   /* absolute, or "" */
	char **crl; /* absolute */
	size_t ncrl;
	enum tls_crl_expired crl_expired;
	unsigned depth;
};

enum config_handler {
	CONFIG_HANDLER_NONE,
	CONFIG_HANDLER_FILES,
	CONFIG_HANDLER_REDIRECT,
	CONFIG_HANDLER_RESPOND,
	CONFIG_HANDLER_STATUS,
	CONFIG_HANDLER_METRICS
};

struct config_route {
	struct config_place place;
	char *path;
	/* As written; config/check makes `handler` of it. */
	bool has_files, has_redirect, has_respond, has_status, has_metrics;
	bool files_are_open; /* files.root_fd is one of the configuration's roots */
	enum config_handler handler;
	struct files_options files;
	struct redirect_options redirect;
	struct respond_options respond;
	struct sock_range *allow, *deny;
	size_t nallow, ndeny;
	struct route_extra extra; /* as written */
	/* opened: with what the site has and the route does not; the arrays are owned, what is in
	 * them is not */
	struct route_extra serving;
	bool has_require;
	struct route_require require; /* fingerprints in the form that is compared */
};

struct config_site {
	struct config_place place;
	char **names;
	size_t nnames;
	bool is_default;
	char **listeners; /* names; none: sites.listeners in latchd.conf(5) says */
	size_t nlisteners;
	struct config_pair *pairs; /* one, or one a key type */
	size_t npairs;
	struct config_pair
		single; /* `certificate` and `private_key` until config/read makes a pair of them */
	char *passphrase_file; /* absolute, or "" */
	struct config_client_auth client_auth;
	struct access_log access; /* the global one where the site has none */
	struct route_extra extra;
	struct config_route *routes;
	size_t nroutes;
	/* opened: */
	struct tls_trust *trust; /* a hold of it; NULL: clients are asked for nothing */
	bool trust_is_first;     /* no site before has the same */
	struct ssl_ctx_st *context;
	struct route_site serving;
};

struct config {
	char *path;      /* of the main file; NULL: --serve */
	char *directory; /* of it, absolute: relative names are relative to it */
	char **files;    /* every file read, the main one first; owned */
	size_t nfiles;
	struct digest_list digests;   /* of every file that was read, those of TLS too */
	struct config_source *source; /* the text; owned */
	/* While it is opened: what is equal there is taken from it; NULL: there is none. */
	const struct config *before;

	int workers; /* 0: one per online CPU */
	char *user, *group;
	bool user_is_set; /* named outright */
	enum sigpipe_policy sigpipe;
	struct closing_policy shutdown;
	char *control; /* absolute, or "": none */
	struct tls_options tls;
	char *media_types;         /* absolute, or "": none */
	struct media_types *media; /* opened; NULL: none */
	char *tickets_secret_file; /* absolute, "": none */
	char *tickets_store;       /* as written, "": none; it may have a password */
	struct conn_timeouts timeouts;
	struct conn_limits limits;
	int64_t reload_ready_ms, reload_drain_ms;
	enum log_level log_level;
	enum log_target log_target;
	char *log_path; /* with LOG_TARGET_FILE */
	struct access_log access;

	struct config_listener *listeners;
	size_t nlisteners;
	struct config_site *sites;
	size_t nsites;

	struct config_mark *marks; /* by address of their target */
	size_t nmarks, marks_cap;

	/* opened: */
	struct root **roots; /* by path */
	size_t nroots;
	struct log_file
		*log_files; /* [0] is the error log where that is a file; paths are distinct */
	size_t nlog_files;
	struct config_place *log_places;     /* where each was named first */
	struct tls_secret *tickets_secret;   /* the master's alone; NULL: none */
	struct store_url *tickets_store_url; /* likewise, in a vault */
	char *tickets_store_shown;           /* where it is, for people; NULL: there is none */
	struct ktls_probe ktls;              /* of tls.ktls "auto" */
	struct metrics_options metrics;      /* of all routes that have them */
	char *serve_pem;                     /* --serve: leaf and key in memory */
	char *serve_ca_path;
};

void config_free(struct config *c); /* NULL and half-built are fine; closes what open opened */

/* Where the field at `target` was set; without a mark, `otherwise`; without that, the main file,
 * line 0. */
struct config_place config_place_of(
	const struct config *c, const void *target, const struct config_place *otherwise);

/* How many connections a worker has descriptors for, of `nofile` in all: the rest is for logs,
 * roots, remembered files. */
unsigned config_connections_fit(unsigned long nofile);

/* Does `site` answer on `listener`? sites.listeners in latchd.conf(5) has the rule. */
bool config_site_is_on(const struct config_site *site, const struct config_listener *listener);

#endif
