/* A child that may crash, hang or leak over a configuration, so that the master need not. It leaves
 * its result in a memory file and is believed only if it ended with 0. Refuses to load anything for
 * the master: what serves is loaded there, and compared. */
#include "master/rehearsal.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config/changes.h"
#include "config/handshakes.h"
#include "config/ids.h"
#include "config/read.h"
#include "master/death.h"

enum {
	RESULT_MAX = 64 << 20,
	RESULT_MAGIC = 0x1a7c4d01,
	CHANGES_MAX = 64 * 1024,
};

struct rehearsal {
	struct rehearsal_options o;
	pid_t pid;
	int fd; /* the memory file */
	sd_event_source *child, *deadline;
	bool is_late;
};

/* ---- the result as bytes ----------------------------------------------------------------- */

void rehearsal_result_done(struct rehearsal_result *r)
{
	findings_done(&r->findings);
	digest_list_done(&r->digests);
	buf_done(&r->changes);
}

static bool put_bytes(struct buf *out, const void *p, size_t n)
{
	uint64_t length = n;

	return buf_append(out, &length, sizeof(length)) && buf_append(out, p, n);
}

int rehearsal_pack(const struct rehearsal_result *r, struct buf *out)
{
	uint64_t head[3] = { RESULT_MAGIC, r->findings.n, r->digests.n };
	bool ok = buf_append(out, head, sizeof(head));

	for (size_t i = 0; i < r->findings.n; i++)
		ok = ok && put_bytes(out, &r->findings.v[i], sizeof(r->findings.v[i]));
	for (size_t i = 0; i < r->digests.n; i++) {
		const struct digest *d = &r->digests.v[i];

		ok = ok && put_bytes(out, d->path, strlen(d->path) + 1) &&
		     put_bytes(out, d->hash, sizeof(d->hash));
	}
	ok = ok && put_bytes(out, r->changes.data + r->changes.off, buf_len(&r->changes));
	return ok ? 0 : -1;
}

/* False: there is not that much. */
static bool take_bytes(struct str *in, struct str *ret)
{
	uint64_t length;

	if (in->n < sizeof(length))
		return false;
	memcpy(&length, in->p, sizeof(length));
	*in = (struct str){ in->p + sizeof(length), in->n - sizeof(length) };
	if (in->n < length)
		return false;
	*ret = (struct str){ in->p, (size_t)length };
	*in = (struct str){ in->p + length, in->n - (size_t)length };
	return true;
}

static bool take_finding(struct str *in, struct findings *f)
{
	struct finding one;
	struct str s;

	if (!take_bytes(in, &s) || s.n != sizeof(one))
		return false;
	memcpy(&one, s.p, sizeof(one));
	one.err.file[sizeof(one.err.file) - 1] = '\0';
	one.err.text[sizeof(one.err.text) - 1] = '\0';
	if (one.is_error)
		findings_error(f, one.err.code, one.err.file[0] ? one.err.file : NULL, one.err.line,
			"%s", one.err.text);
	else
		findings_warning(
			f, one.err.file[0] ? one.err.file : NULL, one.err.line, "%s", one.err.text);
	return true;
}

static bool take_digest(struct str *in, struct digest_list *l)
{
	struct str path, hash;

	return take_bytes(in, &path) && path.n && !path.p[path.n - 1] && take_bytes(in, &hash) &&
	       hash.n == DIGEST_SIZE &&
	       digest_list_add_hash(l, path.p, (const unsigned char *)hash.p) == 0;
}

int rehearsal_unpack(struct str in, struct rehearsal_result *ret)
{
	uint64_t head[3];
	struct str changes;
	bool ok = in.n >= sizeof(head);

	buf_init(&ret->changes, CHANGES_MAX);
	if (ok) {
		memcpy(head, in.p, sizeof(head));
		in = (struct str){ in.p + sizeof(head), in.n - sizeof(head) };
		ok = head[0] == RESULT_MAGIC;
	}
	for (uint64_t i = 0; ok && i < head[1]; i++)
		ok = take_finding(&in, &ret->findings);
	for (uint64_t i = 0; ok && i < head[2]; i++)
		ok = take_digest(&in, &ret->digests);
	ok = ok && take_bytes(&in, &changes) && in.n == 0 && buf_append_str(&ret->changes, changes);
	if (ok)
		digest_list_finish(&ret->digests);
	return ok ? 0 : -1;
}

/* ---- the child --------------------------------------------------------------------------- */

static void close_range_of(int from, int to)
{
	if (from <= to)
		syscall(SYS_close_range, (unsigned)from, (unsigned)to, 0);
}

/* What is the master's is not the child's: sockets, channels, the clients of the control socket. */
static void close_all_but(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;

	close_range_of(STDERR_FILENO + 1, low - 1);
	close_range_of(low > STDERR_FILENO ? low + 1 : STDERR_FILENO + 1, high - 1);
	syscall(SYS_close_range, (unsigned)high + 1, ~0u, 0);
}

