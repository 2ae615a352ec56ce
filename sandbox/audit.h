/* SPDX-License-Identifier: ISC */
#ifndef SANDBOX_AUDIT_H
#define SANDBOX_AUDIT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "sandbox/sandbox.h"

/*
 * The long look at one running component: everything its policy declares,
 * beside what the kernel says.  Meant to run as root, outside any sandbox
 * (`mailctl sandbox audit`); without privilege more rows are unmeasurable.
 */
enum audit_verdict {
	AUDIT_EQUAL,
	/*
	 * The kernel has no way to show it.  sandbox_enter() has read it back
	 * in the process itself, before it loaded the filter that is proven to
	 * be there: without it that filter would not be.
	 */
	AUDIT_VOUCHED,
	AUDIT_WEAKER,	   /* less than declared: exit status 1 */
	AUDIT_DIFFERENT,   /* neither that nor equal: the same status */
	AUDIT_UNMEASURABLE /* exit status 2 */
};

struct audit_row {
	char *wall; /* "uid", "call openat", "descriptor 7" ... */
	char *declared;
	char *measured;
	enum audit_verdict verdict;
	bool waived; /* weaker, but by the configuration's own word */
};

struct audit {
	struct audit_row *rows;
	size_t n;
	size_t equal, vouched, weaker, different, unmeasurable, waived;
	unsigned calls_allowed; /* without conditions */
	unsigned calls_checked; /* with conditions on arguments */
	unsigned calls_errno;	/* answered with an error */
	unsigned points; /* calls and arguments the filter was run with */
	uint64_t ns[6];	 /* numbers of its namespaces, 0: not known */
	uint8_t policy_hash[POLICY_HASH];
	bool sanitized; /* a build for tests: more is allowed */
};

/* Who holds the other ends of channels: audit_peers_linux.c. */
struct audit_peers;
struct audit_who {
	pid_t pid;
	const char *component; /* borrowed */
};

/*
 * Look at all processes of an instance at once, for the ends of channels.
 * NULL when the kernel does not tell us.
 */
struct audit_peers *audit_peers_read(const struct audit_who *v, size_t n);
void audit_peers_free(struct audit_peers **pp);

/* What is to be looked at, and what with. */
struct audit_of {
	pid_t pid;
	const struct policy *policy;
	const struct sandbox_place *place;
	/*
	 * The installed policy file, to be compared; with text_missing there
	 * ought to be one and is none.  STR_NONE otherwise: not compared.
	 */
	struct str text;
	bool text_missing;
	/* Whose namespaces, limits and cgroup it came from; 0: the caller's. */
	pid_t launcher;
	const char *program; /* the file it ought to run, or NULL */
	const struct audit_peers *peers; /* or NULL */
	bool image; /* it is not sealed, and is not to be: warm.h */
};

/*
 * Audit a process.  Its filter is run in an evaluator for every call number
 * of every architecture.  Returns the exit status: 0, 1 or 2; the rows are
 * there in any case, until audit_clear().
 */
int sandbox_audit(const struct audit_of *of, struct audit *out);
/* The row, for a measurement that is made elsewhere (requests). */
void audit_add(struct audit *a, const char *name, const char *declared,
    const char *measured, enum audit_verdict verdict);
/* The status that follows from the rows. */
int audit_status(const struct audit *a);
void audit_clear(struct audit *a);

const char *audit_verdict_name(enum audit_verdict v);

/*
 * The whole as text: a line a row, or with `differences' only those that are
 * not equal.
 */
void audit_text(const struct audit *a, bool differences, struct buf *out);

/*
 * What a policy's filter lets through, one line a call with its promise,
 * without any process.  For `mailctl sandbox show`.
 */
void audit_calls(const struct policy *policy, struct buf *out);

#endif
