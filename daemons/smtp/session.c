/* SPDX-License-Identifier: ISC */
/*
 * A connection to a server: bytes in, bytes out, time.  What they mean is
 * hello.c's and mail.c's.
 *
 * The socket comes from the broker, still connecting.  It is watched for
 * reading alone: the server speaks first, and an error shows as well.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/note.h"
#include "log/log.h"
#include "net/netaddr.h"

#include "smtp.h"

#define SMTP_PORT 25

static void on_ready(int what, void *arg);
static void on_turn(void *arg);

/* --- reasons -------------------------------------------------------------- */

static const char *
doing(const struct session *s)
{
	switch (s->stage) {
	case STAGE_GREETING:
		return "receiving the initial server greeting";
	case STAGE_EHLO:
		return s->st->lmtp ? "performing the LHLO handshake" :
				     "performing the EHLO handshake";
	case STAGE_HELO:
		return "performing the HELO handshake";
	case STAGE_STARTTLS:
		return "performing the STARTTLS handshake";
	case STAGE_HANDSHAKE:
		return "performing the TLS handshake";
	case STAGE_RSET:
		return "sending RSET probe";
	case STAGE_MAIL:
		return "sending MAIL FROM";
	case STAGE_RCPT:
		return "sending RCPT TO";
	case STAGE_DATA:
		return "sending DATA command";
	case STAGE_BODY:
		return "sending message body";
	case STAGE_DOT:
		return "sending end of data -- message may be sent more than "
		       "once";
	case STAGE_CONNECT:
	case STAGE_QUIT:
	case STAGE_N:
		break;
	}
	return "sending QUIT";
}

static void
set_server(struct session *s, struct why *w)
{
	w->relay = xstrdup(s->relay);
	w->conn_use = s->uses;
}

void
session_why(struct session *s, struct why *w, struct dsn dsn, const char *fmt,
    ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	why_set(w, dsn, "%s", text);
	set_server(s, w);
}

static void
remote_words(struct session *s, struct why *w, struct buf *flat)
{
	set_server(s, w);
	w->remote_mta = xstrdup(s->name);
	w->remote_text = xstrdup(buf_cstr(flat));
}

void
session_said(struct session *s, struct why *w, const char *what)
{
	struct dsn dsn = reply_status(&s->reply);
	struct buf flat;

	if (dsn.class == 2) /* success where there is none: 250 to DATA */
		dsn = DSN(4, 5, 0);
	buf_init(&flat, REPLY_TEXT_MAX * 4);
	reply_flat(&s->reply, &flat);
	if (what == NULL)
		why_set(w, dsn, "host %s refused to talk to me: %.700s",
		    s->where, buf_cstr(&flat));
	else
		why_set(w, dsn, "host %s said: %.700s (in reply to %s)",
		    s->where, buf_cstr(&flat), what);
	remote_words(s, w, &flat);
	buf_clear(&flat);
}

void
session_thanks(struct session *s, struct why *w)
{
	struct buf flat;

	buf_init(&flat, REPLY_TEXT_MAX * 4);
	reply_flat(&s->reply, &flat);
	why_set(w, reply_status(&s->reply), "%.900s", buf_cstr(&flat));
	w->sent = true;
	w->dsn_passed = (s->features & FEAT_DSN) != 0;
	remote_words(s, w, &flat);
	buf_clear(&flat);
}

/* --- birth and death ------------------------------------------------------ */

static void
destroy(struct session *s)
{
	TAILQ_REMOVE(&s->smtp->sessions, s, link);
	watch_clear(&s->watch);
	buf_clear(&s->in);
	buf_clear(&s->out);
	reply_clear(&s->reply);
	settings_unref(&s->st);
	free(s->nexthop);
	free(s->name);
	free(s->where);
	free(s->relay);
	free(s->rcpt);
	free(s->body);
	free(s);
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;

	*sp = NULL;
	if (s == NULL || s->dead)
		return;
	pool_remove(s);
	s->dead = true;
	if (s->ask != 0)
		chan_forget(s->asked, s->ask);
	s->ask = 0;
	watch_clear(&s->watch);
	turn_cancel(&s->tls_turn);
	tls_free(&s->tls);
	fd_close(&s->fd);
	if (s->busy == 0)
		destroy(s);
}

