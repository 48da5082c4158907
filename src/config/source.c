/* Puts the text of a configuration together. Refuses what libconfig would stumble over in silence:
 * a zero byte (it would end the text), a file that is not a regular one, an @include in the middle
 * of a line. Whether the text is libconfig is not looked at here, beyond strings and comments, in
 * which an
 * @include is just text. */
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void source_done(struct config_source *s)
{
	if (!s)
		return;
	buf_done(&s->text);
	free(s->segments);
	s->segments = NULL;
	s->nsegments = s->cap = 0;
}

struct config_place source_place(const struct config_source *s, int line)
{
	size_t low = 0, high = s->nsegments;

	/* The last segment that begins at the line or before; of several at one, the last. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->segments[middle].line > line)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == 0)
		return (struct config_place){ NULL, 0 };
	low--;
	return (struct config_place){ s->segments[low].place.file,
		s->segments[low].place.line + line - s->segments[low].line };
}

static int out_of_memory(struct findings *f, const char *file)
{
	findings_error(f, ERR_SYSTEM, file, 0,
		"out of memory, or more than %d MiB of configuration", SOURCE_MAX >> 20);
	return -1;
}

/* From `line` of the text on, it is line `place.line` of `place.file`. */
static int map(struct config_source *s, int line, struct config_place place)
{
	if (s->nsegments == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 8;
		void *v = realloc(s->segments, cap * sizeof(*s->segments));
		if (!v)
			return -1;
		s->segments = v;
		s->cap = cap;
	}
	s->segments[s->nsegments++] = (struct source_segment){ line, place };
	return 0;
}

/* The interned name of a file; NULL: out of memory. */
static const char *add_file(struct config *c, const char *path)
{
	char **files;

	for (size_t i = 0; i < c->nfiles; i++)
		if (!strcmp(c->files[i], path))
			return c->files[i];
	files = realloc(c->files, (c->nfiles + 1) * sizeof(*files));
	if (!files)
		return NULL;
	c->files = files;
	files[c->nfiles] = strdup(path);
	return files[c->nfiles] ? files[c->nfiles++] : NULL;
}

static void report_unreadable(
	const char *path, int errnum, struct config_place at, struct findings *f)
{
	enum err_code code = errnum == EACCES ? ERR_PERMISSION : ERR_CONFIG;

	if (at.line)
		findings_error(
			f, code, at.file, at.line, "cannot read %s: %s", path, strerror(errnum));
	else
		findings_error(f, code, at.file, 0, "cannot be read: %s%s", strerror(errnum),
			errnum != ENOENT ? ""
					 : "; name a configuration with -c FILE, or serve a folder "
					   "without any: latchd --serve DIR");
}

/* The whole file at the end of `b`; `at` is where it was asked for, or line 0 for the main file. */
static int slurp(const char *path, bool regular_only, struct buf *b, struct config_place at,
	struct findings *f)
{
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (regular_only ? O_NONBLOCK : 0));

	if (fd < 0) {
		report_unreadable(path, errno, at, f);
		return -1;
	}
	if (fstat(fd, &st) || S_ISDIR(st.st_mode) || (regular_only && !S_ISREG(st.st_mode))) {
		findings_error(f, ERR_CONFIG, at.file, at.line,
			"cannot read %s: it is not a regular file", path);
		close(fd);
		return -1;
	}
	do {
		char *p = buf_reserve(b, 16384);

		n = p ? read(fd, p, 16384) : -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			findings_error(f, ERR_CONFIG, at.file, at.line, "cannot read %s: %s", path,
				p ? strerror(errno) : "it is too large for a configuration");
			close(fd);
			return -1;
		}
		buf_commit(b, (size_t)n);
	} while (n != 0);
	close(fd);
	return 0;
}

/* Where in a line of libconfig text we are. */
enum scan { SCAN_CODE, SCAN_STRING, SCAN_COMMENT };

