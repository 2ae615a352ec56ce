/* SPDX-License-Identifier: ISC */
/*
 * BDAT: content in chunks of a size that is told before (RFC 3030).
 *
 * A chunk is on its way when its command is read, so one that is refused is
 * read and forgotten, and only a command that does not say how long it is
 * leaves us and the client of two minds.  After a refusal the transaction is
 * over: what follows of it meets "need RCPT command".
 */
#include <inttypes.h>

#include "session.h"

/* Is there room for this in the text of a reply? */
#define CHUNK_MAX ((uint64_t)INT64_MAX / 2)

/* The chunk is read, and what it was for is over; so may be the session. */
static void
skip(struct session *s)
{
	mail_reset(s);
	if (s->state < ST_CLOSING)
		s->state = s->chunk_left > 0 ? ST_CHUNK : ST_COMMAND;
}

static void
chunk_end(struct session *s)
{
	if (s->state >= ST_CLOSING)
		return;
	s->state = ST_COMMAND;
	if (s->mail == NULL)
		return; /* it was skipped */
	if (s->chunk_last) {
		data_end(s);
	} else if (!submit_faulty(s)) {
		replyf(s, 250, DSN(2, 0, 0), "Ok: %" PRIu64 " bytes",
		    s->chunk_size);
	}
}

static void
chunk_begin(struct session *s)
{
	s->state = ST_CHUNK;
	if (s->chunk_left == 0)
		chunk_end(s);
}

void
chunk_take(struct session *s, struct str *in)
{
	size_t n = in->n < s->chunk_left ? in->n : (size_t)s->chunk_left;
	struct str piece = str_sub(*in, 0, n);

	*in = str_sub(*in, n, in->n);
	s->chunk_left -= n;
	if (s->mail != NULL)
		data_take(s, &piece);
	if (s->chunk_left == 0)
		chunk_end(s);
}

/* --- the command ---------------------------------------------------------- */

static void
first_slot(struct session *s)
{
	if (data_slot(s)) {
		s->mail->chunked = true;
		chunk_begin(s);
	} else
		skip(s);
}

static void
first_checked(struct session *s)
{
	if (eval_refused(s))
		skip(s);
	else
		data_wait(s, first_slot);
}

/* `size [LAST]`; false when it is not. */
static bool
read_size(struct session *s, struct str arg)
{
	struct str size, last;
	bool has_last;

	if (!str_token(&arg, " \t", &size) ||
	    str_u64(size, CHUNK_MAX, &s->chunk_size) == -1)
		return false;
	has_last = str_token(&arg, " \t", &last);
	s->chunk_left = s->chunk_size;
	s->chunk_last = has_last;
	return (!has_last || str_caseeq(last, STR("LAST"))) &&
	    str_trim(arg).n == 0;
}

void
verb_bdat(struct session *s, struct str arg)
{
	struct mail *m = s->mail;

	if ((s->sv->ehlo & EHLO_CHUNKING) == 0) {
		reject(s, 502, DSN(5, 5, 1), "Error: command not implemented");
	} else if (!read_size(s, arg)) {
		/* Who knows where the chunk ends, and what it would mean? */
		reject(s, 521, DSN(5, 5, 4), "Syntax: BDAT count [LAST]");
		session_close(s);
	} else if (m == NULL) {
		reject(s, 503, DSN(5, 5, 1), "Error: need RCPT command");
		skip(s);
	} else if (m->nrcpts == 0) {
		reject(s, 554, DSN(5, 5, 1), "Error: no valid recipients");
		skip(s);
	} else if (m->chunked) {
		chunk_begin(s);
	} else {
		data_restrict(s, first_checked);
	}
}
