/* SPDX-License-Identifier: ISC */
#ifndef MAILCTL_SURVEY_H
#define MAILCTL_SURVEY_H

#include "kin.h"
#include "mailctl.h"
#include "sandbox/audit.h"
#include "sandbox/sandbox.h"

/*
 * All processes of an instance, and what came of looking at each.
 *
 * Which processes there are is asked of the kernel: the children of the
 * launcher.  What the broker says of them is compared with that.  The
 * measuring is done here, by whoever runs this command, with his rights.
 */

/* One process, and what came of looking at it. */
struct subject {
	char component[32];
	int64_t instance; /* -1: it is none of several */
	pid_t pid;
	bool image; /* what others of its kind are copied from */
	bool copy;
	uid_t shown_uid; /* that it has */
	uid_t uid;	 /* that it ought to have, or 0 */
	gid_t gid;
	struct audit audit;
	int status;
	int descriptors;
	struct str requests; /* what the broker says of them, JSON */
	char *odd;	     /* it is not what it was said to be; or NULL */
};

struct survey {
	const struct instance *in;
	enum sandbox_level level;
	uint32_t waived;
	pid_t launcher, image;
	struct kin kin;
	struct audit_peers *peers;
	struct buf told;   /* what the broker says, JSON */
	struct buf absent; /* on demand, and nobody wants them now: names */
	struct buf proofs; /* never lines that do not hold, lines of text */
	struct subject *v;
	size_t n;
	int status;
};

/*
 * Look around; somebody who came or went meanwhile is looked for again.  False
 * with a sentence on standard error when it does not run.
 */
bool survey_take(struct survey *s, const struct instance *in, pid_t launcher);
/* Only these components. */
void survey_choose(struct survey *s, char *const names[]);
/* Measure every process that is left, and them together. */
void survey_measure(struct survey *s);
/* Did somebody leave meanwhile, being idle?  Then it is worth another look. */
bool survey_gone(const struct survey *s);
void survey_forget(struct survey *s);

/* "equal", "DIFFERENT", "not measurable" */
const char *survey_verdict(int status);
/* The first bytes of the policy's hash in hexadecimal, with a terminator. */
void survey_hash(const struct audit *a, size_t bytes, char *out);

/* The overlay on its policy, or NULL. */
const char *survey_overlay(const struct subject *j);

/* audit_html.c: the whole as a page. */
void audit_html(const struct survey *s, struct buf *out);

#endif
