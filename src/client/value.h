/* One argument of the command line -> one field of struct options. */
#ifndef LATCH_CLIENT_VALUE_H
#define LATCH_CLIENT_VALUE_H

#include "client/options.h"

enum value_kind {
	VALUE_FLAG,     /* bool: true */
	VALUE_FIRST,    /* int: 1, of two options for one field */
	VALUE_SECOND,   /* int: 2 */
	VALUE_TEXT,     /* const char * */
	VALUE_LIST,     /* struct options_list of fields: one more */
	VALUE_CHOICE,   /* int: which of the words of `argument`, from 0 */
	VALUE_WORD,     /* const char *: one of the words of `argument` */
	VALUE_NUMBER,   /* unsigned, 0 to VALUE_NUMBER_MAX */
	VALUE_COUNT,    /* unsigned, 1 to VALUE_COUNT_MAX */
	VALUE_DURATION, /* int: milliseconds above 0 */
	VALUE_AGE,      /* int64_t: milliseconds, also of many days */
	VALUE_CONNECT,  /* connect_host and connect_port */
};

enum { VALUE_NUMBER_MAX = 100, VALUE_COUNT_MAX = 1000000 };

/* `spelling` ("--timeout") and `argument` ("DUR", "lenient|strict") are for the sentence, `text` is
 * NULL for a kind without an argument. `field` points into `o`. 0 or -1. */
int value_set(struct options *o, enum value_kind kind, void *field, const char *spelling,
	const char *argument, const char *text, struct err *e);
/* Does the kind need an argument? */
bool value_takes_argument(enum value_kind kind);

#endif
