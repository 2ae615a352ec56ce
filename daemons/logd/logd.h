/* SPDX-License-Identifier: ISC */
#ifndef LOGD_LOGD_H
#define LOGD_LOGD_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/allowance.h"
#include "base/buf.h"
#include "base/str.h"
#include "edge/log.h"

/*
 * Formatting of log lines (line.c) and where they go (sink.c).
 */

/* Who wrote a line: from the broker's grant, not from the writer. */
struct writer {
	char component[32];
	uint32_t pid;
	struct allowance lines; /* it may still write now */
	uint64_t dropped; /* lines since the last that was written */
};

enum log_form {
	FORM_FILE, /* `Nov 21 13:00:00 host postern/smtpd[1]: text` */
	FORM_SYSLOG, /* `<22>Nov 21 13:00:00 postern/smtpd[1]: text` */
	FORM_JSON, /* {"time": ..., "service": ..., "text": ...} */
};

struct line_style {
	enum log_form form;
	const char *host;
	const char *syslog_name; /* `postern` */
	int facility; /* syslog's number, mail is 2 */
};

/*
 * Append one line, with its newline unless for syslog.  What a stranger wrote
 * is in the text: control characters and bytes that are no UTF-8 become `?`,
 * so that no line can pretend to be two, and none is longer than
 * LOG_TEXT_MAX.  For FORM_JSON the text is escaped.
 */
void line_format(const struct line_style *style, const struct writer *w,
    const struct log_line *line, struct buf *out);

/* The number of a facility name (`mail`), or -1. */
int line_facility(struct str name);

/*
 * May this writer have one more line now?  Those it may not are counted, and
 * the count is told once it may again (out_missed).
 */
bool writer_charge(struct writer *w, int64_t now_ms, uint64_t *out_missed);

/*
 * Lines arrive in batches, each writer's in order, the writers' not: one that
 * was written first may come last.  They are kept for a moment and leave in
 * the order of their times, so that the log of a message reads as it happened.
 */
struct sorter_line {
	TAILQ_ENTRY(sorter_line) link;
	int64_t when_us;
	size_t len;
	char text[];
};

TAILQ_HEAD(sorter_list, sorter_line);

struct sorter {
	struct sorter_list lines; /* in order */
	size_t bytes;
};

void sorter_init(struct sorter *so);
void sorter_add(struct sorter *so, int64_t when_us, struct str line);
/* Hand over everything up to and including this time. */
void sorter_take(struct sorter *so, int64_t until_us,
    void (*fn)(struct str line, void *arg), void *arg);

/*
 * Where lines go.  sink_fd() takes over a descriptor (file, stderr or syslog
 * socket) and closes the one before; lines are kept in a bounded buffer and
 * written by sink_flush().
 */
struct sink {
	int fd;
	bool datagrams; /* syslog: one line a datagram */
	struct buf pending;
	uint64_t lost; /* lines that could not be written, not yet told */
	bool stuck; /* nor could the last */
};

void sink_init(struct sink *s);
void sink_fd(struct sink *s, int fd, bool datagrams);
void sink_line(struct sink *s, struct str line);
void sink_flush(struct sink *s);

#endif
