/* SPDX-License-Identifier: ISC */
#ifndef EDGE_LOG_H
#define EDGE_LOG_H

#include "chan/rec.h"

/*
 * Any component (A) to logd (B): one line of the log.
 *
 * logd knows by the channel who speaks (name and process id come from the
 * broker), so no component can sign with another's name; it defuses control
 * characters and limits rates.  Lines are batched: nobody waits for them.
 */
#define LOG_TEXT_MAX 8192

/* level: 0 fatal, 1 error, 2 warning, 3 info, 4 debug.  when_us: wall time.
 * service: syslog_name of the service if it has one of its own, or empty. */
#define log_line_FIELDS(F) \
	F(U8, level) \
	F(I64, when_us) \
	F(STR, service, 64) \
	F(STR, text, LOG_TEXT_MAX)

#define EDGE_LOG(R) \
	R(LOG_LINE, log_line, REC_TELL, SIDE_A, 0)

EDGE_DECLARE(log, EDGE_LOG);

#endif
