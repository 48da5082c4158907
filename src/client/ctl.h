/* `latchd ctl`: asks the running master over its control socket, see net/control.h. */
#ifndef LATCH_CLIENT_CTL_H
#define LATCH_CLIENT_CTL_H

/* argv[0] is "ctl". The exit status: what the master says; 64 usage, 69 no master answers, 77 not
 * allowed. */
int ctl_main(int argc, char **argv);

#endif
