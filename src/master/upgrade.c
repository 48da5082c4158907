/* The transaction, up to the exec; and the way back. Refuses to become a program that has not shown
 * that it can take over, or that is not the one any more that has. */
#include "master/upgrade.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/ids.h"
#include "master/binary.h"
#include "master/death.h"
#include "master/events.h"

enum { SAID_MAX = HANDOVER_TEXT_MAX - 512 };

static bool is_under_way(const struct upgrade *u)
{
	return u->state != UPGRADE_IDLE;
}

/* ---- how it ends ------------------------------------------------------------------------ */

#define UNCHANGED "the upgrade failed; latchd " LATCH_VERSION " serves on, unchanged"

void upgrade_log_failure(enum err_code code, const char *text)
{
	char number[LOG_NUMBER_SIZE];
	const struct log_field fields[] = {
		{ "VERSION", STR(LATCH_VERSION) },
		log_number("CODE", code, number),
	};

	log_event(LOG_LEVEL_ERROR, EVENT_UPGRADE_FAILED, fields, 2, "%s", text);
}

static void log_lines(struct str lines)
{
	for (size_t at = 0; at < lines.n;) {
		size_t end = str_find(lines, '\n', at);

		log_error("%.*s", (int)(end - at), lines.p + at);
		at = end + 1;
	}
}

static void drop_handover(struct upgrade *u)
{
	handover_done(&u->handover);
	if (u->handover_fd >= 0)
		close(u->handover_fd);
	u->handover_fd = -1;
}

/* What was said of it is in u->said. */
static void fail(struct upgrade *u, enum err_code code)
{
	bool begun = is_under_way(u);

	u->code = code;
	log_lines(buf_str(&u->said));
	if (begun) {
		buf_appendf(&u->said, UNCHANGED "\n");
		upgrade_log_failure(code, UNCHANGED);
	}
	u->state = UPGRADE_IDLE;
	drop_handover(u);
	u->o.news(u->o.data, begun ? UPGRADE_REJECTED : UPGRADE_REFUSED);
	if (begun)
		reload_let_go(u->o.reload);
}

static void fail_err(struct upgrade *u, const struct err *e)
{
	char line[1024];

	buf_appendf(&u->said, "%s\n", err_format(e, line, sizeof(line)));
	fail(u, e->code);
}

/* ---- the exec --------------------------------------------------------------------------- */

/* Becomes the program at `path`, or (NULL) that of the descriptor `program`, to which `h` is handed
 * over. `before`: of the program to come back to, or -1. Returns only on failure. */
static int become(struct handover *h, const char *path, int program, int before, char *const *args,
	struct err *e)
{
	int fd = handover_write(h, e);

	if (fd < 0)
		return -1;
	if (succession_announce(fd, before) < 0) {
		err_errno(e, ERR_SYSTEM, errno, "cannot hand over");
		goto out;
	}
	handover_close_on_exec(h, false);
	if (path)
		execv(path, args);
	else
		fexecve(program, args, environ);
	err_errno(e, ERR_UNAVAILABLE, errno, "cannot become %s", path ? path : "what was before");
	handover_close_on_exec(h, true);
out:
	succession_withdraw(fd, before);
	close(fd);
	return -1;
}

static void become_next(struct upgrade *u)
{
	struct handover h = { 0 };
	struct err e = { 0 };
	int before = -1;

	if (!binary_is_same(u->binary, &u->judged))
		err_set(&e, ERR_TEMPORARY, "%s was changed while it was rehearsed; upgrade again",
			u->binary);
	else if (succession_collect(
			 &h, u->o.reload, u->o.control, u->binary, u->o.master->argv, &e) == 0 &&
		 (before = binary_open_self(&e)) >= 0) {
		log_notice("becoming %s", u->binary);
		become(&h, u->binary, -1, before, u->o.master->argv, &e);
	}
	if (before >= 0)
		close(before);
	handover_done(&h);
	fail_err(u, &e);
}

/* ---- the children ----------------------------------------------------------------------- */

