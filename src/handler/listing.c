/* Listings as long work: read the directory, then write the page, some entries a step. Refuses to
 * show what would not be served: names that begin with a dot, links that lead out of the root, and
 * what is neither file nor directory. */
#include "handler/listing.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "handler/listing_page.h"
#include "handler/work.h"
#include "http/negotiate.h"

enum { READ_A_STEP = 512, WRITE_A_STEP = 512, END_ROOM = 1024 };

/* All that a page depends on; the path follows it, terminated. */
struct key {
	const void *options;
	struct file_id id;
	uint32_t sort;
	bool descending, json;
};

struct job {
	struct work_job work; /* first */
	struct filecache *cache;
	const struct files_options *options;
	struct buf key; /* the path is its end */
	struct directory *directory;
	struct listing_page page;
	struct buf out;
	int64_t newest;
	bool has_read;
};

/* ---- what is asked for ------------------------------------------------------ */

static bool take_parameter(struct str *query, struct str *ret)
{
	size_t end;

	if (query->n == 0)
		return false;
	*query = (struct str){ query->p + 1, query->n - 1 }; /* "?" or "&" */
	end = str_find(*query, '&', 0);
	*ret = (struct str){ query->p, end };
	*query = (struct str){ query->p + end, query->n - end };
	return true;
}

static struct directory_order order_of(struct str query)
{
	struct directory_order order = { DIRECTORY_BY_NAME, false };
	struct str p;

	while (take_parameter(&query, &p)) {
		if (str_eq(p, STR("sort=size")))
			order = (struct directory_order){ DIRECTORY_BY_SIZE, true };
		else if (str_eq(p, STR("sort=date")))
			order = (struct directory_order){ DIRECTORY_BY_DATE, true };
		else if (str_eq(p, STR("order=asc")))
			order.descending = false;
		else if (str_eq(p, STR("order=desc")))
			order.descending = true;
	}
	return order;
}

static bool make_key(struct stream *s, const struct files_options *o,
	const struct lookup_result *found, struct buf *out)
{
	struct directory_order order = order_of(s->target.query);
	struct key key;

	memset(&key, 0, sizeof(key)); /* its padding is part of it */
	key.options = o;
	key.id = found->id;
	key.sort = order.sort;
	key.descending = order.descending;
	key.json = negotiate_json(&s->request.fields);
	return buf_append(out, &key, sizeof(key)) && buf_append_str(out, found->path) &&
	       buf_append(out, "", 1);
}

/* ---- the work --------------------------------------------------------------- */

/* A link is shown as what it leads to, if that is beneath the root. */
static int follow(void *arg, const char *name, struct stat *ret)
{
	const struct job *j = arg;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), STR_FMT "%s", STR_ARG(j->page.path), name);

	if (n < 0 || n >= (int)sizeof(path))
		return -1;
	return lookup_stat(j->options, (struct str){ path, (size_t)n }, ret);
}

static enum work_step read_some(struct job *j)
{
	int more = directory_read(j->directory, READ_A_STEP);

	if (more > 0)
		return WORK_MORE;
	if (more < 0)
		return WORK_FAILED;
	j->page.all = directory_left(j->directory);
	j->page.cut = directory_is_cut(j->directory);
	j->has_read = true;
	return listing_page_begin(&j->page, &j->out) ? WORK_MORE : WORK_FAILED;
}

static enum work_step finish(struct job *j)
{
	struct file like = { .media = listing_page_type(j->page.json) };
	struct file *made;

	j->out.max += END_ROOM;
	if (!listing_page_end(&j->page, &j->out))
		return WORK_FAILED;
	like.mtime = j->newest < clock_wall() ? j->newest : clock_wall();
	made = filecache_add_made(
		j->cache, buf_str(&j->key), &like, buf_str(&j->out), LISTING_TTL_MS);
	if (!made)
		return WORK_FAILED;
	filecache_release(j->cache, made);
	return WORK_DONE;
}

static enum work_step write_some(struct job *j)
{
	struct entry e;

	for (unsigned i = 0; i < WRITE_A_STEP; i++) {
		if (j->page.shown == LISTING_ROWS_MAX || !directory_take(j->directory, &e) ||
			!listing_page_row(&j->page, &e, &j->out))
			return finish(j);
		j->page.shown++;
		if (e.mtime > j->newest)
			j->newest = e.mtime;
	}
	return WORK_MORE;
}

static enum work_step job_step(struct work_job *work)
{
	struct job *j = (struct job *)work;

	return j->has_read ? write_some(j) : read_some(j);
}

static void job_free(struct work_job *work)
{
	struct job *j = (struct job *)work;

	directory_close(j->directory);
	buf_done(&j->out);
	buf_done(&j->key);
	free(j);
}

/* NULL with errno. Takes the key's memory in any case. */
static struct work_job *job_new(
	struct stream *s, const struct files_options *o, struct buf *key, int64_t mtime)
{
	struct job *j = calloc(1, sizeof(*j));
	const struct key *k = (const struct key *)(const void *)buf_head(key);
	int fd, saved;

	if (!j) {
		buf_done(key);
		errno = ENOMEM;
		return NULL;
	}
	j->work = (struct work_job){ job_step, job_free, filecache_name(buf_str(key)) };
	j->cache = s->files;
	j->options = o;
	j->key = *key;
	j->newest = mtime;
	j->page.path = (struct str){ buf_head(key) + sizeof(*k), buf_len(key) - sizeof(*k) - 1 };
	j->page.order = (struct directory_order){ (enum directory_sort)k->sort, k->descending };
	j->page.json = k->json;
	buf_init(&j->out, LISTING_SIZE_MAX);
	fd = lookup_open_directory(s, o, j->page.path);
	if (fd >= 0)
		j->directory = directory_open(fd, j->page.order, follow, j);
	if (j->directory)
		return &j->work;
	saved = errno;
	job_free(&j->work);
	errno = saved;
	return NULL;
}

static enum listed fail(struct lookup_result *found, int status)
{
	found->status = status;
	return LIST_FAILED;
}

/* `key` is ours. */
static enum listed get(struct stream *s, const struct files_options *o, struct lookup_result *found,
	struct buf *key)
{
	struct work *w = filecache_work(s->files);
	uint64_t name = filecache_name(buf_str(key));
	struct work_job *job;

	for (int tries = 0; tries < 2; tries++) {
		found->file = filecache_find_made(s->files, buf_str(key));
		if (found->file)
			return LISTED;
		if (work_failed(w, name)) {
			log_error(
				"cannot list " STR_FMT " below %s", STR_ARG(found->path), o->root);
			work_forget_failure(w);
			return fail(found, 500);
		}
		if (work_is_idle(w)) {
			struct buf copy;

			buf_init(&copy, 0);
			job = buf_append_str(&copy, buf_str(key))
				      ? job_new(s, o, &copy, found->id.mtime_s)
				      : NULL;
			if (!job)
				return fail(found, errno == EACCES ? 403 : 500);
			work_start(w, job);
		}
		work_go(w);
	}
	return LIST_LATER;
}

enum listed listing_get(
	struct stream *s, const struct files_options *o, struct lookup_result *found)
{
	enum listed listed;
	struct buf key;

	found->is_listing = true;
	buf_init(&key, 0);
	listed = make_key(s, o, found, &key) ? get(s, o, found, &key) : fail(found, 500);
	buf_done(&key);
	return listed;
}
