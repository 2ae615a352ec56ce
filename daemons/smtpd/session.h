/* SPDX-License-Identifier: ISC */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "mail/path.h"
#include "mail/reply.h"
#include "net/netaddr.h"
#include "resolver.h"
#include "restrict.h"
#include "service.h"
#include "slots.h"
#include "worker.h"

/*
 * One SMTP session, as a machine that is given bytes and makes bytes; who
 * moves them (conn.c, or a test) is told by kick() that there is something to
 * do: output to send, input to offer again, or the end.
 *
 * Commands are carried out one after the other, in the order they came.  One
 * that needs an answer from another component makes the session wait: input
 * stays where it is, and the answer goes on where the command stopped.  While
 * it waits for a recipient, the recipients behind it in the input are already
 * asked for, so that a pipelined list costs one hop.
 */
enum session_state {
	ST_GREET, /* the greeting waits for the client's name */
	ST_COMMAND,
	ST_DATA,    /* content arrives */
	ST_CHUNK,   /* the same, of a size that was told (BDAT) */
	ST_CLOSING, /* output is to leave, then it is over */
	ST_DEAD,
};

/* What it waits for.  It takes no input meanwhile. */
enum session_wait {
	WAIT_NOTHING,
	WAIT_FACTS,   /* the client's name, and whether it is trusted */
	WAIT_RESOLVE, /* an address */
	WAIT_RULE,    /* a restriction's question */
	WAIT_SLOT,
	WAIT_COMMIT, /* the word that the message is safe */
	WAIT_FLUSH,  /* ETRN */
	WAIT_TLS,    /* the handshake */
	WAIT_SLEEP,  /* an error was made: answers slow down */
};

/* Commands that are counted, in the order of the line that says so. */
enum verb_id {
	VERB_HELO,
	VERB_EHLO,
	VERB_STARTTLS,
	VERB_AUTH,
	VERB_MAIL,
	VERB_RCPT,
	VERB_DATA,
	VERB_BDAT,
	VERB_RSET,
	VERB_NOOP,
	VERB_VRFY,
	VERB_ETRN,
	VERB_EXPN,
	VERB_HELP,
	VERB_QUIT,
	VERB_UNKNOWN,
	VERBS,
};

/* A transaction: from MAIL to the end of the message.  Heap. */
struct mail {
	char *sender;	/* internal form; "" for <> */
	uint32_t flags; /* ENV_... */
	int ret;	/* enum env_ret */
	char *envid;
	int64_t declared; /* SIZE=, 0 without */
	bool is_8bit;

	struct buf rcpts; /* encoded as they are accepted */
	uint32_t nrcpts;  /* accepted */
	unsigned over;	  /* beyond the limit */
	char *only_rcpt;  /* while there is one */

	/* From access tables. */
	char *redirect, *hold;
	char *prepend, *bcc; /* a line each */
	bool discard;

	struct slot *slot;
	int64_t size; /* of the content, as it counts */
	int fault;    /* reply code of what went wrong with it; 0 */
	bool too_big;
	bool bare_seen; /* a bare newline, where that is refused */

	/* Where the content's parser is: see data.c. */
	struct buf content;
	bool line_start; /* at the first byte of a line */
	bool crlf;	 /* the line before ended in CR LF */
	bool all_bare;	 /* no CR LF since DATA */
	bool lone_dot;	 /* <LF>.<LF> may end it, where all lines are such */
	uint8_t held;	 /* bytes whose meaning the next one decides */
	bool ended;
	bool chunked; /* it comes by BDAT */
};

/* Counts of one command. */
struct verb_count {
	uint32_t good, all;
};

struct session {
	TAILQ_ENTRY(session) link;
	struct worker *w;
	struct service *sv;
	void (*kick)(void *arg);
	void *kick_arg;