/* The state behind one line. */
static enum scan scan_line(enum scan state, struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i], next = i + 1 < line.n ? line.p[i + 1] : '\0';

		if (state == SCAN_STRING) {
			i += c == '\\';
			state = c == '"' ? SCAN_CODE : SCAN_STRING;
		} else if (state == SCAN_COMMENT) {
			if (c == '*' && next == '/')
				state = SCAN_CODE, i++;
		} else if (c == '"') {
			state = SCAN_STRING;
		} else if (c == '/' && next == '*') {
			state = SCAN_COMMENT, i++;
		} else if (c == '#' || (c == '/' && next == '/')) {
			return SCAN_CODE;
		}
	}
	return state;
}

/* `@include "NAME"`: the name, and what stands behind it on the line. */
static bool parse_include(struct str line, struct str *ret_name, struct str *ret_rest)
{
	static const char word[] = "@include";
	struct str s = str_trim(line);
	size_t end;

	if (!str_has_prefix(s, str_of(word)))
		return false;
	s = (struct str){ s.p + sizeof(word) - 1, s.n - (sizeof(word) - 1) };
	if (!s.n || (s.p[0] != ' ' && s.p[0] != '\t'))
		return false;
	s = str_trim(s);
	if (s.n < 2 || s.p[0] != '"')
		return false;
	end = str_find(s, '"', 1);
	if (end == s.n)
		return false;
	*ret_name = (struct str){ s.p + 1, end - 1 };
	*ret_rest = (struct str){ s.p + end + 1, s.n - end - 1 };
	return true;
}

struct expander {
	struct config_source *s;
	struct config *c;
	struct findings *f;
	int line; /* of the text, the one being written */
	int includes;
	bool given_up; /* on files that multiply; no file is looked at any more */
};

static int expand(struct expander *x, const char *file, struct str in, int depth);

static int include(struct expander *x, struct config_place at, struct str name, int depth)
{
	struct buf content;
	char path[4096];
	const char *file;
	int r = -1, n;

	buf_init(&content, SOURCE_MAX);
	n = name.n && name.p[0] == '/'
		    ? snprintf(path, sizeof(path), STR_FMT, STR_ARG(name))
		    : snprintf(path, sizeof(path), "%s/" STR_FMT, x->s->directory, STR_ARG(name));
	if (n < 0 || (size_t)n >= sizeof(path)) {
		findings_error(x->f, ERR_CONFIG, at.file, at.line, "the @include name is too long");
		goto out;
	}
	if (++x->includes > SOURCE_INCLUDES_MAX) {
		x->given_up = true;
		findings_error(x->f, ERR_CONFIG, at.file, at.line,
			"@include \"" STR_FMT "\" is one of more than %d", STR_ARG(name),
			SOURCE_INCLUDES_MAX);
		goto out;
	}
	if (depth >= SOURCE_DEPTH_MAX) {
		x->given_up = true;
		findings_error(x->f, ERR_CONFIG, at.file, at.line,
			"@include \"" STR_FMT
			"\" is nested more than %d deep; does the file include itself?",
			STR_ARG(name), SOURCE_DEPTH_MAX);
		goto out;
	}
	if (slurp(path, true, &content, at, x->f))
		goto out;
	file = add_file(x->c, path);
	if (!file) {
		out_of_memory(x->f, at.file);
		goto out;
	}
	r = expand(x, file, buf_str(&content), depth + 1);
	if (digest_list_add(&x->c->digests, file, content.data + content.off, buf_len(&content)))
		r = out_of_memory(x->f, file);
out:
	buf_done(&content);
	return r;
}

/* A line of `file` that is not an @include, with its line end. */
static int copy_line(struct expander *x, struct str line)
{
	if (!buf_append_str(&x->s->text, line) || !buf_append(&x->s->text, "\n", 1))
		return out_of_memory(x->f, x->c->path);
	x->line++;
	return 0;
}