static void
enter(struct session *s)
{
	s->busy++;
}

static void
leave(struct session *s)
{
	if (--s->busy == 0 && s->dead)
		destroy(s);
}

void
session_unhold(struct session *s)
{
	leave(s);
}

void
session_fail(struct session *s)
{
	struct job *j = s->job;
	bool reached = s->stage != STAGE_CONNECT; /* or it is said already */

	s->job = NULL;
	session_free(&s);
	if (j == NULL)
		return;
	j->session = NULL;
	if (reached)
		job_note(j, &j->why);
	job_next(j);
}

static void
broker_says_no(struct session *s, const char *why)
{
	session_why(s, &s->job->why, DSN(4, 4, 1), "connect to %s: %s",
	    s->relay, why);
	free(s->job->why.relay); /* as Postfix: there was no relay */
	s->job->why.relay = NULL;
	log_as(s->st->log_name, LOG_LEVEL_INFO, "%s", s->job->why.text);
	session_fail(s);
}

/* The kernel gave both ends the same address: it is ours. */
static bool
reached_self(const struct session *s, const struct netaddr *local)
{
	return s->loop_check && s->st->all_interfaces &&
	    netaddr_same(local, &s->addr);
}

static void
loops_back(struct session *s)
{
	struct job *j = s->job;

	/*
	 * Servers no better than ourselves are not to be tried.  If better
	 * ones were and failed, the mail waits for those.
	 */
	j->next = j->nhosts;
	if (j->addresses > 1 && j->why.text != NULL) {
		session_fail(s);
		return;
	}
	j->destination = false;
	why_set(&j->why, DSN(5, 4, 6),
	    "mail for " STR_FMT " loops back to myself", STR_ARG(j->nexthop));
	report_left(j, &j->why);
	session_fail(s);
}

static void on_socket(unsigned type, const void *rec, int *fds, void *arg);

static void
ask_broker(struct session *s)
{
	struct broker_unix u = { .ticket = s->route_ticket };

	s->asked = s->smtp->broker;
	if (s->addr.family == 0) {
		u.nexthop = str_sub(str_of(s->nexthop), 0, 512);
		s->ask = chan_ask(s->asked, BROKER_UNIX, &u, NULL, on_socket,
		    s);
		return;
	}
	s->ask =
	    chan_ask(s->asked, BROKER_CONNECT, &s->connect, NULL, on_socket, s);
}

static void
on_socket(unsigned type, const void *rec, int *fds, void *arg)
{
	const struct broker_refused *no = rec;
	const struct broker_connected *a = rec;
	struct session *s = arg;
	char why[128];

	s->ask = 0;
	if (type == BROKER_REFUSED && no->error == EADDRNOTAVAIL &&
	    s->connect.bind.family != 0 && !s->st->bind_enforce) {
		log_warn("smtp_bind_address: no such address here");
		s->connect.bind.family = 0;
		ask_broker(s);
		return;
	}
	if (type == BROKER_REFUSED && no->error == EAGAIN &&
	    s->addr.family == 0) {
		/* A socket has no queue of its own to wait in. */
		s->again = true;
		if (s->deadline == 0)
			session_await(s, STAGE_CONNECT);
		return;
	}
	if (type == BROKER_REFUSED) {
		snprintf(why, sizeof(why), STR_FMT,
		    STR_ARG(str_sub(no->why, 0, 100)));
		broker_says_no(s, why);
		return;
	}
	if (type != BROKER_CONNECTED && type != BROKER_FILE) {
		broker_says_no(s, "broker is not available");
		return;
	}
	if (type == BROKER_CONNECTED && reached_self(s, &a->local)) {
		loops_back(s);
		return;
	}
	s->fd = fds[0];
	fds[0] = -1;
	watch_init(&s->watch, s->smtp->loop, s->fd, on_ready, s);
	/* The first to speak is the server, but for TLS. */
	watch_set(&s->watch, s->st->tls_wrapper ? LOOP_WRITE : LOOP_READ);
	session_await(s, STAGE_CONNECT);
}

