/* SPDX-License-Identifier: ISC */
#ifndef SMTP_SMTP_H
#define SMTP_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "chan/chan.h"
#include "conf/conf.h"
#include "edge/broker.h"
#include "edge/deliver.h"
#include "edge/dns.h"
#include "edge/hosts.h"
#include "loop/loop.h"
#include "mail/dsn.h"
#include "mail/reply.h"
#include "queue/content.h"
#include "queue/envelope.h"
#include "tls/keyring.h"
#include "tls/tls.h"

/*
 * The SMTP and LMTP client in parts: what a service of master.cf is set to
 * (settings.c), jobs of qmgr's and the servers they try (job.c, target.c),
 * connections (session.c) and what is said on them (hello.c, mail.c, body.c),
 * those kept open for a moment (pool.c), and what becomes of recipients
 * (report.c).  service.c is the whole of them.  None knows of boot.h, so tests
 * drive them with socket pairs.
 *
 * A job has at most one session at a time, a session at most one job.
 */

/* --- settings.c ----------------------------------------------------------- */

/* What a server may offer. */
enum feature {
	FEAT_ESMTP = 0x01,
	FEAT_PIPELINING = 0x02,
	FEAT_SIZE = 0x04,
	FEAT_8BITMIME = 0x08,
	FEAT_STATUSCODES = 0x10,
	FEAT_DSN = 0x20,
	FEAT_SMTPUTF8 = 0x40,
	FEAT_CHUNKING = 0x80, /* noticed, not used */
	FEAT_STARTTLS = 0x100,
};

/* What we wait for; each has its time and its name in messages. */
enum stage {
	STAGE_CONNECT,
	STAGE_GREETING,
	STAGE_EHLO,
	STAGE_HELO,
	STAGE_STARTTLS,
	STAGE_HANDSHAKE,
	STAGE_RSET,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_BODY, /* sending content */
	STAGE_DOT,  /* the answer to all of it */
	STAGE_QUIT,
	STAGE_N
};

/* What is asked of TLS: smtp_tls_security_level. */
enum security {
	SECURITY_NONE,
	SECURITY_MAY,	 /* if the server can */
	SECURITY_ENCRYPT /* or not at all */
};

enum preference {
	PREFER_ANY,
	PREFER_IPV4,
	PREFER_IPV6
};

/*
 * A service of master.cf: `smtp`, `relay`, `lmtp`.  Jobs and sessions hold it
 * by reference, so that a reload does not change it under them.
 */
struct settings {
	TAILQ_ENTRY(settings) link;
	unsigned refs;
	char *service;
	unsigned instance;
	struct conf *conf; /* text and lists below are borrowed from it */
	bool lmtp;
	struct str log_name; /* syslog_name where it is its own, or empty */
	struct str helo;
	struct str myhostname;
	uint16_t port;
	int64_t ms[STAGE_N]; /* 0: no limit */
	struct netaddr bind4, bind6;
	bool bind_enforce;
	uint8_t route_flags;
	enum preference preference;
	bool balance, randomize;
	unsigned address_limit, session_limit; /* 0: none */
	struct conf_list fallback;
	bool defer_no_address;
	bool skip_5xx_greeting;
	bool skip_quit;
	bool always_ehlo, never_ehlo;
	size_t line_limit; /* 0: none */
	bool quote;
	unsigned discard; /* features not used */
	bool per_request; /* times are for all of a command, not a write */
	int64_t min_rate; /* bytes of content a second, then */
	bool keep;	  /* sessions are kept for a moment */
	struct conf_list keep_for; /* to these destinations in any case */
	int64_t keep_ms;
	int64_t reuse_ms; /* 0: no limit */
	unsigned reuse_count;
	bool soft_bounce;
	bool all_interfaces;
	/* TLS: see secure.c. */
	enum security security;
	struct tls_ctx *tls; /* NULL: it cannot be had */
	bool tls_own_cert;   /* we have one, once keys has told of it */
	char *tls_trust;     /* certificates of authorities, or NULL */
	bool tls_wrapper;    /* from the first byte on */
	bool tls_note_offer;
	bool tls_keep; /* such sessions, too */
	int64_t tls_loglevel;
	struct str tls_name;	/* smtp_tls_servername */
	int64_t plain_after_us; /* age of mail that may do without */
};
TAILQ_HEAD(settings_list, settings);