	struct netaddr client, server;
	char addr[NETADDR_TEXT];
	char *name;    /* verified, or NULL: unknown */
	char *reverse; /* what PTR says, verified or not, or NULL */
	uint64_t name_ask;
	bool named;	 /* that is settled */
	bool name_later; /* it could not be found out for now */
	bool logged;	 /* `connect from` */

	/* Trusted? A table in mynetworks has to be asked. */
	bool nets_known, in_nets, nets_later;
	size_t nets_at;
	uint64_t lookup_ask, dns_ask, flush_ask;

	enum session_state state;
	enum session_wait wait;
	void (*then)(struct session *s); /* goes on after the wait */
	int64_t deadline; /* of the wait, or of the client's silence */

	struct buf in;	/* what arrived and was not dealt with */
	struct buf out; /* replies */
	bool skip_line; /* in a line that is too long */
	bool stopped;	/* orderly stop: no new transaction */

	struct secured *tls; /* NULL: in the clear */

	char *helo;
	bool esmtp;
	bool denied;	/* access was refused as it connected */
	bool pipelined; /* out of turn, noted once */
	bool bare_line; /* the command's line ended in a bare LF */

	/* BDAT: what was told of the chunk, and what is yet to come. */
	uint64_t chunk_size, chunk_left;
	bool chunk_last;

	struct mail *mail;
	struct eval *eval; /* NULL until a restriction is looked at */
	/* What STAGE_CLIENT, _HELO, _SENDER put off until RCPT or ETRN. */
	struct eval_later later[STAGE_SENDER + 1];

	/* The command that waits. */
	struct str behind; /* input behind it, while a verb runs */
	struct resolved *answer;
	struct resolve_wait rwait;
	struct slot_wait swait;
	struct buf rcpt; /* the address in RCPT or VRFY, or empty */
	char *etrn;	 /* the domain in ETRN, or NULL */
	int flushed;	 /* what became of it: an errno */
	void (*restricted)(struct session *s); /* see session_restrict() */
	uint32_t notify;
	char *orcpt;
	int verb; /* enum verb_id of the command that runs, or ran last */
	bool running;
	bool verb_failed;  /* it was refused: an error of the client */
	bool verb_excused; /* refused, but that is no error */

	unsigned errors, junk;
	uint32_t messages;
	struct verb_count counts[VERBS];
};

/* --- session.c: life, and what others tell it ----------------------------- */

/*
 * A session for a client that was accepted; name and trust are asked for, and
 * the greeting is in s->out, or will be.
 */
struct session *
session_new(struct worker *w, struct service *sv, const struct netaddr *client,
    const struct netaddr *server, void (*kick)(void *arg), void *arg);
void session_free(struct session **sp);

/* Bytes from the client; all are taken.  Does nothing unless it listens. */
void session_input(struct session *s, struct str bytes);

/* Does it want input now, or go on with what it has (when NULL)? */
bool session_listens(const struct session *s);
void session_resume(struct session *s);

/* The client hung up. */
void session_hangup(struct session *s);

/* Its deadline has passed.  Tells whether output may have been made. */
void session_timeout(struct session *s);

/* It has been asked to end: idle ones do now. */
void session_stop(struct session *s);

/* Answers to its questions. */
void session_named(struct session *s, const struct dns_named *a);
void session_looked_up(struct session *s, const struct lookup_answer *a);
void session_records(struct session *s, const struct dns_records *a);
void session_flushed(struct session *s, int error);
void session_slot_lost(struct session *s);
void session_committed(struct session *s, const struct spool_accepted *a);
void
session_refused(struct session *s, int code, struct str dsn, struct str text);

/* --- for the verbs -------------------------------------------------------- */

/* Wait; `then` is called when it is over, at the latest after ms. */
void session_wait(struct session *s, enum session_wait what,
    void (*then)(struct session *s), int64_t ms);
/* The wait is over: go on, and with the input behind it. */
void session_wake(struct session *s);

/* Name and trust are known; if not, waits and calls then again: false. */
bool session_facts(struct session *s, void (*then)(struct session *s));

/* Close once the output is out. */
void session_close(struct session *s);

