/* SPDX-License-Identifier: ISC */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * Enhanced status codes (RFC 3463): 5.1.1 is class 5, subject 1, detail 1.
 * Class 0 means that there is none.
 */
struct dsn {
	uint8_t class;	  /* 2, 4, 5; or 0 */
	uint16_t subject; /* 0 to 999 */
	uint16_t detail;  /* 0 to 999 */
};

#define DSN(c, s, d) ((struct dsn){ (c), (s), (d) })
#define DSN_NONE ((struct dsn){ 0, 0, 0 })

/* Room for "5.999.999" and a terminator. */
#define DSN_MAX 10

/*
 * Parse a code at the beginning of *s, take it and the blanks behind it off,
 * and return 0.  -1, with *s as it was, when there is none: a class other than
 * 2, 4, 5, a number over 999, or something but a blank behind it.
 */
int dsn_take(struct str *s, struct dsn *out);

/* Write "5.1.1", or nothing for DSN_NONE; the result is dst. */
const char *dsn_text(struct dsn d, char dst[DSN_MAX]);

/* NOTIFY= of RCPT (RFC 3461 section 4.1).  0: the client said nothing. */
#define DSN_NOTIFY_NEVER 0x01
#define DSN_NOTIFY_SUCCESS 0x02
#define DSN_NOTIFY_FAILURE 0x04
#define DSN_NOTIFY_DELAY 0x08
#define DSN_NOTIFY_ALL 0x0f

/*
 * "NEVER", or a comma-separated list of the others, in any case.  -1 when it
 * is empty, malformed, names one twice, or joins NEVER with another.
 */
int dsn_notify_parse(struct str s, unsigned *out);

/* Append the list, in the order SUCCESS,FAILURE,DELAY.  -1 when full. */
int dsn_notify_format(struct buf *out, unsigned notify);

/* RET= of MAIL (section 4.3). */
enum dsn_ret {
	DSN_RET_NONE,
	DSN_RET_FULL,
	DSN_RET_HDRS
};

int dsn_ret_parse(struct str s, enum dsn_ret *out);

#endif