/*
 * From a snapshot, which it takes over.  trust: certificates of authorities,
 * PEM, or empty.
 */
struct settings *settings_new(struct str service, unsigned instance,
    struct conf *conf, struct str default_log_name, struct str trust);
struct settings *settings_ref(struct settings *st);
void settings_unref(struct settings **stp);
/* Is this a port mail for us arrives at? */
bool settings_own_port(const struct settings *st, uint16_t port);

/* --- why something failed ------------------------------------------------- */

/* Owned texts; zeroed is "no reason". */
struct why {
	struct dsn dsn; /* class 4 or 5; 2 when it was delivered */
	char *text;
	char *relay; /* name[addr]:port, or NULL for none */
	char *remote_mta;
	char *remote_text;
	unsigned conn_use;
	bool sent;	 /* it was delivered */
	bool dsn_passed; /* to a server that reports success itself */
};

void why_clear(struct why *w);
void
why_set(struct why *w, struct dsn dsn, const char *fmt, ...) PRINTFLIKE(3, 4);

/* --- job.c ---------------------------------------------------------------- */

struct rcpt {
	struct str addr, orig, orcpt; /* in the job's memory */
	uint32_t notify;
	uint16_t number;
	bool settled;
	bool accepted;	/* by the server, in this transaction */
	struct why why; /* its own reason to wait, if it has one */
};

struct job {
	TAILQ_ENTRY(job) link;
	struct smtp *smtp;
	struct chan *ch; /* NULL: qmgr has gone */
	uint64_t id;
	struct settings *st;
	char *mem; /* what the texts below point into */
	struct str qid, sender, nexthop, envid;
	uint64_t route_ticket;
	uint32_t flags; /* ENV_... */
	uint8_t ret;	/* ENV_RET_... */
	int64_t arrived_us, active_us, start_us, ready_us;
	int fd;
	struct content content;
	bool content_ok;
	struct env_edit *edits;
	size_t nedits;
	struct rcpt *rcpt;
	size_t nrcpts, nleft;
	/* Where it goes. */
	struct chan *asked; /* whom the question is with, or NULL */
	uint64_t ask;
	struct dns_host *host;
	char *host_text; /* what their names point into */
	size_t nhosts, next;
	unsigned addresses, sessions; /* tried */
	size_t hop;	     /* 0 the next hop, then the fallback relays */
	bool routed;	     /* the way has been asked for */
	bool mx;	     /* found by a name without brackets */
	bool local;	     /* a socket in the file system: unix:/path */
	bool spent;	     /* and a kept session to it was used */
	struct netaddr used; /* server of a kept session, tried already */
	bool plain;	     /* the next session goes without TLS */
	struct session *session;
	struct why why;	  /* the last reason for those without their own */
	bool destination; /* no server was reached */
};
TAILQ_HEAD(job_list, job);

/* Take on a job.  Takes fd.  It may be over when this returns. */
void job_new(struct smtp *m, struct settings *st, struct chan *ch, uint64_t id,
    const struct deliver_job *rec, int fd);

/* All that ends a job's use of its session: what is next? */
void job_next(struct job *j);

/* Before that: say in the log why, if it is not the end. */
void job_note(const struct job *j, const struct why *w);

/* qmgr has gone: end, unless the content is already out. */
void job_orphan(struct job *j);
void job_free(struct job **jp);

/* --- target.c ------------------------------------------------------------- */

/*
 * Bring the hosts of a route into the order in which they are tried: as they
 * came, with preferred or mixed families among equals, no more than max (0:
 * all).  Returns how many are left.
 */
size_t target_order(const struct settings *st, struct dns_host *v, size_t n);

