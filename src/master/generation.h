/* A generation: one configuration with its contexts, its hold on listening sockets, and its
 * workers. */
#ifndef LATCH_MASTER_GENERATION_H
#define LATCH_MASTER_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "config/findings.h"
#include "master/master.h"
#include "master/pool.h"
#include "master/slots.h"
#include "master/sockets.h"

struct handover_generation;
struct session_cache;
struct tally;
struct ticket_ring;

/* What all generations share; outlives them. */
struct generation_options {
	const struct master_options *master;
	sd_event *event;
	struct ticket_ring *ring;
	struct slots *slots;
	struct sockets *sockets;
	/* Serves now: what is equal is taken from its configuration; NULL: none does. */
	const struct generation *before;
	/* NULL, or: it is only a proof. One worker is forked, and listens on what this makes, an
	 * array for all listeners, instead of the sockets. */
	int *(*stand_in)(const struct config *c, struct err *e);
};

struct generation {
	const struct generation_options *o;
	struct generation *next; /* in a list of its owner's */
	void *owner;             /* whatever generation_new()'s caller puts there */
	uint32_t number;
	struct config *config;
	unsigned *holders;           /* of the configuration: generations that share it */
	int *listener_fds;           /* held; NULL once given back */
	struct session_cache *cache; /* a hold of it; NULL: sessions are not cached */
	size_t nlisteners;
	struct tally *tally; /* NULL: connections by address are not limited */
	struct pool pool;
	size_t opened; /* sockets that it brought */
};

/* `rehearsed`: the files that it may read, as they must be; NULL: it was not rehearsed, so that
 * trial handshakes are part of making it. `again`: whose configuration is taken once more, with
 * what it names as that is now; NULL: what the file says. Reads, checks and opens the
 * configuration, acquires the sockets and forks the workers, who are not ready yet when this
 * returns: `news` tells. NULL: findings, and all is as before. */
struct generation *generation_new(const struct generation_options *o, uint32_t number,
	const struct digest_list *rehearsed, const struct generation *again, pool_news_fn *news,
	struct findings *f);
/* The configuration and the contexts of `before` as they are in memory, with sockets and workers of
 * their own; no file is read. */
struct generation *generation_restore(
	const struct generation *before, uint32_t number, pool_news_fn *news, struct findings *f);
/* The generation of the image before: its workers go on, and its configuration is gone but for what
 * their end takes. NULL: `e`, and nothing is given back: that would end the workers. */
struct generation *generation_take_over(const struct generation_options *o,
	const struct handover_generation *from, pool_news_fn *news, struct err *e);
/* For the next image of this process; -1: out of memory. */
int generation_leave(const struct generation *g, struct handover_generation *ret, struct err *e);
/* Is it one of an image before? */
bool generation_is_inherited(const struct generation *g);
/* Workers that are left are killed. The CA file of --serve goes too. NULL is fine. */
void generation_free(struct generation *g);
struct generation *generation_of(struct pool *p);

/* Its sockets that nobody else holds are closed; how many. Idempotent. */
size_t generation_release_sockets(struct generation *g);
/* Bounded by its reload.drain; see pool_drain(). */
void generation_drain(struct generation *g, int64_t idle_ms);
/* The master's log goes where this configuration says. */
void generation_use_log(const struct generation *g);
/* How tls.ktls turned out, in one line, unless it is as it was before (NULL: there is no before).
 */
void generation_log_ktls(const struct generation *g, const struct generation *old);
/* `serving`: whose error log is the master's; NULL: none. What fails is a warning in `f`. */
void generation_reopen_logs(
	struct generation *g, const struct generation *serving, struct findings *f);

#endif
