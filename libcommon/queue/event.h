/* SPDX-License-Identifier: ISC */
#ifndef QUEUE_EVENT_H
#define QUEUE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

/*
 * What happens to a message after it was committed.  Events are appended to
 * its queue file, or to the journal as long as it has none; the same bytes in
 * both: a record (wire.h) and the checksum of it, seeded with the queue id, so
 * that an event cannot pass for another message's.
 */
enum event_type {
	EVENT_FATE = 1, /* of one or more recipients */
	EVENT_DEFER,	/* the message is to be tried again, when and why */
	EVENT_HOLD,
	EVENT_RELEASE,
	EVENT_NOTICE, /* a notice was sent */
	EVENT_ORDER,  /* what an administrator wants of its next attempt */
};

enum event_fate {
	EVENT_DELIVERED = 1, /* final: given to a mailbox, a command */
	EVENT_RELAYED,	     /* final: another server has it */
	EVENT_EXPANDED,	     /* final: replaced by other messages */
	EVENT_FAILED,	     /* final: refused for ever, or expired */
	EVENT_DROPPED, /* final: by the administrator or a discard action */
	EVENT_TRIED,   /* not final: this was the latest trouble */
	EVENT_FATE_LAST = EVENT_TRIED,
};

/* Kinds of notices in EVENT_NOTICE. */
#define EVENT_NOTICE_DELAY 0x1
#define EVENT_NOTICE_BOUNCE 0x2 /* for all failures so far */
#define EVENT_NOTICE_SUCCESS 0x4
#define EVENT_NOTICE_STATUS 0x8 /* the report that -v or -bv asked for */
#define EVENT_NOTICE_ALL 0xf

/* Orders in EVENT_ORDER. */
#define EVENT_ORDER_EXPIRE 0x1	/* what fails then is returned */
#define EVENT_ORDER_REQUEUE 0x2 /* it passes cleanup again, as a new message */
#define EVENT_ORDER_ALL 0x3

#define EVENT_TEXT_MAX 4096
#define EVENT_RANGES_MAX 4096
#define EVENT_KEYS_MAX 16
#define EVENT_SIZE_MAX (64 << 10) /* a whole event */

/* count recipients from position first on. */
struct event_range {
	uint32_t first;
	uint32_t count;
};

struct event {
	enum event_type type;
	int64_t time_us;

	/* FATE */
	enum event_fate fate;
	const struct event_range *ranges; /* to encode */
	uint32_t nranges;
	struct str raw_ranges; /* decoded: see event_range() */
	struct str dsn;	       /* "4.4.1" */
	struct str mta;	       /* who said so, or empty */

	/* FATE, DEFER, HOLD: why, in words */
	struct str reason;

	/* DEFER */
	int64_t due_us;
	uint32_t attempts;
	const uint64_t *keys; /* to encode: what it waits for, for the index */
	uint32_t nkeys;	      /* at most EVENT_KEYS_MAX */
	struct str raw_keys;  /* decoded: see event_key() */

	/* NOTICE */
	uint32_t notices;

	/* ORDER */
	uint32_t orders;
};

/* Is a recipient with this fate finished? */
static inline int
event_final(enum event_fate f)
{
	return f != EVENT_TRIED;
}

/* Add an event of message qid to b.  -1 when over a maximum or not allowed. */
int event_put(struct buf *b, uint64_t qid, const struct event *e) WARN_UNUSED;

/*
 * Cut the next event from the front of *in.  1 and the event (strings
 * borrowed); 0 when in is empty; -1 when what is there is no whole, proper
 * event of this message: a torn tail, when it is the last.
 */
int event_get(struct str *in, uint64_t qid, struct event *out) WARN_UNUSED;

/* Key i of a decoded DEFER; i < nkeys. */
uint64_t event_key(const struct event *e, uint32_t i);

/* Range i of a decoded FATE; i < nranges. */
struct event_range event_range(const struct event *e, uint32_t i);

#endif
