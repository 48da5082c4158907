/* The last word on certificates: that they load does not yet mean that a handshake with them can
 * succeed. Refuses to judge what a client would think of them. */
#include "config/handshakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/spread.h"
#include "tls/trial.h"

enum { KIND_SIZE = 128, KINDS_MAX = 64 };

/* Was that file read for `before` with the same content? "": there is no file. */
static bool is_same_file(const struct config *c, const struct config *before, const char *path)
{
	const struct digest *now, *then;

	if (!path || !*path)
		return true;
	now = digest_list_find(&c->digests, path);
	then = digest_list_find(&before->digests, path);
	return now && then && !memcmp(now->hash, then->hash, DIGEST_SIZE);
}

static bool is_unchanged(
	const struct config *c, const struct config *before, const struct config_site *site)
{
	if (!before || !tls_options_are_same(&c->tls, &before->tls) ||
		!is_same_file(c, before, site->passphrase_file))
		return false;
	for (size_t i = 0; i < site->npairs; i++)
		if (!is_same_file(c, before, site->pairs[i].certificate) ||
			!is_same_file(c, before, site->pairs[i].private_key))
			return false;
	return true;
}

void handshakes_name(const struct config_site *site, char dst[HANDSHAKES_NAME_SIZE])
{
	const char *name = site->names[0];

	for (size_t i = 0; i < site->nnames; i++)
		if (!strchr(site->names[i], '*')) {
			name = site->names[i];
			break;
		}
	if (!strcmp(name, "*"))
		snprintf(dst, HANDSHAKES_NAME_SIZE, "latchd-trial.invalid");
	else
		snprintf(dst, HANDSHAKES_NAME_SIZE, "%s%s", *name == '*' ? "latchd-trial" : "",
			*name == '*' ? name + 1 : name);
}

/* One site on one listener. */
struct task {
	struct trial *trial;
	const struct config_listener *listener;
	const struct config_site *site;
	bool only_key;
};

/* How many of a kind there were. */
struct kind {
	char text[KIND_SIZE];
	size_t n;
};

struct tasks {
	const struct config *c;
	struct findings *f;
	struct trial *trials; /* a listener */
	struct task *v;
	size_t n;
	struct kind kinds[KINDS_MAX];
	size_t nkinds;
};

static int try_site(void *data, size_t i, struct err *e)
{
	const struct task *t = &((const struct tasks *)data)->v[i];
	char name[HANDSHAKES_NAME_SIZE];

	if (t->only_key)
		return trial_prove(t->site->context, e);
	handshakes_name(t->site, name);
	return trial_handshakes(t->trial, t->site->context, name, &t->site->serving, e);
}

static void on_failed(void *data, size_t i, const struct err *e)
{
	const struct tasks *all = data;
	const struct config_site *site = all->v[i].site;
	const struct config_listener *l = all->v[i].listener;
	struct config_place p = site->place;
	char name[HANDSHAKES_NAME_SIZE];

	handshakes_name(site, name);
	if (site->npairs)
		p = config_place_of(all->c, &site->pairs[0].certificate, &site->pairs[0].place);
	findings_error(all->f, e->code, p.file, p.line,
		"a TLS handshake with this certificate fails, for \"%.100s\" on the listener "
		"\"%.60s\": %s",
		name, l->name ? l->name : "", e->text);
}

/* Another one of the kind of this certificate; how many there are by now. */
static size_t count_kind(struct tasks *all, struct ssl_ctx_st *context)
{
	char text[KIND_SIZE];

	trial_kind(context, text, sizeof(text));
	for (size_t i = 0; i < all->nkinds; i++)
		if (!strcmp(all->kinds[i].text, text))
			return ++all->kinds[i].n;
	if (all->nkinds == KINDS_MAX)
		return 1;
	memcpy(all->kinds[all->nkinds].text, text, sizeof(text));
	return all->kinds[all->nkinds++].n = 1;
}

static void add(struct tasks *all, size_t listener, const struct config_site *site, bool all_kinds)
{
	struct task t = { &all->trials[listener], &all->c->listeners[listener], site, false };

	t.only_key = !all_kinds && count_kind(all, site->context) > HANDSHAKES_MANY;
	all->v[all->n++] = t;
}

static size_t collect(const struct config *c, const struct config *before, struct tasks *all)
{
	for (size_t i = 0; i < c->nlisteners; i++) {
		const struct config_listener *l = &c->listeners[i];

		trial_init(&all->trials[i], l->tls_sites);
		for (size_t k = 0; l->tls_sites && k < c->nsites; k++)
			if (c->sites[k].context && config_site_is_on(&c->sites[k], l) &&
				!is_unchanged(c, before, &c->sites[k]))
				add(all, i, &c->sites[k], before != NULL);
	}
	return all->n;
}

void config_handshakes(const struct config *c, const struct config *before, struct findings *f)
{
	struct tasks all = { .c = c, .f = f };
	struct err e = { 0 };

	all.trials = calloc(c->nlisteners + 1, sizeof(*all.trials));
	all.v = calloc(c->nlisteners * c->nsites + 1, sizeof(*all.v));
	if (!all.trials || !all.v)
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	else if (spread_run(collect(c, before, &all), try_site, on_failed, &all, &e) < 0)
		findings_error(f, e.code, NULL, 0, "%s", e.text);
	for (size_t i = 0; all.trials && i < c->nlisteners; i++)
		trial_done(&all.trials[i]);
	free(all.trials);
	free(all.v);
}
