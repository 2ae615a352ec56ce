/* SPDX-License-Identifier: ISC */
/*
 * The life of a session: input and output, waits, deadlines, the end.
 */
#include "session.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/note.h"
#include "log/log.h"

/* --- names and logs ------------------------------------------------------- */

const char *
session_peer(const struct session *s)
{
	static char text[512];
	const char *name = s->name == NULL ? "unknown" : s->name;

	if (s->sv->port_logging)
		snprintf(text, sizeof(text), "%s[%s]:%u", name, s->addr,
		    s->client.port);
	else
		snprintf(text, sizeof(text), "%s[%s]", name, s->addr);
	return text;
}

void
session_log_connect(struct session *s)
{
	if (s->logged)
		return;
	s->logged = true;
	log_as(s->sv->syslog, LOG_LEVEL_INFO, "connect from %s",
	    session_peer(s));
}

static void
log_line(struct session *s, enum log_level level, const char *fmt, va_list ap)
{
	char text[4096];

	session_log_connect(s);
	vsnprintf(text, sizeof(text), fmt, ap);
	log_as(s->sv->syslog, level, "%s", text);
}

void
session_log(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(s, LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void
session_warn(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(s, LOG_LEVEL_WARNING, fmt, ap);
	va_end(ap);
}

/* `ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4`, as log analysers know it. */
static void
log_disconnect(struct session *s)
{
	struct verb_count sum = { 0, 0 };
	struct buf b;

	buf_init(&b, 1024);
	for (int i = 0; i < VERBS; i++) {
		const struct verb_count *c = &s->counts[i];

		if (c->all == 0)
			continue;
		sum.good += c->good;
		sum.all += c->all;
		buf_putc(&b, ' ');
		for (const char *p = verb_name(i); *p != '\0'; p++)
			buf_putc(&b, ascii_lower((unsigned char)*p));
		buf_printf(&b, "=%" PRIu32, c->good);
		if (c->good != c->all)
			buf_printf(&b, "/%" PRIu32, c->all);
	}
	buf_printf(&b, " commands=%" PRIu32, sum.good);
	if (sum.good != sum.all)
		buf_printf(&b, "/%" PRIu32, sum.all);
	session_log(s, "disconnect from %s%s", session_peer(s), buf_cstr(&b));
	buf_clear(&b);
}

/* Is what arrives no command? */
static bool
is_content(const struct session *s)
{
	return s->state == ST_DATA || s->state == ST_CHUNK;
}

/* Where it was when it ended: `RCPT`, `DATA (1234 bytes)`, `CONNECT`. */
static const char *
where(const struct session *s)
{
	static char text[64];

	if (is_content(s) && s->mail != NULL) {
		snprintf(text, sizeof(text), "%s (%" PRId64 " bytes)",
		    verb_name(s->verb), s->mail->size);
		return text;
	}
	if (s->wait == WAIT_COMMIT)
		return "END-OF-MESSAGE";
	return s->verb == -1 ? "CONNECT" : verb_name(s->verb);
}

/* --- the client's name and standing --------------------------------------- */

static void
ask_name(struct session *s)
{
	struct worker *w = s->w;

	if (s->sv->name_lookup)
		s->name_ask = w->ports->name(w->ports_arg, &s->client, s);
	if (s->name_ask == 0) {
		s->named = true;
		s->name_later = s->sv->name_lookup;
	}
}

/*
 * Is the client in mynetworks?  Blocks are known at once; a table is asked,
 * and host names in the list wait for the client's.
 */
static void
find_standing(struct session *s)
{
	struct worker *w = s->w;
	struct lookup_find q = { .how = FIND_NETWORK,
		.param = STR("mynetworks"),
		.key = str_of(s->addr) };
	struct str name = str_of(s->name);

	if (s->nets_known)
		return;
	switch (
	    netlist_match(&s->sv->mynetworks, &s->client, name, &s->nets_at)) {
	case NETLIST_YES:
		s->nets_known = s->in_nets = true;
		return;
	case NETLIST_NO:
		s->nets_known = true;
		return;
	case NETLIST_TABLE:
		break;
	}
	q.table = s->sv->mynetworks.v[s->nets_at].table;
	if (q.table.n <= LOOKUP_TABLE_MAX)
		s->lookup_ask = w->ports->lookup(w->ports_arg, &q, s);
	if (s->lookup_ask == 0)
		s->nets_known = s->nets_later = true;
}

/* Does any item of the list need the client's name? */
static bool
nets_want_name(const struct netlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].name.n > 0)
			return true;
	return false;
}

