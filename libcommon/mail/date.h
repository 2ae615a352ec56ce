/* SPDX-License-Identifier: ISC */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include <stdint.h>

#include "base/str.h"

/*
 * Dates in messages.  Times are wall clock microseconds since the epoch
 * (clock_wall_us()).
 *
 * The C library reads the time zone from a file.  date_init() has it do that
 * and must be called before the sandbox is entered; nothing here opens a file
 * afterwards.  (localtime(), mktime() and strftime() would look again.)
 */
void date_init(void);

/* Room for any result, with its terminator. */
#define DATE_MAX 64

/*
 * "Sat, 21 Nov 2026 13:00:00 +0100 (CET)" in local time, for Date: and
 * Received:.  A day below 10 is padded with a blank.  Borrowed until the next
 * call of the same thread; computed once a second.
 */
struct str date_rfc5322(int64_t us);

/* "Sat Nov 21 13:00:00 2026" in local time, for the From line of an mbox. */
struct str date_mbox(int64_t us);

/* "20261121120000" in UTC, for Message-Id.  Borrowed likewise. */
struct str date_stamp(int64_t us);

#endif