/* Whether it went well; else u->said and the code say how not. */
static bool judge(struct upgrade *u, const struct program_result *r, const char *what,
	int64_t limit_ms, enum err_code *ret_code)
{
	char how[DEATH_TEXT_SIZE];

	if (!r->is_late && r->how.si_code == CLD_EXITED && r->how.si_status == 0)
		return true;
	buf_append(&u->said, r->output.p, r->output.n < SAID_MAX ? r->output.n : SAID_MAX);
	if (r->output.n && r->output.p[r->output.n - 1] != '\n')
		buf_append(&u->said, "\n", 1);
	*ret_code = r->is_late ? ERR_SYSTEM : death_code(&r->how);
	if (r->is_late)
		buf_appendf(&u->said, "%s by %s did not end within %lld ms and was killed\n", what,
			u->binary, (long long)limit_ms);
	else
		buf_appendf(&u->said, "%s by %s %s\n", what, u->binary,
			death_describe(&r->how, how, sizeof(how)));
	return false;
}

static int64_t ready_ms(const struct upgrade *u)
{
	return u->o.reload->serving->config->reload_ready_ms;
}

/* Within it a worker may take as long as `reload.ready`. */
static int64_t rehearsal_ms(const struct upgrade *u)
{
	return 2 * ready_ms(u);
}

static void on_rehearsed(void *data, const struct program_result *r)
{
	struct upgrade *u = data;
	enum err_code code;

	u->program = NULL;
	if (judge(u, r, "the rehearsal", rehearsal_ms(u), &code))
		become_next(u);
	else
		fail(u, code);
}

/* In the child. */
static int hand_copy_over(void *data)
{
	const struct upgrade *u = data;

	handover_close_on_exec(&u->handover, false);
	return succession_announce(u->handover_fd, -1);
}

static void run(struct upgrade *u, char *const *argv, int (*prepare)(void *data), int64_t limit_ms,
	program_fn *done)
{
	struct program_options o = { .event = u->o.event,
		.path = u->binary,
		.argv = argv,
		.prepare = prepare,
		.limit_ms = limit_ms,
		.done = done,
		.data = u };
	struct err e = { 0 };

	u->program = program_start(&o, &e);
	if (!u->program)
		fail_err(u, &e);
}

static void rehearse(struct upgrade *u)
{
	char option[] = "--rehearse", c[] = "-c", *path = strdup(u->o.master->config_path);
	char *argv[] = { u->o.master->argv[0], option, c, path, NULL };
	struct err e = { 0 };

	u->state = UPGRADE_REHEARSING;
	if (!path)
		err_set(&e, ERR_SYSTEM, "out of memory");
	else if (succession_collect(&u->handover, u->o.reload, u->o.control, u->binary,
			 u->o.master->argv, &e) == 0)
		u->handover_fd = handover_write(&u->handover, &e);
	if (u->handover_fd < 0)
		fail_err(u, &e);
	else
		run(u, argv, hand_copy_over, rehearsal_ms(u), on_rehearsed);
	free(path);
}

static void on_checked(void *data, const struct program_result *r)
{
	struct upgrade *u = data;
	enum err_code code;

	u->program = NULL;
	if (judge(u, r, "the check of the configuration", ready_ms(u), &code))
		rehearse(u);
	else
		fail(u, code);
}

static void check(struct upgrade *u)
{
	char option[] = "-t", c[] = "-c", *path = strdup(u->o.master->config_path);
	char *argv[] = { u->o.master->argv[0], option, c, path, NULL };
	struct err e = { 0 };

	u->state = UPGRADE_CHECKING;
	u->o.news(u->o.data, UPGRADE_BEGUN);
	if (path)
		run(u, argv, NULL, ready_ms(u), on_checked);
	else if (err_set(&e, ERR_SYSTEM, "out of memory") < 0)
		fail_err(u, &e);
	free(path);
}

/* ---- the face --------------------------------------------------------------------------- */