static void
set_names(struct session *s, const struct dns_host *h)
{
	char addr[NETADDR_TEXT];

	if (h->addr.family == 0) {
		s->name = str_dup(s->st->myhostname);
		s->where = xasprintf("%s[" STR_FMT "]", s->name,
		    STR_ARG(h->name));
		s->relay = xstrdup(s->where);
		return;
	}
	netaddr_text(&h->addr, addr);
	s->name = str_dup(h->name);
	s->where = xasprintf("%s[%s]", s->name, addr);
	s->relay = xasprintf("%s:%u", s->where, h->addr.port);
}

void
session_new(struct job *j, const struct dns_host *h)
{
	struct smtp *m = j->smtp;
	struct session *s = xcalloc(1, sizeof(*s));

	s->smtp = m;
	s->st = settings_ref(j->st);
	s->job = j;
	s->fd = -1;
	s->addr = h->addr;
	s->uses = 1;
	s->route_ticket = j->route_ticket;
	s->nexthop = j->hop == 0 ? str_dup(j->nexthop) : NULL;
	s->plain = j->plain;
	j->plain = false;
	turn_init(&s->tls_turn, m->loop, on_turn, s);
	s->loop_check = h->addr.family != 0 && (h->addr.port == SMTP_PORT ||
	    (j->mx && settings_own_port(j->st, h->addr.port)));
	set_names(s, h);
	buf_init(&s->in, SESSION_IN);
	buf_init(&s->out, SESSION_OUT);
	reply_init(&s->reply);
	TAILQ_INSERT_TAIL(&m->sessions, s, link);
	j->session = s;
	j->destination = true; /* until a server is ready for mail */
	j->ready_us = 0;
	smtp_tick(m);
	s->connect = (struct broker_connect){ .to = h->addr,
		.expires = h->expires,
		.ticket = h->ticket,
		.bind = h->addr.family == 4 ? j->st->bind4 : j->st->bind6 };
	ask_broker(s);
}

void
session_take(struct session *s, struct job *j)
{
	s->job = j;
	j->session = s;
	s->uses++;
	s->answered = false;
	j->ready_us = j->start_us;
	j->destination = false;
	j->used = s->addr;
	j->spent = true;
	mail_begin(s);
}

/* --- writing -------------------------------------------------------------- */

void
session_say(struct session *s, const char *fmt, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_puts(&s->out, line);
	buf_puts(&s->out, "\r\n");
}

/*
 * A kept session may have been closed by the server while nothing was said:
 * then this job has lost nothing, and begins anew, there too.
 */
static bool
is_stale(struct session *s)
{
	if (s->uses == 1 || s->answered)
		return false;
	s->job->used.family = 0;
	s->job->spent = false;
	return true;
}

/* Connection gone. */
static void
lost(struct session *s, const char *how)
{
	struct job *j = s->job;

	if (j == NULL || is_stale(s)) {
		session_fail(s);
		return;
	}
	if (s->stage == STAGE_CONNECT) {
		broker_says_no(s, how);
		return;
	}
	if (s->stage == STAGE_HANDSHAKE) {
		secure_failed(s,
		    strcmp(how, "time") == 0 ? "Connection timed out" : how);
		return;
	}
	session_why(s, &j->why, DSN(4, 4, 2),
	    strcmp(how, "time") == 0 ?
		"conversation with %s timed out while %s" :
		"lost connection with %s while %s",
	    s->where, doing(s));
	/* The server may have the message: it goes nowhere else now. */
	if (s->stage == STAGE_DOT)
		for (size_t i = 0; i < s->nrcpts; i++)
			if (s->rcpt[i]->accepted)
				report(j, s->rcpt[i], &j->why);
	session_fail(s);
}

