/* The shared helper of the configuration's tests. */
#include "conf.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/check.h"
#include "config/open.h"
#include "config/read.h"
#include "tls/facts.h"

void conf_init(struct conf *t)
{
	*t = (struct conf){ .dir = "/tmp/latch-test-config-XXXXXX" };
	cr_assert(mkdtemp(t->dir));
	cr_assert_eq(chmod(t->dir, 0755), 0);
}

void conf_done(struct conf *t)
{
	DIR *d = opendir(t->dir);
	struct dirent *entry;
	char path[512];

	while (d && (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", t->dir, entry->d_name);
		if (unlink(path) && errno == EISDIR)
			rmdir(path);
	}
	if (d)
		closedir(d);
	rmdir(t->dir);
	config_free(t->c);
	findings_done(&t->f);
}

const char *conf_path(const struct conf *t, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", t->dir, name);
	return path;
}

void conf_write(const struct conf *t, const char *name, const char *text)
{
	FILE *f = fopen(conf_path(t, name), "w");

	cr_assert(f);
	cr_assert(fputs(text, f) >= 0);
	cr_assert_eq(fclose(f), 0);
}

static void write_pair(const struct conf *t, const char *certificate, const char *key)
{
	struct buf ca, pem;
	const char *text;

	buf_init(&ca, 0);
	buf_init(&pem, 0);
	cr_assert_eq(tls_throwaway_make(30, &ca, &pem, NULL), 0);
	text = buf_cstring(&pem);
	if (certificate)
		conf_write(t, certificate, text);
	conf_write(t, key,
		strstr(text, "-----BEGIN PRIVATE") ? strstr(text, "-----BEGIN PRIVATE")
						   : strstr(text, "-----BEGIN EC"));
	buf_done(&ca);
	buf_done(&pem);
}

void conf_write_certificates(const struct conf *t)
{
	write_pair(t, "a.pem", "a.key");
	write_pair(t, NULL, "b.key");
}

void conf_load(struct conf *t, const char *text)
{
	config_free(t->c);
	findings_done(&t->f);
	t->c = config_load_text(conf_path(t, "t.conf"), text, strlen(text), &t->f);
}

void conf_check(struct conf *t, const char *text)
{
	conf_load(t, text);
	cr_assert(t->c, "%s", conf_findings(t));
	config_check(t->c, &t->f);
}

void conf_open(struct conf *t, const char *text)
{
	conf_check(t, text);
	config_open(t->c, CONFIG_OPEN_TEST, NULL, &t->f);
}

static bool has_words(const char *text, const char *words)
{
	char copy[256], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, "|", &save); w; w = strtok_r(NULL, "|", &save))
		if (!strstr(text, w))
			return false;
	return true;
}

static bool has(const struct conf *t, bool is_error, int line, const char *words)
{
	for (size_t i = 0; i < t->f.n; i++) {
		const struct finding *one = &t->f.v[i];

		if (one->is_error == is_error && one->err.line == line &&
			(line == 0 || !strcmp(one->err.file, conf_path(t, "t.conf"))) &&
			has_words(one->err.text, words))
			return true;
	}
	return false;
}

bool conf_has_error(const struct conf *t, int line, const char *words)
{
	return has(t, true, line, words);
}

bool conf_has_warning(const struct conf *t, int line, const char *words)
{
	return has(t, false, line, words);
}

const char *conf_findings(const struct conf *t)
{
	static char text[8192];
	size_t n = 0;
	char one[1024];

	text[0] = '\0';
	for (size_t i = 0; i < t->f.n && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\n%s %s",
			t->f.v[i].is_error ? "E" : "W",
			err_format(&t->f.v[i].err, one, sizeof(one)));
	return text;
}
