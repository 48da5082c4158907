/* The client's side of the control socket: sends a word, puts the lines of the reply where they
 * belong, ends with the code that it is told. Understands no answer, so that it also serves a
 * master of another version. */
#include "client/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/control.h"

enum {
	CTL_SHORT_S = 10,  /* for an answer that needs no waiting */
	CTL_LONG_S = 1800, /* for a reload, an upgrade or a stop; the master bounds these itself */
	CTL_WATCH_MS = 2000,
};

struct command {
	const char *path, *word;
	bool json, watch;
};

/* Which words there are, and which options go with them. */
static const struct ctl_word {
	const char *word;
	int patience_s;
	bool may_json;
	bool until_end; /* the answer is complete when the master has closed the connection */
} words[] = {
	{ "reload", CTL_LONG_S, false, false },
	{ "status", CTL_SHORT_S, true, false },
	{ "stop", CTL_LONG_S, false, true },
	{ "reopen-logs", CTL_SHORT_S, false, false },
	{ "upgrade", CTL_LONG_S, false, false },
};

static const char help[] =
	"usage: latchd ctl [-s SOCKET] reload        put the changed configuration in force\n"
	"       latchd ctl [-s SOCKET] status [--json] [--watch]\n"
	"       latchd ctl [-s SOCKET] stop          finish what runs, and end\n"
	"       latchd ctl [-s SOCKET] reopen-logs   after they were renamed\n"
	"       latchd ctl [-s SOCKET] upgrade       become the program that was installed\n"
	"\n"
	"  -s, --socket SOCKET   default " CONTROL_PATH "\n"
	"  --json                one object on one line\n"
	"  --watch               again every two seconds\n"
	"\n"
	"See latchd(8).\n";

static int usage(const char *problem, const char *what)
{
	if (problem)
		fprintf(stderr, "latchd ctl: %s%s%s\n", problem, what ? " " : "", what ? what : "");
	fprintf(stderr, "latchd ctl: `latchd ctl --help' shows what there is\n");
	return ERR_USAGE;
}

static const struct ctl_word *find_word(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i].word, word))
			return &words[i];
	return NULL;
}

/* ---- one question ------------------------------------------------------------------------ */

static int no_master(const char *path, int errnum)
{
	const char *why = errnum == ENOENT         ? "there is no such socket; is latchd running?"
			  : errnum == ECONNREFUSED ? "nobody listens there any more"
						   : strerror(errnum);

	fprintf(stderr, "latchd ctl: cannot reach the master at %s: %s\n", path, why);
	return errnum == EACCES || errnum == EPERM ? ERR_PERMISSION : ERR_UNAVAILABLE;
}

/* A connected descriptor, or -1 with errno. */
static int connect_to(const char *path, int patience_s)
{
	struct timeval patience = { .tv_sec = CTL_SHORT_S };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	patience.tv_sec = patience_s;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const void *)&a, sizeof(a)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* A reply that is being read. */
struct reply {
	struct buf text[2]; /* for standard output and standard error */
	char kind;          /* of the line that is being read; 0: at its start */
	int code;           /* -1: not told yet */
};

/* A byte of the exit code. What is no code is no success. */
static void take_digit(struct reply *r, char c)
{
	if (c == '\n')
		r->code = r->code < 0 || r->code > 255 ? ERR_INTERNAL : r->code;
	else if (c < '0' || c > '9')
		r->code = 256;
	else if (r->code < 256)
		r->code = 10 * (r->code < 0 ? 0 : r->code) + (c - '0');
}

static void take(struct reply *r, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_control = (unsigned char)p[i] < ' ' || p[i] == 0x7f;

		if (!r->kind) {
			r->kind = p[i];
			r->code = r->kind == CONTROL_END ? -1 : r->code;
			continue;
		}
		if (r->kind == CONTROL_END)
			take_digit(r, p[i]);
		else
			buf_append(&r->text[r->kind == CONTROL_ERROR],
				is_control && p[i] != '\n' ? "?" : &p[i], 1);
		if (p[i] == '\n')
			r->kind = 0;
	}
}

/* Until the code was told, or the connection ends; 0, or the errno of what went wrong. */
static int read_reply(int fd, struct reply *r, bool until_end)
{
	char bytes[4096];
	ssize_t n;

	while (r->code < 0 || r->kind || until_end) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return ETIMEDOUT;
		if (n <= 0)
			return r->code >= 0 && !r->kind ? 0 : n < 0 ? errno : ECONNRESET;
		take(r, bytes, (size_t)n);
	}
	return 0;
}