static void
standing_answered(struct session *s, const struct lookup_answer *a)
{
	const struct netlist *l = &s->sv->mynetworks;

	if (a == NULL || a->status == LOOKUP_LATER ||
	    a->status == LOOKUP_REFUSED) {
		s->nets_known = s->nets_later = true;
	} else if (a->status == LOOKUP_FOUND) {
		s->nets_known = true;
		s->in_nets = !l->v[s->nets_at].negate;
	} else {
		s->nets_at++;
		find_standing(s);
	}
}

static bool
facts_known(const struct session *s)
{
	return s->named && s->nets_known;
}

bool
session_facts(struct session *s, void (*then)(struct session *s))
{
	if (facts_known(s)) {
		session_log_connect(s);
		return true;
	}
	session_wait(s, WAIT_FACTS, then, WAIT_NAME_MS);
	return false;
}

static void
facts_changed(struct session *s)
{
	if (s->named && !s->nets_known && s->lookup_ask == 0)
		find_standing(s);
	if (!facts_known(s))
		return;
	session_log_connect(s);
	if (s->wait == WAIT_FACTS)
		session_wake(s);
}

void
session_named(struct session *s, const struct dns_named *a)
{
	s->name_ask = 0;
	s->named = true;
	if (a == NULL || a->status == DNS_LATER) {
		s->name_later = true;
	} else if (a->status == DNS_OK && a->name.n > 0) {
		s->reverse = str_dup(a->name);
		if (a->verified)
			s->name = str_dup(a->name);
	}
	facts_changed(s);
}

void
session_looked_up(struct session *s, const struct lookup_answer *a)
{
	s->lookup_ask = 0;
	if (!s->nets_known) {
		standing_answered(s, a);
		facts_changed(s);
	} else if (s->wait == WAIT_RULE) {
		eval_answer(s->eval, a);
		session_wake(s);
	}
}

void
session_records(struct session *s, const struct dns_records *a)
{
	s->dns_ask = 0;
	if (s->wait != WAIT_RULE)
		return;
	eval_records_answer(s->eval, a);
	session_wake(s);
}

/* --- birth and death ------------------------------------------------------ */

struct session *
session_new(struct worker *w, struct service *sv, const struct netaddr *client,
    const struct netaddr *server, void (*kick)(void *arg), void *arg)
{
	struct session *s = xcalloc(1, sizeof(*s));

	s->w = w;
	s->sv = service_ref(sv);
	s->client = *client;
	s->server = *server;
	s->kick = kick;
	s->kick_arg = arg;
	s->verb = -1;
	netaddr_text(client, s->addr);
	buf_init(&s->in, IN_MAX + sv->line_max);
	buf_init(&s->out, OUT_HIGH * 16);
	buf_init(&s->rcpt, ADDR_MAX);
	s->deadline = worker_now(w) + sv->timeout_ms;
	TAILQ_INSERT_TAIL(&w->sessions, s, link);
	w->nsessions++;
	ask_name(s);
	if (s->named || !nets_want_name(&sv->mynetworks))
		find_standing(s);
	if (sv->tls.wrapper)
		secure_first(s);
	else
		session_greet(s);
	return s;
}

/* Nobody's answer will find us any more. */
static void
forget_questions(struct session *s)
{
	struct worker *w = s->w;

	if (s->name_ask != 0)
		w->ports->forget(w->ports_arg, PORT_DNS, s->name_ask);
	if (s->lookup_ask != 0)
		w->ports->forget(w->ports_arg, PORT_LOOKUP, s->lookup_ask);
	if (s->dns_ask != 0)
		w->ports->forget(w->ports_arg, PORT_DNS, s->dns_ask);
	if (s->flush_ask != 0)
		w->ports->forget(w->ports_arg, PORT_FLUSH, s->flush_ask);
	s->name_ask = s->lookup_ask = s->dns_ask = s->flush_ask = 0;
	resolver_unwait(&s->rwait);
	slots_unwait(&w->slots, &s->swait);
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	log_disconnect(s);
	forget_questions(s);
	mail_reset(s);
	TAILQ_REMOVE(&s->w->sessions, s, link);
	s->w->nsessions--;
	buf_clear(&s->in);
	buf_clear(&s->out);
	buf_clear(&s->rcpt);
	free(s->name);
	free(s->reverse);
	free(s->helo);
	free(s->etrn);
	for (size_t i = 0; i < NELEM(s->later); i++)
		eval_later_clear(&s->later[i]);
	if (s->tls != NULL)
		free(s->tls->details);
	free(s->tls);
	service_unref(&s->sv);
	free(s);
}