/* --- session.c ------------------------------------------------------------ */

#define SESSION_IN 4096 /* of a line; what is longer is cut */
#define SESSION_OUT (1U << 20)
#define BODY_CHUNK 65536

struct session {
	TAILQ_ENTRY(session) link;
	TAILQ_ENTRY(session) idle; /* in the pool */
	struct smtp *smtp;
	struct settings *st;
	struct job *job;       /* NULL: idle, or saying QUIT */
	char *nexthop;	       /* what it is kept under, or NULL */
	uint64_t route_ticket; /* that, too */
	struct netaddr addr;
	char *name;  /* of the server */
	char *where; /* name[addr] */
	char *relay; /* name[addr]:port */
	int fd;
	struct chan *asked; /* the broker, for a connection */
	uint64_t ask;
	struct broker_connect connect; /* what was asked of the broker */
	bool again; /* its server has too many to be connected to */
	struct watch watch;
	bool loop_check;
	bool is_idle;
	bool held;   /* see on_tick() */
	bool broken; /* cannot be written to any more */
	bool dead;   /* freed at the end of the callback that reads it */
	struct tls *tls;
	struct turn tls_turn; /* the handshake can go on */
	bool plain;	      /* TLS has failed with this server: without */
	int busy;
	enum stage stage;
	int64_t deadline; /* 0: none */
	bool fixed;	  /* the deadline is for all of the content */
	int64_t born;	  /* when it was ready for mail */
	unsigned uses;	  /* jobs it has had */
	unsigned features;
	uint64_t size_max; /* SIZE=, 0: not said */
	/* Reading. */
	struct buf in;
	bool skip; /* the rest of a line that is too long */
	struct reply reply;
	/* Writing. */
	struct buf out;
	/* The transaction: see mail.c. */
	bool need_rset;
	struct rcpt **rcpt; /* those it is about */
	size_t nrcpts;
	size_t rcpt_cap;
	size_t at; /* whose answer comes next */
	size_t naccepted;
	bool mail_failed;
	bool answered; /* the server has answered something in this use */
	struct body *body;
};
TAILQ_HEAD(session_list, session);

/* A connection for a job, to one of its hosts; family 0: to a socket. */
void session_new(struct job *j, const struct dns_host *h);

/* Give an idle session a job. */
void session_take(struct session *s, struct job *j);

/* The session is of no more use; its job, if it has one, goes on without. */
void session_free(struct session **sp);

/* Queue a line (without CR LF); send all that is queued. */
void session_say(struct session *s, const char *fmt, ...) PRINTFLIKE(2, 3);
void session_flush(struct session *s);

/* Wait for this stage, with its time. */
void session_await(struct session *s, enum stage stage);

/*
 * The session has failed for its job: why is in j->why (session_why), the
 * session is closed, the job tries elsewhere.
 */
void session_fail(struct session *s);

/* The job is through with it: keep it or say good-bye. */
void session_release(struct session *s, bool reusable);

/* QUIT, and close. */
void session_quit(struct session *s);

/* Put a reason in terms of this session: its relay, its server's words. */
void session_why(struct session *s, struct why *w, struct dsn dsn,
    const char *fmt, ...) PRINTFLIKE(4, 5);
/*
 * "host X said: ... (in reply to Y)", with the reply's status, which is never
 * one of success; without Y "host X refused to talk to me".
 */
void session_said(struct session *s, struct why *w, const char *what);
/* What it said to delivered mail. */
void session_thanks(struct session *s, struct why *w);

/* Watch the socket for what the session, or its TLS, waits for. */
void session_watch(struct session *s);

/* Time is checked once a second, for all.  unhold ends a busy++. */
void session_tick(struct session *s, int64_t now);
void session_unhold(struct session *s);

/* --- hello.c -------------------------------------------------------------- */

/* The feature of this keyword, or 0. */
unsigned hello_feature(struct str word);
void hello_reply(struct session *s);
/* The connection is another now: introduce ourselves on it. */
void hello_again(struct session *s);

