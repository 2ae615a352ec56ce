/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_RESTRICT_H
#define SMTPD_RESTRICT_H

#include <stdbool.h>

#include "base/buf.h"
#include "edge/lookup.h"
#include "mail/reply.h"
#include "rules.h"

/*
 * Evaluating restrictions.
 *
 * A session has one evaluation.  eval_start() names the stages that a command
 * goes through (client, helo, sender, relay, recipient at RCPT); each stage's
 * list runs until a rule decides.  A rule that needs an answer from another
 * component asks and returns RULE_WAIT: evaluation stops there, and when the
 * answer is in, eval_run() calls the same rule again.
 */
struct dns_records;
struct session;
struct resolved;

enum stage {
	STAGE_CLIENT,
	STAGE_HELO,
	STAGE_SENDER,
	STAGE_LISTED, /* smtpd_reject_unlisted_sender */
	STAGE_RELAY,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_END,
	STAGE_ETRN,
	STAGES,
};

#define EVAL_DEPTH 16 /* lists within lists */
#define EVAL_TEXT_MAX 2048
#define EVAL_VALUE_MAX 8192 /* of an access table's entry */

struct eval_frame {
	const struct rules *rules;
	struct rules own; /* compiled from a table's entry; v NULL if not */
	struct buf text;  /* that entry */
	size_t at;
	bool warn; /* a refusal in here is only logged */
};

/* A refusal kept for later: defer_if_permit, defer_if_reject. */
struct eval_later {
	bool set;
	int code;
	struct dsn dsn;
	char *text;
};

struct eval {
	struct session *s;
	enum stage todo[STAGES];
	size_t ntodo, stage; /* todo[stage] is running */
	struct eval_frame frame[EVAL_DEPTH];
	size_t depth;	/* frames in use */
	bool warn_next; /* warn_if_reject stood before */
	struct eval_later if_permit, if_reject;
	bool active;

	/* The question of the rule that waits, and its answer. */
	enum {
		ASK_NONE,
		ASK_SENT,
		ASK_DONE
	} ask;
	unsigned step; /* how often this rule has asked */
	uint8_t status;
	struct buf value;
	struct resolved *held; /* an address that a rule asked about */
	bool later;	       /* something could not be found out */

	/* RULE_REJECT: what to answer. */
	int code;
	struct dsn dsn;
	struct buf reply;
	bool hangup; /* 421, 521 */
};

enum eval_result {
	EVAL_PERMIT,
	EVAL_REJECT, /* e->code, e->dsn, e->reply */
	EVAL_WAIT,
};

/* An evaluation at rest costs no memory but its struct. */
void eval_init(struct eval *e, struct session *s);
void eval_clear(struct eval *e);

/*
 * Begin with these stages.  Where smtpd_delay_reject is off the client, HELO
 * and the sender have stages of their own, and what one puts off
 * (defer_if_permit) counts at RCPT and ETRN.
 */
void eval_start(struct eval *e, const enum stage *stages, size_t n);
enum eval_result eval_run(struct eval *e);

/* Forget a deferral. */
void eval_later_clear(struct eval_later *l);

/* The answer to a lookup that a rule sent; a NULL: none can come. */
void eval_answer(struct eval *e, const struct lookup_answer *a);

/* The same to a question to the DNS. */
void eval_records_answer(struct eval *e, const struct dns_records *a);

/* --- for rules ------------------------------------------------------------ */

enum stage eval_stage(const struct eval *e);

/* `<x@y>`, `name[addr]`; `Recipient address` and so on, by stage. */
void eval_subject(const struct eval *e, enum stage st, struct buf *out);
const char *eval_class(enum stage st);

/* Decide against it.  The text is all of the reply behind the codes. */
enum verdict eval_reject(struct eval *e, int code, struct dsn dsn,
    const char *fmt, ...) PRINTFLIKE(4, 5);
/* The same in the usual form: `subject: class rejected: why`. */
enum verdict eval_refuse(struct eval *e, enum stage st, int code,
    struct dsn dsn, struct str why);
/* Only if the mail would be let in (refused) otherwise. */
enum verdict
eval_defer_if_permit(struct eval *e, int code, struct dsn dsn, struct str text);
enum verdict
eval_defer_if_reject(struct eval *e, int code, struct dsn dsn, struct str text);

/* Go through another list first; false when too deep. */
bool eval_enter(struct eval *e, const struct rules *rules);
bool eval_enter_text(struct eval *e, struct str text, int access);

/*
 * Ask lookup.  RULE_WAIT, or (answered) RULE_DUNNO with e->status and
 * e->value; the caller then sets e->ask to ASK_NONE if it asks again.
 */
enum verdict eval_lookup(struct eval *e, unsigned how, struct str param,
    struct str table, struct str key);

/*
 * Ask for the records of one type: true, and the rule has to wait.  False when
 * nobody can be asked; e->later tells.  Then e->status is that of a lookup, and
 * e->value has a line for each record.
 */
bool eval_records(struct eval *e, uint16_t rrtype, struct str name);

/* What rewrite says of the sender; RULE_DUNNO when e->held has it. */
enum verdict eval_resolve_sender(struct eval *e);

/* restrict_rules.c, restrict_access.c, restrict_dns.c */
extern const struct rule_def rule_listed;
rule_fn on_unknown_rule, on_class, on_bare_table, on_warn_if_reject;
rule_fn on_access, on_unknown_domain, on_unknown_helo;
/* Is this address (of the sender, of the recipient) one we do not have? */
enum verdict reject_unlisted(struct eval *e, enum stage st);
/* Look this up in the rule's table, and do as the entry says. */
enum verdict
access_rule(struct eval *e, const struct rule *r, enum access what);

#endif
