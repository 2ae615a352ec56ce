/* SPDX-License-Identifier: ISC */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

/*
 * The log of a component.  Lines go to logd (batched: nobody waits), before
 * that channel exists to the broker, before that to standard error.
 *
 * A line is what follows `postern/smtpd[123]: `: for a message its queue id,
 * a colon, then key=value pairs, in the words Postfix uses, so that what reads
 * Postfix's logs reads ours.  Libraries return, components log, once, where
 * the decision is made.  Whatever an outsider wrote is sent as it is and
 * defused by logd.
 */
enum log_level {
	LOG_LEVEL_FATAL,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Say and exit with status 1. */
void log_fatal(const char *fmt, ...) PRINTFLIKE(1, 2) NORETURN;

/* `error: `, `warning: ` go in front of the text. */
void log_error(const char *fmt, ...) PRINTFLIKE(1, 2);
void log_warn(const char *fmt, ...) PRINTFLIKE(1, 2);
void log_info(const char *fmt, ...) PRINTFLIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTFLIKE(1, 2);

/*
 * What became of mail: an info line that is on its way to logd before a peer
 * hears anything that is said after it, so that no kill of this process leaves
 * mail whose fate is known to the queue and not in the log.
 */
void log_fate(struct str service, const char *fmt, ...) PRINTFLIKE(2, 3);

/*
 * Any line under a service's own syslog_name (borrowed, empty for ours), for a
 * component that serves several lines of master.cf.
 */
void log_as(struct str service, enum log_level level, const char *fmt, ...)
    PRINTFLIKE(3, 4);

/* Lines below this level are not even formatted; LOG_LEVEL_INFO at first. */
void log_threshold(enum log_level level);

/*
 * Where lines go: called by boot, and by what is no component (commands,
 * launcher, logd itself).  NULL is standard error.
 */
typedef void log_sink_fn(enum log_level level, struct str service,
    struct str text, int64_t when_us, void *arg);
void log_sink(log_sink_fn *fn, void *arg);

/* A sink that keeps lines for a while: how it is told to send them first. */
void log_sink_first(void (*fn)(void));

#endif
