/* Cached time. The loop calls clock_update() once a turn; everybody else reads. */
#ifndef LATCH_BASE_CLOCK_H
#define LATCH_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/str.h"

void clock_update(void);
/* Monotonic milliseconds at the last update. */
int64_t clock_ms(void);
/* Monotonic microseconds, read now, for durations. */
int64_t clock_us_now(void);
/* Wall clock at the last update: seconds since 1970, and milliseconds. */
time_t clock_wall(void);
int64_t clock_wall_ms(void);
/* Wall clock in milliseconds, read now. */
int64_t clock_wall_ms_now(void);

/* The IMF-fixdate of the last update (RFC 9110 section 5.6.7), 29 bytes, formatted once a second.
 * Valid until the next clock_update(). */
struct str clock_http_date(void);
/* "Sun, 06 Nov 1994 08:49:37 GMT": 29 bytes and a terminator. */
void clock_format_http_date(time_t t, char dst[30]);
/* All three forms of RFC 9110 section 5.6.7. */
bool clock_parse_http_date(struct str s, time_t *ret);
/* RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z": 24 bytes and a terminator. */
void clock_format_rfc3339(int64_t wall_ms, char dst[25]);
/* Common log format in local time, "10/Oct/2000:13:55:36 -0700": 26 bytes and a terminator. */
void clock_format_clf(time_t t, char dst[27]);

#endif
