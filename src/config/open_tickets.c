/* Secrets of tickets into memory that workers do not inherit. It refuses two sources at a time, and
 * to quote an address: it may hold a password. */
#include "config/open_tickets.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/credential.h"
#include "net/redis.h"
#include "tls/file.h"
#include "tls/secret.h"
#include "tls/vault.h"

static bool is_set(const char *text)
{
	return text && text[0];
}

static void open_secret(struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->tickets_secret_file, NULL);
	const char *file = c->tickets_secret_file;
	struct err e = { 0 };

	if (!is_set(file) || credential_is(file))
		return;
	if (!c->tls.tickets_enabled)
		findings_warning(f, p.file, p.line,
			"tls.tickets.secret_file is not used: tickets are not enabled");
	c->tickets_secret = tls_secret_load(file, &c->digests, &e);
	if (!c->tickets_secret)
		findings_error(f, e.code, p.file, p.line, "%s: %s", file, e.text);
}

static int parse(struct config *c, struct str text, struct err *e)
{
	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	c->tickets_store_url = vault_new(sizeof(*c->tickets_store_url), e);
	if (!c->tickets_store_url)
		return -1;
	return store_url_parse(text, c->tickets_store_url, e);
}

/* The address, from the configuration or from the credential that it names. */
static void parse_store(struct config *c, struct config_place p, struct findings *f)
{
	const char *from = "tls.tickets.store";
	char *path = NULL;
	struct err e = { 0 };
	struct buf b = { 0 };
	int rc;

	if (!credential_is(c->tickets_store)) {
		rc = parse(c, str_of(c->tickets_store), &e);
	} else {
		from = path = credential_path(c->tickets_store, p, f);
		if (!path)
			return;
		rc = file_read(path, &c->digests, &b, &e);
		if (rc == 0)
			rc = parse(c, buf_str(&b), &e);
		file_forget(&b);
	}
	if (rc < 0) {
		findings_error(f, e.code, p.file, p.line, "%s: %s", from, e.text);
		vault_free(c->tickets_store_url, sizeof(*c->tickets_store_url));
		c->tickets_store_url = NULL;
	}
	free(path);
}

static void judge_place(struct config *c, struct config_place p, struct findings *f)
{
	const struct store_url *u = c->tickets_store_url;
	char place[STORE_URL_TEXT_SIZE];

	store_url_format(u, place);
	if (asprintf(&c->tickets_store_shown, "%s%s", place,
		    u->password[0] ? ", with a password" : "") < 0) {
		c->tickets_store_shown = NULL;
		findings_error(f, ERR_SYSTEM, NULL, 0, "out of memory");
	}
	if (store_url_is_exposed(u))
		findings_warning(f, p.file, p.line,
			"tls.tickets.store: ticket keys%s travel to %s in the clear; use "
			"rediss://, or a tunnel on this machine",
			u->password[0] ? " and the password" : "", place);
}

static void open_store(struct config *c, struct findings *f)
{
	struct config_place p = config_place_of(c, &c->tickets_store, NULL);

	if (!is_set(c->tickets_store))
		return;
	if (is_set(c->tickets_secret_file))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"tls.tickets.store and tls.tickets.secret_file are two sources of the same "
			"keys; remove one of them");
	if (!redis_is_built())
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"tls.tickets.store: this program was built without hiredis and can ask no "
			"store; use tls.tickets.secret_file, or a build with it");
	if (!c->tls.tickets_enabled)
		findings_warning(f, p.file, p.line,
			"tls.tickets.store is not used: tickets are not enabled");
	parse_store(c, p, f);
	if (c->tickets_store_url)
		judge_place(c, p, f);
}

void open_tickets(struct config *c, struct findings *f)
{
	open_secret(c, f);
	open_store(c, f);
}