/* What the child reads, the master must be able to read again, and without waiting. */
static bool is_rereadable(const char *path, struct findings *f)
{
	struct stat st;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return true; /* whoever opens it says what is wrong */
	findings_error(f, ERR_CONFIG, path, 0,
		"the configuration is not a regular file, and cannot be read again");
	return false;
}

/* Files are read; what follows needs no rights any more. */
static void drop_ids(const struct config *c)
{
	unsigned uid, gid;

	if (geteuid() != 0 || config_ids(c, &uid, &gid, NULL) < 0)
		return;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		_exit(ERR_PERMISSION);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* which was forgotten with the ids */
}

static void write_result(int fd, const struct rehearsal_result *result)
{
	struct buf out;
	struct str s;
	ssize_t n = 0;

	buf_init(&out, RESULT_MAX);
	if (rehearsal_pack(result, &out) < 0)
		_exit(ERR_SYSTEM);
	for (s = buf_str(&out); s.n; s = (struct str){ s.p + n, s.n - (size_t)n }) {
		n = write(fd, s.p, s.n);
		if (n <= 0)
			_exit(ERR_SYSTEM);
	}
}

static struct config *prepare(const struct rehearsal_options *o, struct findings *f)
{
	if (o->again)
		return config_prepare_again(o->before, CONFIG_OPEN_TEST, o->ring, f);
	if (!is_rereadable(o->path, f))
		return NULL;
	return config_prepare_after(o->before, o->path, CONFIG_OPEN_TEST, o->ring, f);
}

__attribute__((noreturn)) static void run_child(const struct rehearsal *r, pid_t master)
{
	struct rehearsal_result result = { 0 };
	struct config *c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master)
		_exit(0);
	close_all_but(r->fd, log_journal_fd());
	buf_init(&result.changes, CHANGES_MAX);
	c = prepare(&r->o, &result.findings);
	if (c) {
		drop_ids(c);
		config_handshakes(c, r->o.before, &result.findings);
		if (r->o.before)
			config_changes(r->o.before, c, &result.changes);
		else
			buf_append_str(&result.changes, STR("what was before is not known\n"));
		result.digests = c->digests;
	}
	write_result(r->fd, &result);
	/* Not exit(): the master's handlers and unwritten output are the master's. */
	_exit(0);
}

/* ---- the master's side ------------------------------------------------------------------- */

static void rehearsal_free(struct rehearsal *r)
{
	sd_event_source_disable_unref(r->child);
	sd_event_source_disable_unref(r->deadline);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

void rehearsal_stop(struct rehearsal *r)
{
	if (!r)
		return;
	r->child = sd_event_source_disable_unref(r->child);
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	rehearsal_free(r);
}

static int read_result(int fd, struct rehearsal_result *ret)
{
	struct stat st;
	void *p;
	int rc;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > RESULT_MAX)
		return -1;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	rc = rehearsal_unpack((struct str){ p, (size_t)st.st_size }, ret);
	munmap(p, (size_t)st.st_size);
	return rc;
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *data)
{
	struct rehearsal *r = data;
	struct rehearsal_result result = { 0 };
	rehearsal_fn *done = r->o.done;
	void *whose = r->o.data;
	char text[DEATH_TEXT_SIZE];

	(void)s;
	if (r->is_late) {
		findings_error(&result.findings, ERR_SYSTEM, NULL, 0,
			"the check of the new configuration did not end within %lld ms; does a "
			"file hang?",
			(long long)r->o.limit_ms);
	} else if (si->si_code != CLD_EXITED || si->si_status != 0 ||
		   read_result(r->fd, &result) < 0) {
		rehearsal_result_done(&result);
		findings_error(&result.findings, ERR_INTERNAL, NULL, 0,
			"the process that checks the new configuration %s",
			death_describe(si, text, sizeof(text)));
	}
	rehearsal_free(r);
	done(whose, &result);
	rehearsal_result_done(&result);
	return 0;
}

static int on_deadline(sd_event_source *s, uint64_t now, void *data)
{
	struct rehearsal *r = data;

	(void)s;
	(void)now;
	r->is_late = true;
	kill(r->pid, SIGKILL);
	return 0;
}

struct rehearsal *rehearsal_start(const struct rehearsal_options *o, struct err *e)
{
	struct rehearsal *r = calloc(1, sizeof(*r));
	pid_t master = getpid();
	int rc;

	if (!r) {
		err_set(e, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	*r = (struct rehearsal){ .o = *o };
	r->fd = memfd_create("latchd-rehearsal", MFD_CLOEXEC);
	r->pid = r->fd < 0 ? -1 : fork();
	if (r->pid == 0)
		run_child(r, master);
	if (r->pid < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot make a process to check the configuration");
		rehearsal_free(r);
		return NULL;
	}
	rc = sd_event_add_child(o->event, &r->child, r->pid, WEXITED, on_child, r);
	if (rc >= 0)
		rc = sd_event_add_time_relative(o->event, &r->deadline, CLOCK_MONOTONIC,
			(uint64_t)o->limit_ms * 1000, 1000, on_deadline, r);
	if (rc >= 0)
		return r;
	err_errno(e, ERR_SYSTEM, -rc, "cannot watch the check of the configuration");
	rehearsal_stop(r);
	return NULL;
}