/* --- secure.c ------------------------------------------------------------- */

void secure_settings(struct settings *st, const struct conf *c,
    struct str trust);
/* keys has told of the service's own certificates. */
void secure_keys(struct settings *st, const struct keyset *ks);

/*
 * The server has said what it offers.  True when the session is not ready for
 * mail: it begins with TLS, or cannot do without and is over.
 */
bool secure_first(struct session *s);
/* The answer to STARTTLS. */
void secure_reply(struct session *s);
/* Begin the handshake, go on with it. */
void secure_begin(struct session *s);
void secure_step(struct session *s);
/* It has failed, for this reason: the job tries elsewhere, or without. */
void secure_failed(struct session *s, const char *why);

/* --- mail.c --------------------------------------------------------------- */

void mail_begin(struct session *s);
void mail_reply(struct session *s);
/* There is room to write more of the content. */
void mail_more(struct session *s);

/* --- body.c --------------------------------------------------------------- */

/*
 * A message's content as it goes over the wire: CR LF, dots doubled, long
 * lines folded, stray CR made blanks, the final dot.
 */
struct body {
	struct content *content;
	size_t limit; /* 0: no folding */
	size_t col;   /* bytes of the line so far */
	bool bol;     /* at the beginning of a line */
	bool cr;      /* a CR waits: is it before the LF? */
	bool ended;   /* the final dot is out */
};

void body_init(struct body *b, struct content *c, size_t limit);
/* Append up to about n bytes.  -1: the content cannot be read. */
int body_fill(struct body *b, struct buf *out, size_t n);

/* --- pool.c --------------------------------------------------------------- */

#define POOL_MAX 256 /* idle sessions in all */
#define POOL_EACH 50 /* to one destination */

struct session *pool_take(struct smtp *m, const struct settings *st,
    struct str nexthop, uint64_t route_ticket);
/* True when it is kept. */
bool pool_put(struct session *s);
void pool_remove(struct session *s);

/* --- report.c ------------------------------------------------------------- */

/* Settle a recipient: a log line, a report to qmgr. */
void report(struct job *j, struct rcpt *r, const struct why *w);
/* All that are left. */
void report_left(struct job *j, const struct why *w);

/*
 * Microseconds as seconds, with two digits that mean something and no more
 * than two behind the point: 0.05, 1.2, 12, 0.
 */
void report_delay(struct buf *b, int64_t us);

/* --- service.c ------------------------------------------------------------ */

struct smtp {
	struct loop *loop;
	struct settings_list settings;
	struct job_list jobs;
	struct session_list sessions;
	struct session_list pool;
	size_t npool;
	struct timer tick;
	struct chan *dns; /* NULL while it is away */
	struct chan *broker;
	struct str log_name; /* main.cf's syslog_name */
	char *own_log_name;
	/* What came for a service whose configuration is about to come. */
	unsigned trust_instance;
	struct buf trust;
};


void smtp_init(struct smtp *m, struct loop *l);
void smtp_clear(struct smtp *m);
/* Certificates that a service trusts, for the configuration that follows. */
void smtp_trust(struct smtp *m, unsigned instance, int fd);
/* A service's configuration, taken over. */
void smtp_config(struct smtp *m, struct str service, unsigned instance,
    struct conf *conf);
/* main.cf anew. */
void smtp_shared(struct smtp *m, const struct conf *conf);
struct settings *smtp_settings(struct smtp *m, struct str service);
/* keys has told of certificates: to the service they are of. */
void smtp_keys(struct smtp *m, const struct keyset *ks);
/* A session exists: time has to be looked at. */
void smtp_tick(struct smtp *m);
/* qmgr's channel has gone. */
void smtp_orphan(struct smtp *m, const struct chan *ch);
/* The end: a word of farewell to servers that are kept waiting. */
void smtp_stop(struct smtp *m);
/* Handler of the edge; arg is struct smtp. */
void on_job(struct chan *ch, uint64_t id, const void *rec, int *fds, void *arg);

#endif