/* Why not now, or not at all; 0: nothing is in the way. */
static int may_begin(struct upgrade *u, struct err *e)
{
	const struct reload *r = u->o.reload;
	unsigned uid = 0, gid = 0;
	char when[30];
	time_t until;

	if (u->o.master->serve_dir)
		return err_set(e, ERR_USAGE,
			"--serve is not upgraded in place; stop it, and start it again");
	if (r->ending || !r->serving)
		return err_set(e, ERR_TEMPORARY, "not now: latchd is %s",
			r->ending ? "stopping" : "starting");
	if (reload_is_capped(r, &until)) {
		clock_format_http_date(until, when);
		return err_set(e, ERR_TEMPORARY,
			"not now: %d generations are still draining, the next one ends by %s; try "
			"again then",
			RELOAD_DRAINING_MAX, when);
	}
	if (config_ids(r->serving->config, &uid, &gid, NULL) < 0)
		return err_set(e, ERR_CONFIG, "the user of the service is gone");
	return binary_judge(u->binary, uid, gid, &u->judged, e);
}

void upgrade_begin(struct upgrade *u)
{
	struct err e = { 0 };

	if (is_under_way(u)) {
		log_notice("an upgrade is under way");
		return;
	}
	if (reload_is_busy(u->o.reload) && u->o.reload->serving) {
		log_notice("a reload is under way; the upgrade comes after it");
		u->wanted = true;
		return;
	}
	u->wanted = false;
	buf_clear(&u->said);
	if (may_begin(u, &e) < 0) {
		fail_err(u, &e);
		return;
	}
	reload_hold(u->o.reload);
	check(u);
}

static int on_turn(sd_event_source *s, void *data)
{
	struct upgrade *u = data;

	(void)s;
	u->turn = sd_event_source_disable_unref(u->turn);
	if (u->wanted)
		upgrade_begin(u);
	return 0;
}

void upgrade_consider(struct upgrade *u)
{
	/* Not from inside the transaction that tells of its end. */
	if (u->wanted && !u->turn)
		sd_event_add_defer(u->o.event, &u->turn, on_turn, u);
}

void upgrade_stop(struct upgrade *u)
{
	u->wanted = false;
	u->turn = sd_event_source_disable_unref(u->turn);
	program_stop(u->program);
	u->program = NULL;
	drop_handover(u);
	u->state = UPGRADE_IDLE;
	if (u->o.reload)
		u->o.reload->held = false;
}

int upgrade_init(struct upgrade *u, const struct upgrade_options *o, struct err *e)
{
	*u = (struct upgrade){ .o = *o, .handover_fd = -1 };
	buf_init(&u->said, HANDOVER_TEXT_MAX);
	u->binary = binary_path(e);
	return u->binary ? 0 : -1;
}

int upgrade_set_binary(struct upgrade *u, const char *path, struct err *e)
{
	free(u->binary);
	u->binary = strdup(path);
	return u->binary ? 0 : err_set(e, ERR_SYSTEM, "out of memory");
}

void upgrade_done(struct upgrade *u)
{
	upgrade_stop(u);
	free(u->binary);
	u->binary = NULL;
	buf_done(&u->said);
}

/* ---- the way back ----------------------------------------------------------------------- */

int upgrade_return(struct upgrade *u, const struct handover *taken, int before, enum err_code code,
	struct str why, struct err *e)
{
	char *args[HANDOVER_ARGS_MAX + 1] = { NULL };
	struct handover h = { 0 };

	assert(taken->nargs <= HANDOVER_ARGS_MAX);
	memcpy(args, taken->args, taken->nargs * sizeof(*args));
	if (succession_collect(&h, u->o.reload, u->o.control, u->binary, args, e) == 0) {
		free(h.refused);
		h.refused = strndup(why.p ? why.p : "", why.n < SAID_MAX ? why.n : SAID_MAX);
		h.refused_code = (int)code;
		if (h.refused)
			become(&h, NULL, before, -1, args, e);
		else
			err_set(e, ERR_SYSTEM, "out of memory");
	}
	handover_done(&h);
	return -1;
}

int upgrade_return_at_once(
	const struct succession *s, const struct master_options *o, struct err *e)
{
	if (succession_announce(s->fd, -1) == 0)
		fexecve(s->before, o->argv, environ);
	return err_errno(e, ERR_UNAVAILABLE, errno, "cannot become what was before");
}