/* Over what is on the terminal, line by line, as many as it shows, so that nothing flickers. */
static void print_in_place(struct str text)
{
	struct winsize size = { 0 };
	size_t rows, columns;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	rows = size.ws_row > 1 ? size.ws_row - 1u : SIZE_MAX;
	columns = size.ws_col ? size.ws_col : SIZE_MAX;
	fputs("\033[H", stdout);
	for (; text.n && rows; rows--) {
		size_t end = str_find(text, '\n', 0), next = end < text.n ? end + 1 : end;

		fwrite(text.p, 1, end < columns ? end : columns, stdout);
		fputs("\033[K\n", stdout);
		text = (struct str){ text.p + next, text.n - next };
	}
	fputs("\033[J", stdout);
}

static int print(struct reply *r, const struct command *c)
{
	struct str text = buf_len(&r->text[0]) ? buf_str(&r->text[0]) : STR("");

	if (c->watch && !c->json && isatty(STDOUT_FILENO))
		print_in_place(text);
	else
		fwrite(text.p, 1, text.n, stdout);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("latchd ctl: cannot write");
		return ERR_SYSTEM;
	}
	fwrite(buf_len(&r->text[1]) ? buf_head(&r->text[1]) : "", 1, buf_len(&r->text[1]), stderr);
	return 0;
}

static int ask(const struct command *c, const struct ctl_word *w)
{
	struct reply r = { .code = -1 };
	char request[CONTROL_REQUEST_MAX];
	int n = snprintf(request, sizeof(request), "%s%s\n", c->word, c->json ? " json" : "");
	int fd = connect_to(c->path, w->patience_s), problem = 0, code;

	if (fd < 0)
		return no_master(c->path, errno);
	buf_init(&r.text[0], CONTROL_REPLY_MAX);
	buf_init(&r.text[1], CONTROL_REPLY_MAX);
	/* A refusal may have come, and the end with it, before we said anything. */
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n && errno != EPIPE)
		problem = errno;
	if (!problem)
		problem = read_reply(fd, &r, w->until_end);
	code = print(&r, c);
	if (problem) {
		fprintf(stderr, "latchd ctl: the master gave no answer: %s\n",
			problem == ECONNRESET ? "it ended" : strerror(problem));
		code = ERR_UNAVAILABLE;
	} else if (!code) {
		code = r.code;
	}
	close(fd);
	buf_done(&r.text[0]);
	buf_done(&r.text[1]);
	return code;
}

/* ---- the command line -------------------------------------------------------------------- */

enum { OPTION_JSON = 256, OPTION_WATCH };

static const struct option options[] = {
	{ "socket", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "watch", no_argument, NULL, OPTION_WATCH },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct command *c)
{
	int option;

	while ((option = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			c->path = optarg;
			break;
		case OPTION_JSON:
			c->json = true;
			break;
		case OPTION_WATCH:
			c->watch = true;
			break;
		case 'h':
			fputs(help, stdout);
			return fflush(stdout) == 0 ? 0 : ERR_SYSTEM;
		default:
			return usage(NULL, NULL); /* getopt_long() said what is wrong */
		}
	}
	if (optind == argc)
		return usage("what shall the master do?", NULL);
	c->word = argv[optind++];
	if (optind < argc)
		return usage("unexpected argument", argv[optind]);
	return -1;
}

/* Until it is time to look again. Tables that follow one another have a blank line between. */
static bool rest(const struct command *c)
{
	if (poll(NULL, 0, CTL_WATCH_MS) < 0)
		return false;
	return c->json || isatty(STDOUT_FILENO) || putchar('\n') != EOF;
}

int ctl_main(int argc, char **argv)
{
	static char name[] = "latchd ctl";
	struct command c = { .path = CONTROL_PATH };
	const struct ctl_word *w;
	int code;

	argv[0] = name; /* for the words of getopt_long() */
	code = parse(argc, argv, &c);
	if (code >= 0)
		return code;
	w = find_word(c.word);
	if (!w)
		return usage("there is no", c.word);
	if ((c.json || c.watch) && !w->may_json)
		return usage("--json and --watch belong to status, not to", c.word);
	if (strlen(c.path) > CONTROL_PATH_MAX || !*c.path)
		return usage("this cannot be the path of a socket:", c.path);
	do
		code = ask(&c, w);
	while (c.watch && !code && rest(&c));
	return code;
}
