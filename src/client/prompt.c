/* A line from the controlling terminal with the echo off. Standard input is left alone: it may be
 * the content that -d @- sends. The terminal's own signals wait until the echo is on again. */
#include "client/prompt.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int read_line(int fd, char *dst, int size)
{
	int n = 0;
	char c;

	while (read(fd, &c, 1) == 1 && c != '\n')
		if (n < size)
			dst[n++] = c;
	return n > 0 ? n : -1;
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		return; /* then nobody sees it */
}

int prompt_passphrase(char *dst, int size)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), n = -1;
	struct termios before, quiet;
	sigset_t held, old;

	if (fd < 0)
		return -1;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGQUIT);
	sigaddset(&held, SIGTSTP);
	sigprocmask(SIG_BLOCK, &held, &old);
	if (tcgetattr(fd, &before) == 0) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		/* in this order: what is typed at the question is neither shown nor flushed */
		if (tcsetattr(fd, TCSAFLUSH, &quiet) == 0) {
			say(fd, "Pass phrase of the private key: ");
			n = read_line(fd, dst, size);
		}
		tcsetattr(fd, TCSAFLUSH, &before);
		say(fd, "\n");
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd);
	return n;
}