void
session_close(struct session *s)
{
	if (s->state < ST_CLOSING)
		s->state = ST_CLOSING;
	buf_clear(&s->in);
	s->kick(s->kick_arg);
}

void
session_hangup(struct session *s)
{
	if (s->state < ST_CLOSING)
		session_log(s, "lost connection after %s from %s", where(s),
		    session_peer(s));
	s->state = ST_DEAD;
	buf_reset(&s->out);
	s->kick(s->kick_arg);
}

/* --- waits ---------------------------------------------------------------- */

void
session_wait(struct session *s, enum session_wait what,
    void (*then)(struct session *s), int64_t ms)
{
	s->wait = what;
	s->then = then;
	s->deadline = worker_now(s->w) + ms;
}

/* A command has been carried out: count it, and what it did wrong. */
static void
verb_end(struct session *s)
{
	struct verb_count *c = &s->counts[s->verb];

	s->running = false;
	s->deadline = worker_now(s->w) + s->sv->timeout_ms;
	c->all++;
	if (!s->verb_failed)
		c->good++;
	else if (!s->verb_excused)
		s->errors++;
	if (s->state >= ST_CLOSING)
		return;
	if (s->errors >= s->sv->hard_errors) {
		session_log(s, "too many errors after %s from %s", where(s),
		    session_peer(s));
		replyf(s, 421, DSN(4, 7, 0), STR_FMT " Error: too many errors",
		    STR_ARG(s->sv->myhostname));
		session_close(s);
	} else if (s->verb_failed && s->errors > s->sv->soft_errors &&
	    s->sv->sleep_ms > 0) {
		session_wait(s, WAIT_SLEEP, NULL, s->sv->sleep_ms);
	}
}

/* After something was done: is the command over, what comes next? */
static void
settle(struct session *s)
{
	if (s->wait != WAIT_NOTHING)
		return;
	if (s->running && !is_content(s))
		verb_end(s);
	if (s->wait != WAIT_NOTHING || s->state != ST_COMMAND)
		return;
	if (s->stopped && s->mail == NULL)
		session_stop(s);
}

void
session_wake(struct session *s)
{
	void (*then)(struct session * s) = s->then;

	s->wait = WAIT_NOTHING;
	s->then = NULL;
	s->deadline = worker_now(s->w) + s->sv->timeout_ms;
	if (then != NULL && s->state < ST_CLOSING)
		then(s);
	settle(s);
	s->kick(s->kick_arg);
}

static void
time_is_up(struct session *s)
{
	session_log(s, "timeout after %s from %s", where(s), session_peer(s));
	replyf(s, 421, DSN(4, 4, 2), STR_FMT " Error: timeout exceeded",
	    STR_ARG(s->sv->myhostname));
	session_close(s);
}

void
session_timeout(struct session *s)
{
	switch (s->wait) {
	case WAIT_NOTHING:
		if (s->state == ST_CLOSING)
			s->state = ST_DEAD; /* it does not take our reply */
		else
			time_is_up(s);
		s->kick(s->kick_arg);
		return;
	case WAIT_FACTS:
		if (!s->named)
			s->named = s->name_later = true;
		if (!s->nets_known)
			s->nets_known = s->nets_later = true;
		break;
	case WAIT_RULE:
		/* What comes now is the answer to nothing any more. */
		if (s->dns_ask != 0)
			s->w->ports->forget(s->w->ports_arg, PORT_DNS,
			    s->dns_ask);
		s->dns_ask = 0;
		eval_answer(s->eval, NULL);
		break;
	case WAIT_TLS:
		session_secure_late(s);
		return;
	case WAIT_COMMIT:
		session_refused(s, 451, STR("4.3.0"),
		    STR("Error: queue file write error"));
		return;
	case WAIT_SLEEP: /* what was asked may still be answered */
		session_wake(s);
		return;
	case WAIT_RESOLVE:
	case WAIT_SLOT:
	case WAIT_FLUSH:
		break; /* whoever waits sees that there is no answer */
	}
	forget_questions(s);
	session_wake(s);
}