void
session_watch(struct session *s)
{
	int what = LOOP_READ;

	if (s->stage == STAGE_HANDSHAKE)
		what = tls_waits(s->tls);
	else if (s->out.len > 0 && s->tls != NULL)
		what |= tls_waits(s->tls);
	else if (s->out.len > 0)
		what |= LOOP_WRITE;
	watch_set(&s->watch, what);
}

void
session_flush(struct session *s)
{
	while (s->out.len > 0 && s->fd != -1) {
		struct str o = buf_get(&s->out);
		ssize_t n = s->tls != NULL ? tls_write(s->tls, o.p, o.n) :
					     write(s->fd, o.p, o.n);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1) {
			/*
			 * What the server said last is perhaps still to be
			 * read: its end shows there.
			 */
			buf_reset(&s->out);
			s->broken = true;
			watch_set(&s->watch, LOOP_READ);
			return;
		}
		buf_consume(&s->out, (size_t)n);
		if (s->stage == STAGE_BODY && !s->fixed)
			session_await(s, STAGE_BODY);
	}
	session_watch(s);
}

void
session_await(struct session *s, enum stage stage)
{
	int64_t ms = s->st->ms[stage];

	s->stage = stage;
	s->deadline = ms == 0 ? 0 : loop_now(s->smtp->loop) + ms;
}

/* --- reading -------------------------------------------------------------- */

static void
take_reply(struct session *s)
{
	if (s->job == NULL) { /* the answer to QUIT */
		session_fail(s);
		return;
	}
	if (s->stage <= STAGE_STARTTLS)
		hello_reply(s);
	else if (s->reply.code == 421 && is_stale(s))
		session_fail(s); /* it had grown tired of waiting */
	else {
		s->answered = true;
		mail_reply(s);
	}
	reply_reset(&s->reply);
}

static void
take_line(struct session *s, struct str line)
{
	if (s->stage == STAGE_CONNECT)
		session_await(s, STAGE_GREETING);
	switch (reply_line(&s->reply, line)) {
	case REPLY_MORE:
		break;
	case REPLY_DONE:
		take_reply(s);
		break;
	case REPLY_BAD:
		if (s->job != NULL)
			session_why(s, &s->job->why, DSN(4, 5, 0),
			    "host %s sends an endless reply while %s", s->where,
			    doing(s));
		session_fail(s);
		break;
	}
}

/*
 * Cut what came into lines.  Of a line that does not fit the beginning is
 * taken, and the rest dropped as it comes.
 */
static void
take_lines(struct session *s)
{
	while (!s->dead && !s->is_idle) {
		struct str in = buf_get(&s->in);
		const char *lf = in.n > 0 ? memchr(in.p, '\n', in.n) : NULL;
		size_t n = lf == NULL ? in.n : (size_t)(lf - in.p);

		if (lf == NULL && n < SESSION_IN) {
			if (s->skip)
				buf_reset(&s->in);
			return;
		}
		if (!s->skip)
			take_line(s, str_sub(in, 0, n));
		s->skip = lf == NULL;
		if (s->dead)
			return;
		/*
		 * What was sent in clear ends here: nothing of it may be taken
		 * for something that was said under TLS.
		 */
		if (s->stage == STAGE_HANDSHAKE) {
			buf_reset(&s->in);
			s->skip = false;
			secure_begin(s);
			return;
		}
		buf_consume(&s->in, lf == NULL ? n : n + 1);
	}
	/* Nobody asked for what follows: not a server to keep. */
	if (!s->dead && s->in.len > 0)
		session_free(&s);
}

