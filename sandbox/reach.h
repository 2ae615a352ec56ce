/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_REACH_H
#define SANDBOX_REACH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "sandbox/policy.h"

/*
 * Who can come to hold what, and who can have it used?
 *
 * Authority is nothing but descriptors.  They travel only on channels with
 * the right sendfd at one end and recvfd at the other, so who can come to hold
 * one can be computed from the policies.
 *
 * What somebody does not hold may be used on its behalf: it sends a record to
 * a peer, which sends a record to another, which holds it.  So it counts, too,
 * who may send which records to whom (libcommon/edge): what asks or tells, not
 * what answers or reports; and who may ask the broker for what (request
 * lines).  Nothing is assumed of what a component does upon a record: a chain
 * is found when the records could flow, so no chain means there is none.
 */
enum reach_trust {
	/*
	 * The one asked about is captured, the others pass on only what their
	 * policies say they pass (and the broker gives everybody what its
	 * policy grants).  This is what `never' lines mean.
	 */
	REACH_OTHERS_HONEST,
	/*
	 * Every component but broker and launcher is captured and they work
	 * together: only what the kernel refuses counts.
	 */
	REACH_ALL_CAPTURED
};

struct reach {
	const struct policy *const *all;
	size_t n;
};

#define REACH_MAX 64 /* components */

/*
 * OBJECT is a name or a kind of a slot or grant, "promise/WORD" (to have made
 * it), "request/VERB" (to may ask for it), or "*".
 */
struct reach_question {
	struct str who;	    /* a component */
	struct str owner;   /* a component, or "*" */
	struct str object;
	bool use;	    /* to have it used counts, too */
	struct str through; /* but not by these, joined by commas */
	enum reach_trust trust;
};

/* How it goes: from the owner to who when held, else from who on. */
struct reach_way {
	const struct policy *step[REACH_MAX + 1];
	size_t n;
	const struct policy *owner;
	const char *object;
	const char *kind; /* in words */
	const char *verb; /* the last one asks the broker for this, or NULL */
	bool use;
};

bool reach_find(const struct reach *r, const struct reach_question *q,
    struct reach_way *out);

/* "qmgr:spool -> cleanup -> smtpd", "smtpd => cleanup => qmgr:spool" */
void reach_text(const struct reach_way *w, struct buf *out);
/* The same, a line a step, with records, kinds and lines of policies. */
void reach_explain(const struct reach_way *w, const char *indent,
    struct buf *out);

/* Can `who' come to hold it?  Returns 1 and writes the way, or 0. */
int reach_object(const struct reach *r, struct str who, struct str owner,
    struct str object, enum reach_trust trust, struct buf *way);

/* Is there an object of that name at all?  A typing error must show. */
bool reach_exists(const struct reach *r, struct str owner, struct str object);

const struct policy *reach_component(const struct reach *r, struct str name);

/* Does it read bytes that strangers made up? */
bool reach_hostile(const struct policy *p);

/*
 * May records of `from' make `to' do something?  The names of those records
 * are appended to out (NULL: not wanted), the edge's name goes to *edge: NULL
 * when there is a channel that no edge describes.
 */
bool reach_tells(const struct policy *from, const struct policy *to,
    const char **edge, struct buf *out);

/* Whom a never line speaks of: the i-th policy? */
bool reach_concerns(const struct reach *r, const struct policy_never *n,
    const struct policy *who);

/*
 * The never line, for everybody it speaks of: true when it holds; else a way
 * of the leak, or (way->n == 0) what is wrong with the line, in why.
 */
bool reach_never(const struct reach *r, const struct policy_never *n,
    struct reach_way *way, struct buf *why);

/*
 * All `never' lines, and that both ends of every channel agree on it.
 * Returns the number of lines that do not hold; report gets a line for each,
 * with file, line and the way of the leak.
 */
size_t reach_check(const struct reach *r, struct buf *report);

/* The `never' lines alone. */
size_t reach_nevers(const struct reach *r, struct buf *report);

/* The policies in force, for all of the above. */
struct reach reach_compiled(void);

#endif