void
session_stop(struct session *s)
{
	s->stopped = true;
	if (s->state >= ST_CLOSING || s->mail != NULL ||
	    s->wait != WAIT_NOTHING)
		return;
	replyf(s, 421, DSN(4, 3, 2),
	    STR_FMT " Error: shutting down, come back later",
	    STR_ARG(s->sv->myhostname));
	session_close(s);
}

/* --- input ---------------------------------------------------------------- */

bool
session_listens(const struct session *s)
{
	return (s->state == ST_COMMAND || is_content(s)) &&
	    s->wait == WAIT_NOTHING && s->out.len < OUT_HIGH;
}

static void
too_long(struct session *s)
{
	s->verb = VERB_UNKNOWN;
	s->running = true;
	s->verb_failed = s->verb_excused = false;
	reject(s, 500, DSN(5, 5, 2), "Error: line too long");
	settle(s);
}

/*
 * Take a command line from the front of *v and carry it out.  False when there
 * is no whole line yet.
 */
static bool
take_line(struct session *s, struct str *v)
{
	ptrdiff_t lf = str_chr(*v, '\n');
	struct str line;

	if (lf < 0) {
		if (!s->skip_line && v->n <= s->sv->line_max)
			return false;
		s->skip_line = true; /* its rest is dropped as it comes */
		*v = STR_NONE;
		return true;
	}
	line = str_sub(*v, 0, (size_t)lf);
	*v = str_sub(*v, (size_t)lf + 1, v->n);
	if (s->skip_line || line.n > s->sv->line_max) {
		s->skip_line = false;
		too_long(s);
		return true;
	}
	s->bare_line = line.n == 0 || line.p[line.n - 1] != '\r';
	if (!s->bare_line)
		line.n--;
	s->behind = *v;
	verb_run(s, line);
	s->behind = STR_NONE;
	settle(s);
	return true;
}

/* Take all that can be dealt with now from the front of *v. */
static void
pump(struct session *s, struct str *v)
{
	while (v->n > 0 && session_listens(s)) {
		if (s->state == ST_DATA) {
			data_take(s, v);
			settle(s);
		} else if (s->state == ST_CHUNK) {
			chunk_take(s, v);
			settle(s);
		} else if (!take_line(s, v)) {
			break;
		}
	}
	if (s->state >= ST_CLOSING || s->wait == WAIT_TLS)
		*v = STR_NONE;
}

static void
pump_kept(struct session *s)
{
	struct str all = buf_get(&s->in), v = all;

	pump(s, &v);
	if (s->in.len == 0)
		return; /* closed meanwhile */
	buf_consume(&s->in, all.n - v.n);
	if (s->in.len == 0)
		buf_clear(&s->in); /* a session at rest keeps no memory */
}

void
session_resume(struct session *s)
{
	if (s->in.len > 0 && session_listens(s))
		pump_kept(s);
}

/* A client has so long for a command, or as the data rate allows. */
static void
more_time(struct session *s, size_t n)
{
	int64_t full = worker_now(s->w) + s->sv->timeout_ms;

	if (!s->sv->per_request)
		s->deadline = full;
	else if (is_content(s))
		s->deadline += (int64_t)n * 1000 / s->sv->data_rate;
	if (s->deadline > full)
		s->deadline = full;
}

/* Should we die of it. */
static void
note_session(const struct session *s)
{
	const struct slot *slot = s->mail == NULL ? NULL : s->mail->slot;

	note_about(str_of(s->addr),
	    slot == NULL ? STR("") : str_make(slot->qid, slot->qid_len));
}

void
session_input(struct session *s, struct str bytes)
{
	if (s->state >= ST_CLOSING)
		return;
	note_session(s);
	if (s->state == ST_GREET)
		note_pipelining(s, bytes);
	if (s->wait == WAIT_NOTHING)
		more_time(s, bytes.n);
	if (s->in.len > 0) {
		buf_str(&s->in, bytes);
		session_resume(s);
	} else {
		pump(s, &bytes);
		if (bytes.n > 0 && s->state < ST_CLOSING)
			buf_str(&s->in, bytes);
	}
	s->kick(s->kick_arg);
}