static int expand(struct expander *x, const char *file, struct str in, int depth)
{
	enum scan state = SCAN_CODE;
	int number = 1, r = 0;

	if (map(x->s, x->line, (struct config_place){ file, 1 }))
		return out_of_memory(x->f, file);
	for (size_t at = 0; at < in.n; number++) {
		size_t end = str_find(in, '\n', at);
		struct str line = { in.p + at, end - at }, name, rest;
		struct config_place place = { file, number };

		at = end + 1;
		if (line.n && memchr(line.p, '\0', line.n)) {
			findings_error(x->f, ERR_CONFIG, file, number,
				"there is a zero byte in the line; expected text");
			return -1;
		}
		if (state == SCAN_CODE && parse_include(line, &name, &rest)) {
			r |= include(x, place, name, depth);
			if (x->given_up)
				return -1;
			if (map(x->s, x->line, place))
				return out_of_memory(x->f, file);
			line = rest;
		}
		state = scan_line(state, line);
		if (copy_line(x, line))
			return -1;
	}
	return r;
}

static int set_directory(struct config_source *s, struct config *c, struct findings *f)
{
	char *slash = strrchr(c->path, '/');
	char *parent = slash ? strndup(c->path, slash == c->path ? 1 : (size_t)(slash - c->path))
			     : strdup(".");

	c->directory = parent ? realpath(parent, NULL) : NULL;
	if (!c->directory)
		findings_error(f, ERR_CONFIG, c->path, 0, "cannot find the directory %s: %s",
			parent ? parent : "of the file", strerror(errno));
	free(parent);
	s->directory = c->directory;
	return c->directory ? 0 : -1;
}

int source_read_text(
	struct config_source *s, struct config *c, const char *text, size_t n, struct findings *f)
{
	struct expander x = { .s = s, .c = c, .f = f, .line = 1 };
	const char *file = add_file(c, c->path);

	buf_init(&s->text, 2 * SOURCE_MAX);
	if (!file)
		return out_of_memory(f, NULL);
	if (set_directory(s, c, f) || expand(&x, file, (struct str){ text, n }, 0))
		return -1;
	if (!buf_cstring(&s->text))
		return out_of_memory(f, file);
	return 0;
}

static int copy_files(struct config *c, const struct config *before)
{
	c->directory = strdup(before->directory);
	if (!c->directory)
		return -1;
	for (size_t i = 0; i < before->nfiles; i++) {
		const struct digest *d = digest_list_find(&before->digests, before->files[i]);

		if (!add_file(c, before->files[i]) ||
			(d && digest_list_add_hash(&c->digests, d->path, d->hash)))
			return -1;
	}
	return 0;
}

int source_read_again(
	struct config_source *s, struct config *c, const struct config *before, struct findings *f)
{
	const struct config_source *from = before->source;
	bool ok;

	buf_init(&s->text, 2 * SOURCE_MAX);
	ok = copy_files(c, before) == 0 && buf_append_str(&s->text, buf_str(&from->text)) &&
	     buf_cstring(&s->text);
	s->directory = c->directory;
	for (size_t i = 0; ok && i < from->nsegments; i++) {
		struct config_place place = from->segments[i].place;
		size_t file = 0;

		/* The files are the same in the same order. */
		while (before->files[file] != place.file)
			file++;
		place.file = c->files[file];
		ok = map(s, from->segments[i].line, place) == 0;
	}
	return ok ? 0 : out_of_memory(f, before->path);
}

int source_read(struct config_source *s, struct config *c, struct findings *f)
{
	struct config_place at = { c->path, 0 };
	struct buf content;
	int r;

	buf_init(&content, SOURCE_MAX);
	r = slurp(c->path, false, &content, at, f);
	if (!r)
		r = source_read_text(
			s, c, buf_len(&content) ? buf_head(&content) : "", buf_len(&content), f);
	if (!r && digest_list_add(
			  &c->digests, c->path, content.data + content.off, buf_len(&content)))
		r = out_of_memory(f, c->path);
	buf_done(&content);
	return r;
}
