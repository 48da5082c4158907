/* Asking the person at the terminal. */
#ifndef LATCH_CLIENT_PROMPT_H
#define LATCH_CLIENT_PROMPT_H

/* The pass phrase of the client's key, read from the terminal without showing it: its bytes into
 * dst[0..size), how many; -1: there is no terminal, or nothing was typed. */
int prompt_passphrase(char *dst, int size);

#endif