static void
on_input(struct session *s)
{
	char *to = buf_reserve(&s->in, SESSION_IN - s->in.len);
	size_t room = SESSION_IN - s->in.len;
	ssize_t n = s->tls != NULL ? tls_read(s->tls, to, room) :
				     read(s->fd, to, room);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	/* An end without an error is one of a connection that was made. */
	if (n == 0 && s->stage == STAGE_CONNECT)
		session_await(s, STAGE_GREETING);
	/* Kept in reserve, a session has nothing to say. */
	if (n <= 0 || s->is_idle) {
		lost(s, n == -1 ? strerror(errno) : "connection closed");
		return;
	}
	buf_grow(&s->in, (size_t)n);
	take_lines(s);
}

static void
on_output(struct session *s)
{
	session_flush(s);
	if (!s->dead && s->out.len == 0 && s->stage == STAGE_BODY)
		mail_more(s);
}

/* With TLS from the first byte on, who connects has to find out by himself. */
static void
on_connected(struct session *s)
{
	socklen_t len = sizeof(int);
	int e = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len) == -1)
		e = errno;
	if (e != 0)
		lost(s, strerror(e));
	else
		secure_begin(s);
}

/* Under TLS either direction may wait for either. */
static void
on_tls(struct session *s, int what)
{
	if (s->stage == STAGE_HANDSHAKE) {
		secure_step(s);
		return;
	}
	if (what == LOOP_READ)
		on_input(s);
	while (!s->dead && s->tls != NULL && tls_pending(s->tls))
		on_input(s);
	if (!s->dead && s->out.len > 0)
		on_output(s);
}

static void
on_ready(int what, void *arg)
{
	struct session *s = arg;

	enter(s);
	note_about(str_of(s->where), s->job == NULL ? STR("") : s->job->qid);
	if (s->tls != NULL)
		on_tls(s, what);
	else if (s->stage == STAGE_CONNECT && s->st->tls_wrapper)
		on_connected(s);
	else if (what == LOOP_READ)
		on_input(s);
	else
		on_output(s);
	leave(s);
}

static void
on_turn(void *arg)
{
	struct session *s = arg;

	enter(s);
	if (s->tls != NULL)
		on_tls(s, LOOP_READ);
	leave(s);
}

/* --- the end -------------------------------------------------------------- */

void
session_quit(struct session *s)
{
	session_say(s, "QUIT");
	session_flush(s);
	if (s->st->skip_quit) {
		session_free(&s);
		return;
	}
	reply_reset(&s->reply);
	session_await(s, STAGE_QUIT);
}

void
session_release(struct session *s, bool reusable)
{
	struct job *j = s->job;

	s->job = NULL;
	if (j != NULL)
		j->session = NULL;
	/* What was not asked for is no good sign. */
	if (!reusable || s->out.len > 0 || s->broken)
		session_free(&s);
	else if (!pool_put(s))
		session_quit(s);
	if (j != NULL)
		job_next(j);
}

/* --- time ----------------------------------------------------------------- */

/* Connected, though nothing was said yet? */
static bool
is_connected(const struct session *s)
{
	return send(s->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) == 0;
}

void
session_tick(struct session *s, int64_t now)
{
	if (s->dead || s->deadline == 0)
		return;
	if (s->again && now < s->deadline) {
		s->again = false;
		ask_broker(s);
		return;
	}
	if (now < s->deadline)
		return;
	enter(s);
	if (s->is_idle) {
		pool_remove(s);
		session_quit(s);
	} else if (s->again) {
		lost(s, "Resource temporarily unavailable");
	} else if (s->stage == STAGE_CONNECT && s->fd != -1 &&
	    !s->st->tls_wrapper && is_connected(s)) {
		session_await(s, STAGE_GREETING);
	} else {
		lost(s,
		    s->stage == STAGE_CONNECT ? "Connection timed out" :
						"time");
	}
	leave(s);
}