/* `name[addr]`, as logs and replies name the client. */
const char *session_peer(const struct session *s);

void session_log(struct session *s, const char *fmt, ...) PRINTFLIKE(2, 3);
void session_warn(struct session *s, const char *fmt, ...) PRINTFLIKE(2, 3);
/* The line `connect from` comes before all others. */
void session_log_connect(struct session *s);

/* --- reply.c -------------------------------------------------------------- */

/* A whole line of ours without anything of the client's, without CR LF. */
void reply(struct session *s, const char *line);
/* Code, enhanced code and text, which may hold anything. */
void reply_answer(struct session *s, struct answer a);
void replyf(struct session *s, int code, struct dsn dsn, const char *fmt, ...)
    PRINTFLIKE(4, 5);

/*
 * Like replyf() for a command that fails: counted as an error of the client,
 * and from the soft limit on held back.
 */
void reject(struct session *s, int code, struct dsn dsn, const char *fmt, ...)
    PRINTFLIKE(4, 5);
void reject_answer(struct session *s, struct answer a);

/*
 * Did the evaluation end in a refusal?  Then the log and the client are told,
 * and the client is hung up on if that belongs to it.
 */
bool eval_refused(struct session *s);

/*
 * Log a refusal: `NOQUEUE: reject: RCPT from ...`.  With code 0 something
 * else that a rule did.
 */
void log_reject(struct session *s, const char *what, int code, struct dsn dsn,
    struct str text);

/* --- verbs.c -------------------------------------------------------------- */

/* Carry out a command line (without its end). */
void verb_run(struct session *s, struct str line);
const char *verb_name(int verb);
void session_greet(struct session *s);

/* Input came where the client had to wait: note it, perhaps hang up. */
void note_pipelining(struct session *s, struct str what);

/* Run the session's evaluation; go on with then(s, result) now or later. */
void session_restrict(struct session *s, const enum stage *stages, size_t n,
    void (*then)(struct session *s));

/* --- mail.c --------------------------------------------------------------- */
void verb_mail(struct session *s, struct str arg);
void verb_rcpt(struct session *s, struct str arg);
void verb_vrfy(struct session *s, struct str arg);
/* The transaction is over, however it ended. */
void mail_reset(struct session *s);
/* What belongs to one RCPT. */
void rcpt_reset(struct session *s);

/* --- etrn.c --------------------------------------------------------------- */
void verb_etrn(struct session *s, struct str arg);

/* --- data.c --------------------------------------------------------------- */
void verb_data(struct session *s, struct str arg);
/* Take content from the front of *in. */
void data_take(struct session *s, struct str *in);
/* All of it is here. */
void data_end(struct session *s);
/*
 * What comes before it: the restrictions, waiting for a slot, and taking it;
 * false when there is none, which the client was told.
 */
void data_restrict(struct session *s, void (*then)(struct session *s));
void data_wait(struct session *s, void (*then)(struct session *s));
bool data_slot(struct session *s);
/* Write out what is buffered. */
void data_flush(struct session *s);
/* --- chunk.c -------------------------------------------------------------- */
void verb_bdat(struct session *s, struct str arg);
/* Take the chunk, or what is there of it, from the front of *in. */
void chunk_take(struct session *s, struct str *in);
/* --- submit.c ------------------------------------------------------------- */
void submit_message(struct session *s);
/* Was there something wrong with it?  Then it is refused, and over. */
bool submit_faulty(struct session *s);

#define WAIT_ANSWER_MS 100000 /* for a component's answer */
#define WAIT_NAME_MS 20000    /* for the client's name */
#define WAIT_SLOT_MS 60000
#define WAIT_COMMIT_MS 300000
#define MAIL_LINES_MAX 65536  /* of headers, of copies, by access tables */
#define IN_MAX (80 << 10)   /* input that waits: one read, and a line */
#define OUT_HIGH (16 << 10) /* replies that may wait before input does */

#endif
